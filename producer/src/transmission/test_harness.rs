//! A broker and a driver for the tests of a transmission.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::mqtt::broker_url::BrokerUrl;
use mqtt_crawl::mqtt::packet::Version;
use mqtt_crawl::transmit::encoding::PayloadFormat;

use super::*;

pub(super) const BEGIN: Instant = Instant::from_millis(1_000_000);
pub(super) const CONNACK_ACCEPTED: &[u8] = &[0x20, 2, 0, 0];

pub(super) fn script(lines: usize) -> Vec<TimedLine> {
    (1..=lines).map(timed_line).collect()
}

/// The first row of the file is its header.
pub(super) fn timed_line(n: usize) -> TimedLine {
    TimedLine { file: None, row: n + 1, line: Line { character: String::new(), text: format!("line {n}") } }
}

pub(super) fn settings() -> Settings {
    Settings {
        version: Some(Version::V311),
        payload: PayloadFormat::Text,
        ..Settings::new(BrokerUrl::parse("mqtt://broker.test").expect("a URL"))
    }
}

/// A minimal broker, and the driver between it and a transmission.
pub(super) struct TestHarness<'a> {
    pub(super) transmission: Transmission<'a>,
    pub(super) now: Instant,
    /// The delay with which the driver wakes up.
    pub(super) lag: Duration,
    /// The answer to CONNECT; `None`: no server is listening.
    pub(super) connack: Option<&'a [u8]>,
    /// The bytes after the packet identifier in an acknowledgement; `None`: it doesn't acknowledge.
    pub(super) ack: Option<&'a [u8]>,
    /// The broker closes the connection at a line that ends like this.
    pub(super) closes_on: Option<&'a str>,
    pub(super) is_closing: bool,
    /// Whether every CONNACK but the first has Session Present.
    pub(super) keeps_session: bool,
    pub(super) dials: u32,
    pub(super) connected: bool,
    /// Payloads of PUBLISH with their times since [`BEGIN`].
    pub(super) published: Vec<(Duration, String)>,
    pub(super) disconnects: u32,
    pub(super) reports: Vec<Report>,
}

impl<'a> TestHarness<'a> {
    pub(super) fn new(settings: &'a Settings, script: &[TimedLine]) -> Self {
        let mut harness = Self::live(settings);
        script.iter().for_each(|timed_line| harness.transmission.handle_row(Ok(timed_line.clone())));
        harness.transmission.handle_end_of_script().expect("a script with lines");
        harness
    }

    /// Nothing is known about the script.
    pub(super) fn live(settings: &'a Settings) -> Self {
        Self {
            transmission: Transmission::new(settings, 7),
            now: BEGIN,
            lag: Duration::ZERO,
            connack: Some(CONNACK_ACCEPTED),
            ack: Some(&[]),
            closes_on: None,
            is_closing: false,
            keeps_session: false,
            dials: 0,
            connected: false,
            published: Vec::new(),
            disconnects: 0,
            reports: Vec::new(),
        }
    }

    pub(super) fn start(mut self) -> Self {
        self.transmission.start(self.now);
        self.serve();
        self
    }

    /// Runs until that time after the beginning, or until the transmission is over.
    pub(super) fn run_until(&mut self, end: Duration) {
        let end = BEGIN + end;
        let mut rounds = 0;
        while let Some(deadline) = self.transmission.poll_timeout()
            && !self.transmission.is_over()
            && deadline <= end
        {
            self.now = self.now.max(deadline + self.lag);
            self.transmission.handle_timeout(self.now);
            self.serve();
            rounds += 1;
            assert!(rounds < 100_000, "it never ends");
        }
        if !self.transmission.is_over() {
            self.now = self.now.max(end);
        }
    }

    pub(super) fn serve(&mut self) {
        loop {
            let mut answers = Vec::new();
            let mut dialled = false;
            while let Some(transmit) = self.transmission.poll_transmit() {
                match transmit {
                    Transmit::Dial => dialled = true,
                    Transmit::HangUp => self.connected = false,
                    Transmit::Send(bytes) => {
                        let bytes = bytes.to_vec();
                        self.handle_packets(&bytes, &mut answers);
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
            } else if !self.is_closing {
                return;
            }
            if std::mem::take(&mut self.is_closing) && self.connected {
                self.connected = false;
                self.transmission.handle_close(CloseInfo::default(), self.now);
            }
        }
    }

    pub(super) fn handle_packets(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
        while let [first, length, rest @ ..] = bytes {
            assert!(*length < 0x80, "the tests send short packets");
            let (body, next) = rest.split_at(usize::from(*length));
            bytes = next;
            match first >> 4 {
                1 if self.keeps_session && self.dials > 1 => answers.extend_from_slice(&[0x20, 2, 1, 0]),
                1 => answers.extend_from_slice(self.connack.unwrap_or_default()),
                3 => self.handle_publish(*first, body, answers),
                14 => self.disconnects += 1,
                12 => answers.extend_from_slice(&[0xD0, 0]),
                other => panic!("packet type {other}"),
            }
        }
    }

    pub(super) fn handle_publish(&mut self, first: u8, body: &[u8], answers: &mut Vec<u8>) {
        let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let mut rest = &body[2 + topic_bytes..];
        if self.is_closing || self.closes_on.is_some_and(|end| body.ends_with(end.as_bytes())) {
            self.is_closing = true;
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
        self.published.push((self.now.since(BEGIN), String::from_utf8_lossy(payload).into_owned()));
    }

    pub(super) fn lose_connection(&mut self) {
        self.connected = false;
        self.transmission.handle_close(CloseInfo::default(), self.now);
        self.serve();
    }

    /// Passes in lines.
    pub(super) fn push(&mut self, lines: std::ops::RangeInclusive<usize>) {
        lines.for_each(|n| self.transmission.handle_row(Ok(timed_line(n))));
        self.transmission.handle_rows(None, self.now);
        self.serve();
    }

    /// Ends the lines.
    pub(super) fn end_of_script(&mut self) {
        let ended = self.transmission.handle_end_of_script();
        self.transmission.handle_rows(Some(ended), self.now);
        self.serve();
    }

    pub(super) fn command(&mut self, command: RemoteCommand) {
        self.transmission.handle_command(command, self.now);
        self.serve();
    }

    /// Returns the newest progress.
    pub(super) fn progress(&self) -> Progress {
        let progress = self.reports.iter().rev().find_map(|report| match report {
            Report::Progress(progress) => Some(*progress),
            _ => None,
        });
        progress.expect("a progress report")
    }

    pub(super) fn stop(&mut self) {
        self.transmission.stop(self.now);
        self.serve();
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.published.iter().map(|(_, text)| text.as_str()).collect()
    }

    pub(super) fn summary(self) -> Summary {
        assert!(self.transmission.is_over());
        self.transmission.into_summary().expect("a script with lines")
    }
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
