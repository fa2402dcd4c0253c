//! `cargo xtask bench`: how fast it is, measured.

use std::process::Command;

use anyhow::Result;

use crate::repo::{Repo, cargo};
use crate::run::{heading, run};
use crate::setup::{self, Scope};
use crate::{demo, dist};

/// Builds what is released and measures it, all of it or only what is named.
///
/// # Errors
/// When something can't be built, or the page fails. A figure that falls short is no error.
pub fn measure(repo: &Repo, only: &[String]) -> Result<()> {
    let tools = setup::install(repo, Scope::Everything)?;
    dist::build(repo, &tools)?;
    demo::build_programs(repo)?;
    let peers = tools.peers();
    heading("bench");
    run(Command::new(cargo())
        .args(["run", "--locked", "--quiet", "--release", "-p", "mqtt-crawl-e2e", "--features", "mqtt-protocol-core"])
        .args(["--bin", "mqtt-crawl-bench", "--"])
        .args(only)
        .env("MQTT_CRAWL_STATION", repo.release_program("mqtt-crawl-station"))
        .env("MQTT_CRAWL_DIST", repo.dist())
        .env("MQTT_CRAWL_MQTT_JS", peers.mqtt_js)
        .env("MQTT_CRAWL_PAHO", peers.paho)
        .current_dir(repo.root()))
}
