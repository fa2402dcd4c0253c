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

use mqtt_crawl_station::{Limits, LogFormat, LogLevel, Options, Station};

/// Options on free ports of this machine, with nothing else asked for.
fn quiet() -> Options {
    Options {
        http: "127.0.0.1:0".parse().unwrap(),
        mqtt: "127.0.0.1:0".parse().unwrap(),
        dist: None,
        embed: None,
        tls_cert: None,
        tls_key: None,
        upstream: None,
        upstream_ca: None,
        upstream_checks_users: false,
        proxy_protocol: false,
        transmit: None,
        users: None,
        allow_origin: Vec::new(),
        allow_frame: Vec::new(),
        trust_forwarded_for: Vec::new(),
        hash_password: false,
        log_format: LogFormat::Text,
        log_level: LogLevel::Info,
        limits: Limits::default(),
    }
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
