//! The tree of topics: its numbers, its window, its limits, in virtual time.

use std::time::Duration;

use mqtt_crawl::message_log::message::NewMessage;
use mqtt_crawl::message_log::query::{LocalTime, Query};
use mqtt_crawl::message_log::{Limits, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::protocol::rows::Preview;
use mqtt_crawl::protocol::topics::{LevelRequest, TopicsOrder, TopicsRequest};
use mqtt_crawl::protocol::topics::{TopicRow, TopicsView};
use mqtt_crawl::time::Instant;
use mqtt_crawl::topics::{LEVELS_MAX, SERIES_MAX, Topics, query};
use mqtt_crawl::ui::sparkline;

struct Bench {
    log: MessageLog,
    topics: Topics,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        Self { log: MessageLog::new(limits), topics: Topics::default(), now: Instant::from_millis(100_000) }
    }

    fn note(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let arrival =
            NewMessage { time: self.now, topic, qos: QoS::AtMostOnce, retain, dup: false, properties: &[], payload };
        let seq = self.log.append(&arrival);
        self.topics.note(seq, &arrival);
    }

    fn message(&mut self, topic: &str, payload: &str) {
        self.note(topic, payload.as_bytes(), false);
    }

    fn wait_ms(&mut self, span_ms: u64) {
        self.now = self.now + Duration::from_millis(span_ms);
    }

    /// Returns the visible rows with these topics unfolded.
    fn view_of(&self, open: &[&str]) -> TopicsView {
        let mut glance = TopicsRequest { age: self.first().age, rows: 100, ..TopicsRequest::default() };
        for topic in open {
            let view = self.topics.view(&glance, &self.log, self.now);
            glance.levels.push(open_level(view.rows.iter().find(|row| row.topic == *topic).expect(topic).id));
        }
        self.topics.view(&glance, &self.log, self.now)
    }

    fn first(&self) -> TopicsView {
        self.topics.view(&TopicsRequest::default(), &self.log, self.now)
    }

    fn row(&self, open: &[&str], topic: &str) -> TopicRow {
        self.view_of(open).rows.into_iter().find(|row| row.topic == topic).expect(topic)
    }
}

fn open_level(id: u32) -> LevelRequest {
    LevelRequest { id, is_open: true, ..LevelRequest::default() }
}

/// Returns depth and topic of each row.
fn drawn(view: &TopicsView) -> Vec<(u32, &str)> {
    view.rows.iter().map(|row| (row.depth, row.topic.as_str())).collect()
}

#[test]
fn topic_tree_is_sorted_with_totals() {
    let mut bench = Bench::new();
    for topic in ["b/y", "b", "a/x/1", "a/x/2", "b/y", "a/x/1", "/lead", "b/"] {
        bench.message(topic, "1");
    }
    assert_eq!(drawn(&bench.view_of(&[])), [(1, ""), (1, "a"), (1, "b")]);
    assert_eq!(
        drawn(&bench.view_of(&["a", "b", "a/x"])),
        [(1, ""), (1, "a"), (2, "a/x"), (3, "a/x/1"), (3, "a/x/2"), (1, "b"), (2, "b/"), (2, "b/y")]
    );
    let summary = |topic: &str| {
        let row = bench.row(&["", "a", "a/x", "b"], topic);
        (row.count, row.topics, row.open)
    };
    assert_eq!(summary("a"), (3, 2, Some(true)));
    assert_eq!(summary("a/x/1"), (2, 1, None));
    // Both a topic and a branch.
    assert_eq!(summary("b"), (4, 3, Some(true)));
    assert_eq!(summary("/lead"), (1, 1, None));
    let view = bench.view_of(&["a", "a/x"]);
    assert_eq!((view.topics, view.others, view.total), (6, 0, 6));
    let places: Vec<_> = view.rows.iter().map(|row| (row.parent, row.position, row.siblings)).collect();
    assert_eq!(places, [(None, 1, 3), (None, 2, 3), (Some(1), 1, 1), (Some(2), 1, 2), (Some(2), 2, 2), (None, 3, 3)]);
}

#[test]
fn only_visible_topics_are_rendered() {
    let mut bench = Bench::new();
    for number in 0..1_000 {
        bench.message(&format!("a/{number:03}"), "1");
        bench.message(&format!("b/{number:03}"), "1");
    }
    let levels: Vec<_> = bench.view_of(&[]).rows.iter().map(|row| open_level(row.id)).collect();
    let check = |first: u64, rows: u32, expected_first: u64, expected: &[&str]| {
        let glance = TopicsRequest { first, rows, levels: levels.clone(), ..TopicsRequest::default() };
        let view = bench.topics.view(&glance, &bench.log, bench.now);
        assert_eq!((view.total, view.first), (2_002, expected_first), "{first}, {rows}");
        assert_eq!(view.rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>(), expected, "{first}, {rows}");
    };
    check(0, 2, 0, &["a", "a/000"]);
    check(999, 4, 999, &["a/998", "a/999", "b", "b/000"]);
    check(1_001, 1, 1_001, &["b"]);
    check(2_000, 2, 2_000, &["b/998", "b/999"]);
    // Beyond the end: the last ones.
    check(u64::MAX, 2, 2_000, &["b/998", "b/999"]);
    check(5, 0, 5, &[]);
}

#[test]
fn rate_covers_the_last_ten_seconds() {
    let mut bench = Bench::new();
    // 5 per second for 30 seconds, and 1 per second in addition.
    for tenth in 0..300 {
        if tenth % 2 == 0 {
            bench.message("a/fast", "1");
        }
        if tenth % 10 == 0 {
            bench.message("a/slow", "1");
        }
        bench.wait_ms(100);
    }
    let rate = |bench: &Bench, topic: &str| bench.row(&["a"], topic).per_1000_s;
    assert_eq!(rate(&bench, "a/fast"), 5_000);
    assert_eq!(rate(&bench, "a/slow"), 1_000);
    assert_eq!(rate(&bench, "a"), 6_000);
    assert!(bench.first().is_moving);
    // It falls to zero while nothing arrives.
    bench.wait_ms(5_000);
    assert_eq!(rate(&bench, "a"), 3_000);
    bench.wait_ms(5_000);
    assert_eq!(rate(&bench, "a"), 0);
    assert!(!bench.first().is_moving);
    // Old arrivals no longer count.
    bench.wait_ms(3_600_000);
    bench.message("a/slow", "1");
    assert_eq!(rate(&bench, "a"), 100);
}

#[test]
fn imported_messages_have_no_rate() {
    for (imported_ms, case) in [(20_000, "of long ago"), (3_700_000, "of a clock that is ahead")] {
        let mut bench = Bench::new();
        bench.message("a", "1");
        let now = std::mem::replace(&mut bench.now, Instant::from_millis(imported_ms));
        for _ in 0..1_000 {
            bench.message("a", "1");
        }
        bench.now = now;
        bench.message("a", "1");
        let row = bench.row(&[], "a");
        assert_eq!((row.count, row.per_1000_s), (1_002, 100), "{case}");
    }
}

#[test]
fn levels_follow_the_chosen_order() {
    let mut bench = Bench::new();
    for (topic, count) in [("a/x", 3), ("a/y", 1), ("b", 5), ("c", 1), ("d/z", 4)] {
        for _ in 0..count {
            bench.message(topic, "1");
            bench.wait_ms(100);
        }
    }
    bench.wait_ms(60_000);
    bench.message("c", "1");
    bench.message("c", "1");
    bench.wait_ms(100);
    bench.message("a/y", "1");
    for (order, expected) in [
        (TopicsOrder::Name, ["a", "a/x", "a/y", "b", "c", "d"]),
        // Equal ones by name.
        (TopicsOrder::Count, ["a", "a/x", "a/y", "b", "d", "c"]),
        (TopicsOrder::Rate, ["c", "a", "a/y", "a/x", "b", "d"]),
        (TopicsOrder::Newest, ["a", "a/y", "a/x", "c", "d", "b"]),
    ] {
        let levels = vec![open_level(bench.row(&[], "a").id)];
        let glance = TopicsRequest { rows: 99, order, levels, ..TopicsRequest::default() };
        let view = bench.topics.view(&glance, &bench.log, bench.now);
        let topics: Vec<_> = view.rows.iter().map(|row| row.topic.as_str()).collect();
        assert_eq!(topics, expected, "{order:?}");
        let places: Vec<_> = view.rows.iter().filter(|row| row.depth == 1).map(|row| row.position).collect();
        assert_eq!(places, [1, 2, 3, 4]);
        let above: Vec<_> = view.rows.iter().filter(|row| row.depth == 2).filter_map(|row| row.parent).collect();
        let a = topics.iter().position(|topic| *topic == "a").expect("a") as u64;
        assert_eq!(above, [a, a]);
    }
}

#[test]
fn latest_value_is_read_only_when_shown() {
    let mut bench = Bench::with_limits(Limits { messages: 32, ..Limits::default() });
    let text = |text: &str| Some(Preview::Text(text.to_owned()));
    bench.message("old", "removed soon");
    bench.message("t", "1");
    bench.message("t", "2");
    bench.note("bytes", b"\xff", false);
    assert_eq!(bench.row(&[], "t").last, text("2"));
    assert_eq!(bench.row(&[], "bytes").last, Some(Preview::Hex("ff".to_owned())));
    let came = bench.now;
    bench.wait_ms(1_000);
    for _ in 0..100 {
        bench.message("flood", "x");
    }
    // Evicted: the numbers stay.
    let row = bench.row(&[], "old");
    assert_eq!((row.count, row.last, row.last_time), (1, None, Some(came)));
    // A reused number isn't taken for the old message.
    bench.log.clear();
    let arrival = NewMessage {
        time: came,
        topic: "else",
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: &[],
        payload: b"7",
    };
    bench.log.import(1, &arrival);
    assert_eq!(bench.row(&[], "old").last, None);
}

#[test]
fn series_has_the_newest_stored_messages() {
    let mut bench = Bench::new();
    for number in 0..100 {
        bench.message("plain", &format!("{number}.50"));
        bench.message("json", &format!(r#"{{"n":{number},"x":{{"y":-{number}}}}}"#));
        bench.message("words", "hello");
        bench.note("bytes", b"5\xff", false);
    }
    let series = |bench: &Bench, topic: &str, field: &str| {
        let id = bench.row(&[], topic).id;
        let levels = vec![LevelRequest { id, is_open: false, field: field.to_owned() }];
        let glance = TopicsRequest { rows: 9, levels, ..TopicsRequest::default() };
        let view = bench.topics.view(&glance, &bench.log, bench.now);
        view.rows.into_iter().find(|row| row.topic == topic).expect(topic).series
    };
    let expected =
        |number: fn(usize) -> String| -> String { (100 - SERIES_MAX..100).map(|place| number(place) + "\n").collect() };
    assert_eq!(series(&bench, "plain", ""), expected(|number| format!("{number}.50")));
    assert_eq!(series(&bench, "json", "n"), expected(|number| number.to_string()));
    assert_eq!(series(&bench, "json", "x\ny"), expected(|number| format!("-{number}")));
    for (topic, field) in [("json", ""), ("json", "z"), ("plain", "n"), ("words", ""), ("bytes", "")] {
        assert_eq!(series(&bench, topic, field), "", "{topic} {field}");
    }
    bench.message("large", &format!("{}5", " ".repeat(5_000)));
    assert_eq!(series(&bench, "large", ""), "", "large payloads aren't searched");
    bench.log.clear();
    assert_eq!(series(&bench, "plain", ""), "");
}

#[test]
fn payload_that_only_begins_with_digits_has_no_plot() {
    for (payload, plotted) in [
        ("21,5", None),
        ("10:45", None),
        ("01/16/2026, 19:33:33", None),
        ("1,041.5", None),
        ("1.041,5", None),
        ("21.5 °C, 40 %", None),
        ("21.5\n40", None),
        ("21.5}", None),
        (r#"21.5 {"t":5}"#, None),
        ("21.5 °C\r\n", Some(21.5)),
    ] {
        let mut bench = Bench::new();
        bench.message("t", payload);
        let plot = sparkline::numbers(&bench.row(&[], "t").series);
        assert_eq!(plot, Vec::from_iter(plotted), "{payload}");
    }
}

#[test]
fn retained_mark_follows_the_messages() {
    let mut bench = Bench::new();
    for (payload, retain, marked) in [
        ("live", false, false),
        ("kept", true, true),
        ("live", false, true),
        // Cleared: the broker forwards it without the flag, or with it if that was requested.
        ("", false, false),
        ("again", true, true),
        ("", true, false),
    ] {
        bench.note("t", payload.as_bytes(), retain);
        assert_eq!(bench.row(&[], "t").is_retained, marked, "{payload:?} {retain}");
    }
}

#[test]
fn topics_over_the_limit_are_counted() {
    let mut bench = Bench::new();
    bench.message("first", "1");
    for number in 0..LEVELS_MAX as u64 * 2 {
        bench.message(&format!("many/{number}"), "1");
    }
    let view = bench.view_of(&[]);
    assert!(view.topics as usize <= LEVELS_MAX && view.topics as usize > LEVELS_MAX - 100, "{}", view.topics);
    // Every message is counted somewhere, and known topics continue.
    bench.message("first", "2");
    bench.message("many/0", "2");
    bench.message("many/another", "2");
    let view = bench.view_of(&[]);
    let counts: u64 = view.rows.iter().map(|row| row.count).sum();
    assert_eq!(counts + view.others, bench.log.received());
    assert_eq!(bench.row(&[], "first").count, 2);

    // Names are limited too, and so is the depth.
    let mut bench = Bench::new();
    for number in 0..200 {
        bench.message(&format!("{number}{}", "n".repeat(60_000)), "1");
    }
    let view = bench.first();
    assert!(view.others > 100 && view.topics > 30, "{} and {}", view.others, view.topics);
    let deep = vec!["d"; 30_000].join("/");
    let mut bench = Bench::new();
    bench.message(&deep, "1");
    bench.message(&deep, "1");
    let mut view = bench.view_of(&[]);
    let mut levels = Vec::new();
    while let Some(row) = view.rows.iter().find(|row| row.open == Some(false)) {
        levels.push(open_level(row.id));
        let glance = TopicsRequest { rows: 100, levels: levels.clone(), ..TopicsRequest::default() };
        view = bench.topics.view(&glance, &bench.log, bench.now);
    }
    assert_eq!(view.rows.len(), 32);
    let last = view.rows.last().expect("the topic");
    assert_eq!((last.topic.as_str(), last.count), (deep.as_str(), 2));
}

#[test]
fn clearing_resets_the_tree() {
    let mut bench = Bench::new();
    bench.message("a/b", "1");
    let (before, changes) = (bench.view_of(&["a"]), bench.topics.changes());
    let levels = vec![open_level(before.rows[0].id)];
    bench.log.clear();
    bench.topics.clear();
    assert_ne!(bench.topics.changes(), changes);
    bench.message("c/d", "1");
    // Earlier unfolding has no effect now.
    let glance = TopicsRequest { age: before.age, rows: 9, levels, ..TopicsRequest::default() };
    let after = bench.topics.view(&glance, &bench.log, bench.now);
    assert_ne!(after.age, before.age);
    assert_eq!(drawn(&after), [(1, "c")]);
    assert_eq!(after.rows[0].count, 1);
}

#[test]
fn out_of_range_levels_are_ignored() {
    let mut bench = Bench::new();
    bench.message("a/b", "1");
    let strange = |id| LevelRequest { id, is_open: true, field: "\n\n".to_owned() };
    let levels = [0, 1, 2, 2, 3, u32::MAX].map(strange).to_vec();
    let glance = TopicsRequest { rows: u32::MAX, levels, ..TopicsRequest::default() };
    assert_eq!(drawn(&bench.topics.view(&glance, &bench.log, bench.now)), [(1, "a"), (2, "a/b")]);
}

#[test]
fn topic_query_matches_its_messages() {
    for topic in
        ["a", "a/b", "a b/c", " a", "\"q\"", "a\"b", "x y\"z\\", "\\", "/", "a//", "$SYS/x", "ü/\u{3000}", "a:b"]
    {
        let mut bench = Bench::new();
        bench.message(topic, "1");
        bench.message(&format!("{topic}/below"), "1");
        bench.message("other", "1");
        for (has_below, count) in [(false, 1), (true, 2)] {
            let line = query(topic, has_below);
            let query = Query::parse(&line, LocalTime::default()).expect(&line);
            let matching = bench.log.iter_from(0).filter(|message| query.matches(message)).count();
            assert_eq!(matching, count, "{line}");
        }
    }
}
