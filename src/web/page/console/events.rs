//! The events of the console's elements: pointer, wheel, keys, scrolling, resizing.

use std::rc::Rc;

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{
    AddEventListenerOptions, Element, Event, FocusOptions, HtmlElement, KeyboardEvent, PointerEvent, ResizeObserver,
    WheelEvent,
};

use crate::config::settings::Column;
use crate::protocol::panels::{Copied, PanelAction};
use crate::ui::console::scroll::ScrollStep;
use crate::ui::console::view_model::{ConsoleModel, SeekDirection};
use crate::web::dom;
use crate::web::page::console::controller::{Console, ConsoleEvent};
use crate::web::page::console::renderer::{EVENTS, Elements, width_px};

/// How far a key moves a column's edge.
const COLUMN_STEP_PX: i32 = 8;

impl Console {
    /// Handles an event anywhere in the console.
    fn handle_event(&self, event: &Event) {
        let pointer: &PointerEvent = event.unchecked_ref();
        let answer = match event.type_().as_str() {
            "scroll" => return self.handle_scroll(),
            "wheel" => return self.handle_wheel(event.unchecked_ref()),
            "pointerdown" => return self.handle_pointer_down(pointer),
            "pointermove" => return self.handle_pointer_move(pointer),
            "pointerup" | "pointercancel" => self.handle_pointer_up(),
            // Browsers that fill in forms send some of these without a key.
            "keydown" => {
                event.dyn_ref().and_then(|event| self.handle_column_key(event).or_else(|| self.handle_key(event)))
            }
            "click" => self.handle_click(event),
            "dblclick" => seq_of(event)
                .map(|seq| ConsoleEvent::Panel(PanelAction::Message(seq)))
                .or_else(|| self.reset_column(event)),
            _ => None,
        };
        if let Some(answer) = answer {
            self.emit(answer);
        }
    }

    fn focused_row(&self) -> Option<u64> {
        self.0.renderer.borrow().model.focused_row()
    }

    fn handle_wheel(&self, event: &WheelEvent) {
        // Leaving the tail must not depend on the bar, which the next frame would set back to the
        // end.
        if event.delta_y() < 0.0 && !event.ctrl_key() {
            let mut renderer = self.0.renderer.borrow_mut();
            renderer.model.scroll.stop_following();
            renderer.draw();
        }
    }

    /// Goes to the next match.
    fn seek(&self, direction: SeekDirection) {
        self.act(|model| model.seek(direction));
    }

    /// Handles a pressed pointer, which may be on the scroll bar or on a column's edge.
    fn handle_pointer_down(&self, event: &PointerEvent) {
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.pressed = true;
        if let Some((column, handle)) = column_of(event) {
            event.prevent_default();
            // Fails if the pointer is gone.
            let _ = handle.set_pointer_capture(event.pointer_id());
            renderer.drag = Some((column, event.client_x(), width_px(&handle)));
        }
    }

    /// Makes the edge follow the pointer.
    fn handle_pointer_move(&self, event: &PointerEvent) {
        let mut renderer = self.0.renderer.borrow_mut();
        // The pointer may have been released outside of the console, which isn't reported.
        renderer.pressed &= event.buttons() != 0;
        if let Some((column, from_x, from_px)) = renderer.drag {
            renderer.resize_column(column, Some(from_px + outward(column, event.client_x() - from_x)));
        }
    }

    /// Handles a released pointer; an edge that it moved stays there from now on.
    fn handle_pointer_up(&self) -> Option<ConsoleEvent> {
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.pressed = false;
        renderer.drag.take().map(|_| ConsoleEvent::Columns(renderer.signals.columns.get_untracked()))
    }

    /// Moves a column's edge by a key, or resets it.
    fn handle_column_key(&self, event: &KeyboardEvent) -> Option<ConsoleEvent> {
        let (column, handle) = column_of(event)?;
        let step_px = match event.key().as_str() {
            "ArrowLeft" => Some(-COLUMN_STEP_PX),
            "ArrowRight" => Some(COLUMN_STEP_PX),
            "Enter" => None,
            _ => return None,
        };
        event.prevent_default();
        let to_px = step_px.map(|px| width_px(&handle) + outward(column, px));
        Some(self.resize_column(column, to_px))
    }

    /// Handles a key anywhere in the console.
    fn handle_key(&self, event: &KeyboardEvent) -> Option<ConsoleEvent> {
        let target = element_of(event)?;
        let key = event.key();
        let is_control = event.ctrl_key() || event.meta_key();
        let (forward, back) = match event.shift_key() {
            true => (SeekDirection::Older, SeekDirection::Newer),
            false => (SeekDirection::Newer, SeekDirection::Older),
        };
        let is_in_rows = target.closest(".table").ok()?.is_some() && !is_control && !event.alt_key();
        match key.as_str() {
            "F3" => self.seek(forward),
            "g" | "G" if is_control => self.seek(forward),
            // As in terminals, the search goes up.
            "Enter" if target.tag_name() == "INPUT" => self.seek(back),
            _ if !is_in_rows => return None,
            "n" | "N" => self.seek(forward),
            "s" => {
                event.prevent_default();
                return self.focused_row().map(ConsoleEvent::ShowInCrawl);
            }
            "c" | "C" | "p" => {
                event.prevent_default();
                let copied = match key.as_str() {
                    "c" => Copied::Row,
                    "C" => Copied::Payload,
                    _ => Copied::Publish,
                };
                return self.focused_row().map(|seq| ConsoleEvent::Panel(PanelAction::Copy(copied, seq)));
            }
            "Escape" => self.act(ConsoleModel::deselect),
            "Enter" => {
                // Otherwise the key would press the button that gets the focus.
                event.prevent_default();
                return self.focused_row().map(|seq| ConsoleEvent::Panel(PanelAction::Message(seq)));
            }
            key => self.step(ScrollStep::from_key(key).filter(|_| !event.shift_key())?),
        }
        event.prevent_default();
        None
    }

    /// Handles a click on a row.
    fn handle_click(&self, event: &Event) -> Option<ConsoleEvent> {
        let seq = seq_of(event)?;
        self.act(|model| model.select(seq));
        // The focus event arrives at once, so nothing may be borrowed.
        let table = self.0.renderer.borrow().elements.as_ref().map(|elements| elements.table.clone());
        if let Some(table) = table {
            let options = FocusOptions::new();
            options.set_prevent_scroll(true);
            // Never fails for an element in the document.
            let _ = table.focus_with_options(&options);
        }
        let is_open_button = element_of(event)?.class_name() == "open";
        is_open_button.then_some(ConsoleEvent::Panel(PanelAction::Message(seq)))
    }

    /// Resets a column to its default width.
    fn reset_column(&self, event: &Event) -> Option<ConsoleEvent> {
        let (column, _) = column_of(event)?;
        Some(self.resize_column(column, None))
    }

    fn resize_column(&self, column: Column, width_px: Option<i32>) -> ConsoleEvent {
        ConsoleEvent::Columns(self.0.renderer.borrow().resize_column(column, width_px))
    }

    /// Takes over the console's section; `None` if a part is missing, which doesn't happen.
    pub(super) fn attach(&self, section: HtmlElement) -> Option<()> {
        let document = section.owner_document()?;
        let find = |selector| dom::find(&section, selector).map(JsCast::unchecked_into::<HtmlElement>);
        let (table, scroller, spacer, list) = (find(".table")?, find(".scroller")?, find(".spacer")?, find(".rows")?);
        let this = Rc::downgrade(&self.0);
        // An event may move the focus, which is an event too.
        let on_event = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if let Some(shared) = this.upgrade() {
                Self(shared).handle_event(&event);
            }
        });
        for event in EVENTS {
            let options = AddEventListenerOptions::new();
            // Some events reach only their own element.
            options.set_capture(true);
            // The console may prevent the browser's own answer to the others.
            options.set_passive(matches!(event, "scroll" | "wheel"));
            // Doesn't fail for our own listener and target.
            let _ = section.add_event_listener_with_callback_and_add_event_listener_options(
                event,
                on_event.as_ref().unchecked_ref(),
                &options,
            );
        }
        let this = Rc::downgrade(&self.0);
        let on_resize = Closure::<dyn FnMut()>::new(move || {
            if let Some(shared) = this.upgrade() {
                Self(shared).handle_resize();
            }
        });
        let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) else { return None };
        observer.observe(&scroller);
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.elements = Some(Elements {
            document,
            section,
            table,
            scroller,
            spacer,
            list,
            observer,
            on_event,
            _on_resize: on_resize,
        });
        drop(renderer);
        self.handle_resize();
        Some(())
    }

    fn handle_resize(&self) {
        let mut renderer = self.0.renderer.borrow_mut();
        let Some(elements) = &renderer.elements else { return };
        let height_px = elements.scroller.client_height();
        renderer.model.scroll.resize(f64::from(height_px));
        renderer.draw();
        renderer.settle_bar();
        drop(renderer);
        self.emit(ConsoleEvent::NeedRows);
    }

    fn handle_scroll(&self) {
        let mut renderer = self.0.renderer.borrow_mut();
        // Otherwise it is the echo of our own move.
        let Some(to_px) = renderer.bar_moved_to_px() else { return };
        let from_px = renderer.scroll_px;
        renderer.model.scroll.drag(from_px, to_px);
        renderer.scroll_px = to_px;
        renderer.settling = None;
        renderer.draw();
        drop(renderer);
        self.settle_soon();
        self.emit(ConsoleEvent::NeedRows);
    }
}

/// Returns the element that an event is about.
fn element_of(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

/// Returns the column whose edge an event is about, and the handle there.
fn column_of(event: &Event) -> Option<(Column, Element)> {
    let handle = element_of(event)?.closest("[data-column]").ok()??;
    Some((Column::from_name(&handle.get_attribute("data-column")?)?, handle))
}

/// Returns how much a column grows when its edge moves to the right. The last column has its edge
/// on its left.
const fn outward(column: Column, right_px: i32) -> i32 {
    if matches!(column, Column::Size) { -right_px } else { right_px }
}

/// Returns the message whose row an event is about.
fn seq_of(event: &Event) -> Option<u64> {
    let row = element_of(event)?.closest("[data-seq]").ok()??;
    row.get_attribute("data-seq")?.parse().ok()
}
