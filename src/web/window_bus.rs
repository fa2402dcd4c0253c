//! The window bus: carries [`ToPage`] and [`ToPanels`] between the two programs, as events of the window that they
//! share.

use js_sys::Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, CustomEventInit, Event, MessagePort};

use crate::protocol::panels::{ToPage, ToPanels};
use crate::web::channel;
use crate::web::channel::ChannelError;

/// The event that carries [`ToPanels`].
pub const TO_PANELS: &str = "mqtt-crawl:panels";

/// The event that carries [`ToPage`].
pub const TO_PAGE: &str = "mqtt-crawl:page";

/// Sends a message to the page.
pub fn send_to_page(message: &ToPage) {
    dispatch(TO_PAGE, message, None);
}

/// Sends a message to the panels. Panels that don't run receive nothing.
pub fn send_to_panels(message: &ToPanels) {
    dispatch(TO_PANELS, message, None);
}

/// Sends [`ToPanels::WorkerPort`] with its port.
pub fn send_port_to_panels(port: &MessagePort) {
    dispatch(TO_PANELS, &ToPanels::WorkerPort, Some(port));
}

fn dispatch(event: &str, message: &impl Serialize, port: Option<&MessagePort>) {
    let Ok(bytes) = channel::encode(message) else { return };
    let detail = Array::of1(&bytes);
    if let Some(port) = port {
        detail.push(port);
    }
    let init = CustomEventInit::new();
    init.set_detail(&detail);
    // The constructor throws only for arguments of other types.
    let (Some(window), Ok(event)) = (web_sys::window(), CustomEvent::new_with_event_init_dict(event, &init)) else {
        return;
    };
    // Throws only for an event that is already being dispatched.
    let _ = window.dispatch_event(&event);
}

/// Returns the message of an event, and the port that came with it.
///
/// # Errors
/// Fails for a message of another build.
pub fn receive<T: DeserializeOwned>(event: &Event) -> Result<(T, Option<MessagePort>), ChannelError> {
    let detail: Array =
        event.dyn_ref::<CustomEvent>().and_then(|event| event.detail().dyn_into().ok()).ok_or(ChannelError)?;
    Ok((channel::decode(&detail.get(0))?, detail.get(1).dyn_into().ok()))
}
