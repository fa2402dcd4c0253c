//! Paints the stars. Once a size: they don't twinkle, they stand.

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use crate::crawl::stars::{self, Tint};
use crate::web::css::decimal;

/// Paints a sky of this size, in CSS pixels, at the screen's resolution.
pub fn paint(canvas: &HtmlCanvasElement, width_px: f64, height_px: f64, pixel_ratio: f64) {
    // Twice the resolution is as sharp as a round dot needs, and a canvas of
    // three times the pixels costs nine times the memory.
    let scale = pixel_ratio.clamp(1.0, 2.0);
    canvas.set_width((width_px * scale) as u32);
    canvas.set_height((height_px * scale) as u32);
    let Some(context) = context(canvas) else { return };
    if context.scale(scale, scale).is_err() {
        return;
    }
    for star in stars::in_window(width_px, height_px) {
        let rgb = match star.tint {
            Tint::White => "238 240 248",
            Tint::Blue => "176 204 255",
            Tint::Amber => "255 222 178",
        };
        context.set_fill_style_str(&format!("rgb({rgb} / {})", decimal(star.brightness)));
        context.begin_path();
        let x_px = width_px / 2.0 + star.x_px;
        if context.arc(x_px, star.y_px, star.size_px / 2.0, 0.0, std::f64::consts::TAU).is_ok() {
            context.fill();
        }
    }
}

fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}
