//! Decides which line is sent when, across pauses, seeks and lost connections.

use std::time::Duration;

use super::playlist::{Playlist, Repeat};
use super::schedule::Schedule;
use crate::time::Instant;

/// Lines, their schedule, and the position of the next line.
///
/// It is stopped until there is a connection ([`Player::go_on`]). The caller takes the due lines
/// ([`Player::take_due`]) and returns at [`Player::due`].
#[derive(Debug)]
pub struct Player<L> {
    playlist: Playlist<L>,
    schedule: Schedule,
    /// The position of the next line.
    next: u64,
    /// The number of lines sent since the schedule's beginning.
    beat: u64,
    /// Whether `next` was chosen by the person.
    is_sought: bool,
    is_paused: bool,
    is_online: bool,
    /// Whether the next line was missing before lines were added; see [`Player::catch_up`].
    is_starved: bool,
}

impl<L> Player<L> {
    /// Creates a player that begins at this line, counted from 0; later rounds begin with the first.
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

    /// Returns the lines.
    pub fn playlist(&self) -> &Playlist<L> {
        &self.playlist
    }

    /// Returns the position of the next line.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether the person paused it.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether every line was sent.
    pub fn has_sent_all(&self) -> bool {
        self.playlist.end().is_some_and(|end| self.next >= end)
    }

    /// Returns the time for the remaining lines at this interval; `None` while there is no end.
    pub fn left(&self) -> Option<Duration> {
        self.playlist.end().map(|end| self.schedule.offset(end.saturating_sub(self.next)))
    }

    /// Returns the number of the last line sent or chosen, from 1; 0 before the first.
    pub fn line_number(&self) -> u64 {
        let sent = if self.is_sought { self.next + 1 } else { self.next };
        match sent {
            0 => 0,
            sent => self.playlist.index(sent - 1) + 1,
        }
    }

    // ---- the lines ----------------------------------------------------------

    /// Whether more lines should be added.
    pub fn wants_lines(&self) -> bool {
        self.playlist.wants_lines(self.next)
    }

    /// Adds a line. Call [`Player::catch_up`] afterwards.
    pub fn push(&mut self, line: L) {
        self.is_starved |= self.playlist.line(self.next).is_none();
        self.playlist.push(line, self.next);
    }

    /// Marks the lines as complete.
    pub fn finish(&mut self) {
        self.playlist.finish();
    }

    /// Called after lines were added: a line that was waited for is due now, not at an earlier
    /// time.
    pub fn catch_up(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_starved) {
            self.schedule.postpone(self.beat, now);
        }
    }

    // ---- connection, pauses and seeks ---------------------------------------

    /// Starts the schedule after connecting, unless the person paused it.
    pub fn go_on(&mut self, now: Instant) {
        self.is_online = true;
        self.pace(now);
    }

    /// Stops the schedule while there is no connection.
    pub fn hold(&mut self, now: Instant) {
        self.is_online = false;
        self.pace(now);
    }

    /// Pauses.
    pub fn pause(&mut self, now: Instant) {
        self.is_paused = true;
        self.pace(now);
    }

    /// Continues after a pause.
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

    /// Moves this number of lines back or forward from the last one sent.
    pub fn seek_by(&mut self, lines: i64, now: Instant) {
        self.seek(signed(self.here()).saturating_add(lines), now);
    }

    /// Goes to this line, counted from 0, in the round of the last line sent.
    pub fn seek_line(&mut self, line: u64, now: Instant) {
        let round = self.here() - self.playlist.index(self.here());
        self.seek(signed(round.saturating_add(line)), now);
    }

    /// Returns the position of the last line sent or chosen.
    fn here(&self) -> u64 {
        if self.is_sought { self.next } else { self.next.saturating_sub(1) }
    }

    /// Goes to this position, or to the nearest existing one: its line is sent at once, or when the
    /// schedule continues.
    pub fn seek(&mut self, position: i64, now: Instant) {
        self.next = self.playlist.nearest(position);
        self.is_sought = true;
        self.beat = 0;
        self.schedule.restart(now);
    }

    /// Sets how often all lines are sent from now on, including this round.
    pub fn repeat(&mut self, repeat: Repeat) {
        self.next = self.playlist.index(self.next);
        self.playlist.repeat(repeat);
    }

    // ---- what is due --------------------------------------------------------

    /// Returns when the next line is due; `None` while none is.
    pub fn due(&self) -> Option<Instant> {
        self.playlist.line(self.next)?;
        self.schedule.due(self.beat)
    }

    /// Returns a line that is due, and its position.
    pub fn take_due(&mut self, now: Instant) -> Option<(u64, &L)> {
        if self.schedule.due(self.beat).is_none_or(|due| now < due) {
            return None;
        }
        let position = self.next;
        let line = self.playlist.line(position)?;
        self.next += 1;
        self.beat += 1;
        self.is_sought = false;
        Some((position, line))
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
