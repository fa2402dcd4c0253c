//! The pad's oscillators. [`AmbientPad`] decides what they do; none is created before the sound is
//! first switched on.

use gloo_timers::callback::{Interval, Timeout};
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::{AudioContext, GainNode, OscillatorNode, OscillatorType};

use crate::crawl::ambient_sound::{AmbientPad, CUTOFF_HZ, DETUNE_CENTS, Fade, GLIDE_S, SWAY_HZ, SWAY_S, VOICES};

/// How often the next chord is checked for while the pad sounds.
const TICK_MS: u32 = 1_000;

/// After this many time constants a fade is inaudibly close to its end.
const TIME_CONSTANTS: f64 = 5.0;

/// The handle of the pad.
#[derive(Clone, Copy)]
pub(super) struct Sound {
    /// Whether the person wants to hear it.
    pub(super) is_on: RwSignal<bool>,
    /// Why there can be no sound.
    pub(super) unavailable_reason: RwSignal<Option<String>>,
    pad: StoredValue<AmbientPad>,
    instrument: StoredValue<Option<Instrument>, LocalStorage>,
    /// The timer for the chords while the pad sounds.
    ticks: StoredValue<Option<Interval>, LocalStorage>,
    /// The timer that suspends it once it has faded.
    rest: StoredValue<Option<Timeout>, LocalStorage>,
}

impl Sound {
    pub(super) fn new() -> Self {
        let sound = Self {
            is_on: RwSignal::new(false),
            unavailable_reason: RwSignal::new(None),
            pad: StoredValue::default(),
            instrument: StoredValue::new_local(None),
            ticks: StoredValue::new_local(None),
            rest: StoredValue::new_local(None),
        };
        window_event_listener(leptos::ev::visibilitychange, move |_| {
            let is_hidden = document().hidden();
            sound.pad.update_value(|pad| pad.set_hidden(is_hidden));
            sound.follow();
        });
        sound
    }

    /// Switches the sound on or off.
    pub(super) fn toggle(self) {
        if self.instrument.with_value(Option::is_none) {
            match Instrument::new() {
                Ok(instrument) => self.instrument.set_value(Some(instrument)),
                Err(_) => {
                    return self.unavailable_reason.set(Some("Sound is not available in this browser.".to_owned()));
                }
            }
        }
        self.pad.update_value(AmbientPad::toggle);
        self.is_on.set(self.pad.with_value(AmbientPad::is_enabled));
        self.follow();
    }

    /// Carries out what the pad has decided.
    fn follow(self) {
        let (is_audible, fade) = self.pad.with_value(|pad| (pad.is_audible(), pad.fade()));
        self.instrument.with_value(|instrument| {
            let Some(instrument) = instrument else { return };
            if is_audible {
                instrument.wake();
            }
            instrument.fade(fade);
        });
        self.ticks.set_value(is_audible.then(|| Interval::new(TICK_MS, move || self.play())));
        let fade_ms = (fade.takes_s * 1_000.0) as u32;
        self.rest.set_value((!is_audible).then(|| Timeout::new(fade_ms, move || self.rest())));
        if is_audible {
            self.play();
        }
    }

    fn play(self) {
        self.instrument.with_value(|instrument| {
            let Some(instrument) = instrument else { return };
            let now_s = instrument.context.current_time();
            while let Some(chord) = self.pad.try_update_value(|pad| pad.next_chord(now_s)).flatten() {
                instrument.play(chord.at_s, chord.voices_hz);
            }
        });
    }

    fn rest(self) {
        self.instrument.with_value(|instrument| {
            if let Some(instrument) = instrument {
                // Refused only if it was closed.
                let _ = instrument.context.suspend();
            }
        });
    }
}

/// Two oscillators for each voice, a filter that sways, and the loudness of all.
struct Instrument {
    context: AudioContext,
    loudness: GainNode,
    voices: Vec<[OscillatorNode; 2]>,
}

impl Instrument {
    /// Creates it silent; it runs as soon as the browser allows it.
    fn new() -> Result<Self, JsValue> {
        let context = AudioContext::new()?;
        let loudness = context.create_gain()?;
        loudness.gain().set_value(0.0);
        loudness.connect_with_audio_node(&context.destination())?;

        // A low-pass filter by default.
        let filter = context.create_biquad_filter()?;
        filter.frequency().set_value(CUTOFF_HZ as f32);
        filter.connect_with_audio_node(&loudness)?;
        let (sway, depth) = (context.create_oscillator()?, context.create_gain()?);
        sway.frequency().set_value((1.0 / SWAY_S) as f32);
        depth.gain().set_value(SWAY_HZ as f32);
        sway.connect_with_audio_node(&depth)?;
        depth.connect_with_audio_param(&filter.frequency())?;
        sway.start()?;

        // Together they are as loud as one may be.
        let share = context.create_gain()?;
        share.gain().set_value(1.0 / (2 * VOICES) as f32);
        share.connect_with_audio_node(&filter)?;
        let tone = |shape, cents: f64| -> Result<OscillatorNode, JsValue> {
            let tone = context.create_oscillator()?;
            tone.set_type(shape);
            tone.detune().set_value(cents as f32);
            tone.connect_with_audio_node(&share)?;
            tone.start()?;
            Ok(tone)
        };
        let voice = |_| {
            Ok([tone(OscillatorType::Triangle, -DETUNE_CENTS / 2.0)?, tone(OscillatorType::Sine, DETUNE_CENTS / 2.0)?])
        };
        let voices = (0..VOICES).map(voice).collect::<Result<_, JsValue>>()?;
        Ok(Self { context, loudness, voices })
    }

    fn wake(&self) {
        // Refused only if it was closed.
        let _ = self.context.resume();
    }

    /// Fades from the present loudness, without a step.
    fn fade(&self, fade: Fade) {
        let Fade { to, takes_s } = fade;
        let now_s = self.context.current_time();
        // Fails only for values that aren't numbers.
        let _ = self.loudness.gain().set_target_at_time(to as f32, now_s, takes_s / TIME_CONSTANTS);
    }

    fn play(&self, at_s: f64, voices_hz: [f64; VOICES]) {
        for (tones, hz) in self.voices.iter().zip(voices_hz) {
            for tone in tones {
                // The first chord starts at once, while everything is silent.
                let glide_s = if at_s > 0.0 { GLIDE_S / TIME_CONSTANTS } else { 1e-3 };
                let _ = tone.frequency().set_target_at_time(hz as f32, at_s, glide_s);
            }
        }
    }
}
