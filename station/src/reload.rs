//! Files that are read again while the station runs: on request, and when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::interval;

use crate::limits::RELOAD_INTERVAL;

/// A value made from some files. A change that can't be used is logged and keeps the old value.
pub(crate) struct Reloadable<T>(watch::Receiver<Arc<T>>);

impl<T: Send + Sync + 'static> Reloadable<T> {
    /// Reads the files for the first time; they are read again when they change, and at each of the requests.
    pub(crate) fn new<const N: usize>(
        files: [PathBuf; N],
        mut requests: watch::Receiver<()>,
        read: impl Fn(&[PathBuf; N]) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut seen = stamps(&files);
        let (sender, receiver) = watch::channel(Arc::new(read(&files)?));
        tokio::spawn(async move {
            let mut interval = interval(RELOAD_INTERVAL);
            loop {
                let is_requested = tokio::select! {
                    Ok(()) = requests.changed() => true,
                    _ = interval.tick() => false,
                    () = sender.closed() => return,
                };
                let stamps = stamps(&files);
                if !is_requested && stamps == seen {
                    continue;
                }
                seen = stamps;
                let names = files.each_ref().map(|file| file.display().to_string()).join(", ");
                match read(&files) {
                    Ok(value) => {
                        sender.send_replace(Arc::new(value));
                        tracing::info!(files = names, "reloaded");
                    }
                    Err(error) => {
                        let reason = format!("{error:#}");
                        tracing::error!(files = names, reason, "can't reload; the previous version stays in use");
                    }
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Returns the current value.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

/// Returns when each file was last written, and its length; `None` for a missing file.
fn stamps(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
