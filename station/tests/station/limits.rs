//! Limits for the clients of a station, and that it goes on serving those who keep to it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mqtt_crawl_station::{Limits, Options, Station};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, PATIENCE, Version, Way, connect, persistent_connect, publish, resume, string, tcp};
use super::quiet;
use super::web::request;
use Version::{V5, V311};

async fn limited(limits: Limits) -> Station {
    Station::start(&Options { limits, ..quiet() }).await.unwrap()
}

/// Sees that the station closes a connection without a word.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut answer = Vec::new();
    matches!(stream.read_to_end(&mut answer).await, Ok(0) | Err(_)) && answer.is_empty()
}

/// A number of `/health`.
async fn health(station: &Station, name: &str) -> usize {
    let (_, body) = request(station.http(), "GET /health", &["Host: x", "Connection: close"]).await;
    let (_, rest) = body.split_once(&format!("\"{name}\":")).unwrap();
    rest.split_once([',', '}']).unwrap().0.parse().unwrap()
}

/// Waits until no more connections are open.
async fn wait_for_connections(station: &Station, most: usize) {
    let fewer = async { while health(station, "connections").await > most {} };
    timeout(PATIENCE, fewer).await.expect("it is never closed");
}

async fn check_round_trip(client: &mut Client, topic: &str) {
    client.subscribe(V5, topic, 0).await;
    client.send(&publish(V5, topic, 0, 0, b"still here")).await;
    assert!(client.packet().await.unwrap().ends_with(b"still here"));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_the_others_served() {
    let limits = Limits { max_connections: 2.try_into().unwrap(), ..Limits::default() };
    let station = limited(limits).await;
    let mut first = Client::connected(&station, Way::Mqtt, V5, "first").await;
    let second = Client::connected(&station, Way::Tcp, V5, "second").await;
    for address in [station.http(), tcp(&station)].into_iter().cycle().take(100) {
        assert!(is_closed(TcpStream::connect(address).await.unwrap()).await);
    }
    check_round_trip(&mut first, "full").await;
    drop(second);
    // Its place is free once the station has seen that it left.
    let returning = async {
        loop {
            let mut third = Client::open(&station, Way::Tcp).await;
            if third.try_connect(V5, "third").await {
                return third;
            }
        }
    };
    let mut third = timeout(PATIENCE, returning).await.expect("the place is never free");
    check_round_trip(&mut third, "room").await;
    station.stop().await;
}

#[tokio::test]
async fn disconnect_reaches_a_client_that_is_still_sending() {
    let station = Station::start(&quiet()).await.unwrap();
    let mut client = Client::connected(&station, Way::Tcp, V5, "eager").await;
    for packet_id in 1..=32_769 {
        client.send(&publish(V5, "t", 2, packet_id, b"")).await;
    }
    // As a client that answers each PUBREC before it reads the next.
    let mut last = client.packet().await.unwrap();
    while last[0] == 0x50 {
        client.send(&[0x62, 2, last[2], last[3]]).await;
        if last[3] == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        last = client.packet().await.expect("the connection ends with a DISCONNECT");
    }
    assert_eq!(last[..3], [0xE0, 2, 0x93], "receive maximum exceeded");
    station.stop().await;
}

#[tokio::test]
async fn one_address_cannot_use_all_connections() {
    let limits = Limits { max_per_address: 1.try_into().unwrap(), ..Limits::default() };
    let station = limited(limits).await;
    let mut first = Client::connected(&station, Way::Tcp, V5, "first").await;
    assert!(is_closed(TcpStream::connect(tcp(&station)).await.unwrap()).await);
    check_round_trip(&mut first, "alone").await;
    station.stop().await;
}

#[tokio::test]
async fn too_large_packet_is_refused_with_a_reason_code() {
    let station = limited(Limits { max_packet: 1_000, ..Limits::default() }).await;
    for (way, version) in [(Way::Tcp, V5), (Way::Mqtt, V5), (Way::Diffusion, V5), (Way::Tcp, V311), (Way::Mqtt, V311)] {
        let mut client = Client::connected(&station, way, version, "large").await;
        client.send(&publish(version, "large", 0, 0, &[b'x'; 2_000])).await;
        if version == V5 {
            assert_eq!(client.packet().await.unwrap(), [0xE0, 2, 0x95, 0], "{way:?}");
        }
        assert_eq!(client.packet().await, None, "{way:?} {version:?}");
    }
    let mut client = Client::connected(&station, Way::Tcp, V5, "small").await;
    check_round_trip(&mut client, "small").await;
    station.stop().await;
}

/// Whoever begins and doesn't go on is closed, at each step; who takes part isn't.
#[tokio::test]
async fn incomplete_handshake_times_out() {
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let station = limited(limits).await;
    let mut client = Client::connected(&station, Way::Mqtt, V5, "patient").await;
    // Each one byte further than the last, to the last byte but one.
    let whole = connect(V5, "half", None);
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let mut halves: Vec<_> = (0..whole.len()).map(|end| (tcp(&station), &whole[..end])).collect();
    halves.extend([0, 3, head.len()].map(|end| (station.http(), &head[..end])));
    let closed = halves.into_iter().map(async |(address, bytes)| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        closed.unwrap_or_else(|_| panic!("{address} waits for more than {bytes:02x?}")).unwrap();
    });
    join_all(closed).await;
    let closed = (0..whole.len()).map(async |end| {
        let mut half = Client::open(&station, Way::Mqtt).await;
        half.send(&connect(V5, "half", None)[..end]).await;
        assert_eq!(half.packet().await, None, "{end}");
        assert_eq!(half.close_code, Some(1003), "{end}");
    });
    join_all(closed).await;
    check_round_trip(&mut client, "patience").await;
    station.stop().await;
}

/// The one who reads nothing is closed, and takes no more of the station than the buffers on its
/// way, while another gets everything.
#[tokio::test]
async fn slow_reader_is_closed_and_the_others_get_everything() {
    const MESSAGES: u32 = 400;
    let limits = Limits { stall_timeout: Duration::from_millis(500), ..Limits::default() };
    let station = limited(limits).await;
    for way in [Way::Tcp, Way::Mqtt] {
        let mut slow = Client::connected(&station, way, V5, "slow").await;
        slow.subscribe(V5, "flood", 0).await;
        let mut quick = Client::connected(&station, way, V5, "quick").await;
        quick.subscribe(V5, "flood", 0).await;
        let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
        let payload = |number: u32| [&number.to_be_bytes()[..], &[b'x'; 60_000]].concat();
        for number in 0..MESSAGES {
            source.send(&publish(V5, "flood", 0, 0, &payload(number))).await;
            assert!(quick.packet().await.unwrap().ends_with(&payload(number)), "{way:?} {number}");
        }
        // The two others, and the one that asks.
        wait_for_connections(&station, 3).await;
        // What is in the system's buffers can still be read, and then it ends in the middle.
        let received = slow.bytes_until_closed().await;
        assert!((60_000..MESSAGES as usize * 60_000).contains(&received), "{way:?}: {received} bytes came");
        check_round_trip(&mut quick, "after the flood").await;
    }
    station.stop().await;
}

/// Some of what a slow reader is sent gets through all the time, so it doesn't stall; but what waits
/// for it is in memory.
#[tokio::test]
async fn slow_client_is_closed_before_it_uses_memory() {
    const MESSAGES: u32 = 400;
    const HOUR: Duration = Duration::from_secs(3_600);
    let limits = Limits { max_behind: 4_000_000, stall_timeout: HOUR, ..Limits::default() };
    let station = limited(limits).await;
    let mut quick = Client::connected(&station, Way::Mqtt, V5, "quick").await;
    quick.subscribe(V5, "flood", 0).await;
    let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
    for way in [Way::Tcp, Way::Mqtt] {
        let mut slow = Client::connected(&station, way, V5, "slow").await;
        slow.subscribe(V5, "flood", 0).await;
        for number in 0..MESSAGES {
            let payload = [&number.to_be_bytes()[..], &[b'x'; 60_000]].concat();
            source.send(&publish(V5, "flood", 0, 0, &payload)).await;
            assert!(quick.packet().await.unwrap().ends_with(&payload), "{way:?} {number}");
        }
        // The two others, and the one that asks.
        wait_for_connections(&station, 3).await;
        let received = slow.bytes_until_closed().await;
        assert!((60_000..MESSAGES as usize * 60_000).contains(&received), "{way:?}: {received} bytes came");
    }
    station.stop().await;
}

/// A message that is told by its number from others of its size.
const MESSAGE_BYTES: usize = 60_000;

async fn flood(source: &mut Client, number: usize) {
    let payload = [&[b'x'; MESSAGE_BYTES - 8][..], &number.to_be_bytes()].concat();
    source.send(&publish(V5, "flood", 1, 7, &payload)).await;
    assert_eq!(source.packet().await.unwrap()[0], 0x40);
}

/// Takes and acknowledges messages up to the one with this number; returns the numbers.
async fn take_flood(client: &mut Client, last: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        let packet = client.packet().await.unwrap();
        // Behind the head, whose length takes three bytes, and the topic.
        client.send(&[0x40, 2, packet[11], packet[12]]).await;
        numbers.push(usize::from_be_bytes(*packet.last_chunk().unwrap()));
    }
    numbers
}

/// Its will says that the client is away.
#[tokio::test]
async fn queues_of_absent_clients_are_bounded_and_the_largest_is_trimmed() {
    const MESSAGES: usize = 100;
    const MOST_BYTES: usize = 1_000_000;
    let station = limited(Limits { max_waiting: MOST_BYTES as u64, ..Limits::default() }).await;
    let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
    source.subscribe(V5, "gone", 0).await;
    let connect = |id: &str| persistent_connect(id, 4, &[&[0], &string("gone"), &string(id)]);
    for (id, topic) in [("modest", "small"), ("greedy", "flood")] {
        let (mut client, _) = resume(&station, Way::Mqtt, &connect(id)).await;
        client.subscribe(V5, topic, 1).await;
        drop(client);
        assert!(source.packet().await.unwrap().ends_with(id.as_bytes()));
    }
    source.send(&publish(V5, "small", 1, 7, b"kept")).await;
    assert_eq!(source.packet().await.unwrap()[0], 0x40);
    for number in 0..MESSAGES {
        flood(&mut source, number).await;
    }
    let (mut greedy, is_present) = resume(&station, Way::Mqtt, &connect("greedy")).await;
    assert!(is_present);
    let numbers = take_flood(&mut greedy, MESSAGES - 1).await;
    assert!((MOST_BYTES * 3 / 4..=MOST_BYTES).contains(&(numbers.len() * MESSAGE_BYTES)), "{numbers:?}");
    assert!(numbers.iter().copied().eq(MESSAGES - numbers.len()..MESSAGES), "the newest, in order: {numbers:?}");
    assert_eq!(health(&station, "dropped").await, MESSAGES - numbers.len());
    let (mut modest, _) = resume(&station, Way::Mqtt, &connect("modest")).await;
    assert!(modest.packet().await.unwrap().ends_with(b"kept"));
    station.stop().await;
}

#[tokio::test]
async fn messages_beyond_the_rate_wait_and_are_not_lost() {
    const MESSAGES: u32 = 300;
    const RATE: u32 = 200;
    /// A second's worth may come at once.
    const WAIT: Duration = Duration::from_millis(1_000 * (MESSAGES - RATE) as u64 / RATE as u64);
    let limits = Limits { max_rate: Some(RATE.try_into().unwrap()), ..Limits::default() };
    let station = limited(limits).await;
    for way in [Way::Tcp, Way::Mqtt] {
        let mut client = Client::connected(&station, way, V5, "fast").await;
        client.subscribe(V5, "fast", 0).await;
        let burst: Vec<u8> =
            (0..MESSAGES).flat_map(|number| publish(V5, "fast", 0, 0, &number.to_be_bytes())).collect();
        let began = Instant::now();
        client.send(&burst).await;
        for number in 0..MESSAGES {
            assert!(client.packet().await.unwrap().ends_with(&number.to_be_bytes()), "{way:?} {number}");
        }
        client.send(&[0xC0, 0]).await;
        assert_eq!(client.packet().await.unwrap(), [0xD0, 0]);
        assert!(began.elapsed() >= WAIT, "{way:?} {:?}", began.elapsed());
    }
    station.stop().await;
}

/// A number of retained messages, each for a topic of its own.
#[tokio::test]
async fn retained_messages_beyond_their_limit_are_delivered_and_not_kept() {
    const BYTES: usize = 8 << 20;
    let station = limited(Limits::default()).await;
    let mut live = Client::connected(&station, Way::Tcp, V5, "live").await;
    live.subscribe(V5, "kept/#", 0).await;
    let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
    for number in 0..9 {
        let mut retained = publish(V5, &format!("kept/{number}"), 1, 7, &vec![b'x'; BYTES]);
        retained[0] |= 1;
        source.send(&retained).await;
        assert!(live.packet().await.unwrap().len() > BYTES, "{number}");
        assert_eq!(source.packet().await.unwrap()[0], 0x40);
    }
    let mut late = Client::connected(&station, Way::Tcp, V5, "late").await;
    late.subscribe(V5, "kept/#", 0).await;
    for _ in 0..7 {
        assert_eq!(late.packet().await.unwrap()[0], 0x31);
    }
    late.send(&[0xC0, 0]).await;
    assert_eq!(late.packet().await.unwrap(), [0xD0, 0], "64 MiB are kept, with all that belongs to them");
    station.stop().await;
}
