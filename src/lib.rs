//! mqtt-crawl: an MQTT 3.1.1 and 5.0 client in the browser that shows messages as an opening crawl.
//!
//! The crate is a pure core with one module for the browser on top of it. The core reads no clock,
//! opens no socket and knows no page; everything it needs is passed in, so all of it is tested
//! natively and in virtual time.
//!
//! Data flows in one direction:
//!
//! ```text
//! worker: WebSocket frame ─▶ mqtt::codec ─▶ mqtt::session ─▶ message_log ─┬▶ rows on screen ─▶ page
//!                                                                         └▶ dialogue ─▶ crawl ─▶ page
//! page:   commands ─▶ engine (in the worker)
//! ```
//!
//! Folders, from the bottom up; each imports only those above it in this list:
//!
//! - [`time`], [`format`](mod@format), [`rfc3339`], [`urlencoded`], `byte_ops`, `named_enum`: helpers. [`time`] is the only notion of time.
//! - [`credentials`]: which part of an address is a credential; JSON Web Tokens.
//! - [`mqtt`]: topics, packets, codec, session, broker addresses. Knows nothing of logs or pages.
//! - [`packet_trace`]: the packets sent and received, and their analysis.
//! - [`dialogue`]: the line of dialogue that a payload holds; script files.
//! - [`message_log`]: all received messages, within bounds; queries over it; NDJSON, CSV, export,
//!   replay.
//! - [`topics`]: the topics seen, as a tree with counters.
//! - [`transmit`]: scripts and repeated messages, each line at its time.
//! - [`crawl`]: where and when lines are on the plane. Numbers only.
//! - [`protocol`]: the messages between the worker, the page and its panels.
//! - [`engine`]: the state machine in the worker, made of all of the above.
//! - [`config`]: links, preferences, the list of brokers.
//! - [`ui`]: view models and forms, without a browser.
//! - `web` (feature `web`): everything that needs a browser.

mod byte_ops;
pub mod config;
pub mod crawl;
pub mod credentials;
pub mod dialogue;
pub mod engine;
pub mod format;
pub mod message_log;
pub mod mqtt;
mod named_enum;
pub mod packet_trace;
pub mod protocol;
pub mod rfc3339;
pub mod time;
pub mod topics;
pub mod transmit;
pub mod ui;
pub mod urlencoded;
#[cfg(feature = "browser")]
pub mod web;
