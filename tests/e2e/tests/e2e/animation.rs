//! Checks for minutes that everything on the plane is painted: every row that should be visible has its ink in a
//! screenshot. The page's own numbers don't prove that.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mqtt_crawl_e2e::animation::{AnimationTest, stream, take_samples};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Publisher};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, ink, picture};

use super::crawl::{DIALOGUE, FILM, key, open_with, publish};
use super::screens::POSE;

const CRAWL: AnimationTest =
    AnimationTest { name: "animation-crawl", keys: &[("view", "crawl")], seconds: 240, least_rows: 5 };

/// More pages than four minutes of lines have.
const PAGES_MAX: usize = 200;

/// The screen is examined after this number of them.
const PAGES_PER_SAMPLE: usize = 2;

const FAST_SPLIT: AnimationTest = AnimationTest {
    name: "animation-fast-split",
    keys: &[("view", "split"), ("speed", "220")],
    seconds: 120,
    least_rows: 5,
};

#[tokio::test]
async fn every_row_is_painted_for_minutes() -> Result<()> {
    let station = Station::start().await?;
    in_browser(CRAWL.name, async |page| {
        CRAWL.run(page, &station.page_url(), &[], station.mqtt_port()?).await?;
        back_to_the_first_line(page).await?;
        key(page, "Home").await?;
        page.wait_for("the newest line", "lines().some((line) => line.seq === 240)", WAIT_TIMEOUT).await?;
        // It may have passed by the time of the sample; others follow it.
        let mut publisher = Publisher::connect(station.mqtt_port()?).await?;
        stream(&mut publisher, CRAWL.seconds..CRAWL.seconds + BETWEEN).await?;
        ink::sample(page, "animation-newest").await?.check(1)
    })
    .await
}

/// Pages through everything that was shown, by key, and examines the screen on the way.
async fn back_to_the_first_line(page: &Page) -> Result<()> {
    for press in 1..=PAGES_MAX {
        key(page, "PageUp").await?;
        if press % PAGES_PER_SAMPLE == 0 {
            // The last page back is on screen.
            page.wait_for_frame().await?;
            ink::sample(page, "animation-back").await?.check(4).with_context(|| format!("{press} pages back"))?;
        }
        if page.lines().await?.iter().any(|line| line.seq == 1) {
            return Ok(());
        }
    }
    bail!("the first line isn't there after {PAGES_MAX} pages")
}

#[tokio::test]
async fn every_row_is_painted_at_the_highest_speed() -> Result<()> {
    let station = Station::start().await?;
    let test = FAST_SPLIT;
    in_browser(test.name, async |page| test.run(page, &station.page_url(), &[], station.mqtt_port()?).await).await
}

/// Sizes of the window, and device pixels per CSS pixel. Each gives another font size, except the second, which is the
/// same on another screen.
const SIZES: [((u32, u32), f64); 5] =
    [((1280, 720), 1.0), ((1280, 720), 2.0), ((1920, 1080), 1.0), ((390, 844), 3.0), ((900, 600), 1.5)];

/// The duration of each.
const IN_EACH_SIZE_S: u32 = 12;

/// The delay of a sample after the size has changed: by then, a plane that moves at another speed than the page reports
/// is elsewhere.
const AWAY: Duration = Duration::from_secs(8);

#[tokio::test]
async fn resized_crawl_is_painted_where_the_page_reports_it() -> Result<()> {
    let station = Station::start().await?;
    in_browser("animation-sizes", async |page| {
        open_with(page, &station, &[("speed", "220")]).await?;
        let mut publisher = Publisher::connect(station.mqtt_port()?).await?;
        stream(&mut publisher, 0..IN_EACH_SIZE_S).await?;
        for (at, (size, ratio)) in (1..).zip(SIZES) {
            // Engines without this feature run with the sizes only.
            let is_fixed = page.browser().engine().lacks(Feature::PixelRatio).is_some();
            page.resize(size, if is_fixed { 1.0 } else { ratio }).await?;
            let sampling = async {
                tokio::time::sleep(AWAY).await;
                ink::sample_when_filled(page, "animation-sizes", 3).await
            };
            let lines = at * IN_EACH_SIZE_S..(at + 1) * IN_EACH_SIZE_S;
            let (sample, ()) = tokio::try_join!(sampling, stream(&mut publisher, lines))?;
            println!("{size:?} x {ratio}: {sample}");
            sample.check(3).with_context(|| format!("{size:?} x {ratio}"))?;
        }
        Ok(())
    })
    .await
}

/// The number of lines between two disturbances of a crawl.
const BETWEEN: u32 = 12;

/// Streams some lines; then rows are visible and painted.
async fn check_painted(page: &Page, mqtt_port: u16, lines: &mut Range<u32>, after: &str) -> Result<()> {
    // A new connection, since the broker may have restarted.
    let mut publisher = Publisher::connect(mqtt_port).await?;
    stream(&mut publisher, lines.clone()).await?;
    *lines = lines.end..lines.end + BETWEEN;
    let sample = ink::sample_when_filled(page, "animation-between", 3).await?;
    println!("after {after}: {sample}");
    sample.check(3).with_context(|| format!("after {after}"))
}

#[tokio::test]
async fn every_row_is_painted_after_interruptions() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let port = mosquitto.mqtt_port();
    in_browser_with(&[Feature::InitScript], "animation-between", async |page| {
        // The browser's message for a socket that can't be opened.
        page.expect_errors("WebSocket connection to");
        page.keep_workers().await?;
        open_with(page, &station, &[("broker", &mosquitto.ws_url()), ("speed", "220")]).await?;
        let lines = &mut (0..BETWEEN);
        check_painted(page, port, lines, "the beginning").await?;

        page.click(PAUSE).await?;
        stream(&mut Publisher::connect(port).await?, lines.clone()).await?;
        ink::sample_when_filled(page, "animation-paused", 3).await?.check(3).context("paused")?;
        page.click(PAUSE).await?;
        check_painted(page, port, lines, "a pause").await?;

        page.hide().await?;
        stream(&mut Publisher::connect(port).await?, lines.clone()).await?;
        page.show().await?;
        check_painted(page, port, lines, "a hidden while").await?;

        let killed = mosquitto.kill().await?;
        page.wait_for_state("reconnecting").await?;
        let _mosquitto = killed.restart().await?;
        page.wait_for_state("connected").await?;
        check_painted(page, port, lines, "a lost connection").await?;

        page.fail_worker("out of fuel").await?;
        page.wait_for_notice("was restarted").await?;
        page.wait_for_stat("received", 0, WAIT_TIMEOUT).await?;
        page.wait_for_state("connected").await?;
        check_painted(page, port, lines, "another worker").await
    })
    .await
}

/// The button that pauses and resumes the plane, whatever its label.
const PAUSE: &str = "crawl().querySelector('.pause')";

/// The number of lines in a picture of the plane.
const POSED: usize = 6;

/// Shows the plane, far along its way, paused and with its last lines at the edge as in every picture. It is the plane
/// itself, not a copy: only its blocks are moved to where they would be if they had been shown without a pause.
const POSE_LINES: &str = "
    const section = crawl(), plane = section.querySelector('.plane');
    // The sky is at its upper position.
    section.querySelectorAll('.sky i').forEach(({ style }) => {
        Object.assign(style, { animation: 'none', transform: 'translateY(calc(-100cqh * var(--travel)))' });
    });
    const style = getComputedStyle(plane), em = parseFloat(style.fontSize);
    const edge = -new DOMMatrix(style.transform).m42 + 0.3 * em;
    const height = (block) => block.offsetHeight + 0.55 * em;
    const order = [...plane.children].toSorted((a, b) => a.offsetTop - b.offsetTop);
    order.forEach((block) => { block.__top = block.style.top; });
    const posed = order.slice(-6);
    order.slice(0, -6).forEach((block) => { block.style.display = 'none'; });
    let top = edge - posed.reduce((sum, block) => sum + height(block), 0);
    for (const block of posed) {
        block.style.top = `${top}px`;
        top += height(block);
    }";
const UNPOSE_LINES: &str = "
    for (const block of crawl().querySelectorAll('.plane > *')) {
        Object.assign(block.style, { display: '', top: block.__top ?? block.style.top });
    }";

/// Waits until everything was shown and has passed, at high speed.
async fn calm(page: &Page) -> Result<()> {
    let speeding_up =
        "(() => { const run = document.getAnimations().find((each) => each.effect.target.className === 'plane');
        const isOver = stat('behind') === '0' && lines().length === 0;
        run?.updatePlaybackRate(isOver ? 1 : 20);
        return isOver; })()";
    page.wait_for("an empty plane", speeding_up, CRAWL_TIMEOUT).await
}

/// Takes the picture of a few known lines on this plane.
async fn check_picture(page: &Page, broker: Login<'_>, name: &str) -> Result<()> {
    calm(page).await?;
    // One by one: as they are laid out and spaced when no others are queued.
    for line in &DIALOGUE[..POSED] {
        publish(page, broker, &[*line]).await?;
    }
    // In motion.
    ink::sample(page, name).await?.check(1)?;
    page.click(PAUSE).await?;
    page.wait_for("the pause", "document.getAnimations().every((animation) => !animation.pending)", WAIT_TIMEOUT)
        .await?;
    page.run(POSE_LINES).await?;
    page.wait_for_frame().await?;
    let sample = ink::sample(page, name).await?;
    let png = page.browser().client().screenshot().await?;
    page.run(UNPOSE_LINES).await?;
    page.click(PAUSE).await?;
    sample.check(POSED)?;
    picture::check(page, name, &png).await
}

async fn check_picture_after(page: &Page, mqtt_port: u16, seconds: u32, name: &str) -> Result<()> {
    let mut publisher = Publisher::connect(mqtt_port).await?;
    let stream = stream(&mut publisher, 0..seconds);
    let (samples, ()) = tokio::try_join!(take_samples(page, name, Duration::from_secs(seconds.into())), stream)?;
    for (after, sample) in samples {
        println!("{name}, after {:.0} s: {sample}", after.as_secs_f64());
        sample.check(0).with_context(|| format!("after {after:?}"))?;
    }
    check_picture(page, Login::anonymous(mqtt_port), name).await
}

/// Streams for this duration, then compares a picture.
async fn looks_the_same(name: &str, seconds: u32) -> Result<()> {
    let station = Station::start().await?;
    in_browser(name, async |page| {
        open_with(page, &station, &FILM).await?;
        page.run(POSE).await?;
        check_picture_after(page, station.mqtt_port()?, seconds, name).await
    })
    .await
}

#[tokio::test]
async fn crawl_looks_the_same_after_two_minutes() -> Result<()> {
    looks_the_same("crawl-after-2-minutes", 120).await
}

#[tokio::test]
async fn crawl_looks_the_same_after_ten_minutes() -> Result<()> {
    looks_the_same("crawl-after-10-minutes", 600).await
}
