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
use mqtt_crawl::ui::console::refresh_rate::{RefreshThrottle, RowChurn};
use mqtt_crawl::ui::console::scroll::{SPACER_MAX_PX, Scroll, ScrollStep};
use mqtt_crawl::ui::console::view_model::{ConsoleModel, SeekDirection};
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
fn tail_is_followed_until_scrolled_away() {
    let mut scroll = list(5);
    assert!(scroll.is_following());
    assert_eq!(scroll.visible_range(), 0..5);
    scroll.step(ScrollStep::LineUp);
    assert!(scroll.is_following(), "nothing to scroll to");

    scroll.grow(100, 0);
    assert_eq!(scroll.top_rows(), 90.0);
    scroll.step(ScrollStep::LineUp);
    assert!(!scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unread()), (89.0, 0));

    scroll.grow(150, 0);
    assert_eq!((scroll.top_rows(), scroll.unread()), (89.0, 50), "arriving rows move nothing");
    scroll.step(ScrollStep::PageDown);
    assert_eq!((scroll.top_rows(), scroll.unread()), (98.0, 42), "shown on the way");
    scroll.step(ScrollStep::PageUp);
    assert_eq!(scroll.unread(), 42, "shown messages stay shown");
    scroll.step(ScrollStep::End);
    assert!(scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unread()), (140.0, 0));
}

#[test]
fn keys_scroll_the_list() {
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
fn window_includes_rows_beyond_the_edges() {
    let mut scroll = list(1_000);
    assert_eq!(scroll.window(0), Window::Tail { rows: 11 });
    scroll.drag(scroll.scroll_px(), 500.0 * ROW_PX);
    assert_eq!(scroll.window(0), Window::At { first: 488, rows: 35 });
    scroll.step(ScrollStep::Home);
    assert_eq!(scroll.window(0), Window::At { first: 0, rows: 35 });
}

#[test]
fn evicted_rows_do_not_move_the_view() {
    let mut scroll = list(1_000);
    scroll.drag(scroll.scroll_px(), 500.0 * ROW_PX);
    scroll.grow(900, 200);
    assert_eq!(scroll.top_rows(), 300.0, "the same message is at the edge");
    assert_eq!(scroll.unread(), 100);
    scroll.grow(900, 400);
    assert_eq!(scroll.top_rows(), 0.0, "its message was evicted: the oldest stored one");
    scroll.grow(4, 0);
    assert!(scroll.is_following());
}

#[test]
fn stop_following_keeps_the_rows_on_screen() {
    let mut scroll = list(100);
    scroll.stop_following();
    scroll.grow(120, 0);
    assert_eq!((scroll.top_rows(), scroll.unread()), (90.0, 20));
    scroll.follow();
    assert_eq!(scroll.top_rows(), 110.0);
}

#[test]
fn rows_added_at_the_front_do_not_move_the_view() {
    let mut scroll = list(100);
    scroll.drag(scroll.scroll_px(), 50.0 * ROW_PX);
    scroll.grow(150, -50);
    assert_eq!((scroll.top_rows(), scroll.unread()), (100.0, 0), "the same message is at the edge");
    scroll.grow(151, 0);
    assert_eq!(scroll.unread(), 1);
}

#[test]
fn center_and_reveal_make_a_row_visible() {
    let mut scroll = list(100);
    scroll.reveal(95);
    assert_eq!((scroll.top_rows(), scroll.is_following()), (90.0, false), "visible already: only follows no longer");
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
fn short_list_does_not_scroll() {
    let scroll = list(10);
    assert_eq!((scroll.spacer_px(), scroll.scroll_px()), (240.0, 0.0));
    assert_eq!(list(11).scroll_px(), ROW_PX);
}

#[test]
fn every_row_of_a_million_is_reachable() {
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
fn times_of_day_are_formatted() {
    let noon = Instant::from_millis(1_795_255_200_123);
    assert_eq!(time_of_day(noon, 0), "10:00:00.123");
    assert_eq!(time_of_day(noon, 330), "15:30:00.123");
    assert_eq!(time_of_day(noon, -720), "22:00:00.123");
    assert_eq!(time_of_day(Instant::EPOCH, -60), "23:00:00.000");
    assert_eq!(time_of_day(Instant::from_micros(u64::MAX), 0).len(), 12);
}

#[test]
fn numbers_are_grouped() {
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
struct Console {
    engine: Engine,
    model: ConsoleModel,
    stats: Stats,
}

impl Console {
    fn new(messages: u64) -> Self {
        let engine = Engine::new(1, Limits { messages, bytes: 64 << 20 });
        let mut model = ConsoleModel::new(ROW_PX);
        model.scroll.resize(240.0);
        Self { engine, model, stats: Stats::default() }
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
    fn filter_slice(&mut self) -> bool {
        let is_due = self.engine.poll_timeout().is_some();
        if is_due {
            self.engine.handle_timeout(Instant::EPOCH);
        }
        is_due
    }

    /// Lets the page request rows until it has what it wants. Returns how the last rows arrived, if any did.
    fn frame(&mut self) -> Option<RowChurn> {
        let (mut asked, mut churn) = (None, None);
        while asked != Some(self.model.pull()) {
            asked = Some(self.model.pull());
            self.engine.handle_command(PageCommand::Pull(self.model.pull()), Instant::EPOCH);
            if let Some(update) = self.engine.poll_update() {
                self.stats = update.stats;
                churn = Some(self.model.take(update.rows));
            }
        }
        churn
    }

    /// Returns the numbers of the rows on screen, and how much of the first is hidden.
    fn on_screen(&self) -> (Vec<u64>, f64) {
        let rows = self.model.scroll.visible_range();
        let first = self.model.first_index();
        let at = |index: u64| usize::try_from(index - first).ok().and_then(|at| self.model.rows().rows.get(at));
        let seqs = rows.clone().map(|index| at(index).expect("an arrived row").seq).collect();
        (seqs, self.model.scroll.top_rows().fract())
    }
}

/// The model's position is kept, independent of changes at the list's front and end.
#[test]
fn view_keeps_its_position_while_matches_change() {
    let mut console = Console::new(200_000);
    console.arrive(200_000);
    console.frame();
    console.filter("ten");
    console.frame();
    let found_first = console.stats.matching;
    assert!(found_first < 20_000, "the filter still runs");
    console.model.step(ScrollStep::PageUp);
    console.model.step(ScrollStep::PageUp);
    console.frame();
    let place = console.on_screen();
    assert_eq!(place.0.last(), Some(&199_820));
    let mut slices = 0;
    while console.filter_slice() {
        console.frame();
        slices += 1;
        assert_eq!(console.on_screen(), place, "older matches are found");
    }
    assert!(slices > 1 && console.stats.matching == 20_000, "{slices}, {:?}", console.stats);
    for _ in 0..30 {
        console.arrive(6_000);
        while console.filter_slice() {}
        console.frame();
        assert_eq!(console.on_screen(), place, "older matches are evicted");
    }
    assert!(console.stats.evicted > 160_000 && console.model.unread() == 18_000, "{:?}", console.stats);
    console.arrive(200_000);
    while console.filter_slice() {}
    console.frame();
    assert!(console.on_screen().0[0] > 199_820, "the message was evicted: the oldest stored one");
}

#[test]
fn arrow_keys_move_the_selection() {
    let mut console = Console::new(1_000);
    console.arrive(100);
    console.frame();
    console.model.step(ScrollStep::LineUp);
    assert_eq!((console.model.selected(), console.model.focused_row()), (Some(100), Some(100)), "the newest at first");
    assert!(!console.model.scroll.is_following(), "it stays visible");
    for _ in 0..60 {
        console.model.step(ScrollStep::LineUp);
        console.frame();
        let selected = console.model.selected().expect("a message");
        assert!(console.on_screen().0.contains(&selected));
    }
    assert_eq!((console.model.selected(), console.on_screen().0[0]), (Some(40), 40));
    // From far away this leads back to it.
    console.model.step(ScrollStep::Home);
    console.frame();
    assert_eq!(console.model.focused_row(), Some(1));
    console.model.step(ScrollStep::LineDown);
    console.frame();
    assert_eq!(console.model.selected(), Some(41));
    assert!(console.on_screen().0.contains(&41));
    console.model.deselect();
    console.model.step(ScrollStep::Home);
    console.frame();
    console.model.step(ScrollStep::LineDown);
    console.model.step(ScrollStep::LineUp);
    console.frame();
    assert_eq!(console.model.selected(), Some(1), "there is none before the first");
    console.model.step(ScrollStep::End);
    assert!(console.model.scroll.is_following());
}

#[test]
fn seek_visits_matches_in_both_list_modes() {
    let mut console = Console::new(1_000);
    console.arrive(995);
    console.filter("ten");
    console.frame();
    let selected = |console: &mut Console, direction| {
        console.model.seek(direction);
        console.frame();
        let seq = console.model.selected();
        assert!(seq.is_none_or(|seq| console.on_screen().0.contains(&seq)), "{seq:?}");
        (seq, console.model.rows().rank)
    };
    assert_eq!(selected(&mut console, SeekDirection::Older), (Some(990), Some(99)), "first the visible one");
    assert_eq!(selected(&mut console, SeekDirection::Older), (Some(980), Some(98)));
    assert_eq!(selected(&mut console, SeekDirection::Newer), (Some(990), Some(99)));
    assert_eq!(selected(&mut console, SeekDirection::Newer), (Some(990), Some(99)), "there is none after the last");

    console.model.toggle_list_mode();
    console.frame();
    let (seqs, _) = console.on_screen();
    assert!(seqs.contains(&990) && seqs.contains(&989), "{seqs:?}");
    assert_eq!((console.stats.matching, console.model.rows().total), (99, 995));
    for expected in [980, 970, 960, 950] {
        assert_eq!(selected(&mut console, SeekDirection::Older), (Some(expected), Some(expected / 10)));
    }
    let marked = |console: &Console| console.model.rows().rows.iter().filter(|row| row.marks.is_some()).count();
    assert!((2..8).contains(&marked(&console)));
    console.model.step(ScrollStep::LineDown);
    console.frame();
    assert_eq!((console.model.selected(), console.model.rows().rank), (Some(951), None));
    assert_eq!(selected(&mut console, SeekDirection::Newer), (Some(960), Some(96)));

    // Back to the matches, and to another filter: still visible.
    console.model.toggle_list_mode();
    console.frame();
    assert!(console.on_screen().0.contains(&960));
    console.filter("");
    console.frame();
    assert!(console.on_screen().0.contains(&960) && console.on_screen().0.contains(&961));
    // If the selected message doesn't match, the list is shown from its end.
    console.filter("99");
    console.frame();
    assert_eq!(console.on_screen().0.last(), Some(&995));
    assert!(console.model.rows().rank.is_none());
}

#[test]
fn reveal_finds_hidden_and_new_messages() {
    let mut console = Console::new(1_000);
    console.arrive(900);
    console.frame();
    for seq in [450, 1, 900, 455] {
        console.model.reveal(seq);
        console.frame();
        assert_eq!(console.model.selected(), Some(seq));
        assert!(console.on_screen().0.contains(&seq));
    }
    // With a filter: all are listed.
    console.filter("ten");
    console.frame();
    console.model.reveal(60);
    console.frame();
    assert_eq!((console.model.selected(), console.model.list_mode()), (Some(60), ListMode::Matching));
    console.model.reveal(61);
    console.frame();
    assert_eq!((console.model.selected(), console.model.list_mode()), (Some(61), ListMode::All));
    assert!(console.on_screen().0.contains(&61));
    // One that isn't kept changes nothing.
    let before = console.on_screen();
    console.model.reveal(5_000);
    console.frame();
    assert_eq!((console.model.selected(), console.on_screen()), (Some(61), before));
    assert_eq!(
        console.model.pull(),
        Pull { window: console.model.pull().window, selected: Some(61), listed: ListMode::All, ..Pull::default() }
    );
    // Revealing a message that arrived while the view was frozen unfreezes it.
    console.model.freeze();
    console.arrive(1);
    console.frame();
    assert!(console.model.is_frozen());
    console.model.reveal(901);
    console.frame();
    assert_eq!((console.model.selected(), console.model.is_frozen()), (Some(901), false));
}

#[test]
fn frozen_view_does_not_change_and_counts_unread() {
    for count in [3, 500] {
        let mut console = Console::new(100_000);
        console.arrive(count);
        console.frame();
        let before = console.on_screen();
        console.model.freeze();
        console.arrive(40);
        console.frame();
        assert_eq!((console.on_screen(), console.model.unread()), (before, 40), "of {count}");
        assert_eq!((console.stats.received, console.stats.matching), (count + 40, count + 40), "messages still arrive");
        // Also with a filter, and among all again.
        console.filter("-ten");
        console.frame();
        assert_eq!(console.model.unread(), 36);
        console.filter("");
        console.frame();
        console.model.step(ScrollStep::PageUp);
        console.frame();
        assert_eq!(console.model.unread(), 40);
        assert!(console.on_screen().0.iter().all(|seq| *seq <= count));
        console.model.step(ScrollStep::End);
        console.frame();
        assert!(!console.model.is_frozen());
        assert_eq!((console.on_screen().0.last(), console.model.unread()), (Some(&(count + 40)), 0));
    }
}

#[test]
fn selection_stops_following() {
    let mut console = Console::new(1_000);
    console.arrive(100);
    console.frame();
    console.model.select(95);
    let before = console.on_screen();
    console.arrive(300);
    console.frame();
    assert_eq!((console.on_screen(), console.model.selected(), console.model.unread()), (before, Some(95), 300));
    console.model.restart();
    assert_eq!((console.model.selected(), console.model.rows().total), (None, 0));
}

#[test]
fn selection_in_a_short_list_stays_visible_as_it_grows() {
    for steps in [[1, 40], [40, 1]] {
        let mut console = Console::new(1_000);
        console.arrive(7);
        console.frame();
        console.model.select(3);
        for count in steps {
            console.arrive(count);
            console.frame();
            assert_eq!(
                console.model.scroll.is_following(),
                console.stats.received <= 10,
                "all has room, or else it stays"
            );
            assert_eq!(console.on_screen().0.first(), Some(&1));
        }
        assert_eq!(console.model.unread(), 38);
        console.model.step(ScrollStep::End);
        console.arrive(1);
        console.frame();
        assert_eq!(console.on_screen().0.last(), Some(&49));
    }
}

#[test]
fn seek_from_an_evicted_message_starts_at_the_newest() {
    let mut console = Console::new(1_000);
    console.arrive(100);
    console.filter("ten");
    console.frame();
    console.model.seek(SeekDirection::Older);
    console.frame();
    assert_eq!(console.model.selected(), Some(100));
    console.engine.handle_command(PageCommand::Clear, Instant::EPOCH);
    console.arrive(50);
    console.frame();
    for expected in [150, 140] {
        console.model.seek(SeekDirection::Older);
        console.frame();
        assert_eq!(console.model.selected(), Some(expected));
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
    fn scroll_position_is_always_within_bounds(moves in proptest::collection::vec(any_move(), 0..60)) {
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
                Move::Hold => scroll.stop_following(),
            }
            let rows = scroll.visible_range();
            prop_assert!(rows.end <= total && rows.start <= rows.end, "{rows:?} of {total}");
            prop_assert!(scroll.unread() <= total);
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
fn measure_scrolling(per_s: u64, frame_us: u64) -> (u64, u64) {
    const FRAME_US: u64 = 16_667;
    const SECONDS: u64 = 10;
    /// The delay from page to worker, or back.
    const WAY_US: u64 = 500;
    let came = |at_us: u64| at_us * per_s / 1_000_000;
    let micros = |us| Instant::from_micros(1_000_000_000 + us);
    let (mut throttle, mut drawings, mut ages_us) = (RefreshThrottle::default(), 0, Vec::new());
    // The page's data, and the time of the next update.
    let (mut shown, mut asked_us) = (0, 0);
    loop {
        // The worker answers as soon as there is something new.
        let arrival_us = (shown + 1) * 1_000_000 / per_s + 1;
        let answer_us = arrival_us.max(asked_us + WAY_US);
        let began_us = (answer_us + WAY_US).next_multiple_of(FRAME_US);
        if began_us > SECONDS * 1_000_000 {
            break;
        }
        let received = came(answer_us);
        ages_us.extend((shown + 1..=received).map(|number| began_us - number * 1_000_000 / per_s));
        let churn = if received - shown > 10 { RowChurn::Flood } else { RowChurn::Readable };
        shown = received;
        drawings += 1;
        let wait_ms = throttle.record_draw(churn, received, micros(began_us));
        asked_us = began_us + frame_us.max(u64::from(wait_ms) * 1_000);
        while let Some(wait_ms) = throttle.extra_wait_ms(micros(asked_us)) {
            asked_us += u64::from(wait_ms) * 1_000;
        }
    }
    ages_us.sort_unstable();
    (drawings / SECONDS, ages_us[ages_us.len() / 2] / 1_000)
}

#[test]
fn rows_are_drawn_each_frame_except_in_a_flood_or_on_a_slow_machine() {
    let check =
        |(per_s, frame_us), per_second: std::ops::RangeInclusive<u64>, age_ms: std::ops::RangeInclusive<u64>| {
            let found = measure_scrolling(per_s, frame_us);
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
fn flood_is_detected_when_every_row_is_replaced() {
    let mut console = Console::new(1_000);
    let mut check = |step: Option<ScrollStep>, count, expected| {
        if let Some(step) = step {
            console.model.step(step);
            console.frame();
        }
        console.arrive(count);
        assert_eq!(console.frame(), Some(expected), "{count} after {step:?}");
    };
    check(None, 100, RowChurn::Readable);
    check(None, 10, RowChurn::Readable);
    check(None, 11, RowChurn::Flood);
    check(Some(ScrollStep::PageUp), 100, RowChurn::Readable);
    check(Some(ScrollStep::End), 100, RowChurn::Flood);
}
