//! The connection's state: what it is, why, and what to try.

use leptos::prelude::*;

use crate::protocol::command::PageCommand;
use crate::protocol::connection::{Advice, Connection, Evidence};
use crate::web::page::button::Button;
use crate::web::page::handle::PageHandle;
use crate::web::page::list::Entries;
use crate::web::page::signals::part;

/// The state and its text.
#[component]
pub(super) fn StatusLine(connection: RwSignal<Connection>) -> AnyView {
    let state = part(connection, |connection| connection.state.name());
    let title = part(connection, |connection| format!("State: {}", connection.state.name()));
    let message = part(connection, |connection| match connection.message.as_str() {
        "" => "Not connected.".to_owned(),
        message => message.to_owned(),
    });
    view! {
        <div class="status-line">
            <span class="lamp" data-stat="state" data-value=state title=title></span>
            <p class="status" role="status">{message}</p>
        </div>
    }
    .into_any()
}

/// What else is known about the connection. A node that is created again loses its focus and, if it was open, closes; so
/// each part changes only with what it shows.
#[component]
pub(super) fn StatusDetails(page: PageHandle) -> AnyView {
    let signals = page.with(|page| page.signals);
    let connection = signals.connection;
    let question = part(connection, |connection| connection.question.clone().unwrap_or_default());
    let notice = part(connection, |connection| connection.notice.clone().unwrap_or_default());
    let countdown = Signal::derive(move || {
        let Some(due) = connection.with(|connection| connection.retry_at) else { return String::new() };
        match due.since(signals.now.get()).as_micros().div_ceil(1_000_000) {
            0 => "Retrying…".to_owned(),
            left_s => format!("Retrying in {left_s} s…"),
        }
    });
    view! {
        <div class="status-details">
            <Button
                hidden=part(connection, |connection| !connection.can_take_over)
                on_click=page.callback(|page| page.worker.send(&PageCommand::TakeOver))
            >
                "Take over"
            </Button>
            <div class="session-question" hidden=part(connection, |connection| connection.question.is_none())>
                <p>{question}</p>
                <Button on_click=page.callback(|page| page.worker.send(&PageCommand::DropMessage))>
                    "Drop message"
                </Button>
                <Button on_click=page.callback(|page| page.worker.send(&PageCommand::EndSession))>"End session"</Button>
            </div>
            <div class="retry" hidden=part(connection, |connection| connection.retry_at.is_none())>
                <p>{countdown}</p>
                <Button on_click=page.callback(|page| page.retry_with_form())>"Retry now"</Button>
            </div>
            <AdviceList connection />
            <EvidenceList connection />
            <p class="notice" hidden=part(connection, |connection| connection.notice.is_none())>
                {notice}
            </p>
        </div>
    }
    .into_any()
}

/// What to try after a failure.
#[component]
fn AdviceList(connection: RwSignal<Connection>) -> AnyView {
    let advice = Memo::new(move |_| connection.with(|connection| connection.advice.clone()));
    let entries = move || advice.get().into_iter().map(advice_entry).collect::<Vec<_>>();
    let is_empty = part(connection, |connection| connection.advice.is_empty());
    view! {
        <div class="advice" hidden=is_empty>
            <p>"Things to try, most likely first:"</p>
            <ol>
                <Entries entries />
            </ol>
        </div>
    }
    .into_any()
}

fn advice_entry(advice: Advice) -> AnyView {
    let link = advice.link.map(|link| {
        let address = link.clone();
        view! {
            " "
            <a href=address target="_blank" rel="noopener noreferrer">
                {link}
            </a>
        }
    });
    view! { <li>{advice.text}{link}</li> }.into_any()
}

/// What was observed about a failure.
#[component]
fn EvidenceList(connection: RwSignal<Connection>) -> AnyView {
    let evidence = Memo::new(move |_| connection.with(|connection| connection.evidence.clone()));
    // If the broker broke a rule, its bytes are what matters.
    let is_open = part(connection, Connection::shows_fault_of_broker);
    let entries = move || evidence.get().into_iter().map(evidence_entry).collect::<Vec<_>>();
    let is_empty = part(connection, |connection| connection.evidence.is_empty());
    view! {
        <details class="evidence" hidden=is_empty open=is_open>
            <summary>"Details"</summary>
            <dl>
                <Entries entries />
            </dl>
        </details>
    }
    .into_any()
}

fn evidence_entry(evidence: Evidence) -> AnyView {
    view! {
        <dt>{evidence.name}</dt>
        <dd>{evidence.value}</dd>
    }
    .into_any()
}
