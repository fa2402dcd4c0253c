//! Input that can't work gets its own message, and the app continues.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::peer::{Peer, PeerMode};
use mqtt_crawl_e2e::site::Site;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};

/// Tries to connect with these settings and returns the page's message, which must match.
async fn failure_message(page: &Page, broker: &str, topic: &str, pattern: &str) -> Result<String> {
    leave(page).await?;
    page.fill("Broker URL", broker).await?;
    page.fill("Topic", topic).await?;
    page.press("Connect").await?;
    // All in one script: a broker that breaks a rule is connected for a moment at each attempt.
    let message = format!(
        "stat('state') !== 'connected' && new RegExp({}, 'i').test(notices()) ? notices() : null",
        serde_json::json!(pattern)
    );
    eventually(&format!("{pattern} in a message about {broker} and {topic:?}"), async || page.evaluate(&message).await)
        .await
}

/// Ends the page's current action.
async fn leave(page: &Page) -> Result<()> {
    let is_busy: bool = page.evaluate("Boolean(button('Disconnect')) && !button('Disconnect').disabled").await?;
    if is_busy {
        page.press("Disconnect").await?;
        page.wait_for_state("idle").await?;
    }
    Ok(())
}

/// Checks that the same page still works.
async fn check_connects(page: &Page, broker: &str) -> Result<()> {
    leave(page).await?;
    page.fill("Broker URL", broker).await?;
    page.fill("Topic", "StarWars").await?;
    page.press("Connect").await?;
    page.wait_for_state("connected").await
}

#[tokio::test]
async fn unusable_settings_and_peers_are_reported() -> Result<()> {
    let station = Station::start().await?;
    let good = station.ws_url("/mqtt");
    let mute = Peer::start(PeerMode::Mute).await?;
    // PUBLISH with a property of two bytes whose identifier, 0x7f, doesn't exist.
    let malformed =
        Peer::start(PeerMode::Scripted { then: vec![0x30, 0x07, 0x00, 0x01, b'a', 0x02, 0x7f, 0x00, b'x'] }).await?;
    in_browser("bad-input", async |page| {
        page.expect_errors("WebSocket connection to");
        page.open(&station.page_url()).await?;
        let cases = [
            ("ht tp:/nowhere", "StarWars", "url|address"),
            ("http://127.0.0.1/mqtt", "StarWars", "ws://"),
            (good.as_str(), "", "topic"),
            (good.as_str(), "a/#/b", "#"),
            (&mute.ws_url(), "StarWars", "websocket"),
            (&malformed.ws_url(), "StarWars", "propert"),
            ("ws://127.0.0.1:6000/mqtt", "StarWars", "browsers block port 6000"),
        ];
        let mut messages = Vec::new();
        for (broker, topic, pattern) in cases {
            let message = failure_message(page, broker, topic, pattern).await?;
            println!("{broker} {topic:?}: {message}\n");
            ensure!(!messages.contains(&message), "the same message again: {message}");
            messages.push(message);
            check_connects(page, &good).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn plain_ws_from_an_https_page_is_explained() -> Result<()> {
    let site = Site::start_secure().await?;
    in_browser("mixed-content", async |page| {
        page.expect_errors("Mixed Content");
        page.expect_errors("WebSocket connection to");
        let keys = [("broker", "ws://broker.example:8080/mqtt"), ("connect", "1")];
        page.open(&link(&site.page_url(), &keys)).await?;
        // The browser decides: a person may have allowed it. If it doesn't, its message comes first.
        page.wait_for(
            "the likeliest cause",
            "document.querySelector('.advice li')?.innerText.includes('was loaded over https')",
            WAIT_TIMEOUT,
        )
        .await?;
        page.press("Disconnect").await?;

        // It needs no press of a button, and disappears when the address does.
        let shown = "document.querySelector('#broker-fault').innerText.includes('was loaded over https') \
                    && field('Broker URL').getAttribute('aria-invalid') === 'false'";
        page.open(&link(&site.page_url(), &[keys[0]])).await?;
        page.wait_for("the message about the link's address", shown, WAIT_TIMEOUT).await?;
        for (broker, is_shown) in [
            ("wss://broker.example:8081/mqtt", false),
            ("ws://broker.example:8080/mqtt", true),
            ("ws://localhost:8080/mqtt", false),
        ] {
            page.fill("Broker URL", broker).await?;
            page.wait_for(broker, &format!("({shown}) === {is_shown}"), WAIT_TIMEOUT).await?;
        }
        check_equal("the state", page.state().await?, "idle".to_owned())
    })
    .await
}
