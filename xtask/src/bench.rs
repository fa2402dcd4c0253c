//! `cargo xtask bench`: measures speed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::repo::{Repo, cargo};
use crate::run::{heading, run};
use crate::setup::{self, Scope, Tools, WASM_TARGET};
use crate::{demo, dist};

/// Builds the release and runs all benchmarks, or only the named ones; `soak` takes this number of minutes.
///
/// # Errors
/// Fails when something can't be built, or the page fails. A missed target is no error, except in `soak`.
pub fn measure(repo: &Repo, only: &[String], minutes: u32) -> Result<()> {
    let tools = setup::install(repo, Scope::Everything)?;
    dist::build(repo, &tools)?;
    demo::build_programs(repo)?;
    let peers = tools.peers();
    let hot_path = build_hot_path(repo, &tools)?;
    heading("bench");
    run(Command::new(cargo())
        .args(["run", "--locked", "--quiet", "--release", "-p", "mqtt-crawl-e2e", "--features", "mqtt-protocol-core"])
        .args(["--bin", "mqtt-crawl-bench", "--"])
        .args(only)
        .args(["--minutes", &minutes.to_string()])
        .env("MQTT_CRAWL_STATION", repo.release_program("mqtt-crawl-station"))
        .env("MQTT_CRAWL_DIST", repo.dist())
        .env("MQTT_CRAWL_MQTT_JS", peers.mqtt_js)
        .env("MQTT_CRAWL_PAHO", peers.paho)
        .env("MQTT_CRAWL_HOT_PATH", hot_path)
        .current_dir(repo.root()))
}

/// Builds the program that measures the core in a browser, once optimised for speed and once like the site; returns the
/// folder with a subfolder for each.
fn build_hot_path(repo: &Repo, tools: &Tools) -> Result<PathBuf> {
    heading("bench: hot path in wasm");
    let folder = repo.target().join("hot-path");
    for profile in ["release", "web"] {
        run(tools
            .command(cargo())
            .args(["build", "--locked", "--quiet", "-p", "mqtt-crawl-hot-path", "--features", "wasm"])
            .args(["--target", WASM_TARGET, "--profile", profile])
            // Like the site's profile: the comparison is between optimisation levels.
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
            .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
            .current_dir(repo.root()))?;
        run(tools
            .command("wasm-bindgen")
            .args(["--target", "web", "--no-typescript", "--out-dir"])
            .arg(folder.join(profile))
            .arg(repo.target().join(WASM_TARGET).join(profile).join("hot-path.wasm")))?;
    }
    Ok(folder)
}
