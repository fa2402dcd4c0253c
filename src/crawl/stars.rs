//! The sky behind the crawl.
//!
//! The same sky for everybody: each cell of an endless grid is filled from its
//! own coordinates, so that a larger window shows more of it and no star ever
//! moves when the window does.

/// Stars at about the same distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// How far it comes up when the eye goes down at the end of the opening, in
    /// heights of the window. Near stars go further, and so the sky has depth.
    pub travel: f64,
    /// Edge of a grid cell, in CSS pixels.
    cell_px: f64,
    /// The most stars in a cell.
    stars_per_cell: u64,
    /// Diameters of the smallest and the largest, in CSS pixels.
    sizes_px: [f64; 2],
    /// Brightness of the faintest and the brightest.
    brightness: [f64; 2],
    seed: u64,
}

/// The layers of the sky, the farthest first.
pub const LAYERS: [Layer; 2] = [
    Layer {
        travel: 0.12,
        cell_px: 62.0,
        stars_per_cell: 3,
        sizes_px: [0.8, 1.4],
        brightness: [0.18, 0.6],
        seed: 0x5eed_0f57_a25a_11e5,
    },
    Layer {
        travel: 0.35,
        cell_px: 110.0,
        stars_per_cell: 2,
        sizes_px: [1.1, 2.3],
        brightness: [0.3, 0.95],
        seed: 0x0b5e_55ed_0dd5_ea50,
    },
];

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

impl Layer {
    /// Its stars in an area as wide as the window and as high as this, in CSS
    /// pixels.
    pub fn in_window(&self, width_px: f64, height_px: f64) -> impl Iterator<Item = Star> {
        let columns = (width_px / 2.0 / self.cell_px).ceil() as i64;
        let rows = (height_px / self.cell_px).ceil() as i64;
        (-columns..columns)
            .flat_map(move |column| (0..rows).map(move |row| (column, row)))
            .flat_map(|(column, row)| self.in_cell(column, row))
            .filter(move |star| star.x_px.abs() <= width_px / 2.0 && star.y_px <= height_px)
    }

    fn in_cell(&self, column: i64, row: i64) -> impl Iterator<Item = Star> {
        let mut chance = Chance::new(self.seed, column, row);
        // Squared, so that some cells are empty and some are crowded: an even sky
        // looks like wallpaper.
        let count = (chance.draw().powi(2) * (self.stars_per_cell + 1) as f64) as u64;
        let between = |[least, most]: [f64; 2], share: f64| least + (most - least) * share;
        (0..count).map(move |_| {
            let x_px = (column as f64 + chance.draw()) * self.cell_px;
            let y_px = (row as f64 + chance.draw()) * self.cell_px;
            // Faint ones are by far the most.
            let magnitude = chance.draw().powi(4);
            let tint = match chance.draw() {
                t if t < 0.12 => Tint::Blue,
                t if t > 0.92 => Tint::Amber,
                _ => Tint::White,
            };
            let (size_px, brightness) = (between(self.sizes_px, magnitude), between(self.brightness, magnitude));
            Star { x_px, y_px, size_px, brightness, tint }
        })
    }
}

/// A small generator (SplitMix64), seeded by a place in the grid.
struct Chance(u64);

impl Chance {
    fn new(seed: u64, column: i64, row: i64) -> Self {
        let place =
            (column as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (row as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        Self(place ^ seed)
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

    fn sky(width_px: f64, height_px: f64) -> Vec<Star> {
        LAYERS.iter().flat_map(|layer| layer.in_window(width_px, height_px)).collect()
    }

    #[test]
    fn a_larger_window_keeps_every_star() {
        let (small, large) = (sky(390.0, 844.0), sky(1_920.0, 1_080.0));
        assert!(small.iter().all(|star| large.contains(star)));
        assert!(large.len() > small.len());
    }

    #[test]
    fn the_sky_is_neither_bare_nor_crowded() {
        let count = sky(1_280.0, 720.0).len();
        assert!((150..400).contains(&count), "{count} stars");
    }

    #[test]
    fn stars_are_small_and_faint_for_the_most_part() {
        let stars = sky(3_840.0, 2_160.0);
        let bright = stars.iter().filter(|star| star.brightness > 0.6).count();
        assert!(stars.iter().all(|star| star.size_px <= 2.3 && star.brightness <= 0.95));
        assert!(bright > 0 && bright * 5 < stars.len(), "{bright} of {}", stars.len());
    }

    #[test]
    fn near_stars_are_fewer_and_larger_and_go_further() {
        let [far, near] = &LAYERS;
        let mean_px = |layer: &Layer| {
            let stars: Vec<Star> = layer.in_window(3_840.0, 2_160.0).collect();
            (stars.iter().map(|star| star.size_px).sum::<f64>() / stars.len() as f64, stars.len())
        };
        let ((far_px, far_count), (near_px, near_count)) = (mean_px(far), mean_px(near));
        assert!(far_px < near_px && far_count > 2 * near_count && far.travel < near.travel);
    }
}
