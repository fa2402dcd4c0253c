//! All motion can be stopped (WCAG 2.2.2) and can be avoided altogether (2.3.3).

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{Page, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, link};

/// Returns how far the crawl's first line moves while 30 frames are drawn, in pixels.
async fn movement_px(page: &Page) -> Result<f64> {
    page.run(
        "const line = crawl().querySelector('.line');
        const height = () => line.getBoundingClientRect().bottom;
        const begin = height();
        let frames = 0;
        delete window.__moved;
        const frame = () => {
            if (++frames < 30) return requestAnimationFrame(frame);
            document.body.dataset.moved = window.__moved = Math.abs(height() - begin);
        };
        requestAnimationFrame(frame);",
    )
    .await?;
    page.wait_for("30 frames", "window.__moved !== undefined", CRAWL_TIMEOUT).await?;
    page.evaluate("window.__moved").await
}

#[tokio::test]
async fn the_crawl_can_be_paused() -> Result<()> {
    let station = Station::start().await?;
    in_browser("pause", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        broker.publish(Version::V5, "StarWars", "DRIFTER: On and on").await?;
        page.wait_for_line("On and on").await?;
        ensure!(movement_px(page).await? > 0.0, "the crawl doesn't move");
        page.press("Pause").await?;
        let label = page.element("button('Resume')").await?;
        let pressed = label.attr("aria-pressed").await?;
        ensure!(pressed.is_none(), "Resume has a pressed state: {pressed:?}");
        // The compositor stops the plane with its next frame.
        page.wait_for("the pause", "document.getAnimations().every((animation) => !animation.pending)", CRAWL_TIMEOUT)
            .await?;
        let moved = movement_px(page).await?;
        ensure!(moved == 0.0, "paused, the crawl moved by {moved} px");
        // Messages continue to arrive, and none is lost.
        broker.publish(Version::V5, "StarWars", "DRIFTER: Still here").await?;
        page.wait_for_row("Still here").await?;
        page.press("Resume").await?;
        page.element("button('Pause')").await?;
        ensure!(movement_px(page).await? > 0.0, "the crawl doesn't resume");
        page.wait_for_line("Still here").await
    })
    .await
}

#[tokio::test]
async fn reduced_motion_still_shows_the_lines() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::ReducedMotion], "reduced-motion", async |page| {
        page.browser().reduce_motion().await?;
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        Login::anonymous(station.mqtt_port()?).publish(Version::V5, "StarWars", "SITTER: No rush").await?;
        page.wait_for("the text", "crawl().innerText.toLowerCase().includes('no rush')", CRAWL_TIMEOUT).await?;
        let running: u64 = page
            .evaluate("document.getAnimations().filter((animation) => animation.playState === 'running').length")
            .await?;
        ensure!(running == 0, "{running} animations run");
        page.screenshot("reduced-motion").await.map(drop)
    })
    .await
}
