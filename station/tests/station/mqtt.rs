//! Both versions, over TCP and `/mqtt`.

use super::client::{Client, Version, Way, connect, packet, publish, string};
use super::station;
use Version::{V5, V311};

/// One publishes at each QoS, one receives, whichever way either came and whichever version it
/// speaks.
async fn check_round_trip(publisher: (Way, Version), subscriber: (Way, Version)) {
    let station = station().await;
    let mut to = Client::connected(&station, subscriber.0, subscriber.1, "to").await;
    assert_eq!(to.subscribe(subscriber.1, "Star/+", 2).await, 2);
    let mut from = Client::connected(&station, publisher.0, publisher.1, "from").await;
    for qos in 0..=2 {
        let payload = format!("{publisher:?} {qos}").into_bytes();
        from.send(&publish(publisher.1, "Star/Wars", qos, 7, &payload)).await;
        match qos {
            1 => assert_eq!(from.packet().await.unwrap()[0], 0x40),
            2 => {
                assert_eq!(from.packet().await.unwrap()[0], 0x50);
                from.send(&[0x62, 2, 0, 7]).await;
                assert_eq!(from.packet().await.unwrap()[0], 0x70);
            }
            _ => {}
        }
        let received = to.packet().await.unwrap();
        assert_eq!(received[0] & 0xF6, 0x30 | qos << 1, "{received:02x?}");
        assert_eq!(received[2..13], string("Star/Wars"));
        assert!(received.ends_with(&payload), "{received:02x?}");
    }
    station.stop().await;
}

#[tokio::test]
async fn messages_pass_between_all_ways_and_versions() {
    check_round_trip((Way::Tcp, V5), (Way::Tcp, V311)).await;
    check_round_trip((Way::Tcp, V311), (Way::Mqtt, V5)).await;
    check_round_trip((Way::Mqtt, V5), (Way::Mqtt, V311)).await;
    check_round_trip((Way::Mqtt, V311), (Way::Tcp, V5)).await;
}

/// [MQTT-6.0.0-2]
#[tokio::test]
async fn frames_and_packets_may_be_split_differently() {
    let station = station().await;
    let mut client = Client::open(&station, Way::Mqtt).await;
    for byte in connect(V5, "bytes", None) {
        client.send(&[byte]).await;
    }
    assert_eq!(client.packet().await.unwrap()[0], 0x20);
    client.send(&[0xC0, 0, 0xC0, 0, 0xC0]).await;
    client.send(&[0]).await;
    for _ in 0..3 {
        assert_eq!(client.packet().await.unwrap(), [0xD0, 0]);
    }
    station.stop().await;
}

/// [MQTT-6.0.0-1]
#[tokio::test]
async fn text_frames_close_the_connection() {
    let station = station().await;
    let mut client = Client::connected(&station, Way::Mqtt, V5, "text").await;
    client.send_text("hello").await;
    assert_eq!(client.packet().await, None);
    assert_eq!(client.close_code, Some(1003));
    station.stop().await;
}

#[tokio::test]
async fn burst_reaches_a_websocket_completely_and_in_order() {
    const MESSAGES: u32 = 20_000;
    let station = station().await;
    for (qos, name) in [(0, "burst/0"), (1, "burst/1")] {
        let mut to = Client::connected(&station, Way::Mqtt, V5, &format!("to {name}")).await;
        to.subscribe(V5, name, 0).await;
        let mut from = Client::connected(&station, Way::Tcp, V311, &format!("from {name}")).await;
        let burst: Vec<u8> = (0..MESSAGES)
            .flat_map(|number| publish(V311, name, qos, (number % 60_000 + 1) as u16, &number.to_be_bytes()))
            .collect();
        // Acknowledgements are read meanwhile, else both sides would wait for the other to read.
        let sending = tokio::spawn(async move {
            let mut acknowledged = 0;
            for chunk in burst.chunks(64 * 1024) {
                from.send(chunk).await;
            }
            while qos == 1 && acknowledged < MESSAGES {
                assert_eq!(from.packet().await.unwrap()[0], 0x40);
                acknowledged += 1;
            }
            from
        });
        for number in 0..MESSAGES {
            let received = to.packet().await.unwrap();
            assert!(received.ends_with(&number.to_be_bytes()), "{number} missing: {received:02x?}");
        }
        sending.await.unwrap();
    }
    station.stop().await;
}

/// More than the 16 MiB that a WebSocket library takes in one frame unless told otherwise.
#[tokio::test]
async fn a_packet_may_exceed_16_mib() {
    let station = station().await;
    let mut client = Client::connected(&station, Way::Mqtt, V5, "large").await;
    client.subscribe(V5, "large", 0).await;
    let payload = vec![b'x'; 17 << 20];
    client.send(&publish(V5, "large", 0, 0, &payload)).await;
    let received = client.packet().await.unwrap();
    assert!(received.ends_with(&payload), "{} bytes", received.len());
    station.stop().await;
}

#[tokio::test]
async fn taken_over_client_gets_a_disconnect() {
    let station = station().await;
    let mut first = Client::connected(&station, Way::Mqtt, V5, "same").await;
    let mut second = Client::connected(&station, Way::Mqtt, V5, "same").await;
    assert_eq!(first.packet().await.unwrap(), [0xE0, 2, 0x8E, 0]);
    assert_eq!(first.packet().await, None);
    second.send(&[0xC0, 0]).await;
    assert_eq!(second.packet().await.unwrap(), [0xD0, 0]);
    station.stop().await;
}

#[tokio::test]
async fn malformed_packet_is_answered_with_a_reason_code() {
    let station = station().await;
    let mut client = Client::connected(&station, Way::Mqtt, V5, "malformed").await;
    // Topic alias 0 [MQTT-3.3.2-8].
    client.send(&packet(0x30, &[&string("t"), &[3, 0x23, 0, 0], b"x"])).await;
    // The library says no more than that it is an error.
    assert_eq!(client.packet().await.unwrap(), [0xE0, 2, 0x80, 0]);
    assert_eq!(client.packet().await, None);
    station.stop().await;
}

/// [MQTT-3.14.4-3]
#[tokio::test]
async fn client_is_closed_after_its_disconnect() {
    let station = station().await;
    for (version, goodbye) in [(V311, &[0xE0, 0][..]), (V5, &[0xE0, 2, 0, 0])] {
        for way in [Way::Mqtt, Way::Tcp] {
            let mut client = Client::connected(&station, way, version, "goodbye").await;
            client.send(goodbye).await;
            assert_eq!(client.packet().await, None, "{way:?} {version:?}");
            assert_eq!(client.close_code, (way == Way::Mqtt).then_some(1000));
        }
    }
    station.stop().await;
}

/// [MQTT-3.3.1-6]
#[tokio::test]
async fn retained_messages_wait_for_subscribers() {
    let station = station().await;
    let mut from = Client::connected(&station, Way::Tcp, V5, "from").await;
    for (topic, payload) in [("kept", &b"now"[..]), ("gone", b"then"), ("gone", b"")] {
        let mut retained = publish(V5, topic, 1, 3, payload);
        retained[0] |= 1;
        from.send(&retained).await;
        assert_eq!(from.packet().await.unwrap()[0], 0x40);
    }
    let mut to = Client::connected(&station, Way::Mqtt, V5, "to").await;
    to.subscribe(V5, "#", 0).await;
    let received = to.packet().await.unwrap();
    assert_eq!(received[0], 0x31);
    assert!(received.ends_with(b"now"), "{received:02x?}");
    to.send(&[0xC0, 0]).await;
    assert_eq!(to.packet().await.unwrap(), [0xD0, 0], "nothing else was kept");
    station.stop().await;
}
