//! Where the console stands: following, leaving, growing, and a million rows.

use mqtt_crawl::console::{SPACER_MAX_PX, Scroll, Step, grouped, size, time_of_day};
use mqtt_crawl::engine::command::Window;
use mqtt_crawl::time::Instant;
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
fn follows_until_somebody_looks_up() {
    let mut scroll = list(5);
    assert!(scroll.is_following());
    assert_eq!(scroll.on_screen(), 0..5);
    scroll.step(Step::LineUp);
    assert!(scroll.is_following(), "nothing to scroll to");

    scroll.grow(100, 0);
    assert_eq!(scroll.top_rows(), 90.0);
    scroll.step(Step::LineUp);
    assert!(!scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unseen()), (89.0, 0));

    scroll.grow(150, 0);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (89.0, 50), "what arrives moves nothing");
    scroll.step(Step::PageDown);
    assert_eq!((scroll.top_rows(), scroll.unseen()), (98.0, 42), "seen on the way");
    scroll.step(Step::PageUp);
    assert_eq!(scroll.unseen(), 42, "what was seen stays seen");
    scroll.step(Step::End);
    assert!(scroll.is_following());
    assert_eq!((scroll.top_rows(), scroll.unseen()), (140.0, 0));
}

#[test]
fn keys() {
    let mut scroll = list(100);
    scroll.step(Step::Home);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.step(Step::LineUp);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.step(Step::PageDown);
    assert_eq!(scroll.top_rows(), 9.0, "one row stays for orientation");
    for _ in 0..200 {
        scroll.step(Step::LineDown);
    }
    assert!(scroll.is_following(), "the end of the list is its tail");
    for (key, step) in [("ArrowUp", Step::LineUp), ("PageDown", Step::PageDown), ("End", Step::End)] {
        assert_eq!(Step::from_key(key), Some(step));
    }
    assert_eq!(Step::from_key("a"), None);
}

#[test]
fn the_window_reaches_beyond_the_edges() {
    let mut scroll = list(1_000);
    assert_eq!(scroll.window(), Window::Tail { rows: 11 });
    scroll.drag(scroll.bar_px(), 500.0 * ROW_PX);
    assert_eq!(scroll.window(), Window::At { first: 488, rows: 35 });
    scroll.step(Step::Home);
    assert_eq!(scroll.window(), Window::At { first: 0, rows: 35 });
}

#[test]
fn rows_that_leave_the_front_move_nothing() {
    let mut scroll = list(1_000);
    scroll.drag(scroll.bar_px(), 500.0 * ROW_PX);
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
fn a_short_list_needs_no_bar() {
    let scroll = list(10);
    assert_eq!((scroll.spacer_px(), scroll.bar_px()), (240.0, 0.0));
    assert_eq!(list(11).bar_px(), ROW_PX);
}

#[test]
fn a_million_rows_are_all_reached() {
    let total = 1_000_000;
    let mut scroll = list(total);
    assert_eq!(scroll.spacer_px(), SPACER_MAX_PX);
    let range_px = SPACER_MAX_PX - 240.0;
    assert_eq!(scroll.bar_px(), range_px);

    scroll.drag(range_px, range_px / 2.0);
    assert!((scroll.top_rows() - 499_995.0).abs() < 1.0, "{}", scroll.top_rows());
    assert!((scroll.bar_px() - range_px / 2.0).abs() < 0.01);

    // A turn of the wheel moves the rows by its own pixels.
    let before = scroll.top_rows();
    scroll.drag(range_px / 2.0, range_px / 2.0 + 120.0);
    assert!((scroll.top_rows() - before - 5.0).abs() < 1e-6);

    scroll.drag(1_000.0, 0.0);
    assert_eq!(scroll.top_rows(), 0.0);
    scroll.drag(0.0, range_px);
    assert!(scroll.is_following());
    scroll.step(Step::LineUp);
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

#[derive(Clone, Debug)]
enum Move {
    Step(Step),
    Drag(f64),
    Grow(u64),
    Evict(u64),
    Resize(f64),
    Hold,
}

fn any_move() -> impl Strategy<Value = Move> {
    let steps = vec![Step::LineUp, Step::LineDown, Step::PageUp, Step::PageDown, Step::Home, Step::End];
    prop_oneof![
        proptest::sample::select(steps).prop_map(Move::Step),
        (-0.1..1.1).prop_map(Move::Drag),
        (0_u64..2_000_000).prop_map(Move::Grow),
        (0_u64..3_000).prop_map(Move::Evict),
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
                Move::Drag(part) => scroll.drag(scroll.bar_px(), part * scroll.spacer_px()),
                Move::Grow(more) => { total += more; scroll.grow(total, 0); }
                Move::Evict(gone) => { total -= gone.min(total); scroll.grow(total, gone); }
                Move::Resize(px) => scroll.resize(px),
                Move::Hold => scroll.hold(),
            }
            let rows = scroll.on_screen();
            prop_assert!(rows.end <= total && rows.start <= rows.end, "{rows:?} of {total}");
            prop_assert!(scroll.unseen() <= total);
            prop_assert!(scroll.bar_px() >= 0.0 && scroll.bar_px() <= scroll.spacer_px());
            if let Window::At { first, rows: fetched } = scroll.window() {
                prop_assert!(first <= rows.start && rows.end <= first + u64::from(fetched));
            }
        }
    }
}
