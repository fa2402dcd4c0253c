//! Full screen, where the crawl runs for days: the screen stays awake. There, and when the crawl
//! fills the window, controls, bars and pointer are hidden while nobody moves.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use js_sys::{Promise, Reflect};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, Window};

use crate::web::page::signals::set_if_changed;

/// The time without input after which the controls and the pointer are hidden.
pub const IDLE_AFTER: Duration = Duration::from_secs(3);

/// Matches if a browser was started as a kiosk, or put into full screen by its own key.
const FULL_SCREEN: &str = "(display-mode: fullscreen)";

/// Shows this element alone on the whole screen, or the page again.
pub fn toggle_full_screen(element: &Element) {
    let Some(document) = element.owner_document() else { return };
    if document.fullscreen_element().is_some() {
        document.exit_fullscreen();
    } else {
        // Phones that can't do this refuse; the button isn't shown there.
        let _ = element.request_fullscreen();
    }
}

/// Keeps the screen awake while that is wanted.
pub struct WakeLockGuard(Rc<Inner>);

struct Inner {
    window: Window,
    document: Document,
    fills_screen: RwSignal<bool>,
    wanted: Cell<bool>,
    /// Whether the browser's answer is pending.
    is_pending: Cell<bool>,
    /// The lock that the browser granted; it is released when the page is hidden.
    sentinel: RefCell<Option<Sentinel>>,
    on_granted: Closure<dyn FnMut(JsValue)>,
    on_refused: Closure<dyn FnMut(JsValue)>,
}

#[wasm_bindgen]
extern "C" {
    /// `WakeLock`, which is still unstable in web-sys.
    type WakeLock;
    #[wasm_bindgen(method, catch)]
    fn request(this: &WakeLock, kind: &str) -> Result<Promise, JsValue>;

    type Sentinel;
    #[wasm_bindgen(method)]
    fn release(this: &Sentinel) -> Promise;
    #[wasm_bindgen(method, getter)]
    fn released(this: &Sentinel) -> bool;
}

impl WakeLockGuard {
    /// Creates a guard that doesn't ask for the lock yet. It sets whether the crawl fills the screen.
    pub fn new(window: Window, document: Document, fills_screen: RwSignal<bool>) -> Self {
        Self(Rc::new_cyclic(|inner: &Weak<Inner>| {
            let (inner, to_refuse) = (inner.clone(), inner.clone());
            Inner {
                window,
                document,
                fills_screen,
                wanted: Cell::new(false),
                is_pending: Cell::new(false),
                sentinel: RefCell::new(None),
                on_granted: Closure::new(move |sentinel: JsValue| {
                    if let Some(inner) = inner.upgrade() {
                        inner.is_pending.set(false);
                        *inner.sentinel.borrow_mut() = Some(sentinel.unchecked_into());
                        inner.release_if_unwanted();
                    }
                }),
                // For example a low battery: the screen sleeps, as it would without the guard.
                on_refused: Closure::new(move |_| {
                    if let Some(inner) = to_refuse.upgrade() {
                        inner.is_pending.set(false);
                    }
                }),
            }
        }))
    }

    /// Checks whether the crawl fills the screen now, and acts on it.
    pub fn update(&self) {
        let inner = &self.0;
        let fills = inner.document.fullscreen_element().is_some()
            || inner.window.match_media(FULL_SCREEN).ok().flatten().is_some_and(|query| query.matches());
        set_if_changed(inner.fills_screen, fills);
        inner.wanted.set(fills && !inner.document.hidden());
        inner.release_if_unwanted();
        let has_one = inner.is_pending.get() || inner.sentinel.borrow().as_ref().is_some_and(|held| !held.released());
        if inner.wanted.get() && !has_one {
            inner.request_lock();
        }
    }
}

impl Inner {
    fn request_lock(&self) {
        // Missing in old browsers, and if the page didn't come over https.
        let lock = Reflect::get(&self.window.navigator(), &"wakeLock".into()).unwrap_or_default();
        if lock.is_undefined() {
            return;
        }
        let lock: WakeLock = lock.unchecked_into();
        if let Ok(promise) = lock.request("screen") {
            self.is_pending.set(true);
            let _ = promise.then2(&self.on_granted, &self.on_refused);
        }
    }

    fn release_if_unwanted(&self) {
        if !self.wanted.get()
            && let Some(sentinel) = self.sentinel.take()
        {
            let _ = sentinel.release();
        }
    }
}
