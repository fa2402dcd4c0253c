//! The console's position: following, scrolling away, growing, and a million rows.

use mqtt_crawl::engine::Engine;
use mqtt_crawl::format::{grouped, size, time_of_day};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::message_log::ndjson::OwnedMessage;
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::protocol::command::{PageCommand, PanelCommand};
use mqtt_crawl::protocol::rows::{ListMode, Pull, Window};
use mqtt_crawl::protocol::update::Stats;
use mqtt_crawl::time::Instant;
use mqtt_crawl::ui::console::view_model::{
    ConsoleModel, RefreshThrottle, RowChurn, SPACER_MAX_PX, Scroll, ScrollStep, Toward,
};
use proptest::prelude::*;

const ROW_PX: f64 = 24.0;

/// Ten rows on screen.
fn list(total: u64) -> Scroll {
    let mut scroll = Scroll::new(ROW_PX);
    scroll.resize(240.0);
    scroll.grow(total, 0);
    scroll
}

#[test]
fn view_follows_until_scrolled_up() {
    let mut scroll = list(5);
    assert!(scroll.is_following());
    assert_eq!(scroll.on_screen(), 0..5);
    scroll.step(ScrollStep::LineUp);
    assert!(scroll.is_following(), "nothing to scroll to");

    scroll.grow(100, 0);
    assert_eq!(scroll.top_rows(), 90.0);
    scroll.step(ScrollStep::LineUp);
    assert!(!scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unseen()), (89.0, 0));

    scroll.grow(150, 0);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (89.0, 50), "what arrives moves nothing");
    scroll.step(ScrollStep::PageDown);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (98.0, 42), "seen on the way");
    scroll.step(ScrollStep::PageUp);
    assert_eq!(scroll.unseen(), 42, "what was seen stays seen");
    scroll.step(ScrollStep::End);
    assert!(scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unseen()), (140.0, 0));
}

#[test]
fn keys() {
    let mut scroll = list(100);
    scroll.step(ScrollStep::Home);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.step(ScrollStep::LineUp);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.step(ScrollStep::PageDown);
    assert_eq!(scroll.top_rows(), 9.0, "one row stays for orientation");
    for _ in 0..200 {
        scroll.step(ScrollStep::LineDown);
    }
    assert!(scroll.is_following(), "the end of the list is its tail");
    for (key, step) in [("ArrowUp", ScrollStep::LineUp), ("PageDown", ScrollStep::PageDown), ("End", ScrollStep::End)] {
        assert_eq!(ScrollStep::from_key(key), Some(step));
    }
    assert_eq!(ScrollStep::from_key("a"), None);
}

#[test]
fn the_window_reaches_beyond_the_edges() {
    let mut scroll = list(1_000);
    assert_eq!(scroll.window(0), Window::Tail { rows: 11 });
    scroll.drag(scroll.scroll_px(), 500.0 * ROW_PX);
    assert_eq!(scroll.window(0), Window::At { first: 488, rows: 35 });
    scroll.step(ScrollStep::Home);
    assert_eq!(scroll.window(0), Window::At { first: 0, rows: 35 });
}

#[test]
fn rows_that_leave_the_front_move_nothing() {
    let mut scroll = list(1_000);
    scroll.drag(scroll.scroll_px(), 500.0 * ROW_PX);
    scroll.grow(900, 200);
    assert_eq!(scroll.top_rows(), 300.0, "the same message is at the edge");
    assert_eq!(scroll.unseen(), 100);
    scroll.grow(900, 400);
    assert_eq!(scroll.top_rows(), 0.0, "its message is gone: the oldest kept");
    scroll.grow(4, 0);
    assert!(scroll.is_following());
}

#[test]
fn holding_stays_where_the_tail_was() {
    let mut scroll = list(100);
    scroll.hold();
    scroll.grow(120, 0);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (90.0, 20));
    scroll.follow();
    assert_eq!(scroll.top_rows(), 110.0);
}

#[test]
fn rows_that_join_the_front_move_nothing() {
    let mut scroll = list(100);
    scroll.drag(scroll.scroll_px(), 50.0 * ROW_PX);
    scroll.grow(150, -50);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (100.0, 0), "the same message is at the edge");
    scroll.grow(151, 0);
    assert_eq!(scroll.unseen(), 1);
}

#[test]
fn a_row_is_brought_into_sight() {
    let mut scroll = list(100);
    scroll.reveal(95);
    assert_eq!((scroll.top_rows(), scroll.is_following()), (90.0, false), "in sight already: only held");
    scroll.reveal(89);
    assert_eq!(scroll.top_rows(), 89.0);
    scroll.reveal(99);
    assert_eq!((scroll.top_rows(), scroll.is_following()), (90.0, false), "the last row isn't the tail");
    scroll.center(95);
    assert_eq!(scroll.top_rows(), 90.0);
    scroll.center(50);
    assert_eq!(scroll.top_rows(), 45.0);
    scroll.center(0);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.center(1_000);
    assert_eq!(scroll.top_rows(), 90.0);
    let mut short = list(5);
    short.reveal(2);
    assert!(short.is_following(), "nothing to scroll to");
}

#[test]
fn a_short_list_needs_no_bar() {
    let scroll = list(10);
    assert_eq!((scroll.spacer_px(), scroll.scroll_px()), (240.0, 0.0));
    assert_eq!(list(11).scroll_px(), ROW_PX);
}

#[test]
fn a_million_rows_are_all_reached() {
    let total = 1_000_000;
    let mut scroll = list(total);
    assert_eq!(scroll.spacer_px(), SPACER_MAX_PX);
    let range_px = SPACER_MAX_PX - 240.0;
    assert_eq!(scroll.scroll_px(), range_px);

    scroll.drag(range_px, range_px / 2.0);
    assert!((scroll.top_rows() - 499_995.0).abs() < 1.0, "{}", scroll.top_rows());
    assert!((scroll.scroll_px() - range_px / 2.0).abs() < 0.01);

    // A turn of the wheel moves the rows by its own pixels.
    let before = scroll.top_rows();
    scroll.drag(range_px / 2.0, range_px / 2.0 + 120.0);
    assert!((scroll.top_rows() - before - 5.0).abs() < 1e-6);

    scroll.drag(1_000.0, 0.0);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.drag(0.0, range_px);
    assert!(scroll.is_following());
    scroll.step(ScrollStep::LineUp);
    assert_eq!(scroll.top_rows(), 999_989.0);
}

#[test]
fn clock() {
    let noon = Instant::from_millis(1_795_255_200_123);
    assert_eq!(time_of_day(noon, 0), "10:00:00.123");
    assert_eq!(time_of_day(noon, 330), "15:30:00.123");
    assert_eq!(time_of_day(noon, -720), "22:00:00.123");
    assert_eq!(time_of_day(Instant::EPOCH, -60), "23:00:00.000");
    assert_eq!(time_of_day(Instant::from_micros(u64::MAX), 0).len(), 12);
}

#[test]
fn numbers() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
    for (bytes, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (268_435_456, "268 MB"),
        (1_000_000_000_000_000, "1.0 PB"),
    ] {
        assert_eq!(size(bytes), text);
    }
}

/// A console model with a worker: ten rows on screen.
struct Desk {
    engine: Engine,
    reader: ConsoleModel,
    stats: Stats,
}

impl Desk {
    fn new(messages: u64) -> Self {
        let engine = Engine::new(1, Limits { messages, bytes: 64 << 20 });
        let mut reader = ConsoleModel::new(ROW_PX);
        reader.scroll.resize(240.0);
        Self { engine, reader, stats: Stats::default() }
    }

    /// Adds this number of messages; every tenth says "ten".
    fn arrive(&mut self, count: u64) {
        let first = self.stats.received + 1;
        self.stats.received += count;
        let message = |n: u64| OwnedMessage {
            seq: n,
            time: Instant::EPOCH,
            topic: "t".to_owned(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: Vec::new(),
            payload: if n.is_multiple_of(10) { format!("ten {n}") } else { n.to_string() }.into_bytes(),
        };
        let messages = (first..first + count).map(message).collect();
        self.engine.handle_command(PanelCommand::Replay(messages), Instant::EPOCH);
    }

    fn filter(&mut self, text: &str) {
        let filter = PageCommand::Filter { text: text.to_owned(), ahead_of_utc_min: 0 };
        self.engine.handle_command(filter, Instant::EPOCH);
    }

    /// Runs one slice of the filter's work, if there is any.
    fn turn(&mut self) -> bool {
        let is_due = self.engine.poll_timeout().is_some();
        if is_due {
            self.engine.handle_timeout(Instant::EPOCH);
        }
        is_due
    }

    /// Lets the page request rows until it has what it wants. Returns how the last rows arrived, if any did.
    fn frame(&mut self) -> Option<RowChurn> {
        let (mut asked, mut flow) = (None, None);
        while asked != Some(self.reader.pull()) {
            asked = Some(self.reader.pull());
            self.engine.handle_command(PageCommand::Pull(self.reader.pull()), Instant::EPOCH);
            if let Some(update) = self.engine.poll_update() {
                self.stats = update.stats;
                flow = Some(self.reader.take(update.rows));
            }
        }
        flow
    }

    /// Returns the numbers of the rows on screen, and how much of the first is hidden.
    fn on_screen(&self) -> (Vec<u64>, f64) {
        let rows = self.reader.scroll.on_screen();
        let first = self.reader.first_index();
        let at = |index: u64| usize::try_from(index - first).ok().and_then(|at| self.reader.rows().rows.get(at));
        let seqs = rows.clone().map(|index| at(index).expect("a row that has come").seq).collect();
        (seqs, self.reader.scroll.top_rows().fract())
    }
}

/// The reader's position is kept, independent of changes at the list's front and end.
#[test]
fn scroll_position_is_kept_while_matches_change() {
    let mut desk = Desk::new(200_000);
    desk.arrive(200_000);
    desk.frame();
    desk.filter("ten");
    desk.frame();
    let found_first = desk.stats.matching;
    assert!(found_first < 20_000, "the filter is still at work");
    desk.reader.step(ScrollStep::PageUp);
    desk.reader.step(ScrollStep::PageUp);
    desk.frame();
    let place = desk.on_screen();
    assert_eq!(place.0.last(), Some(&199_820));
    let mut slices = 0;
    while desk.turn() {
        desk.frame();
        slices += 1;
        assert_eq!(desk.on_screen(), place, "older matches are found");
    }
    assert!(slices > 1 && desk.stats.matching == 20_000, "{slices}, {:?}", desk.stats);
    for _ in 0..30 {
        desk.arrive(6_000);
        while desk.turn() {}
        desk.frame();
        assert_eq!(desk.on_screen(), place, "older matches are evicted");
    }
    assert!(desk.stats.evicted > 160_000 && desk.reader.unseen() == 18_000, "{:?}", desk.stats);
    desk.arrive(200_000);
    while desk.turn() {}
    desk.frame();
    assert!(desk.on_screen().0[0] > 199_820, "what was read is gone: the oldest that is kept");
}

#[test]
fn a_reader_walks_from_row_to_row() {
    let mut desk = Desk::new(1_000);
    desk.arrive(100);
    desk.frame();
    desk.reader.step(ScrollStep::LineUp);
    assert_eq!((desk.reader.selected(), desk.reader.focused_row()), (Some(100), Some(100)), "the newest at first");
    assert!(!desk.reader.scroll.is_following(), "it stays in sight");
    for _ in 0..60 {
        desk.reader.step(ScrollStep::LineUp);
        desk.frame();
        let selected = desk.reader.selected().expect("a message");
        assert!(desk.on_screen().0.contains(&selected));
    }
    assert_eq!((desk.reader.selected(), desk.on_screen().0[0]), (Some(40), 40));
    // From far away this leads back to it.
    desk.reader.step(ScrollStep::Home);
    desk.frame();
    assert_eq!(desk.reader.focused_row(), Some(1));
    desk.reader.step(ScrollStep::LineDown);
    desk.frame();
    assert_eq!(desk.reader.selected(), Some(41));
    assert!(desk.on_screen().0.contains(&41));
    desk.reader.deselect();
    desk.reader.step(ScrollStep::Home);
    desk.frame();
    desk.reader.step(ScrollStep::LineDown);
    desk.reader.step(ScrollStep::LineUp);
    desk.frame();
    assert_eq!(desk.reader.selected(), Some(1), "there is none before the first");
    desk.reader.step(ScrollStep::End);
    assert!(desk.reader.scroll.is_following());
}

#[test]
fn matches_are_walked_alone_and_among_all() {
    let mut desk = Desk::new(1_000);
    desk.arrive(995);
    desk.filter("ten");
    desk.frame();
    let selected = |desk: &mut Desk, toward| {
        desk.reader.seek(toward);
        desk.frame();
        let seq = desk.reader.selected();
        assert!(seq.is_none_or(|seq| desk.on_screen().0.contains(&seq)), "{seq:?}");
        (seq, desk.reader.rows().rank)
    };
    assert_eq!(selected(&mut desk, Toward::Older), (Some(990), Some(99)), "first the one in sight");
    assert_eq!(selected(&mut desk, Toward::Older), (Some(980), Some(98)));
    assert_eq!(selected(&mut desk, Toward::Newer), (Some(990), Some(99)));
    assert_eq!(selected(&mut desk, Toward::Newer), (Some(990), Some(99)), "there is none behind the last");

    desk.reader.list_others();
    desk.frame();
    let (seqs, _) = desk.on_screen();
    assert!(seqs.contains(&990) && seqs.contains(&989), "{seqs:?}");
    assert_eq!((desk.stats.matching, desk.reader.rows().total), (99, 995));
    for expected in [980, 970, 960, 950] {
        assert_eq!(selected(&mut desk, Toward::Older), (Some(expected), Some(expected / 10)));
    }
    let marked = |desk: &Desk| desk.reader.rows().rows.iter().filter(|row| row.marks.is_some()).count();
    assert!((2..8).contains(&marked(&desk)));
    desk.reader.step(ScrollStep::LineDown);
    desk.frame();
    assert_eq!((desk.reader.selected(), desk.reader.rows().rank), (Some(951), None));
    assert_eq!(selected(&mut desk, Toward::Newer), (Some(960), Some(96)));

    // Back to the matches, and to another filter: still visible.
    desk.reader.list_others();
    desk.frame();
    assert!(desk.on_screen().0.contains(&960));
    desk.filter("");
    desk.frame();
    assert!(desk.on_screen().0.contains(&960) && desk.on_screen().0.contains(&961));
    // If the selected message doesn't match, the list is shown from its end.
    desk.filter("99");
    desk.frame();
    assert_eq!(desk.on_screen().0.last(), Some(&995));
    assert!(desk.reader.rows().rank.is_none());
}

#[test]
fn a_message_is_revealed_wherever_it_is() {
    let mut desk = Desk::new(1_000);
    desk.arrive(900);
    desk.frame();
    for seq in [450, 1, 900, 455] {
        desk.reader.reveal(seq);
        desk.frame();
        assert_eq!(desk.reader.selected(), Some(seq));
        assert!(desk.on_screen().0.contains(&seq));
    }
    // With a filter: all are listed.
    desk.filter("ten");
    desk.frame();
    desk.reader.reveal(60);
    desk.frame();
    assert_eq!((desk.reader.selected(), desk.reader.listed()), (Some(60), ListMode::Matching));
    desk.reader.reveal(61);
    desk.frame();
    assert_eq!((desk.reader.selected(), desk.reader.listed()), (Some(61), ListMode::All));
    assert!(desk.on_screen().0.contains(&61));
    // One that isn't kept changes nothing.
    let before = desk.on_screen();
    desk.reader.reveal(5_000);
    desk.frame();
    assert_eq!((desk.reader.selected(), desk.on_screen()), (Some(61), before));
    assert_eq!(
        desk.reader.pull(),
        Pull { window: desk.reader.pull().window, selected: Some(61), listed: ListMode::All, ..Pull::default() }
    );
    // One that arrived while the view was held releases it.
    desk.reader.hold();
    desk.arrive(1);
    desk.frame();
    assert!(desk.reader.is_held());
    desk.reader.reveal(901);
    desk.frame();
    assert_eq!((desk.reader.selected(), desk.reader.is_held()), (Some(901), false));
}

#[test]
fn frozen_view_stays_and_counts_new_rows() {
    for count in [3, 500] {
        let mut desk = Desk::new(100_000);
        desk.arrive(count);
        desk.frame();
        let before = desk.on_screen();
        desk.reader.hold();
        desk.arrive(40);
        desk.frame();
        assert_eq!((desk.on_screen(), desk.reader.unseen()), (before, 40), "of {count}");
        assert_eq!((desk.stats.received, desk.stats.matching), (count + 40, count + 40), "intake goes on");
        // Also with a filter, and among all again.
        desk.filter("-ten");
        desk.frame();
        assert_eq!(desk.reader.unseen(), 36);
        desk.filter("");
        desk.frame();
        desk.reader.step(ScrollStep::PageUp);
        desk.frame();
        assert_eq!(desk.reader.unseen(), 40);
        assert!(desk.on_screen().0.iter().all(|seq| *seq <= count));
        desk.reader.step(ScrollStep::End);
        desk.frame();
        assert!(!desk.reader.is_held());
        assert_eq!((desk.on_screen().0.last(), desk.reader.unseen()), (Some(&(count + 40)), 0));
    }
}

#[test]
fn a_click_stays_with_the_message() {
    let mut desk = Desk::new(1_000);
    desk.arrive(100);
    desk.frame();
    desk.reader.select(95);
    let before = desk.on_screen();
    desk.arrive(300);
    desk.frame();
    assert_eq!((desk.on_screen(), desk.reader.selected(), desk.reader.unseen()), (before, Some(95), 300));
    desk.reader.restart();
    assert_eq!((desk.reader.selected(), desk.reader.rows().total), (None, 0));
}

#[test]
fn a_click_in_a_short_list_stays_with_the_message_as_it_grows() {
    for steps in [[1, 40], [40, 1]] {
        let mut desk = Desk::new(1_000);
        desk.arrive(7);
        desk.frame();
        desk.reader.select(3);
        for count in steps {
            desk.arrive(count);
            desk.frame();
            assert_eq!(desk.reader.scroll.is_following(), desk.stats.received <= 10, "all has room, or else it stays");
            assert_eq!(desk.on_screen().0.first(), Some(&1));
        }
        assert_eq!(desk.reader.unseen(), 38);
        desk.reader.step(ScrollStep::End);
        desk.arrive(1);
        desk.frame();
        assert_eq!(desk.on_screen().0.last(), Some(&49));
    }
}

#[test]
fn search_from_an_evicted_message_starts_at_the_newest() {
    let mut desk = Desk::new(1_000);
    desk.arrive(100);
    desk.filter("ten");
    desk.frame();
    desk.reader.seek(Toward::Older);
    desk.frame();
    assert_eq!(desk.reader.selected(), Some(100));
    desk.engine.handle_command(PageCommand::Clear, Instant::EPOCH);
    desk.arrive(50);
    desk.frame();
    for expected in [150, 140] {
        desk.reader.seek(Toward::Older);
        desk.frame();
        assert_eq!(desk.reader.selected(), Some(expected));
    }
}

#[derive(Clone, Debug)]
enum Move {
    Step(ScrollStep),
    Drag(f64),
    Grow(u64),
    Evict(u64),
    Find(u64),
    Reveal(f64),
    Resize(f64),
    Hold,
}

fn any_move() -> impl Strategy<Value = Move> {
    let steps = vec![
        ScrollStep::LineUp,
        ScrollStep::LineDown,
        ScrollStep::PageUp,
        ScrollStep::PageDown,
        ScrollStep::Home,
        ScrollStep::End,
    ];
    prop_oneof![
        proptest::sample::select(steps).prop_map(Move::Step),
        (-0.1..1.1).prop_map(Move::Drag),
        (0_u64..2_000_000).prop_map(Move::Grow),
        (0_u64..3_000).prop_map(Move::Evict),
        (0_u64..3_000).prop_map(Move::Find),
        (0.0..1.0).prop_map(Move::Reveal),
        (0.0..3_000.0).prop_map(Move::Resize),
        Just(Move::Hold),
    ]
}

proptest! {
    #[test]
    fn always_within_bounds(moves in proptest::collection::vec(any_move(), 0..60)) {
        let mut scroll = list(0);
        let mut total = 0;
        for step in moves {
            match step {
                Move::Step(step) => scroll.step(step),
                Move::Drag(part) => scroll.drag(scroll.scroll_px(), part * scroll.spacer_px()),
                Move::Grow(more) => { total += more; scroll.grow(total, 0); }
                Move::Evict(gone) => { total -= gone.min(total); scroll.grow(total, i64::try_from(gone).expect("few")); }
                Move::Find(more) => { total += more; scroll.grow(total, -i64::try_from(more).expect("few")); }
                Move::Reveal(part) => scroll.reveal((part * total as f64) as u64),
                Move::Resize(px) => scroll.resize(px),
                Move::Hold => scroll.hold(),
            }
            let rows = scroll.on_screen();
            prop_assert!(rows.end <= total && rows.start <= rows.end, "{rows:?} of {total}");
            prop_assert!(scroll.unseen() <= total);
            prop_assert!(scroll.scroll_px() >= 0.0 && scroll.scroll_px() <= scroll.spacer_px());
            if let Window::At { first, rows: fetched } = scroll.window(0) {
                let first = u64::try_from(first).expect("a list that begins at 0");
                prop_assert!(first <= rows.start && rows.end <= first + u64::from(fetched));
            }
        }
    }
}

/// Ten seconds of a screen with sixty frames per second and ten rows, with a rate of messages per second and a duration
/// for a frame that draws rows. Returns the frames drawn per second, and the median age of the messages in the first
/// frame that showed them, in milliseconds.
fn watch(per_s: u64, frame_us: u64) -> (u64, u64) {
    const FRAME_US: u64 = 16_667;
    const SECONDS: u64 = 10;
    /// The delay from page to worker, or back.
    const WAY_US: u64 = 500;
    let came = |at_us: u64| at_us * per_s / 1_000_000;
    let micros = |us| Instant::from_micros(1_000_000_000 + us);
    let (mut pace, mut drawings, mut ages_us) = (RefreshThrottle::default(), 0, Vec::new());
    // The page's data, and the time of the next update.
    let (mut shown, mut asked_us) = (0, 0);
    loop {
        // The worker answers as soon as there is something new.
        let news_us = (shown + 1) * 1_000_000 / per_s + 1;
        let answer_us = news_us.max(asked_us + WAY_US);
        let began_us = (answer_us + WAY_US).next_multiple_of(FRAME_US);
        if began_us > SECONDS * 1_000_000 {
            break;
        }
        let received = came(answer_us);
        ages_us.extend((shown + 1..=received).map(|number| began_us - number * 1_000_000 / per_s));
        let flow = if received - shown > 10 { RowChurn::Flood } else { RowChurn::Readable };
        shown = received;
        drawings += 1;
        let wait_ms = pace.drawn(flow, received, micros(began_us));
        asked_us = began_us + frame_us.max(u64::from(wait_ms) * 1_000);
        while let Some(wait_ms) = pace.rested(micros(asked_us)) {
            asked_us += u64::from(wait_ms) * 1_000;
        }
    }
    ages_us.sort_unstable();
    (drawings / SECONDS, ages_us[ages_us.len() / 2] / 1_000)
}

#[test]
fn rows_are_drawn_less_often_under_load() {
    let check =
        |(per_s, frame_us), per_second: std::ops::RangeInclusive<u64>, age_ms: std::ops::RangeInclusive<u64>| {
            let found = watch(per_s, frame_us);
            assert!(per_second.contains(&found.0) && age_ms.contains(&found.1), "{per_s} a second: {found:?}");
        };
    // One message after the other is there in the next frame.
    check((5, 4_000), 4..=5, 0..=17);
    check((1_000, 4_000), 59..=60, 0..=15);
    // Many more than anybody can read, on a machine that can't draw that many.
    check((100_000, 4_000), 9..=12, 0..=100);
    check((1_000, 30_000), 6..=12, 0..=100);
    // A readable rate is shown completely, on any machine.
    check((100, 30_000), 20..=31, 0..=50);
}

#[test]
fn a_flood_replaces_every_row_at_the_tail() {
    let mut desk = Desk::new(1_000);
    let mut check = |step: Option<ScrollStep>, count, expected| {
        if let Some(step) = step {
            desk.reader.step(step);
            desk.frame();
        }
        desk.arrive(count);
        assert_eq!(desk.frame(), Some(expected), "{count} after {step:?}");
    };
    check(None, 100, RowChurn::Readable);
    check(None, 10, RowChurn::Readable);
    check(None, 11, RowChurn::Flood);
    check(Some(ScrollStep::PageUp), 100, RowChurn::Readable);
    check(Some(ScrollStep::End), 100, RowChurn::Flood);
}
