//! The harness itself: a test fails when it must.

use std::time::Duration;

use anyhow::Result;
use mqtt_crawl_e2e::engine::{Engine, Feature};
use mqtt_crawl_e2e::page::in_browser;

async fn check(body: &str, expected: Option<&str>) -> Result<()> {
    let url = format!("data:text/html,<body>{body}</body>");
    let result = in_browser("meant to fail", async |page| {
        page.browser().client().goto(&url).await?;
        page.wait_for("the end", "document.title === 'end'", Duration::from_secs(5)).await
    })
    .await;
    match (result, expected) {
        (Ok(()), None) => {}
        (Err(error), Some(text)) if format!("{error:#}").contains(text) => {}
        (result, _) => panic!("{body}: {result:?}, expected {expected:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_the_page_fail_a_test() -> Result<()> {
    if Engine::of_run()?.skips(&[Feature::EarlyErrors]) {
        return Ok(());
    }
    let end = "<script>setTimeout(() => document.title = 'end', 100)</script>";
    check(end, None).await?;
    check(&format!("<script>console.error('seven')</script>{end}"), Some("seven")).await?;
    check(&format!("<script>Promise.reject(new Error('eight'))</script>{end}"), Some("eight")).await?;
    check("", Some("waiting for the end")).await
}
