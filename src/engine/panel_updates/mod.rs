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

use crate::crawl::feed::CrawlFeed;
use crate::engine::connection_status::ConnectionStatus;
use crate::engine::filter_state::FilterState;
use crate::engine::messages::Messages;
use crate::engine::subscriptions::Subscriptions;
use crate::engine::transmissions::Transmissions;
use crate::packet_trace::Trace;
use crate::protocol::command::PanelsRequest;
use crate::protocol::connection::{BrokerStatus, ConnectRequest, Connection};
use crate::protocol::publish::Published;
use crate::protocol::update::PanelsUpdate;
use crate::time::Instant;

/// The data that a panel shows, and what the panels have of it.
pub(super) trait PanelState {
    /// Handles a new request of the panels, before it is answered.
    fn handle_request(&mut self, _request: &PanelsRequest, _sources: &PanelSources<'_>) {}

    /// Adds to the update what the panel shows and doesn't have yet, and takes note of it as sent. Returns whether it
    /// added anything.
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool;

    /// An update was sent in answer to this request. A panel that isn't shown has dropped its data.
    fn handle_sent(&mut self, _request: &PanelsRequest) {}
}

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

/// The parts of the engine that panels show.
pub(super) struct PanelSources<'a> {
    pub(super) messages: &'a Messages,
    pub(super) trace: &'a Trace,
    pub(super) filter: &'a FilterState,
    pub(super) feed: &'a CrawlFeed,
    pub(super) status: &'a ConnectionStatus,
    /// The last connect request.
    pub(super) request: Option<&'a ConnectRequest>,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) transmissions: &'a Transmissions,
}

/// A request of the panels that wasn't answered yet.
#[derive(Debug)]
pub(super) struct PendingRequest {
    shown: PanelsRequest,
    /// When it arrived, in wall-clock time.
    at: Instant,
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
