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
    /// Topic and QoS of the will.
    pub will: Option<(&'a [u8], u8)>,
    pub user_name: Option<&'a [u8]>,
    pub password: Option<&'a [u8]>,
}

/// Why a client isn't accepted: the reason for the log, and the CONNACK codes in 5.0 and in 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: &'static str,
    code: u8,
    code_v311: u8,
}

impl Refusal {
    pub(crate) const VERSION: Self = Self::new("this path supports MQTT 5.0 only", 0x84, 1);
    /// The bytes aren't a CONNECT, so that no CONNACK is sent.
    pub(crate) const MALFORMED: Self = Self::new("not a CONNECT of MQTT 3.1.1 or 5.0", 0x81, 1);
    /// A will above the Maximum QoS of this path `[MQTT-3.2.2-12]`.
    pub(crate) const WILL_QOS: Self = Self::new("this path doesn't support QoS 2", 0x9B, 5);
    pub(crate) const WILL_TOPIC_INVALID: Self = Self::new("the topic of the will is invalid", 0x90, 5);
    pub(crate) const WILL_NOT_AUTHORIZED: Self =
        Self::new("this user may not publish to the topic of the will", 0x87, 5);
    pub(crate) const NO_USER_NAME: Self = Self::new("no user name or password", 0x87, 5);
    pub(crate) const WRONG_PASSWORD: Self = Self::new("unknown user or wrong password", 0x86, 4);
    pub(crate) const FOREIGN_SESSION: Self = Self::new("the client ID is in use by another user", 0x85, 2);
    pub(crate) const BUSY: Self = Self::new("too many passwords are waiting to be checked", 0x89, 3);
    /// Server unavailable; its reason is for the client.
    const UNAVAILABLE: u8 = 0x88;

    const fn new(reason: &'static str, code: u8, code_v311: u8) -> Self {
        Self { reason, code, code_v311 }
    }

    /// The broker is unavailable; the text is for the client.
    pub(crate) const fn unavailable(reason: &'static str) -> Self {
        Self::new(reason, Self::UNAVAILABLE, 3)
    }

    /// Returns the CONNACK for a client of this level.
    pub(crate) fn connack(self, level: u8) -> Vec<u8> {
        const REASON_STRING: u8 = 0x1F;
        let (reason, length) = (self.reason.as_bytes(), self.reason.len() as u8);
        match self.code {
            _ if self == Self::MALFORMED => Vec::new(),
            // A client of another version understands only the 3.1.1 format `[MQTT-3.1.2-2]`.
            _ if level != LEVEL_5 => vec![0x20, 2, 0, self.code_v311],
            Self::UNAVAILABLE => {
                [&[0x20, length + 6, 0, self.code, length + 3, REASON_STRING, 0, length], reason].concat()
            }
            code => vec![0x20, 3, 0, code, 0],
        }
    }
}

impl<'a> Connect<'a> {
    /// Reads a whole packet (section 3.1). Fields that aren't checked here are left to the broker.
    pub(crate) fn read(mut packet: &'a [u8]) -> Result<Self, Refusal> {
        let first = packet.split_off_first();
        let mut fields = first.filter(|first| **first == 0x10).and_then(|_| section(&mut packet)).unwrap_or_default();
        let name = string(&mut fields).ok_or(Refusal::MALFORMED)?;
        let level = *fields.split_off_first().ok_or(Refusal::MALFORMED)?;
        if !LEVELS.contains(&(name, level)) {
            return Err(Refusal::VERSION);
        }
        Self::read_flags(level, fields).ok_or(Refusal::MALFORMED)
    }

    /// Reads the flags and what follows them.
    fn read_flags(level: u8, mut fields: &'a [u8]) -> Option<Self> {
        let properties = |fields: &mut &'a [u8]| if level == LEVEL_5 { section(fields) } else { Some(&[][..]) };
        let flags = *fields.split_off_first()?;
        let _keep_alive = fields.split_off(..2)?;
        properties(&mut fields)?;
        let client_id = string(&mut fields)?;
        let mut will = None;
        if flags & WILL != 0 {
            properties(&mut fields)?;
            will = Some((string(&mut fields)?, flags >> 3 & 3));
            let _payload = string(&mut fields)?;
        }
        let user_name = if flags & USER_NAME != 0 { Some(string(&mut fields)?) } else { None };
        let password = if flags & PASSWORD != 0 { Some(string(&mut fields)?) } else { None };
        Some(Connect { level, client_id, will, user_name, password })
    }
}

/// Takes a string or binary data off the front of a packet's fields.
pub(crate) fn string<'a>(fields: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = fields.split_off(..2)?;
    fields.split_off(..usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// Takes the bytes whose length a variable byte integer gives off the front of a packet's fields.
pub(crate) fn section<'a>(fields: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, head) = variable_integer(fields).ok()??;
    fields.split_off(..head)?;
    fields.split_off(..length as usize)
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
    if bytes.len() < 4 { Ok(None) } else { Err(Refusal::MALFORMED) }
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
        assert_eq!(connect.will, Some((&b"w"[..], 2)));
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
        check(b"\x10\x0e\x00\x04MQTT\x06\x02\x00\x3c\x00\x02id", Err(Refusal::VERSION));
        check(b"\x30\x05\x00\x01t\x00x", Err(Refusal::MALFORMED));
        check(b"\x10\xff\xff\xff\xff\x01", Err(Refusal::MALFORMED));
    }

    #[test]
    fn levels_are_counted() {
        assert!(has_few_levels("/".repeat(TOPIC_LEVELS_MAX - 1).as_bytes()));
        assert!(!has_few_levels("/".repeat(TOPIC_LEVELS_MAX).as_bytes()));
    }
}
