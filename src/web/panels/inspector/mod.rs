//! The inspector: one message, its payload in every notation, and the bytes of
//! its packet.

mod copy_buttons;
mod loaded_message;
mod packet_view;
mod payload_view;
mod pieces;
mod time_slice;

use std::collections::HashMap;
use std::sync::Arc;

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;

use super::context::PanelContext;
use super::dialog::{PanelDialog, is_open, open_non_modal};
use super::packets::Packets;
use super::panel::{Panel, UpdatePace};
use crate::format::{grouped, size};
use crate::mqtt::codec::publish::properties;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::{QoS, Version};
use crate::packet_trace::analysis::TraceEntry;
use crate::protocol::command::PanelsRequest;
use crate::protocol::message::{MessagePart, MessageRequest};
use crate::protocol::panels::{Copied, PanelAction};
use crate::protocol::update::PanelsUpdate;
use crate::ui::inspect::message_fetch::{FetchResult, MessageFetch};
use crate::ui::inspect::publish_bytes::{PublishBytes, property_text};
use crate::ui::inspect::{Choice, View};
use crate::web::local_time;
use crate::web::panels::clipboard::ClipboardWriter;
use copy_buttons::CopyButtons;
use loaded_message::LoadedMessage;
use packet_view::PacketView;
use payload_view::PayloadView;
use pieces::Visible;
use time_slice::{SLICE_BYTES, for_a_while};

/// The inspector's handle.
#[derive(Clone, Copy)]
pub(super) struct Inspector {
    context: PanelContext,
    /// The trace, which has the packets that a message came with.
    packets: Packets,
    clipboard: ClipboardWriter,
    dialog: NodeRef<html::Dialog>,
    seq: RwSignal<u64>,
    fetch: StoredValue<MessageFetch>,
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
    Status(String),
    Message(Arc<LoadedMessage>, View),
}

impl Inspector {
    pub(super) fn new(context: PanelContext, packets: Packets, clipboard: ClipboardWriter) -> Self {
        Self {
            context,
            packets,
            clipboard,
            dialog: NodeRef::new(),
            seq: RwSignal::new(0),
            fetch: StoredValue::default(),
            copying: StoredValue::default(),
            shown: RwSignal::default(),
            chosen: StoredValue::default(),
        }
    }

    /// Begins to fetch a message; the previous one is shown until it arrives.
    fn load(self, seq: u64) {
        self.fetch.set_value(MessageFetch::new(seq));
        self.seq.set(seq);
        self.context.pull_with_frame();
    }

    /// Returns the part of a message to request from the worker.
    fn next_part(self) -> Option<MessageRequest> {
        let copying = || self.copying.with_value(|copying| copying.as_ref()?.1.request());
        self.fetch.with_value(MessageFetch::request).or_else(copying)
    }

    /// Handles the worker's answer.
    fn handle_part(self, part: MessagePart) {
        if self.fetch.with_value(|fetch| fetch.request().is_some()) {
            let fetched = self.fetch.try_update_value(|fetch| fetch.take(part)).flatten();
            return self.show(fetched);
        }
        let taken = self.copying.try_update_value(|copying| {
            let (copied, fetch) = copying.as_mut()?;
            Some((*copied, fetch.seq(), fetch.take(part)?))
        });
        match taken.flatten() {
            Some((copied, seq, FetchResult::Complete(found, reach))) => {
                let (what, text) = LoadedMessage::new(seq, found, reach).copied(copied);
                self.clipboard.copy(what, text);
            }
            Some((.., FetchResult::Missing(text))) => self.clipboard.show_message(text),
            Some((.., FetchResult::Partial { .. })) | None => {}
        }
    }

    fn show(self, fetched: Option<FetchResult>) {
        match fetched {
            None => {}
            Some(FetchResult::Partial { bytes, of }) => {
                let text = format!("Loading message: {} of {}…", size(bytes.into()), size(of.into()));
                self.shown.set(InspectorState::Status(text));
            }
            Some(FetchResult::Missing(text)) => self.shown.set(InspectorState::Status(text)),
            Some(FetchResult::Complete(found, reach)) => {
                let seq = self.fetch.with_value(MessageFetch::seq);
                let loaded = LoadedMessage::new(seq, found, reach);
                match self.chosen.with_value(|chosen| chosen.get(&loaded.found.topic).copied()) {
                    Some(view) => self.shown.set(InspectorState::Message(Arc::new(loaded), view)),
                    None => {
                        let choice = loaded.choice();
                        self.choose(Arc::new(loaded), choice);
                    }
                }
            }
        }
    }

    /// Finds the view for the message, unless another message was requested in the meantime.
    fn choose(self, loaded: Arc<LoadedMessage>, mut choice: Choice) {
        if self.fetch.with_value(MessageFetch::seq) != loaded.seq {
            return;
        }
        match for_a_while(|| choice.advance(SLICE_BYTES)) {
            Some(view) => self.shown.set(InspectorState::Message(loaded, view)),
            None => {
                let bytes = loaded.payload.len() as u64;
                self.shown.set(InspectorState::Status(format!("Detecting the format of {}…", size(bytes))));
                Timeout::new(0, move || self.choose(loaded, choice)).forget();
            }
        }
    }
}

impl Panel for Inspector {
    fn view(&self) -> AnyView {
        let inspector = *self;
        view! { <InspectorPanel inspector /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        match action {
            PanelAction::Message(seq) => {
                open_non_modal(self.dialog);
                self.load(seq);
            }
            PanelAction::Copy(copied, seq) => self.copying.set_value(Some((copied, MessageFetch::new(seq)))),
            _ => {}
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.message = self.next_part();
        if is_open(self.dialog) {
            request.trace_from = Some(self.packets.next());
        }
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(part) = update.message.take() {
            self.handle_part(part);
        }
    }

    fn on_worker_lost(&self) {
        self.copying.set_value(None);
        let fetched = self.fetch.try_update_value(MessageFetch::abandon).flatten();
        self.show(fetched);
    }

    fn pace(&self) -> UpdatePace {
        if self.next_part().is_some() { UpdatePace::Immediate } else { UpdatePace::EveryFrame }
    }
}

#[component]
fn InspectorPanel(inspector: Inspector) -> impl IntoView {
    let go_to = move |seq: u64| inspector.load(seq.max(1));
    let head = move || {
        view! {
                <div class="turns">
                    <button
                        type="button"
                        class="button icon"
                        aria-label="Previous message"
                        disabled=move || inspector.seq.get() <= 1
                        on:click=move |_| go_to(inspector.seq.get_untracked() - 1)
                    >
                        "‹"
                    </button>
                    <button
                        type="button"
                        class="button icon"
                        aria-label="Next message"
                        on:click=move |_| go_to(inspector.seq.get_untracked() + 1)
                    >
                        "›"
                    </button>
                </div>
        }
    };
    view! {
        <PanelDialog
            dialog=inspector.dialog
            id="inspector-title"
            title=Signal::derive(move || format!("Message {}", grouped(inspector.seq.get())))
            class="panel inspector"
            head=Children::to_children(head)
        >
            {move || match inspector.shown.get() {
                InspectorState::Nothing => ().into_any(),
                InspectorState::Status(text) => view! { <p class="inspector-status" role="status">{text}</p> }.into_any(),
                InspectorState::Message(loaded, view) => view! { <MessageView inspector loaded first=view /> }.into_any(),
            }}
        </PanelDialog>
    }
}

#[component]
fn MessageView(
    inspector: Inspector,
    loaded: Arc<LoadedMessage>,
    /// The view in which it opens.
    first: View,
) -> impl IntoView {
    let topic = loaded.found.topic.clone();
    let view = RwSignal::new(first);
    let choose = move |chosen_view: View| {
        inspector.chosen.update_value(|chosen| {
            chosen.insert(topic.clone(), chosen_view);
        });
        view.set(chosen_view);
    };
    let seq = loaded.seq;
    // The trace forgets the packet before the message is evicted.
    let identifier = Memo::new(move |known: Option<&Option<u16>>| {
        let traced =
            || inspector.packets.analysis.with(|analysis| analysis.publish_of(seq).and_then(TraceEntry::identifier));
        known.copied().flatten().or_else(traced)
    });
    let shown = {
        let loaded = Arc::clone(&loaded);
        move || {
            let (clipboard, dialog, payload) = (inspector.clipboard, inspector.dialog, Arc::clone(&loaded.payload));
            if view.get() != View::Packet {
                return view! { <PayloadView view=view.get() loaded=Arc::clone(&loaded) clipboard dialog /> }
                    .into_any();
            }
            // The version of the present connection; the log doesn't store the version of the one
            // that the message came by.
            let version = inspector
                .context
                .broker_status
                .with_untracked(|broker_status| broker_status.version)
                .unwrap_or(Version::V5);
            let packet = Arc::new(PublishBytes::new(&loaded.message(), payload, version, identifier.get()));
            view! {
                <PacketView packet />
                <footer class="panel-foot" role="none">
                    <CopyButtons clipboard loaded=Arc::clone(&loaded) dialog />
                </footer>
            }
            .into_any()
        }
    };
    view! {
        <div class="inspector-body" data-message=seq.to_string()>
            <Facts inspector loaded />
            <Views view choose />
            {shown}
        </div>
    }
}

#[component]
fn Facts(inspector: Inspector, loaded: Arc<LoadedMessage>) -> impl IntoView {
    let found = &loaded.found;
    let qos = match found.qos {
        QoS::AtMostOnce => "0, at most once",
        QoS::AtLeastOnce => "1, at least once",
        QoS::ExactlyOnce => "2, exactly once",
    };
    let retain = if found.retain { "; retained" } else { "" };
    let dup = if found.dup { "; duplicate (DUP)" } else { "" };
    let broken = Deviation::of_message(&found.topic, found.qos, found.dup);
    let broken = broken.map_or_else(String::new, |deviation| format!("; violates {}", deviation.rule()));
    let bytes = u64::from(found.payload_bytes);
    let bytes = match bytes {
        0 => "0 bytes (empty)".to_owned(),
        1 => "1 byte".to_owned(),
        2..1_000 => format!("{bytes} bytes"),
        _ => format!("{} bytes ({})", grouped(bytes), size(bytes)),
    };
    let listed: Vec<_> = properties(&found.properties)
        .map(|property| {
            let (name, value) = property_text(&property);
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
            <Delivery inspector seq=loaded.seq />
        </dl>
    }
}

/// The packets of this message's delivery, as far as they are still in the trace.
#[component]
fn Delivery(inspector: Inspector, seq: u64) -> impl IntoView {
    move || {
        let steps = inspector.packets.analysis.with(|analysis| {
            let delivery = analysis.delivery_of(seq);
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
    view! { <div class="views" role="radiogroup" aria-label="Format">{options}</div> }
}
