//! The page's own nodes: markup that is only changed by hand.
//!
//! A Leptos view is code that builds its nodes one by one, separately for each view, and a first
//! visit downloads all of it. So the page's nodes are strings, and what changes in them is set
//! here, from effects that follow the signals. The panels, which are loaded when they are opened,
//! are views.

use leptos::prelude::Effect;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, Event, EventTarget};

/// The attribute that names a button's action.
const ACTION: &str = "data-action";

/// A part of the page and its content.
#[derive(Clone)]
pub struct DomScope(Element);

impl DomScope {
    /// Creates the part that begins at this node.
    pub const fn new(root: Element) -> Self {
        Self(root)
    }

    /// Returns the first node inside that matches the selector.
    pub fn find(&self, selector: &str) -> Option<Element> {
        // Fails only for invalid selectors.
        self.0.query_selector(selector).ok().flatten()
    }

    /// Sets the text there, if it differs.
    pub fn set_text(&self, selector: &str, text: &str) {
        if let Some(node) = self.find(selector)
            && node.text_content().as_deref() != Some(text)
        {
            node.set_text_content(Some(text));
        }
    }

    /// Sets an attribute there.
    pub fn set_attribute(&self, selector: &str, name: &str, value: &str) {
        if let Some(node) = self.find(selector) {
            // Fails only for invalid names.
            let _ = node.set_attribute(name, value);
        }
    }

    /// Sets an attribute of the part itself.
    pub fn set_root_flag(&self, name: &str, value: &str) {
        let _ = self.0.set_attribute(name, value);
    }

    /// Sets an attribute there that is on or off, such as `hidden`.
    pub fn toggle_attribute(&self, selector: &str, name: &str, is_on: bool) {
        if let Some(node) = self.find(selector) {
            let _ = node.toggle_attribute_with_force(name, is_on);
        }
    }

    /// Empties a node, to be filled again.
    pub fn clear(&self, selector: &str) -> Option<Element> {
        let node = self.find(selector)?;
        node.set_text_content(None);
        Some(node)
    }
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

/// Returns the action of a pressed button: the `data-action` of the button around the event's target.
pub fn action_of(event: &Event) -> Option<(String, Element)> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    let button = target.closest("[data-action]").ok().flatten()?;
    Some((button.get_attribute(ACTION)?, button))
}

/// Adds a node with this text at the end of another.
pub fn add(parent: &Element, name: &str, text: &str) -> Option<Element> {
    let document: Document = parent.owner_document()?;
    let node = document.create_element(name).ok()?;
    node.set_text_content(Some(text));
    parent.append_child(&node).ok()?;
    Some(node)
}
