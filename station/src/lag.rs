//! How far a client is behind.
//!
//! The library holds what comes for a client whose socket is full, without a limit and without a way
//! to ask how much. But all of it was published after the library's own socket was last empty; so as
//! long as no more than so much has been published since then, to whomever, it holds no more than
//! that for all slow clients together, because they share what they are sent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::unconstrained;
use tokio::time::sleep;

/// How often to look at it while a client takes nothing.
const LAG_INTERVAL: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct SubscriberLag {
    published: Arc<AtomicU64>,
    /// What had been published when the client had all.
    at: u64,
    bytes_max: u64,
}

impl SubscriberLag {
    pub(crate) fn new(published: Arc<AtomicU64>, bytes_max: u64) -> Self {
        let at = published.load(Ordering::Relaxed);
        Self { published, at, bytes_max }
    }

    /// Reads from the library; whoever has to wait for it has all.
    pub(crate) async fn watch_read(&mut self, reading: impl Future<Output = io::Result<usize>>) -> io::Result<usize> {
        let mut reading = std::pin::pin!(reading);
        // Tokio lets a task that is busy for long wait, which is not to be taken for an empty socket.
        if let Some(read) = unconstrained(reading.as_mut()).now_or_never() {
            return read;
        }
        self.at = self.published.load(Ordering::Relaxed);
        reading.await
    }

    /// Writes, unless the client gets too far behind while it does.
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
