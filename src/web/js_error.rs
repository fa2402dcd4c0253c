//! JavaScript's exceptions, as text.

use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::DomException;

/// Returns the message of an exception.
pub fn message(error: &JsValue) -> String {
    if let Some(exception) = error.dyn_ref::<DomException>() {
        return exception.message();
    }
    if let Some(error) = error.dyn_ref::<js_sys::Error>() {
        return String::from(error.message());
    }
    format!("{error:?}")
}
