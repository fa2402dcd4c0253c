//! The site in a folder of any static host: it works offline after the first visit, can be installed, and updates when
//! a person wants it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::site::Site;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, dist, link};
use serde_json::json;

/// The browser stores a version of the site and uses it from the next visit on.
const KEPT: &str =
    "window.__kept ??= (navigator.serviceWorker.ready.then(() => { window.__kept = 'yes'; }), 'not yet'),
    window.__kept === 'yes'";

/// The page's message about a newer version.
const NEWER: &str = "new version";

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn wait_until_kept(page: &Page) -> Result<()> {
    page.wait_for("the site to be stored", &format!("({KEPT})"), WAIT_TIMEOUT).await
}

/// A browser gives the page no reason for a refused WebSocket, so the station sends the reason in a closing frame.
#[tokio::test]
async fn station_explains_why_it_refuses_another_origin() -> Result<()> {
    let (host, other) = (Station::start().await?, Station::start().await?);
    let origin = host.page_url().trim_end_matches('/').to_owned();
    in_browser("origin", async |page| {
        let url = link(&host.page_url(), &[("broker", &other.ws_url("/mqtt")), ("connect", "1")]);
        page.open(&url).await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_text(&format!("origin not allowed: start the station with --allow-origin {origin}")).await?;
        page.screenshot("origin").await?;
        Ok(())
    })
    .await?;
    let other = Station::start_with(&["--allow-origin", &origin]).await?;
    in_browser("origin-allowed", async |page| {
        let url = link(&host.page_url(), &[("broker", &other.ws_url("/mqtt")), ("connect", "1")]);
        page.open(&url).await?;
        page.wait_for_state("connected").await
    })
    .await
}

#[tokio::test]
async fn app_works_offline_after_the_first_visit() -> Result<()> {
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let site = Site::start_below_a_path(&dist()).await?;
    in_browser("offline-app", async |page| {
        page.open(&site.page_url()).await?;
        wait_until_kept(page).await?;
        let url = link(&site.page_url(), &[("broker", &mosquitto.ws_url()), ("connect", "1")]);
        drop(site);

        // The page, its worker, its fonts and a panel that was never opened; the broker is still reachable.
        page.open(&url).await?;
        page.wait_for_state("connected").await?;
        Login::anonymous(mosquitto.mqtt_port()).publish(Version::V5, "StarWars", "ADA: Still here").await?;
        page.wait_for_row("Still here").await?;
        page.press("Send a message").await?;
        page.wait_for("the panel", "Boolean(named('dialog[open]', 'Send a message'))", WAIT_TIMEOUT).await?;
        page.wait_for("fonts", "document.fonts.status === 'loaded'", WAIT_TIMEOUT).await?;
        page.screenshot("offline-app").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn newer_version_is_loaded_on_request() -> Result<()> {
    let folder = tempfile::tempdir()?;
    copy(&dist(), folder.path())?;
    let site = Site::start_below_a_path(folder.path()).await?;
    in_browser("newer-version", async |page| {
        page.open(&site.page_url()).await?;
        wait_until_kept(page).await?;
        ensure!(!page.notices().await?.contains(NEWER), "the first version is shown as a newer one");

        let index = folder.path().join("index.html");
        let newer = std::fs::read_to_string(&index)?.replace("<title>mqtt-crawl", "<title>mqtt-crawl two");
        std::fs::write(&index, newer)?;
        let script = folder.path().join("service-worker.js");
        let text = std::fs::read_to_string(&script)?;
        let (_, rest) = text.split_once('\n').context("no version in it")?;
        std::fs::write(&script, format!("const VERSION = \"two\";\n{rest}"))?;

        page.open(&site.page_url()).await?;
        page.wait_for_notice(NEWER).await?;
        page.screenshot("newer-version").await?;
        // It hasn't been requested yet.
        check_equal("the title", page.evaluate::<String>("document.title").await?, "mqtt-crawl".to_owned())?;
        page.press("Update now").await?;
        page.wait_for("the newer version", "document.title === 'mqtt-crawl two'", WAIT_TIMEOUT).await?;
        let kept = "caches.keys().then((names) => names.filter((name) => !name.endsWith(' two')).length)";
        check_equal("older versions kept", page.evaluate::<u64>(kept).await?, 0)
    })
    .await
}

#[tokio::test]
async fn app_can_be_installed() -> Result<()> {
    let site = Site::start_below_a_path(&dist()).await?;
    in_browser_with(&[Feature::Installability, Feature::DevTools], "installable", async |page| {
        page.open(&site.page_url()).await?;
        let answer = page.browser().devtools("Page.getInstallabilityErrors", &json!({})).await?;
        check_equal("obstacles to the installation", answer["installabilityErrors"].clone(), json!([]))?;
        let answer = page.browser().devtools("Page.getAppManifest", &json!({})).await?;
        check_equal("errors of the manifest", answer["errors"].clone(), json!([]))
    })
    .await
}
