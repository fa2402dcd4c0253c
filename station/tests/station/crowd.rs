//! A small event: clients that listen to nothing, some that listen to everything, and strangers. The
//! large one is `cargo xtask bench station`.

use futures_util::future::join_all;
use mqtt_crawl_station::{Limits, Options, Station};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Client, Version, Way, publish, tcp};
use super::quiet;
use Version::V5;

const IDLE: usize = 60;
const LISTENERS: usize = 10;
const MESSAGES: u32 = 2_000;
const STRANGERS: usize = 300;

/// Reads everything, and sees that nothing is lost, doubled or out of order.
async fn listen(mut client: Client) {
    for number in 0..MESSAGES {
        let packet = client.packet().await.expect("it was closed");
        assert!(packet.ends_with(&number.to_be_bytes()), "instead of {number} came {packet:02x?}");
    }
}

/// Tries to connect, with nonsense; whether it is closed is all that counts.
async fn intrude(address: std::net::SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Both fail where it was closed at once.
    let _ = stream.write_all(b"nonsense\r\n\r\n").await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn nothing_is_lost_in_a_crowd() {
    let most = u32::try_from(IDLE + LISTENERS + 5).unwrap();
    let limits = Limits { max_connections: most.try_into().unwrap(), ..Limits::default() };
    let station = Station::start(&Options { limits, ..quiet() }).await.unwrap();
    let mut idle = Vec::new();
    for number in 0..IDLE {
        idle.push(Client::connected(&station, Way::Mqtt, V5, &format!("idle {number}")).await);
    }
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        let mut client = Client::connected(&station, Way::Mqtt, V5, &format!("listener {number}")).await;
        client.subscribe(V5, "event", 0).await;
        listeners.push(listen(client));
    }
    let mut source = Client::connected(&station, Way::Tcp, V5, "source").await;
    let (http, mqtt) = (station.http(), tcp(&station));
    let strangers = (0..STRANGERS).map(|number| intrude(if number % 2 == 0 { http } else { mqtt }));
    let sending = async {
        for number in 0..MESSAGES {
            source.send(&publish(V5, "event", 0, 0, &number.to_be_bytes())).await;
        }
    };
    tokio::join!(join_all(listeners), join_all(strangers), sending);
    for client in &mut idle {
        client.send(&[0xC0, 0]).await;
        assert_eq!(client.packet().await.unwrap(), [0xD0, 0], "an idle client is answered no more");
    }
    station.stop().await;
}
