//! The list of subscriptions, with the message count of each.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::protocol::command::PanelsRequest;
use crate::protocol::subscription::SubscriptionsView;
use crate::protocol::update::PanelsUpdate;

/// The list that the panels have, and [`Topics::changes`](crate::topics::Topics::changes) at that time.
#[derive(Debug, Default)]
pub(super) struct SubscriptionsState(Option<(SubscriptionsView, u64)>);

impl PanelState for SubscriptionsState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        if !request.shown.subscriptions {
            return false;
        }
        let topics = &sources.messages.topics;
        let subscriptions = sources.subscriptions;
        let is_sent = self
            .0
            .as_ref()
            .is_some_and(|(view, changes)| *changes == topics.changes() && subscriptions.is_same_as(view));
        if is_sent {
            return false;
        }
        let view = subscriptions.view(&sources.messages.counts, topics);
        self.0 = Some((view.clone(), topics.changes()));
        update.subscriptions = Some(view);
        true
    }

    fn handle_sent(&mut self, request: &PanelsRequest) {
        if !request.subscriptions {
            self.0 = None;
        }
    }
}
