//! A subscription that the session keeps up on every connection.

use crate::mqtt::session::options::Subscription;

/// A requested subscription and whether the server has it.
#[derive(Clone, Debug)]
pub(super) struct DesiredSubscription {
    pub(super) subscription: Subscription,
    /// Sent on this connection, or part of a session that the server kept.
    pub(super) sent: bool,
}
