//! The sky behind the crawl.
//!
//! The same sky for everybody: each cell of an endless grid is filled from its
//! own coordinates, so that a larger window shows more of it and no star ever
//! moves when the window does.

/// Edge of a grid cell, in CSS pixels.
const CELL_PX: f64 = 80.0;

/// The most stars in a cell.
const STARS_PER_CELL: u64 = 3;

/// One star.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Star {
    /// Distance from the middle of the window to the right, in CSS pixels.
    pub x_px: f64,
    /// Distance from the upper edge of the window, in CSS pixels.
    pub y_px: f64,
    /// Diameter, in CSS pixels.
    pub size_px: f64,
    /// How bright, above 0 and up to 1.
    pub brightness: f64,
    /// Its colour.
    pub tint: Tint,
}

/// The colour of a star. Most look white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Neutral.
    White,
    /// Hot.
    Blue,
    /// Cool.
    Amber,
}

/// The stars that a window of this size shows, in CSS pixels.
pub fn in_window(width_px: f64, height_px: f64) -> impl Iterator<Item = Star> {
    let columns = (width_px / 2.0 / CELL_PX).ceil() as i64;
    let rows = (height_px / CELL_PX).ceil() as i64;
    (-columns..columns)
        .flat_map(move |column| (0..rows).map(move |row| (column, row)))
        .flat_map(|(column, row)| in_cell(column, row))
        .filter(move |star| star.x_px.abs() <= width_px / 2.0 && star.y_px <= height_px)
}

fn in_cell(column: i64, row: i64) -> impl Iterator<Item = Star> {
    let mut chance = Chance::new(column, row);
    // Squared, so that some cells are empty and some are crowded: an even sky
    // looks like wallpaper.
    let count = (chance.draw().powi(2) * (STARS_PER_CELL + 1) as f64) as u64;
    (0..count).map(move |_| {
        let x_px = (column as f64 + chance.draw()) * CELL_PX;
        let y_px = (row as f64 + chance.draw()) * CELL_PX;
        // Faint ones are by far the most.
        let magnitude = chance.draw().powi(4);
        let tint = match chance.draw() {
            t if t < 0.12 => Tint::Blue,
            t if t > 0.92 => Tint::Amber,
            _ => Tint::White,
        };
        Star { x_px, y_px, size_px: 0.9 + 1.3 * magnitude, brightness: 0.22 + 0.7 * magnitude, tint }
    })
}

/// A small generator (SplitMix64), seeded by a place in the grid.
struct Chance(u64);

impl Chance {
    fn new(column: i64, row: i64) -> Self {
        let place =
            (column as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (row as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        Self(place ^ 0x5eed_0f57_a25a_11e5)
    }

    /// The next number, from 0 up to but without 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_window_keeps_every_star() {
        let small: Vec<Star> = in_window(390.0, 844.0).collect();
        let large: Vec<Star> = in_window(1_920.0, 1_080.0).collect();
        assert!(small.iter().all(|star| large.contains(star)));
        assert!(large.len() > small.len());
    }

    #[test]
    fn the_sky_is_neither_bare_nor_crowded() {
        let count = in_window(1_280.0, 720.0).count();
        assert!((90..320).contains(&count), "{count} stars");
    }

    #[test]
    fn stars_are_small_and_faint_for_the_most_part() {
        let stars: Vec<Star> = in_window(3_840.0, 2_160.0).collect();
        let bright = stars.iter().filter(|star| star.brightness > 0.6).count();
        assert!(stars.iter().all(|star| star.size_px <= 2.2 && star.brightness <= 0.92));
        assert!(bright > 0 && bright * 5 < stars.len(), "{bright} of {}", stars.len());
    }
}
