//! Passwords that are signed tokens.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

const USER: &str = "greenhouse";

/// Returns a token with these claims; nothing here checks its signature.
fn token(expiry_s: u64) -> String {
    let claims = format!(r#"{{"sub":"{USER}","exp":{expiry_s}}}"#);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(&claims), encode("signature"))
}

async fn shows(page: &Page, text: &str) -> Result<()> {
    page.wait_for(text, &format!("document.body.innerText.includes('{text}')"), WAIT_TIMEOUT).await
}

#[tokio::test]
async fn tokens_are_explained_and_replaced_while_connected() -> Result<()> {
    // 2020, and two moments around 2100.
    let [expired, good, unknown] = [1_577_836_800, 4_102_444_800, 4_102_448_400].map(token);
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::User { name: USER, password: &good }).await?;
    in_browser("tokens", async |page| {
        page.expect_errors("WebSocket connection to");
        page.open(&link(&station.page_url(), &[("broker", &mosquitto.ws_url()), ("user", USER)])).await?;
        page.fill("Password", &expired).await?;
        shows(page, "JWT for “greenhouse”. Expired on 2020-01-01").await?;
        page.press("Connect").await?;
        page.wait_for_state("stopped").await?;
        let advice: String = page.evaluate("document.querySelector('.advice li').innerText").await?;
        ensure!(advice.contains("Expired on 2020-01-01"), "the first cause is: {advice}");

        page.fill("Password", &good).await?;
        shows(page, "Expires on 2100-01-01").await?;
        page.press("Connect").await?;
        page.wait_for_state("connected").await?;

        // The connection stays; the next one uses the new token, which this broker doesn't know.
        page.press("Settings").await?;
        page.fill("Password", &unknown).await?;
        page.press("Use for the next connection").await?;
        shows(page, "The new token will be used for the next connection.").await?;
        page.screenshot("token").await?;
        ensure!(page.state().await? == "connected", "the new token ended the connection");
        let _mosquitto = mosquitto.kill_and_restart().await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_notice("password|authori").await?;

        let kept: String = page
            .evaluate("location.href + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })")
            .await?;
        ensure!([&expired, &good, &unknown].iter().all(|token| !kept.contains(*token)), "a token was kept: {kept}");
        Ok(())
    })
    .await
}
