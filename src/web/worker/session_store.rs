//! The store of persistent sessions: one IndexedDB object store, key → bytes.
//!
//! It only moves bytes: the engine decides what is kept, under which key and for how long. Every
//! answer comes later, never from within the call that asked.
//!
//! Durability is the browsers' default, "relaxed": a write is reported once the system has it,
//! which survives the page, the worker and the browser. "strict" would also survive a power cut, at
//! the price of a flush to disk for each message with QoS 2, and only a reload has to be survived.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use idb::request::{GetStoreRequest, OpenDatabaseRequest};
use idb::{
    Database, DatabaseEvent, Error, Event as _, Factory, KeyPath, KeyRange, ObjectStore, ObjectStoreParams, Query,
    Request, StoreEvent, Transaction, TransactionMode,
};
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::DomException;

use crate::engine::StoreWrite;
use crate::time::Instant;
use crate::web::js_error;

/// The database of the app, on its origin.
pub const DATABASE: &str = "mqtt-crawl";

/// The version of the database's layout.
const VERSION: u32 = 1;

/// The only object store.
const SESSIONS: &str = "sessions";

/// An entry's fields, and the index that finds expired entries.
const BYTES: &str = "bytes";
const UNTIL_MS: &str = "until_ms";

/// The result of a request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreResult {
    /// The entry under a key, or the error.
    Loaded {
        /// The key.
        key: String,
        /// The bytes that were saved.
        loaded: Result<Option<Vec<u8>>, String>,
    },
    /// An entry is stored, or the error.
    Saved(Result<(), String>),
}

/// The store; clones share it.
#[derive(Clone)]
pub struct Store(Rc<RefCell<Inner>>);

struct Inner {
    state: State,
    answer: Rc<dyn Fn(StoreResult)>,
    running: Vec<Running>,
    next_number: u32,
}

enum State {
    Opening {
        waiting: Vec<StoreOp>,
        _request: Option<OpenDatabaseRequest>,
    },
    Open(Database),
    /// Why there is no store.
    Closed(String),
}

/// A request to the store.
enum StoreOp {
    Load {
        key: String,
    },
    Write(StoreWrite),
    Forget {
        key: String,
    },
    /// Drops the entries that have expired by then.
    Sweep {
        now: Instant,
    },
}

/// A transaction that hasn't ended; it owns the closures that it calls.
struct Running {
    number: u32,
    operation: StoreOp,
    _transaction: Transaction,
    result: Option<GetStoreRequest>,
}

impl Store {
    /// Opens or creates the database of this name, and drops expired entries. If the browser keeps
    /// nothing, each request is answered with that error.
    pub fn open(name: &str, now: Instant, answer: impl Fn(StoreResult) + 'static) -> Self {
        let state = State::Opening { waiting: Vec::new(), _request: None };
        let inner = Inner { state, answer: Rc::new(answer), running: Vec::new(), next_number: 0 };
        let store = Self(Rc::new(RefCell::new(inner)));
        match store.request(name) {
            Ok(request) => {
                if let State::Opening { _request, .. } = &mut store.0.borrow_mut().state {
                    *_request = Some(request);
                }
            }
            Err(error) => store.opened(Err(reason(&error))),
        }
        store.run(StoreOp::Sweep { now });
        store
    }

    /// Loads the entry under this key: [`StoreResult::Loaded`].
    pub fn load(&self, key: String) {
        self.run(StoreOp::Load { key });
    }

    /// Stores an entry, replacing the one under its key: [`StoreResult::Saved`].
    pub fn save(&self, save: StoreWrite) {
        self.run(StoreOp::Write(save));
    }

    /// Drops an entry. There is no answer: if nothing can be dropped, nothing was stored.
    pub fn forget(&self, key: String) {
        self.run(StoreOp::Forget { key });
    }

    fn request(&self, name: &str) -> Result<OpenDatabaseRequest, Error> {
        let mut request = Factory::new()?.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            // An error in creating the layout shows when the first entry is requested.
            let _ = event.database().and_then(|database| {
                let sessions = database.create_object_store(SESSIONS, ObjectStoreParams::new())?;
                sessions.create_index(UNTIL_MS, KeyPath::new_single(UNTIL_MS), None)
            });
        });
        let this = self.clone();
        request.on_success(move |event| this.opened(event.database().map_err(|error| reason(&error))));
        let this = self.clone();
        request.on_error(move |event| {
            let error = event.target().and_then(|request| request.error()).ok().flatten();
            this.opened(Err(text(error.as_ref())));
        });
        Ok(request)
    }

    fn opened(&self, opened: Result<Database, String>) {
        let state = match opened {
            Ok(mut database) => {
                // A newer build of this app must not wait for this tab. Later requests fail with an
                // error.
                database.on_version_change(|event| {
                    if let Some(Ok(database)) = event.target().map(Database::try_from) {
                        database.close();
                    }
                });
                State::Open(database)
            }
            Err(text) => State::Closed(text),
        };
        let before = std::mem::replace(&mut self.0.borrow_mut().state, state);
        if let State::Opening { waiting, .. } = before {
            for operation in waiting {
                self.run(operation);
            }
        }
    }

    fn run(&self, operation: StoreOp) {
        let mut inner = self.0.borrow_mut();
        let failed = match &mut inner.state {
            State::Opening { waiting, .. } => return waiting.push(operation),
            State::Closed(text) => text.clone(),
            State::Open(database) => match begin(database, &operation) {
                Ok((transaction, result)) => return self.follow(&mut inner, operation, transaction, result),
                Err(error) => reason(&error),
            },
        };
        let this = self.clone();
        Timeout::new(0, move || this.finish(operation, Err(failed))).forget();
    }

    /// Keeps a transaction until its end.
    fn follow(
        &self,
        inner: &mut Inner,
        operation: StoreOp,
        mut transaction: Transaction,
        result: Option<GetStoreRequest>,
    ) {
        let number = inner.next_number;
        inner.next_number = number.wrapping_add(1);
        let this = self.clone();
        transaction.on_complete(move |_| this.end(number, None));
        let this = self.clone();
        transaction.on_abort(move |event| {
            let error = event.target().and_then(|target| Transaction::try_from(target).ok()?.error());
            this.end(number, Some(text(error.as_ref())));
        });
        inner.running.push(Running { number, operation, _transaction: transaction, result });
    }

    fn end(&self, number: u32, failed: Option<String>) {
        let mut inner = self.0.borrow_mut();
        let Some(index) = inner.running.iter().position(|running| running.number == number) else { return };
        let Running { operation, result, .. } = inner.running.swap_remove(index);
        drop(inner);
        let result = result.and_then(|request| request.result().ok()).unwrap_or_default();
        self.finish(operation, failed.map_or(Ok(result), Err));
    }

    /// Called outside of any borrow, since the listener may ask for more at once.
    fn finish(&self, operation: StoreOp, result: Result<JsValue, String>) {
        let answered = match operation {
            StoreOp::Load { key } => StoreResult::Loaded { key, loaded: result.map(|entry| bytes_of(&entry)) },
            StoreOp::Write(_) => StoreResult::Saved(result.map(drop)),
            // Nobody waits for these; what isn't dropped now is dropped next time.
            StoreOp::Forget { .. } | StoreOp::Sweep { .. } => return,
        };
        let answer = Rc::clone(&self.0.borrow().answer);
        answer(answered);
    }
}

/// Starts a request; its result, if it has one, is available at the transaction's end.
fn begin(database: &Database, operation: &StoreOp) -> Result<(Transaction, Option<GetStoreRequest>), Error> {
    let mode = match operation {
        StoreOp::Load { .. } => TransactionMode::ReadOnly,
        _ => TransactionMode::ReadWrite,
    };
    let transaction = database.transaction(&[SESSIONS], mode)?;
    let sessions = transaction.object_store(SESSIONS)?;
    let mut result = None;
    match operation {
        StoreOp::Load { key } => result = Some(sessions.get(JsValue::from(key))?),
        StoreOp::Write(StoreWrite { key, bytes, until }) => {
            let entry = Object::new();
            // Setting fields of a new object doesn't fail.
            let _ = Reflect::set(&entry, &BYTES.into(), &Uint8Array::from(bytes.as_slice()));
            if let Some(until) = until {
                let _ = Reflect::set(&entry, &UNTIL_MS.into(), &millis(*until));
            }
            sessions.put(&entry, Some(&key.into()))?;
        }
        StoreOp::Forget { key } => {
            sessions.delete(JsValue::from(key))?;
        }
        StoreOp::Sweep { now } => sweep(sessions, *now)?,
    }
    Ok((transaction, result))
}

fn bytes_of(entry: &JsValue) -> Option<Vec<u8>> {
    // If the entry isn't an object, nothing is stored.
    let bytes = Reflect::get(entry, &BYTES.into()).ok()?;
    bytes.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec())
}

fn sweep(sessions: ObjectStore, now: Instant) -> Result<(), Error> {
    let over = KeyRange::upper_bound(&millis(now), None)?;
    let mut keys = sessions.index(UNTIL_MS)?.get_all_keys(Some(Query::from(over)), None)?;
    keys.on_success(move |event| {
        for key in event.result().unwrap_or_default() {
            // An entry that stays is tried again by the next page.
            let _ = sessions.delete(key);
        }
    });
    // Once for each worker; its closure is dropped with the event.
    keys.forget_callbacks();
    Ok(())
}

fn millis(time: Instant) -> JsValue {
    JsValue::from(time.as_micros() as f64 / 1_000.0)
}

/// Returns the browser's error. The crate's own `Display` covers every possible call and would be
/// larger than all of this file.
fn reason(error: &Error) -> String {
    match error {
        Error::IndexedDbNotFound(_) => "no IndexedDB".to_owned(),
        Error::IndexedDbOpenFailed(thrown) | Error::TransactionOpenFailed(thrown) | Error::UpdateFailed(thrown) => {
            js_error::message(thrown)
        }
        _ => UNKNOWN.to_owned(),
    }
}

/// Browsers leave the message empty if the name says everything.
fn text(error: Option<&DomException>) -> String {
    error.map_or(UNKNOWN.to_owned(), |error| format!("{}: {}", error.name(), error.message()))
}

const UNKNOWN: &str = "the store failed";
