//! The link of the contract: every key, every bad value, and the reverse.

use mqtt_crawl::config::link;
use mqtt_crawl::config::link::{Field, LinkSettings, Start, View};
use mqtt_crawl::crawl::opening::{Opening, OpeningMode};
use mqtt_crawl::crawl::pacing::{Pace, SPEEDS_PERCENT};
use mqtt_crawl::credentials;
use mqtt_crawl::dialogue::rules::{LineRules, Template};
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use proptest::prelude::*;

const ORIGIN: &str = "http://127.0.0.1:8080";

/// Parses a link without errors and notices.
fn clean(fragment: &str) -> link::Link {
    let link = link::parse(fragment, ORIGIN);
    assert_eq!(link.faults, [], "{fragment}");
    assert_eq!(link.notices, [""; 0], "{fragment}");
    link
}

#[test]
fn empty_link_gives_the_defaults() {
    for fragment in ["", "#", "#&", "&&"] {
        let link = clean(fragment);
        assert_eq!(link.settings, LinkSettings::new(ORIGIN));
        assert!(!link.connect);
    }
    let settings = LinkSettings::new(ORIGIN);
    assert_eq!(settings.broker, "ws://127.0.0.1:8080/mqtt");
    assert_eq!(settings.topics, ["StarWars"]);
    assert_eq!(settings.qos, QoS::AtMostOnce);
    assert_eq!(LinkSettings::new("https://crawl.example").broker, "wss://crawl.example/mqtt");
    assert_eq!(LinkSettings::new("null").broker, "ws://127.0.0.1:8080/mqtt");
}

#[test]
fn example_of_the_contract_is_parsed() {
    let link = clean("#broker=ws%3A%2F%2F127.0.0.1%3A8080%2Fmqtt&topic=StarWars&connect=1");
    assert_eq!(link.settings, LinkSettings::new(ORIGIN));
    assert!(link.connect);
}

#[test]
fn every_key_is_parsed() {
    let link = clean(
        "#broker=wss%3A%2F%2Fb.example/x%3Fy%3D1&topic=a/%2B&topic=b/#&qos=2&protocol=3.1.1&client=me&user=Ann%C3%A9+B&view=crawl\
         &episode=Episode+I&title=A+%26+B&intro=100%25+true&card=One%0Atwo&logo=&opening=off&stars=0&speed=130&connect=1",
    );
    let settings = link.settings;
    assert_eq!(settings.broker, "wss://b.example/x?y=1");
    assert_eq!(settings.topics, ["a/+", "b/#"]);
    assert_eq!(settings.qos, QoS::ExactlyOnce);
    assert_eq!(settings.version, Some(Version::V311));
    assert_eq!(settings.client_id.as_deref(), Some("me"));
    assert_eq!(settings.user_name.as_deref(), Some("Anné B"));
    assert_eq!(settings.view, View::Crawl);
    let opening = Opening {
        card: "One\ntwo".to_owned(),
        logo: String::new(),
        episode: "Episode I".to_owned(),
        title: "A & B".to_owned(),
        intro: "100% true".to_owned(),
        has_stars: false,
        speed_percent: 130,
        pace: Pace::All,
        mode: Some(OpeningMode::Off),
    };
    assert_eq!(settings.opening, opening);
    assert_eq!(settings.line_rules, LineRules::default());
    assert!(link.connect);
}

#[test]
fn opening_mode_is_parsed() {
    use OpeningMode::{Always, Off, Yield};
    // The requested value, the effective one, and the text written back: only what the rest of the link doesn't imply.
    for (fragment, chosen, holds, written) in [
        ("", None, Yield, ""),
        ("opening=yield", None, Yield, ""),
        ("opening=always", Some(Always), Always, "opening=always"),
        ("opening=off", Some(Off), Off, "opening=off"),
        ("title=Salt", None, Always, "title=Salt"),
        ("opening=always&title=Salt", None, Always, "title=Salt"),
        ("opening=yield&title=Salt", Some(Yield), Yield, "title=Salt&opening=yield"),
        ("title=Salt&opening=off", Some(Off), Off, "title=Salt&opening=off"),
        ("card=&speed=130", None, Always, "card=&speed=130"),
        ("speed=130&stars=0", None, Yield, "stars=0&speed=130"),
    ] {
        let settings = clean(fragment).settings;
        assert_eq!((settings.opening.mode, settings.opening.effective_mode()), (chosen, holds), "{fragment}");
        assert_eq!(settings.to_fragment(ORIGIN, Start::ByHand), written, "{fragment}");
    }
    // Paragraphs of the introduction.
    let link = clean("intro=One.%0ATwo.");
    assert_eq!(link.settings.opening.paragraphs().collect::<Vec<_>>(), ["One.", "Two."]);
    assert_eq!(link.settings.to_fragment(ORIGIN, Start::ByHand), "intro=One.%0ATwo.");
}

#[test]
fn pace_is_parsed() {
    for (fragment, pace, written) in [
        ("", Pace::All, ""),
        ("pace=all", Pace::All, ""),
        ("pace=film", Pace::Film, "pace=film"),
        ("pace=latest", Pace::Latest, "pace=latest"),
    ] {
        let settings = clean(fragment).settings;
        assert_eq!(settings.opening.pace, pace, "{fragment}");
        assert_eq!(settings.to_fragment(ORIGIN, Start::ByHand), written, "{fragment}");
    }
    check_error("#pace=fast", Field::Link, "all, film or latest");
}

#[test]
fn line_rules_are_parsed() {
    let fragment =
        "line=home%2F%2B%2Ft&speaker=&words=the+%7B2%7D+reports+%7Bvalue%7D&line=a&speaker=%7B-1%7D&hide=%23";
    let link = clean(fragment);
    let rules = &link.settings.line_rules.rules;
    assert_eq!(rules.iter().map(|rule| rule.topics.as_str()).collect::<Vec<_>>(), ["home/+/t", "a", "#"]);
    let templates: Vec<_> = rules
        .iter()
        .map(|rule| {
            let wording = rule.wording.as_ref()?;
            let text = |template: &Option<_>| template.as_ref().map(|template: &Template| template.as_str().to_owned());
            Some((text(&wording.speaker), text(&wording.text)))
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(templates, [Some((text(""), text("the {2} reports {value}"))), Some((text("{-1}"), None)), None]);
    // And the reverse.
    assert_eq!(link.settings.to_fragment(ORIGIN, Start::ByHand), fragment);
    let raw = link::parse("#hide=a/+/b", ORIGIN);
    assert!(raw.notices[0].contains("%2B"), "{:?}", raw.notices);

    check_error("#line=a/%23/b", Field::Link, "#");
    check_error("#hide=", Field::Link, "empty");
    check_error("#words=x", Field::Link, "line=");
    check_error("#hide=a&speaker=x", Field::Link, "line=");
    check_error("#line=a&words=%7Bvalue", Field::Link, "Missing }");
    check_error("#line=a&words=", Field::Link, "Empty template");
    check_error("#line=a&speaker=%7B0%7D", Field::Link, "no level 0");
    check_error("#line=%zz", Field::Link, "percent-encoding");
}

/// Checks for one error, about `field`, with this text; nothing connects.
fn check_error(fragment: &str, field: Field, expected: &str) {
    let link = link::parse(&format!("{fragment}&connect=1"), ORIGIN);
    assert_eq!(link.faults.len(), 1, "{fragment}: {:?}", link.faults);
    assert_eq!(link.faults[0].field, field, "{fragment}");
    assert!(
        link.faults[0].message.contains(expected),
        "{fragment}: {:?} should say {expected:?}",
        link.faults[0].message
    );
    assert!(!link.connect, "{fragment}: nothing connects");
}

#[test]
fn bad_values_are_named_and_explained() {
    check_error("#qos=3", Field::QoS, "0, 1 or 2");
    check_error("#qos=", Field::QoS, "0, 1 or 2");
    check_error("#protocol=4", Field::Protocol, "auto, 5 or 3.1.1");
    check_error("#opening=never", Field::Link, "yield, always or off");
    check_error("#opening=", Field::Link, "yield, always or off");
    check_error("#opening=off&opening=off", Field::Link, "twice");
    check_error("#stars=many", Field::Link, "1 or 0");
    check_error("#speed=99", Field::Link, "100, 130");
    check_error("#speed=fast", Field::Link, "fast");
    check_error("#view=both", Field::Link, "split, crawl or console");
    check_error("#broker=http://x/", Field::Broker, "ws://x/");
    check_error("#broker=", Field::Broker, "empty");
    check_error("#topic=", Field::Topic(0), "empty");
    check_error("#topic=ok&topic=a/%23/b", Field::Topic(1), "#");
    check_error("#topic=%", Field::Topic(0), "%25");
    check_error("#topic=%4", Field::Topic(0), "%25");
    check_error("#topic=%zz", Field::Topic(0), "%25");
    check_error("#user=%ff", Field::UserName, "percent-encoding");
    check_error("#client=%C3", Field::ClientId, "percent-encoding");
    check_error("#qos=1&qos=1", Field::QoS, "twice");
    let link = link::parse("#connect=yes", ORIGIN);
    assert!(!link.connect && link.faults[0].message.contains("connect"));
}

#[test]
fn unknown_key_is_ignored_with_a_notice() {
    let link = link::parse("#topci=a&connect=1&%zz=1&flag", ORIGIN);
    assert_eq!(link.notices.len(), 3, "{:?}", link.notices);
    assert!(link.notices[0].contains("topci"));
    assert!(link.connect, "a notice stops nothing");
    assert_eq!(link.settings, LinkSettings::new(ORIGIN));
    assert!(!link.holds_password);
}

#[test]
fn password_in_a_link_is_reported_without_its_value() {
    for pair in [
        "password=hunter2",
        "pass=hunter2",
        "Pwd=hunter2",
        "token=hunter2",
        "pw=hunter2",
        "auth=hunter2",
        "apikey=hunter2",
        "jwt=hunter2",
        "key=hunter2",
        "sig=hunter2",
        "credential=hunter2",
        "API-KEY=hunter2",
        "app_key=hunter2",
        "%74oken=hunter2",
        "code=hunter2",
        "X-Amz-Signature=hunter2",
        "note=Bearer%20hunter2",
        "next=%2Fx%3Ftoken%3Dhunter2",
        "user=ann%26password%3Dhunter2",
        "url=wss%3A%2F%2Fann%3Ahunter2%40host",
        "wss://ann:hunter2@host/mqtt",
        "wss%3A%2F%2Fhost%2F%3Ftoken%3Dhunter2",
        "%zzwss://ann:hunter2@host/mqtt",
        "broker=wss%3A%2F%2Fann%3Ahunter2%40host%2Fmqtt",
        "broker=wss://ann:hunter2@host/mqtt%zz",
        "broker=wss%3A%2F%2Fhost%2F%3Ftoken%3Dhunter2%zz",
        "broker=wss://host/mqtt&broker=wss://ann:hunter2@host",
        "broker=ann%3Ahunter2%40host",
        "broker=wss%3A%2F%2Fann%3Ahu%2Fnter2%40host%2Fmqtt",
    ] {
        let link = link::parse(&format!("#user=ann&{pair}"), ORIGIN);
        assert!(link.holds_password, "{pair}");
        assert!(!format!("{link:?}").contains("nter2"), "{pair}: {link:?}");
        assert!(!link.settings.to_fragment(ORIGIN, Start::OnLoad).contains("nter2"), "{pair}");
    }
}

#[test]
fn credential_in_the_broker_address_is_used_and_not_passed_on() {
    for url in [
        "wss://host/mqtt?token=hunter2",
        "wss://host/mqtt?X-Amz-Algorithm=a&X-Amz-Signature=hunter2&X-Amz-Date=20261130T101112Z",
        "wss://host/mqtt?sr=hub&sig=hunter2&se=1795258800",
    ] {
        let encoded = LinkSettings { broker: url.to_owned(), ..LinkSettings::new(ORIGIN) };
        let fragment = format!("broker={}&connect=1", url.replace('&', "%26").replace('?', "%3F").replace('=', "%3D"));
        let link = link::parse(&fragment, ORIGIN);
        assert_eq!(link.settings.broker, url, "byte for byte");
        assert!(link.connect && link.holds_password && link.faults.is_empty(), "{link:?}");
        let fragment = encoded.to_fragment(ORIGIN, Start::OnLoad);
        assert!(!fragment.contains("hunter2"), "{fragment}");
        assert!(!fragment.contains("connect=1"), "it couldn't connect: {fragment}");
        // A missing value is visible in the form.
        assert!(link::parse(&fragment, ORIGIN).settings.broker.contains("host/mqtt?"), "{fragment}");
    }
    let user = LinkSettings { user_name: Some("ann?token=hunter2".to_owned()), ..LinkSettings::new(ORIGIN) };
    assert_eq!(user.to_fragment(ORIGIN, Start::OnLoad), "user=ann%3Ftoken%3D");
}

#[test]
fn default_broker_is_in_the_folder_of_the_page() {
    for (origin, path, broker) in [
        ("http://127.0.0.1:8080", "/", "ws://127.0.0.1:8080/mqtt"),
        ("http://127.0.0.1:8080", "/index.html", "ws://127.0.0.1:8080/mqtt"),
        ("https://host", "/crawl/", "wss://host/crawl/mqtt"),
        ("https://host", "/crawl/index.html", "wss://host/crawl/mqtt"),
        ("https://[::1]:8443", "", "wss://[::1]:8443/mqtt"),
        ("null", "/home/ann/dist/index.html", "ws://127.0.0.1:8080/mqtt"),
    ] {
        let base = link::page_base(origin, path);
        let settings = LinkSettings::new(&base);
        assert_eq!(settings.broker, broker, "{origin}{path}");
        assert_eq!(settings.to_fragment(&base, Start::ByHand), "", "the default isn't written");
    }
}

#[test]
fn unescaped_plus_is_explained() {
    let link = link::parse("#topic=a/+/b", ORIGIN);
    assert_eq!(link.settings.topics, ["a/ /b"]);
    assert!(link.notices[0].contains("%2B"), "{:?}", link.notices);
}

#[test]
fn fragments_are_encoded() {
    let mut settings = LinkSettings::new(ORIGIN);
    assert_eq!(settings.to_fragment(ORIGIN, Start::ByHand), "");
    assert_eq!(settings.to_fragment(ORIGIN, Start::OnLoad), "connect=1");
    settings.topics = vec!["a/+".into(), "Ü #".into()];
    settings.user_name = Some(String::new());
    assert_eq!(settings.to_fragment(ORIGIN, Start::ByHand), "topic=a%2F%2B&topic=%C3%9C+%23");
    assert_eq!(
        settings.to_fragment("https://elsewhere.example", Start::ByHand),
        "broker=ws%3A%2F%2F127.0.0.1%3A8080%2Fmqtt&topic=a%2F%2B&topic=%C3%9C+%23"
    );
}

fn request(change: impl FnOnce(&mut LinkSettings), password: &str) -> Result<(), Vec<Field>> {
    let mut settings = LinkSettings::new(ORIGIN);
    change(&mut settings);
    let request = settings.request(password, "tab", PageOrigin::parse("https://page.example"));
    request.map(|_| ()).map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
}

#[test]
fn form_reports_all_errors_at_once() {
    assert_eq!(request(|_| (), ""), Ok(()));
    assert_eq!(request(|form| form.broker = "ws://far.example/".into(), ""), Ok(()), "the browser decides");
    assert_eq!(request(|form| form.broker = "ws://ann:hunter2@far.example/".into(), ""), Err(vec![Field::Broker]));
    assert_eq!(request(|form| form.topics.clear(), ""), Err(vec![Field::Topic(0)]));
    let bad = |form: &mut LinkSettings| {
        form.broker = "mqtt://x".into();
        form.topics = vec!["a/#/b".into(), "ok".into(), String::new()];
        form.client_id = Some("\0".into());
        form.version = Some(Version::V311);
    };
    let fields = [Field::Broker, Field::Topic(0), Field::Topic(2), Field::ClientId, Field::UserName];
    assert_eq!(request(bad, "secret"), Err(fields.to_vec()));
    assert_eq!(request(|form| form.user_name = Some("x".repeat(65_536)), ""), Err(vec![Field::UserName]));
}

#[test]
fn request_has_the_typed_values() {
    let mut settings = LinkSettings::new(ORIGIN);
    settings.topics = vec!["a".into(), "b".into(), "a".into()];
    settings.user_name = Some("ann".into());
    let request = settings.request("secret", "tab", PageOrigin::default()).expect("sound");
    assert_eq!(request.topics, ["a", "b"], "the same filter once");
    assert_eq!(request.client_id, "tab");
    assert_eq!(request.password.map(|password| password.0).as_deref(), Some("secret"));
    assert!(!settings.to_fragment(ORIGIN, Start::OnLoad).contains("secret"));
    let bare = LinkSettings::new(ORIGIN).request("", "tab", PageOrigin::default()).expect("sound");
    assert_eq!((bare.user_name, bare.password), (None, None));
}

#[test]
fn client_identifier_is_valid_for_every_server() {
    for seed in [0, 1, u64::MAX, 0x0123_4567_89AB_CDEF] {
        let id = link::client_id(seed);
        assert_eq!(id.len(), 18);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    }
    assert_ne!(link::client_id(1), link::client_id(1 << 63));
}

fn text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(any::<String>().prop_filter("neither empty nor a credential", |text| {
        !text.is_empty() && credentials::redact_user_name(text) == *text
    }))
}

proptest! {
    #[test]
    fn any_fragment_is_parsed_without_a_panic(fragment in any::<String>()) {
        let link = link::parse(&fragment, ORIGIN);
        prop_assert!(link.faults.is_empty() || !link.connect);
    }

    #[test]
    fn link_round_trip(
        topics in proptest::collection::vec("[a-zA-Z0-9 $/üλ%&=]{1,12}", 1..4),
        qos in 0_u8..3,
        version in proptest::sample::select(vec![None, Some(Version::V5), Some(Version::V311)]),
        view in proptest::sample::select(View::ALL.to_vec()),
        client_id in text(), user_name in text(),
        [card, logo, episode, title, intro] in proptest::array::uniform5(".{0,12}"),
        has_stars in any::<bool>(),
        pace in proptest::sample::select(Pace::ALL.to_vec()),
        mode in proptest::option::of(proptest::sample::select(OpeningMode::ALL.to_vec())),
        speed_percent in proptest::sample::select(SPEEDS_PERCENT.to_vec()),
        // A link keeps no credentials, so an address with one doesn't survive.
        broker in "[a-z0-9/+%&=?.-]{0,12}"
            .prop_map(|path| format!("wss://broker.example/{path}"))
            .prop_filter("a credential in the query", |url| credentials::redact_url(url) == *url),
        rules in proptest::collection::vec(("[a-z $/ü&=]{1,8}", "[^{}]{0,8}", "[a-z%]{1,8}"), 0..3),
    ) {
        let mut line_rules = LineRules::default();
        for (topics, speaker, template) in rules {
            for (key, value) in [("line", topics.clone()), ("speaker", speaker), ("words", template), ("hide", topics)] {
                line_rules.read(key, &value).expect("a rule");
            }
        }
        let settings = LinkSettings {
            broker,
            topics,
            qos: QoS::from_u8(qos).expect("below 3"),
            version,
            client_id,
            user_name,
            view,
            opening: Opening { card, logo, episode, title, intro, has_stars, speed_percent, pace, mode }.settled(),
            line_rules,
        };
        let read = link::parse(&settings.to_fragment(ORIGIN, Start::OnLoad), ORIGIN);
        prop_assert_eq!(read.settings, settings);
        prop_assert!(read.connect && read.faults.is_empty());
    }
}
