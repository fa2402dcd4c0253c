//! Where things are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The checkout and the folders that belong to it.
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
    /// Asks cargo, which alone knows every way in which the target folder can be set.
    pub fn locate() -> Result<Self> {
        // As cargo says it now, not as it was when this was compiled: two
        // checkouts may share a target folder.
        let package = std::env::var("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
            .args(["--manifest-path", &format!("{package}/Cargo.toml")])
            .output()
            .context("running cargo metadata")?;
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo metadata says: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory })
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The static site that `dist` builds.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The station with the site inside, as it goes to an event.
    pub fn station_with_site(&self) -> PathBuf {
        self.target.join("dist").join(format!("mqtt-crawl-station{}", std::env::consts::EXE_SUFFIX))
    }

    /// A program of the workspace, built by `--release`.
    pub fn release_program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// All files in a folder and the folders in it, in order.
///
/// # Errors
/// When there is no such folder.
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

/// The cargo that runs this program, so that its toolchain is used throughout.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
