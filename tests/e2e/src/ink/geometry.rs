//! Boxes on the screen and positions on the plane.

use serde::Deserialize;

/// Between these parts of a row's height, from its upper edge, there are letters.
const LETTERS: [f64; 2] = [0.3, 0.8];

/// Anything nearer to the horizon than this part of its height isn't a row.
const NEAR_HORIZON: f64 = 0.98;

/// A rectangle, in CSS pixels of the window or in pixels of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Area {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

impl Area {
    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn scaled(self, by: f64) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left * by, top: top * by, right: right * by, bottom: bottom * by }
    }

    pub(super) fn touches(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Returns the intersection with another one.
    pub(super) fn within(self, other: &Self) -> Option<Self> {
        let common = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        };
        self.touches(other).then_some(common)
    }

    /// Returns one third of its width.
    pub(super) fn third(self, number: u32) -> Self {
        let left = self.left + self.width() * f64::from(number) / 3.0;
        Self { left, right: left + self.width() / 3.0, ..self }
    }
}

/// The projection of the plane on the stage.
#[derive(Clone, Copy)]
pub(super) struct Lens {
    pub(super) distance_px: f64,
    pub(super) sin: f64,
    pub(super) cos: f64,
    pub(super) center: f64,
    pub(super) bottom: f64,
}

/// A row's position on the plane: the distances of its edges from the stage's lower edge, and of its ends from the
/// middle, in CSS pixels before perspective.
#[derive(Clone, Copy)]
pub(super) struct PlanePosition {
    pub(super) far: f64,
    pub(super) near: f64,
    pub(super) left: f64,
    pub(super) right: f64,
}

impl Lens {
    /// At this distance everything is flat.
    pub(super) const FLAT_PX: f64 = 1e9;

    /// Returns the scale at which something this far up is shown.
    pub(super) fn scale(&self, up: f64) -> f64 {
        self.distance_px / (self.distance_px + up * self.sin)
    }

    /// Returns the position on the plane that is shown at this height of the window.
    pub(super) fn up(&self, y: f64) -> Option<f64> {
        let height = self.bottom - y;
        let left = self.distance_px * self.cos - height * self.sin;
        (left > (1.0 - NEAR_HORIZON) * self.distance_px * self.cos).then(|| height * self.distance_px / left)
    }

    pub(super) fn position(&self, area: &Area) -> Option<PlanePosition> {
        let (far, near) = (self.up(area.top)?, self.up(area.bottom)?);
        let (far_scale, near_scale) = (self.scale(far), self.scale(near));
        // A box encloses a row that is wider at its lower edge.
        let (left, right) = (area.left - self.center, area.right - self.center);
        let left = left / if left < 0.0 { near_scale } else { far_scale };
        let right = right / if right > 0.0 { near_scale } else { far_scale };
        Some(PlanePosition { far, near, left, right })
    }

    /// Returns the box of a row in a picture with this number of pixels per CSS pixel.
    pub(super) fn area(&self, position: &PlanePosition) -> Area {
        let (far_scale, near_scale) = (self.scale(position.far), self.scale(position.near));
        Area {
            left: self.center + position.left * if position.left < 0.0 { near_scale } else { far_scale },
            top: self.bottom - position.far * self.cos * far_scale,
            right: self.center + position.right * if position.right > 0.0 { near_scale } else { far_scale },
            bottom: self.bottom - position.near * self.cos * near_scale,
        }
    }
}

impl PlanePosition {
    pub(super) fn shifted_back(self, by: f64) -> Self {
        Self { far: self.far - by, near: self.near - by, ..self }
    }

    /// Returns the part that has letters.
    pub(super) fn letters(self) -> Self {
        let [from, to] = LETTERS.map(|part| self.far + (self.near - self.far) * part);
        Self { far: from, near: to, ..self }
    }
}
