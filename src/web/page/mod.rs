//! The page: its components, its events, and what they do.
//!
//! An update from the worker waits until the next animation frame. The frame applies it as a whole,
//! and later in that frame the next pull is sent
//! ([`RefreshThrottle`](crate::ui::console::refresh_rate::RefreshThrottle)). So the page asks at
//! most once a frame, a slow page asks less often, and a hidden one not at all.
//!
//! Messages never enter the reactive graph: rows go to the console and lines to the crawl. The
//! page's signals hold states and numbers, and are set once a frame.

mod attributes;
mod button;
pub mod connection;
pub mod console;
mod controller;
pub mod crawl;
pub mod form;
mod frame_loop;
mod handle;
mod link_sync;
mod list;
mod notices;
pub mod panels_link;
pub mod restart;
pub mod service_worker;
mod signals;
mod status_bar;
mod top_bar;
pub mod worker_link;

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use web_sys::Window as Browser;

use crate::config::link;
use crate::web::clock::Clock;
use crate::web::page::connection::ConnectionPane;
use crate::web::page::console::ConsoleView;
use crate::web::page::controller::PageController;
use crate::web::page::crawl::handle::CrawlHandle;
use crate::web::page::crawl::view::CrawlView;
use crate::web::page::form::{Form, PageInfo};
use crate::web::page::handle::PageHandle;
use crate::web::page::link_sync::{base_of, read_link};
use crate::web::page::notices::Notices;
use crate::web::page::signals::{PageSignals, part};
use crate::web::page::status_bar::StatusBar;
use crate::web::page::top_bar::TopBar;

/// Starts the page.
pub fn run(browser: Browser) {
    restart::on_panic(&browser);
    let Some(performance) = browser.performance() else { return };
    if let Some(loading) = browser.document().and_then(|document| document.get_element_by_id("loading")) {
        loading.remove();
    }
    let clock = Clock::new(performance);
    mount_to_body(move || view! { <Page browser=browser.clone() clock=clock.clone() /> });
}

fn page_info(browser: &Browser) -> PageInfo {
    let mut seed = [0; 8];
    let drawn = browser.crypto().and_then(|crypto| crypto.get_random_values_with_u8_array(&mut seed));
    if drawn.is_err() {
        seed = js_sys::Math::random().to_bits().to_le_bytes();
    }
    PageInfo { base: base_of(&browser.location()), client_id: link::client_id(u64::from_le_bytes(seed)) }
}

#[component]
fn Page(browser: Browser, clock: Clock) -> AnyView {
    let link = read_link(&browser);
    let signals = PageSignals::new(clock.now(), link.settings.view);
    let form = Form::new(&link.settings, page_info(&browser));
    let crawl = CrawlHandle::new();
    let controller = PageController::new(browser.clone(), clock, signals, form, crawl.clone());
    let console = controller.console.clone();
    let page = PageHandle::new(controller);
    page.start(browser, link);
    let view = part(signals.view, |view| view.name());
    let form_state = part(signals.form_open, |is_open| if *is_open { "open" } else { "folded" });
    view! {
        <div class="page" data-view=view data-form=form_state>
            <TopBar page />
            <Notices page />
            <main class="stage-and-desk">
                <div class="crawl-pane">
                    <CrawlView
                        handle=crawl
                        opening=form.opening
                        on_event=Callback::new(move |event| page.handle_crawl_event(event))
                    />
                </div>
                <div class="desk">
                    <ConnectionPane page />
                    <ConsoleView console />
                </div>
            </main>
            <StatusBar stats=signals.stats behind=signals.behind />
        </div>
    }
    .into_any()
}
