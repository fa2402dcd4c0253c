//! Which line goes out, what became of it, and when it is over: the producer
//! without IO and without a clock.
//!
//! It is used like the [`Session`] inside it: hand in what happened, with the
//! time; then drain [`Transmission::poll_transmit`], drain
//! [`Transmission::poll_report`], look whether it is over
//! ([`Transmission::is_over`]) and wait for [`Transmission::poll_timeout`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mqtt_crawl::dialogue::script::ScriptLine;
use mqtt_crawl::mqtt::error::{Closed, EncodeError, Failure, Violation};
use mqtt_crawl::mqtt::packet::{Publish, QoS};
use mqtt_crawl::mqtt::session::{Event, Inbox, Message, Options, Outcome, Session, Token, Transmit};
use mqtt_crawl::time::Instant;

use crate::report::{End, FailedLine, Fate, Report, Summary};
use crate::schedule::Schedule;
use crate::settings::{Repeat, Settings};

/// So many attempts to connect may fail before the first one succeeds: a person
/// is waiting, and most likely the address is wrong.
pub(crate) const FIRST_ATTEMPTS: u32 = 3;
/// A connection that was lost is given up after this long, save when
/// repeating: time enough for a broker to restart, short enough for a script
/// that waits for our exit status.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(120);
/// How long outstanding acknowledgements are waited for after a stop.
pub(crate) const GRACE: Duration = Duration::from_secs(3);
/// How many lines may be unfinished at a time. Only an interval shorter than
/// the broker's answer gets there.
const UNFINISHED_MAX: usize = 1_000;
/// How many lines are published before the transport is served.
const BATCH: usize = 64;
/// How long a broker is asked to keep our session for QoS 2, in seconds: as
/// long as a lost connection is tried again, and a little.
const SESSION_EXPIRY_S: u32 = 180;

/// The script on its way to a broker. See the module's page.
pub(crate) struct Transmission<'a> {
    settings: &'a Settings,
    script: &'a [ScriptLine],
    session: Session,
    schedule: Schedule,
    /// Counts lines from the beginning, over all rounds.
    next: u64,
    /// Lines without an outcome, by what the session calls them.
    unfinished: BTreeMap<Token, u64>,
    acknowledged: u64,
    /// Those of a [`Repeat::UntilStopped`] are bounded.
    failed: Vec<FailedLine>,
    connection: State,
    stop_by: Option<Instant>,
    reports: VecDeque<Report>,
    end: Option<End>,
}

#[derive(Clone, Debug)]
enum State {
    /// Never connected so far.
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
    /// The settings must be checked and the script not be empty. Equal seeds
    /// give equal waits and client identifiers.
    pub(crate) fn new(settings: &'a Settings, script: &'a [ScriptLine], seed: u64) -> Self {
        let client_id = settings.client_id.clone().unwrap_or_else(|| random_client_id(seed));
        let options = Options {
            version: settings.version,
            client_id,
            user_name: settings.user_name.clone(),
            password: settings.password.clone(),
            // Only QoS 2 needs the broker's memory: at QoS 1 a line that wasn't
            // acknowledged is sent again, whatever the broker remembers.
            session_expiry_s: if settings.qos == QoS::ExactlyOnce { SESSION_EXPIRY_S } else { 0 },
            ..Options::default()
        };
        Self {
            settings,
            script,
            session: Session::new(options, seed),
            schedule: Schedule::new(settings.interval),
            next: 0,
            unfinished: BTreeMap::new(),
            acknowledged: 0,
            failed: Vec::new(),
            connection: State::First { failures: 0 },
            stop_by: None,
            reports: VecDeque::new(),
            end: None,
        }
    }

    // ---- what happens -------------------------------------------------------

    /// Begin.
    pub(crate) fn start(&mut self, now: Instant) {
        self.session.connect(now);
        self.turn(now);
    }

    /// Send no further line, wait a moment for outstanding acknowledgements,
    /// say goodbye.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stop_by.get_or_insert(now + GRACE);
        self.turn(now);
    }

    /// The transport is open.
    pub(crate) fn handle_open(&mut self, now: Instant) {
        self.session.handle_open(now);
        self.turn(now);
    }

    /// Bytes came in.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.session.handle_input(bytes, now, &mut Nobody);
        self.turn(now);
    }

    /// Something came in that is no MQTT at all.
    pub(crate) fn handle_violation(&mut self, violation: Violation, now: Instant) {
        self.session.handle_violation(violation, now);
        self.turn(now);
    }

    /// The transport failed to open, or closed.
    pub(crate) fn handle_close(&mut self, closed: Closed, now: Instant) {
        self.session.handle_close(closed, now);
        self.turn(now);
    }

    /// The time that [`Transmission::poll_timeout`] named has come. Too early
    /// does no harm.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.turn(now);
    }

    // ---- what the driver is to do -------------------------------------------

    /// The next thing to do with the transport.
    #[must_use]
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.session.poll_transmit()
    }

    /// The next thing to tell.
    #[must_use]
    pub(crate) fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// When [`Transmission::handle_timeout`] is due.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let line = if self.may_publish() { self.schedule.due(self.next) } else { None };
        [self.session.poll_timeout(), line, self.stop_by, self.give_up_at()].into_iter().flatten().min()
    }

    /// Whether nothing more will happen once the transmits are drained.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// What there is to say in the end.
    pub(crate) fn into_summary(mut self) -> Summary {
        let lines = match self.last() {
            Some(last) => last,
            None => self.next,
        };
        let mut late: Vec<_> = std::mem::take(&mut self.unfinished).into_values().collect();
        late.sort_unstable();
        for n in late {
            self.keep_failed(self.failed_line(n, Fate::NotAcknowledged));
        }
        for n in self.next..lines {
            self.keep_failed(self.failed_line(n, Fate::NotSent));
        }
        if self.settings.repeat == Repeat::Once {
            self.failed.sort_by_key(|failed| failed.line);
        }
        Summary {
            lines,
            acknowledged: self.acknowledged,
            acknowledging: self.settings.qos != QoS::AtMostOnce,
            failed: self.failed,
            end: self.end.unwrap_or(End::Stopped),
        }
    }

    // ---- one turn -----------------------------------------------------------

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
                Event::Connected { version, fell_back, .. } => {
                    self.connection = State::Online;
                    self.schedule.release(now);
                    self.reports.push_back(Report::Connected { version, fell_back });
                }
                Event::Published { token, outcome } => self.handle_outcome(token, outcome),
                Event::Lost { failure, retry_at } => self.handle_loss(failure, retry_at, now),
                // Nothing was subscribed to.
                Event::Subscribed { .. } => {}
            }
        }
        if self.acknowledged > before {
            self.reports.push_back(self.progress());
        }
    }

    fn handle_outcome(&mut self, token: Token, outcome: Outcome) {
        let Some(n) = self.unfinished.remove(&token) else { return };
        let fate = match outcome {
            Outcome::Done => {
                self.acknowledged += 1;
                return;
            }
            Outcome::Refused(reason) => Fate::Refused(reason),
            Outcome::Unknown => Fate::Unknown,
            Outcome::Impossible(error) => {
                // Not this line's length is at fault, but what all lines share.
                if let EncodeError::Forbidden { .. } = error {
                    self.end(End::Unsuitable(error.clone()));
                }
                Fate::Impossible(error)
            }
        };
        self.fail_line(n, fate);
    }

    fn handle_loss(&mut self, failure: Box<Failure>, retry_at: Option<Instant>, now: Instant) {
        self.schedule.hold(now);
        let given_up = match &mut self.connection {
            State::First { failures } => {
                *failures += 1;
                *failures >= FIRST_ATTEMPTS
            }
            State::Online => {
                self.connection = State::Offline { since: now, failure: failure.clone() };
                false
            }
            State::Offline { failure: last, .. } => {
                last.clone_from(&failure);
                false
            }
        };
        match retry_at {
            Some(retry_at) if !given_up => {
                self.reports.push_back(Report::Lost { failure, retry_in: retry_at.since(now) });
            }
            _ => self.end(End::Failed(failure)),
        }
    }

    /// Publishes what is due, a batch at a time.
    fn publish_due(&mut self, now: Instant) {
        for _ in 0..BATCH {
            if !self.may_publish() || self.schedule.due(self.next).is_none_or(|due| now < due) {
                return;
            }
            let n = self.next;
            self.next += 1;
            let message = Message {
                topic: self.settings.topic.clone(),
                payload: self.settings.payload.encode(&self.script[self.index(n)].line),
                qos: self.settings.qos,
                retain: self.settings.retain,
                properties: Vec::new(),
            };
            match self.session.publish(message, now) {
                Ok(token) => {
                    self.unfinished.insert(token, n);
                }
                Err(error) => self.fail_line(n, Fate::NotTaken(error)),
            }
            if self.settings.qos == QoS::AtMostOnce {
                // Done at once: no window of unfinished lines slows it down.
                self.drain_events(now);
            }
        }
    }

    fn may_publish(&self) -> bool {
        !self.is_over()
            && self.stop_by.is_none()
            && matches!(self.connection, State::Online)
            && self.last().is_none_or(|last| self.next < last)
            && self.unfinished.len() < UNFINISHED_MAX
    }

    /// Ends the transmission when there is nothing more to wait for.
    fn conclude(&mut self, now: Instant) {
        if self.unfinished.is_empty() && self.last().is_some_and(|last| self.next >= last) {
            return self.end(End::Complete);
        }
        let online = matches!(self.connection, State::Online);
        if let Some(stop_by) = self.stop_by
            && (self.unfinished.is_empty() || !online || now >= stop_by)
        {
            return self.end(End::Stopped);
        }
        if self.give_up_at().is_some_and(|at| now >= at)
            && let State::Offline { failure, .. } = &self.connection
        {
            self.end(End::Failed(failure.clone()));
        }
    }

    fn give_up_at(&self) -> Option<Instant> {
        match (&self.connection, self.settings.repeat) {
            (State::Offline { since, .. }, Repeat::Once) => Some(*since + GIVE_UP),
            _ => None,
        }
    }

    fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.session.disconnect();
        }
    }

    // ---- counting -----------------------------------------------------------

    /// How many lines there are to send; `None` when it repeats.
    fn last(&self) -> Option<u64> {
        let once = self.settings.repeat == Repeat::Once;
        once.then(|| (self.script.len() - (self.settings.first_line - 1)) as u64)
    }

    /// Where the n-th line to be sent stands in the script, from 0.
    fn index(&self, n: u64) -> usize {
        let place = (self.settings.first_line - 1) as u64 + n;
        // Smaller than the script's length, which is a usize.
        (place % self.script.len() as u64) as usize
    }

    fn progress(&self) -> Report {
        let lines = self.last();
        Report::Progress {
            acknowledged: self.acknowledged,
            lines,
            left: lines.map(|last| self.schedule.span(last - self.next + 1)),
        }
    }

    fn failed_line(&self, n: u64, fate: Fate) -> FailedLine {
        let index = self.index(n);
        FailedLine { line: index + 1, row: self.script[index].number, fate }
    }

    fn fail_line(&mut self, n: u64, fate: Fate) {
        let failed = self.failed_line(n, fate);
        self.reports.push_back(Report::LineFailed(failed.clone()));
        self.keep_failed(failed);
    }

    fn keep_failed(&mut self, failed: FailedLine) {
        if self.settings.repeat == Repeat::Once || self.failed.len() < Summary::FAILED_KEPT {
            self.failed.push(failed);
        }
    }
}

/// The producer subscribes to nothing.
struct Nobody;

impl Inbox for Nobody {
    fn message(&mut self, _message: &Publish<'_>, _now: Instant) {}
}

/// 21 letters and digits: what even the strictest server takes `[MQTT-3.1.3-5]`.
fn random_client_id(seed: u64) -> String {
    format!("crawl{seed:016x}")
}
