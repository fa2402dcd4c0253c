//! One client's session, held steady towards the broker library while the client's own connections
//! come and go. Without IO and without a clock, like the core's session.
//!
//! The library (rmqtt 0.24) keeps what it received at QoS 2 with the connection, and loses messages
//! on their way to a subscriber when connections end quickly one after the other. So it sees one
//! connection for as long as the session lives; the client's reconnects are answered here. What
//! that takes:
//!
//! - only whole packets go on to the broker, since a client can be cut inside one;
//! - the identifiers of QoS 2 messages received and not released: what is repeated is answered with
//!   PUBREC and not passed on `[MQTT-4.3.3-10]`;
//! - the PUBLISH and PUBREL packets that the client hasn't acknowledged, which the next connection
//!   begins with `[MQTT-4.4.0-1]`;
//! - a *barrier* before a connection is taken up: a PINGREQ to the broker. The broker answers in
//!   order, so what comes before its PINGRESP answers packets of connections that are gone, and must
//!   not be taken for an answer to the new one's;
//! - the keep alive, towards each side on its own.
//!
//! A session whose CONNECT has a will isn't held: the broker has to see that the client vanished.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mqtt_crawl::mqtt::packet::Version;
use mqtt_crawl::time::Instant;

use crate::broker::{LARGEST_PACKET_BYTES, LARGEST_WINDOW, LONGEST_SESSION};

/// Longest packet from either side, in bytes. The library refuses what is larger than its own limit,
/// and adds to what it passes on, such as subscription identifiers.
const LONGEST_PACKET: usize = LARGEST_PACKET_BYTES as usize + 64 * 1024;
/// Bytes of messages that one client may leave unacknowledged. The broker isn't read beyond them,
/// so one packet more can be held; a client that is away then loses its hold on the broker.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Bytes on their way to one side beyond which the other isn't read.
const MOST_UNSENT_BYTES: usize = 256 * 1024;
/// How long a session of 3.1.1 is held, which can't say how long it wants to live. The library
/// keeps it as long again.
pub(crate) const V311_SESSION: Duration = Duration::from_secs(2 * 60 * 60);

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const PINGREQ: u8 = 12;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;

const DUP: u8 = 0x08;
const PINGREQ_PACKET: [u8; 2] = [0xC0, 0];
/// Properties, by their numbers.
const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
const RECEIVE_MAXIMUM: u8 = 0x21;

/// The bytes can't be a packet, or not one that the rest can be told from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed packet")]
pub(crate) struct Malformed;

/// Measures the first packet: `None` while it isn't there to its end.
pub(crate) fn frame(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(rest) = bytes.get(1..) else { return Ok(None) };
    match variable_integer(rest)? {
        Some((length, head)) if 1 + head + length > LONGEST_PACKET => Err(Malformed),
        Some((length, head)) => Ok((bytes.len() > head + length).then_some(1 + head + length)),
        None => Ok(None),
    }
}

/// A variable byte integer and how many bytes it takes `[MQTT-1.5.5-1]`; `None` where it is cut.
fn variable_integer(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((value, place + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed) }
}

/// The fields of a packet, from front to back.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// What follows the fixed header of a whole packet.
    fn of(packet: &'a [u8]) -> Option<Self> {
        let (_, head) = variable_integer(packet.get(1..)?).ok()??;
        packet.get(1 + head..).map(Self)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|taken| u16::from_be_bytes([taken[0], taken[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|taken| u32::from_be_bytes([taken[0], taken[1], taken[2], taken[3]]))
    }

    /// A string or binary data.
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn section(&mut self) -> Option<Fields<'a>> {
        let (length, head) = variable_integer(self.0).ok()??;
        self.take(head)?;
        self.take(length).map(Fields)
    }

    /// What is looked for among the properties of a CONNECT or DISCONNECT; `None` where there is
    /// something else among them.
    fn wishes(mut self) -> Option<Wishes> {
        let mut wishes = Wishes::default();
        while let Some(property) = self.u8() {
            match property {
                SESSION_EXPIRY_INTERVAL => wishes.expiry_s = Some(self.u32()?),
                RECEIVE_MAXIMUM => wishes.window = Some(self.u16()?),
                0x17 | 0x19 => drop(self.take(1)?),
                0x22 => drop(self.take(2)?),
                0x27 => drop(self.take(4)?),
                0x15 | 0x16 | 0x1C | 0x1F => drop(self.string()?),
                0x26 => drop((self.string()?, self.string()?)),
                _ => return None,
            }
        }
        Some(wishes)
    }
}

/// Properties of a CONNECT or DISCONNECT.
#[derive(Clone, Copy, Default)]
struct Wishes {
    expiry_s: Option<u32>,
    window: Option<u16>,
}

/// What a CONNECT says of a session that can be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub version: Version,
    pub client_id: Vec<u8>,
    /// The client wants no session from before.
    pub clean_start: bool,
    /// The packet without its word on Clean Start: connections with equal ones differ in nothing
    /// else, the credentials included.
    pub rest: Vec<u8>,
    keep_alive: Duration,
    /// How long the session may outlive its connection.
    expiry: Duration,
    /// Messages at once that the broker leaves unacknowledged.
    window: usize,
}

impl Greeting {
    /// Reads a whole CONNECT; `None` where its session ends with the connection, or has a will, or
    /// where the packet isn't understood.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let Head { level, flags, flags_place, keep_alive_s, wishes, client_id } = Head::read(packet)?;
        let clean_start = flags & CLEAN_START != 0;
        let (version, expiry) = match level {
            4 if !clean_start => (Version::V311, V311_SESSION),
            5 => (Version::V5, Duration::from_secs(wishes.expiry_s.unwrap_or(0).into()).min(LONGEST_SESSION)),
            _ => return None,
        };
        if client_id.is_empty() || flags & WILL != 0 || expiry.is_zero() {
            return None;
        }
        let mut rest = packet.to_vec();
        rest[flags_place] &= !CLEAN_START;
        let keep_alive = Duration::from_secs(keep_alive_s.into());
        let window = usize::from(wishes.window.map_or(LARGEST_WINDOW.get(), |window| window.min(LARGEST_WINDOW.get())));
        Some(Self { version, client_id: client_id.to_vec(), clean_start, rest, keep_alive, expiry, window })
    }
}

/// Flags of CONNECT.
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;

/// The beginning of a CONNECT.
pub(crate) struct Head<'a> {
    /// The protocol level: 5 is MQTT 5.0.
    pub level: u8,
    pub client_id: &'a [u8],
    flags: u8,
    flags_place: usize,
    keep_alive_s: u16,
    wishes: Wishes,
}

impl<'a> Head<'a> {
    /// Whether the session ends with the connection, in 3.1.1.
    pub(crate) fn is_clean_v311(&self) -> bool {
        self.level == 4 && self.flags & CLEAN_START != 0
    }

    pub(crate) fn read(packet: &'a [u8]) -> Option<Self> {
        if packet.first()? >> 4 != CONNECT {
            return None;
        }
        let mut fields = Fields::of(packet)?;
        if fields.string()? != b"MQTT" {
            return None;
        }
        let level = fields.u8()?;
        let flags_place = packet.len() - fields.0.len();
        let flags = fields.u8()?;
        let keep_alive_s = fields.u16()?;
        let wishes = if level == 5 { fields.section()?.wishes()? } else { Wishes::default() };
        Some(Self { level, client_id: fields.string()?, flags, flags_place, keep_alive_s, wishes })
    }
}

/// What a CONNACK says: whether the client is taken, and whether the broker has its session.
pub(crate) fn is_taken(connack: &[u8]) -> Option<bool> {
    match connack {
        [0x20, _, present, 0, ..] => Some(present & 1 != 0),
        _ => None,
    }
}

/// Whether a CONNACK says that the broker can't just now: 0x88, or 3 in 3.1.1.
pub(crate) fn is_unavailable(connack: &[u8]) -> bool {
    matches!(connack, [0x20, _, _, 3 | 0x88, ..])
}

/// The identifiers of the QoS 2 messages received and not released. Shared, so that a CONNECT that
/// the broker itself takes the session over for goes on with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received(Arc<Mutex<HashSet<u16>>>);

impl Received {
    fn ids(&self) -> MutexGuard<'_, HashSet<u16>> {
        // Whole after each insert and remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a session ceases to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client ended it, or its time is over: it is gone.
    Over,
    /// More waits for the client than is held; the library has it as well as it can.
    TooMuch,
}

/// Where the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Away {
        since: Instant,
    },
    /// Connected, and waiting for the barrier.
    Attaching,
    Attached,
}

/// Whom a PINGRESP is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Client,
    /// Nobody: it keeps the connection to the broker alive.
    Own,
    Barrier,
}

/// What the client hasn't acknowledged.
#[derive(Debug)]
enum Unacknowledged {
    Publish {
        packet: Vec<u8>,
        /// The client may have it already.
        was_sent: bool,
    },
    Release,
}

/// A held session.
#[derive(Debug)]
pub(crate) struct Held {
    version: Version,
    keep_alive: Duration,
    expiry: Duration,
    window: usize,
    connack: Vec<u8>,
    client: Client,
    received: Received,
    /// By the order in which they were sent first.
    unacknowledged: BTreeMap<u64, (u16, Unacknowledged)>,
    places: HashMap<u16, u64>,
    next_place: u64,
    /// Where the connection is in repeating them; `None` once it has.
    repeating: Option<u64>,
    unacknowledged_bytes: usize,
    pings: VecDeque<Ping>,
    from_client: Vec<u8>,
    from_broker: Vec<u8>,
    to_client: VecDeque<u8>,
    to_broker: VecDeque<u8>,
    client_heard: Instant,
    broker_told: Instant,
    end: Option<End>,
}

impl Held {
    /// From when the broker has taken the client, with its answer.
    pub(crate) fn new(greeting: &Greeting, connack: &[u8], received: Received, now: Instant) -> Self {
        Self {
            version: greeting.version,
            keep_alive: greeting.keep_alive,
            expiry: greeting.expiry,
            window: greeting.window,
            connack: connack.to_vec(),
            client: Client::Attached,
            received,
            unacknowledged: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
            repeating: None,
            unacknowledged_bytes: 0,
            pings: VecDeque::new(),
            from_client: Vec::new(),
            from_broker: Vec::new(),
            to_client: connack.iter().copied().collect(),
            to_broker: VecDeque::new(),
            client_heard: now,
            broker_told: now,
            end: None,
        }
    }

    /// The client has connected anew and wants its session; it is to be read once
    /// [`Held::reads_client`] says so.
    pub(crate) fn attach(&mut self, now: Instant) {
        self.detach(now);
        self.client = Client::Attaching;
        self.ping(Ping::Barrier, now);
    }

    /// The client's connection is gone.
    pub(crate) fn detach(&mut self, now: Instant) {
        if !matches!(self.client, Client::Away { .. }) {
            self.client = Client::Away { since: now };
        }
        self.from_client.clear();
        self.to_client.clear();
        self.repeating = None;
        self.pings.iter_mut().for_each(|ping| *ping = Ping::Own);
    }

    /// Since when the client has been away.
    pub(crate) fn away_since(&self) -> Option<Instant> {
        match self.client {
            Client::Away { since } => Some(since),
            Client::Attaching | Client::Attached => None,
        }
    }

    /// Whether bytes from the client can be taken.
    pub(crate) fn reads_client(&self) -> bool {
        // Some answers to it are made here, and it may be writing for long before it reads them.
        let is_full = self.to_broker.len() >= MOST_UNSENT_BYTES || self.to_client.len() >= MOST_BYTES;
        self.client == Client::Attached && !is_full
    }

    /// Whether bytes from the broker can be taken.
    pub(crate) fn reads_broker(&self) -> bool {
        let is_full = self.to_client.len() >= MOST_UNSENT_BYTES || self.unacknowledged_bytes >= MOST_BYTES;
        self.client != Client::Attached || !is_full
    }

    /// Whether the broker keeps back what comes for the client, until it acknowledges something.
    pub(crate) fn is_window_full(&self) -> bool {
        self.places.len() >= self.window
    }

    /// What is to be written next to the client, and to the broker.
    pub(crate) fn transmits(&self) -> (&[u8], &[u8]) {
        (self.to_client.as_slices().0, self.to_broker.as_slices().0)
    }

    /// So many bytes were written to the client.
    pub(crate) fn client_took(&mut self, length: usize) {
        self.to_client.drain(..length);
        if self.to_client.is_empty() {
            self.repeat();
        }
    }

    /// So many bytes were written to the broker.
    pub(crate) fn broker_took(&mut self, length: usize) {
        self.to_broker.drain(..length);
    }

    /// Whether, and why, it is to be held no longer; what is to be written to the broker still is.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    /// Bytes came from the client, cut anywhere. `false` once it has said goodbye.
    ///
    /// # Errors
    /// Packets can't be told apart, and nothing of what isn't understood has gone on.
    pub(crate) fn handle_client(&mut self, bytes: &[u8], now: Instant) -> Result<bool, Malformed> {
        self.client_heard = now;
        let mut input = std::mem::take(&mut self.from_client);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        while let Some(length) = frame(rest)? {
            let (packet, following) = rest.split_at(length);
            rest = following;
            if packet[0] >> 4 == DISCONNECT {
                self.part(packet, now)?;
                return Ok(false);
            }
            self.take_from_client(packet, now)?;
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        self.from_client = input;
        Ok(true)
    }

    fn take_from_client(&mut self, packet: &[u8], now: Instant) -> Result<(), Malformed> {
        match packet[0] >> 4 {
            PUBLISH if qos(packet) == 2 => {
                let id = publish_id(packet).ok_or(Malformed)?;
                if !self.received.ids().insert(id) {
                    let [high, low] = id.to_be_bytes();
                    self.to_client.extend([PUBREC << 4, 2, high, low]);
                    return Ok(());
                }
            }
            PUBREL => {
                self.received.ids().remove(&ack_id(packet).ok_or(Malformed)?);
            }
            PUBACK | PUBCOMP => self.forget(ack_id(packet).ok_or(Malformed)?),
            PUBREC => {
                let id = ack_id(packet).ok_or(Malformed)?;
                if self.places.contains_key(&id) {
                    self.keep(id, Unacknowledged::Release);
                }
            }
            PINGREQ => self.pings.push_back(Ping::Client),
            _ => {}
        }
        self.tell_broker(packet, now);
        Ok(())
    }

    /// The client leaves. Its session lives on, as after a lost connection, unless it says otherwise.
    fn part(&mut self, packet: &[u8], now: Instant) -> Result<(), Malformed> {
        let mut fields = Fields::of(packet).ok_or(Malformed)?;
        // Both the reason code and the properties may be left out.
        if self.version == Version::V5 && fields.u8().is_some() && !fields.0.is_empty() {
            let wishes = fields.section().and_then(Fields::wishes).ok_or(Malformed)?;
            if let Some(expiry_s) = wishes.expiry_s {
                self.expiry = Duration::from_secs(expiry_s.into()).min(LONGEST_SESSION);
            }
        }
        self.detach(now);
        if self.expiry.is_zero() {
            self.let_go(now);
            self.end = Some(End::Over);
        }
        Ok(())
    }

    /// Bytes came from the broker, cut anywhere.
    ///
    /// # Errors
    /// Packets can't be told apart.
    pub(crate) fn handle_broker(&mut self, bytes: &[u8], now: Instant) -> Result<(), Malformed> {
        let mut input = std::mem::take(&mut self.from_broker);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        while let Some(length) = frame(rest)? {
            let (packet, following) = rest.split_at(length);
            rest = following;
            self.take_from_broker(packet, now)?;
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        self.from_broker = input;
        if self.client != Client::Attached && self.unacknowledged_bytes >= MOST_BYTES && self.end.is_none() {
            self.let_go(now);
            self.end = Some(End::TooMuch);
        }
        Ok(())
    }

    fn take_from_broker(&mut self, packet: &[u8], now: Instant) -> Result<(), Malformed> {
        let is_attached = self.client == Client::Attached;
        match packet[0] >> 4 {
            PUBLISH if qos(packet) > 0 => {
                let id = publish_id(packet).ok_or(Malformed)?;
                let was_sent = is_attached && self.repeating.is_none();
                self.keep(id, Unacknowledged::Publish { packet: packet.to_vec(), was_sent });
                if self.repeating.is_some() {
                    return Ok(());
                }
            }
            PUBREL => {
                let place = self.keep(ack_id(packet).ok_or(Malformed)?, Unacknowledged::Release);
                if self.repeating.is_some_and(|next| place >= next) {
                    return Ok(());
                }
            }
            // Refused: the exchange is over, and its identifier free [MQTT-4.3.3-4].
            PUBREC if packet.get(4).is_some_and(|reason| *reason >= 0x80) => {
                self.received.ids().remove(&ack_id(packet).ok_or(Malformed)?);
            }
            PINGRESP => match self.pings.pop_front() {
                Some(Ping::Barrier) => {
                    self.greet(now);
                    return Ok(());
                }
                Some(Ping::Client) => {}
                Some(Ping::Own) | None => return Ok(()),
            },
            _ => {}
        }
        if is_attached {
            self.to_client.extend(packet);
        }
        Ok(())
    }

    /// The new connection begins: with CONNACK, and then what wasn't acknowledged on those before.
    fn greet(&mut self, now: Instant) {
        self.client = Client::Attached;
        self.client_heard = now;
        self.to_client.extend(&self.connack);
        if let Some(flags) = self.to_client.get_mut(2) {
            *flags |= 1;
        }
        self.repeating = Some(0);
    }

    /// Repeats one packet: not all at once, so that a connection that lives for a moment gets a part
    /// of them across, and none has to be held twice.
    fn repeat(&mut self) {
        let Some(next) = self.repeating else { return };
        let Some((place, (id, unacknowledged))) = self.unacknowledged.range_mut(next..).next() else {
            self.repeating = None;
            return;
        };
        self.repeating = Some(place + 1);
        match unacknowledged {
            Unacknowledged::Publish { packet, was_sent } => {
                if std::mem::replace(was_sent, true) {
                    packet[0] |= DUP;
                }
                self.to_client.extend(&*packet);
            }
            Unacknowledged::Release => {
                let [high, low] = id.to_be_bytes();
                self.to_client.extend([PUBREL << 4 | 2, 2, high, low]);
            }
        }
    }

    /// When [`Held::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let silence = (self.client == Client::Attached).then(|| self.silence_deadline()).flatten();
        let expiry = self.away_since().map(|since| since + self.expiry);
        [silence, expiry, self.ping_time()].into_iter().flatten().min()
    }

    /// Time has passed. `false` if the client has been silent for so long that its connection is to
    /// be closed `[MQTT-3.1.2-22]`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.ping_time().is_some_and(|time| time <= now) {
            self.ping(Ping::Own, now);
        }
        if self.away_since().is_some_and(|since| since + self.expiry <= now) && self.end.is_none() {
            self.expiry = Duration::ZERO;
            self.let_go(now);
            self.end = Some(End::Over);
        }
        let is_silent = self.client == Client::Attached && self.silence_deadline().is_some_and(|time| time <= now);
        if is_silent {
            self.detach(now);
        }
        !is_silent
    }

    /// Leaves the session to the broker library, for the time it has left.
    pub(crate) fn let_go(&mut self, now: Instant) {
        if self.version == Version::V5 {
            let gone = self.away_since().map_or(Duration::ZERO, |since| now.since(since));
            let left_s = u32::try_from(self.expiry.saturating_sub(gone).as_secs()).unwrap_or(u32::MAX);
            let mut packet = vec![DISCONNECT << 4, 7, 0, 5, SESSION_EXPIRY_INTERVAL];
            packet.extend(left_s.to_be_bytes());
            self.tell_broker(&packet, now);
        }
    }

    fn silence_deadline(&self) -> Option<Instant> {
        (!self.keep_alive.is_zero()).then(|| self.client_heard + self.keep_alive * 3 / 2)
    }

    fn ping_time(&self) -> Option<Instant> {
        (!self.keep_alive.is_zero()).then(|| self.broker_told + self.keep_alive / 2)
    }

    fn ping(&mut self, ping: Ping, now: Instant) {
        self.pings.push_back(ping);
        self.tell_broker(&PINGREQ_PACKET, now);
    }

    fn tell_broker(&mut self, packet: &[u8], now: Instant) {
        self.broker_told = now;
        self.to_broker.extend(packet);
    }

    /// Returns its place.
    fn keep(&mut self, id: u16, unacknowledged: Unacknowledged) -> u64 {
        let place = *self.places.entry(id).or_insert(self.next_place);
        self.next_place += 1;
        self.unacknowledged_bytes += bytes(&unacknowledged);
        if let Some((_, old)) = self.unacknowledged.insert(place, (id, unacknowledged)) {
            self.unacknowledged_bytes -= bytes(&old);
        }
        place
    }

    fn forget(&mut self, id: u16) {
        let old = self.places.remove(&id).and_then(|place| self.unacknowledged.remove(&place));
        if let Some((_, old)) = old {
            self.unacknowledged_bytes -= bytes(&old);
        }
    }
}

fn bytes(unacknowledged: &Unacknowledged) -> usize {
    match unacknowledged {
        Unacknowledged::Publish { packet, .. } => packet.len(),
        Unacknowledged::Release => 0,
    }
}

fn qos(packet: &[u8]) -> u8 {
    (packet[0] >> 1) & 3
}

fn publish_id(packet: &[u8]) -> Option<u16> {
    let mut fields = Fields::of(packet)?;
    fields.string()?;
    fields.u16()
}

fn ack_id(packet: &[u8]) -> Option<u16> {
    Fields::of(packet)?.u16()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Version 5, Keep Alive 60 s, Session Expiry Interval 100 s.
    const CONNECT_5: &[u8] = b"\x10\x15\x00\x04MQTT\x05\x00\x00\x3c\x05\x11\x00\x00\x00\x64\x00\x03abc";
    const CONNECT_311: &[u8] = b"\x10\x0f\x00\x04MQTT\x04\x00\x00\x3c\x00\x03abc";
    const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];
    const CONNACK_PRESENT: &[u8] = &[0x20, 3, 1, 0, 0];
    const PUBLISH_1: &[u8] = b"\x32\x07\x00\x01t\x00\x07\x00x";
    const PUBLISH_1_AGAIN: &[u8] = b"\x3a\x07\x00\x01t\x00\x07\x00x";
    const PUBLISH_2: &[u8] = b"\x34\x07\x00\x01t\x00\x08\x00x";
    const PUBLISH_2_AGAIN: &[u8] = b"\x3c\x07\x00\x01t\x00\x08\x00x";
    const PUBACK_7: &[u8] = &[0x40, 2, 0, 7];
    const PUBREC_8: &[u8] = &[0x50, 2, 0, 8];
    const PUBREC_8_REFUSED: &[u8] = &[0x50, 3, 0, 8, 0x87];
    const PUBREL_8: &[u8] = &[0x62, 2, 0, 8];
    const PUBCOMP_8: &[u8] = &[0x70, 2, 0, 8];
    const PING: &[u8] = &[0xC0, 0];
    const PONG: &[u8] = &[0xD0, 0];
    const GOODBYE: &[u8] = &[0xE0, 0];

    fn at(seconds: u64) -> Instant {
        Instant::EPOCH + Duration::from_secs(seconds)
    }

    /// A session and everything that it has said to either side since it was last asked.
    struct Pair {
        held: Held,
        now: Instant,
    }

    impl Pair {
        fn new() -> Self {
            let held = Held::new(&Greeting::read(CONNECT_5).unwrap(), CONNACK, Received::default(), at(0));
            let mut pair = Self { held, now: at(0) };
            assert_eq!(pair.said(), (CONNACK.to_vec(), vec![]));
            pair
        }

        fn said(&mut self) -> (Vec<u8>, Vec<u8>) {
            let (mut to_client, mut to_broker) = (Vec::new(), Vec::new());
            loop {
                let (client, broker) = self.held.transmits();
                if client.is_empty() && broker.is_empty() {
                    return (to_client, to_broker);
                }
                to_client.extend(client);
                to_broker.extend(broker);
                let (client, broker) = (client.len(), broker.len());
                self.held.client_took(client);
                self.held.broker_took(broker);
            }
        }

        /// What comes from the client, and what is then said to it and to the broker.
        fn client(&mut self, packet: &[u8], to_client: &[u8], to_broker: &[u8]) {
            assert_eq!(self.held.handle_client(packet, self.now), Ok(true), "{packet:02x?}");
            assert_eq!(self.said(), (to_client.to_vec(), to_broker.to_vec()), "after {packet:02x?}");
        }

        /// What comes from the broker, and what is then said to the client.
        fn broker(&mut self, packet: &[u8], to_client: &[u8]) {
            assert_eq!(self.held.handle_broker(packet, self.now), Ok(()));
            assert_eq!(self.said(), (to_client.to_vec(), vec![]), "after {packet:02x?}");
        }

        fn cut(&mut self) {
            self.held.detach(self.now);
        }

        /// Connects again; `repeated` follows the CONNACK.
        fn attach(&mut self, repeated: &[&[u8]]) {
            self.held.attach(self.now);
            assert!(!self.held.reads_client());
            assert_eq!(self.said(), (vec![], PING.to_vec()));
            self.broker(PONG, &[CONNACK_PRESENT, &repeated.concat()].concat());
            assert!(self.held.reads_client());
        }
    }

    #[test]
    fn a_connect_is_held_whose_session_lasts_and_that_has_no_will() {
        let check = |change: fn(&mut Vec<u8>), connect: &[u8], expected: Option<bool>| {
            let mut connect = connect.to_vec();
            change(&mut connect);
            assert_eq!(Greeting::read(&connect).map(|greeting| greeting.clean_start), expected, "{connect:02x?}");
            for length in 0..connect.len() {
                assert_eq!(Greeting::read(&connect[..length]), None, "the first {length} bytes");
            }
        };
        check(|_| (), CONNECT_5, Some(false));
        check(|connect| connect[9] |= 2, CONNECT_5, Some(true));
        check(|connect| connect[9] |= 4, CONNECT_5, None);
        check(|connect| connect[17] = 0, CONNECT_5, None);
        check(|_| (), CONNECT_311, Some(false));
        check(|connect| connect[9] |= 2, CONNECT_311, None);
        let mut clean = CONNECT_5.to_vec();
        clean[9] |= 2;
        assert_eq!(Greeting::read(&clean).unwrap().rest, Greeting::read(CONNECT_5).unwrap().rest);
    }

    #[test]
    fn a_message_received_at_qos_2_is_passed_on_once_until_it_is_released() {
        let mut pair = Pair::new();
        pair.client(PUBLISH_2, &[], PUBLISH_2);
        pair.cut();
        // Its PUBREC comes too late.
        pair.broker(PUBREC_8, &[]);
        pair.attach(&[]);
        pair.client(PUBLISH_2_AGAIN, PUBREC_8, &[]);
        pair.client(PUBREL_8, &[], PUBREL_8);
        pair.broker(PUBCOMP_8, PUBCOMP_8);
        pair.client(PUBLISH_2, &[], PUBLISH_2);
        pair.broker(PUBREC_8_REFUSED, PUBREC_8_REFUSED);
        pair.client(PUBLISH_2, &[], PUBLISH_2);
    }

    #[test]
    fn what_the_client_has_not_acknowledged_is_repeated_in_order() {
        let mut pair = Pair::new();
        pair.broker(&[PUBLISH_1, PUBLISH_2].concat(), &[PUBLISH_1, PUBLISH_2].concat());
        pair.cut();
        pair.attach(&[PUBLISH_1_AGAIN, PUBLISH_2_AGAIN]);
        pair.client(PUBREC_8, &[], PUBREC_8);
        pair.broker(PUBREL_8, PUBREL_8);
        pair.cut();
        pair.attach(&[PUBLISH_1_AGAIN, PUBREL_8]);
        pair.client(PUBACK_7, &[], PUBACK_7);
        pair.client(PUBCOMP_8, &[], PUBCOMP_8);
        pair.cut();
        pair.attach(&[]);
    }

    #[test]
    fn what_comes_while_the_client_is_away_waits_for_it() {
        let mut pair = Pair::new();
        pair.cut();
        pair.broker(PUBLISH_2, &[]);
        // At QoS 0 nothing waits.
        pair.broker(b"\x30\x05\x00\x01t\x00x", &[]);
        pair.held.attach(pair.now);
        assert_eq!(pair.said().1, PING);
        pair.broker(PUBLISH_1, &[]);
        // First sent now, so no duplicate [MQTT-3.3.1-2].
        pair.broker(PONG, &[CONNACK_PRESENT, PUBLISH_2, PUBLISH_1].concat());
    }

    /// Else an answer to the last connection would be taken for one to this.
    #[test]
    fn answers_to_a_lost_connection_are_not_passed_on() {
        let mut pair = Pair::new();
        pair.client(&[PUBLISH_1, PING].concat(), &[], &[PUBLISH_1, PING].concat());
        pair.cut();
        pair.held.attach(pair.now);
        assert_eq!(pair.said().1, PING);
        pair.broker(&[PUBACK_7, PONG].concat(), &[]);
        pair.broker(PONG, CONNACK_PRESENT);
        pair.client(PUBLISH_1_AGAIN, &[], PUBLISH_1_AGAIN);
        pair.broker(PUBACK_7, PUBACK_7);
    }

    #[test]
    fn packets_cut_anywhere_are_passed_on_whole_or_not_at_all() {
        for length in 1..PUBLISH_2.len() {
            let mut pair = Pair::new();
            let (first, rest) = PUBLISH_2.split_at(length);
            pair.client(first, &[], &[]);
            pair.client(rest, &[], PUBLISH_2);
            pair.broker(first, &[]);
            pair.broker(rest, PUBLISH_2);
            pair.client(first, &[], &[]);
            pair.cut();
            pair.attach(&[PUBLISH_2_AGAIN]);
            pair.client(PING, &[], PING);
        }
        let mut pair = Pair::new();
        assert_eq!(pair.held.handle_client(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], at(0)), Err(Malformed));
        assert_eq!(pair.held.handle_client(&[0x34, 1, 0], at(0)), Err(Malformed));
    }

    #[test]
    fn each_side_has_its_own_keep_alive() {
        let mut pair = Pair::new();
        for seconds in [30, 60] {
            assert_eq!(pair.held.poll_timeout(), Some(at(seconds)));
            pair.now = at(seconds);
            assert!(pair.held.handle_timeout(pair.now));
            assert_eq!(pair.said(), (vec![], PING.to_vec()));
            pair.broker(PONG, &[]);
        }
        pair.client(PING, &[], PING);
        pair.broker(PONG, PONG);
        for seconds in [90, 120] {
            assert!(pair.held.handle_timeout(at(seconds)));
        }
        // One and a half of 60 s after the client's last packet.
        assert!(!pair.held.handle_timeout(at(150)));
        assert_eq!(pair.held.away_since(), Some(at(150)));
    }

    #[test]
    fn a_session_ends_when_its_time_is_over() {
        let mut pair = Pair::new();
        pair.now = at(10);
        pair.cut();
        let mut last = Vec::new();
        while pair.held.end().is_none() {
            pair.now = pair.held.poll_timeout().unwrap();
            assert!(pair.held.handle_timeout(pair.now));
            last = pair.said().1;
        }
        assert_eq!((pair.now, pair.held.end()), (at(110), Some(End::Over)));
        assert!(last.ends_with(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]), "{last:02x?}");
    }

    #[test]
    fn who_says_goodbye_keeps_the_session_unless_it_wants_none() {
        let mut pair = Pair::new();
        pair.broker(PUBLISH_1, PUBLISH_1);
        assert_eq!(pair.held.handle_client(GOODBYE, at(0)), Ok(false));
        assert_eq!(pair.said(), (vec![], vec![]));
        pair.attach(&[PUBLISH_1_AGAIN]);
        let goodbye = [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0];
        assert_eq!(pair.held.handle_client(&goodbye, at(0)), Ok(false));
        assert_eq!(pair.held.end(), Some(End::Over));
        assert_eq!(pair.said(), (vec![], goodbye.to_vec()));
    }

    #[test]
    fn what_waits_is_bounded() {
        let message = |id: u16| {
            let mut packet = vec![0x32, 0x85, 0x80, 0x40, 0, 1, b't'];
            packet.extend(id.to_be_bytes());
            packet.resize(4 + 5 + (1 << 20), 0);
            packet
        };
        let mut pair = Pair::new();
        for id in 1..=8 {
            assert!(pair.held.reads_broker());
            let message = message(id);
            pair.broker(&message, &message);
        }
        // Nothing more is read until the client acknowledges, and it may take its time.
        assert!(!pair.held.reads_broker() && pair.held.end().is_none());
        pair.client(&[0x40, 2, 0, 1], &[], &[0x40, 2, 0, 1]);
        assert!(pair.held.reads_broker());
        pair.cut();
        assert_eq!(pair.held.handle_broker(&message(9), at(0)), Ok(()));
        assert_eq!(pair.held.end(), Some(End::TooMuch));
        assert!(pair.said().1.ends_with(&[0x11, 0, 0, 0, 100]), "the library keeps it for as long as it has");
    }

    #[test]
    fn who_does_not_read_the_answers_is_not_read_for_ever() {
        let mut pair = Pair::new();
        pair.client(PUBLISH_2, &[], PUBLISH_2);
        let again = PUBLISH_2_AGAIN.repeat(100_000);
        let mut rounds = 0;
        while pair.held.reads_client() {
            assert_eq!(pair.held.handle_client(&again, at(0)), Ok(true));
            rounds += 1;
        }
        assert_eq!(rounds, MOST_BYTES.div_ceil(100_000 * PUBREC_8.len()));
    }
}
