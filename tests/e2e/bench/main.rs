//! The program of `cargo xtask bench`. It measures the released site in Debian's Chromium, with a source that costs
//! almost nothing, and other MQTT clients for comparison; the core's hot paths alone; and the released station with the
//! clients of an event.
//!
//! Times are comparable only within a run, and only if the machine does nothing else. The report lists results and
//! targets. Only `soak` fails, which runs only by name: an hour of the crawl, in which no row may be missing on screen.

mod console;
mod core;
mod crawl;
mod engines;
mod idle;
mod intake;
mod latency;
mod machine;
mod pace;
mod report;
mod soak;
mod start;
mod station;
mod usage;
mod wasm;
mod work;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use report::Report;

/// The time limit for operations that take seconds.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

const MEASUREMENTS: [&str; 12] =
    ["core", "wasm", "intake", "latency", "start", "idle", "million", "steady", "flood", "burst", "pace", "station"];

/// The measurements that aren't part of a full run: the three engines take six minutes, a steady stream in each half an
/// hour, and the soak an hour.
const ENGINES: &str = "engines";
const ENGINES_STEADY: &str = "engines-steady";
const SOAK: &str = "soak";

/// The command line's options.
struct Options {
    /// Measurements by name; none for all.
    chosen: Vec<String>,
    /// The duration of [`SOAK`].
    minutes: u32,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { chosen: Vec::new(), minutes: 60 };
        while let Some(argument) = arguments.next() {
            if argument == "--minutes" {
                options.minutes = arguments.next().context("how many minutes?")?.parse().context("minutes")?;
            } else if [ENGINES, ENGINES_STEADY, SOAK].contains(&argument.as_str())
                || MEASUREMENTS.contains(&argument.as_str())
            {
                options.chosen.push(argument);
            } else {
                bail!(
                    "there is no measurement {argument:?}: {}, {ENGINES}, {ENGINES_STEADY}, {SOAK}",
                    MEASUREMENTS.join(", ")
                );
            }
        }
        Ok(options)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Options { chosen, minutes } = Options::read(std::env::args().skip(1))?;
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|other| other == name);
    println!("{}", machine::describe()?);
    let mut report = Report::default();
    if is_chosen("core") {
        core::compare(&mut report)?;
    }
    if is_chosen("wasm") {
        wasm::compare(&mut report).await?;
    }
    if is_chosen("intake") {
        intake::compare(&mut report).await?;
    }
    if is_chosen("latency") {
        latency::to_painted_rows(&mut report).await?;
    }
    if is_chosen("start") {
        start::cold(&mut report).await?;
    }
    if is_chosen("idle") {
        idle::connected(&mut report).await?;
    }
    if is_chosen("million") {
        console::million(&mut report).await?;
    }
    if is_chosen("steady") {
        console::steady(&mut report).await?;
    }
    if is_chosen("flood") {
        crawl::flood(&mut report).await?;
    }
    if is_chosen("burst") {
        crawl::burst(&mut report).await?;
    }
    if is_chosen("pace") {
        pace::streams(&mut report).await?;
    }
    if is_chosen("station") {
        station::event(&mut report).await?;
    }
    if chosen.iter().any(|name| name == ENGINES) {
        engines::intake(&mut report).await?;
    }
    if chosen.iter().any(|name| name == ENGINES_STEADY) {
        engines::steady(&mut report).await?;
    }
    let soaked = if chosen.iter().any(|name| name == SOAK) { soak::run(&mut report, minutes).await } else { Ok(()) };
    report.print();
    soaked
}
