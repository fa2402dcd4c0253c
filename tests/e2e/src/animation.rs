//! Checks the animation for minutes while lines arrive, by samples of the screen ([`ink`]). This works in any browser:
//! nothing here needs more than WebDriver.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use crate::ink::{self, Sample};
use crate::link;
use crate::page::Page;
use crate::publish::Publisher;

/// The topic of every line.
pub const TOPIC: &str = "StarWars";

/// The interval between samples of the screen.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// One sample of this number may be late: on a busy machine a browser now and then returns an old picture. When
/// Chromium moved the plane at another speed than the page reported, more than half of them were late.
const SAMPLES_PER_LATE: usize = 4;

/// Before this time the plane may be empty.
const FILL_TIME: Duration = Duration::from_secs(30);

/// The link keys that skip the opening.
pub const NO_OPENING: [(&str, &str); 5] = [("card", ""), ("logo", ""), ("episode", ""), ("title", ""), ("intro", "")];

/// A stream of lines during which the screen is sampled.
#[derive(Clone, Copy, Debug)]
pub struct AnimationTest {
    /// The name for pictures of missing rows.
    pub name: &'static str,
    /// Keys of the link, in addition to those of every such test.
    pub keys: &'static [(&'static str, &'static str)],
    /// The duration, at a line per second.
    pub seconds: u32,
    /// The minimum number of rows expected in each sample, once the plane is full.
    pub least_rows: usize,
}

impl AnimationTest {
    /// Opens the page at `page_url`, streams, and samples every ten seconds. `page` is of any browser; `keys` may set
    /// another broker than the page's own.
    ///
    /// # Errors
    /// Fails when a row is missing in any sample, or when too few are visible. The error lists all samples.
    pub async fn run(&self, page: &Page, page_url: &str, keys: &[(&str, &str)], mqtt_port: u16) -> Result<()> {
        let keys: Vec<_> = NO_OPENING.iter().chain(&[("connect", "1")]).chain(self.keys).chain(keys).copied().collect();
        page.open(&link(page_url, &keys)).await?;
        page.wait_for_state("connected").await?;
        let mut publisher = Publisher::connect(mqtt_port).await?;
        let stream = stream(&mut publisher, 0..self.seconds);
        let duration = Duration::from_secs(self.seconds.into());
        let (samples, ()) = tokio::try_join!(take_samples(page, self.name, duration), stream)?;
        self.check(&samples)
    }

    fn check(&self, samples: &[(Duration, Sample)]) -> Result<()> {
        let (mut text, mut failed, mut late) = (String::new(), 0, 0);
        for (after, sample) in samples {
            let least_rows = if *after < FILL_TIME { 0 } else { self.least_rows };
            failed += usize::from(sample.check_rows(least_rows).is_err());
            late += usize::from(sample.is_late());
            write!(text, "\nafter {:.0} s: {sample}", after.as_secs_f64())?;
        }
        println!("{}:{text}", self.name);
        // A missing row is an error, even on a busy machine.
        ensure!(failed == 0, "{failed} of {} samples, each of {} rows or more: {text}", samples.len(), self.least_rows);
        ensure!(late * SAMPLES_PER_LATE <= samples.len(), "{late} of {} samples were late: {text}", samples.len());
        Ok(())
    }
}

/// Samples the screen every ten seconds for this duration.
///
/// # Errors
/// Fails when the page can't be examined, or when the machine is too slow for half of the samples. Missing rows are no
/// error here.
pub async fn take_samples(page: &Page, name: &str, duration: Duration) -> Result<Vec<(Duration, Sample)>> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    let mut each = tokio::time::interval_at(begun + SAMPLE_INTERVAL, SAMPLE_INTERVAL);
    each.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while each.tick().await <= begun + duration {
        let after = begun.elapsed();
        samples.push((after, ink::sample(page, name).await?));
    }
    let planned = duration.as_secs() / SAMPLE_INTERVAL.as_secs();
    ensure!(samples.len() as u64 >= planned / 2, "only {} samples of {planned} in {duration:?}", samples.len());
    Ok(samples)
}

/// Publishes these lines, one per second.
///
/// # Errors
/// Fails when the broker is gone.
pub async fn stream(publisher: &mut Publisher, lines: Range<u32>) -> Result<()> {
    let mut each_second = tokio::time::interval(Duration::from_secs(1));
    for number in lines {
        each_second.tick().await;
        publisher.publish(TOPIC, &line(number)).await?;
    }
    Ok(())
}

const CHARACTERS: [&str; 5] = ["ADA", "Bram", "Cleo", "Dov", "The Keeper"];

const WORDS: [&str; 37] = [
    "the",
    "relay",
    "at",
    "north",
    "ridge",
    "is",
    "answering",
    "again",
    "and",
    "two",
    "of",
    "three",
    "pumps",
    "have",
    "restarted",
    "before",
    "light",
    "goes",
    "down",
    "I",
    "am",
    "already",
    "on",
    "a",
    "road",
    "with",
    "somebody",
    "who",
    "knows",
    "every",
    "gravel",
    "bridge",
    "lamp",
    "burning",
    "pressure",
    "holding",
    "far",
];

/// Returns a line with a speaker, of 4 to 16 words; the same for the same number.
pub fn line(number: u32) -> String {
    let mut state = number.wrapping_mul(0x9E37_79B9) ^ 0x5BD1_E995;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below
    };
    let words: Vec<&str> = (0..4 + random(13)).map(|_| WORDS[random(WORDS.len())]).collect();
    let mut text = words.join(" ");
    text[..1].make_ascii_uppercase();
    json!({"character": CHARACTERS[random(CHARACTERS.len())], "text": text + "."}).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn lines_are_of_4_to_16_words_and_always_the_same() -> Result<()> {
        let mut lengths = HashSet::new();
        for number in 0..1_000 {
            assert_eq!(line(number), line(number));
            let value: Value = serde_json::from_str(&line(number))?;
            let words = value["text"].as_str().map_or(0, |text| text.split(' ').count());
            assert!((4..=16).contains(&words), "{value}");
            lengths.insert(words);
        }
        assert_eq!(lengths.len(), 13);
        Ok(())
    }

    #[test]
    fn a_test_fails_for_one_missing_row_an_empty_plane_or_late_pictures() {
        let test = AnimationTest { name: "test", keys: &[], seconds: 60, least_rows: 4 };
        let sample = |after_s, expected| (Duration::from_secs(after_s), Sample { expected, ..Sample::default() });
        assert!(test.check(&[sample(10, 0), sample(40, 4)]).is_ok());
        assert!(test.check(&[sample(10, 4), sample(40, 3)]).is_err());
        let late = |after_s| {
            let (after, sample) = sample(after_s, 4);
            (after, Sample { late: 0.2, ..sample })
        };
        assert!(test.check(&[late(10), sample(20, 4), sample(30, 4), sample(40, 4)]).is_ok());
        assert!(test.check(&[late(10), late(20), sample(30, 4), sample(40, 4)]).is_err());
        let mut incomplete = sample(10, 4);
        incomplete.1.missing.push(ink::MissingRow {
            seq: 7,
            text: "a row".to_owned(),
            area: ink::geometry::Area::default(),
            share: 0.0,
        });
        let text = test.check(&[incomplete]).expect_err("a row is missing").to_string();
        assert!(text.contains("\"a row\" of message 7"), "{text}");
    }
}
