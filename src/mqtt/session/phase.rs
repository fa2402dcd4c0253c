//! The phase of a connection.

use crate::time::Instant;

/// The phase of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No connection is requested.
    Idle,
    /// The driver opens a transport.
    Dialing { deadline: Instant },
    /// CONNECT was sent.
    AwaitingConnAck { deadline: Instant },
    /// CONNACK accepted the connection.
    Connected { since: Instant },
    /// Waiting for the next attempt.
    Waiting { until: Instant },
    /// Failed permanently.
    Stopped,
}
