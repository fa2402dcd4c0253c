//! User names and passwords, and the path that Diffusion wants.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::{Station, user_line};

const USER: &str = "admin";
const PASSWORD: &str = "correct horse";

/// A wrong password is told and not tried again; the right one then works.
async fn check_password(page: &Page, page_url: &str, broker: &str, publisher: Login<'_>) -> Result<()> {
    page.open(&link(page_url, &[("broker", broker), ("user", USER)])).await?;
    check_equal("the user name", page.value("User name").await?, USER.to_owned())?;
    page.fill("Password", "wrong").await?;
    page.press("Connect").await?;
    page.wait_for_state("stopped").await?;
    page.wait_for_words("password").await?;
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
    ensure!(!everything.contains("correct"), "the password was kept: {everything}");
    Ok(())
}

#[tokio::test]
async fn at_the_station_on_the_path_of_diffusion() -> Result<()> {
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
async fn at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::User { name: USER, password: PASSWORD }).await?;
    let publisher = Login { port: mosquitto.mqtt_port(), user: Some((USER, PASSWORD)) };
    in_browser("password-mosquitto", async |page| {
        check_password(page, &station.page_url(), &mosquitto.ws_url(), publisher).await
    })
    .await
}
