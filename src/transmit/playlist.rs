//! The lines of a transmission, as far as they are known.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The number of lines that are read ahead of the next one.
const AHEAD_MAX: u64 = 1_000;
/// The number of past lines of a live source that are kept for going back.
const BACK_MAX: u64 = 1_000;

/// How often all lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// This number of times; never 0.
    Rounds(u32),
    /// Until the person or an error stops it.
    UntilStopped,
}

impl Repeat {
    /// Once.
    pub const ONCE: Self = Self::Rounds(1);
}

/// Lines by their position: counted from 0, and continuing over all rounds.
#[derive(Debug)]
pub struct Playlist<L> {
    repeat: Repeat,
    lines: VecDeque<L>,
    /// The number of forgotten lines of a live source.
    dropped: u64,
    /// Whether all lines are known.
    is_whole: bool,
}

impl<L> Playlist<L> {
    /// Returns a playlist without lines.
    pub fn new(repeat: Repeat) -> Self {
        Self { repeat, lines: VecDeque::new(), dropped: 0, is_whole: false }
    }

    /// Adds a line; `next` is the position of the next line to send. Lines long before that are
    /// forgotten, unless they are sent again.
    pub fn push(&mut self, line: L, next: u64) {
        self.lines.push_back(line);
        while self.repeat == Repeat::ONCE && self.dropped + BACK_MAX < next && self.lines.len() > 1 {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// Marks the lines as complete.
    pub fn finish(&mut self) {
        self.is_whole = true;
    }

    /// Whether more lines should be read.
    pub fn wants_lines(&self, next: u64) -> bool {
        !self.is_whole && self.known() < next + AHEAD_MAX
    }

    /// Returns the number of lines known so far.
    pub fn known(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }

    /// Returns the number of lines in the script; `None` while more may come.
    pub fn total(&self) -> Option<u64> {
        self.is_whole.then(|| self.known())
    }

    /// Returns the position after the last line; `None` while there is none.
    pub fn end(&self) -> Option<u64> {
        match self.repeat {
            Repeat::Rounds(rounds) => self.total().map(|lines| lines.saturating_mul(rounds.into())),
            Repeat::UntilStopped => None,
        }
    }

    /// Sets how often all lines are sent from now on. Sent lines of a live source may be forgotten
    /// already, so this has to be set before reading it.
    pub fn repeat(&mut self, repeat: Repeat) {
        self.repeat = repeat;
    }

    /// Returns the line of the script, from 0, at this position.
    pub fn index(&self, position: u64) -> u64 {
        match self.total() {
            Some(lines) => position % lines.max(1),
            _ => position,
        }
    }

    /// Returns the line at this position, if it is known (yet, or still).
    pub fn line(&self, position: u64) -> Option<&L> {
        if self.end().is_some_and(|end| position >= end) {
            return None;
        }
        let at = self.index(position).checked_sub(self.dropped)?;
        self.lines.get(usize::try_from(at).ok()?)
    }

    /// Returns the position nearest to this one that can be sent next.
    pub fn nearest(&self, position: i64) -> u64 {
        let position = u64::try_from(position).unwrap_or(0).max(self.dropped);
        match self.end() {
            Some(end) => position.min(end.saturating_sub(1)),
            None if self.is_whole => position,
            // The next line to arrive.
            None => position.min(self.known()),
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
        assert_eq!([-1, 0, 2, 3, 9].map(|position| playlist.nearest(position)), [0, 0, 2, 3, 3]);
        playlist.finish();
        assert_eq!([-1, 0, 2, 3, 9].map(|position| playlist.nearest(position)), [0, 0, 2, 2, 2]);
    }

    #[test]
    fn rounds_end_with_the_last() {
        let mut playlist = Playlist::new(Repeat::Rounds(3));
        (0..4).for_each(|n| playlist.push(n, 0));
        assert_eq!(playlist.end(), None, "more may come");
        playlist.finish();
        assert_eq!((playlist.end(), playlist.total()), (Some(12), Some(4)));
        assert_eq!([0, 5, 11, 12].map(|position| playlist.line(position).copied()), [Some(0), Some(1), Some(3), None]);
        assert_eq!(playlist.nearest(40), 11);
        playlist.repeat(Repeat::UntilStopped);
        assert_eq!((playlist.end(), playlist.line(12)), (None, Some(&0)));
    }
}
