//! The sample transmission.

use std::time::{Duration, Instant};

use mqtt_crawl_station::{Options, Station};

use super::client::{Client, Version, Way, connect, packet, string};
use super::users::HASH;
use super::{file, quiet};

#[tokio::test]
async fn script_loops_one_line_per_second() {
    let rows = "\"character\" \"dialogue\"\n\"1\" \"ANA\" \"Say \\\"aye\\\".\"\nbroken\n\"2\" \"BEN\" \"Aye.\"\n";
    let transmit = Some(file("script", rows));
    let station = Station::start(&Options { transmit, ..quiet() }).await.unwrap();
    let mut client = Client::connected(&station, Way::Mqtt, Version::V311, "audience").await;
    client.subscribe(Version::V311, "StarWars", 0).await;
    let expected = [r#"{"character":"ANA","text":"Say \"aye\"."}"#, r#"{"character":"BEN","text":"Aye."}"#]
        .map(|payload| packet(0x30, &[&string("StarWars"), payload.as_bytes()]));
    let first = client.packet().await.unwrap();
    let began = Instant::now();
    let start = expected.iter().position(|line| *line == first).expect("the first line is none of the script's");
    for line in expected.iter().cycle().skip(start + 1).take(3) {
        assert_eq!(client.packet().await.as_ref(), Some(line));
    }
    assert!(began.elapsed() > Duration::from_millis(2500), "{:?}", began.elapsed());
    station.stop().await;
}

#[tokio::test]
async fn transmission_works_with_users() {
    let transmit = Some(file("script-users", "\"1\" \"ANA\" \"Aye.\"\n"));
    let users = Some(file("users-script", &format!("ana:{HASH}\n")));
    let station = Station::start(&Options { transmit, users, ..quiet() }).await.unwrap();
    let mut client = Client::open(&station, Way::Diffusion).await;
    client.send(&connect(Version::V5, "audience", Some(("ana", "open sesame")))).await;
    assert_eq!(client.packet().await.unwrap()[3], 0);
    client.subscribe(Version::V5, "StarWars", 0).await;
    assert!(client.packet().await.unwrap().ends_with(br#"{"character":"ANA","text":"Aye."}"#));
    station.stop().await;
}
