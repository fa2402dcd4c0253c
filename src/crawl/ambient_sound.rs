//! The pad: slow chords that can sound behind the crawl. They are composed for this app and
//! synthesized while they play; there is no recording.
//!
//! It is silent until the person turns it on, and while the crawl is out of sight. Nothing here
//! produces sound: the view has the oscillators and follows the returned values. The time is that
//! of the audio context, in seconds: it stops while the sound is stopped.

/// The number of simultaneous tones.
pub const VOICES: usize = 4;

/// The duration of a chord.
pub const CHORD_S: f64 = 14.0;

/// The time that the voices take from one chord to the next; they glide, so that no tone begins or
/// ends.
pub const GLIDE_S: f64 = 4.0;

/// The duration of the fade-in …
pub const FADE_IN_S: f64 = 5.0;

/// … and of the fade-out: slow enough for no click, and short enough for a person who mutes it.
pub const FADE_OUT_S: f64 = 1.5;

/// The highest level, as a fraction of full scale: 20 dB below it.
pub const LEVEL: f64 = 0.1;

/// The detuning of the two oscillators of each tone, in cents: they beat every few seconds.
pub const DETUNE_CENTS: f64 = 3.0;

/// Frequencies above this are dampened, in Hz …
pub const CUTOFF_HZ: f64 = 620.0;

/// … with a deviation of this much …
pub const SWAY_HZ: f64 = 180.0;

/// … and this period in seconds, which is no multiple of a chord's, so that rounds differ.
pub const SWAY_S: f64 = 23.0;

/// The root of the chords: D2, an octave below the middle line of the bass stave.
const ROOT_HZ: f64 = 73.416_191_979_351_9;

/// The sequence of chords, each in semitones above the root, lowest voice first.
const CHORDS: [[i8; VOICES]; 6] =
    [[0, 7, 14, 19], [0, 9, 14, 17], [-2, 7, 14, 17], [-2, 5, 12, 16], [-3, 4, 12, 16], [-5, 4, 11, 16]];

/// Chords are returned this long before they begin, because a busy page is late.
const AHEAD_S: f64 = 3.0;

/// The voices' frequencies from a time on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chord {
    /// When the chord begins, in the time of the audio context.
    pub at_s: f64,
    /// The voices' frequencies, the lowest first.
    pub voices_hz: [f64; VOICES],
}

/// A change of the level, beginning now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fade {
    /// The level at the end of the fade.
    pub to: f64,
    /// The duration of the fade, in seconds.
    pub takes_s: f64,
}

/// The pad's state. Initially silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmbientPad {
    is_enabled: bool,
    is_hidden: bool,
    /// The number of chords returned so far.
    chords: u64,
}

impl AmbientPad {
    /// Turns the sound on or off.
    pub fn toggle(&mut self) {
        self.is_enabled = !self.is_enabled;
    }

    /// Stores whether the page is out of sight.
    pub fn set_hidden(&mut self, is_hidden: bool) {
        self.is_hidden = is_hidden;
    }

    /// Whether the person turned it on.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Whether it sounds now.
    pub fn is_audible(&self) -> bool {
        self.is_enabled && !self.is_hidden
    }

    /// Returns the current fade.
    pub fn fade(&self) -> Fade {
        if self.is_audible() { Fade { to: LEVEL, takes_s: FADE_IN_S } } else { Fade { to: 0.0, takes_s: FADE_OUT_S } }
    }

    /// Returns the next chord if it is time; call it until it returns `None`.
    pub fn next_chord(&mut self, now_s: f64) -> Option<Chord> {
        let at_s = self.chords as f64 * CHORD_S;
        if at_s > now_s + AHEAD_S {
            return None;
        }
        // Far less than a usize, even on 16-bit platforms.
        let chord = CHORDS[(self.chords % CHORDS.len() as u64) as usize];
        self.chords += 1;
        Some(Chord { at_s, voices_hz: chord.map(|semitones| ROOT_HZ * 2_f64.powf(f64::from(semitones) / 12.0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pad_is_silent_until_enabled_and_while_hidden() {
        let mut pad = AmbientPad::default();
        let silence = Fade { to: 0.0, takes_s: FADE_OUT_S };
        assert_eq!((pad.is_audible(), pad.fade()), (false, silence));
        for is_hidden in [true, false] {
            pad.set_hidden(is_hidden);
            assert!(!pad.is_audible(), "a page that is shown again turns nothing on");
        }
        pad.toggle();
        assert_eq!(pad.fade(), Fade { to: LEVEL, takes_s: FADE_IN_S });
        pad.set_hidden(true);
        assert_eq!((pad.is_enabled(), pad.fade()), (true, silence));
        pad.set_hidden(false);
        assert!(pad.is_audible());
        pad.toggle();
        assert_eq!((pad.is_enabled(), pad.fade()), (false, silence));
    }

    #[test]
    fn chords_are_on_time_and_repeat() {
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
        // After a page was suspended for an hour, it returns the missed chords and no more.
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
            // The range of small loudspeakers, and nothing shrill.
            assert!(chord.voices_hz.iter().all(|hz| (54.0..240.0).contains(hz)), "{chord:?}");
        }
    }
}
