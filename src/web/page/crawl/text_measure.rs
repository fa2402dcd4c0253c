//! Measures text with the page's real fonts.

use std::collections::HashMap;

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, Document, HtmlCanvasElement};

/// The crawl's font, as in style/crawl.css.
pub const BODY_FONT: &str = r#"700 100px "News Cycle", "Libre Franklin", system-ui, sans-serif"#;

/// The title's font, as in style/opening.css.
pub const TITLE_FONT: &str = r#"400 100px "League Gothic", "Libre Franklin", system-ui, sans-serif"#;

/// Size in the descriptors above.
const MEASURED_AT_PX: f64 = 100.0;

/// The largest number of remembered words; dialogue repeats itself.
const REMEMBERED_WORDS: usize = 4_096;

/// Measures text without touching the page's layout.
pub struct TextMeasurer {
    context: CanvasRenderingContext2d,
    /// `letter-spacing` of the style, in em.
    tracking_em: f64,
    remembered: HashMap<String, f64>,
}

impl TextMeasurer {
    /// `None` in a browser without a 2D canvas.
    pub fn new(document: &Document, font: &str, tracking_em: f64) -> Option<Self> {
        let canvas = document.create_element("canvas").ok()?.dyn_into::<HtmlCanvasElement>().ok()?;
        let context = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
        context.set_font(font);
        Some(Self { context, tracking_em, remembered: HashMap::new() })
    }

    /// Returns the width of the text, in em.
    pub fn measure(&mut self, text: &str) -> f64 {
        if let Some(width_em) = self.remembered.get(text) {
            return *width_em;
        }
        let width_px = self.context.measure_text(text).map_or(0.0, |metrics| metrics.width());
        let width_em = width_px / MEASURED_AT_PX + self.tracking_em * text.chars().count() as f64;
        if self.remembered.len() >= REMEMBERED_WORDS {
            self.remembered.clear();
        }
        self.remembered.insert(text.to_owned(), width_em);
        width_em
    }

    /// Forgets all widths, because another font has loaded and they may be wrong.
    pub fn forget(&mut self) {
        self.remembered.clear();
    }
}
