//! Checks whether what should be visible is painted: compares the boxes of the crawl's rows with the ink in a
//! screenshot.
//!
//! A browser may report the position of every row and paint none of them. So a sample reads the rows' boxes with a
//! script in the page, takes a WebDriver screenshot, reads the boxes again, and counts the pixels of each row's colour.
//! Nothing in the page is paused or moved for it, because that alone may make the browser paint what was missing.
//!
//! The plane moves between the readings, and the screen may lag behind. But it moves as a whole: so it is shifted back,
//! along its perspective, until as much of the ink as possible is where the rows have letters, and each row is checked
//! there. The lag is also reported: an animation that the browser runs outside the page's thread may have another
//! speed than the page's own numbers.
//!
//! A row is expected to be visible if it is in both readings, completely within stage and window, no farther than half
//! into the fade, high enough to be read, with letters in it, and with nothing in front of it.

pub mod geometry;
mod picture;
mod reading;

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::page::Page;
use crate::target;

use geometry::{Area, PlanePosition};
use picture::{Ink, Layer, Picture};
use reading::{READING, Reading, Row};

/// The minimum share of ink in a row's box, where there is no fade. The crawl's own rows have 0.15; stars amount to a
/// thousandth.
const SHARE_MIN: f64 = 0.05;

/// Each third of a long row has at least this part of [`SHARE_MIN`].
const THIRD_SHARE_MIN: f64 = 0.25;

/// A row with at least this ratio of width to height is a long one.
const LONG_RATIO: f64 = 6.0;

/// The plane is shifted back in steps of this number of CSS pixels …
const STEP_PX: f64 = 1.5;

/// … by at most this many heights of the stage, in addition to its movement between the readings: some seconds.
const LAG_MAX: f64 = 1.0;

/// If a picture lags more than this, in heights of the stage, it doesn't match the plane that the page reports. On an
/// idle machine all lags are 0.00; in WebKit on a busy one two of 24 pictures lagged, by up to 0.096. When Chromium
/// moved the plane at another speed, 22 of 36 lagged more than this.
pub const LATE_MAX: f64 = 0.1;

/// A sample is repeated if the plane moved farther than this during it, in heights of the stage, because the machine
/// was busy …
const MOVED_MAX: f64 = 0.4;

/// … this many times at most.
const ATTEMPTS: u32 = 4;

/// The time limit for rows to appear.
const ROWS_TIMEOUT: Duration = Duration::from_secs(20);

/// The interval between two samples of a plane with too few rows.
const SAMPLE_PAUSE: Duration = Duration::from_secs(1);

/// The number of missing rows that are named.
const NAMED_MAX: usize = 4;

/// The result of a sample.
#[derive(Clone, Debug, Default)]
pub struct Sample {
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
    /// The distance that the plane moved during the sample, in the same unit.
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

/// Samples the page's window. If rows are missing, the picture is kept as `target/screenshots/missing-NAME.png`.
pub async fn sample(page: &Page, name: &str) -> Result<Sample> {
    let mut attempt = 1;
    let (sample, png) = loop {
        let before: Reading = page.evaluate(READING).await?;
        let png = page.browser().client().screenshot().await?;
        let after: Reading = page.evaluate(READING).await?;
        // Decoding a large picture takes a moment, and a test may be publishing from this thread.
        let found = tokio::task::spawn_blocking(move || {
            let sample = compare(&Picture::read(&png)?, &before, &after);
            anyhow::Ok((sample, png))
        });
        let (sample, png) = found.await??;
        // Too little of the first reading is still there, or a busy browser has returned an old picture. If the plane
        // moves at another speed than the page reports, it is late again.
        let is_inconclusive = sample.moved > MOVED_MAX || (sample.missing.is_empty() && sample.is_late());
        if !is_inconclusive || attempt == ATTEMPTS {
            break (sample, png);
        }
        attempt += 1;
    };
    if !sample.missing.is_empty() {
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("missing-{name}.png")), png)?;
    }
    Ok(sample)
}

/// Samples until this number of rows is visible, or the time is over. Their number depends on the size of the window,
/// and on the load of the machine.
pub async fn sample_when_filled(page: &Page, name: &str, least_rows: usize) -> Result<Sample> {
    let until = Instant::now() + ROWS_TIMEOUT;
    loop {
        let sample = sample(page, name).await?;
        if sample.expected >= least_rows || !sample.missing.is_empty() || Instant::now() > until {
            return Ok(sample);
        }
        tokio::time::sleep(SAMPLE_PAUSE).await;
    }
}

impl Sample {
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

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, missing, share, faintest, late, moved: _ } = self;
        write!(f, "{} of {expected} rows visible", expected - missing.len())?;
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

fn compare(picture: &Picture, before: &Reading, after: &Reading) -> Sample {
    // The same in both directions, at any pixel density of the screen.
    let scale = picture.width_px as f64 / after.width.max(1.0);
    let lens = before.lens();
    let positions = |reading: &Reading| -> HashMap<u64, PlanePosition> {
        reading.rows.iter().filter_map(|row| Some((row.id, lens.position(&row.area)?))).collect()
    };
    let (earlier, later) = (positions(before), positions(after));
    // The movement of the lowest row that is in both, because rows far up show little of it.
    let both = earlier.iter().filter_map(|(id, position)| Some((position, later.get(id)?)));
    let lowest = both.min_by(|(one, _), (other, _)| one.near.total_cmp(&other.near));
    let Some((from, to)) = lowest else { return Sample::default() };
    let moved_px = to.near - from.near;

    // All rows that may have ink, at their positions in the first reading.
    let new = after.rows.iter().filter(|row| !earlier.contains_key(&row.id));
    let new = new.filter_map(|row| Some((row, later.get(&row.id)?.shifted_back(moved_px))));
    let old = before.rows.iter().filter_map(|row| Some((row, *earlier.get(&row.id)?)));
    let rows: Vec<(&Row, PlanePosition)> = old.chain(new).collect();
    let mut layers: HashMap<Ink, Layer> = HashMap::new();
    for (row, _) in &rows {
        layers.entry(row.ink()).or_insert_with(|| picture.layer(row.ink()));
    }
    let letters = |by: f64| -> f64 {
        let ink = |(row, position): &(&Row, PlanePosition)| {
            let area = lens.area(&position.shifted_back(by).letters()).within(&before.sight);
            area.map_or(0.0, |area| layers[&row.ink()].ink(area.scaled(scale)))
        };
        rows.iter().map(ink).sum()
    };
    // One step past the second reading as well, in case a frame is drawn ahead of the data; the smallest of the best
    // shifts.
    let ahead = (moved_px.max(0.0) / STEP_PX) as i32 + 1;
    let back = (LAG_MAX * before.stage.height() / STEP_PX) as i32;
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
    let mut sample = Sample { faintest: f64::INFINITY, late, moved, ..Sample::default() };
    for (row, position) in rows.iter().filter(|(row, _)| earlier.contains_key(&row.id) && later.contains_key(&row.id)) {
        let area = lens.area(&position.shifted_back(behind_px));
        let Some(clearness) = before.clearness(row, &area, scale, &covers) else { continue };
        let area = area.scaled(scale);
        let layer = &layers[&row.ink()];
        let share = layer.share(area);
        let least = SHARE_MIN * clearness;
        let mut strength = share / least;
        if area.width() > LONG_RATIO * area.height() {
            let faintest = (0..3).map(|number| layer.share(area.third(number))).fold(f64::INFINITY, f64::min);
            strength = strength.min(faintest / (least * THIRD_SHARE_MIN));
        }
        sample.expected += 1;
        sample.share += share;
        sample.faintest = sample.faintest.min(strength);
        if strength < 1.0 {
            sample.missing.push(MissingRow { seq: row.seq, text: row.text.clone(), area, share });
        }
    }
    sample.share /= sample.expected.max(1) as f64;
    if sample.expected == 0 {
        sample.faintest = 0.0;
    }
    sample
}

#[cfg(test)]
mod tests;
