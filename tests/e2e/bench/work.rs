//! The processor time of the page's thread, without its waits for a processor: on a busy machine a frame may be late
//! although the page had little to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The interval at which the kernel's account is read.
const READ_INTERVAL: Duration = Duration::from_millis(10);

/// A thread that reads the processor time of some processes' first threads, which run pages.
pub struct Work {
    is_over: Arc<AtomicBool>,
    reader: JoinHandle<Vec<Reading>>,
}

/// The processor time, over time.
pub struct WorkLog(Vec<Reading>);

#[derive(Clone, Copy)]
struct Reading {
    /// Milliseconds since 1970.
    at_ms: f64,
    /// The processor time so far, in milliseconds.
    worked_ms: f64,
}

impl Work {
    /// Starts to read.
    pub fn start(processes: Vec<u32>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let read = move || {
            let mut readings = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let worked_ms = processes.iter().copied().map(worked_ms).sum();
                readings.push(Reading { at_ms: now_ms(), worked_ms });
                std::thread::sleep(READ_INTERVAL);
            }
            readings
        };
        Self { is_over, reader: std::thread::spawn(read) }
    }

    /// Ends reading.
    pub fn end(self) -> WorkLog {
        self.is_over.store(true, Ordering::Relaxed);
        // A thread that panicked has no readings.
        WorkLog(self.reader.join().unwrap_or_default())
    }
}

impl WorkLog {
    /// Returns the processor time between two moments, in milliseconds, rounded up to whole readings.
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

/// Returns the processor time of a process's first thread, in milliseconds; 0 if the process has ended.
fn worked_ms(process: u32) -> f64 {
    // Nanoseconds on a processor, nanoseconds waiting for one, turns.
    let account = std::fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).unwrap_or_default();
    let nanoseconds: f64 = account.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    nanoseconds / 1e6
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1_000.0)
}
