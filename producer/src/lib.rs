//! The producer: publishes a dialogue script to an MQTT broker, one line a second.
//!
//! The program is a thin shell around [`transmit`], which the station also uses for its sample transmission. It blocks
//! its thread until the script is done or [`RemoteHandle::stop`] is called:
//!
//! ```no_run
//! use mqtt_crawl::{mqtt::broker_url::BrokerUrl, dialogue::script};
//! use mqtt_crawl_producer::{RemoteHandle, Repeat, Report, Settings, transmit};
//!
//! let script = script::parse(&std::fs::read("assets/dialogues/the-quiet-broker.txt")?, None);
//! let settings = Settings {
//!     repeat: Repeat::UntilStopped,
//!     ..Settings::new(BrokerUrl::parse("mqtt://127.0.0.1:1883")?)
//! };
//! let remote = RemoteHandle::new(); // `remote.clone()` can end it from elsewhere
//! let summary = transmit(&settings, script.lines.into(), &remote, &mut |report| {
//!     if let Report::Lost { failure, .. } = report {
//!         eprintln!("{failure}");
//!     }
//! })?;
//! println!("{summary}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//! files ─▶ Script ─▶ Transmission ─▶ mqtt::session ─▶ driver ─▶ Connection ─▶ TCP
//! keys ──▶ handle ─▶   (player)       (the core's)    (clock)   (TLS, WebSocket)
//! ```
//!
//! - [`settings`]: the settings of a transmission.
//! - [`script`]: the lines to send, from files or from a live source.
//! - `transmission`: decides which line is sent (with the core's [`transmit`](mqtt_crawl::transmit)), tracks its
//!   outcome, and detects the end. It has no IO and no clock, so it is tested in virtual time.
//! - [`remote`]: commands from other threads; [`keys`]: commands from the keyboard.
//! - `driver`: the loop that owns the clock and the transport.
//! - `transport`: TCP, TLS and WebSocket as layers over one reading thread.
//! - [`report`]: the reports of a transmission while it runs and at its end.
//! - [`dry_run`]: prints what would be sent.
//! - [`options`] and [`progress`]: the program's command line and screen.

mod driver;
pub mod dry_run;
mod event;
pub mod keys;
pub mod options;
mod printable;
pub mod progress;
pub mod remote;
pub mod report;
pub mod script;
pub mod settings;
mod transmission;
mod transport;

pub use driver::transmit;
pub use mqtt_crawl::transmit::encoding::PayloadFormat;
pub use mqtt_crawl::transmit::playlist::Repeat;
pub use remote::RemoteHandle;
pub use report::{End, FailedLine, LineFailure, Progress, Report, Summary};
pub use script::{FileSummary, Script, ScriptItem, ScriptOptions, ScriptReadError, SkippedRow, TimedLine};
pub use settings::{Settings, SettingsError};
