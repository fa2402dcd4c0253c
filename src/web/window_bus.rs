//! The window bus: the messages between page and panels, as events of the window that the two
//! programs share. What the panels send to the worker goes there directly.

use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, CustomEventInit, Event};

/// Messages to the panels: a [`PanelAction::message`], a `MessagePort` that leads to
/// the worker, `null` if its worker is gone, the app's settings after [`SETTINGS`], the crawl's
/// opening and line rules after [`CRAWL`], or [`CONNECTING`].
pub const PANELS: &str = "mqtt-crawl:panels";

/// Messages to the page: [`CONNECT`], [`FAILED`], the panels'
/// [`VERSION`](crate::web::channel::VERSION) once they listen, the bytes of the command that is
/// sent ahead of every command to connect, a text after [`FILTER`], [`SHOW_IN_CRAWL`], [`SETTINGS`],
/// [`CRAWL`], [`SUBSCRIBED`] or [`UNSUBSCRIBED`], or [`PLAY_OPENING`].
pub const PAGE: &str = "mqtt-crawl:page";

/// The person connects.
pub const CONNECTING: &str = "connecting";

/// Connect again with the values of the form.
pub const CONNECT: &str = "connect";

/// Prefix of a text for the console's filter box.
pub const FILTER: &str = "filter ";

/// Prefix of the number of a message whose line the crawl shows.
pub const SHOW_IN_CRAWL: &str = "show ";

/// Prefix of the text of the app's settings, as they are or are requested to be.
pub const SETTINGS: &str = "settings ";

/// Prefix of a topic filter that is subscribed to from now on …
pub const SUBSCRIBED: &str = "subscribed ";

/// … and of one that isn't any more.
pub const UNSUBSCRIBED: &str = "unsubscribed ";

/// Prefix of the crawl's opening and line rules, as they are or are requested to be: a link with
/// nothing else.
pub const CRAWL: &str = "crawl ";

/// Play the opening.
pub const PLAY_OPENING: &str = "play";

/// The panels couldn't be loaded.
pub const FAILED: &str = "failed";

/// What the panels do when the page asks for it. Most actions open a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelAction {
    /// Shows the connection options.
    ConnectionOptions,
    /// Sends messages.
    Send,
    /// Shows the packets that go in and out.
    Packets,
    /// Imports logs and plays them again.
    Logs,
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
    /// Switches the pad's sound on or off; no panel opens.
    ToggleSound,
    /// Shows the message of this number.
    Message(u64),
    /// Copies the message of this number; no panel opens.
    Copy(Copied, u64),
    /// Shows where a file that is dragged over the page can be dropped.
    FileHover,
}

/// The form in which a message is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Copied {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Row, Self::Payload, Self::Publish, Self::Subscribe];

    const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Payload => "payload",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        }
    }
}

impl PanelAction {
    /// Returns its message: its name, or the number of a message, preceded by the
    /// form in which it is copied.
    pub fn message(self) -> JsValue {
        match self {
            Self::ConnectionOptions => "connection-options".into(),
            Self::Send => "send".into(),
            Self::Packets => "packets".into(),
            Self::Logs => "logs".into(),
            Self::PlaySample => "sample".into(),
            Self::Topics => "topics".into(),
            Self::Preferences => "preferences".into(),
            Self::Help => "help".into(),
            Self::Subscriptions => "subscriptions".into(),
            Self::Opening => "opening".into(),
            Self::ToggleSound => "sound".into(),
            // Exact for more messages than a page can count.
            Self::Message(seq) => (seq as f64).into(),
            Self::Copy(copied, seq) => format!("{} {seq}", copied.name()).into(),
            Self::FileHover => "drop".into(),
        }
    }

    /// Returns the action of a message.
    pub fn parse(message: &JsValue) -> Option<Self> {
        if let Some(seq) = message.as_f64() {
            return Some(Self::Message(seq as u64));
        }
        if let Some((name, seq)) = message.as_string()?.split_once(' ') {
            let copied = Copied::ALL.into_iter().find(|copied| copied.name() == name)?;
            return Some(Self::Copy(copied, seq.parse().ok()?));
        }
        let named = [
            Self::ConnectionOptions,
            Self::Send,
            Self::Packets,
            Self::Logs,
            Self::PlaySample,
            Self::Topics,
            Self::Preferences,
            Self::Help,
            Self::Subscriptions,
            Self::FileHover,
            Self::Opening,
            Self::ToggleSound,
        ];
        named.into_iter().find(|action| action.message() == *message)
    }
}

/// Sends a message.
pub fn send(event: &str, detail: &JsValue) {
    let init = CustomEventInit::new();
    init.set_detail(detail);
    // The constructor throws only for arguments of other types.
    let (Some(window), Ok(event)) = (web_sys::window(), CustomEvent::new_with_event_init_dict(event, &init)) else {
        return;
    };
    // Throws only for an event that is already being dispatched.
    let _ = window.dispatch_event(&event);
}

/// Returns the content of a message.
pub fn detail(event: &Event) -> JsValue {
    event.dyn_ref::<CustomEvent>().map_or(JsValue::NULL, CustomEvent::detail)
}
