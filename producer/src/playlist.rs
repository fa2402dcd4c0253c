//! The lines of a script, as far as they are known.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::script::ScriptLine;

use crate::settings::Repeat;

/// So many lines are read ahead of the one that is next.
const AHEAD_MAX: u64 = 1_000;
/// So many lines of a live source are kept to go back to.
const BACK_MAX: u64 = 1_000;

/// A line to send, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// The name of its file, where there are several.
    pub file: Option<Arc<str>>,
    /// The line of the file that its row begins in, from 1.
    pub row: usize,
    /// Who says what.
    pub line: Line,
}

impl From<ScriptLine> for Cue {
    fn from(spoken: ScriptLine) -> Self {
        Self { file: None, row: spoken.number, line: spoken.line }
    }
}

/// Lines by their place in the story: counted from 0, and on over all rounds.
#[derive(Debug)]
pub(crate) struct Playlist {
    repeat: Repeat,
    lines: VecDeque<Cue>,
    /// So many lines of a live source are forgotten.
    dropped: u64,
    /// No more lines come.
    is_whole: bool,
}

impl Playlist {
    pub(crate) fn new(repeat: Repeat) -> Self {
        Self { repeat, lines: VecDeque::new(), dropped: 0, is_whole: false }
    }

    /// Another line; `next` is the place of the one that goes out next. What
    /// lies long before that is forgotten, unless it comes again.
    pub(crate) fn push(&mut self, cue: Cue, next: u64) {
        self.lines.push_back(cue);
        while self.repeat == Repeat::Once && self.dropped + BACK_MAX < next && self.lines.len() > 1 {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// That was all.
    pub(crate) fn finish(&mut self) {
        self.is_whole = true;
    }

    /// Whether lines should be read on.
    pub(crate) fn wants_lines(&self, next: u64) -> bool {
        !self.is_whole && self.known() < next + AHEAD_MAX
    }

    /// How many lines are known so far.
    pub(crate) fn known(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }

    /// How many lines the script has; `None` while more may come.
    pub(crate) fn total(&self) -> Option<u64> {
        self.is_whole.then(|| self.known())
    }

    /// The place after the last line; `None` while there is none.
    pub(crate) fn end(&self) -> Option<u64> {
        self.total().filter(|_| self.repeat == Repeat::Once)
    }

    /// Which line of the script, from 0, has this place.
    pub(crate) fn index(&self, place: u64) -> u64 {
        match self.total() {
            Some(lines) if self.repeat == Repeat::UntilStopped => place % lines.max(1),
            _ => place,
        }
    }

    /// The line at this place, if it is known (yet, or still).
    pub(crate) fn line(&self, place: u64) -> Option<&Cue> {
        let at = self.index(place).checked_sub(self.dropped)?;
        self.lines.get(usize::try_from(at).ok()?)
    }

    /// The place nearest to this one that can be told next.
    pub(crate) fn nearest(&self, place: i64) -> u64 {
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

    fn cue(n: u64) -> Cue {
        Cue { file: None, row: 1, line: Line { character: String::new(), text: n.to_string() } }
    }

    fn text(playlist: &Playlist, place: u64) -> Option<&str> {
        playlist.line(place).map(|cue| cue.line.text.as_str())
    }

    #[test]
    fn a_live_source_is_neither_hoarded_nor_run_ahead_of() {
        let mut playlist = Playlist::new(Repeat::Once);
        let mut read = 0;
        for next in 0..10_000 {
            while playlist.wants_lines(next) {
                playlist.push(cue(read), next);
                read += 1;
            }
            assert_eq!(text(&playlist, next), Some(next.to_string().as_str()));
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
            playlist.push(cue(n), n);
        }
        assert_eq!(text(&playlist, 3_000), None, "more may come");
        playlist.finish();
        assert_eq!(text(&playlist, 3_001), Some("1"));
        assert_eq!((playlist.end(), playlist.nearest(-5), playlist.nearest(7_000)), (None, 0, 7_000));
    }

    #[test]
    fn places_that_can_be_gone_to() {
        let mut playlist = Playlist::new(Repeat::Once);
        for n in 0..3 {
            playlist.push(cue(n), 0);
        }
        assert_eq!([-1, 0, 2, 3, 9].map(|place| playlist.nearest(place)), [0, 0, 2, 3, 3]);
        playlist.finish();
        assert_eq!([-1, 0, 2, 3, 9].map(|place| playlist.nearest(place)), [0, 0, 2, 2, 2]);
    }
}
