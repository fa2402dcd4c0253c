//! Commands from other threads to a running transmission.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::DriverEvent;

/// The maximum number of queued commands; a held key exceeds it, and the excess is dropped.
const COMMANDS_MAX: usize = 64;

/// Controls a transmission from another thread. Clones control the same one.
///
/// A stop is permanent: it also applies to a transmission that begins later.
#[derive(Clone, Debug, Default)]
pub struct RemoteHandle {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_stopped: bool,
    commands: VecDeque<RemoteCommand>,
    waker: Option<SyncSender<DriverEvent>>,
}

/// A command from the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteCommand {
    /// Pause or resume.
    TogglePause,
    /// Seek by this number of lines, back or forward, from the last line sent.
    Seek(i64),
}

impl RemoteHandle {
    /// Creates a handle without commands.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the transmission: no further line is sent, outstanding acknowledgements are awaited for a moment, and the
    /// broker gets a DISCONNECT.
    pub fn stop(&self) {
        let mut shared = self.shared();
        shared.is_stopped = true;
        shared.wake();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.shared().is_stopped
    }

    /// Pauses, or resumes after a pause.
    pub fn toggle_pause(&self) {
        self.push(RemoteCommand::TogglePause);
    }

    /// Seeks by this number of lines, back (negative) or forward, from the last line sent. The target line is sent at
    /// once, or when a pause ends.
    pub fn seek(&self, lines: i64) {
        self.push(RemoteCommand::Seek(lines));
    }

    fn push(&self, command: RemoteCommand) {
        let mut shared = self.shared();
        if shared.commands.len() < COMMANDS_MAX {
            shared.commands.push_back(command);
        }
        shared.wake();
    }

    /// Wakes the driver to check for commands and rows.
    pub(crate) fn wake(&self) {
        self.shared().wake();
    }

    pub(crate) fn take_command(&self) -> Option<RemoteCommand> {
        self.shared().commands.pop_front()
    }

    pub(crate) fn set_waker(&self, waker: Option<SyncSender<DriverEvent>>) {
        self.shared().waker = waker;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // The state is consistent after each of these calls.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            // If the queue is full, the driver is awake and checks anyway; if the driver is gone, there is nothing to
            // control.
            let _ = waker.try_send(DriverEvent::Woken);
        }
    }
}
