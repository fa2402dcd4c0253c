//! What a first visit downloads, against its budget.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo::Repo;

/// Page and worker wasm, JavaScript, style and fonts, brotli, in bytes.
const BUDGET_BYTES: u64 = 300_000;

/// What a browser loads to show the page; pictures, texts and licences come later or never.
const COUNTED: [&str; 5] = ["html", "wasm", "js", "css", "woff2"];

/// Files that a first visit doesn't load, by a part of their name, and when they are loaded. An
/// end-to-end test holds the page to that.
const LATER: [(&str, &str); 5] = [
    // The style sheet binds them to characters which the page itself doesn't use.
    ("-plain-", "when needed"),
    ("-latin-1-", "when needed"),
    ("-latin-ext-", "when needed"),
    ("-cyrillic-", "when needed"),
    // A program of its own.
    ("panels", "when opened"),
];

/// Prints what each file of the site weighs.
///
/// # Errors
/// When those of a first visit weigh more than the budget in all.
pub fn check(repo: &Repo) -> Result<()> {
    let dist = repo.dist();
    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    files.sort();

    println!("{:>9} {:>9}  file", "bytes", "brotli");
    let (mut all_bytes, mut all_brotli_bytes) = (0, 0);
    for path in files {
        let bytes = fs::metadata(&path)?.len();
        let brotli_bytes = brotli_bytes(&path)?.min(bytes);
        let name = path.strip_prefix(&dist).unwrap_or(&path).display().to_string();
        if let Some((_, when)) = LATER.iter().find(|(part, _)| name.contains(part)) {
            println!("{bytes:>9} {brotli_bytes:>9}  {name} ({when}; not counted)");
            continue;
        }
        println!("{bytes:>9} {brotli_bytes:>9}  {name}");
        all_bytes += bytes;
        all_brotli_bytes += brotli_bytes;
    }
    println!("{all_bytes:>9} {all_brotli_bytes:>9}  in all; the budget is {BUDGET_BYTES}");
    if all_bytes == 0 {
        bail!("nothing in {}", dist.display());
    }
    if all_brotli_bytes > BUDGET_BYTES {
        bail!("{} bytes over the budget", all_brotli_bytes - BUDGET_BYTES);
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("reading {} (run `cargo xtask dist`)", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| COUNTED.iter().any(|counted| extension == *counted)) {
            files.push(path);
        }
    }
    Ok(())
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
