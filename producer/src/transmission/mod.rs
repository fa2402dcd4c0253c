//! The producer without IO and without a clock: which line is sent, its outcome, and when the transmission is
//! over.
//!
//! It is used like the [`Session`] inside it: pass in an event with its time; drain [`Transmission::poll_transmit`] and
//! [`Transmission::poll_report`]; check [`Transmission::is_over`]; then wait for [`Transmission::poll_timeout`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mqtt_crawl::mqtt::error::{CloseInfo, EncodeError, Failure, Violation};
use mqtt_crawl::mqtt::failure_history::RECURRENT;
use mqtt_crawl::mqtt::packet::{Publish, QoS};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{
    DeliveryOutcome, DisconnectMode, Event, MessageSink, Recurrence, Suspect, Token, Transmit,
};
use mqtt_crawl::mqtt::session::options::{Message, Options};
use mqtt_crawl::time::Instant;
use mqtt_crawl::transmit::encoding::topic_of;
use mqtt_crawl::transmit::player::Player;
use mqtt_crawl::transmit::playlist::Repeat;

use crate::remote::RemoteCommand;
use crate::report::{End, FailedLine, LineFailure, Progress, Report, Summary};
use crate::script::{FileSummary, SkippedRow, TimedLine};
use crate::settings::{Settings, SettingsError};

/// The number of attempts to connect that may fail before the first one succeeds: a person is waiting, and most likely
/// the address is wrong.
pub(crate) const FIRST_ATTEMPTS: u32 = 3;
/// A lost connection is given up after this time, unless repeating: long enough for a broker to restart, short enough
/// for a script that waits for our exit status.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(120);
/// The transmission is given up after the broker ended the connection at this number of lines in a row, because it
/// would end the next one too.
pub(crate) const REJECTED_LINES_MAX: u32 = 3;
/// The time that outstanding acknowledgements are awaited after a stop.
pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(3);
/// The maximum number of unfinished lines. Reached only if the interval is shorter than the broker's response time.
const UNFINISHED_MAX: usize = 1_000;
/// The number of lines that are published before the transport is served.
const BATCH: usize = 64;
/// The time in seconds that the broker is asked to keep our session for QoS 2: a little longer than a lost connection
/// is retried.
const SESSION_EXPIRY_S: u32 = 180;

/// A transmission of a script to a broker. See the module docs.
pub(crate) struct Transmission<'a> {
    settings: &'a Settings,
    player: Player<TimedLine>,
    session: Session,
    /// The requested quality of service, or the maximum that the broker supports.
    qos: QoS,
    /// The number of lines that were sent or skipped.
    processed: u64,
    /// Lines without an outcome, by their handle in the session.
    unfinished: BTreeMap<Token, InFlightLine>,
    acknowledged: u64,
    /// Bounded for a [`Repeat::UntilStopped`].
    failed: Vec<FailedLine>,
    /// Whether the script couldn't be read to its end.
    is_cut_short: bool,
    connection: State,
    stop_by: Option<Instant>,
    /// The number of lines in a row at which the broker ended the connection.
    rejected_in_a_row: u32,
    /// The time when a connection was lost with lines in flight, if none was acknowledged since.
    stalled_since: Option<Instant>,
    /// The time when a missing acknowledgement was reported, if none arrived since.
    unanswered_since: Option<Instant>,
    /// The line that is being dropped for that, and the size of its payload.
    dropped: Option<(Token, usize)>,
    reports: VecDeque<Report>,
    end: Option<End>,
    settings_error: Option<SettingsError>,
}

/// A line that was sent or skipped.
#[derive(Clone, Debug)]
struct InFlightLine {
    position: u64,
    line: u64,
    row: usize,
    file: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum State {
    /// No connection has succeeded so far.
    First {
        failures: u32,
    },
    Online,
    Offline {
        since: Instant,
        failure: Box<Failure>,
    },
}

impl<'a> Transmission<'a> {
    /// Creates a transmission. The settings must be checked. Equal seeds give equal waits and client identifiers.
    pub(crate) fn new(settings: &'a Settings, seed: u64) -> Self {
        let client_id = settings.client_id.clone().unwrap_or_else(|| random_client_id(seed));
        let options = Options {
            version: settings.version,
            client_id,
            user_name: settings.user_name.clone(),
            password: settings.password.clone(),
            // Only QoS 2 needs the broker's session: at QoS 1 a line that wasn't acknowledged is sent again in any
            // case.
            session_expiry_s: if settings.qos == QoS::ExactlyOnce { SESSION_EXPIRY_S } else { 0 },
            keep_session_in_v311: true,
            // A random identifier has no earlier session to delete.
            clean_start: settings.client_id.is_some(),
            ..Options::default()
        };
        Self {
            settings,
            player: Player::new(settings.interval, settings.repeat, settings.first_line as u64 - 1),
            session: Session::new(options, seed),
            qos: settings.qos,
            processed: 0,
            unfinished: BTreeMap::new(),
            acknowledged: 0,
            failed: Vec::new(),
            is_cut_short: false,
            connection: State::First { failures: 0 },
            stop_by: None,
            rejected_in_a_row: 0,
            stalled_since: None,
            unanswered_since: None,
            dropped: None,
            reports: VecDeque::new(),
            end: None,
            settings_error: None,
        }
    }

    // ---- the script ---------------------------------------------------------

    /// Whether more lines should be passed in.
    pub(crate) fn wants_lines(&self) -> bool {
        self.player.wants_lines()
    }

    /// Handles the next row of the script.
    pub(crate) fn handle_row(&mut self, row: Result<TimedLine, SkippedRow>) {
        match row {
            Ok(line) => self.player.push(line),
            Err(skipped) => {
                self.is_cut_short |= skipped.is_cut_short();
                self.reports.push_back(Report::SkippedRow(skipped));
            }
        }
    }

    /// Handles the end of a live file.
    pub(crate) fn handle_file(&mut self, file: FileSummary) {
        self.reports.push_back(Report::File(file));
    }

    /// Handles the end of the rows. Errors of the script as a whole are known now.
    pub(crate) fn handle_end_of_script(&mut self) -> Result<(), SettingsError> {
        self.player.finish();
        self.settings.check_lines(self.player.playlist().known())
    }

    /// Handles rows that arrived during the transmission or, with `Some`, the script's end and its error.
    pub(crate) fn handle_rows(&mut self, ended: Option<Result<(), SettingsError>>, now: Instant) {
        if let Some(Err(error)) = ended
            && !self.is_over()
        {
            self.settings_error = Some(error);
            self.end(End::Stopped);
        }
        self.player.catch_up(now);
        self.advance(now);
    }

    // ---- events -------------------------------------------------------------

    /// Starts.
    pub(crate) fn start(&mut self, now: Instant) {
        self.session.connect(now);
        self.advance(now);
    }

    /// Sends no further line, waits a moment for outstanding acknowledgements, then disconnects.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stop_by.get_or_insert(now + ACK_TIMEOUT);
        self.advance(now);
    }

    /// Handles a command to pause or to seek.
    pub(crate) fn handle_command(&mut self, command: RemoteCommand, now: Instant) {
        match command {
            RemoteCommand::TogglePause if self.player.is_paused() => self.player.play(now),
            RemoteCommand::TogglePause => self.player.pause(now),
            RemoteCommand::Seek(lines) => self.player.seek_by(lines, now),
        }
        self.reports.push_back(self.progress());
        self.advance(now);
    }

    /// Handles an open transport.
    pub(crate) fn handle_open(&mut self, now: Instant) {
        self.session.handle_open(now);
        self.advance(now);
    }

    /// Handles received bytes.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.session.handle_input(bytes, now, &mut NullSink);
        self.advance(now);
    }

    /// Handles input that isn't MQTT at all.
    pub(crate) fn handle_violation(&mut self, violation: Violation, now: Instant) {
        self.session.handle_violation(violation, now);
        self.advance(now);
    }

    /// Handles a transport that failed to open, or closed.
    pub(crate) fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        self.session.handle_close(closed, now);
        self.advance(now);
    }

    /// Handles the time that [`Transmission::poll_timeout`] returned. A call that is too early does no harm.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.advance(now);
    }

    // ---- actions for the driver ---------------------------------------------

    /// Returns the next action for the transport.
    #[must_use]
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.session.poll_transmit()
    }

    /// Returns the next report.
    #[must_use]
    pub(crate) fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Returns when [`Transmission::handle_timeout`] is due.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let line = self.player.due().filter(|_| self.may_publish());
        [self.session.poll_timeout(), line, self.stop_by, self.give_up_at()].into_iter().flatten().min()
    }

    /// Whether nothing more will happen once the transmits are drained.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Returns the quality of service that the lines are sent with.
    pub(crate) fn qos(&self) -> QoS {
        self.qos
    }

    /// Returns the summary.
    ///
    /// # Errors
    /// Fails when the script turned out to hold no lines.
    pub(crate) fn into_summary(mut self) -> Result<Summary, SettingsError> {
        if let Some(error) = self.settings_error {
            return Err(error);
        }
        let mut late: Vec<_> = std::mem::take(&mut self.unfinished).into_values().collect();
        late.sort_by_key(|line| line.position);
        for line in late {
            self.keep_failed(line.failed(LineFailure::NotAcknowledged));
        }
        let mut lines = self.processed;
        if self.settings.repeat == Repeat::ONCE {
            // For a live source, only the lines that were read.
            for position in self.player.next()..self.player.playlist().known() {
                lines += 1;
                if let Some(line) = self.in_flight_line(position) {
                    self.keep_failed(line.failed(LineFailure::NotSent));
                }
            }
            self.failed.sort_by_key(|failed| failed.line);
        }
        Ok(Summary {
            lines,
            acknowledged: self.acknowledged,
            acknowledging: self.qos != QoS::AtMostOnce,
            failed: self.failed,
            is_cut_short: self.is_cut_short,
            end: self.end.unwrap_or(End::Stopped),
        })
    }

    // ---- one step -----------------------------------------------------------

    fn advance(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.drain_events(now);
        self.publish_due(now);
        self.drain_events(now);
        self.check_end(now);
    }

    fn drain_events(&mut self, now: Instant) {
        let before = self.acknowledged;
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected { version, fell_back, server, .. } => {
                    let is_first = matches!(self.connection, State::First { .. });
                    self.connection = State::Online;
                    let resumes_at = if is_first { None } else { self.first_unacknowledged() };
                    self.reports.push_back(Report::Connected { version, fell_back, resumes_at });
                    self.apply_qos_maximum(server.qos_maximum);
                    self.reports.push_back(self.progress());
                    self.player.go_on(now);
                }
                Event::Published { token, outcome } => {
                    self.handle_outcome(token, outcome);
                    // None of the others has an answer yet: their time restarts.
                    self.unanswered_since = self.unanswered_since.filter(|_| !self.unfinished.is_empty()).map(|_| now);
                }
                Event::Disconnected { failure, retry_at, recurrence } => {
                    let rejects_lines = recurrence.times >= RECURRENT
                        && matches!(recurrence.suspect, Some(Suspect::Qos0Message { .. }));
                    if rejects_lines {
                        self.end(End::LinesRejected(failure));
                    } else {
                        self.handle_loss(failure, retry_at, now);
                    }
                    self.drop_suspect(&recurrence, now);
                }
                Event::Deviated { deviation, .. } => self.reports.push_back(Report::Deviated(deviation)),
                Event::Unanswered { .. } => {
                    self.unanswered_since = Some(now);
                    self.reports.push_back(Report::Unanswered);
                }
                // A failed attempt is already reported, and nothing was subscribed to.
                Event::Dialing { .. }
                | Event::Subscribed { .. }
                | Event::Unsubscribed { .. }
                | Event::FilterAbandoned { .. }
                | Event::Skipped { .. } => {}
            }
        }
        if self.acknowledged > before {
            self.reports.push_back(self.progress());
        }
    }

    /// Drops the suspected line. A broker that keeps the session must be offered the line again; nobody can be asked
    /// here, and the other lines shall arrive.
    fn drop_suspect(&mut self, recurrence: &Recurrence, now: Instant) {
        if let Some(Suspect::Message { token, payload_bytes, must_be_resent: true, .. }) = recurrence.suspect
            && recurrence.times >= RECURRENT
            && !self.is_over()
        {
            self.dropped = Some((token, payload_bytes));
            self.session.drop_message(token, now);
        }
    }

    fn handle_outcome(&mut self, token: Token, outcome: DeliveryOutcome) {
        let Some(line) = self.unfinished.remove(&token) else { return };
        if !matches!(outcome, DeliveryOutcome::EndsConnection { .. } | DeliveryOutcome::Dropped) {
            self.stalled_since = None;
        }
        let failure = match outcome {
            DeliveryOutcome::Done => {
                self.acknowledged += 1;
                self.rejected_in_a_row = 0;
                if self.qos != QoS::AtMostOnce {
                    // A link that lets lines through is worth retrying soon.
                    self.session.reset_back_off();
                }
                return;
            }
            DeliveryOutcome::Refused(reason) => LineFailure::Refused(reason),
            DeliveryOutcome::Unknown => LineFailure::Unknown,
            DeliveryOutcome::EndsConnection { payload_bytes } => self.count_rejected(payload_bytes),
            DeliveryOutcome::Dropped => match self.dropped.take().filter(|(dropped, _)| *dropped == token) {
                Some((_, payload_bytes)) => self.count_rejected(payload_bytes),
                None => LineFailure::NotAcknowledged,
            },
            DeliveryOutcome::Unsendable(error) => {
                // The cause isn't this line's length but something all lines share.
                if let EncodeError::Forbidden { .. } = error {
                    self.end(End::Unsuitable(error.clone()));
                }
                LineFailure::Impossible(error)
            }
        };
        self.fail_line(line.failed(failure));
    }

    /// Counts a line that failed because the broker ended the connection each time it was sent. If that happens at
    /// several lines in a row, it will at the next ones too.
    fn count_rejected(&mut self, payload_bytes: usize) -> LineFailure {
        self.rejected_in_a_row += 1;
        LineFailure::EndsConnection { payload_bytes }
    }

    /// Applies the broker's maximum QoS; the lines are sent with no more.
    fn apply_qos_maximum(&mut self, maximum: QoS) {
        let qos = self.settings.qos.min(maximum);
        if qos != self.qos && qos < self.settings.qos {
            self.reports.push_back(Report::QosLowered { asked: self.settings.qos, granted: qos });
        }
        self.qos = qos;
    }

    fn handle_loss(&mut self, failure: Box<Failure>, retry_at: Option<Instant>, now: Instant) {
        let gives_up = match &mut self.connection {
            State::First { failures } => {
                *failures += 1;
                *failures >= FIRST_ATTEMPTS
            }
            State::Online => {
                // A connection that ends again before a line is acknowledged is no success.
                if self.unfinished.is_empty() {
                    self.stalled_since = None;
                }
                let since = *self.stalled_since.get_or_insert(now);
                if self.unfinished.is_empty() {
                    self.stalled_since = None;
                }
                self.connection = State::Offline { since, failure: failure.clone() };
                false
            }
            State::Offline { failure: last, .. } => {
                last.clone_from(&failure);
                false
            }
        };
        self.player.hold(now);
        self.unanswered_since = None;
        if self.rejected_in_a_row >= REJECTED_LINES_MAX {
            return self.end(End::LinesRejected(failure));
        }
        match retry_at {
            Some(retry_at) if !gives_up => {
                self.reports.push_back(Report::Lost { failure, retry_in: retry_at.since(now) });
            }
            _ => self.end(End::Failed(failure)),
        }
    }

    /// Publishes the lines that are due, a batch at a time.
    fn publish_due(&mut self, now: Instant) {
        for _ in 0..BATCH {
            if !self.may_publish() {
                return;
            }
            let Some((position, timed_line)) = self.player.take_due(now) else { return };
            let line = timed_line.line.clone();
            let Some(in_flight) = self.in_flight_line(position) else { return };
            let message = Message {
                topic: topic_of(&self.settings.topic, &line, in_flight.line),
                payload: self.settings.payload.encode(&line),
                qos: self.qos,
                retain: self.settings.retain,
                properties: Vec::new(),
            };
            self.processed += 1;
            match self.session.publish(message, now) {
                Ok(token) => {
                    self.unfinished.insert(token, in_flight);
                }
                Err(error) => self.fail_line(in_flight.failed(LineFailure::NotTaken(error))),
            }
            if self.qos == QoS::AtMostOnce {
                // These are done at once: no window of unfinished lines limits them.
                self.drain_events(now);
            }
        }
    }

    fn may_publish(&self) -> bool {
        !self.is_over()
            && self.stop_by.is_none()
            && matches!(self.connection, State::Online)
            && self.unfinished.len() < UNFINISHED_MAX
    }

    /// Ends the transmission when there is nothing more to wait for.
    fn check_end(&mut self, now: Instant) {
        if self.unfinished.is_empty() && self.player.has_sent_all() {
            return self.end(End::Complete);
        }
        let online = matches!(self.connection, State::Online);
        if let Some(stop_by) = self.stop_by
            && (self.unfinished.is_empty() || !online || now >= stop_by)
        {
            return self.end(End::Stopped);
        }
        if self.give_up_at().is_some_and(|at| now >= at) {
            self.end(match &self.connection {
                State::Offline { failure, .. } => End::Failed(failure.clone()),
                State::First { .. } | State::Online => End::Stopped,
            });
        }
    }

    fn give_up_at(&self) -> Option<Instant> {
        match (&self.connection, self.settings.repeat) {
            (State::Offline { since, .. }, Repeat::ONCE) => Some(*since + GIVE_UP),
            (State::Online, Repeat::ONCE) => self.unanswered_since.map(|since| since + GIVE_UP),
            _ => None,
        }
    }

    fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.session.disconnect(DisconnectMode::EndSession);
        }
    }

    // ---- counting -----------------------------------------------------------

    fn progress(&self) -> Report {
        Report::Progress(Progress {
            acknowledged: self.acknowledged,
            line: self.player.line_number(),
            lines: self.player.playlist().total(),
            left: self.player.left(),
            is_paused: self.player.is_paused(),
        })
    }

    /// Returns the line that the transmission continues with after a lost connection.
    fn first_unacknowledged(&self) -> Option<u64> {
        let unfinished = self.unfinished.values().min_by_key(|line| line.position).map(|line| line.line);
        unfinished.or_else(|| self.in_flight_line(self.player.next()).map(|line| line.line))
    }

    /// Returns the line at this position, for a report.
    fn in_flight_line(&self, position: u64) -> Option<InFlightLine> {
        let playlist = self.player.playlist();
        let TimedLine { row, file, .. } = playlist.line(position)?;
        Some(InFlightLine { position, line: playlist.index(position) + 1, row: *row, file: file.clone() })
    }

    fn fail_line(&mut self, failed: FailedLine) {
        self.reports.push_back(Report::LineFailed(failed.clone()));
        self.keep_failed(failed);
    }

    fn keep_failed(&mut self, failed: FailedLine) {
        if self.settings.repeat == Repeat::ONCE || self.failed.len() < Summary::FAILED_KEPT {
            self.failed.push(failed);
        }
    }
}

impl InFlightLine {
    fn failed(self, failure: LineFailure) -> FailedLine {
        FailedLine { line: self.line, row: self.row, file: self.file, failure }
    }
}

/// The producer subscribes to nothing.
struct NullSink;

impl MessageSink for NullSink {
    fn on_message(&mut self, _message: &Publish<'_>, _now: Instant) {}
}

/// 21 letters and digits: accepted by even the strictest server `[MQTT-3.1.3-5]`.
fn random_client_id(seed: u64) -> String {
    format!("crawl{seed:016x}")
}

#[cfg(test)]
mod test_harness;
#[cfg(test)]
mod tests;
