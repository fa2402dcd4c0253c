//! The worker's driver: moves bytes and keeps one timer, decides nothing.
//!
//! Owns the WebSocket and the [`Engine`]. After every command, frame, close or timeout it sends
//! what the engine wants to send, answers a waiting pull and re-arms the timer. It runs in a worker
//! because the timers of a hidden page are throttled to one a minute, which would break keep alive,
//! and because a socket on the page's thread costs the page its frames.

mod panels_port;
#[cfg(feature = "app")]
pub mod session_store;
mod socket;
mod tab_channel;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use gloo_timers::callback::Timeout;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, MessagePort};

use super::clock::Clock;
use crate::engine::{Engine, Transmit};
use crate::message_log::Limits;
use crate::mqtt::error::CloseInfo;
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::time::Instant;
use crate::web::channel;
use crate::web::channel::FromWorker;
use crate::web::worker::panels_port::PanelsPort;
use crate::web::worker::session_store::{Store, StoreResult};
use crate::web::worker::socket::{Socket, SocketEvent};
use crate::web::worker::tab_channel::TabChannel;

/// Clock differences below this, in microseconds, are ignored.
const CLOCK_DRIFT_US: u64 = 250_000;

/// How often the clocks are compared while there is a socket: nothing else reports to a worker that
/// the computer slept.
const CLOCK_CHECK: Duration = Duration::from_secs(10);

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
    panels: Option<PanelsPort>,
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
            Some(port) => {
                let driver = self.this.clone();
                let on_message = move |data: &JsValue| {
                    if let Some(driver) = driver.upgrade() {
                        driver.borrow_mut().command(channel::decode::<PanelCommand>(data));
                    }
                };
                self.panels = Some(PanelsPort::open(port.clone(), on_message));
            }
            None => self.command(channel::decode::<PageCommand>(data)),
        }
    }

    fn command(&mut self, command: Result<impl Into<Command>, impl std::fmt::Display>) {
        match command {
            Ok(command) => {
                let now = self.now();
                self.engine.handle_command(command, now);
                self.drain_engine(now);
            }
            // Only a page of another build can cause this; the page reports it itself when it reads
            // our version.
            Err(error) => web_sys::console::error_1(&error.to_string().into()),
        }
    }

    fn handle_socket_event(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Opened => self.opened(),
            SocketEvent::Frame(data) => self.frame(data),
            SocketEvent::Closed(closed) => self.closed(closed),
        }
    }

    fn opened(&mut self) {
        let now = self.now();
        self.engine.handle_open(now);
        self.drain_engine(now);
    }

    fn frame(&mut self, data: JsValue) {
        let now = self.now();
        match data.dyn_into::<ArrayBuffer>() {
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
        self.drain_engine(now);
    }

    fn closed(&mut self, closed: CloseInfo) {
        self.socket = None;
        let now = self.now();
        self.engine.handle_close(closed, now);
        self.drain_engine(now);
    }

    fn timed_out(&mut self) {
        self.timer = None;
        let now = self.now();
        if let Some(socket) = &self.socket {
            self.engine.mark_unsent(socket.unsent_bytes(), now);
        }
        self.engine.handle_timeout(now);
        self.drain_engine(now);
    }

    /// Sends, answers and re-arms the timer, after every change.
    fn drain_engine(&mut self, now: Instant) {
        while let Some(broken) = self.transmit() {
            self.socket = None;
            self.engine.handle_close(broken, now);
        }
        self.serve_store(now);
        self.send_to_tabs();
        if let Some(update) = self.engine.poll_update() {
            post(&self.scope, &FromWorker::Update(Box::new(update)));
        }
        if let Some(panels) = &self.panels
            && let Some(update) = self.engine.poll_panels()
        {
            panels.send(&update);
        }
        self.arm_timer(now);
    }

    /// Carries out the engine's actions; stops at a socket that refuses.
    fn transmit(&mut self) -> Option<CloseInfo> {
        let Self { engine, socket, this, .. } = self;
        while let Some(transmit) = engine.poll_transmit() {
            let done = match transmit {
                Transmit::Dial { url } => {
                    let driver = this.clone();
                    let on_event = move |event| {
                        if let Some(driver) = driver.upgrade() {
                            driver.borrow_mut().handle_socket_event(event);
                        }
                    };
                    Socket::dial(url, Rc::new(on_event)).map(|dialled| *socket = Some(dialled))
                }
                Transmit::Send(bytes) => socket.as_ref().map_or(Ok(()), |socket| socket.send(bytes)),
                Transmit::HangUp => {
                    *socket = None;
                    Ok(())
                }
            };
            if let Err(closed) = done {
                return Some(closed);
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
        let driver = self.this.clone();
        self.tabs = TabChannel::open(move |message| {
            with_driver(&driver, |driver, now| driver.engine.handle_tab_message(&message, now));
        });
        if self.tabs.is_some() {
            self.engine.use_tabs(now);
        }
        self.drain_engine(now);
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

    fn send_to_tabs(&mut self) {
        while let Some(message) = self.engine.poll_tab_message() {
            if let Some(tabs) = &self.tabs {
                tabs.send(&message);
            }
        }
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
    driver.drain_engine(now);
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

/// Rounds up, so that a timer never fires before it is due.
fn millis_ceil(span: Duration) -> u32 {
    u32::try_from(span.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX >> 1).min(u32::MAX >> 1)
}
