//! Line rules for the crawl, and how they are typed and stored.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::rules::{KeyError, LineRules, RULES_MAX, Template, TemplateError};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::protocol::update::Sample;
use mqtt_crawl::ui::forms::line_rule;
use mqtt_crawl::ui::forms::line_rule::{Field, Fields, Source};
use proptest::prelude::*;

/// Rules as in a link.
fn rules(keys: &[(&str, &str)]) -> LineRules {
    let mut rules = LineRules::default();
    for (key, value) in keys {
        rules.read(key, value).unwrap_or_else(|error| panic!("{key}={value}: {error}"));
    }
    rules
}

fn check(keys: &[(&str, &str)], topic: &str, payload: &str, expected: Option<(&str, &str)>) {
    let line = rules(keys).line(topic, payload.as_bytes());
    let line = line.as_ref().map(|Line { character, text }| (character.as_str(), text.as_str()));
    assert_eq!(line, expected, "{keys:?} {topic} {payload}");
}

#[test]
fn numbers_become_sentences() {
    let keys = [("line", "+/temperature"), ("speaker", ""), ("words", "the {1} reports {value} °C")];
    let expected = Some(("", "the greenhouse reports 21.40 °C"));
    check(&keys, "greenhouse/temperature", r#"{"value":21.40}"#, expected);
    check(&keys, "greenhouse/temperature", " 21.40\n", expected);
    let exact = Some(("", "the x reports 9007199254740993 °C"));
    check(&keys, "x/temperature", r#"{"value": 9007199254740993 }"#, exact);
    check(&keys, "x/temperature", "9007199254740993", exact);
    check(&keys, "x/temperature", r#"{"value":"warm"}"#, Some(("", "the x reports warm °C")));
    // A rule's number is shown as it was sent.
    let exact = Some(("", "the x reports 20.934537983209168 °C"));
    check(&keys, "x/temperature", "20.934537983209168", exact);
    check(&keys, "x/temperature", r#"{"value":20.934537983209168}"#, exact);
    // It has no value, and is shown unchanged.
    check(&keys, "x/temperature", r#"{"text":"Hi"}"#, Some(("", "Hi")));
    check(&keys, "x/temperature", r#"{"value":null}"#, Some(("", "(empty message on x/temperature)")));
    check(&keys, "x/temperature", "[1, 2]", Some(("", "1, 2")));
    // No speaker, even if the message names one.
    check(&keys, "x/temperature", r#"{"name":"ADA","text":"Hi"}"#, Some(("", "Hi")));
    check(&keys, "elsewhere", "21.4", Some(("elsewhere", "21.4")));
    // Its text decides the speaker, or there is none; detected names belong to the topic.
    let keys = [("line", "+/temperature"), ("words", "the {1} reports {value} °C")];
    check(&keys, "greenhouse/temperature", "21.40", expected);
    check(
        &keys,
        "greenhouse/temperature",
        r#"{"device":"T 1","value":21.40}"#,
        expected.map(|(_, text)| ("T 1", text)),
    );
    check(&keys, "greenhouse/temperature", "[1, 2]", Some(("greenhouse temperature", "1, 2")));
    let keys = [("line", "+/temperature"), ("speaker", "{device}")];
    check(&keys, "greenhouse/temperature", "21.40", Some(("greenhouse temperature", "21.40")));
}

#[test]
fn every_placeholder_is_replaced() {
    let payload = r#"{"sensor":{"name":"S","unit":null},"list":[1,{"a.b":"dots"}],"topic":"T","1":"one"}"#;
    for (template, expected) in [
        ("{topic}", "home/a/lamp"),
        ("{1} {2} {3} {-1} {-3}", "home a lamp lamp home"),
        ("{sensor.name}", "S"),
        ("{ sensor.name }", "S"),
        ("{sensor}", r#"{"name":"S","unit":null}"#),
        ("{list.0} {list.1.a.b}", "1 dots"),
        ("{.topic} {.1}", "T one"),
        ("{{{topic}}} }}{{", "{home/a/lamp} }{"),
        ("no place at all", "no place at all"),
        // If the field is missing, the message's text is used.
        ("{4}", "-"),
        ("{-4}", "-"),
        ("{sensor.unit}", "-"),
        ("{sensor.name.first}", "-"),
        ("{list.2}", "-"),
        ("{value}", "-"),
        ("{name}", "-"),
    ] {
        let found = "sensor name S, list …, 1 one";
        let expected = if expected == "-" { found } else { expected };
        check(&[("line", "home/#"), ("words", template)], "home/a/lamp", payload, Some(("T", expected)));
    }
    check(&[("line", "t"), ("words", "{payload}")], "t", "{ \"a\":\n 1 }", Some(("", r#"{"a": 1}"#)));
    check(&[("line", "t"), ("words", "said: {payload}")], "t", "PIP: Hi", Some(("PIP", "said: PIP: Hi")));
    check(&[("line", "t"), ("words", "{a}")], "t", r#"{"a":1,"a":2}"#, Some(("t", "a 1, a 2")));
    // Blank text is no text.
    check(&[("line", "t"), ("words", "{a}")], "t", r#"{"a":"  "}"#, Some(("t", r#"{"a":"  "}"#)));
    for (payload, expected) in [("", "(empty message on t)"), (" ", "(blank message on t)")] {
        check(&[("line", "t"), ("words", "{payload}")], "t", payload, Some(("", expected)));
    }
}

#[test]
fn speakers_from_every_source() {
    let check_speaker =
        |speaker, payload, expected| check(&[("line", "#"), ("speaker", speaker)], "a/b", payload, expected);
    check_speaker("{2}", "good evening", Some(("b", "good evening")));
    check_speaker("{-1} of {1}", "PIP: Hi", Some(("b of a", "Hi")));
    check_speaker("Control", "PIP: Hi", Some(("Control", "Hi")));
    check_speaker("", "PIP: Hi", Some(("", "Hi")));
    check_speaker("{who.name}", r#"{"who":{"name":"ADA"},"text":"Hi"}"#, Some(("ADA", "Hi")));
    check_speaker("{who}", r#"{"who":null,"name":"PIP","text":"Hi"}"#, Some(("PIP", "Hi")));
    check_speaker("{who}", "PIP: Hi", Some(("PIP", "Hi")));
    check(&[("line", "#"), ("words", "{payload}")], "a/b", "PIP: Hi", Some(("PIP", "PIP: Hi")));
}

#[test]
fn first_matching_rule_applies() {
    let keys = [
        ("line", "debug/important"),
        ("hide", "debug/#"),
        ("line", "$SYS/broker/uptime"),
        ("words", "up for {payload}"),
        ("hide", "#"),
        ("line", "#"),
        ("words", "never"),
    ];
    check(&keys, "debug/important", "PIP: Hi", Some(("PIP", "Hi")));
    check(&keys, "debug", "Hi", None);
    check(&keys, "debug/x", "Hi", None);
    check(&keys, "$SYS/broker/uptime", "5 s", Some(("", "up for 5 s")));
    check(&keys, "$SYS/broker/load", "5", Some(("broker load", "5")));
    check(&keys, "x", "Hi", None);
}

#[test]
fn invalid_keys_are_explained() {
    let open = ("line", "a");
    let template = |error| KeyError::Template(error);
    for (before, (key, value), error) in [
        (None, ("speaker", "x"), KeyError::WithoutLine),
        (Some(("hide", "a")), ("words", "x"), KeyError::WithoutLine),
        (Some(open), ("words", " "), KeyError::EmptyText),
        (Some(open), ("words", "{value"), template(TemplateError::Unclosed("value".to_owned()))),
        (Some(open), ("words", "value}"), template(TemplateError::Unopened)),
        (Some(open), ("words", "{ }"), template(TemplateError::EmptyPlaceholder)),
        (Some(open), ("words", "{.}"), template(TemplateError::EmptyPlaceholder)),
        (Some(open), ("speaker", "{0}"), template(TemplateError::LevelZero)),
    ] {
        let mut rules = rules(before.as_slice());
        let kept = rules.clone();
        assert_eq!(rules.read(key, value), Err(error.clone()), "{key}={value}");
        assert_eq!(rules, kept);
        assert!(error.to_string().len() > 20, "{error}");
    }
    let mut rules = rules(&[open, ("speaker", "x")]);
    assert_eq!(rules.read("speaker", "y"), Err(KeyError::WithoutLine));
    let bad = rules.read("hide", "a/#/b").expect_err("no filter");
    assert!(bad.to_string().contains('#'), "{bad}");
    while rules.rules.len() < RULES_MAX {
        rules.read("line", "a").expect("room");
    }
    assert_eq!(rules.read("line", "a"), Err(KeyError::TooMany));
    assert!(KeyError::TooMany.to_string().contains(&RULES_MAX.to_string()));
}

/// Checks that the typed form gives this rule, and the other way round.
fn check_typed(fields: &Fields, keys: &[(&str, &str)], summary: &str) {
    let rule = fields.parse().unwrap_or_else(|faults| panic!("{fields:?}: {faults:?}"));
    let expected = rules(keys);
    assert_eq!(std::slice::from_ref(&rule), expected.rules);
    assert_eq!(Fields::from(&rule), *fields);
    assert_eq!(line_rule::summary(&rule), summary);
}

#[test]
fn typed_rules_round_trip() {
    let fields = |speaker_from, speaker: &str, text_from, words: &str| Fields {
        topics: "a/+".to_owned(),
        is_hidden: false,
        speaker_from,
        speaker: speaker.to_owned(),
        text_from,
        text: words.to_owned(),
    };
    check_typed(
        &fields(Source::Found, "", Source::Found, ""),
        &[("line", "a/+")],
        "speaker: automatic; text: automatic",
    );
    check_typed(
        &fields(Source::Field, "who.name", Source::Payload, ""),
        &[("line", "a/+"), ("speaker", "{.who.name}"), ("words", "{payload}")],
        "speaker: field who.name; text: full payload",
    );
    check_typed(
        &fields(Source::Level, "-1", Source::Field, "topic"),
        &[("line", "a/+"), ("speaker", "{-1}"), ("words", "{.topic}")],
        "speaker: topic level -1; text: field topic",
    );
    check_typed(
        &fields(Source::Nobody, "", Source::Sentence, "the {1} reports {value}"),
        &[("line", "a/+"), ("speaker", ""), ("words", "the {1} reports {value}")],
        "no speaker; text: the {1} reports {value}",
    );
    let hidden = Fields { topics: "a/+".to_owned(), is_hidden: true, ..Fields::default() };
    check_typed(&hidden, &[("hide", "a/+")], "hidden from the crawl");

    for (fields, faulty) in [
        (Fields::default(), vec![Field::Topics]),
        (fields(Source::Field, " ", Source::Sentence, ""), vec![Field::Speaker, Field::Text]),
        (fields(Source::Level, "first", Source::Field, "{a}"), vec![Field::Speaker, Field::Text]),
        (fields(Source::Level, "0", Source::Sentence, "{"), vec![Field::Speaker, Field::Text]),
        (Fields { topics: "a/b+".to_owned(), is_hidden: true, ..Fields::default() }, vec![Field::Topics]),
    ] {
        let faults = fields.parse().expect_err("faults");
        assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), faulty, "{fields:?}");
        assert!(faults.iter().all(|fault| !fault.message.is_empty()));
    }
    // Unused fields have no errors.
    let hidden = Fields { is_hidden: true, ..fields(Source::Level, "", Source::Sentence, "{") };
    assert!(hidden.parse().is_ok());
}

#[test]
fn preview_names_the_rule_and_missing_placeholder() {
    let rules = rules(&[("hide", "debug/#"), ("line", "home/#"), ("speaker", "{who}"), ("words", "{t} {unit}")]);
    let outcome = |topic: &str, payload: &str| {
        let sample = Sample { topic: topic.to_owned(), payload: payload.into() };
        let outcome = line_rule::outcome(&rules, &sample);
        (outcome.rule, outcome.line.map(|line| line.text), outcome.lacks, outcome.found.text)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(outcome("debug/x", "Hi"), (Some(1), None, None, "Hi".to_owned()));
    assert_eq!(outcome("x", "Hi"), (None, text("Hi"), None, "Hi".to_owned()));
    let found = "who 1, t 2";
    let whole = r#"{"who":1,"t":2}"#;
    assert_eq!(outcome("home", whole), (Some(2), text(found), text("unit"), found.to_owned()));
    let whole = r#"{"who":1,"t":2,"unit":"K"}"#;
    assert_eq!(outcome("home", whole), (Some(2), text("2 K"), None, "who 1, t 2 K".to_owned()));
    // The preview matches the crawl.
    let sample = Sample { topic: "x/y".to_owned(), payload: (*b"20.934537983209168").into() };
    let line = Line { character: "x y".to_owned(), text: "20.93".to_owned() };
    let shown = line_rule::outcome(&rules, &sample);
    assert_eq!((shown.line.as_ref(), &shown.found, shown.payload.as_str()), (Some(&line), &line, "20.934537983209168"));
}

#[test]
fn every_filter_has_examples() {
    for (filter, topic) in [
        ("#", "StarWars"),
        ("home/+/temperature", "home/greenhouse/temperature"),
        ("a/+/b/#", "a/greenhouse/b/greenhouse"),
        ("plain", "plain"),
        ("$share/me/x/+", "x/greenhouse"),
    ] {
        let filter = TopicFilter::parse(filter).expect("a filter");
        let examples = line_rule::examples(&filter);
        assert_eq!(examples[0].topic, topic);
        assert!(examples.iter().all(|sample| filter.matches(&sample.topic)), "{examples:?}");
    }
}

/// A rule from a link: the form can't name such a field, and shows the whole text.
#[test]
fn field_with_a_brace_in_its_name_is_shown_unchanged() {
    let mut rules = LineRules::default();
    rules.read("line", "#").expect("a filter");
    rules.read("speaker", "{ {topic}").expect("a template");
    let rule = &rules.rules[0];
    assert_eq!(Fields::from(rule).parse().map(|rule| line_rule::summary(&rule)), Ok(line_rule::summary(rule)));
}

fn any_keys() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    const TOPICS: &str = "[a-c+#/$]{0,8}|.{0,12}";
    const TEMPLATE: &str = r"([{}a-c.0-9 \-]|\{(topic|payload|value)\}){0,12}|.{0,12}";
    let key = prop_oneof![
        (Just("line"), TOPICS),
        (Just("hide"), TOPICS),
        (Just("speaker"), TEMPLATE),
        (Just("words"), TEMPLATE),
    ];
    proptest::collection::vec(key, 0..8)
}

proptest! {
    #[test]
    fn any_rules_and_any_message_give_at_most_one_line(
        keys in any_keys(),
        topic in "[a-c/$]{1,8}",
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            "[{}\\[\\]\"a-c:,.0-9 ]{0,24}".prop_map(String::into_bytes),
            r#"\{"[a-c]":(1|"x"|\[1,2\]|\{"b":null\})\}"#.prop_map(String::into_bytes),
        ],
    ) {
        let mut rules = LineRules::default();
        for (key, value) in keys {
            let _ = rules.read(key, &value);
        }
        let line = rules.line(&topic, &payload);
        prop_assert_eq!(line.is_some(), rules.shows(&topic));
        prop_assert!(line.is_none_or(|line| !line.text.trim().is_empty()));
        let _ = line_rule::outcome(&rules, &Sample { topic, payload });
        // Written and read it is the same.
        let mut again = LineRules::default();
        rules.write(&mut |key, value| again.read(key, value).expect("as it was written"));
        prop_assert_eq!(&again, &rules);
        for rule in &rules.rules {
            prop_assert_eq!(Fields::from(rule).parse().map(|rule| line_rule::summary(&rule)), Ok(line_rule::summary(rule)));
        }
    }

    #[test]
    fn template_without_placeholders_is_literal(text in "[^{}]{0,24}") {
        prop_assert_eq!(Template::parse(text.as_str()).map(|template| template.as_str().to_owned()), Ok(text));
    }
}
