//! A form that is edited while the page is connected, or retries.

use anyhow::Result;
use mqtt_crawl_e2e::page::{ENTER, Page, in_browser};
use mqtt_crawl_e2e::process::free_port;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};

/// Opens a page that retries a wrong address, and enters the right one.
async fn correct_the_address(page: &mut Page, station: &Station) -> Result<()> {
    page.expect_errors("WebSocket connection to");
    let wrong = format!("ws://127.0.0.1:{}/mqtt", free_port()?);
    page.open(&link(&station.page_url(), &[("broker", &wrong), ("connect", "1")])).await?;
    page.wait_for_state("reconnecting").await?;
    page.wait_for("a disabled button", "button('Connect').disabled", WAIT_TIMEOUT).await?;
    page.fill("Broker URL", &station.ws_url("/mqtt")).await?;
    page.wait_for("an enabled button", "!button('Reconnect').disabled", WAIT_TIMEOUT).await
}

#[tokio::test]
async fn retry_uses_a_corrected_address() -> Result<()> {
    let station = Station::start().await?;
    in_browser("edited-retry", async |page| {
        correct_the_address(page, &station).await?;
        for (name, size) in [("edited-form", (1280, 720)), ("edited-form-phone", (390, 844))] {
            page.resize(size, 1.0).await?;
            page.screenshot(name).await?;
        }
        // Pressed in the same moment, because the button is hidden while an attempt is in progress.
        let press = "(() => { const retry = button('Retry now'); retry?.click(); return Boolean(retry); })()";
        eventually("the button", async || Ok(page.evaluate::<bool>(press).await?.then_some(()))).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("a disabled button", "button('Connect').disabled", WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn enter_connects_with_a_corrected_address() -> Result<()> {
    let station = Station::start().await?;
    in_browser("edited-enter", async |page| {
        correct_the_address(page, &station).await?;
        page.press_keys(&ENTER.to_string()).await?;
        page.wait_for_state("connected").await
    })
    .await
}

#[tokio::test]
async fn changes_while_connected_apply_on_reconnect() -> Result<()> {
    let station = Station::start().await?;
    in_browser("edited-connected", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1"), ("qos", "0")])).await?;
        page.wait_for_state("connected").await?;
        page.press("Settings").await?;
        page.choose("QoS", "1").await?;
        page.press("Reconnect").await?;
        let granted = "document.querySelector('.subscriptions')?.innerText.includes('QoS 1')";
        page.wait_for("the other QoS", granted, WAIT_TIMEOUT).await?;
        page.wait_for("the link", "location.hash.includes('qos=1')", WAIT_TIMEOUT).await?;
        // Undone, there is nothing to reconnect for.
        page.press("Settings").await?;
        page.choose("QoS", "2").await?;
        page.wait_for("an enabled button", "!button('Reconnect').disabled", WAIT_TIMEOUT).await?;
        page.choose("QoS", "1").await?;
        page.wait_for("a disabled button", "button('Connect').disabled", WAIT_TIMEOUT).await
    })
    .await
}
