//! The query line, and its matches, found in slices.

use std::ops::Range;

use mqtt_crawl::message_log::message::{Message, NewMessage};
use mqtt_crawl::message_log::query::matches::Matches;
use mqtt_crawl::message_log::query::{LocalTime, Query};
use mqtt_crawl::message_log::{Limits, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

fn arrival<'a>(topic: &'a str, payload: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        time: Instant::EPOCH,
        topic,
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: &[],
        payload,
    }
}

fn query(line: &str) -> Query {
    Query::parse(line, LocalTime::default()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn message<'a>(topic: &'a str, payload: &'a [u8]) -> Message<'a> {
    Message {
        seq: 1,
        time: Instant::EPOCH,
        topic,
        qos: QoS::AtLeastOnce,
        retain: true,
        dup: false,
        properties: &[],
        payload,
    }
}

fn check(line: &str, topic: &str, payload: impl AsRef<[u8]>, expected: bool) {
    let payload = payload.as_ref();
    assert_eq!(query(line).matches(&message(topic, payload)), expected, "{line} in {topic}: {payload:?}");
}

#[test]
fn words_are_found_in_topic_and_payload() {
    for (line, topic, payload, expected) in [
        ("", "a", "b", true),
        ("  \t ", "a", "b", true),
        ("\"\"", "a", "b", true),
        ("light", "house/light", "on", true),
        ("LIGHT", "house/light", "on", true),
        ("on", "house/light", "ON", true),
        ("off", "house/light", "on", false),
        // All words must occur, each anywhere.
        ("on light", "house/light", "on", true),
        ("on dark", "house/light", "on", false),
        // But none split between two fields.
        ("lighton", "house/light", "on", false),
        ("abcd", "a", "abc", false),
        ("abc", "a", "ababc", true),
        // Plain words, even if they look like something else.
        ("12:30", "a", "at 12:30", true),
        ("12:30", "a", "at 12 30", false),
        (r#"{"a":1}"#, "a", r#"x{"A":1}"#, true),
        (r#"{"a":1}"#, "a", r#"{"a":2}"#, false),
        ("http://x", "a", "see http://x/y", true),
        ("topics:a", "a", "topics:a", true),
        ("[", "a", "]", false),
        ("@", "a", "`", false),
        ("K", "a", "k", true),
    ] {
        check(line, topic, payload, expected);
    }
}

#[test]
fn phrases_match_literally() {
    for (line, payload, expected) in [
        (r#""two words""#, "these Two Words here", true),
        (r#""two words""#, "two  words", false),
        (r#""two words" here"#, "two words here", true),
        (r#""two words"here"#, "two words there", true),
        (r#""say \"hi\"""#, r#"I say "hi""#, true),
        (r#""say \"hi\"""#, "I say hi", false),
        (r#""a\\b""#, r"a\b", true),
        (r#""a\b""#, r"a\b", true),
        (r#""qos:1 x""#, "qos:1 x", true),
        (r#"" ""#, "x", false),
        (r#"" ""#, "x y", true),
        // A quotation mark later in a word is part of it.
        (r#"a"b"#, r#"a"b"#, true),
        (r#"a"b"#, "ab", false),
    ] {
        check(line, "t", payload, expected);
    }
}

#[test]
fn case_is_ignored_beyond_ascii() {
    for (line, payload, expected) in [
        ("ÄRGER", "kein Ärger", true),
        ("ärger", "KEIN ÄRGER", true),
        ("arger", "Ärger", false),
        ("ЖУК", "жук", true),
        ("ΟΔΟΣ", "η οδός", false),
        ("ΟΔΟΣ", "οδος", true),
        ("οδος", "ΟΔΟΣ", true),
        ("οδοσ", "οδος", true),
        ("straße", "STRAßE", true),
        ("東京", "東京 tower", true),
        ("東京 TOWER", "東京 tower", true),
        ("🍅", "🍅🍅", true),
        ("é", "e\u{301}", false),
        // The kelvin sign is a K.
        ("\u{212a}ELVIN", "kelvin", true),
        ("5 Ω", "5 \u{2126}", true),
        ("1 å", "1 \u{212b}", true),
        ("straße", "STRASSE, straße", true),
        ("straße", "strase", false),
    ] {
        check(line, "t", payload, expected);
    }
    check("KÜCHE", "haus/küche", "", true);
}

#[test]
fn binary_payloads_are_searched_as_bytes() {
    check("abc", "t", b"\xff\x00ABC\xff", true);
    check("abc", "t", b"\xffAB\xffC", false);
    check("é", "t", b"\xff\xc3\xa9", true);
    check("É", "t", b"\xff\xc3\xa9", false);
    check("é", "t", b"\xff\xe9", false);
}

#[test]
fn terms_test_topic_qos_retain_and_dup() {
    // The message has QoS 1, is retained, and isn't a duplicate.
    for (line, expected) in [
        ("topic:house/light", true),
        ("topic:house", false),
        ("topic:house/#", true),
        ("topic:+/light", true),
        ("topic:+", false),
        ("Topic:#", true),
        ("topic:$share/g/house/+", true),
        ("topic:HOUSE/light", false),
        (r#"topic:"house/light""#, true),
        (r#"topic:"a b/#""#, false),
        ("qos:1", true),
        ("QoS:1", true),
        ("qos:0", false),
        ("qos:2", false),
        ("qos:\"1\"", true),
        ("retain:yes", true),
        ("retain:YES", true),
        ("retain:no", false),
        ("dup:no", true),
        ("dup:yes", false),
        ("topic:house/# qos:1 retain:yes on", true),
        ("topic:house/# qos:1 retain:yes off", false),
        ("on topic:garden/#", false),
    ] {
        check(line, "house/light", "on", expected);
    }
    check("topic:#", "$SYS/broker/uptime", "1", false);
    check("topic:$SYS/#", "$SYS/broker/uptime", "1", true);
}

#[test]
fn invalid_queries_are_explained() {
    for (line, at, expected) in [
        ("qos:3", 0, "qos: expects 0, 1 or 2 (got 3)."),
        ("a qos:", 2, "qos: expects 0, 1 or 2."),
        ("a -qos:", 2, "qos: expects 0, 1 or 2."),
        ("payload:", 0, "payload: expects a word or a phrase, e.g. payload:on or payload:\"two words\"."),
        ("payload:\"\"", 0, "payload: expects a word"),
        ("character: Leia", 0, "character: expects a speaker's name, e.g. character:Leia."),
        ("hex:", 0, "hex: expects bytes in hex, e.g. hex:ff00 or hex:\"ff 00\"."),
        ("hex:f", 0, "hex:\"ff 00\" (got f)."),
        ("hex:0x", 0, "(got 0x)."),
        ("-hex:é", 0, "(got é)."),
        (
            "after:",
            0,
            "after: expects a time, e.g. 10:05, 10:05:30.5 or 2026-11-21T10:05 (add Z for UTC), or -5m for five minutes \
             ago.",
        ),
        ("x before:noon", 2, "or -5m for five minutes ago (got noon)."),
        ("after:25:00", 0, "(got 25:00)."),
        ("after:10:60", 0, "(got 10:60)."),
        ("after:10", 0, "(got 10)."),
        ("after:10:00:00.", 0, "(got 10:00:00.)."),
        ("after:2026-02-30", 0, "(got 2026-02-30)."),
        ("after:-5", 0, "(got -5)."),
        ("after:-m", 0, "(got -m)."),
        ("after:-5é", 0, "(got -5é)."),
        ("after:5m", 0, "(got 5m)."),
        ("  qos:-1", 2, "(got -1)."),
        ("qos:one", 0, "(got one)."),
        ("retain:maybe", 0, "retain: expects yes or no (got maybe)."),
        ("retain:", 0, "retain: expects yes or no."),
        ("ü dup:1", 3, "dup: expects yes or no (got 1)."),
        ("topic:", 0, "topic: expects a topic filter"),
        ("topic: a/b", 0, "topic: expects a topic filter"),
        ("topic:a/#/b", 0, "topic:a/#/b: # must be the last level, e.g. a/#"),
        ("topic:a+", 0, "+ must be a whole level"),
        ("on \"two words", 3, "Missing closing quote after \"two words"),
        ("\"", 0, "Missing closing quote"),
        (r#""a\""#, 0, "Missing closing quote"),
        ("topic:\"a", 0, "Missing closing quote"),
        ("qos:123456789012345678901234567890", 0, "(got 123456789012345678901234…)."),
    ] {
        let error = Query::parse(line, LocalTime::default()).expect_err(line);
        assert_eq!(error.at, at, "{line}: {error}");
        assert!(error.message.contains(expected), "{line}: {error}");
    }
}

#[test]
fn minus_negates_a_term() {
    for (line, expected) in [
        ("-off", true),
        ("-on", false),
        ("-light", false),
        ("-\"o n\"", true),
        ("-topic:garden/#", true),
        ("-topic:house/#", false),
        ("-qos:0", true),
        ("-qos:1", false),
        ("-retain:yes", false),
        ("-retain:no", true),
        ("-dup:yes", true),
        ("-payload:light", true),
        ("-payload:on", false),
        ("on -off", true),
        ("on -light", false),
        // A separate word, and one in quotation marks.
        ("-", false),
        ("- on", false),
        ("\"-on\"", false),
        ("--on", true),
        // An empty term is in everything: it is ignored.
        ("-\"\"", true),
    ] {
        check(line, "house/light", "on", expected);
    }
    check("-", "t", "a - b", true);
    check("\"-5\"", "t", "-5", true);
    check("-5", "t", "-5", false);
}

#[test]
fn payload_terms_search_only_the_payload_bytes() {
    for (line, payload, expected) in [
        ("payload:light", &b"on"[..], false),
        ("payload:ON", b"on", true),
        ("payload:\"o n\"", b"so no", true),
        ("hex:ff00", b"a\xff\0b", true),
        ("hex:FF00", b"a\xff\0b", true),
        ("hex:\"ff 00\"", b"a\xff\0b", true),
        ("hex:00ff", b"a\xff\0b", false),
        // Exactly these: in lower case.
        ("hex:41", b"a", false),
        ("hex:61", b"a", true),
        ("-hex:61", b"a", false),
        ("hex:6161", b"a", false),
    ] {
        check(line, "house/light", payload, expected);
    }
}

#[test]
fn speakers_match_the_crawl() {
    let json = r#"{"character":"Leia Organa","text":"Help me, Luke."}"#;
    for (line, payload, expected) in [
        ("character:leia", json, true),
        ("character:ORGANA", json, true),
        ("character:\"leia o\"", json, true),
        ("character:luke", json, false),
        ("-character:luke", json, true),
        ("character:luke", "LUKE: I am here.", true),
        ("character:here", "LUKE: I am here.", false),
        ("character:luke", "luke is here", false),
        ("character:chloé", "Chloé: oui", true),
        ("character:CHLOÉ", "Chloé: oui", true),
        // Written with an escape, or not as a string.
        ("character:leia", r#"{"character":"\u004ceia","text":""}"#, true),
        ("character:\"1, 2\"", "{\"character\":[1,\n2],\"text\":\"\"}", true),
        ("character:7", r#"{"character":7,"text":"7"}"#, true),
        ("character:a", r#"{"character":"b","text":"a"}"#, false),
        ("character:a", "", false),
    ] {
        check(line, "t", payload, expected);
    }
    check("character:a", "t", b"a: \xff", false);
    // The topic is the speaker if the message names none, with other separators.
    check("character:kitchen", "home/kitchen_lamp/state", "on", true);
    check("character:\"kitchen lamp\"", "home/kitchen_lamp/state", "on", true);
    check("character:home", "home/kitchen_lamp/state", "on", false);
    check("character:kitchen", "home/kitchen_lamp/state", "LUKE: on", false);
}

#[test]
fn time_terms_limit_the_range() {
    // 11:00:00 in a zone two hours ahead of UTC, on 21 November 2026.
    let hour_ms = 3_600_000;
    let nine_utc = 1_795_255_200_000 - hour_ms;
    let typed = LocalTime { now: Instant::from_millis(nine_utc), ahead_of_utc_min: 120 };
    let at = |line: &str, ms: u64| {
        let query = Query::parse(line, typed).unwrap_or_else(|error| panic!("{line}: {error}"));
        query.matches(&Message { time: Instant::from_millis(ms), ..message("t", b"") })
    };
    for (value, begins_ms) in [
        ("11:00", nine_utc),
        ("9:00Z", nine_utc),
        ("09:00z", nine_utc),
        ("11:00:00", nine_utc),
        ("11:00:00.25", nine_utc + 250),
        ("11:00:30.5", nine_utc + 30_500),
        ("00:00", nine_utc - 11 * hour_ms),
        ("2026-11-21T11:00", nine_utc),
        ("2026-11-21t9:00Z", nine_utc),
        ("\"2026-11-21 11:00\"", nine_utc),
        ("2026-11-21", nine_utc - 11 * hour_ms),
        ("2026-11-21Z", nine_utc - 9 * hour_ms),
        ("2026-11-20T23:30", nine_utc - 11 * hour_ms - hour_ms / 2),
        ("-30s", nine_utc - 30_000),
        ("-5m", nine_utc - 300_000),
        ("-2h", nine_utc - 2 * hour_ms),
        ("-1d", nine_utc - 24 * hour_ms),
        ("-0s", nine_utc),
        ("-99999999999d", 0),
    ] {
        assert!(at(&format!("after:{value}"), begins_ms), "after:{value}");
        assert!(!at(&format!("before:{value}"), begins_ms), "before:{value}");
        if begins_ms > 0 {
            assert!(!at(&format!("after:{value}"), begins_ms - 1), "after:{value}");
            assert!(at(&format!("before:{value}"), begins_ms - 1), "before:{value}");
            assert!(at(&format!("-after:{value}"), begins_ms - 1), "-after:{value}");
        }
    }
    // West of UTC it is still yesterday.
    let typed = LocalTime { now: Instant::from_millis(1_795_219_200_000), ahead_of_utc_min: -300 };
    let query = Query::parse("after:19:00 before:19:01", typed).expect("a query");
    let message = |ms| Message { time: Instant::from_millis(ms), ..message("t", b"") };
    assert!(query.matches(&message(1_795_219_200_000)));
    assert!(!query.matches(&message(1_795_219_260_000)));
}

#[test]
fn too_many_terms_are_rejected() {
    assert!(Query::parse(&"a ".repeat(Query::TERMS_MAX), LocalTime::default()).is_ok());
    let error = Query::parse(&"a ".repeat(Query::TERMS_MAX + 1), LocalTime::default()).expect_err("too many");
    assert_eq!((error.at, error.to_string().as_str()), (128, "Too many terms (maximum 64)."));
}

#[test]
fn match_positions_are_returned() {
    let pairs = |hits: Vec<Range<usize>>| hits.into_iter().map(|hit| (hit.start, hit.end)).collect::<Vec<_>>();
    for (line, text, expected) in [
        ("", "abc", &[][..]),
        ("b", "abcb", &[(1, 2), (3, 4)]),
        ("B", "abcb", &[(1, 2), (3, 4)]),
        // Separate ranges, even if matches overlap or touch.
        ("aa", "aaaaa", &[(0, 4)]),
        ("abc bcd", "abcd", &[(0, 4)]),
        ("ab cd", "abcd", &[(0, 4)]),
        ("c a", "abc", &[(0, 1), (2, 3)]),
        ("ÄR", "kein Ärger", &[(5, 8)]),
        ("οσ", "ΟΔΟΣ οδός", &[(4, 8)]),
        ("-a", "abc", &[]),
        ("topic:abc qos:1", "abc", &[]),
    ] {
        assert_eq!(pairs(query(line).hits_in_topic(text)), expected, "{line} in {text}");
        assert_eq!(pairs(query(line).hits_in_payload(text.as_bytes())), expected, "{line} in {text}");
    }
    assert_eq!(pairs(query("payload:b hex:63").hits_in_topic("abc")), []);
    assert_eq!(pairs(query("payload:b hex:63").hits_in_payload(b"abc")), [(1, 3)]);
    assert_eq!(pairs(query("é").hits_in_payload(b"\xff\xc3\xa9")), [(1, 3)]);
    let many = pairs(query("a").hits_in_payload(&[b'a'; 1_000]));
    assert_eq!(many, [(0, 32)], "only the first of many");
}

#[test]
fn empty_query_needs_no_scan() {
    let mut log = MessageLog::new(Limits { messages: 16, bytes: 1 << 20 });
    let mut matches = Matches::new(Query::default());
    assert!(matches.query().is_empty());
    assert!(matches.is_empty());
    for _ in 0..20 {
        log.append(&arrival("a", b""));
    }
    assert!(!matches.advance(&log, 0));
    assert_eq!((matches.len(), matches.seq_at(0), matches.seq_at(15)), (16, Some(5), Some(20)));
    assert_eq!((matches.seq_at(16), matches.seq_at(u64::MAX)), (None, None));
    assert_eq!((matches.first_rank(), matches.count_before(0), matches.count_before(9)), (5, 0, 4));
}

/// The reader's anchor: a match and its position.
#[test]
fn match_keeps_its_position() {
    let mut log = MessageLog::new(Limits { messages: 160, bytes: 1 << 20 });
    for _ in 0..160 {
        log.append(&arrival("a", b"x"));
    }
    let mut matches = Matches::new(query("x"));
    assert!(matches.advance(&log, 10));
    let place_of =
        |matches: &Matches, seq| matches.first_rank() + i64::try_from(matches.count_before(seq)).expect("few");
    let place = place_of(&matches, 155);
    // Found before it …
    assert!(matches.advance(&log, 50));
    assert_eq!((matches.len(), place_of(&matches, 155)), (60, place));
    while matches.advance(&log, 50) {}
    assert_eq!((matches.count_before(1), matches.count_before(155), matches.count_before(1_000)), (0, 154, 160));
    assert_eq!(place_of(&matches, 155), place);
    // … evicted before it, and arrived after it.
    for _ in 0..150 {
        log.append(&arrival("a", b"x"));
        let _ = matches.advance(&log, 50);
        assert_eq!(place_of(&matches, 155), place);
    }
    assert!(log.first_seq() > 101);
    // The initial ones may all be evicted.
    let place = place_of(&matches, 310);
    for _ in 0..150 {
        log.append(&arrival("a", b"x"));
        let _ = matches.advance(&log, 50);
        assert_eq!(place_of(&matches, 310), place);
    }
}

#[test]
fn newest_matches_are_found_first() {
    let mut log = MessageLog::default();
    for n in 0..10_000 {
        log.append(&arrival(if n % 2 == 0 { "even" } else { "odd" }, b"x"));
    }
    let mut matches = Matches::new(query("topic:even"));
    assert!(matches.advance(&log, 100));
    assert_eq!((matches.len(), matches.seq_at(0), matches.seq_at(49)), (50, Some(9_901), Some(9_999)));
    // New arrivals come before old messages.
    for _ in 0..10 {
        log.append(&arrival("even", b"new"));
    }
    assert!(matches.advance(&log, 20));
    assert_eq!((matches.len(), matches.seq_at(0), matches.seq_at(64)), (65, Some(9_891), Some(10_010)));
    let mut slices = 0;
    while matches.advance(&log, 1_000) {
        slices += 1;
    }
    assert_eq!((slices, matches.len()), (9, 5_010));
    assert_eq!((matches.seq_at(0), matches.seq_at(5_009)), (Some(1), Some(10_010)));
    assert!(!matches.advance(&log, 0));
}

#[test]
fn large_messages_use_a_slice_up_sooner() {
    let mut log = MessageLog::default();
    let large = vec![b'x'; 1 << 20];
    for _ in 0..4 {
        log.append(&arrival("a", &large));
    }
    let mut matches = Matches::new(query("y"));
    let slices = 1 + std::iter::from_fn(|| matches.advance(&log, 1_000).then_some(())).count();
    assert_eq!(slices, 4);
}

#[test]
fn new_numbering_restarts_the_search() {
    let mut log = MessageLog::default();
    let mut matches = Matches::new(query("x"));
    for _ in 0..100 {
        log.append(&arrival("a", b"x"));
    }
    assert!(!matches.advance(&log, 1_000));
    log.clear();
    // The same numbers again, for other messages.
    for n in 0..100_u32 {
        log.import(1, &arrival("a", if n < 3 { b"x" } else { b"y" }));
    }
    assert!(!matches.advance(&log, 1_000));
    assert_eq!((matches.len(), matches.seq_at(0), matches.seq_at(2)), (3, Some(1), Some(3)));
}

#[test]
fn numbers_beyond_32_bits_are_exact() {
    let mut log = MessageLog::new(Limits { messages: 1_000, bytes: 1 << 20 });
    let first = u64::from(u32::MAX) - 500;
    let mut matches = Matches::new(query("x"));
    for n in 0..3_000_u64 {
        log.import(first, &arrival("a", b"x"));
        if n % 100 == 0 {
            while matches.advance(&log, 30) {}
        }
    }
    while matches.advance(&log, 30) {}
    assert_eq!(matches.len(), log.kept());
    assert_eq!(matches.seq_at(0), Some(log.first_seq()));
    assert_eq!(matches.seq_at(log.kept() - 1), Some(first + 2_999));
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Advance(usize),
    Clear,
    Import(u64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// After any sequence of arrivals, evictions and reads, the result equals a check of every kept message.
    #[test]
    fn sliced_search_equals_full_search(
        steps in prop::collection::vec(
            prop_oneof![
                8 => prop::collection::vec(0..3_u8, 0..40).prop_map(Step::Append),
                4 => (0..60_usize).prop_map(Step::Advance),
                1 => Just(Step::Clear),
                1 => (1..200_u64).prop_map(Step::Import),
            ],
            0..120,
        ),
        messages in 1..400_u64,
        line in prop::sample::select(vec!["", "x", "topic:b", "x topic:b", "qos:0", "qos:1"]),
    ) {
        let mut log = MessageLog::new(Limits { messages, bytes: 1 << 20 });
        let mut matches = Matches::new(query(line));
        for step in steps {
            match step {
                Step::Append(kinds) => {
                    for kind in kinds {
                        let topic = if kind & 1 == 0 { "a" } else { "b" };
                        let payload: &[u8] = if kind & 2 == 0 { b"x" } else { b"y" };
                        log.append(&arrival(topic, payload));
                    }
                }
                Step::Clear => log.clear(),
                Step::Import(seq) => {
                    log.import(seq, &arrival("b", b"x"));
                }
                Step::Advance(budget) => {
                    let _ = matches.advance(&log, budget);
                    let seqs: Vec<u64> = (0..matches.len()).filter_map(|at| matches.seq_at(at)).collect();
                    prop_assert_eq!(seqs.len() as u64, matches.len());
                    prop_assert!(seqs.is_sorted_by(|a, b| a < b));
                    for seq in seqs {
                        let message = log.message(seq);
                        prop_assert!(message.is_some_and(|message| matches.query().matches(&message)));
                    }
                }
            }
        }
        while matches.advance(&log, 7) {}
        let found: Vec<u64> = (0..matches.len()).filter_map(|at| matches.seq_at(at)).collect();
        let query = query(line);
        let expected: Vec<u64> =
            log.iter_from(0).filter(|message| query.matches(message)).map(|message| message.seq).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn words_are_found_at_any_position(word in "[aAb-]{1,5}", payload in "[aAbB-]{0,24}") {
        let (word, payload) = (word.as_bytes(), payload.as_bytes());
        let contains = |is_it: fn(&[u8], &[u8]) -> bool| payload.windows(word.len()).any(|there| is_it(there, word));
        let hex: String = word.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = str::from_utf8(word).expect("ASCII");
        let message = message("t", payload);
        prop_assert_eq!(query(&format!("payload:{text}")).matches(&message), contains(<[u8]>::eq_ignore_ascii_case));
        prop_assert_eq!(query(&format!("hex:{hex}")).matches(&message), contains(|there, word| there == word));
    }

    #[test]
    fn any_line_is_a_query_or_an_error(line in any::<String>(), payload in any::<Vec<u8>>()) {
        match Query::parse(&line, LocalTime::default()) {
            Ok(query) => {
                let _ = query.matches(&message("t", &payload));
            }
            Err(error) => prop_assert!(line.is_char_boundary(error.at)),
        }
    }

    /// A phrase taken from a text is found in it, in lower and upper case.
    #[test]
    fn phrase_of_a_text_is_found_in_it(before in ".{0,10}", piece in "[a-zäöüжя東\u{1f345}\" \\\\]{1,8}", after in ".{0,10}") {
        let text = format!("{before}{piece}{after}");
        for typed in [piece.clone(), piece.to_uppercase()] {
            let line = format!("\"{}\"", typed.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert!(query(&line).matches(&message("t", text.as_bytes())), "{line} in {text}");
        }
    }
}
