//! What is logged, and what never is.

use std::path::Path;

use serde_json::Value;

use super::client::{Client, Version, Way, connect, publish};
use super::file;
use super::program::{PROGRAM, Running};
use super::web::request;
use Version::V5;

/// `open sesame`, with the least work Argon2 allows so that tests stay quick.
const USER: &str = "ana:$argon2id$v=19$m=8,t=1,p=1$oWpxAZ9GNQwNm9bsx3yDVQ$/Yl0T74pOp3+wxzkhTJwow\n";

/// What happened to a station that met some of everything, line by line.
async fn log(format: &str) -> String {
    let users = file(&format!("logs-{format}-users"), USER);
    let options = ["--log-format", format, "--users", users.to_str().unwrap(), "--max-packet", "1000"];
    let station = Running::start(Path::new(PROGRAM), &options);

    for (way, address) in [(Way::Tcp, station.mqtt), (Way::Mqtt, station.http)] {
        for user in [None, Some(("ana", "a wrong guess"))] {
            let mut client = Client::open_at(address, way).await;
            client.send(&connect(V5, "stranger", user)).await;
            while client.packet().await.is_some() {}
        }
        let mut client = Client::open_at(address, way).await;
        client.send(&connect(V5, "friend \n of ana", Some(("ana", "open sesame")))).await;
        assert_eq!(client.packet().await.unwrap()[3], 0);
        client.send(&publish(V5, "large", 0, 0, &[b'x'; 2_000])).await;
        while client.packet().await.is_some() {}
    }
    let upgrade = ["Host: x", "Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let foreign = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: https://other.example"];
    let (head, _) = request(station.http, "GET /mqtt", &[&upgrade[..], &foreign].concat()).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");

    let log = station.stop("-TERM");
    for secret in ["open sesame", "a wrong guess", "argon2id"] {
        assert!(!log.contains(secret), "{log}");
    }
    log
}

#[tokio::test]
async fn each_refusal_is_a_json_object_with_its_reason() {
    let log = log("json").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let check = |message: &str, fields: &[(&str, &str)], count: usize| {
        let is_meant = |line: &&Value| {
            line["message"] == message && fields.iter().all(|(name, value)| line[name].to_string().contains(value))
        };
        let found = lines.iter().filter(is_meant).collect::<Vec<_>>();
        assert_eq!(found.len(), count, "{message} {fields:?} in {log}");
        for line in found {
            let address = line["span"]["address"].as_str().unwrap_or_default();
            assert!(address.starts_with("127.0.0.1:"), "{line}");
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        }
    };
    check("connected", &[("client", "stranger")], 0);
    check("connected", &[("client", "friend"), ("version", "5.0")], 2);
    check("client refused", &[("client", "stranger"), ("reason", "no user name")], 2);
    check("client refused", &[("client", "stranger"), ("reason", "wrong password")], 2);
    check("closed", &[("reason", "packet too large")], 2);
    check("WebSocket refused", &[("reason", "https://other.example")], 1);
}

#[tokio::test]
async fn text_has_a_line_for_each() {
    let log = log("text").await;
    for words in ["client refused", "no user name", "wrong password", "packet too large", "WebSocket refused"] {
        assert!(log.contains(words), "{words} isn't in {log}");
    }
    // What a client calls itself can't begin a line of its own.
    assert!(log.contains("friend \\n of ana"), "{log}");
}

/// A flood of refusals isn't one of log lines.
#[tokio::test]
async fn refusals_of_one_address_are_logged_at_growing_intervals() {
    const REFUSALS: usize = 200;
    let users = file("logs-flood-users", USER);
    let station = Running::start(Path::new(PROGRAM), &["--users", users.to_str().unwrap()]);
    for _ in 0..REFUSALS {
        let mut client = Client::open_at(station.mqtt, Way::Tcp).await;
        client.send(&connect(V5, "stranger", None)).await;
        assert_eq!(client.packet().await.unwrap()[3], 0x87);
    }
    let log = station.stop("-TERM");
    // The first ten, and then 16, 32, 64 and 128.
    assert_eq!(log.matches("client refused").count(), 14, "{log}");
    assert!(log.lines().count() < 20, "{log}");
}

#[tokio::test]
async fn close_by_the_upstream_is_not_logged_as_the_clients() {
    let behind = Running::start(Path::new(PROGRAM), &[]);
    let upstream = format!("mqtt://{}", behind.mqtt);
    let station = Running::start(Path::new(PROGRAM), &["--upstream", &upstream]);
    let mut first = Client::open_at(station.http, Way::Mqtt).await;
    first.send(&connect(V5, "twin", None)).await;
    assert_eq!(first.packet().await.unwrap()[3], 0);
    // The broker behind takes the session over.
    let mut second = Client::open_at(behind.mqtt, Way::Tcp).await;
    second.send(&connect(V5, "twin", None)).await;
    assert_eq!(second.packet().await.unwrap()[3], 0);
    while first.packet().await.is_some() {}
    let log = station.stop("-TERM");
    assert!(log.contains("closed by the broker") && !log.contains("disconnected"), "{log}");
    behind.stop("-TERM");
}
