//! The connection's state as text, and the numbers.

use leptos::prelude::*;

use crate::format::visible_topic;
use crate::format::{grouped, size};
use crate::protocol::connection::{Connection, ConnectionState};
use crate::protocol::subscription::SubscriptionStatus;
use crate::protocol::update::Stats;
use crate::time::Instant;
use crate::web::dom::{DomScope, add, follow};

/// Shows the connection: its state, the reason, what to try.
pub(super) fn follow_connection(part: &DomScope, connection: RwSignal<Connection>, now: RwSignal<Instant>) {
    let to_count = part.clone();
    let part = part.clone();
    // A node that is created again loses its focus and, if it was open, closes; so only what
    // changed is rebuilt.
    let mut shown = None;
    follow(move || {
        let new = connection.get();
        show(&part, &new, shown.as_ref());
        shown = Some(new);
    });
    // Separate from the rest, because its text changes every second.
    follow(move || {
        let due = connection.with(|connection| connection.retry_at);
        to_count.toggle_attribute(".retry", "hidden", due.is_none());
        let Some(due) = due else { return };
        let text = match due.since(now.get()).as_micros().div_ceil(1_000_000) {
            0 => "Retrying…".to_owned(),
            left_s => format!("Retrying in {left_s} s…"),
        };
        to_count.set_text(".retry p", &text);
    });
}

fn show(part: &DomScope, new: &Connection, shown: Option<&Connection>) {
    let is_away = matches!(new.state, ConnectionState::Idle | ConnectionState::Stopped);
    part.toggle_attribute(".primary", "disabled", !is_away);
    part.toggle_attribute("[data-action=disconnect]", "disabled", is_away);
    part.set_attribute(".lamp", "data-value", new.state.name());
    part.set_attribute(".lamp", "title", &format!("State: {}", new.state.name()));
    let text = if new.message.is_empty() { "Not connected." } else { &new.message };
    part.set_text(".status", text);
    part.toggle_attribute("[data-action=take-over]", "hidden", !new.can_take_over);
    part.toggle_attribute(".session-question", "hidden", new.question.is_none());
    part.set_text(".session-question p", new.question.as_deref().unwrap_or_default());

    if shown.is_none_or(|shown| shown.advice != new.advice) {
        part.toggle_attribute(".advice", "hidden", new.advice.is_empty());
        if let Some(list) = part.clear(".advice ol") {
            for advice in &new.advice {
                let Some(entry) = add(&list, "li", &advice.text) else { continue };
                let Some(link) = &advice.link else { continue };
                let _ = entry.append_with_str_1(" ");
                if let Some(anchor) = add(&entry, "a", link) {
                    for (name, value) in [("href", link.as_str()), ("target", "_blank"), ("rel", "noopener noreferrer")]
                    {
                        let _ = anchor.set_attribute(name, value);
                    }
                }
            }
        }
    }
    if shown.is_none_or(|shown| shown.evidence != new.evidence) {
        part.toggle_attribute(".evidence", "hidden", new.evidence.is_empty());
        // If the broker broke a rule, its bytes are what matters.
        part.toggle_attribute(".evidence", "open", new.shows_fault_of_broker());
        if let Some(list) = part.clear(".evidence dl") {
            for evidence in &new.evidence {
                add(&list, "dt", &evidence.name);
                add(&list, "dd", &evidence.value);
            }
        }
    }
    part.toggle_attribute(".notice", "hidden", new.notice.is_none());
    part.set_text(".notice", new.notice.as_deref().unwrap_or_default());

    part.toggle_attribute(".subscriptions", "hidden", new.state != ConnectionState::Connected);
    if shown.is_none_or(|shown| shown.subscriptions != new.subscriptions)
        && let Some(list) = part.clear(".subscriptions ul")
    {
        for subscription in &new.subscriptions {
            let Some(entry) = add(&list, "li", "") else { continue };
            let (kind, text) = granted_text(&subscription.granted);
            entry.set_class_name(kind);
            let _ = entry.set_attribute("data-subscription", &subscription.colour.to_string());
            add(&entry, "bdi", &visible_topic(&subscription.filter));
            add(&entry, "span", &text);
        }
    }
}

fn granted_text(granted: &SubscriptionStatus) -> (&'static str, String) {
    match granted {
        SubscriptionStatus::Asked => ("asked", "subscribing…".to_owned()),
        SubscriptionStatus::QoS(qos) => ("granted", format!("QoS {}", *qos as u8)),
        SubscriptionStatus::Refused(reason) => ("refused", format!("refused: {reason}")),
        SubscriptionStatus::Ending => ("asked", "unsubscribing…".to_owned()),
    }
}

/// Shows the numbers of the contract. On the screen too, received = kept + evicted + cleared always
/// holds.
pub(super) fn follow_numbers(part: DomScope, stats: RwSignal<Stats>, behind: RwSignal<u64>) {
    let mut shown: Option<([u64; 7], u64)> = None;
    follow(move || {
        let stats = stats.get();
        let Stats { received, kept, evicted, cleared, matching, reconnects, kept_bytes, .. } = stats;
        let numbers = [received, kept, evicted, cleared, matching, behind.get(), reconnects];
        for (place, name) in NUMBERS.iter().enumerate() {
            if shown.is_none_or(|(shown, _)| shown[place] != numbers[place]) {
                let node = format!("[data-stat={name}]");
                part.set_attribute(&node, "data-value", &numbers[place].to_string());
                part.set_text(&node, &grouped(numbers[place]));
            }
        }
        if shown.is_none_or(|(_, bytes)| bytes != kept_bytes) {
            part.set_text(".log-bytes", &size(kept_bytes));
        }
        shown = Some((numbers, kept_bytes));
    });
}

/// The names of the numbers, in their order.
const NUMBERS: [&str; 7] = ["received", "kept", "evicted", "cleared", "matching", "behind", "reconnects"];
