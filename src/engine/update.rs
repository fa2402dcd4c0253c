//! What the worker tells the page and its panels: one update a pull, and only
//! what is on screen.

use serde::{Deserialize, Serialize};

use super::command::{Deck, Goal, More, SubscribeRequest};
use crate::dialogue::Line;
use crate::log::export::ExportPart;
use crate::log::query::suggest::Known;
use crate::mqtt::packet::{QoS, Version};
use crate::mqtt::session::Server;
use crate::shell_command::Reach;
use crate::time::Instant;
use crate::trace::TracePart;

/// Everything the page needs for its next frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// The connection, in states and in words.
    pub connection: Connection,
    /// The numbers on the screen.
    pub stats: Stats,
    /// The console's rows.
    pub rows: Rows,
    /// The next lines of the crawl, oldest first.
    pub lines: Vec<Told>,
    /// What is wrong with the filter, in words; `None` while it is understood.
    pub filter_error: Option<String>,
    /// What the password in the field says of itself, if it is a signed token.
    pub token: Option<TokenNote>,
}

impl Update {
    /// Both updates as one: the newer one's state, and what either tells only
    /// once. Two can meet in one frame, when a pull crosses the answer to the
    /// last one.
    #[must_use]
    pub fn followed_by(self, mut newer: Self) -> Self {
        newer.lines.splice(0..0, self.lines);
        newer
    }
}

/// Everything the panels need: what a publish may be, and what became of those
/// before. Told to them alone, so that each outcome has one reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PanelsUpdate {
    /// The connection, as far as it decides what can be sent.
    pub standing: Standing,
    /// Publishes that came to their end since the last update.
    pub published: Vec<Published>,
    /// The tree of topics; `None` where it is closed, or as it was.
    pub topics: Option<TopicsView>,
    /// The message that was asked for, or a part of it.
    pub message: Option<MessagePart>,
    /// The packets that went since those that the panels have.
    pub trace: Option<TracePart>,
    /// The numbers of the log; `None` where they aren't shown, or as they were.
    pub stats: Option<Stats>,
    /// The subscriptions; `None` where they aren't shown, or as they were.
    pub subscriptions: Option<SubscriptionsView>,
    /// The slice of an export that was asked for.
    pub export: Option<ExportPart>,
    /// What could be typed into the filter.
    pub known: Option<Known>,
    /// The newest messages of some topics, the newest first; `None` where they
    /// aren't shown, or as they were.
    pub samples: Option<Vec<Sample>>,
    /// What is transmitted; `None` where it is as it was.
    pub transmissions: Option<Vec<TransmissionView>>,
}

/// How far a transmission is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmissionView {
    /// Which one.
    pub deck: Deck,
    /// What it is doing.
    pub turn: Turn,
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
    pub fates: Vec<Fate>,
    /// The ways in which lines failed.
    pub failures: Vec<Outcome>,
}

/// What a transmission is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
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
pub enum Fate {
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

/// A message that shows what lines are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Topic name.
    pub topic: String,
    /// Payload, all of it.
    pub payload: Vec<u8>,
}

/// The subscriptions, and what became of the last wish about one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsView {
    /// In the order they were added.
    pub list: Vec<Subscription>,
    /// How each of them is asked for.
    pub requests: Vec<SubscribeRequest>,
    /// What each of them brought.
    pub counts: Vec<Count>,
    /// What the broker answered last, in words.
    pub answer: Option<String>,
}

/// How many messages a subscription brought since it is in the list, as far as
/// that can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// So many.
    pub messages: u64,
    /// What was counted.
    pub by: CountedBy,
    /// There may be more: of some messages the topic isn't kept.
    pub is_least: bool,
}

/// What is counted for a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountedBy {
    /// Messages on topics that its filter matches. Others may have brought some
    /// of them.
    #[default]
    Topic,
    /// Messages that came with its identifier, which no other has.
    Identifier,
}

/// What is on screen of the tree of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsView {
    /// How often the tree began anew. Numbers of levels hold for one age.
    pub age: u32,
    /// The worker's time, for how long ago something was.
    pub now: Instant,
    /// Topics in the whole tree.
    pub topics: u32,
    /// Messages of topics that the tree has no room for.
    pub others: u64,
    /// Rates are to be looked at again although nothing comes.
    pub is_moving: bool,
    /// Rows that are unfolded, on screen or not.
    pub total: u64,
    /// Index of the first row.
    pub first: u64,
    /// The rows.
    pub rows: Vec<TopicRow>,
}

/// A level of the tree of topics, and what came on it and below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRow {
    /// The level's number.
    pub id: u32,
    /// Topic name, up to this level.
    pub topic: String,
    /// Name of the level, its control characters made visible.
    pub name: String,
    /// 1 for the first level.
    pub depth: u32,
    /// Row of the level above.
    pub above: Option<u64>,
    /// Place among the levels beside it, from 1.
    pub place: u32,
    /// How many those are, itself included.
    pub siblings: u32,
    /// Whether it is unfolded; `None` where nothing is below it.
    pub open: Option<bool>,
    /// Topics at it and below it.
    pub topics: u32,
    /// Messages at it and below it.
    pub count: u64,
    /// Messages at it and below it in a thousand seconds, by the last ten.
    pub per_1000_s: u64,
    /// When the last message came on exactly this topic; `None` for none.
    pub last_time: Option<Instant>,
    /// What it said, while it is kept.
    pub last: Option<Preview>,
    /// The broker keeps a message of this topic, by what was seen.
    pub is_retained: bool,
    /// Numbers in its newest messages, as written, oldest first, one a line.
    pub series: String,
}

/// A message as it came, as far as one update goes: a payload may be large, and
/// others wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePart {
    /// The number that was asked for.
    pub seq: u64,
    /// Number of the oldest message that is kept …
    pub first_seq: u64,
    /// … and the one that the next will get.
    pub next_seq: u64,
    /// How to get at the broker from elsewhere.
    pub reach: Reach,
    /// `None` where the message isn't kept.
    pub found: Option<Found>,
}

/// What is kept of a message, and a part of its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// Quality of service it came with.
    pub qos: QoS,
    /// A retained message.
    pub retain: bool,
    /// Sent before, perhaps.
    pub dup: bool,
    /// The property section of 5.0 as it came, without its length.
    pub properties: Vec<u8>,
    /// Size of the whole payload.
    pub payload_bytes: u32,
    /// Where this part of the payload begins …
    pub from_byte: u32,
    /// … and the part itself.
    pub payload: Vec<u8>,
}

/// Where the connection stands and what the broker allows on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// The version in use; while connected.
    pub version: Option<Version>,
    /// What the broker said of itself; while connected.
    pub server: Option<Server>,
    /// The finer settings of this connection, or of the last.
    pub more: More,
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The number of the [`PublishRequest`](super::command::PublishRequest).
    pub number: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Handed over (QoS 0), or acknowledged to the end.
    Done,
    /// It didn't go out, or the broker refused it: why, in words.
    Failed(String),
    /// It went out, and nobody knows whether it arrived: why, in words.
    Unknown(String),
}

/// What a person should know of a signed token in the password field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenNote {
    /// Whose it is and until when it holds.
    pub words: String,
    /// No broker takes it any more.
    pub has_expired: bool,
    /// There is a connection, or one is being made, with another password.
    pub can_renew: bool,
}

/// The state that the page shows and programs read as `data-stat="state"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing was asked for yet, or the person disconnected.
    #[default]
    Idle,
    /// The first connection is being made.
    Connecting,
    /// Connected and accepted.
    Connected,
    /// The connection was lost; another attempt is under way or waited for.
    Reconnecting,
    /// The connection failed in a way that trying again won't mend.
    Stopped,
}

impl State {
    /// The value of `data-value` (contract: `data-stat="state"`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Stopped => "stopped",
        }
    }
}

/// The connection as the page shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The state.
    pub state: State,
    /// What is going on, in a sentence or two.
    pub words: String,
    /// When something failed: what it may be and what to do, likeliest first.
    pub advice: Vec<Advice>,
    /// What that was concluded from.
    pub evidence: Vec<Evidence>,
    /// What a person should know although it isn't a failure.
    pub notice: Option<String>,
    /// The version in use.
    pub version: Option<Version>,
    /// The subscriptions and what the broker said to each.
    pub subscriptions: Vec<Subscription>,
    /// The session outlives the page: whoever is to find it again needs the
    /// client identifier.
    pub lasts: bool,
    /// Another tab of this browser has this session, and this one may have it.
    pub can_take_over: bool,
    /// The broker ends each connection at a message that it has to be offered
    /// again: the person is to drop the message, or to end the session.
    pub question: Option<String>,
    /// When the next attempt is due, while one is waited for.
    pub retry_at: Option<Instant>,
}

impl Connection {
    /// Whether the evidence shows what the broker did wrong.
    pub fn shows_fault_of_broker(&self) -> bool {
        self.evidence.iter().any(|evidence| evidence.name == Evidence::OFFENDING_PACKET)
    }
}

/// One likely cause of a failure and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// In a sentence or two.
    pub words: String,
    /// A page to open for it.
    pub link: Option<String>,
}

/// One observation about a failed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was observed.
    pub name: String,
    /// What it was.
    pub value: String,
}

impl Evidence {
    /// The name of the bytes that broke a rule.
    pub const OFFENDING_PACKET: &str = "Offending packet";
}

/// One topic filter and the broker's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The topic filter.
    pub filter: String,
    /// What became of it.
    pub granted: Granted,
    /// Its colour, below [`Subscription::COLOURS`]; it keeps it.
    pub colour: u8,
}

impl Subscription {
    /// How many colours there are: `--subscription-0` and on.
    pub const COLOURS: u8 = 8;
}

/// The broker's answer to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Granted {
    /// No answer yet.
    Asked,
    /// Granted with at most this quality of service.
    QoS(QoS),
    /// Refused, in words.
    Refused(String),
    /// It is to end; no answer yet.
    Ending,
}

/// The numbers of the contract. Always: received = kept + evicted + cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages since the page loaded.
    pub received: u64,
    /// Messages in the log now.
    pub kept: u64,
    /// Messages that made room for newer ones.
    pub evicted: u64,
    /// Messages that the person cleared away.
    pub cleared: u64,
    /// Kept messages that the filter lets through.
    pub matching: u64,
    /// Messages the crawl has yet to take (its own queue comes on top).
    pub untold: u64,
    /// Connections made again after one was lost.
    pub reconnects: u64,
    /// Payload and topic bytes in the log now.
    pub kept_bytes: u64,
}

/// The console's rows and where they stand in the list of all of them.
///
/// A row's place in the list stays its own while others leave or join it at its
/// front, which is what lets a reader stay where they are; see
/// [`Matches`](crate::log::query::Matches).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Which list this is. Places of another mean nothing in it.
    pub list: u32,
    /// Place of the list's first row.
    pub begin: i64,
    /// Rows in the list.
    pub total: u64,
    /// More of them, which a view that is held doesn't list.
    pub newer: u64,
    /// The list has all messages before this number that it could have.
    pub end_seq: u64,
    /// Place of the first of these rows.
    pub first: i64,
    /// The rows, oldest first.
    pub rows: Vec<Row>,
    /// When the message of the row before them arrived.
    pub before: Option<Instant>,
    /// When the first message arrived, for times that count from there.
    pub zero: Instant,
    /// How many messages the filter lets through; `None` where there is none.
    pub matches: Option<u64>,
    /// Which of them is chosen, from 1; `None` where it is none of them.
    pub rank: Option<u64>,
    /// What became of the search that the window asked for.
    pub sought: Option<Sought>,
}

/// What was looked for, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// What was looked for.
    pub goal: Goal,
    /// Number and place of the message; `None` where there is none.
    pub found: Option<(u64, i64)>,
}

/// A message as one row of the console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Arrival number, from 1 since the page loaded.
    pub seq: u64,
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// Quality of service it came with.
    pub qos: QoS,
    /// A retained message.
    pub retain: bool,
    /// Sent before, perhaps.
    pub dup: bool,
    /// The payload's beginning, as text.
    pub preview: Preview,
    /// Size of the whole payload.
    pub payload_bytes: u32,
    /// Which of the subscriptions brought it, by their filters, from 0; `None`
    /// where it is none of them, as for what comes from files.
    pub subscription: Option<u8>,
    /// Where it has what the filter looks for; `None` where there is no filter
    /// or it doesn't let the message through.
    pub marks: Option<Marks>,
}

/// Where a row has the words of the filter, in bytes of what is shown: from
/// one to before the other, in order, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// In the topic.
    pub topic: Vec<(u32, u32)>,
    /// In the payload's beginning.
    pub payload: Vec<(u32, u32)>,
}

/// The beginning of a payload, ready to be shown as text in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preview {
    /// UTF-8 text; control characters are made visible.
    Text(String),
    /// Not UTF-8: bytes in hex.
    Hex(String),
}

/// One entry of the crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// A message's line.
    Line {
        /// The message.
        seq: u64,
        /// Who says what.
        line: Line,
    },
    /// So many messages went by too fast to be told; the console keeps them.
    Passed {
        /// The last message passed over.
        seq: u64,
        /// How many.
        count: u64,
    },
}

impl Told {
    /// Whether it is this message's line, or the note that counts it.
    pub fn tells_of(&self, seq: u64) -> bool {
        match self {
            Self::Line { seq: own, .. } => *own == seq,
            Self::Passed { seq: last, count } => seq <= *last && seq > last.saturating_sub(*count),
        }
    }
}
