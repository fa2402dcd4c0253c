//! The station as its clients meet it: raw MQTT bytes over TCP and over real WebSockets, raw HTTP
//! over the web port.
#![allow(clippy::unwrap_used)]

mod client;
mod crowd;
mod diffusion;
mod embedded;
mod limits;
mod logs;
mod mqtt;
mod program;
mod reload;
mod sessions;
mod start;
mod stop;
mod tls;
mod transmit;
mod upstream;
mod upstream_tls;
mod users;
mod web;

use std::path::PathBuf;

use clap::Parser as _;
use mqtt_crawl_station::{Options, Station};

/// Options on free ports of this machine, with nothing else asked for.
fn quiet() -> Options {
    Options::parse_from(["mqtt-crawl-station", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
}

async fn station() -> Station {
    Station::start(&quiet()).await.unwrap()
}

/// A file of the tests' own, in a directory that the build removes.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("station").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}
