//! The page's updates: one per pull, and only if something has changed.

use crate::protocol::rows::Pull;

/// The page's request, and whether there is anything new for it.
#[derive(Debug)]
pub(super) struct PageUpdates {
    /// The pending request.
    pull: Option<Pull>,
    /// The last request that was answered.
    last_pull: Pull,
    /// Something changed since the last update.
    is_dirty: bool,
}

impl Default for PageUpdates {
    fn default() -> Self {
        Self { pull: None, last_pull: Pull::default(), is_dirty: true }
    }
}

impl PageUpdates {
    /// Something that the page shows has changed.
    #[inline(always)]
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Handles a request of the page. `has_lines`: lines wait for the crawl.
    pub(super) fn handle_pull(&mut self, pull: Pull, has_lines: bool) {
        let shows_other_rows = pull != Pull { crawl: pull.crawl, ..self.last_pull };
        self.is_dirty |= shows_other_rows || (pull.crawl.lines > 0 && has_lines);
        self.pull = Some(pull);
    }

    /// Returns the request to answer now, if there is one and something has changed.
    pub(super) fn take_pull(&mut self) -> Option<Pull> {
        if !self.is_dirty {
            return None;
        }
        let pull = self.pull.take()?;
        self.is_dirty = false;
        self.last_pull = pull;
        Some(pull)
    }
}
