//! The page's side of the service worker, which makes the app work without a network by keeping all
//! of its files as one version.
//!
//! A newer version waits until a person asks for it, because a page that is reloaded loses its log.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use web_sys::{ServiceWorkerContainer, ServiceWorkerRegistration, ServiceWorkerState, Window};

/// The script that `cargo xtask dist` writes; relative to the page.
const SCRIPT: &str = "service-worker.js";

/// The notice that there is a newer version.
pub const NEWER: &str = "A new version is available. Updating disconnects and clears all messages.";

/// The copy of this app that the browser keeps.
pub struct Offline {
    /// Missing if the page came neither over https nor from this machine.
    container: Option<ServiceWorkerContainer>,
    /// Whether the person asked for the newer version.
    wants_newer: Rc<Cell<bool>>,
}

impl Offline {
    /// Makes the browser keep the app, and reports when there is a newer version.
    pub fn keep(browser: &Window, on_newer: impl Fn() + Clone + 'static) -> Self {
        let container = Some(browser.navigator().service_worker()).filter(|container| !container.is_undefined());
        let wants_newer = Rc::new(Cell::new(false));
        if let Some(container) = &container {
            follow(container, on_newer.clone());
            let (browser, wants_newer) = (browser.clone(), Rc::clone(&wants_newer));
            // The newer version has taken over, in all tabs at once.
            add_listener(
                container,
                "controllerchange",
                move || {
                    if wants_newer.get() { reload(&browser) } else { on_newer() }
                },
            );
        }
        Self { container, wants_newer }
    }

    /// Loads the newer version.
    pub fn load_newer(&self, browser: &Window) {
        let Some(container) = &self.container else { return };
        self.wants_newer.set(true);
        let browser = browser.clone();
        let on_found = move |found: JsValue| match found.unchecked_into::<ServiceWorkerRegistration>().waiting() {
            Some(waiting) => {
                // Any message makes it take over. Fails only for values that can't be sent.
                let _ = waiting.post_message(&JsValue::NULL);
            }
            // Another tab has already loaded it.
            None => reload(&browser),
        };
        then(&container.ready().unwrap_or_else(|refused| Promise::reject(&refused)), on_found);
    }
}

fn follow(container: &ServiceWorkerContainer, on_newer: impl Fn() + Clone + 'static) {
    // The first version isn't a newer one.
    let is_newer = {
        let container = container.clone();
        move || container.controller().is_some()
    };
    let on_registered = move |registration: JsValue| {
        let registration: ServiceWorkerRegistration = registration.unchecked_into();
        if registration.waiting().is_some() && is_newer() {
            on_newer();
        }
        let found = registration.clone();
        add_listener(&registration, "updatefound", move || {
            let Some(installing) = found.installing() else { return };
            let (worker, is_newer, on_newer) = (installing.clone(), is_newer.clone(), on_newer.clone());
            add_listener(&installing, "statechange", move || {
                if worker.state() == ServiceWorkerState::Installed && is_newer() {
                    on_newer();
                }
            });
        });
    };
    then(&container.register(SCRIPT), on_registered);
}

/// Calls `call` for each event, as long as the page exists.
fn add_listener(target: &web_sys::EventTarget, name: &str, call: impl FnMut() + 'static) {
    let call = Closure::<dyn FnMut()>::new(call).into_js_value();
    // Fails only if the listener isn't a function.
    let _ = target.add_event_listener_with_callback(name, call.unchecked_ref());
}

fn then(promise: &Promise, call: impl FnOnce(JsValue) + 'static) {
    // A browser that refuses to keep the files still shows the app.
    let (call, refused) = (Closure::once(call), Closure::once(|_: JsValue| {}));
    let _ = promise.then2(&call, &refused);
    call.forget();
    refused.forget();
}

fn reload(browser: &Window) {
    // Fails only in documents that aren't shown.
    let _ = browser.location().reload();
}
