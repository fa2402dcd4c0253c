//! Paints the stars. Once a size: they don't twinkle, they stand.

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement};

use crate::crawl::stars::{LAYERS, Layer, Tint};
use crate::web::css::decimal;

/// Paints a sky for a window of this size, in CSS pixels, at the screen's
/// resolution: each layer on one of the canvases in `sky`, the farthest first.
pub fn paint(sky: &Element, width_px: f64, height_px: f64, pixel_ratio: f64) {
    let canvases = sky.children();
    for (place, layer) in LAYERS.iter().enumerate() {
        let canvas = canvases.item(place as u32).map(JsCast::unchecked_into::<HtmlCanvasElement>);
        // Refused only where there is no memory for it, and then the sky is black.
        let _ = canvas.and_then(|canvas| paint_layer(layer, &canvas, width_px, height_px, pixel_ratio));
    }
}

fn paint_layer(
    layer: &Layer,
    canvas: &HtmlCanvasElement,
    width_px: f64,
    height_px: f64,
    pixel_ratio: f64,
) -> Option<()> {
    // Twice the resolution is as sharp as a round dot needs, and a canvas of
    // three times the pixels costs nine times the memory.
    let scale = pixel_ratio.clamp(1.0, 2.0);
    let height_px = height_px * (1.0 + layer.travel);
    canvas.style().set_property("--travel", &decimal(layer.travel)).ok()?;
    canvas.set_width((width_px * scale) as u32);
    canvas.set_height((height_px * scale) as u32);
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.unchecked_into();
    context.scale(scale, scale).ok()?;
    for star in layer.in_window(width_px, height_px) {
        let rgb = match star.tint {
            Tint::White => "238 240 248",
            Tint::Blue => "176 204 255",
            Tint::Amber => "255 222 178",
        };
        context.set_fill_style_str(&format!("rgb({rgb} / {})", decimal(star.brightness)));
        context.begin_path();
        let x_px = width_px / 2.0 + star.x_px;
        context.arc(x_px, star.y_px, star.size_px / 2.0, 0.0, std::f64::consts::TAU).ok()?;
        context.fill();
    }
    Some(())
}
