//! The transmissions: a script, and a message that is repeated.

use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::protocol::transmission::LineRange;
use crate::protocol::update::PanelsUpdate;

/// [`Transmissions::changes`](crate::engine::transmissions::Transmissions::changes) that the panels have, and the lines
/// of the script on screen.
#[derive(Debug, Default)]
pub(super) struct TransmissionsState(u64, LineRange);

impl PanelState for TransmissionsState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let shown = Self(sources.transmissions.changes(), request.shown.script);
        if (self.0, self.1) == (shown.0, shown.1) {
            return false;
        }
        update.transmissions = Some(sources.transmissions.views(shown.1));
        *self = shown;
        true
    }
}
