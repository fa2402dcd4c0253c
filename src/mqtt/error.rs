//! What can go wrong between us and a server, and whose fault it was.
//!
//! [`Violation`] is the server's fault: it broke a rule of the standard or a
//! limit we stated. [`EncodeError`] is ours: something was asked for that can't
//! be sent. Both say in words what is wrong and what to do.

use super::packet::ReasonCode;

/// A packet from the server that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words} {rule}")]
pub struct Violation {
    /// What to tell a 5.0 server in our DISCONNECT.
    pub reason: ReasonCode,
    /// The statement of the standard that was broken, e.g. `[MQTT-3.3.1-4]`,
    /// or the section where it has no number.
    pub rule: &'static str,
    /// What is wrong, for people: one sentence.
    pub words: String,
    /// The offending packet's first bytes, [`Violation::EXCERPT_BYTES`] at most.
    pub excerpt: Vec<u8>,
}

impl Violation {
    /// How much of the offending packet is kept to be shown.
    pub const EXCERPT_BYTES: usize = 64;
}

/// Something we were asked to send and that no packet can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field has a 16-bit length.
    #[error("{field} has {bytes} bytes; MQTT allows 65,535 at most. Shorten it.")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The whole packet is larger than the server (or MQTT) takes.
    #[error("the packet has {bytes} bytes and the server takes {limit_bytes} at most")]
    PacketTooLarge {
        /// Size with its fixed header.
        bytes: usize,
        /// The limit that was exceeded.
        limit_bytes: u32,
    },
    /// A value the standard forbids.
    #[error("{words} {rule}")]
    Forbidden {
        /// What is wrong, for people: one sentence.
        words: &'static str,
        /// The statement of the standard.
        rule: &'static str,
    },
}
