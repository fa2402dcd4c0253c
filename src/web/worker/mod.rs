//! The worker's driver: moves bytes and keeps one timer, decides nothing.
//!
//! Owns the WebSocket and the [`Engine`]. After every command, frame, close or timeout it sends
//! what the engine wants to send, answers a waiting pull and re-arms the timer. It runs in a worker
//! because the timers of a hidden page are throttled to one a minute, which would break keep alive,
//! and because a socket on the page's thread costs the page its frames.
//!
//! Frames of a socket that was given up never reach the engine: its closures are dropped with it.

#[cfg(feature = "app")]
pub mod session_store;

use super::js_error;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use gloo_timers::callback::Timeout;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    BinaryType, Blob, BlobPropertyBag, BroadcastChannel, CloseEvent, DedicatedWorkerGlobalScope, MessageEvent,
    MessagePort, WebSocket,
};

use super::clock::Clock;
use crate::credentials;
use crate::engine::{Engine, Transmit};
use crate::message_log::Limits;
use crate::mqtt::error::CloseInfo;
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::protocol::update::PanelsUpdate;
use crate::time::Instant;
use crate::web::channel;
use crate::web::channel::{ChannelError, FromWorker};
use crate::web::worker::session_store::{Store, StoreResult};

/// The subprotocol of MQTT over WebSockets, of all versions `[MQTT-6.0.0-3]`.
const SUBPROTOCOL: &str = "mqtt";

/// The code that a browser reports when a socket ends without a close frame.
const ABNORMAL_CLOSURE: u16 = 1006;

/// How long after an error a socket may go without a close event.
const UNCLOSED_MS: u32 = 1_000;

/// Tabs of another version use another format and so another channel.
const TAB_CHANNEL: &str = concat!("mqtt-crawl ", env!("CARGO_PKG_VERSION"));

/// Clock differences below this, in microseconds, are ignored.
const CLOCK_DRIFT_US: u64 = 250_000;

/// How often the clocks are compared while there is a socket: nothing else reports to a worker that
/// the computer slept.
const CLOCK_CHECK: Duration = Duration::from_secs(10);

/// Size of a slice of an export; small enough that incoming messages never wait for long.
const EXPORT_SLICE_BYTES: usize = 1 << 20;

/// A frame buffer above this size is freed: one large message shouldn't occupy its size
/// permanently.
const FRAME_KEPT_BYTES: usize = 1 << 20;

/// Starts the worker, which from then on only reacts to commands and other events.
pub fn run() {
    let scope = js_sys::global().unchecked_into::<DedicatedWorkerGlobalScope>();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let scope = js_sys::global().unchecked_into::<DedicatedWorkerGlobalScope>();
        let message = info.to_string();
        post(&scope, &FromWorker::Panicked { message });
    }));
    let Some(performance) = scope.performance() else {
        panic!("this browser's workers have no clock (performance)");
    };
    let driver = Rc::new_cyclic(|this| {
        let clock = Clock::new(performance);
        RefCell::new(Driver {
            this: this.clone(),
            scope: scope.clone(),
            store: open_store(this, clock.now()),
            tabs: None,
            clock,
            wall_ahead_us: 0,
            engine: Engine::new(seed(&scope), Limits::default()),
            socket: None,
            frame: Vec::new(),
            timer: None,
            export: None,
            panels: None,
        })
    });
    driver.borrow_mut().greet();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        driver.borrow_mut().handle_message(&event.data());
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Lives as long as the worker; it owns the driver.
    on_message.forget();
    let version = channel::VERSION.to_owned();
    post(&scope, &FromWorker::Ready { version });
}

struct Driver {
    this: Weak<RefCell<Driver>>,
    scope: DedicatedWorkerGlobalScope,
    clock: Clock,
    /// How far the wall clock is ahead, as last reported to the engine.
    wall_ahead_us: i64,
    engine: Engine,
    store: Store,
    tabs: Option<TabChannel>,
    socket: Option<Socket>,
    /// Each frame is copied into this buffer, once.
    frame: Vec<u8>,
    timer: Option<(Instant, Timeout)>,
    export: Option<Export>,
    panels: Option<Panels>,
}

/// The channel to the page's panels.
struct Panels {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

struct Socket {
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

/// The channel to this browser's other tabs with this app.
struct TabChannel {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

struct Export {
    next_seq: u64,
    parts: Array,
    slice: Vec<u8>,
    _turn: Timeout,
}

impl Panels {
    fn listen(port: MessagePort, driver: &Weak<RefCell<Driver>>) -> Self {
        let to = driver.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(driver) = to.upgrade() {
                driver.borrow_mut().command(channel::decode::<PanelCommand>(&event.data()));
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { port, _on_message: on_message }
    }

    fn post(&self, message: &PanelsUpdate) {
        if let Ok(bytes) = channel::encode(message) {
            // Fails only for what can't be cloned, and bytes can.
            let _ = self.port.post_message_with_transferable(&bytes, &channel::transfer(&bytes));
        }
    }
}

impl Driver {
    /// Returns the present time; a jump of the wall clock is reported to the engine first.
    fn now(&mut self) -> Instant {
        let now = self.clock.now();
        let wall_ahead_us = self.clock.wall_ahead_us();
        if wall_ahead_us.abs_diff(self.wall_ahead_us) > CLOCK_DRIFT_US {
            self.wall_ahead_us = wall_ahead_us;
            self.engine.handle_clock_jump(wall_ahead_us, now);
        }
        now
    }

    /// Handles a message of the page: a command, or the channel for its panels.
    fn handle_message(&mut self, data: &JsValue) {
        match data.dyn_ref::<MessagePort>() {
            Some(port) => self.panels = Some(Panels::listen(port.clone(), &self.this)),
            None => self.page_command(data),
        }
    }

    fn page_command(&mut self, data: &JsValue) {
        match channel::decode(data) {
            Ok(PageCommand::Export) => self.start_export(),
            command => self.command(command),
        }
    }

    fn command(&mut self, command: Result<impl Into<Command>, ChannelError>) {
        match command {
            Ok(command) => {
                let now = self.now();
                self.engine.handle_command(command, now);
                self.settle(now);
            }
            // Only a page of another build can cause this; the page reports it itself when it reads
            // our version.
            Err(error) => web_sys::console::error_1(&error.to_string().into()),
        }
    }

    fn opened(&mut self) {
        let now = self.now();
        self.engine.handle_open(now);
        self.settle(now);
    }

    fn frame(&mut self, event: &MessageEvent) {
        let now = self.now();
        match event.data().dyn_into::<ArrayBuffer>() {
            Ok(buffer) => {
                let frame = Uint8Array::new(&buffer);
                let frame_bytes = frame.length() as usize;
                if self.frame.len() < frame_bytes {
                    self.frame.resize(frame_bytes, 0);
                }
                frame.copy_to(&mut self.frame[..frame_bytes]);
                self.engine.handle_input(&self.frame[..frame_bytes], now);
                if self.frame.len() > FRAME_KEPT_BYTES {
                    self.frame = Vec::new();
                }
            }
            Err(_) => self.engine.handle_text_frame(now),
        }
        self.settle(now);
    }

    fn closed(&mut self, closed: CloseInfo) {
        self.socket = None;
        let now = self.now();
        self.engine.handle_close(closed, now);
        self.settle(now);
    }

    fn timed_out(&mut self) {
        self.timer = None;
        let now = self.now();
        if let Some(open) = &self.socket {
            self.engine.mark_unsent(open.socket.buffered_amount(), now);
        }
        self.engine.handle_timeout(now);
        self.settle(now);
    }

    /// Sends, answers and re-arms the timer, after every change.
    fn settle(&mut self, now: Instant) {
        while let Some(broken) = self.transmit() {
            self.socket = None;
            self.engine.handle_close(broken, now);
        }
        self.serve_store(now);
        self.speak_to_tabs();
        if let Some(update) = self.engine.poll_update() {
            post(&self.scope, &FromWorker::Update(Box::new(update)));
        }
        if let Some(panels) = &self.panels
            && let Some(update) = self.engine.poll_panels()
        {
            panels.post(&update);
        }
        self.arm_timer(now);
    }

    /// Carries out the engine's actions; stops at a socket that refuses.
    fn transmit(&mut self) -> Option<CloseInfo> {
        let Self { engine, socket, this, .. } = self;
        while let Some(transmit) = engine.poll_transmit() {
            let done = match transmit {
                Transmit::Dial { url } => Socket::dial(url, this)
                    .map(|dialled| {
                        *socket = Some(dialled);
                    })
                    .map_err(|error| reason_without_credentials(url, js_error::message(&error))),
                Transmit::Send(bytes) => match socket {
                    Some(open) => open.socket.send_with_u8_array(bytes).map_err(|error| js_error::message(&error)),
                    None => Ok(()),
                },
                Transmit::HangUp => {
                    *socket = None;
                    Ok(())
                }
            };
            if let Err(reason) = done {
                return Some(CloseInfo { code: Some(ABNORMAL_CLOSURE), reason });
            }
        }
        None
    }

    fn arm_timer(&mut self, now: Instant) {
        let check = self.socket.as_ref().map(|_| now + CLOCK_CHECK);
        let Some(due) = self.engine.poll_timeout().into_iter().chain(check).min() else {
            self.timer = None;
            return;
        };
        // A timer that fires too early finds nothing due and is armed again; that is cheaper than a
        // new one after every frame.
        if self.timer.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return;
        }
        let this = self.this.clone();
        let timeout = Timeout::new(millis_ceil(due.since(now)), move || {
            if let Some(driver) = this.upgrade() {
                driver.borrow_mut().timed_out();
            }
        });
        self.timer = Some((due, timeout));
    }

    /// Connects the store and the other tabs to the engine.
    fn greet(&mut self) {
        let now = self.now();
        self.engine.use_store();
        self.tabs = TabChannel::open(&self.this);
        if self.tabs.is_some() {
            self.engine.use_tabs(now);
        }
        self.settle(now);
    }

    /// Passes the engine's requests to the store.
    fn serve_store(&mut self, now: Instant) {
        if let Some(key) = self.engine.poll_load() {
            self.store.load(key);
        }
        if let Some(key) = self.engine.poll_delete() {
            self.store.forget(key);
        }
        if let Some(save) = self.engine.poll_save(now) {
            self.store.save(save);
        }
    }

    fn speak_to_tabs(&mut self) {
        while let Some(word) = self.engine.poll_tab_message() {
            if let (Some(tabs), Ok(word)) = (&self.tabs, channel::encode(&word)) {
                // Fails only for what can't be cloned, and bytes can.
                let _ = tabs.channel.post_message(&word);
            }
        }
    }

    fn start_export(&mut self) {
        // Two at once would give the same file twice.
        if self.export.is_some() {
            return;
        }
        self.export = Some(Export {
            next_seq: 0,
            parts: Array::new(),
            slice: Vec::with_capacity(EXPORT_SLICE_BYTES),
            _turn: self.next_turn(),
        });
    }

    fn next_turn(&self) -> Timeout {
        let this = self.this.clone();
        Timeout::new(0, move || {
            if let Some(driver) = this.upgrade() {
                driver.borrow_mut().export_slice();
            }
        })
    }

    fn export_slice(&mut self) {
        let Some(mut export) = self.export.take() else {
            return;
        };
        export.slice.clear();
        let next = self.engine.export(export.next_seq, EXPORT_SLICE_BYTES, &mut export.slice);
        // A blob's parts may be stored outside of memory, so a large log isn't doubled.
        let parts = Array::of1(&Uint8Array::from(export.slice.as_slice()));
        let slice = Blob::new_with_u8_array_sequence(&parts);
        if let Ok(slice) = slice {
            export.parts.push(&slice);
        }
        match next {
            Some(next_seq) => {
                let _turn = self.next_turn();
                self.export = Some(Export { next_seq, _turn, ..export });
            }
            None => self.finish_export(&export.parts),
        }
    }

    fn finish_export(&self, parts: &Array) {
        let options = BlobPropertyBag::new();
        options.set_type("application/x-ndjson");
        let blob = Blob::new_with_blob_sequence_and_options(parts, &options);
        // Fails only if the page is gone.
        let _ = blob.and_then(|blob| self.scope.post_message(&blob));
    }
}

impl TabChannel {
    /// `None` in a browser, or a kind of page, without such a channel.
    fn open(driver: &Weak<RefCell<Driver>>) -> Option<Self> {
        let channel = BroadcastChannel::new(TAB_CHANNEL).ok()?;
        let to = driver.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(word) = channel::decode(&event.data()) {
                with_driver(&to, |driver, now| driver.engine.handle_tab_message(&word, now));
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Self { channel, _on_message: on_message })
    }
}

fn open_store(driver: &Weak<RefCell<Driver>>, now: Instant) -> Store {
    let to = driver.clone();
    Store::open(session_store::DATABASE, now, move |answer| {
        with_driver(&to, |driver, now| match answer {
            StoreResult::Loaded { key, loaded } => driver.engine.handle_loaded(&key, loaded, now),
            StoreResult::Saved(saved) => driver.engine.handle_saved(saved),
        });
    })
}

/// Passes an event to the engine, and carries out what follows.
fn with_driver(driver: &Weak<RefCell<Driver>>, act: impl FnOnce(&mut Driver, Instant)) {
    let Some(driver) = driver.upgrade() else { return };
    let mut driver = driver.borrow_mut();
    let now = driver.now();
    act(&mut driver, now);
    driver.settle(now);
}

impl Socket {
    /// Opens a socket whose events go to the driver.
    fn dial(url: &str, driver: &Weak<RefCell<Driver>>) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let to = driver.clone();
        let on_open = Closure::<dyn FnMut()>::new(move || {
            if let Some(driver) = to.upgrade() {
                driver.borrow_mut().opened();
            }
        });
        let to = driver.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(driver) = to.upgrade() {
                driver.borrow_mut().frame(&event);
            }
        });
        // WebKit sends no close event for a socket to a port that it blocks. In other browsers the
        // event follows at once, and drops the timer with the socket.
        let to = driver.clone();
        let unclosed = Rc::new(Cell::new(None));
        let on_error = Closure::<dyn FnMut()>::new(move || {
            let to = to.clone();
            let timeout = Timeout::new(UNCLOSED_MS, move || {
                if let Some(driver) = to.upgrade() {
                    driver.borrow_mut().closed(CloseInfo { code: Some(ABNORMAL_CLOSURE), reason: String::new() });
                }
            });
            unclosed.set(Some(timeout));
        });
        let to = driver.clone();
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            let Some(driver) = to.upgrade() else { return };
            driver.borrow_mut().closed(CloseInfo { code: Some(event.code()), reason: event.reason() });
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, _on_open: on_open, _on_message: on_message, _on_error: on_error, _on_close: on_close })
    }
}

fn post(scope: &DedicatedWorkerGlobalScope, message: &FromWorker) {
    match channel::encode(message) {
        Ok(bytes) => {
            // Fails only for what can't be cloned, and bytes can.
            let _ = scope.post_message_with_transfer(&bytes, &channel::transfer(&bytes));
        }
        Err(error) => web_sys::console::error_1(&error.to_string().into()),
    }
}

/// Returns random bits for back-off jitter; not for secrets.
fn seed(scope: &DedicatedWorkerGlobalScope) -> u64 {
    let mut bytes = [0; 8];
    let drawn = scope.crypto().and_then(|crypto| crypto.get_random_values_with_u8_array(&mut bytes));
    match drawn {
        Ok(_) => u64::from_le_bytes(bytes),
        Err(_) => (js_sys::Math::random() * 2.0_f64.powi(53)) as u64,
    }
}

/// Returns why a browser opens no socket, without credentials: the browser's reason may quote the
/// address.
fn reason_without_credentials(url: &str, reason: String) -> String {
    if credentials::redact_url(url) == url { reason } else { "The browser can't open this address.".to_owned() }
}

/// Rounds up, so that a timer never fires before it is due.
fn millis_ceil(span: Duration) -> u32 {
    u32::try_from(span.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX >> 1).min(u32::MAX >> 1)
}
