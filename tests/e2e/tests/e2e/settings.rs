//! The settings of the app: stored between pages, shared between tabs, and applied at once.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{ESCAPE, Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde_json::json;

/// An expression for the browser's colour scheme for the page, and for whether the page's background is light.
const THEME_STATE: &str = "(() => {
    const ground = getComputedStyle(document.documentElement).backgroundColor;
    const light = ground.match(/\\d+/g).map(Number).every((part) => part > 127);
    return [getComputedStyle(document.documentElement).colorScheme, light];
})()";

/// Tab, as WebDriver encodes it.
const TAB: char = '\u{E004}';

async fn open_dialog(page: &Page, name: &str) -> Result<()> {
    page.press(name).await?;
    let is_open = format!("Boolean(named('dialog:modal', {}))", json!(name));
    page.wait_for(&format!("the dialog {name}"), &is_open, WAIT_TIMEOUT).await
}

async fn wait_for_theme(page: &Page, scheme: &str, is_light: bool) -> Result<()> {
    let expression = format!("JSON.stringify({THEME_STATE}) === '[\"{scheme}\",{is_light}]'");
    page.wait_for(&format!("{scheme}, light {is_light}"), &expression, WAIT_TIMEOUT).await
}

async fn stored(page: &Page) -> Result<String> {
    page.evaluate("JSON.stringify(localStorage)").await
}

#[tokio::test]
async fn preferences_survive_a_reload_without_secrets() -> Result<()> {
    let station = Station::start().await?;
    in_browser("settings", async |page| {
        let address = link(&station.page_url(), &[("topic", "secret/topic"), ("connect", "0")]);
        page.open(&address).await?;
        wait_for_theme(page, "dark", false).await?;
        page.fill("User name", "leia").await?;
        page.fill("Password", "hunter2").await?;
        open_dialog(page, "Preferences").await?;
        page.choose("Theme", "light").await?;
        wait_for_theme(page, "light", true).await?;
        page.choose("Time column", "relative").await?;
        page.tick("Seq").await?;
        page.tick("Size").await?;
        page.wait_for(
            "the columns",
            "localStorage['mqtt-crawl'].endsWith('columns=time+seq+topic+qos+payload')",
            WAIT_TIMEOUT,
        )
        .await?;
        page.screenshot("settings").await?;
        let kept = stored(page).await?;
        check_equal("the stored settings", kept.matches('=').count(), 3)?;
        for secret in ["hunter2", "leia", "secret"] {
            ensure!(!kept.contains(secret), "{secret} is stored: {kept}");
        }

        page.open(&address).await?;
        wait_for_theme(page, "light", true).await?;
        open_dialog(page, "Preferences").await?;
        check_equal("the theme", page.value("Theme").await?, "light".to_owned())?;
        check_equal("the time column", page.value("Time column").await?, "relative".to_owned())?;
        for (column, is_shown) in [("Time", true), ("Seq", true), ("Size", false)] {
            check_equal(column, page.evaluate::<bool>(&format!("field('{column}').checked")).await?, is_shown)?;
        }
        page.press("Reset").await?;
        wait_for_theme(page, "dark", false).await?;
        check_equal("the stored settings", stored(page).await?, r#"{"mqtt-crawl":""}"#.to_owned())
    })
    .await
}

#[tokio::test]
async fn theme_is_applied_before_the_app_and_follows_the_system() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript, Feature::ColourScheme], "settings-theme", async |page| {
        page.open(&station.page_url()).await?;
        // From the first frame on: none of it is shown in the other theme.
        page.run("localStorage['mqtt-crawl'] = 'theme=light'").await?;
        let script =
            "addEventListener('DOMContentLoaded', () => { window.early = document.documentElement.dataset.theme; })";
        page.browser().add_init_script(script).await?;
        page.open(&station.page_url()).await?;
        check_equal("the theme ahead of the app", page.evaluate::<String>("window.early").await?, "light".to_owned())?;

        open_dialog(page, "Preferences").await?;
        page.choose("Theme", "system").await?;
        page.browser().prefer_light(true).await?;
        wait_for_theme(page, "light dark", true).await?;
        page.browser().prefer_light(false).await?;
        wait_for_theme(page, "light dark", false).await?;
        // The crawl is a night sky in any theme.
        let sky = "getComputedStyle(crawl()).backgroundColor";
        page.browser().prefer_light(true).await?;
        wait_for_theme(page, "light dark", true).await?;
        check_equal("the sky", page.evaluate::<String>(sky).await?, "rgb(0, 0, 0)".to_owned())
    })
    .await
}

#[tokio::test]
async fn smaller_limits_evict_and_counters_add_up() -> Result<()> {
    let station = Station::start().await?;
    in_browser("settings-limits", async |page| {
        page.open(&link(&station.page_url(), &[("topic", "flood"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("the subscription", "/QoS 0/.test(named('section', 'Connection').innerText)", WAIT_TIMEOUT)
            .await?;
        let lines = |count: usize| "x\n".repeat(count);
        let publisher = Login::anonymous(station.mqtt_port()?);
        publisher.publish_lines(Version::V5, "flood", lines(1_500)).await?;
        page.wait_for_stat("received", 1_500, WAIT_TIMEOUT).await?;
        open_dialog(page, "Preferences").await?;
        page.wait_for_text("Now: 1,500 messages").await?;

        page.fill("Maximum messages", &format!("999{TAB}")).await?;
        page.wait_for_text("from 1000 to 10000000").await?;
        check_equal("kept with a bad limit", page.stat("kept").await?, 1_500)?;
        page.fill("Maximum messages", &format!("1000{TAB}")).await?;
        page.wait_for_stat("kept", 1_000, WAIT_TIMEOUT).await?;
        check_equal("evicted", page.stat("evicted").await?, 500)?;
        page.wait_for_text("Now: 1,000 messages").await?;
        page.check_accounts().await?;

        publisher.publish_lines(Version::V5, "flood", lines(500)).await?;
        page.wait_for_stat("received", 2_000, WAIT_TIMEOUT).await?;
        page.check_accounts().await?;
        let kept = page.stat("kept").await?;
        ensure!((938..=1_000).contains(&kept), "{kept} are kept");

        // A new page starts with the limit.
        page.open(&link(&station.page_url(), &[("topic", "flood"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("the subscription", "/QoS 0/.test(named('section', 'Connection').innerText)", WAIT_TIMEOUT)
            .await?;
        publisher.publish_lines(Version::V5, "flood", lines(1_200)).await?;
        page.wait_for_stat("received", 1_200, WAIT_TIMEOUT).await?;
        ensure!(page.stat("kept").await? <= 1_000, "the limit doesn't hold for a new page");
        page.check_accounts().await
    })
    .await
}

#[tokio::test]
async fn preferences_sync_to_other_tabs() -> Result<()> {
    let station = Station::start().await?;
    in_browser("settings-tabs", async |page| {
        page.open(&station.page_url()).await?;
        let first = page.tab().await?;
        page.open_tab().await?;
        page.open(&station.page_url()).await?;
        open_dialog(page, "Preferences").await?;
        page.choose("Theme", "light").await?;
        wait_for_theme(page, "light", true).await?;
        page.go_to(&first).await?;
        wait_for_theme(page, "light", true).await
    })
    .await
}

#[tokio::test]
async fn missing_storage_is_reported_and_tolerated() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript], "settings-refused", async |page| {
        let script = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }";
        page.browser().add_init_script(script).await?;
        page.open(&station.page_url()).await?;
        open_dialog(page, "Preferences").await?;
        page.choose("Theme", "light").await?;
        wait_for_theme(page, "light", true).await?;
        page.wait_for_text("Preferences can't be saved in this browser").await
    })
    .await
}

#[tokio::test]
async fn shortcut_list_opens_by_key() -> Result<()> {
    let station = Station::start().await?;
    in_browser("settings-keys", async |page| {
        page.open(&station.page_url()).await?;
        // In a field it is a letter.
        page.fill("Filter", "?").await?;
        check_equal("the filter", page.value("Filter").await?, "?".to_owned())?;
        page.run("document.activeElement.blur()").await?;
        page.press_keys("?").await?;
        page.wait_for("the list", "Boolean(named('dialog:modal', 'Keyboard shortcuts'))", WAIT_TIMEOUT).await?;
        let listed: Vec<String> =
            page.evaluate("[...document.querySelectorAll('dialog[open] kbd')].map((key) => key.textContent)").await?;
        for key in ["?", "Space", "Enter", "Esc", "↑", "Ctrl"] {
            ensure!(listed.iter().any(|other| other == key), "{key} isn't among {listed:?}");
        }
        let dialog = page.element("named('dialog', 'Keyboard shortcuts')").await?;
        check_equal(
            "role and name",
            page.role_and_name(&dialog).await?,
            ("dialog".to_owned(), "Keyboard shortcuts".to_owned()),
        )?;
        // The focus stays in it.
        for _ in 0..5 {
            page.press_keys(&TAB.to_string()).await?;
            let is_inside =
                "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))";
            ensure!(page.evaluate::<bool>(is_inside).await?, "the focus left the dialog");
        }
        page.press_keys(ESCAPE).await?;
        page.wait_for("the list to close", "!document.querySelector('dialog[open]')", WAIT_TIMEOUT).await
    })
    .await
}
