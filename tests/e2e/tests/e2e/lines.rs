//! The main function: the crawl shows published messages and the console keeps them.

use anyhow::{Context, Result};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;

const SCRIPT: &str = r#""character" "dialogue"
"1" "WARDEN" "The harbour lamps are out"
"2" "KEEPER" "She said \"wait\" and left"
"#;

/// Publishes with three independent programs, and checks that both views show each message.
async fn check_lines(page: &Page, broker: Login<'_>) -> Result<()> {
    page.wait_for_state("connected").await?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script.txt");
    std::fs::write(&script, SCRIPT)?;

    broker.produce(&script, &["--interval", "10ms"]).await.context("the producer")?;
    page.wait_for_row("The harbour lamps are out").await?;
    page.wait_for_row("wait").await?;

    let payload = r#"{"character":"PILOT","text":"Northern buoy in sight"}"#;
    broker.publish(Version::V311, "StarWars", payload).await?;
    page.wait_for_row("Northern buoy in sight").await?;

    broker.publish(Version::V5, "StarWars", "STOKER: Give me steam").await?;
    page.wait_for_row("Give me steam").await?;

    page.wait_for_stat("received", 4, mqtt_crawl_e2e::WAIT_TIMEOUT).await?;
    for text in ["The harbour lamps are out", "She said “wait” and left", "Northern buoy in sight", "Give me steam"]
    {
        page.wait_for_line(text).await?;
    }
    let rows = page.rows().await?;
    let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    anyhow::ensure!(numbers.is_sorted(), "rows out of order: {numbers:?}");
    page.check_accounts().await
}

#[tokio::test]
async fn payloads_become_lines_through_the_station() -> Result<()> {
    let station = Station::start().await?;
    in_browser("lines-station", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "StarWars"), ("connect", "1")])).await?;
        check_lines(page, Login::anonymous(station.mqtt_port()?)).await?;
        page.screenshot("lines-station").await.map(drop)
    })
    .await
}

/// Topic and payload, and who speaks what.
const READINGS: [(&str, &[u8], &str, &str); 5] = [
    ("home/kitchen/temperature", b"20.934537983209168", "kitchen temperature", "20.93"),
    (
        "plant/0x00158d0001a2b3c4/meter",
        br#"{"watts":386,"phases":[{"u":230.1}]}"#,
        "plant meter",
        "watts 386, phases …",
    ),
    ("hall/climate", r#"{"temperature":21.4,"unit":"°C"}"#.as_bytes(), "hall climate", "temperature 21.4 °C"),
    ("door/bell", b"ding\x07dong", "door bell", "ding\u{2407}dong"),
    ("pump/frame", &[0x12; 256], "pump frame", "‹256 bytes: 12 12"),
];

#[tokio::test]
async fn payload_without_speaker_is_spoken_by_its_topic() -> Result<()> {
    let station = Station::start().await?;
    in_browser("lines-readings", async |page| {
        let keys = [("topic", "#"), ("view", "crawl"), ("opening", "off"), ("connect", "1")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        for (topic, payload, speaker, text) in READINGS {
            broker.publish_bytes(topic, payload, &[]).await?;
            page.wait_for_line(text).await?;
            page.wait_for_line(speaker).await?;
        }
        page.screenshot("lines-readings").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn payloads_become_lines_through_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("lines-mosquitto", async |page| {
        let keys = [("broker", mosquitto.ws_url()), ("connect", "1".to_owned())];
        let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
        page.open(&link(&station.page_url(), &keys)).await?;
        check_lines(page, Login::anonymous(mosquitto.mqtt_port())).await
    })
    .await
}
