//! With `--users`, every way in asks who one is.

use mqtt_crawl_station::{Options, Station};

use super::client::{Client, Version, Way, connect};
use super::{file, quiet};
use Version::{V5, V311};

/// `open sesame`, with the least work Argon2 allows so that tests stay quick.
pub const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$oWpxAZ9GNQwNm9bsx3yDVQ$/Yl0T74pOp3+wxzkhTJwow";

#[tokio::test]
async fn every_transport_requires_a_user() {
    let users = file("users", &format!("# the crew\nana:{HASH}\n"));
    let station = Station::start(&Options { users: Some(users), ..quiet() }).await.unwrap();
    for (way, version) in [(Way::Tcp, V311), (Way::Tcp, V5), (Way::Mqtt, V311), (Way::Mqtt, V5), (Way::Diffusion, V5)] {
        let (wrong, nobody) = if version == V5 { (0x86, 0x87) } else { (4, 5) };
        for (user, expected) in [
            (Some(("ana", "open sesame")), 0),
            (Some(("ana", "open")), wrong),
            (Some(("ben", "open sesame")), wrong),
            (None, nobody),
        ] {
            let mut client = Client::open(&station, way).await;
            client.send(&connect(version, "who", user)).await;
            let connack = client.packet().await.unwrap();
            assert_eq!((connack[0], connack[3]), (0x20, expected), "{way:?} {version:?} {user:?}");
            if expected != 0 {
                assert_eq!(client.packet().await, None);
            }
        }
    }
    station.stop().await;
}
