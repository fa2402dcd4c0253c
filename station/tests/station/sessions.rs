//! Sessions outlive their connections, and belong to their user.

use mqtt_crawl_station::{Options, Station};

use super::client::{Client, Version, Way, connect, persistent_connect, publish, resume, string};
use super::users::HASH;
use super::{file, quiet, station};
use Version::{V5, V311};

#[tokio::test]
async fn resumed_session_delivers_queued_messages() {
    let station = station().await;
    let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
    for way in [Way::Tcp, Way::Mqtt] {
        let id = format!("{way:?}");
        let (mut first, is_present) = resume(&station, way, &persistent_connect(&id, 0, &[])).await;
        assert!(!is_present);
        first.subscribe(V5, "t", 1).await;
        first.send(&[0xE0, 0]).await;
        assert_eq!(first.packet().await, None);
        source.send(&publish(V5, "t", 1, 7, b"waiting")).await;
        assert_eq!(source.packet().await.unwrap()[0], 0x40);
        let (mut second, is_present) = resume(&station, way, &persistent_connect(&id, 0, &[])).await;
        assert!(is_present, "{way:?}");
        assert!(second.packet().await.unwrap().ends_with(b"waiting"), "{way:?}");
        let (_, is_present) = resume(&station, way, &persistent_connect(&id, 2, &[])).await;
        assert!(!is_present, "Clean Start");
    }
    station.stop().await;
}

#[tokio::test]
async fn a_session_belongs_to_its_user() {
    let users = file("sessions-users", &format!("ana:{HASH}\nben:{HASH}\n"));
    let station = Station::start(&Options { users: Some(users), ..quiet() }).await.unwrap();
    let credentials = |name: &str| [string(name), string("open sesame")].concat();
    let (mut ana, _) = resume(&station, Way::Mqtt, &persistent_connect("shared", 0xC0, &[&credentials("ana")])).await;
    ana.subscribe(V5, "letters/ana", 1).await;
    let check_refused = async || {
        for (way, version, code) in [(Way::Mqtt, V5, 0x85), (Way::Tcp, V5, 0x85), (Way::Mqtt, V311, 2)] {
            let mut ben = Client::open(&station, way).await;
            ben.send(&connect(version, "shared", Some(("ben", "open sesame")))).await;
            let connack = ben.packet().await.unwrap();
            assert_eq!((connack[0], connack[3]), (0x20, code), "{way:?} {version:?}");
            assert_eq!(ben.packet().await, None);
        }
    };
    check_refused().await;
    ana.send(&[0xC0, 0]).await;
    assert_eq!(ana.packet().await.unwrap(), [0xD0, 0], "she is still connected");
    // The same while she is away.
    ana.send(&[0xE0, 0]).await;
    assert_eq!(ana.packet().await, None);
    let mut source = Client::open(&station, Way::Tcp).await;
    source.send(&connect(V5, "source", Some(("ben", "open sesame")))).await;
    assert_eq!(source.packet().await.unwrap()[3], 0);
    source.send(&publish(V5, "letters/ana", 1, 7, b"for her")).await;
    assert_eq!(source.packet().await.unwrap()[0], 0x40);
    check_refused().await;
    let (mut ana, is_present) =
        resume(&station, Way::Mqtt, &persistent_connect("shared", 0xC0, &[&credentials("ana")])).await;
    assert!(is_present);
    assert!(ana.packet().await.unwrap().ends_with(b"for her"));
    station.stop().await;
}
