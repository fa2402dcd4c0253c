//! The sky behind the crawl.
//!
//! The sky is the same for every visitor: each cell of an endless grid is filled from its own
//! coordinates, so that a larger window shows more of it and no star moves when the window is
//! resized. The distribution of brightness is that of real stars: most are dots at the limit of
//! visibility, and a few have a glow.

/// The window height for which the sizes of the stars are defined …
const HEIGHT_PX: f64 = 720.0;

/// … and the factors by which they get smaller or larger in other windows.
const SCALES: [f64; 2] = [0.9, 2.2];

/// The diameter of a star that is only a dot.
const DOT_PX: f64 = 1.6;

/// The largest diameter, without its glow.
const PX_MAX: f64 = 3.2;

/// The diameter from which a star has a glow around it.
const GLOWS_FROM_PX: f64 = 2.9;

/// A layer of stars at about the same distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// How far it moves up when the view moves down at the end of the opening, in heights of the
    /// window. Near stars move further, which gives the sky depth.
    pub travel: f64,
    /// The edge of a grid cell, in CSS pixels.
    cell_px: f64,
    /// The most stars in a cell.
    stars_per_cell: u64,
    /// The brightness of the faintest star.
    faintest: f64,
    seed: u64,
}

/// The layers of the sky, the farthest first.
pub const LAYERS: [Layer; 2] = [
    Layer { travel: 0.12, cell_px: 62.0, stars_per_cell: 9, faintest: 0.27, seed: 0x5eed_0f57_a25a_11e5 },
    Layer { travel: 0.35, cell_px: 110.0, stars_per_cell: 3, faintest: 0.36, seed: 0x0b5e_55ed_0dd5_ea50 },
];

/// One star.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Star {
    /// Distance to the right of the window's middle, in CSS pixels.
    pub x_px: f64,
    /// Distance from the upper edge of the window, in CSS pixels.
    pub y_px: f64,
    /// Diameter, in CSS pixels of a window of the reference height; see [`scale`].
    pub size_px: f64,
    /// Brightness, above 0 and up to 1.
    pub brightness: f64,
    /// Its colour.
    pub tint: Tint,
}

impl Star {
    /// Whether it is bright enough for a glow around it.
    pub fn glows(&self) -> bool {
        self.size_px >= GLOWS_FROM_PX
    }
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

/// Returns the factor by which stars are drawn larger than [`Star::size_px`] in a window of this
/// height, on a screen with this number of pixels per CSS pixel: large windows are viewed from
/// farther away, and a dot of less than a pixel would only be grey.
pub fn scale(height_px: f64, pixel_ratio: f64) -> f64 {
    let [least, most] = SCALES;
    let scale = (height_px / HEIGHT_PX).sqrt().clamp(least, most);
    scale.max(1.0 / (DOT_PX * pixel_ratio))
}

impl Layer {
    /// Returns its stars in an area of the window's width and of this height, in CSS pixels.
    pub fn in_window(&self, width_px: f64, height_px: f64) -> impl Iterator<Item = Star> {
        let columns = (width_px / 2.0 / self.cell_px).ceil() as i64;
        let rows = (height_px / self.cell_px).ceil() as i64;
        (-columns..columns)
            .flat_map(move |column| (0..rows).map(move |row| (column, row)))
            .flat_map(|(column, row)| self.in_cell(column, row))
            .filter(move |star| star.x_px.abs() <= width_px / 2.0 && star.y_px <= height_px)
    }

    fn in_cell(&self, column: i64, row: i64) -> impl Iterator<Item = Star> {
        let mut chance = SplitMix64::new(self.seed, column, row);
        // Some cells are empty and some are crowded: a uniform sky looks like wallpaper.
        let count = (chance.draw() * (self.stars_per_cell + 1) as f64) as u64;
        (0..count).map(move |_| {
            let x_px = (column as f64 + chance.draw()) * self.cell_px;
            let y_px = (row as f64 + chance.draw()) * self.cell_px;
            // Brighter stars are rarer by the factor's power of 4/3, about as in the real sky. 1 is
            // the maximum brightness of a dot; brighter stars are larger instead, but not discs.
            let root = (1.0 - chance.draw()).sqrt();
            let flux = self.faintest / (root * root.sqrt());
            let tint = match chance.draw() {
                t if t < 0.16 => Tint::Blue,
                t if t > 0.88 => Tint::Amber,
                _ => Tint::White,
            };
            let size_px = (DOT_PX * flux.max(1.0).sqrt().sqrt()).min(PX_MAX);
            Star { x_px, y_px, size_px, brightness: flux.min(1.0), tint }
        })
    }
}

/// A small generator (SplitMix64), seeded by a position in the grid.
struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64, column: i64, row: i64) -> Self {
        let place =
            (column as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (row as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        Self(place ^ seed)
    }

    /// Returns the next number, from 0 (inclusive) to 1 (exclusive).
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

    const SIZES_PX: [(f64, f64); 5] =
        [(390.0, 844.0), (1_280.0, 720.0), (1_920.0, 1_080.0), (2_560.0, 1_440.0), (3_840.0, 2_160.0)];

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
    fn the_sky_is_dense_at_every_size() {
        let count = sky(1_280.0, 720.0).len();
        assert!((1_000..1_500).contains(&count), "{count} stars");
        for (width_px, height_px) in SIZES_PX {
            let stars = sky(width_px, height_px);
            let per_megapixel = stars.len() as f64 / (width_px * height_px) * 1e6;
            assert!((1_100.0..1_600.0).contains(&per_megapixel), "{per_megapixel} at {width_px}x{height_px}");
        }
    }

    #[test]
    fn most_stars_are_faint_and_a_few_are_bright() {
        for (width_px, height_px) in SIZES_PX {
            let stars = sky(width_px, height_px);
            let share = |is_one: &dyn Fn(&Star) -> bool| {
                stars.iter().filter(|star| is_one(star)).count() as f64 / stars.len() as f64
            };
            assert!(stars.iter().all(|star| star.brightness <= 1.0 && star.size_px <= PX_MAX));
            let faint = share(&|star| star.brightness < 0.6);
            assert!((0.55..0.8).contains(&faint), "{faint} are faint at {width_px}x{height_px}");
            let glowing = share(&Star::glows);
            assert!((0.005..0.03).contains(&glowing), "{glowing} glow at {width_px}x{height_px}");
        }
        // 2^(4/3) times as many stars have half of the brightness.
        let stars: Vec<Star> = LAYERS[0].in_window(40_000.0, 20_000.0).collect();
        let brighter = |flux: f64| stars.iter().filter(|star| star.brightness >= flux).count() as f64;
        let ratio = brighter(0.5) / brighter(1.0);
        assert!((2.4..2.65).contains(&ratio), "{ratio}");
    }

    #[test]
    fn no_star_is_smaller_than_a_pixel() {
        for ratio in [0.5, 0.75, 1.0, 1.5, 2.0, 3.0] {
            for (_, height_px) in SIZES_PX {
                assert!(DOT_PX * scale(height_px, ratio) * ratio >= 1.0 - 1e-9, "{height_px} at {ratio}");
            }
        }
        assert!((scale(720.0, 1.0) - 1.0).abs() < 1e-9);
        assert!(scale(1_080.0, 1.0) > 1.2 && scale(2_160.0, 1.0) > 1.7, "a large sky has larger stars");
        assert!(scale(30_000.0, 1.0) <= SCALES[1]);
    }

    #[test]
    fn near_stars_are_fewer_brighter_and_move_further() {
        let [far, near] = &LAYERS;
        let mean = |layer: &Layer| {
            let stars: Vec<Star> = layer.in_window(3_840.0, 2_160.0).collect();
            (stars.iter().map(|star| star.brightness).sum::<f64>() / stars.len() as f64, stars.len())
        };
        let ((far_mean, far_count), (near_mean, near_count)) = (mean(far), mean(near));
        assert!(far_mean < near_mean && far_count > 2 * near_count && far.travel < near.travel);
    }
}
