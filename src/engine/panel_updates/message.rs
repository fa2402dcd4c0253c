//! The message in the inspector.

use crate::credentials;
use crate::engine::panel_state::{PanelSources, PanelState, PendingRequest};
use crate::engine::row_builder;
use crate::message_log::mosquitto_command::BrokerAccess;
use crate::mqtt::packet::QoS;
use crate::protocol::update::PanelsUpdate;

/// Requests of a message are answered at once.
#[derive(Debug, Default)]
pub(super) struct MessageState;

impl PanelState for MessageState {
    fn poll(&mut self, request: &PendingRequest, sources: &PanelSources<'_>, update: &mut PanelsUpdate) -> bool {
        let Some(message) = request.shown.message else { return false };
        update.message = Some(row_builder::part_of(&sources.messages.log, message, broker_access(sources)));
        true
    }
}

/// How other clients can connect to the broker, as far as this page knows it.
fn broker_access(sources: &PanelSources<'_>) -> BrokerAccess {
    let request = sources.request;
    BrokerAccess {
        broker: sources.status.shown_broker(),
        version: sources.status.shown().version.or(request.and_then(|request| request.version)),
        user_name: request.and_then(|request| request.user_name.as_deref()).map(credentials::redact_user_name),
        filters: sources.subscriptions.list().iter().map(|subscription| subscription.filter.clone()).collect(),
        qos: request.map_or(QoS::AtMostOnce, |request| request.qos),
    }
}
