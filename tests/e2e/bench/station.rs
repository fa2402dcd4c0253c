//! The released station at an event: a thousand clients without a subscription, twenty that subscribe to everything,
//! and hostile ones.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{join_all, try_join_all};
use futures_util::{SinkExt, StreamExt};
use mqtt_crawl_e2e::station::Station;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::report::Report;
use crate::usage::Usage;

const IDLE_CLIENTS: usize = 1_000;
const SUBSCRIBERS: usize = 20;
const PER_SECOND: u64 = 5_000;
const SECONDS: u64 = 10;
const MESSAGES: u64 = PER_SECOND * SECONDS;
const TOPIC: &str = "event";
/// About the size of a line of dialogue.
const PAYLOAD_BYTES: usize = 90;
/// The interval at which the source sends due messages.
const SEND_INTERVAL: Duration = Duration::from_millis(5);
/// Longer than any operation here on an idle machine.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

const ATTEMPTS: usize = 10_000;
const HALF_HANDSHAKES: usize = 300;

type Socket = WebSocketStream<TcpStream>;

/// Measures the station without hostile clients, and then with them.
pub async fn event(report: &mut Report) -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    // All clients have the same address here.
    let options = ["--max-connections", "2400", "--max-per-address", "1600", "--log-level", "error"];
    let station = Station::start_with(&options).await?;
    let process = Usage::of(station.pid()?);
    let rss_at_start = process.memory_mib()?;

    let (http, mqtt) = (station.http_port()?, station.mqtt_port()?);
    let mut idle = Vec::new();
    for number in 0..IDLE_CLIENTS {
        idle.push(connected(http, &format!("idle {number}")).await?);
    }
    let rss_with_idle = process.memory_mib()?;
    let per_client_kib = (rss_with_idle - rss_at_start) * 1024.0 / IDLE_CLIENTS as f64;
    report.add(
        format!("{IDLE_CLIENTS} idle WebSocket clients, each takes"),
        format!("{per_client_kib:.0} KiB ({rss_with_idle:.0} MiB in all)"),
        "reported",
        true,
    );

    round(report, &process, "with them", (http, mqtt)).await?;
    let hostile = tokio::spawn(run_hostile_clients(http, mqtt));
    round(report, &process, "with hostile clients", (http, mqtt)).await?;
    hostile.await??.add_to(report);

    let mut alive = 0;
    for client in &mut idle {
        client.send(Message::binary(&b"\xC0\x00"[..])).await?;
        alive += u64::from(binary(client).await? == b"\xD0\x00");
    }
    let all = IDLE_CLIENTS as u64;
    report.add("idle clients answered afterwards", format!("{alive}"), format!("{all}"), alive == all);
    let rss = process.memory_mib()?;
    report.add("memory at the end", format!("{rss:.0} MiB"), "below 1,000 MiB", rss < 1_000.0);
    Ok(())
}

/// Sends messages at a rate to all subscribers and checks that each receives all, in order.
async fn round(report: &mut Report, process: &Usage, when: &str, (http, mqtt): (u16, u16)) -> Result<()> {
    let mut subscribers: Vec<JoinHandle<Result<Received>>> = Vec::new();
    for number in 0..SUBSCRIBERS {
        let mut socket = connected(http, &format!("subscriber {number}")).await?;
        let subscribe = [&[0x82, (TOPIC.len() + 6) as u8, 0, 1, 0, 0, TOPIC.len() as u8], TOPIC.as_bytes(), &[0]];
        socket.send(Message::binary(subscribe.concat())).await?;
        ensure!(binary(&mut socket).await?.first() == Some(&0x90), "no SUBACK");
        subscribers.push(tokio::spawn(receive(socket)));
    }
    let (started, time_before) = (Instant::now(), process.time()?);
    let source = tokio::spawn(send(mqtt));
    let received = timeout(WAIT_TIMEOUT, try_join_all(subscribers)).await.context("messages don't arrive")??;
    let received: Vec<Received> = received.into_iter().collect::<Result<_>>()?;
    let took = started.elapsed();
    let sent_in = source.await??;
    let busy = process.time()? - time_before;

    let arrived: u64 = received.iter().map(|each| each.messages).sum();
    let expected = MESSAGES * SUBSCRIBERS as u64;
    report.add(
        format!("messages to {SUBSCRIBERS} subscribers {when}"),
        arrived.to_string(),
        expected.to_string(),
        arrived == expected,
    );
    let lost: u64 = received.iter().map(|each| each.lost).sum();
    report.add(format!("lost, doubled or out of order {when}"), lost.to_string(), "0", lost == 0);
    let rate = MESSAGES as f64 / sent_in.as_secs_f64();
    report.add(
        format!("messages a second into the station {when}"),
        format!("{rate:.0}; the last arrived {:.2} s after it was sent", (took - sent_in.min(took)).as_secs_f64()),
        format!("{PER_SECOND}"),
        rate > PER_SECOND as f64 * 0.99,
    );
    let cores = busy.as_secs_f64() / took.as_secs_f64();
    report.add(format!("processor cores the station took {when}"), format!("{cores:.2}"), "at most 2", cores <= 2.0);
    Ok(())
}

/// The messages that a subscriber received.
struct Received {
    messages: u64,
    lost: u64,
}

async fn receive(mut socket: Socket) -> Result<Received> {
    let packet_bytes = message(0).len();
    let (mut bytes, mut received, mut next) = (Vec::new(), Received { messages: 0, lost: 0 }, 0);
    while next < MESSAGES {
        bytes.extend(binary(&mut socket).await?);
        let whole = bytes.len() / packet_bytes * packet_bytes;
        for packet in bytes[..whole].chunks(packet_bytes) {
            let number: [u8; 8] = packet[packet_bytes - PAYLOAD_BYTES..][..8].try_into()?;
            let number = u64::from_be_bytes(number);
            received.messages += 1;
            received.lost += number.abs_diff(next);
            next = number + 1;
        }
        bytes.drain(..whole);
    }
    Ok(received)
}

/// Sends all messages at their rate; returns the time taken.
async fn send(mqtt: u16) -> Result<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", mqtt)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&connect("source")).await?;
    let mut connack = [0; 5];
    stream.read_exact(&mut connack).await?;
    let mut ticks = interval(SEND_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = Instant::now();
    let mut sent = 0;
    while sent < MESSAGES {
        ticks.tick().await;
        let due = MESSAGES.min((started.elapsed().as_secs_f64() * PER_SECOND as f64) as u64);
        let burst: Vec<u8> = (sent..due).flat_map(message).collect();
        stream.write_all(&burst).await?;
        sent = due;
    }
    let took = started.elapsed();
    // DISCONNECT; the station closes.
    stream.write_all(&[0xE0, 0]).await?;
    timeout(WAIT_TIMEOUT, stream.read_to_end(&mut Vec::new()))
        .await
        .context("the station doesn't close the source's connection")??;
    Ok(took)
}

fn message(number: u64) -> Vec<u8> {
    let length = (2 + TOPIC.len() + 1 + PAYLOAD_BYTES) as u8;
    let head = [&[0x30, length, 0, TOPIC.len() as u8], TOPIC.as_bytes(), &[0]].concat();
    [&head[..], &number.to_be_bytes(), &[b'x'; PAYLOAD_BYTES - 8]].concat()
}

/// CONNECT of MQTT 5.0 with Clean Start and no Keep Alive.
fn connect(id: &str) -> Vec<u8> {
    let length = (13 + id.len()) as u8;
    let head = [0x10, length, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, id.len() as u8];
    [&head[..], id.as_bytes()].concat()
}

async fn websocket(http: u16, origin: Option<&'static str>) -> Result<Socket> {
    let mut request = format!("ws://127.0.0.1:{http}/mqtt").into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", HeaderValue::from_static(origin));
    }
    let stream = TcpStream::connect(("127.0.0.1", http)).await?;
    stream.set_nodelay(true)?;
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

async fn connected(http: u16, id: &str) -> Result<Socket> {
    let mut socket = websocket(http, None).await?;
    socket.send(Message::binary(connect(id))).await?;
    let connack = binary(&mut socket).await?;
    ensure!(matches!(connack[..], [0x20, _, _, 0, ..]), "the connection was refused: {connack:02x?}");
    Ok(socket)
}

async fn binary(socket: &mut Socket) -> Result<Vec<u8>> {
    match timeout(WAIT_TIMEOUT, socket.next()).await.context("nothing arrives")? {
        Some(Ok(Message::Binary(bytes))) => Ok(bytes.into()),
        other => bail!("received {other:?} instead of a packet"),
    }
}

/// The results of the hostile clients.
struct HostileResults {
    foreign_refused: u64,
    oversized_refused: u64,
    halves_closed: u64,
    slow_reader_closed: bool,
    attempts_over: u64,
}

impl HostileResults {
    fn add_to(&self, report: &mut Report) {
        let mut count = |what: &str, result: u64, target: usize| {
            report.add(what, result.to_string(), target.to_string(), result == target as u64);
        };
        count("foreign origins refused", self.foreign_refused, 100);
        count("oversized packets refused with 0x95", self.oversized_refused, 20);
        count("half handshakes closed", self.halves_closed, HALF_HANDSHAKES);
        count("slow readers closed", self.slow_reader_closed.into(), 1);
        count("connections tried at once, and closed by the station", self.attempts_over, ATTEMPTS);
    }
}

async fn run_hostile_clients(http: u16, mqtt: u16) -> Result<HostileResults> {
    let slow_reader = tokio::spawn(slow_reader(http));
    let mut foreign_refused = 0;
    for _ in 0..100 {
        let mut socket = websocket(http, Some("https://other.example")).await?;
        let refused = timeout(WAIT_TIMEOUT, socket.next()).await.context("a foreign page stays connected")?;
        foreign_refused += u64::from(
            matches!(refused, Some(Ok(Message::Close(Some(close)))) if close.reason.contains("--allow-origin")),
        );
    }
    let mut oversized_refused = 0;
    for number in 0..20 {
        let mut socket = connected(http, &format!("oversized {number}")).await?;
        // It announces 40 MiB.
        socket.send(Message::binary(&b"\x30\x80\x80\x80\x14\x00\x01t\x00"[..])).await?;
        oversized_refused += u64::from(binary(&mut socket).await? == [0xE0, 2, 0x95, 0]);
    }
    let halves = (0..HALF_HANDSHAKES).map(|number| {
        let (port, bytes): (_, &[u8]) = match number % 4 {
            0 => (mqtt, b""),
            1 => (mqtt, b"\x10\x20\x00\x04MQ"),
            2 => (http, b""),
            _ => (http, b"GET /mqtt HTTP/1.1\r\nHost: "),
        };
        until_closed(port, bytes)
    });
    let halves_closed = join_all(halves).await.into_iter().filter(|closed| *closed).count() as u64;
    // Garbage is refused at once; connections over the limit are refused even before that.
    let attempts = (0..ATTEMPTS).map(|number| match number % 2 {
        0 => until_closed(mqtt, b"\x00garbage"),
        _ => until_closed(http, b"garbage\r\n\r\n"),
    });
    let attempts_over = join_all(attempts).await.into_iter().filter(|closed| *closed).count() as u64;
    let slow_reader_closed = timeout(WAIT_TIMEOUT, slow_reader).await.is_ok_and(|ended| matches!(ended, Ok(Ok(()))));
    Ok(HostileResults { foreign_refused, oversized_refused, halves_closed, slow_reader_closed, attempts_over })
}

/// Connects, sends these bytes, and checks that the station closes.
async fn until_closed(port: u16, bytes: &[u8]) -> bool {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(bytes).await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    // An error counts, too: the station closed before everything was sent.
    timeout(WAIT_TIMEOUT, exchange).await.is_ok()
}

/// Subscribes to everything and reads nothing, until it is closed.
async fn slow_reader(http: u16) -> Result<()> {
    let mut socket = connected(http, "slow").await?;
    socket.send(Message::binary(&b"\x82\x07\x00\x01\x00\x00\x01#\x00"[..])).await?;
    // Writes succeed until the connection is closed.
    let mut ticks = interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        if socket.send(Message::binary(&b"\xC0\x00"[..])).await.is_err() {
            return Ok(());
        }
    }
}
