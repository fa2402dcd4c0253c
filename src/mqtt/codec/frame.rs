//! Finds packets in the input: measures the next one, and refuses what no server sends.

use mqttbytes::PacketType;

use crate::mqtt::codec::limits::{Limits, too_large};
use crate::mqtt::codec::primitives::{Fault, Reader, malformed, protocol_error, violation};
use crate::mqtt::error::Violation;
use crate::mqtt::packet::{PacketId, QoS};

/// Measures the first packet in `input`: returns its length in bytes, or `None` while it is incomplete.
///
/// # Errors
/// As soon as the present bytes can't become a packet: a first byte that no server sends, a length of more than four
/// bytes, or more bytes than the limit, which is known long before they have arrived.
#[inline(always)]
pub fn frame(input: &[u8], limits: &Limits) -> Result<Option<usize>, Violation> {
    // The most frequent case, once per message: a whole PUBLISH shorter than 16 KiB.
    let packet_bytes = match input {
        [0x30..=0x3F, low @ ..=0x7F, ..] => 2 + usize::from(*low),
        [0x30..=0x3F, low, high @ 0x01..=0x7F, ..] => 3 + (usize::from(low & 0x7F) | usize::from(*high) << 7),
        _ => usize::MAX,
    };
    if packet_bytes <= input.len() && packet_bytes <= limits.packet_bytes as usize {
        return Ok(Some(packet_bytes));
    }
    frame_of_any(input, limits)
}

#[inline(never)]
fn frame_of_any(input: &[u8], limits: &Limits) -> Result<Option<usize>, Violation> {
    let Some(&first) = input.first() else {
        return Ok(None);
    };
    check_first_byte(first).map_err(|fault| violation(*fault, input))?;
    // mqttbytes compares its limit with the remaining length only, so it gets none and the whole packet is compared
    // here. If bytes are missing, the sum is the packet's length, or less while the length itself is incomplete.
    let (packet_bytes, is_whole) = match mqttbytes::check(input.iter(), usize::MAX) {
        Ok(header) => (header.frame_length(), true),
        Err(mqttbytes::Error::InsufficientBytes(missing)) => (input.len() + missing, false),
        Err(_) => {
            let message = "The broker sent a packet with a length field of more than four bytes.";
            return Err(violation(*malformed("section 2.1.4", message), input));
        }
    };
    if packet_bytes > limits.packet_bytes as usize {
        return Err(violation(*too_large(packet_bytes, limits), input));
    }
    Ok(is_whole.then_some(packet_bytes))
}

/// Whether the packet is a PUBLISH.
#[inline(always)]
pub(in crate::mqtt) fn is_publish(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == PacketType::Publish as u8)
}

/// Whether a server may start a packet with this byte: its type and, except for PUBLISH, the reserved flags
/// `[MQTT-2.1.3-1]`.
#[inline]
pub(super) fn check_first_byte(first: u8) -> Result<(), Fault> {
    match first {
        0x20 | 0x30..=0x3F | 0x40 | 0x50 | 0x62 | 0x70 | 0x90 | 0xB0 | 0xD0 | 0xE0 | 0xF0 => Ok(()),
        _ => Err(not_from_a_server(first)),
    }
}

#[cold]
pub(super) fn not_from_a_server(first: u8) -> Fault {
    let name = match first {
        0x10 => "CONNECT",
        0x82 => "SUBSCRIBE",
        0xA2 => "UNSUBSCRIBE",
        0xC0 => "PINGREQ",
        0x14..=0x17 => {
            return malformed(
                "[MQTT-2.1.3-1]",
                "The server sent TLS data instead of MQTT. Does this port require wss:// or mqtts://?",
            );
        }
        0x00..=0x0F => {
            return malformed(
                "section 2.1.2",
                "The server sent data that isn't MQTT (packet type 0). Is this the broker's MQTT port?",
            );
        }
        _ => {
            let message = format!(
                "The server sent data that isn't MQTT (first byte 0x{first:02X}). Is this the broker's MQTT port?"
            );
            return malformed("[MQTT-2.1.3-1]", message);
        }
    };
    protocol_error("section 2.1.2", format!("The broker sent {name}, which only clients may send."))
}

/// A PUBLISH larger than we accept, read from its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Oversized {
    /// Size of the whole packet.
    pub(in crate::mqtt) packet_bytes: usize,
    /// Its topic; bytes that aren't UTF-8 are replaced.
    pub(in crate::mqtt) topic: String,
    /// The acknowledgement to send, at QoS 1 and 2.
    pub(in crate::mqtt) acknowledgement: Option<(QoS, PacketId)>,
}

/// Reads the start of a packet that [`frame`] refuses by its length. `None` while its topic is incomplete, or if it
/// isn't a PUBLISH of 3.1.1.
pub(in crate::mqtt) fn oversized_publish(input: &[u8]) -> Option<Oversized> {
    let header = mqttbytes::check(input.iter(), usize::MAX);
    let packet_bytes = match header {
        Ok(header) => header.frame_length(),
        Err(mqttbytes::Error::InsufficientBytes(missing)) => input.len() + missing,
        Err(_) => return None,
    };
    let length_bytes = input.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 1;
    let mut body = Reader::new(input.get(1 + length_bytes..)?);
    let topic = String::from_utf8_lossy(body.binary().ok()?).into_owned();
    let qos = QoS::from_u8(input.first()? >> 1 & 0b11)?;
    let acknowledgement = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some((qos, body.packet_id("[MQTT-2.2.1-4]").ok()?)),
    };
    Some(Oversized { packet_bytes, topic, acknowledgement })
}
