//! Where and when lines stand on the plane. Numbers only.
//!
//! The crawl is one sheet of text, the *plane*, that moves up at a steady
//! speed. This module decides everything about it and draws nothing:
//!
//! | module | decides |
//! |---|---|
//! | [`feed`] | which messages are told and which are passed over, beside the log |
//! | [`truncate`] | how much of a long one is told |
//! | [`controller`] | what the crawl does next: the whole of it, as one machine |
//! | [`opening`] | what is told before the first message |
//! | [`layout`] | where a line is put and when it goes; going back and forward |
//! | [`pacing`] | how fast the plane moves, how close lines stand |
//! | [`typeset`], `unicode` | how a line is broken into rows, in any script |
//! | [`quotes`] | which way a quotation mark is curled |
//! | [`stars`] | where the stars are |
//! | [`ambient_sound`] | what may sound behind it |
//!
//! All lengths are in em of the crawl's font. The browser multiplies them by a
//! font size that follows the container, so that a resize changes one number
//! and no row loses its place.
//!
//! Invariants:
//! - A row that was placed never moves on the plane; pruning and appending
//!   touch nobody else. Only another column's width has the rows set anew.
//! - At most [`layout::BLOCKS_MAX`] blocks stand on the plane, and at most
//!   [`layout::PASSED_MAX`] are remembered, however many messages come.
//! - No clock is read: the time comes as an argument, and so does the distance
//!   that the plane has really travelled.

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

/// How many rows a line of dialogue takes on average; used for lines that
/// nobody has measured yet.
pub const ROWS_PER_LINE: f64 = 1.8;

/// One thing that may stand on the plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockContent {
    /// Something told.
    Item(CrawlItem),
    /// The line above the title.
    Episode(String),
    /// The title.
    Title(String),
    /// The introduction.
    Intro(String),
}

/// What the view has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take `shift_em` off every placed block's top and off the offset, in one
    /// task: nothing on screen moves.
    Rebase {
        /// How much, in em; it may be negative.
        shift_em: f64,
    },
    /// Move the plane there: the person goes back or forward.
    Seek {
        /// Its offset, in em.
        offset_em: f64,
    },
    /// The block is out of sight: forget it.
    Remove {
        /// Which.
        key: Key,
    },
    /// Put the block there.
    Place {
        /// Which; [`controller::CrawlController::block`] has its words.
        key: Key,
        /// Its upper edge on the plane, in em.
        top_em: f64,
    },
    /// Set the animation's playback rate.
    Rate(f64),
    /// Let the plane move, or not.
    Move(Motion),
    /// Add this to the flat transcript.
    Transcribe(BlockContent),
}

/// What the plane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// It travels.
    Moving,
    /// It stands, and will go on.
    Held,
    /// There is no animation at all.
    None,
}
