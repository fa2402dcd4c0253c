//! The numbers of the log.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::engine::stats;
use crate::protocol::command::PanelsRequest;
use crate::protocol::update::{PanelsUpdate, Stats};

/// The numbers that the panels have.
#[derive(Debug, Default)]
pub(super) struct StatsState(Option<Stats>);

impl PanelState for StatsState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        if !request.shown.stats {
            return false;
        }
        let log = &sources.messages.log;
        // Bytes are added up only if the result is sent.
        let now = (log.received(), log.evicted(), log.cleared());
        if self.0.is_some_and(|sent| (sent.received, sent.evicted, sent.cleared) == now) {
            return false;
        }
        let matching = sources.filter.matches().len();
        update.stats = Some(stats::of(log, matching, sources.feed, sources.status.reconnects()));
        self.0 = update.stats;
        true
    }

    fn handle_sent(&mut self, request: &PanelsRequest) {
        if !request.stats {
            self.0 = None;
        }
    }
}
