//! The actions that the controller requests from the view.

use crate::crawl::block::{BlockContent, Key};

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
        /// The block's key; [`CrawlController::block`](crate::crawl::controller::CrawlController::block) returns its content.
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
