//! What the nodes need that are made and changed by hand: the console's rows, the crawl's plane. Everything else is a
//! component.

use leptos::prelude::{Effect, document};
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, EventTarget};

/// Returns the first node inside that matches the selector.
pub fn find(element: &Element, selector: &str) -> Option<Element> {
    // Fails only for invalid selectors.
    element.query_selector(selector).ok().flatten()
}

/// Returns the first node of the document that matches the selector.
pub fn find_in_document(selector: &str) -> Option<Element> {
    find(&document().document_element()?, selector)
}

/// Runs this now and whenever a signal that it reads changes.
///
/// Boxed, because an effect is compiled for each type of closure, together with the future that
/// runs it.
pub fn follow(react: impl FnMut() + 'static) {
    let react: Box<dyn FnMut()> = Box::new(react);
    Effect::new(react);
}

/// A listener for events of a target, until it is dropped.
pub struct EventListener {
    target: EventTarget,
    names: &'static [&'static str],
    on_event: Closure<dyn Fn(Event)>,
}

impl EventListener {
    /// Listens for events of these names anywhere below the target. One may come while another is
    /// being handled.
    pub fn new(target: EventTarget, names: &'static [&'static str], on_event: impl Fn(Event) + 'static) -> Self {
        let on_event = Closure::<dyn Fn(Event)>::new(on_event);
        for name in names {
            // Doesn't fail for our own target and listener.
            let _ = target.add_event_listener_with_callback(name, on_event.as_ref().unchecked_ref());
        }
        Self { target, names, on_event }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        for name in self.names {
            let _ = self.target.remove_event_listener_with_callback(name, self.on_event.as_ref().unchecked_ref());
        }
    }
}
