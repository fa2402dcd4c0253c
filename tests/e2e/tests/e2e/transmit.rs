//! Scripts that are sent from the page, repeated messages, and receiving tabs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{CONTROL_ENTER, ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Returns a script with this number of lines, and with two rows that aren't lines.
fn script(folder: &TempDir, lines: usize) -> Result<PathBuf> {
    let mut text = "character,text\n".to_owned();
    for n in 1..=lines {
        writeln!(text, "{},\"Line {n}, <i>aye</i>\"", if n % 2 == 0 { "BEN" } else { "ADA" })?;
        if n == 2 {
            text.push_str("CLEO\nDAN,\n");
        }
    }
    let path = folder.path().join("story.csv");
    std::fs::write(&path, text)?;
    Ok(path)
}

async fn open_panel(page: &Page) -> Result<()> {
    page.press("Send a message").await?;
    page.press("Play a script").await?;
    page.wait_for("the panel", "Boolean(named('dialog[open]', 'Play a script'))", WAIT_TIMEOUT).await
}

async fn choose_script(page: &Page, path: &Path) -> Result<()> {
    let input = page.element("field('Choose file…')").await?;
    Ok(input.send_keys(&path.display().to_string()).await?)
}

/// Opens the panel with a script in it, in a page that is connected to this broker.
async fn open_with(page: &Page, station: &Station, broker: &str, script: &Path) -> Result<()> {
    // Without the fading card of the opening, whose contrast would be measured half way.
    let keys = [("broker", broker), ("topic", "nothing/of/this"), ("card", ""), ("logo", ""), ("connect", "1")];
    page.open(&link(&station.page_url(), &keys)).await?;
    page.wait_for_state("connected").await?;
    open_panel(page).await?;
    choose_script(page, script).await?;
    page.wait_for_notice("story.csv: ").await
}

/// Waits for this text about the transmission.
async fn wait_for_progress(page: &Page, text: &str) -> Result<()> {
    let progress = "document.querySelector('.player .outcome').innerText";
    page.wait_for(text, &format!("{progress}.includes({})", json!(text)), WAIT_TIMEOUT).await
}

/// Returns the lines on screen that have this mark.
async fn marked(page: &Page, mark: &str) -> Result<Vec<u64>> {
    page.evaluate(&format!(
        "[...document.querySelectorAll('.script-row[data-mark={mark}]')].map((row) => Number(row.dataset.line))"
    ))
    .await
}

/// Seeks to a line by the handle.
async fn seek(page: &Page, line: u64) -> Result<()> {
    page.run(&format!(
        "const handle = field('Line'); handle.value = {line};
        for (const type of ['input', 'change']) handle.dispatchEvent(new Event(type, {{ bubbles: true }}));"
    ))
    .await
}

/// Returns what a subscriber received, without the client's own output.
fn received(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_prefix("got ")).map(str::to_owned).collect()
}

/// Lets a tab transmit, with errors and marks shown, while another one receives all lines, in order.
async fn check_two_tabs(name: &str, station: &Station, broker: &str) -> Result<()> {
    const LINES: u64 = 40;
    let folder = tempfile::tempdir()?;
    let path = script(&folder, usize::try_from(LINES)?)?;
    in_browser(name, async |page| {
        let transmits = page.tab().await?;
        open_with(page, station, broker, &path).await?;
        // As the producer sends them.
        page.wait_for_notice("story.csv: 40 of 42 rows read, 2 skipped. First: line 4, column 5: ").await?;
        let faults = "[...document.querySelectorAll('.script-row:not([data-line])')].map((row) => row.title)";
        page.wait_for("the rows left out", &format!("{faults}.length > 0"), WAIT_TIMEOUT).await?;
        let faults: Vec<String> = page.evaluate(faults).await?;
        check_equal("rows left out", faults.len(), 2)?;
        ensure!(faults[1].starts_with("Skipped: line 5, column "), "{faults:?}");
        let made: u64 = page.evaluate("document.querySelectorAll('.script i').length").await?;
        check_equal("elements made from the script", made, 0)?;
        page.fill("Interval", "1,5s").await?;
        page.press("Play").await?;
        page.wait_for_notice("Enter a number and ms, s, m or h").await?;

        let receiver = page.open_tab().await?;
        page.open(&link(&station.page_url(), &[("broker", broker), ("connect", "1"), ("view", "console")])).await?;
        page.wait_for_state("connected").await?;
        page.go_to(&transmits).await?;
        page.fill("Interval", "200ms").await?;
        page.screenshot(&format!("{name}-script")).await?;
        page.press("Play").await?;
        page.wait_for("a line to be acknowledged", "Boolean(document.querySelector('[data-mark=done]'))", WAIT_TIMEOUT)
            .await?;

        // The transmitting tab is hidden, and its panel is closed.
        page.press_keys(ESCAPE).await?;
        page.wait_for("the sign of the running transmission", "Boolean(button('Stop'))", WAIT_TIMEOUT).await?;
        page.screenshot(&format!("{name}-sign")).await?;
        page.go_to(&receiver).await?;
        page.wait_for_stat("received", LINES, WAIT_TIMEOUT).await?;
        let export = page.export().await?;
        let texts: Result<Vec<String>> = export
            .lines()
            .map(|line| {
                let message: Value = serde_json::from_str(line)?;
                let spoken: Value = serde_json::from_str(message["payload"].as_str().context("no payload")?)?;
                Ok(spoken["text"].as_str().context("no text")?.to_owned())
            })
            .collect();
        let expected: Vec<_> = (1..=LINES).map(|n| format!("Line {n}, <i>aye</i>")).collect();
        check_equal("the received texts", texts?, expected)?;

        page.go_to(&transmits).await?;
        page.wait_for("no sign", "!button('Stop')", WAIT_TIMEOUT).await?;
        open_panel(page).await?;
        wait_for_progress(page, "Finished · 40 sent, 40 acknowledged").await?;
        let all_done = "document.querySelectorAll('[data-mark=done]').length > 5
            && document.querySelectorAll('[data-mark=done]').length === document.querySelectorAll('[data-line]').length";
        page.wait_for("every line on screen to be marked as done", all_done, WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn transmitted_lines_reach_another_tab_at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    check_two_tabs("transmit-mosquitto", &station, &mosquitto.ws_url()).await
}

#[tokio::test]
async fn transmitted_lines_reach_another_tab_at_the_station() -> Result<()> {
    let station = Station::start().await?;
    check_two_tabs("transmit-station", &station, &station.ws_url("/mqtt")).await
}

#[tokio::test]
async fn hidden_tab_keeps_the_interval() -> Result<()> {
    const LINES: usize = 120;
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let folder = tempfile::tempdir()?;
    let path = script(&folder, LINES)?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port()).subscribe_with_format("StarWars", "got %U").await?;
    in_browser("transmit-hidden", async |page| {
        open_with(page, &station, &mosquitto.ws_url(), &path).await?;
        page.fill("Interval", "100ms").await?;
        // Without throttled timers of the page the test proves nothing.
        page.run(
            "window.__gaps = []; let last = performance.now(); setInterval(() => {
            const now = performance.now(); window.__gaps.push(now - last); last = now; }, 100);",
        )
        .await?;
        page.press("Play").await?;
        page.hide().await?;
        let times = || received(&subscriber.output());
        eventually("every line", async || Ok((times().len() == LINES).then_some(()))).await?;
        let throttled: f64 = page.evaluate("Math.max(...window.__gaps)").await?;
        page.show().await?;
        ensure!(throttled > 500.0, "the page's timers weren't throttled: at most {throttled} ms between them");
        let times: Result<Vec<f64>, _> = times().iter().map(|time| time.parse::<f64>()).collect();
        let times = times?;
        // A throttled timer fires once a second: it would send the lines in a dozen bursts.
        let bursts = 1 + times.windows(2).filter(|pair| pair[1] - pair[0] > 0.03).count();
        let took = times[LINES - 1] - times[0];
        println!("{LINES} lines, 100 ms apart, in {bursts} bursts over {took:.1} s");
        ensure!(bursts > 2 * took.ceil() as usize, "{bursts} bursts in {took:.1} s");
        wait_for_progress(page, "120 sent, 120 acknowledged").await
    })
    .await
}

#[tokio::test]
async fn pause_seek_loop_and_stop() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let folder = tempfile::tempdir()?;
    let path = script(&folder, 30)?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port()).subscribe_with_format("say/#", "got %t %p").await?;
    let last = || received(&subscriber.output()).pop().unwrap_or_default();
    in_browser("transmit-seek", async |page| {
        open_with(page, &station, &mosquitto.ws_url(), &path).await?;
        page.fill("Script topic", "say/{speaker}/{line}").await?;
        page.fill("Interval", "1h").await?;
        page.choose("Payload", "text").await?;
        page.press("Play").await?;
        eventually("line 1", async || Ok((last() == "say/ADA/1 ADA: Line 1, <i>aye</i>").then_some(()))).await?;
        // The form folds when the script plays, which moves the lines.
        page.wait_for("a script that plays", "button('Pause script')", WAIT_TIMEOUT).await?;
        // A click on a line, and the handle.
        page.element("document.querySelector('.script-row[data-line=\"4\"]')").await?.click().await?;
        eventually("line 4", async || Ok(last().starts_with("say/BEN/4 ").then_some(()))).await?;
        page.press("Pause script").await?;
        seek(page, 29).await?;
        wait_for_progress(page, "Line 29 of 30, paused · 2 sent, 2 acknowledged").await?;
        check_equal("the lines sent while paused", received(&subscriber.output()).len(), 2)?;
        page.press("Play").await?;
        eventually("line 29", async || Ok(last().starts_with("say/ADA/29 ").then_some(()))).await?;
        page.tick("Loop").await?;
        seek(page, 30).await?;
        eventually("line 30", async || Ok(last().starts_with("say/BEN/30 ").then_some(()))).await?;
        wait_for_progress(page, "Line 30 of 30 · 4 sent, 4 acknowledged").await?;
        page.press("Stop").await?;
        wait_for_progress(page, "Stopped at line 30 of 30").await?;

        // From a line on, in a loop.
        page.fill("Interval", "20ms").await?;
        seek(page, 28).await?;
        page.press("Play").await?;
        eventually("a second round", async || Ok((received(&subscriber.output()).len() > 40).then_some(()))).await?;
        page.press("Stop").await?;
        page.wait_for("an end", "!button('Pause script')", WAIT_TIMEOUT).await?;
        let numbers: Vec<String> = received(&subscriber.output())[4..]
            .iter()
            .filter_map(|line| Some(line.split_once(' ')?.0.rsplit_once('/')?.1.to_owned()))
            .collect();
        let expected: Vec<_> = (0..numbers.len()).map(|n| ((27 + n) % 30 + 1).to_string()).collect();
        check_equal("the rounds", numbers, expected)
    })
    .await
}

#[tokio::test]
async fn refused_line_is_marked_on_its_row() -> Result<()> {
    let station = Station::start().await?;
    let folder = tempfile::tempdir()?;
    let acl = folder.path().join("acl");
    std::fs::write(&acl, "topic readwrite say/ADA\ntopic read #\n")?;
    let mosquitto = Mosquitto::start_with(Access::Anonymous, &format!("acl_file {}\n", acl.display())).await?;
    let path = script(&folder, 4)?;
    in_browser("transmit-refused", async |page| {
        open_with(page, &station, &mosquitto.ws_url(), &path).await?;
        page.fill("Script topic", "say/{speaker}").await?;
        page.fill("Interval", "10ms").await?;
        page.press("Play").await?;
        wait_for_progress(page, "4 sent, 2 acknowledged, 2 failed").await?;
        check_equal("lines that failed", marked(page, "failed").await?, vec![2, 4])?;
        check_equal("lines that arrived", marked(page, "done").await?, vec![1, 3])?;
        let row: String = page.evaluate("document.querySelector('.script-row[data-line=\"2\"]').innerText").await?;
        ensure!(row.contains("rejected by the broker") && row.contains("BEN: Line 2"), "{row}");
        page.screenshot("transmit-refused").await?;
        page.press("Go to first failure").await?;

        // Another script, of which nothing was sent yet.
        choose_script(page, &script(&folder, 6)?).await?;
        page.wait_for("its lines", "document.querySelector('.script-row[data-line=\"6\"]') !== null", WAIT_TIMEOUT)
            .await?;
        // Other rows are on screen, so the worker sends them again, before the outcome of a message. The panel covers
        // the buttons.
        page.run("button('Send a message').click();").await?;
        page.fill("Message topic", "say/ADA").await?;
        page.run("button('Send').click();").await?;
        page.wait_for_notice("1 sent, 1 delivered").await?;
        check_equal("lines that arrived", marked(page, "done").await?, Vec::new())?;
        check_equal("lines that failed", marked(page, "failed").await?, Vec::new())
    })
    .await
}

#[tokio::test]
async fn dropped_script_waits_for_the_connection() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port());
    in_browser("transmit-drop", async |page| {
        page.expect_errors("WebSocket connection to");
        page.open(&link(&station.page_url(), &[("broker", &mosquitto.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        page.run(
            "const data = new DataTransfer(); data.items.add(new File(['PIP: One\\n\\nPIP: Two\\nPIP: Three\\n'], 'talk.txt'));
            const target = document.querySelector('.transmit .panel-body');
            for (const type of ['dragover', 'drop'])
                target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));",
        )
        .await?;
        page.wait_for_notice("talk.txt: 3 of 3 rows read.").await?;
        ensure!(!page.evaluate::<bool>("Boolean(named('dialog[open]', 'Logs'))").await?, "taken for a log");
        page.fill("Interval", "1s").await?;
        page.press("Play").await?;
        wait_for_progress(page, "1 sent, 1 acknowledged").await?;
        let killed = mosquitto.kill().await?;
        page.wait_for_state("reconnecting").await?;
        let mosquitto = killed.restart().await?;
        let receiver = subscriber.subscribe_with_format("StarWars", "got %p").await?;
        page.wait_for_state("connected").await?;
        wait_for_progress(page, "3 sent, 3 acknowledged").await?;
        let expected = ["Two", "Three"].map(|text| format!("{{\"character\":\"PIP\",\"text\":\"{text}\"}}"));
        eventually("the rest", async || Ok((received(&receiver.output()) == expected).then_some(()))).await?;
        page.wait_for_stat("received", 3, WAIT_TIMEOUT).await?;
        drop(mosquitto);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn sent_message_is_edited_and_repeated() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port()).subscribe_with_format("deck/#", "got %q %C %t %p").await?;
    let got = |line: &str| received(&subscriber.output()).iter().filter(|other| *other == line).count();
    in_browser("transmit-repeat", async |page| {
        let broker = mosquitto.ws_url();
        page.open(&link(&station.page_url(), &[("broker", &broker), ("topic", "nothing"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.press("Send a message").await?;
        page.wait_for("the panel", "Boolean(field('Message topic'))", WAIT_TIMEOUT).await?;
        page.run("named('dialog[open]', 'Send a message').querySelector('details').open = true;").await?;
        page.fill("Message content type", "text/x").await?;
        page.fill("Message topic", "deck/a").await?;
        page.choose("Message QoS", "1").await?;
        page.fill("Message payload", "first").await?;
        page.press_keys(CONTROL_ENTER).await?;
        eventually("the first", async || Ok((got("1 text/x deck/a first") == 1).then_some(()))).await?;
        page.fill("Message content type", "text/y").await?;
        page.fill("Message payload", "second").await?;
        page.press("Send").await?;
        eventually("the second", async || Ok((got("1 text/y deck/a second") == 1).then_some(()))).await?;
        page.press("Edit and resend message 1").await?;
        check_equal("the payload", page.value("Message payload").await?, "first".to_owned())?;
        check_equal("the content type", page.value("Message content type").await?, "text/x".to_owned())?;
        page.press("Send").await?;
        eventually("the first again", async || Ok((got("1 text/x deck/a first") == 2).then_some(()))).await?;

        page.run("document.querySelector('.repeat').open = true;").await?;
        page.fill("Repeat every", "1ms").await?;
        page.press("Start repeating").await?;
        page.wait_for_notice("Minimum 10 ms").await?;
        page.fill("Repeat every", "20ms").await?;
        page.fill("Repeat count", "5").await?;
        page.press("Start repeating").await?;
        page.wait_for_notice("Repeat finished: 5 sent, 5 acknowledged.").await?;
        check_equal("the number of arrivals", got("1 text/x deck/a first"), 7)?;
        // Without a number until it is stopped, by the sign as well.
        page.fill("Repeat count", "").await?;
        page.press("Start repeating").await?;
        eventually("more", async || Ok((got("1 text/x deck/a first") > 12).then_some(()))).await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for_text("Repeating a message").await?;
        page.press("Stop").await?;
        page.wait_for("no sign", "!button('Stop')", WAIT_TIMEOUT).await
    })
    .await
}

async fn check_rules(page: &Page, what: &str) -> Result<()> {
    let violations = page.violations().await?;
    ensure!(violations.is_empty(), "{what}:\n{}", violations.join("\n"));
    Ok(())
}

#[tokio::test]
async fn panel_has_no_axe_violations_in_either_theme() -> Result<()> {
    let station = Station::start().await?;
    let folder = tempfile::tempdir()?;
    let path = script(&folder, 300)?;
    in_browser("axe-transmit", async |page| {
        for theme in ["dark", "light"] {
            open_with(page, &station, &station.ws_url("/mqtt"), &path).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            check_rules(page, &format!("a script, {theme}")).await?;
            page.fill("Interval", "200ms").await?;
            page.press("Play").await?;
            wait_for_progress(page, "Line 1").await?;
            check_rules(page, &format!("a running script, {theme}")).await?;
            page.press_keys(ESCAPE).await?;
            page.wait_for("the sign", "Boolean(button('Stop'))", WAIT_TIMEOUT).await?;
            check_rules(page, &format!("the sign, {theme}")).await?;
            page.press("Stop").await?;
        }
        Ok(())
    })
    .await
}

/// A table with other column names: the panel asks which column has the speaker and which the text, and the lines are
/// sent.
#[tokio::test]
async fn table_with_unknown_columns_asks_for_them() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("story.csv");
    std::fs::write(&path, "id;foo;bar\n1;PIP;Sp\u{e4}t\n2;ADA;Two\n3;PIP\n")?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port()).subscribe_with_format("StarWars", "got %p").await?;
    in_browser("transmit-columns", async |page| {
        let keys =
            [("broker", mosquitto.ws_url()), ("topic", "nothing/of/this".to_owned()), ("connect", "1".to_owned())];
        let keys: Vec<_> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        open_panel(page).await?;
        ensure!(!page.evaluate::<bool>("isVisible(field('Speaker column'))").await?, "asked without a table");
        choose_script(page, &path).await?;
        page.wait_for_notice("Couldn't read story.csv. ").await?;
        page.wait_for_notice("The columns are id, foo, bar.").await?;
        check_equal("the button without a line", page.evaluate("button('Play').disabled").await?, true)?;
        page.choose("Text column", "bar").await?;
        page.wait_for_notice("No speaker column found.").await?;
        page.screenshot("transmit-columns").await?;
        page.choose("Speaker column", "foo").await?;
        page.wait_for_notice("story.csv: 2 of 3 rows read, 1 skipped. Error in line 4, column ").await?;
        check_equal("the text column", page.value("Text column").await?, "bar".to_owned())?;
        page.fill("Interval", "10ms").await?;
        page.press("Play").await?;
        wait_for_progress(page, "Finished · 2 sent, 2 acknowledged").await?;
        let expected = [("PIP", "Spät"), ("ADA", "Two")]
            .map(|(who, text)| format!("{{\"character\":\"{who}\",\"text\":\"{text}\"}}"));
        eventually("both lines", async || Ok((received(&subscriber.output()) == expected).then_some(()))).await
    })
    .await
}
