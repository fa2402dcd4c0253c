//! Checks the colours of both themes: legible, distinguishable, and all defined in one place.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const THEMES: [&str; 2] = ["light", "dark"];

/// The backgrounds of text.
const BACKGROUNDS: [&str; 5] = ["night", "surface", "surface-high", "surface-hover", "field"];

/// The colours of text, on any of the backgrounds.
const TEXT_COLOURS: [&str; 8] = ["ink", "ink-soft", "gold", "blue", "red", "green", "violet", "warm"];

/// Linear light, 0 to 1.
type Colour = [f64; 3];

fn style() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("style")
}

/// Returns the colours among the tokens: in the light theme, and in the dark one.
fn tokens() -> HashMap<String, [Colour; 2]> {
    let text = fs::read_to_string(style().join("tokens.css")).expect("the tokens");
    let declarations = text.split(';').filter_map(|part| part.rsplit_once("--")?.1.split_once(':'));
    declarations
        .filter_map(|(name, value)| {
            let value = value.trim();
            let pair = value.strip_prefix("light-dark(").and_then(|value| value.strip_suffix(')'));
            let (light, dark) = pair.and_then(|pair| pair.split_once(", ")).unwrap_or((value, value));
            Some((name.trim().to_owned(), [colour(light)?, colour(dark)?]))
        })
        .collect()
}

/// Parses an opaque colour in hex; others are shades and shadows.
fn colour(hex: &str) -> Option<Colour> {
    let digits = hex.strip_prefix('#')?;
    let part = |place: usize| {
        let width = digits.len() / 3;
        let value = f64::from(u8::from_str_radix(&digits[place * width..(place + 1) * width], 16).ok()?);
        let value = value / if width == 1 { 15.0 } else { 255.0 };
        Some(if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
    };
    [3, 6].contains(&digits.len()).then_some([part(0)?, part(1)?, part(2)?])
}

/// Returns the contrast of two colours as WCAG 2 defines it, 1 to 21.
fn contrast(one: Colour, other: Colour) -> f64 {
    let light = |[red, green, blue]: Colour| 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    let (one, other) = (light(one), light(other));
    one.max(other) / one.min(other)
}

/// Checks that every pair has this contrast in both themes.
fn check<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, least: f64) {
    let tokens = tokens();
    for (ink, ground) in pairs {
        for (theme, name) in THEMES.iter().enumerate() {
            let found = contrast(tokens[ink][theme], tokens[ground][theme]);
            assert!(found >= least, "--{ink} on --{ground} has {found:.2} to 1 in the {name} theme, not {least}");
        }
    }
}

#[test]
fn text_has_enough_contrast() {
    check(TEXT_COLOURS.into_iter().flat_map(|ink| BACKGROUNDS.map(|ground| (ink, ground))), 4.5);
    check(
        [
            ("ink", "mark"),
            ("blue", "mark"),
            ("green", "mark"),
            ("ink-faint", "field"),
            ("gold-deep", "gold-fill"),
            ("gold-deep", "gold-fill-hover"),
            ("warm", "warm-ground"),
            ("red", "red-ground"),
        ],
        4.5,
    );
}

#[test]
fn fields_and_focus_have_enough_contrast() {
    check(BACKGROUNDS.into_iter().filter(|ground| *ground != "surface-hover").map(|ground| ("blue", ground)), 3.0);
    check(["field", "surface", "night"].map(|ground| ("edge-field", ground)), 3.0);
}

fn subscriptions() -> Vec<String> {
    (0..8).map(|number| format!("subscription-{number}")).collect()
}

#[test]
fn subscription_colours_have_enough_contrast() {
    let names = subscriptions();
    let pairs =
        names.iter().flat_map(|name| ["night", "surface", "surface-high", "field"].map(|on| (name.as_str(), on)));
    check(pairs, 4.5);
}

/// How people with each kind of dichromacy see linear light, at full severity (Machado, Oliveira and Fernandes, 2009),
/// and how everybody else does.
const VISION_MATRICES: [(&str, [[f64; 3]; 3]); 4] = [
    ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "no red cones",
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
    ),
    (
        "no green cones",
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    ),
    (
        "no blue cones",
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ),
];

/// Converts linear sRGB to CIE L*a*b*, where distances are perceptual.
fn to_lab([red, green, blue]: Colour) -> Colour {
    let root = |value: f64| if value > 0.008_856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 };
    let x = root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.950_47);
    let y = root(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    let z = root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn subscription_colours_differ_with_colour_blindness() {
    // A difference of 2 is just visible side by side; these are far apart.
    const LEAST: f64 = 15.0;
    let tokens = tokens();
    let names = subscriptions();
    for (theme, theme_name) in THEMES.iter().enumerate() {
        for (vision, matrix) in VISION_MATRICES {
            let seen = |name: &String| {
                let light = tokens[name][theme];
                let row = |row: [f64; 3]| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0);
                to_lab(matrix.map(row))
            };
            for (place, one) in names.iter().enumerate() {
                for other in &names[..place] {
                    let apart: f64 = seen(one).iter().zip(seen(other)).map(|(a, b)| (a - b).powi(2)).sum();
                    let apart = apart.sqrt();
                    assert!(apart >= LEAST, "{one} and {other} are {apart:.1} apart, {theme_name}, {vision}");
                }
            }
        }
    }
}

/// A colour defined in another file would stay the same in the other theme. The crawl is a night sky in both.
#[test]
fn colours_are_defined_as_tokens() {
    const NIGHT_SKY: [&str; 3] = ["crawl.css", "opening.css", "stars.css"];
    let mut files = 0;
    for entry in fs::read_dir(style()).expect("the style") {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name == "tokens.css" || NIGHT_SKY.contains(&name.as_str()) {
            continue;
        }
        files += 1;
        let text = fs::read_to_string(&path).expect("a style sheet");
        for (number, line) in (1..).zip(text.lines()) {
            let Some((_, value)) = line.split_once(": ").filter(|_| line.ends_with(';')) else { continue };
            // Under the crawl, in both themes.
            let is_sky = name == "layout.css" && value == "#000;";
            let has_colour = value.contains('#') || ["rgb(", "hsl(", "oklch("].iter().any(|kind| value.contains(kind));
            assert!(is_sky || !has_colour, "{name}:{number}: {value} belongs among the tokens");
        }
    }
    assert!(files > 5, "looked at {files} files only");
}
