//! The console: filter, export, and that nothing is unaccounted for.

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{PATIENCE, link};
use serde_json::Value;

#[tokio::test]
async fn the_filter_shows_what_matches_and_keeps_the_rest() -> Result<()> {
    let station = Station::start().await?;
    in_browser("filter", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        for (topic, payload) in [("deck", "gale"), ("hold", "dry"), ("deck", "calm"), ("mast", "gale")] {
            broker.publish(Version::V5, topic, payload).await?;
        }
        page.wait_for_stat("matching", 4, PATIENCE).await?;
        page.fill("Filter", "gale").await?;
        page.wait_for_stat("matching", 2, PATIENCE).await?;
        page.wait_for("two rows", "rows().length === 2", PATIENCE).await?;
        let rows = page.rows().await?;
        ensure!(rows.iter().all(|row| row.text.contains("gale")), "{rows:?}");
        check_equal("kept", page.stat("kept").await?, 4)?;
        page.check_accounts().await
    })
    .await
}

#[tokio::test]
async fn an_export_holds_every_message_as_it_came() -> Result<()> {
    let station = Station::start().await?;
    in_browser("export", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "#"), ("qos", "1"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        let payloads = [r#"{"t":127.0,"n":12345678901234567890}"#, "Ünïcode\nand \"quotes\"", "last"];
        for payload in payloads {
            broker.publish(Version::V5, "StarWars", payload).await?;
        }
        page.wait_for_stat("received", 3, PATIENCE).await?;
        page.press("Export").await?;
        let export = page.downloaded().await?;
        let lines: Vec<Value> = export
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("a line of the export: {line}")))
            .collect::<Result<_>>()?;
        check_equal("lines", lines.len(), payloads.len())?;
        for (line, payload) in lines.iter().zip(payloads) {
            check_equal("payload", line["payload"].as_str(), Some(payload))?;
            check_equal("topic", line["topic"].as_str(), Some("StarWars"))?;
            check_equal("qos", line["qos"].as_u64(), Some(1))?;
            check_equal("retain", line["retain"].as_bool(), Some(false))?;
            check_equal("dup", line["dup"].as_bool(), Some(false))?;
            let time = line["time"].as_str().context("no time")?;
            // 2026-11-21T10:00:00.123Z
            ensure!(time.len() == 24 && time.ends_with('Z'), "{time} is no time");
        }
        let numbers: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
        ensure!(numbers.is_sorted() && numbers.len() == 3, "{numbers:?}");
        Ok(())
    })
    .await
}
