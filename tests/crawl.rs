//! The whole crawl in virtual time, through its public API: a log, its feed, the crawl controller, and a screen that
//! carries out the controller's actions.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mqtt_crawl::crawl::action::{Action, Motion};
use mqtt_crawl::crawl::block::BlockContent;
use mqtt_crawl::crawl::block::Key;
use mqtt_crawl::crawl::controller::{CrawlController, TickInput};
use mqtt_crawl::crawl::feed::CrawlFeed;
use mqtt_crawl::crawl::item::CrawlItem;
use mqtt_crawl::crawl::layout::{BLOCKS_MAX, PASSED_MAX, REBASE_AFTER_EM, StageSize, Toward};
use mqtt_crawl::crawl::metrics::ROW_EM;
use mqtt_crawl::crawl::opening::{Opening, OpeningMode, Scene};
use mqtt_crawl::crawl::pacing::{Pace, SIZE_MIN, SPEED_EM_PER_S};
use mqtt_crawl::crawl::typeset::{self, Column, LineLayout, TypesetBlock, Typesetter};
use mqtt_crawl::dialogue::rules::{LineRules, Rule};
use mqtt_crawl::message_log::message::NewMessage;
use mqtt_crawl::message_log::{Limits, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;

const TICK_MS: u64 = 200;
const DEPTH_EM: f64 = 24.0;
const LETTER_EM: f64 = 0.5;
/// An em on a very large screen.
const EM_PX: f64 = 126.0;
/// The smallest visible movement.
const STILL_PX: f64 = 0.01;

/// Every letter has the average width of the crawl's font.
struct Typewriter(Column);

impl Typesetter for Typewriter {
    fn set(&mut self, entry: &BlockContent, size: f64) -> TypesetBlock {
        let measure = |text: &str| text.chars().count() as f64 * LETTER_EM;
        typeset::set_entry(entry, size, self.0, &mut { measure }, &mut { measure })
    }
}

/// A simulated browser that carries out the actions, and records what a camera would see.
struct Screen {
    log: MessageLog,
    feed: CrawlFeed,
    controller: CrawlController,
    typewriter: Typewriter,
    /// Upper edges, as in the browser.
    tops: BTreeMap<Key, f64>,
    entries: BTreeMap<Key, BlockContent>,
    offset_em: f64,
    rate: f64,
    motion: Motion,
    now_ms: u64,
    rebases: u64,
    most_blocks: usize,
    fastest: f64,
    rate_changes: u64,
    /// Every entry shown, in order.
    shown: Vec<BlockContent>,
    /// The newest message whose own line crossed the edge.
    seen_seq: u64,
    /// Whether a jump was requested.
    jumps: bool,
    /// Requested lines appear out of order.
    asked: BTreeSet<u64>,
}

impl Screen {
    /// After the opening, which has no text here.
    fn new() -> Self {
        let mut controller = CrawlController::new();
        controller.set_opening(Opening::silent());
        controller.begin(Instant::EPOCH);
        Self {
            log: MessageLog::new(Limits::default()),
            feed: CrawlFeed::default(),
            controller,
            typewriter: Typewriter(Column { width_em: 14.2 }),
            tops: BTreeMap::new(),
            entries: BTreeMap::new(),
            offset_em: 0.0,
            rate: 1.0,
            motion: Motion::None,
            now_ms: 0,
            rebases: 0,
            most_blocks: 0,
            fastest: 0.0,
            rate_changes: 0,
            shown: Vec::new(),
            seen_seq: 0,
            jumps: false,
            asked: BTreeSet::new(),
        }
    }

    /// Does what the page does when a person wants to see the line of a message.
    fn show(&mut self, seq: u64) {
        self.jumps = true;
        if !self.request(|controller, input, actions| controller.reveal(input, seq, actions)) {
            self.asked.insert(seq);
            self.feed.show_first(seq);
            self.request(|controller, input, actions| controller.go_live(input, actions));
        }
        self.jumps = false;
    }

    fn arrive(&mut self, payload: &str) {
        self.log.append(&NewMessage {
            time: Instant::from_millis(self.now_ms),
            topic: "StarWars",
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: &[],
            payload: payload.as_bytes(),
        });
    }

    /// One to three rows each, depending on its number.
    fn arrive_many(&mut self, count: u64) {
        for _ in 0..count {
            let seq = self.log.next_seq();
            let sentences = "The relay answers. ".repeat(1 + seq as usize % 3);
            self.arrive(&format!(r#"{{"character":"ADA","text":"{sentences}{seq}"}}"#));
        }
    }

    /// Returns a line of this number of words.
    fn arrive_words(&mut self, words: usize, with_speaker: bool) {
        const WORDS: [&str; 12] =
            ["the", "relay", "at", "north", "ridge", "is", "answering", "again", "and", "nobody", "knows", "why"];
        let seq = self.log.next_seq() as usize;
        let text: Vec<&str> = (0..words).map(|word| WORDS[(seq * 5 + word) % WORDS.len()]).collect();
        let text = text.join(" ");
        match with_speaker {
            true => self.arrive(&format!(r#"{{"character":"ADA","text":"{text}."}}"#)),
            false => self.arrive(&format!("{text}.")),
        }
    }

    fn input(&self) -> TickInput {
        let stage = StageSize { depth_em: DEPTH_EM, column_em: self.typewriter.0.width_em, px_em: 1.0 / EM_PX };
        TickInput { now: Instant::from_millis(self.now_ms), offset_em: self.offset_em, stage }
    }

    /// Returns where each block is on screen: below zero it has passed the edge.
    fn heights_em(&self) -> BTreeMap<Key, f64> {
        self.tops.iter().map(|(key, top_em)| (*key, top_em - self.offset_em)).collect()
    }

    /// Returns where the line of a message is on screen.
    fn height_of(&self, seq: u64) -> Option<f64> {
        let (key, _) = self.entries.iter().find(|(_, entry)| entry.seq() == Some(seq))?;
        Some(self.tops[key] - self.offset_em)
    }

    fn tick(&mut self) {
        self.now_ms += TICK_MS;
        if self.motion == Motion::Moving {
            self.offset_em += SPEED_EM_PER_S * self.rate * TICK_MS as f64 / 1_000.0;
        }
        self.request(|_, _, _| ());
        // Like the page: it pulls when there is room.
        let row_letters = self.typewriter.0.width_em / LETTER_EM;
        let lines = self.feed.take(&self.log, self.controller.room(row_letters));
        self.controller.push(Instant::from_millis(self.now_ms), lines, self.feed.pending());
        for (key, height_em) in self.heights_em() {
            if let BlockContent::Item(CrawlItem::Line { seq, .. }) = self.entries[&key]
                && height_em < 0.0
            {
                self.seen_seq = self.seen_seq.max(seq);
            }
        }
    }

    /// Performs a command of the person, and its immediate effects.
    fn request<T>(&mut self, request: impl FnOnce(&mut CrawlController, TickInput, &mut Vec<Action>) -> T) -> T {
        let before = self.heights_em();
        let mut actions = Vec::new();
        let input = self.input();
        let answer = request(&mut self.controller, input, &mut actions);
        for action in std::mem::take(&mut actions) {
            self.apply(action);
        }
        let input = self.input();
        self.controller.tick(input, &mut self.typewriter, &mut actions);
        for action in actions {
            self.apply(action);
        }
        assert!((0.0..=REBASE_AFTER_EM).contains(&self.offset_em), "{} em are too far", self.offset_em);
        assert_eq!(self.tops.len(), self.controller.shown());
        self.most_blocks = self.most_blocks.max(self.tops.len());
        let after = self.heights_em();
        if !self.jumps {
            for (key, was_em) in before {
                if let Some(is_em) = after.get(&key) {
                    let moved_px = (is_em - was_em).abs() * EM_PX;
                    assert!(moved_px < STILL_PX, "{key:?} jumped by {moved_px} px");
                }
            }
        }
        self.check_order();
        answer
    }

    /// Lines are in the order of their messages, and never overlap.
    fn check_order(&self) {
        let mut placed: Vec<(f64, Key)> = self.tops.iter().map(|(key, top_em)| (*top_em, *key)).collect();
        placed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in placed.windows(2) {
            let [(above_em, above), (below_em, below)] = [pair[0], pair[1]];
            let height_em = self.controller.block(above).expect("on the plane").1.typeset.height_em();
            assert!(below_em >= above_em + height_em + 0.17, "{below:?} overlaps {above:?}");
            let (above, below) = (self.entries[&above].seq(), self.entries[&below].seq());
            let is_asked = below.is_none_or(|seq| self.asked.contains(&seq));
            assert!(above < below || is_asked, "out of order");
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Rebase { shift_em } => {
                self.rebases += 1;
                self.offset_em -= shift_em;
                for top_em in self.tops.values_mut() {
                    *top_em -= shift_em;
                }
            }
            Action::Seek { offset_em } => self.offset_em = offset_em,
            Action::Remove { key } => {
                self.tops.remove(&key);
                self.entries.remove(&key);
            }
            Action::Place { key, top_em } => {
                // An element that is added and removed in one task is never shown.
                let Some((entry, block)) = self.controller.block(key) else { return };
                let (height_em, bottom_em) =
                    (top_em - self.offset_em, top_em + block.typeset.height_em() - self.offset_em);
                let half_px = 0.501 / EM_PX;
                let enters = height_em >= -half_px || bottom_em <= half_px - DEPTH_EM + ROW_EM;
                assert!(enters || self.jumps, "popped up at {height_em}");
                self.entries.insert(key, entry.clone());
                self.tops.insert(key, top_em);
            }
            Action::SetRate(rate) => {
                assert!((rate / self.rate - 1.0).abs() < 0.12 || self.jumps, "a visible jolt: {rate}");
                self.fastest = self.fastest.max(rate);
                self.rate_changes += 1;
                self.rate = rate;
            }
            Action::SetMotion(motion) => self.motion = motion,
            Action::AddToTranscript(entry) => self.shown.push(entry),
        }
    }

    fn run(&mut self, seconds: u64, mut arrivals: impl FnMut(u64) -> u64) {
        for tick in 0..seconds * 1_000 / TICK_MS {
            if tick % (1_000 / TICK_MS) == 0 {
                self.arrive_many(arrivals(tick * TICK_MS / 1_000));
            }
            self.tick();
        }
    }

    /// Returns the number of messages shown, and the number skipped.
    fn counts(&self) -> (u64, u64) {
        self.shown.iter().fold((0, 0), |(shown, skipped), entry| match entry {
            BlockContent::Item(CrawlItem::Line { .. }) => (shown + 1, skipped),
            BlockContent::Item(CrawlItem::Skipped { count, .. }) => (shown, skipped + count),
            _ => (shown, skipped),
        })
    }
}

#[test]
fn nothing_jumps_for_eight_hours() {
    let mut screen = Screen::new();
    // A readable amount: a line every seven seconds, and a burst an hour.
    screen.run(8 * 3_600, |second| u64::from(second % 7 == 0) + if second % 3_600 == 1_800 { 2_000 } else { 0 });
    screen.run(300, |_| 0);
    let (shown, skipped) = screen.counts();
    assert_eq!(shown + skipped, screen.log.received(), "every message is shown or counted");
    assert!(skipped > 8 * 1_900 && shown > 8 * 500, "{shown} shown, {skipped} skipped");
    assert!(screen.rebases > 10, "{} rebases", screen.rebases);
    assert!(screen.most_blocks < BLOCKS_MAX / 2, "{} blocks", screen.most_blocks);
    assert_eq!((screen.controller.waiting(), screen.controller.lag()), (0, None));
    assert!(screen.tops.is_empty() && screen.motion == Motion::Paused, "an empty plane doesn't move");
}

#[test]
fn burst_is_shown_within_half_a_minute() {
    // Wherever it falls between the skip notes of a stream that is already too fast.
    for begin_s in 60..90 {
        let mut screen = Screen::new();
        screen.run(begin_s, |_| 1);
        screen.arrive_many(2_000);
        let newest = screen.log.next_seq() - 1;
        let mut waited_s = 0;
        while screen.seen_seq < newest {
            screen.run(1, |_| 1);
            waited_s += 1;
            assert!(waited_s <= 30, "burst at {begin_s} s: {} of {newest} after {waited_s} s", screen.seen_seq);
        }
        screen.run(30, |_| 1);
        assert_eq!(screen.controller.lag(), None, "burst at {begin_s} s: a line a second is shown in time");
    }
}

#[test]
fn burst_speeds_up_and_slows_down_smoothly() {
    let mut screen = Screen::new();
    screen.run(60, |second| if second == 10 { 16 } else { 0 });
    assert!(screen.fastest > 1.8, "fastest {}", screen.fastest);
    screen.run(120, |_| 0);
    assert!((screen.rate - 1.0).abs() < 0.05, "calm again: {}", screen.rate);
    assert_eq!(screen.counts(), (16, 0), "few enough to show all");
}

/// What a stream of lines of 4 to 16 words looks like on screen.
#[derive(Clone, Debug, Default)]
struct Stream {
    published: u64,
    shown: u64,
    /// Blocks that are notes of skipped messages.
    notes: u64,
    /// From arrival to crossing the edge, in seconds, sorted.
    lags_s: Vec<f64>,
    /// The maximum age of the newest visible line, in seconds.
    oldest_newest_s: f64,
    /// The maximum number of messages between the line that is entering and the newest.
    most_behind: u64,
    /// Whether the button for it was shown.
    said_behind: bool,
    smallest: f64,
    /// The sizes of the lines shown, in order.
    sizes: Vec<f64>,
    /// The number of changes of the animation's rate.
    rate_changes: u64,
    fastest: f64,
    /// The shortest time that a line was visible, in seconds.
    in_sight_s: f64,
}

impl Stream {
    /// Returns how often the size changed from smaller to larger or back, after this number of lines.
    fn size_turns(&self, from: usize) -> usize {
        let mut sizes = self.sizes[from.min(self.sizes.len())..].to_vec();
        sizes.dedup();
        sizes.windows(3).filter(|three| (three[1] > three[0]) != (three[2] > three[1])).count()
    }

    fn p99_lag_s(&self) -> f64 {
        self.lags_s[(self.lags_s.len() * 99 / 100).min(self.lags_s.len() - 1)]
    }
}

/// Streams for this number of seconds; nothing is measured in the first 20.
fn stream(screen: &mut Screen, seconds: u64, per_s: f64, with_speaker: bool) -> Stream {
    let mut stream = Stream { smallest: 1.0, in_sight_s: f64::MAX, ..Stream::default() };
    let (mut arrived_ms, mut placed_ms) = (BTreeMap::new(), BTreeMap::new());
    let begin_ms = screen.now_ms;
    let mut sized = BTreeSet::new();
    (screen.fastest, screen.rate_changes) = (0.0, 0);
    let first_shown = screen.shown.len();
    while screen.now_ms < begin_ms + seconds * 1_000 {
        let due = ((screen.now_ms - begin_ms) as f64 / 1_000.0 * per_s) as u64;
        while stream.published < due {
            stream.published += 1;
            let seq = screen.log.next_seq();
            arrived_ms.insert(seq, screen.now_ms);
            screen.arrive_words(4 + (seq * 7 % 13) as usize, with_speaker);
        }
        let seen = screen.seen_seq;
        let on_plane: BTreeSet<u64> = screen.entries.values().filter_map(BlockContent::seq).collect();
        screen.tick();
        for seq in seen + 1..=screen.seen_seq {
            if let Some(arrived) = arrived_ms.get(&seq)
                && on_plane.contains(&seq)
            {
                stream.lags_s.push((screen.now_ms - arrived) as f64 / 1_000.0);
                placed_ms.insert(seq, screen.now_ms);
            }
        }
        for seq in on_plane {
            if !screen.entries.values().any(|entry| entry.seq() == Some(seq))
                && let Some(placed) = placed_ms.remove(&seq)
            {
                stream.in_sight_s = stream.in_sight_s.min((screen.now_ms - placed) as f64 / 1_000.0);
            }
        }
        if screen.now_ms > begin_ms + 20_000 {
            let newest = screen.log.next_seq() - 1;
            stream.most_behind = stream.most_behind.max(newest - screen.seen_seq);
            if let Some(arrived) = arrived_ms.get(&screen.seen_seq) {
                stream.oldest_newest_s = stream.oldest_newest_s.max((screen.now_ms - arrived) as f64 / 1_000.0);
            }
            stream.said_behind |= screen.controller.lag().is_some();
        }
        for (key, entry) in &screen.entries {
            if let Some((_, block)) = screen.controller.block(*key)
                && let TypesetBlock::Rows(setting) = &block.typeset
            {
                stream.smallest = stream.smallest.min(setting.size);
                if entry.seq().is_some_and(|seq| sized.insert(seq)) {
                    stream.sizes.push(setting.size);
                }
            }
        }
    }
    for entry in &screen.shown[first_shown..] {
        match entry {
            BlockContent::Item(CrawlItem::Line { .. }) => stream.shown += 1,
            BlockContent::Item(CrawlItem::Skipped { .. }) => stream.notes += 1,
            _ => {}
        }
    }
    (stream.fastest, stream.rate_changes) = (screen.fastest, screen.rate_changes);
    stream.lags_s.sort_by(f64::total_cmp);
    stream
}

#[test]
fn every_line_is_shown_at_one_per_second() {
    for with_speaker in [true, false] {
        let mut screen = Screen::new();
        let stream = stream(&mut screen, 600, 1.0, with_speaker);
        println!(
            "{:?} {:?}",
            Stream { lags_s: Vec::new(), sizes: Vec::new(), ..stream.clone() },
            (stream.p99_lag_s(), stream.size_turns(30), stream.sizes.len())
        );
        assert_eq!(stream.notes, 0);
        assert!(stream.shown + 6 >= stream.published, "{} of {}", stream.shown, stream.published);
        assert!(stream.p99_lag_s() < 10.0, "{}", stream.p99_lag_s());
        assert!(stream.most_behind <= 6, "{}", stream.most_behind);
        assert!(!stream.said_behind);
        assert!(stream.in_sight_s > 10.0, "{}", stream.in_sight_s);
    }
}

#[test]
fn every_line_is_shown_at_up_to_one_and_a_half_per_second() {
    let mut screen = Screen::new();
    let stream = stream(&mut screen, 600, 1.5, true);
    println!(
        "{:?} {:?}",
        Stream { lags_s: Vec::new(), sizes: Vec::new(), ..stream.clone() },
        (stream.p99_lag_s(), stream.size_turns(30), stream.sizes.len())
    );
    assert_eq!(stream.notes, 0);
    assert!(stream.shown + 12 >= stream.published, "{} of {}", stream.shown, stream.published);
    assert!(stream.smallest >= SIZE_MIN - 1e-9);
}

#[test]
fn at_five_lines_per_second_two_fifths_are_shown() {
    let mut screen = Screen::new();
    let stream = stream(&mut screen, 300, 5.0, true);
    println!(
        "{:?} {:?}",
        Stream { lags_s: Vec::new(), sizes: Vec::new(), ..stream.clone() },
        (stream.p99_lag_s(), stream.size_turns(30), stream.sizes.len())
    );
    assert!(stream.shown * 10 >= stream.published * 4, "{} of {}", stream.shown, stream.published);
    assert!(stream.oldest_newest_s <= 15.0, "{}", stream.oldest_newest_s);
    assert!(stream.notes * 8 <= stream.shown + stream.notes, "{} notes, {} lines", stream.notes, stream.shown);
}

#[test]
fn newest_line_is_shown_although_others_are_skipped() {
    for per_s in [0.2, 1.0, 5.0] {
        let mut screen = Screen::new();
        screen.controller.set_opening(Opening { pace: Pace::Latest, ..Opening::silent() });
        let stream = stream(&mut screen, 300, per_s, true);
        println!("{per_s}: {:?}", Stream { lags_s: Vec::new(), sizes: Vec::new(), ..stream.clone() });
        assert_eq!(stream.notes, 0);
        assert!(stream.shown > 30, "{} of {} at {per_s} a second", stream.shown, stream.published);
        assert!(stream.p99_lag_s() < 6.0, "{} s at {per_s} a second", stream.p99_lag_s());
        assert!(!stream.said_behind);
        // At any length.
        screen.arrive(&"word ".repeat(2_000));
        let newest = screen.log.next_seq() - 1;
        screen.run(30, |_| 0);
        assert_eq!(screen.seen_seq, newest);
    }
}

#[test]
fn long_lines_count_by_their_length() {
    let mut screen = Screen::new();
    for _ in 0..8 {
        screen.arrive(&"word ".repeat(1_000));
    }
    screen.run(5, |_| 0);
    // Each takes three seconds at the smallest size and the highest speed.
    assert!(
        matches!(screen.shown[0], BlockContent::Item(CrawlItem::Skipped { count: 5..=7, .. })),
        "{:?}",
        screen.shown[0]
    );
}

#[test]
fn clearing_removes_everything() {
    let mut screen = Screen::new();
    screen.run(20, |_| 2);
    screen.feed.skip_to(screen.log.next_seq());
    screen.jumps = true;
    screen.request(|controller, _, actions| controller.clear(actions));
    screen.jumps = false;
    screen.run(10, |_| 0);
    assert!(screen.tops.is_empty() && screen.motion == Motion::Paused);
    screen.run(10, |second| u64::from(second == 5));
    assert_eq!(screen.tops.len(), 1);
    assert_eq!(screen.motion, Motion::Moving);
}

#[test]
fn scrolling_back_and_forward_restores_the_offset() {
    let mut screen = Screen::new();
    screen.run(300, |second| u64::from(second % 7 == 0));
    let run: Vec<u64> = screen.entries.values().filter_map(BlockContent::seq).collect();
    let mut seen = BTreeSet::new();
    // By wheel, a row at a time, to the oldest.
    for _ in 0..300 {
        let before = screen.heights_em();
        let from_em = screen.offset_em;
        screen.jumps = true;
        screen.request(|controller, input, actions| controller.scroll_by(input, -ROW_EM, actions));
        screen.jumps = false;
        let _ = from_em;
        for (key, height_em) in screen.heights_em() {
            if let Some(was_em) = before.get(&key) {
                assert!((0.0..=ROW_EM + 1e-9).contains(&(height_em - was_em)), "an uneven step");
            }
        }
        seen.extend(screen.entries.values().filter_map(BlockContent::seq));
        screen.tick();
    }
    assert_eq!(seen.first(), Some(&1), "back to the first line");
    let last = *seen.last().expect("lines");
    assert!(seen.into_iter().eq(1..=last), "none is left out");
    assert!(screen.height_of(1).is_some_and(|height_em| height_em < 0.0), "the first stays in view");
    assert_eq!((screen.motion, screen.controller.room(26.0).lines), (Motion::Paused, 0));
    assert!(screen.controller.lag() > Some(30), "{:?}", screen.controller.lag());

    // And forward, until it continues automatically.
    let shown = screen.shown.len();
    screen.jumps = true;
    for _ in 0..400 {
        screen.request(|controller, input, actions| controller.scroll_by(input, ROW_EM, actions));
        screen.tick();
        if screen.motion == Motion::Moving {
            break;
        }
    }
    screen.jumps = false;
    assert_eq!(screen.motion, Motion::Moving);
    for seq in run {
        assert!(screen.height_of(seq).is_some(), "line {seq} is where it was");
    }
    screen.run(60, |second| u64::from(second % 7 == 0));
    assert!(screen.shown.len() > shown);
    let (shown, skipped) = screen.counts();
    assert_eq!((shown + screen.controller.waiting(), skipped), (screen.log.received(), 0), "none is shown twice");
}

#[test]
fn scrolled_back_crawl_resumes_at_the_end_or_on_request() {
    let mut screen = Screen::new();
    screen.run(300, |second| u64::from(second % 7 == 0));
    screen.jumps = true;
    screen.request(|controller, input, actions| controller.scroll_by(input, -100.0, actions));
    assert_eq!(screen.motion, Motion::Paused);
    screen.jumps = false;
    // Space: resumes from here, through what was shown before, and faster.
    screen.request(|controller, _, _| controller.toggle_pause());
    assert_eq!(screen.motion, Motion::Moving);
    let shown = screen.shown.len();
    screen.run(20, |second| u64::from(second % 7 == 0));
    assert!(screen.rate > 1.4, "it catches up: {}", screen.rate);
    assert_eq!(screen.shown.len(), shown, "new lines wait");
    // Home: the newest is directly above the edge.
    screen.jumps = true;
    screen.request(|controller, input, actions| controller.go_live(input, actions));
    let newest = screen.shown.iter().filter_map(BlockContent::seq).next_back().expect("lines");
    let height_em = screen.height_of(newest).expect("on the plane");
    assert!((-4.0 * ROW_EM..0.0).contains(&height_em), "{height_em}");
    screen.jumps = false;
    screen.run(60, |_| 0);
    assert_eq!(screen.controller.waiting(), 0);
    assert_eq!(screen.seen_seq, screen.log.next_seq() - 1);
}

#[test]
fn remembered_lines_are_bounded() {
    let mut screen = Screen::new();
    screen.run(3 * 3_600, |second| u64::from(second % 5 == 0));
    assert!(screen.shown.len() > PASSED_MAX + 500);
    screen.jumps = true;
    for _ in 0..3_000 {
        screen.request(|controller, input, actions| controller.scroll_by(input, -4.0, actions));
    }
    let oldest = screen.entries.values().filter_map(BlockContent::seq).min().expect("lines");
    let newest = screen.shown.iter().filter_map(BlockContent::seq).max().expect("lines");
    assert!((PASSED_MAX as u64..PASSED_MAX as u64 + 60).contains(&(newest - oldest)), "{oldest} of {newest}");
    assert!(
        !screen.request(|controller, input, actions| controller.reveal(input, oldest - 1, actions)),
        "it is forgotten"
    );
    assert!(screen.request(|controller, input, actions| controller.reveal(input, newest, actions)));
    let height_em = screen.height_of(newest).expect("on the plane");
    assert!((-9.0 * ROW_EM..0.0).contains(&height_em), "{height_em}");
}

#[test]
fn requested_line_is_shown_at_a_readable_position() {
    let mut screen = Screen::new();
    screen.run(300, |second| u64::from(second % 7 == 0));
    let readable = |screen: &Screen, seq| screen.height_of(seq).is_some_and(|em| (-9.1 * ROW_EM..0.0).contains(&em));
    // Text that is readable already stays, and continues to move.
    let visible = (1..).find(|seq| readable(&screen, *seq)).expect("a line");
    assert!(screen.request(|controller, input, actions| controller.reveal(input, visible, actions)));
    assert_eq!(screen.motion, Motion::Moving);
    screen.jumps = true;
    for seq in [3, 20, 5, 1] {
        assert!(screen.request(|controller, input, actions| controller.reveal(input, seq, actions)));
        assert!(readable(&screen, seq), "{seq}: {:?}", screen.height_of(seq));
        assert_eq!(screen.motion, Motion::Paused);
    }
    assert!(!screen.request(|controller, input, actions| controller.reveal(input, 9_999, actions)));
    // From line to line.
    let mut at = Some(1);
    for expected in 2..30 {
        at = screen.request(|controller, input, actions| controller.step(input, at, Toward::Newer, actions));
        assert_eq!(at, Some(expected));
        assert!(readable(&screen, expected), "{expected}: {:?}", screen.height_of(expected));
    }
    assert_eq!(
        screen.request(|controller, input, actions| controller.step(input, at, Toward::Older, actions)),
        Some(28)
    );
    assert_eq!(
        screen.request(|controller, input, actions| controller.step(input, Some(1), Toward::Older, actions)),
        None
    );
}

#[test]
fn forgotten_line_is_shown_again_on_request() {
    let mut screen = Screen::new();
    screen.run(3 * 3_600, |second| u64::from(second % 5 == 0));
    assert!(!screen.request(|controller, input, actions| controller.reveal(input, 3, actions)), "forgotten");
    // In any state of the crawl: seeking back or paused.
    for (seq, is_paused) in [(3, false), (4, true)] {
        screen.jumps = true;
        screen.request(|controller, input, actions| match is_paused {
            true => controller.toggle_pause(),
            false => controller.scroll_by(input, -40.0, actions),
        });
        screen.show(seq);
        let shown = screen.shown.len();
        screen.jumps = true;
        screen.run(12, |_| 0);
        let again = screen.shown[shown..].iter().find(|entry| entry.seq() == Some(seq));
        assert!(
            matches!(again, Some(BlockContent::Item(CrawlItem::Line { line, .. })) if line.character == "ADA"),
            "{again:?}"
        );
        assert!(screen.height_of(seq).is_some_and(|em| em < 0.0), "{seq} is on screen: {:?}", screen.height_of(seq));
    }
}

#[test]
fn queued_line_is_not_shown_twice() {
    let mut screen = Screen::new();
    screen.run(20, |_| 2);
    let taken = (1..screen.log.next_seq()).find(|seq| {
        let shows = |entry: &BlockContent| matches!(entry, BlockContent::Item(shown) if shown.is_about(*seq));
        !screen.shown.iter().any(shows)
    });
    let taken = taken.expect("a waiting line");
    screen.show(taken);
    assert!(screen.asked.is_empty(), "{taken} was taken already, and comes next");
}

#[test]
fn requested_line_is_shown_despite_the_rules() {
    let mut screen = Screen::new();
    let rules =
        LineRules { rules: vec![Rule { topics: TopicFilter::parse("StarWars").expect("a filter"), wording: None }] };
    screen.feed.set_rules(Rc::new(rules), &screen.log);
    screen.arrive_many(3);
    screen.run(5, |_| 0);
    assert!(screen.shown.is_empty(), "{:?}", screen.shown);
    for (seq, text) in [(2, "The relay answers."), (99, "(Message 99 is no longer stored)")] {
        screen.show(seq);
        assert_eq!(screen.feed.pending(), 1, "so that the page's next pull is answered");
        screen.run(8, |_| 0);
        let shown = screen.shown.last();
        let is_shown =
            matches!(shown, Some(BlockContent::Item(CrawlItem::Line { line, .. })) if line.text.starts_with(text));
        assert!(is_shown, "{shown:?}");
        assert_eq!(screen.feed.pending(), 0);
    }
}

#[test]
fn skipped_messages_are_found_by_their_note() {
    let mut screen = Screen::new();
    screen.arrive_many(500);
    screen.run(10, |_| 0);
    screen.jumps = true;
    assert!(
        screen.request(|controller, input, actions| controller.reveal(input, 7, actions)),
        "the note of the skipped one"
    );
    let note = screen.shown[0].seq().expect("a note");
    assert!(screen.request(|controller, input, actions| controller.reveal(input, note, actions)));
    assert!(
        !screen.request(|controller, input, actions| controller.reveal(input, 0, actions)),
        "there is no message 0"
    );
}

#[test]
fn resize_keeps_the_position_of_the_line_being_read() {
    let mut screen = Screen::new();
    screen.run(200, |second| u64::from(second % 7 == 0));
    let read = |screen: &Screen| {
        let whole = screen.heights_em().into_iter().filter(|(key, height_em)| {
            height_em + screen.controller.block(*key).map_or(0.0, |(_, block)| block.typeset.height_em()) <= 0.0
        });
        let (key, height_em) = whole.max_by(|a, b| a.1.total_cmp(&b.1)).expect("a line on screen");
        (screen.entries[&key].seq(), height_em)
    };
    let before = read(&screen);
    screen.jumps = true;
    for width_em in [12.4, 13.4, 14.2] {
        screen.typewriter.0.width_em = width_em;
        screen.request(|controller, input, actions| controller.relayout(input, actions));
        let seq = before.0.expect("a message's");
        let height_em = screen.height_of(seq).expect("on the plane");
        let moved_px = (height_em - before.1).abs() * EM_PX;
        assert!(moved_px < STILL_PX, "{width_em}: {before:?} is at {height_em}");
        for key in screen.tops.keys() {
            let (entry, block) = screen.controller.block(*key).expect("on the plane");
            let TypesetBlock::Rows(LineLayout { size, .. }) = block.typeset else { panic!("no line") };
            assert_eq!(block.typeset, screen.typewriter.set(entry, size), "set for this column");
        }
    }
    screen.jumps = false;
    screen.run(60, |_| 0);
    assert_eq!(screen.controller.waiting(), 0);
}

#[test]
fn paused_crawl_shows_nothing_new_and_then_skips() {
    let mut screen = Screen::new();
    screen.run(30, |second| u64::from(second % 7 == 0));
    screen.request(|controller, _, _| controller.toggle_pause());
    let shown = screen.shown.len();
    screen.run(600, |_| 5);
    assert!(screen.shown.len() <= shown + 1, "only what was at the edge already");
    assert!(screen.controller.lag() > Some(2_900));
    screen.request(|controller, _, _| controller.toggle_pause());
    screen.run(5, |_| 0);
    let note =
        screen.shown[shown..].iter().find(|entry| matches!(entry, BlockContent::Item(CrawlItem::Skipped { .. })));
    assert!(matches!(note, Some(BlockContent::Item(CrawlItem::Skipped { count, .. })) if *count > 2_900), "{note:?}");
}

#[test]
fn hidden_page_stops_and_resumes_with_new_lines() {
    let mut screen = Screen::new();
    screen.run(30, |second| u64::from(second % 7 == 0));
    screen.request(|controller, _, _| controller.set_hidden(true));
    assert_eq!((screen.motion, screen.controller.room(26.0).lines), (Motion::Paused, 0));
    screen.arrive_many(5_000);
    // The machine was suspended: no tick at all.
    screen.now_ms += 8 * 3_600_000;
    screen.request(|controller, _, _| controller.set_hidden(false));
    assert_eq!(screen.motion, Motion::Moving);
    screen.run(3, |_| 0);
    let (_, skipped) = screen.counts();
    assert!(skipped > 4_900, "{skipped} are skipped");
    screen.run(30, |_| 0);
    assert_eq!(screen.seen_seq, screen.log.next_seq() - 1);
}

#[test]
fn speed_follows_the_keys() {
    let mut screen = Screen::new();
    screen.run(20, |second| u64::from(second == 1));
    assert!((screen.rate - 1.0).abs() < 0.02);
    screen.jumps = true;
    for (request, expected) in [
        (CrawlController::speed_up as fn(&mut CrawlController), 130),
        (CrawlController::speed_up, 170),
        (CrawlController::slow_down, 130),
    ] {
        screen.request(|controller, _, _| request(controller));
        assert_eq!(screen.controller.speed_percent(), expected);
        assert!((screen.rate * 100.0 - f64::from(expected)).abs() < 3.0, "{}", screen.rate);
    }
    for _ in 0..20 {
        screen.request(|controller, _, _| controller.slow_down());
    }
    assert_eq!(screen.controller.speed_percent(), 25);
    assert!(screen.rate > 0.2, "the crawl doesn't stop");
}

/// With the app's own opening, before the first connection.
fn idle_screen() -> Screen {
    let mut screen = Screen::new();
    screen.controller = CrawlController::new();
    screen.jumps = true;
    screen.run(2, |_| 0);
    assert_eq!((screen.controller.scene(), screen.tops.len(), screen.motion), (Scene::Idle, 3, Motion::Paused));
    assert!(screen.heights_em().values().all(|height_em| *height_em < 0.0), "above the edge");
    screen
}

/// Connects, with this number of messages per second from then on; returns the seconds until the first line crosses the
/// edge, and the scenes up to then.
fn first_line(screen: &mut Screen, a_second: impl Fn(u64) -> u64) -> (u64, Vec<Scene>) {
    screen.controller.begin(Instant::from_millis(screen.now_ms));
    let (mut seconds, mut scenes) = (0, vec![screen.controller.scene()]);
    while screen.seen_seq == 0 && seconds < 120 {
        screen.arrive_many(a_second(seconds));
        for _ in 0..1_000 / TICK_MS {
            screen.tick();
            if scenes.last() != Some(&screen.controller.scene()) {
                scenes.push(screen.controller.scene());
            }
        }
        seconds += 1;
    }
    (seconds, scenes)
}

#[test]
fn opening_plays_when_no_message_waits() {
    let mut screen = idle_screen();
    let (seconds, scenes) = first_line(&mut screen, |second| u64::from(second > 100));
    assert!(seconds > 100, "{seconds}");
    assert_eq!(scenes, [Scene::Dark, Scene::Card, Scene::Dark, Scene::Logo, Scene::Rise, Scene::Intro, Scene::Crawl]);
    assert!(
        matches!(
            screen.shown[..],
            [BlockContent::Episode(_), BlockContent::Title(_), BlockContent::Intro(_), BlockContent::Item(_), ..]
        ),
        "{:?}",
        screen.shown
    );
}

#[test]
fn intro_timing_matches_the_film() {
    let mut screen = idle_screen();
    screen.controller.begin(Instant::from_millis(screen.now_ms));
    let begun_ms = screen.now_ms;
    while screen.controller.scene() != Scene::Crawl {
        screen.tick();
        assert!(screen.now_ms < begun_ms + 120_000, "no end");
    }
    let seconds = (screen.now_ms - begun_ms) / 1_000;
    assert!((75..100).contains(&seconds), "{seconds} s; the film takes 83");
}

#[test]
fn waiting_messages_shorten_the_opening() {
    // They are queued already: the visible title begins to rise, and they follow it.
    let mut screen = idle_screen();
    let (seconds, scenes) = first_line(&mut screen, |second| if second == 0 { 5 } else { 1 });
    assert!(seconds <= 1, "{seconds} s, by {scenes:?}");
    assert!(scenes.ends_with(&[Scene::Intro]), "{scenes:?}");
    assert!(screen.shown.iter().all(|entry| matches!(entry, BlockContent::Item(_))), "{:?}", screen.shown);

    // A message per second: all scenes, without the introduction.
    let mut screen = idle_screen();
    let (seconds, scenes) = first_line(&mut screen, |_| 1);
    assert!(seconds <= 5, "{seconds} s, by {scenes:?}");
    assert_eq!(scenes[..5], [Scene::Dark, Scene::Card, Scene::Dark, Scene::Logo, Scene::Rise]);

    // One that arrives while the title rises: the introduction is cut short.
    let mut screen = idle_screen();
    let (seconds, _) = first_line(&mut screen, |second| u64::from(second == 14));
    assert!(seconds <= 14 + 12, "{seconds} s");
}

/// Returns a letter for an entry: the opening's episode, title and introduction, and lines.
fn kind(entry: &BlockContent) -> char {
    match entry {
        BlockContent::Episode(_) => 'e',
        BlockContent::Title(_) => 't',
        BlockContent::Intro(_) => 'i',
        BlockContent::Item(_) => 'l',
    }
}

/// Plays an opening with this number of messages per second; returns what is shown in its order, without repeats, the
/// second in which the first line crosses the edge, and the scenes up to then.
fn play(opening: Opening, a_second: impl Fn(u64) -> u64) -> (String, u64, Vec<Scene>) {
    let mut screen = idle_screen();
    screen.request(|controller, _, _| controller.set_opening(opening));
    let (seconds, scenes) = first_line(&mut screen, a_second);
    screen.run(60, |_| 0);
    let (shown, skipped) = screen.counts();
    assert_eq!(shown + skipped, screen.log.received(), "every message is shown or counted");
    let mut kinds: Vec<char> = screen.shown.iter().map(kind).collect();
    kinds.dedup();
    (kinds.into_iter().collect(), seconds, scenes)
}

fn edited() -> Opening {
    let intro = "The lamps are out.\n\nNobody knows why.\nSomebody has to row out.";
    Opening { title: "The Salt Road".to_owned(), intro: intro.to_owned(), ..Opening::default() }
}

#[test]
fn edited_opening_is_not_shortened() {
    let film = [Scene::Dark, Scene::Card, Scene::Dark, Scene::Logo, Scene::Rise];
    let at_2_and_10 = |second| u64::from(second == 2 || second == 10);
    // Two that are queued at the first moment, and a burst.
    let at_once = |second| if second == 0 { 5 } else { 0 };
    let burst = |second| if second == 5 { 40 } else { 0 };
    for a_second in [at_2_and_10 as fn(u64) -> u64, at_once, burst, |_| 1] {
        let (shown, seconds, scenes) = play(edited(), a_second);
        assert_eq!(shown, "etil", "episode, title, introduction, lines");
        assert!((20..90).contains(&seconds), "{seconds} s");
        assert_eq!(scenes[..5], film);
    }
    // The same with the app's own text, if it is requested.
    let always = Opening { mode: Some(OpeningMode::Always), ..Opening::default() };
    let (shown, seconds, scenes) = play(always, at_2_and_10);
    assert_eq!((shown.as_str(), &scenes[..5]), ("etil", &film[..]));
    assert!(seconds >= 20, "{seconds} s");
}

#[test]
fn opening_in_yield_mode_is_shortened() {
    let at_2_and_10 = |second| u64::from(second == 2 || second == 10);
    for opening in [Opening::default(), Opening { mode: Some(OpeningMode::Yield), ..edited() }] {
        let (shown, seconds, _) = play(opening, at_2_and_10);
        assert_eq!(shown, "l");
        assert!(seconds <= 8, "{seconds} s");
    }
}

#[test]
fn without_an_opening_the_first_message_is_shown_immediately() {
    for opening in [Opening::default(), edited()] {
        let off = Opening { mode: Some(OpeningMode::Off), ..opening };
        let (shown, seconds, scenes) = play(off.clone(), |second| u64::from(second == 3));
        assert_eq!(shown, "l");
        assert_eq!(seconds, 4, "in the second of its arrival");
        assert!(!scenes.iter().any(|scene| matches!(scene, Scene::Card | Scene::Logo | Scene::Rise)), "{scenes:?}");
        let (_, seconds, _) = play(off.clone(), |second| u64::from(second == 0));
        assert_eq!(seconds, 1);
        // Before a connection there is nothing either, and plain text doesn't show its text.
        let mut screen = idle_screen();
        screen.request(|controller, _, _| controller.set_opening(off));
        assert_eq!(screen.tops.len(), 0);
        screen.request(|controller, _, _| controller.show_plain(true));
        screen.arrive_many(2);
        screen.controller.begin(Instant::from_millis(screen.now_ms));
        screen.run(3, |_| 0);
        assert_eq!(screen.shown.iter().map(kind).collect::<String>(), "ll");
    }
}

/// In plain text the plane doesn't move, so lines must not wait for its movement.
#[test]
fn transcript_takes_lines_at_any_scroll_position() {
    for ticks in 0..40 {
        for back_em in [0.0, -6.0] {
            let mut screen = Screen::new();
            screen.arrive_many(4);
            (0..ticks).for_each(|_| screen.tick());
            screen.jumps = true;
            screen.request(|controller, input, actions| controller.scroll_by(input, back_em, actions));
            screen.request(|controller, _, _| controller.show_plain(true));
            screen.arrive_many(2);
            screen.run(3, |_| 0);
            let newest = screen.shown.iter().filter_map(BlockContent::seq).max();
            assert_eq!(newest, Some(6), "after {ticks} ticks, {back_em} em back");
            assert_eq!(screen.controller.waiting(), 0, "after {ticks} ticks, {back_em} em back");
        }
    }
}

#[test]
fn introduction_paragraphs_are_separate() {
    let mut screen = idle_screen();
    screen.request(|controller, _, _| controller.set_opening(edited()));
    let mut paragraphs: Vec<(f64, f64)> = screen
        .entries
        .iter()
        .filter(|(_, entry)| matches!(entry, BlockContent::Intro(_)))
        .map(|(key, _)| {
            let height_em = screen.controller.block(*key).expect("on the plane").1.typeset.height_em();
            (screen.tops[key], screen.tops[key] + height_em)
        })
        .collect();
    paragraphs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(paragraphs.len(), 3);
    for pair in paragraphs.windows(2) {
        assert!(pair[1].0 - pair[0].1 > 0.5 * ROW_EM, "a gap: {pair:?}");
    }
}

#[test]
fn opening_can_be_paused() {
    let mut screen = idle_screen();
    screen.controller.begin(Instant::from_millis(screen.now_ms));
    screen.run(10, |_| 0);
    assert_eq!(screen.controller.scene(), Scene::Logo);
    screen.request(|controller, _, _| controller.toggle_pause());
    screen.run(60, |_| 0);
    assert_eq!((screen.controller.scene(), screen.motion), (Scene::Logo, Motion::Paused));
    screen.request(|controller, _, _| controller.toggle_pause());
    screen.run(5, |_| 0);
    assert_eq!((screen.controller.scene(), screen.motion), (Scene::Rise, Motion::Moving));
}

#[test]
fn replaying_the_opening_loses_no_line() {
    let mut screen = Screen::new();
    screen.run(30, |_| 1);
    let now = Instant::from_millis(screen.now_ms);
    screen.jumps = true;
    screen.request(|controller, _, _| {
        controller.set_opening(Opening::default());
        controller.play_opening(now);
    });
    screen.run(12, |_| 1);
    assert_eq!(screen.controller.scene(), Scene::Logo, "all of it, although messages wait");
    screen.run(10, |_| 1);
    assert!(screen.shown.iter().any(|entry| matches!(entry, BlockContent::Episode(_))), "{:?}", screen.shown);
    screen.run(120, |_| 0);
    let (shown, skipped) = screen.counts();
    assert_eq!(shown + skipped, screen.log.received(), "every message is shown or counted");
    assert_eq!(screen.controller.scene(), Scene::Crawl);
}

#[test]
fn changed_text_is_shown_immediately_and_keeps_the_speed() {
    let mut screen = idle_screen();
    screen.request(|controller, _, _| {
        controller.set_opening(Opening { title: "The Salt Road".to_owned(), speed_percent: 170, ..Opening::default() });
    });
    screen.run(1, |_| 0);
    let has_title = |screen: &Screen, title: &str| {
        screen.entries.values().any(|entry| matches!(entry, BlockContent::Title(title_text) if title_text == title))
    };
    assert!(has_title(&screen, "The Salt Road") && !has_title(&screen, &Opening::default().title));
    assert_eq!(screen.controller.speed_percent(), 170);
    screen.request(|controller, _, _| {
        controller.speed_up();
        controller.set_opening(Opening { title: String::new(), speed_percent: 170, ..Opening::default() });
    });
    assert_eq!(screen.controller.speed_percent(), 220);
}

#[test]
fn paused_crawl_ticks_less_often() {
    let mut controller = CrawlController::new();
    let mut check = |what, request: fn(&mut CrawlController), expected| {
        request(&mut controller);
        assert_eq!(controller.next_tick_ms(), expected, "{what}");
    };
    check("before anything", |_| (), Some(200));
    check("paused", CrawlController::toggle_pause, Some(1_000));
    check("in a hidden tab", |controller| controller.set_hidden(true), None);
    check("seen again", |controller| controller.set_hidden(false), Some(1_000));
    check("going on", CrawlController::toggle_pause, Some(200));
}
