//! "Topics": the tree of topics seen, with counts, rates, last values and small plots; a click
//! filters the console.
//!
//! The tree lives in the worker. Here are the rows on screen, the levels that are unfolded, and the
//! row that the keyboard is on. There are as many row elements as fit, and only their content
//! changes; none is created or removed while the tree updates.

use std::collections::{BTreeMap, BTreeSet};

use leptos::attr::custom::custom_attribute;
use leptos::html;
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::context::PanelContext;
use super::dialog::{PanelDialog, close, is_open, open_modal, open_non_modal};
use super::fields::disabled_reason;
use super::panel::{Panel, UpdatePace};
use crate::format::{self, grouped};
use crate::mqtt::packet::QoS;
use crate::protocol::command::{PanelCommand, PanelsRequest};
use crate::protocol::panels::{PanelAction, ToPage};
use crate::protocol::publish::PublishOutcome;
use crate::protocol::publish::PublishRequest;
use crate::protocol::rows::Preview;
use crate::protocol::topics::{LevelRequest, TopicsOrder, TopicsRequest};
use crate::protocol::topics::{TopicRow, TopicsView};
use crate::protocol::update::PanelsUpdate;
use crate::topics::{LEVELS_MAX, query};
use crate::ui::broker_capabilities::{Capability, unavailable_publish_reason, unavailable_reason};
use crate::ui::forms::message::MessageFields;
use crate::ui::sparkline;
use crate::web::window_bus;

/// Height of a row; the style sheet takes it from here.
const ROW_PX: u32 = 44;

/// Rows fetched beyond the edges of the screen.
const OVERSCAN_ROWS: u64 = 6;

/// The number of fields of a payload that are offered for the plot.
const FIELDS_MAX: usize = 50;

/// The orders that are offered, and their labels.
const ORDERS: [(TopicsOrder, &str); 4] = [
    (TopicsOrder::Name, "Name"),
    (TopicsOrder::Count, "Message count"),
    (TopicsOrder::Rate, "Rate"),
    (TopicsOrder::Newest, "Most recent"),
];

/// Sizes of a row's plot, and of the one below the tree.
const ROW_PLOT: (f64, f64) = (64.0, 16.0);
const LARGE_PLOT: (f64, f64) = (320.0, 56.0);

/// The rows on screen, and what is chosen of them.
#[derive(Clone, Copy)]
pub(super) struct TopicTree {
    context: PanelContext,
    dialog: NodeRef<html::Dialog>,
    scroller: NodeRef<html::Div>,
    view: RwSignal<TopicsView>,
    open: RwSignal<BTreeSet<u32>>,
    /// The field with the plot's numbers, by level; the empty field is the payload.
    fields: RwSignal<BTreeMap<u32, String>>,
    active: RwSignal<Option<Active>>,
    order: RwSignal<TopicsOrder>,
}

/// The row that the keyboard is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Active {
    row: u64,
    /// Unknown until the row has arrived.
    id: Option<u32>,
}

impl TopicTree {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            scroller: NodeRef::new(),
            view: RwSignal::default(),
            open: RwSignal::default(),
            fields: RwSignal::default(),
            active: RwSignal::default(),
            order: RwSignal::default(),
        }
    }

    fn focus(self) {
        if let Some(scroller) = self.scroller.get_untracked() {
            // Never fails for an element on the page.
            let _ = scroller.focus();
        }
    }

    /// Returns what is on screen.
    fn on_screen(self) -> Option<TopicsRequest> {
        let scroller = self.scroller.get_untracked().filter(|_| is_open(self.dialog))?;
        let first = u64::from(scroller.scroll_top().unsigned_abs() / ROW_PX).saturating_sub(OVERSCAN_ROWS);
        let fit = scroller.client_height().unsigned_abs().div_ceil(ROW_PX) + 1;
        // Levels that aren't on screen need no numbers, but they count if they are unfolded.
        let mut levels: BTreeMap<_, _> =
            self.open.with_untracked(|open| open.iter().map(|id| (*id, (true, String::new()))).collect());
        let drawn: Vec<_> = self.view.with_untracked(|view| view.rows.iter().map(|row| row.id).collect());
        self.fields.with_untracked(|fields| {
            for (id, field) in drawn.iter().filter_map(|id| fields.get_key_value(id)) {
                levels.entry(*id).or_default().1.clone_from(field);
            }
        });
        let level = |(id, (is_open, field))| LevelRequest { id, is_open, field };
        Some(TopicsRequest {
            age: self.view.with_untracked(|view| view.age),
            first,
            rows: fit + 2 * OVERSCAN_ROWS as u32,
            order: self.order.get_untracked(),
            levels: levels.into_iter().map(level).collect(),
        })
    }

    /// Shows the worker's update of what is on screen.
    fn set_view(self, view: TopicsView) {
        if self.view.with_untracked(|old| old.age != view.age) {
            self.clear();
        }
        self.find_fields(&view.rows);
        if let Some(active) = self.active.get_untracked() {
            let place = view.rows.iter().zip(view.first..).find(|(row, place)| match active.id {
                Some(id) => row.id == id,
                None => *place == active.row,
            });
            if let Some((row, place)) = place {
                self.activate(Active { row: place, id: Some(row.id) });
            }
        }
        self.view.set(view);
    }

    /// Clears everything.
    fn clear(self) {
        self.view.set(TopicsView::default());
        self.open.update(BTreeSet::clear);
        self.fields.update(BTreeMap::clear);
        self.active.set(None);
    }

    /// Plots JSON by its most likely field until another one is chosen.
    fn find_fields(self, rows: &[TopicRow]) {
        for row in rows {
            if row.series.is_empty()
                && !self.fields.with_untracked(|fields| fields.contains_key(&row.id))
                && let Some(field) = sparkline::best_field(&fields_of(row))
            {
                self.fields.update(|fields| {
                    fields.insert(row.id, field.clone());
                });
            }
        }
    }

    fn activate(self, active: Active) {
        if self.active.get_untracked() != Some(active) {
            self.active.set(Some(active));
        }
    }

    /// Returns the active row, while it is on screen.
    fn active_row(self) -> Option<TopicRow> {
        let id = self.active.get()?.id?;
        self.view.with(|view| view.rows.iter().find(|row| row.id == id).cloned())
    }

    /// Goes to a row and shows it.
    fn go_to(self, row: u64) {
        let (total, id) = self.view.with_untracked(|view| {
            let place = row.checked_sub(view.first).and_then(|place| usize::try_from(place).ok());
            (view.total, place.and_then(|place| view.rows.get(place)).map(|row| row.id))
        });
        if total == 0 {
            return;
        }
        let row = row.min(total - 1);
        self.activate(Active { row, id });
        let Some(scroller) = self.scroller.get_untracked() else { return };
        // The tree is bounded, so its pixels fit.
        let (top_px, row_px) = ((row as i32) * ROW_PX as i32, ROW_PX as i32);
        let (from_px, height_px) = (scroller.scroll_top(), scroller.client_height());
        if top_px < from_px {
            scroller.set_scroll_top(top_px);
        } else if top_px + row_px > from_px + height_px {
            scroller.set_scroll_top(top_px + row_px - height_px);
        }
    }

    fn fold(self, id: u32) {
        self.open.update(|open| {
            if !open.remove(&id) {
                open.insert(id);
            }
        });
    }

    fn rows_that_fit(self) -> u64 {
        let height_px = self.scroller.get_untracked().map_or(0, |scroller| scroller.client_height());
        u64::from((height_px.unsigned_abs() / ROW_PX).max(2))
    }

    /// Moves by a key, as trees do. Returns whether it was one of their keys.
    fn press(self, key: &str) -> bool {
        let at = self.active.get_untracked().map(|active| active.row);
        let active = untrack(|| self.active_row());
        let next = at.map_or(0, |row| row + 1);
        let before = at.unwrap_or(0).saturating_sub(1);
        match (key, active) {
            ("ArrowDown", _) => self.go_to(next),
            ("ArrowUp", _) => self.go_to(before),
            ("PageDown", _) => self.go_to(at.unwrap_or(0) + self.rows_that_fit() - 1),
            ("PageUp", _) => self.go_to(at.unwrap_or(0).saturating_sub(self.rows_that_fit() - 1)),
            ("Home", _) => self.go_to(0),
            ("End", _) => self.go_to(u64::MAX),
            ("ArrowRight", Some(TopicRow { id, open: Some(false), .. }))
            | ("ArrowLeft", Some(TopicRow { id, open: Some(true), .. }))
            | (" ", Some(TopicRow { id, open: Some(_), .. })) => self.fold(id),
            ("ArrowRight", Some(TopicRow { open: Some(true), .. })) => self.go_to(next),
            ("ArrowLeft", Some(TopicRow { parent: Some(above), .. })) => self.go_to(above),
            ("Enter", Some(row)) => filter(&row),
            _ => return false,
        }
        true
    }
}

impl Panel for TopicTree {
    fn view(&self) -> AnyView {
        let tree = *self;
        view! { <TopicsPanel tree /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Topics {
            open_non_modal(self.dialog);
            self.focus();
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.topics = self.on_screen();
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(view) = update.topics.take() {
            self.set_view(view);
        }
    }

    fn on_worker_lost(&self) {
        self.clear();
    }

    fn pace(&self) -> UpdatePace {
        if is_open(self.dialog) { UpdatePace::Periodic } else { UpdatePace::EveryFrame }
    }
}

/// Makes the console show the messages of this topic and below.
fn filter(row: &TopicRow) {
    window_bus::send_to_page(&ToPage::Filter(query(&row.topic, row.open.is_some())));
}

/// Returns the fields with numbers in the last payload, as far as its beginning shows them.
fn fields_of(row: &TopicRow) -> Vec<String> {
    match &row.last {
        // Line ends and tabs were made visible.
        Some(Preview::Text(text)) => {
            sparkline::fields(&text.replace(['\u{2409}', '\u{240a}', '\u{240d}'], " "), FIELDS_MAX)
        }
        _ => Vec::new(),
    }
}

fn value(row: &TopicRow) -> String {
    match (&row.last, row.last_time) {
        (Some(Preview::Text(text)), _) if text.is_empty() => "(empty)".to_owned(),
        (Some(Preview::Text(text) | Preview::Hex(text)), _) => text.clone(),
        (None, Some(_)) => "(no longer stored)".to_owned(),
        (None, None) => String::new(),
    }
}

fn count_text(row: &TopicRow) -> String {
    match row.count {
        1 => "1 message".to_owned(),
        count => format!("{} messages", grouped(count)),
    }
}

fn topics_text(row: &TopicRow) -> String {
    match (row.open, row.topics) {
        (None, _) => String::new(),
        (Some(_), 1) => "1 topic".to_owned(),
        (Some(_), count) => format!("{} topics", grouped(count.into())),
    }
}

#[component]
fn TopicsPanel(tree: TopicTree) -> impl IntoView {
    let context = tree.context;
    let fit = Memo::new(move |_| tree.view.with(|view| view.rows.len()));
    let on_key = move |event: KeyboardEvent| {
        if !event.ctrl_key() && !event.alt_key() && !event.meta_key() && tree.press(&event.key()) {
            event.prevent_default();
            context.pull_with_frame();
        }
    };
    let choose_order = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        let order = ORDERS.into_iter().find(|(_, name)| *name == text).map(|(order, _)| order);
        tree.order.set(order.unwrap_or_default());
        context.pull_with_frame();
    };
    let height = move || format!("{}px", tree.view.with(|view| view.total) * u64::from(ROW_PX));
    let offset = move || format!("translateY({}px)", tree.view.with(|view| view.first) * u64::from(ROW_PX));
    let active = move || tree.active_row().map(|row| row_id(row.id));
    let summary = move || {
        tree.view.with(|view| match (view.topics, view.others) {
            (0, 0) => "No messages yet.".to_owned(),
            (1, 0) => "1 topic".to_owned(),
            (topics, 0) => format!("{} topics", grouped(topics.into())),
            (topics, others) => format!(
                "{} topics; the tree is full (maximum {} levels). {} messages arrived on other topics.",
                grouped(topics.into()),
                grouped(LEVELS_MAX as u64),
                grouped(others)
            ),
        })
    };
    let head = move || {
        view! {
                <p class="why" data-topics=move || tree.view.with(|view| view.topics).to_string()>{summary}</p>
                <select aria-label="Order" on:change=choose_order>
                    {ORDERS.map(|(_, name)| view! { <option value=name>{name}</option> }).collect_view()}
                </select>
        }
    };
    view! {
        <PanelDialog
            dialog=tree.dialog
            id="topics-title"
            title="Topics"
            class="panel topics-panel"
            head=Children::to_children(head)
            on:close=move |_| context.pull_with_frame()
        >
            <div
                class="tree"
                role="tree"
                aria-label="Topics seen"
                tabindex="0"
                aria-activedescendant=active
                style=format!("--tree-row:{ROW_PX}px")
                node_ref=tree.scroller
                on:scroll=move |_| context.pull_with_frame()
                on:keydown=on_key
            >
                <div class="tree-spacer" role="none" style:height=height>
                    <div class="tree-rows" role="none" style:transform=offset>
                        <For each=move || 0..fit.get() key=|place| *place children=move |place| view! { <Row tree place /> } />
                    </div>
                </div>
            </div>
            <Details tree />
        </PanelDialog>
    }
}

fn row_id(id: u32) -> String {
    format!("topic-{id}")
}

#[component]
fn Row(tree: TopicTree, place: usize) -> impl IntoView {
    let context = tree.context;
    let row = Memo::new(move |_| tree.view.with(|view| view.rows.get(place).cloned().unwrap_or_default()));
    let row_place = move || tree.view.with_untracked(|view| view.first) + place as u64;
    let activate = move || {
        tree.activate(Active { row: row_place(), id: Some(row.with_untracked(|row| row.id)) });
        tree.focus();
    };
    let is_active = Memo::new(move |_| tree.active.get().and_then(|active| active.id) == Some(row.with(|row| row.id)));
    let points = Memo::new(move |_| {
        let numbers = row.with(|row| sparkline::numbers(&row.series));
        sparkline::points(&numbers, ROW_PLOT.0, ROW_PLOT.1)
    });
    view! {
        <div
            class="tree-row"
            role="treeitem"
            id=move || row_id(row.with(|row| row.id))
            {..custom_attribute("aria-level", move || row.with(|row| row.depth).to_string())}
            aria-posinset=move || row.with(|row| row.position).to_string()
            aria-setsize=move || row.with(|row| row.siblings).to_string()
            aria-expanded=move || row.with(|row| row.open).map(|open| open.to_string())
            aria-selected=move || is_active.get().to_string()
            data-topic=move || row.with(|row| row.topic.clone())
            data-count=move || row.with(|row| row.count).to_string()
            style=move || format!("--depth:{}", row.with(|row| row.depth.saturating_sub(1).min(12)))
            on:click=move |_| {
                activate();
                row.with_untracked(filter);
            }
        >
            <span
                class="twisty"
                aria-hidden="true"
                on:click=move |event| {
                    event.stop_propagation();
                    activate();
                    if row.with_untracked(|row| row.open.is_some()) {
                        tree.fold(row.with_untracked(|row| row.id));
                        context.pull_with_frame();
                    }
                }
            >
                {move || match row.with(|row| row.open) {
                    Some(true) => "▾",
                    Some(false) => "▸",
                    None => "",
                }}
            </span>
            <span class="name">
                <bdi>{move || row.with(|row| row.name.clone())}</bdi>
                <span class="retained" hidden=move || !row.with(|row| row.is_retained)>"retained"</span>
            </span>
            <span class="count">{move || row.with(|row| grouped(row.count))}<span class="unseen">" messages"</span></span>
            <span class="value">
                <bdi>{move || row.with(value)}</bdi>
                <span class="below">{move || row.with(topics_text)}</span>
            </span>
            <svg
                class="plot"
                viewBox=format!("-1 -1 {} {}", ROW_PLOT.0 + 2.0, ROW_PLOT.1 + 2.0)
                preserveAspectRatio="none"
                aria-hidden="true"
            >
                <polyline points=move || points.get().unwrap_or_default() />
            </svg>
            <span class="rate">{move || row.with(|row| sparkline::rate(row.per_1000_s))}</span>
        </div>
    }
}

/// The part below the tree: the active row in detail, and its actions.
#[component]
fn Details(tree: TopicTree) -> impl IntoView {
    let context = tree.context;
    let row = Memo::new(move |_| tree.active_row());
    let id = Memo::new(move |_| row.with(|row| row.as_ref().map(|row| row.id)));
    let with = move |read: fn(&TopicRow) -> String| row.with(|row| row.as_ref().map(read).unwrap_or_default());
    let numbers = Memo::new(move |_| sparkline::numbers(&with(|row| row.series.clone())));
    let points = move || numbers.with(|numbers| sparkline::points(numbers, LARGE_PLOT.0, LARGE_PLOT.1));
    let plot_text = move || sparkline::describe(&with(|row| row.series.clone()));
    let fields = Memo::new(move |_| row.with(|row| row.as_ref().map(fields_of).unwrap_or_default()));
    let chosen = Memo::new(move |_| {
        let id = id.get()?;
        tree.fields.with(|fields| fields.get(&id).cloned())
    });
    let age = move || {
        let (last, now) = (row.with(|row| row.as_ref().and_then(|row| row.last_time)), tree.view.with(|view| view.now));
        last.map(|last| format!("last {}", format::ago(now.since(last))))
    };
    let facts = move || {
        let parts = [
            with(count_text),
            with(topics_text),
            with(|row| sparkline::rate(row.per_1000_s)),
            age().unwrap_or_default(),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    };
    view! {
        <footer role="none" class="panel-foot topic-details" hidden=move || id.get().is_none()>
            <p class="topic"><bdi>{move || with(|row| row.topic.clone())}</bdi></p>
            <p class="why">{facts}</p>
            <svg
                class="plot large"
                role="img"
                aria-label=move || plot_text().unwrap_or_default()
                viewBox=format!("-2 -2 {} {}", LARGE_PLOT.0 + 4.0, LARGE_PLOT.1 + 4.0)
                preserveAspectRatio="none"
                style:display=move || if points().is_some() { "" } else { "none" }
            >
                <polyline points=move || points().unwrap_or_default() />
            </svg>
            <p class="why">{plot_text}</p>
            <div class="field" hidden=move || fields.with(Vec::is_empty)>
                <label for="topic-field">"Plot"</label>
                <select
                    id="topic-field"
                    on:change=move |event| {
                        let text = event_target_value(&event);
                        let field = fields
                            .with_untracked(|all| all.iter().find(|field| sparkline::field_label(field) == text).cloned());
                        if let (Some(id), Some(field)) = (id.get_untracked(), field) {
                            tree.fields.update(|fields| {
                                fields.insert(id, field);
                            });
                            context.pull_with_frame();
                        }
                    }
                >
                    <For
                        each=move || fields.get()
                        key=Clone::clone
                        children=move |field| {
                            let text = sparkline::field_label(&field);
                            let value = text.clone();
                            view! {
                                <option value=value prop:selected=move || chosen.get().as_ref() == Some(&field)>
                                    {text}
                                </option>
                            }
                        }
                    />
                </select>
            </div>
            <ClearRetained context row />
        </footer>
    }
}

/// Removes a retained message from the broker, once it is confirmed.
#[component]
fn ClearRetained(context: PanelContext, row: Memo<Option<TopicRow>>) -> impl IntoView {
    let question = NodeRef::<html::Dialog>::new();
    let topic = RwSignal::new(String::new());
    // The number and topic of what was sent.
    let sent = RwSignal::new(None::<(u64, String)>);
    let is_retained = Memo::new(move |_| row.with(|row| row.as_ref().is_some_and(|row| row.is_retained)));
    let retain = disabled_reason(context.broker_status, Capability::Retain);
    let why = Memo::new(move |_| {
        let state = context.broker_status.with(|broker_status| broker_status.state);
        unavailable_publish_reason(state).map(str::to_owned).or_else(|| retain.get())
    });
    let ask = move |_| {
        topic.set(row.with_untracked(|row| row.as_ref().map(|row| row.topic.clone()).unwrap_or_default()));
        open_modal(question);
    };
    let clear = move |_| {
        close(question);
        let topic = topic.get_untracked();
        let qos = context.broker_status.with_untracked(|broker_status| {
            match unavailable_reason(broker_status, Capability::QoS(QoS::AtLeastOnce)) {
                None => QoS::AtLeastOnce,
                Some(_) => QoS::AtMostOnce,
            }
        });
        let message = MessageFields { topic: topic.clone(), qos, retain: true, ..MessageFields::default() };
        let number = context.publish_history.try_update(|history| history.push(&message)).unwrap_or_default();
        sent.set(Some((number, topic.clone())));
        let request = PublishRequest { topic, qos, retain: true, ..PublishRequest::default() };
        context.send(&PanelCommand::Publish { number, request });
    };
    let outcome = move || {
        let (number, topic) = sent.get()?;
        let outcome = context.publish_history.with(|history| {
            history.entries().find(|entry| entry.number == number).and_then(|entry| entry.outcome.clone())
        });
        Some(match outcome {
            None => format!("Deleting the retained message of {topic}…"),
            Some(PublishOutcome::Done) => format!("Deleted the retained message of {topic}."),
            Some(PublishOutcome::Failed(text)) => format!("Couldn't delete the retained message of {topic}: {text}."),
            Some(PublishOutcome::Unknown(text)) => {
                format!("Couldn't confirm that the retained message of {topic} was deleted: {text}.")
            }
        })
    };
    view! {
        <div class="clear-retained">
            <button
                type="button"
                class="button"
                aria-haspopup="dialog"
                aria-describedby="clear-why"
                hidden=move || !is_retained.get()
                disabled=move || why.with(Option::is_some)
                on:click=ask
            >
                "Delete retained message"
            </button>
            <p class="why" id="clear-why">{move || why.get().filter(|_| is_retained.get())}</p>
            <p role="status">{outcome}</p>
        </div>
        <dialog class="question" node_ref=question aria-labelledby="clear-title">
            <h3 id="clear-title">"Delete the retained message?"</h3>
            <p>
                "The retained message of " <bdi class="topic">{move || topic.get()}</bdi>
                " will be removed from the broker for all clients, by publishing an empty one."
            </p>
            <div class="panel-foot">
                <button type="button" class="button primary" on:click=clear>"Delete"</button>
                <button type="button" class="button" autofocus on:click=move |_| close(question)>"Cancel"</button>
            </div>
        </dialog>
    }
}
