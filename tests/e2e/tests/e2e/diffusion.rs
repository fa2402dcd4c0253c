//! A server that follows Diffusion's manual, and the page's behaviour with it.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::WAIT_TIMEOUT;
use mqtt_crawl_e2e::diffusion::{Diffusion, FORBIDDEN, PRINCIPAL};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::producer;
use mqtt_crawl_e2e::station::Station;

const TOPIC: &str = "StarWars";
const VALUE: &str = r#"{"character":"BEN","text":"The topic is a tree."}"#;

async fn connect(page: &Page, page_url: &str, keys: &[(&str, &str)]) -> Result<()> {
    page.open(&link(page_url, keys)).await?;
    page.fill("Password", PRINCIPAL.1).await?;
    page.press("Connect").await
}

#[tokio::test]
async fn page_stays_within_the_diffusion_manual() -> Result<()> {
    let station = Station::start().await?;
    let server = Diffusion::start(TOPIC, VALUE).await?;
    in_browser("diffusion-manual", async |page| {
        let broker = server.ws_url();
        // A higher QoS is granted as QoS 0, and shown; "auto" begins with 5.0.
        for qos in ["0", "1"] {
            let keys = [("broker", broker.as_str()), ("user", PRINCIPAL.0), ("topic", TOPIC), ("qos", qos)];
            connect(page, &station.page_url(), &keys).await?;
            page.wait_for_state("connected").await?;
            page.wait_for_text("with MQTT 5.0").await?;
            page.wait_for("QoS 0", "/QoS 0/.test(named('section', 'Connection').innerText)", WAIT_TIMEOUT).await?;
            page.wait_for_row("The topic is a tree.").await?;
        }

        // A failed update is shown with its reason, and the connection stays.
        page.press("Send a message").await?;
        page.choose("Message QoS", "1").await?;
        for (topic, outcome) in [(TOPIC, "1 sent, 1 delivered."), (FORBIDDEN, "Not authorized"), ("a//b", "Topic Name")]
        {
            page.fill("Message topic", topic).await?;
            page.fill("Message payload", "aye").await?;
            page.press("Send").await?;
            let list = "named('section', 'Messages sent').innerText.toLowerCase()";
            let expression = format!("{list}.includes('{}')", outcome.to_lowercase());
            page.wait_for(outcome, &expression, WAIT_TIMEOUT).await?;
        }
        check_equal("the state", page.state().await?, "connected".to_owned())
    })
    .await?;
    check_equal("what the manual doesn't allow", server.violations(), Vec::new())
}

#[tokio::test]
async fn the_producer_publishes_at_qos_1() -> Result<()> {
    let server = Diffusion::start(TOPIC, VALUE).await?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("story.txt");
    std::fs::write(&script, "BEN: The topic is a tree.\nADA: And we are in it.\n")?;
    let produce = async |user: &str, topic: &str| -> Result<Option<i32>> {
        let mut command = producer(&server.ws_url())?;
        command.args(["--quiet", "--interval", "0.01s", "--username", user, "--topic", topic]);
        command.env("MQTT_PASSWORD", PRINCIPAL.1).arg(&script);
        Ok(command.output().await?.status.code())
    };
    check_equal("exit status", produce(PRINCIPAL.0, TOPIC).await?, Some(0))?;
    check_equal("exit status without permission", produce(PRINCIPAL.0, FORBIDDEN).await?, Some(1))?;
    check_equal("exit status with wrong credentials", produce("nobody", TOPIC).await?, Some(3))?;
    check_equal("what the manual doesn't allow", server.violations(), Vec::new())
}

#[tokio::test]
async fn older_version_is_refused_and_reported() -> Result<()> {
    let station = Station::start().await?;
    let server = Diffusion::start(TOPIC, VALUE).await?;
    in_browser("diffusion-old", async |page| {
        let broker = server.ws_url();
        let keys = [("broker", broker.as_str()), ("user", PRINCIPAL.0), ("protocol", "3.1.1")];
        connect(page, &station.page_url(), &keys).await?;
        page.wait_for_state("stopped").await?;
        page.wait_for_notice("version").await
    })
    .await?;
    ensure!(server.violations().iter().any(|text| text.contains("another version")), "{:?}", server.violations());
    Ok(())
}
