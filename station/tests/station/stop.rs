//! How a station ends, as those see it who are connected.

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, PATIENCE, Version, Way, tcp};
use super::station;
use Version::{V5, V311};

/// DISCONNECT 0x8B, server shutting down.
const SHUTTING_DOWN: [u8; 4] = [0xE0, 2, 0x8B, 0];

#[tokio::test]
async fn clients_get_a_disconnect_when_the_station_stops() {
    let station = station().await;
    let (http, mqtt) = (station.http(), tcp(&station));
    let mut v5_clients = Vec::new();
    for way in [Way::Tcp, Way::Mqtt, Way::Diffusion] {
        v5_clients.push((way, Client::connected(&station, way, V5, &format!("{way:?}")).await));
    }
    let mut v311_clients = Vec::new();
    for way in [Way::Tcp, Way::Mqtt] {
        v311_clients.push(Client::connected(&station, way, V311, &format!("old {way:?}")).await);
    }
    // Neither a half handshake nor an idle connection holds it up.
    let _half = TcpStream::connect(mqtt).await.unwrap();
    let _idle = TcpStream::connect(http).await.unwrap();
    let clients = async {
        for (way, mut client) in v5_clients {
            assert_eq!(client.packet().await.as_deref(), Some(&SHUTTING_DOWN[..]), "{way:?}");
            assert_eq!(client.packet().await, None, "{way:?}");
            assert_eq!(client.close_code, (way != Way::Tcp).then_some(1001));
        }
        for mut client in v311_clients {
            assert_eq!(client.packet().await, None);
        }
    };
    let both = async { tokio::join!(station.stop(), clients) };
    timeout(PATIENCE, both).await.expect("it never ends");
    for address in [http, mqtt] {
        assert!(TcpStream::connect(address).await.is_err(), "{address} still takes connections");
    }
}
