//! The colours of a screenshot.

use std::io::Cursor;

use anyhow::{Context, Result};

use super::geometry::Area;

/// A pixel has ink if its brightness is at least this part of the ink's …
const LEAST_INK: f64 = 0.12;

/// … and its colour differs from it by no more than this part of its brightness.
const FARTHEST_COLOUR: f64 = 0.25;

/// A colour: red, green, blue.
pub(super) type Ink = [u8; 3];

/// A picture in colours.
pub(super) struct Picture {
    pub(super) width_px: usize,
    /// Red, green, blue; row by row.
    pub(super) pixels: Vec<Ink>,
}

impl Picture {
    pub(super) fn read(png: &[u8]) -> Result<Self> {
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
    pub(super) fn layer(&self, ink: Ink) -> Layer {
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
pub(super) fn coverage(pixel: Ink, ink: Ink) -> u8 {
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
pub(super) struct Layer {
    /// One more than the picture's width.
    width: usize,
    sums: Vec<u32>,
}

impl Layer {
    /// Returns the number of ink pixels in a box; outside the picture there are none.
    pub(super) fn ink(&self, area: Area) -> f64 {
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
    pub(super) fn share(&self, area: Area) -> f64 {
        self.ink(area) / (area.width() * area.height()).max(1.0)
    }
}
