//! The MQTT version in use, and that the page shows it.

use anyhow::Result;
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::peer::{Peer, PeerMode};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;

// covers: [MQTT-6.0.0-1], [3.1.1 MQTT-6.0.0-1], [3.1.1 MQTT-7.0.0-2], [3.1.1 MQTT-7.1.2-1]
#[tokio::test]
async fn auto_falls_back_for_an_old_broker() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let mut old = Peer::start(PeerMode::Old { broker_port: mosquitto.mqtt_port() }).await?;
    in_browser("old-broker", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &old.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for_notice(r"3\.1\.1").await?;
        Login::anonymous(mosquitto.mqtt_port()).publish(Version::V311, "StarWars", "ELDER: In my day").await?;
        page.wait_for_row("In my day").await
    })
    .await?;
    check_equal("the requested versions", old.requested_levels(), vec![5, 4])
}

// covers: [MQTT-4.2-1], [MQTT-6.0.0-3]
#[tokio::test]
async fn auto_uses_5_0_with_a_current_broker() -> Result<()> {
    let station = Station::start().await?;
    in_browser("new-broker", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for_notice(r"\b5(\.0)?\b").await
    })
    .await
}

// covers: [3.1.1 MQTT-6.0.0-3]
#[tokio::test]
async fn refused_version_is_reported() -> Result<()> {
    let station = Station::start().await?;
    in_browser("version-refused", async |page| {
        let broker = station.ws_url("/diffusion");
        let keys = [("broker", broker.as_str()), ("protocol", "3.1.1"), ("connect", "1")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_notice("version").await?;
        check_equal("reconnects", page.stat("reconnects").await?, 0)
    })
    .await
}
