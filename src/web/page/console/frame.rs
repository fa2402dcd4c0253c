//! What is around the console's rows: the bar above them, the matches, and what covers them.

use leptos::prelude::*;

use crate::format::grouped;
use crate::protocol::panels::PanelAction;
use crate::ui::console::scroll::ScrollStep;
use crate::ui::console::view_model::{ConsoleModel, SeekDirection};
use crate::web::page::attributes::is_invalid;
use crate::web::page::button::Button;
use crate::web::page::console::controller::ConsoleEvent;
use crate::web::page::console::handle::ConsoleHandle;
use crate::web::page::console::signals::FrameState;
use crate::web::page::signals::part;

/// The filter, and the buttons for the log.
#[component]
pub(super) fn ConsoleBar(console: ConsoleHandle) -> AnyView {
    let frame = console.signals().frame;
    let is_empty = part(frame, |frame| !frame.has_messages);
    view! {
        <div class="console-bar">
            <FilterBox console />
            <Button opens_dialog=true on_click=console.emits(ConsoleEvent::Panel(PanelAction::Topics))>
                "Topics"
            </Button>
            <Button
                title="Save messages as NDJSON or CSV"
                opens_dialog=true
                disabled=is_empty
                on_click=console.emits(ConsoleEvent::Panel(PanelAction::Export))
            >
                "Export"
            </Button>
            <Button title="Delete all stored messages" disabled=is_empty on_click=console.emits(ConsoleEvent::Clear)>
                "Clear"
            </Button>
            <Button title="Import or replay a log" on_click=console.emits(ConsoleEvent::Panel(PanelAction::Logs))>
                "Logs"
            </Button>
            <Button
                title="Stop scrolling; messages keep arriving"
                pressed=part(frame, |frame| frame.is_frozen)
                on_click=console.acts(|model| if model.is_frozen() { model.unfreeze() } else { model.freeze() })
            >
                "Freeze"
            </Button>
        </div>
    }
    .into_any()
}

#[component]
fn FilterBox(console: ConsoleHandle) -> AnyView {
    let signals = console.signals();
    let on_input = move |event| {
        let text = event_target_value(&event);
        signals.filter.set(text.clone());
        console.emit(ConsoleEvent::Filter(text));
    };
    view! {
        <div class="search">
            <input
                type="search"
                aria-label="Filter"
                placeholder="Filter: text, topic:a/+, qos:1 …"
                autocomplete="off"
                spellcheck="false"
                aria-describedby="filter-error"
                aria-invalid=is_invalid(signals.filter_error.into())
                prop:value=signals.filter
                on:input=on_input
                on:focus=move |_| console.emit(ConsoleEvent::LoadSuggestions)
            />
        </div>
    }
    .into_any()
}

/// What is wrong with the filter, or how many messages match.
#[component]
pub(super) fn FilterResult(console: ConsoleHandle) -> AnyView {
    let signals = console.signals();
    let error: Signal<String> = signals.filter_error.into();
    let frame = signals.frame;
    let count = part(frame, |FrameState { matches, rank, .. }| match (*rank, matches.unwrap_or(0)) {
        (Some(rank), matches) => format!("{} of {}", grouped(rank), grouped(matches)),
        (None, 1) => "1 match".to_owned(),
        (None, matches) => format!("{} matches", grouped(matches)),
    });
    view! {
        <div class="console-found">
            <p id="filter-error" class="fault" role="alert">
                {error}
            </p>
            <div class="matches" hidden=part(frame, |frame| frame.matches.is_none())>
                <span>{count}</span>
                <Button
                    class="button icon"
                    label="Previous match"
                    title="Previous match (Shift+F3)"
                    on_click=console.acts(|model| model.seek(SeekDirection::Older))
                >
                    "▲"
                </Button>
                <Button
                    class="button icon"
                    label="Next match"
                    title="Next match (F3)"
                    on_click=console.acts(|model| model.seek(SeekDirection::Newer))
                >
                    "▼"
                </Button>
                <Button
                    title="Highlight matches instead of hiding the rest"
                    pressed=part(frame, |frame| frame.lists_all)
                    on_click=console.acts(ConsoleModel::toggle_list_mode)
                >
                    "Show non-matching"
                </Button>
            </div>
        </div>
    }
    .into_any()
}

/// What is shown if there are no rows.
#[component]
pub(super) fn EmptyNotice(console: ConsoleHandle) -> AnyView {
    let frame = console.signals().frame;
    let text = part(frame, |frame| frame.empty.map_or("", |(text, _)| text));
    view! {
        <p class="console-empty" hidden=part(frame, |frame| frame.empty.is_none())>
            <span>{text}</span>
            " "
            <Button
                hidden=part(frame, |frame| !frame.empty.is_some_and(|(_, may_play)| may_play))
                on_click=console.emits(ConsoleEvent::Panel(PanelAction::PlaySample))
            >
                "Play a sample"
            </Button>
        </p>
    }
    .into_any()
}

/// The button that goes to the newest row; shown unless that one is in view.
#[component]
pub(super) fn NewestButton(console: ConsoleHandle) -> AnyView {
    let frame = console.signals().frame;
    let label = part(frame, |frame| match frame.unread {
        0 => "Jump to latest".to_owned(),
        count => format!("{} new", grouped(count)),
    });
    view! {
        <button
            type="button"
            class="button newest"
            aria-keyshortcuts="End"
            title="End"
            data-shown=part(frame, |frame| !frame.is_following)
            on:click=move |_| console.step(ScrollStep::End)
        >
            {label}
        </button>
    }
    .into_any()
}
