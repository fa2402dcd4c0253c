//! The inspector: one message, its payload in every notation, and the bytes of
//! its packet.

use std::collections::HashMap;
use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent};

use super::virtual_rows::{Start, VirtualList, VirtualRows};
use super::{Panels, close};
use crate::console::{grouped, size};
use crate::engine::command::MessageGlance;
use crate::engine::update::{Found, MessagePart};
use crate::inspect::gather::{Gathered, Gathering};
use crate::inspect::publish_bytes::{PublishBytes, property_in_words};
use crate::inspect::text::{Kind, Piece, pieces};
use crate::inspect::{Fold, Row, Sheet, View, hex, likeliest};
use crate::log::Message;
use crate::mqtt::packet::{QoS, Version};
use crate::mqtt::publish::{Property, properties};
use crate::time::Instant;

/// The inspector's handle.
#[derive(Clone, Copy)]
pub(super) struct Inspector {
    pub(super) dialog: NodeRef<html::Dialog>,
    seq: RwSignal<u64>,
    gathering: StoredValue<Gathering>,
    shown: RwSignal<Shown>,
    /// The views that were chosen, by topic.
    chosen: StoredValue<HashMap<String, View>>,
}

#[derive(Clone, Default)]
enum Shown {
    #[default]
    Nothing,
    Words(String),
    Message(Arc<Kept>),
}

/// A message that is wholly here.
struct Kept {
    seq: u64,
    found: Found,
    payload: Arc<[u8]>,
}

impl Kept {
    fn message(&self) -> Message<'_> {
        let Found { time, topic, qos, retain, dup, properties, .. } = &self.found;
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

    fn likeliest(&self) -> View {
        let content_type = properties(&self.found.properties).find_map(|property| match property {
            Property::ContentType(content_type) => Some(content_type),
            _ => None,
        });
        likeliest(&self.payload, content_type.unwrap_or_default())
    }
}

impl Inspector {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            seq: RwSignal::new(0),
            gathering: StoredValue::default(),
            shown: RwSignal::default(),
            chosen: StoredValue::default(),
        }
    }

    /// Begins to ask for a message; what is shown stays until it comes.
    pub(super) fn ask(self, seq: u64) {
        self.gathering.set_value(Gathering::new(seq));
        self.seq.set(seq);
    }

    /// Somebody looks at a message.
    pub(super) fn is_open(self) -> bool {
        self.dialog.get_untracked().is_some_and(|dialog| dialog.open())
    }

    /// What to ask the worker for.
    pub(super) fn glance(self) -> Option<MessageGlance> {
        self.gathering.with_value(Gathering::glance)
    }

    /// The worker answered.
    pub(super) fn take(self, part: MessagePart) {
        let gathered = self.gathering.try_update_value(|gathering| gathering.take(part)).flatten();
        self.show(gathered);
    }

    /// The worker is gone.
    pub(super) fn cut(self) {
        let gathered = self.gathering.try_update_value(Gathering::abandon).flatten();
        self.show(gathered);
    }

    fn show(self, gathered: Option<Gathered>) {
        self.shown.set(match gathered {
            None => return,
            Some(Gathered::Partly { bytes, of }) => {
                Shown::Words(format!("Fetching the message: {} of {} …", size(bytes.into()), size(of.into())))
            }
            Some(Gathered::Missing(words)) => Shown::Words(words),
            Some(Gathered::Whole(mut found)) => {
                let payload = std::mem::take(&mut found.payload).into();
                let seq = self.gathering.with_value(Gathering::seq);
                Shown::Message(Arc::new(Kept { seq, found, payload }))
            }
        });
    }
}

#[component]
pub(super) fn InspectorPanel(panels: Panels) -> impl IntoView {
    let inspector = panels.inspector;
    let on_key = move |event: KeyboardEvent| {
        // Not modal, so the browser doesn't see to it.
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
                Shown::Nothing => ().into_any(),
                Shown::Words(words) => view! { <p class="inspector-words" role="status">{words}</p> }.into_any(),
                Shown::Message(kept) => view! { <MessageView panels kept /> }.into_any(),
            }}
        </dialog>
    }
}

#[component]
fn MessageView(panels: Panels, kept: Arc<Kept>) -> impl IntoView {
    let inspector = panels.inspector;
    let topic = kept.found.topic.clone();
    let remembered = inspector.chosen.with_value(|chosen| chosen.get(&topic).copied());
    let view = RwSignal::new(remembered.unwrap_or_else(|| kept.likeliest()));
    let choose = move |chosen_view: View| {
        inspector.chosen.update_value(|chosen| {
            chosen.insert(topic.clone(), chosen_view);
        });
        view.set(chosen_view);
    };
    let (seq, payload) = (kept.seq, Arc::clone(&kept.payload));
    // What is spoken now; the log doesn't keep what was spoken then.
    let version = panels.standing.with_untracked(|standing| standing.version).unwrap_or(Version::V5);
    let packet = Arc::new(PublishBytes::new(&kept.message(), Arc::clone(&payload), version));
    view! {
        <div class="inspector-body" data-message=seq.to_string()>
            <Facts panels kept />
            <Choice view choose />
            {move || {
                if view.get() == View::Packet {
                    view! { <PacketView packet=Arc::clone(&packet) /> }.into_any()
                } else {
                    view! { <PayloadView view=view.get() payload=Arc::clone(&payload) /> }.into_any()
                }
            }}
        </div>
    }
}

#[component]
fn Facts(panels: Panels, kept: Arc<Kept>) -> impl IntoView {
    let found = &kept.found;
    let qos = match found.qos {
        QoS::AtMostOnce => "0, at most once",
        QoS::AtLeastOnce => "1, at least once",
        QoS::ExactlyOnce => "2, exactly once",
    };
    let retain = if found.retain { "; retained: the broker had kept it" } else { "" };
    let dup = if found.dup { "; marked as sent before (DUP)" } else { "" };
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
            <dd>{local_time(found.time)}</dd>
            <dt>"QoS"</dt>
            <dd>{format!("{qos}{retain}{dup}")}</dd>
            <dt>"Size"</dt>
            <dd>{bytes}</dd>
            {listed}
            <Delivery panels seq=kept.seq />
        </dl>
    }
}

/// The packets that this message's delivery was made of, as far as they are
/// still in the trace.
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
        // One packet without an answer is no exchange.
        let steps = steps.filter(|steps| steps.len() > 1)?;
        Some(view! {
            <dt>"Delivery"</dt>
            <dd class="delivery">{steps.into_iter().map(|step| view! { <span>{step}</span> }).collect_view()}</dd>
        })
    }
}

/// A text in the middle of others, which it can't disturb.
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
fn Choice(view: RwSignal<View>, choose: impl Fn(View) + Clone + 'static) -> impl IntoView {
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

#[component]
fn PayloadView(view: View, payload: Arc<[u8]>) -> impl IntoView {
    let rows = VirtualRows::new(Start::Head);
    let sheet = RwSignal::new(None::<Result<Sheet, String>>);
    Effect::new(move || {
        let columns = rows.columns.get();
        if columns > 0 {
            sheet.set(Some(Sheet::new(view, Arc::clone(&payload), columns)));
        }
    });
    Effect::new(move || {
        rows.resize(sheet.with(|sheet| match sheet {
            Some(Ok(sheet)) => sheet.rows(),
            _ => 0,
        }));
    });
    let toggle = move |line: usize| {
        sheet.update(|sheet| {
            if let Some(Ok(sheet)) = sheet {
                sheet.toggle(line);
            }
        });
    };
    let row = move |index: usize| {
        let row = sheet.with(|sheet| sheet.as_ref()?.as_ref().ok()?.row(index));
        row.map(|row| view! { <SheetRow row toggle /> }).into_any()
    };
    let fault = move || sheet.with(|sheet| sheet.as_ref()?.as_ref().err().cloned());
    view! {
        <p class="fault" role="status">{fault}</p>
        <VirtualList rows label="Payload" on_key=|_| false row />
        <CopyButton sheet />
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

#[component]
fn CopyButton(sheet: RwSignal<Option<Result<Sheet, String>>>) -> impl IntoView {
    let said = RwSignal::new("");
    let name = move || sheet.with(|sheet| Some(sheet.as_ref()?.as_ref().ok()?.copied_as()));
    let copy = move |_| {
        let Some(text) = sheet.with_untracked(|sheet| Some(sheet.as_ref()?.as_ref().ok()?.to_text())) else { return };
        let clipboard = window().navigator().clipboard();
        // Missing where the page didn't come over https or from this machine.
        said.set(if clipboard.is_undefined() {
            "This browser doesn't let a page copy that came over http."
        } else {
            let _ = clipboard.write_text(&text);
            "Copied."
        });
    };
    view! {
        <footer class="panel-foot" role="none">
            <button type="button" class="button" disabled=move || name().is_none() on:click=copy>
                {move || format!("Copy payload ({})", name().unwrap_or("–"))}
            </button>
            <p class="why" role="status">{said}</p>
        </footer>
    }
}

/// The packet's bytes; the one under the cursor is explained, and the cursor
/// follows the mouse or the arrow keys.
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

/// The time of day to the millisecond, where this browser is.
pub(super) fn local_clock(time: Instant) -> String {
    let time = local_time(time);
    time.split_once(' ').map_or(time.clone(), |(_, clock)| clock.to_owned())
}

/// Day and time to the millisecond, where this browser is.
pub(super) fn local_time(time: Instant) -> String {
    let ms = time.as_micros() as f64 / 1_000.0;
    let ahead_ms = js_sys::Date::new(&ms.into()).get_timezone_offset() * -60_000.0;
    let shifted = js_sys::Date::new(&(ms + ahead_ms).into());
    // A date that no browser has would throw.
    if shifted.get_time().is_nan() {
        return format!("{} ms after 1970", time.as_micros() / 1_000);
    }
    String::from(shifted.to_iso_string()).replace('T', " ").replace('Z', "")
}
