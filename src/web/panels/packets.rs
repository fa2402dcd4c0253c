//! The packet trace: every control packet in and out, as long as the panel is
//! open, and those that went before.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, KeyboardEvent, Url};

use super::inspector::{local_clock, local_time};
use super::virtual_rows::{Start, VirtualList, VirtualRows};
use super::{Panels, close, head};
use crate::console::{grouped, size};
use crate::trace::TracePart;
use crate::trace::story::{Direction, Entry, Filter, Kind, Story};

/// The name of the file that the trace is saved as.
const FILE: &str = "mqtt-packets.tsv";

/// The trace's handle.
#[derive(Clone, Copy)]
pub(super) struct Packets {
    pub(super) dialog: NodeRef<html::Dialog>,
    pub(super) story: RwSignal<Story>,
}

impl Packets {
    pub(super) fn new() -> Self {
        Self { dialog: NodeRef::new(), story: RwSignal::default() }
    }

    /// The packet to go on from.
    pub(super) fn glance(self) -> u64 {
        self.story.with_untracked(Story::next)
    }

    /// Somebody looks at it.
    pub(super) fn is_open(self) -> bool {
        self.dialog.get_untracked().is_some_and(|dialog| dialog.open())
    }

    pub(super) fn take(self, part: TracePart) {
        self.story.update(|story| story.take(part));
    }

    /// The worker is gone, and another counts from 0.
    pub(super) fn cut(self) {
        self.story.set(Story::default());
    }
}

#[component]
pub(super) fn PacketsPanel(panels: Panels) -> impl IntoView {
    let packets = panels.packets;
    let filter = RwSignal::new(Filter::default());
    let rows = VirtualRows::new(Start::Tail);
    // The numbers of what is shown; a few tens of thousands at most.
    let numbers = Memo::new(move |_| {
        packets.story.with(|story| story.matching(filter.get()).map(|entry| entry.number).collect::<Vec<_>>())
    });
    Effect::new(move || rows.resize(numbers.with(Vec::len)));
    let on_key = move |event: KeyboardEvent| {
        // Not modal, so the browser doesn't see to it.
        if event.key() == "Escape" {
            close(packets.dialog);
        }
    };
    let choose_direction = move |event: leptos::ev::Event| {
        filter.update(|filter| {
            filter.direction = match event_target_value(&event).as_str() {
                "received" => Some(Direction::In),
                "sent" => Some(Direction::Out),
                _ => None,
            };
        });
    };
    let choose_kind = move |event: leptos::ev::Event| {
        let name = event_target_value(&event);
        filter.update(|filter| filter.kind = Kind::ALL.into_iter().find(|kind| kind.name() == name));
    };
    let words = move || {
        let (all, missed) = packets.story.with(|story| (story.matching(Filter::default()).count(), story.missed()));
        let shown = numbers.with(Vec::len);
        let mut words = format!("{} of {} packets", grouped(shown as u64), grouped(all as u64));
        if missed > 0 {
            words.push_str(&format!("; {} went by before they could be shown", grouped(missed)));
        }
        words
    };
    let row = move |index: usize| {
        let entry = numbers.with(|numbers| numbers.get(index).copied());
        let entry = entry.and_then(|number| packets.story.with(|story| story.entry(number).cloned()));
        entry.map(|entry| view! { <PacketRow panels entry /> }).into_any()
    };
    let kinds =
        Kind::ALL.into_iter().map(|kind| view! { <option value=kind.name()>{kind.name()}</option> }).collect_view();
    view! {
        <dialog
            class="panel inspector packets"
            node_ref=packets.dialog
            aria-labelledby="packets-title"
            on:keydown=on_key
        >
            {head("packets-title", "Packets", packets.dialog)}
            <div class="inspector-body">
                <div class="packets-bar">
                    <select aria-label="Direction" on:change=choose_direction>
                        <option value="">"Both ways"</option>
                        <option value="received">"Received"</option>
                        <option value="sent">"Sent"</option>
                    </select>
                    <select aria-label="Packet type" on:change=choose_kind>
                        <option value="">"All types"</option>
                        {kinds}
                    </select>
                    <button
                        type="button"
                        class="button"
                        disabled=move || numbers.with(Vec::is_empty)
                        on:click=move |_| save(&packets.story.with_untracked(|story| text(story, filter.get_untracked())))
                    >
                        "Save as text"
                    </button>
                </div>
                <VirtualList rows label="Control packets" on_key=|_| false row />
                <p class="why packet-notes" role="status">{words}</p>
            </div>
        </dialog>
    }
}

#[component]
fn PacketRow(panels: Panels, entry: Entry) -> impl IntoView {
    let direction = entry.direction();
    let (way, arrow) = match direction {
        Direction::In => ("received", "←"),
        Direction::Out => ("sent", "→"),
    };
    let seq = entry.record.seq;
    let kind = entry.kind().name();
    let identifier = entry.identifier().map(|identifier| identifier.to_string());
    let what = if seq > 0 {
        let open = move |_| panels.open_message(seq);
        view! { <button type="button" class="fold-link" on:click=open>{entry.details()}</button> }.into_any()
    } else {
        entry.details().into_any()
    };
    view! {
        <div class="sheet-row trace-row" class:sent=direction == Direction::Out>
            <span class="lead">{local_clock(entry.record.time)}</span>
            <span class="way" role="img" aria-label=way>{arrow}</span>
            <span class="kind">{kind}</span>
            <span class="id">{identifier}</span>
            <span class="bytes">{size(entry.record.bytes.into())}</span>
            <span class="round-trip">{entry.round_trip_in_words()}</span>
            <span class="what">{what}</span>
        </div>
    }
}

/// The packets that are shown, one a line.
fn text(story: &Story, filter: Filter) -> String {
    let head = "time\tdirection\ttype\tidentifier\tbytes\tdetails\tround trip\n".to_owned();
    story.matching(filter).fold(head, |all, entry| all + &entry.line(&local_time(entry.record.time)))
}

fn save(text: &str) {
    let options = BlobPropertyBag::new();
    options.set_type("text/tab-separated-values");
    let parts = js_sys::Array::of1(&text.into());
    // A browser refuses none of this.
    let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
    let Ok(url) = Url::create_object_url_with_blob(&blob) else { return };
    if let Ok(anchor) = document().create_element("a").map(JsCast::unchecked_into::<HtmlAnchorElement>) {
        anchor.set_href(&url);
        anchor.set_download(FILE);
        anchor.click();
    }
    // The download has its own hold on the blob a moment later.
    set_timeout(move || drop(Url::revoke_object_url(&url)), std::time::Duration::from_mins(1));
}
