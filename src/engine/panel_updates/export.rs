//! The slices of an export.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::message_log::export;
use crate::message_log::export::{ExportRequest, Selection};
use crate::message_log::query::Query;
use crate::protocol::command::PanelsRequest;
use crate::protocol::update::PanelsUpdate;

/// The filter of the export. It stays the same until the end, although the person may enter another one.
#[derive(Debug, Default)]
pub(super) struct ExportState(Query);

impl PanelState for ExportState {
    fn handle_request(&mut self, request: &PanelsRequest, sources: &PanelSources<'_>) {
        match request.export {
            Some(ExportRequest { from_seq: 0, selection: Selection::Matching, .. }) => {
                self.0 = sources.filter.query().clone();
            }
            Some(ExportRequest { from_seq: 0, .. }) => self.0 = Query::default(),
            _ => {}
        }
    }

    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(slice) = request.shown.export else { return false };
        update.export = Some(export::part_of(&sources.messages.log, &self.0, slice));
        true
    }
}
