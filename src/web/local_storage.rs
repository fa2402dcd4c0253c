//! The settings of the app in the browser's `localStorage`, where the other tabs find them too, and
//! the part of them that the document itself shows.
//!
//! If a browser refuses to store anything, the settings apply to this page only, and their dialog
//! says so.

use web_sys::{Document, Storage, Window};

use crate::config::settings::{Settings, Theme};
use crate::web::dom;

/// The only key. `index.html` reads the theme from it before anything else.
pub const KEY: &str = "mqtt-crawl";

/// Returns the settings that were stored last; the defaults if there are none.
pub fn load(browser: &Window) -> Settings {
    Settings::parse(&stored(browser).unwrap_or_default())
}

/// Returns the stored text; `None` if the browser lets the page store nothing.
pub fn stored(browser: &Window) -> Option<String> {
    Some(storage(browser)?.get_item(KEY).ok()?.unwrap_or_default())
}

/// Stores the settings, if the browser allows it.
pub fn store(browser: &Window, text: &str) {
    if let Some(storage) = storage(browser) {
        // Refused if there is no space; the dialog checks what was stored.
        let _ = storage.set_item(KEY, text);
    }
}

fn storage(browser: &Window) -> Option<Storage> {
    browser.local_storage().ok()?
}

/// Shows the document in a theme.
pub fn apply_theme(document: &Document, theme: Theme) {
    let Some(root) = document.document_element() else { return };
    // Attributes of these names are always accepted.
    let _ = root.set_attribute("data-theme", theme.name());
    // The colour of the browser's own bars; the first one that applies is used.
    if let Some(light) = dom::find(&root, "meta[name=theme-color]") {
        let media = match theme {
            Theme::Dark => "not all",
            Theme::Light => "all",
            Theme::System => "(prefers-color-scheme: light)",
        };
        let _ = light.set_attribute("media", media);
    }
}
