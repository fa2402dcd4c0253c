//! The producer: tells a dialogue script to an MQTT broker, a line a second.
//!
//! The program is a thin shell around [`transmit`], which is also what the
//! station uses for its sample transmission. It blocks its thread until the
//! script is told, or until somebody calls [`Stop::stop`]:
//!
//! ```no_run
//! use mqtt_crawl::{broker_url::BrokerUrl, dialogue::script};
//! use mqtt_crawl_producer::{Report, Repeat, Settings, Stop, transmit};
//!
//! let script = script::parse(&std::fs::read("assets/dialogues/the-quiet-broker.txt")?);
//! let settings = Settings {
//!     repeat: Repeat::UntilStopped,
//!     ..Settings::new(BrokerUrl::parse("mqtt://127.0.0.1:1883")?)
//! };
//! let stop = Stop::new(); // `stop.clone()` goes to whoever ends it
//! let summary = transmit(&settings, &script.lines, &stop, &mut |report| {
//!     if let Report::Lost { failure, .. } = report {
//!         eprintln!("{failure}");
//!     }
//! })?;
//! println!("{summary}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//! script ─▶ Transmission ─▶ mqtt::session ─▶ driver ─▶ Connection ─▶ TCP
//!           (schedule)      (the core's)     (clock)   (TLS, WebSocket)
//! ```
//!
//! - [`settings`]: what a transmission is told before it begins.
//! - `schedule`: when which line is due. Numbers only.
//! - `transmission`: which line goes out, what became of it, when it is over;
//!   without IO and without a clock, so it is tested in virtual time.
//! - `driver`: the loop that owns the clock and the transport.
//! - `transport`: TCP, TLS and WebSocket as layers over one reading thread.
//! - [`report`]: what a transmission says while it runs and at its end.
//! - [`options`] and [`progress`]: the program's command line and screen.

mod driver;
pub mod options;
pub mod progress;
pub mod report;
mod schedule;
pub mod settings;
mod transmission;
mod transport;

pub use driver::{Stop, transmit};
pub use report::{End, FailedLine, Fate, Report, Summary};
pub use settings::{PayloadFormat, Repeat, Settings, SettingsError};
