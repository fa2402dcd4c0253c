//! Where lasting sessions are kept: one IndexedDB object store, key → bytes.
//!
//! Only moves bytes: what is kept, under which key and for how long the engine
//! decides. Every answer comes later, never from within the call that asked.
//!
//! Durability is left at the browsers' default, "relaxed": a write is reported
//! when the system has it, which survives the page, the worker and the browser.
//! "strict" would survive a power cut too, at the price of a flush to disk for
//! each message with QoS 2, and what is promised is a reload.

use std::cell::{Cell, RefCell};
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

use super::worker::words_of;
use crate::engine::Save;
use crate::time::Instant;

/// The database of the app, on its origin.
pub const DATABASE: &str = "mqtt-crawl";

/// Of the database's layout.
const VERSION: u32 = 1;

/// The only object store.
const SESSIONS: &str = "sessions";

/// An entry's fields, and the index that finds the ones that are over.
const BYTES: &str = "bytes";
const UNTIL_MS: &str = "until";

/// The store; clones are one.
#[derive(Clone)]
pub struct Store(Rc<RefCell<Inner>>);

struct Inner {
    state: State,
    /// Under way, by number: a transaction owns the closures that it calls.
    running: Vec<(u32, Transaction)>,
    next_number: u32,
}

enum State {
    Opening {
        waiting: Vec<(Act, Then)>,
        _request: Option<OpenDatabaseRequest>,
    },
    Open(Database),
    /// Why there is no store.
    Closed(String),
}

/// What is asked of the store.
enum Act {
    Load {
        key: String,
    },
    Save(Save),
    Forget {
        key: String,
    },
    /// Drop what is over by then.
    Sweep {
        now: Instant,
    },
}

type Then = Box<dyn FnOnce(Result<JsValue, String>)>;

impl Store {
    /// Opens the database of this name, or makes it, and drops what is over. A
    /// browser that keeps nothing says so to whoever asks for something.
    pub fn open(name: &str, now: Instant) -> Self {
        let state = State::Opening { waiting: Vec::new(), _request: None };
        let store = Self(Rc::new(RefCell::new(Inner { state, running: Vec::new(), next_number: 0 })));
        match store.request(name) {
            Ok(request) => {
                if let State::Opening { _request, .. } = &mut store.0.borrow_mut().state {
                    *_request = Some(request);
                }
            }
            Err(error) => store.opened(Err(reason(&error))),
        }
        // Nobody waits for it, and what it can't drop now it drops next time.
        store.run(Act::Sweep { now }, Box::new(drop));
        store
    }

    /// What is kept under this key.
    pub fn load(&self, key: &str, then: impl FnOnce(Result<Option<Vec<u8>>, String>) + 'static) {
        let then = move |answer: Result<JsValue, String>| {
            then(answer.map(|entry| {
                let bytes = Reflect::get(&entry, &BYTES.into()).ok()?;
                bytes.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec())
            }));
        };
        self.run(Act::Load { key: key.to_owned() }, Box::new(then));
    }

    /// Keeps an entry, instead of what is kept under its key.
    pub fn save(&self, save: Save, then: impl FnOnce(Result<(), String>) + 'static) {
        self.run(Act::Save(save), Box::new(move |answer| then(answer.map(drop))));
    }

    /// Drops an entry. Where nothing can be dropped, nothing was kept.
    pub fn forget(&self, key: String) {
        self.run(Act::Forget { key }, Box::new(drop));
    }

    fn request(&self, name: &str) -> Result<OpenDatabaseRequest, Error> {
        let mut request = Factory::new()?.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            // A layout that can't be made shows when the first entry is asked for.
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
            this.opened(Err(words(error.as_ref())));
        });
        Ok(request)
    }

    fn opened(&self, opened: Result<Database, String>) {
        let state = match opened {
            Ok(mut database) => {
                // A newer build of this app must not wait for this tab. What is
                // asked for after that fails, in words.
                database.on_version_change(|event| {
                    if let Some(Ok(database)) = event.target().map(Database::try_from) {
                        database.close();
                    }
                });
                State::Open(database)
            }
            Err(words) => State::Closed(words),
        };
        let before = std::mem::replace(&mut self.0.borrow_mut().state, state);
        if let State::Opening { waiting, _request } = before {
            for (act, then) in waiting {
                self.run(act, then);
            }
        }
    }

    fn run(&self, act: Act, then: Then) {
        let mut inner = self.0.borrow_mut();
        let failed = match &mut inner.state {
            State::Opening { waiting, .. } => return waiting.push((act, then)),
            State::Closed(words) => words.clone(),
            State::Open(database) => match begin(database, act) {
                Ok((transaction, result)) => return self.follow(&mut inner, transaction, result, then),
                Err(error) => reason(&error),
            },
        };
        Timeout::new(0, move || then(Err(failed))).forget();
    }

    /// Keeps a transaction until its end, and tells of it.
    fn follow(&self, inner: &mut Inner, mut transaction: Transaction, result: Option<GetStoreRequest>, then: Then) {
        let number = inner.next_number;
        inner.next_number = number.wrapping_add(1);
        let then = Rc::new(Cell::new(Some(then)));
        let finish = {
            let this = self.clone();
            move |answer| {
                this.0.borrow_mut().running.retain(|(other, _)| *other != number);
                if let Some(then) = then.take() {
                    then(answer);
                }
            }
        };
        let finish_badly = finish.clone();
        transaction.on_complete(move |_| {
            finish(Ok(result.and_then(|request| request.result().ok()).unwrap_or_default()));
        });
        transaction.on_abort(move |event| {
            let transaction = event.target().map(Transaction::try_from);
            finish_badly(Err(words(transaction.and_then(|transaction| transaction.ok()?.error()).as_ref())));
        });
        inner.running.push((number, transaction));
    }
}

/// Starts what is asked; the result, where there is one, is there at the
/// transaction's end.
fn begin(database: &Database, act: Act) -> Result<(Transaction, Option<GetStoreRequest>), Error> {
    let mode = match act {
        Act::Load { .. } => TransactionMode::ReadOnly,
        _ => TransactionMode::ReadWrite,
    };
    let transaction = database.transaction(&[SESSIONS], mode)?;
    let sessions = transaction.object_store(SESSIONS)?;
    let result = match act {
        Act::Load { key } => Some(sessions.get(JsValue::from(key))?),
        Act::Save(Save { key, bytes, until }) => {
            let entry = Object::new();
            // Fields of an object that was just made.
            let _ = Reflect::set(&entry, &BYTES.into(), &Uint8Array::from(bytes.as_slice()));
            if let Some(until) = until {
                let _ = Reflect::set(&entry, &UNTIL_MS.into(), &millis(until));
            }
            sessions.put(&entry, Some(&key.into()))?;
            None
        }
        Act::Forget { key } => {
            sessions.delete(JsValue::from(key))?;
            None
        }
        Act::Sweep { now } => {
            sweep(sessions, now)?;
            None
        }
    };
    Ok((transaction, result))
}

fn sweep(sessions: ObjectStore, now: Instant) -> Result<(), Error> {
    let over = KeyRange::upper_bound(&millis(now), None)?;
    let mut keys = sessions.index(UNTIL_MS)?.get_all_keys(Some(Query::from(over)), None)?;
    keys.on_success(move |event| {
        for key in event.result().unwrap_or_default() {
            // One that stays is tried again by the next page.
            let _ = sessions.delete(key);
        }
    });
    // Once for each worker; its closure goes with the event.
    keys.forget_callbacks();
    Ok(())
}

fn millis(time: Instant) -> JsValue {
    JsValue::from(time.as_micros() as f64 / 1_000.0)
}

/// What the crate was told by the browser. Its own `Display` covers every call
/// there is and would weigh more than all of this file.
fn reason(error: &Error) -> String {
    match error {
        Error::IndexedDbNotFound(_) => "it has no IndexedDB".to_owned(),
        Error::IndexedDbOpenFailed(thrown) | Error::TransactionOpenFailed(thrown) | Error::UpdateFailed(thrown) => {
            words_of(thrown)
        }
        _ => UNKNOWN.to_owned(),
    }
}

/// Browsers leave the message empty where the name says it all.
fn words(error: Option<&DomException>) -> String {
    error.map_or(UNKNOWN.to_owned(), |error| format!("{}: {}", error.name(), error.message()))
}

const UNKNOWN: &str = "its store failed";
