//! Detects a dead connection: keep alive, and a probe when there is a reason for one.

use std::time::Duration;

use super::Session;
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::packet::Outgoing;
use crate::mqtt::session::event::Event;
use crate::time::Instant;

/// Time limit for an answer on a connection that may be dead, after sleep or after a change of the network. Longer than
/// any round trip.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

impl Session {
    /// Checks a connection that may have died silently, because the computer slept or the network changed: sends a ping
    /// and waits [`PROBE_TIMEOUT`] for the answer.
    pub fn probe(&mut self, now: Instant) {
        if !self.is_connected() || self.probe_until.is_some() {
            return;
        }
        self.probe_until = Some(now + PROBE_TIMEOUT);
        self.send_required(&Outgoing::PingReq, now);
    }

    /// Handles what is due on an accepted connection.
    pub(super) fn handle_connected_timeout(&mut self, now: Instant) {
        if self.probe_until.is_some_and(|until| until <= now) {
            return self.fail(Failure::Timeout(Stage::Connected), now);
        }
        if self.keep_alive_timeout().is_some_and(|due| due <= now) {
            if self.ping_sent.is_some() {
                return self.fail(Failure::Timeout(Stage::Connected), now);
            }
            self.send_required(&Outgoing::PingReq, now);
            self.ping_sent = Some(now);
        }
        if let Some(suspect) = self.outstanding.take_overdue(now).and_then(|request| self.suspect_of(request)) {
            self.events.push_back(Event::Unanswered { suspect });
        }
        if self.one_at_a_time_until.is_some_and(|until| until <= now) {
            self.one_at_a_time_until = None;
            self.send_pending(now);
        }
    }

    /// Sends a ping after three quarters of a keep alive in which either side was silent, and waits half of one for the
    /// answer: a dead connection is detected within 1.25 keep alives.
    pub(super) fn keep_alive_timeout(&self) -> Option<Instant> {
        let keep_alive = Duration::from_secs(u64::from(self.server.keep_alive_s));
        if keep_alive.is_zero() {
            return None;
        }
        Some(match self.ping_sent {
            Some(sent) => sent + keep_alive / 2,
            None => self.last_sent.min(self.last_received) + keep_alive * 3 / 4,
        })
    }
}
