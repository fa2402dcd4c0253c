//! The message inspector: shows real messages unchanged in every notation, and explains the bytes of the packet.

use anyhow::{Result, ensure};
use mqtt_crawl::protocol::panels::{Copied, PanelAction, ToPanels};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

/// WebDriver's codes for keys.
const ENTER: &str = "\u{E007}";
const RIGHT: &str = "\u{E014}";

const INSPECTOR: &str = "document.querySelector('dialog.inspector[open]')";

/// Opens the inspector by a double click on a message's row.
async fn inspect(page: &Page, seq: u64) -> Result<()> {
    let row = format!("console_().querySelector('[data-seq=\"{seq}\"] .payload')");
    page.wait_for("the row", &format!("Boolean({row})"), WAIT_TIMEOUT).await?;
    page.run(&format!("{row}.dispatchEvent(new MouseEvent('dblclick', {{ bubbles: true }}));")).await?;
    wait_for_message(page, seq).await
}

/// Waits until the inspector shows a message.
async fn wait_for_message(page: &Page, seq: u64) -> Result<()> {
    let shown = format!("{INSPECTOR}?.querySelector('[data-message=\"{seq}\"] .sheet-row')");
    page.wait_for(&format!("message {seq} in the inspector"), &format!("Boolean({shown})"), WAIT_TIMEOUT).await
}

/// Returns the selected view.
async fn view(page: &Page) -> Result<String> {
    page.evaluate(&format!("{INSPECTOR}.querySelector('input:checked').parentElement.textContent")).await
}

async fn choose(page: &Page, view: &str) -> Result<()> {
    // Other panels have fields of the same name.
    let choice = format!("[...{INSPECTOR}.querySelectorAll('input')].find((each) => nameOf(each) === {})", json!(view));
    page.run(&format!("{choice}.click();")).await?;
    let shown = format!("{choice}.checked && Boolean({INSPECTOR}.querySelector('.sheet-row, .fault:not(:empty)'))");
    page.wait_for(view, &shown, WAIT_TIMEOUT).await
}

/// Returns the text of the rows, as a person reads it.
async fn rows(page: &Page) -> Result<Vec<String>> {
    page.evaluate(&format!("[...{INSPECTOR}.querySelectorAll('.sheet-row')].map((row) => row.innerText)")).await
}

async fn fact(page: &Page, name: &str) -> Result<String> {
    let term = format!("[...{INSPECTOR}.querySelectorAll('dt')].find((term) => term.innerText === {})", json!(name));
    page.evaluate(&format!("{term}.nextElementSibling.innerText")).await
}

/// A JSON payload with a number beyond JavaScript's integers, and with markup.
const READING: &[u8] = br#"{"id":9007199254740993,"at":127.0,"note":"</script><img src=x onerror=window.caught=1>"}"#;

/// Connects to mosquitto and publishes five messages: JSON, broken text, nothing, text, CBOR.
async fn open_with_messages(page: &Page, station: &Station, mosquitto: &Mosquitto) -> Result<()> {
    let broker = mosquitto.ws_url();
    let keys = [("broker", broker.as_str()), ("topic", "deck/#"), ("qos", "2"), ("connect", "1"), ("view", "console")];
    page.open(&link(&station.page_url(), &keys)).await?;
    page.wait_for_state("connected").await?;
    let login = Login::anonymous(mosquitto.mqtt_port());
    let properties = [
        "-q",
        "1",
        "-D",
        "publish",
        "content-type",
        "application/json",
        "-D",
        "publish",
        "user-property",
        "ship",
        "<b>7</b>",
    ];
    login.publish_bytes("deck/reading", READING, &properties).await?;
    login.publish_bytes("deck/broken", b"caf\xc3 \xff\0", &["-q", "2"]).await?;
    login.publish_bytes("deck/empty", b"", &[]).await?;
    login.publish_bytes("deck/text", "two\nlines \u{202e}turned".as_bytes(), &[]).await?;
    login.publish_bytes("deck/cbor", b"\xa1\x61\x61\x1b\x00\x20\x00\x00\x00\x00\x00\x01", &[]).await?;
    page.wait_for_stat("received", 5, WAIT_TIMEOUT).await
}

/// Checks the rows and the facts of [`READING`], and folding.
async fn check_json(page: &Page) -> Result<()> {
    check_equal("the view", view(page).await?.as_str(), "JSON")?;
    let shown = rows(page).await?.join("\n");
    for text in ["9007199254740993", "127.0", "</script><img src=x onerror=window.caught=1>"] {
        ensure!(shown.contains(text), "no {text} in {shown:?}");
    }
    for (name, value) in [
        ("Topic", "deck/reading"),
        ("QoS", "1, at least once"),
        ("Size", &format!("{} bytes", READING.len())),
        ("Content type", "application/json"),
        ("User property", "ship: <b>7</b>"),
    ] {
        check_equal(name, fact(page, name).await?.as_str(), value)?;
    }

    // Folded and unfolded.
    page.press("Fold").await?;
    page.wait_for("one row", &format!("{INSPECTOR}.querySelectorAll('.sheet-row').length === 1"), WAIT_TIMEOUT).await?;
    ensure!(rows(page).await?.join("").contains("3 rows"), "the number of folded rows isn't shown");
    page.press("Unfold").await?;
    page.wait_for("five rows", &format!("{INSPECTOR}.querySelectorAll('.sheet-row').length === 5"), WAIT_TIMEOUT).await
}

/// Checks the explanation of a byte in the view of the packet: by the pointer and by keyboard.
async fn check_packet_bytes(page: &Page) -> Result<()> {
    choose(page, "Packet").await?;
    page.element(&format!("{INSPECTOR}.querySelector('[data-at=\"5\"]')")).await?.click().await?;
    page.wait_for_notice(r"Byte 5: 0x64 \(100\)\. Topic Name, byte 1 of 12\. .deck/reading").await?;
    page.element(&format!("{INSPECTOR}.querySelector('[tabindex=\"0\"]')")).await?.send_keys(RIGHT).await?;
    page.wait_for_notice(r"Byte 6: 0x65 \(101\)\. Topic Name, byte 2 of 12").await?;
    let over = "dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))";
    page.run(&format!("{INSPECTOR}.querySelector('[data-at=\"0\"]').{over};")).await?;
    page.wait_for_notice(r"Byte 0: 0x32 \(50\)\. Packet type and flags").await?;
    page.element(&format!("{INSPECTOR}.querySelector('[data-at=\"18\"]')")).await?.click().await?;
    page.wait_for_notice(r"Byte 18: 0x.. \([0-9]+\)\. Packet Identifier, byte 2 of 2\. [0-9]+\. Acknowledgements").await
}

/// Checks the view that is chosen for each of the other payloads, and its rows.
async fn check_views(page: &Page) -> Result<()> {
    for (seq, name, expected) in [
        (2, "Hex", "63 61 66 c3 20 ff 00"),
        (3, "Text", ""),
        (4, "Text", "two\nlines U+202Eturned"),
        (5, "CBOR", "▾\n{\n\"a\": 9007199254740993\n}"),
    ] {
        inspect(page, seq).await?;
        check_equal("the view", view(page).await?.as_str(), name)?;
        // Browsers differ in where a row's parts end.
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let shown = rows(page).await?.join("\n");
        ensure!(bare(&shown).contains(&bare(expected)), "message {seq} shows {shown:?}");
    }
    inspect(page, 2).await?;
    choose(page, "Text").await?;
    check_equal("broken text", rows(page).await?, vec![r"caf\xC3 \xFFNUL".to_owned()])?;
    choose(page, "JSON").await?;
    page.wait_for_notice("Not valid JSON: invalid UTF-8 at byte 3").await
}

#[tokio::test]
async fn messages_are_shown_unchanged() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("inspector", async |page| {
        open_with_messages(page, &station, &mosquitto).await?;
        inspect(page, 1).await?;
        check_json(page).await?;
        check_packet_bytes(page).await?;
        check_views(page).await?;

        // The choice applies to the topic; another message of it opens with it.
        choose(page, "Base64").await?;
        inspect(page, 1).await?;
        check_equal("the view", view(page).await?.as_str(), "Packet")?;
        page.press("Next message").await?;
        wait_for_message(page, 2).await?;
        check_equal("the view", view(page).await?.as_str(), "Base64")?;

        let made: u64 = page.evaluate(&format!("{INSPECTOR}.querySelectorAll('img, b, script').length")).await?;
        check_equal("elements made from payloads", made, 0)?;
        check_equal("caught", page.evaluate::<bool>("window.caught === undefined").await?, true)?;

        // By keyboard: the newest message, and the focus returns.
        page.press_keys(ESCAPE).await?;
        page.wait_for("no panel", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await?;
        page.element("console_()").await?.send_keys(ENTER).await?;
        wait_for_message(page, 5).await?;
        page.press("Next message").await?;
        page.wait_for_notice("Message 6 hasn't arrived yet").await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for("the focus", "console_().contains(document.activeElement)", WAIT_TIMEOUT).await
    })
    .await
}

/// Returns what the page has copied since the last call, from a stand-in for the clipboard.
async fn copied(page: &Page) -> Result<String> {
    page.wait_for("something copied", "window.copied !== undefined", WAIT_TIMEOUT).await?;
    let text = page.evaluate("window.copied").await?;
    page.run("window.copied = undefined;").await?;
    Ok(text)
}

#[tokio::test]
async fn copied_text_matches_its_label() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("copy", async |page| {
        let broker = mosquitto.ws_url();
        let keys =
            [("broker", broker.as_str()), ("topic", "deck/#"), ("qos", "1"), ("connect", "1"), ("view", "console")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let login = Login::anonymous(mosquitto.mqtt_port());
        login.publish_bytes("deck/a b", b"it's 127.0", &["-q", "1", "-D", "publish", "content-type", "x y"]).await?;
        login.publish_bytes("deck/bytes", b"\xff\0", &[]).await?;
        page.wait_for_stat("received", 2, WAIT_TIMEOUT).await?;
        page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; };").await?;

        inspect(page, 1).await?;
        page.press("Copy as NDJSON").await?;
        let row = copied(page).await?;
        ensure!(
            row.starts_with(r#"{"seq":1,"time":""#) && row.ends_with(r#""properties":{"content_type":"x y"}}"#),
            "{row}"
        );
        page.wait_for_notice("Copied message 1 as NDJSON").await?;
        page.screenshot("copied").await?;
        page.press("Copy payload (text)").await?;
        check_equal("the payload", copied(page).await?.as_str(), "it's 127.0")?;
        page.press("Copy mosquitto_pub").await?;
        let comment = "# PORT is the broker's TCP port, often 1883.\n".to_owned();
        let publish = "mosquitto_pub -h 127.0.0.1 -p PORT -V mqttv5 -t 'deck/a b' -q 1 -D publish content-type 'x y' \
                       -m 'it'\\''s 127.0'\n";
        let command = copied(page).await?;
        check_equal("the command", &command, &(comment.clone() + publish))?;
        page.press("Copy mosquitto_sub").await?;
        let subscribe = "mosquitto_sub -h 127.0.0.1 -p PORT -V mqttv5 -t 'deck/#' -q 1 -v\n";
        check_equal("the command", copied(page).await?, comment + subscribe)?;

        // A shell and mosquitto's own client produce the same message from it.
        let command = command.replace("PORT -V", &format!("{} -V", mosquitto.mqtt_port()));
        let status = tokio::process::Command::new("sh").arg("-c").arg(command).status().await?;
        ensure!(status.success(), "{status}");
        page.wait_for_stat("received", 3, WAIT_TIMEOUT).await?;
        page.wait_for(
            "the same again",
            "rows().filter((row) => row.text.includes(\"it's 127.0\")).length === 2",
            WAIT_TIMEOUT,
        )
        .await?;

        // By a key in the selected row, with no panel open.
        page.press_keys(ESCAPE).await?;
        page.element("console_().querySelector('[data-seq=\"2\"]')").await?.click().await?;
        page.press_keys("C").await?;
        check_equal("the payload", copied(page).await?.as_str(), "ff00")?;
        page.press_keys("c").await?;
        ensure!(copied(page).await?.contains(r#""payload_base64":"/wA=""#), "no such row");
        page.press_keys("p").await?;
        ensure!(copied(page).await?.contains("-t deck/bytes"), "no such command");

        let copy = |copied, seq| ToPanels::Run(PanelAction::Copy(copied, seq));
        page.send_to_panels(&copy(Copied::Row, 9)).await?;
        page.wait_for_notice("Message 9 hasn't arrived yet").await?;

        // If the browser refuses, the text is shown for copying by hand.
        page.run("navigator.clipboard.writeText = async () => { throw new DOMException('', 'NotAllowedError'); };")
            .await?;
        page.send_to_panels(&copy(Copied::Payload, 1)).await?;
        let by_hand = "document.activeElement.tagName === 'TEXTAREA' && getSelection().toString() === \"it's 127.0\"";
        page.wait_for("the text, selected", by_hand, WAIT_TIMEOUT).await?;
        page.screenshot("copy-by-hand").await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for("no panel", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn ten_megabytes_open_immediately_and_completely() -> Result<()> {
    let station = Station::start().await?;
    in_browser("inspector-large", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "deck/#"), ("connect", "1"), ("view", "console")])).await?;
        page.wait_for_state("connected").await?;
        let mut payload = b"so many bytes and not one is missing\n".repeat(290_000);
        payload.truncate((10 << 20) - 8);
        payload.extend_from_slice(b"the end.");
        Login::anonymous(station.mqtt_port()?).publish_bytes("deck/large", &payload, &[]).await?;
        page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;
        // The program is loaded already: this is about the message.
        page.press("Send a message").await?;
        page.wait_for("a panel", "Boolean(document.querySelector('dialog[open]'))", WAIT_TIMEOUT).await?;
        page.press("Close").await?;
        page.begin_measuring().await?;
        inspect(page, 1).await?;
        ensure!(fact(page, "Size").await?.starts_with("10,485,760 bytes"), "the size");
        let copy = "Boolean(button('Copy payload (text)')) && !button('Copy payload (text)').disabled";
        page.wait_for("all of it", copy, WAIT_TIMEOUT).await?;
        println!("10 MiB of text, opened and laid out: {:?}", page.end_measuring().await?);
        for (name, last) in [("Text", "the end."), ("Hex", "the end."), ("Base64", "ZW5kLg=="), ("Packet", "d.")] {
            choose(page, name).await?;
            page.wait_for(
                "all of it",
                "!document.querySelector('.inspector .panel-foot button').disabled",
                WAIT_TIMEOUT,
            )
            .await?;
            let list = page.element(&format!("{INSPECTOR}.querySelector('[tabindex=\"0\"]')")).await?;
            // End, as WebDriver encodes it.
            list.send_keys("\u{E010}").await?;
            let found = format!(
                "[...{INSPECTOR}.querySelectorAll('.sheet-row')].at(-1)?.innerText.replace(/\\s/g, '').endsWith({})",
                json!(last.replace(' ', ""))
            );
            page.wait_for(&format!("the last byte as {name}"), &found, WAIT_TIMEOUT).await?;
            let made: u64 = page.evaluate(&format!("{INSPECTOR}.querySelectorAll('.sheet-row').length")).await?;
            ensure!(made < 100, "{made} rows were made for a screen");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn packets_are_traced_and_a_delivery_is_explained() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("packets", async |page| {
        let broker = mosquitto.ws_url();
        let keys =
            [("broker", broker.as_str()), ("topic", "deck/#"), ("qos", "2"), ("connect", "1"), ("view", "console")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let login = Login::anonymous(mosquitto.mqtt_port());
        login.publish_bytes("deck/a", b"x", &["-q", "2"]).await?;
        page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;

        page.press("Packets").await?;
        let packets = "named('dialog[open]', 'Packets')";
        page.wait_for("the panel", &format!("Boolean({packets})"), WAIT_TIMEOUT).await?;
        let shown = |text: &str| {
            let has_text = format!("row.innerText.replace(/\\s+/g, ' ').includes({})", json!(text));
            format!("[...{packets}.querySelectorAll('.sheet-row')].some((row) => {has_text})")
        };
        for text in ["CONNECT", "CONNACK", "SUBACK 1", "granted QoS 2 (0x02)", "QoS 2, message 1", "PUBCOMP 1"] {
            page.wait_for(text, &shown(text), WAIT_TIMEOUT).await?;
        }
        // The packets of one exchange, from any of them.
        let identifier = format!(
            "[...{packets}.querySelectorAll('.sheet-row')].find((row) => row.innerText.includes('PUBREC')).querySelector('.id button')"
        );
        page.element(&identifier).await?.click().await?;
        page.wait_for_notice("Related packets .packet ID 1.").await?;
        let kinds = format!("[...{packets}.querySelectorAll('.sheet-row .kind')].map((kind) => kind.innerText).join(' ')");
        page.wait_for("four packets", &format!("{kinds} === 'PUBLISH PUBREC PUBREL PUBCOMP'"), WAIT_TIMEOUT).await?;
        page.screenshot("exchange").await?;
        let is_focused = "document.activeElement.textContent === 'Show all packets'";
        page.wait_for("the focus on the button that leads back", is_focused, WAIT_TIMEOUT).await?;
        page.press("Show all packets").await?;
        page.choose("Packet type", "PUBREL").await?;
        page.wait_for_notice("1 of [0-9]+ packets").await?;
        page.press("Save as text").await?;
        let saved = page.downloaded().await?;
        ensure!(saved.contains("\treceived\tPUBREL\t1\t") && saved.lines().count() == 2, "{saved:?}");
        page.press_keys(ESCAPE).await?;

        inspect(page, 1).await?;
        let delivery = "[...document.querySelectorAll('.delivery span')].map((step) => step.innerText).join(' ')";
        let pattern = "/← PUBLISH 1 .*→ PUBREC 1 .*← PUBREL 1 .*→ PUBCOMP 1/";
        page.wait_for("the delivery", &format!("{pattern}.test({delivery})"), WAIT_TIMEOUT).await
    })
    .await
}
