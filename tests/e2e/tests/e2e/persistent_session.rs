//! A persistent session continues after the page is reloaded.

use anyhow::{Context, Result, ensure};
use mqtt_crawl::engine::{Engine, StoreWrite};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::protocol::command::PageCommand;
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions};
use mqtt_crawl::time::Instant;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};

const CLIENT_ID: &str = "keeper";

/// Fills the browser's store like an earlier page: the app's own engine makes it.
fn left_by_an_earlier_page(broker: &str) -> Result<StoreWrite> {
    let now = Instant::from_millis(1);
    let mut engine = Engine::new(1, Limits::default());
    engine.use_store();
    let more = ConnectionOptions { session_expiry_s: Some(600), clean_start: false, ..ConnectionOptions::default() };
    engine.handle_command(PageCommand::SetConnectionOptions(Box::new(more)), now);
    let request = ConnectRequest {
        broker: broker.to_owned(),
        topics: vec!["StarWars".to_owned()],
        qos: QoS::ExactlyOnce,
        version: None,
        client_id: CLIENT_ID.to_owned(),
        user_name: None,
        password: None,
        page: PageOrigin::default(),
    };
    engine.handle_command(PageCommand::Connect(request), now);
    let key = engine.poll_load().context("nothing to load")?;
    engine.handle_loaded(&key, Ok(None), now);
    engine.handle_open(now);
    engine.handle_input(&[0x20, 3, 0, 0, 0], now);
    engine.poll_save(now).context("nothing to save")
}

async fn leave_in_store(page: &Page, save: &StoreWrite) -> Result<()> {
    // The first to open the store decides on its layout, and that has to be the app.
    let is_there = "indexedDB.databases().then((all) => all.some((database) => database.name === 'mqtt-crawl'))";
    eventually("the app's database", async || Ok(page.evaluate::<bool>(is_there).await?.then_some(()))).await?;
    let (key, bytes) = (serde_json::json!(save.key), serde_json::json!(save.bytes));
    let statements = format!(
        "indexedDB.open('mqtt-crawl').onsuccess = (event) => {{
            const transaction = event.target.result.transaction('sessions', 'readwrite');
            transaction.objectStore('sessions').put({{ bytes: new Uint8Array({bytes}) }}, {key});
            transaction.oncomplete = () => {{ event.target.result.close(); window.__left = true; }};
        }};"
    );
    page.run(&statements).await?;
    page.wait_for("the store", "window.__left === true", WAIT_TIMEOUT).await
}

/// An expression for the keys in the browser's store.
const KEPT: &str = "new Promise((resolve) => { indexedDB.open('mqtt-crawl').onsuccess = (event) => {
    const sessions = event.target.result.transaction('sessions').objectStore('sessions');
    sessions.getAllKeys().onsuccess = (keys) => { event.target.result.close(); resolve(keys.target.result); };
} })";

#[tokio::test]
async fn messages_published_while_away_arrive_exactly_once() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let broker = Login::anonymous(mosquitto.mqtt_port());
    in_browser("persistent", async |page| {
        page.open(&station.page_url()).await?;
        leave_in_store(page, &left_by_an_earlier_page(&mosquitto.ws_url())?).await?;

        let keys = [("broker", mosquitto.ws_url()), ("client", CLIENT_ID.to_owned()), ("qos", "2".to_owned())];
        let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
        let url = link(&station.page_url(), &[&keys[..], &[("connect", "1")]].concat());
        page.open(&url).await?;
        page.wait_for_state("connected").await?;
        page.wait_for_text("restored from this browser").await?;
        broker.publish_at(2, Version::V5, "StarWars", "HERE: One").await?;
        page.wait_for_row("One").await?;

        for away in 0..3 {
            page.browser().client().goto("about:blank").await?;
            // Before that it would send the message to the page that is closing.
            mosquitto.wait_for_log_times(&format!("Client {CLIENT_ID} "), away + 1).await?;
            let payload = format!("AWAY: Two {away}");
            broker.publish_at(2, Version::V5, "StarWars", &payload).await?;
            page.open(&url).await?;
            page.wait_for_state("connected").await?;
            page.wait_for_row(&format!("Two {away}")).await?;
            // After it, on the same connection: a duplicate would have arrived by then.
            broker.publish_at(2, Version::V5, "StarWars", "AFTER: Three").await?;
            page.wait_for_row("Three").await?;
            check_equal("messages", page.stat("received").await?, 2)?;
        }
        let kept: Vec<String> = page.evaluate(KEPT).await?;
        check_equal("the stored session", kept, vec![format!("{CLIENT_ID} {}", mosquitto.ws_url())])
    })
    .await?;
    let log = mosquitto.log();
    ensure!(!log.contains("protocol error"), "{log}");
    Ok(())
}

/// How a page ends.
#[derive(Clone, Copy, PartialEq)]
enum PageEnd {
    /// It disconnects first, so every received message is counted.
    AfterDisconnect,
    /// In the middle of its work: the messages that its worker receives after the last reading are lost.
    Immediate,
}

/// Messages arrive while the page is reloaded repeatedly. Returns how many arrived before each page ended, in total,
/// and how many the last page got.
async fn reload_in_a_stream(page: &mut Page, page_end: PageEnd) -> Result<(u64, u64)> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let broker = Login::anonymous(mosquitto.mqtt_port());
    page.open(&station.page_url()).await?;
    leave_in_store(page, &left_by_an_earlier_page(&mosquitto.ws_url())?).await?;
    let keys = [("broker", mosquitto.ws_url()), ("client", CLIENT_ID.to_owned()), ("qos", "2".to_owned())];
    let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
    let url = link(&station.page_url(), &[&keys[..], &[("connect", "1")]].concat());
    page.open(&url).await?;
    page.wait_for_state("connected").await?;

    let mut before = 0;
    for round in 0..ROUNDS {
        let publish = async {
            for number in 0..MESSAGES / ROUNDS {
                broker.publish_at(2, Version::V5, "StarWars", &format!("N: {round}.{number}")).await?;
            }
            anyhow::Ok(())
        };
        let reload = async {
            page.wait_for("some messages", "Number(stat('received')) >= 20", WAIT_TIMEOUT).await?;
            if page_end == PageEnd::AfterDisconnect {
                page.press("Disconnect").await?;
                page.wait_for_state("idle").await?;
            }
            let received = page.stat("received").await?;
            page.open(&url).await?;
            page.wait_for_state("connected").await?;
            anyhow::Ok(received)
        };
        let (published, received) = tokio::join!(publish, reload);
        published?;
        before += received?;
    }
    // An earlier page may have received all of them; after this one nothing more arrives.
    broker.publish_at(2, Version::V5, "StarWars", "N: The end").await?;
    page.wait_for_row("The end").await?;
    Ok((before, page.stat("received").await? - 1))
}

const MESSAGES: u64 = 300;
const ROUNDS: u64 = 3;

#[tokio::test]
async fn successive_pages_get_each_message_once() -> Result<()> {
    in_browser("persistent-turns", async |page| {
        let (before, last) = reload_in_a_stream(page, PageEnd::AfterDisconnect).await?;
        check_equal("messages of all pages", before + last, MESSAGES)
    })
    .await
}

#[tokio::test]
async fn interrupted_pages_duplicate_nothing() -> Result<()> {
    in_browser("persistent-stream", async |page| {
        let (before, last) = reload_in_a_stream(page, PageEnd::Immediate).await?;
        println!("{before} messages received by three pages before they ended, {last} by the last");
        ensure!(before + last <= MESSAGES, "{} messages of {MESSAGES}: some arrived twice", before + last);
        Ok(())
    })
    .await
}
