//! Suggestions at the console's filter. The field belongs to the page; its events are handled here
//! before the page handles them, so that a key that is meant for the list goes no further.
//!
//! The list is a popover, which nothing clips. It covers neither the field nor the text about the
//! filter: it is below that text, or above the field if there is more room there, as on a phone.
//!
//! The field stays the search box that the page promises, so it isn't marked as a combo box, and a
//! search box can't be "expanded". A status reports that there are suggestions, and
//! `aria-activedescendant` the chosen one.

use crate::web::dom;
use crate::web::local_time;
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{
    AddEventListenerOptions, Event, EventInit, HtmlElement, HtmlInputElement, KeyboardEvent, ResizeObserver,
    ScrollIntoViewOptions, ScrollLogicalPosition,
};

use super::context::PanelContext;
use super::panel::Panel;
use crate::message_log::query::suggest::{Suggestion, SuggestionData, SuggestionQuery, Typing};
use crate::protocol::command::PanelsRequest;
use crate::protocol::update::PanelsUpdate;

/// The field.
const FIELD: &str = ".console input[type=search]";

/// The rows: they begin below the text about the filter.
const ROWS: &str = ".console .frame";

/// The distance between the list and the window's edge, or the field.
const GAP_PX: f64 = 8.0;

/// As wide as the text needs it.
const WIDTH_PX: f64 = 540.0;

/// The list's `id`, and the prefix of its options' identifiers.
const LIST_ID: &str = "suggestions";

/// The events of the field that are handled.
const FIELD_EVENTS: [&str; 4] = ["input", "keydown", "click", "focusout"];

/// The handle of the suggestions.
#[derive(Clone, Copy)]
pub(super) struct Suggestions {
    context: PanelContext,
    shown: RwSignal<Vec<Suggestion>>,
    active: RwSignal<Option<usize>>,
    known: StoredValue<Option<SuggestionData>>,
    /// The query that the worker hasn't answered yet.
    asked: StoredValue<Option<SuggestionQuery>>,
}

impl Suggestions {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            shown: RwSignal::default(),
            active: RwSignal::new(None),
            known: StoredValue::new(None),
            asked: StoredValue::new(None),
        }
    }

    /// Handles the field from now on, including what was typed there before.
    fn attach(self) {
        let (Some(rows), Some(field)) = (element(ROWS), field()) else { return };
        mount_to(rows.clone(), move || view! { <SuggestionList suggestions=self /> }).forget();
        self.keep_positioned(&rows);
        for (name, value) in [("aria-autocomplete", "list"), ("aria-controls", LIST_ID)] {
            // Attributes of these names are always accepted.
            let _ = field.set_attribute(name, value);
        }
        let on_event = Closure::<dyn Fn(Event)>::new(move |event: Event| self.handle_event(&event));
        for event in FIELD_EVENTS {
            let options = AddEventListenerOptions::new();
            // Before the console, which listens in the same way.
            options.set_capture(true);
            // Doesn't fail for our own listener and target.
            let _ = window().add_event_listener_with_callback_and_add_event_listener_options(
                event,
                on_event.as_ref().unchecked_ref(),
                &options,
            );
        }
        // Lives as long as the page.
        on_event.forget();
        if typed().is_some_and(|(line, caret)| Typing::new(&line, caret).has_begun()) {
            self.open();
        }
    }

    /// Moves the list to where there is room for it, whenever the room or the list has changed. The
    /// text about the filter moves the rows.
    fn keep_positioned(self, rows: &HtmlElement) {
        let on_resize = Closure::<dyn Fn()>::new(|| {
            // These elements exist as long as the page.
            let _ = position_list();
        });
        if let (Ok(observer), Some(list)) =
            (ResizeObserver::new(on_resize.as_ref().unchecked_ref()), element(&format!("#{LIST_ID}")))
        {
            observer.observe(rows);
            observer.observe(&list);
            on_resize.forget();
        }
    }

    fn handle_event(self, event: &Event) {
        let target = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if target.is_none_or(|target| !target.matches(FIELD).unwrap_or(false)) {
            return;
        }
        match event.type_().as_str() {
            // Text that the app itself puts there isn't being typed.
            "input" if event.is_trusted() => match has_begun() {
                true => self.open(),
                false => self.close(),
            },
            "keydown" => {
                // Browsers that fill in fields send some of these without a key.
                if let Some(event) = event.dyn_ref::<KeyboardEvent>()
                    && !event.is_composing()
                    && self.key(event)
                {
                    event.prevent_default();
                    event.stop_propagation();
                }
            }
            // A click into the empty field: the person may want to know what goes there.
            "click" if typed().is_some_and(|(line, _)| line.is_empty()) => self.open(),
            // The caret or the focus has moved elsewhere.
            _ => self.close(),
        }
    }

    /// Whether the key was meant for the list.
    fn key(self, event: &KeyboardEvent) -> bool {
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.shift_key() {
            return false;
        }
        let count = self.shown.with_untracked(Vec::len);
        let active = self.active.get_untracked();
        match (event.key().as_str(), active) {
            ("ArrowDown", _) if count == 0 => self.open(),
            ("ArrowDown", _) => self.activate(Some(active.map_or(0, |active| (active + 1) % count))),
            ("ArrowUp", _) if count > 0 => {
                self.activate(Some(active.map_or(count, |active| active + count).saturating_sub(1) % count));
            }
            ("Enter" | "Tab", Some(active)) => self.choose(active),
            ("Escape", _) if count > 0 => self.close(),
            ("Enter" | "ArrowLeft" | "ArrowRight" | "Home" | "End", _) => {
                self.close();
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Shows what could be inserted at the caret, and asks the worker for more.
    fn open(self) {
        let Some((line, caret)) = typed() else { return };
        let ask = Typing::new(&line, caret).ask();
        let is_known = self.known.with_value(|known| known.as_ref().map(|known| &known.ask) == ask.as_ref());
        self.asked.set_value(ask);
        if !is_known {
            self.known.set_value(None);
        }
        self.refresh();
        // There may be new topics since.
        if self.asked.with_value(Option::is_some) {
            self.context.pull_with_frame();
        }
    }

    fn refresh(self) {
        let Some((line, caret)) = typed() else { return self.close() };
        let here = local_time::now();
        let shown = self.known.with_value(|known| Typing::new(&line, caret).suggestions(known.as_ref(), here));
        if self.shown.with_untracked(|old| *old != shown) {
            self.activate(None);
            self.show(shown);
        }
    }

    fn show(self, shown: Vec<Suggestion>) {
        if let Some(list) = element(&format!("#{LIST_ID}")) {
            // Fails if it is already in that state.
            let _ = if shown.is_empty() { list.hide_popover() } else { list.show_popover() };
        }
        self.shown.set(shown);
    }

    fn activate(self, active: Option<usize>) {
        self.active.set(active);
        let Some(field) = field() else { return };
        let Some(active) = active else {
            // Removes an attribute that may be missing.
            let _ = field.remove_attribute("aria-activedescendant");
            return;
        };
        let id = format!("{LIST_ID}-{active}");
        let _ = field.set_attribute("aria-activedescendant", &id);
        if let Some(option) = document().get_element_by_id(&id) {
            let options = ScrollIntoViewOptions::new();
            options.set_block(ScrollLogicalPosition::Nearest);
            option.scroll_into_view_with_scroll_into_view_options(&options);
        }
    }

    fn close(self) {
        self.asked.set_value(None);
        if self.shown.with_untracked(|shown| !shown.is_empty()) {
            self.activate(None);
            self.show(Vec::new());
        }
    }

    fn choose(self, index: usize) {
        let chosen = self.shown.with_untracked(|shown| shown.get(index).cloned());
        let (Some(field), Some(chosen)) = (field(), chosen) else { return };
        self.close();
        field.set_value(&chosen.line);
        let units = chosen.line[..chosen.caret].encode_utf16().count() as u32;
        // Fails for fields of other kinds.
        let _ = field.set_selection_range(units, units);
        let init = EventInit::new();
        init.set_bubbles(true);
        // The page handles it as if it had been typed.
        if let Ok(event) = Event::new_with_event_init_dict("input", &init) {
            let _ = field.dispatch_event(&event);
        }
        if chosen.is_key {
            self.open();
        }
    }
}

impl Panel for Suggestions {
    /// Nothing is drawn among the panels: the list is next to the field.
    fn view(&self) -> AnyView {
        self.attach();
        ().into_any()
    }

    fn request(&self, request: &mut PanelsRequest) {
        // Until the worker answers.
        request.suggestions = self.asked.get_value();
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(known) = update.suggestions.take()
            && self.asked.with_value(|asked| asked.as_ref() == Some(&known.ask))
        {
            self.asked.set_value(None);
            self.known.set_value(Some(known));
            self.refresh();
        }
    }

    fn on_worker_lost(&self) {
        self.known.set_value(None);
        self.asked.set_value(None);
        self.close();
    }
}

fn element(selector: &str) -> Option<HtmlElement> {
    dom::find_in_document(selector)?.dyn_into().ok()
}

fn field() -> Option<HtmlInputElement> {
    element(FIELD)?.dyn_into().ok()
}

/// Puts the list below the text about the filter, or above the field if there is more room there
/// and it is needed. It fails only if a style can't be changed.
fn position_list() -> Result<(), JsValue> {
    let (Some(list), Some(rows), Some(field)) = (element(&format!("#{LIST_ID}")), element(ROWS), field()) else {
        return Ok(());
    };
    let inner_px = |size: Result<JsValue, JsValue>| Ok::<_, JsValue>(size?.as_f64().unwrap_or_default());
    let (window_width, window_height) = (inner_px(window().inner_width())?, inner_px(window().inner_height())?);
    let (rows, field) = (rows.get_bounding_client_rect(), field.get_bounding_client_rect());
    let (below_px, above_px) = (window_height - rows.top() - GAP_PX, field.top() - 2.0 * GAP_PX);
    let needed_px = f64::from(list.scroll_height() + list.offset_height() - list.client_height());
    let (edge, at_px, room_px) = if needed_px <= below_px || above_px <= below_px {
        ("top", rows.top(), below_px)
    } else {
        ("bottom", window_height - field.top() + GAP_PX, above_px)
    };
    let width_px = WIDTH_PX.min(window_width - field.left() - GAP_PX);
    let style = list.style();
    style.set_property("inset", "auto")?;
    for (name, px) in [("left", field.left()), (edge, at_px), ("width", width_px), ("max-height", room_px)] {
        style.set_property(name, &format!("{px}px"))?;
    }
    Ok(())
}

/// Returns the field's text and the position of the caret, in bytes; `None` if the field isn't
/// focused, or something is selected.
fn typed() -> Option<(String, usize)> {
    let field = field().filter(|field| document().active_element().is_some_and(|active| active == ***field))?;
    let line = field.value();
    let units = field.selection_end().ok()??;
    if field.selection_start().ok()? != Some(units) {
        return None;
    }
    let mut left = units as usize;
    let before = line.chars().take_while(|char| {
        let is_before = left > 0;
        left = left.saturating_sub(char.len_utf16());
        is_before
    });
    let caret = before.map(char::len_utf8).sum();
    Some((line, caret))
}

fn has_begun() -> bool {
    typed().is_some_and(|(line, caret)| Typing::new(&line, caret).has_begun())
}

#[component]
fn SuggestionList(suggestions: Suggestions) -> impl IntoView {
    let Suggestions { shown, active, .. } = suggestions;
    let option = move |(index, suggestion): (usize, Suggestion)| {
        view! {
            <li
                role="option"
                id=format!("{LIST_ID}-{index}")
                aria-selected=move || (active.get() == Some(index)).to_string()
                // The field keeps the focus.
                on:mousedown=move |event| event.prevent_default()
                on:click=move |_| suggestions.choose(index)
            >
                <bdi>{suggestion.term}</bdi>
                " "
                <span>{suggestion.description}</span>
            </li>
        }
    };
    let text = move || match shown.with(Vec::len) {
        0 => String::new(),
        1 => "1 suggestion. Use ↓ to choose, Enter to accept.".to_owned(),
        count => format!("{count} suggestions. Use ↑↓ to choose, Enter to accept."),
    };
    view! {
        <ul
            id=LIST_ID
            class="suggestions"
            role="listbox"
            aria-label="Filter suggestions"
            popover="manual"
        >
            {move || shown.get().into_iter().enumerate().map(option).collect_view()}
        </ul>
        <p class="suggestions-status" role="status">{text}</p>
    }
}
