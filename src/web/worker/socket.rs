//! The WebSocket.
//!
//! Frames of a socket that was given up never reach the engine: its closures are dropped with it.

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::credentials;
use crate::mqtt::error::CloseInfo;
use crate::web::js_error;

/// The subprotocol of MQTT over WebSockets, of all versions `[MQTT-6.0.0-3]`.
const SUBPROTOCOL: &str = "mqtt";

/// The code that a browser reports when a socket ends without a close frame.
const ABNORMAL_CLOSURE: u16 = 1006;

/// How long after an error a socket may go without a close event.
const UNCLOSED_MS: u32 = 1_000;

/// What happened to a socket.
pub(super) enum SocketEvent {
    /// It is open.
    Opened,
    /// A frame arrived: an `ArrayBuffer`, or the text of a text frame.
    Frame(JsValue),
    /// It was closed, or failed to open.
    Closed(CloseInfo),
}

/// A WebSocket with its listeners; dropping it closes it.
pub(super) struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
        // Closes normally after the remaining data is sent; on a closed socket it does nothing.
        // Without arguments it can't fail.
        let _ = self.socket.close();
    }
}

impl Socket {
    /// Opens a socket whose events go to this listener. Fails if the browser doesn't accept the
    /// address.
    pub(super) fn dial(url: &str, on_event: Rc<dyn Fn(SocketEvent)>) -> Result<Self, CloseInfo> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)
            .map_err(|error| abnormal(reason_without_credentials(url, js_error::message(&error))))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let listener = Rc::clone(&on_event);
        let on_open = Closure::<dyn FnMut()>::new(move || listener(SocketEvent::Opened));
        let listener = Rc::clone(&on_event);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            listener(SocketEvent::Frame(event.data()));
        });
        // WebKit sends no close event for a socket to a port that it blocks. In other browsers the
        // event follows at once, and drops the timer with the socket.
        let listener = Rc::clone(&on_event);
        let unclosed = Rc::new(Cell::new(None));
        let on_error = Closure::<dyn FnMut()>::new(move || {
            let listener = Rc::clone(&listener);
            let timeout = Timeout::new(UNCLOSED_MS, move || listener(SocketEvent::Closed(abnormal(String::new()))));
            unclosed.set(Some(timeout));
        });
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            on_event(SocketEvent::Closed(CloseInfo { code: Some(event.code()), reason: event.reason() }));
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, _on_open: on_open, _on_message: on_message, _on_error: on_error, _on_close: on_close })
    }

    /// Sends one binary frame.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), CloseInfo> {
        self.socket.send_with_u8_array(bytes).map_err(|error| abnormal(js_error::message(&error)))
    }

    /// The number of bytes that wait to be sent.
    pub(super) fn unsent_bytes(&self) -> u32 {
        self.socket.buffered_amount()
    }
}

fn abnormal(reason: String) -> CloseInfo {
    CloseInfo { code: Some(ABNORMAL_CLOSURE), reason }
}

/// Returns why a browser opens no socket, without credentials: the browser's reason may quote the
/// address.
fn reason_without_credentials(url: &str, reason: String) -> String {
    if credentials::redact_url(url) == url { reason } else { "The browser can't open this address.".to_owned() }
}
