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
use mqtt_crawl::mqtt::session::{Event, Inbox, Message, Options, Outcome, Parting, Session, Token, Transmit};
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
            lasts_in_v311: true,
            // A random identifier has nothing to be wiped away.
            clean_start: settings.client_id.is_some(),
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
                // An attempt is told when it fails, and nothing was subscribed to.
                Event::Dialing { .. } | Event::Subscribed { .. } | Event::Unsubscribed { .. } => {}
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
            self.session.disconnect(Parting::EndSession);
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

#[cfg(test)]
mod tests {
    use mqtt_crawl::broker_url::BrokerUrl;
    use mqtt_crawl::dialogue::Line;
    use mqtt_crawl::mqtt::packet::{ReasonCode, Version};

    use mqtt_crawl::mqtt::session::IN_FLIGHT_V311;

    use super::*;
    use crate::settings::PayloadFormat;

    const BEGIN: Instant = Instant::from_millis(1_000_000);
    const YES: &[u8] = &[0x20, 2, 0, 0];

    fn script(lines: usize) -> Vec<ScriptLine> {
        let line = |n: usize| Line { character: String::new(), text: format!("line {n}") };
        // The first row of the file is its header.
        (1..=lines).map(|n| ScriptLine { number: n + 1, line: line(n) }).collect()
    }

    fn settings() -> Settings {
        Settings {
            version: Some(Version::V311),
            payload: PayloadFormat::Text,
            ..Settings::new(BrokerUrl::parse("mqtt://broker.test").expect("a URL"))
        }
    }

    /// A broker of few words, and the driver between it and a transmission.
    struct Rig<'a> {
        transmission: Transmission<'a>,
        now: Instant,
        /// How late the driver wakes up.
        lag: Duration,
        /// The answer to CONNECT; `None`: nobody listens.
        connack: Option<&'a [u8]>,
        /// What follows the packet identifier in an acknowledgement; `None`: it
        /// doesn't acknowledge.
        ack: Option<&'a [u8]>,
        dials: u32,
        connected: bool,
        /// Payloads of PUBLISH with their times since [`BEGIN`].
        heard: Vec<(Duration, String)>,
        goodbyes: u32,
        reports: Vec<Report>,
    }

    impl<'a> Rig<'a> {
        fn new(settings: &'a Settings, script: &'a [ScriptLine]) -> Self {
            Self {
                transmission: Transmission::new(settings, script, 7),
                now: BEGIN,
                lag: Duration::ZERO,
                connack: Some(YES),
                ack: Some(&[]),
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

        /// Lives until that long after the beginning, or until it is over.
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
                        None => self.transmission.handle_close(Closed::default(), self.now),
                    }
                } else if !answers.is_empty() && self.connected {
                    self.transmission.handle_input(&answers, self.now);
                } else {
                    return;
                }
            }
        }

        fn hear(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
            while let [first, length, rest @ ..] = bytes {
                assert!(*length < 0x80, "the tests send short packets");
                let (body, next) = rest.split_at(usize::from(*length));
                bytes = next;
                match first >> 4 {
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
            self.transmission.handle_close(Closed::default(), self.now);
            self.serve();
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
            self.transmission.into_summary()
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn line_n_goes_out_at_start_plus_n_intervals_however_late_the_driver_is() {
        let check = |lag: Duration| {
            let (settings, script) = (settings(), script(100));
            let mut rig = Rig { lag, ..Rig::new(&settings, &script) }.start();
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
        let mut rig = Rig { lag: ms(2_500), ..Rig::new(&settings, &script) }.start();
        rig.run_until(ms(60_000));
        let seconds: Vec<_> = rig.heard.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(seconds, [0, 3_500, 3_500, 3_500, 6_500, 6_500, 6_500, 9_500, 9_500, 9_500]);
    }

    #[test]
    fn it_ends_with_the_last_acknowledgement_and_not_before() {
        let (settings, script) = (settings(), script(2));
        let mut rig = Rig { ack: None, ..Rig::new(&settings, &script) }.start();
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
        let mut rig = Rig::new(&settings, &script).start();
        rig.run_until(ms(198_999));
        assert_eq!(rig.heard.len(), 199);
        rig.run_until(ms(199_000));
        assert_eq!((rig.heard.len(), rig.goodbyes), (200, 1));
        assert_eq!(rig.summary().exit_status(), 0);
    }

    #[test]
    fn after_a_lost_connection_the_story_goes_on_where_it_was() {
        let (settings, script) = (settings(), script(6));
        let mut rig = Rig::new(&settings, &script).start();
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
    fn an_address_that_nobody_listens_at_is_tried_three_times() {
        let (settings, script) = (settings(), script(6));
        let mut rig = Rig { connack: None, ..Rig::new(&settings, &script) }.start();
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
            let mut rig = Rig::new(&settings, &script).start();
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
        check(Repeat::Once, true);
        check(Repeat::UntilStopped, false);
    }

    #[test]
    fn a_refusal_is_taken_at_its_word() {
        let (settings, script) = (settings(), script(6));
        let mut rig = Rig { connack: Some(&[0x20, 2, 0, 4]), ..Rig::new(&settings, &script) }.start();
        rig.run_until(ms(600_000));
        assert_eq!(rig.dials, 1);
        assert_eq!(rig.summary().exit_status(), 3);
    }

    #[test]
    fn a_stop_waits_for_acknowledgements_but_not_long() {
        let (settings, script) = (settings(), script(6));
        let mut rig = Rig::new(&settings, &script).start();
        rig.run_until(ms(1_500));
        rig.stop();
        assert_eq!(rig.goodbyes, 1);
        let summary = rig.summary();
        assert_eq!((&summary.end, summary.acknowledged, summary.exit_status()), (&End::Stopped, 2, 1));
        assert_eq!(summary.failed_in_words(), ["Lines 3–6 (rows 4–7): not sent"]);

        let mut rig = Rig { ack: None, ..Rig::new(&settings, &script) }.start();
        rig.run_until(ms(1_500));
        rig.stop();
        rig.run_until(ms(1_500) + GRACE - ms(1));
        assert!(!rig.transmission.is_over());
        rig.run_until(ms(1_500) + GRACE);
        assert_eq!((rig.goodbyes, rig.heard.len()), (1, 2));
        let words = rig.summary().failed_in_words();
        assert_eq!(words, ["Lines 1–2 (rows 2–3): not acknowledged", "Lines 3–6 (rows 4–7): not sent"]);
    }

    #[test]
    fn a_stop_without_a_connection_is_heeded_at_once() {
        let check = |repeat: Repeat, status: u8| {
            let (settings, script) = (Settings { repeat, ..settings() }, script(6));
            let mut rig = Rig { connack: None, ..Rig::new(&settings, &script) }.start();
            rig.stop();
            assert_eq!(rig.summary().exit_status(), status);
        };
        check(Repeat::Once, 1);
        check(Repeat::UntilStopped, 0);
    }

    #[test]
    fn a_loop_begins_again_at_the_first_line() {
        let settings = Settings { repeat: Repeat::UntilStopped, first_line: 3, ..settings() };
        let script = script(4);
        let mut rig = Rig::new(&settings, &script).start();
        rig.run_until(ms(6_000));
        assert_eq!(rig.texts(), ["line 3", "line 4", "line 1", "line 2", "line 3", "line 4", "line 1"]);
        rig.stop();
        let summary = rig.summary();
        assert_eq!((summary.lines, summary.acknowledged, summary.exit_status()), (7, 7, 0));
    }

    #[test]
    fn a_start_leaves_the_lines_before_it_out() {
        let (settings, script) = (Settings { first_line: 3, ..settings() }, script(4));
        let mut rig = Rig::new(&settings, &script).start();
        rig.run_until(ms(60_000));
        assert_eq!(rig.texts(), ["line 3", "line 4"]);
        let left = rig.reports.iter().filter_map(|report| match report {
            Report::Progress { acknowledged, lines, left } => Some((*acknowledged, *lines, *left)),
            _ => None,
        });
        assert_eq!(left.collect::<Vec<_>>(), [(1, Some(2), Some(ms(1_000))), (2, Some(2), Some(ms(0)))]);
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
            let mut rig = Rig { ack: None, connack: Some(connack), ..Rig::new(&settings, &script) }.start();
            rig.run_until(ms(10_000));
            assert_eq!(rig.heard.len(), at_most, "{version}");
            // It sleeps until something happens, and goes on with the next answer.
            assert!(rig.transmission.poll_timeout().is_some_and(|at| at > rig.now));
            rig.transmission.handle_input(&[0x40, 2, 0, 1, 0x40, 2, 0, 2], rig.now);
            rig.serve();
            assert_eq!(rig.heard.len(), at_most + 2, "{version}");
        }
    }

    #[test]
    fn what_no_line_can_do_ends_it_and_says_why() {
        let (settings, script) =
            (Settings { version: Some(Version::V5), qos: QoS::ExactlyOnce, ..settings() }, script(6));
        // Maximum QoS 1.
        let mut rig = Rig { connack: Some(&[0x20, 5, 0, 0, 2, 0x24, 1]), ..Rig::new(&settings, &script) }.start();
        rig.run_until(ms(60_000));
        assert!(rig.heard.is_empty());
        let summary = rig.summary();
        assert_eq!((summary.acknowledged, summary.exit_status()), (0, 1));
        let End::Unsuitable(error) = summary.end else { panic!("{:?}", summary.end) };
        assert!(error.to_string().contains("QoS 0 and 1 only"), "{error}");
    }

    #[test]
    fn a_line_that_is_refused_does_not_end_it() {
        let (settings, script) = (Settings { version: Some(Version::V5), ..settings() }, script(3));
        let mut rig = Rig { connack: Some(&[0x20, 3, 0, 0, 0]), ..Rig::new(&settings, &script) }.start();
        rig.run_until(ms(500));
        rig.ack = Some(&[0x87]);
        rig.run_until(ms(1_500));
        // No matching subscribers is no refusal.
        rig.ack = Some(&[0x10]);
        rig.run_until(ms(60_000));
        let failed = FailedLine { line: 2, row: 3, fate: Fate::Refused(ReasonCode::NOT_AUTHORIZED) };
        assert!(rig.reports.contains(&Report::LineFailed(failed.clone())));
        let summary = rig.summary();
        assert_eq!((summary.failed.as_slice(), summary.acknowledged, summary.exit_status()), (&[failed][..], 2, 1));
    }

    #[test]
    fn a_client_identifier_is_random_or_as_told() {
        let settings = settings();
        let script = script(1);
        let sent = |settings: &Settings, seed| {
            let mut transmission = Transmission::new(settings, &script, seed);
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
