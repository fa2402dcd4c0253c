//! The settings of the app in the browser's `localStorage`, where the other tabs
//! find them too, and what of them the document itself shows.
//!
//! Where a browser refuses to store anything the settings hold for this page,
//! and their dialog says so.

use web_sys::{Document, Storage, Window};

use crate::config::settings::{Settings, Theme};

/// The only key. `index.html` reads the theme from it ahead of everything.
pub const KEY: &str = "mqtt-crawl";

/// The settings that were stored last; the defaults where there are none.
pub fn load(browser: &Window) -> Settings {
    Settings::parse(&stored(browser).unwrap_or_default())
}

/// The stored text; `None` where the browser lets the page store nothing.
pub fn stored(browser: &Window) -> Option<String> {
    Some(storage(browser)?.get_item(KEY).ok()?.unwrap_or_default())
}

/// Stores the settings, if the browser lets the page.
pub fn store(browser: &Window, text: &str) {
    if let Some(storage) = storage(browser) {
        // Refused where there is no room; the dialog looks at what is there.
        let _ = storage.set_item(KEY, text);
    }
}

fn storage(browser: &Window) -> Option<Storage> {
    browser.local_storage().ok()?
}

/// Shows the document in a theme.
pub fn apply_theme(document: &Document, theme: Theme) {
    if let Some(root) = document.document_element() {
        // Attributes of these names are always taken.
        let _ = root.set_attribute("data-theme", theme.name());
    }
    // The colour of the browser's own bars; the first that applies counts.
    if let Ok(Some(light)) = document.query_selector("meta[name=theme-color]") {
        let media = match theme {
            Theme::Dark => "not all",
            Theme::Light => "all",
            Theme::System => "(prefers-color-scheme: light)",
        };
        let _ = light.set_attribute("media", media);
    }
}
