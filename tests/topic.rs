//! Topic names and filters: which are legal, which match, and the messages for a person. Fault 11 of mqttbytes is shown
//! next to each of them.

use mqtt_crawl::mqtt::topic::{TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX, TopicError, TopicFilter, TopicName};

#[track_caller]
fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).expect("a legal filter")
}

#[test]
fn fault_11_topics_beyond_ascii() {
    let theirs = std::panic::catch_unwind(|| mqttbytes::matches("é/1", "#"));
    assert!(theirs.is_err(), "mqttbytes slices a character in two");
    assert!(filter("#").matches("é/1"));
}

#[test]
fn fault_11_sys_topics() {
    assert!(!mqttbytes::matches("$SYS/broker/uptime", "$SYS/#"), "mqttbytes never matches $");
    assert!(filter("$SYS/#").matches("$SYS/broker/uptime"));
}

#[test]
fn fault_11_plus_inside_a_level() {
    assert!(mqttbytes::valid_filter("a+/b"), "mqttbytes accepts it");
    assert_eq!(TopicFilter::parse("a+/b"), Err(TopicError::PlusNotAlone));
}

#[test]
fn fault_11_shared_subscriptions() {
    assert!(!mqttbytes::matches("a/b", "$share/group/a/#"), "mqttbytes has none");
    assert!(filter("$share/group/a/#").matches("a/b"));
}

// covers: [MQTT-4.7.2-1], [3.1.1 MQTT-4.7.2-1]
#[test]
fn filters_match_by_the_standard() {
    #[track_caller]
    fn check(text: &str, yes: &[&str], no: &[&str]) {
        let filter = filter(text);
        for topic in yes {
            assert!(filter.matches(topic), "{text} matches {topic}");
        }
        for topic in no {
            assert!(!filter.matches(topic), "{text} doesn't match {topic}");
        }
    }
    check("#", &["a", "a/b", "/", "/a", "né/ü", "a$/b"], &["$SYS", "$SYS/a", "$", ""]);
    check("+", &["a", "é"], &["a/b", "/", "$SYS", ""]);
    check("+/+", &["a/b", "/b", "a/", "/"], &["a", "a/b/c", "$SYS/a"]);
    check("/+", &["/a", "/"], &["a", "a/b", "/a/b"]);
    check("a/#", &["a", "a/", "a/b", "a/b/c", "a//"], &["ab", "b/a", "A"]);
    check("a/+/c", &["a/b/c", "a//c", "a/$/c"], &["a/b", "a/c", "a/b/c/d", "a/b/C"]);
    check("+/b/#", &["a/b", "a/b/c", "/b"], &["a/c", "b", "$SYS/b"]);
    check("a/b", &["a/b"], &["a", "a/b/", "a/b/c", "/a/b", "A/b"]);
    check("a//b", &["a//b"], &["a/b"]);
    check("né/+", &["né/ü"], &["ne/u"]);
    check("$SYS/#", &["$SYS", "$SYS/broker/uptime"], &["SYS/broker", "a"]);
    check("$SYS/+", &["$SYS/a"], &["$SYS/a/b"]);
    check("$share/g/a/+", &["a/b"], &["a", "$share/g/a/b"]);
    check("$share/g/#", &["a", "a/b"], &["$SYS/a"]);
    check("$share/g/$SYS/#", &["$SYS/a"], &["a"]);
    check("$share/g//a", &["/a"], &["a"]);
    check("$shared/a", &["$shared/a"], &["a"]);
    check("$share", &["$share"], &["a"]);
    // EMQX's extension; and by the standard, if nothing is known about the broker.
    check("$queue/a/+", &["a/b", "$queue/a/b"], &["a", "$queue/a", "queue/a/b"]);
    check("$exclusive/a", &["a", "$exclusive/a"], &["b"]);
    check("$queue/#", &["a", "a/b", "$queue/a"], &["$SYS/a"]);
    check("$share/g/$queue/a", &["$queue/a", "a"], &["b"]);
    check("$queue/", &["$queue/"], &["a"]);
}

/// Compares every filter and topic of up to three levels with the rules of section 4.7 as slice patterns.
// covers: [MQTT-4.7.3-4], [3.1.1 MQTT-4.7.3-4]
#[test]
fn all_small_filters_match_like_the_reference() {
    fn reference_matches(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => reference_matches(filter, topic),
            ([one, filter @ ..], [other, topic @ ..]) if one == other => reference_matches(filter, topic),
            _ => false,
        }
    }
    fn all(levels: &[&'static str]) -> Vec<Vec<&'static str>> {
        let mut all: Vec<_> = levels.iter().map(|&level| vec![level]).collect();
        for from in [0, levels.len()] {
            let longer: Vec<_> = all[from..]
                .iter()
                .flat_map(|head| levels.iter().map(|level| [&head[..], &[*level]].concat()))
                .collect();
            all.extend(longer);
        }
        all
    }
    let mut matches = 0;
    for levels in all(&["", "a", "é", "$s", "+", "#"]) {
        let Ok(filter) = TopicFilter::parse(levels.join("/")) else {
            continue;
        };
        for topic in all(&["", "a", "é", "$s"]) {
            let name = topic.join("/");
            let hidden = name.starts_with('$') && matches!(levels[0], "+" | "#");
            let expected = !name.is_empty() && !hidden && reference_matches(&levels, &topic);
            assert_eq!(filter.matches(&name), expected, "{filter} and {name}");
            matches += usize::from(expected);
        }
    }
    assert!(matches > 500, "the test saw matches: {matches}");
}

// covers: [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2], [MQTT-4.8.2-1], [MQTT-4.8.2-2]
// covers: [3.1.1 MQTT-4.7.1-2], [3.1.1 MQTT-4.7.1-3], [3.1.1 MQTT-4.7.3-1], [3.1.1 MQTT-4.7.3-2]
#[test]
fn filters_are_accepted_or_refused() {
    #[track_caller]
    fn check(text: &str, error: TopicError) {
        assert_eq!(TopicFilter::parse(text), Err(error), "{text}");
    }
    check("", TopicError::Empty);
    check("a\0b", TopicError::Null);
    check("a/#/b", TopicError::HashNotLast);
    check("#/", TopicError::HashNotLast);
    check("a#", TopicError::HashNotAlone);
    check("a/b#", TopicError::HashNotAlone);
    check("a/##", TopicError::HashNotAlone);
    check("a#/b", TopicError::HashNotAlone);
    check("+#", TopicError::HashNotAlone);
    check("a+", TopicError::PlusNotAlone);
    check("a/+b/c", TopicError::PlusNotAlone);
    check("++", TopicError::PlusNotAlone);
    check("$share/", TopicError::ShareNameEmpty);
    check("$share//a", TopicError::ShareNameEmpty);
    check("$share/g+/a", TopicError::ShareNameWildcard);
    check("$share/#/a", TopicError::ShareNameWildcard);
    check("$share/g", TopicError::ShareWithoutFilter);
    check("$share/g/", TopicError::ShareWithoutFilter);
    check("$share/g/a/#/b", TopicError::HashNotLast);
    for legal in ["a", "/", "//", " ", "#", "+", "+/+/#", "/#", "a b/é", "$share/g/a", "$SYS/+"] {
        assert_eq!(filter(legal).as_str(), legal);
        assert_eq!(filter(legal).to_string(), legal);
    }
}

// covers: [MQTT-4.7.0-1], [MQTT-4.7.3-1], [MQTT-4.7.3-2], [3.1.1 MQTT-4.7.1-1], [3.1.1 MQTT-4.7.3-1]
// covers: [3.1.1 MQTT-4.7.3-2]
#[test]
fn topic_names_are_accepted_or_refused() {
    #[track_caller]
    fn check(text: &str, error: TopicError) {
        assert_eq!(TopicName::parse(text), Err(error), "{text}");
    }
    check("", TopicError::Empty);
    check("a\0", TopicError::Null);
    check("a/#", TopicError::WildcardInName);
    check("+", TopicError::WildcardInName);
    for legal in ["a", "/", "a//b", " ", "né", "$SYS/a", "$share/g/a"] {
        assert_eq!(TopicName::parse(legal).map(TopicName::as_str), Ok(legal));
    }
}

// covers: [MQTT-4.7.3-3], [3.1.1 MQTT-4.7.3-3]
#[test]
fn length_counts_bytes() {
    let longest = "é".repeat(TOPIC_BYTES_MAX / 2) + "x";
    assert_eq!(longest.len(), 65_535);
    assert!(TopicName::parse(&longest).is_ok());
    assert!(TopicFilter::parse(&*longest).is_ok());
    let too_long = longest + "x";
    assert_eq!(TopicName::parse(&too_long), Err(TopicError::TooLong { bytes: 65_536 }));
    assert_eq!(TopicFilter::parse(too_long), Err(TopicError::TooLong { bytes: 65_536 }));
}

/// A link with such a filter crashed a broker.
#[test]
fn filters_have_128_levels_at_most() {
    let most = "a/".repeat(TOPIC_LEVELS_MAX - 1) + "#";
    assert!(TopicFilter::parse(&*most).is_ok());
    assert!(TopicFilter::parse(format!("$share/name/{most}")).is_ok());
    assert_eq!(TopicFilter::parse(format!("a/{most}")), Err(TopicError::TooManyLevels { levels: 129 }));
    assert_eq!(TopicFilter::parse("/".repeat(6_000)), Err(TopicError::TooManyLevels { levels: 6_001 }));
    // A message may have such a topic.
    assert!(TopicName::parse(&"/".repeat(6_000)).is_ok());
}

#[test]
fn share_names_and_wildcards_are_recognised() {
    assert_eq!(filter("$share/group/a").share_name(), Some("group"));
    assert_eq!(filter("a/$share/b").share_name(), None);
    assert!(filter("$share/group/+").has_wildcards());
    assert!(!filter("$share/group/a").has_wildcards());
}

#[test]
fn topic_errors_give_advice() {
    let all = [
        TopicError::Empty,
        TopicError::TooLong { bytes: 65_536 },
        TopicError::TooManyLevels { levels: 129 },
        TopicError::Null,
        TopicError::WildcardInName,
        TopicError::HashNotAlone,
        TopicError::HashNotLast,
        TopicError::PlusNotAlone,
        TopicError::ShareNameEmpty,
        TopicError::ShareNameWildcard,
        TopicError::ShareWithoutFilter,
    ];
    for error in all {
        let is_ours = matches!(error, TopicError::TooManyLevels { .. });
        assert!(is_ours || error.rule().starts_with("[MQTT-4."), "{error:?}");
        assert_eq!(error.to_string(), error.message());
        let same = all.iter().filter(|other| other.message() == error.message()).count();
        assert_eq!(same, 1, "{error:?} has words of its own");
    }
    // The examples in the messages are valid.
    for example in ["a/#", "a/+/b", "$share/name/filter"] {
        assert!(TopicFilter::parse(example).is_ok());
    }
}

#[test]
fn stored_filter_is_checked_when_it_is_read() {
    let stored = serde_json::to_string(&filter("a/+")).expect("text");
    assert_eq!(stored, "\"a/+\"");
    assert_eq!(serde_json::from_str::<TopicFilter>(&stored).ok(), Some(filter("a/+")));
    assert!(serde_json::from_str::<TopicFilter>("\"a/#/b\"").is_err());
}
