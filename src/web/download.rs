//! Files that are saved from the page.

use std::time::Duration;

use gloo_timers::callback::Timeout;
use leptos::prelude::document;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, HtmlAnchorElement, Url};

use crate::web::clock;

/// How long the URL of a download stays valid: the browser reads the blob a moment after the click.
const URL_TIMEOUT: Duration = Duration::from_mins(1);

/// Saves a blob under a name, as a click on a link does.
///
/// # Errors
///
/// Returns what the browser throws if it can't make a URL of the blob.
pub fn download(blob: &Blob, name: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    let anchor: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    anchor.set_href(&url);
    anchor.set_download(name);
    anchor.click();
    Timeout::new(URL_TIMEOUT.as_millis() as u32, move || drop(Url::revoke_object_url(&url))).forget();
    Ok(())
}

/// Returns a file name with the present time: `mqtt-crawl-2026-11-21T10-00-00.csv`.
pub fn file_name(extension: &str) -> String {
    let now_ms = clock::wall_time().as_micros() as f64 / 1_000.0;
    let time = String::from(js_sys::Date::new(&now_ms.into()).to_iso_string());
    let second = time.get(..19).unwrap_or(&time).replace(':', "-");
    format!("mqtt-crawl-{second}.{extension}")
}
