//! The page's end of the channel: starts the worker and notices its death.
//!
//! A worker that panics or can't be loaded is replaced, a few times. The owner of the link is
//! notified and sends again what the new worker must know.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use gloo_timers::callback::Timeout;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    Document, ErrorEvent, Event, HtmlLinkElement, MessageChannel, MessageEvent, MessagePort, Worker, WorkerOptions,
    WorkerType,
};

use crate::protocol::command::PageCommand;
use crate::protocol::update::Update;
use crate::time::Instant;
use crate::web::channel;
use crate::web::channel::FromWorker;
use crate::web::clock::Clock;
use crate::web::dom;

/// The script that starts the program as a worker; relative to the page.
pub const SCRIPT: &str = "worker_loader.js";

/// A worker that dies more often than this within [`DEATHS_SPAN`] isn't started again, since the
/// cause occurs every time.
const DEATHS_MAX: usize = 3;

/// See [`DEATHS_MAX`].
const DEATHS_SPAN: Duration = Duration::from_secs(60);

/// How long a worker may take to start before the page reports that it is waiting.
const SLOW_START_MS: u32 = 10_000;

/// What the worker's link reports to the page.
#[derive(Debug)]
pub enum WorkerEvent {
    /// The answer to a pull.
    Update(Box<Update>),
    /// The worker accepts commands; earlier ones were kept for it.
    Ready,
    /// It hasn't started within the expected time.
    Slow,
    /// It died and a new one is starting, which has no state yet.
    Replaced {
        /// The message of the dead one.
        error: String,
    },
    /// It died once too often, or is of another build than the page.
    Lost {
        /// What is wrong and what to do.
        message: String,
    },
}

/// The page's handle of its worker.
#[derive(Clone)]
pub struct WorkerLink(Rc<RefCell<Inner>>);

struct Inner {
    this: Weak<RefCell<Inner>>,
    script: &'static str,
    program: Array,
    clock: Clock,
    on_event: Rc<dyn Fn(WorkerEvent)>,
    running: Option<Running>,
    deaths: VecDeque<Instant>,
}

struct Running {
    worker: Worker,
    /// Commands for a worker that hasn't reported yet that it is ready.
    waiting: Option<Vec<Uint8Array>>,
    _slow: Timeout,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl WorkerLink {
    /// Starts the worker of this script and hands it its [`program`]. `on_event` is called for
    /// everything it sends and for its death, never from within a call to the link.
    pub fn start(script: &'static str, program: Array, clock: Clock, on_event: impl Fn(WorkerEvent) + 'static) -> Self {
        let link = Self(Rc::new_cyclic(|this| {
            RefCell::new(Inner {
                this: this.clone(),
                script,
                program,
                clock,
                on_event: Rc::new(on_event),
                running: None,
                deaths: VecDeque::new(),
            })
        }));
        link.0.borrow_mut().start();
        link
    }

    /// Starts a worker if none is running. The person asked for it, so earlier deaths don't count.
    pub fn revive(&self) {
        let mut inner = self.0.borrow_mut();
        if inner.running.is_none() {
            inner.deaths.clear();
            inner.start();
        }
    }

    /// Ends the worker and with it its socket.
    pub fn end(&self) {
        self.0.borrow_mut().running = None;
    }

    /// Sends a command to the worker; it is kept until the worker is ready, and dropped if there is
    /// none any more.
    pub fn send(&self, command: &PageCommand) {
        let Ok(message) = channel::encode(command) else { return };
        let mut inner = self.0.borrow_mut();
        let Some(running) = &mut inner.running else {
            return;
        };
        match &mut running.waiting {
            Some(waiting) => waiting.push(message),
            None => post(&running.worker, &message),
        }
    }

    /// Opens another channel to the worker; `None` while none is ready.
    pub fn open_port(&self) -> Option<MessagePort> {
        let inner = self.0.borrow();
        let running = inner.running.as_ref().filter(|running| running.waiting.is_none())?;
        let channel = MessageChannel::new().ok()?;
        let theirs = channel.port1();
        running.worker.post_message_with_transfer(&theirs, &Array::of1(&theirs)).ok()?;
        Some(channel.port2())
    }
}

/// Returns this program for another thread: the URL of its script, which Trunk names after its
/// content, and the compiled module, so that a worker neither fetches nor compiles it again.
pub fn program(document: &Document) -> Array {
    let script = document.head().and_then(|head| dom::find(&head, "link[rel=modulepreload]"));
    let script = script.and_then(|link| link.dyn_into().ok()).map(|link: HtmlLinkElement| link.href());
    Array::of2(&script.into(), &wasm_bindgen::module())
}

impl Inner {
    fn start(&mut self) {
        // The URL is fixed, so the constructor throws only if workers are forbidden altogether.
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        match Worker::new_with_options(self.script, &options) {
            Ok(worker) => self.running = Some(self.listen_to(worker)),
            Err(_) => {
                let message = "This page needs web workers, which the browser blocked. Open it over http or https, \
                               not from a file.";
                self.notify_soon(WorkerEvent::Lost { message: message.to_owned() });
            }
        }
    }

    fn listen_to(&self, worker: Worker) -> Running {
        let this = self.this.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let report = this.upgrade().and_then(|inner| inner.borrow_mut().handle_message(&event.data()));
            notify(&this, report);
        });
        let this = self.this.clone();
        let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let error = match event.dyn_ref::<ErrorEvent>() {
                Some(error) => error.message(),
                None => "its script couldn't be loaded".to_owned(),
            };
            let report = this.upgrade().and_then(|inner| inner.borrow_mut().handle_death(error));
            notify(&this, report);
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // Fails only for what can't be cloned, and a compiled module can.
        let _ = worker.post_message(&self.program);
        let this = self.this.clone();
        let slow = Timeout::new(SLOW_START_MS, move || notify(&this, Some(WorkerEvent::Slow)));
        Running { worker, waiting: Some(Vec::new()), _slow: slow, _on_message: on_message, _on_error: on_error }
    }

    fn handle_message(&mut self, data: &JsValue) -> Option<WorkerEvent> {
        match channel::decode(data) {
            Ok(FromWorker::Update(update)) => Some(WorkerEvent::Update(update)),
            Ok(FromWorker::Ready { version }) if version == channel::VERSION => self.handle_ready(),
            Ok(FromWorker::Panicked { message }) => self.handle_death(message),
            Ok(FromWorker::Ready { .. }) | Err(channel::ChannelError) => {
                self.running = None;
                let message = "The page and its worker are from different versions of the app, probably because one \
                               of them was cached. Reload the page without the cache (Ctrl+Shift+R).";
                Some(WorkerEvent::Lost { message: message.to_owned() })
            }
        }
    }

    fn handle_ready(&mut self) -> Option<WorkerEvent> {
        let running = self.running.as_mut()?;
        for message in running.waiting.take().unwrap_or_default() {
            post(&running.worker, &message);
        }
        running._slow = Timeout::new(0, || ());
        Some(WorkerEvent::Ready)
    }

    fn handle_death(&mut self, error: String) -> Option<WorkerEvent> {
        // Its last message and the browser's error event report the same death.
        self.running.take()?;
        let now = self.clock.now();
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|&death| now.since(death) > DEATHS_SPAN) {
            self.deaths.pop_front();
        }
        if self.deaths.len() > DEATHS_MAX {
            return Some(WorkerEvent::Lost {
                message: format!("The MQTT worker keeps crashing ({error}). Reload the page to try again."),
            });
        }
        self.start();
        Some(WorkerEvent::Replaced { error })
    }

    fn notify_soon(&self, event: WorkerEvent) {
        let this = self.this.clone();
        Timeout::new(0, move || notify(&this, Some(event))).forget();
    }
}

/// Called outside of any borrow, since the listener may send at once.
fn notify(link: &Weak<RefCell<Inner>>, event: Option<WorkerEvent>) {
    let (Some(link), Some(event)) = (link.upgrade(), event) else {
        return;
    };
    let on_event = Rc::clone(&link.borrow().on_event);
    on_event(event);
}

fn post(worker: &Worker, message: &Uint8Array) {
    // Fails only for what can't be cloned, and bytes can.
    let _ = worker.post_message_with_transfer(message, &channel::transfer(message));
}
