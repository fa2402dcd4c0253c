//! What all panels have in common: the trait by which the registry knows them.

use leptos::prelude::*;

use crate::protocol::command::PanelsRequest;
use crate::protocol::panels::PanelAction;
use crate::protocol::update::PanelsUpdate;

/// A panel: a dialog, or a part of the page that the panels' program draws. Panels share the
/// [context](super::context::PanelContext); the registry in [`super`] lists them.
pub(super) trait Panel {
    /// Draws the panel; called once, at the start.
    fn view(&self) -> AnyView {
        ().into_any()
    }

    /// Handles an action, if it is this panel's.
    fn handle_action(&self, _action: PanelAction) {}

    /// Adds what the panel shows, and needs from the worker.
    fn request(&self, _request: &mut PanelsRequest) {}

    /// Handles its part of the worker's update.
    fn handle_update(&self, _update: &mut PanelsUpdate) {}

    /// Handles the loss of the worker; another one may follow, and counts from 0.
    fn on_worker_lost(&self) {}

    /// The user connects to a broker.
    fn on_connecting(&self) {}

    /// Returns how often the panel is updated now.
    fn pace(&self) -> UpdatePace {
        UpdatePace::EveryFrame
    }
}

/// How often a panel is updated. The greatest pace of all panels applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UpdatePace {
    /// With each frame, once something is new.
    EveryFrame,
    /// Seldom, because nobody can read numbers that change more often.
    Readable,
    /// The same, and also if nothing is new: rates fall while no message arrives.
    Periodic,
    /// Without a pause, while a message is fetched in parts.
    Immediate,
}
