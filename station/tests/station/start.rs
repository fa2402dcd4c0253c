//! What a station says as it starts, and when it doesn't.

use std::path::PathBuf;

use mqtt_crawl_station::{Options, Station};

use super::{file, quiet, station};

async fn check_refusal(options: Options, words: &[&str]) {
    let refusal = Station::start(&options).await.err().expect("it started").to_string();
    for word in words {
        assert!(refusal.contains(word), "{refusal:?} lacks {word:?}");
    }
}

#[tokio::test]
async fn free_ports_are_picked_and_announced() {
    let station = station().await;
    let (http, mqtt) = (station.http(), station.mqtt());
    assert!(http.port() != 0 && mqtt.port() != 0);
    let announcement = station.announcement();
    assert_eq!(announcement.lines().next(), Some(format!("listening http={http} mqtt={mqtt}").as_str()));
    assert!(announcement.contains(&format!("ws://{http}/diffusion")), "{announcement}");
    station.stop().await;
}

#[tokio::test]
async fn ports_are_free_again_after_a_stop() {
    let first = station().await;
    let options = Options { http: first.http(), mqtt: first.mqtt(), ..quiet() };
    check_refusal(Options { http: first.http(), ..quiet() }, &["--http", "in use", &first.http().to_string()]).await;
    check_refusal(Options { mqtt: first.mqtt(), ..quiet() }, &["--mqtt", "in use", &first.mqtt().to_string()]).await;
    first.stop().await;
    Station::start(&options).await.unwrap().stop().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_in_words() {
    let open = Options { http: "0.0.0.0:0".parse().unwrap(), ..quiet() };
    check_refusal(open, &["--http 0.0.0.0:0", "--users", "--hash-password"]).await;
    let directory = file("start/readme.txt", "no app").parent().unwrap().to_owned();
    check_refusal(Options { dist: Some(directory), ..quiet() }, &["index.html", "cargo xtask dist"]).await;
    let users = file("start-users", "# crew\nana:plain\n");
    check_refusal(Options { users: Some(users), ..quiet() }, &["start-users", "line 2", "--hash-password"]).await;
    let nobody = file("start-nobody", "# crew\n");
    check_refusal(Options { users: Some(nobody), ..quiet() }, &["names no user"]).await;
    let missing = PathBuf::from("/no/such/script");
    check_refusal(Options { transmit: Some(missing), ..quiet() }, &["/no/such/script"]).await;
}
