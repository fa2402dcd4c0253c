//! The producer without IO and without a clock: which line is sent, what became of it, and when the transmission is
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
pub(crate) const IN_VAIN_MAX: u32 = 3;
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
    taken: u64,
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
    in_vain: u32,
    /// The time when a connection was lost with lines in flight, if none was acknowledged since.
    stalled_since: Option<Instant>,
    /// The time when a missing acknowledgement was reported, if none arrived since.
    unanswered_since: Option<Instant>,
    /// The line that is being dropped for that, and the size of its payload.
    dropped: Option<(Token, usize)>,
    reports: VecDeque<Report>,
    end: Option<End>,
    unusable: Option<SettingsError>,
}

/// A line that was sent or skipped.
#[derive(Clone, Debug)]
struct InFlightLine {
    place: u64,
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
            taken: 0,
            unfinished: BTreeMap::new(),
            acknowledged: 0,
            failed: Vec::new(),
            is_cut_short: false,
            connection: State::First { failures: 0 },
            stop_by: None,
            in_vain: 0,
            stalled_since: None,
            unanswered_since: None,
            dropped: None,
            reports: VecDeque::new(),
            end: None,
            unusable: None,
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
            Ok(cue) => self.player.push(cue),
            Err(left_out) => {
                self.is_cut_short |= left_out.is_cut_short();
                self.reports.push_back(Report::SkippedRow(left_out));
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
            self.unusable = Some(error);
            self.end(End::Stopped);
        }
        self.player.catch_up(now);
        self.turn(now);
    }

    // ---- events -------------------------------------------------------------

    /// Begins.
    pub(crate) fn start(&mut self, now: Instant) {
        self.session.connect(now);
        self.turn(now);
    }

    /// Sends no further line, waits a moment for outstanding acknowledgements, then disconnects.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stop_by.get_or_insert(now + ACK_TIMEOUT);
        self.turn(now);
    }

    /// Handles a command to pause or to seek.
    pub(crate) fn handle_wish(&mut self, wish: RemoteCommand, now: Instant) {
        match wish {
            RemoteCommand::TogglePause if self.player.is_paused() => self.player.play(now),
            RemoteCommand::TogglePause => self.player.pause(now),
            RemoteCommand::Seek(lines) => self.player.seek_by(lines, now),
        }
        self.reports.push_back(self.progress());
        self.turn(now);
    }

    /// Handles an open transport.
    pub(crate) fn handle_open(&mut self, now: Instant) {
        self.session.handle_open(now);
        self.turn(now);
    }

    /// Handles received bytes.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.session.handle_input(bytes, now, &mut NullSink);
        self.turn(now);
    }

    /// Handles input that isn't MQTT at all.
    pub(crate) fn handle_violation(&mut self, violation: Violation, now: Instant) {
        self.session.handle_violation(violation, now);
        self.turn(now);
    }

    /// Handles a transport that failed to open, or closed.
    pub(crate) fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        self.session.handle_close(closed, now);
        self.turn(now);
    }

    /// Handles the time that [`Transmission::poll_timeout`] returned. A call that is too early does no harm.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.turn(now);
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
        if let Some(error) = self.unusable {
            return Err(error);
        }
        let mut late: Vec<_> = std::mem::take(&mut self.unfinished).into_values().collect();
        late.sort_by_key(|told| told.place);
        for told in late {
            self.keep_failed(told.failed(LineFailure::NotAcknowledged));
        }
        let mut lines = self.taken;
        if self.settings.repeat == Repeat::ONCE {
            // For a live source, only the lines that were read.
            for place in self.player.next()..self.player.playlist().known() {
                lines += 1;
                if let Some(told) = self.told(place) {
                    self.keep_failed(told.failed(LineFailure::NotSent));
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

    fn turn(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.drain_events(now);
        self.publish_due(now);
        self.drain_events(now);
        self.conclude(now);
    }

    fn drain_events(&mut self, now: Instant) {
        let before = self.acknowledged;
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected { version, fell_back, server, .. } => {
                    let is_first = matches!(self.connection, State::First { .. });
                    self.connection = State::Online;
                    let goes_on_with = if is_first { None } else { self.first_unacknowledged() };
                    self.reports.push_back(Report::Connected { version, fell_back, goes_on_with });
                    self.take_qos(server.qos_maximum);
                    self.reports.push_back(self.progress());
                    self.player.go_on(now);
                }
                Event::Published { token, outcome } => {
                    self.handle_outcome(token, outcome);
                    // None of the others has an answer yet: their time restarts.
                    self.unanswered_since = self.unanswered_since.filter(|_| !self.unfinished.is_empty()).map(|_| now);
                }
                Event::Disconnected { failure, retry_at, recurrence } => {
                    let is_in_vain = recurrence.times >= RECURRENT
                        && matches!(recurrence.suspect, Some(Suspect::Qos0Message { .. }));
                    match is_in_vain {
                        true => self.end(End::InVain(failure)),
                        false => self.handle_loss(failure, retry_at, now),
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
        let Some(told) = self.unfinished.remove(&token) else { return };
        if !matches!(outcome, DeliveryOutcome::EndsConnection { .. } | DeliveryOutcome::Dropped) {
            self.stalled_since = None;
        }
        let fate = match outcome {
            DeliveryOutcome::Done => {
                self.acknowledged += 1;
                self.in_vain = 0;
                if self.qos != QoS::AtMostOnce {
                    // A link that lets lines through is worth retrying soon.
                    self.session.reset_back_off();
                }
                return;
            }
            DeliveryOutcome::Refused(reason) => LineFailure::Refused(reason),
            DeliveryOutcome::Unknown => LineFailure::Unknown,
            DeliveryOutcome::EndsConnection { payload_bytes } => self.in_vain(payload_bytes),
            DeliveryOutcome::Dropped => match self.dropped.take().filter(|(dropped, _)| *dropped == token) {
                Some((_, payload_bytes)) => self.in_vain(payload_bytes),
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
        self.fail_line(told.failed(fate));
    }

    /// Counts a line that failed because the broker ended the connection each time it was sent. If that happens at
    /// several lines in a row, it will at the next ones too.
    fn in_vain(&mut self, payload_bytes: usize) -> LineFailure {
        self.in_vain += 1;
        LineFailure::EndsConnection { payload_bytes }
    }

    /// Applies the broker's maximum QoS; the lines are sent with no more.
    fn take_qos(&mut self, maximum: QoS) {
        let qos = self.settings.qos.min(maximum);
        if qos != self.qos && qos < self.settings.qos {
            self.reports.push_back(Report::QosLowered { asked: self.settings.qos, granted: qos });
        }
        self.qos = qos;
    }

    fn handle_loss(&mut self, failure: Box<Failure>, retry_at: Option<Instant>, now: Instant) {
        let given_up = match &mut self.connection {
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
        if self.in_vain >= IN_VAIN_MAX {
            return self.end(End::InVain(failure));
        }
        match retry_at {
            Some(retry_at) if !given_up => {
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
            let Some((place, cue)) = self.player.take_due(now) else { return };
            let line = cue.line.clone();
            let Some(told) = self.told(place) else { return };
            let message = Message {
                topic: topic_of(&self.settings.topic, &line, told.line),
                payload: self.settings.payload.encode(&line),
                qos: self.qos,
                retain: self.settings.retain,
                properties: Vec::new(),
            };
            self.taken += 1;
            match self.session.publish(message, now) {
                Ok(token) => {
                    self.unfinished.insert(token, told);
                }
                Err(error) => self.fail_line(told.failed(LineFailure::NotTaken(error))),
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
    fn conclude(&mut self, now: Instant) {
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
        let unfinished = self.unfinished.values().min_by_key(|told| told.place).map(|told| told.line);
        unfinished.or_else(|| self.told(self.player.next()).map(|told| told.line))
    }

    /// Returns the line at this position, for a report.
    fn told(&self, place: u64) -> Option<InFlightLine> {
        let playlist = self.player.playlist();
        let cue = playlist.line(place)?;
        Some(InFlightLine { place, line: playlist.index(place) + 1, row: cue.row, file: cue.file.clone() })
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
    fn failed(self, fate: LineFailure) -> FailedLine {
        FailedLine { line: self.line, row: self.row, file: self.file, fate }
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
mod tests {
    use mqtt_crawl::dialogue::Line;
    use mqtt_crawl::mqtt::broker_url::BrokerUrl;
    use mqtt_crawl::mqtt::packet::{ReasonCode, Version};

    use mqtt_crawl::mqtt::session::server_capabilities::IN_FLIGHT_V311;
    use mqtt_crawl::transmit::encoding::PayloadFormat;

    use super::*;

    const BEGIN: Instant = Instant::from_millis(1_000_000);
    const YES: &[u8] = &[0x20, 2, 0, 0];

    fn script(lines: usize) -> Vec<TimedLine> {
        (1..=lines).map(cue).collect()
    }

    /// The first row of the file is its header.
    fn cue(n: usize) -> TimedLine {
        TimedLine { file: None, row: n + 1, line: Line { character: String::new(), text: format!("line {n}") } }
    }

    fn settings() -> Settings {
        Settings {
            version: Some(Version::V311),
            payload: PayloadFormat::Text,
            ..Settings::new(BrokerUrl::parse("mqtt://broker.test").expect("a URL"))
        }
    }

    /// A minimal broker, and the driver between it and a transmission.
    struct TestHarness<'a> {
        transmission: Transmission<'a>,
        now: Instant,
        /// The delay with which the driver wakes up.
        lag: Duration,
        /// The answer to CONNECT; `None`: no server is listening.
        connack: Option<&'a [u8]>,
        /// The bytes after the packet identifier in an acknowledgement; `None`: it doesn't acknowledge.
        ack: Option<&'a [u8]>,
        /// The broker closes the connection at a line that ends like this.
        hangs_up_on: Option<&'a str>,
        hangs_up: bool,
        /// Whether every CONNACK but the first has Session Present.
        keeps_session: bool,
        dials: u32,
        connected: bool,
        /// Payloads of PUBLISH with their times since [`BEGIN`].
        heard: Vec<(Duration, String)>,
        goodbyes: u32,
        reports: Vec<Report>,
    }

    impl<'a> TestHarness<'a> {
        fn new(settings: &'a Settings, script: &[TimedLine]) -> Self {
            let mut rig = Self::live(settings);
            script.iter().for_each(|cue| rig.transmission.handle_row(Ok(cue.clone())));
            rig.transmission.handle_end_of_script().expect("a script that can be told");
            rig
        }

        /// Nothing is known about the script.
        fn live(settings: &'a Settings) -> Self {
            Self {
                transmission: Transmission::new(settings, 7),
                now: BEGIN,
                lag: Duration::ZERO,
                connack: Some(YES),
                ack: Some(&[]),
                hangs_up_on: None,
                hangs_up: false,
                keeps_session: false,
                dials: 0,
                connected: false,
                heard: Vec::new(),
                goodbyes: 0,
                reports: Vec::new(),
            }
        }

        fn start(mut self) -> Self {
            self.transmission.start(self.now);
            self.serve();
            self
        }

        /// Runs until that time after the beginning, or until the transmission is over.
        fn run_until(&mut self, end: Duration) {
            let end = BEGIN + end;
            let mut turns = 0;
            while let Some(deadline) = self.transmission.poll_timeout()
                && !self.transmission.is_over()
                && deadline <= end
            {
                self.now = self.now.max(deadline + self.lag);
                self.transmission.handle_timeout(self.now);
                self.serve();
                turns += 1;
                assert!(turns < 100_000, "it turns in circles");
            }
            if !self.transmission.is_over() {
                self.now = self.now.max(end);
            }
        }

        fn serve(&mut self) {
            loop {
                let mut answers = Vec::new();
                let mut dialled = false;
                while let Some(transmit) = self.transmission.poll_transmit() {
                    match transmit {
                        Transmit::Dial => dialled = true,
                        Transmit::HangUp => self.connected = false,
                        Transmit::Send(bytes) => {
                            let bytes = bytes.to_vec();
                            self.hear(&bytes, &mut answers);
                        }
                    }
                }
                while let Some(report) = self.transmission.poll_report() {
                    self.reports.push(report);
                }
                if dialled {
                    self.dials += 1;
                    self.connected = self.connack.is_some();
                    match self.connack {
                        Some(_) => self.transmission.handle_open(self.now),
                        None => self.transmission.handle_close(CloseInfo::default(), self.now),
                    }
                } else if !answers.is_empty() && self.connected {
                    self.transmission.handle_input(&answers, self.now);
                } else if !self.hangs_up {
                    return;
                }
                if std::mem::take(&mut self.hangs_up) && self.connected {
                    self.connected = false;
                    self.transmission.handle_close(CloseInfo::default(), self.now);
                }
            }
        }

        fn hear(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
            while let [first, length, rest @ ..] = bytes {
                assert!(*length < 0x80, "the tests send short packets");
                let (body, next) = rest.split_at(usize::from(*length));
                bytes = next;
                match first >> 4 {
                    1 if self.keeps_session && self.dials > 1 => answers.extend_from_slice(&[0x20, 2, 1, 0]),
                    1 => answers.extend_from_slice(self.connack.unwrap_or_default()),
                    3 => self.hear_publish(*first, body, answers),
                    14 => self.goodbyes += 1,
                    12 => answers.extend_from_slice(&[0xD0, 0]),
                    other => panic!("packet type {other}"),
                }
            }
        }

        fn hear_publish(&mut self, first: u8, body: &[u8], answers: &mut Vec<u8>) {
            let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let mut rest = &body[2 + topic_bytes..];
            if self.hangs_up || self.hangs_up_on.is_some_and(|end| body.ends_with(end.as_bytes())) {
                self.hangs_up = true;
                return;
            }
            if first & 0b110 != 0 {
                let (id, after) = rest.split_at(2);
                rest = after;
                if let Some(tail) = self.ack {
                    answers.extend_from_slice(&[0x40, 2 + tail.len() as u8, id[0], id[1]]);
                    answers.extend_from_slice(tail);
                }
            }
            // An empty property section in 5.0; text begins with a letter.
            let payload = rest.strip_prefix(&[0]).unwrap_or(rest);
            self.heard.push((self.now.since(BEGIN), String::from_utf8_lossy(payload).into_owned()));
        }

        fn lose_connection(&mut self) {
            self.connected = false;
            self.transmission.handle_close(CloseInfo::default(), self.now);
            self.serve();
        }

        /// Passes in lines.
        fn push(&mut self, lines: std::ops::RangeInclusive<usize>) {
            lines.for_each(|n| self.transmission.handle_row(Ok(cue(n))));
            self.transmission.handle_rows(None, self.now);
            self.serve();
        }

        /// Ends the lines.
        fn end_of_script(&mut self) {
            let ended = self.transmission.handle_end_of_script();
            self.transmission.handle_rows(Some(ended), self.now);
            self.serve();
        }

        fn wish(&mut self, wish: RemoteCommand) {
            self.transmission.handle_wish(wish, self.now);
            self.serve();
        }

        /// Returns the newest progress.
        fn progress(&self) -> Progress {
            let told = self.reports.iter().rev().find_map(|report| match report {
                Report::Progress(progress) => Some(*progress),
                _ => None,
            });
            told.expect("a word")
        }

        fn stop(&mut self) {
            self.transmission.stop(self.now);
            self.serve();
        }

        fn texts(&self) -> Vec<&str> {
            self.heard.iter().map(|(_, text)| text.as_str()).collect()
        }

        fn summary(self) -> Summary {
            assert!(self.transmission.is_over());
            self.transmission.into_summary().expect("a script that can be told")
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn line_n_goes_out_at_start_plus_n_intervals_however_late_the_driver_is() {
        let check = |lag: Duration| {
            let (settings, script) = (settings(), script(100));
            let mut rig = TestHarness { lag, ..TestHarness::new(&settings, &script) }.start();
            rig.run_until(ms(3_600_000));
            let times: Vec<_> = rig.heard.iter().map(|(at, _)| *at).collect();
            let expected: Vec<_> = (0..100).map(|n| ms(n * 1_000) + if n > 0 { lag } else { ms(0) }).collect();
            assert_eq!(times, expected);
            assert_eq!(rig.goodbyes, 1);
            let summary = rig.summary();
            assert_eq!((summary.lines, summary.acknowledged, summary.exit_status()), (100, 100, 0));
        };
        check(ms(0));
        check(ms(30));
        check(ms(900));
    }

    #[test]
    fn lines_that_are_overdue_go_out_at_once() {
        let (settings, script) = (settings(), script(10));
        let mut rig = TestHarness { lag: ms(2_500), ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(60_000));
        let seconds: Vec<_> = rig.heard.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(seconds, [0, 3_500, 3_500, 3_500, 6_500, 6_500, 6_500, 9_500, 9_500, 9_500]);
    }

    #[test]
    fn it_ends_with_the_last_acknowledgement_and_not_before() {
        let (settings, script) = (settings(), script(2));
        let mut rig = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(20_000));
        assert_eq!(rig.texts(), ["line 1", "line 2"]);
        assert!(!rig.transmission.is_over());
        assert_eq!(rig.goodbyes, 0);
        rig.transmission.handle_input(&[0x40, 2, 0, 1], rig.now);
        assert!(!rig.transmission.is_over());
        rig.transmission.handle_input(&[0x40, 2, 0, 2], rig.now);
        rig.serve();
        assert_eq!(rig.goodbyes, 1);
        assert_eq!(rig.summary().end, End::Complete);
    }

    #[test]
    fn at_qos_0_it_ends_with_the_last_line() {
        let (settings, script) = (Settings { qos: QoS::AtMostOnce, ..settings() }, script(200));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(198_999));
        assert_eq!(rig.heard.len(), 199);
        rig.run_until(ms(199_000));
        assert_eq!((rig.heard.len(), rig.goodbyes), (200, 1));
        assert_eq!(rig.summary().exit_status(), 0);
    }

    #[test]
    fn after_a_lost_connection_the_story_goes_on_where_it_was() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(1_500));
        rig.ack = None;
        rig.run_until(ms(2_400));
        assert_eq!(rig.texts(), ["line 1", "line 2", "line 3"]);
        rig.connack = None;
        rig.ack = Some(&[]);
        rig.lose_connection();
        rig.run_until(ms(50_000));
        assert_eq!(rig.heard.len(), 3, "nothing goes out meanwhile");
        rig.connack = Some(YES);
        rig.run_until(ms(600_000));
        assert_eq!(rig.texts(), ["line 1", "line 2", "line 3", "line 3", "line 4", "line 5", "line 6"]);
        let at: Vec<_> = rig.heard.iter().map(|(at, _)| *at).collect();
        assert!(at[3] > ms(50_000));
        assert_eq!(at[4] - at[3], ms(600), "of the second before line 4, 0.4 had passed");
        assert_eq!(at[5] - at[4], ms(1_000));
        let lost = rig.reports.iter().filter(|report| matches!(report, Report::Lost { .. })).count();
        let connected = rig.reports.iter().filter(|report| matches!(report, Report::Connected { .. })).count();
        assert!(lost > 3 && connected == 2, "each failure is told: {lost}, {connected}");
        assert_eq!(rig.summary().exit_status(), 0);
    }

    #[test]
    fn a_line_that_ends_the_connection_is_given_up_and_the_others_arrive() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness { hangs_up_on: Some("line 2"), ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(GIVE_UP);
        assert_eq!(rig.texts(), ["line 1", "line 3", "line 4", "line 5", "line 6"]);
        assert_eq!(rig.dials, 4);
        let summary = rig.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (5, 1));
        let [failed] = &summary.failed_in_words()[..] else { panic!("{:?}", summary.failed) };
        assert!(failed.starts_with("Line 2 (row 3): the broker ended the connection each of the 3 times"), "{failed}");
    }

    #[test]
    fn in_a_kept_session_too() {
        let (settings, script) = (Settings { qos: QoS::ExactlyOnce, ..settings() }, script(3));
        let hangs_up_on = Some("line 2");
        let mut rig =
            TestHarness { hangs_up_on, keeps_session: true, ack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(GIVE_UP);
        let fate = |reports: &[Report]| {
            reports.iter().find_map(|report| match report {
                Report::LineFailed(failed) => Some((failed.line, failed.fate.clone())),
                _ => None,
            })
        };
        assert_eq!(fate(&rig.reports), Some((2, LineFailure::EndsConnection { payload_bytes: 6 })));
    }

    #[test]
    fn a_topic_on_which_every_line_ends_the_connection_is_given_up() {
        for (qos, repeat) in [(QoS::AtLeastOnce, Repeat::ONCE), (QoS::AtLeastOnce, Repeat::UntilStopped)] {
            let (settings, script) = (Settings { qos, repeat, ..settings() }, script(100));
            let mut rig = TestHarness { hangs_up_on: Some(""), ..TestHarness::new(&settings, &script) }.start();
            rig.run_until(GIVE_UP);
            assert!(rig.transmission.is_over(), "{repeat:?}");
            let summary = rig.summary();
            assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
            assert!(matches!(summary.end, End::InVain(_)));
            assert!(summary.failed_in_words()[0].starts_with("Lines 1–3 (rows 2–4): the broker ended"));
        }
    }

    #[test]
    fn a_broker_that_acknowledges_nothing_is_given_up() {
        let (settings, script) = (settings(), script(3));
        let mut rig = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(GIVE_UP + ms(20_000));
        assert!(rig.reports.contains(&Report::Unanswered));
        let summary = rig.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
        assert_eq!(summary.failed_in_words(), ["Lines 1–3 (rows 2–4): not acknowledged"]);
    }

    #[test]
    fn connections_that_end_before_a_line_is_acknowledged_are_given_up() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
        for _ in 0..200 {
            if rig.transmission.is_over() {
                break;
            }
            let later = rig.now.since(BEGIN) + ms(12_000);
            rig.run_until(later);
            if !rig.transmission.is_over() && rig.connected {
                rig.lose_connection();
            }
        }
        assert!(rig.now.since(BEGIN) < GIVE_UP + ms(100_000), "{:?}", rig.now.since(BEGIN));
        assert_eq!(rig.summary().exit_status(), 1);
    }

    #[test]
    fn an_address_that_nobody_listens_at_is_tried_three_times() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(60_000));
        assert_eq!((rig.dials, rig.reports.len()), (3, 2));
        let summary = rig.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
        assert_eq!(summary.failed_in_words(), ["Lines 1–6 (rows 2–7): not sent"]);
    }

    #[test]
    fn a_lost_connection_is_given_up_after_a_while_unless_repeating() {
        let check = |repeat: Repeat, over: bool| {
            let (settings, script) = (Settings { repeat, ..settings() }, script(6));
            let mut rig = TestHarness::new(&settings, &script).start();
            rig.run_until(ms(3_500));
            rig.connack = None;
            rig.lose_connection();
            rig.run_until(ms(3_500) + GIVE_UP - ms(1));
            assert!(!rig.transmission.is_over());
            rig.run_until(ms(3_600_000));
            assert_eq!(rig.transmission.is_over(), over);
            if over {
                let summary = rig.summary();
                assert_eq!((summary.acknowledged, summary.exit_status()), (4, 1));
                assert_eq!(summary.failed_in_words(), ["Lines 5–6 (rows 6–7): not sent"]);
            }
        };
        check(Repeat::ONCE, true);
        check(Repeat::UntilStopped, false);
    }

    #[test]
    fn a_refusal_is_taken_at_its_word() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness { connack: Some(&[0x20, 2, 0, 4]), ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(600_000));
        assert_eq!(rig.dials, 1);
        assert_eq!(rig.summary().exit_status(), 3);
    }

    #[test]
    fn a_stop_waits_for_acknowledgements_but_not_long() {
        let (settings, script) = (settings(), script(6));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(1_500));
        rig.stop();
        assert_eq!(rig.goodbyes, 1);
        let summary = rig.summary();
        assert_eq!((&summary.end, summary.acknowledged, summary.exit_status()), (&End::Stopped, 2, 1));
        assert_eq!(summary.failed_in_words(), ["Lines 3–6 (rows 4–7): not sent"]);

        let mut rig = TestHarness { ack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(1_500));
        rig.stop();
        rig.run_until(ms(1_500) + ACK_TIMEOUT - ms(1));
        assert!(!rig.transmission.is_over());
        rig.run_until(ms(1_500) + ACK_TIMEOUT);
        assert_eq!((rig.goodbyes, rig.heard.len()), (1, 2));
        let words = rig.summary().failed_in_words();
        assert_eq!(words, ["Lines 1–2 (rows 2–3): not acknowledged", "Lines 3–6 (rows 4–7): not sent"]);
    }

    #[test]
    fn a_stop_without_a_connection_is_heeded_at_once() {
        let check = |repeat: Repeat, status: u8| {
            let (settings, script) = (Settings { repeat, ..settings() }, script(6));
            let mut rig = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
            rig.stop();
            assert_eq!(rig.summary().exit_status(), status);
        };
        check(Repeat::ONCE, 1);
        check(Repeat::UntilStopped, 0);
    }

    #[test]
    fn a_loop_begins_again_at_the_first_line() {
        let settings = Settings { repeat: Repeat::UntilStopped, first_line: 3, ..settings() };
        let script = script(4);
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(6_000));
        assert_eq!(rig.texts(), ["line 3", "line 4", "line 1", "line 2", "line 3", "line 4", "line 1"]);
        rig.stop();
        let summary = rig.summary();
        assert_eq!((summary.lines, summary.acknowledged, summary.exit_status()), (7, 7, 0));
    }

    #[test]
    fn a_start_leaves_the_lines_before_it_out() {
        let (settings, script) = (Settings { first_line: 3, ..settings() }, script(4));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(60_000));
        assert_eq!(rig.texts(), ["line 3", "line 4"]);
        let left = rig.reports.iter().filter_map(|report| match report {
            Report::Progress(told) => Some((told.acknowledged, told.line, told.lines, told.left)),
            _ => None,
        });
        let expected = [(0, 2, Some(2_000)), (1, 3, Some(1_000)), (2, 4, Some(0))];
        let expected = expected.map(|(acknowledged, line, left)| (acknowledged, line, Some(4), left.map(ms)));
        assert_eq!(left.collect::<Vec<_>>(), expected);
        assert_eq!(rig.summary().to_string(), "2 of 2 lines acknowledged");
    }

    #[test]
    fn a_slow_broker_is_not_flooded() {
        // In 3.1.1 the session itself stops long before.
        let accepted: (Version, &'static [u8]) = (Version::V5, &[0x20, 3, 0, 0, 0]);
        let old: (Version, &'static [u8]) = (Version::V311, &[0x20, 2, 0, 0]);
        for ((version, connack), at_most) in [(accepted, UNFINISHED_MAX), (old, usize::from(IN_FLIGHT_V311))] {
            let settings = Settings { interval: ms(0), version: Some(version), ..settings() };
            let script = script(5_000);
            let mut rig =
                TestHarness { ack: None, connack: Some(connack), ..TestHarness::new(&settings, &script) }.start();
            rig.run_until(ms(10_000));
            assert_eq!(rig.heard.len(), at_most, "{version}");
            // It sleeps until something happens, and continues with the next answer.
            assert!(rig.transmission.poll_timeout().is_some_and(|at| at > rig.now));
            rig.transmission.handle_input(&[0x40, 2, 0, 1, 0x40, 2, 0, 2], rig.now);
            rig.serve();
            assert_eq!(rig.heard.len(), at_most + 2, "{version}");
        }
    }

    #[test]
    fn what_no_line_can_do_ends_it_and_says_why() {
        let (settings, script) = (Settings { version: Some(Version::V5), retain: true, ..settings() }, script(6));
        // Retain Available 0.
        let mut rig =
            TestHarness { connack: Some(&[0x20, 5, 0, 0, 2, 0x25, 0]), ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(60_000));
        assert!(rig.heard.is_empty());
        let summary = rig.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
        let End::Unsuitable(error) = summary.end else { panic!("{:?}", summary.end) };
        assert!(error.to_string().contains("retained"), "{error}");
    }

    #[test]
    fn lines_go_out_with_the_most_that_the_broker_takes_and_it_is_told() {
        let check = |asked: QoS, maximum: u8, granted: QoS, words: &str| {
            let (settings, script) = (Settings { version: Some(Version::V5), qos: asked, ..settings() }, script(3));
            let connack = [0x20, 5, 0, 0, 2, 0x24, maximum];
            let mut rig = TestHarness { connack: Some(&connack), ..TestHarness::new(&settings, &script) }.start();
            rig.run_until(ms(60_000));
            assert_eq!((rig.texts().len(), rig.transmission.qos()), (3, granted));
            let told = rig.reports.contains(&Report::QosLowered { asked, granted });
            assert_eq!(told, asked != granted);
            let summary = rig.summary();
            assert_eq!((summary.to_string().as_str(), summary.exit_status()), (words, 0));
        };
        let sent = "3 of 3 lines sent (at QoS 0 the broker acknowledges nothing)";
        check(QoS::ExactlyOnce, 1, QoS::AtLeastOnce, "3 of 3 lines acknowledged");
        check(QoS::AtLeastOnce, 1, QoS::AtLeastOnce, "3 of 3 lines acknowledged");
        check(QoS::AtLeastOnce, 0, QoS::AtMostOnce, sent);
        check(QoS::AtMostOnce, 1, QoS::AtMostOnce, sent);
    }

    #[test]
    fn a_thousand_lines_over_a_link_that_is_cut_twenty_times() {
        let (settings, script) = (Settings { interval: ms(10), ..settings() }, script(1_000));
        let mut rig = TestHarness::new(&settings, &script).start();
        let mut away = ms(0);
        for cut in 1..=20 {
            // The last lines before it get no acknowledgement.
            rig.run_until(away + ms(470 * cut));
            rig.ack = None;
            rig.run_until(away + ms(470 * cut + 25));
            let (before, since) = (rig.heard.len(), rig.now);
            rig.ack = Some(&[]);
            rig.lose_connection();
            while rig.heard.len() == before {
                let next = rig.transmission.poll_timeout().expect("it tries again").since(BEGIN);
                rig.run_until(next);
            }
            let wait = rig.heard[before].0 - since.since(BEGIN);
            assert!(wait <= ms(1_000), "a link that lets lines through is come back to soon: {wait:?}");
            away += wait;
        }
        rig.run_until(ms(60_000));
        assert_eq!(rig.heard.last().map(|(at, _)| *at), Some(away + ms(9_990)), "no drift at all");
        let mut order: Vec<usize> = Vec::new();
        for text in rig.texts() {
            let n = text.trim_start_matches("line ").parse().expect("a number");
            if n <= order.len() {
                assert!(n + 3 > order.len(), "{n} was acknowledged, and came again after {}", order.len());
            } else {
                order.push(n);
            }
        }
        assert_eq!(order, (1..=1_000).collect::<Vec<_>>());
        let resumed: Vec<_> = rig
            .reports
            .iter()
            .filter_map(|report| match report {
                Report::Connected { goes_on_with, .. } => Some(*goes_on_with),
                _ => None,
            })
            .collect();
        assert_eq!(resumed.len(), 21);
        assert_eq!(&resumed[..2], [None, Some(49)], "the first that wasn't acknowledged");
        assert_eq!(rig.summary().exit_status(), 0);
    }

    #[test]
    fn a_pause_shifts_all_that_follows() {
        let (settings, script) = (settings(), script(5));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(1_300));
        rig.wish(RemoteCommand::TogglePause);
        assert!(rig.progress().is_paused);
        // A connection that is lost and restored ends no pause.
        rig.lose_connection();
        rig.run_until(ms(60_000));
        assert_eq!(rig.heard.len(), 2);
        assert_eq!(rig.dials, 2);
        rig.wish(RemoteCommand::TogglePause);
        rig.run_until(ms(600_000));
        let at: Vec<_> = rig.heard.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [0, 1_000, 60_700, 61_700, 62_700]);
        assert_eq!(rig.summary().exit_status(), 0);
    }

    #[test]
    fn who_goes_elsewhere_is_there_at_once() {
        let (settings, script) = (settings(), script(30));
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.run_until(ms(2_300));
        rig.wish(RemoteCommand::Seek(1));
        rig.run_until(ms(3_400));
        rig.wish(RemoteCommand::Seek(-1));
        rig.wish(RemoteCommand::Seek(10));
        rig.run_until(ms(5_000));
        rig.wish(RemoteCommand::Seek(-100));
        assert_eq!(rig.texts()[3..], ["line 4", "line 5", "line 4", "line 14", "line 15", "line 1"]);
        let at: Vec<_> = rig.heard[3..].iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [2_300, 3_300, 3_400, 3_400, 4_400, 5_000]);
        // In a pause one step is one line, and nothing is sent before its end.
        rig.wish(RemoteCommand::TogglePause);
        rig.wish(RemoteCommand::Seek(10));
        rig.wish(RemoteCommand::Seek(-1));
        rig.wish(RemoteCommand::Seek(-1));
        rig.run_until(ms(9_000));
        assert_eq!((rig.heard.len(), rig.progress().line), (9, 9));
        rig.wish(RemoteCommand::TogglePause);
        assert_eq!(rig.texts()[9..], ["line 9"]);
        // Seeking to the last line is possible, and the script ends with it.
        rig.wish(RemoteCommand::Seek(1_000));
        assert_eq!(rig.texts()[10..], ["line 30"]);
        let summary = rig.summary();
        assert_eq!(summary.to_string(), "11 of 11 lines acknowledged");
        assert_eq!(summary.exit_status(), 0);
    }

    #[test]
    fn in_a_loop_the_way_on_never_ends() {
        let settings = Settings { repeat: Repeat::UntilStopped, ..settings() };
        let script = script(3);
        let mut rig = TestHarness::new(&settings, &script).start();
        rig.wish(RemoteCommand::Seek(10));
        rig.wish(RemoteCommand::Seek(-1));
        rig.wish(RemoteCommand::Seek(-100));
        assert_eq!(rig.texts(), ["line 1", "line 2", "line 1", "line 1"]);
        assert_eq!((rig.progress().line, rig.progress().left), (1, None));
    }

    #[test]
    fn live_lines_go_out_as_they_come_but_no_faster_than_the_pace() {
        let settings = settings();
        let mut rig = TestHarness::live(&settings).start();
        rig.run_until(ms(500));
        assert_eq!(rig.heard.len(), 0);
        rig.push(1..=1);
        rig.run_until(ms(10_000));
        rig.push(2..=4);
        rig.run_until(ms(11_500));
        rig.push(5..=5);
        rig.run_until(ms(20_250));
        rig.push(6..=7);
        assert_eq!((rig.progress().lines, rig.progress().left), (None, None));
        rig.end_of_script();
        rig.run_until(ms(60_000));
        let at: Vec<_> = rig.heard.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [500, 10_000, 11_000, 12_000, 13_000, 20_250, 21_250]);
        assert_eq!(rig.summary().to_string(), "7 of 7 lines acknowledged");
    }

    #[test]
    fn a_live_source_that_ends_without_a_line_is_wrong_use() {
        let check = |first_line: usize, lines: usize, words: &str| {
            let settings = Settings { first_line, ..settings() };
            let mut rig = TestHarness::live(&settings).start();
            rig.push(1..=lines);
            rig.end_of_script();
            assert!(rig.transmission.is_over());
            assert_eq!((rig.goodbyes, rig.heard.len()), (1, 0));
            let error = rig.transmission.into_summary().expect_err("nothing to send").to_string();
            assert!(error.contains(words), "{error}");
        };
        check(1, 0, "no line that can be sent");
        check(3, 2, "no line 3 to start with");
    }

    #[test]
    fn a_source_that_breaks_off_is_told_and_remembered() {
        let settings = settings();
        let mut rig = TestHarness::live(&settings).start();
        rig.push(1..=1);
        let rest = SkippedRow::Rest { file: "pipe".into(), reason: "broken".to_owned() };
        rig.transmission.handle_row(Err(rest.clone()));
        rig.end_of_script();
        assert!(rig.reports.contains(&Report::SkippedRow(rest)));
        assert_eq!(rig.summary().exit_status(), 1);
    }

    #[test]
    fn lines_of_several_files_are_told_apart() {
        let settings = settings();
        let named = |file: &str, n| TimedLine { file: Some(file.into()), ..cue(n) };
        let script = [named("a", 1), named("a", 2), named("b", 1), named("b", 2)];
        let mut rig = TestHarness { connack: None, ..TestHarness::new(&settings, &script) }.start();
        rig.stop();
        let words = rig.summary().failed_in_words();
        assert_eq!(words, ["Lines 1–2 (a, rows 2–3): not sent", "Lines 3–4 (b, rows 2–3): not sent"]);
    }

    #[test]
    fn a_line_that_is_refused_does_not_end_it() {
        let (settings, script) = (Settings { version: Some(Version::V5), ..settings() }, script(3));
        let mut rig =
            TestHarness { connack: Some(&[0x20, 3, 0, 0, 0]), ..TestHarness::new(&settings, &script) }.start();
        rig.run_until(ms(500));
        rig.ack = Some(&[0x87]);
        rig.run_until(ms(1_500));
        // No matching subscribers isn't a refusal.
        rig.ack = Some(&[0x10]);
        rig.run_until(ms(60_000));
        let failed = FailedLine { line: 2, row: 3, file: None, fate: LineFailure::Refused(ReasonCode::NOT_AUTHORIZED) };
        assert!(rig.reports.contains(&Report::LineFailed(failed.clone())));
        let summary = rig.summary();
        assert_eq!((summary.failed.as_slice(), summary.acknowledged, summary.exit_status()), (&[failed][..], 2, 1));
    }

    #[test]
    fn a_client_identifier_is_random_or_as_told() {
        let settings = settings();
        let sent = |settings: &Settings, seed| {
            let mut transmission = Transmission::new(settings, seed);
            transmission.start(BEGIN);
            assert!(matches!(transmission.poll_transmit(), Some(Transmit::Dial)));
            transmission.handle_open(BEGIN);
            match transmission.poll_transmit() {
                Some(Transmit::Send(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                other => panic!("{other:?}"),
            }
        };
        assert!(sent(&settings, 7).contains("crawl0000000000000007"));
        assert_ne!(sent(&settings, 7), sent(&settings, 8));
        let told = Settings { client_id: Some("me".to_owned()), ..settings.clone() };
        assert!(sent(&told, 7).ends_with("me"));
    }
}
