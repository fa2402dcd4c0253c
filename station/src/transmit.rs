//! The sample transmission: a dialogue script handed to the station's own broker, over and over.
//!
//! It needs no client and no password: the broker is in the same process, so the lines go straight
//! to whoever subscribed.

use std::path::Path;
use std::time::Duration;

use mqtt_crawl::dialogue::script::{self, ScriptLine};
use tokio::time::{MissedTickBehavior, interval};

use crate::StartError;
use crate::broker::Inlet;

/// Where the lines go.
const TOPIC: &str = "StarWars";
/// A line each second, the pace at which the crawl takes them.
const PACE: Duration = Duration::from_secs(1);
/// Rows left out that are named one by one.
const MOST_FAULTS: usize = 10;

/// A script that is ready to be transmitted: at least one line.
#[derive(Debug)]
pub(crate) struct Script {
    lines: Vec<ScriptLine>,
}

impl Script {
    /// Reads the file named by `--transmit`. Rows that are no dialogue are said on standard error
    /// and left out.
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        let unusable = |fault: String| StartError::Transmit { path: path.to_owned(), fault };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let script = script::parse(&bytes);
        for fault in script.faults.iter().take(MOST_FAULTS) {
            eprintln!("mqtt-crawl-station: {}: {fault}; left out", path.display());
        }
        if let Some(more @ 1..) = script.faults.len().checked_sub(MOST_FAULTS) {
            eprintln!("mqtt-crawl-station: {}: {more} more rows left out", path.display());
        }
        if script.lines.is_empty() {
            let example = r#"no row reads like `"1" "CHARACTER" "Spoken text"`"#;
            return Err(unusable(example.to_owned()));
        }
        Ok(Self { lines: script.lines })
    }

    /// Publishes the lines in order, and starts over after the last, until dropped.
    pub(crate) async fn transmit(self, inlet: Inlet) {
        let mut pace = interval(PACE);
        // After a suspended night it goes on where it was; it doesn't catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for ScriptLine { line, .. } in self.lines.iter().cycle() {
            pace.tick().await;
            inlet.publish(TOPIC, line.to_json()).await;
        }
    }
}
