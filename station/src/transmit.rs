//! The sample transmission: a dialogue script, published by the broker inside.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mqtt_crawl::config::link::DEFAULT_TOPIC;
use mqtt_crawl::dialogue::script::{self, Format, ScriptLine};
use mqtt_crawl::transmit::encoding::PayloadFormat;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker::Broker;

const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// The number of skipped rows that are logged one by one.
const LOGGED_FAULTS_MAX: usize = 10;

/// Reads the script of `--transmit`, which needs at least one line. Rows that aren't dialogue are logged and skipped.
pub(crate) fn read_script(path: &Path) -> anyhow::Result<Vec<ScriptLine>> {
    let unusable = || format!("can't transmit {}", path.display());
    let script =
        script::parse(&std::fs::read(path).with_context(unusable)?, Format::of_file_name(&path.to_string_lossy()));
    for fault in script.faults.iter().take(LOGGED_FAULTS_MAX) {
        tracing::warn!(file = %path.display(), %fault, "row skipped");
    }
    if let Some(more @ 1..) = script.faults.len().checked_sub(LOGGED_FAULTS_MAX) {
        tracing::warn!(file = %path.display(), more, "more rows skipped");
    }
    anyhow::ensure!(!script.lines.is_empty(), "{}: No usable lines in the script.", unusable());
    Ok(script.lines)
}

/// Publishes the lines, one per second, again and again.
pub(crate) async fn transmit(lines: Vec<ScriptLine>, broker: Arc<Broker>) {
    let mut interval = interval(LINE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for line in lines.iter().cycle() {
        interval.tick().await;
        broker.publish(DEFAULT_TOPIC, PayloadFormat::Json.encode(&line.line).into()).await;
    }
}
