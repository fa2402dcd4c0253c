//! Plays a log again: returns which of its messages are due, by their arrival times.
//!
//! The speed and the mode (running or line by line) can change at any moment; messages already
//! played stay played. A pause in the log is shortened to [`PAUSE_MAX`], and a clock that went
//! backward counts as no time at all, so that a log of a night doesn't take a night.

use std::time::Duration;

use crate::format::grouped;
use crate::message_log::ndjson;
use crate::message_log::ndjson::OwnedMessage;
use crate::named_enum::named_enum;
use crate::time::Instant;

/// The longest pause between messages, at normal speed.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The most messages that can be played, because they are all held in memory. More can be imported.
pub const MESSAGES_MAX: usize = 200_000;

/// The longest line that is read, in bytes: the largest packet (16 MiB), with each byte written as
/// six characters, and some more. A file without line ends, such as a video, isn't read into
/// memory.
pub const LINE_BYTES_MAX: usize = 100 << 20;

named_enum! {
    /// The playback speed.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Speed {
        /// Half the original speed.
        Half = "0.5",
        /// The original speed.
        #[default]
        Normal = "1",
        /// Twice as fast.
        Double = "2",
        /// Four times as fast.
        Fourfold = "4",
        /// Eight times as fast.
        Eightfold = "8",
    }
}

impl Speed {
    /// Converts clock time to log time.
    fn log_time(self, span: Duration) -> Duration {
        match self {
            Self::Half => span / 2,
            Self::Normal => span,
            Self::Double => span * 2,
            Self::Fourfold => span * 4,
            Self::Eightfold => span * 8,
        }
    }

    /// Converts log time to clock time, rounded up.
    fn clock_time(self, span: Duration) -> Duration {
        match self {
            Self::Half => span * 2,
            Self::Normal => span,
            Self::Double => part_of(span, 2),
            Self::Fourfold => part_of(span, 4),
            Self::Eightfold => part_of(span, 8),
        }
    }
}

/// Divides, rounded up, because a timer must not fire too early.
fn part_of(span: Duration, by: u64) -> Duration {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros.div_ceil(by))
}

/// The progress of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of messages played.
    pub played: usize,
    /// The number of all messages.
    pub len: usize,
    /// Whether it is running.
    pub is_running: bool,
}

impl Progress {
    /// Whether it has begun and hasn't reached its end.
    pub const fn is_under_way(self) -> bool {
        self.is_running || (0 < self.played && self.played < self.len)
    }

    /// Returns the description of the progress, for a log of this name.
    pub fn description(self, name: &str) -> String {
        let doing = if self.is_running { "Playing" } else { "Paused:" };
        format!("{doing} {name} {} of {}", grouped(self.played as u64), grouped(self.len as u64))
    }
}

/// A log being played again; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    messages: Vec<OwnedMessage>,
    /// When each message is due, relative to the first, with shortened pauses.
    due: Vec<Duration>,
    /// The index of the next message.
    place: usize,
    speed: Speed,
    /// The log time reached when the clock was last read.
    reached: Duration,
    /// When that was; `None` while it is paused.
    running_since: Option<Instant>,
}

impl Replay {
    /// Takes these messages, paused before the first.
    pub fn new(messages: Vec<OwnedMessage>) -> Self {
        let mut at = Duration::ZERO;
        let mut before = messages.first().map(|message| message.time);
        let due = messages
            .iter()
            .map(|message| {
                let pause = before.map_or(Duration::ZERO, |before| message.time.since(before));
                before = Some(message.time);
                at += pause.min(PAUSE_MAX);
                at
            })
            .collect();
        Self { messages, due, ..Self::default() }
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the progress.
    pub fn progress(&self) -> Progress {
        Progress { played: self.place, len: self.messages.len(), is_running: self.is_running() }
    }

    /// Whether all messages were played.
    pub fn is_over(&self) -> bool {
        self.place == self.messages.len()
    }

    /// Whether it is running.
    pub fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    /// Continues, or begins again if all messages were played.
    pub fn play(&mut self, now: Instant) {
        if self.is_over() {
            self.stop();
        }
        if !self.is_empty() {
            self.running_since.get_or_insert(now);
        }
    }

    /// Pauses.
    pub fn pause(&mut self, now: Instant) {
        self.advance_clock(now);
        self.running_since = None;
    }

    /// Pauses before the first message.
    pub fn stop(&mut self) {
        self.place = 0;
        self.reached = Duration::ZERO;
        self.running_since = None;
    }

    /// Continues at another speed.
    pub fn change_speed(&mut self, speed: Speed, now: Instant) {
        self.advance_clock(now);
        self.speed = speed;
    }

    /// Returns the next message at once, without waiting for it.
    pub fn step(&mut self, now: Instant) -> Option<&OwnedMessage> {
        self.advance_clock(now);
        let index = self.place;
        self.reached = self.reached.max(*self.due.get(index)?);
        self.place += 1;
        self.pause_at_the_end();
        self.messages.get(index)
    }

    /// Returns the due messages, at most `messages_max`; call it again while there are more.
    pub fn take_due(&mut self, now: Instant, messages_max: usize) -> &[OwnedMessage] {
        self.advance_clock(now);
        let from = self.place;
        if self.is_running() {
            let waiting = &self.due[from..(from + messages_max).min(self.due.len())];
            self.place += waiting.partition_point(|&due| due <= self.reached);
        }
        self.pause_at_the_end();
        &self.messages[from..self.place]
    }

    /// Returns when the next message is due; `None` while it is paused.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let since = self.running_since?;
        let due = self.due.get(self.place)?;
        Some(since + self.speed.clock_time(due.saturating_sub(self.reached)))
    }

    fn advance_clock(&mut self, now: Instant) {
        if let Some(since) = &mut self.running_since {
            self.reached += self.speed.log_time(now.since(*since));
            *since = now;
        }
    }

    fn pause_at_the_end(&mut self) {
        if self.is_over() {
            self.running_since = None;
        }
    }
}

/// Reads a file line by line, in slices of any size.
#[derive(Clone, Debug, Default)]
pub struct LogFileReader {
    /// The beginning of an unfinished line.
    tail: Vec<u8>,
    /// Whether the line is too long, so that the rest of it is skipped.
    is_skipping_line: bool,
    lines: u64,
    messages: u64,
    errors: u64,
    first_error: Option<String>,
}

impl LogFileReader {
    /// Returns the messages of the lines that end in this slice. A line that isn't a message is
    /// reported and skipped.
    pub fn read(&mut self, slice: &[u8]) -> Vec<OwnedMessage> {
        let mut messages = Vec::new();
        let mut rest = slice;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end);
            if self.tail.is_empty() {
                messages.extend(self.read_line(line));
            } else {
                let mut whole = std::mem::take(&mut self.tail);
                whole.extend_from_slice(line);
                messages.extend(self.read_line(&whole));
            }
            rest = &after[1..];
        }
        if self.is_skipping_line || self.tail.len() + rest.len() > LINE_BYTES_MAX {
            self.tail = Vec::new();
            self.is_skipping_line = true;
        }
        if !self.is_skipping_line {
            self.tail.extend_from_slice(rest);
        }
        messages
    }

    /// Handles the end of the file: returns the message of a last line without a line end.
    pub fn finish(&mut self) -> Option<OwnedMessage> {
        let line = std::mem::take(&mut self.tail);
        self.read_line(&line)
    }

    /// Whether there were lines and none of them was a message: this is another kind of file, and
    /// the rest of it needn't be read.
    pub const fn is_other_format(&self) -> bool {
        self.messages == 0 && self.errors > 0
    }

    /// Returns the number of messages so far.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns a description of the errors.
    pub fn error_summary(&self) -> Option<String> {
        let first = self.first_error.as_ref()?;
        if self.is_other_format() {
            return Some(format!("Not an exported NDJSON log. {first}"));
        }
        Some(match self.errors {
            1 => format!("1 invalid line skipped. {first}"),
            count => format!("{count} invalid lines skipped. First: {first}"),
        })
    }

    fn add_error(&mut self, message: impl FnOnce(u64) -> String) {
        self.errors += 1;
        let lines = self.lines;
        self.first_error.get_or_insert_with(|| message(lines));
    }

    fn read_line(&mut self, line: &[u8]) -> Option<OwnedMessage> {
        self.lines += 1;
        if std::mem::take(&mut self.is_skipping_line) {
            self.add_error(|line| format!("Line {line}: longer than any message."));
            return None;
        }
        if line.trim_ascii().is_empty() {
            return None;
        }
        match ndjson::read_line(line) {
            Ok(message) => {
                self.messages += 1;
                Some(message)
            }
            Err(error) => {
                let column = error.column.map(|column| format!(", column {column}")).unwrap_or_default();
                self.add_error(|line| format!("Line {line}{column}: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::QoS;

    const START: Instant = Instant::from_millis(1_000_000);

    fn message(seq: u64, at_ms: u64) -> OwnedMessage {
        OwnedMessage {
            seq,
            time: Instant::from_millis(at_ms),
            topic: "t".to_owned(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: Vec::new(),
            payload: seq.to_string().into_bytes(),
        }
    }

    fn after(ms: u64) -> Instant {
        START + Duration::from_millis(ms)
    }

    fn seqs(messages: &[OwnedMessage]) -> Vec<u64> {
        messages.iter().map(|message| message.seq).collect()
    }

    #[test]
    fn messages_come_when_they_came_at_every_speed() {
        for (speed, times_ms) in [
            (Speed::Half, [0, 2_000, 6_000]),
            (Speed::Normal, [0, 1_000, 3_000]),
            (Speed::Double, [0, 500, 1_500]),
            (Speed::Fourfold, [0, 250, 750]),
            (Speed::Eightfold, [0, 125, 375]),
        ] {
            let mut replay = Replay::new(vec![message(1, 5_000), message(2, 6_000), message(3, 8_000)]);
            replay.change_speed(speed, START);
            replay.play(START);
            for (place, at_ms) in times_ms.into_iter().enumerate() {
                assert_eq!(replay.poll_timeout(), Some(after(at_ms)), "{speed:?}");
                if at_ms > 0 {
                    assert!(replay.take_due(after(at_ms) - Duration::from_micros(10), 10).is_empty(), "too early");
                }
                assert_eq!(seqs(replay.take_due(after(at_ms), 10)), [place as u64 + 1]);
            }
            assert!(replay.is_over() && !replay.is_running());
            assert_eq!(replay.poll_timeout(), None);
        }
    }

    #[test]
    fn silences_are_short_and_a_clock_may_go_back() {
        let mut replay =
            Replay::new(vec![message(1, 90_000), message(2, 10), message(3, 3_600_010), message(4, 3_600_020)]);
        replay.play(START);
        assert_eq!(seqs(replay.take_due(START, 10)), [1, 2]);
        assert_eq!(replay.poll_timeout(), Some(START + PAUSE_MAX));
        assert_eq!(seqs(replay.take_due(START + PAUSE_MAX, 10)), [3]);
        assert_eq!(replay.poll_timeout(), Some(START + PAUSE_MAX + Duration::from_millis(10)));
    }

    #[test]
    fn resting_stepping_and_speeding_up_lose_no_message() {
        let mut replay = Replay::new((1..=6).map(|seq| message(seq, seq * 1_000)).collect());
        replay.play(START);
        assert_eq!(seqs(replay.take_due(after(1_500), 10)), [1, 2]);
        replay.pause(after(1_600));
        assert!(replay.take_due(after(60_000), 10).is_empty(), "it rests");
        assert_eq!(replay.step(after(60_000)).map(|message| message.seq), Some(3));
        replay.play(after(61_000));
        assert_eq!(replay.poll_timeout(), Some(after(62_000)), "a second after the one that was stepped to");
        replay.change_speed(Speed::Double, after(61_500));
        assert_eq!(replay.poll_timeout(), Some(after(61_750)));
        assert_eq!(seqs(replay.take_due(after(99_000), 2)), [4, 5], "no more than were asked for");
        assert_eq!(seqs(replay.take_due(after(99_000), 2)), [6]);
        assert_eq!((replay.progress().played, replay.is_over()), (6, true));
        assert_eq!(replay.step(after(99_000)), None);
        replay.play(after(100_000));
        assert_eq!(seqs(replay.take_due(after(100_000), 10)), [1], "from the beginning");
    }

    #[test]
    fn it_stops_and_says_how_far_it_is() {
        let mut replay = Replay::new((1..=1_200).map(|seq| message(seq, seq * 10)).collect());
        let description =
            |replay: &Replay| replay.progress().is_under_way().then(|| replay.progress().description("sample"));
        assert_eq!(description(&replay), None);
        replay.play(START);
        replay.take_due(after(10_990), 2_000);
        assert_eq!(description(&replay).as_deref(), Some("Playing sample 1,100 of 1,200"));
        replay.pause(after(10_990));
        assert_eq!(description(&replay).as_deref(), Some("Paused: sample 1,100 of 1,200"));
        replay.play(after(10_990));
        replay.stop();
        assert_eq!((description(&replay), replay.poll_timeout()), (None, None));
        assert!(replay.take_due(after(60_000), 10).is_empty());
        replay.play(after(60_000));
        assert_eq!(seqs(replay.take_due(after(60_000), 10)), [1], "from the beginning");
        replay.take_due(after(99_000), 2_000);
        assert_eq!(description(&replay), None, "it is over");
    }

    #[test]
    fn nothing_to_play_is_over_at_once() {
        let mut replay = Replay::new(Vec::new());
        replay.play(START);
        assert!(replay.is_over() && !replay.is_running());
        assert!(replay.take_due(START, 1).is_empty());
    }

    #[test]
    fn another_kind_of_file_is_told_and_costs_no_memory() {
        for (file, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "Line 1, column 1: not UTF-8 text"),
            (b"time,seq\r\n2026,1\r\n", "Line 1, column 2: not a valid message"),
            (b"{}", "missing field `seq`"),
        ] {
            let mut reader = LogFileReader::default();
            assert!(reader.read(file).is_empty() && reader.finish().is_none());
            let error_summary = reader.error_summary().expect(expected);
            assert!(reader.is_other_format() && error_summary.contains(expected), "{error_summary}");
            assert!(error_summary.starts_with("Not an exported NDJSON log."), "{error_summary}");
        }
        // A long line without an end, and then a message.
        let mut reader = LogFileReader::default();
        let slice = vec![b'x'; LINE_BYTES_MAX / 4];
        for _ in 0..9 {
            assert!(reader.read(&slice).is_empty());
            assert!(reader.tail.capacity() <= 2 * LINE_BYTES_MAX);
        }
        let line =
            br#"{"seq":1,"time":"2026-11-21T10:00:00Z","topic":"t","qos":0,"retain":false,"dup":false,"payload":""}"#;
        let messages = reader.read(&[b"x\n", &line[..], b"\n"].concat());
        assert_eq!((messages.len(), reader.messages()), (1, 1));
        let error_summary = reader.error_summary().expect("an error about the long line");
        assert_eq!(error_summary, "1 invalid line skipped. Line 1: longer than any message.");
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_same_messages() {
        let mut file = Vec::new();
        for seq in 1..=3 {
            let line = message(seq, seq);
            let arrival = line.as_new_message();
            let mut log = crate::message_log::MessageLog::new(crate::message_log::Limits::default());
            log.import(seq, &arrival);
            log.iter_from(0).for_each(|message| ndjson::write_message(&message, &mut file));
        }
        // Without the last line end, and with a broken line in the middle.
        file.pop();
        let broken = [&b"\r\n{\"seq\":7}\n"[..], &file].concat();
        for cut in 0..=broken.len() {
            let mut reader = LogFileReader::default();
            let mut messages = reader.read(&broken[..cut]);
            messages.extend(reader.read(&broken[cut..]));
            messages.extend(reader.finish());
            assert_eq!(seqs(&messages), [1, 2, 3], "cut at {cut}");
            let error_summary = reader.error_summary().expect("an error about the broken line");
            assert!(error_summary.contains("Line 2") && error_summary.starts_with("1 invalid line"), "{error_summary}");
        }
    }
}
