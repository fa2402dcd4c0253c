//! Compares pictures of the page with reviewed ones in `tests/screenshots/`, a folder for each engine.
//!
//! They are compared like by an eye at a distance: a quarter of a megapixel or less, in shades of grey, each shade
//! averaged with its neighbours. The differences of edges and shadows between two builds of a browser are below
//! `UNSEEN`; a line that is a few pixels off, another letter, size or colour isn't.

use std::cell::Cell;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::page::Page;
use crate::{eventually, root};

/// If this variable is set, pictures are saved instead of compared.
const KEEP: &str = "MQTT_CRAWL_KEEP_PICTURES";

/// A picture that is taken this many times in a row shows the final state of the page.
const SAME_PICTURES: u32 = 6;

/// The approximate number of pixels of a picture that is saved and compared.
const PIXELS: u32 = 130_000;

/// Two shades, of 256, that differ by no more look the same.
const UNSEEN: u8 = 40;

/// The part of a picture that may look different, in thousandths: a star, or the edge of a letter.
const TOLERATED: f64 = 2.0;

/// A picture in shades of grey.
#[derive(Clone, Debug)]
pub struct Shades {
    width_px: usize,
    shades: Vec<u8>,
}

/// The browser's output for a picture.
#[derive(Deserialize)]
struct Small {
    /// In full colour, as PNG.
    png: String,
    /// Its width in pixels.
    width: usize,
    /// Its shades, row by row.
    shades: String,
}

/// Returns a picture (PNG) of a page in which nothing moves. A recent change may appear on screen a moment later, so
/// the picture must stay the same.
///
/// # Errors
/// Fails when something moves.
pub async fn of_still(page: &Page) -> Result<Vec<u8>> {
    let latest = Cell::new((Vec::new(), 0));
    eventually("a picture that stays", async || {
        let png = page.browser().client().screenshot().await?;
        let (before, count) = latest.take();
        let count = if png == before { count + 1 } else { 1 };
        latest.set((png.clone(), count));
        Ok((count == SAME_PICTURES).then_some(png))
    })
    .await
}

/// Compares a picture (PNG, any size) with the one saved under this name.
///
/// # Errors
/// Fails when one would see a difference; the new picture is then in `target/screenshots/`.
pub async fn check(page: &Page, name: &str, png: &[u8]) -> Result<()> {
    let folder = root().join("tests/screenshots").join(page.browser().engine().to_string().to_lowercase());
    let kept = folder.join(format!("{name}.png"));
    let found = small(page, png).await?;
    let found_png = BASE64_STANDARD.decode(&found.png)?;
    if std::env::var_os(KEEP).is_some() {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&kept, found_png)?;
        return Ok(());
    }
    let expected = std::fs::read(&kept).with_context(|| format!("reading {}; {KEEP}=1 keeps one", kept.display()))?;
    let expected = small(page, &expected).await?;
    let differs = Shades::read(&found)?.difference(&Shades::read(&expected)?);
    println!("{name}: {differs:.2} of 1,000 look different");
    if differs > TOLERATED {
        let path = save(name, &found_png)?;
        bail!("{} looks different from {}: {differs:.1} of 1,000", path.display(), kept.display());
    }
    Ok(())
}

fn save(name: &str, png: &[u8]) -> Result<PathBuf> {
    let folder = crate::target().join("screenshots");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("differs-{name}.png"));
    std::fs::write(&path, png)?;
    Ok(path)
}

/// Lets the browser decode and scale the picture, so that no decoder has to be built for it. It uses an empty page,
/// because the app's own policy doesn't allow pictures.
async fn small(page: &Page, png: &[u8]) -> Result<Small> {
    let script = "
        const [data, pixels, done] = arguments;
        const image = new Image();
        image.onerror = () => done(null);
        image.onload = () => {
            // What was kept has its size.
            const scale = Math.min(1, Math.sqrt(pixels / (image.width * image.height)));
            const [width, height] = [image.width, image.height].map((px) => Math.round(px * scale));
            const canvas = document.createElement('canvas');
            Object.assign(canvas, { width, height });
            const context = canvas.getContext('2d', { willReadFrequently: true });
            context.imageSmoothingQuality = 'high';
            context.drawImage(image, 0, 0, width, height);
            const image_data = context.getImageData(0, 0, width, height);
            const { data } = image_data;
            let shades = '';
            for (let at = 0; at < data.length; at += 4) {
                const shade = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
                shades += String.fromCharCode(Math.round(shade));
                data.fill(shade, at, at + 3);
            }
            context.putImageData(image_data, 0, 0);
            done({ width, png: canvas.toDataURL('image/png').split(',')[1], shades: btoa(shades) });
        };
        image.src = `data:image/png;base64,${data}`;";
    let app = page.tab().await?;
    page.open_tab().await?;
    let arguments = vec![json!(BASE64_STANDARD.encode(png)), json!(PIXELS)];
    let answer = page.browser().client().execute_async(script, arguments).await?;
    page.browser().client().close_window().await?;
    page.go_to(&app).await?;
    serde_json::from_value(answer).context("that is no picture")
}

impl Shades {
    fn read(small: &Small) -> Result<Self> {
        let shades = BASE64_STANDARD.decode(&small.shades)?;
        let width_px = small.width;
        ensure!(shades.len().is_multiple_of(width_px), "the last row isn't whole");
        Ok(Self { width_px, shades })
    }

    /// Returns the part that looks different, in thousandths of the pixels that aren't the same black in both.
    pub fn difference(&self, other: &Self) -> f64 {
        if (self.width_px, self.shades.len()) != (other.width_px, other.shades.len()) {
            return 1_000.0;
        }
        let (mut differ, mut all) = (0.0, 1.0);
        for at in 0..self.shades.len() {
            let (mine, theirs) = (self.around(at), other.around(at));
            if mine > UNSEEN / 2 || theirs > UNSEEN / 2 {
                all += 1.0;
            }
            if mine.abs_diff(theirs) > UNSEEN {
                differ += 1.0;
            }
        }
        1_000.0 * differ / all
    }

    /// Returns the average of a pixel and its neighbours.
    fn around(&self, at: usize) -> u8 {
        let (x, y) = (at % self.width_px, at / self.width_px);
        let height_px = self.shades.len() / self.width_px;
        let (mut sum, mut count) = (0, 0);
        for row in y.saturating_sub(1)..(y + 2).min(height_px) {
            for column in x.saturating_sub(1)..(x + 2).min(self.width_px) {
                sum += u32::from(self.shades[row * self.width_px + column]);
                count += 1;
            }
        }
        // An average of bytes is a byte.
        (sum / count) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws bars of a letter's width, from this position on.
    fn bars(from_px: usize, shade: u8) -> Shades {
        let width_px = 120;
        let is_bar = |at: usize| (at % width_px + 120 - from_px) % 12 < 4 && at / width_px > 20;
        let shades = (0..width_px * 60).map(|at| if is_bar(at) { shade } else { 0 }).collect();
        Shades { width_px, shades }
    }

    fn differs(a: &Shades, b: &Shades) -> bool {
        a.difference(b) > TOLERATED
    }

    #[test]
    fn moved_shapes_differ_and_noise_does_not() {
        let picture = bars(3, 220);
        assert_eq!(picture.difference(&picture), 0.0);
        let mut noisy = picture.clone();
        for (at, shade) in noisy.shades.iter_mut().enumerate() {
            *shade = shade.saturating_add((at % 17) as u8);
        }
        assert!(!differs(&picture, &noisy));
        assert!(!differs(&picture, &bars(3, 200)), "a little darker");
        assert!(differs(&picture, &bars(4, 220)), "one pixel of 120 aside");
        assert!(differs(&picture, &bars(3, 140)), "much darker");
        assert!(differs(&picture, &Shades { width_px: 60, shades: picture.shades.clone() }), "another shape");
        assert!(differs(&picture, &Shades { width_px: 120, shades: vec![0; 7_200] }), "nothing");
    }
}
