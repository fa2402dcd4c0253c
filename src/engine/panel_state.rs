//! What a panel's data has to do: the trait, and what it works with.

use crate::crawl::feed::CrawlFeed;
use crate::engine::connection_status::ConnectionStatus;
use crate::engine::filter_state::FilterState;
use crate::engine::messages::Messages;
use crate::engine::subscriptions::Subscriptions;
use crate::engine::transmissions::Transmissions;
use crate::packet_trace::Trace;
use crate::protocol::command::PanelsRequest;
use crate::protocol::connection::ConnectRequest;
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
    pub(super) shown: PanelsRequest,
    /// When it arrived, in wall-clock time.
    pub(super) at: Instant,
}
