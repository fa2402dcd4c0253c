//! Checks whether what should be visible is painted: compares the boxes of the crawl's rows with the ink in a
//! screenshot.
//!
//! A browser may report the position of every row and paint none of them. So a look reads the rows' boxes with a script
//! in the page, takes a WebDriver screenshot, reads the boxes again, and counts for each row the pixels of its colour.
//! Nothing in the page is paused or moved for it, since that alone may make the browser paint what was missing.
//!
//! The plane moves between the readings, and the screen may lag behind. But it moves as a whole: so it is shifted back,
//! along its perspective, until as much of the ink as possible is where the rows have letters, and each row is checked
//! there. The lag is a finding of its own: an animation that the browser runs outside the page's thread may have
//! another speed than the page's own numbers say.
//!
//! A row is expected to be visible if it is in both readings, completely within stage and window, no farther than half
//! into the fade, high enough to be read, with letters in it, and with nothing in front of it.

use std::collections::HashMap;
use std::fmt;
use std::io::Cursor;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::page::Page;
use crate::target;

/// Rows lower than this, in device pixels, are strokes rather than letters.
const LEAST_HEIGHT_PX: f64 = 7.0;

/// Where the fade leaves less than this of a row, it needn't be visible.
const LEAST_CLEARNESS: f64 = 0.5;

/// The minimum share of ink in a row's box, where there is no fade. The crawl's own rows have 0.15; stars amount to a
/// thousandth.
const LEAST_SHARE: f64 = 0.05;

/// Each third of a long row has at least this part of [`LEAST_SHARE`].
const LEAST_PART_OF_THIRD: f64 = 0.25;

/// A row with at least this ratio of width to height is a long one.
const LONG: f64 = 6.0;

/// A pixel has ink if its brightness is at least this part of the ink's …
const LEAST_INK: f64 = 0.12;

/// … and its colour differs from it by no more than this part of its brightness.
const FARTHEST_COLOUR: f64 = 0.25;

/// The plane is shifted back in steps of this number of CSS pixels …
const STEP_PX: f64 = 1.5;

/// … by at most this many heights of the stage, in addition to its movement between the readings: some seconds.
const LATEST: f64 = 1.0;

/// If a picture lags more than this, in heights of the stage, it doesn't match the plane that the page reports. On an
/// idle machine all lags are 0.00; in WebKit on a busy one two of 24 pictures lagged, by up to 0.096. When Chromium
/// moved the plane at another speed, 22 of 36 lagged more than this.
pub const LATE_MAX: f64 = 0.1;

/// Between these parts of a row's height, from its upper edge, there are letters.
const LETTERS: [f64; 2] = [0.3, 0.8];

/// A look is repeated if the plane moved farther than this during it, in heights of the stage, because the machine was
/// busy …
const MOVED_MAX: f64 = 0.4;

/// … this many times at most.
const ATTEMPTS: u32 = 4;

/// The time limit for rows to appear.
const ROWS_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a browser may take to paint a plane at rest.
const PAINT_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval between two looks at a plane with too few rows.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The number of missing rows that are named.
const NAMED_MAX: usize = 4;

/// Anything nearer to the horizon than this part of its height isn't a row.
const NEAR_HORIZON: f64 = 0.98;

/// Yellow, in case a browser writes a colour in an unknown format.
const USUAL_INK: Ink = [255, 213, 78];

/// A colour: red, green, blue.
type Ink = [u8; 3];

/// An expression for the positions of the rows, as an object. Rows keep a number by which the second reading identifies
/// them.
const READING: &str = "(() => {
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

    // What stands beside the crawl or beside one of the elements around it may lie before it.
    const cover = (element) => {
        const box = element.getBoundingClientRect();
        // What only assistive technology is to find has a pixel.
        const isSeen = isVisible(element) && box.width > 2 && box.height > 2 && opacityOf(element) > 0.02;
        if (isSeen) reading.covers.push(within(box));
    };
    for (let around = section; around.parentElement; around = around.parentElement) {
        for (const beside of around.parentElement.children) if (beside !== around) cover(beside);
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

/// A rectangle, in CSS pixels of the window or in pixels of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Area {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

/// The page's data about the rows on the plane at one moment.
#[derive(Clone, Debug, Deserialize)]
struct Reading {
    /// The size of the window.
    width: f64,
    rows: Vec<Row>,
    /// The boxes in front of the crawl.
    covers: Vec<Area>,
    stage: Area,
    /// The part of the stage within the window.
    sight: Area,
    /// The fade begins at this height, in heights of the stage …
    clear: f64,
    /// … and ends at this one.
    fade: f64,
    /// The eye's distance from the stage, in CSS pixels; `None` without perspective.
    perspective: Option<f64>,
    /// The angle by which the plane leans back about the stage's lower edge, in radians.
    lean: f64,
    /// The horizontal position of the eye.
    center: f64,
}

/// A row on the plane.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    /// The row's identifier, the same in every reading of this page.
    id: u64,
    /// Its message; 0 for a row of the opening.
    seq: u64,
    text: String,
    /// A box as wide as its text, and as high as the row.
    area: Area,
    ink: Option<Ink>,
    opacity: f64,
}

/// The result of a look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The number of rows expected to be visible.
    pub expected: usize,
    /// Those that weren't.
    pub missing: Vec<MissingRow>,
    /// The average share of ink in the boxes of all expected rows.
    pub share: f64,
    /// The least share of any row, relative to its required minimum.
    pub faintest: f64,
    /// The lag of the picture behind the page's data taken before it, along the plane, in heights of the stage.
    pub late: f64,
    /// The distance that the plane moved during the look, in the same unit.
    pub moved: f64,
}

/// A row that isn't painted although it should be.
#[derive(Clone, Debug)]
pub struct MissingRow {
    /// Its message; 0 for a row of the opening.
    pub seq: u64,
    /// Its text.
    pub text: String,
    /// Its expected box, in pixels of the picture.
    pub area: Area,
    /// The share of ink in its box.
    pub share: f64,
}

/// Looks at the page's window. If rows are missing, the picture is kept as `target/screenshots/missing-NAME.png`.
pub async fn look(page: &Page, name: &str) -> Result<Look> {
    let mut attempt = 1;
    let (look, png) = loop {
        let before: Reading = page.evaluate(READING).await?;
        let png = page.browser().client().screenshot().await?;
        let after: Reading = page.evaluate(READING).await?;
        // Decoding a large picture takes a moment, and a test may be publishing from this thread.
        let found = tokio::task::spawn_blocking(move || {
            let look = compare(&Picture::read(&png)?, &before, &after);
            anyhow::Ok((look, png))
        });
        let (look, png) = found.await??;
        // Too little of the first reading is still there, or a busy browser has returned an old picture. If the plane
        // moves at another speed than the page says, it is late again.
        let says_little = look.moved > MOVED_MAX || (look.missing.is_empty() && look.is_late());
        if !says_little || attempt == ATTEMPTS {
            break (look, png);
        }
        attempt += 1;
    };
    if !look.missing.is_empty() {
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("missing-{name}.png")), png)?;
    }
    Ok(look)
}

/// Looks until all rows are painted, for a plane that doesn't move: a busy browser may return a picture from before the
/// last page back.
pub async fn look_at_rest(page: &Page, name: &str) -> Result<Look> {
    let until = Instant::now() + PAINT_TIMEOUT;
    loop {
        let look = look(page, name).await?;
        if look.missing.is_empty() || Instant::now() > until {
            return Ok(look);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Looks as soon as this number of rows is visible, or when the time is over: the number depends on the size of the
/// window, and on the load of the machine.
pub async fn look_at(page: &Page, name: &str, least_rows: usize) -> Result<Look> {
    let until = Instant::now() + ROWS_TIMEOUT;
    loop {
        let look = look(page, name).await?;
        if look.expected >= least_rows || !look.missing.is_empty() || Instant::now() > until {
            return Ok(look);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

impl Look {
    /// # Errors
    /// Fails when a row is missing, fewer rows than required are visible, or the picture doesn't match the page's data.
    pub fn check(&self, least_rows: usize) -> Result<()> {
        self.check_rows(least_rows)?;
        ensure!(!self.is_late(), "{self}");
        Ok(())
    }

    /// # Errors
    /// Fails when a row is missing, or fewer rows than required are visible.
    pub fn check_rows(&self, least_rows: usize) -> Result<()> {
        ensure!(self.missing.is_empty(), "{self}");
        ensure!(self.expected >= least_rows, "{self}, not {least_rows}");
        Ok(())
    }

    /// Whether the picture doesn't match the page's data.
    pub fn is_late(&self) -> bool {
        self.late > LATE_MAX
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, missing, share, faintest, late, moved: _ } = self;
        write!(f, "{} of {expected} rows in sight", expected - missing.len())?;
        write!(f, " ({:.1} % ink, the faintest {faintest:.1} times the least, ", 100.0 * share)?;
        write!(f, "late by {:.1} % of the stage)", 100.0 * late)?;
        for (at, row) in missing.iter().take(NAMED_MAX).enumerate() {
            write!(f, "{}{row}", if at == 0 { "; missing: " } else { ", " })?;
        }
        if missing.len() > NAMED_MAX {
            write!(f, " and {} more", missing.len() - NAMED_MAX)?;
        }
        Ok(())
    }
}

impl fmt::Display for MissingRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, text, area: Area { left, top, right, bottom }, share } = self;
        write!(f, "{text:?} of message {seq} at {left:.0}–{right:.0} × {top:.0}–{bottom:.0}")?;
        write!(f, " ({:.1} % ink)", 100.0 * share)
    }
}

impl Area {
    fn height(&self) -> f64 {
        self.bottom - self.top
    }

    fn width(&self) -> f64 {
        self.right - self.left
    }

    fn scaled(self, by: f64) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left * by, top: top * by, right: right * by, bottom: bottom * by }
    }

    fn touches(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Returns the intersection with another one.
    fn within(self, other: &Self) -> Option<Self> {
        let common = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        };
        self.touches(other).then_some(common)
    }

    /// Returns one third of its width.
    fn third(self, number: u32) -> Self {
        let left = self.left + self.width() * f64::from(number) / 3.0;
        Self { left, right: left + self.width() / 3.0, ..self }
    }
}

/// The projection of the plane on the stage.
#[derive(Clone, Copy)]
struct Lens {
    distance_px: f64,
    sin: f64,
    cos: f64,
    center: f64,
    bottom: f64,
}

/// A row's position on the plane: the distances of its edges from the stage's lower edge, and of its ends from the
/// middle, in CSS pixels before perspective.
#[derive(Clone, Copy)]
struct Place {
    far: f64,
    near: f64,
    left: f64,
    right: f64,
}

impl Lens {
    /// At this distance everything is flat.
    const FLAT_PX: f64 = 1e9;

    fn of(reading: &Reading) -> Self {
        let (sin, cos) = reading.lean.sin_cos();
        let distance_px = reading.perspective.unwrap_or(Self::FLAT_PX);
        Self { distance_px, sin, cos, center: reading.center, bottom: reading.stage.bottom }
    }

    /// Returns the scale at which something this far up is shown.
    fn scale(&self, up: f64) -> f64 {
        self.distance_px / (self.distance_px + up * self.sin)
    }

    /// Returns the position on the plane that is shown at this height of the window.
    fn up(&self, y: f64) -> Option<f64> {
        let height = self.bottom - y;
        let left = self.distance_px * self.cos - height * self.sin;
        (left > (1.0 - NEAR_HORIZON) * self.distance_px * self.cos).then(|| height * self.distance_px / left)
    }

    fn place(&self, area: &Area) -> Option<Place> {
        let (far, near) = (self.up(area.top)?, self.up(area.bottom)?);
        let (far_scale, near_scale) = (self.scale(far), self.scale(near));
        // A box encloses a row that is wider at its lower edge.
        let (left, right) = (area.left - self.center, area.right - self.center);
        let left = left / if left < 0.0 { near_scale } else { far_scale };
        let right = right / if right > 0.0 { near_scale } else { far_scale };
        Some(Place { far, near, left, right })
    }

    /// Returns the box of a row in a picture with this number of pixels per CSS pixel.
    fn area(&self, place: &Place) -> Area {
        let (far_scale, near_scale) = (self.scale(place.far), self.scale(place.near));
        Area {
            left: self.center + place.left * if place.left < 0.0 { near_scale } else { far_scale },
            top: self.bottom - place.far * self.cos * far_scale,
            right: self.center + place.right * if place.right > 0.0 { near_scale } else { far_scale },
            bottom: self.bottom - place.near * self.cos * near_scale,
        }
    }
}

impl Place {
    fn pushed_back(self, by: f64) -> Self {
        Self { far: self.far - by, near: self.near - by, ..self }
    }

    /// Returns the part that has letters.
    fn letters(self) -> Self {
        let [from, to] = LETTERS.map(|part| self.far + (self.near - self.far) * part);
        Self { far: from, near: to, ..self }
    }
}

impl Reading {
    /// Returns the share of a row that the fade leaves here; `None` if it isn't expected to be visible.
    fn clearness(&self, row: &Row, area: &Area, scale: f64, covers: &[Area]) -> Option<f64> {
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

fn compare(picture: &Picture, before: &Reading, after: &Reading) -> Look {
    // The same in both directions, at any pixel density of the screen.
    let scale = picture.width_px as f64 / after.width.max(1.0);
    let lens = Lens::of(before);
    let placed = |reading: &Reading| -> HashMap<u64, Place> {
        reading.rows.iter().filter_map(|row| Some((row.id, lens.place(&row.area)?))).collect()
    };
    let (earlier, later) = (placed(before), placed(after));
    // The movement of the lowest row that is in both, because rows far up show little of it.
    let both = earlier.iter().filter_map(|(id, place)| Some((place, later.get(id)?)));
    let lowest = both.min_by(|(one, _), (other, _)| one.near.total_cmp(&other.near));
    let Some((from, to)) = lowest else { return Look::default() };
    let moved_px = to.near - from.near;

    // All rows that may have ink, at their positions in the first reading.
    let new = after.rows.iter().filter(|row| !earlier.contains_key(&row.id));
    let new = new.filter_map(|row| Some((row, later.get(&row.id)?.pushed_back(moved_px))));
    let old = before.rows.iter().filter_map(|row| Some((row, *earlier.get(&row.id)?)));
    let rows: Vec<(&Row, Place)> = old.chain(new).collect();
    let mut layers: HashMap<Ink, Layer> = HashMap::new();
    for (row, _) in &rows {
        layers.entry(row.ink()).or_insert_with(|| picture.layer(row.ink()));
    }
    let letters = |by: f64| -> f64 {
        let ink = |(row, place): &(&Row, Place)| {
            let area = lens.area(&place.pushed_back(by).letters()).within(&before.sight);
            area.map_or(0.0, |area| layers[&row.ink()].ink(area.scaled(scale)))
        };
        rows.iter().map(ink).sum()
    };
    // One step past the second reading as well, in case a frame is drawn ahead of the data; the smallest of the best
    // shifts.
    let ahead = (moved_px.max(0.0) / STEP_PX) as i32 + 1;
    let back = (LATEST * before.stage.height() / STEP_PX) as i32;
    let mut steps: Vec<i32> = (-ahead..=back).collect();
    steps.sort_by_key(|step| step.abs());
    let (_, behind_px) = steps
        .into_iter()
        .map(|step| f64::from(step) * STEP_PX)
        .map(|by| (letters(by), by))
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .unwrap_or_default();

    let covers = [&before.covers[..], &after.covers].concat();
    let late = (behind_px / before.stage.height()).max(0.0);
    let moved = moved_px / before.stage.height();
    let mut look = Look { faintest: f64::INFINITY, late, moved, ..Look::default() };
    for (row, place) in rows.iter().filter(|(row, _)| earlier.contains_key(&row.id) && later.contains_key(&row.id)) {
        let area = lens.area(&place.pushed_back(behind_px));
        let Some(clearness) = before.clearness(row, &area, scale, &covers) else { continue };
        let area = area.scaled(scale);
        let layer = &layers[&row.ink()];
        let share = layer.share(area);
        let least = LEAST_SHARE * clearness;
        let mut strength = share / least;
        if area.width() > LONG * area.height() {
            let faintest = (0..3).map(|number| layer.share(area.third(number))).fold(f64::INFINITY, f64::min);
            strength = strength.min(faintest / (least * LEAST_PART_OF_THIRD));
        }
        look.expected += 1;
        look.share += share;
        look.faintest = look.faintest.min(strength);
        if strength < 1.0 {
            look.missing.push(MissingRow { seq: row.seq, text: row.text.clone(), area, share });
        }
    }
    look.share /= look.expected.max(1) as f64;
    if look.expected == 0 {
        look.faintest = 0.0;
    }
    look
}

impl Row {
    fn ink(&self) -> Ink {
        self.ink.unwrap_or(USUAL_INK)
    }
}

/// A picture in colours.
struct Picture {
    width_px: usize,
    /// Red, green, blue; row by row.
    pixels: Vec<Ink>,
}

impl Picture {
    fn read(png: &[u8]) -> Result<Self> {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().context("the picture is too large")?];
        let frame = reader.next_frame(&mut bytes)?;
        let samples = frame.color_type.samples();
        let pixels = bytes[..frame.buffer_size()]
            .chunks_exact(samples)
            .map(|pixel| match *pixel {
                [red, green, blue, ..] => [red, green, blue],
                // In shades of grey, with or without an alpha channel.
                [shade, ..] => [shade; 3],
                [] => [0; 3],
            })
            .collect();
        Ok(Self { width_px: frame.width as usize, pixels })
    }

    /// Returns the ink of this colour by position.
    fn layer(&self, ink: Ink) -> Layer {
        let width = self.width_px + 1;
        let height_px = self.pixels.len() / self.width_px;
        let mut sums = vec![0_u32; width * (height_px + 1)];
        for (y, row) in self.pixels.chunks_exact(self.width_px).enumerate() {
            let mut sum = 0_u32;
            for (x, pixel) in row.iter().enumerate() {
                sum = sum.wrapping_add(u32::from(coverage(*pixel, ink)));
                sums[(y + 1) * width + x + 1] = sums[y * width + x + 1].wrapping_add(sum);
            }
        }
        Layer { width, sums }
    }
}

/// Returns how much of a pixel the ink covers, of 255: its colour, darker as far as the background shows through.
fn coverage(pixel: Ink, ink: Ink) -> u8 {
    // Most of the sky.
    if pixel.iter().all(|part| *part < 16) {
        return 0;
    }
    let dot = |a: Ink, b: Ink| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(b)).sum::<f64>();
    let brightness = dot(ink, ink);
    let part = dot(pixel, ink) / brightness;
    let aside = dot(pixel, pixel) - part * part * brightness;
    let is_ink = part >= LEAST_INK && aside <= FARTHEST_COLOUR * FARTHEST_COLOUR * part * part * brightness;
    if is_ink { (part.min(1.0) * 255.0) as u8 } else { 0 }
}

/// Sums of one ink above and to the left of each pixel corner, so that the sum of any box takes four of them. Sums may
/// overflow; their differences don't.
struct Layer {
    /// One more than the picture's width.
    width: usize,
    sums: Vec<u32>,
}

impl Layer {
    /// Returns the number of ink pixels in a box; outside the picture there are none.
    fn ink(&self, area: Area) -> f64 {
        let (last_x, last_y) = (self.width - 1, self.sums.len() / self.width - 1);
        // A negative float becomes 0.
        let column = |x: f64| (x.round() as usize).min(last_x);
        let line = |y: f64| (y.round() as usize).min(last_y);
        let (left, right, top, bottom) = (column(area.left), column(area.right), line(area.top), line(area.bottom));
        let sum = |x: usize, y: usize| self.sums[y * self.width + x];
        let ink = sum(right, bottom)
            .wrapping_sub(sum(left, bottom))
            .wrapping_sub(sum(right, top))
            .wrapping_add(sum(left, top));
        f64::from(ink) / 255.0
    }

    /// Returns the share of ink in a box.
    fn share(&self, area: Area) -> f64 {
        self.ink(area) / (area.width() * area.height()).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH_PX: usize = 640;
    const HEIGHT_PX: usize = 360;
    const YELLOW: Ink = [255, 213, 78];
    const PITCH_PX: f64 = 40.0;

    /// Like texts: no row is as wide as the next.
    const WIDTHS_PX: [f64; 6] = [560.0, 400.0, 520.0, 360.0, 480.0, 440.0];

    /// Six rows, one below the other, this far up.
    fn reading(up_px: f64) -> Reading {
        let row = |number: usize| {
            let top = 60.0 + PITCH_PX * number as f64 - up_px;
            Row {
                id: number as u64,
                seq: number as u64,
                text: format!("row {number}"),
                area: Area { left: 40.0, top, right: 40.0 + WIDTHS_PX[number], bottom: top + 30.0 },
                ink: Some(YELLOW),
                opacity: 1.0,
            }
        };
        let window = Area { left: 0.0, top: 0.0, right: WIDTH_PX as f64, bottom: HEIGHT_PX as f64 };
        Reading {
            width: WIDTH_PX as f64,
            rows: (0..6).map(row).collect(),
            covers: Vec::new(),
            stage: window,
            sight: window,
            clear: 0.9,
            fade: 1.0,
            perspective: None,
            lean: 0.0,
            center: 320.0,
        }
    }

    fn black() -> Picture {
        Picture { width_px: WIDTH_PX, pixels: vec![[0; 3]; WIDTH_PX * HEIGHT_PX] }
    }

    fn paint(picture: &mut Picture, left: usize, top: usize, (width, height): (usize, usize), ink: Ink) {
        for y in top..top + height {
            picture.pixels[y * WIDTH_PX + left..][..width].fill(ink);
        }
    }

    /// Draws letters as bars, in these rows of a reading.
    fn write(picture: &mut Picture, reading: &Reading, rows: impl Iterator<Item = usize>, ink: Ink) {
        for Area { left, top, right, .. } in rows.map(|row| reading.rows[row].area) {
            for letter in (left as usize..right as usize - 12).step_by(14) {
                paint(picture, letter, top as usize + 10, (3, 12), ink);
            }
        }
    }

    /// Draws a star on one of 60 pixels, in the shades that stars have.
    fn scatter_stars(picture: &mut Picture) {
        for star in 0..WIDTH_PX * HEIGHT_PX / 60 {
            let at = star * 7_919 % picture.pixels.len();
            picture.pixels[at] = [[255, 255, 255], [180, 190, 220], [200, 180, 150]][star % 3];
        }
    }

    fn missing(picture: &Picture, before: &Reading, after: &Reading) -> Vec<u64> {
        compare(picture, before, after).missing.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn rows_that_are_painted_are_in_sight() {
        let reading = reading(0.0);
        for ink in [YELLOW, [184, 153, 56]] {
            let mut picture = black();
            scatter_stars(&mut picture);
            write(&mut picture, &reading, 0..6, ink);
            let look = compare(&picture, &reading, &reading);
            assert!(look.missing.is_empty(), "{look}");
            assert_eq!(look.expected, 6);
            assert!(look.check(6).is_ok() && look.check(7).is_err());
        }
    }

    #[test]
    fn neither_a_black_sky_nor_stars_are_rows() {
        let reading = reading(0.0);
        let mut picture = black();
        assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2, 3, 4, 5]);
        scatter_stars(&mut picture);
        assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2, 3, 4, 5]);
        let white = Row { ink: Some([255; 3]), ..reading.rows[2].clone() };
        let marked = Reading { rows: vec![white], ..reading };
        assert_eq!(missing(&picture, &marked, &marked), [2]);
    }

    #[test]
    fn rows_without_ink_are_missing_by_name() {
        let reading = reading(0.0);
        let mut picture = black();
        scatter_stars(&mut picture);
        write(&mut picture, &reading, 3..6, YELLOW);
        let look = compare(&picture, &reading, &reading);
        assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2]);
        let words = look.to_string();
        assert!(words.contains("3 of 6 rows in sight"), "{words}");
        assert!(words.contains("\"row 1\" of message 1 at 40–440 × 100–130"), "{words}");
        assert!(look.check(0).is_err());
        // The left half of a row that the browser has clipped.
        write(&mut picture, &reading, 0..3, YELLOW);
        paint(&mut picture, 40, 60, (280, 30), [0; 3]);
        assert_eq!(missing(&picture, &reading, &reading), [0]);
    }

    #[test]
    fn what_is_on_screen_may_be_late() {
        let (before, after) = (reading(10.0), reading(40.0));
        // Between the readings, and long before them.
        for up_px in [30.0, -45.0] {
            let then = reading(up_px);
            let mut picture = black();
            scatter_stars(&mut picture);
            let in_sight = |row: &usize| then.rows[*row].area.bottom < HEIGHT_PX as f64;
            write(&mut picture, &then, (0..6).filter(in_sight), YELLOW);
            let look = compare(&picture, &before, &after);
            assert!(look.missing.is_empty(), "{look}");
            let late = f64::max(10.0 - up_px, 0.0) / HEIGHT_PX as f64;
            assert!((look.late - late).abs() <= 0.03, "{look}");
            assert_eq!(look.check(1).is_ok(), late < LATE_MAX, "{look}");
            // The next row's ink must not count for a missing one, nor the lower half for the upper one.
            for rows in [&[0, 1, 3, 4, 5][..], &[3, 4, 5]] {
                let mut picture = black();
                write(&mut picture, &then, rows.iter().copied().filter(in_sight), YELLOW);
                let expected: Vec<u64> = (0..6).filter(|row| !rows.contains(&(*row as usize))).collect();
                assert_eq!(missing(&picture, &before, &after), expected, "{up_px}");
            }
        }
        let look = compare(&black(), &before, &after);
        assert_eq!((look.missing.len(), look.expected > 3), (look.expected, true));
    }

    #[test]
    fn boxes_are_pushed_back_along_the_perspective() -> Result<()> {
        let lean = 25_f64.to_radians();
        let reading = Reading { perspective: Some(350.0), lean, ..reading(0.0) };
        let lens = Lens::of(&reading);
        let area = Area { left: 100.0, top: 90.0, right: 280.0, bottom: 120.0 };
        let place = lens.place(&area).context("above the horizon")?;
        let same = lens.area(&place);
        assert!((same.left - area.left).abs() + (same.right - area.right).abs() < 1e-6, "{same:?}");
        assert!((same.top - area.top).abs() + (same.bottom - area.bottom).abs() < 1e-6, "{same:?}");
        // At the lower edge the scale is 1, and the plane has its full lean.
        let near = lens.area(&place.pushed_back(place.near));
        assert!((near.bottom - HEIGHT_PX as f64).abs() < 1e-6 && near.width() > area.width(), "{near:?}");
        assert!(near.height() > area.height(), "{near:?}");
        assert!(lens.up(HEIGHT_PX as f64 - 350.0 * lean.cos() / lean.sin()).is_none(), "the horizon");
        Ok(())
    }

    #[test]
    fn what_nobody_could_see_is_not_expected() {
        let expected = |reading: &Reading| compare(&black(), reading, reading).expected;
        let plain = reading(0.0);
        assert_eq!(expected(&plain), 6);
        let covers = vec![Area { left: 500.0, top: 0.0, right: 640.0, bottom: 70.0 }];
        assert_eq!(expected(&Reading { covers, ..plain.clone() }), 5);
        // The middle of the first row is 0.79 up, that of the next 0.68.
        assert_eq!(expected(&Reading { clear: 0.6, fade: 0.75, ..plain.clone() }), 4);
        let sight = Area { bottom: 270.0, ..plain.sight };
        assert_eq!(expected(&Reading { sight, ..plain.clone() }), 5);
        let mut dots = plain.clone();
        dots.rows[4].text = ". . . .".to_owned();
        dots.rows[5].area.bottom = dots.rows[5].area.top + 5.0;
        assert_eq!(expected(&dots), 4);
        assert_eq!(expected(&Reading { rows: Vec::new(), ..plain.clone() }), 0);
        // Another column: rows were laid out again between the readings.
        let mut anew = plain.clone();
        anew.rows.iter_mut().for_each(|row| row.id += 100);
        assert_eq!(compare(&black(), &plain, &anew).expected, 0);
    }

    #[test]
    fn a_picture_may_have_more_pixels_than_the_window() -> Result<()> {
        let reading = reading(0.0);
        let mut picture = black();
        write(&mut picture, &reading, 1..6, YELLOW);
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 2 * WIDTH_PX as u32, 2 * HEIGHT_PX as u32);
        encoder.set_color(png::ColorType::Rgba);
        let mut bytes = Vec::new();
        for y in 0..2 * HEIGHT_PX {
            for x in 0..2 * WIDTH_PX {
                let [red, green, blue] = picture.pixels[y / 2 * WIDTH_PX + x / 2];
                bytes.extend([red, green, blue, 255]);
            }
        }
        encoder.write_header()?.write_image_data(&bytes)?;
        let look = compare(&Picture::read(&png)?, &reading, &reading);
        assert_eq!((look.missing.len(), look.missing[0].seq, look.missing[0].area.top), (1, 0, 120.0));
        Ok(())
    }
}
