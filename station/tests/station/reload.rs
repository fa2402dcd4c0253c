//! Users and certificate are read again while the station runs.

use std::path::Path;

use tokio::time::timeout;

use super::client::{Client, PATIENCE, Version, Way, connect};
use super::file;
use super::program::{PROGRAM, Running};
use super::users::HASH;
use Version::V5;

async fn answer(station: &Running, name: &str) -> u8 {
    let mut client = Client::open_at(station.http, Way::Mqtt).await;
    client.send(&connect(V5, name, Some((name, "open sesame")))).await;
    client.packet().await.unwrap()[3]
}

async fn wait_for(station: &Running, name: &str, code: u8) {
    let waiting = async { while answer(station, name).await != code {} };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{name} never gets {code:02x}"));
}

#[tokio::test]
async fn users_are_reloaded_on_a_signal_and_when_the_file_changes() {
    let users = file("reload-users", &format!("ana:{HASH}\n"));
    let mut station = Running::start(Path::new(PROGRAM), &["--users", users.to_str().unwrap()]);
    assert_eq!(answer(&station, "ana").await, 0);
    file("reload-users", &format!("ben:{HASH}\n"));
    station.signal("-HUP");
    wait_for(&station, "ben", 0).await;
    assert_eq!(answer(&station, "ana").await, 0x86, "she isn't in it any more");
    file("reload-users", &format!("carla:{HASH}\n# without a signal\n"));
    wait_for(&station, "carla", 0).await;
    file("reload-users", "nobody\n");
    station.signal("-HUP");
    let mut log = String::new();
    station.wait_for_log(&mut log, "stays in use");
    assert!(log.contains("line 1: expected `user:hash`"), "{log}");
    assert_eq!(answer(&station, "carla").await, 0, "a bad file changes nothing");
    assert!(!log.contains("argon2id"), "{log}");
}
