//! After a panic the page reports it and loads itself again, as it restarts its worker. So does a
//! page that was left and is restored by the browser.
//!
//! After a panic the state of the page may be half changed, hence the reload; the link says what to
//! connect to. Only the time of the failure and its place in the source are kept over the reload,
//! but no message: it may quote what a person has typed.

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::time::Duration;

use wasm_bindgen::prelude::*;
use web_sys::{PageTransitionEvent, Storage, Window};

use crate::time::Instant;
use crate::web::clock::Clock;

/// The key in `sessionStorage`.
const KEY: &str = "mqtt-crawl-failures";

/// A page that fails more often than this within [`FAILURES_SPAN`] isn't loaded again, since the
/// cause occurs every time.
const FAILURES_MAX: usize = 3;

/// See [`FAILURES_MAX`].
const FAILURES_SPAN: Duration = Duration::from_secs(60);

thread_local! {
    /// The page is being left or reloaded, so a panic isn't reported any more.
    static IS_LEFT: Cell<bool> = const { Cell::new(false) };
}

/// The failures of this tab's page, as they are stored: their times in microseconds, and on the
/// second line the place of the last one, until it was shown.
#[derive(Default)]
struct Failures {
    times_us: Vec<u64>,
    place: String,
}

impl Failures {
    fn load(storage: &Storage) -> Self {
        let text = storage.get_item(KEY).ok().flatten().unwrap_or_default();
        let (times, place) = text.split_once('\n').unwrap_or_default();
        Self { times_us: times.split(' ').filter_map(|time| time.parse().ok()).collect(), place: place.to_owned() }
    }

    /// `None` if the browser refuses to store it, for example for lack of space.
    fn store(&self, storage: &Storage) -> Option<()> {
        let times: Vec<String> = self.times_us.iter().map(u64::to_string).collect();
        storage.set_item(KEY, &format!("{}\n{}", times.join(" "), self.place)).ok()
    }
}

/// Makes every panic from now on reload the page.
pub fn on_panic(browser: &Window) {
    std::panic::set_hook(Box::new(|info| {
        if !IS_LEFT.get() {
            console_error_panic_hook::hook(info);
            restart(info);
        }
    }));
    let note = Closure::<dyn Fn(PageTransitionEvent)>::new(|event: PageTransitionEvent| {
        let is_back = event.type_() == "pageshow" && event.persisted();
        IS_LEFT.set(event.type_() == "pagehide" || is_back);
        if is_back && let Some(browser) = web_sys::window() {
            // Its worker ended when the page was left. The reload never fails for our own page.
            let _ = browser.location().reload();
        }
    });
    for event in ["pagehide", "pageshow"] {
        // No browser refuses these events.
        let _ = browser.add_event_listener_with_callback(event, note.as_ref().unchecked_ref());
    }
    // The listeners last as long as the page.
    note.forget();
}

/// Returns, once, the message about the failure that caused this reload.
pub fn last_failure(browser: &Window) -> Option<String> {
    let storage = browser.session_storage().ok()??;
    let mut failures = Failures::load(&storage);
    let place = std::mem::take(&mut failures.place);
    if place.is_empty() {
        return None;
    }
    failures.store(&storage)?;
    Some(format!(
        "The page crashed (at {place}) and was reloaded. Stored messages were lost. Please report it if it happens \
         again."
    ))
}

fn restart(info: &PanicHookInfo<'_>) {
    let Some(browser) = web_sys::window() else { return };
    let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    IS_LEFT.set(true);
    let counted = count(&browser, &place);
    if counted.is_none_or(|failures| failures > FAILURES_MAX) || browser.location().reload().is_err() {
        give_up(&browser, &place);
    }
}

/// Returns the number of recent failures of the page; `None` if it can't be stored, and then the
/// page must not be reloaded over and over.
fn count(browser: &Window, place: &str) -> Option<usize> {
    let storage = browser.session_storage().ok()??;
    let now = Clock::new(browser.performance()?).now();
    let mut failures = Failures::load(&storage);
    failures.times_us.retain(|time_us| now.since(Instant::from_micros(*time_us)) < FAILURES_SPAN);
    failures.times_us.push(now.as_micros());
    place.clone_into(&mut failures.place);
    failures.store(&storage)?;
    Some(failures.times_us.len())
}

fn give_up(browser: &Window, place: &str) -> Option<()> {
    let document = browser.document()?;
    let notice = document.create_element("p").ok()?;
    notice.set_text_content(Some(&format!(
        "The page crashed (at {place}). Reload it to try again. Please report it if it happens again."
    )));
    notice.set_attribute("role", "alert").ok()?;
    notice.set_class_name("page-failed");
    document.body()?.prepend_with_node_1(&notice).ok()
}
