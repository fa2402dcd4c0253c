//! Running other programs.

use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Runs a program with its output passed through, and fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", as_typed(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", as_typed(command));
    }
    Ok(())
}

/// Returns a program's standard output, or nothing if it can't be run or fails.
pub fn capture(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the command as one would type it.
pub fn as_typed(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Prints a heading that is visible between the output of other programs.
pub fn heading(text: impl Display) {
    println!("\n── {text} ──");
}

/// Formats as `4.2 s`, `3 min 20 s`. The core has a function like it, but these commands must work when the core
/// doesn't compile.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let check = |milliseconds, expected| {
            assert_eq!(format_duration(Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0.0 s");
        check(4_210, "4.2 s");
        check(60_000, "1 min 00 s");
        check(200_900, "3 min 20 s");
    }
}
