//! What the system says of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// The system's account of one process.
#[derive(Clone, Copy)]
pub struct Usage {
    process_id: Pid,
}

impl Usage {
    /// Of this one.
    pub fn of(process_id: Pid) -> Self {
        Self { process_id }
    }

    /// What it has of the machine's memory.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_mib(self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Processor time so far, of all its threads.
    ///
    /// # Errors
    /// When it has ended.
    pub fn time(self) -> Result<Duration> {
        const TICKS_PER_SECOND: u64 = 100;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process_id))?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: u64 = fields.get(11..13).context("no times")?.iter().map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }
}
