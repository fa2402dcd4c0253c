//! Input that moves the plane: wheel, finger, mouse, keys.

use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent, PointerEvent, WheelEvent};

use crate::crawl::layout::Toward;
use crate::crawl::metrics::ROW_EM;
use crate::protocol::panels::PanelAction;
use crate::web::page::crawl::fullscreen;
use crate::web::page::crawl::handle::{CrawlEvent, CrawlHandle, CrawlInput};
use crate::web::page::crawl::stage::Stage;

/// A finger that moved less than this, in CSS pixels, has clicked.
const DRAG_FROM_PX: i32 = 6;

/// A finger or a pressed mouse on the plane.
pub struct DragState {
    pointer: i32,
    begun_px: i32,
    /// Where the plane was grabbed, as a distance from the edge, once the pointer has moved far
    /// enough.
    held_em: Option<f64>,
}

impl CrawlHandle {
    /// Handles the wheel: moves back and forward through the lines shown so far.
    pub(super) fn handle_wheel(&self, event: &WheelEvent) {
        // With Ctrl it zooms the page; in the transcript it scrolls.
        if event.ctrl_key() || self.is_plain() {
            return;
        }
        event.prevent_default();
        let em = match event.delta_mode() {
            WheelEvent::DOM_DELTA_PIXEL => self.measure(Stage::em_per_px),
            WheelEvent::DOM_DELTA_LINE => ROW_EM,
            _ => self.measure(Stage::page_em),
        };
        self.handle_input(CrawlInput::Scroll(event.delta_y() * em));
    }

    /// Handles a press on the plane.
    pub(super) fn begin_drag(&self, event: &PointerEvent) -> Option<DragState> {
        let is_drag = event.is_primary() && event.button() == 0 && !self.is_plain();
        is_drag.then(|| DragState { pointer: event.pointer_id(), begun_px: event.client_y(), held_em: None })
    }

    /// Makes the plane follow the pointer. Returns whether the pointer has moved far enough.
    pub(super) fn drag(&self, event: &PointerEvent, drag: &mut DragState, section: &Element) -> bool {
        if drag.pointer != event.pointer_id() {
            return false;
        }
        let at_em = self.measure(|stage| stage.along_em(f64::from(event.client_y())));
        if let Some(held_em) = drag.held_em {
            self.handle_input(CrawlInput::Scroll(at_em - held_em));
        } else if (event.client_y() - drag.begun_px).abs() < DRAG_FROM_PX {
            return false;
        } else {
            // Fails only if the pointer is gone.
            let _ = section.set_pointer_capture(drag.pointer);
        }
        drag.held_em = Some(at_em);
        true
    }

    fn measure(&self, measure: impl FnOnce(&Stage) -> f64) -> f64 {
        self.0.crawl.borrow().stage.as_ref().map_or(0.0, measure)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.0.crawl.borrow().controller.is_plain()
    }
}

/// Returns the message whose line this element is, or is part of.
pub fn seq_at(target: &Element) -> Option<u64> {
    target.closest("[data-seq]").ok()??.get_attribute("data-seq")?.parse().ok()
}

/// Handles a key pressed anywhere on the page. Returns what the page has to do then.
pub fn on_key(handle: &CrawlHandle, event: &KeyboardEvent, section: &Element) -> Option<CrawlEvent> {
    if event.default_prevented() || event.ctrl_key() || event.alt_key() || event.meta_key() {
        return None;
    }
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    // Keys belong to the crawl if they are pressed in it or outside of any particular element.
    let is_ours = target
        .as_ref()
        .is_none_or(|target| matches!(target.tag_name().as_str(), "BODY" | "HTML") || section.contains(Some(target)));
    if !is_ours {
        return None;
    }
    // Space already has a meaning on a control.
    let on_control = target
        .as_ref()
        .is_some_and(|target| target.closest("button, a[href], [role=log]").is_ok_and(|found| found.is_some()));
    let input = match event.key().as_str() {
        " " if !on_control => CrawlInput::TogglePause,
        // In full screen the browser handles Escape.
        "Enter" if !on_control => CrawlInput::SkipOpening,
        "t" | "T" => CrawlInput::ToggleTranscript,
        "f" | "F" => {
            fullscreen::toggle_full_screen(section);
            return None;
        }
        "m" | "M" => return (!event.repeat()).then_some(CrawlEvent::Panel(PanelAction::ToggleSound)),
        // The browser's own keys scroll the transcript.
        "Escape" => CrawlInput::SkipOpening,
        _ if handle.is_plain() => return None,
        "ArrowUp" => CrawlInput::SpeedUp,
        "ArrowDown" => CrawlInput::SlowDown,
        "ArrowLeft" => CrawlInput::Step(Toward::Older),
        "ArrowRight" => CrawlInput::Step(Toward::Newer),
        "PageUp" => CrawlInput::ScrollPages(-1.0),
        "PageDown" => CrawlInput::ScrollPages(1.0),
        "Home" => CrawlInput::GoLive,
        _ => return None,
    };
    let toggles = matches!(input, CrawlInput::TogglePause | CrawlInput::ToggleTranscript);
    if toggles && event.repeat() {
        return None;
    }
    if input != CrawlInput::SkipOpening {
        event.prevent_default();
    }
    handle.handle_input(input)
}
