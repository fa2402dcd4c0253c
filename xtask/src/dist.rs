//! `cargo xtask dist`: the static site, and the station with the site inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::offline;
use crate::repo::Repo;
use crate::run::{heading, in_words, run};
use crate::setup::Tools;

/// Builds page, worker, style and fonts into `dist/`.
///
/// Trunk may not reach for the network: `setup` has put everything in place, and a build that
/// downloads is one that fails on somebody's train.
pub fn build(repo: &Repo, tools: &Tools) -> Result<()> {
    heading("dist: page and worker (about 4 minutes the first time, seconds after)");
    let started = Instant::now();
    if !repo.root().join("index.html").exists() {
        bail!("index.html is missing in {}", repo.root().display());
    }
    run(tools
        .command("trunk")
        .args(["--skip-version-check", "build", "--offline", "true", "--locked", "true"])
        // Trunk reads NO_COLOR as a boolean and refuses the customary `1`.
        .env_remove("NO_COLOR")
        .current_dir(repo.root()))
    .context("building the site")?;
    offline::write(repo)?;
    println!("dist: {} built in {}", repo.dist().display(), in_words(started.elapsed()));
    Ok(())
}

/// Puts the site that was just built into the station that was just built; returns the program,
/// which needs no other file.
pub fn embed(repo: &Repo) -> Result<PathBuf> {
    heading("dist: the station with the site inside");
    let target = repo.station_with_site();
    let folder = target.parent().context("the target folder has a parent")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    run(Command::new(repo.release_program("mqtt-crawl-station"))
        .arg("--dist")
        .arg(repo.dist())
        .arg("--embed")
        .arg(&target))
    .context("putting the site into the station")?;
    Ok(target)
}
