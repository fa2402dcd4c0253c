//! The packet trace.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::protocol::update::PanelsUpdate;

/// The request names the first packet that the panels don't have, so nothing has to be known here.
#[derive(Debug, Default)]
pub(super) struct TraceState;

impl PanelState for TraceState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(from) = request.shown.trace_from.filter(|&from| sources.trace.contains(from)) else { return false };
        update.trace = Some(sources.trace.part(from));
        true
    }
}
