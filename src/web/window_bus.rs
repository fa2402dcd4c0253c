//! What page and panels call out to each other: events of the window that the
//! two programs share. What they tell the worker goes there directly.

use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, CustomEventInit, Event};

/// The page calls the panels: a panel's [`Panel::message`] to open it, a `MessagePort` that
/// leads to the worker, `null` when there is no worker at its end any more, the
/// app's settings behind [`SETTINGS`], what the crawl tells behind [`CRAWL`], or
/// [`CONNECTING`].
pub const PANELS: &str = "mqtt-crawl:panels";

/// The panels call the page: [`CONNECT`], [`FAILED`], their
/// [`VERSION`](crate::web::channel::VERSION) when they listen, or the bytes of the
/// command that goes ahead of every wish to connect, or a text behind [`FILTER`],
/// [`SHOW`], [`SETTINGS`], [`CRAWL`], [`SUBSCRIBED`] or [`UNSUBSCRIBED`], or
/// [`PLAY`].
pub const PAGE: &str = "mqtt-crawl:page";

/// The person connects.
pub const CONNECTING: &str = "connecting";

/// Connect again with what stands in the form.
pub const CONNECT: &str = "connect";

/// What a filter for the console's filter box begins with.
pub const FILTER: &str = "filter ";

/// What the number of a message begins with whose line the crawl is to show.
pub const SHOW: &str = "show ";

/// What the text of the app's settings begins with, as they are now or are to
/// be.
pub const SETTINGS: &str = "settings ";

/// What a topic filter begins with that is subscribed to from now on …
pub const SUBSCRIBED: &str = "subscribed ";

/// … and one that isn't any more.
pub const UNSUBSCRIBED: &str = "unsubscribed ";

/// What the crawl's opening and its rules for lines begin with, as they are now
/// or are to be: a link of them alone.
pub const CRAWL: &str = "crawl ";

/// Play the opening.
pub const PLAY: &str = "play";

/// The panels couldn't be loaded.
pub const FAILED: &str = "failed";

/// A panel that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The finer settings of a connection.
    Finer,
    /// Sends messages.
    Send,
    /// Shows the packets that go in and out.
    Packets,
    /// Imports logs and plays them again.
    Replay,
    /// The sample plays; its panel stays closed.
    Sample,
    /// The topics seen.
    Topics,
    /// The settings of the app.
    Preferences,
    /// What the keys do.
    Help,
    /// What is subscribed to.
    Subscriptions,
    /// How the crawl opens.
    Director,
    /// The pad sounds, or no longer; no panel opens.
    Sound,
    /// Shows the message of this number.
    Message(u64),
    /// Copies the message of this number; no panel opens.
    Copy(Copied, u64),
    /// A file is dragged over the page.
    Drop,
}

/// As what a message is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// As a line of an export.
    Row,
    /// Its payload: as text, or in hex where it isn't UTF-8.
    Payload,
    /// As the `mosquitto_pub` command that sends it again.
    Publish,
    /// The `mosquitto_sub` command of the connection.
    Subscribe,
}

impl Copied {
    /// All that there are.
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

impl Panel {
    /// The call for it: its name, or the number of a message, with what is
    /// copied of it before it.
    pub fn message(self) -> JsValue {
        match self {
            Self::Finer => "finer".into(),
            Self::Send => "send".into(),
            Self::Packets => "packets".into(),
            Self::Replay => "replay".into(),
            Self::Sample => "sample".into(),
            Self::Topics => "topics".into(),
            Self::Preferences => "preferences".into(),
            Self::Help => "help".into(),
            Self::Subscriptions => "subscriptions".into(),
            Self::Director => "director".into(),
            Self::Sound => "sound".into(),
            // Exact up to more messages than a page can count.
            Self::Message(seq) => (seq as f64).into(),
            Self::Copy(copied, seq) => format!("{} {seq}", copied.name()).into(),
            Self::Drop => "drop".into(),
        }
    }

    /// The panel that a call is for.
    pub fn parse(said: &JsValue) -> Option<Self> {
        if let Some(seq) = said.as_f64() {
            return Some(Self::Message(seq as u64));
        }
        if let Some((name, seq)) = said.as_string()?.split_once(' ') {
            let copied = Copied::ALL.into_iter().find(|copied| copied.name() == name)?;
            return Some(Self::Copy(copied, seq.parse().ok()?));
        }
        let named = [
            Self::Finer,
            Self::Send,
            Self::Packets,
            Self::Replay,
            Self::Sample,
            Self::Topics,
            Self::Preferences,
            Self::Help,
            Self::Subscriptions,
            Self::Drop,
            Self::Director,
            Self::Sound,
        ];
        named.into_iter().find(|panel| panel.message() == *said)
    }
}

/// Calls out.
pub fn send(event: &str, detail: &JsValue) {
    let init = CustomEventInit::new();
    init.set_detail(detail);
    // A constructor that throws only for arguments of other types.
    let (Some(window), Ok(event)) = (web_sys::window(), CustomEvent::new_with_event_init_dict(event, &init)) else {
        return;
    };
    // Throws only for an event that is being dispatched already.
    let _ = window.dispatch_event(&event);
}

/// What was called.
pub fn detail(event: &Event) -> JsValue {
    event.dyn_ref::<CustomEvent>().map_or(JsValue::NULL, CustomEvent::detail)
}
