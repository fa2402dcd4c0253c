//! The WebSocket paths in front of another broker: here, that of another station.

use mqtt_crawl_station::{Limits, Options, Station};
use tokio::net::TcpListener;

use super::client::{Client, Version, Way, connect, publish, subscribe, tcp};
use super::{quiet, station};
use Version::{V5, V311};

async fn in_front_of(address: std::net::SocketAddr, limits: Limits) -> Station {
    Station::start(&Options { upstream: Some(format!("mqtt://{address}")), limits, ..quiet() }).await.unwrap()
}

#[tokio::test]
async fn messages_pass_between_both_sides() {
    let behind = station().await;
    let proxy = in_front_of(tcp(&behind), Limits::default()).await;
    assert_eq!(proxy.mqtt(), None);
    let announcement = proxy.announcement();
    let first = format!("listening http={} mqtt={}", proxy.http(), tcp(&behind));
    assert_eq!(announcement.lines().next(), Some(first.as_str()));
    for (way, version) in [(Way::Mqtt, V5), (Way::Mqtt, V311), (Way::Diffusion, V5)] {
        let mut near = Client::connected(&proxy, way, version, "near").await;
        let mut far = Client::connected(&behind, Way::Tcp, version, "far").await;
        near.subscribe(version, "there", 0).await;
        far.subscribe(version, "here", 0).await;
        near.send(&publish(version, "here", 0, 0, b"hello")).await;
        assert!(far.packet().await.unwrap().ends_with(b"hello"), "{way:?}");
        far.send(&publish(version, "there", 0, 0, b"and back")).await;
        assert!(near.packet().await.unwrap().ends_with(b"and back"), "{way:?}");
    }
    proxy.stop().await;
    behind.stop().await;
}

#[tokio::test]
async fn unreachable_upstream_is_reported_in_the_connack() {
    // Bound and released, so that nothing is listening there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = in_front_of(address, Limits::default()).await;
    for (way, version, code) in [(Way::Mqtt, V5, 0x88), (Way::Mqtt, V311, 3), (Way::Diffusion, V5, 0x88)] {
        let mut client = Client::open(&proxy, way).await;
        client.send(&connect(version, "early", None)).await;
        let connack = client.packet().await.unwrap();
        assert_eq!((connack[0], connack[3]), (0x20, code), "{way:?} {version:?}: {connack:02x?}");
        if version == V5 {
            assert!(connack.ends_with(b"can't reach its upstream broker."), "{}", String::from_utf8_lossy(&connack));
        }
        assert_eq!(client.packet().await, None);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_limits_hold_in_front_of_another_broker() {
    let behind = station().await;
    let proxy = in_front_of(tcp(&behind), Limits { max_packet: 1_000, ..Limits::default() }).await;
    let mut client = Client::connected(&proxy, Way::Mqtt, V5, "large").await;
    client.send(&publish(V5, "large", 0, 0, &[b'x'; 2_000])).await;
    assert_eq!(client.packet().await.unwrap(), [0xE0, 2, 0x95, 0]);
    assert_eq!(client.packet().await, None);
    let mut old = Client::open(&proxy, Way::Diffusion).await;
    old.send(&connect(V311, "old", None)).await;
    assert_eq!(old.packet().await.unwrap(), [0x20, 2, 0, 1]);
    proxy.stop().await;
    behind.stop().await;
}

/// As with the broker inside, but that a bad path closes the connection.
#[tokio::test]
async fn proxy_enforces_the_limits_of_diffusion() {
    let behind = station().await;
    let proxy = in_front_of(tcp(&behind), Limits::default()).await;
    let mut to = Client::connected(&proxy, Way::Diffusion, V5, "to").await;
    for qos in 0..=2 {
        assert_eq!(to.subscribe(V5, "Star/#", qos).await, 0);
    }
    let mut open = Client::connected(&proxy, Way::Mqtt, V5, "open").await;
    assert_eq!(open.subscribe(V5, "/Star", 2).await, 2);
    let mut from = Client::connected(&proxy, Way::Diffusion, V5, "from").await;
    from.send(&publish(V5, "Star/Wars", 1, 5, b"hello")).await;
    let received = to.packet().await.unwrap();
    assert_eq!(received[0], 0x30);
    assert!(received.ends_with(b"hello"));

    for (name, packet, code) in
        [("publish", publish(V5, "Star//Wars", 1, 5, b"x"), 0x90), ("subscribe", subscribe(V5, "/Star", 0), 0x8F)]
    {
        let mut client = Client::connected(&proxy, Way::Diffusion, V5, name).await;
        client.send(&packet).await;
        assert_eq!(client.packet().await.unwrap(), [0xE0, 2, code, 0]);
        assert_eq!(client.packet().await, None);
    }
    proxy.stop().await;
    behind.stop().await;
}

#[tokio::test]
async fn each_side_is_closed_when_the_other_closes() {
    let behind = station().await;
    let proxy = in_front_of(tcp(&behind), Limits::default()).await;
    let mut client = Client::connected(&proxy, Way::Mqtt, V5, "left behind").await;
    let (goodbye, ()) = tokio::join!(client.packet(), behind.stop());
    assert_eq!(goodbye.as_deref(), Some(&[0xE0, 2, 0x8B, 0][..]));
    assert_eq!(client.packet().await, None);

    let behind = station().await;
    let second = in_front_of(tcp(&behind), Limits::default()).await;
    let mut client = Client::connected(&second, Way::Mqtt, V5, "sent away").await;
    let (goodbye, ()) = tokio::join!(client.packet(), second.stop());
    assert_eq!(goodbye.as_deref(), Some(&[0xE0, 2, 0x8B, 0][..]));
    behind.stop().await;
    proxy.stop().await;
}
