//! How a script is transmitted, or a message repeated, as it is typed into the
//! panels: text fields become a plan, or faults by field.

use std::time::Duration;

use crate::format::grouped;
use crate::mqtt::packet::{PublishProperties, QoS};
use crate::mqtt::topic::{TopicError, TopicName};
use crate::protocol::publish::PublishOutcome;
use crate::protocol::publish::PublishRequest;
use crate::protocol::transmission::{OutgoingMessage, TransmissionSettings};
use crate::protocol::transmission::{TransmissionState, TransmissionView};
use crate::transmit::encoding::{PayloadFormat, parse_interval, topic_of};
use crate::transmit::playlist::Repeat;
use crate::transmit::script_view::Sheet;
use crate::ui::forms::field::{Fault, number};

/// So many lines go to the worker at once, so that what it has to do beside
/// them never waits for long …
const SLICE_LINES: usize = 1_000;

/// … and so many bytes of them, and one line.
const SLICE_BYTES: usize = 256 << 10;

/// The shortest time between a message and its repetition.
const REPEAT_MIN: Duration = Duration::from_millis(10);

/// A field of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Topic, or a pattern of one.
    Topic,
    /// Time from one line to the next.
    Interval,
    /// How often.
    Times,
    /// What is only chosen.
    Choices,
}

/// How a script is transmitted, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFields {
    /// Topic; see [`topic_of`].
    pub topic: String,
    /// Time from one line to the next; see [`parse_interval`].
    pub interval: String,
    /// Quality of service.
    pub qos: QoS,
    /// Retained by the broker.
    pub retain: bool,
    /// What a line looks like on the wire.
    pub payload: PayloadFormat,
    /// From the beginning again after the last line.
    pub repeats: bool,
}

impl Default for PlanFields {
    /// As the producer has it.
    fn default() -> Self {
        Self {
            topic: "StarWars".to_owned(),
            interval: "1s".to_owned(),
            qos: QoS::AtLeastOnce,
            retain: false,
            payload: PayloadFormat::Json,
            repeats: false,
        }
    }
}

/// How a script is transmitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    topic: String,
    payload: PayloadFormat,
    interval: Duration,
    qos: QoS,
    retain: bool,
    repeat: Repeat,
}

impl PlanFields {
    /// The plan.
    ///
    /// # Errors
    /// Every fault, in the order of the form.
    pub fn parse(&self) -> Result<Plan, Vec<Fault<Field>>> {
        let mut faults = Vec::new();
        if let Err(error) = TopicName::parse(&self.topic) {
            let words = match error {
                TopicError::Empty => "Name the topic that the lines go to.",
                error => error.words(),
            };
            faults.push(Fault::new(Field::Topic, words));
        }
        let interval = interval_of(&self.interval, Duration::ZERO, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let Self { ref topic, qos, retain, payload, .. } = *self;
        Ok(Plan { topic: topic.clone(), payload, interval, qos, retain, repeat: self.repeat() })
    }

    /// It in a sentence.
    pub fn words(&self) -> String {
        let Self { topic, interval, qos, retain, .. } = self;
        let retained = if *retain { ", retained" } else { "" };
        format!("To {topic}, a line every {}, QoS {qos}{retained}. Stop it to change this.", interval.trim())
    }

    /// How often the script is told.
    pub const fn repeat(&self) -> Repeat {
        if self.repeats { Repeat::UntilStopped } else { Repeat::ONCE }
    }
}

fn interval_of(text: &str, least: Duration, faults: &mut Vec<Fault<Field>>) -> Duration {
    match parse_interval(text.trim()) {
        Ok(interval) if interval < least => {
            faults.push(Fault::new(Field::Interval, format!("{} ms is the shortest.", least.as_millis())));
        }
        Ok(interval) => return interval,
        Err(words) => {
            let mut words = words;
            if let Some(first) = words.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let end = if words.ends_with('?') { "" } else { "." };
            faults.push(Fault::new(Field::Interval, words + end));
        }
    }
    Duration::ZERO
}

impl Plan {
    /// For the worker: how lines go out from this one on, counted from 0.
    pub fn manner(&self, first: usize) -> TransmissionSettings {
        manner(self.interval, self.repeat, first as u64, (self.qos, self.retain, PublishProperties::default()))
    }

    /// A slice of the script for the worker, and where the next one begins;
    /// `None` with the last.
    pub fn slice(&self, sheet: &Sheet, from: usize) -> (Vec<OutgoingMessage>, Option<usize>) {
        let (mut cues, mut bytes) = (Vec::new(), 0);
        let mut at = from;
        while at < sheet.len() && cues.len() < SLICE_LINES && bytes < SLICE_BYTES {
            if let Some(line) = sheet.line(at) {
                let cue = OutgoingMessage {
                    topic: topic_of(&self.topic, line, at as u64 + 1),
                    payload: self.payload.encode(line),
                };
                bytes += cue.topic.len() + cue.payload.len();
                cues.push(cue);
            }
            at += 1;
        }
        (cues, (at < sheet.len()).then_some(at))
    }

    /// How long after the first of so many lines the last goes out.
    pub fn length(&self, lines: usize) -> Duration {
        let gaps = u32::try_from(lines.saturating_sub(1)).unwrap_or(u32::MAX);
        self.interval.saturating_mul(gaps)
    }
}

fn manner(
    interval: Duration,
    repeat: Repeat,
    first: u64,
    (qos, retain, properties): (QoS, bool, PublishProperties),
) -> TransmissionSettings {
    // A day at most.
    TransmissionSettings { interval_us: interval.as_micros() as u64, repeat, first, qos, retain, properties }
}

/// How a message is repeated, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatFields {
    /// Time from one to the next; see [`parse_interval`].
    pub interval: String,
    /// How often; empty for ever on.
    pub times: String,
}

impl Default for RepeatFields {
    fn default() -> Self {
        Self { interval: "5s".to_owned(), times: String::new() }
    }
}

impl RepeatFields {
    /// For the worker: how this message goes out again and again, and the
    /// message.
    ///
    /// # Errors
    /// Every fault, in the order of the form.
    pub fn parse(&self, message: PublishRequest) -> Result<(TransmissionSettings, OutgoingMessage), Vec<Fault<Field>>> {
        let mut faults = Vec::new();
        let interval = interval_of(&self.interval, REPEAT_MIN, &mut faults);
        let times = number(&self.times, 1..=1_000_000).unwrap_or_else(|error| {
            faults.push(Fault::new(Field::Times, error));
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let repeat = times.map_or(Repeat::UntilStopped, Repeat::Rounds);
        let PublishRequest { topic, payload, qos, retain, properties } = message;
        Ok((manner(interval, repeat, 0, (qos, retain, properties)), OutgoingMessage { topic, payload }))
    }
}

/// Whether lines are to go out, now or later.
pub fn is_active(view: &TransmissionView) -> bool {
    matches!(view.turn, TransmissionState::Playing | TransmissionState::Paused)
}

/// How many went out and what became of them.
pub fn outcome_words(view: &TransmissionView) -> String {
    let mut words = format!("{} sent, {} done", grouped(view.sent), grouped(view.done));
    if view.failed > 0 {
        words.push_str(&format!(", {} failed", grouped(view.failed)));
    }
    words
}

/// Where the transmission of a script of so many lines is: "Line 12 of 120".
pub fn place_words(view: &TransmissionView, lines: usize) -> String {
    let (line, lines) = (grouped(view.line), grouped(lines as u64));
    match view.turn {
        TransmissionState::Playing => format!("Line {line} of {lines}"),
        TransmissionState::Paused => format!("Line {line} of {lines}, at rest"),
        TransmissionState::Over => "Every line had its turn".to_owned(),
        TransmissionState::Stopped => format!("Stopped at line {line} of {lines}"),
    }
}

/// The same, with what became of the lines, and how long the rest takes where
/// that has an end.
pub fn progress_words(view: &TransmissionView, lines: usize, plan: Option<&Plan>, repeat: Repeat) -> String {
    let mut words = format!("{} · {}", place_words(view, lines), outcome_words(view));
    if let Some(plan) = plan.filter(|_| is_active(view) && repeat == Repeat::ONCE) {
        let told = usize::try_from(view.line).unwrap_or(usize::MAX);
        words.push_str(&format!(" · {} left", time_words(plan.length((lines + 1).saturating_sub(told)))));
    }
    words
}

/// How far a repeated message is.
pub fn repeat_words(view: &TransmissionView) -> String {
    let turn = match view.turn {
        TransmissionState::Playing | TransmissionState::Paused => "It goes out again and again",
        TransmissionState::Over => "It went out as often as it should",
        TransmissionState::Stopped => "Stopped",
    };
    let mut words = format!("{turn}: {}.", outcome_words(view));
    if let Some(PublishOutcome::Failed(why) | PublishOutcome::Unknown(why)) = view.failures.last() {
        words.push_str(&format!(" Why: {why}."));
    }
    words
}

/// A time to come, to the second: `1:48`, `2:00:00`.
fn time_words(time: Duration) -> String {
    let seconds = time.as_micros().div_ceil(1_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
