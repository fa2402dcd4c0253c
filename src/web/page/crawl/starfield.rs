//! Paints the stars, once for each size: they don't twinkle or move.
//!
//! They are pictures of dots and not canvases: a canvas is a layer of its own that has to be
//! composited for every frame in which the plane moves, while a background that doesn't move is
//! part of its element's layer.

use std::fmt::Write;

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use crate::crawl::stars::{self, LAYERS, Layer, Tint};
use crate::web::css::decimal;

/// Units of a picture for a CSS pixel. Positions and sizes are whole numbers of units, because a
/// sky has thousands of stars and short numbers keep it small.
const UNITS: f64 = 8.0;

/// Steps of brightness. Dots of the same brightness and size are one path.
const STEPS: f64 = 12.0;

/// The radius of a glow, in diameters of its star.
const GLOW_RADIUS: f64 = 3.6;

/// Paints a sky for a window of this size, in CSS pixels: each layer on one of the elements in each
/// of the `skies`, the farthest first.
pub fn paint(skies: &[Element], width_px: f64, height_px: f64) {
    let pixel_ratio = web_sys::window().map_or(1.0, |window| window.device_pixel_ratio());
    let scale = stars::scale(height_px, pixel_ratio);
    for (place, layer) in LAYERS.iter().enumerate() {
        let (travel, picture) = (decimal(layer.travel), picture(layer, width_px, height_px, scale));
        for sky in skies {
            let Some(element) = sky.children().item(place as u32) else { continue };
            let style = element.unchecked_into::<HtmlElement>().style();
            // Our own properties and values are always accepted.
            let _ = style.set_property("--travel", &travel);
            let _ = style.set_property("background-image", &picture);
        }
    }
}

/// Returns a layer's stars as an image for a style sheet.
fn picture(layer: &Layer, width_px: f64, height_px: f64, scale: f64) -> String {
    let height_px = height_px * (1.0 + layer.travel);
    let units = |px: f64| (px * UNITS).round() as u32;
    // Writing to a string never fails.
    let mut picture = format!(
        "url(\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' width='{}' height='{}' \
         stroke-linecap='round'>",
        units(width_px),
        units(height_px),
        decimal(width_px),
        decimal(height_px)
    );
    for (tint, rgb) in TINTS {
        let _ = write!(
            picture,
            "<radialGradient id='g{}'><stop stop-color='rgb({rgb} / .48)'/><stop offset='.25' stop-color='rgb({rgb} / \
             .15)'/><stop offset='.6' stop-color='rgb({rgb} / .04)'/><stop offset='1' stop-color='rgb({rgb} / \
             0)'/></radialGradient>",
            tint as u8
        );
    }
    // A dot is a line of almost no length with round ends. There are few kinds, and a map would be
    // more code to download.
    let mut paths: Vec<((u8, u32, u32), String)> = Vec::new();
    for star in layer.in_window(width_px, height_px) {
        let (x, y) = (units(star.x_px + width_px / 2.0), units(star.y_px));
        let size_px = star.size_px * scale;
        if star.glows() {
            let (tint, radius) = (star.tint as u8, units(size_px * GLOW_RADIUS));
            let _ = write!(picture, "<circle cx='{x}' cy='{y}' r='{radius}' fill='url(%23g{tint})'/>");
        }
        let kind = (star.tint as u8, (star.brightness * STEPS).round() as u32, units(size_px));
        let place = paths.iter().position(|(other, _)| *other == kind).unwrap_or(paths.len());
        if place == paths.len() {
            paths.push((kind, String::new()));
        }
        let _ = write!(paths[place].1, "M{x} {y}h.1");
    }
    for ((tint, step, size), path) in paths {
        let (_, rgb) = TINTS[usize::from(tint)];
        let brightness = decimal(f64::from(step) / STEPS);
        let _ = write!(picture, "<path d='{path}' stroke-width='{size}' stroke='rgb({rgb} / {brightness})'/>");
    }
    picture + "</svg>\")"
}

/// Red, green and blue of the colours, in their order.
const TINTS: [(Tint, &str); 3] =
    [(Tint::White, "238 240 248"), (Tint::Blue, "176 204 255"), (Tint::Amber, "255 222 178")];
