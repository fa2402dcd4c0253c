//! Brokers that misbehave in one way each: the page shows a message, and stops.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::misbehaving::Misbehaving;
use mqtt_crawl_e2e::misbehaving::broker::Mode;
use mqtt_crawl_e2e::page::{ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

async fn connect(page: &mut Page, station: &Station, broker: &Misbehaving, protocol: &str) -> Result<()> {
    page.expect_errors("WebSocket connection to");
    let keys = [("broker", broker.ws_url()), ("protocol", protocol.to_owned()), ("connect", "1".to_owned())];
    page.open(&link(&station.page_url(), &keys.each_ref().map(|(key, value)| (*key, value.as_str())))).await
}

async fn send(page: &Page, payload: &str) -> Result<()> {
    page.fill("Message topic", "deck/a").await?;
    page.choose("Message QoS", "1").await?;
    page.fill("Message payload", payload).await?;
    page.press("Send").await
}

/// Both messages of the list, newest first.
const OUTCOMES: &str =
    "[...named('section', 'Messages sent').querySelectorAll('li')].map((row) => row.innerText).join()";

#[tokio::test]
async fn message_that_ends_the_connection_is_dropped() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::CloseOnLarge(2_048)).await?;
    in_browser("slip-large", async |page| {
        connect(page, &station, &broker, "3.1.1").await?;
        page.wait_for_state("connected").await?;
        page.press("Send a message").await?;
        page.wait_for("the form", "field('Message topic')", WAIT_TIMEOUT).await?;
        send(page, &"x".repeat(3_000)).await?;
        let given_up = format!("/closed the connection all 3 times/.test({OUTCOMES})");
        page.wait_for("the message's outcome", &given_up, WAIT_TIMEOUT).await?;
        page.wait_for_state("connected").await?;
        send(page, "small").await?;
        page.wait_for("the next one's outcome", &format!("/Delivered/.test({OUTCOMES})"), WAIT_TIMEOUT).await?;
        check_equal("connections", broker.connections(), 4)
    })
    .await
}

#[tokio::test]
async fn filter_that_ends_the_connection_is_omitted() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::CloseOnSubscribe).await?;
    in_browser("slip-subscribe", async |page| {
        connect(page, &station, &broker, "auto").await?;
        page.wait_for_text("The filter is skipped").await?;
        page.wait_for_state("connected").await?;
        ensure!(broker.connections() <= 4, "{} connections", broker.connections());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn wildcard_in_a_topic_name_is_tolerated_in_5_0_and_fatal_in_3_1_1() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::Sends(&[(0x31, b"dev#7/a", b"IDA: Odd.")])).await?;
    in_browser("slip-wildcard", async |page| {
        connect(page, &station, &broker, "5").await?;
        page.wait_for_row("Odd.").await?;
        page.wait_for_row("0 retained violation").await?;
        let rule = "document.querySelector('.console .rows .qos').title.includes('[MQTT-3.3.2-2]')";
        page.wait_for("the rule in the row", rule, WAIT_TIMEOUT).await?;
        page.wait_for_text("[MQTT-3.3.2-2]").await?;
        page.wait_for_state("connected").await?;
        connect(page, &station, &broker, "3.1.1").await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_text("dev#7/a").await
    })
    .await
}

#[tokio::test]
async fn an_oversized_message_is_skipped_in_3_1_1() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::Large(0x31)).await?;
    in_browser("slip-oversized", async |page| {
        connect(page, &station, &broker, "3.1.1").await?;
        page.wait_for_row("Good.").await?;
        page.wait_for_text("was skipped").await?;
        check_equal("connections", broker.connections(), 1)
    })
    .await
}

#[tokio::test]
async fn auto_falls_back_to_3_1_1_on_an_old_connack() -> Result<()> {
    let station = Station::start().await?;
    for mode in [Mode::OldConnAck, Mode::Properties(&[0x24, 2])] {
        let broker = Misbehaving::start(mode).await?;
        in_browser("slip-connack", async |page| {
            connect(page, &station, &broker, "auto").await?;
            page.wait_for_state("connected").await?;
            page.wait_for_notice(r"3\.1\.1").await
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn dead_connection_is_detected_when_the_tab_returns() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::Good).await?;
    in_browser("slip-dead", async |page| {
        connect(page, &station, &broker, "auto").await?;
        page.wait_for_row("Good.").await?;
        page.hide().await?;
        broker.stop_passing();
        page.show().await?;
        let shown = Instant::now();
        page.wait_for_state("reconnecting").await?;
        broker.resume_passing();
        ensure!(shown.elapsed() < Duration::from_secs(6), "detected after {} ms", shown.elapsed().as_millis());
        page.wait_for_state("connected").await
    })
    .await
}

#[tokio::test]
async fn user_is_asked_in_a_persistent_session() -> Result<()> {
    let station = Station::start().await?;
    let broker = Misbehaving::start(Mode::CloseOnLarge(2_048)).await?;
    in_browser("slip-kept", async |page| {
        page.expect_errors("WebSocket connection to");
        let url = broker.ws_url();
        let keys = [("broker", url.as_str()), ("protocol", "5"), ("qos", "1"), ("connect", "1")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        page.press("Send a message").await?;
        page.wait_for("the form", "field('Message topic')", WAIT_TIMEOUT).await?;
        send(page, &"x".repeat(3_000)).await?;
        page.wait_for_text("unless you drop it").await?;
        page.press_keys(ESCAPE).await?;
        for (name, size) in [("kept-question", (1280, 720)), ("kept-question-phone", (390, 844))] {
            page.resize(size, 1.0).await?;
            page.screenshot(name).await?;
        }
        page.resize((1280, 720), 1.0).await?;
        page.press("Drop message").await?;
        page.wait_for_state("connected").await?;
        page.press("Send a message").await?;
        send(page, "small").await?;
        page.wait_for(
            "the outcomes",
            &format!("/Delivered/.test({OUTCOMES}) && /dropped/.test({OUTCOMES})"),
            WAIT_TIMEOUT,
        )
        .await
    })
    .await
}
