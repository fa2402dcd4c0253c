//! The component: elements, controls and whatever must be listened to.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{FontFaceSet, MediaQueryList, MouseEvent, ResizeObserver};

use super::hands::{self, GripState};
use super::kiosk::{self, Vigil};
use super::stage::Elements;
use super::{CrawlHandle, Shown, Wish};
use crate::console::grouped;
use crate::crawl::opening::{CARD, Opening, Scene};

/// The setting of the system that asks for no motion.
const REDUCED_MOTION: &str = "(prefers-reduced-motion: reduce)";

/// The crawl, filling its container.
///
/// Its keys work wherever the focus is but in a field, a control or another part
/// of the page that has keys of its own. Escape or a click ends the opening
/// card; a click on a line, or going to it by key, tells of its message.
#[component]
pub fn CrawlView(
    /// What the page pushes lines through.
    handle: CrawlHandle,
    /// The words of the opening.
    #[prop(into)]
    opening: Signal<Opening>,
    /// The line of this message was chosen.
    on_reveal: impl Fn(u64) + Copy + 'static,
) -> impl IntoView {
    let section = NodeRef::<html::Section>::new();
    let tilt = NodeRef::<html::Div>::new();
    let plane = NodeRef::<html::Div>::new();
    let canvas = NodeRef::<html::Canvas>::new();
    let log = NodeRef::<html::Div>::new();

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
    let keys = window_event_listener(ev::keydown, move |event| {
        if let Some(seq) = hands::on_key(&to_key, &event, section) {
            on_reveal(seq);
        }
    });
    let to_hide = handle.clone();
    let look = move || {
        to_hide.note_visibility();
        mounted.with_value(|mounted| {
            if let Some(mounted) = mounted {
                mounted.vigil.look();
            }
        });
    };
    let to_look = look.clone();
    let visibility = window_event_listener(ev::visibilitychange, move |_| look());
    let full_screen = window_event_listener(ev::fullscreenchange, move |_| to_look());
    on_cleanup(move || {
        keys.remove();
        visibility.remove();
        full_screen.remove();
    });

    let Shown { scene, held, plain, speed_percent, lag, idle } = handle.0.shown.clone();
    let card_scene = scene.clone();
    let (plain_pressed, lags) = (plain.clone(), lag.clone());
    let grips = GripState::new_local((None, false));
    let hand = StoredValue::new_local(handle);
    let wish = move |wish| {
        hand.with_value(|handle| handle.wish(wish));
    };
    let on_click = move |event: MouseEvent| match hands::seq_at(event.target()) {
        // The end of a drag is no click.
        _ if grips.with_value(|(_, dragged)| *dragged) => {}
        Some(seq) => {
            hand.with_value(|handle| handle.choose(seq));
            on_reveal(seq);
        }
        None => wish(Wish::SkipCard),
    };
    let release = move |_| grips.update_value(|(grip, _)| *grip = None);
    let can_fill = document().fullscreen_enabled();
    view! {
        <section
            node_ref=section
            class="crawl"
            aria-label="Opening crawl"
            data-scene=move || scene_name(scene.get())
            data-plain=move || plain.get().to_string()
            data-idle=move || idle.get().to_string()
            on:click=on_click
            on:wheel=move |event| hand.with_value(|handle| handle.wheel(&event))
            on:pointerdown=move |event| hand.with_value(|handle| handle.grip(&event, grips))
            on:pointermove=move |event| hand.with_value(|handle| {
                handle.touch();
                handle.drag(&event, grips);
            })
            on:pointerup=release
            on:pointercancel=release
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
                    class="live"
                    hidden=move || lags.with(Option::is_none)
                    aria-keyshortcuts="Home"
                    title="To the newest line (Home)"
                    on:click=move |_| wish(Wish::GoLive)
                >
                    {move || behind_words(lag.get().unwrap_or(0))}
                </button>
                <button
                    type="button"
                    class="pause"
                    aria-pressed=move || held.get().to_string()
                    aria-keyshortcuts="Space"
                    title="Space"
                    on:click=move |_| wish(Wish::Pause)
                >
                    "Pause"
                </button>
                <button
                    type="button"
                    class="icon"
                    aria-label="Slower"
                    aria-keyshortcuts="ArrowDown"
                    title="Slower (↓)"
                    on:click=move |_| wish(Wish::SlowDown)
                >
                    "−"
                </button>
                <span class="speed">{move || format!("{} %", speed_percent.get())}</span>
                <button
                    type="button"
                    class="icon"
                    aria-label="Faster"
                    aria-keyshortcuts="ArrowUp"
                    title="Faster (↑)"
                    on:click=move |_| wish(Wish::Hurry)
                >
                    "+"
                </button>
                <button
                    type="button"
                    class="plain"
                    aria-pressed=move || plain_pressed.get().to_string()
                    aria-keyshortcuts="T"
                    title="T"
                    on:click=move |_| wish(Wish::Plain)
                >
                    "Plain text"
                </button>
                <button
                    type="button"
                    class="icon fill"
                    hidden=!can_fill
                    aria-label="Full screen"
                    aria-keyshortcuts="F"
                    title="Full screen (F)"
                    on:click=move |_| {
                        if let Some(section) = section.get_untracked() {
                            kiosk::toggle_full_screen(&section);
                        }
                    }
                ></button>
            </div>
        </section>
    }
}

fn behind_words(lines: u64) -> String {
    match lines {
        0 => "To the newest line".to_owned(),
        1 => "1 line behind".to_owned(),
        _ => format!("{} lines behind", grouped(lines)),
    }
}

fn scene_name(scene: Scene) -> &'static str {
    match scene {
        Scene::Idle => "idle",
        Scene::Card => "card",
        Scene::Crawl => "crawl",
    }
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
    vigil: Vigil,
}

impl Mounted {
    fn new(handle: &CrawlHandle, elements: Elements) -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let fonts = document.fonts();
        let section = elements.section.clone();
        handle.mount(elements)?;

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
            vigil: Vigil::new(window.clone(), document),
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
