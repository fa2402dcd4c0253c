//! The lines of a transmission, as far as they are known.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// So many lines are read ahead of the one that is next.
const AHEAD_MAX: u64 = 1_000;
/// So many lines of a live source are kept to go back to.
const BACK_MAX: u64 = 1_000;

/// How often all lines are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// So many times; never 0.
    Rounds(u32),
    /// Over and over, until somebody or something ends it.
    UntilStopped,
}

impl Repeat {
    /// The last line ends it.
    pub const ONCE: Self = Self::Rounds(1);
}

/// Lines by their place in the story: counted from 0, and on over all rounds.
#[derive(Debug)]
pub struct Playlist<L> {
    repeat: Repeat,
    lines: VecDeque<L>,
    /// So many lines of a live source are forgotten.
    dropped: u64,
    /// No more lines come.
    is_whole: bool,
}

impl<L> Playlist<L> {
    /// No line is known so far.
    pub fn new(repeat: Repeat) -> Self {
        Self { repeat, lines: VecDeque::new(), dropped: 0, is_whole: false }
    }

    /// Another line; `next` is the place of the one that goes out next. What
    /// lies long before that is forgotten, unless it comes again.
    pub fn push(&mut self, line: L, next: u64) {
        self.lines.push_back(line);
        while self.repeat == Repeat::ONCE && self.dropped + BACK_MAX < next && self.lines.len() > 1 {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// That was all.
    pub fn finish(&mut self) {
        self.is_whole = true;
    }

    /// Whether lines should be read on.
    pub fn wants_lines(&self, next: u64) -> bool {
        !self.is_whole && self.known() < next + AHEAD_MAX
    }

    /// How many lines are known so far.
    pub fn known(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }

    /// How many lines the script has; `None` while more may come.
    pub fn total(&self) -> Option<u64> {
        self.is_whole.then(|| self.known())
    }

    /// The place after the last line; `None` while there is none.
    pub fn end(&self) -> Option<u64> {
        match self.repeat {
            Repeat::Rounds(rounds) => self.total().map(|lines| lines.saturating_mul(rounds.into())),
            Repeat::UntilStopped => None,
        }
    }

    /// How often all lines are told from now on. What was told of a live source
    /// may be forgotten already, so that is to be known before it is read.
    pub fn repeat(&mut self, repeat: Repeat) {
        self.repeat = repeat;
    }

    /// Which line of the script, from 0, has this place.
    pub fn index(&self, place: u64) -> u64 {
        match self.total() {
            Some(lines) => place % lines.max(1),
            _ => place,
        }
    }

    /// The line at this place, if it is known (yet, or still).
    pub fn line(&self, place: u64) -> Option<&L> {
        if self.end().is_some_and(|end| place >= end) {
            return None;
        }
        let at = self.index(place).checked_sub(self.dropped)?;
        self.lines.get(usize::try_from(at).ok()?)
    }

    /// The place nearest to this one that can be told next.
    pub fn nearest(&self, place: i64) -> u64 {
        let place = u64::try_from(place).unwrap_or(0).max(self.dropped);
        match self.end() {
            Some(end) => place.min(end.saturating_sub(1)),
            None if self.is_whole => place,
            // The next to come in.
            None => place.min(self.known()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_source_is_neither_hoarded_nor_run_ahead_of() {
        let mut playlist = Playlist::new(Repeat::ONCE);
        let mut read = 0;
        for next in 0..10_000 {
            while playlist.wants_lines(next) {
                playlist.push(read, next);
                read += 1;
            }
            assert_eq!(playlist.line(next), Some(&next));
        }
        assert_eq!(read, 9_999 + AHEAD_MAX);
        assert!(playlist.lines.len() as u64 <= AHEAD_MAX + BACK_MAX + 1, "{}", playlist.lines.len());
        assert_eq!(playlist.nearest(0), 9_998 - BACK_MAX + 1);
        assert!(playlist.line(playlist.nearest(0)).is_some());
    }

    #[test]
    fn what_comes_again_is_kept() {
        let mut playlist = Playlist::new(Repeat::UntilStopped);
        for n in 0..3_000 {
            playlist.push(n, n);
        }
        assert_eq!(playlist.line(3_000), None, "more may come");
        playlist.finish();
        assert_eq!(playlist.line(3_001), Some(&1));
        assert_eq!((playlist.end(), playlist.nearest(-5), playlist.nearest(7_000)), (None, 0, 7_000));
    }

    #[test]
    fn places_that_can_be_gone_to() {
        let mut playlist = Playlist::new(Repeat::ONCE);
        for n in 0..3 {
            playlist.push(n, 0);
        }
        assert_eq!([-1, 0, 2, 3, 9].map(|place| playlist.nearest(place)), [0, 0, 2, 3, 3]);
        playlist.finish();
        assert_eq!([-1, 0, 2, 3, 9].map(|place| playlist.nearest(place)), [0, 0, 2, 2, 2]);
    }

    #[test]
    fn rounds_end_with_the_last() {
        let mut playlist = Playlist::new(Repeat::Rounds(3));
        (0..4).for_each(|n| playlist.push(n, 0));
        assert_eq!(playlist.end(), None, "more may come");
        playlist.finish();
        assert_eq!((playlist.end(), playlist.total()), (Some(12), Some(4)));
        assert_eq!([0, 5, 11, 12].map(|place| playlist.line(place).copied()), [Some(0), Some(1), Some(3), None]);
        assert_eq!(playlist.nearest(40), 11);
        playlist.repeat(Repeat::UntilStopped);
        assert_eq!((playlist.end(), playlist.line(12)), (None, Some(&0)));
    }
}
