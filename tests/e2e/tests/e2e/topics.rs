//! The tree of topics: counts, values and plots, by mouse and by keyboard; the filter; clearing a retained message; ten
//! thousand topics.

use anyhow::{Result, ensure};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::mqtt::session::options::Options;
use mqtt_crawl_e2e::client::{Client, Transport};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{ARROW_DOWN, ARROW_RIGHT, END, ENTER, ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};
use serde_json::json;

/// Opens the page on every topic of a broker.
async fn open_on_all_topics(page: &Page, station: &Station, mosquitto: &Mosquitto) -> Result<()> {
    let keys = [("broker", mosquitto.ws_url()), ("topic", "#".to_owned()), ("connect", "1".to_owned())];
    page.open(&link(&station.page_url(), &keys.each_ref().map(|(key, value)| (*key, value.as_str())))).await?;
    page.wait_for_state("connected").await?;
    page.wait_for("the subscription", "/QoS 0/.test(named('section', 'Connection').innerText)", WAIT_TIMEOUT).await
}

async fn open_tree(page: &Page) -> Result<()> {
    page.press("Topics").await?;
    page.wait_for("the tree", "document.activeElement.getAttribute('role') === 'tree'", WAIT_TIMEOUT).await
}

/// Waits for a row with this topic and count.
async fn wait_for_count(page: &Page, topic: &str, count: u64) -> Result<()> {
    let expression = format!("{}?.dataset.count === '{count}'", Page::topic(topic));
    page.wait_for(&format!("{topic} with {count}"), &expression, WAIT_TIMEOUT).await
}

/// Returns the text of a row.
async fn text(page: &Page, topic: &str) -> Result<String> {
    page.evaluate(&format!("{}.innerText", Page::topic(topic))).await
}

#[tokio::test]
async fn topics_form_a_tree_and_filter_the_console() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let publisher = Login::anonymous(mosquitto.mqtt_port());
    let image = "<img src=x onerror=window.caught=1>";
    in_browser("topics", async |page| {
        open_on_all_topics(page, &station, &mosquitto).await?;
        for (topic, payload) in [
            ("house/kitchen/temperature", "21.5"),
            ("house/kitchen/temperature", "22"),
            ("house/kitchen/temperature", "20.5 °C"),
            ("house/hall", r#"{"ts":1,"climate":{"temperature":19.0,"humidity":40}}"#),
            ("house/hall", r#"{"ts":2,"climate":{"temperature":18.5,"humidity":44}}"#),
            ("a b/<i>c", image),
        ] {
            publisher.publish(Version::V5, topic, payload).await?;
        }
        open_tree(page).await?;
        wait_for_count(page, "house", 5).await?;
        wait_for_count(page, "a b", 1).await?;
        ensure!(text(page, "house").await?.contains("2 topics"), "the number of topics below isn't shown");

        // By keyboard: "a b" first, then "house"; unfolded, down to the thermometer.
        page.press_keys(&format!("{ARROW_DOWN}{ARROW_DOWN}{ARROW_RIGHT}")).await?;
        wait_for_count(page, "house/hall", 2).await?;
        wait_for_count(page, "house/kitchen", 3).await?;
        page.press_keys(&format!("{ARROW_RIGHT}{ARROW_DOWN}{ARROW_RIGHT}")).await?;
        wait_for_count(page, "house/kitchen/temperature", 3).await?;
        page.press_keys(&ARROW_RIGHT.to_string()).await?;
        page.wait_for_text("20.5–22, latest 20.5").await?;
        page.screenshot("topics").await?;
        page.press_keys(&ENTER.to_string()).await?;
        check_filter(page, "topic:house/kitchen/temperature", 3).await?;

        // JSON: the best field is plotted, another one can be selected.
        page.click(&Page::topic("house/hall")).await?;
        check_filter(page, "topic:house/hall", 2).await?;
        page.wait_for_text("18.5–19.0, latest 18.5").await?;
        page.choose("Plot", "climate.humidity").await?;
        page.wait_for_text("40–44, latest 44").await?;

        // By mouse, with a space in the name; markup is text.
        page.click(&Page::topic("house")).await?;
        check_filter(page, "topic:house/#", 5).await?;
        page.click(&format!("{}.querySelector('.twisty')", Page::topic("a b"))).await?;
        wait_for_count(page, "a b/<i>c", 1).await?;
        ensure!(text(page, "a b/<i>c").await?.contains(image), "markup isn't shown as text");
        page.click(&Page::topic("a b/<i>c")).await?;
        check_filter(page, "topic:\"a b/<i>c\"", 1).await?;
        let made: u64 = page.evaluate("document.querySelectorAll('dialog img, dialog i').length").await?;
        check_equal("elements made from payloads", made, 0)?;

        // In another order: "house" has more messages than "a b".
        let firsts = "[...document.querySelectorAll('[role=treeitem][aria-level=\"1\"]')].map((row) => row.dataset.topic).join()";
        page.wait_for("by name", &format!("{firsts} === 'a b,house'"), WAIT_TIMEOUT).await?;
        page.choose("Order", "Message count").await?;
        page.wait_for("by count", &format!("{firsts} === 'house,a b'"), WAIT_TIMEOUT).await?;
        page.choose("Order", "Most recent").await?;
        page.wait_for("the newest first", &format!("{firsts} === 'a b,house'"), WAIT_TIMEOUT).await?;

        // Cleared, the tree starts again.
        page.press("Clear").await?;
        page.wait_for("an empty tree", "document.querySelectorAll('[role=treeitem]').length === 0", WAIT_TIMEOUT).await?;
        publisher.publish(Version::V5, "new", "1").await?;
        wait_for_count(page, "new", 1).await
    })
    .await
}

/// Waits until the filter box has this text and that many messages pass.
async fn check_filter(page: &Page, filter: &str, matching: u64) -> Result<()> {
    page.wait_for(filter, &format!("field('Filter').value === {}", json!(filter)), WAIT_TIMEOUT).await?;
    let expression = format!("stat('matching') === '{matching}'");
    page.wait_for(&format!("{matching} messages of {filter}"), &expression, WAIT_TIMEOUT).await
}

#[tokio::test]
async fn retained_message_is_deleted_after_confirmation() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let publisher = Login::anonymous(mosquitto.mqtt_port());
    publisher.publish_retained("house/door", "open").await?;
    publisher.publish_retained("house/gate", "shut").await?;
    in_browser("clear-retained", async |page| {
        open_on_all_topics(page, &station, &mosquitto).await?;
        open_tree(page).await?;
        wait_for_count(page, "house", 2).await?;
        page.press_keys(&format!("{ARROW_DOWN}{ARROW_RIGHT}")).await?;
        wait_for_count(page, "house/door", 1).await?;
        page.press_keys(&ARROW_RIGHT.to_string()).await?;
        ensure!(text(page, "house/door").await?.contains("retained"), "the mark is missing");

        let question = "named('dialog[open]', 'Delete the retained message?')";
        page.press("Delete retained message").await?;
        page.wait_for("the question", &format!("{question}.innerText.includes('house/door')"), WAIT_TIMEOUT).await?;
        page.screenshot("clear-retained").await?;
        page.press("Cancel").await?;
        page.wait_for("no question", &format!("!{question}"), WAIT_TIMEOUT).await?;
        ensure!(text(page, "house/door").await?.contains("retained"), "it was deleted without confirmation");

        // Escape closes the question, and not the panel in which it is asked.
        page.press("Delete retained message").await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for("no question", &format!("!{question}"), WAIT_TIMEOUT).await?;
        ensure!(page.evaluate::<bool>("Boolean(named('dialog[open]', 'Topics'))").await?, "the panel is closed");

        page.press("Delete retained message").await?;
        page.press("Delete").await?;
        page.wait_for_notice("Deleted the retained message of house/door").await?;
        wait_for_count(page, "house/door", 2).await?;
        let text = text(page, "house/door").await?;
        ensure!(!text.contains("retained") && text.contains("(empty)"), "the mark is still there: {text}");

        // A later subscriber gets only the other one; the following message shows that nothing is in flight.
        let later = publisher.subscribe("house/#").await?;
        publisher.publish(Version::V5, "house/after", "1").await?;
        let line = "house/after 1";
        eventually(line, async || Ok(later.output().contains(line).then_some(()))).await?;
        let output = later.output();
        ensure!(output.contains("got 1 1 house/gate shut"), "the other one is missing: {output}");
        ensure!(!output.contains("house/door"), "the broker still has it: {output}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn ten_thousand_topics_are_rendered_one_screen_at_a_time() -> Result<()> {
    const TOPICS: usize = 10_000;
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("many-topics", async |page| {
        open_on_all_topics(page, &station, &mosquitto).await?;
        let mut client = Client::new(Transport::Tcp, mosquitto.mqtt_port(), Options::default(), 1);
        client.connect().await?;
        let publish = async |client: &mut Client, round: usize| -> Result<()> {
            for batch in 0..10 {
                for number in (0..TOPICS).skip(batch).step_by(10) {
                    client.publish(&format!("plant/sensor-{number:05}"), b"21.5".to_vec(), QoS::AtLeastOnce)?;
                }
                let sent = round * TOPICS + (batch + 1) * TOPICS / 10;
                client.run_until("the acknowledgements", |client| client.finished() >= sent).await?;
            }
            Ok(())
        };
        publish(&mut client, 0).await?;
        page.wait_for("all messages", &format!("stat('received') === '{TOPICS}'"), WAIT_TIMEOUT).await?;

        // The program is loaded already: this is about the tree.
        page.press("Send a message").await?;
        page.wait_for("a panel", "Boolean(document.querySelector('dialog[open]'))", WAIT_TIMEOUT).await?;
        page.press("Close").await?;
        page.begin_measuring().await?;
        open_tree(page).await?;
        wait_for_count(page, "plant", TOPICS as u64).await?;
        page.press_keys(&format!("{ARROW_DOWN}{ARROW_RIGHT}")).await?;
        wait_for_count(page, "plant/sensor-00000", 1).await?;
        page.press_keys(&END.to_string()).await?;
        wait_for_count(page, "plant/sensor-09999", 1).await?;
        println!("10,000 topics, opened and unfolded: {:?}", page.end_measuring().await?);

        // While it is open, all of them once more.
        page.begin_measuring().await?;
        publish(&mut client, 1).await?;
        wait_for_count(page, "plant/sensor-09999", 2).await?;
        for part in 0..20 {
            page.run(&format!(
                "const tree = named('[role=tree]', 'Topics seen'); tree.scrollTop = tree.scrollHeight / 20 * {part};"
            ))
            .await?;
        }
        wait_for_count(page, "plant/sensor-09500", 2).await?;
        let smoothness = page.end_measuring().await?;
        println!("10,000 topics, streaming and scrolled: {smoothness:?}");

        let drawn: usize = page.evaluate("document.querySelectorAll('[role=treeitem]').length").await?;
        ensure!(drawn < 60, "{drawn} rows are drawn");
        check_equal(
            "the number of topics",
            page.evaluate::<String>(&format!("{}.ariaSetSize", Page::topic("plant/sensor-09500"))).await?,
            TOPICS.to_string(),
        )?;
        page.screenshot("many-topics").await?;
        Ok(())
    })
    .await
}
