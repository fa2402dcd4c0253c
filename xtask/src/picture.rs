//! `cargo xtask picture`: records the README's moving picture.

use anyhow::Result;

use crate::repo::{Repo, cargo};
use crate::run::{heading, run};
use crate::setup::{self, Scope};
use crate::{demo, dist};

/// Builds the release and records it in Chromium.
///
/// # Errors
/// Fails when something can't be built, or when Chromium or Debian's `webp` is missing.
pub fn record(repo: &Repo) -> Result<()> {
    let tools = setup::install(repo, Scope::Tests)?;
    dist::build(repo, &tools)?;
    demo::build_programs(repo)?;
    setup::install_picture_packages()?;
    heading("picture");
    run(tools
        .command(cargo())
        .args(["run", "--locked", "--quiet", "-p", "mqtt-crawl-e2e", "--bin", "mqtt-crawl-picture"])
        .env("MQTT_CRAWL_STATION", repo.release_program("mqtt-crawl-station"))
        .env("MQTT_CRAWL_PRODUCER", repo.release_program("mqtt-crawl-producer"))
        .env("MQTT_CRAWL_DIST", repo.dist())
        .current_dir(repo.root()))
}
