//! The pad: slow chords that may sound behind the crawl. Ours alone, made of
//! numbers while it plays; there is no recording.
//!
//! It is silent until somebody asks for it, and while nobody can see the crawl.
//! Nothing here makes a sound: the view has oscillators, and does as it is told.
//! Time is the sound's own, in seconds: it stands while the sound does.

/// How many tones sound at once.
pub const VOICES: usize = 4;

/// How long a chord lasts.
pub const CHORD_S: f64 = 14.0;

/// How long the voices take from one chord to the next; they glide, so that no
/// tone begins or ends.
pub const GLIDE_S: f64 = 4.0;

/// How long the sound takes to come up …
pub const FADE_IN_S: f64 = 5.0;

/// … and to go: slowly enough for no click, and soon enough for who mutes it.
pub const FADE_OUT_S: f64 = 1.5;

/// The loudest it gets, of all that loudspeakers have: 20 dB below it.
pub const LEVEL: f64 = 0.1;

/// Each tone is two that are so far apart, in cents: they beat every few seconds.
pub const DETUNE_CENTS: f64 = 3.0;

/// What is higher than this is dampened, in Hz …
pub const CUTOFF_HZ: f64 = 620.0;

/// … give or take so much …
pub const SWAY_HZ: f64 = 180.0;

/// … back and forth in so many seconds; no multiple of a chord's, so that rounds
/// differ.
pub const SWAY_S: f64 = 23.0;

/// The note that chords are counted from: D below the bass stave's middle.
const ROOT_HZ: f64 = 73.416_191_979_351_9;

/// The round of chords, each in semitones above the root, lowest voice first.
const CHORDS: [[i8; VOICES]; 6] =
    [[0, 7, 14, 19], [0, 9, 14, 17], [-2, 7, 14, 17], [-2, 5, 12, 16], [-3, 4, 12, 16], [-5, 4, 11, 16]];

/// Chords are given so long ahead of their time, since a busy page is late.
const AHEAD_S: f64 = 3.0;

/// What the voices sound from a time on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chord {
    /// When it begins, in the sound's own time.
    pub at_s: f64,
    /// The voices' frequencies, the lowest first.
    pub voices_hz: [f64; VOICES],
}

/// Where the loudness goes from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fade {
    /// The level at its end.
    pub to: f64,
    /// How long it takes.
    pub takes_s: f64,
}

/// The pad's state. Begins silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmbientPad {
    is_wanted: bool,
    is_unseen: bool,
    /// Chords given so far.
    chords: u64,
}

impl AmbientPad {
    /// The person wants to hear it, or not any more.
    pub fn toggle(&mut self) {
        self.is_wanted = !self.is_wanted;
    }

    /// Whether nobody can see the page.
    pub fn note_unseen(&mut self, is_unseen: bool) {
        self.is_unseen = is_unseen;
    }

    /// The person wants to hear it.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// It is to be heard now.
    pub fn is_heard(&self) -> bool {
        self.is_wanted && !self.is_unseen
    }

    /// Where the loudness goes.
    pub fn fade(&self) -> Fade {
        if self.is_heard() { Fade { to: LEVEL, takes_s: FADE_IN_S } } else { Fade { to: 0.0, takes_s: FADE_OUT_S } }
    }

    /// The next chord, if it is time to give it: ask until there is none.
    pub fn next_chord(&mut self, now_s: f64) -> Option<Chord> {
        let at_s = self.chords as f64 * CHORD_S;
        if at_s > now_s + AHEAD_S {
            return None;
        }
        // Far less than a usize, however few bits that has.
        let chord = CHORDS[(self.chords % CHORDS.len() as u64) as usize];
        self.chords += 1;
        Some(Chord { at_s, voices_hz: chord.map(|semitones| ROOT_HZ * 2_f64.powf(f64::from(semitones) / 12.0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_silent_until_somebody_asks_and_while_nobody_sees_it() {
        let mut pad = AmbientPad::default();
        let silence = Fade { to: 0.0, takes_s: FADE_OUT_S };
        assert_eq!((pad.is_heard(), pad.fade()), (false, silence));
        for is_unseen in [true, false] {
            pad.note_unseen(is_unseen);
            assert!(!pad.is_heard(), "a page that is shown again turns nothing on");
        }
        pad.toggle();
        assert_eq!(pad.fade(), Fade { to: LEVEL, takes_s: FADE_IN_S });
        pad.note_unseen(true);
        assert_eq!((pad.is_wanted(), pad.fade()), (true, silence));
        pad.note_unseen(false);
        assert!(pad.is_heard());
        pad.toggle();
        assert_eq!((pad.is_wanted(), pad.fade()), (false, silence));
    }

    #[test]
    fn chords_come_in_time_and_go_round() {
        let mut pad = AmbientPad::default();
        let mut given = Vec::new();
        for second in 0..600 {
            while let Some(chord) = pad.next_chord(f64::from(second)) {
                assert!(chord.at_s + 1.0 > f64::from(second), "too late");
                given.push(chord);
            }
        }
        assert_eq!(given.len(), ((599.0 + AHEAD_S) / CHORD_S) as usize + 1);
        for (place, chord) in given.iter().enumerate() {
            assert_eq!(chord.at_s, place as f64 * CHORD_S);
            assert_eq!(chord.voices_hz, given[place % CHORDS.len()].voices_hz);
        }
        // A page that stood for an hour is given what it missed, and no more.
        let missed = std::iter::from_fn(|| pad.next_chord(4_200.0)).count();
        assert_eq!(given.len() + missed, ((4_200.0 + AHEAD_S) / CHORD_S) as usize + 1);
    }

    #[test]
    fn voices_are_apart_and_move_little() {
        for (place, chord) in CHORDS.iter().enumerate() {
            assert!(chord.windows(2).all(|pair| pair[1] - pair[0] >= 3), "{chord:?} is muddy");
            let next = CHORDS[(place + 1) % CHORDS.len()];
            assert_ne!(*chord, next);
            let moves: Vec<i8> = chord.iter().zip(next).map(|(from, to)| (to - from).abs()).collect();
            assert!(moves[0] <= 5 && moves[1..].iter().all(|by| *by <= 3), "{chord:?} leaps to {next:?}");
        }
        let mut pad = AmbientPad::default();
        for chord in std::iter::from_fn(|| pad.next_chord(100.0)) {
            // What small loudspeakers can do, and no shrillness.
            assert!(chord.voices_hz.iter().all(|hz| (54.0..240.0).contains(hz)), "{chord:?}");
        }
    }
}
