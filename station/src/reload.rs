//! Files that are reloaded while the station runs: on SIGHUP, and when they change.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

/// A value made from some files. A change that can't be used is logged and keeps the old value.
pub(crate) struct Reloadable<T>(Arc<Inner<T>>);

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> anyhow::Result<T> + Send + Sync>,
    value: RwLock<Current<T>>,
}

struct Current<T> {
    value: Arc<T>,
    stamps: Stamps,
}

/// When each file was last written, and its length; `None` for a missing file.
type Stamps = Vec<Option<(SystemTime, u64)>>;

impl<T> Reloadable<T> {
    /// Reads the files for the first time.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let stamps = stamps(&files);
        let current = Current { value: Arc::new(read()?), stamps };
        Ok(Self(Arc::new(Inner { files, read: Box::new(read), value: RwLock::new(current) })))
    }

    /// Returns the current value.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.read().unwrap_or_else(std::sync::PoisonError::into_inner).value)
    }

    /// Reads the files again if they have changed; if `always`, in any case.
    pub(crate) fn reload(&self, always: bool) {
        let stamps = stamps(&self.0.files);
        let mut current = self.0.value.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !always && current.stamps == stamps {
            return;
        }
        current.stamps = stamps;
        let files = self.0.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        match (self.0.read)() {
            Ok(value) => {
                current.value = Arc::new(value);
                tracing::info!(files, "reloaded");
            }
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::error!(files, reason, "can't reload; the previous version stays in use");
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Stamps {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
