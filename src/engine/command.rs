//! What the page and its panels ask of the worker.

use serde::{Deserialize, Serialize};

use crate::broker_url::PageOrigin;
use crate::crawl::feed::CrawlRoom;
use crate::credentials::is_credential_name;
use crate::dialogue::mapping::Mapping;
use crate::log::Limits;
use crate::log::export::ExportGlance;
use crate::log::ndjson::OwnedMessage;
use crate::log::query::suggest::Ask;
use crate::mqtt::packet::{PublishProperties, QoS, RetainHandling, SubscriptionOptions, UserProperties, Version, Will};
use crate::mqtt::session::RECEIVE_MAXIMUM;
use crate::mqtt::topic::TopicFilter;
use crate::transmit::playlist::Repeat;

/// One request of the page, or of its panels. What only the panels send isn't
/// written by a page alone, which saves a first visit the code for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Connect with these settings, instead of whatever is connected now.
    Connect(ConnectRequest),
    /// The finer settings of every connection from the next wish on.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Refine(Box<More>),
    /// Connect although another tab of this browser is connected with the same
    /// client identifier, which stopped this one: that one lets go.
    TakeOver,
    /// This is in the password field now; say whether it is a signed token.
    Examine(Secret),
    /// Use this password from the next attempt on.
    Renew(Secret),
    /// The answer to [`Connection::question`](super::update::Connection): don't
    /// send the message any more.
    DropMessage,
    /// The other answer: begin a new session, without the message.
    EndSession,
    /// Say goodbye to the broker and stay away.
    Disconnect,
    /// The network came back, the tab became visible, the computer woke up, or
    /// the person said so: don't wait any longer for the next attempt, and ask
    /// the broker whether the connection is alive.
    Wake,
    /// The browser says that this computer has no network.
    Offline,
    /// Publish a message, now or as soon as there is a connection.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Publish {
        /// The panels' own number for it; comes back with the outcome.
        number: u64,
        /// The message.
        request: PublishRequest,
    },
    /// Something is to become of a transmission.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Transmit(Deck, Transmission),
    /// Keep this subscription, now and on every later connection. The same
    /// filter again takes other options.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Subscribe(SubscribeRequest),
    /// End the subscription of this filter.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Unsubscribe(String),
    /// Look for the messages that this text lets through; empty lets through
    /// all.
    Filter {
        /// See [`query`](crate::log::query).
        text: String,
        /// How far the person's clocks are ahead of UTC, in minutes.
        ahead_of_utc_min: i32,
    },
    /// Forget the messages that are kept. They count as cleared.
    Clear,
    /// Keep so many messages at most. What is too much goes at once, and is
    /// counted as evicted.
    Bound(Limits),
    /// Lines of the crawl that are still to come are made by these rules.
    Map(Mapping),
    /// The crawl is to tell of this message now: somebody asks for its line, and
    /// the page has none.
    Tell(u64),
    /// The page has drawn the last update and wants the next one as soon as
    /// there is something new: at most one a frame. A pull takes the place of
    /// one that still waits, so a page that was scrolled pulls again.
    Pull(Pull),
    /// The panels want their next update as soon as there is something new:
    /// at most one a frame. A pull takes the place of one that still waits.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    PullPanels(Glance),
    /// The kept messages as NDJSON.
    Export,
    /// Keep these messages of an earlier log, with their times and, where the
    /// log is empty, their numbers. The crawl doesn't tell them.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Import(Vec<OwnedMessage>),
    /// These messages of an earlier log arrive now, as if a broker sent them.
    #[cfg_attr(all(feature = "app", not(feature = "panels")), serde(skip_serializing))]
    Replay(Vec<OwnedMessage>),
}

/// Where and how to connect, and what to subscribe to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// WebSocket address, path as the person wrote it.
    pub broker: String,
    /// Topic filters; at least one.
    pub topics: Vec<String>,
    /// Quality of service asked for with each filter.
    pub qos: QoS,
    /// `None`: try 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier.
    pub client_id: String,
    /// User name; `None` sends none.
    pub user_name: Option<String>,
    /// Password; `None` sends none. Lives in memory only.
    pub password: Option<Secret>,
    /// Where the page that asks came from.
    pub page: PageOrigin,
}

/// The finer settings of a connection: what the form has under "More".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive_s: u16,
    /// Drop what the broker kept of an earlier session.
    pub clean_start: bool,
    /// How long the session outlives a lost connection, in seconds; `None`
    /// leaves it to the app.
    pub session_expiry_s: Option<u32>,
    /// How many QoS 1 and 2 messages may be under way to us (5.0); never 0.
    pub receive_maximum: u16,
    /// Don't send us what we published ourselves (5.0).
    pub no_local: bool,
    /// Keep the retain flag as the publisher set it (5.0).
    pub retain_as_published: bool,
    /// When retained messages are sent (5.0).
    pub retain_handling: RetainHandling,
    /// Identifier of the subscriptions (5.0).
    pub subscription_identifier: Option<u32>,
    /// User properties of CONNECT (5.0).
    pub user_properties: UserProperties,
    /// The message the broker sends should we vanish.
    pub will: Option<Will>,
}

impl Default for More {
    fn default() -> Self {
        Self {
            keep_alive_s: 30,
            clean_start: true,
            session_expiry_s: None,
            receive_maximum: RECEIVE_MAXIMUM,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
            subscription_identifier: None,
            user_properties: UserProperties::new(),
            will: None,
        }
    }
}

impl More {
    /// Whether the session is to outlive the page: only one that isn't begun
    /// afresh can be taken up by the next.
    pub fn lasts(&self) -> bool {
        self.session_expiry_s.is_some_and(|seconds| seconds > 0) && !self.clean_start
    }

    /// The same for a store: user properties that are named as credentials are empty.
    pub fn without_credentials(&self) -> Self {
        let mut stored = self.clone();
        for (name, value) in &mut stored.user_properties {
            if is_credential_name(name) {
                value.clear();
            }
        }
        stored
    }
}

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishRequest {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Retained by the broker.
    pub retain: bool,
    /// Properties (5.0).
    pub properties: PublishProperties,
}

/// Which transmission is meant. Both go on side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deck {
    /// A script.
    Script,
    /// A message that is repeated.
    Message,
}

impl Deck {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Script, Self::Message];
}

/// What is to become of a transmission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transmission {
    /// A new one takes the place of the last. It has no lines so far, and rests.
    Begin(Manner),
    /// Its next lines.
    Lines(Vec<Cue>),
    /// Those were all of them.
    Whole,
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
pub struct Manner {
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
pub struct Cue {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A subscription that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeRequest {
    /// Topic filter.
    pub filter: String,
    /// How it is asked for.
    pub options: SubscriptionOptions,
    /// Comes back with every message it brings (5.0); never 0.
    pub identifier: Option<u32>,
}

/// A password on its way. A log line must never hold one, so it shows itself as
/// nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What the page has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The rows that the console shows.
    pub window: Window,
    /// Which messages are rows.
    pub listed: Listed,
    /// The view is held: of those, only the ones before this number.
    pub until: Option<u64>,
    /// The message that is chosen.
    pub selected: Option<u64>,
    /// What the crawl takes.
    pub crawl: CrawlRoom,
}

/// What the panels show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    /// The tree of topics, while it is open.
    pub topics: Option<TopicsGlance>,
    /// A message that they haven't all of yet; answered at once.
    pub message: Option<MessageGlance>,
    /// The packet trace, from the packet of this number on; answered as soon as
    /// there is such a packet.
    pub trace_from: Option<u64>,
    /// The numbers of the log are shown.
    pub stats: bool,
    /// The list of subscriptions is shown.
    pub subscriptions: bool,
    /// The next slice of an export; answered at once.
    pub export: Option<ExportGlance>,
    /// What is being typed into the filter; answered at once.
    pub ask: Option<Ask>,
    /// The newest messages on topics that this filter matches.
    pub samples: Option<TopicFilter>,
    /// The lines of the script that is transmitted.
    pub script: LinesGlance,
}

/// The part of a script that is on screen, while it is transmitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesGlance {
    /// Index of the first line.
    pub first: u64,
    /// How many lines.
    pub count: u32,
}

/// The part of the tree of topics that is on screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsGlance {
    /// The age that the levels' numbers are of. Those of another age mean
    /// nothing.
    pub age: u32,
    /// Index of the first row, among those that are unfolded.
    pub first: u64,
    /// How many rows fit.
    pub rows: u32,
    /// How levels stand beside each other.
    pub order: TopicsOrder,
    /// What is chosen for single levels.
    pub levels: Vec<LevelGlance>,
}

/// How the levels of the tree of topics stand that are below the same one. What
/// is equal stands by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicsOrder {
    /// By name.
    #[default]
    Name,
    /// Most messages first.
    Count,
    /// Most messages a second first.
    Rate,
    /// The newest message first.
    Newest,
}

/// How a level of the tree of topics is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelGlance {
    /// The level's number.
    pub id: u32,
    /// It is unfolded.
    pub is_open: bool,
    /// Where its messages have a number; see [`leaves`](crate::topics::leaves).
    pub field: String,
}

/// A kept message, or the rest of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageGlance {
    /// Its number.
    pub seq: u64,
    /// How much of its payload is there already.
    pub from_byte: u32,
}

/// Which messages are rows of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// Those that the filter lets through.
    #[default]
    Matching,
    /// All that are kept; those that the filter lets through are marked.
    All,
}

/// The part of the list that is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// The newest so many rows: the console follows the tail.
    Tail {
        /// How many rows fit.
        rows: u32,
    },
    /// Rows from a place that was scrolled to.
    At {
        /// The first row's place, as [`Rows`](super::update::Rows) count it.
        first: i64,
        /// How many rows fit.
        rows: u32,
    },
    /// Rows around a message that is looked for; the newest where there is none.
    Around {
        /// What is looked for.
        goal: Goal,
        /// How many rows fit.
        rows: u32,
    },
}

/// A message that somebody wants to get to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// The one with this number, if it is in the list.
    Message(u64),
    /// That, or else the next in the list, or else the last.
    Near(u64),
    /// The next in the list, behind this number.
    RowAfter(u64),
    /// The one before it in the list.
    RowBefore(u64),
    /// The next that the filter lets through.
    MatchAfter(u64),
    /// The one before it that the filter lets through.
    MatchBefore(u64),
}

impl Default for Window {
    fn default() -> Self {
        Self::Tail { rows: 0 }
    }
}
