//! The channel to this browser's other tabs with this app.

use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use crate::engine::tab_coordinator::TabMessage;
use crate::web::channel;

/// Tabs of another version use another format and so another channel.
const NAME: &str = concat!("mqtt-crawl ", env!("CARGO_PKG_VERSION"));

/// The channel with its listener.
pub(super) struct TabChannel {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl TabChannel {
    /// `None` in a browser, or a kind of page, without such a channel.
    pub(super) fn open(on_message: impl Fn(TabMessage) + 'static) -> Option<Self> {
        let channel = BroadcastChannel::new(NAME).ok()?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(message) = channel::decode(&event.data()) {
                on_message(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Self { channel, _on_message: on_message })
    }

    /// Sends a message to all other tabs.
    pub(super) fn send(&self, message: &TabMessage) {
        if let Ok(bytes) = channel::encode(message) {
            // Fails only for what can't be cloned, and bytes can.
            let _ = self.channel.post_message(&bytes);
        }
    }
}
