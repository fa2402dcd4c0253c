//! Packets at random, and honest clients beside them who lose nothing.
//!
//! `MQTT_CRAWL_ATTACK_SECONDS` is its length; a minute and more is run with `MQTT_CRAWL_ATTACK_HONEST=200`.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, PATIENCE, Version, Way, connect, packet, publish, string, subscribe, tcp};
use super::{Limits, Station, limited};
use Version::V5;

const ATTACKERS: u64 = 20;

fn parameter(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// SplitMix64: the same packets in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// A packet of any kind, sound or with some bytes changed.
    fn packet(&mut self) -> Vec<u8> {
        let length = self.below(300);
        let topic = ["a", "/", "a/b", "$SYS/x", "+", "#", "$share/g/t"][self.below(7)];
        let payload = self.bytes(length);
        let mut bytes = match self.below(8) {
            0 => subscribe(V5, topic, (length % 4) as u8),
            1 => publish(V5, topic, (length % 4) as u8, length as u16, &payload),
            2 => packet(0xA2, &[&[0, 1, 0], &string(topic)]),
            3 => packet([0x40, 0x50, 0x62, 0x70][length % 4], &[&payload[..length.min(4)]]),
            4 => vec![0xC0, 0],
            5 => packet(self.next() as u8, &[&payload]),
            6 => connect(V5, topic, None),
            _ => payload,
        };
        for _ in 0..self.below(3) {
            if !bytes.is_empty() {
                let index = self.below(bytes.len());
                bytes[index] = self.next() as u8;
            }
        }
        bytes
    }
}

/// Connects and sends packets until it is closed, again and again.
async fn attack(station: &Station, seed: u64, end: Instant) {
    let mut random = Random(seed);
    while Instant::now() < end {
        let address = if random.below(2) == 0 { tcp(station) } else { station.http() };
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        if address == station.http() {
            let upgrade = "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                           Sec-WebSocket-Protocol: mqtt\r\n\r\n";
            let _ = stream.write_all(upgrade.as_bytes()).await;
        }
        let mut first = connect(V5, &format!("attacker {seed}"), None);
        for _ in 0..random.below(50) {
            // Unmasked zeroes are masked with zeroes.
            let header = [0x82, 0xFE, (first.len() >> 8) as u8, first.len() as u8, 0, 0, 0, 0];
            let header = if address == station.http() { &header[..] } else { &[] };
            if stream.write_all(&[header, &first].concat()).await.is_err() {
                break;
            }
            first = random.packet();
        }
    }
}

/// Sends numbers to itself, by QoS 1, and gets each of them once and in order.
async fn be_honest(station: &Station, number: u64, end: Instant) -> u32 {
    let topic = format!("honest/{number}");
    let way = if number.is_multiple_of(2) { Way::Mqtt } else { Way::Tcp };
    let mut client = Client::connected(station, way, V5, &topic).await;
    assert_eq!(client.subscribe(V5, &topic, 0).await, 0);
    let mut sent: u32 = 0;
    // Once at least, however busy the machine is.
    while sent == 0 || Instant::now() < end {
        client.send(&publish(V5, &topic, 1, 1, &sent.to_be_bytes())).await;
        let (mut is_acknowledged, mut is_received) = (false, false);
        while !(is_acknowledged && is_received) {
            let packet = timeout(PATIENCE, client.packet()).await.expect("nothing comes").expect("it was closed");
            match packet[0] >> 4 {
                4 => is_acknowledged = true,
                _ => {
                    assert!(packet.ends_with(&sent.to_be_bytes()), "instead of {sent} came {packet:02x?}");
                    is_received = true;
                }
            }
        }
        sent += 1;
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_packets_do_not_affect_other_clients() {
    let seconds = parameter("MQTT_CRAWL_ATTACK_SECONDS", 3);
    let honest = parameter("MQTT_CRAWL_ATTACK_HONEST", 10);
    let station = limited(Limits::default()).await;
    let end = Instant::now() + Duration::from_secs(seconds);
    let attackers = futures_util::future::join_all((0..ATTACKERS).map(|seed| attack(&station, seed, end)));
    let clients = futures_util::future::join_all((0..honest).map(|number| be_honest(&station, number, end)));
    let (_, sent) = tokio::join!(attackers, clients);
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
        let mib = kib.trim().parse::<u64>().unwrap() / 1024;
        eprintln!("{} messages of honest clients, {mib} MiB at most", sent.iter().sum::<u32>());
        assert!(mib < 1_000, "{mib} MiB");
    }
    station.stop().await;
}
