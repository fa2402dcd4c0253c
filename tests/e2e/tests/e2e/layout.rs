//! The layout: nothing covers text that is to be read, and nothing moves away from its reader.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

use super::crawl::{DIALOGUE, open, publish};
use super::screens::{resize, screen};

/// Returns the top of the console, in whole CSS pixels; it is in the window, with at least some rows.
async fn top_of_console(page: &Page, when: &str) -> Result<f64> {
    let (top, bottom, height): (f64, f64, f64) = page
        .evaluate(
            "(() => {
                const { top, bottom } = console_().closest('.console').getBoundingClientRect();
                return [top, bottom, innerHeight];
            })()",
        )
        .await?;
    ensure!(bottom <= height && bottom - top >= 150.0, "{when}: the console goes from {top} to {bottom} of {height}");
    Ok(top.round())
}

#[tokio::test]
async fn form_error_does_not_move_the_console() -> Result<()> {
    let station = Station::start().await?;
    in_browser("form-and-console", async |page| {
        page.open(&station.page_url()).await?;
        let top = top_of_console(page, "at first").await?;
        page.fill("Broker URL", "nonsense").await?;
        page.press("Connect").await?;
        page.wait_for_notice("Did you mean").await?;
        check_equal("with an error", top_of_console(page, "with an error").await?, top)?;
        let last = "document.querySelector('.summary').getBoundingClientRect().bottom";
        ensure!(page.evaluate::<f64>(last).await? < top, "what is wrong isn't in sight");
        page.screenshot("form-error").await?;

        page.expect_errors("WebSocket connection to");
        page.open(&link(&station.page_url(), &[("broker", "ws://127.0.0.1:9/mqtt")])).await?;
        page.press("Connect").await?;
        page.wait_for("advice", "isVisible(document.querySelector('.advice'))", WAIT_TIMEOUT).await?;
        check_equal("with advice", top_of_console(page, "with advice").await?, top)?;
        page.screenshot("form-advice").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_failed_connection_is_readable_at_every_size() -> Result<()> {
    let station = Station::start().await?;
    in_browser("failed-sizes", async |page| {
        page.expect_errors("WebSocket connection to");
        for view in ["split", "console"] {
            let away = [("broker", "ws://127.0.0.1:9/mqtt"), ("connect", "1"), ("view", view)];
            page.open(&link(&station.page_url(), &away)).await?;
            page.wait_for("advice", "isVisible(document.querySelector('.advice'))", WAIT_TIMEOUT).await?;
            for (name, size) in SIZES {
                resize(page, &screen(name, size, 1.0)).await?;
                let (is_in_sight, overflow): (bool, f64) = page
                    .evaluate(
                        "(() => {
                            const first = document.querySelector('.advice li');
                            first.scrollIntoView({ block: 'nearest' });
                            const { left, top, width, height } = first.getBoundingClientRect();
                            const seen = document.elementFromPoint(left + Math.min(width, 40) / 2, top + height / 2);
                            return [first.contains(seen), document.documentElement.scrollWidth - innerWidth];
                        })()",
                    )
                    .await?;
                page.screenshot(&format!("failed-{view}-{name}")).await?;
                ensure!(is_in_sight, "{view}, {name}: the first advice can't be reached");
                ensure!(overflow <= 0.0, "{view}, {name}: the page is {overflow} px too wide");
            }
        }
        Ok(())
    })
    .await
}

const SIZES: [(&str, (u32, u32)); 5] = [
    ("wide", (1_280, 720)),
    ("phone", (390, 844)),
    ("across", (844, 390)),
    ("tablet", (1_024, 768)),
    ("small-phone", (360, 640)),
];

#[tokio::test]
async fn failure_card_does_not_cover_controls_and_counters() -> Result<()> {
    let station = Station::start().await?;
    in_browser("card-on-crawl", async |page| {
        page.expect_errors("WebSocket connection to");
        let away = [("broker", "ws://127.0.0.1:9/mqtt"), ("connect", "1"), ("view", "crawl")];
        page.open(&link(&station.page_url(), &away)).await?;
        page.wait_for("advice", "isVisible(document.querySelector('.advice'))", WAIT_TIMEOUT).await?;
        for (name, size) in SIZES {
            resize(page, &screen(name, size, 1.0)).await?;
            let covered = "[...document.querySelectorAll('.crawl-controls button, .numbers dd')].filter((each) => {
                const { left, top, width, height } = each.getBoundingClientRect();
                return width > 0 && document.elementFromPoint(left + width / 2, top + height / 2) !== each;
            }).map((each) => nameOf(each))";
            page.screenshot(&format!("card-{name}")).await?;
            check_equal(&format!("covered, {name}"), page.evaluate::<Vec<String>>(covered).await?, vec![])?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn crawl_controls_are_in_one_row_and_do_not_move() -> Result<()> {
    let station = Station::start().await?;
    in_browser("controls", async |page| {
        page.open(&station.page_url()).await?;
        for (name, size) in SIZES {
            resize(page, &screen(name, size, 1.0)).await?;
            // Elements that appear and disappear next to them, each at once, so that the app doesn't interfere.
            let moved = "(() => {
                const others = [...document.querySelectorAll('.crawl-controls > :not(.live, .skip)')];
                const positions = () => others.map((each) => {
                    const { x, y, height } = each.getBoundingClientRect();
                    return [nameOf(each), Math.round(x), Math.round(y + height / 2)];
                });
                const before = positions(), [, , row] = before[0];
                const { scene } = crawl().dataset, live = crawl().querySelector('.live'), text = live.textContent;
                crawl().dataset.scene = 'card';
                const withSkip = positions();
                crawl().dataset.scene = scene;
                live.hidden = false;
                live.textContent = 'Jump to live (7 behind)';
                const withLive = positions();
                live.hidden = true;
                live.textContent = text;
                return before.flatMap(([name, x, y], at) => [
                    Math.abs(y - row) > 1 && `${name} is in another row`,
                    `${withSkip[at]}` !== `${[name, x, y]}` && `${name} makes room for Skip`,
                    `${withLive[at]}` !== `${[name, x, y]}` && `${name} makes room for the lag`,
                ]).filter(Boolean);
            })()";
            check_equal(name, page.evaluate::<Vec<String>>(moved).await?, vec![])?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn filter_and_first_buttons_fit() -> Result<()> {
    let station = Station::start().await?;
    in_browser("bars", async |page| {
        for view in ["split", "crawl"] {
            page.open(&link(&station.page_url(), &[("view", view)])).await?;
            // A phone's scroll bar takes no room.
            page.run("document.querySelector('.desk').style.scrollbarWidth = 'none';").await?;
            for (name, size) in SIZES {
                resize(page, &screen(name, size, 1.0)).await?;
                let rows = "new Set([...document.querySelectorAll('.connection-bar button')].map((each) => {
                    const { y, height } = each.getBoundingClientRect();
                    return Math.round(y + height / 2);
                })).size";
                check_equal(&format!("rows of buttons, {view}, {name}"), page.evaluate::<u64>(rows).await?, 1)?;
                if view == "split" {
                    let width: f64 = page.evaluate("field('Filter').getBoundingClientRect().width").await?;
                    ensure!(width >= 150.0, "the filter is {width} wide, {name}");
                }
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_covers_the_transcript() -> Result<()> {
    let station = Station::start().await?;
    in_browser("plain-text", async |page| {
        open(page, &station).await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..4]).await?;
        page.press("Pause").await?;
        page.press("Transcript").await?;
        let paragraphs = "[...crawl().querySelectorAll('.transcript p')]";
        page.wait_for("paragraphs", &format!("{paragraphs}.filter(isVisible).length >= 4"), WAIT_TIMEOUT).await?;
        for (name, size) in SIZES {
            resize(page, &screen(name, size, 1.0)).await?;
            // The position of each one's first letter.
            let covered = format!(
                "{paragraphs}.filter((each) => {{
                    each.scrollIntoView();
                    const {{ left, top }} = each.getBoundingClientRect();
                    return document.elementFromPoint(left + 4, top + 8)?.closest('p') !== each;
                }}).map((each) => each.textContent)"
            );
            check_equal(&format!("covered, {name}"), page.evaluate::<Vec<String>>(&covered).await?, vec![])?;
            let card =
                "(({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight)(document.querySelector('.desk'))";
            ensure!(page.evaluate::<bool>(card).await?, "the card next to it is cut off, {name}");
            page.screenshot(&format!("plain-{name}")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn packet_summary_stays_within_its_row() -> Result<()> {
    let station = Station::start().await?;
    Login::anonymous(station.mqtt_port()?).publish_retained("deck/lamp", "on").await?;
    in_browser("packets-phone", async |page| {
        let (name, size) = SIZES[1];
        resize(page, &screen(name, size, 1.0)).await?;
        page.open(&link(&station.page_url(), &[("topic", "deck/#"), ("connect", "1")])).await?;
        page.wait_for_row("on").await?;
        page.press("Packets").await?;
        page.wait_for("the packet", "document.querySelector('.trace-row .fold-link') !== null", WAIT_TIMEOUT).await?;
        let cut = "[...document.querySelectorAll('.trace-row .fold-link')].filter((each) => {
            const cell = each.closest('.what');
            return each.getBoundingClientRect().right > cell.getBoundingClientRect().right + 1;
        }).map((each) => each.textContent)";
        check_equal("cut off without a sign", page.evaluate::<Vec<String>>(cut).await?, vec![])
    })
    .await
}
