//! Where and when lines are placed on the plane. Numbers only.
//!
//! The crawl is one sheet of text, the *plane*, that moves up at a steady speed. This module
//! decides everything about it and draws nothing:
//!
//! | module | decides |
//! |---|---|
//! | [`feed`] | which messages are shown and which are skipped; next to the log |
//! | [`truncate`] | how much of a long message is shown |
//! | [`controller`] | what the crawl does next: all of it, as one state machine |
//! | [`action`] | what the view has to do |
//! | [`opening`] | what is shown before the first message |
//! | [`layout`] | where a line is placed and when it is removed; going back and forward |
//! | [`pacing`] | how fast the plane moves, how close lines are |
//! | [`typeset`], `unicode` | how a line is broken into rows, in any script |
//! | [`quotes`] | which way a quotation mark is curled |
//! | [`stars`] | where the stars are |
//! | [`ambient_sound`] | which chords can sound behind it |
//!
//! All lengths are in em of the crawl's font. The browser multiplies them by a font size that
//! follows the container, so that a resize changes one number and no row loses its place.
//!
//! Invariants:
//! - A row that was placed never moves on the plane; pruning and appending change no other row.
//!   Only a new column width sets the rows again.
//! - At most [`layout::BLOCKS_MAX`] blocks are on the plane, and at most [`layout::PASSED_MAX`] are
//!   remembered, however many messages come.
//! - No clock is read: the time is an argument, and so is the distance that the plane has really
//!   travelled.

pub mod action;
pub mod ambient_sound;
pub mod block;
pub mod controller;
pub mod feed;
pub mod item;
pub mod layout;
pub mod metrics;
pub mod opening;
pub mod pacing;
pub mod quotes;
pub mod stars;
pub mod truncate;
pub mod typeset;
mod unicode;
