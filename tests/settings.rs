//! The settings of the app, as they are stored in the browser.

use mqtt_crawl::config::settings::{Column, Columns, LOG_MIB, MESSAGES, Settings, Theme, TimeMode};
use mqtt_crawl::dialogue::rules::LineRules;
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::ui::forms::log_limits::{LimitField, LimitFields};

/// Checks that these settings are written as this text, and the other way round.
fn check(settings: &Settings, text: &str) {
    assert_eq!(settings.to_text(), text);
    assert_eq!(Settings::parse(text), *settings, "{text}");
}

#[test]
fn settings_round_trip() {
    check(&Settings::default(), "");
    for theme in Theme::ALL.into_iter().skip(1) {
        check(&Settings { theme, ..Settings::default() }, &format!("theme={}", theme.name()));
    }
    for time in TimeMode::ALL.into_iter().skip(1) {
        check(&Settings { time, ..Settings::default() }, &format!("time={}", time.name()));
    }
    for messages in [*MESSAGES.start(), *MESSAGES.end()] {
        let log = Limits { messages: messages.into(), ..Limits::default() };
        check(&Settings { log, ..Settings::default() }, &format!("messages={messages}"));
    }
    for mib in [*LOG_MIB.start(), *LOG_MIB.end()] {
        let log = Limits { bytes: u64::from(mib) << 20, ..Limits::default() };
        check(&Settings { log, ..Settings::default() }, &format!("mib={mib}"));
    }
    let columns = Columns::default()
        .toggled(Column::Seq)
        .toggled(Column::Time)
        .resized(Column::Topic, Some(180))
        .resized(Column::Time, Some(90));
    let all = Settings {
        theme: Theme::System,
        time: TimeMode::SincePrevious,
        columns,
        log: Limits { messages: 5_000, bytes: 64 << 20 },
        line_rules: LineRules::default(),
    };
    check(
        &all,
        "theme=system&time=since-previous&columns=seq+topic+qos+payload+size&widths=time.90+topic.180&messages=5000\
         &mib=64",
    );
}

#[test]
fn line_rules_are_stored() {
    let mut mapping = LineRules::default();
    for (key, value) in [("line", "a/+"), ("speaker", ""), ("words", "it's {value} & = %"), ("hide", "$SYS/#")] {
        mapping.read(key, value).expect("a rule");
    }
    check(
        &Settings { theme: Theme::Light, line_rules: mapping, ..Settings::default() },
        "theme=light&line=a%2F%2B&speaker=&words=it%27s+%7Bvalue%7D+%26+%3D+%25&hide=%24SYS%2F%23",
    );
}

#[test]
fn unknown_settings_are_ignored_individually() {
    let light = Settings { theme: Theme::Light, ..Settings::default() };
    for bad in [
        "",
        "&&=&",
        "time",
        "time=",
        "time=tomorrow",
        "time=%zz",
        "time=%FF",
        "columns=",
        "columns=nothing+at+all",
        "widths=topic",
        "widths=topic.",
        "widths=topic.1&widths=topic.99999",
        "widths=.180+nothing.180",
        "messages=999",
        "messages=-5",
        "messages=99999999999999999999999",
        "messages=1e6",
        "mib=15",
        "mib=1025",
        "mib=18446744073709551615",
        "password=secret&user=me",
        "of-a-later-version=1",
        "words=without+a+line",
        "line=a/%23/b",
        "hide=%zz",
    ] {
        assert_eq!(Settings::parse(&format!("{bad}&theme=light")), light, "{bad}");
        assert_eq!(Settings::parse(&format!("theme=light&{bad}")), light, "{bad}");
    }
    assert_eq!(Settings::parse("theme=purple"), Settings::default());
}

#[test]
fn stored_text_has_no_secrets() {
    let settings = Settings::parse("password=hunter2&user=leia&topic=plans&payload=x&theme=light");
    assert_eq!(settings.to_text(), "theme=light");
}

#[test]
fn one_column_always_stays() {
    let none =
        Column::ALL.into_iter().filter(|&column| column != Column::Seq).fold(Columns::default(), Columns::toggled);
    assert_eq!(none.shown().collect::<Vec<_>>(), [Column::Size]);
    assert_eq!(none.toggled(Column::Topic).shown().collect::<Vec<_>>(), [Column::Topic, Column::Size]);
}

#[test]
fn typed_limits_are_parsed_or_reported() {
    let fields = |messages: &str, mib: &str| LimitFields { messages: messages.to_owned(), mib: mib.to_owned() };
    let limits = Limits::default();
    assert_eq!(LimitFields::from(limits), fields("1000000", "256"));
    assert_eq!(LimitFields::from(limits).parse(), Ok(limits));
    assert_eq!(fields(" 1000 ", "16").parse(), Ok(Limits { messages: 1_000, bytes: 16 << 20 }));
    for (messages, mib, at) in [
        ("999", "256", vec![LimitField::Messages]),
        ("1000000", "1025", vec![LimitField::Mib]),
        ("", "-1", vec![LimitField::Messages, LimitField::Mib]),
    ] {
        let faults = fields(messages, mib).parse().expect_err("out of bounds");
        assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), at);
        assert!(faults.iter().all(|fault| fault.message.contains(" to ")), "{faults:?}");
    }
}

#[test]
fn column_width_stays_within_bounds() {
    for (asked_px, given_px) in [(0, 24), (180, 180), (u16::MAX, 2_000)] {
        let columns = Columns::default().resized(Column::Topic, Some(asked_px));
        assert_eq!(columns.style(Column::Topic).width_px, Some(given_px));
        assert_eq!(columns.resized(Column::Topic, None), Columns::default());
    }
}
