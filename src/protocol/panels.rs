//! What the page and its panels send to each other, as events of the window that the two programs share. What the
//! panels send to the worker goes there directly.

use serde::{Deserialize, Serialize};

use crate::protocol::connection::ConnectionOptions;

/// What the page sends to its panels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPanels {
    /// Do this.
    Run(PanelAction),
    /// The channel to a new worker; its `MessagePort` comes with the message.
    WorkerPort,
    /// The worker is gone, and with it what the panels sent to it.
    WorkerLost,
    /// The user connects.
    Connecting,
    /// The app's settings, in their text form.
    Settings(String),
    /// The crawl's opening and line rules: a link with nothing else.
    Crawl(String),
}

/// What the panels send to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPage {
    /// They listen.
    Ready {
        /// The version of the panels' file, which may come from a cache.
        version: String,
    },
    /// They couldn't be loaded; their script's element reports it.
    LoadFailed,
    /// Show this text: they can't handle a message.
    Failed(String),
    /// Use these options for every connection from now on.
    ConnectionOptions(Box<ConnectionOptions>),
    /// Connect again with the values of the form.
    Connect,
    /// Put this text into the filter box.
    Filter(String),
    /// Show the line of this message in the crawl.
    ShowInCrawl(u64),
    /// Apply these settings of the app, in their text form.
    Settings(String),
    /// Use this opening and these line rules for the crawl: a link with nothing else.
    Crawl(String),
    /// Add this topic filter to the form: it is subscribed to.
    Subscribed(String),
    /// Remove this topic filter from the form.
    Unsubscribed(String),
    /// Play the opening.
    PlayOpening,
}

/// What the panels do when the page, or another panel, asks for it. Most actions open a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PanelAction {
    /// Shows the connection options.
    ConnectionOptions,
    /// Sends messages.
    Send,
    /// Plays a script.
    Script,
    /// Shows the packets that go in and out.
    Packets,
    /// Imports logs and replays them.
    Logs,
    /// Saves the log to a file.
    Export,
    /// Plays the sample; no panel opens.
    PlaySample,
    /// Shows the topics seen.
    Topics,
    /// Shows the settings of the app.
    Preferences,
    /// Shows what the keys do.
    Help,
    /// Shows the subscriptions.
    Subscriptions,
    /// Shows how the crawl opens.
    Opening,
    /// Shows how the crawl turns messages into lines.
    LineRules,
    /// Switches the pad's sound on or off; a panel opens only if there can be no sound.
    ToggleSound,
    /// Shows the message of this number.
    Message(u64),
    /// Copies the message of this number; no panel opens.
    Copy(Copied, u64),
    /// Shows where a file that is dragged over the page can be dropped.
    FileHover,
}

/// The form in which a message is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copied {
    /// As a line of an export.
    Row,
    /// Its payload: as text, or in hex if it isn't UTF-8.
    Payload,
    /// As the `mosquitto_pub` command that sends it again.
    Publish,
    /// The `mosquitto_sub` command of the connection.
    Subscribe,
}
