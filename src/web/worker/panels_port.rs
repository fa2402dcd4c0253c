//! The channel to the page's panels.

use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, MessagePort};

use crate::protocol::update::PanelsUpdate;
use crate::web::channel;

/// The port with its listener.
pub(super) struct PanelsPort {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl PanelsPort {
    /// Passes the panels' messages to this listener.
    pub(super) fn open(port: MessagePort, on_message: impl Fn(&JsValue) + 'static) -> Self {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| on_message(&event.data()));
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { port, _on_message: on_message }
    }

    /// Sends an update to the panels.
    pub(super) fn send(&self, update: &PanelsUpdate) {
        if let Ok(bytes) = channel::encode(update) {
            // Fails only for what can't be cloned, and bytes can.
            let _ = self.port.post_message_with_transferable(&bytes, &channel::transfer(&bytes));
        }
    }
}
