//! The suggestions for the query line, and the resulting lines.

use mqtt_crawl::message_log::query::suggest::{SUGGESTIONS_MAX, SuggestionData, SuggestionQuery, Typing, pick};
use mqtt_crawl::message_log::query::{LocalTime, Query, quoted};
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

/// 10:42:13 in a zone that is an hour ahead of UTC.
const TYPED: LocalTime =
    LocalTime { now: Instant::from_millis((9 * 3_600 + 42 * 60 + 13) * 1_000), ahead_of_utc_min: 60 };

/// Returns line and caret of a text in which `|` is the caret.
fn caret(text: &str) -> (String, usize) {
    let at = text.find('|').expect("a caret");
    (text.replacen('|', "", 1), at)
}

/// Returns the terms suggested at `|`, if the worker knows these names.
fn terms(text: &str, names: &[&str]) -> Vec<String> {
    let (line, at) = caret(text);
    let typing = Typing::new(&line, at);
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let known = typing.ask().map(|ask| SuggestionData { ask, names });
    typing.suggestions(known.as_ref(), TYPED).into_iter().map(|suggestion| suggestion.term).collect()
}

#[track_caller]
fn check(text: &str, names: &[&str], expected: &[&str]) {
    assert_eq!(terms(text, names), expected, "{text}, knowing {names:?}");
}

#[test]
fn every_key_is_suggested_and_explained() {
    let keys =
        ["topic:", "payload:", "hex:", "character:", "qos:", "retain:", "dup:", "after:", "before:"].map(str::to_owned);
    assert_eq!(terms("|", &[]), keys);
    assert_eq!(keys.len(), SUGGESTIONS_MAX);
    let mut descriptions: Vec<_> =
        Typing::new("", 0).suggestions(None, TYPED).iter().map(|each| each.description).collect();
    descriptions.sort_unstable();
    descriptions.dedup();
    assert_eq!(descriptions.len(), keys.len(), "each has its own description: {descriptions:?}");
}

#[test]
fn keys_are_suggested_by_prefix() {
    check("to|", &[], &["topic:"]);
    check("TO|", &[], &["topic:"]);
    check("re|", &[], &["retain:"]);
    check("-q|", &[], &["-qos:"]);
    assert_eq!(terms("-|", &[]).len(), SUGGESTIONS_MAX);
    check("qos:1 pay|", &[], &["payload:"]);
    check("pay| qos:1", &[], &["payload:"]);
    check("opic|", &[], &[]);
    check("\"to|", &[], &[]);
    check("x:to|", &[], &[]);
}

#[test]
fn values_are_suggested_after_their_keys() {
    check("qos:|", &[], &["qos:0", "qos:1", "qos:2"]);
    check("QoS:|", &[], &["qos:0", "qos:1", "qos:2"]);
    check("-retain:|", &[], &["-retain:yes", "-retain:no"]);
    check("dup:Y|", &[], &["dup:yes"]);
    check("after:|", &[], &["after:-1m", "after:-5m", "after:-1h", "after:-1d", "after:10:42:13"]);
    check("before:10|", &[], &["before:10:42:13"]);
    // Nothing is left to be typed, or anything could be.
    check("qos:1|", &[], &[]);
    check("qos:3|", &[], &[]);
    check("payload:o|", &["one"], &[]);
    check("hex:|", &[], &[]);
}

#[test]
fn names_are_suggested_as_query_terms() {
    let house = ["house/hall/light", "house/hall/door", "house/attic"];
    check("topic:|", &house[2..], &["topic:house/attic"]);
    check(
        "topic:ho|",
        &house,
        &["topic:house/#", "topic:house/hall/light", "topic:house/hall/door", "topic:house/attic"],
    );
    check("topic:house/|", &house[..2], &["topic:house/hall/#", "topic:house/hall/light", "topic:house/hall/door"]);
    check("topic:hall|", &house[..2], &["topic:house/hall/light", "topic:house/hall/door"]);
    check("-topic:att|", &house[2..], &["-topic:house/attic"]);
    check("attic|", &house[2..], &["topic:house/attic"]);
    check("topic:\"my t|", &["my topic"], &["topic:\"my topic\""]);
    check("character:le|", &["Leia", "C \"3\" PO"], &["character:Leia", r#"character:"C \"3\" PO""#]);
    // It is there already.
    check("topic:house/attic|", &house[2..], &[]);
    check("topic:house/at|tic", &house[2..], &[]);
    // Earlier requests don't count.
    let stale = SuggestionData { ask: SuggestionQuery::Topics("x".to_owned()), names: vec!["xy".to_owned()] };
    assert_eq!(Typing::new("topic:xx", 8).suggestions(Some(&stale), TYPED), []);
}

#[test]
fn worker_is_queried_only_for_log_data() {
    let topics = |part: &str| Some(SuggestionQuery::Topics(part.to_owned()));
    let speakers = |part: &str| Some(SuggestionQuery::Speakers(part.to_owned()));
    for (text, expected) in [
        ("|", None),
        ("h|", None),
        ("ho|", topics("ho")),
        ("ho|use", topics("ho")),
        ("-ho|", topics("ho")),
        ("topic:|", topics("")),
        ("topic:\"a b|", topics("a b")),
        ("topic:\"a\\\"|", topics("a\"")),
        ("topic:a |", None),
        ("topic:a character:Le|", speakers("Le")),
        ("qos:1|", None),
        ("payload:on|", None),
    ] {
        let (line, at) = caret(text);
        assert_eq!(Typing::new(&line, at).ask(), expected, "{text}");
    }
}

#[test]
fn accepted_suggestion_replaces_the_term() {
    for (text, names, expected) in [
        ("to|", &[][..], "topic:|"),
        ("ret| on", &[], "retain:| on"),
        ("-qos:|", &[], "-qos:0 |"),
        ("on qo| off", &[], "on qos:| off"),
        ("qos:|9 off", &[], "qos:0| off"),
        ("|on", &[], "topic:|on"),
        ("topic:ha|ll", &["house/hall"], "topic:house/hall |"),
        ("a topic:\"my |old x\" b", &["my topic"], "a topic:\"my topic\"| b"),
        ("é topic:ü|", &["ü/é"], "é topic:ü/é |"),
    ] {
        let (line, at) = caret(text);
        let typing = Typing::new(&line, at);
        let known =
            typing.ask().map(|ask| SuggestionData { ask, names: names.iter().map(|&name| name.to_owned()).collect() });
        let taken = typing.suggestions(known.as_ref(), TYPED).into_iter().next().expect(text);
        let (mut shown, at) = (taken.line.clone(), taken.caret);
        shown.insert(at, '|');
        assert_eq!(shown, expected, "{text}");
        assert_eq!(taken.is_key, taken.term.ends_with(':'), "{text}");
    }
}

#[test]
fn names_are_picked_by_substring() {
    let long = "x".repeat(2_000);
    for (names, part, expected) in [
        (&["b/a", "ab", "B/A", "ab"][..], "a", &["ab", "b/a", "B/A"][..]),
        (&["b", "a"], "", &["b", "a"]),
        (&["ÄB", "b"], "ä", &["ÄB"]),
        (&["", "a\nb", &long, "x"], "", &["x"]),
    ] {
        assert_eq!(pick(&mut names.iter().copied(), part), expected, "{part} in {names:?}");
    }
    let many: Vec<_> = (0..100).map(|n| format!("x/{n}")).chain(["n".to_owned()]).collect();
    let picked = pick(&mut many.iter().map(String::as_str), "");
    assert_eq!(picked.len(), SuggestionData::NAMES_MAX);
    let all: Vec<_> = (0..100).map(|n| format!("x/a{n}")).chain(["a".to_owned()]).collect();
    let picked = pick(&mut all.iter().map(String::as_str), "a");
    assert_eq!((picked.len(), picked[0].as_str()), (SuggestionData::NAMES_MAX, "a"), "later entries have room");
}

proptest! {
    #[test]
    fn suggestions_never_panic_on_any_input(line in "[ \"\\\\:a-c-é]{0,12}|(-?(topic|qos|x):[\"\\\\ aé]{0,4} ?){0,3}", at in 0_usize..40) {
        let typing = Typing::new(&line, at);
        let known = typing.ask().map(|ask| SuggestionData { ask, names: vec!["a b".to_owned(), "é".to_owned()] });
        for taken in typing.suggestions(known.as_ref(), TYPED) {
            prop_assert!(taken.line.is_char_boundary(taken.caret));
            let rest = &line[line.floor_char_boundary(at.min(line.len()))..];
            prop_assert!(rest.ends_with(&taken.line[taken.caret..]), "{taken:?}");
        }
    }

    #[test]
    fn accepted_name_is_a_valid_query(name in "[^\\p{Cc}+#]{1,12}", typed in "-?(topic|character):") {
        let typing = Typing::new(&typed, typed.len());
        let known = typing.ask().map(|ask| SuggestionData { ask, names: vec![name.clone()] });
        let taken = typing.suggestions(known.as_ref(), TYPED);
        prop_assert_eq!(taken.len(), 1);
        prop_assert_eq!(&taken[0].line, &format!("{typed}{} ", quoted(&name)));
        prop_assert!(Query::parse(&taken[0].line, TYPED).is_ok(), "{:?}", taken);
    }
}

#[test]
fn every_suggested_value_is_a_valid_query() {
    for key in ["qos:", "retain:", "dup:", "after:", "before:"] {
        let taken = Typing::new(key, key.len()).suggestions(None, TYPED);
        assert!(taken.len() > 1, "{key}");
        for suggestion in taken {
            assert!(Query::parse(&suggestion.line, TYPED).is_ok_and(|query| !query.is_empty()), "{suggestion:?}");
        }
    }
}
