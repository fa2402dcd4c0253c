//! Line rules: in the link, in the panel, in storage, and in a new worker.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{ESCAPE, Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

const READING: &str = r#"{"device":"probe 7","value":21.40,"unit":"°C"}"#;

/// The links of these tests: everything is subscribed to, no opening plays.
const KEYS: [(&str, &str); 6] =
    [("topic", "#"), ("card", ""), ("logo", ""), ("episode", ""), ("title", ""), ("intro", "")];

/// Rules: a thermometer has a sentence, and machine-only messages stay out of the crawl.
const RULES: [(&str, &str); 4] =
    [("line", "+/temperature"), ("speaker", ""), ("words", "the {1} reports {value} {unit}"), ("hide", "debug/#")];

fn linked<'a>(station: &Station, keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let keys: Vec<_> = KEYS.into_iter().chain(keys).chain([("connect", "1")]).collect();
    link(&station.page_url(), &keys)
}

/// Returns the rules of the address bar, in their order.
async fn rules_in_link(page: &Page) -> Result<Vec<(String, String)>> {
    let rules = "[...new URLSearchParams(location.hash.slice(1))]
        .filter(([key]) => ['line', 'hide', 'speaker', 'words'].includes(key))";
    page.evaluate(rules).await
}

fn owned(rules: &[(&str, &str)]) -> Vec<(String, String)> {
    rules.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An expression for the text that the crawl has shown, without the blanks between its rows.
const SHOWN_TEXT: &str = "lines().map((line) => line.text.replace(/\\s+/g, '')).join('|').toLowerCase()";

async fn open_panel(page: &Page) -> Result<()> {
    page.press("Director").await?;
    page.press("Line rules").await?;
    page.wait_for("the panel", "Boolean(named('dialog[open]', 'Line rules'))", WAIT_TIMEOUT).await
}

/// Waits until the preview shows a message with this line.
async fn wait_for_preview(page: &Page, message: &str, line: &str) -> Result<()> {
    let shown = format!(
        "[...document.querySelectorAll('.previews li')].some((entry) =>
            entry.querySelector('.sample').textContent === {} && entry.querySelector('.shown-line').textContent === {})",
        json!(message),
        json!(line)
    );
    page.wait_for(&format!("{message} as {line:?} in the preview"), &shown, WAIT_TIMEOUT).await
}

async fn wait_for_rules(page: &Page, topics: &[&str]) -> Result<()> {
    let found = format!(
        "JSON.stringify([...document.querySelectorAll('.rules li bdi')].map((each) => each.textContent)) === {}",
        json!(json!(topics).to_string())
    );
    page.wait_for(&format!("the rules {topics:?}"), &found, WAIT_TIMEOUT).await
}

/// Checks that a thermometer's reading becomes a sentence, and that hidden messages stay in the console.
async fn check_link(name: &str, station: &Station, broker: &str, publisher: Login<'_>) -> Result<()> {
    in_browser(name, async |page| {
        page.open(&linked(station, [("broker", broker)].into_iter().chain(RULES))).await?;
        page.wait_for_state("connected").await?;
        publisher.publish(Version::V5, "greenhouse/temperature", READING).await?;
        publisher.publish(Version::V5, "debug/heap", "41 pages free").await?;
        publisher.publish(Version::V5, "hall/temperature", "closed for today").await?;
        publisher.publish(Version::V5, "chat", "PIP: Good evening").await?;
        page.wait_for_row("41 pages free").await?;
        page.wait_for_row("Good evening").await?;
        page.wait_for_line("the greenhouse reports 21.40 °C").await?;
        // A message that the rule has no text for is shown unchanged.
        page.wait_for_line("closed for today").await?;
        page.wait_for_line("Good evening").await?;
        // Lines are shown in order, so the hidden one isn't still queued.
        let shown: String = page.evaluate(SHOWN_TEXT).await?;
        ensure!(!shown.contains("pagesfree"), "{shown}");
        page.wait_for_stat("behind", 0, WAIT_TIMEOUT).await?;
        check_equal("received", page.stat("received").await?, 4)?;
        check_equal("the link", rules_in_link(page).await?, owned(&RULES))?;

        // The filter uses the names that the crawl has.
        page.fill("Filter", "character:pip").await?;
        page.wait_for_stat("matching", 1, WAIT_TIMEOUT).await?;
        page.fill("Filter", "character:probe").await?;
        page.wait_for_stat("matching", 0, WAIT_TIMEOUT).await?;
        page.screenshot(name).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn rules_in_a_link_apply_at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    check_link("lines-rules-mosquitto", &station, &mosquitto.ws_url(), Login::anonymous(mosquitto.mqtt_port())).await
}

#[tokio::test]
async fn rules_in_a_link_apply_at_the_station() -> Result<()> {
    let station = Station::start().await?;
    let publisher = Login::anonymous(station.mqtt_port()?);
    check_link("lines-rules-station", &station, &station.ws_url("/mqtt"), publisher).await
}

#[tokio::test]
async fn invalid_rule_in_a_link_is_reported_and_nothing_connects() -> Result<()> {
    let station = Station::start().await?;
    in_browser("lines-bad-link", async |page| {
        page.open(&linked(&station, [("line", "a/+"), ("words", "it is {value")])).await?;
        page.wait_for_text("Missing }").await?;
        check_equal("the state", page.state().await?, "idle".to_owned())
    })
    .await
}

/// The rules that the panel's test has made at its end.
const PANEL_RULES: [(&str, &str); 4] =
    [("hide", "debug/#"), ("line", "+/temperature"), ("speaker", "{1}"), ("words", "it is {value} {unit} here")];

/// Adds a rule, after errors in its fields.
async fn add_rule(page: &Page, sample: &str) -> Result<()> {
    // Errors are shown at their fields, and no rule is added.
    page.choose("Speaker", "level").await?;
    page.fill("Speaker level", "0").await?;
    page.choose("Text", "sentence").await?;
    page.fill("Text template", "it is {value").await?;
    page.press("Add").await?;
    page.wait_for_notice("1 for the first level").await?;
    page.wait_for_notice("Missing }").await?;
    check_equal("the rules", rules_in_link(page).await?, vec![])?;
    page.fill("Speaker level", "1").await?;
    page.fill("Text template", "it is {value} {unit} here").await?;
    wait_for_preview(page, sample, "shed: it is 21.40 °C here").await?;
    page.screenshot("lines-panel").await?;
    page.press("Add").await?;
    wait_for_rules(page, &["+/temperature"]).await
}

/// Adds a rule that hides everything, and moves it to the front.
async fn add_hiding_rule(page: &Page, sample: &str) -> Result<()> {
    // As the last rule it hides only other topics; as the first it hides everything.
    page.fill("Match topics", "#").await?;
    page.tick("Hide from crawl").await?;
    wait_for_preview(page, "debug/heap 41 pages free", "Hidden from the crawl").await?;
    page.press("Add").await?;
    wait_for_rules(page, &["+/temperature", "#"]).await?;
    wait_for_preview(page, sample, "shed: it is 21.40 °C here").await?;
    page.press("Move rule 2 up").await?;
    wait_for_rules(page, &["#", "+/temperature"]).await?;
    wait_for_preview(page, sample, "Hidden from the crawl").await?;
    let focus = "document.activeElement.getAttribute('aria-label')";
    page.wait_for("the focus on the moved button", &format!("{focus} === 'Move rule 1 down'"), WAIT_TIMEOUT).await
}

/// Narrows the first rule to `debug/#`.
async fn edit_first_rule(page: &Page, publisher: &Login<'_>) -> Result<()> {
    page.press("Edit rule 1").await?;
    check_equal("the topics", page.value("Match topics").await?, "#".to_owned())?;
    page.fill("Match topics", "debug/#").await?;
    page.press("Save").await?;
    wait_for_rules(page, &["debug/#", "+/temperature"]).await?;
    publisher.publish(Version::V5, "debug/heap", "40 pages free").await?;
    publisher.publish(Version::V5, "chat", "PIP: After all of that").await?;
    page.wait_for_row("40 pages free").await?;
    page.wait_for_line("After all of that").await?;
    let shown: String = page.evaluate(SHOWN_TEXT).await?;
    ensure!(!shown.contains("40pagesfree"), "{shown}");
    check_equal("the link", rules_in_link(page).await?, owned(&PANEL_RULES))?;
    page.press_keys(ESCAPE).await?;
    page.wait_for("the panel to close", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await
}

/// Checks that the rules are stored and apply to a page without a link, and that removed rules aren't stored.
async fn check_stored_rules(page: &Page, station: &Station, publisher: &Login<'_>) -> Result<()> {
    page.open(&station.page_url()).await?;
    page.fill("Topic", "#").await?;
    page.press("Connect").await?;
    page.wait_for_state("connected").await?;
    check_equal("the link of the next page", rules_in_link(page).await?, owned(&PANEL_RULES))?;
    publisher.publish(Version::V5, "attic/temperature", r#"{"value":30,"unit":"°C"}"#).await?;
    page.wait_for_line("it is 30 °C here").await?;
    open_panel(page).await?;
    wait_for_rules(page, &["debug/#", "+/temperature"]).await?;
    page.press("Remove rule 1").await?;
    wait_for_rules(page, &["+/temperature"]).await?;
    page.press("Remove rule 1").await?;
    wait_for_rules(page, &[]).await?;
    check_equal("the link", rules_in_link(page).await?, vec![])?;
    check_equal("the stored settings", page.evaluate::<String>("localStorage['mqtt-crawl']").await?, String::new())
}

#[tokio::test]
async fn panel_edits_rules_and_previews_messages() -> Result<()> {
    let station = Station::start().await?;
    let publisher = Login::anonymous(station.mqtt_port()?);
    in_browser("lines-panel", async |page| {
        page.open(&linked(&station, [])).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        // Before any message arrived there are examples, also for the topics that are typed.
        wait_for_preview(page, "chat/harbour PIP: Good evening", "PIP: Good evening").await?;
        page.fill("Match topics", "+/temperature").await?;
        wait_for_preview(page, "greenhouse/temperature 21.4", "greenhouse temperature: 21.4").await?;

        publisher.publish(Version::V5, "shed/temperature", READING).await?;
        publisher.publish(Version::V5, "debug/heap", "41 pages free").await?;
        let sample = format!("shed/temperature {READING}");
        wait_for_preview(page, &sample, "probe 7: 21.40").await?;
        let of_others = "document.querySelector('.previews ul').textContent.includes('debug/heap')";
        ensure!(!page.evaluate::<bool>(of_others).await?, "the preview is about other topics");

        add_rule(page, &sample).await?;
        publisher.publish(Version::V5, "shed/temperature", READING).await?;
        page.wait_for_line("it is 21.40 °C here").await?;
        add_hiding_rule(page, &sample).await?;
        edit_first_rule(page, &publisher).await?;
        check_stored_rules(page, &station, &publisher).await
    })
    .await
}

#[tokio::test]
async fn rules_in_a_link_override_stored_rules_without_replacing_them() -> Result<()> {
    let station = Station::start().await?;
    in_browser("lines-kept", async |page| {
        page.open(&station.page_url()).await?;
        page.run("localStorage['mqtt-crawl'] = 'theme=light&hide=own';").await?;
        page.open(&linked(&station, RULES)).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        wait_for_rules(page, &["+/temperature", "debug/#"]).await?;
        page.press_keys(ESCAPE).await?;
        // Another choice keeps the user's own.
        page.press("Preferences").await?;
        page.choose("Theme", "dark").await?;
        let kept = "localStorage['mqtt-crawl'] === 'hide=own'";
        page.wait_for("the user's own rules", kept, WAIT_TIMEOUT).await?;
        check_equal("the link", rules_in_link(page).await?, owned(&RULES))
    })
    .await
}

#[tokio::test]
async fn restarted_worker_has_the_rules() -> Result<()> {
    let station = Station::start().await?;
    let publisher = Login::anonymous(station.mqtt_port()?);
    in_browser_with(&[Feature::InitScript], "lines-new-worker", async |page| {
        page.keep_workers().await?;
        page.open(&linked(&station, RULES)).await?;
        page.wait_for_state("connected").await?;
        publisher.publish(Version::V5, "cellar/temperature", READING).await?;
        page.wait_for_line("the cellar reports 21.40 °C").await?;
        page.fail_worker("out of fuel").await?;
        page.wait_for_notice("was restarted").await?;
        // Its log is gone, so this isn't the earlier connection.
        page.wait_for_stat("received", 0, WAIT_TIMEOUT).await?;
        page.wait_for_state("connected").await?;
        publisher.publish(Version::V5, "attic/temperature", READING).await?;
        page.wait_for_line("the attic reports 21.40 °C").await
    })
    .await
}
