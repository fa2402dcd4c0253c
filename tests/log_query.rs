//! The query line, and the matches found for it in slices.

use mqtt_crawl::log::query::{Matches, Query};
use mqtt_crawl::log::{Arrival, Limits, Message, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

fn arrival<'a>(topic: &'a str, payload: &'a [u8]) -> Arrival<'a> {
    Arrival { time: Instant::EPOCH, topic, qos: QoS::AtMostOnce, retain: false, dup: false, properties: &[], payload }
}

fn query(line: &str) -> Query {
    Query::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
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
        // All words must occur; each wherever it likes.
        ("on light", "house/light", "on", true),
        ("on dark", "house/light", "on", false),
        // But none half here, half there.
        ("lighton", "house/light", "on", false),
        ("abcd", "a", "abc", false),
        ("abc", "a", "ababc", true),
        // Plain words, whatever they look like.
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
fn phrases_are_found_as_they_stand() {
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
        // A quotation mark later in a word is one.
        (r#"a"b"#, r#"a"b"#, true),
        (r#"a"b"#, "ab", false),
    ] {
        check(line, "t", payload, expected);
    }
}

#[test]
fn other_letters_than_ascii_have_small_and_capital_forms_too() {
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
        // The sign of the kelvin is a K.
        ("\u{212a}ELVIN", "kelvin", true),
    ] {
        check(line, "t", payload, expected);
    }
    check("KÜCHE", "haus/küche", "", true);
}

#[test]
fn payloads_that_are_no_text_are_searched_as_bytes() {
    check("abc", "t", b"\xff\x00ABC\xff", true);
    check("abc", "t", b"\xffAB\xffC", false);
    check("é", "t", b"\xff\xc3\xa9", true);
    check("É", "t", b"\xff\xc3\xa9", false);
    check("é", "t", b"\xff\xe9", false);
}

#[test]
fn terms_look_at_topic_qos_retain_and_dup() {
    // The message has QoS 1, is retained, and wasn't sent before.
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
fn a_wrong_query_is_told_in_words() {
    for (line, at, expected) in [
        ("qos:3", 0, "After qos: comes 0, 1 or 2, not 3."),
        ("a qos:", 2, "After qos: comes 0, 1 or 2."),
        ("  qos:-1", 2, "not -1"),
        ("qos:one", 0, "not one"),
        ("retain:maybe", 0, "After retain: comes yes or no, not maybe."),
        ("retain:", 0, "After retain: comes yes or no."),
        ("ü dup:1", 3, "After dup: comes yes or no, not 1."),
        ("topic:", 0, "After topic: comes a topic filter"),
        ("topic: a/b", 0, "After topic: comes a topic filter"),
        ("topic:a/#/b", 0, "topic:a/#/b: # may only stand alone as the last level"),
        ("topic:a+", 0, "+ must fill its whole level"),
        ("on \"two words", 3, "The quotation mark before two words isn't closed."),
        ("\"", 0, "isn't closed"),
        (r#""a\""#, 0, "isn't closed"),
        ("topic:\"a", 0, "isn't closed"),
        ("qos:123456789012345678901234567890", 0, "not 123456789012345678901234…."),
    ] {
        let error = Query::parse(line).expect_err(line);
        assert_eq!(error.at, at, "{line}: {error}");
        assert!(error.words.contains(expected), "{line}: {error}");
    }
}

#[test]
fn an_empty_query_needs_no_looking() {
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
}

#[test]
fn the_newest_matches_are_found_first() {
    let mut log = MessageLog::default();
    for n in 0..10_000 {
        log.append(&arrival(if n % 2 == 0 { "even" } else { "odd" }, b"x"));
    }
    let mut matches = Matches::new(query("topic:even"));
    assert!(matches.advance(&log, 100));
    assert_eq!((matches.len(), matches.seq_at(0), matches.seq_at(49)), (50, Some(9_901), Some(9_999)));
    // What arrives meanwhile comes before what is old.
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
fn a_new_numbering_begins_the_search_anew() {
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
fn numbers_beyond_32_bits_are_given_in_full() {
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

    /// Whatever arrives, goes and is looked at in between: in the end it is
    /// what a look at every kept message finds.
    #[test]
    fn slices_find_what_one_look_at_everything_finds(
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
    fn any_line_is_a_query_or_an_error(line in any::<String>(), payload in any::<Vec<u8>>()) {
        match Query::parse(&line) {
            Ok(query) => {
                let _ = query.matches(&message("t", &payload));
            }
            Err(error) => prop_assert!(line.is_char_boundary(error.at)),
        }
    }

    /// A phrase taken from a text is found in it, in small letters and capitals.
    #[test]
    fn a_piece_of_a_text_is_found_in_it(before in ".{0,10}", piece in "[a-zäöüжя東\u{1f345}\" \\\\]{1,8}", after in ".{0,10}") {
        let text = format!("{before}{piece}{after}");
        for typed in [piece.clone(), piece.to_uppercase()] {
            let line = format!("\"{}\"", typed.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert!(query(&line).matches(&message("t", text.as_bytes())), "{line} in {text}");
        }
    }
}
