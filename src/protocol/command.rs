//! Commands of the page and its panels to the worker.

use crate::protocol::connection::{ConnectRequest, ConnectionOptions, Secret};
use crate::protocol::message::MessageRequest;
use crate::protocol::publish::PublishRequest;
use crate::protocol::rows::Pull;
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::topics::TopicsRequest;
use crate::protocol::transmission::{LineRange, TransmissionCommand, TransmissionSlot};
use serde::{Deserialize, Serialize};

use crate::dialogue::rules::LineRules;
use crate::message_log::Limits;
use crate::message_log::export::ExportRequest;
use crate::message_log::ndjson::OwnedMessage;
use crate::message_log::query::suggest::SuggestionQuery;
use crate::mqtt::topic::TopicFilter;

/// A command to the engine, from the page or from its panels.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// From the page.
    Page(PageCommand),
    /// From the panels.
    Panels(PanelCommand),
}

impl From<PageCommand> for Command {
    fn from(command: PageCommand) -> Self {
        Self::Page(command)
    }
}

impl From<PanelCommand> for Command {
    fn from(command: PanelCommand) -> Self {
        Self::Panels(command)
    }
}

/// A command of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PageCommand {
    /// Connects with these settings; ends the current connection.
    Connect(ConnectRequest),
    /// Sets the options of every connection from the next [`PageCommand::Connect`] on. The panels create it, but the
    /// page sends it, because two ports have no order between them.
    SetConnectionOptions(Box<ConnectionOptions>),
    /// Connects although another tab of this browser is connected with the same client identifier, which stopped this
    /// one. The other tab disconnects.
    TakeOver,
    /// Reports what the password in the form contains, if it is a JWT.
    InspectPassword(Secret),
    /// Uses this password from the next attempt on.
    ReplacePassword(Secret),
    /// Answers [`Connection::question`](crate::protocol::connection::Connection): the message is not sent any more.
    DropMessage,
    /// The other answer to the question: starts a new session, without the message.
    EndSession,
    /// Sends DISCONNECT and doesn't reconnect.
    Disconnect,
    /// Reconnects now, and asks the broker whether the connection is alive: the network came back, the tab became
    /// visible, the computer woke up, or the person requested it.
    RetryNow,
    /// The browser reports that this computer has no network.
    NetworkOffline,
    /// Sets the filter of the console; an empty text matches every message.
    Filter {
        /// See [`query`](crate::message_log::query).
        text: String,
        /// How far the person's clocks are ahead of UTC, in minutes.
        ahead_of_utc_min: i32,
    },
    /// Removes all messages from the log. They count as cleared.
    Clear,
    /// Sets the limits of the log. Messages above them are removed at once and count as evicted.
    SetLogLimits(Limits),
    /// Sets the rules by which later lines of the crawl are made.
    SetLineRules(LineRules),
    /// Shows the line of this message in the crawl now. Sent if the person asks for it and the page doesn't have the
    /// line.
    ShowInCrawl(u64),
    /// The page has drawn the last update and requests the next one as soon as something changes: at most one per
    /// frame. A pull replaces a pending one, so a page that was scrolled pulls again.
    Pull(Pull),
}

/// A command of the panels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PanelCommand {
    /// Publishes a message, now or as soon as there is a connection.
    Publish {
        /// The panels' number for it; returned with the outcome.
        number: u64,
        /// The message.
        request: PublishRequest,
    },
    /// Controls a transmission.
    Transmit(TransmissionSlot, TransmissionCommand),
    /// Subscribes, now and on every later connection. Repeating a filter changes its options.
    Subscribe(SubscribeRequest),
    /// Ends the subscription of this filter.
    Unsubscribe(String),
    /// Requests the panels' next update as soon as something changes: at most one per frame. A pull replaces a pending
    /// one.
    Pull(PanelsRequest),
    /// Adds these messages of an earlier log, with their times and, if the log is empty, their numbers. The crawl
    /// doesn't show them.
    Import(Vec<OwnedMessage>),
    /// Handles these messages of an earlier log as if a broker sent them now.
    Replay(Vec<OwnedMessage>),
}

/// What the panels show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelsRequest {
    /// The tree of topics, while it is open.
    pub topics: Option<TopicsRequest>,
    /// A message of which the panels don't have everything yet; answered at once.
    pub message: Option<MessageRequest>,
    /// The packet trace from this packet number on; answered as soon as that packet exists.
    pub trace_from: Option<u64>,
    /// Whether the numbers of the log are shown.
    pub stats: bool,
    /// Whether the list of subscriptions is shown.
    pub subscriptions: bool,
    /// The next slice of an export; answered at once.
    pub export: Option<ExportRequest>,
    /// The text being typed into the filter; answered at once.
    pub suggestions: Option<SuggestionQuery>,
    /// The newest messages on topics that this filter matches.
    pub samples: Option<TopicFilter>,
    /// The lines of the transmitted script that are on screen.
    pub script: LineRange,
}
