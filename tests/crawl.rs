//! The crawl's plane in virtual time, through its public API.

use std::collections::VecDeque;

use mqtt_crawl::crawl::pacing::{CATCH_UP_RATE, ROW_SECONDS, SPEED_EM_PER_S, gap_em};
use mqtt_crawl::crawl::plane::{Action, Block, Gap, Key, MAX_BLOCKS, Plane, Surroundings};
use mqtt_crawl::crawl::{ROW_EM, ROWS_PER_LINE};
use mqtt_crawl::time::Instant;

const TICK_MS: u64 = 200;
const DEPTH_EM: f64 = 30.0;
/// An em on a very large screen.
const EM_PX: f64 = 126.0;

/// What a browser does with the actions, and what a camera would see of it.
#[derive(Default)]
struct Screen {
    plane: Plane,
    blocks: VecDeque<(Key, f64)>,
    offset_em: f64,
    rate: f64,
    running: bool,
    /// Lines that wait in the worker.
    untold: u64,
    now_ms: u64,
    placed: u64,
    rebases: u64,
    most_blocks: usize,
    fastest: f64,
}

impl Screen {
    fn new() -> Self {
        Self { rate: 1.0, ..Self::default() }
    }

    /// Where a block is on screen: below zero it has passed the edge.
    fn height_em(&self, top_em: f64) -> f64 {
        top_em - self.offset_em
    }

    fn tick(&mut self) {
        self.now_ms += TICK_MS;
        if self.running {
            self.offset_em += SPEED_EM_PER_S * self.rate * TICK_MS as f64 / 1_000.0;
        }
        while self.plane.queued() < 3 && self.untold > 0 {
            self.untold -= 1;
            let rows = 1.0 + (self.untold % 3) as f64;
            self.plane.queue(Block { height_em: rows * ROW_EM, gap: Gap::Paced });
        }
        let before: Vec<(Key, f64)> = self.blocks.iter().map(|(key, top)| (*key, self.height_em(*top))).collect();
        let around = Surroundings { offset_em: self.offset_em, depth_em: DEPTH_EM, unmeasured_lines: self.untold };
        for action in self.plane.tick(Instant::from_millis(self.now_ms), around) {
            self.apply(action);
        }
        self.most_blocks = self.most_blocks.max(self.blocks.len());
        for (key, was_em) in before {
            if let Some((_, top)) = self.blocks.iter().find(|(k, _)| *k == key) {
                let moved_px = (self.height_em(*top) - was_em).abs() * EM_PX;
                assert!(moved_px < 0.01, "{key:?} jumped by {moved_px} px");
            }
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Rebase { shift_em } => {
                self.rebases += 1;
                self.offset_em -= shift_em;
                for (_, top_em) in &mut self.blocks {
                    *top_em -= shift_em;
                }
            }
            Action::Remove { key } => {
                let oldest = self.blocks.pop_front();
                assert_eq!(oldest.map(|(key, _)| key), Some(key), "removed out of order");
            }
            Action::Place { key, top_em } => {
                assert!(self.height_em(top_em) >= -1e-9, "popped up above the edge");
                assert!(self.height_em(top_em) <= 2.0 * ROW_EM + 1e-9, "placed too far ahead");
                if let Some((_, last_em)) = self.blocks.back() {
                    assert!(top_em >= last_em + ROW_EM, "overlaps its predecessor");
                }
                self.placed += 1;
                self.blocks.push_back((key, top_em));
            }
            Action::Rate(rate) => {
                assert!((1.0..=CATCH_UP_RATE).contains(&rate), "rate {rate}");
                assert!((rate / self.rate - 1.0).abs() < 0.12, "a visible jolt: {rate}");
                self.fastest = self.fastest.max(rate);
                self.rate = rate;
            }
            Action::Run => self.running = true,
            Action::Rest => self.running = false,
        }
    }

    fn live(&mut self, seconds: u64, mut arrivals: impl FnMut(u64) -> u64) {
        for tick in 0..seconds * 1_000 / TICK_MS {
            if tick % (1_000 / TICK_MS) == 0 {
                self.untold += arrivals(tick * TICK_MS / 1_000);
            }
            self.tick();
        }
    }
}

#[test]
fn eight_hours_without_a_jump() {
    let mut screen = Screen::new();
    // As much as can be read: a line every seven seconds, and a burst an hour.
    let mut sent = 0;
    screen.live(8 * 3_600, |second| {
        let arrived = u64::from(second % 7 == 0) + if second % 3_600 == 1_800 { 40 } else { 0 };
        sent += arrived;
        arrived
    });
    screen.live(300, |_| 0);
    assert_eq!(screen.placed, sent, "every line was told");
    assert!(screen.rebases > 5, "{} rebases", screen.rebases);
    assert!(screen.most_blocks < MAX_BLOCKS / 2, "{} blocks", screen.most_blocks);
    assert!(screen.blocks.is_empty() && !screen.running, "an empty plane rests");
}

#[test]
fn a_burst_hurries_and_calms_down() {
    let mut screen = Screen::new();
    screen.live(60, |second| if second == 10 { 30 } else { 0 });
    assert!(screen.fastest > 1.9, "fastest {}", screen.fastest);
    screen.live(120, |_| 0);
    assert!((screen.rate - 1.0).abs() < 0.05, "calm again: {}", screen.rate);
    assert_eq!(screen.placed, 30);
}

#[test]
fn a_flood_is_told_at_a_readable_rate() {
    let mut screen = Screen::new();
    screen.live(600, |_| 1_000);
    assert!(screen.rate <= 1.62, "no lasting haste: {}", screen.rate);
    // Two rows and the tightest gap a line, at 1.6 to 2.0.
    let rows_per_line = 2.0 + gap_em(f64::MAX) / ROW_EM;
    let told = 600.0 / ROW_SECONDS * 1.6 / rows_per_line;
    assert!((screen.placed as f64) > told * 0.95 && (screen.placed as f64) < told * 1.15);
    assert!(screen.most_blocks <= MAX_BLOCKS);
}

#[test]
fn waiting_counts_what_nobody_measured() {
    let mut plane = Plane::new();
    assert_eq!(plane.waiting_rows(0), 0.0);
    assert_eq!(plane.waiting_rows(10), 10.0 * ROWS_PER_LINE);
    plane.queue(Block { height_em: 3.0 * ROW_EM, gap: Gap::Paced });
    assert!((plane.waiting_rows(0) - 3.0).abs() < 1e-9);
}

#[test]
fn clearing_leaves_nothing_behind() {
    let mut screen = Screen::new();
    screen.live(20, |_| 2);
    screen.plane.clear();
    screen.blocks.clear();
    screen.untold = 0;
    screen.live(10, |_| 0);
    assert!(!screen.running);
    screen.live(10, |second| u64::from(second == 5));
    assert_eq!(screen.blocks.len(), 1);
    assert!(screen.running);
}
