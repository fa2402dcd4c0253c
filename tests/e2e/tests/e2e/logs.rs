//! Logs that are imported, and played without a broker.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

const ESCAPE: &str = "\u{E00C}";

const MESSAGES: u64 = 100_000;

/// Returns an export with all kinds of payloads and properties.
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
async fn imported_log_is_exported_byte_for_byte() -> Result<()> {
    let station = Station::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.ndjson");
    let exported = export();
    // A broken line is reported, and affects nothing else.
    std::fs::write(&path, exported.clone() + "{\"seq\":\n")?;
    in_browser("import", async |page| {
        page.open(&station.page_url()).await?;
        page.press("Logs").await?;
        page.wait_for("the panel", "field('Import…')", WAIT_TIMEOUT).await?;
        choose_file(page, "Import…", &path).await?;
        page.wait_for_notice("Imported 100,000 messages from log.ndjson").await?;
        page.wait_for_notice("1 invalid line skipped. Line 100001").await?;
        page.wait_for_stat("kept", MESSAGES, WAIT_TIMEOUT).await?;
        page.check_accounts().await?;
        page.press_keys(ESCAPE).await?;
        let again = page.export().await?;
        ensure!(again == exported, "the export differs from the import");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn sample_is_replayed_without_a_broker() -> Result<()> {
    let station = Station::start().await?;
    in_browser("sample", async |page| {
        page.open(&link(&station.page_url(), &[("broker", "ws://127.0.0.1:1/mqtt")])).await?;
        page.press("Play a sample").await?;
        page.wait_for_row("listened").await?;
        let first: String = page.evaluate("rows()[0].text").await?;
        ensure!(first.contains("NARRATOR"), "it begins with {first:?}");
        check_equal("the state", page.state().await?, "idle".to_owned())?;
        // The page shows that it plays, and its progress, without any panel.
        page.wait_for("the progress", &format!("/^Playing sample [23] of 66$/.test({SIGN})"), WAIT_TIMEOUT).await?;
        page.wait_for("a line of the crawl", "document.querySelector('.line[data-seq]') !== null", WAIT_TIMEOUT)
            .await?;
        page.screenshot("sample").await?;

        // Paused, one line per click.
        page.press("Logs").await?;
        page.press("Pause replay").await?;
        let before = page.stat("received").await?;
        page.press("Step").await?;
        page.wait_for_stat("received", before + 1, WAIT_TIMEOUT).await?;
        page.press("Step").await?;
        page.wait_for_stat("received", before + 2, WAIT_TIMEOUT).await?;
        page.check_accounts().await?;

        // At eight times its speed it reaches its end.
        page.choose("Speed", "8").await?;
        page.press("Play").await?;
        page.wait_for_stat("received", 66, WAIT_TIMEOUT).await?;
        page.wait_for("the sign to disappear", &format!("{SIGN} === ''"), WAIT_TIMEOUT).await?;

        // Once more, until it is stopped.
        page.press("Play").await?;
        page.press("Close").await?;
        page.wait_for("the progress", &format!("{SIGN}.startsWith('Playing sample')"), WAIT_TIMEOUT).await?;
        page.press("Stop").await?;
        page.wait_for("the sign to disappear", &format!("{SIGN} === ''"), WAIT_TIMEOUT).await
    })
    .await
}

/// An expression for the text of the sign, without its button.
const SIGN: &str = "[...document.querySelectorAll('.transmit-sign p')].filter(isVisible)
    .map((each) => each.querySelector('button').textContent).join()";

#[tokio::test]
async fn sample_replay_ends_on_connect() -> Result<()> {
    let station = Station::start().await?;
    in_browser("sample-connect", async |page| {
        page.open(&link(&station.page_url(), &[("card", ""), ("logo", "")])).await?;
        page.press("Play a sample").await?;
        page.wait_for_row("listened").await?;
        // It would continue soon.
        page.press("Logs").await?;
        page.choose("Speed", "8").await?;
        page.press("Close").await?;
        page.press("Connect").await?;
        page.wait_for("the sign to disappear", &format!("{SIGN} === ''"), WAIT_TIMEOUT).await?;
        page.wait_for_state("connected").await?;
        let played = page.stat("received").await?;
        ensure!((2..66).contains(&played), "{played} were played");
        let broker = Login::anonymous(station.mqtt_port()?);
        broker.publish(Version::V5, "StarWars", "ADA: Live at last").await?;
        page.wait_for_line("Live at last").await?;
        check_equal("messages", page.stat("received").await?, played + 1)?;
        // Replayed messages stay, and belong to no subscription.
        let coloured = "[...console_().querySelectorAll('.row[data-seq]')]
            .filter((row) => row.dataset.subscription).map((row) => Number(row.dataset.seq))";
        check_equal("rows of the subscription", page.evaluate::<Vec<u64>>(coloured).await?, vec![played + 1])?;
        page.check_accounts().await?;

        // Also while it is still being loaded.
        page.open(&station.page_url()).await?;
        page.run("button('Play a sample').click(); button('Connect').click();").await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "StarWars", "ADA: First of all").await?;
        page.wait_for_row("First of all").await?;
        page.press("Logs").await?;
        page.wait_for("the panel", "field('Import…')", WAIT_TIMEOUT).await?;
        page.press("Close").await?;
        check_equal("messages", page.stat("received").await?, 1)
    })
    .await
}

/// Drops files on the page, by name and content.
async fn drop_files(page: &Page, files: &[(&str, &str)]) -> Result<()> {
    let drop = format!(
        "const data = new DataTransfer();
        for (const [name, text] of {}) data.items.add(new File([text], name));
        const options = {{ bubbles: true, cancelable: true, dataTransfer: data }};
        const over = new DragEvent('dragover', options);
        document.querySelector('main').dispatchEvent(over);
        window.__stopped = over.defaultPrevented;
        window.__drop = () => document.querySelector('main').dispatchEvent(new DragEvent('drop', options));",
        json!(files)
    );
    page.run(&drop).await?;
    ensure!(page.evaluate::<bool>("window.__stopped").await?, "the browser would show the file instead of the page");
    page.wait_for_text("Drop exported logs here").await?;
    page.screenshot("drop").await?;
    page.run("window.__drop();").await?;
    page.wait_for("no hint", "!document.body.innerText.includes('Drop exported logs here')", WAIT_TIMEOUT).await
}

#[tokio::test]
async fn files_can_be_dropped_anywhere_and_a_wrong_one_changes_nothing() -> Result<()> {
    let station = Station::start().await?;
    in_browser("drop", async |page| {
        page.open(&station.page_url()).await?;
        let export = export();
        let lines: Vec<&str> = export.split_inclusive('\n').take(6).collect();
        let (one, other) = (lines[..4].concat(), lines[4..].concat());
        drop_files(page, &[("one.ndjson", &one)]).await?;
        page.wait_for_notice("Imported 4 messages from one.ndjson").await?;
        let files = [
            ("picture.png", "\u{89}PNG\r\n\u{1a}\n"),
            ("table.csv", "time,seq\r\n2026,1\r\n"),
            ("empty.ndjson", ""),
            ("other.ndjson", &other),
        ];
        drop_files(page, &files).await?;
        page.wait_for_notice("picture.png contains no messages. Not an exported NDJSON log").await?;
        page.wait_for_notice("table.csv contains no messages. Not an exported NDJSON log. Line 1").await?;
        page.wait_for_notice("empty.ndjson contains no messages").await?;
        page.wait_for_notice("Imported 2 messages from other.ndjson").await?;
        page.wait_for_stat("kept", 6, WAIT_TIMEOUT).await?;
        page.screenshot("dropped").await?;
        page.check_accounts().await?;

        // Dragged text isn't a file.
        page.run(
            "const data = new DataTransfer(); data.setData('text/plain', 'x');
            const over = new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer: data });
            document.querySelector('main').dispatchEvent(over); window.__stopped = over.defaultPrevented;",
        )
        .await?;
        ensure!(!page.evaluate::<bool>("window.__stopped").await?, "a text can't be dragged any more");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn filtered_messages_are_exported_as_csv() -> Result<()> {
    let station = Station::start().await?;
    in_browser("csv", async |page| {
        page.open(&station.page_url()).await?;
        let line = |seq: u64, topic: &str, payload: &str| {
            format!(
                "{{\"seq\":{seq},\"time\":\"2026-11-21T10:00:00.12{seq}Z\",\"topic\":\"{topic}\",\"qos\":1,\
                 \"retain\":false,\"dup\":false,{payload}}}\n"
            )
        };
        let log = line(1, "a", r#""payload":"=1+1""#)
            + &line(2, "b", r#""payload":"127.0""#)
            + &line(3, "a", r#""payload_base64":"/wA=""#);
        drop_files(page, &[("log.ndjson", &log)]).await?;
        page.wait_for_stat("kept", 3, WAIT_TIMEOUT).await?;
        page.run("window.showSaveFilePicker = undefined;").await?;
        page.press_keys(ESCAPE).await?;
        page.press("Export").await?;
        page.press("Save as CSV").await?;
        page.wait_for_notice("Saved 3 messages to mqtt-crawl-.*csv").await?;
        let head = "\u{feff}time,seq,topic,qos,retain,dup,payload,encoding,size,properties\r\n";
        let rows = [
            "2026-11-21 10:00:00.121,1,\"a\",1,false,false,\"'=1+1\",text,4,\r\n",
            "2026-11-21 10:00:00.122,2,\"b\",1,false,false,\"127.0\",text,5,\r\n",
            "2026-11-21 10:00:00.123,3,\"a\",1,false,false,\"/wA=\",base64,2,\r\n",
        ];
        check_equal("the table", page.downloaded().await?, head.to_owned() + &rows.concat())?;

        // Directly into a chosen file, if the browser supports it.
        page.fill("Filter", "topic:a").await?;
        page.wait_for_stat("matching", 2, WAIT_TIMEOUT).await?;
        page.run(
            "window.written = [];
            window.showSaveFilePicker = async (options) => {
                window.suggested = options.suggestedName;
                return { createWritable: async () => ({
                    write: async (bytes) => { window.written.push(...bytes); },
                    close: async () => { window.isWritten = true; },
                }) };
            };",
        )
        .await?;
        let written = "new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(window.written))";
        page.choose("Messages", "matching").await?;
        page.press("Save as CSV").await?;
        page.wait_for("the file", "window.isWritten === true", WAIT_TIMEOUT).await?;
        page.wait_for_notice("Saved 2 messages to mqtt-crawl-.*csv").await?;
        check_equal("the file", page.evaluate::<String>(written).await?, format!("{head}{}{}", rows[0], rows[2]))?;
        page.run("window.written = []; window.isWritten = false;").await?;
        page.press("Save as NDJSON").await?;
        page.wait_for("the file", "window.isWritten === true", WAIT_TIMEOUT).await?;
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        check_equal("the file", page.evaluate::<String>(written).await?, format!("{}{}", lines[0], lines[2]))?;
        ensure!(page.evaluate::<String>("window.suggested").await?.ends_with(".ndjson"), "the name");
        page.screenshot("export").await?;

        // The browser's dialog is dismissed; the disk is full.
        page.run("window.showSaveFilePicker = async () => { throw new DOMException('', 'AbortError'); };").await?;
        page.press("Save as CSV").await?;
        page.wait_for_notice("Save cancelled").await?;
        page.run(
            "window.showSaveFilePicker = async () => ({ createWritable: async () => ({
                write: async () => { throw new Error('full'); }, close: async () => {} }) });",
        )
        .await?;
        page.press("Save as CSV").await?;
        page.wait_for_notice("Couldn't write mqtt-crawl-.*csv. Check free disk space").await
    })
    .await
}
