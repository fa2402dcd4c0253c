//! What is told before the first message, and when.

use std::time::Duration;

use crate::time::Instant;

/// The words on the card.
pub const CARD: [&str; 2] = ["Not so long ago, on a broker", "not so far away...."];

/// How long the card stays when nothing presses, its fades included.
const CARD_AT_EASE: Duration = Duration::from_millis(4_000);

/// How long it stays when messages wait behind it: enough to be read once.
const CARD_WITH_MESSAGES: Duration = Duration::from_millis(3_000);

/// The introduction is left out when so many rows wait already: live words go
/// before ours.
const INTRO_UP_TO_ROWS: f64 = 14.0;

/// The words of the opening; a link may bring its own (`episode`, `title`,
/// `intro`). An empty one is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The line above the title.
    pub episode: String,
    /// The title.
    pub title: String,
    /// A paragraph that says where the story stands.
    pub intro: String,
}

impl Default for Opening {
    /// The app's own words.
    fn default() -> Self {
        Self {
            episode: "Episode 1883".to_owned(),
            title: "The Retained Message".to_owned(),
            intro: "Small machines at the far edge of the network call into the dark. \
                    One subscriber stays awake and listens for every word...."
                .to_owned(),
        }
    }
}

/// What the stage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Never connected: the title stands still.
    Idle,
    /// The card.
    Card,
    /// The plane, with lines on it or still bare.
    Crawl,
}

/// How much of the opening goes onto the plane once the card is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prologue {
    /// Episode, title and introduction.
    Whole,
    /// Episode and title: messages press.
    TitleOnly,
}

/// Leads from one scene to the next.
#[derive(Clone, Debug)]
pub struct Director {
    scene: Scene,
    card_since: Instant,
    skipped: bool,
}

impl Default for Director {
    fn default() -> Self {
        Self::new()
    }
}

impl Director {
    /// Before the first connection.
    pub fn new() -> Self {
        Self { scene: Scene::Idle, card_since: Instant::EPOCH, skipped: false }
    }

    /// What the stage shows.
    pub fn scene(&self) -> Scene {
        self.scene
    }

    /// Shows the card.
    pub fn begin(&mut self, now: Instant) {
        self.scene = Scene::Card;
        self.card_since = now;
        self.skipped = false;
    }

    /// Somebody doesn't want to see the card any longer.
    pub fn skip(&mut self) {
        self.skipped = true;
    }

    /// Ends the card when its time has come, and says then what of the opening
    /// goes onto the plane.
    #[must_use]
    pub fn tick(&mut self, now: Instant, waiting_rows: f64) -> Option<Prologue> {
        if self.scene != Scene::Card {
            return None;
        }
        let stays = if waiting_rows > 0.0 { CARD_WITH_MESSAGES } else { CARD_AT_EASE };
        if !self.skipped && now.since(self.card_since) < stays {
            return None;
        }
        self.scene = Scene::Crawl;
        Some(if waiting_rows > INTRO_UP_TO_ROWS { Prologue::TitleOnly } else { Prologue::Whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(waiting_rows: f64, ends_at_ms: u64, prologue: Prologue) {
        let mut director = Director::new();
        assert_eq!(director.tick(Instant::EPOCH, waiting_rows), None);
        director.begin(Instant::EPOCH);
        let end =
            (0..10_000).step_by(200).find_map(|ms| Some((ms, director.tick(Instant::from_millis(ms), waiting_rows)?)));
        assert_eq!(end, Some((ends_at_ms, prologue)));
        assert_eq!(director.scene(), Scene::Crawl);
    }

    #[test]
    fn the_card_yields_to_messages() {
        check(0.0, 4_000, Prologue::Whole);
        check(5.0, 3_000, Prologue::Whole);
        check(500.0, 3_000, Prologue::TitleOnly);
    }

    #[test]
    fn skipping_ends_the_card_at_once_and_only_that_one() {
        let mut director = Director::new();
        director.begin(Instant::EPOCH);
        director.skip();
        assert_eq!(director.tick(Instant::from_millis(200), 0.0), Some(Prologue::Whole));
        director.begin(Instant::from_millis(1_000));
        assert_eq!(director.tick(Instant::from_millis(1_200), 0.0), None);
    }
}
