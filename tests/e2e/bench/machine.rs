//! The machine of a measurement.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Returns the machine, the versions, the date and the machine's load, as a list in Markdown. Figures are valid only if
/// nothing else ran.
///
/// # Errors
/// Fails if the system isn't Linux.
pub fn describe() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let count = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory_kib: f64 = memory.split_whitespace().nth(1).context("no MemTotal")?.parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "- {}, {count} cores, {:.0} GiB, Linux {}\n- {}; {}\n- begun {}, load before {}",
        model.map_or("an unnamed processor", |(_, model)| model),
        memory_kib / f64::from(1 << 20),
        kernel.trim(),
        first_line("chromium", &["--version"]),
        first_line("mosquitto", &["-h"]),
        first_line("date", &["-u", "+%F %H:%M UTC"]),
        load()?,
    ))
}

/// Returns the machine's load over the last one and five minutes.
///
/// # Errors
/// Fails if the system isn't Linux.
pub fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(2).collect::<Vec<_>>().join(" and "))
}

/// Returns the version of the npm package that a script belongs to.
///
/// # Errors
/// Fails if it belongs to none.
pub fn npm_version(script: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let file = script.ancestors().map(|folder| folder.join("package.json")).find(|file| file.is_file());
    let file = file.with_context(|| format!("no package around {}", script.display()))?;
    let package: Package = serde_json::from_slice(&fs::read(&file)?)?;
    Ok(package.version)
}

/// Returns the first line that a program prints.
fn first_line(program: &str, arguments: &[&str]) -> String {
    // Mosquitto prints its version and ends with an error.
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    let line = String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned();
    if line.is_empty() { format!("no {program} on PATH") } else { line }
}
