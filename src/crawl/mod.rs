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

pub mod ambient_sound;
pub mod controller;
pub mod feed;
pub mod item;
pub mod layout;
pub mod opening;
pub mod pacing;
pub mod quotes;
pub mod stars;
pub mod truncate;
pub mod typeset;
mod unicode;

use crate::crawl::item::CrawlItem;
use crate::crawl::layout::Key;

/// Distance between two baselines, in em.
pub const ROW_EM: f64 = 1.3;

/// The average number of rows in a line of dialogue; used for lines that haven't been measured yet.
pub const ROWS_PER_LINE: f64 = 1.8;

/// One thing that can be on the plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockContent {
    /// A message's line, or a skip notice.
    Item(CrawlItem),
    /// The line above the title.
    Episode(String),
    /// The title.
    Title(String),
    /// The introduction.
    Intro(String),
}

/// The actions that the view carries out, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Subtract `shift_em` from every placed block's top and from the offset, in one task: nothing
    /// on screen moves.
    Rebase {
        /// The distance in em; it may be negative.
        shift_em: f64,
    },
    /// Move the plane there: the person goes back or forward.
    Seek {
        /// The plane's offset, in em.
        offset_em: f64,
    },
    /// Remove the block: it is out of sight.
    Remove {
        /// The block's key.
        key: Key,
    },
    /// Place the block there.
    Place {
        /// The block's key; [`controller::CrawlController::block`] returns its content.
        key: Key,
        /// Its upper edge on the plane, in em.
        top_em: f64,
    },
    /// Set the animation's playback rate.
    SetRate(f64),
    /// Start or stop the plane.
    SetMotion(Motion),
    /// Add this to the flat transcript.
    AddToTranscript(BlockContent),
}

/// The plane's motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// It travels.
    Moving,
    /// It is paused.
    Paused,
    /// There is no animation at all.
    None,
}
