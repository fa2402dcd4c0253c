//! The page's own nodes: markup that never changes but by hand.
//!
//! A view of Leptos is code that builds its nodes one by one, for each view
//! anew, and a first visit downloads all of it. So the page's nodes are strings,
//! and what changes in them is set here, from effects that follow the signals.
//! The panels, which are loaded when they are opened, are views.

use leptos::prelude::Effect;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, Event, EventTarget};

/// The attribute that says what a button does.
const DEED: &str = "data-do";

/// A part of the page and what is in it.
#[derive(Clone)]
pub struct DomScope(Element);

impl DomScope {
    /// The part that begins at this node.
    pub const fn new(root: Element) -> Self {
        Self(root)
    }

    /// The first node inside that the selector finds.
    pub fn find(&self, selector: &str) -> Option<Element> {
        // Fails for selectors that are none.
        self.0.query_selector(selector).ok().flatten()
    }

    /// Puts words there, if others are.
    pub fn set_text(&self, selector: &str, words: &str) {
        if let Some(node) = self.find(selector)
            && node.text_content().as_deref() != Some(words)
        {
            node.set_text_content(Some(words));
        }
    }

    /// Sets an attribute there.
    pub fn set_attribute(&self, selector: &str, name: &str, value: &str) {
        if let Some(node) = self.find(selector) {
            // Fails for names that are none.
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

    /// Empties a node, to be filled anew.
    pub fn clear(&self, selector: &str) -> Option<Element> {
        let node = self.find(selector)?;
        node.set_text_content(None);
        Some(node)
    }
}

/// Runs this now and whenever a signal changes that it reads.
///
/// Boxed, since an effect is compiled for each type of closure anew, with the
/// future that runs it.
pub fn follow(react: impl FnMut() + 'static) {
    let react: Box<dyn FnMut()> = Box::new(react);
    Effect::new(react);
}

/// Somebody who hears events of a target until it is dropped.
pub struct ClickListener {
    target: EventTarget,
    names: &'static [&'static str],
    on_event: Closure<dyn Fn(Event)>,
}

impl ClickListener {
    /// Hears events of these names, wherever below the target they happen. One
    /// may come while another is being heard.
    pub fn new(target: EventTarget, names: &'static [&'static str], hear: impl Fn(Event) + 'static) -> Self {
        let on_event = Closure::<dyn Fn(Event)>::new(hear);
        for name in names {
            // Fails for no target and no listener of ours.
            let _ = target.add_event_listener_with_callback(name, on_event.as_ref().unchecked_ref());
        }
        Self { target, names, on_event }
    }
}

impl Drop for ClickListener {
    fn drop(&mut self) {
        for name in self.names {
            let _ = self.target.remove_event_listener_with_callback(name, self.on_event.as_ref().unchecked_ref());
        }
    }
}

/// What a press of a button is to do: the `data-do` of the button around the
/// event's target.
pub fn action_of(event: &Event) -> Option<(String, Element)> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    let button = target.closest("[data-do]").ok().flatten()?;
    Some((button.get_attribute(DEED)?, button))
}

/// Adds a node with these words at the end of another.
pub fn add(parent: &Element, name: &str, words: &str) -> Option<Element> {
    let document: Document = parent.owner_document()?;
    let node = document.create_element(name).ok()?;
    node.set_text_content(Some(words));
    parent.append_child(&node).ok()?;
    Some(node)
}
