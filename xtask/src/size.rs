//! The download size of a first visit, against its budget.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, files_below};

/// The app's wasm, JavaScript, style and fonts, brotli, in bytes.
const BUDGET_BYTES: u64 = 350_000;

/// The extensions of the files that a browser loads to show the page; pictures, texts and licences are loaded later or
/// never.
const COUNTED: [&str; 5] = ["html", "wasm", "js", "css", "woff2"];

/// Files that a first visit doesn't load, by a part of their name, and when they are loaded. An end-to-end test checks
/// this for the page.
const LATER: [(&str, &str); 6] = [
    // The style sheet uses them for characters that the page itself doesn't contain.
    ("-plain-", "when needed"),
    ("-latin-1-", "when needed"),
    ("-latin-ext-", "when needed"),
    ("-cyrillic-", "when needed"),
    // A separate program.
    ("panels", "when opened"),
    // Loaded for use without a network.
    ("service-worker", "after the page has loaded"),
];

/// The size of a file.
pub struct FileSize {
    /// Its path in the site.
    pub name: String,
    pub bytes: u64,
    pub brotli_bytes: u64,
    /// If a first visit doesn't load it: when it is loaded.
    later: Option<&'static str>,
}

/// Returns the files that a first visit loads.
///
/// # Errors
/// Fails when there is no site, or no brotli.
pub fn first_visit(repo: &Repo) -> Result<Vec<FileSize>> {
    Ok(file_sizes(repo)?.into_iter().filter(|file| file.later.is_none()).collect())
}

fn file_sizes(repo: &Repo) -> Result<Vec<FileSize>> {
    let dist = repo.dist();
    let files = files_below(&dist).context("run `cargo xtask dist` first")?;
    let measure = |path: PathBuf| {
        let bytes = fs::metadata(&path)?.len();
        let brotli_bytes = brotli_bytes(&path)?.min(bytes);
        let name = path.strip_prefix(&dist).unwrap_or(&path).display().to_string();
        let later = LATER.iter().find(|(part, _)| name.contains(part)).map(|(_, when)| *when);
        Ok(FileSize { name, bytes, brotli_bytes, later })
    };
    files.into_iter().filter(|path| counts(path)).map(measure).collect()
}

/// Prints the size of each file of the site.
///
/// # Errors
/// Fails when the files of a first visit exceed the budget in total.
pub fn check(repo: &Repo) -> Result<()> {
    println!("{:>9} {:>9}  file", "bytes", "brotli");
    let (mut all_bytes, mut all_brotli_bytes) = (0, 0);
    for FileSize { name, bytes, brotli_bytes, later } in file_sizes(repo)? {
        if let Some(when) = later {
            println!("{bytes:>9} {brotli_bytes:>9}  {name} ({when}; not counted)");
            continue;
        }
        println!("{bytes:>9} {brotli_bytes:>9}  {name}");
        all_bytes += bytes;
        all_brotli_bytes += brotli_bytes;
    }
    println!("{all_bytes:>9} {all_brotli_bytes:>9}  total; budget: {BUDGET_BYTES}");
    if all_bytes == 0 {
        bail!("{} contains no site", repo.dist().display());
    }
    if all_brotli_bytes > BUDGET_BYTES {
        bail!("{} bytes over the budget", all_brotli_bytes - BUDGET_BYTES);
    }
    Ok(())
}

/// Whether the browser loads such a file to show the page.
fn counts(path: &Path) -> bool {
    path.extension().is_some_and(|extension| COUNTED.iter().any(|counted| extension == *counted))
}

fn brotli_bytes(path: &Path) -> Result<u64> {
    let output = Command::new("brotli")
        .args(["--best", "--stdout"])
        .arg(path)
        .output()
        .context("running brotli (Debian's package brotli)")?;
    if !output.status.success() {
        bail!("brotli: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(u64::try_from(output.stdout.len())?)
}
