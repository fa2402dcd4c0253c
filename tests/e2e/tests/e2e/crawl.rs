//! The crawl as people use it: it keeps its position, can be moved back and forward, fits any screen, and continues
//! while the page is busy.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::actions::{InputSource, MouseActions, PointerAction};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::motion::{self, Burst};
use mqtt_crawl_e2e::page::{END, Page, TAB, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};
use serde_json::json;

/// Lines for tests in which the text doesn't matter.
pub(super) const DIALOGUE: [(&str, &str); 8] = [
    ("ADA", "The relay at the north ridge is answering again."),
    ("Bram", "Copy that. Two of three pumps restarted on their own."),
    ("Ada", "Then send somebody down before the light goes."),
    ("Cleo", "I am already on the road..."),
    ("Bram", "Bridge is open. Mind the gravel on the far side."),
    ("Cleo", "Understood."),
    ("Ada", "We will leave the lamp burning for you..."),
    ("Bram", "Pressure is holding at four bar on every line now."),
];

/// Connects, with the crawl alone and without an opening.
pub(super) async fn open(page: &Page, station: &Station) -> Result<()> {
    open_with(page, station, &[]).await
}

/// The same with more keys in the link.
pub(super) async fn open_with(page: &Page, station: &Station, keys: &[(&str, &str)]) -> Result<()> {
    let crawl_alone = [("opening", "off"), ("view", "crawl"), ("connect", "1")];
    page.open(&link(&station.page_url(), &[&crawl_alone[..], keys].concat())).await?;
    page.wait_for_state("connected").await
}

/// For pictures: each line has the film's size, at any rate of messages.
pub(super) const FILM: [(&str, &str); 1] = [("pace", "film")];

/// Publishes these lines, and waits until all are on the plane, at high speed.
pub(super) async fn publish(page: &Page, broker: Login<'_>, lines: &[(&str, &str)]) -> Result<()> {
    let known = page.lines().await?.len();
    for (character, text) in lines {
        let payload = json!({"character": character, "text": text}).to_string();
        broker.publish(Version::V5, "StarWars", &payload).await?;
    }
    speed_up(page, known + lines.len()).await
}

/// Speeds the plane up until this number of lines was on it from now on: on a busy machine the first may have passed
/// when the last arrives.
async fn speed_up(page: &Page, lines: usize) -> Result<()> {
    page.run("window.__stood = new Set();").await?;
    let speeding_up = format!(
        "(() => {{ const stood = window.__stood, run = document.getAnimations().find((each) => each.effect.target.className === 'plane');
        crawl().querySelectorAll('.plane .line').forEach((line) => stood.add(line.dataset.seq));
        const enough = stood.size >= {lines};
        run?.updatePlaybackRate(enough ? 1 : 12);
        return enough; }})()"
    );
    page.wait_for("all lines on the plane", &speeding_up, CRAWL_TIMEOUT).await
}

/// Presses a key in the element that has the focus.
pub(super) async fn key(page: &Page, key: &str) -> Result<()> {
    page.press_crawl_key(key).await
}

async fn lines_shown(page: &Page) -> Result<Vec<u64>> {
    Ok(page.lines().await?.into_iter().map(|line| line.seq).collect())
}

#[tokio::test]
async fn passed_lines_can_be_scrolled_back() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-back", async |page| {
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        publish(page, broker, &DIALOGUE).await?;
        // All of them pass.
        page.wait_for(
            "an empty plane",
            "(() => { const run = document.getAnimations().find((each) => each.effect.target.className === 'plane');
            run?.updatePlaybackRate(20); return lines().length === 0; })()",
            CRAWL_TIMEOUT,
        )
        .await?;

        // The wheel is turned back: the last lines appear again, and stop.
        let wheel = |by_px: i32| {
            format!(
                "crawl().dispatchEvent(new WheelEvent('wheel', {{ deltaY: {by_px}, bubbles: true, cancelable: true }}));"
            )
        };
        for _ in 0..12 {
            page.run(&wheel(-200)).await?;
        }
        page.wait_for("the last line again", "lines().some((line) => line.seq === 8)", WAIT_TIMEOUT).await?;
        page.wait_for("the pause", "isPaused()", WAIT_TIMEOUT).await?;
        let seqs = lines_shown(page).await?;
        check_equal("none twice", seqs.iter().collect::<HashSet<_>>().len(), seqs.len())?;

        // New messages wait, and their number is shown.
        for number in 0..9 {
            broker.publish(Version::V5, "StarWars", &format!("RADIO: number {number}")).await?;
        }
        page.wait_for("the lines behind", "button('Jump to live (9 behind)') !== undefined", WAIT_TIMEOUT).await?;
        page.screenshot("crawl-behind").await?;

        // Home: to the newest, and on.
        key(page, "Home").await?;
        page.wait_for("the crawl to resume", "!isPaused()", WAIT_TIMEOUT).await?;
        speed_up(page, 3).await?;
        page.wait_for("new lines", "lines().some((line) => line.seq > 8)", CRAWL_TIMEOUT).await?;

        // Dragging moves the plane down, and so does a key.
        let is_paused = |is_paused: bool| format!("isPaused() === {is_paused}");
        let pull = "const { left, top, height } = crawl().getBoundingClientRect();
            const at = (type, part) => crawl().dispatchEvent(new PointerEvent(type, { bubbles: true, isPrimary: true,
                pointerId: 1, clientX: left + 50, clientY: top + part * height }));
            at('pointerdown', 0.5); at('pointermove', 0.6); at('pointermove', 0.9); at('pointerup', 0.9);";
        page.run(pull).await?;
        page.wait_for("the drag to pause it", &is_paused(true), WAIT_TIMEOUT).await?;
        key(page, "Home").await?;
        page.wait_for("it to resume", &is_paused(false), WAIT_TIMEOUT).await?;
        key(page, "PageUp").await?;
        page.wait_for("the key to pause it", &is_paused(true), WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn line_opens_its_message() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-line", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..4]).await?;
        // By key, from line to line.
        page.wait_for(
            "a line on screen",
            "lines().length === 4 && crawl().querySelector('.plane .line:last-child').getBoundingClientRect().bottom
                < crawl().getBoundingClientRect().bottom",
            CRAWL_TIMEOUT,
        )
        .await?;
        key(page, "ArrowLeft").await?;
        page.wait_for("a marked line", "crawl().querySelector('.line[aria-current]') !== null", WAIT_TIMEOUT).await?;
        let first: String = page.evaluate("crawl().querySelector('.line[aria-current]').dataset.seq").await?;
        key(page, "ArrowLeft").await?;
        let expression =
            format!("crawl().querySelector('.line[aria-current]').dataset.seq === '{}'", first.parse::<u64>()? - 1);
        page.wait_for("the line before it", &expression, WAIT_TIMEOUT).await?;
        let chosen = async |seq: u64| {
            let expression = format!("console_().querySelector('[aria-selected=true]')?.dataset.seq === '{seq}'");
            page.wait_for(&format!("row {seq} to be selected"), &expression, WAIT_TIMEOUT).await
        };
        chosen(first.parse::<u64>()? - 1).await?;
        page.screenshot("crawl-marked").await?;

        // By a click on the line.
        page.run("crawl().querySelector('.line[data-seq=\"4\"] .row').click();").await?;
        chosen(4).await?;
        page.wait_for("its mark", "crawl().querySelector('.line[aria-current]').dataset.seq === '4'", WAIT_TIMEOUT)
            .await?;

        // And in the other direction: from a row of the console.
        page.run("console_().querySelector('[data-seq=\"1\"]').click();").await?;
        chosen(1).await?;
        page.run(
            "console_().querySelector('[tabindex]').dispatchEvent(
                new KeyboardEvent('keydown', { key: 's', bubbles: true, cancelable: true }));",
        )
        .await?;
        page.wait_for("its mark", "crawl().querySelector('.line[aria-current]').dataset.seq === '1'", WAIT_TIMEOUT)
            .await
    })
    .await
}

#[tokio::test]
async fn skip_notice_opens_the_console() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-condensed", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1"), ("card", ""), ("logo", ""), ("opening", "yield")]))
            .await?;
        page.wait_for_state("connected").await?;
        let text: String = (0..500).map(|number| format!("RADIO: number {number}\n")).collect();
        Login::anonymous(station.mqtt_port()?).publish_lines(Version::V5, "StarWars", text).await?;
        page.wait_for_stat("received", 500, WAIT_TIMEOUT).await?;
        let note = "crawl().querySelector('.plane .passed')";
        page.wait_for("the note", &format!("{note} !== null"), CRAWL_TIMEOUT).await?;
        let seq: String = page.evaluate(&format!("{note}.dataset.seq")).await?;
        page.run(&format!("{note}.querySelector('.row').click();")).await?;
        let chosen = format!("console_().querySelector('[aria-selected=true]')?.dataset.seq === '{seq}'");
        page.wait_for("the last of them in the console", &chosen, WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn message_without_a_line_is_shown_in_the_crawl() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-again", async |page| {
        // A rule keeps them from the crawl, and the crawl isn't even shown.
        let keys = [
            ("connect", "1"),
            ("view", "console"),
            ("hide", "StarWars"),
            ("card", ""),
            ("logo", ""),
            ("opening", "yield"),
        ];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        for (character, text) in &DIALOGUE[..3] {
            broker.publish(Version::V5, "StarWars", &format!("{character}: {text}")).await?;
        }
        page.wait_for_stat("received", 3, WAIT_TIMEOUT).await?;
        page.run("console_().querySelector('[data-seq=\"2\"]').click();").await?;
        page.press_keys("s").await?;
        page.wait_for_notice("Showing that message in the crawl now").await?;
        page.wait_for_line(DIALOGUE[1].1).await?;
        let marked = "crawl().querySelector('.plane .line[aria-current]')?.dataset.seq === '2'";
        page.wait_for("its mark", marked, WAIT_TIMEOUT).await?;
        check_equal("lines", lines_shown(page).await?, vec![2])?;

        // Also by a button, in the inspector.
        open_third(page).await?;
        page.press("Show in crawl").await?;
        page.wait_for_line(DIALOGUE[2].1).await?;
        page.press("Close").await?;
        // On a phone the panel covers the crawl, so it closes.
        page.resize((390, 844), 1.0).await?;
        open_third(page).await?;
        page.press("Show in crawl").await?;
        page.wait_for("the panel to close", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await?;

        // In plain text, too.
        key(page, "t").await?;
        page.run("console_().querySelector('[data-seq=\"1\"]').click();").await?;
        page.press_keys("s").await?;
        page.wait_for("its text", "crawl().querySelector('.transcript [data-seq=\"1\"]') !== null", WAIT_TIMEOUT)
            .await?;
        // Where End goes to the end of the text, and not to the console's.
        page.press("Freeze").await?;
        page.run("crawl().querySelector('.transcript').focus();").await?;
        page.press_keys(&END.to_string()).await?;
        let is_paused = "button('Freeze').getAttribute('aria-pressed') === 'true'";
        ensure!(page.evaluate::<bool>(is_paused).await?, "the console is at its end");
        Ok(())
    })
    .await
}

/// Until the message has arrived, the panel is drawn again.
async fn open_third(page: &Page) -> Result<()> {
    page.run("console_().querySelector('[data-seq=\"3\"] .open').click();").await?;
    let shows_it = format!("document.querySelector('dialog[open]')?.textContent.includes({:?})", DIALOGUE[2].1);
    page.wait_for("the message in the panel", &shows_it, WAIT_TIMEOUT).await
}

#[tokio::test]
async fn keys_change_the_speed_and_fill_the_screen() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::FullScreenPage], "crawl-keys", async |page| {
        open(page, &station).await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..2]).await?;
        let speed = async |expected: &str| {
            let expression = format!("crawl().querySelector('.speed').textContent === '{expected}'");
            page.wait_for(expected, &expression, WAIT_TIMEOUT).await
        };
        speed("100 %").await?;
        key(page, "ArrowUp").await?;
        speed("130 %").await?;
        page.press("Slower").await?;
        page.press("Slower").await?;
        speed("75 %").await?;
        // It is in the link, and in the panel in which it is selected.
        let in_link = |percent: &str| format!("new URLSearchParams(location.hash.slice(1)).get('speed') === {percent}");
        page.wait_for("the speed in the link", &in_link("'75'"), WAIT_TIMEOUT).await?;
        page.press("Director").await?;
        page.wait_for("the panel", "field('Speed (%)')?.value === '75'", WAIT_TIMEOUT).await?;
        key(page, "ArrowUp").await?;
        page.wait_for("the speed there", "field('Speed (%)')?.value === '100'", WAIT_TIMEOUT).await?;
        page.wait_for("a link without the default speed", &in_link("null"), WAIT_TIMEOUT).await?;
        page.press("Close").await?;

        // With real input, because only then browsers allow full screen.
        page.press("Full screen").await?;
        page.wait_for("full screen", "document.fullscreenElement === crawl()", WAIT_TIMEOUT).await?;
        page.run("document.activeElement.blur();").await?;
        page.wait_for(
            "controls and pointer to disappear",
            "getComputedStyle(crawl()).cursor === 'none'
                && getComputedStyle(crawl().querySelector('.crawl-controls')).opacity === '0'",
            WAIT_TIMEOUT,
        )
        .await?;
        page.screenshot("crawl-full").await?;
        page.run("crawl().dispatchEvent(new PointerEvent('pointermove', { bubbles: true }));").await?;
        page.wait_for("them to come back", "getComputedStyle(crawl()).cursor !== 'none'", WAIT_TIMEOUT).await?;
        key(page, "f").await?;
        page.wait_for("the end of full screen", "document.fullscreenElement === null", WAIT_TIMEOUT).await
    })
    .await
}

/// Records the pending timers: code that polls has one.
const PENDING_TIMERS: &str = "
    const pending = window.__pending = new Set();
    const { setTimeout: set, clearTimeout: clear } = window;
    window.setTimeout = (work, wait) => {
        const timer = set(() => { pending.delete(timer); work(); }, wait);
        pending.add(timer);
        return timer;
    };
    window.clearTimeout = (timer) => { pending.delete(timer); clear(timer); };";

#[tokio::test]
async fn hidden_page_is_idle_and_resumes_within_a_second() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript], "crawl-hidden", async |page| {
        page.browser().add_init_script(PENDING_TIMERS).await?;
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        publish(page, broker, &DIALOGUE[..3]).await?;
        let position = "(() => { const run = document.getAnimations()
            .find((each) => each.effect.target.className === 'plane'); return [run.playState, run.currentTime]; })()";
        page.hide().await?;
        page.wait_for("it to be paused", &format!("{position}[0] === 'paused'"), WAIT_TIMEOUT).await?;
        let (_, hidden_ms): (String, f64) = page.evaluate(position).await?;
        let known = page.lines().await?;
        let text: String = (0..500).map(|number| format!("RADIO: number {number}\n")).collect();
        broker.publish_lines(Version::V5, "StarWars", text).await?;
        let (state, ms): (String, f64) = page.evaluate(position).await?;
        ensure!(state == "paused" && ms == hidden_ms, "it moved by {} ms while it was hidden", ms - hidden_ms);
        check_equal("lines", page.lines().await?, known)?;
        check_equal("timers", page.evaluate::<u64>("window.__pending.size").await?, 0)?;

        // By the page's own clock, from the moment that it is shown.
        page.run(&format!(
            "document.addEventListener('visibilitychange', ({{ timeStamp }}) => {{
                const check = (now) => {{
                    const [state, ms] = {position};
                    if (state !== 'running' || ms <= {hidden_ms}) return requestAnimationFrame(check);
                    window.__resumedAfter = now - timeStamp;
                }};
                requestAnimationFrame(check);
            }});"
        ))
        .await?;
        page.show().await?;
        page.wait_for("it to resume", "window.__resumedAfter !== undefined", WAIT_TIMEOUT).await?;
        let after_ms: f64 = page.evaluate("window.__resumedAfter").await?;
        println!("it resumed after {after_ms:.0} ms");
        ensure!(after_ms <= 1_000.0, "it resumed after {after_ms} ms");
        page.wait_for("the note", "crawl().querySelector('.plane .passed') !== null", CRAWL_TIMEOUT).await?;
        page.wait_for_stat("received", 503, WAIT_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn burst_is_shown_within_half_a_minute() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-burst", async |page| {
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        let (motion, waited) = motion::burst(page, broker, Burst { around: 10, lines: 2_000 }).await?;
        println!("newest line after {:.1} s; {:.0} frames/s; {motion:?}", waited.as_secs_f64(), motion.frames_per_s());
        ensure!(motion.most_nodes <= 60, "{} nodes on the plane", motion.most_nodes);
        ensure!(motion.backward_px <= 1.0, "a line went back by {} px", motion.backward_px);
        ensure!(waited <= Duration::from_secs(30), "the newest line took {waited:?}");
        Ok(())
    })
    .await
}

/// Records each lock that keeps the screen on.
const RECORD_LOCKS: &str = "
    window.__locks = [];
    // An empty tab can have none.
    const ask = window.WakeLock?.prototype.request;
    if (ask) {
        WakeLock.prototype.request = async function (kind) {
            const lock = await ask.call(this, kind);
            window.__locks.push(lock);
            return lock;
        };
    }";

/// Whether each of the locks so far was released.
const RELEASED: &str = "window.__locks.map((lock) => lock.released)";

async fn check_locks(page: &Page, released: &[bool]) -> Result<()> {
    let expression = format!("JSON.stringify({RELEASED}) === '{}'", json!(released));
    let waited = page.wait_for(&format!("locks, released: {released:?}"), &expression, WAIT_TIMEOUT).await;
    if waited.is_err() {
        return waited.context(format!("they are {:?}", page.evaluate::<Vec<bool>>(RELEASED).await?));
    }
    waited
}

#[tokio::test]
async fn kiosk_stays_awake_and_shows_only_the_crawl() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript, Feature::FullScreenWindow, Feature::WakeLock], "crawl-kiosk", async |page| {
        page.browser().add_init_script(RECORD_LOCKS).await?;
        open(page, &station).await?;
        check_locks(page, &[]).await?;
        page.press("Full screen").await?;
        check_locks(page, &[false]).await?;
        key(page, "f").await?;
        check_locks(page, &[true]).await?;
        page.wait_for("the window", "!matchMedia('(display-mode: fullscreen)').matches", WAIT_TIMEOUT).await?;

        // A browser that was started as a kiosk, or is in full screen by its own key.
        let browser = page.browser().client();
        // The size of the page is set by the test, independent of the window's.
        let resize = async |height: &str| page.run(&format!("crawl().parentElement.style.height = '{height}';")).await;
        open(page, &station).await?;
        browser.fullscreen_window().await?;
        page.wait_for("full screen", "matchMedia('(display-mode: fullscreen)').matches", WAIT_TIMEOUT).await?;
        resize("30rem").await?;
        check_locks(page, &[false]).await?;
        let gone = "getComputedStyle(crawl()).cursor === 'none'
            && getComputedStyle(crawl().querySelector('.crawl-controls')).opacity === '0'";
        page.wait_for("controls and pointer to disappear", gone, WAIT_TIMEOUT).await?;
        let bars = "['.top', '.bottom'].every((bar) => getComputedStyle(document.querySelector(bar)).opacity === '0')";
        page.wait_for("the page's bars to disappear", bars, WAIT_TIMEOUT).await?;
        page.screenshot("crawl-kiosk").await?;
        // The browser releases the lock when the page is hidden; the page requests it again.
        page.hide().await?;
        check_locks(page, &[true]).await?;
        browser.fullscreen_window().await?;
        check_locks(page, &[true, false]).await?;
        browser.maximize_window().await?;
        resize("20rem").await?;
        check_locks(page, &[true, true]).await?;
        move_pointer(page, (300, 300)).await?;
        page.wait_for("controls and pointer", &format!("!({gone})"), WAIT_TIMEOUT).await
    })
    .await
}

/// Moves the pointer there, in CSS pixels.
async fn move_pointer(page: &Page, (x, y): (u32, u32)) -> Result<()> {
    let moved = PointerAction::MoveTo { duration: None, x: x.into(), y: y.into() };
    let moves = MouseActions::new("mouse".to_owned()).then(moved);
    Ok(page.browser().client().perform_actions(moves).await?)
}

/// Whether all of these have this opacity.
fn are_seen(selectors: &[&str], opacity: u32) -> String {
    format!(
        "{}.every((each) => getComputedStyle(document.querySelector(each)).opacity === '{opacity}')",
        json!(selectors)
    )
}

const BARS: [&str; 4] = [".top", ".bottom", ".desk", ".crawl-controls"];

#[tokio::test]
async fn crawl_fills_the_window_and_bars_hide_when_idle() -> Result<()> {
    let mut station = Some(Station::start().await?);
    in_browser("crawl-bars", async |page| {
        page.expect_errors("WebSocket connection to");
        let url = station.as_ref().context("a station")?.page_url();
        let fills =
            "(({ x, y, width, height }) => x === 0 && y === 0 && width === innerWidth && height === innerHeight)
            (crawl().getBoundingClientRect())";
        let is_idle = "crawl().dataset.idle === 'true'";
        for (name, size) in [("phone", (390, 844)), ("wide", (1_280, 720))] {
            super::screens::resize(page, &super::screens::screen(name, size, 1.0)).await?;
            // Without a connection an action is required.
            page.open(&link(&url, &[("view", "crawl"), ("card", ""), ("logo", "")])).await?;
            page.wait_for("the idle state", is_idle, WAIT_TIMEOUT).await?;
            ensure!(page.evaluate::<bool>(&are_seen(&BARS[..3], 1)).await?, "the bars disappeared, {name}");
            page.wait_for("the crawl to fill the window", fills, WAIT_TIMEOUT).await?;
            page.screenshot(&format!("bars-{name}-away")).await?;

            page.press("Connect").await?;
            page.wait_for_state("connected").await?;
            page.run("document.activeElement.blur();").await?;
            page.wait_for("the bars to disappear", &are_seen(&BARS, 0), WAIT_TIMEOUT).await?;
            page.screenshot(&format!("bars-{name}-idle")).await?;
            ensure!(page.evaluate::<bool>(fills).await?, "the crawl doesn't fill the window, {name}");
            let cursors = "['.crawl', '.top', '.bottom', '.crawl-controls .pause', '.top button']
                .map((each) => getComputedStyle(document.querySelector(each)).cursor)";
            check_equal("pointers", page.evaluate::<Vec<String>>(cursors).await?, vec!["none".to_owned(); 5])?;

            move_pointer(page, (200, 400)).await?;
            page.wait_for("the bars to come back", &are_seen(&BARS, 1), WAIT_TIMEOUT).await?;
            ensure!(page.evaluate::<bool>(fills).await?, "the bars make the crawl smaller, {name}");
            page.screenshot(&format!("bars-{name}-moved")).await?;
            let covered = "[...document.querySelectorAll('.crawl-controls button, .numbers dd, .top button')]
                .filter((each) => {
                    const { left, top, width, height } = each.getBoundingClientRect();
                    const found = document.elementFromPoint(left + width / 2, top + height / 2);
                    return width > 0 && !each.contains(found);
                }).map(nameOf)";
            check_equal(&format!("covered, {name}"), page.evaluate::<Vec<String>>(covered).await?, vec![])?;
            page.wait_for("them to disappear again", &are_seen(&BARS, 0), WAIT_TIMEOUT).await?;
        }

        // An element focused by key stays, and the rest disappears.
        page.press_keys(TAB).await?;
        page.wait_for("the bars after a key", &are_seen(&BARS, 1), WAIT_TIMEOUT).await?;
        // It continues from where Connect was pressed.
        let focused = "document.querySelector('.desk').contains(document.activeElement)";
        ensure!(page.evaluate::<bool>(focused).await?, "the Tab key leads elsewhere");
        let alone = format!("{is_idle} && {} && {}", are_seen(&[".desk"], 1), are_seen(&[".bottom", ".top"], 0));
        page.wait_for("only the focused one", &alone, WAIT_TIMEOUT).await?;
        page.run("document.activeElement.blur();").await?;
        page.wait_for("it to disappear", &are_seen(&BARS, 0), WAIT_TIMEOUT).await?;

        // Static text has all of it next to it.
        key(page, "t").await?;
        let is_above = "document.querySelector('.top').getBoundingClientRect().bottom
            <= crawl().getBoundingClientRect().top";
        page.wait_for("the bar above the text", is_above, WAIT_TIMEOUT).await?;
        let all_seen = format!("{is_idle} && {}", are_seen(&BARS, 1));
        page.wait_for("no input, and the bars next to plain text", &all_seen, WAIT_TIMEOUT).await?;
        key(page, "t").await?;
        page.wait_for("the bars to disappear", &are_seen(&BARS, 0), WAIT_TIMEOUT).await?;

        // A lost connection is shown even if nobody moves the pointer.
        drop(station.take());
        page.wait_for_state("reconnecting").await?;
        page.wait_for("the bars", &are_seen(&BARS[..3], 1), WAIT_TIMEOUT).await?;
        ensure!(page.evaluate::<bool>(is_idle).await?, "something moved");
        page.screenshot("bars-lost").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn hidden_pointer_hovers_no_line() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-hover", async |page| {
        open(page, &station).await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..5]).await?;
        page.press("Pause").await?;
        page.wait_for("the pause", "document.getAnimations().every((each) => !each.pending)", WAIT_TIMEOUT).await?;
        let at: (f64, f64) = page
            .evaluate(
                "lines().length > 0 && (() => {
                    const row = [...crawl().querySelectorAll('.plane .line .row')].find((each) => {
                        const { top, bottom } = each.getBoundingClientRect();
                        return top > innerHeight * 0.5 && bottom < innerHeight - 40;
                    });
                    row.closest('.line').classList.add('pointed');
                    const { left, top, width, height } = row.getBoundingClientRect();
                    return [left + width / 2, top + height / 2];
                })()",
            )
            .await?;
        move_pointer(page, (at.0 as u32, at.1 as u32)).await?;
        let differs = "getComputedStyle(document.querySelector('.pointed')).color !== getComputedStyle(crawl()).color";
        page.wait_for("the line under the pointer", differs, WAIT_TIMEOUT).await?;
        page.wait_for("the idle state", "crawl().dataset.idle === 'true'", WAIT_TIMEOUT).await?;
        page.wait_for("it to look like the others", &format!("!({differs})"), WAIT_TIMEOUT).await?;
        let cursor = "getComputedStyle(document.querySelector('.pointed .row')).cursor";
        check_equal("the pointer", page.evaluate::<String>(cursor).await?, "none".to_owned())?;
        move_pointer(page, (at.0 as u32 + 3, at.1 as u32)).await?;
        page.wait_for("the line under the pointer", differs, WAIT_TIMEOUT).await
    })
    .await
}

/// Blocks the page's thread for a second and a half, 200 ms from now.
const BLOCK: &str = "setTimeout(() => {
    const from = performance.now();
    while (performance.now() < from + 1500);
    window.__blocked = [from, performance.now()].map((at) => performance.timeOrigin + at);
}, 200);";

#[tokio::test]
async fn crawl_keeps_moving_while_the_page_is_blocked() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::DevTools], "crawl-blocked", async |page| {
        open(page, &station).await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE).await?;
        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let session = devtools.attach_to_page(&station.page_url()).await?;
        let params = json!({"format": "jpeg", "quality": 60, "maxWidth": 640, "maxHeight": 360});
        devtools.ask(Some(&session), "Page.startScreencast", params).await?;
        page.run(BLOCK).await?;
        let mut frames = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3_000) {
            let frame = devtools.next_event("Page.screencastFrame").await?;
            let acknowledged = json!({"sessionId": frame.params["sessionId"]});
            devtools.ask(Some(&session), "Page.screencastFrameAck", acknowledged).await?;
            let drawn_s = frame.params["metadata"]["timestamp"].as_f64().context("no time")?;
            frames.push((drawn_s * 1_000.0, frame.params["data"].to_string()));
        }
        page.wait_for("the end of the block", "window.__blocked", WAIT_TIMEOUT).await?;
        let (from_ms, to_ms): (f64, f64) = page.evaluate("window.__blocked").await?;
        let during = frames.iter().filter(|(drawn_ms, _)| (from_ms + 50.0..to_ms - 20.0).contains(drawn_ms));
        let different: HashSet<&String> = during.map(|(_, data)| data).collect();
        println!("{} different frames while the page was blocked for 1.5 s", different.len());
        // A plane moved by the page's own thread gives one at most.
        ensure!(different.len() >= 4, "{} frames", different.len());
        Ok(())
    })
    .await
}
