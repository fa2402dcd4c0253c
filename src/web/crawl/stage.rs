//! Nodes and the one animation.
//!
//! The plane is moved by a single animation that the compositor runs, so it
//! goes on while the page's thread is busy. Its keyframes are in em: when the
//! container changes its size, only the font size changes, and every row and
//! the plane's travel scale together.

use std::collections::VecDeque;
use std::time::Duration;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Animation, Document, Element, FontFaceSet, HtmlCanvasElement, HtmlElement, KeyframeEffect, Window};

use super::ruler::{BODY_FONT, Ruler, TITLE_FONT};
use super::transcript::Transcript;
use super::{Entry, TITLE_ROW, sky, typeset};
use crate::crawl::opening::Opening;
use crate::crawl::pacing::SPEED_EM_PER_S;
use crate::crawl::plane::{Key, Perspective, REBASE_AFTER_EM};
use crate::crawl::typeset::{Column, Edge, Row, Setting};
use crate::engine::update::Told;
use crate::time::Instant;
use crate::web::css::decimal;

/// The animation's travel. Rebasing keeps the plane within a quarter of it,
/// so it can't end even if no tick runs for two hours.
const TRAVEL_EM: f64 = 4.0 * REBASE_AFTER_EM;

/// `letter-spacing` of the crawl, as in style/crawl.css.
const TRACKING_EM: f64 = 0.02;

/// The title fills this part of the column.
const TITLE_WIDTH: f64 = 0.94;

/// Longer than this nobody waits for fonts; the system's do.
const FONTS_AT_MOST: Duration = Duration::from_secs(3);

/// The elements that the view has made.
pub struct Elements {
    pub section: HtmlElement,
    pub tilt: HtmlElement,
    pub plane: HtmlElement,
    pub canvas: HtmlCanvasElement,
    pub log: HtmlElement,
}

/// What the container's size amounts to.
#[derive(Clone, Copy)]
struct Geometry {
    width_px: f64,
    height_px: f64,
    column: Column,
    depth_em: f64,
}

/// The crawl's part of the document.
pub struct Stage {
    window: Window,
    document: Document,
    elements: Elements,
    animation: Animation,
    motion: Motion,
    /// Where the plane stands while there is no animation.
    kept_ms: f64,
    body: Ruler,
    title: Ruler,
    fonts: FontFaceSet,
    fonts_settled: bool,
    mounted: Instant,
    geometry: Geometry,
    blocks: VecDeque<Block>,
    pub transcript: Transcript,
}

struct Block {
    /// `None` for the poster's.
    key: Option<Key>,
    element: HtmlElement,
    top_em: f64,
}

impl Stage {
    /// Takes the view's elements over. `None` where the browser lacks what the
    /// crawl is made of.
    pub fn new(elements: Elements, now: Instant) -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let animation = animation_of(&elements.plane).ok()?;
        Some(Self {
            body: Ruler::new(&document, BODY_FONT, TRACKING_EM)?,
            title: Ruler::new(&document, TITLE_FONT, 0.0)?,
            motion: Motion::None,
            kept_ms: 0.0,
            fonts: document.fonts(),
            fonts_settled: false,
            mounted: now,
            transcript: Transcript::new(document.clone(), elements.log.clone()),
            geometry: Geometry {
                width_px: 0.0,
                height_px: 0.0,
                column: Column { width_em: 14.2, edge: Edge::Justified },
                depth_em: f64::INFINITY,
            },
            blocks: VecDeque::new(),
            window,
            document,
            elements,
            animation,
        })
    }

    /// Reads the new size. Called by a resize observer, when the layout is
    /// fresh and reading costs nothing.
    pub fn resized(&mut self) {
        let section = &self.elements.section;
        let (width_px, height_px) = (f64::from(section.client_width()), f64::from(section.client_height()));
        if width_px == 0.0 || height_px == 0.0 {
            self.geometry = Geometry { width_px, height_px, ..self.geometry };
            return;
        }
        let repaint = width_px != self.geometry.width_px || height_px != self.geometry.height_px;
        self.geometry = self.geometry_now(width_px, height_px).unwrap_or(self.geometry);
        if repaint {
            sky::paint(&self.elements.canvas, width_px, height_px, self.window.device_pixel_ratio());
        }
    }

    fn geometry_now(&self, width_px: f64, height_px: f64) -> Option<Geometry> {
        let style = self.window.get_computed_style(&self.elements.tilt).ok()??;
        let number = |name: &str| -> Option<f64> {
            let value = js_sys::parse_float(&style.get_property_value(name).ok()?);
            value.is_finite().then_some(value)
        };
        let em_px = number("font-size").filter(|px| *px > 0.0)?;
        let stage_px = f64::from(self.elements.tilt.parent_element()?.client_height());
        let perspective = Perspective {
            stage_em: stage_px / em_px,
            horizon: number("--crawl-horizon")?,
            stretch: number("--crawl-stretch")?,
            fade: number("--crawl-fade")?,
        };
        Some(Geometry {
            width_px,
            height_px,
            column: Column {
                width_em: f64::from(self.elements.tilt.client_width()) / em_px,
                edge: match style.get_property_value("text-align").ok()?.as_str() {
                    "justify" => Edge::Justified,
                    _ => Edge::Ragged,
                },
            },
            depth_em: perspective.depth_em(),
        })
    }

    /// Whether nobody can see it: the tab is hidden or the pane is closed.
    pub fn is_unseen(&self) -> bool {
        self.document.hidden() || self.geometry.width_px == 0.0 || self.geometry.height_px == 0.0
    }

    /// Whether text can be measured: the fonts are there, or won't come.
    pub fn fonts_ready(&mut self, now: Instant) -> bool {
        if self.fonts_settled {
            return true;
        }
        let loaded = |font: &str| self.fonts.check(font).unwrap_or(true);
        self.fonts_settled = (loaded(BODY_FONT) && loaded(TITLE_FONT)) || now.since(self.mounted) > FONTS_AT_MOST;
        if !self.fonts_settled {
            // Measuring is also what makes the browser fetch them.
            self.body.measure("M");
            self.title.measure("M");
            self.fonts_changed();
        }
        self.fonts_settled
    }

    /// A font has come in later: measure anew from now on.
    pub fn fonts_changed(&mut self) {
        self.body.forget();
        self.title.forget();
    }

    /// How far above the edge a row has faded.
    pub fn depth_em(&self) -> f64 {
        self.geometry.depth_em
    }

    /// How far the plane has travelled since the last rebase.
    pub fn offset_em(&self) -> f64 {
        self.travelled_ms() / 1_000.0 * SPEED_EM_PER_S
    }

    /// Breaks an entry into rows.
    pub fn set_told(&mut self, told: &Told) -> Setting {
        let body = &mut self.body;
        typeset::set_told(told, self.geometry.column, &mut |text| body.measure(text))
    }

    /// Sets the parts of the opening that have words.
    pub fn set_opening(&mut self, opening: &Opening) -> Vec<Entry> {
        let column = self.geometry.column;
        let (body, title) = (&mut self.body, &mut self.title);
        let mut entries = Vec::new();
        if !opening.episode.trim().is_empty() {
            entries.push(Entry::Episode(opening.episode.trim().to_owned()));
        }
        if !opening.title.trim().is_empty() {
            let fitted =
                typeset::set_title(&opening.title, column.width_em * TITLE_WIDTH, &mut |text| title.measure(text));
            entries.push(Entry::Title(fitted));
        }
        if !opening.intro.trim().is_empty() {
            let setting = typeset::set_paragraph(&opening.intro, column, &mut |text| body.measure(text));
            entries.push(Entry::Intro(setting));
        }
        entries
    }

    /// Whether anything stands on the plane.
    pub fn has_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Puts an entry onto the plane.
    pub fn place(&mut self, key: Key, entry: &Entry, top_em: f64) {
        self.put(Some(key), entry, top_em);
    }

    /// Puts a part of the poster onto the plane.
    pub fn pin(&mut self, entry: &Entry, top_em: f64) {
        self.put(None, entry, top_em);
    }

    fn put(&mut self, key: Option<Key>, entry: &Entry, top_em: f64) {
        let Ok(element) = write(&self.document, entry) else { return };
        set_top(&element, top_em);
        if self.elements.plane.append_child(&element).is_ok() {
            self.blocks.push_back(Block { key, element, top_em });
        }
    }

    /// Takes a block off the plane.
    pub fn remove(&mut self, key: Key) {
        // The oldest goes first, so this ends at once.
        if let Some(at) = self.blocks.iter().position(|block| block.key == Some(key))
            && let Some(block) = self.blocks.remove(at)
        {
            block.element.remove();
        }
    }

    /// Takes everything off the plane and begins at its start again.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.elements.plane.set_text_content(None);
    }

    /// Shortens the way travelled; nothing moves on screen since all happens in
    /// one task.
    pub fn rebase(&mut self, shift_em: f64) {
        let travelled_ms = self.travelled_ms() - shift_em / SPEED_EM_PER_S * 1_000.0;
        for block in &mut self.blocks {
            block.top_em -= shift_em;
            set_top(&block.element, block.top_em);
        }
        self.animation.set_current_time(Some(travelled_ms));
    }

    /// Changes the speed without a jump.
    pub fn change_rate(&self, rate: f64) {
        self.animation.update_playback_rate(rate);
    }

    /// Lets the plane move, holds it where it is, or does without the
    /// animation.
    pub fn change_motion(&mut self, motion: Motion) {
        if motion == self.motion {
            return;
        }
        let kept_ms = self.travelled_ms();
        let done = match motion {
            Motion::Moving => self.animation.play(),
            Motion::Held => self.animation.pause(),
            Motion::None => {
                self.animation.cancel();
                Ok(())
            }
        };
        if done.is_err() {
            return;
        }
        if self.motion == Motion::None {
            self.animation.set_current_time(Some(kept_ms));
        }
        self.kept_ms = kept_ms;
        self.motion = motion;
    }

    fn travelled_ms(&self) -> f64 {
        self.animation.current_time().unwrap_or(self.kept_ms)
    }
}

/// What the plane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// It travels.
    Moving,
    /// It stands, and will go on.
    Held,
    /// There is no animation at all.
    None,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.animation.cancel();
        self.clear();
    }
}

/// The plane's animation, not yet begun.
fn animation_of(plane: &HtmlElement) -> Result<Animation, JsValue> {
    let keyframes = Array::new();
    for transform in ["translateY(0em)".to_owned(), format!("translateY({}em)", decimal(-TRAVEL_EM))] {
        let keyframe = Object::new();
        Reflect::set(&keyframe, &"transform".into(), &transform.into())?;
        keyframes.push(&keyframe);
    }
    let duration_ms = TRAVEL_EM / SPEED_EM_PER_S * 1_000.0;
    let effect =
        KeyframeEffect::new_with_opt_element_and_keyframes_and_f64(Some(plane), Some(&keyframes), duration_ms)?;
    Animation::new_with_effect(Some(&effect))
}

fn set_top(element: &HtmlElement, top_em: f64) {
    // Ten-thousandths of an em: a hundredth of a pixel on the largest screen.
    let _ = element.style().set_property("top", &format!("{}em", decimal(top_em)));
}

fn write(document: &Document, entry: &Entry) -> Result<HtmlElement, JsValue> {
    let block = element(document, "div", "block")?.unchecked_into::<HtmlElement>();
    match entry {
        Entry::Told { told, setting } => {
            let (class, seq) = match told {
                Told::Line { seq, .. } => ("block line", seq),
                Told::Passed { seq, .. } => ("block line passed", seq),
            };
            block.set_class_name(class);
            block.set_attribute("data-seq", &seq.to_string())?;
            write_rows(document, &block, setting)?;
        }
        Entry::Episode(words) => {
            block.set_class_name("block episode");
            block.set_attribute("dir", "auto")?;
            block.set_text_content(Some(words));
        }
        Entry::Title(title) => {
            block.set_class_name("block title");
            for words in &title.rows {
                let row = element(document, "span", "row")?;
                row.set_attribute(
                    "style",
                    &format!("font-size:{}em;line-height:{}", decimal(title.size_em), decimal(TITLE_ROW)),
                )?;
                row.set_text_content(Some(words));
                block.append_child(&row)?;
            }
        }
        Entry::Intro(setting) => {
            block.set_class_name("block intro");
            write_rows(document, &block, setting)?;
        }
    }
    Ok(block)
}

fn write_rows(document: &Document, block: &HtmlElement, setting: &Setting) -> Result<(), JsValue> {
    block.set_attribute("dir", setting.direction.name())?;
    for row in &setting.rows {
        let row = write_row(document, row)?;
        block.append_child(&row)?;
    }
    Ok(())
}

fn write_row(document: &Document, row: &Row) -> Result<Element, JsValue> {
    let node = element(document, "span", if row.justified { "row justified" } else { "row" })?;
    if !row.speaker.is_empty() {
        let speaker = element(document, "span", "speaker")?;
        speaker.set_text_content(Some(&row.speaker));
        node.append_child(&speaker)?;
        node.append_child(&document.create_text_node(" "))?;
    }
    // The space at the end doesn't show, and keeps the words apart for whoever
    // takes the line's text as a whole.
    let end = if row.glued { "" } else { " " };
    node.append_child(&document.create_text_node(&format!("{}{end}", row.text)))?;
    Ok(node)
}

fn element(document: &Document, name: &str, class: &str) -> Result<Element, JsValue> {
    let element = document.create_element(name)?;
    element.set_class_name(class);
    Ok(element)
}
