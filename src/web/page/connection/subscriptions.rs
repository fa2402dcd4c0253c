//! The subscriptions of the connection.

use leptos::prelude::*;

use crate::format::visible_topic;
use crate::protocol::connection::{Connection, ConnectionState};
use crate::protocol::subscription::{Subscription, SubscriptionStatus};
use crate::web::page::button::Button;
use crate::web::page::list::Entries;
use crate::web::page::signals::part;

/// The subscriptions, and the broker's answers to them.
#[component]
pub(super) fn Subscriptions(connection: RwSignal<Connection>, on_edit: Callback<()>) -> AnyView {
    let subscriptions = Memo::new(move |_| connection.with(|connection| connection.subscriptions.clone()));
    let entries = move || subscriptions.with(|all| all.iter().map(subscription_entry).collect::<Vec<_>>());
    let is_away = part(connection, |connection| connection.state != ConnectionState::Connected);
    view! {
        <div class="subscriptions" hidden=is_away>
            <ul aria-label="Subscriptions">
                <Entries entries />
            </ul>
            <Button
                class="button quiet"
                label="Edit subscriptions"
                title="Edit subscriptions"
                opens_dialog=true
                on_click=on_edit
            >
                "Edit"
            </Button>
        </div>
    }
    .into_any()
}

fn subscription_entry(subscription: &Subscription) -> AnyView {
    let (kind, text) = granted_text(&subscription.granted);
    view! {
        <li class=kind data-subscription=subscription.colour.to_string()>
            <bdi>{visible_topic(&subscription.filter)}</bdi>
            <span>{text}</span>
        </li>
    }
    .into_any()
}

fn granted_text(granted: &SubscriptionStatus) -> (&'static str, String) {
    match granted {
        SubscriptionStatus::Asked => ("asked", "subscribing…".to_owned()),
        SubscriptionStatus::QoS(qos) => ("granted", format!("QoS {}", *qos as u8)),
        SubscriptionStatus::Refused(reason) => ("refused", format!("refused: {reason}")),
        SubscriptionStatus::Ending => ("asked", "unsubscribing…".to_owned()),
    }
}
