//! 50,000 messages at mosquitto's full speed. This test has the whole machine.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;

const MESSAGES: u64 = 50_000;

/// Longer than any interval between two frames of a responsive page on a busy machine.
const FREEZE_MS: f64 = 1_000.0;

#[tokio::test]
async fn every_message_of_a_firehose_is_kept() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let mut text = String::new();
    for number in 0..MESSAGES {
        writeln!(text, r#"{{"character":"GAUGE","text":"Reading number {number}"}}"#)?;
    }
    in_browser("firehose", async |page| {
        let broker = mosquitto.ws_url();
        let keys = [("broker", broker.as_str()), ("view", "split"), ("connect", "1")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        page.begin_measuring().await?;
        let started = Instant::now();
        Login::anonymous(mosquitto.mqtt_port()).publish_lines(Version::V5, "StarWars", text).await?;
        page.wait_for_stat("received", MESSAGES, Duration::from_secs(120)).await?;
        let took = started.elapsed();
        let smoothness = page.end_measuring().await?;
        page.wait_for_row(&format!("Reading number {}", MESSAGES - 1)).await?;

        println!("{MESSAGES} messages in {:.2} s; {smoothness:?}", took.as_secs_f64());
        check_equal("kept", page.stat("kept").await?, MESSAGES)?;
        check_equal("matching", page.stat("matching").await?, MESSAGES)?;
        page.check_accounts().await?;
        page.screenshot("firehose").await?;
        // Smoothness depends on the machine's other load, so it is only printed. A page that processes every message on
        // its own thread freezes for seconds on any machine.
        ensure!(smoothness.frames > 0, "no frame was drawn");
        ensure!(smoothness.longest_interval_ms < FREEZE_MS, "the page froze: {smoothness:?}");
        Ok(())
    })
    .await
}
