//! `cargo xtask dist`: the static site, and the station with the site inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::minify;
use crate::offline;
use crate::repo::Repo;
use crate::run::{format_duration, heading, run};
use crate::setup::Tools;

/// Builds app, panels, style and fonts into `dist/`.
///
/// Trunk must not access the network: `setup` has installed everything, and a build that downloads fails without a
/// network.
pub fn build(repo: &Repo, tools: &Tools) -> Result<()> {
    heading("dist: app and panels (about 4 minutes the first time, seconds afterwards)");
    let started = Instant::now();
    if !repo.root().join("index.html").exists() {
        bail!("index.html is missing in {}", repo.root().display());
    }
    run(tools
        .command("trunk")
        .args(["--skip-version-check", "build", "--offline", "true", "--locked", "true"])
        // Trunk reads NO_COLOR as a boolean and refuses the customary `1`.
        .env_remove("NO_COLOR")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", rust_flags()?)
        .current_dir(repo.root()))
    .context("building the site")?;
    minify::programs(repo)?;
    offline::write(repo)?;
    println!("dist: {} built in {}", repo.dist().display(), format_duration(started.elapsed()));
    Ok(())
}

/// Leptos compiles one type for each kind of element instead of one for each view: 9 kB less.
const SMALLER_VIEWS: &str = "--cfg=erase_components";

/// Compiler flags for a small program that is the same everywhere: panic messages contain source paths, which differ
/// between machines.
fn rust_flags() -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc.args(["--print", "sysroot"]).output().context("running rustc")?;
    let library = PathBuf::from(String::from_utf8(output.stdout)?.trim()).join("lib/rustlib/src/rust");
    let home = std::env::home_dir().unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let paths =
        [library, cargo_home.join("registry/src")].map(|path| format!("--remap-path-prefix={}=", path.display()));
    Ok(format!("{SMALLER_VIEWS} {}", paths.join(" ")))
}

/// Puts the newly built site into the newly built station; returns the program, which needs no other file.
pub fn embed(repo: &Repo) -> Result<PathBuf> {
    heading("dist: station with the site inside");
    let target = repo.station_with_site();
    let folder = target.parent().context("the target folder has a parent")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    run(Command::new(repo.release_program("mqtt-crawl-station"))
        .arg("--dist")
        .arg(repo.dist())
        .arg("--embed")
        .arg(&target))
    .context("embedding the site in the station")?;
    Ok(target)
}
