//! The console: filter, matches, a frozen view, columns and times, export, and that every message is accounted for.

use anyhow::{Context, Result, ensure};
use mqtt_crawl::protocol::panels::ToPage;
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{
    ARROW_DOWN, ARROW_RIGHT, END, ENTER, ESCAPE, Page, check_equal, in_browser, in_browser_with,
};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};
use serde_json::{Value, json};

/// WebDriver's codes for keys.
const F3: &str = "\u{E033}";
const SHIFT_F3: &str = "\u{E008}\u{E033}";
const SHIFT_N: &str = "\u{E008}N";
const ARROW_UP: &str = "\u{E013}";

/// Returns this number of lines, every tenth of which says "ten".
fn lines(count: u32) -> String {
    let line = |n: u32| if n.is_multiple_of(10) { format!("ten {n}\n") } else { format!("{n}\n") };
    (1..=count).map(line).collect()
}

/// Connects, with this number of these lines in the console.
async fn open_with_lines(page: &Page, station: &Station, count: u32) -> Result<Login<'static>> {
    page.open(&link(&station.page_url(), &[("topic", "#"), ("view", "console"), ("connect", "1")])).await?;
    page.wait_for_state("connected").await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    broker.publish_lines(Version::V5, "deck", lines(count)).await?;
    page.wait_for_stat("received", count.into(), WAIT_TIMEOUT).await?;
    Ok(broker)
}

/// Waits until this message is selected, and completely on screen.
async fn wait_for_selected(page: &Page, seq: u64) -> Result<()> {
    let expression = format!(
        "(() => {{
            const row = console_().querySelector('[aria-selected=true]');
            const pane = console_().querySelector('.pane').getBoundingClientRect();
            const box = row?.getBoundingClientRect();
            return row?.dataset.seq === '{seq}' && box.top >= pane.top - 1 && box.bottom <= pane.bottom + 1
                && document.getElementById(console_().getAttribute('aria-activedescendant')) === row;
        }})()"
    );
    page.wait_for(&format!("message {seq} to be selected"), &expression, WAIT_TIMEOUT).await
}

async fn wait_for_match_position(page: &Page, text: &str) -> Result<()> {
    let expression = format!("document.querySelector('.matches')?.innerText.startsWith({})", json!(text));
    page.wait_for(text, &expression, WAIT_TIMEOUT).await
}

/// Returns the numbers of the visible rows, by their position on screen.
async fn on_screen(page: &Page) -> Result<Vec<u64>> {
    page.evaluate(
        "(() => {
            const pane = console_().querySelector('.pane').getBoundingClientRect();
            return [...console_().querySelectorAll('[data-seq]')].filter((row) => {
                const box = row.getBoundingClientRect();
                return box.bottom > pane.top + 1 && box.top < pane.bottom - 1;
            }).map((row) => Number(row.dataset.seq));
        })()",
    )
    .await
}

/// Applies these settings of the app, as its panels would send them.
async fn choose_settings(page: &Page, text: &str) -> Result<()> {
    page.send_to_page(&ToPage::Settings(text.to_owned())).await
}

/// Returns the text of a column's cells on screen.
async fn cells(page: &Page, column: &str) -> Result<Vec<String>> {
    let cells = format!("[...console_().querySelectorAll('[data-seq] .{column}')]");
    page.evaluate(&format!("{cells}.filter(isVisible).map((cell) => cell.textContent)")).await
}

#[tokio::test]
async fn filter_shows_matches_and_keeps_the_rest() -> Result<()> {
    let station = Station::start().await?;
    in_browser("filter", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        for (topic, payload) in [("deck", "gale"), ("hold", "dry"), ("deck", "calm"), ("mast", "gale")] {
            broker.publish(Version::V5, topic, payload).await?;
        }
        page.wait_for_stat("matching", 4, WAIT_TIMEOUT).await?;
        page.fill("Filter", "gale").await?;
        page.wait_for_stat("matching", 2, WAIT_TIMEOUT).await?;
        page.wait_for("two rows", "rows().length === 2", WAIT_TIMEOUT).await?;
        let rows = page.rows().await?;
        ensure!(rows.iter().all(|row| row.text.contains("gale")), "{rows:?}");
        check_equal("kept", page.stat("kept").await?, 4)?;
        page.check_accounts().await
    })
    .await
}

#[tokio::test]
async fn export_contains_every_message_unchanged() -> Result<()> {
    let station = Station::start().await?;
    in_browser("export", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "#"), ("qos", "1"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        let payloads = [r#"{"t":127.0,"n":12345678901234567890}"#, "Ünïcode\nand \"quotes\"", "last"];
        for payload in payloads {
            broker.publish(Version::V5, "StarWars", payload).await?;
        }
        page.wait_for_stat("received", 3, WAIT_TIMEOUT).await?;
        let export = page.export().await?;
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
            ensure!(time.len() == 24 && time.ends_with('Z'), "{time} isn't a time");
        }
        let numbers: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
        ensure!(numbers.is_sorted() && numbers.len() == 3, "{numbers:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn matches_are_highlighted_and_navigable() -> Result<()> {
    let station = Station::start().await?;
    in_browser("matches", async |page| {
        open_with_lines(page, &station, 300).await?;
        page.wait_for("no marks without a filter", "!console_().querySelector('mark')", WAIT_TIMEOUT).await?;
        page.fill("Filter", "ten topic:d+ck").await?;
        page.wait_for_notice("must be a whole level").await?;
        page.fill("Filter", "TEN topic:#").await?;
        page.wait_for_stat("matching", 30, WAIT_TIMEOUT).await?;
        wait_for_match_position(page, "30 matches").await?;
        let marked = "rows().length > 9 && [...console_().querySelectorAll('[data-seq]')]
            .every((row) => row.querySelector('.payload mark').textContent === 'ten')";
        page.wait_for("marks in every row", marked, WAIT_TIMEOUT).await?;
        let rows = page.rows().await?;
        ensure!(rows.iter().all(|row| row.text.contains(&format!("ten {}", row.seq))), "{rows:?}");

        page.press("Previous match").await?;
        wait_for_selected(page, 300).await?;
        wait_for_match_position(page, "30 of 30").await?;
        page.press("Previous match").await?;
        wait_for_selected(page, 290).await?;
        wait_for_match_position(page, "29 of 30").await?;

        page.press("Show non-matching").await?;
        page.wait_for("the others", "rows().some((row) => row.seq === 289)", WAIT_TIMEOUT).await?;
        check_equal("matching", page.stat("matching").await?, 30)?;
        wait_for_selected(page, 290).await?;
        page.element("field('Filter')").await?.send_keys(SHIFT_F3).await?;
        wait_for_selected(page, 280).await?;
        for expected in [270, 260, 250] {
            page.press_keys(&ENTER.to_string()).await?;
            wait_for_selected(page, expected).await?;
        }
        wait_for_match_position(page, "25 of 30").await?;
        page.press_keys(F3).await?;
        wait_for_selected(page, 260).await?;
        page.run("console_().focus();").await?;
        page.press_keys(SHIFT_N).await?;
        wait_for_selected(page, 250).await?;
        page.press_keys("n").await?;
        wait_for_selected(page, 260).await?;
        page.press_keys(ARROW_UP).await?;
        wait_for_selected(page, 259).await?;
        wait_for_match_position(page, "30 matches").await?;

        // Without the filter the selected message stays visible.
        page.fill("Filter", "").await?;
        page.wait_for_stat("matching", 300, WAIT_TIMEOUT).await?;
        wait_for_selected(page, 259).await?;
        page.wait_for("no marks", "!console_().querySelector('mark')", WAIT_TIMEOUT).await?;
        page.wait_for("no buttons for matches", "!isVisible(document.querySelector('.matches'))", WAIT_TIMEOUT).await?;
        // A click selects it, its button opens it.
        page.run("console_().querySelector('[data-seq=\"258\"] .payload').click();").await?;
        wait_for_selected(page, 258).await?;
        page.press("Open").await?;
        page.wait_for(
            "the message",
            "Boolean(document.querySelector('dialog[open] [data-message=\"258\"]'))",
            WAIT_TIMEOUT,
        )
        .await
    })
    .await
}

#[tokio::test]
async fn frozen_view_does_not_scroll_while_messages_arrive() -> Result<()> {
    let station = Station::start().await?;
    in_browser("hold", async |page| {
        let broker = open_with_lines(page, &station, 100).await?;
        page.wait_for_row("ten 100").await?;
        let before = on_screen(page).await?;
        page.press("Freeze").await?;
        page.wait_for("the frozen view", "button('Freeze').getAttribute('aria-pressed') === 'true'", WAIT_TIMEOUT)
            .await?;
        broker.publish_lines(Version::V5, "deck", lines(40)).await?;
        page.wait_for_stat("received", 140, WAIT_TIMEOUT).await?;
        page.wait_for(
            "40 new",
            "document.querySelector('.newest[data-shown]')?.innerText.startsWith('40 new')",
            WAIT_TIMEOUT,
        )
        .await?;
        check_equal("rows", on_screen(page).await?, before)?;
        page.press("Freeze").await?;
        page.wait_for("the newest", "rows().at(-1).seq === 140", WAIT_TIMEOUT).await?;
        page.wait_for("no button", "!document.querySelector('.newest[data-shown]')", WAIT_TIMEOUT).await?;
        // Also if there is room below the rows.
        page.fill("Filter", "\"ten 40\"").await?;
        page.wait_for("two rows", "rows().length === 2", WAIT_TIMEOUT).await?;
        page.press("Freeze").await?;
        broker.publish_lines(Version::V5, "deck", lines(40)).await?;
        page.wait_for_stat("matching", 3, WAIT_TIMEOUT).await?;
        page.wait_for(
            "1 new",
            "document.querySelector('.newest[data-shown]')?.innerText.startsWith('1 new')",
            WAIT_TIMEOUT,
        )
        .await?;
        check_equal("rows", page.rows().await?.len(), 2)?;
        page.press("1 new").await?;
        page.wait_for("three rows", "rows().length === 3", WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn column_and_time_choices_apply_and_persist() -> Result<()> {
    let station = Station::start().await?;
    in_browser("columns", async |page| {
        let broker = open_with_lines(page, &station, 30).await?;
        page.wait_for(
            "the time of day",
            "/^\\d\\d:\\d\\d:\\d\\d\\.\\d{3}$/.test(console_().querySelector('[data-seq] .time').textContent)",
            WAIT_TIMEOUT,
        )
        .await?;
        check_equal("numbers", cells(page, "seq").await?.len(), 0)?;
        choose_settings(page, "time=relative&columns=time+seq+topic+payload").await?;
        page.wait_for("since start", "console_().querySelector('.head .time').innerText === 'Elapsed'", WAIT_TIMEOUT)
            .await?;
        ensure!(
            cells(page, "time").await?.iter().all(|time| time.starts_with("+0.")),
            "{:?}",
            cells(page, "time").await?
        );
        ensure!(cells(page, "seq").await?.ends_with(&["30".to_owned()]));
        check_equal("sizes", cells(page, "size").await?.len(), 0)?;
        check_equal("qos", cells(page, "qos").await?.len(), 0)?;
        choose_settings(page, "time=since-previous&columns=time+topic+payload").await?;
        page.wait_for("since last", "console_().querySelector('.head .time').innerText === 'Delta'", WAIT_TIMEOUT)
            .await?;
        ensure!(cells(page, "time").await?.iter().all(|time| time.starts_with('+')));
        broker.publish(Version::V5, "deck", "later").await?;
        page.wait_for_row("later").await?;

        // By keys, by the pointer, and back.
        let width = "console_().querySelector('[data-seq] .topic').getBoundingClientRect().width";
        let edge = "console_().querySelector('[role=separator][data-column=topic]')";
        let before: f64 = page.evaluate(width).await?;
        page.run(&format!("{edge}.focus();")).await?;
        page.press_keys(&ARROW_RIGHT.to_string()).await?;
        page.wait_for("a wider column", &format!("Math.abs({width} - {before} - 8) < 1.5"), WAIT_TIMEOUT).await?;
        page.run(&format!(
            "const edge = {edge};
            const at = (type, clientX) => edge.dispatchEvent(new PointerEvent(type, {{ bubbles: true, clientX }}));
            at('pointerdown', 500); at('pointermove', 540); at('pointermove', 550); at('pointerup', 550);"
        ))
        .await?;
        page.wait_for("a dragged column", &format!("Math.abs({width} - {before} - 58) < 1.5"), WAIT_TIMEOUT).await?;
        let stored: String = page.evaluate("localStorage['mqtt-crawl']").await?;
        ensure!(stored.contains("widths=topic.") && stored.contains("since-previous"), "{stored}");
        page.open(&link(&station.page_url(), &[("topic", "#"), ("view", "console"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "deck", "after a reload").await?;
        page.wait_for_row("after a reload").await?;
        page.wait_for("the same width", &format!("Math.abs({width} - {before} - 58) < 1.5"), WAIT_TIMEOUT).await?;
        page.run(&format!("{edge}.dispatchEvent(new MouseEvent('dblclick', {{ bubbles: true }}));")).await?;
        page.wait_for("its own width", &format!("Math.abs({width} - {before}) < 1.5"), WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn message_is_scrolled_into_view_from_anywhere() -> Result<()> {
    let station = Station::start().await?;
    in_browser("reveal", async |page| {
        open_with_lines(page, &station, 2_000).await?;
        let choose = async |seq: u64| {
            page.wait_for_row(&seq.to_string()).await?;
            page.run(&format!("console_().querySelector('[data-seq=\"{seq}\"]').click();")).await?;
            wait_for_selected(page, seq).await
        };
        // By its line in the crawl, while the console is scrolled elsewhere.
        let reveal = async |seq: u64| {
            let line = format!("crawl().querySelector('.plane [data-seq=\"{seq}\"] .row')");
            page.wait_for("its line", &format!("{line} !== null"), CRAWL_TIMEOUT).await?;
            page.run(&format!("{line}.click();")).await?;
            wait_for_selected(page, seq).await
        };
        page.fill("Filter", "1001").await?;
        page.wait_for_stat("matching", 1, WAIT_TIMEOUT).await?;
        choose(1_001).await?;
        page.press_keys("s").await?;
        page.fill("Filter", "").await?;
        page.wait_for_stat("matching", 2_000, WAIT_TIMEOUT).await?;
        page.run("document.activeElement.blur();").await?;
        page.press_keys(&END.to_string()).await?;
        page.wait_for_row("2000").await?;
        reveal(1_001).await?;
        page.fill("Filter", "ten").await?;
        page.wait_for_stat("matching", 200, WAIT_TIMEOUT).await?;
        reveal(1_001).await?;
        check_equal(
            "all",
            page.evaluate("button('Show non-matching').getAttribute('aria-pressed')").await?,
            "true".to_owned(),
        )?;
        // It stays while messages arrive.
        Login::anonymous(station.mqtt_port()?).publish_lines(Version::V5, "deck", lines(100)).await?;
        page.wait_for_stat("received", 2_100, WAIT_TIMEOUT).await?;
        wait_for_selected(page, 1_001).await
    })
    .await
}

#[tokio::test]
async fn rows_have_the_color_of_their_subscription() -> Result<()> {
    let station = Station::start().await?;
    in_browser("colours", async |page| {
        let wanted = [("topic", "deck/+"), ("topic", "mast/#"), ("view", "console"), ("connect", "1")];
        page.open(&link(&station.page_url(), &wanted)).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        for topic in ["mast", "deck/a", "mast/b"] {
            broker.publish(Version::V5, topic, topic).await?;
        }
        page.wait_for_row("mast/b").await?;
        let colours = "[...console_().querySelectorAll('[data-seq]')].map((row) => row.dataset.subscription)";
        check_equal(
            "subscriptions",
            page.evaluate::<Vec<String>>(colours).await?,
            ["1", "0", "1"].map(str::to_owned).to_vec(),
        )?;
        let edges = "[...console_().querySelectorAll('[data-seq]')]
            .map((row) => getComputedStyle(row, '::before').backgroundColor)";
        let edges: Vec<String> = page.evaluate(edges).await?;
        ensure!(edges[0] == edges[2] && edges[0] != edges[1], "{edges:?}");
        Ok(())
    })
    .await
}

/// Returns the visible part of the first message's flags: whole letters, whatever their room. Assistive technology
/// reads all of them.
async fn check_flags(page: &Page, seen: &str, case: &str) -> Result<()> {
    let cell = "console_().querySelector('[data-seq] .qos')";
    let found = format!(
        "(() => {{
            const cell = {cell}, text = cell.firstChild, range = document.createRange();
            const edge = cell.getBoundingClientRect().right;
            const letters = [...text.data].map((letter, at) => {{
                range.setStart(text, at);
                range.setEnd(text, at + 1);
                const {{ left, right }} = range.getBoundingClientRect();
                return right <= edge + 0.5 ? letter : left < edge - 0.5 ? '|' : '';
            }}).join('');
            const is_cut = letters !== text.data && getComputedStyle(cell).textOverflow === 'ellipsis';
            return letters + (is_cut ? '…' : '');
        }})()"
    );
    page.wait_for(&format!("{case}: {seen}"), &format!("{found} === {}", json!(seen)), WAIT_TIMEOUT).await?;
    // WebKit names no cell; its text is read in that case.
    let (_, name) = page.role_and_name(&page.element(cell).await?).await?;
    let text: String = page.evaluate(&format!("{cell}.textContent")).await?;
    check_equal(case, if name.is_empty() { text } else { name }.as_str(), "0 retained")
}

#[tokio::test]
async fn retained_flag_is_visible_at_any_width() -> Result<()> {
    let station = Station::start().await?;
    Login::anonymous(station.mqtt_port()?).publish_retained("deck/lamp", "on").await?;
    in_browser("retained", async |page| {
        for (view, seen) in [("split", "0 r"), ("console", "0 retained")] {
            page.open(&link(&station.page_url(), &[("topic", "deck/#"), ("view", view), ("connect", "1")])).await?;
            page.wait_for_row("on").await?;
            check_flags(page, seen, view).await?;
            page.screenshot(&format!("retained-{view}")).await?;
            for (widths, seen) in [("qos.24", "0 r"), ("qos.80", "0 r"), ("qos.150", "0 retained")] {
                choose_settings(page, &format!("widths={widths}")).await?;
                check_flags(page, seen, widths).await?;
            }
        }
        Ok(())
    })
    .await
}

/// WebDriver's code for the key.
const TAB: &str = "\u{E004}";

/// Waits until exactly these terms are suggested, and visible.
async fn wait_for_suggestions(page: &Page, terms: &[&str]) -> Result<()> {
    let expression = format!(
        "(() => {{
            const list = document.getElementById('suggestions');
            const terms = [...list?.querySelectorAll('[role=option] bdi') ?? []].map((term) => term.textContent);
            return JSON.stringify(terms) === {} && (terms.length > 0) === isVisible(list);
        }})()",
        json!(json!(terms).to_string())
    );
    page.wait_for(&format!("the suggestions {terms:?}"), &expression, WAIT_TIMEOUT).await
}

/// Presses ↓ until this term is selected among the suggestions.
async fn choose_suggestion(page: &Page, term: &str) -> Result<()> {
    let chosen = "field('Filter').getAttribute('aria-activedescendant')";
    loop {
        let before: Value = page.evaluate(chosen).await?;
        page.press_keys(&ARROW_DOWN.to_string()).await?;
        page.wait_for("another to be selected", &format!("{chosen} && {chosen} !== {before}"), WAIT_TIMEOUT).await?;
        let option = format!("document.getElementById({chosen})");
        let is_selected = format!("{option}?.matches('#suggestions [aria-selected=true]')");
        page.wait_for("the option to be selected", &is_selected, WAIT_TIMEOUT).await?;
        if page.evaluate::<String>(&format!("{option}.querySelector('bdi').textContent")).await? == term {
            return Ok(());
        }
    }
}

/// Waits until this text is in the filter, which has the focus.
async fn wait_for_filter(page: &Page, text: &str) -> Result<()> {
    let expression = format!("document.activeElement === field('Filter') && field('Filter').value === {}", json!(text));
    page.wait_for(&format!("{text:?} in the filter"), &expression, WAIT_TIMEOUT).await
}

/// Connects, with a few messages on three topics, and waits until the panels handle the filter.
async fn open_with_suggestions(page: &Page, station: &Station) -> Result<()> {
    page.open(&link(&station.page_url(), &[("topic", "#"), ("connect", "1")])).await?;
    page.wait_for_state("connected").await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    for (topic, payload) in [("deck/aft", "on"), ("deck/fore", "off"), ("StarWars", "LEIA: Help me")] {
        broker.publish(Version::V5, topic, payload).await?;
    }
    page.wait_for_stat("received", 3, WAIT_TIMEOUT).await?;
    page.element("field('Filter')").await?.click().await?;
    page.wait_for("the panels", "document.getElementById('suggestions') !== null", WAIT_TIMEOUT).await
}

#[tokio::test]
async fn suggestions_complete_a_filter() -> Result<()> {
    let station = Station::start().await?;
    in_browser("suggestions", async |page| {
        open_with_suggestions(page, &station).await?;
        page.press_keys(&ARROW_DOWN.to_string()).await?;
        let keys = ["topic:", "payload:", "hex:", "character:", "qos:", "retain:", "dup:", "after:", "before:"];
        wait_for_suggestions(page, &keys).await?;
        choose_suggestion(page, "topic:").await?;
        page.press_keys(&ENTER.to_string()).await?;
        wait_for_filter(page, "topic:").await?;
        let topics = ["topic:deck/#", "topic:deck/aft", "topic:deck/fore", "topic:StarWars"];
        wait_for_suggestions(page, &topics).await?;

        // By a part of the name, and accepted by Tab.
        page.press_keys("AFT").await?;
        wait_for_suggestions(page, &["topic:deck/aft"]).await?;
        choose_suggestion(page, "topic:deck/aft").await?;
        page.press_keys(TAB).await?;
        wait_for_filter(page, "topic:deck/aft ").await?;
        wait_for_suggestions(page, &[]).await?;
        page.wait_for_stat("matching", 1, WAIT_TIMEOUT).await?;
        // Enter was handled by the list then. Without a list it is handled by the filter.
        check_equal(
            "a row is selected",
            page.evaluate("console_().querySelector('[aria-selected]') !== null").await?,
            false,
        )?;
        page.press_keys(&ENTER.to_string()).await?;
        wait_for_selected(page, 1).await?;

        // Accepted by the pointer; the field keeps the focus.
        page.press_keys("-char").await?;
        wait_for_suggestions(page, &["-character:"]).await?;
        page.element("document.querySelector('#suggestions [role=option]')").await?.click().await?;
        wait_for_filter(page, "topic:deck/aft -character:").await?;
        wait_for_suggestions(page, &["-character:LEIA"]).await?;
        // Closed by Escape, which leaves the text unchanged.
        page.press_keys(ESCAPE).await?;
        wait_for_suggestions(page, &[]).await?;
        wait_for_filter(page, "topic:deck/aft -character:").await?;
        // Opened again by a key; a completely typed term isn't suggested.
        page.press_keys(&ARROW_DOWN.to_string()).await?;
        wait_for_suggestions(page, &["-character:LEIA"]).await?;
        page.press_keys("LEIA").await?;
        wait_for_suggestions(page, &[]).await?;

        // The list closes when the focus leaves.
        page.press_keys(" qos:").await?;
        wait_for_suggestions(page, &["qos:0", "qos:1", "qos:2"]).await?;
        page.run("console_().focus();").await?;
        wait_for_suggestions(page, &[]).await
    })
    .await
}

#[tokio::test]
async fn suggestions_do_not_cover_the_filter_or_its_message() -> Result<()> {
    let station = Station::start().await?;
    in_browser("suggestions-place", async |page| {
        for (width, height) in [(1280, 720), (390, 844)] {
            page.resize((width, height), 1.0).await?;
            open_with_suggestions(page, &station).await?;
            page.press_keys("qos:").await?;
            wait_for_suggestions(page, &["qos:0", "qos:1", "qos:2"]).await?;
            page.wait_for_notice("qos: expects 0, 1 or 2").await?;
            let is_clear = "(() => {
                const list = document.getElementById('suggestions').getBoundingClientRect();
                const others = [field('Filter'), document.getElementById('filter-error')];
                const isApart = (other) => other.bottom <= list.top || other.top >= list.bottom;
                return others.every((other) => isApart(other.getBoundingClientRect()))
                    && list.left >= 0 && list.right <= innerWidth && list.top >= 0 && list.bottom <= innerHeight
                    && list.height > 60;
            })()";
            page.wait_for("a list next to its field", is_clear, WAIT_TIMEOUT).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn filter_works_without_suggestions() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::BlockedFiles], "suggestions-lost", async |page| {
        page.expect_errors("/panels");
        open_with_lines(page, &station, 30).await?;
        page.browser().block_file("panels_loader.js").await?;
        page.run("addEventListener('mqtt-crawl:page', () => { window.__reported = true; });").await?;
        page.fill("Filter", "ten").await?;
        page.wait_for("the panels to fail", "window.__reported", WAIT_TIMEOUT).await?;
        page.wait_for_stat("matching", 3, WAIT_TIMEOUT).await?;
        page.press_keys(&ENTER.to_string()).await?;
        wait_for_selected(page, 30).await?;
        let notices = page.notices().await?;
        ensure!(!notices.contains("load this panel"), "no panel was requested: {notices}");
        Ok(())
    })
    .await
}
