//! Messages that are sent automatically: scripts, and a message that is repeated.
//!
//! Everything is sent in [`Engine::handle_timeout`](crate::engine::Engine::handle_timeout), so that intake never waits
//! for it.

use std::time::Duration;

use crate::mqtt::packet::QoS;
use crate::protocol::publish::PublishOutcome;
use crate::protocol::publish::PublishRequest;
use crate::protocol::transmission::{
    LineRange, OutgoingMessage, TransmissionCommand, TransmissionSettings, TransmissionSlot,
};
use crate::protocol::transmission::{LineStatus, TransmissionState, TransmissionView};
use crate::time::Instant;
use crate::transmit::player::Player;

/// With more unsent bytes than this in the socket's buffer, sending rests.
const UNSENT_BYTES_MAX: u32 = 1 << 20;

/// The length of that rest.
const REST: Duration = Duration::from_millis(20);

/// After this number of lines in a row at which the broker ended the connection, a transmission pauses, because the
/// next line would end it, too.
pub(super) const FATAL_LINES_MAX: u32 = 3;

/// Maximum number of different failures per transmission.
const FAILURES_MAX: usize = 100;

/// The transmissions, one per slot.
#[derive(Default)]
pub(super) struct Transmissions {
    slots: [Option<Transmission>; 2],
    /// Increases with every change that the panels may show.
    changes: u64,
    rests_until: Instant,
}

/// A transmission.
struct Transmission {
    player: Player<OutgoingMessage>,
    settings: TransmissionSettings,
    is_stopped: bool,
    statuses: Vec<LineStatus>,
    failures: Vec<PublishOutcome>,
    sent: u64,
    done: u64,
    failed: u64,
    first_failed: Option<u64>,
    /// Lines in a row at which the broker ended the connection.
    fatal_lines: u32,
}

impl Transmission {
    fn new(settings: TransmissionSettings, now: Instant) -> Self {
        let mut player = Player::new(Duration::from_micros(settings.interval_us), settings.repeat, settings.first);
        player.pause(now);
        Self {
            player,
            settings,
            is_stopped: false,
            statuses: Vec::new(),
            failures: Vec::new(),
            sent: 0,
            done: 0,
            failed: 0,
            first_failed: None,
            fatal_lines: 0,
        }
    }

    fn handle(&mut self, command: TransmissionCommand, now: Instant) {
        match command {
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

    fn mark(&mut self, position: u64, status: LineStatus) {
        let line = self.player.playlist().index(position);
        if let Ok(line) = usize::try_from(line)
            && let Some(marked) = self.statuses.get_mut(line)
        {
            *marked = status;
        }
    }

    fn finish(&mut self, position: u64, outcome: PublishOutcome) {
        if outcome == PublishOutcome::Done {
            self.done += 1;
            return self.mark(position, LineStatus::Done);
        }
        self.failed += 1;
        self.first_failed.get_or_insert(self.player.playlist().index(position));
        let known = self.failures.iter().position(|failure| *failure == outcome);
        let which = known.unwrap_or_else(|| {
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(outcome);
            }
            self.failures.len() - 1
        });
        // The index is below [`FAILURES_MAX`].
        self.mark(position, LineStatus::Failed(which as u8));
    }

    fn due(&self) -> Option<Instant> {
        if self.is_stopped { None } else { self.player.due() }
    }

    fn view(&self, slot: TransmissionSlot, wanted: LineRange) -> TransmissionView {
        let state = match () {
            () if self.is_stopped => TransmissionState::Stopped,
            () if self.player.has_sent_all() && self.sent == self.done + self.failed => TransmissionState::Over,
            () if self.player.is_paused() => TransmissionState::Paused,
            () => TransmissionState::Playing,
        };
        // A repeated message has one line.
        let LineRange { first, count } =
            if slot == TransmissionSlot::Script { wanted } else { LineRange { first: 0, count: 1 } };
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        TransmissionView {
            slot,
            state,
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

impl Transmissions {
    fn running(&mut self, slot: TransmissionSlot) -> Option<&mut Transmission> {
        self.slots[slot as usize].as_mut()
    }

    /// Controls a transmission.
    pub(super) fn handle(&mut self, slot: TransmissionSlot, command: TransmissionCommand, now: Instant) {
        self.changes += 1;
        if let TransmissionCommand::Begin(settings) = command {
            self.slots[slot as usize] = Some(Transmission::new(settings, now));
        } else if let Some(running) = self.running(slot) {
            running.handle(command, now);
        }
    }

    /// A line has its outcome.
    pub(super) fn finish(&mut self, slot: TransmissionSlot, position: u64, outcome: PublishOutcome) {
        self.changes += 1;
        if let Some(running) = self.running(slot) {
            running.finish(position, outcome);
        }
    }

    /// The connection was replaced, and the outcomes of these lines are lost: at QoS 1 they are sent again.
    pub(super) fn rewind_to(&mut self, slot: TransmissionSlot, position: u64, now: Instant) {
        if let Some(running) = self.running(slot)
            && running.settings.qos == QoS::AtLeastOnce
            && position < running.player.next()
        {
            running.player.seek(i64::try_from(position).unwrap_or(i64::MAX), now);
        }
    }

    /// A line is finished; `is_fatal` if the broker ended the connection each time it was sent. Returns whether the
    /// transmission pauses because of too many such lines in a row.
    pub(super) fn pause_if_fatal(&mut self, slot: TransmissionSlot, is_fatal: bool, now: Instant) -> bool {
        let Some(running) = self.running(slot) else { return false };
        running.fatal_lines = if is_fatal { running.fatal_lines + 1 } else { 0 };
        let pauses = running.fatal_lines >= FATAL_LINES_MAX;
        if pauses {
            running.fatal_lines = 0;
            running.player.pause(now);
        }
        pauses
    }

    /// Records the number of bytes in the socket's buffer, so that a slow network isn't overloaded.
    pub(super) fn mark_unsent(&mut self, bytes: u32, now: Instant) {
        if bytes > UNSENT_BYTES_MAX {
            self.rests_until = now + REST;
        }
    }

    /// Whether sending rests because of a slow network.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until > now
    }

    /// Advances all transmissions while connected, and holds them otherwise.
    pub(super) fn advance(&mut self, is_connected: bool, now: Instant) {
        for running in self.slots.iter_mut().flatten() {
            if is_connected {
                running.player.go_on(now);
            } else {
                running.player.hold(now);
            }
        }
    }

    /// Returns a line that is due, and its position.
    pub(super) fn take_due(
        &mut self,
        slot: TransmissionSlot,
        qos_maximum: QoS,
        now: Instant,
    ) -> Option<(u64, PublishRequest)> {
        let running = self.running(slot).filter(|running| !running.is_stopped)?;
        let (position, line) = running.player.take_due(now)?;
        let OutgoingMessage { topic, payload } = line.clone();
        let TransmissionSettings { qos, retain, properties, .. } = running.settings.clone();
        running.sent += 1;
        running.mark(position, LineStatus::Waiting);
        self.changes += 1;
        Some((position, PublishRequest { topic, payload, qos: qos.min(qos_maximum), retain, properties }))
    }

    /// When the next line may be sent.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.slots.iter().flatten().filter_map(Transmission::due).min()?;
        Some(due.max(self.rests_until))
    }

    /// Differs after every change that the panels may show.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The state of the transmissions, with the status of these lines of the script.
    pub(super) fn views(&self, wanted: LineRange) -> Vec<TransmissionView> {
        let slots = TransmissionSlot::ALL.into_iter().zip(&self.slots);
        slots.filter_map(|(slot, running)| Some(running.as_ref()?.view(slot, wanted))).collect()
    }
}
