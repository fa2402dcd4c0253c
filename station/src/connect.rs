//! The contents of a CONNECT, and the CONNACK that the station sends without asking the broker.

use crate::limits::TOPIC_LEVELS_MAX;

/// Protocol level of MQTT 5.0 in CONNECT `[MQTT-3.1.2-2]`.
pub(crate) const LEVEL_5: u8 = 5;
const LEVELS: [(&[u8], u8); 3] = [(b"MQIsdp", 3), (b"MQTT", 4), (b"MQTT", LEVEL_5)];

const WILL: u8 = 0x04;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// A CONNECT, as far as the station needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connect<'a> {
    /// The protocol level.
    pub level: u8,
    pub client_id: &'a [u8],
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a [u8]>,
    pub password: Option<&'a [u8]>,
}

/// The message that is published when the client disappears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Will<'a> {
    pub topic: &'a [u8],
    pub qos: u8,
}

/// Why a client isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A version that this path doesn't support.
    Version,
    /// The bytes aren't a CONNECT.
    Malformed,
    /// A will above the Maximum QoS of this path `[MQTT-3.2.2-12]`.
    WillQos,
    WillTopicInvalid,
    WillNotAuthorized,
    NoUserName,
    BadUserNameOrPassword,
    /// The session is another user's.
    ForeignSession,
    /// Too many passwords are waiting to be checked.
    Busy,
    /// The broker is unavailable; the text is for the client.
    Unavailable(&'static str),
}

impl Refusal {
    /// Returns the reason for the log.
    pub(crate) fn reason(self) -> &'static str {
        self.details().0
    }

    /// Returns the reason and the CONNACK codes for it: in 5.0 and in 3.1.1.
    fn details(self) -> (&'static str, u8, u8) {
        match self {
            Self::Version => ("this path supports MQTT 5.0 only", 0x84, 1),
            Self::Malformed => ("not a CONNECT of MQTT 3.1.1 or 5.0", 0x81, 1),
            Self::WillQos => ("this path doesn't support QoS 2", 0x9B, 5),
            Self::WillTopicInvalid => ("the topic of the will is invalid", 0x90, 5),
            Self::WillNotAuthorized => ("this user may not publish to the topic of the will", 0x87, 5),
            Self::NoUserName => ("no user name or password", 0x87, 5),
            Self::BadUserNameOrPassword => ("unknown user or wrong password", 0x86, 4),
            Self::ForeignSession => ("the client ID is in use by another user", 0x85, 2),
            Self::Busy => ("too many passwords are waiting to be checked", 0x89, 3),
            Self::Unavailable(reason) => (reason, 0x88, 3),
        }
    }

    /// Returns the CONNACK for a client of this level; `None` if the client didn't send a CONNECT.
    pub(crate) fn connack(self, level: u8) -> Vec<u8> {
        let (reason, code, code_v311) = self.details();
        match self {
            Self::Malformed => Vec::new(),
            // A client of another version understands only the 3.1.1 format `[MQTT-3.1.2-2]`.
            Self::Version => vec![0x20, 2, 0, code_v311],
            _ if level != LEVEL_5 => vec![0x20, 2, 0, code_v311],
            Self::Unavailable(_) => {
                const REASON_STRING: u8 = 0x1F;
                let length = reason.len() as u8;
                [&[0x20, length + 6, 0, code, length + 3, REASON_STRING, 0, length], reason.as_bytes()].concat()
            }
            _ => vec![0x20, 3, 0, code, 0],
        }
    }
}

impl<'a> Connect<'a> {
    /// Reads a whole packet (section 3.1). Fields that aren't checked here are left to the broker.
    pub(crate) fn read(packet: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(packet);
        fields.take(1).filter(|first| first[0] == 0x10).ok_or(Refusal::Malformed)?;
        let mut fields = fields.section().ok_or(Refusal::Malformed)?;
        let name = fields.string().ok_or(Refusal::Malformed)?;
        let level = fields.u8().ok_or(Refusal::Malformed)?;
        if !LEVELS.contains(&(name, level)) {
            return Err(Refusal::Version);
        }
        fields.connect(level).ok_or(Refusal::Malformed)
    }
}

/// The fields of a packet, from front to back.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn connect(&mut self, level: u8) -> Option<Connect<'a>> {
        let flags = self.u8()?;
        let _keep_alive = self.take(2)?;
        let properties = |fields: &mut Self| if level == LEVEL_5 { fields.section().map(|_| ()) } else { Some(()) };
        properties(self)?;
        let client_id = self.string()?;
        let will = if flags & WILL != 0 {
            properties(self)?;
            let topic = self.string()?;
            let _payload = self.string()?;
            Some(Will { topic, qos: flags >> 3 & 3 })
        } else {
            None
        };
        let user_name = if flags & USER_NAME != 0 { Some(self.string()?) } else { None };
        let password = if flags & PASSWORD != 0 { Some(self.string()?) } else { None };
        Some(Connect { level, client_id, will, user_name, password })
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// Reads a string or binary data.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?;
        self.take(u16::from_be_bytes([length[0], length[1]]).into())
    }

    /// Reads the bytes whose length a variable byte integer gives.
    pub(crate) fn section(&mut self) -> Option<Self> {
        let (length, head) = variable_integer(self.0).ok()??;
        self.take(head)?;
        self.take(length as usize).map(Self)
    }
}

/// Reads a variable byte integer and returns it with its length in bytes `[MQTT-1.5.5-1]`; `None` if it is incomplete.
pub(crate) fn variable_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, Refusal> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Refusal::Malformed) }
}

/// Whether a topic or filter has no more levels than the broker supports.
pub(crate) fn has_few_levels(topic: &[u8]) -> bool {
    topic.iter().filter(|byte| **byte == b'/').count() < TOPIC_LEVELS_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn connect_is_parsed_up_to_the_password() {
        let packet = b"\x10\x2a\x00\x04MQTT\x05\xd6\x00\x3c\x05\x11\x00\x00\x00\x3c\x00\x02id\x00\x00\x01w\x00\x01p\x00\x03ana\x00\x06secret";
        let packet = [&packet[..1], &[(packet.len() - 2) as u8], &packet[2..]].concat();
        let connect = Connect::read(&packet).unwrap();
        assert_eq!((connect.level, connect.client_id), (5, &b"id"[..]));
        assert_eq!(connect.will, Some(Will { topic: b"w", qos: 2 }));
        assert_eq!((connect.user_name, connect.password), (Some(&b"ana"[..]), Some(&b"secret"[..])));
        for cut in 2..packet.len() - 1 {
            let short = [&[0x10, (cut - 2) as u8][..], &packet[2..cut]].concat();
            assert!(Connect::read(&short).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn other_versions_and_packets_are_distinguished() {
        let check = |packet: &[u8], expected| assert_eq!(Connect::read(packet).map(|connect| connect.level), expected);
        check(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id", Ok(4));
        check(b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02id", Ok(3));
        check(b"\x10\x0e\x00\x04MQTT\x06\x02\x00\x3c\x00\x02id", Err(Refusal::Version));
        check(b"\x30\x05\x00\x01t\x00x", Err(Refusal::Malformed));
        check(b"\x10\xff\xff\xff\xff\x01", Err(Refusal::Malformed));
    }

    #[test]
    fn levels_are_counted() {
        assert!(has_few_levels("/".repeat(TOPIC_LEVELS_MAX - 1).as_bytes()));
        assert!(!has_few_levels("/".repeat(TOPIC_LEVELS_MAX).as_bytes()));
    }
}
