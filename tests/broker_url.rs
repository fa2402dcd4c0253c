//! Broker addresses: which are accepted, how they are parsed, and the messages for the others.

use mqtt_crawl::mqtt::broker_url::{BrokerUrl, BrokerUrlError, PageOrigin, Scheme};

fn check(text: &str, scheme: Scheme, host: &str, port: u16, path: &str) {
    let url = BrokerUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(url.scheme(), scheme, "{text}");
    assert_eq!(url.host(), host, "{text}");
    assert_eq!(url.port(), port, "{text}");
    assert_eq!(url.path(), path, "{text}");
    assert_eq!(url.as_str(), text.trim(), "{text}: kept as written");
}

#[test]
fn url_parts_are_parsed() {
    check("ws://127.0.0.1:8080/mqtt", Scheme::Ws, "127.0.0.1", 8080, "/mqtt");
    check("ws://localhost", Scheme::Ws, "localhost", 80, "");
    check("wss://broker.example/", Scheme::Wss, "broker.example", 443, "/");
    check("mqtt://broker", Scheme::Mqtt, "broker", 1883, "");
    check("mqtts://broker.example.", Scheme::Mqtts, "broker.example.", 8883, "");
    check("WSS://Broker.Example:1/Mqtt", Scheme::Wss, "Broker.Example", 1, "/Mqtt");
    check("ws://[::1]:65535/ws", Scheme::Ws, "::1", 65535, "/ws");
    check("ws://[2001:db8::7]", Scheme::Ws, "2001:db8::7", 80, "");
    check("  ws://my_host-1:9001/a//b/?x=%20&y=/ ", Scheme::Ws, "my_host-1", 9001, "/a//b/?x=%20&y=/");
    check("ws://host?token=a@b", Scheme::Ws, "host", 80, "?token=a@b");
    check("ws://host/a@b:c", Scheme::Ws, "host", 80, "/a@b:c");
}

fn check_refused(text: &str, expected: &str) {
    let error = BrokerUrl::parse(text).expect_err(text);
    let message = error.to_string();
    assert!(message.contains(expected), "{text}: {message:?} should say {expected:?}");
}

#[test]
fn errors_give_advice() {
    check_refused("", "empty");
    check_refused("   ", "empty");
    check_refused("ws://a b/mqtt", "space");
    check_refused("ws://host/\u{7}", "invisible");
    check_refused("localhost:8080/mqtt", "ws://localhost:8080/mqtt");
    check_refused("//localhost:8080/mqtt", "ws://localhost:8080/mqtt");
    check_refused("broker", "ws://broker");
    check_refused("http://broker/mqtt", "ws://broker/mqtt");
    check_refused("HTTPS://broker/mqtt", "wss://broker/mqtt");
    check_refused("ftp://broker", "ftp:// isn't supported");
    check_refused("://broker", "isn't supported");
    check_refused("ws://me:secret@broker/mqtt", "user name and password");
    check_refused("ws://me@broker", "user name and password");
    check_refused("ws://broker/mqtt#top", "%23");
    check_refused("ws://", "has no host");
    check_refused("ws:///mqtt", "has no host");
    check_refused("wss://:8080", "has no host");
    check_refused("ws://bröker/", "xn--");
    check_refused("ws://a..b/", "isn't a valid host name");
    check_refused("ws://a,b/", "isn't a valid host name");
    check_refused("ws://%/", "isn't a valid host name");
    check_refused("ws://host\\mqtt", "isn't a valid host name");
    check_refused("ws://256.1.1.1/", "isn't a valid host name");
    check_refused("ws://1.2.3/", "isn't a valid host name");
    check_refused("ws://::1:8080/", "has no host");
    check_refused("ws://2001:db8::1/", "isn't a valid host name");
    check_refused("ws://[::1/", "isn't a valid host name");
    check_refused("ws://[::g]/", "isn't a valid host name");
    check_refused("ws://[::1]8080/", "isn't a valid host name");
    check_refused("ws://host:/", "1 to 65535");
    check_refused("ws://host:0/", "1 to 65535");
    check_refused("ws://host:65536/", "1 to 65535");
    check_refused("ws://host:+80/", "1 to 65535");
    check_refused("ws://host:mqtt/", "1 to 65535");
}

#[test]
fn password_is_in_no_error_message() {
    for text in [
        "ws://me:secret@broker/mqtt",
        "me:secret@broker/mqtt",
        "ws://me:sec/secret@broker/mqtt",
        "http://broker/mqtt?token=secret",
        "ws://broker\\mqtt?token=secret",
        "wss://me:secret",
        "wss://me:b:secret",
        "broker/mqtt?token=secret",
    ] {
        let message = BrokerUrl::parse(text).expect_err("refused").to_string();
        assert!(!message.contains("secret"), "{message}");
    }
    let tcp = BrokerUrl::parse("mqtt://broker/mqtt?token=secret").expect("an address");
    let message = tcp.for_browser().expect_err("refused").to_string();
    assert!(!message.contains("secret"), "{message}");
    let plain = BrokerUrl::parse("ws://broker/mqtt?token=secret").expect("an address");
    let message = plain.mixed_content(HTTPS).expect("a warning");
    assert!(!message.contains("secret"), "{message}");
}

const HTTPS: PageOrigin = PageOrigin { is_https: true, is_public: true };

#[test]
fn page_origins_are_parsed() {
    for (origin, is_https, is_public) in [
        ("https://crawl.example", true, true),
        ("https://crawl.example:8443", true, true),
        ("http://203.0.113.5:8080", false, true),
        ("http://127.0.0.1:8080", false, false),
        ("http://localhost", false, false),
        ("http://[::1]:8080", false, false),
        ("https://[2001:db8::1]", true, true),
        ("https://[fd00::1]:1", true, false),
        ("http://192.168.1.20", false, false),
        ("http://10.0.0.1:80", false, false),
        ("http://172.16.4.4", false, false),
        ("http://169.254.1.1", false, false),
        ("http://pi.local:8080", false, false),
        ("null", false, false),
        ("", false, false),
    ] {
        assert_eq!(PageOrigin::parse(origin), PageOrigin { is_https, is_public }, "{origin}");
    }
}

#[test]
fn pages_may_open_only_some_schemes() {
    let open = |text: &str| BrokerUrl::parse(text).expect(text).for_browser().map(|url| url.to_string());
    for text in ["ws://localhost:1/", "ws://far.example:8080/mqtt", "wss://far.example/"] {
        assert_eq!(open(text).as_deref(), Ok(text));
    }
    assert_eq!(
        open("mqtt://[::1]"),
        Err(BrokerUrlError::TcpInBrowser { scheme: "mqtt", suggestion: "ws://[::1]:8080/mqtt".into(), port: 1883 }),
    );
    assert_eq!(
        open("mqtts://far.example/diffusion"),
        Err(BrokerUrlError::TcpInBrowser {
            scheme: "mqtts",
            suggestion: "wss://far.example:8084/diffusion".into(),
            port: 8883
        }),
    );
}

#[test]
fn mixed_content_causes_only_a_warning() {
    for (text, warns) in [
        ("ws://localhost:1/", false),
        ("ws://LOCALHOST/", false),
        ("ws://crawl.localhost:8080/mqtt", false),
        ("ws://crawl.localhost./", false),
        ("ws://127.0.0.1/", false),
        ("ws://127.1.2.3/", false),
        ("ws://[::1]/", false),
        ("wss://far.example/", false),
        ("WS://far.example:8080/mqtt", true),
        ("ws://localhost.example/", true),
    ] {
        let warning = |page| BrokerUrl::parse(text).expect(text).mixed_content(page);
        assert_eq!(warning(HTTPS).is_some(), warns, "{text}");
        assert_eq!(warning(PageOrigin::default()), None, "{text}");
    }
    let warning = BrokerUrl::parse("WS://far.example:8080/mqtt").expect("an address").mixed_content(HTTPS);
    assert!(warning.expect("a warning").contains("Use wss://far.example:8080/mqtt "));
}
