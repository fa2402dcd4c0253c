//! Paths of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The checkout and its folders.
pub struct Repo {
    root: PathBuf,
    target: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Repo {
    /// Asks cargo, because only cargo knows every way in which the target folder can be set.
    pub fn locate() -> Result<Self> {
        // Queried at run time instead of compile time, because two checkouts may share a target folder.
        let package = std::env::var("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
            .args(["--manifest-path", &format!("{package}/Cargo.toml")])
            .output()
            .context("running cargo metadata")?;
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory })
    }

    /// Returns the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns Cargo's target folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the static site that `dist` builds.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// Returns the station with the site inside, as it is deployed.
    pub fn station_with_site(&self) -> PathBuf {
        self.target.join("dist").join(format!("mqtt-crawl-station{}", std::env::consts::EXE_SUFFIX))
    }

    /// Returns a program of the workspace, built by `--release`.
    pub fn release_program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// Returns all files in a folder and its subfolders, in order.
///
/// # Errors
/// Fails when there is no such folder.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the cargo that runs this program, so that its toolchain is used throughout.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
