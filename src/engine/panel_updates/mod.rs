//! The panels' updates: what each panel shows, and whether it has changed.
//!
//! Each panel that needs data of the worker has a [`PanelState`] in its own file, registered in [`states`]. An
//! update is sent once any of them has something new.
//!
//! # Invariants
//!
//! - An update is made only if the panels requested one.
//! - Nothing is copied or formatted before it is known to be new: this runs after every frame of the socket.
//! - Each outcome of a publish is sent once.

mod export;
mod message;
mod samples;
mod stats;
mod subscriptions;
mod suggestions;
mod topics;
mod trace;
mod transmissions;

use crate::engine::connection_status::ConnectionStatus;
use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::protocol::command::PanelsRequest;
use crate::protocol::connection::{BrokerStatus, Connection};
use crate::protocol::publish::Published;
use crate::protocol::update::PanelsUpdate;
use crate::time::Instant;

/// Every panel's state: the only place where one is registered.
fn states() -> Vec<Box<dyn PanelState>> {
    vec![
        Box::<topics::TopicsState>::default(),
        Box::<message::MessageState>::default(),
        Box::<trace::TraceState>::default(),
        Box::<stats::StatsState>::default(),
        Box::<subscriptions::SubscriptionsState>::default(),
        Box::<export::ExportState>::default(),
        Box::<suggestions::SuggestionsState>::default(),
        Box::<samples::SamplesState>::default(),
        Box::<transmissions::TransmissionsState>::default(),
    ]
}

/// The panels' request, and what they received.
pub(super) struct PanelUpdates {
    pending: Option<PendingRequest>,
    states: Vec<Box<dyn PanelState>>,
    /// The broker's status that the panels have.
    sent_status: Option<BrokerStatus>,
    /// Outcomes that the panels don't have yet: no more than they requested.
    published: Vec<Published>,
    /// The update in preparation; empty until something is new.
    update: PanelsUpdate,
}

impl PanelUpdates {
    pub(super) fn new() -> Self {
        Self {
            pending: None,
            states: states(),
            sent_status: None,
            published: Vec::new(),
            update: PanelsUpdate::default(),
        }
    }

    /// The panels have drawn their last update and request the next one.
    pub(super) fn handle_request(&mut self, shown: PanelsRequest, sources: &PanelSources<'_>, wall_now: Instant) {
        for state in &mut self.states {
            state.handle_request(&shown, sources);
        }
        self.pending = Some(PendingRequest { shown, at: wall_now });
    }

    /// Adds the outcome of a publish.
    pub(super) fn add_published(&mut self, published: Published) {
        self.published.push(published);
    }

    /// Returns the answer to the panels' request, once something of theirs has changed. The first request is always
    /// answered.
    pub(super) fn poll(&mut self, sources: &PanelSources<'_>) -> Option<PanelsUpdate> {
        let pending = self.pending.as_ref()?;
        let mut has_news = !self.published.is_empty() || !self.has_status(sources.status);
        for state in &mut self.states {
            has_news |= state.poll(pending, sources, &mut self.update);
        }
        if !has_news {
            return None;
        }
        let status = status_of(sources.status);
        self.sent_status = Some(status.clone());
        let pending = self.pending.take()?;
        for state in &mut self.states {
            state.handle_sent(&pending.shown);
        }
        let published = std::mem::take(&mut self.published);
        Some(PanelsUpdate { status, published, ..std::mem::take(&mut self.update) })
    }

    /// Whether the panels have this status. Copies nothing.
    fn has_status(&self, status: &ConnectionStatus) -> bool {
        let &Connection { state, version, .. } = status.shown();
        let server = status.server().filter(|_| status.is_connected());
        self.sent_status.as_ref().is_some_and(|sent| {
            sent.state == state
                && sent.version == version
                && sent.server.as_ref() == server
                && sent.options == **status.options()
        })
    }
}

fn status_of(status: &ConnectionStatus) -> BrokerStatus {
    let &Connection { state, version, .. } = status.shown();
    let server = status.server().filter(|_| status.is_connected()).cloned();
    BrokerStatus { state, version, server, options: (**status.options()).clone() }
}
