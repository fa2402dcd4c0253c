//! Where and when lines stand on the plane. Numbers only.
//!
//! The crawl is one sheet of text, the *plane*, that moves up at a steady
//! speed. This module decides everything about it and draws nothing: how a
//! message is broken into rows ([`typeset`]), how fast the plane moves
//! ([`pacing`]), where a row is put and when it goes ([`plane`]), what is told
//! before the first message ([`opening`]), and where the stars are
//! ([`stars`]).
//!
//! All lengths are in em of the crawl's font. The browser multiplies them by a
//! font size that follows the container, so that a resize changes one number
//! and no row loses its place.
//!
//! Invariants:
//! - A row that was placed never moves on the plane; pruning and appending
//!   touch nobody else.
//! - At most [`plane::MAX_BLOCKS`] blocks stand on the plane, however many
//!   messages come.
//! - No clock is read: the time comes as an argument, and so does the distance
//!   that the plane has really travelled.

pub mod opening;
pub mod pacing;
pub mod plane;
pub mod stars;
pub mod typeset;

/// Distance between two baselines, in em.
pub const ROW_EM: f64 = 1.3;

/// How many rows a line of dialogue takes on average; used for lines that
/// still wait in the worker and that nobody has measured yet.
pub const ROWS_PER_LINE: f64 = 1.8;
