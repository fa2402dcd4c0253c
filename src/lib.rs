//! mqtt-crawl: MQTT 3.1.1 and 5.0 in the browser, told as an opening crawl.
//!
//! The crate is a pure core with one module for the browser on top of it. The
//! core reads no clock, opens no socket and knows no page; whatever it needs
//! is handed to it, so all of it is tested natively and in virtual time.
//!
//! Data takes one way:
//!
//! ```text
//! worker: WebSocket frame ─▶ mqtt::codec ─▶ mqtt::session ─▶ log ─┬▶ rows on screen ─▶ page
//!                                                                 └▶ dialogue ─▶ crawl ─▶ page
//! page:   commands ─▶ engine (in the worker)
//! ```
//!
//! - [`time`]: the only notion of time; nobody reads a clock.
//! - [`mqtt`]: packets, codec, session. Knows nothing of logs or pages.
//! - [`log`]: every message as it came, bounded; queries over it; NDJSON.
//! - [`dialogue`]: what a payload says, as a line of dialogue; script files.
//! - [`crawl`]: where and when lines stand on the plane. Numbers only.
//! - [`engine`]: the worker's brain, made of all of the above.
//! - [`topics`]: the topics seen, as a tree with numbers.
//! - [`console`]: which rows of the log are on screen. Numbers only.
//! - [`settings`]: what a person chose for the app itself.
//! - [`jwt`]: passwords that are signed tokens. [`credentials`]: which part of an address is one.
//! - [`broker_url`], [`link`], [`presets`]: what a person can point the app at.
//! - [`compose`], [`finer`], [`lines`], [`subscribe`]: what is typed into the panels, and what it means.
//! - [`allowed`]: what the broker takes and what not. [`outbox`]: what became
//!   of the messages sent.
//! - [`shortcuts`]: what the keys do.
//! - [`replay`]: a log played again, by its own times.
//! - [`inspect`]: what a message holds, in every notation.
//! - [`shell_command`]: the same for a shell, with mosquitto's clients.
//! - [`transmit`]: lines on their way to a broker, each at its time.
//! - [`trace`]: the packets that went in and out.
//! - `web` (feature `web`): everything that needs a browser.

pub mod allowed;
pub mod broker_url;
mod bytes;
pub mod compose;
pub mod console;
pub mod crawl;
pub mod credentials;
pub mod dialogue;
pub mod engine;
pub mod finer;
pub mod format;
pub mod inspect;
pub mod jwt;
pub mod lines;
pub mod link;
pub mod log;
pub mod mqtt;
pub mod outbox;
pub mod presets;
pub mod protocol;
pub mod replay;
pub mod rfc3339;
pub mod settings;
pub mod shell_command;
pub mod shortcuts;
pub mod subscribe;
pub mod time;
pub mod topics;
pub mod trace;
pub mod transmit;
pub mod ui;
pub mod urlencoded;
#[cfg(feature = "browser")]
pub mod web;
