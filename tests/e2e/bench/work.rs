//! How long the page's thread really worked, as against waited for a processor: a frame may be late on a machine that
//! does much else, though the page had next to nothing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often the kernel's account is read.
const EVERY: Duration = Duration::from_millis(10);

/// Somebody who reads the accounts of some processes' first threads, which are those of pages.
pub struct Work {
    is_over: Arc<AtomicBool>,
    reader: JoinHandle<Vec<Reading>>,
}

/// What the accounts said, over time.
pub struct Worked(Vec<Reading>);

#[derive(Clone, Copy)]
struct Reading {
    /// Milliseconds since 1970.
    at_ms: f64,
    /// On a processor so far, in milliseconds.
    worked_ms: f64,
}

impl Work {
    /// Begins to read.
    pub fn watch(processes: Vec<u32>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let read = move || {
            let mut readings = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let worked_ms = processes.iter().copied().map(worked_ms).sum();
                readings.push(Reading { at_ms: now_ms(), worked_ms });
                std::thread::sleep(EVERY);
            }
            readings
        };
        Self { is_over, reader: std::thread::spawn(read) }
    }

    /// Ends reading.
    pub fn end(self) -> Worked {
        self.is_over.store(true, Ordering::Relaxed);
        // Who panicked has read nothing.
        Worked(self.reader.join().unwrap_or_default())
    }
}

impl Worked {
    /// How long they worked between two moments, in milliseconds; rather more than less.
    pub fn ms_between(&self, from_ms: f64, to_ms: f64) -> f64 {
        let Self(readings) = self;
        let begin = readings.partition_point(|reading| reading.at_ms <= from_ms).saturating_sub(1);
        let end = readings.partition_point(|reading| reading.at_ms < to_ms).min(readings.len().saturating_sub(1));
        match (readings.get(begin), readings.get(end)) {
            (Some(begin), Some(end)) => end.worked_ms - begin.worked_ms,
            _ => f64::INFINITY,
        }
    }
}

/// How long the first thread of a process was on a processor; of one that is gone, nothing.
fn worked_ms(process: u32) -> f64 {
    // Nanoseconds on a processor, nanoseconds waiting for one, turns.
    let account = std::fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).unwrap_or_default();
    let nanoseconds: f64 = account.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    nanoseconds / 1e6
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1_000.0)
}
