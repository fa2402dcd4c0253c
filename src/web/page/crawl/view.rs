//! The component: its elements, controls and event listeners.
//!
//! The crawl's nodes are only changed by hand, so Leptos doesn't create them: a string is a tenth
//! of the code, and one listener handles all their events.

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{
    AddEventListenerOptions, Element, Event, EventTarget, KeyboardEvent, MediaQueryList, MouseEvent, PointerEvent,
    ResizeObserver, WheelEvent,
};

use crate::crawl::opening::Opening;
use crate::protocol::panels::PanelAction;
use crate::web::dom::{EventListener, follow};
use crate::web::page::crawl::fullscreen;
use crate::web::page::crawl::fullscreen::WakeLockGuard;
use crate::web::page::crawl::handle::{CrawlEvent, CrawlHandle, CrawlInput};
use crate::web::page::crawl::input;
use crate::web::page::crawl::input::DragState;
use crate::web::page::crawl::stage::Elements;

/// The media query for the system's setting that asks for no motion.
const REDUCED_MOTION: &str = "(prefers-reduced-motion: reduce)";

/// Events that show that somebody is present.
const PRESENCE: [&str; 4] = ["pointermove", "pointerdown", "keydown", "focusin"];

/// The markup of the section. A button's first class says what it does ([`input_of`]).
const NODES: &str = r#"<div class="sky" aria-hidden="true"><i></i><i></i></div>
<div class="logo" aria-hidden="true"><span></span></div>
<div class="stage" aria-hidden="true"><div class="tilt"><div class="plane"></div></div></div>
<div class="sky haze" aria-hidden="true"><i></i><i></i></div>
<p class="card"></p>
<div class="transcript" role="log" aria-label="Transcript"></div>
<div class="crawl-controls" role="group" aria-label="Crawl controls">
<button type="button" class="skip" aria-keyshortcuts="Escape Enter" title="Skip the opening (Esc)">Skip</button>
<button type="button" class="live" aria-keyshortcuts="Home" title="Jump to live (Home)" hidden></button>
<button type="button" class="pause" aria-keyshortcuts="Space" title="Space">Pause</button>
<button type="button" class="slower icon" aria-label="Slower" aria-keyshortcuts="ArrowDown" title="Slower (↓)">–</button>
<span class="speed">100 %</span>
<button type="button" class="faster icon" aria-label="Faster" aria-keyshortcuts="ArrowUp" title="Faster (↑)">+</button>
<button type="button" class="plain" aria-pressed="false" aria-keyshortcuts="T" title="T">Transcript</button>
<button type="button" class="direct" aria-haspopup="dialog"
 title="Customize the opening, speed, sound and lines">Director</button>
<button type="button" class="fill icon" aria-label="Full screen" aria-keyshortcuts="F" title="Full screen (F)"></button>
</div>"#;

/// The crawl, filling its container.
///
/// Its keys work unless the focus is in a field, a control or another part of the page that has
/// keys of its own. Escape, Enter or a click ends the opening; a click on a line, or going to it by
/// key, opens its message.
#[component]
pub fn CrawlView(
    /// The handle through which the page pushes lines.
    handle: CrawlHandle,
    /// The opening's content.
    #[prop(into)]
    opening: Signal<Opening>,
    /// Called with what the page has to do.
    on_event: impl Fn(CrawlEvent) + 'static,
) -> impl IntoView {
    let section = NodeRef::<html::Section>::new();

    // Before the mounting: the first thing shown is the opening.
    let to_open = handle.clone();
    follow(move || to_open.open_with(opening.get()));

    let mounted = StoredValue::new_local(None::<Mounted>);
    let on_event: Rc<dyn Fn(CrawlEvent)> = Rc::new(on_event);
    follow(move || {
        if let Some(section) = section.get() {
            mounted.set_value(Mounted::new(&handle, &section, Rc::clone(&on_event)));
        }
    });
    on_cleanup(move || mounted.set_value(None));

    view! { <section node_ref=section class="crawl" aria-label="Opening crawl" inner_html=NODES></section> }
}

/// Returns what a button does.
fn input_of(button: &Element) -> Option<CrawlInput> {
    Some(match button.class_name().split(' ').next()? {
        "live" => CrawlInput::GoLive,
        "skip" => CrawlInput::SkipOpening,
        "pause" => CrawlInput::TogglePause,
        "slower" => CrawlInput::SlowDown,
        "faster" => CrawlInput::SpeedUp,
        "plain" => CrawlInput::ToggleTranscript,
        _ => return None,
    })
}

/// All listeners of the crawl; dropping it removes them.
struct Mounted {
    handle: CrawlHandle,
    observer: ResizeObserver,
    targets: Vec<(EventTarget, &'static str)>,
    /// Notices any movement on the page. The focus may move while another event is being handled.
    _presence: EventListener,
    on_event: Closure<dyn FnMut(JsValue)>,
}

impl Mounted {
    /// `None` if the browser lacks something that the crawl needs.
    fn new(handle: &CrawlHandle, section: &Element, on_event: Rc<dyn Fn(CrawlEvent)>) -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let part = |selector: &str| section.query_selector(selector).ok().flatten();
        if !document.fullscreen_enabled() {
            part(".fill")?.remove();
        }
        handle.mount(Elements {
            tilt: part(".tilt")?.unchecked_into(),
            plane: part(".plane")?.unchecked_into(),
            skies: [part(".sky")?, part(".haze")?],
            card: part(".card")?,
            logo: part(".logo")?,
            log: part(".transcript")?.unchecked_into(),
            section: section.clone().unchecked_into(),
        })?;

        let motion = window.match_media(REDUCED_MOTION).ok().flatten();
        if let Some(motion) = &motion {
            handle.show_plain(motion.matches());
        }
        let fonts: EventTarget = document.fonts().into();
        let mut targets: Vec<(EventTarget, &'static str)> =
            ["click", "wheel", "pointerdown", "pointermove", "pointerup", "pointercancel"]
                .map(|name| (section.clone().into(), name))
                .into();
        targets.push((window.clone().into(), "keydown"));
        targets.push((document.clone().into(), "visibilitychange"));
        targets.push((document.clone().into(), "fullscreenchange"));
        targets.push((fonts, "loadingdone"));
        targets.extend(motion.clone().map(|motion| (motion.into(), "change")));

        let to_touch = handle.clone();
        let presence = EventListener::new(window.clone().into(), &PRESENCE, move |_| to_touch.touch());
        let mut listener = Listener {
            handle: handle.clone(),
            wake_lock: WakeLockGuard::new(window, document, section.clone()),
            section: section.clone(),
            motion,
            drag: None,
            dragged: false,
            on_event,
        };
        let on_event = Closure::<dyn FnMut(JsValue)>::new(move |value: JsValue| match value.dyn_into::<Event>() {
            Ok(event) => listener.handle_event(&event),
            // The resize observer's list. It comes once at first, and when the browser itself fills
            // the screen, which nothing else reports.
            Err(_) => {
                listener.handle.handle_resize();
                listener.wake_lock.update();
            }
        });
        let callback = on_event.as_ref().unchecked_ref();
        // The wheel moves the plane and nothing else.
        let active = AddEventListenerOptions::new();
        active.set_passive(false);
        for (target, name) in &targets {
            // Doesn't fail for our own target and listener.
            let _ = target.add_event_listener_with_callback_and_add_event_listener_options(name, callback, &active);
        }
        let observer = ResizeObserver::new(callback).ok()?;
        observer.observe(section);
        Some(Self { handle: handle.clone(), observer, targets, _presence: presence, on_event })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.observer.disconnect();
        for (target, name) in &self.targets {
            let _ = target.remove_event_listener_with_callback(name, self.on_event.as_ref().unchecked_ref());
        }
        self.handle.unmount();
    }
}

/// Handles all events.
struct Listener {
    handle: CrawlHandle,
    wake_lock: WakeLockGuard,
    section: Element,
    motion: Option<MediaQueryList>,
    /// A finger or a pressed mouse on the plane.
    drag: Option<DragState>,
    /// Whether the last press on the plane moved it.
    dragged: bool,
    on_event: Rc<dyn Fn(CrawlEvent)>,
}

impl Listener {
    fn handle_event(&mut self, event: &Event) {
        let handle = &self.handle;
        match event.type_().as_str() {
            "click" => self.handle_click(event.unchecked_ref::<MouseEvent>()),
            "wheel" => handle.handle_wheel(event.unchecked_ref::<WheelEvent>()),
            "keydown" => {
                self.emit(input::on_key(handle, event.unchecked_ref::<KeyboardEvent>(), &self.section));
            }
            "pointerdown" => {
                self.dragged = false;
                self.drag = handle.begin_drag(event.unchecked_ref::<PointerEvent>());
            }
            "pointermove" => {
                if let Some(drag) = &mut self.drag {
                    self.dragged |= handle.drag(event.unchecked_ref::<PointerEvent>(), drag, &self.section);
                }
            }
            "pointerup" | "pointercancel" => self.drag = None,
            "loadingdone" => handle.fonts_changed(),
            "change" => handle.show_plain(self.motion.as_ref().is_some_and(MediaQueryList::matches)),
            // The page was hidden or shown, or the crawl fills the screen.
            _ => {
                handle.note_visibility();
                self.wake_lock.update();
            }
        }
    }

    fn emit(&self, event: Option<CrawlEvent>) {
        if let Some(event) = event {
            (self.on_event)(event);
        }
    }

    fn handle_click(&self, event: &MouseEvent) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        if let Ok(Some(button)) = target.closest("button") {
            match input_of(&button) {
                Some(input) => self.emit(self.handle.handle_input(input)),
                None if button.class_list().contains("direct") => {
                    self.emit(Some(CrawlEvent::Panel(PanelAction::Opening)));
                }
                None => fullscreen::toggle_full_screen(&self.section),
            }
        } else if self.dragged {
            // The end of a drag isn't a click.
        } else if let Some(seq) = input::seq_at(&target) {
            self.handle.choose(seq);
            self.emit(Some(CrawlEvent::Reveal(seq)));
        } else {
            self.handle.handle_input(CrawlInput::SkipOpening);
        }
    }
}
