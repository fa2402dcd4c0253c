//! How far a client lags behind.
//!
//! If a client's socket is full, the library buffers without a limit and doesn't report the amount. But all of it was
//! published after the library's own socket was last empty. So if at most N bytes were published since then, by anybody,
//! the library holds at most N for all slow clients together, because they share the messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::unconstrained;
use tokio::time::sleep;

/// The interval at which this is checked while a client reads nothing.
const LAG_INTERVAL: Duration = Duration::from_millis(100);

/// See the module docs.
pub(crate) struct SubscriberLag {
    published: Arc<AtomicU64>,
    /// The published bytes at the time when the client had received everything.
    at: u64,
    bytes_max: u64,
}

impl SubscriberLag {
    pub(crate) fn new(published: Arc<AtomicU64>, bytes_max: u64) -> Self {
        let at = published.load(Ordering::Relaxed);
        Self { published, at, bytes_max }
    }

    /// Reads from the library; a read that has to wait means the client has everything.
    pub(crate) async fn watch_read(&mut self, reading: impl Future<Output = io::Result<usize>>) -> io::Result<usize> {
        let mut reading = std::pin::pin!(reading);
        // Tokio makes a task that is busy for long wait, which must not be taken for an empty socket.
        if let Some(read) = unconstrained(reading.as_mut()).now_or_never() {
            return read;
        }
        self.at = self.published.load(Ordering::Relaxed);
        reading.await
    }

    /// Writes, unless the client lags too far behind during the write.
    pub(crate) async fn bound(&self, writing: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let mut writing = std::pin::pin!(writing);
        loop {
            tokio::select! {
                biased;
                written = &mut writing => {
                    written?;
                    return self.check();
                }
                () = sleep(LAG_INTERVAL) => self.check()?,
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        let behind = self.published.load(Ordering::Relaxed) - self.at;
        if behind > self.bytes_max { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}
