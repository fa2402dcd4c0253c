//! Logs that come back: imported, and played without any broker.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{PATIENCE, link};

const ESCAPE: &str = "\u{E00C}";

const MESSAGES: u64 = 20_000;

/// An export: all kinds of payloads and properties.
fn export() -> String {
    let mut lines = String::new();
    for seq in 100..100 + MESSAGES {
        let payload = match seq % 4 {
            0 => r#""payload":"{\"text\":\"</script><b>\",\"value\":9007199254740993}""#,
            1 => r#""payload_base64":"/wD+""#,
            2 => r#""payload":"","properties":{"content_type":"text/plain","user_properties":[["a","b"],["a","c"]]}"#,
            _ => r#""payload":"שלום \u2028 Здравствуйте""#,
        };
        let time = format!("2026-11-21T10:{:02}:{:02}.{:03}Z", seq / 1_000 % 60, seq % 60, seq % 1_000);
        lines += &format!(
            "{{\"seq\":{seq},\"time\":\"{time}\",\"topic\":\"t/{}\",\"qos\":{},\"retain\":false,\"dup\":false,{payload}}}\n",
            seq % 7,
            seq % 3,
        );
    }
    lines
}

async fn choose_file(page: &Page, label: &str, path: &std::path::Path) -> Result<()> {
    let input = page.element(&format!("field('{label}')")).await?;
    Ok(input.send_keys(&path.display().to_string()).await?)
}

#[tokio::test]
async fn an_import_is_exported_byte_for_byte() -> Result<()> {
    let station = Station::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.ndjson");
    let exported = export();
    // A broken line is told, and costs nothing else.
    std::fs::write(&path, exported.clone() + "{\"seq\":\n")?;
    in_browser("import", async |page| {
        page.open(&station.page_url()).await?;
        page.press("Logs").await?;
        page.wait_for("the panel", "field('Import a log')", PATIENCE).await?;
        choose_file(page, "Import a log", &path).await?;
        page.wait_for_words("20,000 messages of log.ndjson are in the console now").await?;
        page.wait_for_words("One line is no message and was left out. Line 20001").await?;
        page.wait_for_stat("kept", MESSAGES, PATIENCE).await?;
        page.check_accounts().await?;
        page.press_keys(ESCAPE).await?;
        page.press("Export").await?;
        let again = page.downloaded().await?;
        ensure!(again == exported, "what was exported differs from what was imported");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_sample_plays_without_a_broker() -> Result<()> {
    let station = Station::start().await?;
    in_browser("sample", async |page| {
        page.open(&link(&station.page_url(), &[("broker", "ws://127.0.0.1:1/mqtt")])).await?;
        page.press("Play a sample").await?;
        page.wait_for_row("listened").await?;
        check_equal("the state", page.state().await?, "idle".to_owned())?;
        page.wait_for("a line of the crawl", "document.querySelector('.line[data-seq]') !== null", PATIENCE).await?;
        page.screenshot("sample").await?;

        // Resting, one line a click.
        page.press("Logs").await?;
        page.press("Rest").await?;
        let before = page.stat("received").await?;
        page.press("Next line").await?;
        page.wait_for_stat("received", before + 1, PATIENCE).await?;
        page.press("Next line").await?;
        page.wait_for_stat("received", before + 2, PATIENCE).await?;
        page.check_accounts().await?;

        // At eight times its speed it comes to its end.
        page.choose("Speed", "8").await?;
        page.press("Play").await?;
        page.wait_for_stat("received", 66, PATIENCE).await
    })
    .await
}
