//! Wishes from other threads to a transmission that runs.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::DriverEvent;

/// So many wishes wait at most; who leans on a key loses some of them.
const WISHES_MAX: usize = 64;

/// Steers a transmission from another thread. Clones steer the same one.
///
/// Once stopped it stays so, also for a transmission that begins later.
#[derive(Clone, Debug, Default)]
pub struct RemoteHandle {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_stopped: bool,
    wishes: VecDeque<RemoteCommand>,
    waker: Option<SyncSender<DriverEvent>>,
}

/// What somebody at the keys wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteCommand {
    /// Pause, or go on.
    TogglePause,
    /// Go so many lines back or on, from the one that was told last.
    Seek(i64),
}

impl RemoteHandle {
    /// Nothing is wished yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the transmission: no further line goes out, outstanding
    /// acknowledgements are waited for a moment, and the broker is told goodbye.
    pub fn stop(&self) {
        let mut shared = self.shared();
        shared.is_stopped = true;
        shared.wake();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.shared().is_stopped
    }

    /// Pauses, or goes on after a pause.
    pub fn toggle_pause(&self) {
        self.wish(RemoteCommand::TogglePause);
    }

    /// Goes so many lines back (negative) or on, from the line that was told
    /// last; the line there goes out at once, or when a pause ends.
    pub fn seek(&self, lines: i64) {
        self.wish(RemoteCommand::Seek(lines));
    }

    fn wish(&self, wish: RemoteCommand) {
        let mut shared = self.shared();
        if shared.wishes.len() < WISHES_MAX {
            shared.wishes.push_back(wish);
        }
        shared.wake();
    }

    /// There is something new to look at.
    pub(crate) fn wake(&self) {
        self.shared().wake();
    }

    pub(crate) fn take_wish(&self) -> Option<RemoteCommand> {
        self.shared().wishes.pop_front()
    }

    pub(crate) fn wakes(&self, waker: Option<SyncSender<DriverEvent>>) {
        self.shared().waker = waker;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Whole after each of these calls.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            // Where the queue is full the driver is awake and looks by itself;
            // where it is gone there is nothing to steer.
            let _ = waker.try_send(DriverEvent::Woken);
        }
    }
}
