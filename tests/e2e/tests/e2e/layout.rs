//! What stands where: nothing lies over what is to be read, and nothing runs away from whoever reads it.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{PATIENCE, link};

use super::crawl::{DIALOGUE, open, tell};
use super::screens::{resize, screen};

/// Where the console begins, in whole CSS pixels; it is in the window, some rows at least.
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
async fn a_fault_in_the_form_leaves_the_console_where_it_is() -> Result<()> {
    let station = Station::start().await?;
    in_browser("form-and-console", async |page| {
        page.open(&station.page_url()).await?;
        let top = top_of_console(page, "at first").await?;
        page.fill("Broker URL", "nonsense").await?;
        page.press("Connect").await?;
        page.wait_for_words("Did you mean").await?;
        check_equal("with a fault", top_of_console(page, "with a fault").await?, top)?;
        let last = "document.querySelector('.summary').getBoundingClientRect().bottom";
        ensure!(page.evaluate::<f64>(last).await? < top, "what is wrong isn't in sight");
        page.screenshot("form-fault").await?;

        page.expect_errors("WebSocket connection to");
        page.open(&link(&station.page_url(), &[("broker", "ws://127.0.0.1:9/mqtt")])).await?;
        page.press("Connect").await?;
        page.wait_for("advice", "isVisible(document.querySelector('.advice'))", PATIENCE).await?;
        check_equal("with advice", top_of_console(page, "with advice").await?, top)?;
        page.screenshot("form-advice").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_lies_over_plain_text() -> Result<()> {
    let station = Station::start().await?;
    in_browser("plain-text", async |page| {
        open(page, &station).await?;
        tell(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE[..4]).await?;
        page.press("Pause").await?;
        page.press("Plain text").await?;
        let paragraphs = "[...crawl().querySelectorAll('.transcript p')]";
        page.wait_for("words", &format!("{paragraphs}.filter(isVisible).length >= 4"), PATIENCE).await?;
        for (name, size) in [("wide", (1_280, 720)), ("phone", (390, 844)), ("across", (844, 390))] {
            resize(page, &screen(name, size, 1.0)).await?;
            // Of each, where its first letter is.
            let covered = format!(
                "{paragraphs}.filter((each) => {{
                    each.scrollIntoView();
                    const {{ left, top }} = each.getBoundingClientRect();
                    return document.elementFromPoint(left + 4, top + 8)?.closest('p') !== each;
                }}).map((each) => each.textContent)"
            );
            check_equal(&format!("covered, {name}"), page.evaluate::<Vec<String>>(&covered).await?, vec![])?;
            page.screenshot(&format!("plain-{name}")).await?;
        }
        Ok(())
    })
    .await
}
