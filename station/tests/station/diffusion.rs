//! The `/diffusion` path behaves as Diffusion documents.

use super::client::{Client, Version, Way, connect, packet, publish, string};
use super::station;
use Version::{V5, V311};

#[tokio::test]
async fn version_3_1_1_is_refused_in_its_own_format() {
    let station = station().await;
    let mut client = Client::open(&station, Way::Diffusion).await;
    client.send(&connect(V311, "old", None)).await;
    assert_eq!(client.packet().await.unwrap(), [0x20, 2, 0, 1]);
    assert_eq!(client.packet().await, None);
    station.stop().await;
}

#[tokio::test]
async fn publishing_is_limited_to_qos_1() {
    let station = station().await;
    let mut client = Client::open(&station, Way::Diffusion).await;
    client.send(&connect(V5, "up to 1", None)).await;
    let connack = client.packet().await.unwrap();
    // Property 0x24, Maximum QoS.
    assert!(connack.windows(2).any(|pair| pair == [0x24, 1]), "{connack:02x?}");
    let both = [publish(V5, "t", 1, 5, b"fine"), publish(V5, "t", 2, 6, b"not")].concat();
    client.send(&both).await;
    let puback = client.packet().await.unwrap();
    assert_eq!(puback[..4], [0x40, puback[1], 0, 5]);
    assert_eq!(client.packet().await.unwrap(), [0xE0, 2, 0x9B, 0]);
    assert_eq!(client.packet().await, None);
    station.stop().await;
}

/// [MQTT-3.2.2-12]
#[tokio::test]
async fn a_will_at_qos_2_is_refused() {
    let station = station().await;
    let mut client = Client::open(&station, Way::Diffusion).await;
    let head = [&string("MQTT")[..], &[5, 0x16, 0, 60, 0]].concat();
    client.send(&packet(0x10, &[&head, &string("will"), &[0], &string("t"), &string("bye")])).await;
    assert_eq!(client.packet().await.unwrap(), [0x20, 3, 0, 0x9B, 0]);
    assert_eq!(client.packet().await, None);
    station.stop().await;
}

#[tokio::test]
async fn subscriptions_are_granted_qos_0() {
    let station = station().await;
    let mut to = Client::connected(&station, Way::Diffusion, V5, "to").await;
    for qos in 0..=2 {
        assert_eq!(to.subscribe(V5, "Star/#", qos).await, 0);
    }
    let mut from = Client::connected(&station, Way::Tcp, V5, "from").await;
    from.send(&publish(V5, "Star/Wars", 1, 5, b"hello")).await;
    let received = to.packet().await.unwrap();
    assert_eq!(received[0], 0x30);
    assert!(received.ends_with(b"hello"));
    station.stop().await;
}

#[tokio::test]
async fn topic_paths_have_no_empty_level() {
    let station = station().await;
    let mut client = Client::connected(&station, Way::Diffusion, V5, "paths").await;
    assert_eq!(client.subscribe(V5, "/Star", 0).await, 0x8F);
    client.send(&publish(V5, "Star//Wars", 1, 5, b"x")).await;
    let puback = client.packet().await.unwrap();
    assert_eq!((puback[0], puback[4]), (0x40, 0x90), "{puback:02x?}");
    // The other path takes them.
    let mut open = Client::connected(&station, Way::Mqtt, V5, "open").await;
    assert_eq!(open.subscribe(V5, "/Star", 0).await, 0);
    station.stop().await;
}
