//! "Send a message": a message is written, published, and what became of it is
//! told.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::fields::{Form, MessageInputs};
use super::{Panels, close, head};
use crate::allowed::publish_obstacle;
use crate::compose::{self, MessageFields};
use crate::engine::command::Command;
use crate::engine::update::Outcome;
use crate::outbox::{Entry, Outbox};

type MessageForm = Form<MessageFields, compose::Field>;

#[component]
pub(super) fn SendPanel(panels: Panels) -> impl IntoView {
    let form = MessageForm::new(MessageFields::default(), &[]);
    let state = Memo::new(move |_| panels.standing.with(|standing| standing.state));
    let obstacle = move || publish_obstacle(state.get());
    let publish = move || publish(panels, form);
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        // Not modal, so the browser doesn't see to it.
        "Escape" => close(panels.send),
        "Enter" if event.ctrl_key() || event.meta_key() => {
            event.prevent_default();
            publish();
        }
        _ => {}
    };
    let summary = move || match form.count_of_faults() {
        0 => None,
        1 => Some("Nothing was sent: one field needs your attention.".to_owned()),
        count => Some(format!("Nothing was sent: {count} fields need your attention.")),
    };
    view! {
        <dialog class="panel" node_ref=panels.send aria-labelledby="send-title" on:keydown=on_key>
            {head("send-title", "Send a message", panels.send)}
            <div class="panel-body">
                <div class="actions">
                    <button
                        type="button"
                        class="button"
                        aria-haspopup="dialog"
                        on:click=move |_| {
                            close(panels.send);
                            panels.transmit.open(panels);
                        }
                    >
                        "Play a script"
                    </button>
                    <span class="why">"Many messages, one after the other, out of a file"</span>
                </div>
                <form
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        publish();
                    }
                >
                    <MessageInputs form standing=panels.standing prefix="send" noun="Message" autofocus=true />
                    <div class="panel-foot">
                        <button
                            type="submit"
                            class="button primary"
                            aria-describedby="send-why"
                            aria-keyshortcuts="Control+Enter"
                            title="Ctrl+Enter"
                            disabled=move || obstacle().is_some()
                        >
                            "Send"
                        </button>
                        <p class="fault" role="alert">{summary}</p>
                    </div>
                    <p class="why" id="send-why">{obstacle}</p>
                </form>
                <Outcomes panels />
            </div>
        </dialog>
    }
}

fn publish(panels: Panels, form: MessageForm) {
    if publish_obstacle(panels.standing.with_untracked(|standing| standing.state)).is_some() {
        return;
    }
    let (mut fields, user_properties) = form.typed();
    fields.user_properties = user_properties;
    match fields.parse() {
        Ok(message) => {
            form.blame(Vec::new());
            let number =
                panels.outbox.try_update(|outbox| outbox.push(&fields.topic, &fields.payload.text)).unwrap_or_default();
            panels.tell(&Command::Publish(message.request(number)));
        }
        Err(faults) => form.blame(faults),
    }
}

#[component]
fn Outcomes(panels: Panels) -> impl IntoView {
    let tally = move || panels.outbox.with(Outbox::words);
    let waiting = move || {
        let state = panels.standing.with(|standing| standing.state);
        panels.outbox.with(|outbox| outbox.waiting_words(state))
    };
    let entries = move || panels.outbox.with(|outbox| outbox.entries().cloned().collect::<Vec<_>>());
    view! {
        <section class="outcomes" aria-label="Messages sent">
            <p role="status">{tally}</p>
            <p class="why">{waiting}</p>
            <ol>
                // Keyed by the outcome too: an entry with another one is drawn anew.
                <For
                    each=entries
                    key=|entry| (entry.number, entry.outcome.is_some())
                    children=|entry| view! { <OutcomeRow entry /> }
                />
            </ol>
        </section>
    }
}

#[component]
fn OutcomeRow(entry: Entry) -> impl IntoView {
    let (kind, words) = match entry.outcome {
        None => ("waiting", "waiting".to_owned()),
        Some(Outcome::Done) => ("done", "done".to_owned()),
        Some(Outcome::Failed(words)) => ("failed", format!("failed: {words}")),
        Some(Outcome::Unknown(words)) => ("unknown", format!("unknown: {words}")),
    };
    view! {
        <li class=kind data-number=entry.number.to_string()>
            <span class="outcome">{words}</span>
            <bdi class="to">{entry.topic}</bdi>
            <bdi class="what">{entry.preview}</bdi>
        </li>
    }
}
