//! Paints the stars. Once a size: they don't twinkle, they stand.
//!
//! As pictures of circles, and not on canvases: a canvas is a layer of its own,
//! to be laid over the others for every frame in which the plane moves, while a
//! ground that stands still is of one piece with what it stands on.

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use crate::crawl::stars::{LAYERS, Layer, Tint};
use crate::web::css::decimal;

/// Paints a sky for a window of this size, in CSS pixels: each layer on one of
/// the elements in each of the `skies`, the farthest first.
pub fn paint(skies: &[Element], width_px: f64, height_px: f64) {
    for (place, layer) in LAYERS.iter().enumerate() {
        let (travel, picture) = (decimal(layer.travel), picture(layer, width_px, height_px));
        for sky in skies {
            let Some(element) = sky.children().item(place as u32) else { continue };
            let style = element.unchecked_into::<HtmlElement>().style();
            // Properties and words of ours are always understood.
            let _ = style.set_property("--travel", &travel);
            let _ = style.set_property("background-image", &picture);
        }
    }
}

/// A layer's stars as a style sheet names a picture.
fn picture(layer: &Layer, width_px: f64, height_px: f64) -> String {
    let height_px = height_px * (1.0 + layer.travel);
    let [left, width, height] = [-width_px / 2.0, width_px, height_px].map(decimal);
    let mut picture = format!(
        "url(\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='{left} 0 {width} {height}' \
         width='{width}' height='{height}'>"
    );
    for star in layer.in_window(width_px, height_px) {
        let rgb = match star.tint {
            Tint::White => "238 240 248",
            Tint::Blue => "176 204 255",
            Tint::Amber => "255 222 178",
        };
        let [x, y, radius, brightness] = [star.x_px, star.y_px, star.size_px / 2.0, star.brightness].map(decimal);
        picture += &format!("<circle cx='{x}' cy='{y}' r='{radius}' fill='rgb({rgb} / {brightness})'/>");
    }
    picture + "</svg>\")"
}
