//! A publish that waits for its acknowledgment.

use crate::mqtt::packet::PacketId;
use crate::mqtt::session::event::Token;
use crate::mqtt::session::options::Message;

/// One of our messages with a packet identifier.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) token: Token,
    pub(super) id: PacketId,
    pub(super) message: Message,
    /// PUBREC arrived: from here on only PUBREL is sent, never PUBLISH `[MQTT-4.3.3-6]`.
    pub(super) pubrec_received: bool,
    /// Its PUBLISH was sent on this connection and counts against the server's quota.
    pub(super) takes_quota: bool,
}
