//! The inspector: one message, its payload in every notation, and the bytes of
//! its packet.

use crate::web::local_time;
use std::collections::HashMap;
use std::sync::Arc;

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent};

use super::virtual_rows::{Start, VirtualList, VirtualRows};
use super::{Panels, close, close_if_covering};
use crate::format::{grouped, size};
use crate::message_log::mosquitto_command::BrokerAccess;
use crate::message_log::{Message, ndjson};
use crate::mqtt::codec::publish::{Property, properties};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::{QoS, Version};
use crate::packet_trace::analysis::TraceEntry;
use crate::protocol::message::MessageRequest;
use crate::protocol::message::{MessageDetails, MessagePart};
use crate::ui::inspect::message_fetch::{Gathered, MessageFetch};
use crate::ui::inspect::publish_bytes::{PublishBytes, property_in_words};
use crate::ui::inspect::text::{Kind, Piece, pieces};
use crate::ui::inspect::{Choice, Fold, Row, Sheet, View, hex};
use crate::web::panels::clipboard::Copier;
use crate::web::window_bus;
use crate::web::window_bus::Copied;

/// The number of bytes of a payload that are handled before the clock is checked.
const SLICE_BYTES: usize = 1 << 16;

/// How long the page may be blocked at once, in milliseconds. A frame has 16.
const SLICE_MS: f64 = 8.0;

/// The inspector's handle.
#[derive(Clone, Copy)]
pub(super) struct Inspector {
    pub(super) dialog: NodeRef<html::Dialog>,
    seq: RwSignal<u64>,
    gathering: StoredValue<MessageFetch>,
    /// A message that is fetched only to be copied.
    copying: StoredValue<Option<(Copied, MessageFetch)>>,
    shown: RwSignal<InspectorState>,
    /// The chosen views, by topic.
    chosen: StoredValue<HashMap<String, View>>,
}

#[derive(Clone, Default)]
enum InspectorState {
    #[default]
    Nothing,
    Words(String),
    Message(Arc<LoadedMessage>, View),
}

/// A message that has arrived completely.
struct LoadedMessage {
    seq: u64,
    found: MessageDetails,
    payload: Arc<[u8]>,
    reach: BrokerAccess,
}

impl LoadedMessage {
    fn new(seq: u64, mut found: MessageDetails, reach: BrokerAccess) -> Self {
        let payload = std::mem::take(&mut found.payload).into();
        Self { seq, found, payload, reach }
    }

    fn message(&self) -> Message<'_> {
        let MessageDetails { time, topic, qos, retain, dup, properties, .. } = &self.found;
        Message {
            seq: self.seq,
            time: *time,
            topic,
            qos: *qos,
            retain: *retain,
            dup: *dup,
            properties,
            payload: &self.payload,
        }
    }

    fn choice(&self) -> Choice {
        let content_type = properties(&self.found.properties).find_map(|property| match property {
            Property::ContentType(content_type) => Some(content_type),
            _ => None,
        });
        Choice::new(Arc::clone(&self.payload), content_type.unwrap_or_default())
    }

    /// Returns the name of the copied text, and the text.
    fn copied(&self, copied: Copied) -> (String, String) {
        match copied {
            Copied::Row => {
                let mut line = Vec::new();
                ndjson::write_message(&self.message(), &mut line);
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                (format!("message {} as NDJSON", self.seq), line)
            }
            Copied::Payload => {
                let sheet = Sheet::new(View::Text, Arc::clone(&self.payload), usize::MAX);
                (format!("the payload ({})", sheet.copied_as()), sheet.to_text())
            }
            Copied::Publish => ("the mosquitto_pub command".to_owned(), self.reach.publish(&self.message())),
            Copied::Subscribe => ("the mosquitto_sub command".to_owned(), self.reach.subscribe()),
        }
    }
}

/// Works until there is a result, or the page has been blocked for long enough.
fn for_a_while<T>(mut work: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = window().performance();
    let now_ms = || clock.as_ref().map_or(f64::MAX, web_sys::Performance::now);
    let end_ms = now_ms() + SLICE_MS;
    loop {
        let done = work();
        if done.is_some() || now_ms() >= end_ms {
            return done;
        }
    }
}

impl Inspector {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            seq: RwSignal::new(0),
            gathering: StoredValue::default(),
            copying: StoredValue::default(),
            shown: RwSignal::default(),
            chosen: StoredValue::default(),
        }
    }

    /// Begins to fetch a message; the previous one is shown until it arrives.
    pub(super) fn ask(self, seq: u64) {
        self.gathering.set_value(MessageFetch::new(seq));
        self.seq.set(seq);
    }

    /// Whether the inspector is open.
    pub(super) fn is_open(self) -> bool {
        self.dialog.get_untracked().is_some_and(|dialog| dialog.open())
    }

    /// Begins to fetch a message that is only to be copied.
    pub(super) fn ask_to_copy(self, copied: Copied, seq: u64) {
        self.copying.set_value(Some((copied, MessageFetch::new(seq))));
    }

    /// Returns what to ask the worker for.
    pub(super) fn glance(self) -> Option<MessageRequest> {
        let copying = || self.copying.with_value(|copying| copying.as_ref()?.1.glance());
        self.gathering.with_value(MessageFetch::glance).or_else(copying)
    }

    /// Handles the worker's answer.
    pub(super) fn take(self, part: MessagePart, copier: Copier) {
        if self.gathering.with_value(|gathering| gathering.glance().is_some()) {
            let gathered = self.gathering.try_update_value(|gathering| gathering.take(part)).flatten();
            return self.show(gathered);
        }
        let taken = self.copying.try_update_value(|copying| {
            let (copied, gathering) = copying.as_mut()?;
            Some((*copied, gathering.seq(), gathering.take(part)?))
        });
        match taken.flatten() {
            Some((copied, seq, Gathered::Whole(found, reach))) => {
                let (what, text) = LoadedMessage::new(seq, found, reach).copied(copied);
                copier.copy(what, text);
            }
            Some((.., Gathered::Missing(words))) => copier.say(words),
            Some((.., Gathered::Partly { .. })) | None => {}
        }
    }

    /// Handles the loss of the worker.
    pub(super) fn on_worker_lost(self) {
        self.copying.set_value(None);
        let gathered = self.gathering.try_update_value(MessageFetch::abandon).flatten();
        self.show(gathered);
    }

    fn show(self, gathered: Option<Gathered>) {
        match gathered {
            None => {}
            Some(Gathered::Partly { bytes, of }) => {
                let words = format!("Fetching the message: {} of {} …", size(bytes.into()), size(of.into()));
                self.shown.set(InspectorState::Words(words));
            }
            Some(Gathered::Missing(words)) => self.shown.set(InspectorState::Words(words)),
            Some(Gathered::Whole(found, reach)) => {
                let seq = self.gathering.with_value(MessageFetch::seq);
                let kept = LoadedMessage::new(seq, found, reach);
                match self.chosen.with_value(|chosen| chosen.get(&kept.found.topic).copied()) {
                    Some(view) => self.shown.set(InspectorState::Message(Arc::new(kept), view)),
                    None => {
                        let choice = kept.choice();
                        self.choose(Arc::new(kept), choice);
                    }
                }
            }
        }
    }

    /// Finds the view for the message, unless another message was requested in the meantime.
    fn choose(self, kept: Arc<LoadedMessage>, mut choice: Choice) {
        if self.gathering.with_value(MessageFetch::seq) != kept.seq {
            return;
        }
        match for_a_while(|| choice.advance(SLICE_BYTES)) {
            Some(view) => self.shown.set(InspectorState::Message(kept, view)),
            None => {
                let bytes = kept.payload.len() as u64;
                self.shown.set(InspectorState::Words(format!("Looking at what these {} are …", size(bytes))));
                Timeout::new(0, move || self.choose(kept, choice)).forget();
            }
        }
    }
}

#[component]
pub(super) fn InspectorPanel(panels: Panels) -> impl IntoView {
    let inspector = panels.inspector;
    let on_key = move |event: KeyboardEvent| {
        // The dialog isn't modal, so the browser doesn't handle the key.
        if event.key() == "Escape" {
            close(inspector.dialog);
        }
    };
    let turn = move |seq: u64| panels.inspect(seq.max(1));
    view! {
        <dialog class="panel inspector" node_ref=inspector.dialog aria-labelledby="inspector-title" on:keydown=on_key>
            <header role="none">
                <h2 id="inspector-title">{move || format!("Message {}", grouped(inspector.seq.get()))}</h2>
                <div class="turns">
                    <button
                        type="button"
                        class="button icon"
                        aria-label="Earlier message"
                        disabled=move || inspector.seq.get() <= 1
                        on:click=move |_| turn(inspector.seq.get_untracked() - 1)
                    >
                        "‹"
                    </button>
                    <button
                        type="button"
                        class="button icon"
                        aria-label="Later message"
                        on:click=move |_| turn(inspector.seq.get_untracked() + 1)
                    >
                        "›"
                    </button>
                    <button
                        type="button"
                        class="button icon"
                        aria-label="Close"
                        on:click=move |_| close(inspector.dialog)
                    >
                        "×"
                    </button>
                </div>
            </header>
            {move || match inspector.shown.get() {
                InspectorState::Nothing => ().into_any(),
                InspectorState::Words(words) => view! { <p class="inspector-words" role="status">{words}</p> }.into_any(),
                InspectorState::Message(kept, view) => view! { <MessageView panels kept first=view /> }.into_any(),
            }}
        </dialog>
    }
}

#[component]
fn MessageView(
    panels: Panels,
    kept: Arc<LoadedMessage>,
    /// The view in which it opens.
    first: View,
) -> impl IntoView {
    let inspector = panels.inspector;
    let topic = kept.found.topic.clone();
    let view = RwSignal::new(first);
    let choose = move |chosen_view: View| {
        inspector.chosen.update_value(|chosen| {
            chosen.insert(topic.clone(), chosen_view);
        });
        view.set(chosen_view);
    };
    let seq = kept.seq;
    // The trace forgets the packet before the message is evicted.
    let identifier = Memo::new(move |known: Option<&Option<u16>>| {
        let traced = || panels.packets.story.with(|story| story.publish_of(seq).and_then(TraceEntry::identifier));
        known.copied().flatten().or_else(traced)
    });
    let shown = {
        let kept = Arc::clone(&kept);
        move || {
            let (copier, dialog, payload) = (panels.copier, panels.inspector.dialog, Arc::clone(&kept.payload));
            if view.get() != View::Packet {
                return view! { <PayloadView view=view.get() kept=Arc::clone(&kept) copier dialog /> }.into_any();
            }
            // The version of the present connection; the log doesn't store the version of the one
            // that the message came by.
            let version = panels.standing.with_untracked(|standing| standing.version).unwrap_or(Version::V5);
            let packet = Arc::new(PublishBytes::new(&kept.message(), payload, version, identifier.get()));
            view! {
                <PacketView packet />
                <footer class="panel-foot" role="none">
                    <CopyButtons copier kept=Arc::clone(&kept) dialog />
                </footer>
            }
            .into_any()
        }
    };
    view! {
        <div class="inspector-body" data-message=seq.to_string()>
            <Facts panels kept />
            <Views view choose />
            {shown}
        </div>
    }
}

/// Buttons that copy the message as a whole or the commands for it, and that go to its line.
#[component]
fn CopyButtons(copier: Copier, kept: Arc<LoadedMessage>, dialog: NodeRef<html::Dialog>) -> impl IntoView {
    let buttons = [
        (Copied::Row, "Copy row", "The message as a line of an export"),
        (Copied::Publish, "Copy mosquitto_pub", "The command that sends this message again"),
        (Copied::Subscribe, "Copy mosquitto_sub", "The command that subscribes to the same topics"),
    ];
    let button = |(copied, name, title)| {
        let kept = Arc::clone(&kept);
        let copy = move |_| {
            let (what, text) = kept.copied(copied);
            copier.copy(what, text);
        };
        view! { <button type="button" class="button" title=title on:click=copy>{name}</button> }
    };
    let show = format!("{}{}", window_bus::SHOW_IN_CRAWL, kept.seq);
    view! {
        {buttons.map(button).into_iter().collect_view()}
        <button
            type="button"
            class="button"
            title="The crawl goes to its line, or tells it once more (s in the console)"
            on:click=move |_| {
                close_if_covering(dialog);
                window_bus::send(window_bus::PAGE, &show.clone().into());
            }
        >
            "Show in crawl"
        </button>
    }
}

#[component]
fn Facts(panels: Panels, kept: Arc<LoadedMessage>) -> impl IntoView {
    let found = &kept.found;
    let qos = match found.qos {
        QoS::AtMostOnce => "0, at most once",
        QoS::AtLeastOnce => "1, at least once",
        QoS::ExactlyOnce => "2, exactly once",
    };
    let retain = if found.retain { "; retained: the broker had kept it" } else { "" };
    let dup = if found.dup { "; marked as sent before (DUP)" } else { "" };
    let broken = Deviation::of_message(&found.topic, found.qos, found.dup);
    let broken = broken.map_or_else(String::new, |deviation| format!("; breaks {}", deviation.rule()));
    let bytes = u64::from(found.payload_bytes);
    let bytes = match bytes {
        0 => "empty payload, 0 bytes".to_owned(),
        1 => "1 byte".to_owned(),
        2..1_000 => format!("{bytes} bytes"),
        _ => format!("{} bytes ({})", grouped(bytes), size(bytes)),
    };
    let listed: Vec<_> = properties(&found.properties)
        .map(|property| {
            let (name, value) = property_in_words(&property);
            view! {
                <dt>{name}</dt>
                <dd><Visible text=value /></dd>
            }
        })
        .collect();
    view! {
        <dl class="facts">
            <dt>"Topic"</dt>
            <dd><Visible text=found.topic.clone() /></dd>
            <dt>"Time"</dt>
            <dd>{local_time::date_and_time(found.time)}</dd>
            <dt>"QoS"</dt>
            <dd>{format!("{qos}{retain}{dup}{broken}")}</dd>
            <dt>"Size"</dt>
            <dd>{bytes}</dd>
            {listed}
            <Delivery panels seq=kept.seq />
        </dl>
    }
}

/// The packets of this message's delivery, as far as they are still in the trace.
#[component]
fn Delivery(panels: Panels, seq: u64) -> impl IntoView {
    move || {
        let steps = panels.packets.story.with(|story| {
            let delivery = story.delivery_of(seq);
            let begun = delivery.first()?.record.time;
            let steps = delivery.iter().map(|entry| {
                let arrow = if entry.record.is_incoming { "←" } else { "→" };
                let micros = entry.record.time.since(begun).as_micros();
                let identifier = entry.identifier().map_or_else(String::new, |identifier| format!(" {identifier}"));
                let name = entry.kind().name();
                format!("{arrow} {name}{identifier} +{}.{} ms", micros / 1_000, micros % 1_000 / 100)
            });
            Some(steps.collect::<Vec<_>>())
        });
        Some(view! {
            <dt>"Delivery"</dt>
            <dd class="delivery">{steps?.into_iter().map(|step| view! { <span>{step}</span> }).collect_view()}</dd>
        })
    }
}

/// A text among others, isolated so that its direction doesn't affect them.
#[component]
fn Visible(text: String) -> impl IntoView {
    view! { <bdi>{put(pieces(&text))}</bdi> }
}

fn put(pieces: Vec<Piece>) -> impl IntoView {
    pieces.into_iter().map(|piece| view! { <span class=class_of(piece.kind)>{piece.text}</span> }).collect_view()
}

const fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "",
        Kind::Name => "of-name",
        Kind::Text => "of-text",
        Kind::Number => "of-number",
        Kind::Literal => "of-literal",
        Kind::Odd => "of-odd",
    }
}

#[component]
fn Views(view: RwSignal<View>, choose: impl Fn(View) + Clone + 'static) -> impl IntoView {
    let options = View::ALL
        .into_iter()
        .map(|option| {
            let choose = choose.clone();
            view! {
                <label>
                    <input
                        type="radio"
                        name="inspector-view"
                        prop:checked=move || view.get() == option
                        on:change=move |_| choose(option)
                    />
                    <span>{option.name()}</span>
                </label>
            }
        })
        .collect_view();
    view! { <div class="views" role="radiogroup" aria-label="Shown as">{options}</div> }
}

/// A payload on its way to the screen: the first rows are shown at once, the rest is laid out while
/// they are read.
#[derive(Clone, Copy)]
struct IncrementalLayout {
    rows: VirtualRows,
    sheet: StoredValue<Option<Result<Sheet, String>>>,
    /// Counts the changes of rows that are on screen.
    changes: RwSignal<u32>,
    /// Counts the sheets that were started.
    begun: StoredValue<u32>,
}

impl IncrementalLayout {
    fn new() -> Self {
        Self {
            rows: VirtualRows::new(Start::Head),
            sheet: StoredValue::new(None),
            changes: RwSignal::new(0),
            begun: StoredValue::new(0),
        }
    }

    fn begin(self, sheet: Sheet) {
        self.sheet.set_value(Some(Ok(sheet)));
        self.begun.update_value(|begun| *begun += 1);
        self.go_on(self.begun.get_value());
        self.change();
    }

    fn go_on(self, turn: u32) {
        // A sheet that isn't shown any more is dropped.
        if self.begun.try_get_value() != Some(turn) {
            return;
        }
        let rows = self.sheet.try_update_value(|sheet| {
            let Some(Ok(laid)) = sheet else { return (0, true) };
            let done = for_a_while(|| match laid.advance(SLICE_BYTES) {
                Ok(false) => None,
                done => Some(done),
            });
            let rows = laid.rows();
            match done {
                Some(Err(words)) => {
                    *sheet = Some(Err(words));
                    (0, true)
                }
                done => (rows, done.is_some()),
            }
        });
        let Some((rows, is_done)) = rows else { return };
        self.rows.resize(rows);
        if is_done {
            // Whether a row can be folded is known only once its closing line has been read.
            self.change();
        } else {
            Timeout::new(0, move || self.go_on(turn)).forget();
        }
    }

    fn toggle(self, line: usize) {
        let rows = self.sheet.try_update_value(|sheet| {
            let Some(Ok(sheet)) = sheet else { return 0 };
            sheet.toggle(line);
            sheet.rows()
        });
        self.rows.resize(rows.unwrap_or_default());
        self.change();
    }

    fn change(self) {
        self.changes.update(|changes| *changes += 1);
    }

    fn with<T>(self, read: impl FnOnce(&Result<Sheet, String>) -> Option<T>) -> Option<T> {
        self.changes.track();
        self.sheet.with_value(|sheet| read(sheet.as_ref()?))
    }

    /// Returns the name of the form in which the whole payload is copied, once all of it is there.
    fn copied_as(self) -> Option<&'static str> {
        self.with(|sheet| Some(sheet.as_ref().ok().filter(|sheet| sheet.is_done())?.copied_as()))
    }
}

#[component]
fn PayloadView(view: View, kept: Arc<LoadedMessage>, copier: Copier, dialog: NodeRef<html::Dialog>) -> impl IntoView {
    let laying = IncrementalLayout::new();
    let rows = laying.rows;
    let payload = Arc::clone(&kept.payload);
    Effect::new(move || {
        let columns = rows.columns.get();
        if columns > 0 {
            laying.begin(Sheet::new(view, Arc::clone(&payload), columns));
        }
    });
    let toggle = move |line: usize| laying.toggle(line);
    let row = move |index: usize| {
        let row = laying.with(|sheet| sheet.as_ref().ok()?.row(index));
        row.map(|row| view! { <SheetRow row toggle /> }).into_any()
    };
    let fault = move || laying.with(|sheet| sheet.as_ref().err().cloned());
    let copy = move |_| {
        let name = untrack(|| laying.copied_as());
        let text = untrack(|| laying.with(|sheet| Some(sheet.as_ref().ok()?.to_text())));
        if let (Some(name), Some(text)) = (name, text) {
            copier.copy(format!("the payload ({name})"), text);
        }
    };
    view! {
        <p class="fault" role="status">{fault}</p>
        <VirtualList rows label="Payload" on_key=|_| false row />
        <footer class="panel-foot" role="none">
            <button type="button" class="button" disabled=move || laying.copied_as().is_none() on:click=copy>
                {move || format!("Copy payload ({})", laying.copied_as().unwrap_or("–"))}
            </button>
            <CopyButtons copier kept dialog />
        </footer>
    }
}

#[component]
fn SheetRow(row: Row, toggle: impl Fn(usize) + Copy + Send + Sync + 'static) -> impl IntoView {
    let Row { lead, indent, continues, fold, pieces } = row;
    let fold = fold.map(|Fold { line, is_folded }| {
        view! {
            <button
                type="button"
                class="fold"
                aria-expanded=(!is_folded).to_string()
                aria-label=if is_folded { "Unfold" } else { "Fold" }
                on:click=move |_| toggle(line)
            >
                {if is_folded { "▸" } else { "▾" }}
            </button>
        }
    });
    let indent = indent.min(Row::INDENT_MAX);
    view! {
        <div class="sheet-row" class:continues=continues style=format!("--indent:{indent}")>
            {fold}
            {(!lead.is_empty()).then(|| view! { <span class="lead">{lead}</span> })}
            {put(pieces)}
        </div>
    }
}

/// The packet's bytes. The one under the cursor is explained, and the cursor follows the mouse or
/// the arrow keys.
#[component]
fn PacketView(packet: Arc<PublishBytes>) -> impl IntoView {
    let rows = VirtualRows::new(Start::Head);
    let cursor = RwSignal::new(0_usize);
    let bytes_per_row = Memo::new(move |_| hex::bytes_per_row(rows.columns.get()));
    let bytes = packet.len();
    Effect::new(move || rows.resize(hex::rows(bytes, bytes_per_row.get())));
    let field = {
        let packet = Arc::clone(&packet);
        Memo::new(move |_| packet.field_at(cursor.get()))
    };
    let words = {
        let packet = Arc::clone(&packet);
        move || {
            let text = packet.words(cursor.get());
            view! { <Visible text /> }
        }
    };
    let on_key = move |event: &KeyboardEvent| {
        let per_row = bytes_per_row.get_untracked();
        let at = cursor.get_untracked();
        let to = match event.key().as_str() {
            "ArrowLeft" => at.checked_sub(1),
            "ArrowRight" => Some(at + 1),
            "ArrowUp" => at.checked_sub(per_row),
            "ArrowDown" => Some(at + per_row),
            _ => return false,
        };
        if let Some(to) = to.filter(|&to| to < bytes) {
            cursor.set(to);
            rows.reveal(to / per_row);
        }
        true
    };
    let point = move |event: &Event| {
        let place =
            event.target().and_then(|target| target.dyn_into::<Element>().ok()?.get_attribute("data-at")?.parse().ok());
        if let Some(place) = place {
            cursor.set(place);
        }
    };
    let notes = packet.notes().join(" ");
    let row = move |index: usize| {
        let per_row = bytes_per_row.get();
        let start = index * per_row;
        let cells = (start..(start + per_row).min(packet.len())).map(|at| {
            let of = packet.field_at(at);
            let byte = packet.byte(at);
            let (digits, letter) = match byte {
                Some(byte) => (format!("{byte:02x}"), hex::ascii(byte)),
                None => ("··".to_owned(), '·'),
            };
            let is_marked = move || field.get() == of;
            let is_here = move || cursor.get() == at;
            let is_odd = of % 2 == 1;
            let of_payload = of + 1 == packet.fields().len();
            let hex = view! {
                <span
                    data-at=at.to_string()
                    class:odd-field=is_odd
                    class:of-payload=of_payload
                    class:marked=is_marked
                    class:here=is_here
                >
                    {digits}
                </span>
            };
            let ascii = view! { <span data-at=at.to_string() class:marked=is_marked class:here=is_here>{letter.to_string()}</span> };
            (hex, ascii)
        });
        let (hex, ascii): (Vec<_>, Vec<_>) = cells.unzip();
        view! {
            <div class="sheet-row packet-row">
                <span class="lead">{hex::place(start)}</span>
                <span class="cells" style=format!("--cells:{per_row}")>{hex}</span>
                <span class="letters">{ascii}</span>
            </div>
        }
        .into_any()
    };
    view! {
        <p class="byte-words" id="byte-words" role="status">{words}</p>
        <div class="packet" on:mouseover=move |event| point(&event) on:click=move |event| point(&event)>
            <VirtualList rows label="Bytes of the packet" described_by="byte-words" on_key row />
        </div>
        <p class="why packet-notes">{notes}</p>
    }
}
