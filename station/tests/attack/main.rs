//! What strangers have tried at the station, row by row, and packets at random beside honest clients.
#![allow(clippy::unwrap_used)]

#[path = "../station/client.rs"]
#[allow(dead_code)]
mod client;
mod random;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser as _;
use futures_util::future::join_all;
use mqtt_crawl_station::{Limits, Options, Station};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use Version::{V5, V311};
use client::{Client, PATIENCE, Version, Way, connect, packet, persistent_connect, publish, resume, string, tcp};

fn options() -> Options {
    Options::parse_from(["mqtt-crawl-station", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
}

async fn limited(limits: Limits) -> Station {
    Station::start(&Options { limits, ..options() }).await.unwrap()
}

/// `open sesame`, with the least work Argon2 allows.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$oWpxAZ9GNQwNm9bsx3yDVQ$/Yl0T74pOp3+wxzkhTJwow";

async fn with_users(name: &str, lines: &str) -> Station {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("attack-{name}"));
    std::fs::write(&path, lines).unwrap();
    Station::start(&Options { users: Some(path), ..options() }).await.unwrap()
}

async fn login(station: &Station, way: Way, id: &str, name: &str) -> Client {
    let mut client = Client::open(station, way).await;
    client.send(&connect(V5, id, Some((name, "open sesame")))).await;
    assert_eq!(client.packet().await.unwrap()[3], 0, "{name}");
    client
}

async fn check_round_trip(client: &mut Client) {
    client.subscribe(V5, "honest", 0).await;
    client.send(&publish(V5, "honest", 0, 0, b"still here")).await;
    assert!(client.packet().await.unwrap().ends_with(b"still here"));
}

/// Some thousand levels overflowed the stack of the library, and the process was gone.
#[tokio::test]
async fn topics_of_thousands_of_levels_are_refused() {
    let station = limited(Limits::default()).await;
    let mut honest = Client::connected(&station, Way::Mqtt, V5, "honest").await;
    let deep = |levels: usize| "/".repeat(levels - 1);
    for way in [Way::Tcp, Way::Mqtt] {
        for (version, refused) in [(V5, 0x8F), (V311, 0x80)] {
            let mut client = Client::connected(&station, way, version, "subscriber").await;
            assert_eq!(client.subscribe(version, &deep(6_000), 0).await, refused, "{way:?} {version:?}");
            assert_eq!(client.subscribe(version, &deep(129), 0).await, refused);
            assert_eq!(client.subscribe(version, &deep(128), 0).await, 0);
            let mut retained = publish(version, &deep(4_600), 1, 7, b"x");
            retained[0] |= 1;
            client.send(&retained).await;
            match version {
                V5 => {
                    let puback = client.packet().await.unwrap();
                    assert_eq!((puback[0], puback[4]), (0x40, 0x90), "{puback:02x?}");
                }
                V311 => assert_eq!(client.packet().await, None),
            }
        }
    }
    let will = |topic: &str| [vec![0], string(topic), string("bye")].concat();
    for (topic, code) in [(deep(4_600), 0x90), (deep(129), 0x90), (deep(128), 0)] {
        let mut client = Client::open(&station, Way::Mqtt).await;
        client.send(&persistent_connect("will", 4, &[&will(&topic)])).await;
        assert_eq!(client.packet().await.unwrap()[3], code);
    }
    check_round_trip(&mut honest).await;
    station.stop().await;
}

/// Nine bytes switched off every deadline.
#[tokio::test]
async fn endless_connect_is_closed_for_both_backends() {
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let behind = limited(limits).await;
    let upstream = Some(format!("mqtt://{}", tcp(&behind)));
    let proxy = Station::start(&Options { upstream, limits, ..options() }).await.unwrap();
    for (station, way) in [(&behind, Way::Tcp), (&behind, Way::Mqtt), (&proxy, Way::Mqtt), (&proxy, Way::Diffusion)] {
        let mut client = Client::open(station, way).await;
        client.send(b"\x10\x0f\x00\x04MQTT\x04").await;
        assert_eq!(timeout(PATIENCE, client.packet()).await.expect("it is never closed"), None, "{way:?}");
    }
    proxy.stop().await;
    behind.stop().await;
}

#[tokio::test]
async fn silent_upstream_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Some(format!("mqtt://{}", silent.local_addr().unwrap()));
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let proxy = Station::start(&Options { upstream, limits, ..options() }).await.unwrap();
    let clients = (0..50).map(async |_| {
        let mut client = Client::open(&proxy, Way::Mqtt).await;
        client.send(&connect(V5, "asks", None)).await;
        assert_eq!(client.packet().await.unwrap()[3], 0x88);
        assert_eq!(client.packet().await, None);
    });
    join_all(clients).await;
    // They are closed on the other side, too.
    for _ in 0..50 {
        let (mut stream, _) = timeout(PATIENCE, silent.accept()).await.unwrap().unwrap();
        timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("it stays open").unwrap();
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_proxy_header_names_the_client() {
    let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Some(format!("mqtt://{}", behind.local_addr().unwrap()));
    let proxy = Station::start(&Options { upstream, proxy_protocol: true, ..options() }).await.unwrap();
    let stream = TcpStream::connect(proxy.http()).await.unwrap();
    let near = stream.local_addr().unwrap();
    let mut client = Client::open_on(Box::new(stream), Way::Mqtt).await;
    client.send(&connect(V5, "asks", None)).await;
    let (mut stream, _) = behind.accept().await.unwrap();
    let mut head = [0; 29];
    stream.read_exact(&mut head).await.unwrap();
    let ports = [near.port().to_be_bytes(), proxy.http().port().to_be_bytes()].concat();
    let addresses = [127, 0, 0, 1, 127, 0, 0, 1];
    assert_eq!(head[..28], [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &addresses[..], &ports].concat());
    assert_eq!(head[28], 0x10, "CONNECT follows");
    proxy.stop().await;
}

/// 19 MiB of an unfinished CONNECT were held for each connection.
#[tokio::test]
async fn connect_above_64_kib_is_refused_by_its_length() {
    let station = limited(Limits::default()).await;
    let announced = [0x10, 0x81, 0x80, 0x04];
    for way in [Way::Tcp, Way::Mqtt] {
        let mut client = Client::open(&station, way).await;
        client.send(&announced).await;
        assert_eq!(client.packet().await, None, "{way:?}");
    }
    // A frame needn't be whole to be looked at.
    let mut stream = TcpStream::connect(station.http()).await.unwrap();
    let request = "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let frame_of_19_mib = [0x82, 0xFF, 0, 0, 0, 0, 1, 0x30, 0, 0, 0, 0, 0, 0];
    stream.write_all(&[&frame_of_19_mib[..], &announced].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it waits for the frame's end").unwrap();
    assert!(
        String::from_utf8_lossy(&answer).contains("a CONNECT of at most 64 KiB"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let mut whole = Client::open(&station, Way::Tcp).await;
    let will = [vec![0], string("w"), string(&"x".repeat(60_000))].concat();
    whole.send(&persistent_connect("large", 4, &[&will])).await;
    assert_eq!(whole.packet().await.unwrap()[3], 0);
    station.stop().await;
}

#[tokio::test]
async fn unfinished_packets_of_all_clients_together_are_bounded() {
    const BYTES: usize = 600_000;
    let station = limited(Limits { max_unfinished: 1 << 20, ..Limits::default() }).await;
    let large = publish(V5, "large", 0, 0, &[b'x'; BYTES]);
    let (half, rest) = large.split_at(BYTES / 2);
    for way in [Way::Tcp, Way::Mqtt] {
        let mut listener = Client::connected(&station, way, V5, "listener").await;
        listener.subscribe(V5, "large", 0).await;
        let mut first = Client::connected(&station, way, V5, "first").await;
        first.send(half).await;
        // The first has begun once another is refused.
        let refused = async {
            loop {
                let mut second = Client::connected(&station, way, V5, "second").await;
                second.send(half).await;
                second.send(&[0; 1]).await;
                if timeout(Duration::from_millis(500), second.packet()).await.ok().flatten()
                    == Some(vec![0xE0, 2, 0x97, 0])
                {
                    break;
                }
            }
        };
        timeout(PATIENCE, refused).await.expect("there is room for all of them");
        first.send(rest).await;
        assert_eq!(listener.packet().await.unwrap().len(), large.len(), "{way:?}");
        let mut third = Client::connected(&station, way, V5, "third").await;
        third.send(&large).await;
        assert_eq!(listener.packet().await.unwrap().len(), large.len(), "the room is given back: {way:?}");
    }
    station.stop().await;
}

#[tokio::test]
async fn wrong_password_does_not_affect_other_clients() {
    let station = with_users("disturb", &format!("ana:{HASH}\n")).await;
    for way in [Way::Tcp, Way::Mqtt] {
        let mut ana = login(&station, way, "ana's", "ana").await;
        for user in [Some(("ana", "wrong")), Some(("ben", "open sesame")), None] {
            let mut thief = Client::open(&station, way).await;
            thief.send(&connect(V5, "ana's", user)).await;
            assert!(matches!(thief.packet().await.unwrap()[3], 0x86 | 0x87));
            assert_eq!(thief.packet().await, None);
        }
        check_round_trip(&mut ana).await;
    }
    station.stop().await;
}

/// They go one or two at a time and ever more slowly; those that would wait for too long aren't
/// checked. The owner's has been accepted before, so it waits for none of them.
#[tokio::test]
async fn wrong_passwords_do_not_delay_the_user() {
    const ATTEMPTS: usize = 300;
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("attack-guess");
    std::fs::write(&path, format!("ana:{HASH}\n")).unwrap();
    let limits = Limits { handshake_timeout: Duration::from_secs(1), ..Limits::default() };
    let station = Station::start(&Options { users: Some(path), limits, ..options() }).await.unwrap();
    drop(login(&station, Way::Tcp, "ana's", "ana").await);
    let answered = AtomicUsize::new(0);
    let guesses = join_all((0..ATTEMPTS).map(async |_| {
        let mut client = Client::open(&station, Way::Tcp).await;
        client.send(&connect(V5, "ana's", Some(("ana", "wrong")))).await;
        let code = client.packet().await.unwrap()[3];
        answered.fetch_add(1, Ordering::Relaxed);
        code
    }));
    let owner = async {
        // From the sixth on they have to wait.
        while answered.load(Ordering::Relaxed) < 5 {
            tokio::task::yield_now().await;
        }
        let mut ana = login(&station, Way::Tcp, "ana's", "ana").await;
        check_round_trip(&mut ana).await;
        answered.load(Ordering::Relaxed)
    };
    let (codes, when_owner_was_in) = tokio::join!(guesses, owner);
    assert!(when_owner_was_in < 50, "{when_owner_was_in} were answered before");
    let checked = codes.iter().filter(|code| **code == 0x86).count();
    assert!((5..50).contains(&checked), "{checked} passwords were checked in three seconds");
    assert!(codes.iter().all(|code| matches!(code, 0x86 | 0x89)), "{codes:02x?}");
    station.stop().await;
}

#[tokio::test]
async fn topic_rules_limit_reading_and_writing() {
    let rules = "read=to/%u/# read=news write=from/%u write=$SYS/#";
    let station = with_users("rules", &format!("ana:{HASH} {rules}\nben:{HASH}\n")).await;
    let mut ana = login(&station, Way::Mqtt, "ana's", "ana").await;
    let mut ben = login(&station, Way::Tcp, "ben's", "ben").await;
    for (filter, code) in [("to/ana/#", 0), ("news", 0), ("#", 0x87), ("to/ben/x", 0x87), ("$SYS/#", 0x87)] {
        assert_eq!(ana.subscribe(V5, filter, 0).await, code, "{filter}");
    }
    assert_eq!(ben.subscribe(V5, "#", 0).await, 0);
    let mut write = async |client: &mut Client, topic: &str, code: u8| {
        client.send(&publish(V5, topic, 1, 7, topic.as_bytes())).await;
        let puback = client.packet().await.unwrap();
        let answer = if puback[1] == 2 { 0 } else { puback[4] };
        assert_eq!((puback[0], answer), (0x40, code), "{topic}: {puback:02x?}");
        if code == 0 {
            assert!(ben.packet().await.unwrap().ends_with(topic.as_bytes()), "{topic}");
        }
    };
    write(&mut ana, "from/ana", 0).await;
    write(&mut ana, "from/ben", 0x87).await;
    write(&mut ana, "$SYS/broker/uptime", 0x87).await;
    let mut other = login(&station, Way::Tcp, "ben's other", "ben").await;
    write(&mut other, "$SYS/broker/uptime", 0x87).await;
    write(&mut other, "from/ana", 0).await;
    let credentials = [string("ana"), string("open sesame")].concat();
    for (topic, code) in [("from/ben", 0x87), ("$SYS/x", 0x87), ("from/ana", 0)] {
        let mut client = Client::open(&station, Way::Mqtt).await;
        client.send(&persistent_connect("will", 0xC4, &[&[0], &string(topic), &string("bye"), &credentials])).await;
        assert_eq!(client.packet().await.unwrap()[3], code, "a will to {topic}");
    }
    station.stop().await;
}

#[tokio::test]
async fn shared_subscriptions_are_refused_and_announced_in_connack() {
    let station = limited(Limits::default()).await;
    let mut client = Client::open(&station, Way::Mqtt).await;
    client.send(&connect(V5, "shared", None)).await;
    let connack = client.packet().await.unwrap();
    assert!(connack.windows(2).any(|pair| pair == [0x2A, 0]), "{connack:02x?}");
    assert_eq!(client.subscribe(V5, "$share/g/t", 1).await, 0x9E);
    let mut old = Client::connected(&station, Way::Tcp, V311, "old").await;
    assert_eq!(old.subscribe(V311, "$share/g/t", 1).await, 0x80);
    station.stop().await;
}

#[tokio::test]
async fn sessions_and_subscriptions_are_bounded() {
    let limits = Limits {
        max_sessions: 3.try_into().unwrap(),
        max_subscriptions: 1_200.try_into().unwrap(),
        ..Limits::default()
    };
    let station = limited(limits).await;
    let mut clients = Vec::new();
    for number in 0..3 {
        let (client, _) = resume(&station, Way::Tcp, &persistent_connect(&format!("session {number}"), 0, &[])).await;
        clients.push(client);
    }
    let mut further = Client::open(&station, Way::Tcp).await;
    further.send(&connect(V5, "further", None)).await;
    assert_eq!(further.packet().await.unwrap()[3], 0x88);
    assert_eq!(further.packet().await, None);
    for (client, granted) in [(0, 1_000), (1, 200), (2, 0)] {
        for number in 0..granted {
            assert_eq!(clients[client].subscribe(V5, &format!("{client}/{number}"), 0).await, 0, "{client} {number}");
        }
        assert!(clients[client].subscribe(V5, "one more", 0).await >= 0x80, "{client}");
    }
    station.stop().await;
}

/// It is told by its number that the packet is the station's: CONNECT twice is a protocol error.
#[tokio::test]
async fn a_second_connect_closes_the_connection() {
    let station = limited(Limits::default()).await;
    for way in [Way::Tcp, Way::Mqtt] {
        let mut client = Client::connected(&station, way, V5, "twice").await;
        client.send(&packet(0x10, &[&string("MQTT"), &[5, 2, 0, 60, 0], &string("twice")])).await;
        while client.packet().await.is_some() {}
    }
    station.stop().await;
}
