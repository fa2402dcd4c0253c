//! User names and passwords, and the path that Diffusion requires.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::{Station, user_line};
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

const USER: &str = "admin";
const PASSWORD: &str = "correct horse";

/// Checks that a wrong password is reported and not retried, and that the right one then works.
async fn check_password(page: &Page, page_url: &str, broker: &str, publisher: Login<'_>) -> Result<()> {
    page.open(&link(page_url, &[("broker", broker), ("user", USER)])).await?;
    check_equal("the user name", page.value("User name").await?, USER.to_owned())?;
    page.fill("Password", "wrong").await?;
    page.press("Connect").await?;
    page.wait_for_state("stopped").await?;
    page.wait_for_notice("password").await?;
    check_equal("reconnects", page.stat("reconnects").await?, 0)?;

    page.fill("Password", PASSWORD).await?;
    page.press("Connect").await?;
    page.wait_for_state("connected").await?;
    publisher.publish(Version::V5, "StarWars", "GUARD: Pass, friend").await?;
    page.wait_for_row("Pass, friend").await?;
    check_equal("reconnects", page.stat("reconnects").await?, 0)?;

    let everything: String = page
        .evaluate("location.href + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })")
        .await?;
    ensure!(!everything.contains("correct"), "the password was stored: {everything}");
    Ok(())
}

#[tokio::test]
async fn user_and_password_work_on_the_diffusion_path() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let users = folder.path().join("users");
    std::fs::write(&users, user_line(USER, PASSWORD).await?)?;
    let station = Station::start_with_users(&users).await?;
    let publisher = Login { port: station.mqtt_port()?, user: Some((USER, PASSWORD)) };
    in_browser("diffusion", async |page| {
        let broker = station.ws_url("/diffusion");
        check_password(page, &station.page_url(), &broker, publisher).await?;
        page.wait_for_line("Pass, friend").await
    })
    .await
}

#[tokio::test]
async fn user_and_password_work_at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::User { name: USER, password: PASSWORD }).await?;
    let publisher = Login { port: mosquitto.mqtt_port(), user: Some((USER, PASSWORD)) };
    in_browser("password-mosquitto", async |page| {
        check_password(page, &station.page_url(), &mosquitto.ws_url(), publisher).await
    })
    .await
}

/// An expression for everything that a page stores, sends and shows, except the contents of its fields.
const KEPT: &str = "(window.__databases ??= (indexedDB.databases?.().then((all) => { window.__databases = all; }), []),
    location.href + JSON.stringify([{ ...localStorage }, { ...sessionStorage }, window.__databases])
        + document.body.innerText)";

async fn check_kept(page: &Page, when: &str) -> Result<String> {
    let kept: String = page.evaluate(KEPT).await?;
    ensure!(!kept.contains("hunter2"), "{when}: {kept}");
    Ok(kept)
}

#[tokio::test]
async fn credentials_in_the_url_are_used_and_not_stored() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let url = format!("{}/mqtt?room=7&access_token=hunter2", mosquitto.ws_url());
    in_browser("credential-in-address", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &url), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        check_equal("the address", page.value("Broker URL").await?, url.clone())?;
        let kept = check_kept(page, "connected").await?;
        ensure!(kept.contains("room%3D7%26access_token%3D") && !kept.contains("connect=1"), "{kept}");

        // Text typed next to a connection doesn't belong to the connection.
        page.press("Settings").await?;
        page.fill("Broker URL", "wss://ann:hunter2@host/mqtt").await?;
        page.press("Console").await?;
        page.wait_for("the view in the link", "location.href.includes('view=console')", WAIT_TIMEOUT).await?;
        let kept = check_kept(page, "with a password typed").await?;
        ensure!(kept.contains("room%3D7%26access_token%3D"), "{kept}");

        // The next page shows what is missing, and waits.
        page.run("location.reload()").await?;
        page.wait_for("the address without it", "field('Broker URL')?.value.endsWith('access_token=')", WAIT_TIMEOUT)
            .await?;
        check_equal("the state", page.state().await?, "idle".to_owned())?;
        page.fill("Broker URL", "wss://ann:hunter2@host/mqtt").await?;
        page.press("Connect").await?;
        page.wait_for_notice("user name or password").await?;
        check_kept(page, "after a wish to connect").await?;

        for broker in ["wss://ann:hunter2@host/mqtt", "ann:hunter2@host", "wss://ann:hunt/hunter2@host/mqtt"] {
            page.open(&link(&station.page_url(), &[("broker", broker), ("connect", "1")])).await?;
            page.wait_for_notice("was removed").await?;
            check_kept(page, broker).await?;
            check_equal("the state", page.state().await?, "idle".to_owned())?;
        }
        page.screenshot("credential-in-link").await?;
        Ok(())
    })
    .await
}
