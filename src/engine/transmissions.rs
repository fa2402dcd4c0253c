//! Messages that are sent automatically: scripts, and a message that is repeated.
//!
//! Everything is sent in [`Engine::handle_timeout`], so that intake never waits for it.

use std::time::Duration;

use crate::engine::{Engine, PublishOrigin};
use crate::mqtt::packet::QoS;
use crate::protocol::connection::ConnectionState;
use crate::protocol::publish::PublishOutcome;
use crate::protocol::publish::PublishRequest;
use crate::protocol::transmission::{
    LineRange, OutgoingMessage, TransmissionCommand, TransmissionSettings, TransmissionSlot,
};
use crate::protocol::transmission::{LineStatus, TransmissionState, TransmissionView};
use crate::time::Instant;
use crate::transmit::player::Player;

/// Maximum number of unfinished messages of ours, even if the broker's Receive Maximum is higher.
const UNFINISHED_MAX: usize = 1_000;

/// Maximum number of lines sent before intake continues.
const BATCH: usize = 64;

/// Maximum number of payload bytes sent before intake continues.
const BATCH_BYTES: usize = 256 << 10;

/// With more unsent bytes than this in the socket's buffer, sending rests.
const UNSENT_BYTES_MAX: u32 = 1 << 20;

/// The length of that rest.
const REST: Duration = Duration::from_millis(20);

/// After this number of lines in a row at which the broker ended the connection, a transmission pauses, because the
/// next line would end it, too.
const IN_VAIN_MAX: u32 = 3;

/// Maximum number of different failures per transmission.
const FAILURES_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Transmitter {
    decks: [Option<Running>; 2],
    /// Increases with every change that the panels may show.
    changes: u64,
    told: (u64, LineRange),
    rests_until: Instant,
}

/// A transmission.
struct Running {
    player: Player<OutgoingMessage>,
    manner: TransmissionSettings,
    is_stopped: bool,
    statuses: Vec<LineStatus>,
    failures: Vec<PublishOutcome>,
    sent: u64,
    done: u64,
    failed: u64,
    first_failed: Option<u64>,
    /// Lines in a row at which the broker ended the connection.
    in_vain: u32,
}

impl Running {
    fn new(manner: TransmissionSettings, now: Instant) -> Self {
        let mut player = Player::new(Duration::from_micros(manner.interval_us), manner.repeat, manner.first);
        player.pause(now);
        Self {
            player,
            manner,
            is_stopped: false,
            statuses: Vec::new(),
            failures: Vec::new(),
            sent: 0,
            done: 0,
            failed: 0,
            first_failed: None,
            in_vain: 0,
        }
    }

    fn handle(&mut self, wish: TransmissionCommand, now: Instant) {
        match wish {
            TransmissionCommand::Begin(_) => {}
            TransmissionCommand::Lines(lines) => {
                self.statuses.resize(self.statuses.len() + lines.len(), LineStatus::Unsent);
                lines.into_iter().for_each(|line| self.player.push(line));
                self.player.catch_up(now);
            }
            TransmissionCommand::LinesComplete => self.player.finish(),
            TransmissionCommand::Play => self.player.play(now),
            TransmissionCommand::Pause => self.player.pause(now),
            TransmissionCommand::Seek(line) => self.player.seek_line(line, now),
            TransmissionCommand::Repeat(repeat) => self.player.repeat(repeat),
            TransmissionCommand::Stop => self.is_stopped = true,
        }
    }

    fn mark(&mut self, place: u64, mark: LineStatus) {
        let line = self.player.playlist().index(place);
        if let Ok(line) = usize::try_from(line)
            && let Some(marked) = self.statuses.get_mut(line)
        {
            *marked = mark;
        }
    }

    fn finish(&mut self, place: u64, outcome: PublishOutcome) {
        if outcome == PublishOutcome::Done {
            self.done += 1;
            return self.mark(place, LineStatus::Done);
        }
        self.failed += 1;
        self.first_failed.get_or_insert(self.player.playlist().index(place));
        let known = self.failures.iter().position(|failure| *failure == outcome);
        let which = known.unwrap_or_else(|| {
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(outcome);
            }
            self.failures.len() - 1
        });
        // The index is below [`FAILURES_MAX`].
        self.mark(place, LineStatus::Failed(which as u8));
    }

    fn due(&self) -> Option<Instant> {
        if self.is_stopped { None } else { self.player.due() }
    }

    fn view(&self, deck: TransmissionSlot, wanted: LineRange) -> TransmissionView {
        let turn = match () {
            () if self.is_stopped => TransmissionState::Stopped,
            () if self.player.has_told_all() && self.sent == self.done + self.failed => TransmissionState::Over,
            () if self.player.is_paused() => TransmissionState::Paused,
            () => TransmissionState::Playing,
        };
        // A repeated message has one line.
        let LineRange { first, count } =
            if deck == TransmissionSlot::Script { wanted } else { LineRange { first: 0, count: 1 } };
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        TransmissionView {
            deck,
            turn,
            line: self.player.line_number(),
            sent: self.sent,
            done: self.done,
            failed: self.failed,
            first_failed: self.first_failed,
            first,
            statuses: self.statuses.iter().copied().skip(skipped).take(count as usize).collect(),
            failures: self.failures.clone(),
        }
    }
}

impl Transmitter {
    fn running(&mut self, deck: TransmissionSlot) -> Option<&mut Running> {
        self.decks[deck as usize].as_mut()
    }

    pub(super) fn finish(&mut self, deck: TransmissionSlot, place: u64, outcome: PublishOutcome) {
        self.changes += 1;
        if let Some(running) = self.running(deck) {
            running.finish(place, outcome);
        }
    }

    /// The connection was replaced, and the outcomes of these lines are lost: at QoS 1 they are sent again.
    pub(super) fn rewind_to(&mut self, deck: TransmissionSlot, place: u64, now: Instant) {
        if let Some(running) = self.running(deck)
            && running.manner.qos == QoS::AtLeastOnce
            && place < running.player.next()
        {
            running.player.seek(i64::try_from(place).unwrap_or(i64::MAX), now);
        }
    }

    /// The state of the transmissions, if the panels don't have it.
    pub(super) fn news(&self, wanted: LineRange) -> Option<Vec<TransmissionView>> {
        if self.told == (self.changes, wanted) {
            return None;
        }
        let decks = TransmissionSlot::ALL.into_iter().zip(&self.decks);
        Some(decks.filter_map(|(deck, running)| Some(running.as_ref()?.view(deck, wanted))).collect())
    }

    pub(super) fn mark_sent(&mut self, wanted: LineRange) {
        self.told = (self.changes, wanted);
    }
}

impl Engine {
    pub(super) fn transmit(&mut self, deck: TransmissionSlot, wish: TransmissionCommand, now: Instant) {
        self.transmitter.changes += 1;
        if let TransmissionCommand::Begin(manner) = wish {
            // Outcomes of the previous transmission's lines are no longer needed.
            self.numbers.retain(|(_, ticket)| !matches!(ticket, PublishOrigin::Line(of, _) if *of == deck));
            self.transmitter.decks[deck as usize] = Some(Running::new(manner, now));
        } else if let Some(running) = self.transmitter.running(deck) {
            running.handle(wish, now);
        }
    }

    /// Records the number of bytes in the socket's buffer. To be called before [`Engine::handle_timeout`], so that a
    /// slow network isn't overloaded.
    pub fn mark_unsent(&mut self, bytes: u32, now: Instant) {
        if bytes > UNSENT_BYTES_MAX {
            self.transmitter.rests_until = now + REST;
        }
    }

    /// A line is finished. If this was in vain (the broker ended the connection each time it was sent), the
    /// transmission may pause.
    pub(super) fn pause_in_vain(&mut self, ticket: PublishOrigin, was_in_vain: bool) {
        let PublishOrigin::Line(deck, _) = ticket else { return };
        let now = self.settled_at;
        let Some(running) = self.transmitter.running(deck) else { return };
        running.in_vain = if was_in_vain { running.in_vain + 1 } else { 0 };
        if running.in_vain >= IN_VAIN_MAX {
            running.in_vain = 0;
            running.player.pause(now);
            self.note(format!(
                "Transmission paused: the broker closed the connection on {IN_VAIN_MAX} lines in a row."
            ));
        }
    }

    /// Advances all transmissions while connected, and holds them otherwise.
    pub(super) fn advance_transmissions(&mut self, now: Instant) {
        let is_online = self.connection.state == ConnectionState::Connected;
        for running in self.transmitter.decks.iter_mut().flatten() {
            if is_online {
                running.player.go_on(now);
            } else {
                running.player.hold(now);
            }
        }
    }

    pub(super) fn send_due(&mut self, now: Instant) {
        // Publishing during a save would start another save, so nothing would ever be sent.
        if self.transmitter.rests_until > now || self.is_saving() {
            return;
        }
        for deck in TransmissionSlot::ALL {
            let mut bytes = 0;
            for _ in 0..BATCH {
                if bytes > BATCH_BYTES || !self.may_transmit() {
                    break;
                }
                let Some((place, request)) = self.take_due(deck, now) else { break };
                bytes += request.payload.len();
                self.publish(PublishOrigin::Line(deck, place), request, now);
            }
        }
    }

    fn take_due(&mut self, deck: TransmissionSlot, now: Instant) -> Option<(u64, PublishRequest)> {
        let qos_maximum = self.server.as_ref()?.qos_maximum;
        let running = self.transmitter.running(deck).filter(|running| !running.is_stopped)?;
        let (place, cue) = running.player.take_due(now)?;
        let OutgoingMessage { topic, payload } = cue.clone();
        let TransmissionSettings { qos, retain, properties, .. } = running.manner.clone();
        running.sent += 1;
        running.mark(place, LineStatus::Waiting);
        self.transmitter.changes += 1;
        Some((place, PublishRequest { topic, payload, qos: qos.min(qos_maximum), retain, properties }))
    }

    fn may_transmit(&self) -> bool {
        let window = self.server.as_ref().map_or(0, |server| usize::from(server.receive_maximum));
        self.session.unfinished() < window.min(UNFINISHED_MAX)
    }

    /// When the next line may be sent.
    pub(super) fn transmit_timeout(&self) -> Option<Instant> {
        let due = self.transmitter.decks.iter().flatten().filter_map(Running::due).min()?;
        (self.may_transmit() && !self.is_saving()).then(|| due.max(self.transmitter.rests_until))
    }
}
