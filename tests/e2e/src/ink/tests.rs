//! Samples of painted pictures.

use anyhow::Context;

use super::*;

const WIDTH_PX: usize = 640;
const HEIGHT_PX: usize = 360;
const YELLOW: Ink = [255, 213, 78];
const PITCH_PX: f64 = 40.0;

/// Like texts: no row is as wide as the next.
const WIDTHS_PX: [f64; 6] = [560.0, 400.0, 520.0, 360.0, 480.0, 440.0];

/// Six rows, one below the other, this far up.
fn reading(up_px: f64) -> Reading {
    let row = |number: usize| {
        let top = 60.0 + PITCH_PX * number as f64 - up_px;
        Row {
            id: number as u64,
            seq: number as u64,
            text: format!("row {number}"),
            area: Area { left: 40.0, top, right: 40.0 + WIDTHS_PX[number], bottom: top + 30.0 },
            ink: Some(YELLOW),
            opacity: 1.0,
        }
    };
    let window = Area { left: 0.0, top: 0.0, right: WIDTH_PX as f64, bottom: HEIGHT_PX as f64 };
    Reading {
        width: WIDTH_PX as f64,
        rows: (0..6).map(row).collect(),
        covers: Vec::new(),
        stage: window,
        sight: window,
        clear: 0.9,
        fade: 1.0,
        perspective: None,
        lean: 0.0,
        center: 320.0,
    }
}

fn black() -> Picture {
    Picture { width_px: WIDTH_PX, pixels: vec![[0; 3]; WIDTH_PX * HEIGHT_PX] }
}

fn paint(picture: &mut Picture, left: usize, top: usize, (width, height): (usize, usize), ink: Ink) {
    for y in top..top + height {
        picture.pixels[y * WIDTH_PX + left..][..width].fill(ink);
    }
}

/// Draws letters as bars, in these rows of a reading.
fn write(picture: &mut Picture, reading: &Reading, rows: impl Iterator<Item = usize>, ink: Ink) {
    for Area { left, top, right, .. } in rows.map(|row| reading.rows[row].area) {
        for letter in (left as usize..right as usize - 12).step_by(14) {
            paint(picture, letter, top as usize + 10, (3, 12), ink);
        }
    }
}

/// Draws a star on one of 60 pixels, in the shades that stars have.
fn scatter_stars(picture: &mut Picture) {
    for star in 0..WIDTH_PX * HEIGHT_PX / 60 {
        let at = star * 7_919 % picture.pixels.len();
        picture.pixels[at] = [[255, 255, 255], [180, 190, 220], [200, 180, 150]][star % 3];
    }
}

fn missing(picture: &Picture, before: &Reading, after: &Reading) -> Vec<u64> {
    compare(picture, before, after).missing.iter().map(|row| row.seq).collect()
}

#[test]
fn painted_rows_are_visible() {
    let reading = reading(0.0);
    for ink in [YELLOW, [184, 153, 56]] {
        let mut picture = black();
        scatter_stars(&mut picture);
        write(&mut picture, &reading, 0..6, ink);
        let sample = compare(&picture, &reading, &reading);
        assert!(sample.missing.is_empty(), "{sample}");
        assert_eq!(sample.expected, 6);
        assert!(sample.check(6).is_ok() && sample.check(7).is_err());
    }
}

#[test]
fn neither_a_black_sky_nor_stars_are_rows() {
    let reading = reading(0.0);
    let mut picture = black();
    assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2, 3, 4, 5]);
    scatter_stars(&mut picture);
    assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2, 3, 4, 5]);
    let white = Row { ink: Some([255; 3]), ..reading.rows[2].clone() };
    let marked = Reading { rows: vec![white], ..reading };
    assert_eq!(missing(&picture, &marked, &marked), [2]);
}

#[test]
fn rows_without_ink_are_reported_as_missing() {
    let reading = reading(0.0);
    let mut picture = black();
    scatter_stars(&mut picture);
    write(&mut picture, &reading, 3..6, YELLOW);
    let sample = compare(&picture, &reading, &reading);
    assert_eq!(missing(&picture, &reading, &reading), [0, 1, 2]);
    let text = sample.to_string();
    assert!(text.contains("3 of 6 rows visible"), "{text}");
    assert!(text.contains("\"row 1\" of message 1 at 40–440 × 100–130"), "{text}");
    assert!(sample.check(0).is_err());
    // The left half of a row that the browser has clipped.
    write(&mut picture, &reading, 0..3, YELLOW);
    paint(&mut picture, 40, 60, (280, 30), [0; 3]);
    assert_eq!(missing(&picture, &reading, &reading), [0]);
}

#[test]
fn a_late_picture_is_matched_by_its_lag() {
    let (before, after) = (reading(10.0), reading(40.0));
    // Between the readings, and long before them.
    for up_px in [30.0, -45.0] {
        let then = reading(up_px);
        let mut picture = black();
        scatter_stars(&mut picture);
        let in_sight = |row: &usize| then.rows[*row].area.bottom < HEIGHT_PX as f64;
        write(&mut picture, &then, (0..6).filter(in_sight), YELLOW);
        let sample = compare(&picture, &before, &after);
        assert!(sample.missing.is_empty(), "{sample}");
        let late = f64::max(10.0 - up_px, 0.0) / HEIGHT_PX as f64;
        assert!((sample.late - late).abs() <= 0.03, "{sample}");
        assert_eq!(sample.check(1).is_ok(), late < LATE_MAX, "{sample}");
        // The next row's ink must not count for a missing one, nor the lower half for the upper one.
        for rows in [&[0, 1, 3, 4, 5][..], &[3, 4, 5]] {
            let mut picture = black();
            write(&mut picture, &then, rows.iter().copied().filter(in_sight), YELLOW);
            let expected: Vec<u64> = (0..6).filter(|row| !rows.contains(&(*row as usize))).collect();
            assert_eq!(missing(&picture, &before, &after), expected, "{up_px}");
        }
    }
    let sample = compare(&black(), &before, &after);
    assert_eq!((sample.missing.len(), sample.expected > 3), (sample.expected, true));
}

#[test]
fn boxes_are_shifted_back_along_the_perspective() -> Result<()> {
    let lean = 25_f64.to_radians();
    let reading = Reading { perspective: Some(350.0), lean, ..reading(0.0) };
    let lens = reading.lens();
    let area = Area { left: 100.0, top: 90.0, right: 280.0, bottom: 120.0 };
    let position = lens.position(&area).context("above the horizon")?;
    let same = lens.area(&position);
    assert!((same.left - area.left).abs() + (same.right - area.right).abs() < 1e-6, "{same:?}");
    assert!((same.top - area.top).abs() + (same.bottom - area.bottom).abs() < 1e-6, "{same:?}");
    // At the lower edge the scale is 1, and the plane has its full lean.
    let near = lens.area(&position.shifted_back(position.near));
    assert!((near.bottom - HEIGHT_PX as f64).abs() < 1e-6 && near.width() > area.width(), "{near:?}");
    assert!(near.height() > area.height(), "{near:?}");
    assert!(lens.up(HEIGHT_PX as f64 - 350.0 * lean.cos() / lean.sin()).is_none(), "the horizon");
    Ok(())
}

#[test]
fn rows_that_cannot_be_visible_are_not_expected() {
    let expected = |reading: &Reading| compare(&black(), reading, reading).expected;
    let plain = reading(0.0);
    assert_eq!(expected(&plain), 6);
    let covers = vec![Area { left: 500.0, top: 0.0, right: 640.0, bottom: 70.0 }];
    assert_eq!(expected(&Reading { covers, ..plain.clone() }), 5);
    // The middle of the first row is 0.79 up, that of the next 0.68.
    assert_eq!(expected(&Reading { clear: 0.6, fade: 0.75, ..plain.clone() }), 4);
    let sight = Area { bottom: 270.0, ..plain.sight };
    assert_eq!(expected(&Reading { sight, ..plain.clone() }), 5);
    let mut dots = plain.clone();
    dots.rows[4].text = ". . . .".to_owned();
    dots.rows[5].area.bottom = dots.rows[5].area.top + 5.0;
    assert_eq!(expected(&dots), 4);
    assert_eq!(expected(&Reading { rows: Vec::new(), ..plain.clone() }), 0);
    // Another column: rows were laid out again between the readings.
    let mut redrawn = plain.clone();
    redrawn.rows.iter_mut().for_each(|row| row.id += 100);
    assert_eq!(compare(&black(), &plain, &redrawn).expected, 0);
}

#[test]
fn a_picture_may_have_more_pixels_than_the_window() -> Result<()> {
    let reading = reading(0.0);
    let mut picture = black();
    write(&mut picture, &reading, 1..6, YELLOW);
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 2 * WIDTH_PX as u32, 2 * HEIGHT_PX as u32);
    encoder.set_color(png::ColorType::Rgba);
    let mut bytes = Vec::new();
    for y in 0..2 * HEIGHT_PX {
        for x in 0..2 * WIDTH_PX {
            let [red, green, blue] = picture.pixels[y / 2 * WIDTH_PX + x / 2];
            bytes.extend([red, green, blue, 255]);
        }
    }
    encoder.write_header()?.write_image_data(&bytes)?;
    let sample = compare(&Picture::read(&png)?, &reading, &reading);
    assert_eq!((sample.missing.len(), sample.missing[0].seq, sample.missing[0].area.top), (1, 0, 120.0));
    Ok(())
}
