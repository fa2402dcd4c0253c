//! Payloads that break consoles: shown accurately, without damage to anything around them.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

/// Topic, payload, and the text of the console's row.
const PAYLOADS: [(&str, &[u8], &str); 12] = [
    ("odd/plain", b"plain", "plain"),
    ("odd/empty", b"", ""),
    ("odd/invalid", b"caf\xc3 \xff", "63 61 66 c3 20 ff"),
    ("odd/override", "\u{202e}desrever\u{2066} end".as_bytes(), "\u{202e}desrever\u{2066} end"),
    ("odd/hebrew", "שלום עולם".as_bytes(), "שלום עולם"),
    ("odd/control", b"a\0b\x1b[31mc\r\nd\x7f", "a\u{2400}b\u{241b}[31mc\u{240d}\u{240a}d\u{2421}"),
    ("odd/script", b"</script><script>window.caught=1</script>", "</script><script>window.caught=1</script>"),
    ("odd/image", b"<img src=x onerror=window.caught=1>", "<img src=x onerror=window.caught=1>"),
    ("odd/float", b"127.0", "127.0"),
    ("odd/integer", b"9007199254740993", "9007199254740993"),
    ("odd/json", br#"{"id":9007199254740993,"at":127.0}"#, r#"{"id":9007199254740993,"at":127.0}"#),
    (
        "odd/stacked",
        "Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{30a}".as_bytes(),
        "Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{30a}",
    ),
];

#[tokio::test]
async fn odd_payloads_are_shown_correctly_and_do_no_harm() -> Result<()> {
    let station = Station::start().await?;
    in_browser("odd-payloads", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "odd/#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("the subscription", "/QoS 0/.test(named('section', 'Connection').innerText)", WAIT_TIMEOUT)
            .await?;
        let login = Login::anonymous(station.mqtt_port()?);
        // So large that a row which held all of it would be noticed.
        let large = b"10 MiB ".repeat((10 << 20) / 7);
        login.publish_bytes("odd/large", &large, &[]).await?;
        page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;
        // One at a time: messages of several connections have no order.
        for (received, (topic, payload, _)) in (2..).zip(PAYLOADS) {
            login.publish_bytes(topic, payload, &[]).await?;
            page.wait_for_stat("received", received, WAIT_TIMEOUT).await?;
        }
        page.wait_for("the rows", &format!("rows().length === {}", PAYLOADS.len() + 1), WAIT_TIMEOUT).await?;

        for (index, (topic, _, shown)) in PAYLOADS.into_iter().enumerate() {
            let row = format!("console_().querySelector('[data-seq=\"{}\"]')", index + 2);
            let cells: Vec<String> = page
                .evaluate(&format!("['.topic', '.payload'].map((cell) => {row}.querySelector(cell).textContent)"))
                .await?;
            check_equal(topic, cells, vec![topic.to_owned(), shown.to_owned()])?;
        }
        // Sizes and positions are the same as with a plain payload.
        let cells = "[...console_().querySelectorAll('[data-seq]')].map((row) =>
            [row, ...row.children].map((cell) => {
                const { left, right, height } = cell.getBoundingClientRect();
                return [left, right, height].map(Math.round).join(' ');
            }).join(', '))";
        let boxes: Vec<String> = page.evaluate(cells).await?;
        ensure!(boxes.iter().all(|each| each == &boxes[0]), "rows differ: {boxes:#?}");
        let overflow =
            "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight";
        ensure!(!page.evaluate::<bool>(overflow).await?, "the page is larger than its window");
        // A text direction that a payload reverses stays within its cell, and in the crawl within its line.
        let isolated = "[...document.querySelectorAll('.console .rows .row > span, .line')].every((part) =>
            ['isolate', 'isolate-override', 'plaintext'].includes(getComputedStyle(part).unicodeBidi))";
        page.wait_for("lines of the crawl", "lines().length > 0", WAIT_TIMEOUT).await?;
        ensure!(page.evaluate::<bool>(isolated).await?, "a part of the page could be turned around by a payload");

        let made: u64 = page.evaluate("document.querySelectorAll('main img, main script').length").await?;
        check_equal("elements made from payloads", made, 0)?;
        check_equal("caught", page.evaluate::<bool>("window.caught === undefined").await?, true)?;
        page.screenshot("odd-payloads").await?;

        // In the inspector invisible characters have names.
        for (seq, text) in [
            (5, "U+202EdesreverU+2066 end"),
            (7, "61 00 62 1b 5b 33 31 6d"),
            (8, "</script><script>window.caught=1</script>"),
            (11, "9007199254740993"),
            (12, "\"at\": 127.0"),
        ] {
            let row = format!("console_().querySelector('[data-seq=\"{seq}\"] .payload')");
            page.run(&format!("{row}.dispatchEvent(new MouseEvent('dblclick', {{ bubbles: true }}));")).await?;
            let shown =
                format!("document.querySelector('[data-message=\"{seq}\"]')?.innerText.includes({})", json!(text));
            page.wait_for(text, &format!("Boolean({shown})"), WAIT_TIMEOUT).await?;
            if seq == 7 {
                page.screenshot("odd-control").await?;
            }
        }
        Ok(())
    })
    .await
}
