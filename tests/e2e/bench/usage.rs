//! The system's figures for a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use mqtt_crawl_e2e::devtools::DevTools;
use nix::unistd::Pid;

/// A process whose memory and processor time are read.
#[derive(Clone, Copy)]
pub struct Usage {
    process_id: Pid,
}

impl Usage {
    /// Selects this process.
    pub fn of(process_id: Pid) -> Self {
        Self { process_id }
    }

    /// Returns its memory.
    ///
    /// # Errors
    /// Fails when it has ended.
    pub fn memory_mib(self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Returns the processor time of all its threads so far.
    ///
    /// # Errors
    /// Fails when it has ended.
    pub fn time(self) -> Result<Duration> {
        const TICKS_PER_SECOND: u64 = 100;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process_id))?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: u64 = fields.get(11..13).context("no times")?.iter().map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }
}

/// The browser's processes.
pub struct Processes {
    pages: Vec<Usage>,
    drawing: Vec<Usage>,
    others: Vec<Usage>,
}

impl Processes {
    /// Returns the current processes.
    ///
    /// # Errors
    /// Fails when the browser is gone.
    pub async fn of(devtools: &mut DevTools) -> Result<Self> {
        let mut found = Self { pages: Vec::new(), drawing: Vec::new(), others: Vec::new() };
        for (kind, id) in devtools.processes().await? {
            let group = match kind.as_str() {
                "renderer" => &mut found.pages,
                "GPU" => &mut found.drawing,
                _ => &mut found.others,
            };
            group.push(Usage::of(Pid::from_raw(id.try_into()?)));
        }
        Ok(found)
    }

    /// Returns the processor time of each kind. Processes that have ended are left out: those of tabs just closed.
    pub fn times(&self) -> [Duration; 3] {
        [&self.pages, &self.drawing, &self.others].map(|kind| kind.iter().filter_map(|usage| usage.time().ok()).sum())
    }

    /// Returns the memory of the largest process that runs pages: the others are empty tabs.
    pub fn largest_page_mib(&self) -> f64 {
        self.pages.iter().filter_map(|usage| usage.memory_mib().ok()).fold(0.0, f64::max)
    }
}
