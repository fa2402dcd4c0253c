//! Limits on what we accept from a server, and the faults of what exceeds them.

use crate::mqtt::codec::primitives::{Fault, fault};
use crate::mqtt::packet::ReasonCode;

/// Limits on what we accept from a server.
///
/// Single strings and binary fields need no limit of their own: their two-byte length ends at 65,535, and their sum is
/// bounded by `property_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest packet in bytes, fixed header included. 16 MiB by default: larger than any message that people read, and
    /// a sixteenth of what MQTT would let a server make us keep for one packet. Stated to a 5.0 server in CONNECT.
    pub packet_bytes: u32,
    /// Largest property section in bytes. 1 MiB by default: enough for a dozen properties of the greatest possible
    /// length.
    pub property_bytes: usize,
    /// Maximum number of properties in one packet. 1,024 by default: brokers add a few and publishers some tens, while
    /// a packet of 16 MiB could contain three million empty ones that take ten times its size once decoded.
    pub properties: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { packet_bytes: 16 * 1024 * 1024, property_bytes: 1024 * 1024, properties: 1024 }
    }
}

#[cold]
pub(super) fn too_large(packet_bytes: usize, limits: &Limits) -> Fault {
    fault(
        ReasonCode::PACKET_TOO_LARGE,
        "[MQTT-3.1.2-24]",
        format!("The broker sent a packet of {packet_bytes} bytes; the limit is {} bytes.", limits.packet_bytes),
    )
}

#[cold]
pub(super) fn too_many_property_bytes(bytes: usize, limits: &Limits) -> Fault {
    fault(
        ReasonCode::QUOTA_EXCEEDED,
        "section 4.13.2",
        format!(
            "The broker sent a packet with {bytes} bytes of properties; the limit is {} bytes.",
            limits.property_bytes
        ),
    )
}

#[cold]
pub(super) fn too_many_properties(limits: &Limits) -> Fault {
    fault(
        ReasonCode::QUOTA_EXCEEDED,
        "section 4.13.2",
        format!("The broker sent a packet with too many properties; the limit is {}.", limits.properties),
    )
}
