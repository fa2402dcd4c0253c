//! The component: elements, controls and whatever must be listened to.

use gloo_timers::callback::Interval;
use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, FontFaceSet, KeyboardEvent, MediaQueryList, ResizeObserver};

use super::stage::Elements;
use super::{CrawlHandle, TICK_MS};
use crate::crawl::opening::{CARD, Opening, Scene};

/// The setting of the system that asks for no motion.
const REDUCED_MOTION: &str = "(prefers-reduced-motion: reduce)";

/// The crawl, filling its container.
///
/// Space pauses and T shows plain text, wherever the focus is but in a field,
/// a control or another part of the page that has keys of its own. Escape or a
/// click ends the opening card.
#[component]
pub fn CrawlView(
    /// What the page pushes lines through.
    handle: CrawlHandle,
    /// The words of the opening.
    #[prop(into)]
    opening: Signal<Opening>,
) -> impl IntoView {
    let section = NodeRef::<html::Section>::new();
    let tilt = NodeRef::<html::Div>::new();
    let plane = NodeRef::<html::Div>::new();
    let canvas = NodeRef::<html::Canvas>::new();
    let log = NodeRef::<html::Div>::new();

    let scene = handle.0.scene.clone();
    let card_scene = scene.clone();
    let paused = handle.0.paused.clone();
    let plain = handle.0.plain.clone();
    let plain_pressed = plain.clone();

    // Before the mounting: the first thing shown is the opening.
    let to_open = handle.clone();
    Effect::new(move || to_open.open_with(opening.get()));

    let mounted = StoredValue::new_local(None::<Mounted>);
    let to_mount = handle.clone();
    Effect::new(move || {
        let elements = (|| {
            Some(Elements {
                section: section.get()?.unchecked_into(),
                tilt: tilt.get()?.unchecked_into(),
                plane: plane.get()?.unchecked_into(),
                canvas: canvas.get()?,
                log: log.get()?.unchecked_into(),
            })
        })();
        if let Some(elements) = elements {
            mounted.set_value(Mounted::new(&to_mount, elements));
        }
    });

    let to_key = handle.clone();
    let keys = window_event_listener(ev::keydown, move |event| on_key(&to_key, &event, section));
    let to_hide = handle.clone();
    let visibility = window_event_listener(ev::visibilitychange, move |_| to_hide.note_visibility());
    on_cleanup(move || {
        keys.remove();
        visibility.remove();
    });

    let to_skip = handle.clone();
    let to_pause = handle.clone();
    let to_flatten = handle;
    view! {
        <section
            node_ref=section
            class="crawl"
            aria-label="Opening crawl"
            data-scene=move || scene_name(scene.get())
            data-plain=move || plain.get().to_string()
            on:click=move |_| to_skip.skip_card()
        >
            <canvas node_ref=canvas class="sky" aria-hidden="true"></canvas>
            <div class="stage" aria-hidden="true">
                <div node_ref=tilt class="tilt">
                    <div node_ref=plane class="plane"></div>
                </div>
            </div>
            <p class="card" aria-hidden=move || (card_scene.get() != Scene::Card).to_string()>
                <span>{CARD[0]} " "</span>
                <span>{CARD[1]}</span>
            </p>
            <div node_ref=log class="transcript" role="log" aria-label="Transcript"></div>
            <div class="crawl-controls" role="group" aria-label="Crawl controls">
                <button
                    type="button"
                    class="pause"
                    aria-pressed=move || paused.get().to_string()
                    aria-keyshortcuts="Space"
                    title="Space"
                    on:click=move |_| to_pause.toggle_pause()
                >
                    "Pause"
                </button>
                <button
                    type="button"
                    class="plain"
                    aria-pressed=move || plain_pressed.get().to_string()
                    aria-keyshortcuts="T"
                    title="T"
                    on:click=move |_| to_flatten.toggle_plain()
                >
                    "Plain text"
                </button>
            </div>
        </section>
    }
}

fn scene_name(scene: Scene) -> &'static str {
    match scene {
        Scene::Idle => "idle",
        Scene::Card => "card",
        Scene::Crawl => "crawl",
    }
}

/// A key was pressed somewhere on the page.
fn on_key(handle: &CrawlHandle, event: &KeyboardEvent, section: NodeRef<html::Section>) {
    if event.default_prevented() || event.ctrl_key() || event.alt_key() || event.meta_key() || event.repeat() {
        return;
    }
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    if !takes_keys(target.as_ref(), section) {
        return;
    }
    match event.key().as_str() {
        " " if !is_control(target.as_ref()) => {
            event.prevent_default();
            handle.toggle_pause();
        }
        "t" | "T" => handle.toggle_plain(),
        "Escape" => handle.skip_card(),
        _ => {}
    }
}

/// Keys pressed in the crawl or nowhere in particular are the crawl's.
fn takes_keys(target: Option<&Element>, section: NodeRef<html::Section>) -> bool {
    let Some(target) = target else { return true };
    if matches!(target.tag_name().as_str(), "BODY" | "HTML") {
        return true;
    }
    section.get_untracked().is_some_and(|section| section.contains(Some(target)))
}

/// Space already means something there.
fn is_control(target: Option<&Element>) -> bool {
    target.is_some_and(|target| target.closest("button, a[href], [role=log]").is_ok_and(|found| found.is_some()))
}

/// Everything that listens on the crawl's behalf; dropping it ends all of it.
struct Mounted {
    handle: CrawlHandle,
    observer: ResizeObserver,
    motion: Option<MediaQueryList>,
    fonts: FontFaceSet,
    on_fonts: Closure<dyn FnMut()>,
    _on_motion: Closure<dyn FnMut()>,
    _on_resize: Closure<dyn FnMut()>,
    _ticks: Interval,
}

impl Mounted {
    fn new(handle: &CrawlHandle, elements: Elements) -> Option<Self> {
        let window = web_sys::window()?;
        let fonts = window.document()?.fonts();
        let section = elements.section.clone();
        handle.mount(elements)?;

        let to_tick = handle.clone();
        let ticks = Interval::new(TICK_MS, move || to_tick.tick());

        let to_resize = handle.clone();
        let on_resize = Closure::<dyn FnMut()>::new(move || to_resize.resized());
        let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok()?;
        observer.observe(&section);

        let motion = window.match_media(REDUCED_MOTION).ok().flatten();
        let to_still = handle.clone();
        let watched = motion.clone();
        let on_motion = Closure::<dyn FnMut()>::new(move || {
            to_still.show_plain(watched.as_ref().is_some_and(MediaQueryList::matches));
        });
        if let Some(motion) = &motion {
            handle.show_plain(motion.matches());
            motion.set_onchange(Some(on_motion.as_ref().unchecked_ref()));
        }

        let to_measure = handle.clone();
        let on_fonts = Closure::<dyn FnMut()>::new(move || to_measure.fonts_changed());
        let _ = fonts.add_event_listener_with_callback("loadingdone", on_fonts.as_ref().unchecked_ref());

        Some(Self {
            handle: handle.clone(),
            observer,
            motion,
            fonts,
            on_fonts,
            _on_motion: on_motion,
            _on_resize: on_resize,
            _ticks: ticks,
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.observer.disconnect();
        if let Some(motion) = &self.motion {
            motion.set_onchange(None);
        }
        let callback = self.on_fonts.as_ref().unchecked_ref();
        let _ = self.fonts.remove_event_listener_with_callback("loadingdone", callback);
        self.handle.unmount();
    }
}
