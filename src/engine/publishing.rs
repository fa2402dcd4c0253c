//! Publishing: messages of the panels and lines of transmissions, until they have their outcomes.

use crate::engine::pending_publishes::PublishOrigin;
use crate::engine::transmissions::FATAL_LINES_MAX;
use crate::engine::{Engine, repeated_failures};
use crate::mqtt::codec::publish;
use crate::mqtt::session::event::DeliveryOutcome;
use crate::mqtt::session::event::Token;
use crate::mqtt::session::options::Message;
use crate::protocol::publish::{PublishOutcome, PublishRequest, Published};
use crate::protocol::transmission::{TransmissionCommand, TransmissionSlot};
use crate::time::Instant;

/// Maximum number of unfinished messages of ours, even if the broker's Receive Maximum is higher.
const UNFINISHED_MAX: usize = 1_000;

/// Maximum number of lines sent before intake continues.
const BATCH: usize = 64;

/// Maximum number of payload bytes sent before intake continues.
const BATCH_BYTES: usize = 256 << 10;

impl Engine {
    /// Records the number of bytes in the socket's buffer. To be called before [`Engine::handle_timeout`], so that a
    /// slow network isn't overloaded.
    pub fn mark_unsent(&mut self, bytes: u32, now: Instant) {
        self.transmissions.mark_unsent(bytes, now);
    }

    /// Publishes a message, now or as soon as there is a connection.
    pub(super) fn publish(&mut self, origin: PublishOrigin, request: PublishRequest, now: Instant) {
        let PublishRequest { topic, payload, qos, retain, properties } = request;
        let mut section = Vec::new();
        let accepted =
            publish::encode_properties(&properties, &mut section).map_err(|error| error.to_string()).and_then(|()| {
                let message = Message { topic, payload, qos, retain, properties: section };
                self.session.publish(message, now).map_err(|error| error.to_string())
            });
        match accepted {
            Ok(token) => self.publishes.push(token, origin),
            Err(text) => self.finish_publish(origin, PublishOutcome::Failed(text)),
        }
    }

    /// Handles the outcome of a publish.
    pub(super) fn handle_outcome(&mut self, token: Token, outcome: DeliveryOutcome) {
        if self.status.handle_outcome(token) {
            self.page.mark_dirty();
        }
        let Some(origin) = self.publishes.take(token) else { return };
        let is_fatal = matches!(outcome, DeliveryOutcome::EndsConnection { .. });
        let outcome = match outcome {
            DeliveryOutcome::Done => PublishOutcome::Done,
            DeliveryOutcome::Refused(reason) => PublishOutcome::Failed(format!("rejected by the broker: {reason}")),
            DeliveryOutcome::Unsendable(error) => PublishOutcome::Failed(error.to_string()),
            DeliveryOutcome::Unknown => {
                PublishOutcome::Unknown("the broker lost the session before acknowledging it".to_owned())
            }
            DeliveryOutcome::EndsConnection { payload_bytes } => {
                PublishOutcome::Failed(repeated_failures::given_up(payload_bytes))
            }
            DeliveryOutcome::Dropped => PublishOutcome::Failed("dropped".to_owned()),
        };
        if let PublishOrigin::Line(slot, _) = origin
            && self.transmissions.pause_if_fatal(slot, is_fatal, self.processed_at)
        {
            self.note(format!(
                "Transmission paused: the broker closed the connection on {FATAL_LINES_MAX} lines in a row."
            ));
        }
        self.finish_publish(origin, outcome);
    }

    fn finish_publish(&mut self, origin: PublishOrigin, outcome: PublishOutcome) {
        match origin {
            PublishOrigin::Message(number) => self.panels.add_published(Published { number, outcome }),
            PublishOrigin::Line(slot, position) => self.transmissions.finish(slot, position, outcome),
        }
    }

    /// Another connection is made: ends the publishes of the last one with an unknown outcome.
    pub(super) fn abandon_publishes(&mut self, now: Instant) {
        for (_, origin) in self.publishes.take_all() {
            if let PublishOrigin::Line(slot, position) = origin {
                self.transmissions.rewind_to(slot, position, now);
            }
            let text = "reconnected before the broker acknowledged it".to_owned();
            self.finish_publish(origin, PublishOutcome::Unknown(text));
        }
    }

    /// Controls a transmission.
    pub(super) fn transmit(&mut self, slot: TransmissionSlot, command: TransmissionCommand, now: Instant) {
        if matches!(command, TransmissionCommand::Begin(_)) {
            self.publishes.forget_lines(slot);
        }
        self.transmissions.handle(slot, command, now);
    }

    /// Sends the lines that are due, as many as intake can wait for.
    pub(super) fn send_due(&mut self, now: Instant) {
        // Publishing during a save would start another save, so nothing would ever be sent.
        if self.transmissions.is_resting(now) || self.is_saving() {
            return;
        }
        for slot in TransmissionSlot::ALL {
            let mut bytes = 0;
            for _ in 0..BATCH {
                if bytes > BATCH_BYTES || !self.may_transmit() {
                    break;
                }
                let Some(qos_maximum) = self.status.server().map(|server| server.qos_maximum) else { break };
                let Some((position, request)) = self.transmissions.take_due(slot, qos_maximum, now) else { break };
                bytes += request.payload.len();
                self.publish(PublishOrigin::Line(slot, position), request, now);
            }
        }
    }

    fn may_transmit(&self) -> bool {
        let window = self.status.server().map_or(0, |server| usize::from(server.receive_maximum));
        self.session.unfinished_publishes() < window.min(UNFINISHED_MAX)
    }

    /// When the next line may be sent.
    pub(super) fn transmit_timeout(&self) -> Option<Instant> {
        self.transmissions.poll_timeout().filter(|_| self.may_transmit() && !self.is_saving())
    }
}
