//! The tree of topics.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::protocol::command::PanelsRequest;
use crate::protocol::topics::TopicsRequest;
use crate::protocol::update::PanelsUpdate;
use crate::time::Instant;

/// The part of the tree that the panels have.
#[derive(Debug, Default)]
pub(super) struct TopicsState(Option<Sent>);

#[derive(Debug)]
struct Sent {
    request: TopicsRequest,
    /// When it was requested.
    at: Instant,
    /// [`Topics::changes`](crate::topics::Topics::changes) at that time.
    changes: u64,
    /// Rates were sent, which fall while no messages arrive.
    is_moving: bool,
}

impl PanelState for TopicsState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(wanted) = &request.shown.topics else { return false };
        let changes = sources.messages.topics.changes();
        let is_sent = self.0.as_ref().is_some_and(|sent| {
            sent.request == *wanted && sent.changes == changes && !(sent.is_moving && sent.at < request.at)
        });
        if is_sent {
            return false;
        }
        let view = sources.messages.topics.view(wanted, &sources.messages.log, request.at);
        self.0 = Some(Sent { request: wanted.clone(), at: request.at, changes, is_moving: view.is_moving });
        update.topics = Some(view);
        true
    }

    fn handle_sent(&mut self, request: &PanelsRequest) {
        if request.topics.is_none() {
            self.0 = None;
        }
    }
}
