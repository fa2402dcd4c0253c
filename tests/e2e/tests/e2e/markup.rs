//! A payload is text, even if it looks like markup.

use anyhow::Result;
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;

#[tokio::test]
async fn markup_stays_text_in_both_views() -> Result<()> {
    let station = Station::start().await?;
    in_browser("markup", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "#"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let image = "<img src=x onerror=window.caught=1>";
        let broker = Login::anonymous(station.mqtt_port()?);
        broker.publish(Version::V5, "StarWars", image).await?;
        let as_line = format!(r#"{{"character":"<b>BOLD</b>","text":"{image}"}}"#);
        broker.publish(Version::V311, "a/<i>topic</i>", &as_line).await?;

        page.wait_for_stat("received", 2, mqtt_crawl_e2e::WAIT_TIMEOUT).await?;
        page.wait_for_row(image).await?;
        page.wait_for_row("a/<i>topic</i>").await?;
        page.wait_for_line(image).await?;
        page.wait_for_line("<b>BOLD</b>").await?;
        let elements: u64 =
            page.evaluate("document.querySelectorAll('img[src=x], .line b, .line i, [data-seq] i').length").await?;
        check_equal("elements made from payloads", elements, 0)?;
        check_equal("caught", page.evaluate::<bool>("window.caught === undefined").await?, true)
    })
    .await
}
