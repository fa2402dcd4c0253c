//! The station in front of another broker.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

const USER: &str = "admin";
const PASSWORD: &str = "correct horse";

#[tokio::test]
async fn page_reads_from_a_tcp_only_mosquitto() -> Result<()> {
    let mosquitto = Mosquitto::start(Access::User { name: USER, password: PASSWORD }).await?;
    let station = Station::start_with(&["--upstream", &format!("mqtt://127.0.0.1:{}", mosquitto.mqtt_port())]).await?;
    check_equal("the broker's port, as announced", station.mqtt_port()?, mosquitto.mqtt_port())?;
    let broker = Login { port: mosquitto.mqtt_port(), user: Some((USER, PASSWORD)) };
    in_browser("upstream", async |page| {
        page.open(&link(&station.page_url(), &[("user", USER)])).await?;
        // The refusal is mosquitto's.
        page.fill("Password", "wrong").await?;
        page.press("Connect").await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_notice("password").await?;
        page.fill("Password", PASSWORD).await?;
        page.press("Connect").await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "StarWars", "UPSTREAM: From the other side").await?;
        page.wait_for_row("From the other side").await?;

        let down = mosquitto.kill().await?;
        page.wait_for_notice("isn't accepting connections right now").await?;
        let _mosquitto = down.restart().await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "StarWars", "UPSTREAM: Back again").await?;
        page.wait_for_row("Back again").await?;
        page.wait_for_stat("received", 2, WAIT_TIMEOUT).await?;
        page.check_accounts().await?;
        ensure!(!station.output().contains("correct horse"), "the password was logged: {}", station.output());
        Ok(())
    })
    .await
}
