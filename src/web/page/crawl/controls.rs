//! The crawl's controls.

use leptos::prelude::*;

use crate::format::grouped;
use crate::protocol::panels::PanelAction;
use crate::web::page::button::Button;
use crate::web::page::crawl::handle::{CrawlEvent, CrawlHandle, CrawlInput};
use crate::web::page::crawl::signals::Controls;
use crate::web::page::signals::part;

/// The buttons that control the crawl, and its speed.
#[component]
pub(super) fn CrawlControls(
    crawl: StoredValue<CrawlHandle, LocalStorage>,
    controls: RwSignal<Controls>,
    on_event: Callback<CrawlEvent>,
    /// Shows the crawl on the whole screen, or the page again; `None` if the browser can't.
    on_fill: Option<Callback<()>>,
) -> AnyView {
    let does = move |input: CrawlInput| {
        Callback::new(move |()| {
            if let Some(event) = crawl.with_value(|crawl| crawl.handle_input(input)) {
                on_event.run(event);
            }
        })
    };
    // Its text says what a press does, so it isn't a toggle button.
    let pause = part(controls, |controls| if controls.is_paused { "Resume" } else { "Pause" });
    let speed = part(controls, |controls| format!("{} %", controls.speed_percent));
    let live = part(controls, |controls| match controls.lag {
        None | Some(0) => "Jump to live".to_owned(),
        Some(lines) => format!("Jump to live ({} behind)", grouped(lines)),
    });
    let fill = on_fill.map(|on_fill| {
        view! { <Button class="fill icon" label="Full screen" title="Full screen (F)" keys="F" on_click=on_fill /> }
    });
    view! {
        <div class="crawl-controls" role="group" aria-label="Crawl controls">
            <Button
                class="skip"
                title="Skip the opening (Esc)"
                keys="Escape Enter"
                on_click=does(CrawlInput::SkipOpening)
            >
                "Skip"
            </Button>
            <Button
                class="live"
                title="Jump to live (Home)"
                keys="Home"
                hidden=part(controls, |controls| controls.lag.is_none())
                on_click=does(CrawlInput::GoLive)
            >
                {live}
            </Button>
            <Button class="pause" title="Space" keys="Space" on_click=does(CrawlInput::TogglePause)>
                {pause}
            </Button>
            <SpeedControls speed slower=does(CrawlInput::SlowDown) faster=does(CrawlInput::SpeedUp) />
            <Button
                class="plain"
                title="T"
                keys="T"
                pressed=part(controls, |controls| controls.is_plain)
                on_click=does(CrawlInput::ToggleTranscript)
            >
                "Transcript"
            </Button>
            <Button
                class="direct"
                title="Customize the opening, speed, sound and lines"
                opens_dialog=true
                on_click=move || on_event.run(CrawlEvent::Panel(PanelAction::Opening))
            >
                "Director"
            </Button>
            {fill}
        </div>
    }
    .into_any()
}

/// The crawl's speed, and the buttons that change it.
#[component]
fn SpeedControls(speed: Signal<String>, slower: Callback<()>, faster: Callback<()>) -> AnyView {
    view! {
        <Button class="slower icon" label="Slower" title="Slower (↓)" keys="ArrowDown" on_click=slower>
            "–"
        </Button>
        <span class="speed">{speed}</span>
        <Button class="faster icon" label="Faster" title="Faster (↑)" keys="ArrowUp" on_click=faster>
            "+"
        </Button>
    }
    .into_any()
}
