//! What is shown before the first message, and when.
//!
//! The film's order and timing: black, a static card, black, the logotype that fills the frame and
//! retreats; while it retreats the plane begins to move. With the app's own text, waiting messages
//! have priority: messages that wait already are shown at once, and messages that come during the
//! opening shorten the rest. A custom text plays to its end, and messages follow them. An
//! [`OpeningMode`] overrides this.

use std::time::Duration;

use super::pacing::{Pace, SPEEDS_PERCENT};
use crate::crawl::block::BlockContent;
use crate::named_enum::named_enum;
use crate::time::Instant;

/// The text that selects the logotype drawn for this project; any other text is set in type.
pub const LOGO: &str = "MQTT CRAWL";

/// The names of [`SPEEDS_PERCENT`] in a link.
pub const SPEED_NAMES: [&str; SPEEDS_PERCENT.len()] = ["25", "50", "75", "100", "130", "170", "220"];

/// Black before the card.
const BEFORE: Duration = Duration::from_millis(1_000);

/// How long the card stays when no messages wait, including its fade-in.
const CARD: Duration = Duration::from_millis(6_000);

/// How long it stays when messages wait: enough to be read once.
const CARD_PRESSED: Duration = Duration::from_millis(2_400);

/// Black between card and logotype; the card fades out in it.
const BETWEEN: Duration = Duration::from_millis(2_000);

/// The same when messages wait.
const BETWEEN_PRESSED: Duration = Duration::from_millis(600);

/// The duration of the logotype's retreat; `--retreat` in style/opening.css.
pub const RETREAT: Duration = Duration::from_millis(11_000);

/// The plane begins to move this long after the logotype appears …
const LOGO_ALONE: Duration = Duration::from_millis(4_000);

/// … or this long, when messages wait.
const LOGO_ALONE_PRESSED: Duration = Duration::from_millis(600);

/// If this many rows wait during the first black, messages wait already (two at least), and the
/// opening is left out. A steady stream of one a second doesn't reach it.
const ALREADY_ROWS: f64 = 3.0;

/// If this many rows wait, the rest of the opening is left out.
const PRESSED_ROWS: f64 = 14.0;

/// The most time that counts between two ticks. After a tab was hidden or a machine slept, the
/// opening continues where it was.
const STEP_MAX: Duration = Duration::from_millis(500);

/// All settings of the opening; a link carries them. A part without text is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The text on the card; line breaks are kept.
    pub card: String,
    /// The logotype that retreats: [`LOGO`] is drawn, other text is set in type.
    pub logo: String,
    /// The line above the title.
    pub episode: String,
    /// The title.
    pub title: String,
    /// The introduction; each line is a paragraph.
    pub intro: String,
    /// Whether stars are drawn in the background.
    pub has_stars: bool,
    /// The crawl's initial speed, one of [`SPEEDS_PERCENT`].
    pub speed_percent: u32,
    /// What the crawl does with lines that come faster than the film's speed can carry.
    pub pace: Pace,
    /// Whether it yields to messages; `None` means the default for its text
    /// ([`Opening::default_mode`]).
    pub mode: Option<OpeningMode>,
}

named_enum! {
    /// Whether the opening yields to waiting messages.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum OpeningMode {
        /// It yields to them.
        Yield = "yield",
        /// It plays to its end, and they wait.
        Always = "always",
        /// There is no opening: messages are shown at once.
        Off = "off",
    }
}

impl Default for Opening {
    /// Returns the app's own text.
    fn default() -> Self {
        Self {
            card: "Not so long ago, on a broker\nnot so far away....".to_owned(),
            logo: LOGO.to_owned(),
            episode: "Episode 1883".to_owned(),
            title: "The Retained Message".to_owned(),
            intro: "Small machines at the far edge of the network call into the dark. \
                    One subscriber stays awake and listens for every word...."
                .to_owned(),
            has_stars: true,
            speed_percent: 100,
            pace: Pace::All,
            mode: None,
        }
    }
}

impl Opening {
    /// Returns an opening without text: messages are shown at once.
    pub fn silent() -> Self {
        Self {
            card: String::new(),
            logo: String::new(),
            episode: String::new(),
            title: String::new(),
            intro: String::new(),
            ..Self::default()
        }
    }

    /// Whether any part of its text differs from the app's own, or is left out.
    pub fn is_edited(&self) -> bool {
        let own = Self::default();
        [
            (&self.card, &own.card),
            (&self.logo, &own.logo),
            (&self.episode, &own.episode),
            (&self.title, &own.title),
            (&self.intro, &own.intro),
        ]
        .into_iter()
        .any(|(text, own)| text != own)
    }

    /// Returns the default mode: a custom text is shown completely, the app's own yields.
    pub fn default_mode(&self) -> OpeningMode {
        if self.is_edited() { OpeningMode::Always } else { OpeningMode::Yield }
    }

    /// Returns the mode in effect.
    pub fn effective_mode(&self) -> OpeningMode {
        self.mode.unwrap_or_else(|| self.default_mode())
    }

    /// Returns the same opening without its mode if that is the default one, as a link has it.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.mode = self.mode.filter(|mode| *mode != self.default_mode());
        self
    }

    /// Returns the name of its speed in a link.
    pub fn speed_name(&self) -> &'static str {
        let place = SPEEDS_PERCENT.iter().position(|percent| *percent == self.speed_percent);
        place.map_or("100", |place| SPEED_NAMES[place])
    }

    /// Returns the speed with this name, in percent; `None` if there is none.
    pub fn speed_from(name: &str) -> Option<u32> {
        SPEED_NAMES.iter().position(|other| *other == name).map(|place| SPEEDS_PERCENT[place])
    }

    /// Returns the paragraphs of its introduction.
    pub fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.intro.split(['\n', '\r']).map(str::trim).filter(|paragraph| !paragraph.is_empty())
    }

    /// Returns the entries for the plane.
    fn entries(&self) -> Vec<BlockContent> {
        let part = |text: &str, entry: fn(String) -> BlockContent| {
            let text = text.trim();
            (!text.is_empty()).then(|| entry(text.to_owned()))
        };
        [part(&self.episode, BlockContent::Episode), part(&self.title, BlockContent::Title)]
            .into_iter()
            .flatten()
            .chain(self.paragraphs().map(|paragraph| BlockContent::Intro(paragraph.to_owned())))
            .collect()
    }
}

named_enum! {
    /// What the stage shows.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Scene {
        /// Before the first connection: the title, not moving.
        Idle = "idle",
        /// Black, without stars.
        Dark = "dark",
        /// The card, on black.
        Card = "card",
        /// Stars, and the logotype before them.
        Logo = "logo",
        /// The logotype is still retreating, and the plane moves.
        Rise = "rise",
        /// The plane; text of the opening is on it.
        Intro = "intro",
        /// The plane, with messages alone. The sky has come up from below.
        Crawl = "crawl",
        /// The same without an opening before it: the sky doesn't move.
        Still = "still",
    }
}

impl Scene {
    /// Whether lines are shown.
    pub const fn shows_lines(self) -> bool {
        matches!(self, Self::Rise | Self::Intro | Self::Crawl | Self::Still)
    }

    /// Whether there is something to skip.
    pub const fn can_be_skipped(self) -> bool {
        matches!(self, Self::Dark | Self::Card | Self::Logo | Self::Rise)
    }
}

/// How much of the opening is placed on the plane when it begins to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntroMode {
    /// Episode, title and introduction rise.
    Whole,
    /// They are on the plane already, as before the first connection; messages follow them.
    Poster,
    /// None of it, because messages wait.
    None,
}

/// Why the opening plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningTrigger {
    /// The first connection was made: waiting messages may shorten it.
    Connection,
    /// The person asked for it: all of it is played, whatever waits and whatever its mode.
    Request,
}

/// Advances from one scene to the next.
#[derive(Clone, Debug)]
pub struct OpeningSequence {
    step: OpeningStep,
    trigger: OpeningTrigger,
    skipped: bool,
    /// Whether card or logotype were shown, so that the view moves down afterwards.
    is_seen: bool,
    /// How long the current step has lasted.
    elapsed: Duration,
    ticked: Option<Instant>,
}

/// The part being played; [`Scene`] is what is visible of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpeningStep {
    Idle,
    Before,
    Card,
    Between,
    Logo,
    /// How long the logotype has been alone.
    Rise(Duration),
    Intro,
    Crawl,
}

impl Default for OpeningSequence {
    fn default() -> Self {
        Self::new()
    }
}

impl OpeningSequence {
    /// Returns the state before the first connection.
    pub fn new() -> Self {
        Self {
            step: OpeningStep::Idle,
            trigger: OpeningTrigger::Connection,
            skipped: false,
            is_seen: false,
            elapsed: Duration::ZERO,
            ticked: None,
        }
    }

    /// Returns the scene that the stage shows.
    pub fn scene(&self) -> Scene {
        match self.step {
            OpeningStep::Idle => Scene::Idle,
            OpeningStep::Before | OpeningStep::Between => Scene::Dark,
            OpeningStep::Card => Scene::Card,
            OpeningStep::Logo => Scene::Logo,
            OpeningStep::Rise(_) => Scene::Rise,
            OpeningStep::Intro => Scene::Intro,
            OpeningStep::Crawl if self.is_seen => Scene::Crawl,
            OpeningStep::Crawl => Scene::Still,
        }
    }

    /// Plays the opening from its beginning.
    pub fn start(&mut self, now: Instant, trigger: OpeningTrigger) {
        *self = Self { step: OpeningStep::Before, trigger, ticked: Some(now), ..Self::new() };
    }

    /// Skips the rest of it.
    pub fn skip(&mut self) {
        self.skipped = true;
    }

    /// Whether text of the opening that isn't on the plane yet yields to messages.
    pub fn can_end_early(&self, opening: &Opening) -> bool {
        self.can_be_shortened(opening) && self.step != OpeningStep::Crawl
    }

    /// Returns the text of the opening that is placed on the plane; none if the mode is off.
    pub(super) fn blocks(&self, opening: &Opening) -> Vec<BlockContent> {
        if self.is_off(opening) { Vec::new() } else { opening.entries() }
    }

    fn can_be_shortened(&self, opening: &Opening) -> bool {
        self.trigger == OpeningTrigger::Connection && opening.effective_mode() == OpeningMode::Yield
    }

    fn is_off(&self, opening: &Opening) -> bool {
        self.trigger == OpeningTrigger::Connection && opening.effective_mode() == OpeningMode::Off
    }

    /// Ends the introduction: the opening's text has left the plane.
    pub fn end_intro(&mut self) {
        if self.step == OpeningStep::Intro {
            self.step = OpeningStep::Crawl;
        }
    }

    /// Goes on to the next scene when its time has come. Returns, once, which part of the opening
    /// is placed on the plane, which begins to move then.
    ///
    /// Time that passes without ticks counts for little, so the opening is paused then.
    #[must_use]
    pub fn tick(&mut self, now: Instant, opening: &Opening, waiting_rows: f64) -> Option<IntroMode> {
        self.elapsed += self.ticked.map_or(Duration::ZERO, |before| now.since(before)).min(STEP_MAX);
        self.ticked = Some(now);
        let can_press = self.can_be_shortened(opening);
        let waits = can_press && waiting_rows > 0.0;
        if std::mem::take(&mut self.skipped) {
            return self.cut(if waits { IntroMode::None } else { IntroMode::Whole });
        }
        if can_press && self.step == OpeningStep::Before && waiting_rows >= ALREADY_ROWS {
            return self.cut(IntroMode::Poster);
        }
        if can_press && waiting_rows > PRESSED_ROWS {
            return self.cut(IntroMode::None);
        }
        let mut mode = None;
        while let Some(duration) = self.duration(opening, waits)
            && self.elapsed >= duration
        {
            let before = self.scene();
            self.step = self.next();
            self.elapsed = Duration::ZERO;
            if self.scene().shows_lines() && !before.shows_lines() {
                mode = Some(if waits { IntroMode::None } else { IntroMode::Whole });
            }
        }
        self.is_seen |= matches!(self.scene(), Scene::Card | Scene::Logo | Scene::Rise);
        mode
    }

    /// Leaves out the rest.
    fn cut(&mut self, mode: IntroMode) -> Option<IntroMode> {
        let scene = self.scene();
        if scene.can_be_skipped() {
            self.step = OpeningStep::Intro;
        }
        (scene.can_be_skipped() && !scene.shows_lines()).then_some(mode)
    }

    /// Returns how long the current step lasts; zero if it has no text.
    fn duration(&self, opening: &Opening, waits: bool) -> Option<Duration> {
        let is_off = self.is_off(opening);
        let has_card = !is_off && !opening.card.trim().is_empty();
        let has_logo = !is_off && !opening.logo.trim().is_empty();
        let unless_pressed = |at_ease, pressed| if waits { pressed } else { at_ease };
        Some(match self.step {
            OpeningStep::Before if has_card || has_logo => BEFORE,
            OpeningStep::Card if has_card => unless_pressed(CARD, CARD_PRESSED),
            OpeningStep::Between if has_card => unless_pressed(BETWEEN, BETWEEN_PRESSED),
            OpeningStep::Logo if has_logo => unless_pressed(LOGO_ALONE, LOGO_ALONE_PRESSED),
            OpeningStep::Rise(alone) if has_logo => RETREAT.saturating_sub(alone),
            OpeningStep::Idle | OpeningStep::Intro | OpeningStep::Crawl => return None,
            OpeningStep::Before
            | OpeningStep::Card
            | OpeningStep::Between
            | OpeningStep::Logo
            | OpeningStep::Rise(_) => Duration::ZERO,
        })
    }

    fn next(&self) -> OpeningStep {
        match self.step {
            OpeningStep::Before => OpeningStep::Card,
            OpeningStep::Card => OpeningStep::Between,
            OpeningStep::Between => OpeningStep::Logo,
            OpeningStep::Logo => OpeningStep::Rise(self.elapsed),
            OpeningStep::Rise(_) => OpeningStep::Intro,
            OpeningStep::Idle | OpeningStep::Intro | OpeningStep::Crawl => self.step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_MS: u64 = 100;

    /// Each scene with its start in ms; the introduction with its start.
    type Played = (Vec<(u64, &'static str)>, Option<(u64, IntroMode)>);

    /// Plays the opening; `waiting_rows` returns the number of waiting rows for each moment.
    fn play(opening: &Opening, trigger: OpeningTrigger, waiting_rows: impl Fn(u64) -> f64) -> Played {
        let mut sequence = OpeningSequence::new();
        sequence.start(Instant::EPOCH, trigger);
        let (mut scenes, mut mode) = (Vec::new(), None);
        for ms in (0..60_000).step_by(TICK_MS as usize) {
            if let Some(found) = sequence.tick(Instant::from_millis(ms), opening, waiting_rows(ms)) {
                assert_eq!(mode.replace((ms, found)), None, "the mode is returned once");
            }
            let name = sequence.scene().name();
            if scenes.last().is_none_or(|(_, last)| *last != name) {
                scenes.push((ms, name));
            }
        }
        (scenes, mode)
    }

    fn check(opening: &Opening, waiting_rows: impl Fn(u64) -> f64, scenes: &[(u64, &str)], mode: (u64, IntroMode)) {
        let played = play(opening, OpeningTrigger::Connection, waiting_rows);
        assert_eq!(played, (scenes.to_vec(), Some(mode)));
    }

    const FILM: [(u64, &str); 6] =
        [(0, "dark"), (1_000, "card"), (7_000, "dark"), (9_000, "logo"), (13_000, "rise"), (20_000, "intro")];

    #[test]
    fn the_timing_of_the_film() {
        check(&Opening::default(), |_| 0.0, &FILM, (13_000, IntroMode::Whole));
    }

    #[test]
    fn parts_without_words_are_left_out() {
        let own = Opening::default();
        let no_card = Opening { card: " ".to_owned(), ..own.clone() };
        let scenes = [(0, "dark"), (1_000, "logo"), (5_000, "rise"), (12_000, "intro")];
        check(&no_card, |_| 0.0, &scenes, (5_000, IntroMode::Whole));
        let no_logo = Opening { logo: String::new(), ..own };
        let scenes = [(0, "dark"), (1_000, "card"), (7_000, "dark"), (9_000, "intro")];
        check(&no_logo, |_| 0.0, &scenes, (9_000, IntroMode::Whole));
        check(&Opening::silent(), |_| 0.0, &[(0, "intro")], (0, IntroMode::Whole));
    }

    #[test]
    fn speeds_have_their_names() {
        for speed_percent in SPEEDS_PERCENT {
            let opening = Opening { speed_percent, ..Opening::default() };
            assert_eq!(opening.speed_name(), speed_percent.to_string());
            assert_eq!(Opening::speed_from(opening.speed_name()), Some(speed_percent));
        }
    }

    #[test]
    fn already_waiting_messages_skip_the_opening() {
        check(&Opening::default(), |_| 3.6, &[(0, "intro")], (0, IntroMode::Poster));
        let at_600 = |ms| if ms < 600 { 0.0 } else { 500.0 };
        check(&Opening::default(), at_600, &[(0, "dark"), (600, "intro")], (600, IntroMode::Poster));
    }

    #[test]
    fn a_steady_stream_shortens_it() {
        let one_a_second = |ms: u64| ((ms + 500) / 1_000) as f64 * 1.8;
        let scenes =
            [(0, "dark"), (1_000, "card"), (3_400, "dark"), (4_000, "logo"), (4_600, "rise"), (15_000, "intro")];
        let (played, mode) =
            play(&Opening::default(), OpeningTrigger::Connection, |ms| if ms < 4_600 { one_a_second(ms) } else { 1.8 });
        assert_eq!((&played[..], mode), (&scenes[..], Some((4_600, IntroMode::None))));
        // The first message comes in the middle of the card.
        let late = |ms| if ms < 5_000 { 0.0 } else { 1.8 };
        let scenes =
            [(0, "dark"), (1_000, "card"), (5_000, "dark"), (5_600, "logo"), (6_200, "rise"), (16_600, "intro")];
        let (played, mode) = play(&Opening::default(), OpeningTrigger::Connection, late);
        assert_eq!((&played[..], mode), (&scenes[..], Some((6_200, IntroMode::None))));
    }

    #[test]
    fn a_burst_ends_it() {
        for (at_ms, last) in [(3_000, "card"), (8_000, "dark"), (10_000, "logo")] {
            let burst = |ms| if ms < at_ms { 0.0 } else { 500.0 };
            let (played, mode) = play(&Opening::default(), OpeningTrigger::Connection, burst);
            assert_eq!(played[played.len() - 2].1, last);
            assert_eq!(played.last(), Some(&(at_ms, "intro")));
            assert_eq!(mode, Some((at_ms, IntroMode::None)));
        }
    }

    #[test]
    fn requested_opening_is_not_shortened() {
        let played = play(&Opening::default(), OpeningTrigger::Request, |_| 500.0);
        assert_eq!(played, (FILM.to_vec(), Some((13_000, IntroMode::Whole))));
    }

    #[test]
    fn custom_words_are_not_shortened() {
        let edited = Opening { title: "The Salt Road".to_owned(), ..Opening::default() };
        for waiting_rows in [0.0, 1.8, 3.6, 500.0] {
            check(&edited, |_| waiting_rows, &FILM, (13_000, IntroMode::Whole));
        }
        // The mode overrides this, for any text.
        let always = Opening { mode: Some(OpeningMode::Always), ..Opening::default() };
        check(&always, |_| 500.0, &FILM, (13_000, IntroMode::Whole));
        let yields = Opening { mode: Some(OpeningMode::Yield), ..edited };
        check(&yields, |_| 3.6, &[(0, "intro")], (0, IntroMode::Poster));
    }

    #[test]
    fn an_opening_that_is_off_has_neither_scenes_nor_words() {
        let off = Opening { mode: Some(OpeningMode::Off), ..Opening::default() };
        check(&off, |_| 0.0, &[(0, "intro")], (0, IntroMode::Whole));
        let mut sequence = OpeningSequence::new();
        assert_eq!(sequence.blocks(&off), []);
        // A person who asks for the opening sees it.
        assert_eq!(play(&off, OpeningTrigger::Request, |_| 500.0), (FILM.to_vec(), Some((13_000, IntroMode::Whole))));
        sequence.start(Instant::EPOCH, OpeningTrigger::Request);
        assert_eq!(sequence.blocks(&off).len(), 3);
    }

    #[test]
    fn the_mode_follows_the_words_unless_it_was_chosen() {
        let own = Opening::default();
        assert_eq!(own.effective_mode(), OpeningMode::Yield);
        let with = |change: fn(&mut Opening)| {
            let mut opening = Opening::default();
            change(&mut opening);
            opening.effective_mode()
        };
        for change in [
            (|opening| opening.card.clear()) as fn(&mut Opening),
            |opening| opening.logo.push('!'),
            |opening| opening.episode.clear(),
            |opening| opening.title.clear(),
            |opening| opening.intro.push('!'),
        ] {
            assert_eq!(with(change), OpeningMode::Always);
        }
        assert_eq!(with(|opening| opening.has_stars = false), OpeningMode::Yield);
        assert_eq!(with(|opening| opening.speed_percent = 170), OpeningMode::Yield);
        for mode in OpeningMode::ALL {
            assert_eq!(OpeningMode::from_name(mode.name()), Some(mode));
            let chosen = Opening { mode: Some(mode), ..own.clone() };
            assert_eq!(chosen.effective_mode(), mode);
            assert_eq!(chosen.settled().mode, Some(mode).filter(|mode| *mode != OpeningMode::Yield));
        }
        assert_eq!(OpeningMode::from_name("never"), None);
    }

    #[test]
    fn an_introduction_has_paragraphs() {
        let opening = Opening { intro: " One.\r\n\nTwo,\rthree. \n ".to_owned(), ..Opening::silent() };
        assert_eq!(opening.entries(), ["One.", "Two,", "three."].map(|text| BlockContent::Intro(text.to_owned())));
    }

    #[test]
    fn skipping_ends_it_at_once_and_only_that_one() {
        let opening = Opening::default();
        for skip_at_ms in [0, 3_000, 8_000, 10_000, 15_000] {
            let mut sequence = OpeningSequence::new();
            sequence.start(Instant::EPOCH, OpeningTrigger::Connection);
            let mut modes = 0;
            for ms in (0..skip_at_ms).step_by(TICK_MS as usize) {
                modes += usize::from(sequence.tick(Instant::from_millis(ms), &opening, 0.0).is_some());
            }
            sequence.skip();
            modes += usize::from(sequence.tick(Instant::from_millis(skip_at_ms), &opening, 0.0).is_some());
            assert_eq!((sequence.scene(), modes), (Scene::Intro, 1), "skipped at {skip_at_ms}");
            sequence.start(Instant::from_millis(50_000), OpeningTrigger::Request);
            assert_eq!(sequence.tick(Instant::from_millis(50_200), &opening, 0.0), None);
            assert_eq!(sequence.scene(), Scene::Dark);
        }
    }

    #[test]
    fn opening_is_paused_while_hidden() {
        let opening = Opening::default();
        let mut sequence = OpeningSequence::new();
        sequence.start(Instant::EPOCH, OpeningTrigger::Connection);
        for ms in (0..3_000).step_by(TICK_MS as usize) {
            assert_eq!(sequence.tick(Instant::from_millis(ms), &opening, 0.0), None);
        }
        assert_eq!(sequence.tick(Instant::from_millis(8 * 3_600_000), &opening, 0.0), None);
        assert_eq!(sequence.scene(), Scene::Card);
    }

    #[test]
    fn intro_pans_down_after_a_visible_opening() {
        let scene_after = |opening: &Opening, waiting_rows: f64, skip_at_ms: Option<u64>| {
            let mut sequence = OpeningSequence::new();
            sequence.start(Instant::EPOCH, OpeningTrigger::Connection);
            for ms in (0..60_000).step_by(TICK_MS as usize) {
                if skip_at_ms == Some(ms) {
                    sequence.skip();
                }
                let _ = sequence.tick(Instant::from_millis(ms), opening, waiting_rows);
            }
            sequence.end_intro();
            sequence.scene()
        };
        let own = Opening::default();
        assert_eq!(scene_after(&own, 0.0, None), Scene::Crawl);
        assert_eq!(scene_after(&own, 1.8, None), Scene::Crawl);
        assert_eq!(scene_after(&own, 0.0, Some(3_000)), Scene::Crawl);
        // Black alone isn't an opening.
        assert_eq!(scene_after(&own, 0.0, Some(500)), Scene::Still);
        assert_eq!(scene_after(&own, 3.6, None), Scene::Still);
        assert_eq!(scene_after(&Opening::silent(), 0.0, None), Scene::Still);
    }

    #[test]
    fn the_style_takes_as_long() {
        let style = concat!(include_str!("../../style/opening.css"), include_str!("../../style/stars.css"));
        let seconds = style.split("--retreat: ").nth(1).and_then(|rest| rest.split('s').next());
        let seconds: f64 = seconds.and_then(|seconds| seconds.parse().ok()).expect("the logotype's time");
        assert_eq!(Duration::from_secs_f64(seconds), RETREAT);
        for scene in Scene::ALL {
            let is_named = style.contains(&format!("data-scene=\"{}\"", scene.name()));
            assert!(is_named || matches!(scene, Scene::Idle), "{scene:?} has no look");
        }
    }
}
