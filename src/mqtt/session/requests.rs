//! Sends packets, and waits for their answers. After repeated failures requests are sent one at a time, so that the
//! next failure shows which of them is the cause.

use super::Session;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::error::{EncodeError, Failure};
use crate::mqtt::failure_history::ANSWER_TIMEOUT;
use crate::mqtt::packet::Outgoing;
use crate::mqtt::session::keep_alive::PROBE_TIMEOUT;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::session::phase::Phase;
use crate::time::Instant;

impl Session {
    /// Holds a request that is suspected of ending connections until this connection has carried packets both ways. If
    /// the connection ends earlier, the request isn't the reason.
    pub(super) fn wait_for_ping_resp(&mut self, now: Instant) {
        self.send_required(&Outgoing::PingReq, now);
        self.ping_sent = Some(now);
        self.one_at_a_time_until = Some(now + PROBE_TIMEOUT);
    }

    /// Handles PINGRESP: the connection works, so a held request may be sent. Like any input, it has already ended the
    /// wait of keep alive.
    pub(super) fn handle_ping_resp(&mut self, now: Instant) {
        if self.outstanding.is_empty() && self.one_at_a_time_until.take().is_some() {
            self.send_pending(now);
        }
    }

    /// A request was answered: the next one may be sent.
    pub(super) fn mark_answered(&mut self, request: Request) {
        if self.outstanding.remove(request) {
            self.one_at_a_time_until = None;
        }
    }

    /// Sends everything that waits for a connection, a packet identifier or the server's quota, as far as possible.
    pub(super) fn send_pending(&mut self, now: Instant) {
        // If the server refused even a PUBREL, the connection has ended by now.
        if let Phase::Connected { .. } = self.phase {
            self.send_subscriptions(now);
            self.send_unsubscribes(now);
            self.send_queued(now);
        }
    }

    /// Records a sent request; while requests are sent one at a time, the next one waits for its answer.
    pub(super) fn record_request(&mut self, request: Request, now: Instant) {
        self.outstanding.push(request, now);
        if self.history.is_one_at_a_time() {
            self.one_at_a_time_until = Some(now + ANSWER_TIMEOUT);
        }
    }

    /// Whether requests have to wait.
    pub(super) fn is_awaiting_answer(&self) -> bool {
        self.one_at_a_time_until.is_some()
    }

    /// Sends a packet that the connection can't continue without. This fails only if the server's packet limit is
    /// extremely small.
    pub(super) fn send_required(&mut self, packet: &Outgoing<'_>, now: Instant) {
        if let Err(error) = self.send(packet, now) {
            self.fail(Failure::EncodeFailed(error), now);
        }
    }

    /// Sends a packet, unless it can't be encoded or is larger than the server allows.
    pub(super) fn send(&mut self, packet: &Outgoing<'_>, now: Instant) -> Result<(), EncodeError> {
        encode(packet, self.version, self.server.packet_bytes, &mut self.write_buf)?;
        self.last_sent = now;
        Ok(())
    }
}
