//! The files that a first visit fetches, which the size budget relies on.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

/// Parts of the names of files that the size budget leaves out.
const LATER: [&str; 4] = ["-plain-", "-latin-1-", "-latin-ext-", "-cyrillic-"];

#[tokio::test]
async fn panels_are_loaded_when_opened() -> Result<()> {
    let station = Station::start().await?;
    in_browser("first-load-panels", async |page| {
        let is_fetched = |name: &str| {
            format!("performance.getEntriesByType('resource').some((entry) => entry.name.includes('{name}'))")
        };
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        ensure!(page.evaluate::<bool>(&is_fetched("_bg.wasm")).await?, "fetches aren't seen");
        ensure!(!page.evaluate::<bool>(&is_fetched("panels")).await?, "fetched before anybody opened one");
        page.press("Send a message").await?;
        page.wait_for("the panel", "Boolean(named('dialog[open]', 'Send a message'))", WAIT_TIMEOUT).await?;
        for name in ["panels_bg.wasm", "panels.css"] {
            ensure!(page.evaluate::<bool>(&is_fetched(name)).await?, "{name} isn't fetched");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fonts_of_other_alphabets_are_loaded_when_needed() -> Result<()> {
    let station = Station::start().await?;
    in_browser("first-load", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("fonts", "document.fonts.status === 'loaded'", WAIT_TIMEOUT).await?;
        // The fonts that the crawl awaits before it measures: a fallback that isn't fetched would delay it.
        let has_fonts = "document.fonts.check(getComputedStyle(document.querySelector('.plane .title')).font)";
        page.wait_for("the title", "document.querySelector('.plane .title') !== null", WAIT_TIMEOUT).await?;
        ensure!(page.evaluate::<bool>(has_fonts).await?, "the title's font needs a file that is not loaded");
        let fetched: Vec<String> =
            page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)").await?;
        ensure!(fetched.iter().any(|name| name.contains("-basic-")), "no font at all: {fetched:#?}");
        let early: Vec<_> = fetched.iter().filter(|name| LATER.iter().any(|part| name.contains(part))).collect();
        ensure!(early.is_empty(), "fetched before they are needed: {early:?}");
        let foreign: Vec<_> = fetched.iter().filter(|name| !name.starts_with(&station.page_url())).collect();
        ensure!(foreign.is_empty(), "fetched from another origin: {foreign:?}");

        let broker = Login::anonymous(station.mqtt_port()?);
        broker.publish(Version::V5, "StarWars", "СТОРОЖ: Огни погасли").await?;
        page.wait_for_line("Огни погасли").await?;
        let is_here = "performance.getEntriesByType('resource').some((entry) => entry.name.includes('-cyrillic-'))";
        page.wait_for("the Cyrillic font", is_here, WAIT_TIMEOUT).await
    })
    .await
}

/// Scripts that each remove a feature which an older browser lacks.
const OLDER: [&str; 3] =
    ["CSS.supports = () => false;", "delete HTMLElement.prototype.popover;", "delete globalThis.WebAssembly;"];

#[tokio::test]
async fn unsupported_browser_gets_a_message_and_no_program() -> Result<()> {
    let station = Station::start().await?;
    for lack in OLDER {
        in_browser_with(&[Feature::InitScript], "first-load-older", async |page| {
            page.browser().add_init_script(lack).await?;
            // The page's own icon isn't read any more.
            page.expect_errors("favicon.ico");
            page.browser().goto(&station.page_url()).await?;
            page.wait_for_text("requires a newer browser").await?;
            let text: String = page.evaluate("document.body.innerText.trim()").await?;
            ensure!(text.starts_with("mqtt-crawl requires") && text.ends_with("or later."), "{text}");
            // Preloaded files are never run.
            let is_started = "document.querySelector('.page, [data-stat]') !== null";
            ensure!(!page.evaluate::<bool>(is_started).await?, "{lack} the program runs");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
