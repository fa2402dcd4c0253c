//! The crawl as people use it: it keeps its place, can be taken back and forward, fits any screen, and goes on while
//! the page is busy.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::motion::{self, Burst};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_PATIENCE, PATIENCE, link, picture};
use serde_json::json;

const DIALOGUE: [(&str, &str); 8] = [
    ("ADA", "The relay at the north ridge is answering again."),
    ("Bram", "Copy that. Two of three pumps restarted on their own."),
    ("Ada", "Then send somebody down before the light goes."),
    ("Cleo", "I am already on the road..."),
    ("Bram", "Bridge is open. Mind the gravel on the far side."),
    ("Cleo", "Understood."),
    ("Ada", "We will leave the lamp burning for you..."),
    ("Bram", "Pressure is holding at four bar on every line now."),
];

/// Connected, the crawl alone, without any opening.
async fn open(page: &Page, station: &Station) -> Result<()> {
    let silent = [("card", ""), ("logo", ""), ("episode", ""), ("title", ""), ("intro", "")];
    let keys: Vec<_> = silent.into_iter().chain([("view", "crawl"), ("connect", "1")]).collect();
    page.open(&link(&station.page_url(), &keys)).await?;
    page.wait_for_state("connected").await
}

/// Publishes these, and waits until all are on the plane, which is made to hurry for it.
async fn tell(page: &Page, broker: Login<'_>, lines: &[(&str, &str)]) -> Result<()> {
    let known = page.lines().await?.len();
    for (character, text) in lines {
        let payload = json!({"character": character, "text": text}).to_string();
        broker.publish(Version::V5, "StarWars", &payload).await?;
    }
    hurry(page, known + lines.len()).await
}

/// Makes the plane hurry until so many lines stand on it.
async fn hurry(page: &Page, lines: usize) -> Result<()> {
    let hurrying = format!(
        "(() => {{ const run = document.getAnimations().find((each) => each.effect.target.className === 'plane');
        const enough = crawl().querySelectorAll('.plane .line').length >= {lines};
        run?.updatePlaybackRate(enough ? 1 : 12);
        return enough; }})()"
    );
    page.wait_for("all lines on the plane", &hurrying, CRAWL_PATIENCE).await
}

/// Presses a key where the focus is by itself.
async fn key(page: &Page, key: &str) -> Result<()> {
    page.run(&format!(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: {}, bubbles: true, cancelable: true }}));",
        json!(key)
    ))
    .await
}

async fn lines_shown(page: &Page) -> Result<Vec<u64>> {
    Ok(page.lines().await?.into_iter().map(|line| line.seq).collect())
}

#[tokio::test]
async fn what_passed_can_be_read_again() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-back", async |page| {
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        tell(page, broker, &DIALOGUE).await?;
        // All of them pass.
        page.wait_for(
            "the sky to be empty",
            "(() => { const run = document.getAnimations().find((each) => each.effect.target.className === 'plane');
            run?.updatePlaybackRate(20); return lines().length === 0; })()",
            CRAWL_PATIENCE,
        )
        .await?;

        // The wheel turned back: the last ones come again, and stand.
        let wheel = |by_px: i32| {
            format!(
                "crawl().dispatchEvent(new WheelEvent('wheel', {{ deltaY: {by_px}, bubbles: true, cancelable: true }}));"
            )
        };
        for _ in 0..12 {
            page.run(&wheel(-200)).await?;
        }
        page.wait_for("the last line again", "lines().some((line) => line.seq === 8)", PATIENCE).await?;
        page.wait_for("the pause", "button('Pause').getAttribute('aria-pressed') === 'true'", PATIENCE).await?;
        let seqs = lines_shown(page).await?;
        check_equal("none twice", seqs.iter().collect::<HashSet<_>>().len(), seqs.len())?;

        // New messages wait meanwhile, and it is said how many.
        for number in 0..9 {
            broker.publish(Version::V5, "StarWars", &format!("RADIO: number {number}")).await?;
        }
        page.wait_for("how far it is behind", "button('9 lines behind') !== undefined", PATIENCE).await?;
        page.screenshot("crawl-behind").await?;

        // Home: to the newest, and on.
        key(page, "Home").await?;
        page.wait_for("the crawl to go on", "button('Pause').getAttribute('aria-pressed') === 'false'", PATIENCE)
            .await?;
        hurry(page, 3).await?;
        page.wait_for("new lines", "lines().some((line) => line.seq > 8)", CRAWL_PATIENCE).await
    })
    .await
}

#[tokio::test]
async fn a_line_leads_to_its_message() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-line", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        tell(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..4]).await?;
        // By key, from line to line.
        page.wait_for(
            "a line on screen",
            "lines().length === 4 && crawl().querySelector('.plane .line:last-child').getBoundingClientRect().bottom
                < crawl().getBoundingClientRect().bottom",
            CRAWL_PATIENCE,
        )
        .await?;
        key(page, "ArrowLeft").await?;
        page.wait_for("a marked line", "crawl().querySelector('.line[aria-current]') !== null", PATIENCE).await?;
        let first: String = page.evaluate("crawl().querySelector('.line[aria-current]').dataset.seq").await?;
        key(page, "ArrowLeft").await?;
        let expression =
            format!("crawl().querySelector('.line[aria-current]').dataset.seq === '{}'", first.parse::<u64>()? - 1);
        page.wait_for("the line before it", &expression, PATIENCE).await?;
        let chosen = async |seq: u64| {
            let expression = format!("console_().querySelector('[aria-selected=true]')?.dataset.seq === '{seq}'");
            page.wait_for(&format!("row {seq} to be chosen"), &expression, PATIENCE).await
        };
        chosen(first.parse::<u64>()? - 1).await?;
        page.screenshot("crawl-marked").await?;

        // By a click on the line.
        page.run("crawl().querySelector('.line[data-seq=\"4\"] .row').click();").await?;
        chosen(4).await?;
        page.wait_for("its mark", "crawl().querySelector('.line[aria-current]').dataset.seq === '4'", PATIENCE).await?;

        // And the other way round: from a row of the console.
        page.run("console_().querySelector('[data-seq=\"1\"]').click();").await?;
        chosen(1).await?;
        page.run(
            "console_().querySelector('[tabindex]').dispatchEvent(
                new KeyboardEvent('keydown', { key: 's', bubbles: true, cancelable: true }));",
        )
        .await?;
        page.wait_for("its mark", "crawl().querySelector('.line[aria-current]').dataset.seq === '1'", PATIENCE).await
    })
    .await
}

#[tokio::test]
async fn keys_change_the_speed_and_fill_the_screen() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-keys", async |page| {
        open(page, &station).await?;
        tell(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..2]).await?;
        let speed = async |expected: &str| {
            let expression = format!("crawl().querySelector('.speed').textContent === '{expected}'");
            page.wait_for(expected, &expression, PATIENCE).await
        };
        speed("100 %").await?;
        key(page, "ArrowUp").await?;
        speed("130 %").await?;
        page.press("Slower").await?;
        page.press("Slower").await?;
        speed("75 %").await?;

        // As a person does it: only then browsers let a page fill the screen.
        page.press("Full screen").await?;
        page.wait_for("the whole screen", "document.fullscreenElement === crawl()", PATIENCE).await?;
        page.run("document.activeElement.blur();").await?;
        page.wait_for(
            "controls and pointer to go",
            "getComputedStyle(crawl()).cursor === 'none'
                && getComputedStyle(crawl().querySelector('.crawl-controls')).opacity === '0'",
            PATIENCE,
        )
        .await?;
        page.screenshot("crawl-full").await?;
        page.run("crawl().dispatchEvent(new PointerEvent('pointermove', { bubbles: true }));").await?;
        page.wait_for("them to come back", "getComputedStyle(crawl()).cursor !== 'none'", PATIENCE).await?;
        key(page, "f").await?;
        page.wait_for("the page again", "document.fullscreenElement === null", PATIENCE).await
    })
    .await
}

#[tokio::test]
async fn a_hidden_page_does_nothing_and_goes_on_within_a_second() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-hidden", async |page| {
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        tell(page, broker, &DIALOGUE[..3]).await?;
        let place = "(() => { const run = document.getAnimations()
            .find((each) => each.effect.target.className === 'plane'); return [run.playState, run.currentTime]; })()";
        page.hide().await?;
        page.wait_for("it to stand", &format!("{place}[0] === 'paused'"), PATIENCE).await?;
        let (_, hidden_ms): (String, f64) = page.evaluate(place).await?;
        let known = page.lines().await?;
        let text: String = (0..500).map(|number| format!("RADIO: number {number}\n")).collect();
        broker.publish_lines(Version::V5, "StarWars", text).await?;
        let (state, ms): (String, f64) = page.evaluate(place).await?;
        ensure!(state == "paused" && ms == hidden_ms, "it moved by {} ms while it was hidden", ms - hidden_ms);
        check_equal("lines", page.lines().await?, known)?;

        page.show().await?;
        let shown = Instant::now();
        page.wait_for("it to go on", &format!("{place}[0] === 'running' && {place}[1] > {hidden_ms}"), PATIENCE)
            .await?;
        println!("it went on after {} ms", shown.elapsed().as_millis());
        page.wait_for("the note", "crawl().querySelector('.plane .passed') !== null", CRAWL_PATIENCE).await?;
        page.wait_for_stat("received", 503, PATIENCE).await
    })
    .await
}

#[tokio::test]
async fn a_burst_is_over_within_half_a_minute() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-burst", async |page| {
        open(page, &station).await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        let (watched, waited) = motion::burst(page, broker, Burst { around: 10, lines: 2_000 }).await?;
        println!(
            "newest line after {:.1} s; {:.0} frames/s; {watched:?}",
            waited.as_secs_f64(),
            watched.frames_per_s()
        );
        ensure!(watched.most_nodes <= 60, "{} nodes on the plane", watched.most_nodes);
        ensure!(watched.backward_px <= 1.0, "a line went back by {} px", watched.backward_px);
        ensure!(waited <= Duration::from_secs(30), "the newest line took {waited:?}");
        Ok(())
    })
    .await
}

/// Blocks the page's thread for a second and a half, 200 ms from now.
const BLOCK: &str = "setTimeout(() => {
    const end = performance.now() + 1500;
    window.__blocked = [performance.timeOrigin + performance.now(), 0];
    while (performance.now() < end);
    window.__blocked[1] = performance.timeOrigin + performance.now();
}, 200);";

#[tokio::test]
async fn it_moves_on_while_the_page_is_blocked() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-blocked", async |page| {
        open(page, &station).await?;
        tell(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE).await?;
        let mut devtools = DevTools::connect(page.browser().profile()).await?;
        let session = devtools.attach_to_page(&station.page_url()).await?;
        let wish = json!({"format": "jpeg", "quality": 60, "maxWidth": 640, "maxHeight": 360});
        devtools.ask(Some(&session), "Page.startScreencast", wish).await?;
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
        let (from_ms, to_ms): (f64, f64) = page.evaluate("window.__blocked").await?;
        ensure!(to_ms - from_ms >= 1_500.0, "it wasn't blocked");
        let during = frames.iter().filter(|(drawn_ms, _)| (from_ms + 50.0..to_ms - 20.0).contains(drawn_ms));
        let different: HashSet<&String> = during.map(|(_, data)| data).collect();
        println!("{} different frames while the page was blocked for 1.5 s", different.len());
        // A plane moved by the page's own thread gives one at most.
        ensure!(different.len() >= 4, "{} frames", different.len());
        Ok(())
    })
    .await
}

/// What a size of the window is called, its width and height, and the screen's pixels for one of CSS.
const SCREENS: [(&str, u32, u32, u32); 7] = [
    ("16-9", 1_280, 720, 1),
    ("235-1", 1_280, 545, 1),
    ("4-3", 1_024, 768, 1),
    ("phone", 390, 844, 3),
    ("phone-across", 844, 390, 2),
    ("pane", 300, 420, 2),
    ("zoom-300", 427, 240, 3),
];

/// The crawl alone fills the window, without controls, and stands with its last line at the edge. It is a copy, so
/// that what the app does next changes nothing.
const POSE: &str = "
    const section = crawl();
    section.querySelector('.crawl-controls').style.opacity = '0';
    Object.assign(section.style, { position: 'fixed', inset: '0', zIndex: '9' });";
const FREEZE: &str = "
    const section = crawl(), plane = section.querySelector('.plane');
    // The sky has come up.
    section.querySelectorAll('.sky canvas').forEach((each) => each.getAnimations().forEach((run) => run.finish()));
    const copy = plane.cloneNode(true), em = parseFloat(getComputedStyle(plane).fontSize);
    let top = 0;
    [...plane.children].forEach((block) => { block.__top = parseFloat(block.style.top); });
    const order = [...plane.children].toSorted((a, b) => a.__top - b.__top);
    for (const block of order) {
        copy.children[[...plane.children].indexOf(block)].style.top = `${top}em`;
        top += block.offsetHeight / em + 0.55;
    }
    copy.style.transform = `translateY(${0.3 - top}em)`;
    copy.classList.add('copy');
    plane.style.display = 'none';
    plane.after(copy);";
const THAW: &str = "
    crawl().querySelector('.plane.copy').remove();
    crawl().querySelector('.plane').style.display = '';";

async fn resize(page: &Page, (_, width, height, ratio): (&str, u32, u32, u32)) -> Result<()> {
    let size = json!({"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": false});
    page.browser().devtools("Emulation.setDeviceMetricsOverride", &size).await?;
    let resized = format!("innerWidth === {width} && innerHeight === {height}");
    page.wait_for("the size", &resized, PATIENCE).await
}

/// Where the rows of the plane's lines end, beside its column: none goes over it.
const OVERFULL: &str = "(() => {
    const column = crawl().querySelector('.tilt').offsetWidth;
    const range = document.createRange();
    return [...crawl().querySelectorAll('.plane .row')].map((row) => {
        row.style.display = 'inline-block';
        row.style.textAlignLast = 'auto';
        const width = row.offsetWidth;
        row.style.display = '';
        row.style.textAlignLast = '';
        return [row.textContent, width / column];
    }).filter(([, part]) => part > 1.015);
})()";

#[tokio::test]
async fn it_fits_any_screen() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-screens", async |page| {
        let words = [("view", "crawl"), ("connect", "1"), ("episode", "Channel IV"), ("title", "The Open Line")];
        page.open(&link(&station.page_url(), &[&words[..], &[("intro", "A test of every screen.")]].concat())).await?;
        page.wait_for_state("connected").await?;
        page.run(POSE).await?;
        tell(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE).await?;
        page.press("Pause").await?;
        for screen in SCREENS {
            resize(page, screen).await?;
            // Every line is set for its column, once the app has seen the size.
            let set = format!("{OVERFULL}.length === 0 && lines().length >= 5");
            page.wait_for(&format!("rows that fit {}", screen.0), &set, PATIENCE).await?;
            page.run(FREEZE).await?;
            let png = page.browser().client().screenshot().await?;
            page.run(THAW).await?;
            picture::check(page, &format!("crawl-{}", screen.0), &png).await?;
        }
        Ok(())
    })
    .await
}

const SCRIPTS: [(&str, &str, &str); 8] = [
    ("ltr", "Жанна", "Ретранслятор на северном хребте снова отвечает. Отправьте кого-нибудь вниз."),
    ("ltr", "Γιάννης", "Η γέφυρα είναι ανοιχτή. Προσέξτε το χαλίκι στην άλλη πλευρά."),
    ("rtl", "ليلى", "الجسر مفتوح. انتبهوا إلى الحصى في الجانب البعيد من الطريق."),
    ("rtl", "נועה", "הגשר פתוח. שימו לב לחצץ בצד הרחוק של הדרך, ושלחו מישהו."),
    ("ltr", "小林", "橋は開いています。向こう側の砂利に気をつけてください。誰かを送ってください。"),
    ("ltr", "आरती", "पुल खुला है। दूसरी ओर की बजरी का ध्यान रखें, और किसी को नीचे भेजें।"),
    ("ltr", "Weiß", "👩‍👩‍👧‍👦 Größe 21,4\u{a0}°C 🇩🇪🇫🇷 👍🏽 und mehr als das, viel mehr."),
    ("ltr", "Long", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"),
];

#[tokio::test]
async fn every_script_is_set() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-scripts", async |page| {
        open(page, &station).await?;
        page.run(POSE).await?;
        let lines = SCRIPTS.map(|(_, character, text)| (character, text));
        tell(page, Login::anonymous(station.mqtt_port()?), &lines).await?;
        page.press("Pause").await?;
        page.wait_for("rows that fit", &format!("{OVERFULL}.length === 0"), PATIENCE).await?;
        for (at, (direction, _, text)) in SCRIPTS.iter().enumerate() {
            let line = format!("crawl().querySelector('.plane [data-seq=\"{}\"]')", at + 1);
            check_equal(text, page.evaluate::<String>(&format!("{line}.dir")).await?.as_str(), *direction)?;
            let told: String = page
                .evaluate(&format!("[...{line}.querySelectorAll('.row')].map((row) => row.textContent).join('')"))
                .await?;
            ensure!(told.trim_end().ends_with(*text), "{text:?} is told as {told:?}");
            let rows: u64 = page.evaluate(&format!("{line}.childElementCount")).await?;
            ensure!(rows >= 2, "{text} is in {rows} rows");
        }
        // Letters that hang together have no space between them.
        for (at, joined) in [(3, true), (6, true), (1, false), (4, false)] {
            let line = format!("crawl().querySelector('.plane [data-seq=\"{at}\"]')");
            let spacing: String = page.evaluate(&format!("getComputedStyle({line}).letterSpacing")).await?;
            check_equal(&format!("line {at}, {spacing}"), matches!(spacing.as_str(), "normal" | "0px"), joined)?;
        }
        page.run(FREEZE).await?;
        page.screenshot("crawl-scripts").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_very_long_message_says_where_the_rest_is() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-long", async |page| {
        open(page, &station).await?;
        page.run(POSE).await?;
        let (long, word) = ("pressure and more ".repeat(280), "o".repeat(300));
        tell(page, Login::anonymous(station.mqtt_port()?), &[("ADA", &long), ("Bram", &word)]).await?;
        page.press("Pause").await?;
        page.wait_for("rows that fit", &format!("{OVERFULL}.length === 0"), PATIENCE).await?;
        page.wait_for_line("(the console has the rest)").await?;
        let lines = page.lines().await?;
        ensure!(lines[0].text.len() < 700, "{} characters", lines[0].text.len());
        check_equal("the word", lines[1].text.matches('o').count(), 300)
    })
    .await
}
