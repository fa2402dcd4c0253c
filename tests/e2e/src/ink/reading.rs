//! The page's own data about the rows of the crawl.

use serde::Deserialize;

use super::geometry::{Area, Lens};
use super::picture::Ink;

/// Rows lower than this, in device pixels, are strokes rather than letters.
const LEAST_HEIGHT_PX: f64 = 7.0;

/// Where the fade leaves less than this of a row, it needn't be visible.
const LEAST_CLEARNESS: f64 = 0.5;

/// Yellow, in case a browser writes a colour in an unknown format.
const USUAL_INK: Ink = [255, 213, 78];

/// An expression for the positions of the rows, as an object. Rows keep a number by which the second reading identifies
/// them.
pub(super) const READING: &str = "(() => {
    const section = crawl(), stage = section?.querySelector('.stage'), plane = stage?.querySelector('.plane');
    const within = ({ left, top, right, bottom }) => ({ left, top, right, bottom });
    const window_ = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    const reading = { width: innerWidth, rows: [], covers: [], stage: window_, sight: window_, clear: 1, fade: 1,
        perspective: null, lean: 0, center: 0 };
    if (!plane || !isVisible(stage)) return reading;
    const common = (a, b) => ({ left: Math.max(a.left, b.left), top: Math.max(a.top, b.top),
        right: Math.min(a.right, b.right), bottom: Math.min(a.bottom, b.bottom) });
    const opacityOf = (element) => element === null ? 1
        : Number(getComputedStyle(element).opacity) * opacityOf(element.parentElement);
    const style = getComputedStyle(stage);
    const number = (name, usual) => {
        const value = parseFloat(style.getPropertyValue(name));
        return Number.isFinite(value) ? value : usual;
    };
    reading.stage = within(stage.getBoundingClientRect());
    reading.sight = [stage, section].map((element) => element.getBoundingClientRect()).reduce(common, window_);
    reading.clear = number('--crawl-clear', 0.66);
    reading.fade = number('--crawl-fade', 0.9);
    const distance = parseFloat(style.perspective);
    reading.perspective = distance > 0 ? distance : null;
    reading.center = reading.stage.left + parseFloat(style.perspectiveOrigin);
    const { m22, m23 } = new DOMMatrix(getComputedStyle(plane.parentElement).transform);
    reading.lean = Math.atan2(m23, m22);
    // The opening's own pictures are before the plane, or it isn't shown yet.
    if (['idle', 'dark', 'card', 'logo', 'rise'].includes(section.dataset.scene)) return reading;

    // An element next to the crawl, or next to one of its ancestors, may be in front of it.
    const cover = (element) => {
        const box = element.getBoundingClientRect();
        // What only assistive technology is to find has a pixel.
        const isSeen = isVisible(element) && box.width > 2 && box.height > 2 && opacityOf(element) > 0.02;
        if (isSeen) reading.covers.push(within(box));
    };
    for (let around = section; around.parentElement; around = around.parentElement) {
        for (const sibling of around.parentElement.children) if (sibling !== around) cover(sibling);
    }
    document.querySelectorAll('dialog[open], [popover]').forEach(cover);
    section.querySelectorAll('.crawl-controls > *').forEach(cover);

    const known = window.__inkRows ??= { last: 0 };
    const range = document.createRange();
    for (const row of plane.querySelectorAll('.row')) {
        if (!isVisible(row)) continue;
        row.__inkRow ??= ++known.last;
        const box = row.getBoundingClientRect();
        range.selectNodeContents(row);
        const text = range.getBoundingClientRect();
        const { left, right } = text.width > 0 ? common(text, box) : box;
        const { color } = getComputedStyle(row);
        reading.rows.push({
            id: row.__inkRow,
            seq: Number(row.closest('[data-seq]')?.dataset.seq ?? 0),
            text: row.textContent.trim(),
            area: { left, top: box.top, right, bottom: box.bottom },
            ink: /^rgba?\\(/.test(color) ? color.match(/[\\d.]+/g).slice(0, 3).map((part) => Math.round(part)) : null,
            opacity: opacityOf(row),
        });
    }
    return reading;
})()";

/// The page's data about the rows on the plane at one moment.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reading {
    /// The size of the window.
    pub(super) width: f64,
    pub(super) rows: Vec<Row>,
    /// The boxes in front of the crawl.
    pub(super) covers: Vec<Area>,
    pub(super) stage: Area,
    /// The part of the stage within the window.
    pub(super) sight: Area,
    /// The fade begins at this height, in heights of the stage …
    pub(super) clear: f64,
    /// … and ends at this one.
    pub(super) fade: f64,
    /// The eye's distance from the stage, in CSS pixels; `None` without perspective.
    pub(super) perspective: Option<f64>,
    /// The angle by which the plane leans back about the stage's lower edge, in radians.
    pub(super) lean: f64,
    /// The horizontal position of the eye.
    pub(super) center: f64,
}

/// A row on the plane.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    /// The row's identifier, the same in every reading of this page.
    pub(super) id: u64,
    /// Its message; 0 for a row of the opening.
    pub(super) seq: u64,
    pub(super) text: String,
    /// A box as wide as its text, and as high as the row.
    pub(super) area: Area,
    pub(super) ink: Option<Ink>,
    pub(super) opacity: f64,
}

impl Reading {
    pub(super) fn lens(&self) -> Lens {
        let (sin, cos) = self.lean.sin_cos();
        let distance_px = self.perspective.unwrap_or(Lens::FLAT_PX);
        Lens { distance_px, sin, cos, center: self.center, bottom: self.stage.bottom }
    }

    /// Returns the share of a row that the fade leaves here; `None` if it isn't expected to be visible.
    pub(super) fn clearness(&self, row: &Row, area: &Area, scale: f64, covers: &[Area]) -> Option<f64> {
        let height = (self.stage.bottom - (area.top + area.bottom) / 2.0) / self.stage.height();
        let clearness = ((self.fade - height) / (self.fade - self.clear)).clamp(0.0, 1.0) * row.opacity;
        let is_whole = area.top >= self.sight.top && area.bottom <= self.sight.bottom;
        let is_across = area.left < self.sight.right && area.right > self.sight.left;
        let has_letters = row.text.chars().any(char::is_alphanumeric);
        let is_expected = is_whole
            && is_across
            && has_letters
            && clearness >= LEAST_CLEARNESS
            && area.height() * scale >= LEAST_HEIGHT_PX
            && !covers.iter().any(|cover| cover.touches(area));
        is_expected.then_some(clearness)
    }
}

impl Row {
    pub(super) fn ink(&self) -> Ink {
        self.ink.unwrap_or(USUAL_INK)
    }
}
