//! Transmissions: a script or a repeated message that is sent to the broker.

use super::publish::PublishOutcome;
use crate::mqtt::packet::PublishProperties;
use crate::mqtt::packet::QoS;
use crate::transmit::playlist::Repeat;
use serde::Deserialize;
use serde::Serialize;

/// The progress of a transmission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmissionView {
    /// Which transmission.
    pub slot: TransmissionSlot,
    /// Its state.
    pub state: TransmissionState,
    /// The line that was sent or sought last, from 1; 0 before the first.
    pub line: u64,
    /// Number of lines sent; a line that is sent again counts again.
    pub sent: u64,
    /// Number of these that were acknowledged; at QoS 0, handed over.
    pub done: u64,
    /// Number of these that won't arrive, or whose outcome is unknown.
    pub failed: u64,
    /// Index of the first line that failed.
    pub first_failed: Option<u64>,
    /// Index of the first line on screen.
    pub first: u64,
    /// The status of each line on screen.
    pub statuses: Vec<LineStatus>,
    /// The different failures of lines.
    pub failures: Vec<PublishOutcome>,
}

/// The state of a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionState {
    /// Lines are sent while there is a connection.
    Playing,
    /// The person paused it.
    Paused,
    /// Every line was sent, and is done or failed.
    Over,
    /// The person stopped it.
    Stopped,
}

/// The status of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineStatus {
    /// It wasn't sent yet.
    #[default]
    Unsent,
    /// It was sent; no answer yet.
    Waiting,
    /// It was acknowledged completely; at QoS 0, handed over.
    Done,
    /// It failed; with the index in [`TransmissionView::failures`].
    Failed(u8),
}

/// Identifies a transmission. Both can run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionSlot {
    /// A script.
    Script,
    /// A message that is repeated.
    Message,
}

impl TransmissionSlot {
    /// All slots.
    pub const ALL: [Self; 2] = [Self::Script, Self::Message];
}

/// Controls a transmission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransmissionCommand {
    /// Replaces the slot's transmission with a new one, which has no lines yet and is paused.
    Begin(TransmissionSettings),
    /// Appends lines.
    Lines(Vec<OutgoingMessage>),
    /// All lines have been appended.
    LinesComplete,
    /// Sends lines, while there is a connection.
    Play,
    /// Pauses.
    Pause,
    /// Continues with this line of the same round, counted from 0.
    Seek(u64),
    /// Sets the number of rounds, this one included.
    Repeat(Repeat),
    /// Stops for good.
    Stop,
}

/// How lines are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmissionSettings {
    /// Interval between two lines, in microseconds; 0 sends them as fast as the broker accepts them.
    pub interval_us: u64,
    /// Number of rounds.
    pub repeat: Repeat,
    /// The line to begin with, counted from 0.
    pub first: u64,
    /// Quality of service; lowered to the broker's maximum.
    pub qos: QoS,
    /// Whether the broker retains the messages.
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
    /// The number of lines.
    pub count: u32,
}
