//! What `cargo xtask bench` runs: the released site in Debian's Chromium, fed by a source that costs next to nothing, and
//! beside it other clients of MQTT; the core's busiest parts by themselves; and the released station with the clients of an
//! event.
//!
//! Times say something only beside other times of the same run, and only on a machine that does nothing else; the
//! report says what was wanted beside what was found, and nothing fails.

mod console;
mod core;
mod crawl;
mod idle;
mod intake;
mod latency;
mod machine;
mod report;
mod start;
mod station;
mod usage;
mod wasm;
mod work;

use std::time::Duration;

use anyhow::{Result, bail};
use report::Report;

/// How long whatever takes seconds may take.
const PATIENCE: Duration = Duration::from_secs(60);

const MEASUREMENTS: [&str; 11] =
    ["core", "wasm", "intake", "latency", "start", "idle", "million", "steady", "flood", "burst", "station"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|other| other == name);
    if let Some(unknown) = chosen.iter().find(|name| !MEASUREMENTS.contains(&name.as_str())) {
        bail!("there is no measurement {unknown:?}: {}", MEASUREMENTS.join(", "));
    }
    println!("{}", machine::describe()?);
    let mut report = Report::default();
    if is_chosen("core") {
        core::beside_others(&mut report)?;
    }
    if is_chosen("wasm") {
        wasm::beside_another(&mut report).await?;
    }
    if is_chosen("intake") {
        intake::beside_peers(&mut report).await?;
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
    if is_chosen("station") {
        station::event(&mut report).await?;
    }
    report.print();
    Ok(())
}
