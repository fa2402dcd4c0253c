//! MQTT's data types in encoded form (section 1.5 of the standard): read from a borrowed slice, written to a `Vec`.
//!
//! A [`Reader`] only gets whole packets, so an end that comes too early is a malformed packet and never a reason to
//! wait for more bytes.

use crate::mqtt::error::{EncodeError, Violation};
use crate::mqtt::packet::{PacketId, ReasonCode};

/// Largest value of a variable byte integer, and therefore of a remaining length.
pub(in crate::mqtt) const VARIABLE_INTEGER_MAX: u32 = 268_435_455;

/// Property identifiers (table 2-4 of the standard).
pub(in crate::mqtt) mod id {
    pub const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub const RESPONSE_INFORMATION: u8 = 0x1A;
    pub const SERVER_REFERENCE: u8 = 0x1C;
    pub const REASON_STRING: u8 = 0x1F;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const MAXIMUM_QOS: u8 = 0x24;
    pub const RETAIN_AVAILABLE: u8 = 0x25;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub const WILDCARD_AVAILABLE: u8 = 0x28;
    pub const SUBSCRIPTION_IDENTIFIERS_AVAILABLE: u8 = 0x29;
    pub const SHARED_AVAILABLE: u8 = 0x2A;
}

/// A violation before its excerpt is added.
///
/// Boxed, so that the success case of the hot path stays small.
pub(in crate::mqtt) type Fault = Box<Violation>;

#[cold]
pub(in crate::mqtt) fn fault(reason: ReasonCode, rule: &'static str, message: impl Into<String>) -> Fault {
    Box::new(Violation { reason, rule, message: message.into(), excerpt: Vec::new() })
}

/// The bytes can't be parsed.
#[cold]
pub(in crate::mqtt) fn malformed(rule: &'static str, message: impl Into<String>) -> Fault {
    fault(ReasonCode::MALFORMED_PACKET, rule, message)
}

/// The bytes can be parsed but break a rule.
#[cold]
pub(in crate::mqtt) fn protocol_error(rule: &'static str, message: impl Into<String>) -> Fault {
    fault(ReasonCode::PROTOCOL_ERROR, rule, message)
}

/// Adds the first bytes of the packet to the violation.
#[cold]
pub(in crate::mqtt) fn violation(violation: Violation, packet: &[u8]) -> Violation {
    Violation { excerpt: Violation::excerpt_of(packet), ..violation }
}

#[cold]
pub(in crate::mqtt) fn cut_short() -> Fault {
    malformed("section 4.13.1", "The broker sent a packet with a field that extends past its end.")
}

/// Splits a packet into its first byte and the bytes that its remaining length counts, which must be all the others.
#[inline(always)]
pub(in crate::mqtt) fn split_header(packet: &[u8]) -> Result<(u8, Reader<'_>), Fault> {
    let [first, rest @ ..] = packet else { return Err(cut_short()) };
    let mut reader = Reader::new(rest);
    let remaining_bytes = reader.variable_integer()?;
    if reader.rest.len() != remaining_bytes as usize {
        return Err(malformed(
            "section 2.1.4",
            "The broker sent a packet whose length doesn't match its length field.",
        ));
    }
    Ok((*first, reader))
}

/// UTF-8 text without U+0000. `what` names the field in the sentence that explains why the connection was closed: "The
/// broker sent {what} that …".
pub(in crate::mqtt) fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Fault> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(malformed("[MQTT-1.5.4-1]", format!("The broker sent {what} that isn't UTF-8 text.")));
    };
    if bytes.contains(&0) {
        return Err(malformed("[MQTT-1.5.4-2]", format!("The broker sent {what} that contains U+0000.")));
    }
    Ok(text)
}

/// Reads a packet, or one section of it, from front to back.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(in crate::mqtt) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not yet read.
    #[inline(always)]
    pub(in crate::mqtt) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(in crate::mqtt) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(in crate::mqtt) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    #[inline]
    pub(in crate::mqtt) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(in crate::mqtt) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable byte integer in its shortest form `[MQTT-1.5.5-1]`.
    #[inline(always)]
    pub(in crate::mqtt) fn variable_integer(&mut self) -> Result<u32, Fault> {
        // Nearly all are shorter than 16 KiB.
        let (value, rest) = match self.rest {
            [low @ ..=0x7F, rest @ ..] => (u32::from(*low), rest),
            [low, high @ 0x01..=0x7F, rest @ ..] => (u32::from(low & 0x7F) | u32::from(*high) << 7, rest),
            _ => return self.long_variable_integer(),
        };
        self.rest = rest;
        Ok(value)
    }

    #[cold]
    fn long_variable_integer(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().take(4).enumerate() {
            value |= u32::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 != 0 {
                continue;
            }
            if byte == 0 && at > 0 {
                return Err(malformed(
                    "[MQTT-1.5.5-1]",
                    "The broker sent a length field that isn't in its shortest form.",
                ));
            }
            self.rest = &self.rest[at + 1..];
            return Ok(value);
        }
        if self.rest.len() < 4 {
            return Err(cut_short());
        }
        Err(malformed("section 1.5.5", "The broker sent a length field of more than four bytes."))
    }

    /// Binary data: a two-byte length and that many bytes.
    #[inline]
    pub(in crate::mqtt) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        self.short_binary()
    }

    /// [`Reader::binary`] for the hot path, inlined.
    #[inline(always)]
    pub(in crate::mqtt) fn short_binary(&mut self) -> Result<&'a [u8], Fault> {
        let [high, low, rest @ ..] = self.rest else { return Err(cut_short()) };
        let length = u16::from_be_bytes([*high, *low]);
        let Some((taken, rest)) = rest.split_at_checked(usize::from(length)) else { return Err(cut_short()) };
        self.rest = rest;
        Ok(taken)
    }

    /// A two-byte length and a [`text`] of that many bytes.
    #[inline]
    pub(in crate::mqtt) fn text(&mut self, what: &str) -> Result<&'a str, Fault> {
        text(self.binary()?, what)
    }

    /// A packet identifier, which is never zero. `rule` is the statement that says so.
    #[inline]
    pub(in crate::mqtt) fn packet_id(&mut self, rule: &'static str) -> Result<PacketId, Fault> {
        PacketId::new(self.u16()?).ok_or_else(|| packet_id_zero(rule))
    }

    /// A property section: its length, then that many bytes.
    #[inline(always)]
    pub(in crate::mqtt) fn section(&mut self) -> Result<Self, Fault> {
        let length = self.variable_integer()?;
        let Some((bytes, rest)) = self.rest.split_at_checked(length as usize) else {
            return Err(malformed(
                "section 2.2.2.1",
                "The broker sent a packet whose properties are longer than the packet.",
            ));
        };
        self.rest = rest;
        Ok(Self::new(bytes))
    }
}

#[cold]
pub(in crate::mqtt) fn packet_id_zero(rule: &'static str) -> Fault {
    protocol_error(rule, "The broker sent a packet with the packet identifier 0.")
}

/// Records a property in `seen` and refuses its second appearance (section 2.2.2.2: a Protocol Error unless the
/// property may repeat).
#[inline]
pub(in crate::mqtt) fn once(seen: &mut u64, property: u8) -> Result<(), Fault> {
    let bit = 1_u64.checked_shl(u32::from(property)).unwrap_or(0);
    if *seen & bit != 0 {
        return Err(protocol_error(
            "section 2.2.2.2",
            format!("The broker sent the property 0x{property:02X} twice in one packet."),
        ));
    }
    *seen |= bit;
    Ok(())
}

/// A byte that is 0 or 1.
#[inline]
pub(in crate::mqtt) fn boolean(byte: u8, what: &str, rule: &'static str) -> Result<bool, Fault> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(protocol_error(rule, format!("The broker sent {what} of {byte}; only 0 and 1 are allowed."))),
    }
}

/// Refuses a property that is unknown or not allowed in this packet.
#[cold]
pub(in crate::mqtt) fn misplaced(property: u8, packet: &str) -> Fault {
    malformed(
        "section 2.2.2.2",
        format!("The broker sent the property 0x{property:02X}, which isn't allowed in {packet}."),
    )
}

/// The number of bytes that a variable byte integer takes.
pub(in crate::mqtt) const fn variable_integer_bytes(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Writes a variable byte integer; `value` is at most [`VARIABLE_INTEGER_MAX`].
pub(crate) fn put_variable_integer(mut value: u32, out: &mut Vec<u8>) {
    debug_assert!(value <= VARIABLE_INTEGER_MAX);
    while value > 0x7F {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(in crate::mqtt) fn put_u16(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(in crate::mqtt) fn put_u32(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes binary data with its two-byte length.
pub(in crate::mqtt) fn put_binary(field: &'static str, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let Ok(length) = u16::try_from(bytes.len()) else {
        return Err(EncodeError::TooLong { field, bytes: bytes.len() });
    };
    put_u16(length, out);
    out.extend_from_slice(bytes);
    Ok(())
}

/// Writes text with its two-byte length.
pub(in crate::mqtt) fn put_text(field: &'static str, text: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if text.as_bytes().contains(&0) {
        return Err(EncodeError::forbidden(
            "[MQTT-1.5.4-2]",
            "A text contains U+0000, which MQTT doesn't allow. Remove it.",
        ));
    }
    put_binary(field, text.as_bytes(), out)
}

/// Writes user properties in order.
pub(in crate::mqtt) fn put_user_properties(
    properties: &[(String, String)],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    for (name, value) in properties {
        out.push(id::USER_PROPERTY);
        put_text("the name of a user property", name, out)?;
        put_text("the value of a user property", value, out)?;
    }
    Ok(())
}
