//! The names and roles that people's tools rely on, as the browser itself computes them.

use anyhow::Result;
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::station::Station;

async fn check(page: &Page, expression: &str, roles: &[&str], name: &str) -> Result<()> {
    let element = page.element(expression).await?;
    let (role, found_name) = page.role_and_name(&element).await?;
    check_equal(&format!("the name of {expression}"), found_name.as_str(), name)?;
    anyhow::ensure!(roles.contains(&role.as_str()), "{name} is a {role}, not {roles:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_has_the_promised_names() -> Result<()> {
    let station = Station::start().await?;
    in_browser("accessibility", async |page| {
        page.open(&station.page_url()).await?;
        for name in ["Broker URL", "Topic", "User name", "Password"] {
            check(page, &format!("field('{name}')"), &["textbox", "combobox"], name).await?;
        }
        check(page, "field('Filter')", &["searchbox"], "Filter").await?;
        for name in ["Connect", "Pause", "Export"] {
            check(page, &format!("button('{name}')"), &["button"], name).await?;
        }
        check(page, "crawl()", &["region"], "Opening crawl").await?;
        check(page, "console_()", &["table", "grid"], "Message console").await?;

        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        check(page, "button('Disconnect')", &["button"], "Disconnect").await?;
        page.press("Disconnect").await?;
        page.wait_for_state("idle").await
    })
    .await
}
