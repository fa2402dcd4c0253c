//! The packet trace: every control packet in and out while the panel is open, and those before it
//! that are kept.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, HtmlElement};

use super::context::PanelContext;
use super::dialog::{PanelDialog, is_open, open_non_modal};
use super::panel::Panel;
use super::virtual_rows::{Start, VirtualList, VirtualRows};
use crate::format::{grouped, size};
use crate::packet_trace::analysis::{Direction, Filter, Kind, TraceAnalysis, TraceEntry};
use crate::protocol::command::PanelsRequest;
use crate::protocol::panels::PanelAction;
use crate::protocol::update::PanelsUpdate;
use crate::web::dom;
use crate::web::download::download;
use crate::web::local_time;

/// The name of the file that the trace is saved as.
const FILE: &str = "mqtt-packets.tsv";

/// The trace's handle.
#[derive(Clone, Copy)]
pub(super) struct Packets {
    context: PanelContext,
    dialog: NodeRef<html::Dialog>,
    pub(super) analysis: RwSignal<TraceAnalysis>,
    /// The packet whose exchange alone is shown.
    exchange: RwSignal<Option<u64>>,
    show_all: NodeRef<html::Button>,
}

impl Packets {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            analysis: RwSignal::default(),
            exchange: RwSignal::default(),
            show_all: NodeRef::new(),
        }
    }

    /// Returns the number of the packet to continue from.
    pub(super) fn next(self) -> u64 {
        self.analysis.with_untracked(TraceAnalysis::next)
    }

    /// Shows the packets of one exchange alone, or all again. The clicked element disappears, and
    /// the focus must not be lost with it.
    fn show_exchange(self, of: Option<u64>) {
        self.exchange.set(of);
        request_animation_frame(move || {
            let focused: Option<HtmlElement> = match of {
                Some(_) => self.show_all.get_untracked().map(Into::into),
                None => self
                    .dialog
                    .get_untracked()
                    .and_then(|dialog| dom::find(&dialog, ".rows-scroller").map(JsCast::unchecked_into)),
            };
            if let Some(focused) = focused {
                // Never fails for an element on the page.
                let _ = focused.focus();
            }
        });
    }
}

impl Panel for Packets {
    fn view(&self) -> AnyView {
        let packets = *self;
        view! { <PacketsPanel packets /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Packets {
            open_non_modal(self.dialog);
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        if is_open(self.dialog) {
            request.trace_from = Some(self.next());
        }
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(part) = update.trace.take() {
            self.analysis.update(|analysis| analysis.take(part));
        }
    }

    fn on_worker_lost(&self) {
        self.analysis.set(TraceAnalysis::default());
        self.exchange.set(None);
    }
}

#[component]
fn PacketsPanel(packets: Packets) -> impl IntoView {
    let filter = RwSignal::new(Filter::default());
    let rows = VirtualRows::new(Start::Tail);
    // The numbers of the packets shown; a few tens of thousands at most.
    let numbers =
        Memo::new(move |_| packets.analysis.with(|analysis| shown(analysis, filter.get(), packets.exchange.get())));
    Effect::new(move || rows.resize(numbers.with(Vec::len)));
    let exchange_text = move || {
        let entry =
            packets.exchange.get().and_then(|number| packets.analysis.with(|analysis| analysis.entry(number).cloned()));
        let identifier =
            entry.and_then(|entry| entry.identifier()).map(|identifier| format!(" (packet ID {identifier})"));
        format!("Related packets{}", identifier.unwrap_or_default())
    };
    let text = move || {
        let (all, missed) =
            packets.analysis.with(|analysis| (analysis.matching(Filter::default()).count(), analysis.missed()));
        let shown = numbers.with(Vec::len);
        let mut text = format!("{} of {} packets", grouped(shown as u64), grouped(all as u64));
        if missed > 0 {
            text.push_str(&format!("; {} older packets discarded", grouped(missed)));
        }
        text
    };
    let row = move |index: usize| {
        let entry = numbers.with(|numbers| numbers.get(index).copied());
        let entry = entry.and_then(|number| packets.analysis.with(|analysis| analysis.entry(number).cloned()));
        entry.map(|entry| view! { <PacketRow packets entry /> }).into_any()
    };
    view! {
        <PanelDialog dialog=packets.dialog id="packets-title" title="Packets" class="panel inspector packets">
            <div class="inspector-body">
                <PacketsBar packets filter numbers />
                <p class="packets-bar" hidden=move || packets.exchange.with(Option::is_none)>
                    <span>{exchange_text}</span>
                    <button type="button" class="button" node_ref=packets.show_all on:click=move |_| packets.show_exchange(None)>
                        "Show all packets"
                    </button>
                </p>
                <VirtualList rows label="Control packets" on_key=|_| false row />
                <p class="why packet-notes" role="status">{text}</p>
            </div>
        </PanelDialog>
    }
}

/// The filter, and the button that saves the list.
#[component]
fn PacketsBar(packets: Packets, filter: RwSignal<Filter>, numbers: Memo<Vec<u64>>) -> impl IntoView {
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
    let kinds =
        Kind::ALL.into_iter().map(|kind| view! { <option value=kind.name()>{kind.name()}</option> }).collect_view();
    view! {
        <div class="packets-bar">
            <select aria-label="Direction" on:change=choose_direction>
                <option value="">"All directions"</option>
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
                on:click=move |_| save(&packets.analysis.with_untracked(|analysis| to_tsv(analysis, &numbers.get_untracked())))
            >
                "Save as text"
            </button>
        </div>
    }
}

#[component]
fn PacketRow(packets: Packets, entry: TraceEntry) -> impl IntoView {
    let direction = entry.direction();
    let (way, arrow) = match direction {
        Direction::In => ("received", "←"),
        Direction::Out => ("sent", "→"),
    };
    let seq = entry.record.seq;
    let kind = entry.kind().name();
    // A subscription has nothing more to show than its two packets.
    let number = entry.number;
    let has_exchange =
        matches!(entry.kind(), Kind::Publish | Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp);
    let identifier = entry.identifier().map(|identifier| {
        if !has_exchange {
            return identifier.to_string().into_any();
        }
        let show = move |_| packets.show_exchange(Some(number));
        view! {
            <button type="button" class="fold-link" title="Show only related packets" on:click=show>
                {identifier}
            </button>
        }
        .into_any()
    });
    let what = if seq > 0 {
        let open = move |_| packets.context.run(PanelAction::Message(seq));
        view! { <button type="button" class="fold-link" on:click=open>{entry.details()}</button> }.into_any()
    } else {
        entry.details().into_any()
    };
    view! {
        <div class="sheet-row trace-row" class:sent=direction == Direction::Out>
            <span class="lead">{local_time::time_of_day(entry.record.time)}</span>
            <span class="way" role="img" aria-label=way>{arrow}</span>
            <span class="kind">{kind}</span>
            <span class="id">{identifier}</span>
            <span class="bytes">{size(entry.record.bytes.into())}</span>
            <span class="round-trip">{entry.round_trip_text()}</span>
            <span class="what">{what}</span>
        </div>
    }
}

/// Returns the numbers of the packets to show: those that match the filter, or those of one
/// exchange.
fn shown(analysis: &TraceAnalysis, filter: Filter, exchange: Option<u64>) -> Vec<u64> {
    match exchange {
        Some(number) => analysis.exchange_of(number).iter().map(|entry| entry.number).collect(),
        None => analysis.matching(filter).map(|entry| entry.number).collect(),
    }
}

/// Returns the shown packets as text, one a line.
fn to_tsv(analysis: &TraceAnalysis, numbers: &[u64]) -> String {
    let head = "time\tdirection\ttype\tidentifier\tbytes\tdetails\tround trip\n".to_owned();
    let entries = numbers.iter().filter_map(|&number| analysis.entry(number));
    entries.fold(head, |all, entry| all + &entry.line(&local_time::date_and_time(entry.record.time)))
}

fn save(text: &str) {
    let options = BlobPropertyBag::new();
    options.set_type("text/tab-separated-values");
    let parts = js_sys::Array::of1(&text.into());
    // No browser refuses this.
    let blob = Blob::new_with_str_sequence_and_options(&parts, &options);
    let _ = blob.and_then(|blob| download(&blob, FILE));
}
