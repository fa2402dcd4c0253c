//! The sample transmission: the producer's library publishes a dialogue script to the station's own broker, repeatedly,
//! like an external producer.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use mqtt_crawl::dialogue::script::{self, Format, ScriptLine};
use mqtt_crawl::mqtt::broker_url::BrokerUrl;
use mqtt_crawl_producer::{RemoteHandle, Repeat, Report, Settings, SettingsError, Summary, transmit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::limits::STOP_TIMEOUT;

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
    anyhow::ensure!(!script.lines.is_empty(), "{}: {}", unusable(), SettingsError::NoLines);
    Ok(script.lines)
}

/// A script that is being transmitted to `StarWars`, one line per second.
pub(crate) struct Transmission {
    remote: RemoteHandle,
    /// The producer's library blocks a thread.
    task: JoinHandle<Result<Summary, SettingsError>>,
}

impl Transmission {
    /// Starts the transmission, as a user of its own.
    pub(crate) fn begin(lines: Vec<ScriptLine>, broker: SocketAddr, user: (String, String)) -> Self {
        let (user_name, password) = user;
        let broker = BrokerUrl::parse(&format!("mqtt://{broker}")).expect("an address and a port make a URL");
        let settings = Settings {
            repeat: Repeat::UntilStopped,
            user_name: Some(user_name),
            password: Some(password.into_bytes()),
            ..Settings::new(broker)
        };
        let remote = RemoteHandle::new();
        let controlled_by = remote.clone();
        let task =
            tokio::task::spawn_blocking(move || transmit(&settings, lines.into(), &controlled_by, &mut log_report));
        Self { remote, task }
    }

    /// Completes with the reason if the transmission ends without being stopped.
    pub(crate) async fn ended(&mut self) -> String {
        match (&mut self.task).await {
            Ok(ended) => ended.map_or_else(|error| error.to_string(), |summary| summary.to_string()),
            Err(error) => error.to_string(),
        }
    }

    /// Lets it disconnect from the broker.
    pub(crate) async fn stop(self) {
        self.remote.stop();
        if !self.task.is_finished() {
            let _ = timeout(STOP_TIMEOUT, self.task).await;
        }
    }
}

fn log_report(report: &Report) {
    match report {
        Report::Connected { .. } | Report::Progress(_) | Report::File(_) => {}
        Report::SkippedRow(skipped) => tracing::warn!(reason = %skipped, "transmission"),
        Report::QosLowered { granted, .. } => tracing::info!(qos = *granted as u8, "transmission at a lower QoS"),
        Report::Deviated(deviation) => tracing::info!(rule = deviation.rule(), "transmission"),
        Report::Unanswered => tracing::warn!("transmission: no acknowledgement from the broker"),
        Report::Lost { failure, .. } => tracing::warn!(reason = %failure, "transmission interrupted"),
        Report::LineFailed(line) => tracing::warn!(row = line.row, failure = %line.failure, "transmission"),
    }
}
