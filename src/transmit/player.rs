//! Which line goes out when, for whoever pauses, goes elsewhere and loses the
//! connection in between.

use std::time::Duration;

use super::playlist::{Playlist, Repeat};
use super::schedule::Schedule;
use crate::time::Instant;

/// Lines, their schedule, and the place of the one that goes out next.
///
/// At rest until there is a connection ([`Player::go_on`]). Whoever drives it
/// takes what is due ([`Player::take_due`]) and comes again at
/// [`Player::due`].
#[derive(Debug)]
pub struct Player<L> {
    playlist: Playlist<L>,
    schedule: Schedule,
    /// The place of the line that goes out next.
    next: u64,
    /// How many lines went out since the schedule's beginning.
    beat: u64,
    /// Somebody went to `next` themselves.
    is_sought: bool,
    is_paused: bool,
    is_online: bool,
    /// The line that goes out next has only just come in.
    is_starved: bool,
}

impl<L> Player<L> {
    /// Begins at this line, counted from 0; later rounds begin with the first.
    pub fn new(interval: Duration, repeat: Repeat, first: u64) -> Self {
        Self {
            playlist: Playlist::new(repeat),
            schedule: Schedule::new(interval),
            next: first,
            beat: 0,
            is_sought: false,
            is_paused: false,
            is_online: false,
            is_starved: false,
        }
    }

    /// The lines.
    pub fn playlist(&self) -> &Playlist<L> {
        &self.playlist
    }

    /// The place of the line that goes out next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether somebody pauses.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether every line had its turn.
    pub fn has_told_all(&self) -> bool {
        self.playlist.end().is_some_and(|end| self.next >= end)
    }

    /// How long the rest takes at this pace; `None` while there is no end.
    pub fn left(&self) -> Option<Duration> {
        self.playlist.end().map(|end| self.schedule.offset(end.saturating_sub(self.next)))
    }

    /// The line, from 1, that was told last or gone to; 0 before the first.
    pub fn line_number(&self) -> u64 {
        let told = if self.is_sought { self.next + 1 } else { self.next };
        match told {
            0 => 0,
            told => self.playlist.index(told - 1) + 1,
        }
    }

    // ---- the lines ----------------------------------------------------------

    /// Whether more lines should be handed in.
    pub fn wants_lines(&self) -> bool {
        self.playlist.wants_lines(self.next)
    }

    /// Another line. Followed by [`Player::catch_up`].
    pub fn push(&mut self, line: L) {
        self.is_starved |= self.playlist.line(self.next).is_none();
        self.playlist.push(line, self.next);
    }

    /// No more lines come.
    pub fn finish(&mut self) {
        self.playlist.finish();
    }

    /// Lines came in: one that was waited for is due now, not long ago.
    pub fn catch_up(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_starved) {
            self.schedule.postpone(self.beat, now);
        }
    }

    // ---- what happens -------------------------------------------------------

    /// There is a connection: time passes, unless somebody pauses.
    pub fn go_on(&mut self, now: Instant) {
        self.is_online = true;
        self.pace(now);
    }

    /// There is no connection.
    pub fn hold(&mut self, now: Instant) {
        self.is_online = false;
        self.pace(now);
    }

    /// Somebody pauses.
    pub fn pause(&mut self, now: Instant) {
        self.is_paused = true;
        self.pace(now);
    }

    /// Nobody pauses any more.
    pub fn play(&mut self, now: Instant) {
        self.is_paused = false;
        self.pace(now);
    }

    fn pace(&mut self, now: Instant) {
        if self.is_online && !self.is_paused {
            self.schedule.release(now);
        } else {
            self.schedule.hold(now);
        }
    }

    /// Goes so many lines back or on, from the one that was told last.
    pub fn seek_by(&mut self, lines: i64, now: Instant) {
        self.seek(signed(self.here()).saturating_add(lines), now);
    }

    /// Goes to this line, counted from 0, of the round that the one belongs to
    /// that was told last.
    pub fn seek_line(&mut self, line: u64, now: Instant) {
        let round = self.here() - self.playlist.index(self.here());
        self.seek(signed(round.saturating_add(line)), now);
    }

    /// The place that was told last, or gone to.
    fn here(&self) -> u64 {
        if self.is_sought { self.next } else { self.next.saturating_sub(1) }
    }

    /// Goes to this place, or to the nearest that there is: the line there goes
    /// out at once, or when time passes again.
    pub fn seek(&mut self, place: i64, now: Instant) {
        self.next = self.playlist.nearest(place);
        self.is_sought = true;
        self.beat = 0;
        self.schedule.restart(now);
    }

    /// How often all lines are told from now on, this round included.
    pub fn repeat(&mut self, repeat: Repeat) {
        self.next = self.playlist.index(self.next);
        self.playlist.repeat(repeat);
    }

    // ---- what is due --------------------------------------------------------

    /// When the next line is due; `None` while none is.
    pub fn due(&self) -> Option<Instant> {
        self.playlist.line(self.next)?;
        self.schedule.due(self.beat)
    }

    /// A line that is due, and its place.
    pub fn take_due(&mut self, now: Instant) -> Option<(u64, &L)> {
        if self.schedule.due(self.beat).is_none_or(|due| now < due) {
            return None;
        }
        let place = self.next;
        let line = self.playlist.line(place)?;
        self.next += 1;
        self.beat += 1;
        self.is_sought = false;
        Some((place, line))
    }
}

fn signed(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
