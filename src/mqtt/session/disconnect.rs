//! Ends of a connection at our request, and the state that ends with every connection.

use super::Session;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::packet::{Disconnect, Outgoing, ReasonCode};
use crate::mqtt::session::event::{DisconnectMode, Token};
use crate::mqtt::session::options::Options;
use crate::mqtt::session::phase::Phase;
use crate::mqtt::session::snapshot::SessionSnapshot;
use crate::time::Instant;

impl Session {
    /// Ends the session that the server keeps, together with this message of ours, at the user's request. The next
    /// connection starts a new session.
    pub fn end_session(&mut self, token: Token, now: Instant) {
        self.options.clean_start = true;
        self.established = false;
        self.stale_session_cleared = false;
        self.disconnect(DisconnectMode::EndSession);
        self.drop_message(token, now);
        self.connect(now);
    }

    /// Sends DISCONNECT and doesn't reconnect.
    pub fn disconnect(&mut self, mode: DisconnectMode) {
        if let Phase::Connected { .. } = self.phase {
            let mut disconnect = Disconnect::new(ReasonCode::SUCCESS);
            if mode == DisconnectMode::EndSession && self.server.session_expiry_s > 0 {
                disconnect.session_expiry_s = Some(0);
            }
            self.send_disconnect(&disconnect);
        }
        self.drop_transport();
        self.phase = Phase::Idle;
    }

    /// Disconnects and starts over with other options, idle: with a new session, or with one that an earlier run
    /// stored. Unfinished publishes get no outcome.
    pub fn replace(&mut self, options: Options, seed: u64, snapshot: Option<SessionSnapshot>) {
        self.disconnect(DisconnectMode::EndSession);
        let to_send = (std::mem::take(&mut self.write_buf), self.hang_up);
        *self = match snapshot {
            Some(snapshot) => Self::restore(options, seed, snapshot).0,
            None => Self::new(options, seed),
        };
        (self.write_buf, self.hang_up) = to_send;
    }

    /// Sends DISCONNECT, unless the server's packet limit is too small for it.
    pub(super) fn send_disconnect(&mut self, disconnect: &Disconnect) {
        let packet = Outgoing::Disconnect(disconnect);
        let _ = encode(&packet, self.version, self.server.packet_bytes, &mut self.write_buf);
    }

    /// Closes the transport, or cancels a pending dial.
    pub(super) fn drop_transport(&mut self) {
        if self.stage().is_some() && !std::mem::take(&mut self.dial) {
            self.hang_up = true;
        }
        self.forget_connection();
    }

    /// Drops the state of the connection, but not that of the session.
    pub(super) fn forget_connection(&mut self) {
        self.partial_packet = Vec::new();
        self.skipping = None;
        self.probe_until = None;
        self.one_at_a_time_until = None;
        self.outstanding.clear();
        self.reported_deviations.clear();
        self.topic_aliases.clear();
        self.ping_sent = None;
        self.resend.clear();
        for sent in &mut self.in_flight {
            sent.takes_quota = false;
        }
        for (_, takes_quota) in &mut self.dropped {
            *takes_quota = false;
        }
        // Requests without an answer are sent again, in any session.
        for (id, filters) in std::mem::take(&mut self.subscribing) {
            self.packet_ids.remove(id);
            self.unmark_sent(|filter| filters.iter().any(|unanswered| unanswered == filter));
        }
        for (id, filter) in std::mem::take(&mut self.unsubscribing) {
            self.packet_ids.remove(id);
            if !self.desired.iter().any(|desired| desired.subscription.filter.as_str() == filter) {
                self.to_unsubscribe.push(filter);
            }
        }
    }
}
