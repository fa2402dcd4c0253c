//! Sessions outlive their connections, however these end.

use super::client::{Client, Version, Way, connect, packet, publish, string};
use super::users::HASH;
use super::{file, quiet, station};
use Version::V5;
use mqtt_crawl_station::{Options, Station};

/// A CONNECT whose session lasts for a minute; `flags` without those of the credentials.
pub fn lasting(id: &str, flags: u8, keep_alive_s: u8, payload: &[&[u8]]) -> Vec<u8> {
    let head = [&string("MQTT")[..], &[5, flags, 0, keep_alive_s, 5, 0x11, 0, 0, 0, 60]].concat();
    packet(0x10, &[&head, &string(id), &payload.concat()])
}

/// Connects with this CONNECT; returns the client and whether the station has its session.
pub async fn take_up(station: &Station, way: Way, connect: &[u8]) -> (Client, bool) {
    let mut client = Client::open(station, way).await;
    client.send(connect).await;
    let connack = client.packet().await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
    (client, connack[2] == 1)
}

/// Whether the CONNECT is the same and the session held, or another and the library's to take over.
#[tokio::test]
async fn a_session_is_found_again_with_what_it_has_received() {
    let station = station().await;
    let mut witness = Client::connected(&station, Way::Tcp, V5, "witness").await;
    witness.subscribe(V5, "t", 0).await;
    for way in [Way::Tcp, Way::Mqtt] {
        for keep_alive_s in [60, 50] {
            let id = format!("{way:?} {keep_alive_s}");
            let (mut first, is_present) = take_up(&station, way, &lasting(&id, 0, 60, &[])).await;
            assert!(!is_present);
            first.send(&publish(V5, "t", 2, 7, b"once")).await;
            assert_eq!(first.packet().await.unwrap()[0], 0x50);
            assert!(witness.packet().await.unwrap().ends_with(b"once"));
            drop(first);
            let (mut second, is_present) = take_up(&station, way, &lasting(&id, 0, keep_alive_s, &[])).await;
            assert!(is_present, "{id}");
            let mut again = publish(V5, "t", 2, 7, b"once");
            again[0] |= 8;
            second.send(&again).await;
            assert_eq!(second.packet().await.unwrap(), [0x50, 2, 0, 7]);
            second.send(&[0x62, 2, 0, 7]).await;
            assert_eq!(second.packet().await.unwrap()[0], 0x70);
            second.send(&publish(V5, "t", 2, 7, b"another")).await;
            assert!(witness.packet().await.unwrap().ends_with(b"another"), "{id}");
            let (_, is_present) = take_up(&station, way, &lasting(&id, 2, 60, &[])).await;
            assert!(!is_present, "Clean Start");
        }
    }
    station.stop().await;
}

#[tokio::test]
async fn who_is_taken_over_is_told_so_whatever_takes_over() {
    let station = station().await;
    for flags_and_keep_alive in [(0, 60), (0, 50), (2, 60)] {
        let (mut first, _) = take_up(&station, Way::Tcp, &lasting("same", 0, 60, &[])).await;
        let (flags, keep_alive_s) = flags_and_keep_alive;
        let (mut second, _) = take_up(&station, Way::Tcp, &lasting("same", flags, keep_alive_s, &[])).await;
        assert_eq!(first.packet().await.unwrap(), [0xE0, 2, 0x8E, 0], "{flags_and_keep_alive:?}");
        assert_eq!(first.packet().await, None);
        second.send(&[0xC0, 0]).await;
        assert_eq!(second.packet().await.unwrap(), [0xD0, 0]);
    }
    station.stop().await;
}

/// [MQTT-3.1.2-8]
#[tokio::test]
async fn the_will_of_a_lasting_session_comes_when_its_client_vanishes() {
    let station = station().await;
    let mut witness = Client::connected(&station, Way::Tcp, V5, "witness").await;
    witness.subscribe(V5, "will", 0).await;
    let will = [&[0][..], &string("will"), &string("gone")].concat();
    let (client, _) = take_up(&station, Way::Tcp, &lasting("mortal", 4, 60, &[&will])).await;
    drop(client);
    assert!(witness.packet().await.unwrap().ends_with(b"gone"));
    station.stop().await;
}

#[tokio::test]
async fn a_held_session_is_only_for_who_knows_the_password() {
    let users = file("held-users", &format!("ana:{HASH}\n"));
    let station = Station::start(&Options { users: Some(users), ..quiet() }).await.unwrap();
    let (right, wrong) = ([string("ana"), string("open sesame")].concat(), [string("ana"), string("sesame")].concat());
    let (mut first, _) = take_up(&station, Way::Tcp, &lasting("id", 0xC0, 60, &[&right])).await;
    let mut thief = Client::open(&station, Way::Tcp).await;
    thief.send(&lasting("id", 0xC0, 60, &[&wrong])).await;
    assert_eq!(thief.packet().await.unwrap()[3], 0x86);
    let mut thief = Client::open(&station, Way::Tcp).await;
    thief.send(&connect(V5, "id", None)).await;
    assert_eq!(thief.packet().await.unwrap()[3], 0x87);
    first.send(&[0xC0, 0]).await;
    assert_eq!(first.packet().await.unwrap(), [0xD0, 0]);
    drop(first);
    let (_, is_present) = take_up(&station, Way::Tcp, &lasting("id", 0xC0, 60, &[&right])).await;
    assert!(is_present);
    station.stop().await;
}

/// More sessions than are held at once: the first is left to the library, which keeps what waits for
/// it.
#[tokio::test]
async fn a_session_that_is_held_no_longer_is_not_gone() {
    const SESSIONS: usize = 140;
    let station = station().await;
    let (mut first, _) = take_up(&station, Way::Tcp, &lasting("first", 0, 60, &[])).await;
    first.subscribe(V5, "t", 1).await;
    drop(first);
    for number in 0..SESSIONS {
        take_up(&station, Way::Tcp, &lasting(&format!("other {number}"), 0, 60, &[])).await;
    }
    let mut from = Client::connected(&station, Way::Tcp, V5, "from").await;
    from.send(&publish(V5, "t", 1, 5, b"waiting")).await;
    assert_eq!(from.packet().await.unwrap()[0], 0x40);
    let (mut first, is_present) = take_up(&station, Way::Tcp, &lasting("first", 0, 60, &[])).await;
    assert!(is_present);
    assert!(first.packet().await.unwrap().ends_with(b"waiting"));
    station.stop().await;
}
