//! A broker that misbehaves in one way at a time: bytes in, bytes out, without a socket and without a clock.

/// The way in which a broker misbehaves. Everything else is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Good,
    /// CONNACK in the 3.1.1 format, for any requested version.
    OldConnAck,
    /// No answer to a 5.0 CONNECT.
    SilentToV5,
    /// No answer to any CONNECT.
    Silent,
    /// Closes on CONNECT.
    CloseOnConnect,
    /// "Server busy" to every CONNECT.
    Busy,
    /// Something other than CONNACK.
    NoConnAck,
    /// These properties in a 5.0 CONNACK.
    Properties(&'static [u8]),
    /// Claims a session that nobody knows of.
    SessionPresent,
    /// Closes right after CONNACK.
    CloseOnceAccepted,
    /// Closes on everything after CONNECT, like a link that is cut.
    CloseOnNextPacket,
    /// Another client takes the session over a moment after CONNACK.
    TakeOver,
    /// Closes on every SUBSCRIBE.
    CloseOnSubscribe,
    /// Closes on a SUBSCRIBE of this filter.
    ForbiddenFilter(&'static str),
    /// Closes on a SUBSCRIBE with more than eight filters.
    EightFilters,
    /// No SUBACK.
    NoSubAck,
    /// SUBACK in the 3.1.1 format.
    OldSubAck,
    /// SUBACK with one code too many.
    LongSubAck,
    /// Closes on every UNSUBSCRIBE.
    CloseOnUnsubscribe,
    /// No UNSUBACK.
    NoUnsubAck,
    /// UNSUBACK in the 3.1.1 format.
    OldUnsubAck,
    /// Closes on every PUBLISH.
    CloseOnPublish,
    /// Closes on a PUBLISH of more than this number of bytes.
    CloseOnLarge(usize),
    /// Closes on a PUBLISH to a topic with a control character.
    CloseOnControlCharacter,
    /// DISCONNECT with this reason on a PUBLISH (5.0).
    DisconnectOnPublish(u8),
    /// Closes within the answer to every PUBLISH, like a link that is cut.
    CloseWithinPubAck,
    /// Closes on every PUBREL.
    CloseOnRelease,
    /// No PUBACK and no PUBREC.
    NoPubAck,
    /// Answers a PUBLISH of QoS 1 or 2 with this first byte.
    WrongPubAck(u8),
    /// Sends a message of QoS 1 after SUBACK, and closes on its PUBACK.
    CloseOnPubAck,
    /// Closes on every PINGREQ.
    CloseOnPing,
    /// Answers PINGREQ with PINGREQ.
    PingBack,
    /// SUBACK for another packet identifier.
    OtherSubAck,
    /// SUBACK with this code.
    SubAckCode(u8),
    /// Sends a message before CONNACK.
    PublishFirst,
    /// Sends these bytes after SUBACK and closes.
    BytesAndClose(&'static [u8]),
    /// Sends these packets after SUBACK: first byte, topic, payload.
    Sends(&'static [(u8, &'static [u8], &'static [u8])]),
    /// Sends a retained message of 17 MiB after SUBACK, with this first byte.
    Large(u8),
    /// The same in one frame with the message behind it.
    LargeInOneFrame(u8),
    /// Sends these bytes after SUBACK.
    Bytes(&'static [u8]),
    /// Sends a text frame after SUBACK.
    TextFrame,
    /// Sends an empty frame before each packet.
    EmptyFrames,
}

/// What the broker does with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends these bytes as one binary frame.
    Send(Vec<u8>),
    /// Sends a text frame.
    SendText,
    /// Closes without a packet.
    Close,
    /// Closes this number of milliseconds later.
    CloseLater(u64),
}

/// The state of the broker and its one client.
pub struct Broker {
    /// The way in which it misbehaves from now on.
    pub mode: Mode,
    is_v5: bool,
    has_session: bool,
    input: Vec<u8>,
    /// The first bytes of the received packets, over all connections.
    pub received: Vec<u8>,
    /// The received and accepted payloads.
    pub taken: Vec<Vec<u8>>,
}

impl Broker {
    /// Creates a broker without sessions.
    pub fn new(mode: Mode) -> Self {
        Self { mode, is_v5: false, has_session: false, input: Vec::new(), received: Vec::new(), taken: Vec::new() }
    }

    /// Handles a new connection.
    pub fn handle_open(&mut self) {
        self.input.clear();
    }

    /// Handles received bytes.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Vec<Act> {
        self.input.extend_from_slice(bytes);
        let mut acts = Vec::new();
        while let Some((first, body)) = self.take_packet() {
            self.received.push(first);
            let before = acts.len();
            self.handle_packet(first, &body, &mut acts);
            if self.mode == Mode::EmptyFrames && acts.len() > before {
                acts.insert(before, Act::Send(Vec::new()));
            }
            if acts.contains(&Act::Close) {
                self.input.clear();
                break;
            }
        }
        acts
    }

    fn take_packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut length = 0;
        for at in 0..4 {
            let byte = *self.input.get(1 + at)?;
            length |= usize::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 == 0 {
                let body = self.input.get(2 + at..2 + at + length)?.to_vec();
                let first = self.input[0];
                self.input.drain(..2 + at + length);
                return Some((first, body));
            }
        }
        panic!("a length of five bytes from the client");
    }

    fn handle_packet(&mut self, first: u8, body: &[u8], acts: &mut Vec<Act>) {
        let id = body.get(..2).unwrap_or_default();
        match first >> 4 {
            1 => self.handle_connect(body, acts),
            _ if self.mode == Mode::CloseOnNextPacket => acts.push(Act::Close),
            3 => self.handle_publish(first, body, acts),
            4 if self.mode == Mode::CloseOnPubAck => acts.push(Act::Close),
            6 if self.mode == Mode::CloseOnRelease => acts.push(Act::Close),
            6 => acts.push(Act::Send([&[0x70, 2], id].concat())),
            8 => self.handle_subscribe(body, acts),
            10 => match self.mode {
                Mode::CloseOnUnsubscribe => acts.push(Act::Close),
                Mode::NoUnsubAck => {}
                _ if self.is_v5 && self.mode != Mode::OldUnsubAck => {
                    acts.push(Act::Send([&[0xB0, 4], id, &[0, 0]].concat()));
                }
                _ => acts.push(Act::Send([&[0xB0, 2], id].concat())),
            },
            12 if self.mode == Mode::CloseOnPing => acts.push(Act::Close),
            12 if self.mode == Mode::PingBack => acts.push(Act::Send(vec![0xC0, 0])),
            12 => acts.push(Act::Send(vec![0xD0, 0])),
            14 => acts.push(Act::Close),
            _ => {}
        }
    }

    fn handle_connect(&mut self, body: &[u8], acts: &mut Vec<Act>) {
        self.is_v5 = body[6] == 5;
        let is_clean = body[7] & 2 != 0;
        let present = u8::from(self.has_session && !is_clean || self.mode == Mode::SessionPresent);
        // In 3.1.1 a clean session ends with its connection.
        self.has_session = self.is_v5 || !is_clean;
        let accept = |properties: &[u8]| {
            let rest = [&[present, 0, properties.len() as u8], properties].concat();
            Act::Send([&[0x20, rest.len() as u8], &rest[..]].concat())
        };
        if self.mode == Mode::PublishFirst {
            acts.push(self.publish(0x30, b"plain/topic", b"IDA: Early."));
        }
        acts.push(match self.mode {
            Mode::SilentToV5 if self.is_v5 => return,
            Mode::Silent => return,
            Mode::CloseOnConnect => Act::Close,
            Mode::NoConnAck => Act::Send(vec![0x40, 2, 0, 1]),
            Mode::Busy if self.is_v5 => Act::Send(vec![0x20, 3, 0, 0x89, 0]),
            Mode::Busy => Act::Send(vec![0x20, 2, 0, 3]),
            Mode::Properties(properties) if self.is_v5 => accept(properties),
            Mode::OldConnAck => Act::Send(vec![0x20, 2, present, 0]),
            _ if self.is_v5 => accept(&[]),
            _ => Act::Send(vec![0x20, 2, present, 0]),
        });
        match self.mode {
            Mode::CloseOnceAccepted => acts.push(Act::Close),
            Mode::TakeOver => acts.push(Act::CloseLater(3_000)),
            // The session has its subscription already.
            _ if self.has_session && present == 1 => self.send_after_suback(acts),
            _ => {}
        }
    }

    fn handle_publish(&mut self, first: u8, body: &[u8], acts: &mut Vec<Act>) {
        let qos = first >> 1 & 3;
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let closes = match self.mode {
            Mode::CloseOnPublish => true,
            Mode::CloseOnLarge(bytes) => body.len() > bytes,
            Mode::CloseOnControlCharacter => body[2..topic_end].iter().any(u8::is_ascii_control),
            Mode::CloseWithinPubAck => {
                acts.push(Act::Send(vec![0x40, 2, 0]));
                true
            }
            Mode::DisconnectOnPublish(reason) => {
                acts.push(Act::Send(vec![0xE0, 1, reason]));
                true
            }
            _ => false,
        };
        if closes {
            return acts.push(Act::Close);
        }
        let payload = topic_end + if qos > 0 { 2 } else { 0 };
        // Topic aliases aren't granted and the tests set no properties.
        self.taken.push(body[payload + usize::from(self.is_v5)..].to_vec());
        let answer = match self.mode {
            Mode::WrongPubAck(first) => first,
            _ if qos == 1 => 0x40,
            _ => 0x50,
        };
        if qos > 0 && self.mode != Mode::NoPubAck {
            acts.push(Act::Send(vec![answer, 2, body[topic_end], body[topic_end + 1]]));
        }
    }

    fn handle_subscribe(&mut self, body: &[u8], acts: &mut Vec<Act>) {
        let mut rest = &body[2 + if self.is_v5 { 1 + usize::from(body[2]) } else { 0 }..];
        let mut filters = Vec::new();
        while let [high, low, ..] = rest {
            let end = 2 + usize::from(u16::from_be_bytes([*high, *low]));
            filters.push((&rest[2..end], rest[end] & 3));
            rest = &rest[end + 1..];
        }
        let closes = match self.mode {
            Mode::CloseOnSubscribe => true,
            Mode::ForbiddenFilter(forbidden) => filters.iter().any(|(filter, _)| *filter == forbidden.as_bytes()),
            Mode::EightFilters => filters.len() > 8,
            _ => false,
        };
        if closes {
            return acts.push(Act::Close);
        }
        if self.mode == Mode::NoSubAck {
            return;
        }
        let mut answer = body[..2].to_vec();
        if self.is_v5 && self.mode != Mode::OldSubAck {
            answer.push(0);
        }
        answer.extend(filters.iter().map(|(_, qos)| if let Mode::SubAckCode(code) = self.mode { code } else { *qos }));
        if self.mode == Mode::OtherSubAck {
            answer[1] = !answer[1];
        }
        if self.mode == Mode::LongSubAck {
            answer.extend([0, 0, 0]);
        }
        acts.push(Act::Send([&[0x90, answer.len() as u8], &answer[..]].concat()));
        self.send_after_suback(acts);
    }

    fn send_after_suback(&self, acts: &mut Vec<Act>) {
        match self.mode {
            Mode::Sends(messages) => {
                acts.extend(messages.iter().map(|(first, topic, payload)| self.publish(*first, topic, payload)));
            }
            Mode::Large(first) => acts.push(self.publish(first, b"large", &vec![b'x'; 17 << 20])),
            Mode::LargeInOneFrame(first) => {
                let large = self.publish(first, b"large", &vec![b'x'; 17 << 20]);
                let (Act::Send(mut frame), Act::Send(good)) =
                    (large, self.publish(0x30, b"plain/topic", b"IDA: Good."))
                else {
                    unreachable!("both are bytes");
                };
                frame.extend(good);
                return acts.push(Act::Send(frame));
            }
            Mode::BytesAndClose(bytes) => return acts.extend([Act::Send(bytes.to_vec()), Act::Close]),
            Mode::CloseOnPubAck => acts.push(self.publish(0x32, b"plain/topic", b"IDA: Again.")),
            Mode::Bytes(bytes) => acts.push(Act::Send(bytes.to_vec())),
            Mode::TextFrame => acts.push(Act::SendText),
            _ => {}
        }
        acts.push(self.publish(0x30, b"plain/topic", b"IDA: Good."));
    }

    fn publish(&self, first: u8, topic: &[u8], payload: &[u8]) -> Act {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic);
        if first & 0b110 != 0 {
            body.extend([0, 9]);
        }
        if self.is_v5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        let mut packet = vec![first];
        let mut length = body.len();
        while length > 0x7F {
            packet.push(length as u8 | 0x80);
            length >>= 7;
        }
        packet.push(length as u8);
        packet.extend(body);
        Act::Send(packet)
    }
}
