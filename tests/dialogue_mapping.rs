//! Rules for what becomes of which message on the crawl.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::mapping::{Mapping, Rule, RuleError, Told};
use proptest::prelude::*;

fn rule(topics: &str, speaker: &str, words: &str) -> Rule {
    let told = Told { speaker: speaker.to_owned(), words: words.to_owned() };
    Rule { topics: topics.to_owned(), told: Some(told) }
}

fn said(mapping: &Mapping, topic: &str, payload: &str) -> Option<(String, String)> {
    mapping.line(topic, payload.as_bytes()).map(|Line { character, text }| (character, text))
}

#[test]
fn the_first_rule_that_finds_all_its_places_makes_the_line() {
    let silent = Rule { topics: "debug/#".to_owned(), told: None };
    let mapping = Mapping {
        rules: vec![
            silent,
            rule("+/temperature", "", "the {topic/1} reports {value} °C"),
            rule("+/temperature", "", "the {topic/1} reports {payload} °C"),
            rule("home/#", "{topic/-1}", "{sensor.name}: {list.1} of {payload.topic} {{{topic}}}"),
            rule("names/#", "{topic/2}", ""),
        ],
    };
    for (topic, payload, expected) in [
        ("greenhouse/temperature", r#"{"value":21.40}"#, Some(("", "the greenhouse reports 21.40 °C"))),
        ("greenhouse/temperature", "21.4", Some(("", "the greenhouse reports 21.4 °C"))),
        ("debug/x", "anything", None),
        (
            "home/a/lamp",
            r#"{"sensor":{"name":"S"},"list":[1,9007199254740993],"topic":"T"}"#,
            Some(("lamp", "S: 9007199254740993 of T {home/a/lamp}")),
        ),
        // A place is missing, and so it is told as if there were no rule.
        ("home/a/lamp", r#"{"sensor":{},"text":"Hi"}"#, Some(("", "Hi"))),
        ("names/anna", "good evening", Some(("anna", "good evening"))),
        ("names", "good evening", Some(("", "good evening"))),
        ("elsewhere", "PIP: Hi", Some(("PIP", "Hi"))),
    ] {
        let expected = expected.map(|(speaker, words)| (speaker.to_owned(), words.to_owned()));
        assert_eq!(said(&mapping, topic, payload), expected, "{topic} {payload}");
    }
}

#[test]
fn speakers_and_words_are_found_by_themselves() {
    for (payload, speaker, words) in [
        (r#"{"device":"thermometer","value":21.40,"unit":"C"}"#, "thermometer", "21.40"),
        (r#"{"from":"ada","message":"Hello World"}"#, "ada", "Hello World"),
        (r#"{"user":"ada","msg":"Hi","topic":"x"}"#, "ada", "Hi"),
        (r#"{"body":"Hi"}"#, "", "Hi"),
        // The likeliest first, wherever it stands.
        (r#"{"value":1,"text":"Hi","name":"n","character":"c"}"#, "c", "Hi"),
        (r#"{"character":null,"name":"n","text":"Hi"}"#, "n", "Hi"),
    ] {
        assert_eq!(said(&Mapping::default(), "t", payload), Some((speaker.to_owned(), words.to_owned())), "{payload}");
    }
}

#[test]
fn wrong_rules_say_what_is_wrong() {
    for (rule, part, words) in [
        (rule("a/#/b", "", ""), "Topics", "#"),
        (rule("", "", ""), "Topics", "empty"),
        (rule("a", "{topic/0}", ""), "Speaker", "from 1"),
        (rule("a", "{topic/x}", ""), "Speaker", "from 1"),
        (rule("a", "", "it is {value"), "Words", "isn't closed"),
        (rule("a", "", "it is value}"), "Words", "without a {"),
        (rule("a", "", "it is { }"), "Words", "stands a field"),
    ] {
        let error = rule.check().expect_err(&format!("{rule:?}"));
        let found = match error {
            RuleError::Topics(_) => "Topics",
            RuleError::Speaker(_) => "Speaker",
            RuleError::Words(_) => "Words",
        };
        assert_eq!(found, part, "{rule:?}: {error}");
        assert!(error.to_string().contains(words), "{rule:?}: {error}");
        // And the crawl goes on.
        let mapping = Mapping { rules: vec![rule] };
        assert_eq!(said(&mapping, "a", "PIP: Hi"), Some(("PIP".to_owned(), "Hi".to_owned())));
    }
    assert_eq!(rule("a/+", "{topic/-1}", "{{}} {a.b.0}").check(), Ok(()));
}

proptest! {
    #[test]
    fn any_rule_and_any_message_make_a_line_or_none(
        topics in ".{0,12}", speaker in "[{}a-c/.0-9\\-]{0,12}", words in "[{}topic/payload.a-c0-9\\-]{0,24}",
        topic in "[a-c/]{1,8}", payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mapping = Mapping { rules: vec![rule(&topics, &speaker, &words), rule("#", &speaker, &words)] };
        prop_assert!(mapping.line(&topic, &payload).is_some());
    }
}
