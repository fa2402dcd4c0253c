//! The crawl's nodes and its one animation.
//!
//! The plane is moved by a single animation that the compositor runs, so it continues while the
//! page's thread is busy. Its keyframes are in em: when the container changes its size, only the
//! font size changes, and every row and the plane's travel scale together. Chromium needs the
//! keyframes again after such a change, because its compositor keeps the em with which they were
//! first resolved. Otherwise the picture would move at another speed than the page computes, and
//! would be blank once the two differ by some thousand pixels.

use std::time::Duration;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Animation, Document, Element, FontFaceSet, HtmlElement, KeyframeEffect, Window};

use crate::crawl::action::Motion;
use crate::crawl::block::BlockContent;
use crate::crawl::block::Key;
use crate::crawl::item::CrawlItem;
use crate::crawl::layout::{Perspective, StageSize};
use crate::crawl::pacing::SPEED_EM_PER_S;
use crate::crawl::typeset::{
    self, Alignment, Column, LineLayout, Row, SPEAKER_SIZE, TITLE_ROW, TypesetBlock, Typesetter,
};
use crate::time::Instant;
use crate::web::css::decimal;
use crate::web::page::crawl::starfield;
use crate::web::page::crawl::text_measure::{BODY_FONT, TITLE_FONT, TextMeasurer};
use crate::web::page::crawl::transcript::Transcript;

/// The animation's travel. Rebasing keeps the plane at the very beginning, so the animation can't
/// end even if no tick runs for a quarter of an hour at the highest speed.
const TRAVEL_EM: f64 = 8_000.0;

/// The width of an average letter, in em.
const LETTER_EM: f64 = 0.54;

/// `letter-spacing` of the crawl, as in style/crawl.css.
const TRACKING_EM: f64 = 0.02;

/// How far a page back or forward moves, in heights of the stage …
const PAGE: f64 = 0.5;

/// … and the height beyond which no finger is followed: there the plane is almost level.
const REACH: f64 = 0.8;

/// Rows lower than this aren't rendered, as a fraction of the distance between the stage's lower
/// edge and the eye. Firefox leaves out a part of the plane as soon as any box on it reaches behind
/// the eye. The rest of the distance takes more than ten seconds at the film's speed.
const ROWS_BELOW_MAX: f64 = 0.7;

/// The attribute of the marked line.
const MARK: &str = "aria-current";

/// The longest wait for the fonts; after that the system's fonts are used.
const FONTS_MAX: Duration = Duration::from_secs(3);

/// The elements that are changed by hand.
pub struct Elements {
    pub section: HtmlElement,
    pub tilt: HtmlElement,
    pub plane: HtmlElement,
    /// The sky behind the plane, and the one that veils its far end.
    pub skies: [Element; 2],
    pub log: HtmlElement,
}

/// The values that follow from the container's size.
#[derive(Clone, Copy, PartialEq)]
struct Geometry {
    width_px: f64,
    height_px: f64,
    em_px: f64,
    column: Column,
    perspective: Perspective,
}

/// The crawl's part of the document.
pub struct Stage {
    window: Window,
    document: Document,
    elements: Elements,
    animation: Animation,
    motion: Motion,
    /// Where the plane is while there is no animation.
    kept_ms: f64,
    body: TextMeasurer,
    title: TextMeasurer,
    fonts: FontFaceSet,
    fonts_settled: bool,
    mounted: Instant,
    geometry: Geometry,
    blocks: Vec<Block>,
    /// The message whose line is marked.
    marked: Option<u64>,
    pub transcript: Transcript,
}

struct Block {
    key: Key,
    seq: Option<u64>,
    element: HtmlElement,
    top_em: f64,
    /// Size of its font, in em of the crawl's.
    size: f64,
    /// The lower edges of its rows, from its top, in em of the crawl's font.
    row_bottoms_em: Vec<f64>,
    /// The number of rows that are rendered.
    rendered_rows: usize,
}

impl Stage {
    /// Takes over the view's elements. `None` if the browser lacks something that the crawl needs.
    pub fn new(elements: Elements, now: Instant) -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let animation = animation_of(&elements.plane).ok()?;
        Some(Self {
            body: TextMeasurer::new(&document, BODY_FONT, TRACKING_EM)?,
            title: TextMeasurer::new(&document, TITLE_FONT, 0.0)?,
            motion: Motion::None,
            kept_ms: 0.0,
            fonts: document.fonts(),
            fonts_settled: false,
            mounted: now,
            transcript: Transcript::new(document.clone(), elements.log.clone()),
            geometry: Geometry {
                width_px: 0.0,
                height_px: 0.0,
                em_px: 16.0,
                column: Column { width_em: 14.2 },
                perspective: Perspective { stage_em: 8.6, horizon: 1.17, stretch: 1.2, fade: 0.9 },
            },
            blocks: Vec::new(),
            marked: None,
            window,
            document,
            elements,
            animation,
        })
    }

    /// Reads the new size. Called by a resize observer, when the layout is fresh and reading costs
    /// nothing. Returns whether the column's width has changed.
    pub fn resized(&mut self) -> bool {
        let section = &self.elements.section;
        let (width_px, height_px) = (f64::from(section.client_width()), f64::from(section.client_height()));
        let old = self.geometry;
        if width_px == 0.0 || height_px == 0.0 {
            self.geometry = Geometry { width_px, height_px, ..old };
            return false;
        }
        let Some(new) = self.geometry_now(width_px, height_px) else { return false };
        if (old.width_px, old.height_px) != (width_px, height_px) {
            starfield::paint(&self.elements.skies, width_px, height_px);
        }
        // Apart from rounding: a column has the same width in em at any size.
        let is_another = (old.column.width_em - new.column.width_em).abs() > 0.05;
        self.geometry = if is_another { new } else { Geometry { column: old.column, ..new } };
        if (old.em_px - new.em_px).abs() > f64::EPSILON {
            self.renew_keyframes();
        }
        is_another
    }

    /// Sets the keyframes again for Chromium, whose compositor keeps the em with which they were
    /// first resolved.
    fn renew_keyframes(&self) {
        if let Some(effect) = self.animation.effect()
            && let Ok(keyframes) = keyframes()
        {
            // Our own keyframes are always accepted.
            let _ = effect.unchecked_into::<KeyframeEffect>().set_keyframes(Some(&keyframes));
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
        Some(Geometry {
            width_px,
            height_px,
            em_px,
            column: Column { width_em: number("inline-size")? / em_px },
            perspective: Perspective {
                stage_em: stage_px / em_px,
                horizon: number("--crawl-horizon")?,
                stretch: number("--crawl-stretch")?,
                fade: number("--crawl-fade")?,
            },
        })
    }

    /// Whether nobody can see it: the tab is hidden or the pane is closed.
    pub fn is_unseen(&self) -> bool {
        self.document.hidden() || self.geometry.width_px == 0.0 || self.geometry.height_px == 0.0
    }

    /// Whether text can be measured: the fonts are loaded, or won't be.
    pub fn fonts_ready(&mut self, now: Instant) -> bool {
        if self.fonts_settled {
            return true;
        }
        let loaded = |font: &str| self.fonts.check(font).unwrap_or(true);
        self.fonts_settled = (loaded(BODY_FONT) && loaded(TITLE_FONT)) || now.since(self.mounted) > FONTS_MAX;
        if !self.fonts_settled {
            // Measuring also makes the browser fetch them.
            self.body.measure("M");
            self.title.measure("M");
            self.forget_widths();
        }
        self.fonts_settled
    }

    /// Forgets all measured widths, after a font was loaded later.
    pub fn forget_widths(&mut self) {
        self.body.forget();
        self.title.forget();
    }

    /// Returns what the core needs to know of the size.
    pub fn size(&self) -> StageSize {
        let Geometry { em_px, column, perspective, .. } = self.geometry;
        StageSize {
            depth_em: perspective.depth_em(),
            column_em: column.width_em,
            px_em: 1.0 / (em_px * self.window.device_pixel_ratio()),
        }
    }

    /// Returns the number of letters that fit into a row at the film's size.
    pub fn row_letters(&self) -> f64 {
        self.geometry.column.width_em / LETTER_EM
    }

    /// Returns how far a page back or forward moves.
    pub fn page_em(&self) -> f64 {
        self.geometry.perspective.along_em(PAGE)
    }

    /// Returns how far a pixel of the wheel moves the plane.
    pub fn em_per_px(&self) -> f64 {
        1.0 / self.geometry.em_px
    }

    /// Returns how far from the edge the plane is at this height of the window.
    pub fn along_em(&self, client_y_px: f64) -> f64 {
        let bottom_px = self.elements.section.get_bounding_client_rect().bottom();
        let stage_px = self.geometry.perspective.stage_em * self.geometry.em_px;
        self.geometry.perspective.along_em(((bottom_px - client_y_px) / stage_px).clamp(0.0, REACH))
    }

    /// Returns how far the plane has travelled since the last rebase.
    pub fn offset_em(&self) -> f64 {
        self.travelled_ms() / 1_000.0 * SPEED_EM_PER_S
    }

    /// Puts a block onto the plane.
    pub fn place(&mut self, key: Key, entry: &BlockContent, typeset: &TypesetBlock, top_em: f64) {
        let Ok(element) = write(&self.document, entry, typeset) else { return };
        let size = match typeset {
            TypesetBlock::Rows(setting) => setting.size,
            TypesetBlock::Title(_) => 1.0,
        };
        if size < 1.0 {
            // Our own names are always accepted.
            let _ = element.style().set_property("font-size", &format!("{}em", decimal(size)));
        }
        set_top(&element, top_em / size);
        let seq = entry.seq();
        if seq.is_some() && seq == self.marked {
            mark(&element);
        }
        if self.elements.plane.append_child(&element).is_ok() {
            let row_bottoms_em = typeset.row_bottoms_em();
            self.blocks.push(Block {
                key,
                seq,
                element,
                top_em,
                size,
                rendered_rows: row_bottoms_em.len(),
                row_bottoms_em,
            });
        }
    }

    /// Takes a block off the plane.
    pub fn remove(&mut self, key: Key) {
        if let Some(at) = self.blocks.iter().position(|block| block.key == key) {
            self.blocks.remove(at).element.remove();
        }
    }

    /// Renders the rows that are on the stage or will soon be, and no row near the eye or behind it.
    pub fn limit_rows_below(&mut self) {
        let limit_em = self.offset_em() + ROWS_BELOW_MAX * self.geometry.perspective.eye_em();
        for block in &mut self.blocks {
            block.render_rows_above(limit_em);
        }
    }

    /// Marks the line of this message, and no other.
    pub fn mark(&mut self, seq: Option<u64>) {
        if seq == self.marked {
            return;
        }
        self.marked = seq;
        for block in &self.blocks {
            if seq.is_some() && block.seq == seq {
                mark(&block.element);
            } else {
                let _ = block.element.remove_attribute(MARK);
            }
        }
    }

    /// Shortens the travelled distance; nothing moves on screen, since it happens in one task.
    pub fn rebase(&mut self, shift_em: f64) {
        let offset_em = self.offset_em() - shift_em;
        for block in &mut self.blocks {
            block.top_em -= shift_em;
            set_top(&block.element, block.top_em / block.size);
        }
        self.seek(offset_em);
    }

    /// Moves the plane there.
    pub fn seek(&mut self, offset_em: f64) {
        let travelled_ms = offset_em / SPEED_EM_PER_S * 1_000.0;
        match self.motion {
            Motion::None => self.kept_ms = travelled_ms,
            Motion::Moving | Motion::Paused => self.animation.set_current_time(Some(travelled_ms)),
        }
    }

    /// Changes the speed without a jump.
    pub fn change_rate(&self, rate: f64) {
        self.animation.update_playback_rate(rate);
    }

    /// Lets the plane move, holds it where it is, or removes the animation.
    pub fn change_motion(&mut self, motion: Motion) {
        if motion == self.motion {
            return;
        }
        let kept_ms = self.travelled_ms();
        let done = match motion {
            Motion::Moving => self.animation.play(),
            Motion::Paused => self.animation.pause(),
            Motion::None => {
                self.animation.cancel();
                Ok(())
            }
        };
        if done.is_err() {
            return;
        }
        // In a hidden page no frame runs that would carry out the pause, and time counts until
        // then; a seek carries it out at once.
        if self.motion == Motion::None || (motion == Motion::Paused && self.document.hidden()) {
            self.animation.set_current_time(Some(kept_ms));
        }
        self.kept_ms = kept_ms;
        self.motion = motion;
    }

    fn travelled_ms(&self) -> f64 {
        self.animation.current_time().unwrap_or(self.kept_ms)
    }
}

impl Block {
    fn render_rows_above(&mut self, limit_em: f64) {
        let count = self.row_bottoms_em.partition_point(|bottom_em| self.top_em + bottom_em <= limit_em);
        if count == self.rendered_rows {
            return;
        }
        let rows = self.element.children();
        for at in count.min(self.rendered_rows)..count.max(self.rendered_rows) {
            if let Some(row) = rows.item(at as u32) {
                // Our own name is always accepted.
                let _ = row.toggle_attribute_with_force("hidden", at >= count);
            }
        }
        self.rendered_rows = count;
    }
}

impl Typesetter for Stage {
    fn set(&mut self, entry: &BlockContent, size: f64) -> TypesetBlock {
        let (body, title, column) = (&mut self.body, &mut self.title, self.geometry.column);
        typeset::set_entry(entry, size, column, &mut |text| body.measure(text), &mut |text| title.measure(text))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.animation.cancel();
        self.elements.plane.set_text_content(None);
    }
}

/// From the beginning of the plane's way to its end.
fn keyframes() -> Result<Array, JsValue> {
    let keyframes = Array::new();
    for transform in ["translateY(0em)".to_owned(), format!("translateY({}em)", decimal(-TRAVEL_EM))] {
        let keyframe = Object::new();
        Reflect::set(&keyframe, &"transform".into(), &transform.into())?;
        keyframes.push(&keyframe);
    }
    Ok(keyframes)
}

/// Returns the plane's animation, not started yet.
fn animation_of(plane: &HtmlElement) -> Result<Animation, JsValue> {
    let keyframes = keyframes()?;
    let duration_ms = TRAVEL_EM / SPEED_EM_PER_S * 1_000.0;
    let effect =
        KeyframeEffect::new_with_opt_element_and_keyframes_and_f64(Some(plane), Some(&keyframes), duration_ms)?;
    Animation::new_with_effect(Some(&effect))
}

fn mark(line: &HtmlElement) {
    // Our own name is always accepted.
    let _ = line.set_attribute(MARK, "true");
}

/// In em of the element's own font.
fn set_top(element: &HtmlElement, top_em: f64) {
    // Ten-thousandths of an em: a hundredth of a pixel on the largest screen.
    let _ = element.style().set_property("top", &format!("{}em", decimal(top_em)));
}

fn write(document: &Document, entry: &BlockContent, typeset: &TypesetBlock) -> Result<HtmlElement, JsValue> {
    let class = match entry {
        BlockContent::Item(CrawlItem::Line { .. }) => "block line",
        BlockContent::Item(CrawlItem::Skipped { .. }) => "block line passed",
        BlockContent::Episode(_) => "block episode",
        BlockContent::Title(_) => "block title",
        BlockContent::Intro(_) => "block intro",
    };
    let cursive = match typeset {
        TypesetBlock::Rows(setting) if setting.is_joined => " cursive",
        _ => "",
    };
    let node = element(document, "div", &format!("{class}{cursive}"))?.unchecked_into::<HtmlElement>();
    if let Some(seq) = entry.seq() {
        node.set_attribute("data-seq", &seq.to_string())?;
    }
    match typeset {
        TypesetBlock::Rows(setting) => write_rows(document, &node, setting)?,
        TypesetBlock::Title(title) => {
            let style = format!("font-size:{}em;line-height:{}", decimal(title.size_em), decimal(TITLE_ROW));
            for text in &title.rows {
                let row = element(document, "span", "row")?;
                row.set_attribute("style", &style)?;
                row.set_text_content(Some(text));
                node.append_child(&row)?;
            }
        }
    }
    Ok(node)
}

fn write_rows(document: &Document, block: &HtmlElement, setting: &LineLayout) -> Result<(), JsValue> {
    block.set_attribute("dir", setting.direction.name())?;
    for row in &setting.speaker {
        let node = write_row(document, row, "row speaker")?;
        node.set_attribute("style", &format!("font-size:{}em", decimal(SPEAKER_SIZE)))?;
        block.append_child(&node)?;
    }
    for row in &setting.rows {
        block.append_child(&*write_row(document, row, "row")?)?;
    }
    Ok(())
}

fn write_row(document: &Document, row: &Row, class: &str) -> Result<Element, JsValue> {
    let alignment = match row.alignment {
        Alignment::Start => "",
        Alignment::Centre => " centred",
        Alignment::Flush { .. } => " flush",
    };
    let hyphen = if row.hyphen { " hyphen" } else { "" };
    let node = element(document, "span", &format!("{class}{alignment}{hyphen}"))?;
    if let Alignment::Flush { letter_spacing_em } = row.alignment
        && letter_spacing_em > 0.0
    {
        let style = format!("letter-spacing:{}em", decimal(TRACKING_EM + letter_spacing_em));
        node.set_attribute("style", &style)?;
    }
    // The space at the end isn't visible, and separates the words if the line's text is read as a
    // whole.
    let end = if row.glued { "" } else { " " };
    node.set_text_content(Some(&format!("{}{end}", row.text)));
    Ok(node)
}

fn element(document: &Document, name: &str, class: &str) -> Result<Element, JsValue> {
    let element = document.create_element(name)?;
    element.set_class_name(class);
    Ok(element)
}
