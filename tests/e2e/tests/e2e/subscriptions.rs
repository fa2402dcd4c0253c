//! Subscriptions added, changed and removed while connected.

use anyhow::Result;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::peer::{Peer, PeerMode};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

async fn open_panel(page: &Page) -> Result<()> {
    page.press("Edit subscriptions").await?;
    page.wait_for("the panel", "Boolean(named('dialog[open]', 'Edit subscriptions'))", WAIT_TIMEOUT).await
}

/// Returns the topics of the address bar.
async fn linked(page: &Page) -> Result<Vec<String>> {
    page.evaluate("new URLSearchParams(location.hash.slice(1)).getAll('topic')").await
}

/// Returns the contents of the form's boxes for topics.
async fn typed(page: &Page) -> Result<Vec<String>> {
    page.evaluate("[...document.querySelectorAll('.topic-field input')].map((box) => box.value)").await
}

/// Connects to a broker that grants QoS 2, and changes the subscriptions.
async fn check(name: &str, station: &Station, broker: &str, publisher: Login<'_>) -> Result<()> {
    in_browser(name, async |page| {
        page.open(&link(&station.page_url(), &[("broker", broker), ("topic", "first"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        page.wait_for(
            "the broker's answer",
            "document.querySelector('.granted-text')?.innerText === 'QoS 0'",
            WAIT_TIMEOUT,
        )
        .await?;
        // None of its messages arrives before it is subscribed to.
        publisher.publish(Version::V5, "second/a", "too early").await?;
        publisher.publish(Version::V5, "first", "one").await?;
        page.wait_for_row("one").await?;

        page.press("Subscribe").await?;
        page.wait_for_notice("empty").await?;
        page.fill("Topic filter", "second/+").await?;
        page.choose("Maximum QoS", "2").await?;
        page.press("Subscribe").await?;
        page.wait_for_notice("Subscribed to “second/\\+” .QoS 2").await?;
        check_equal("the box after", page.value("Topic filter").await?, String::new())?;
        publisher.publish(Version::V5, "second/a", "two").await?;
        page.wait_for_row("two").await?;
        check_equal("received", page.stat("received").await?, 2)?;
        let both = vec!["first".to_owned(), "second/+".to_owned()];
        check_equal("the link", linked(page).await?, both.clone())?;
        check_equal("the form", typed(page).await?, both)?;

        // Subscribed again with another QoS.
        page.press("Edit second/+").await?;
        check_equal("the filter", page.value("Topic filter").await?, "second/+".to_owned())?;
        check_equal("its QoS", page.value("Maximum QoS").await?, "2".to_owned())?;
        page.choose("Maximum QoS", "1").await?;
        page.press("Update").await?;
        page.wait_for_notice("Subscribed to “second/\\+” .QoS 1").await?;
        page.screenshot(name).await?;

        page.press("Remove first").await?;
        page.wait_for_notice("Unsubscribed from “first”").await?;
        publisher.publish(Version::V5, "first", "three").await?;
        publisher.publish_at(2, Version::V5, "second/b", "four").await?;
        page.wait_for_row("four").await?;
        check_equal("received", page.stat("received").await?, 3)?;
        check_equal("the link", linked(page).await?, vec!["second/+".to_owned()])?;

        page.press("Remove second/+").await?;
        page.wait_for_text("No subscriptions.").await?;
        check_equal("the form", typed(page).await?, vec![String::new()])?;
        check_equal("the state", page.state().await?, "connected".to_owned())?;
        let connects: bool = page.evaluate("location.hash.includes('connect=1')").await?;
        check_equal("a link without topics connects", connects, false)?;

        // A new one after none.
        page.fill("Topic filter", "third").await?;
        page.press("Subscribe").await?;
        page.wait_for_notice("Subscribed to “third”").await?;
        check_equal("the form", typed(page).await?, vec!["third".to_owned()])
    })
    .await
}

#[tokio::test]
async fn subscriptions_change_at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    check("subscriptions-mosquitto", &station, &mosquitto.ws_url(), Login::anonymous(mosquitto.mqtt_port())).await
}

#[tokio::test]
async fn subscriptions_change_at_the_station() -> Result<()> {
    let station = Station::start().await?;
    check("subscriptions-station", &station, &station.ws_url("/mqtt"), Login::anonymous(station.mqtt_port()?)).await
}

#[tokio::test]
async fn changed_subscriptions_apply_to_the_next_connection() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("subscriptions-reconnect", async |page| {
        page.expect_errors("WebSocket");
        page.open(&link(&station.page_url(), &[("broker", &mosquitto.ws_url()), ("topic", "old"), ("connect", "1")]))
            .await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        let killed = mosquitto.kill().await?;
        page.wait_for_state("reconnecting").await?;
        page.fill("Topic filter", "new").await?;
        page.press("Subscribe").await?;
        page.wait_for_notice("“new” will be subscribed to on the next connection").await?;
        page.press("Remove old").await?;
        page.wait_for_notice("Removed “old”").await?;
        let mosquitto = killed.restart().await?;
        page.wait_for_state("connected").await?;
        page.wait_for_notice("Subscribed to “new”").await?;
        let publisher = Login::anonymous(mosquitto.mqtt_port());
        publisher.publish(Version::V5, "old", "not wanted").await?;
        publisher.publish(Version::V5, "new", "wanted").await?;
        page.wait_for_row("wanted").await?;
        check_equal("received", page.stat("received").await?, 1)?;
        check_equal("the link", linked(page).await?, vec!["new".to_owned()])
    })
    .await
}

#[tokio::test]
async fn refused_subscription_is_reported() -> Result<()> {
    let station = Station::start().await?;
    // SUBACK for the first SUBSCRIBE: not authorized.
    let peer = Peer::start(PeerMode::Scripted { then: vec![0x90, 4, 0, 1, 0, 0x87] }).await?;
    in_browser("subscriptions-refused", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &peer.ws_url()), ("topic", "secret"), ("connect", "1")]))
            .await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        let entry = "[...document.querySelectorAll('dialog[open] li')].map((entry) => entry.innerText).join()";
        let is_refused = format!("/secret[^]*Refused: not authorized/i.test({entry})");
        page.wait_for("the refusal", &is_refused, WAIT_TIMEOUT).await?;
        let status: String = page.evaluate("document.querySelector('.subscriptions').innerText").await?;
        check_equal("in the status", status.contains("refused"), true)?;
        page.screenshot("subscriptions-refused").await?;
        let dialog = page.element(&format!("named('dialog', {})", json!("Edit subscriptions"))).await?;
        check_equal("role", page.role_and_name(&dialog).await?.0, "dialog".to_owned())
    })
    .await
}

/// Waits for the message counts of the subscriptions.
async fn wait_for_counts(page: &Page, expected: &str) -> Result<()> {
    let counts = "[...document.querySelectorAll('.subscribed .count')].map((count) => count.innerText).join()";
    page.wait_for("the counts", &format!("{counts} === '{expected}'"), WAIT_TIMEOUT).await
}

#[tokio::test]
async fn subscriptions_count_their_messages() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("subscriptions-counts", async |page| {
        let broker = mosquitto.ws_url();
        page.open(&link(&station.page_url(), &[("broker", &broker), ("topic", "first/#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        wait_for_counts(page, "0 messages").await?;
        let publisher = Login::anonymous(mosquitto.mqtt_port());
        publisher.publish(Version::V5, "first/a", "one").await?;
        wait_for_counts(page, "1 message").await?;

        page.run("document.querySelector('dialog[open] details.more').open = true;").await?;
        page.fill("Topic filter", "second").await?;
        // The connection options have a field of the same name.
        page.element("document.getElementById('subscribe-identifier')").await?.send_keys("7").await?;
        page.press("Subscribe").await?;
        page.wait_for_notice("Subscribed to “second”").await?;
        publisher.publish(Version::V5, "second", "two").await?;
        wait_for_counts(page, "1 message,1 message").await?;
        publisher.publish(Version::V5, "first/b", "three").await?;
        wait_for_counts(page, "2 messages,1 message").await?;
        let sources = "[...document.querySelectorAll('.subscribed .count')].map((count) => count.title).join()";
        let expected = "Counted by topic,Counted by subscription identifier".to_owned();
        check_equal("how they are counted", page.evaluate(sources).await?, expected)?;
        // Messages that the log drops were received all the same.
        page.press_keys(ESCAPE).await?;
        page.press("Clear").await?;
        page.wait_for_stat("cleared", 3, WAIT_TIMEOUT).await?;
        open_panel(page).await?;
        wait_for_counts(page, "2 messages,1 message").await
    })
    .await
}
