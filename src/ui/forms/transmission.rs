//! How a script is transmitted, or a message repeated, as typed into the panels: text fields become
//! a plan, or errors by field.

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
use crate::ui::forms::field::{FieldError, number};

/// The number of lines that go to the worker at once, so that its other work never waits for long …
const SLICE_LINES: usize = 1_000;

/// … and the number of their bytes, which the last line may exceed.
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
    /// The number of repetitions.
    Times,
    /// Everything that is only chosen.
    Choices,
}

/// How a script is transmitted, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFields {
    /// Topic; see [`topic_of`].
    pub topic: String,
    /// Time from one line to the next; see [`parse_interval`].
    pub interval: String,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the broker retains the messages.
    pub retain: bool,
    /// The payload format of a line.
    pub payload: PayloadFormat,
    /// Whether it starts again after the last line.
    pub repeats: bool,
}

impl Default for PlanFields {
    /// Returns the producer's defaults.
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
    /// Returns the plan.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<Plan, Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        if let Err(error) = TopicName::parse(&self.topic) {
            let message = match error {
                TopicError::Empty => "Enter a topic.",
                error => error.message(),
            };
            faults.push(FieldError::new(Field::Topic, message));
        }
        let interval = interval_of(&self.interval, Duration::ZERO, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let Self { ref topic, qos, retain, payload, .. } = *self;
        Ok(Plan { topic: topic.clone(), payload, interval, qos, retain, repeat: self.repeat() })
    }

    /// Describes the plan in a sentence.
    pub fn description(&self) -> String {
        let Self { topic, interval, qos, retain, .. } = self;
        let retained = if *retain { ", retained" } else { "" };
        format!("{topic}, every {}, QoS {qos}{retained}. Stop to edit.", interval.trim())
    }

    /// Returns how often the script is sent.
    pub const fn repeat(&self) -> Repeat {
        if self.repeats { Repeat::UntilStopped } else { Repeat::ONCE }
    }
}

fn interval_of(text: &str, least: Duration, faults: &mut Vec<FieldError<Field>>) -> Duration {
    match parse_interval(text.trim()) {
        Ok(interval) if interval < least => {
            faults.push(FieldError::new(Field::Interval, format!("Minimum {} ms.", least.as_millis())));
        }
        Ok(interval) => return interval,
        Err(message) => {
            let mut message = message;
            if let Some(first) = message.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let end = if message.ends_with('?') { "" } else { "." };
            faults.push(FieldError::new(Field::Interval, message + end));
        }
    }
    Duration::ZERO
}

impl Plan {
    /// Returns the worker's settings for sending the lines from this one on, counted from 0.
    pub fn manner(&self, first: usize) -> TransmissionSettings {
        manner(self.interval, self.repeat, first as u64, (self.qos, self.retain, PublishProperties::default()))
    }

    /// Returns a slice of the script for the worker, and where the next one begins; `None` with the
    /// last slice.
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

    /// Returns the time between the first and the last of this many lines.
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

/// How a message is repeated, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatFields {
    /// Time from one repetition to the next; see [`parse_interval`].
    pub interval: String,
    /// The number of repetitions; empty for no limit.
    pub times: String,
}

impl Default for RepeatFields {
    fn default() -> Self {
        Self { interval: "5s".to_owned(), times: String::new() }
    }
}

impl RepeatFields {
    /// Returns the worker's settings for repeating this message, and the message.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(
        &self,
        message: PublishRequest,
    ) -> Result<(TransmissionSettings, OutgoingMessage), Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        let interval = interval_of(&self.interval, REPEAT_MIN, &mut faults);
        let times = number(&self.times, 1..=1_000_000).unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::Times, error));
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

/// Whether lines are being sent, now or later.
pub fn is_active(view: &TransmissionView) -> bool {
    matches!(view.state, TransmissionState::Playing | TransmissionState::Paused)
}

/// Returns the number of lines that were sent, and their outcomes.
pub fn outcome_text(view: &TransmissionView) -> String {
    let mut summary = format!("{} sent, {} acknowledged", grouped(view.sent), grouped(view.done));
    if view.failed > 0 {
        summary.push_str(&format!(", {} failed", grouped(view.failed)));
    }
    summary
}

/// Returns the place in a script of this many lines: "Line 12 of 120".
pub fn position_text(view: &TransmissionView, lines: usize) -> String {
    let (line, lines) = (grouped(view.line), grouped(lines as u64));
    match view.state {
        TransmissionState::Playing => format!("Line {line} of {lines}"),
        TransmissionState::Paused => format!("Line {line} of {lines}, paused"),
        TransmissionState::Over => "Finished".to_owned(),
        TransmissionState::Stopped => format!("Stopped at line {line} of {lines}"),
    }
}

/// Returns the same with the outcomes of the lines, and the remaining time if there is an end.
pub fn progress_text(view: &TransmissionView, lines: usize, plan: Option<&Plan>, repeat: Repeat) -> String {
    let mut summary = format!("{} · {}", position_text(view, lines), outcome_text(view));
    if let Some(plan) = plan.filter(|_| is_active(view) && repeat == Repeat::ONCE) {
        let line = usize::try_from(view.line).unwrap_or(usize::MAX);
        summary.push_str(&format!(" · {} left", time_text(plan.length((lines + 1).saturating_sub(line)))));
    }
    summary
}

/// Returns the progress of a repeated message.
pub fn repeat_text(view: &TransmissionView) -> String {
    let state = match view.state {
        TransmissionState::Playing | TransmissionState::Paused => "Repeating",
        TransmissionState::Over => "Repeat finished",
        TransmissionState::Stopped => "Stopped",
    };
    let mut summary = format!("{state}: {}.", outcome_text(view));
    if let Some(PublishOutcome::Failed(why) | PublishOutcome::Unknown(why)) = view.failures.last() {
        summary.push_str(&format!(" Last failure: {why}."));
    }
    summary
}

/// Formats a remaining time to the second: `1:48`, `2:00:00`.
fn time_text(time: Duration) -> String {
    let seconds = time.as_micros().div_ceil(1_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
