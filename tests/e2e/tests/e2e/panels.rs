//! The panels: connection options that are sent in CONNECT, messages sent from the page, and controls disabled by the
//! broker's limits.

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{CONTROL_ENTER, ESCAPE, Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::peer::{Peer, PeerMode};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};

/// Opens a panel by the button with its name.
async fn open(page: &Page, name: &str) -> Result<()> {
    page.press(name).await?;
    page.wait_for(name, &format!("Boolean(named('dialog[open]', '{name}'))"), WAIT_TIMEOUT).await
}

/// Sends a message by the form, which is open.
async fn send(page: &Page, topic: &str, qos: &str, payload: &str) -> Result<()> {
    page.fill("Message topic", topic).await?;
    page.choose("Message QoS", qos).await?;
    page.fill("Message payload", payload).await?;
    page.press("Send").await
}

/// Waits until the counts of outcomes have this text.
async fn wait_for_counts(page: &Page, text: &str) -> Result<()> {
    let counts = "named('section', 'Messages sent').querySelector('[role=status]').innerText";
    page.wait_for(text, &format!("{counts}.includes('{text}')"), WAIT_TIMEOUT).await
}

/// Returns the outcomes in the list, newest first.
async fn outcomes(page: &Page) -> Result<Vec<String>> {
    page.evaluate("[...named('section', 'Messages sent').querySelectorAll('li')].map((row) => row.innerText)").await
}

#[tokio::test]
async fn messages_are_published_at_every_qos() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let subscriber = Login::anonymous(mosquitto.mqtt_port()).subscribe("deck/#").await?;
    in_browser("send", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &mosquitto.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        open(page, "Send a message").await?;
        let image = "<img src=x onerror=window.caught=1>";
        for (qos, payload) in [("0", "zero"), ("1", "one"), ("2", image)] {
            send(page, "deck/<i>lamp</i>", qos, payload).await?;
            let line = format!("got {qos} 0 deck/<i>lamp</i> {payload}");
            eventually(&line, async || Ok(subscriber.output().contains(&line).then_some(()))).await?;
        }
        wait_for_counts(page, "3 sent, 3 delivered.").await?;

        // In hex, retained, by keyboard.
        page.choose("Message payload: format", "Hex").await?;
        page.fill("Message payload", "c3 A9 21").await?;
        page.tick("Retain message").await?;
        page.fill("Message topic", "deck/hex").await?;
        page.press_keys(CONTROL_ENTER).await?;
        let line = "got 2 0 deck/hex é!";
        eventually(line, async || Ok(subscriber.output().contains(line).then_some(()))).await?;
        let later = Login::anonymous(mosquitto.mqtt_port()).subscribe("deck/hex").await?;
        let line = "got 2 1 deck/hex é!";
        eventually(line, async || Ok(later.output().contains(line).then_some(()))).await?;

        // An error is shown next to its field, and isn't counted as sent.
        page.fill("Message payload", "c3 a").await?;
        page.fill("Message topic", "a/#").await?;
        page.press("Send").await?;
        page.wait_for_notice(r"Odd number of hex digits").await?;
        page.wait_for_notice(r"can't contain \+ or #").await?;
        page.wait_for_notice("fix the 2 highlighted fields").await?;
        wait_for_counts(page, "4 sent, 4 delivered.").await?;

        let listed = outcomes(page).await?;
        check_equal("the number of listed messages", listed.len(), 4)?;
        ensure!(listed[0].contains("deck/hex"), "the newest isn't first: {listed:?}");
        ensure!(listed[1].contains(image), "markup isn't shown as text: {listed:?}");
        let made: u64 = page.evaluate("document.querySelectorAll('dialog img, dialog li i').length").await?;
        check_equal("elements made from typed text", made, 0)?;
        check_equal("caught", page.evaluate::<bool>("window.caught === undefined").await?, true)
    })
    .await
}

#[tokio::test]
async fn message_properties_are_published() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("send-properties", async |page| {
        let broker = mosquitto.ws_url();
        page.open(&link(&station.page_url(), &[("broker", &broker), ("topic", "deck/#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        open(page, "Send a message").await?;
        page.run("named('dialog[open]', 'Send a message').querySelector('details').open = true;").await?;
        page.fill("Message content type", "text/plain").await?;
        page.fill("Message response topic", "deck/answers").await?;
        page.fill("Message correlation data", "c-1").await?;
        page.press("Add user property").await?;
        page.fill("User property 1: name", "ship").await?;
        page.fill("User property 1: value", "Evening Star").await?;
        send(page, "deck/a", "1", "aye").await?;
        wait_for_counts(page, "1 sent, 1 delivered.").await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for_row("aye").await?;
        let export = page.export().await?;
        for text in ["text/plain", "deck/answers", "ship", "Evening Star"] {
            ensure!(export.contains(text), "no {text} in {export}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn messages_are_queued_while_the_broker_is_down() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("send-offline", async |page| {
        // The browser's message for a socket that can't be opened; the page's own is better.
        page.expect_errors("WebSocket connection to");
        page.open(&station.page_url()).await?;
        open(page, "Send a message").await?;
        page.wait_for_notice("Connect to send messages").await?;
        ensure!(page.evaluate::<bool>("button('Send').disabled").await?, "one can send without a connection");
        page.press_keys(ESCAPE).await?;

        let keys = [("broker", mosquitto.ws_url()), ("connect", "1".to_owned()), ("topic", "deck/#".to_owned())];
        page.open(&link(&station.page_url(), &keys.each_ref().map(|(key, value)| (*key, value.as_str())))).await?;
        page.wait_for_state("connected").await?;
        open(page, "Send a message").await?;
        let mosquitto = mosquitto.kill().await?;
        page.wait_for_state("reconnecting").await?;
        for qos in ["0", "1", "2"] {
            send(page, "deck/late", qos, &format!("late {qos}")).await?;
        }
        wait_for_counts(page, "3 sent, 3 waiting.").await?;
        page.wait_for_notice("Messages queued: 3 .maximum 10,000.").await?;

        let _mosquitto = mosquitto.restart().await?;
        wait_for_counts(page, "3 sent, 3 delivered.").await?;
        for qos in ["0", "1", "2"] {
            page.wait_for_row(&format!("late {qos}")).await?;
        }
        check_equal("received", page.stat("received").await?, 3)
    })
    .await
}

/// Returns a 5.0 CONNACK with these properties.
fn connack(properties: &[u8]) -> Vec<u8> {
    let length = u8::try_from(properties.len()).expect("a short list");
    [&[0x20, length + 3, 0, 0, length], properties].concat()
}

#[tokio::test]
async fn unsupported_options_are_disabled_with_a_reason() -> Result<()> {
    let station = Station::start().await?;
    // Maximum QoS 0, no retain, no subscription identifiers, a keep alive of its own, a user property.
    let properties = b"\x24\x00\x25\x00\x29\x00\x13\x00\x2a\x26\x00\x04deck\x00\x08<b>7</b>";
    let peer = Peer::start(PeerMode::Terms { connack: connack(properties) }).await?;
    in_browser("terms", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &peer.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        // The text next to a field for people who can't use it.
        let why = |name: &str| {
            format!(
                "field('{name}').getAttribute('aria-describedby').split(' ')\
             .map((id) => document.getElementById(id).textContent).join('')"
            )
        };

        open(page, "Send a message").await?;
        page.wait_for(
            "the reason about QoS",
            &format!("/maximum QoS is 0/.test({})", why("Message QoS")),
            WAIT_TIMEOUT,
        )
        .await?;
        let disabled: Vec<bool> =
            page.evaluate("[...field('Message QoS').options].map((option) => option.disabled)").await?;
        check_equal("the disabled levels", disabled, vec![false, true, true])?;
        ensure!(page.evaluate::<bool>("field('Retain message').disabled").await?, "retain can be chosen");
        ensure!(
            page.evaluate::<String>(&why("Retain message")).await?.contains("doesn't support retained"),
            "no reason"
        );
        page.press("Close").await?;

        page.press("Settings").await?;
        open(page, "Advanced settings").await?;
        for (name, reason) in [
            ("Keep alive (s)", "42 s (set by the broker)"),
            ("Subscription identifier", "doesn't support subscription identifiers"),
            ("Retain will", "doesn't support retained"),
        ] {
            ensure!(page.evaluate::<bool>(&format!("field('{name}').disabled")).await?, "{name} can be used");
            let shown: String = page.evaluate(&why(name)).await?;
            ensure!(shown.contains(reason), "{name}: {shown}");
        }
        let terms: String = page.evaluate("named('section', 'Broker capabilities').innerText").await?;
        let terms = terms.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "Keep alive 42 s",
            "Maximum QoS 0",
            "Retained messages no",
            "Wildcard subscriptions yes",
            "Subscription identifiers no",
            "User property deck: <b>7</b>",
        ] {
            ensure!(terms.contains(line), "no {line:?} in {terms:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn advanced_options_reach_connect() -> Result<()> {
    let station = Station::start().await?;
    let mut peer = Peer::start(PeerMode::Terms { connack: connack(b"") }).await?;
    in_browser("finer", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &peer.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        peer.connects();
        page.press("Settings").await?;
        open(page, "Advanced settings").await?;

        page.fill("Keep alive (s)", "70000").await?;
        page.press("Apply").await?;
        page.wait_for_notice("from 0 to 65535").await?;
        page.wait_for_notice("fix the highlighted field").await?;

        page.fill("Keep alive (s)", "77").await?;
        page.fill("Receive Maximum", "5").await?;
        page.choose("Session", "later").await?;
        page.fill("Keep for", "2").await?;
        page.choose("Unit", "hours").await?;
        page.wait_for_notice("client ID is kept in this page").await?;
        page.press("Add user property").await?;
        page.fill("User property 1: name", "ship").await?;
        page.fill("User property 1: value", "Evening Star").await?;
        page.tick("Last will").await?;
        page.fill("Will topic", "deck/gone").await?;
        page.fill("Will payload", "farewell").await?;
        page.choose("Will QoS", "1").await?;
        page.tick("Retain will").await?;
        page.fill("Will delay (s)", "9").await?;
        page.press("Apply").await?;
        page.wait_for_notice("Takes effect on the next connection").await?;
        page.press("Reconnect now").await?;

        let check = || {
            let connect = peer.connects().pop();
            async { Ok(connect) }
        };
        let connect = eventually("another CONNECT", check).await?;
        // Level 5; flags: will retained, will QoS 1, will, no clean start; keep alive 77.
        let holds = |what: &str, bytes: &[u8]| -> Result<()> {
            ensure!(connect.windows(bytes.len()).any(|window| window == bytes), "no {what} in {connect:02x?}");
            Ok(())
        };
        holds("flags and keep alive", &[b'M', b'Q', b'T', b'T', 5, 0b0010_1100, 0, 77])?;
        holds("Receive Maximum", &[0x21, 0, 5])?;
        holds("session expiry", &[&[0x11], &7_200_u32.to_be_bytes()[..]].concat())?;
        holds("user property", b"\x26\x00\x04ship\x00\x0cEvening Star")?;
        holds("will delay", &[0x18, 0, 0, 0, 9])?;
        holds("will", b"\x00\x09deck/gone\x00\x08farewell")?;
        page.wait_for_state("connected").await
    })
    .await
}

#[tokio::test]
async fn panel_returns_the_focus() -> Result<()> {
    let station = Station::start().await?;
    in_browser("panel-focus", async |page| {
        page.open(&station.page_url()).await?;
        for (name, first) in [("Send a message", "Message topic"), ("Advanced settings", "Keep alive (s)")] {
            open(page, name).await?;
            let dialog = page.element(&format!("named('dialog[open]', '{name}')")).await?;
            let (role, found) = page.role_and_name(&dialog).await?;
            check_equal("the role", role.as_str(), "dialog")?;
            check_equal("the name", found.as_str(), name)?;
            let is_inside = "document.activeElement.closest('dialog[open]') !== null";
            ensure!(page.evaluate::<bool>(is_inside).await?, "the focus isn't in {name}");
            page.fill(first, "").await?;
            page.press_keys(ESCAPE).await?;
            page.wait_for("no panel", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await?;
            let focused: String = page.evaluate("nameOf(document.activeElement)").await?;
            check_equal("the focused element", focused.as_str(), name)?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn escape_closes_a_panel_whose_focused_button_is_disabled() -> Result<()> {
    let station = Station::start().await?;
    in_browser("panel-escape", async |page| {
        page.open(&station.page_url()).await?;
        open(page, "Director").await?;
        page.tick("Stars").await?;
        page.wait_for("a button that is enabled", "!button('Reset').disabled", WAIT_TIMEOUT).await?;
        page.press("Reset").await?;
        page.wait_for("a button that is disabled", "button('Reset').disabled", WAIT_TIMEOUT).await?;
        page.press_keys(ESCAPE).await?;
        page.wait_for("no panel", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await
    })
    .await
}

/// An expression: whether a stored session contains this text.
fn is_stored(text: &str) -> String {
    format!(
        "new Promise((resolve) => {{ indexedDB.open('mqtt-crawl').onsuccess = (event) => {{
            const sessions = event.target.result.transaction('sessions').objectStore('sessions');
            sessions.getAll().onsuccess = (entries) => {{
                event.target.result.close();
                const latin = new TextDecoder('latin1');
                resolve(entries.target.result.some(({{ bytes }}) => latin.decode(bytes).includes('{text}')));
            }};
        }} }})"
    )
}

#[tokio::test]
async fn persistent_session_resumes_after_a_reload() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("persistent-option", async |page| {
        // The browser's message for a socket that can't be opened; the page's own is better.
        page.expect_errors("WebSocket connection to");
        let keys = [("broker", mosquitto.ws_url()), ("topic", "deck/#".to_owned())];
        let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
        page.open(&link(&station.page_url(), &keys)).await?;
        open(page, "Advanced settings").await?;
        page.choose("Session", "later").await?;
        page.fill("Keep for", "90").await?;
        page.choose("Unit", "minutes").await?;
        page.fill("Keep alive (s)", "25").await?;
        page.press("Add user property").await?;
        page.fill("User property 1: name", "ship").await?;
        page.press("Apply").await?;
        page.wait_for_notice("Takes effect").await?;
        page.press_keys(ESCAPE).await?;
        page.press("Connect").await?;
        page.wait_for_state("connected").await?;
        // Version 5, no clean start, the selected keep alive.
        mosquitto.wait_for_log("(p5, c0, k25").await?;
        // The next page has only the address bar, and must find the session by it.
        let url: String = page.evaluate("location.href").await?;
        ensure!(url.contains("client=") && url.contains("connect=1"), "{url}");

        let killed = mosquitto.kill().await?;
        page.wait_for_state("reconnecting").await?;
        open(page, "Send a message").await?;
        send(page, "deck/late", "2", "after all").await?;
        wait_for_counts(page, "1 sent, 1 waiting.").await?;
        // The form doesn't wait for the browser's store.
        let is_stored = is_stored("after all");
        eventually("the message in the store", async || Ok(page.evaluate::<bool>(&is_stored).await?.then_some(())))
            .await?;

        page.open(&url).await?;
        page.wait_for_state("reconnecting").await?;
        let mosquitto = killed.restart().await?;
        page.wait_for_row("after all").await.with_context(|| mosquitto.log())?;
        mosquitto.wait_for_log("(p5, c0, k25").await?;
        check_equal("received", page.stat("received").await?, 1)?;

        // The form shows what an earlier page selected.
        page.press("Settings").await?;
        open(page, "Advanced settings").await?;
        page.wait_for("the selected options", "field('Keep for').value === '90'", WAIT_TIMEOUT).await?;
        for (name, value) in [("Session", "later"), ("Unit", "minutes"), ("Keep alive (s)", "25")] {
            check_equal(name, page.value(name).await?, value.to_owned())?;
        }
        check_equal("user property", page.value("User property 1: name").await?, "ship".to_owned())
    })
    .await
}

#[tokio::test]
async fn panel_load_failures_are_reported() -> Result<()> {
    let station = Station::start().await?;
    // The loader itself, and its imports.
    for file in ["panels_loader.js", "panels.js"] {
        in_browser_with(&[Feature::BlockedFiles], "panels-lost", async |page| {
            page.expect_errors("/panels");
            page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
            page.wait_for_state("connected").await?;
            page.browser().block_file(file).await?;
            page.press("Send a message").await?;
            page.wait_for_notice("Couldn't load this panel").await?;
            // Everything else continues.
            page.press("Disconnect").await?;
            page.wait_for_state("idle").await
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn restarted_worker_has_the_options_and_a_port_to_the_panels() -> Result<()> {
    let station = Station::start().await?;
    let mut peer = Peer::start(PeerMode::Terms { connack: connack(b"") }).await?;
    in_browser_with(&[Feature::InitScript], "panels-new-worker", async |page| {
        page.keep_workers().await?;
        page.open(&link(&station.page_url(), &[("broker", &peer.ws_url())])).await?;
        open(page, "Advanced settings").await?;
        page.fill("Keep alive (s)", "25").await?;
        page.press("Apply").await?;
        page.wait_for_notice("Takes effect").await?;
        page.press_keys(ESCAPE).await?;
        page.press("Connect").await?;
        page.wait_for_state("connected").await?;
        open(page, "Send a message").await?;
        // No acknowledgement arrives.
        send(page, "deck/a", "1", "one").await?;
        wait_for_counts(page, "1 sent, 1 waiting.").await?;

        page.fail_worker("out of fuel").await?;
        page.wait_for_notice("was restarted").await?;
        wait_for_counts(page, "1 sent, 1 unconfirmed.").await?;
        page.wait_for_state("connected").await?;
        page.wait_for("the line", "!button('Send').disabled", WAIT_TIMEOUT).await?;
        send(page, "deck/a", "0", "two").await?;
        wait_for_counts(page, "2 sent, 1 delivered, 1 unconfirmed.").await?;

        let connects = peer.connects();
        check_equal("the number of connections", connects.len(), 2)?;
        for connect in connects {
            let keep_alive = connect.get(10..12).map(<[u8]>::to_vec);
            check_equal("the keep alive", keep_alive, Some(vec![0, 25]))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn reset_restores_the_defaults() -> Result<()> {
    let station = Station::start().await?;
    in_browser("panels-defaults", async |page| {
        page.open(&station.page_url()).await?;
        page.press("Advanced settings").await?;
        page.wait_for("the panel", "Boolean(named('dialog[open]', 'Advanced settings'))", WAIT_TIMEOUT).await?;
        for seconds in ["77", "no number"] {
            page.fill("Keep alive (s)", seconds).await?;
            page.press("Apply").await?;
            page.press("Reset").await?;
            check_equal("keep alive", page.value("Keep alive (s)").await?, "30".to_owned())?;
        }
        Ok(())
    })
    .await
}
