//! The component, and the listeners of the plane.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{
    AddEventListenerOptions, Element, Event, EventTarget, KeyboardEvent, MediaQueryList, MouseEvent, PointerEvent,
    ResizeObserver, WheelEvent,
};

use crate::crawl::opening::{LOGO, Opening, Scene};
use crate::web::dom;
use crate::web::dom::{EventListener, follow};
use crate::web::page::attributes::true_or_false;
use crate::web::page::crawl::controls::CrawlControls;
use crate::web::page::crawl::fullscreen;
use crate::web::page::crawl::fullscreen::WakeLockGuard;
use crate::web::page::crawl::handle::{CrawlEvent, CrawlHandle, CrawlInput};
use crate::web::page::crawl::input;
use crate::web::page::crawl::input::DragState;
use crate::web::page::crawl::signals::{Controls, CrawlSignals};
use crate::web::page::crawl::stage::Elements;
use crate::web::page::signals::part;

/// The media query for the system's setting that asks for no motion.
const REDUCED_MOTION: &str = "(prefers-reduced-motion: reduce)";

/// Events that show that somebody is present.
const PRESENCE: [&str; 4] = ["pointermove", "pointerdown", "keydown", "focusin"];

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
    on_event: Callback<CrawlEvent>,
) -> AnyView {
    let CrawlSignals { controls, fills_screen } = handle.0.signals;
    let section = NodeRef::<html::Section>::new();

    // Before the mounting: the first thing shown is the opening.
    let to_open = handle.clone();
    follow(move || to_open.open_with(opening.get()));

    let crawl = StoredValue::new_local(handle);
    let mounted = StoredValue::new_local(None::<Mounted>);
    follow(move || {
        if let Some(section) = section.get() {
            mounted.set_value(crawl.with_value(|crawl| Mounted::new(crawl, &section, on_event)));
        }
    });
    on_cleanup(move || mounted.set_value(None));

    let fill = move || {
        if let Some(section) = section.get_untracked() {
            fullscreen::toggle_full_screen(&section);
        }
    };
    let on_fill = document().fullscreen_enabled().then(|| Callback::from(fill));
    let flag = move |read: fn(&Controls) -> bool| true_or_false(part(controls, read));
    let scene = part(controls, |controls| controls.scene.name());
    let has_stars = Signal::derive(move || opening.with(|opening| opening.has_stars));
    let card = Signal::derive(move || opening.with(|opening| opening.card.clone()));
    view! {
        <section
            node_ref=section
            class="crawl"
            aria-label="Opening crawl"
            data-scene=scene
            data-plain=flag(|controls| controls.is_plain)
            data-idle=flag(|controls| controls.is_idle)
            data-paused=flag(|controls| controls.is_paused)
            data-fills=true_or_false(fills_screen.into())
            data-stars=true_or_false(has_stars)
        >
            <Sky class="sky" />
            <Logo opening />
            // Lines are put onto the plane by hand.
            <div class="stage" aria-hidden="true">
                <div class="tilt">
                    <div class="plane"></div>
                </div>
            </div>
            <Sky class="sky haze" />
            <p class="card" aria-hidden=flag(|controls| controls.scene != Scene::Card)>
                {card}
            </p>
            <TranscriptLog is_plain=part(controls, |controls| controls.is_plain) />
            <CrawlControls crawl controls on_event on_fill />
        </section>
    }
    .into_any()
}

/// A sky; its stars are painted on its nodes ([`super::starfield`]).
#[component]
fn Sky(class: &'static str) -> AnyView {
    view! {
        <div class=class aria-hidden="true">
            <i></i>
            <i></i>
        </div>
    }
    .into_any()
}

#[component]
fn Logo(opening: Signal<Opening>) -> AnyView {
    let text = Signal::derive(move || opening.with(|opening| opening.logo.clone()));
    let is_drawn = Signal::derive(move || opening.with(|opening| opening.logo == LOGO));
    view! {
        <div class="logo" aria-hidden="true" data-drawn=true_or_false(is_drawn)>
            <span>{text}</span>
        </div>
    }
    .into_any()
}

/// The log that the crawl's text is put into by hand, flat.
#[component]
fn TranscriptLog(is_plain: Signal<bool>) -> AnyView {
    view! {
        <div
            class="transcript"
            role="log"
            aria-label="Transcript"
            // A log that is hidden from sight must not be a stop for the Tab key.
            tabindex=move || is_plain.get().then_some("0")
        ></div>
    }
    .into_any()
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
    fn new(handle: &CrawlHandle, section: &Element, on_event: Callback<CrawlEvent>) -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let part = |selector| dom::find(section, selector);
        handle.mount(Elements {
            tilt: part(".tilt")?.unchecked_into(),
            plane: part(".plane")?.unchecked_into(),
            skies: [part(".sky")?, part(".haze")?],
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
            wake_lock: WakeLockGuard::new(window, document, handle.0.signals.fills_screen),
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
    on_event: Callback<CrawlEvent>,
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
            self.on_event.run(event);
        }
    }

    fn handle_click(&self, event: &MouseEvent) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        if self.dragged || target.closest("button").is_ok_and(|button| button.is_some()) {
            // The end of a drag isn't a click, and a button has its own listener.
        } else if let Some(seq) = input::seq_at(&target) {
            self.handle.choose(seq);
            self.emit(Some(CrawlEvent::Reveal(seq)));
        } else {
            self.handle.handle_input(CrawlInput::SkipOpening);
        }
    }
}
