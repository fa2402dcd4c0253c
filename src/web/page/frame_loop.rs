//! The state of the frame loop: which update waits for a frame, and which pull for its answer.

use gloo_timers::callback::Timeout;

use crate::protocol::rows::Pull;
use crate::protocol::update::Update;
use crate::time::Instant;
use crate::ui::console::refresh_rate::{RefreshThrottle, RowChurn};

/// The frame loop's state.
#[derive(Default)]
pub(super) struct FrameLoop {
    /// The update that the next frame applies.
    update: Option<Box<Update>>,
    frame_is_due: bool,
    /// The pull that hasn't been answered yet.
    pending_pull: Option<Pull>,
    throttle: RefreshThrottle,
    /// The timer that ends the wait before the next pull.
    pub(super) wait: Option<Timeout>,
    /// The timer of the next tick.
    pub(super) tick: Option<Timeout>,
}

impl FrameLoop {
    /// Keeps an update for the next frame, together with one that already waits for it.
    pub(super) fn handle_update(&mut self, update: Box<Update>) {
        self.update = Some(match self.update.take() {
            Some(earlier) => Box::new(earlier.followed_by(*update)),
            None => update,
        });
        self.pending_pull = None;
    }

    /// Forgets what a lost worker sent, or was asked for.
    pub(super) fn reset(&mut self) {
        self.update = None;
        self.pending_pull = None;
    }

    /// Whether a frame has to be requested; from then on it is due.
    pub(super) fn request_frame(&mut self) -> bool {
        !std::mem::replace(&mut self.frame_is_due, true)
    }

    /// Begins a frame. Returns the update to apply.
    pub(super) fn begin_frame(&mut self) -> Option<Box<Update>> {
        self.frame_is_due = false;
        self.update.take()
    }

    /// Records what a frame drew. Returns how long to wait before the next pull, in milliseconds.
    pub(super) fn record_draw(&mut self, churn: RowChurn, received: u64, began: Instant) -> u32 {
        self.throttle.record_draw(churn, received, began)
    }

    /// Called after the wait. Returns how much longer to wait, in milliseconds.
    pub(super) fn extra_wait_ms(&mut self, now: Instant) -> Option<u32> {
        self.throttle.extra_wait_ms(now)
    }

    /// Whether this pull has to be sent now; from then on its answer is pending. A frame that is
    /// due pulls anyway; in a hidden page it never runs.
    pub(super) fn begin_pull(&mut self, pull: Pull) -> bool {
        let is_new = self.pending_pull != Some(pull) && !self.frame_is_due;
        if is_new {
            self.pending_pull = Some(pull);
        }
        is_new
    }
}
