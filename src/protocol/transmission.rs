//! Transmissions: a script or a repeated message on its way to the broker.

use super::publish::PublishOutcome;
use crate::mqtt::packet::PublishProperties;
use crate::mqtt::packet::QoS;
use crate::transmit::playlist::Repeat;
use serde::Deserialize;
use serde::Serialize;

/// How far a transmission is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmissionView {
    /// Which one.
    pub deck: TransmissionSlot,
    /// What it is doing.
    pub turn: TransmissionState,
    /// The line, from 1, that was told last or gone to; 0 before the first.
    pub line: u64,
    /// Lines that went out, one that went out again counted again.
    pub sent: u64,
    /// Lines of these that were acknowledged; at QoS 0, handed over.
    pub done: u64,
    /// Lines of these that won't arrive, or of which nobody knows.
    pub failed: u64,
    /// Index of the first line that failed.
    pub first_failed: Option<u64>,
    /// Index of the first of the lines that are shown …
    pub first: u64,
    /// … and what became of each of them.
    pub statuses: Vec<LineStatus>,
    /// The ways in which lines failed.
    pub failures: Vec<PublishOutcome>,
}

/// What a transmission is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionState {
    /// Lines go out while there is a connection.
    Playing,
    /// Somebody pauses.
    Paused,
    /// Every line had its turn, and is done or failed.
    Over,
    /// Somebody stopped it.
    Stopped,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineStatus {
    /// It didn't have its turn yet.
    #[default]
    Unsent,
    /// It went out; no answer so far.
    Waiting,
    /// It was acknowledged to the end; at QoS 0, handed over.
    Done,
    /// It failed; in which way, by the place among those that are told.
    Failed(u8),
}

/// Which transmission is meant. Both go on side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionSlot {
    /// A script.
    Script,
    /// A message that is repeated.
    Message,
}

impl TransmissionSlot {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Script, Self::Message];
}

/// What is to become of a transmission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionCommand {
    /// A new one takes the place of the last. It has no lines so far, and rests.
    Begin(TransmissionSettings),
    /// Its next lines.
    Lines(Vec<OutgoingMessage>),
    /// Those were all of them.
    LinesComplete,
    /// Lines go out, while there is a connection.
    Play,
    /// No line goes out for a while.
    Pause,
    /// Go on with this line, counted from 0, of the same round.
    Seek(u64),
    /// Tell all lines so often, this round included.
    Repeat(Repeat),
    /// No line goes out any more.
    Stop,
}

/// How lines go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmissionSettings {
    /// From one line to the next, in microseconds; 0 is as fast as the broker
    /// takes them.
    pub interval_us: u64,
    /// How often.
    pub repeat: Repeat,
    /// The line to begin with, counted from 0.
    pub first: u64,
    /// Quality of service, as far as the broker takes it.
    pub qos: QoS,
    /// Retained by the broker.
    pub retain: bool,
    /// Properties of every line (5.0).
    pub properties: PublishProperties,
}

/// A line as a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMessage {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
}

/// The part of a script that is on screen, while it is transmitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRange {
    /// Index of the first line.
    pub first: u64,
    /// How many lines.
    pub count: u32,
}
