//! Every key of the link, according to the project's contract.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{check_equal, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

#[tokio::test]
async fn empty_link_uses_defaults_and_does_not_connect() -> Result<()> {
    let station = Station::start().await?;
    in_browser("link-defaults", async |page| {
        page.open(&station.page_url()).await?;
        check_equal("the state", page.state().await?, "idle".to_owned())?;
        check_equal("the broker", page.value("Broker URL").await?, station.ws_url("/mqtt"))?;
        check_equal("the topic", page.value("Topic").await?, "StarWars".to_owned())?;
        check_equal("the user", page.value("User name").await?, String::new())
    })
    .await
}

#[tokio::test]
async fn link_keys_reach_the_broker() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("link-broker", async |page| {
        let broker = mosquitto.ws_url();
        let common = [("broker", broker.as_str()), ("connect", "1")];

        let mut keys = common.to_vec();
        keys.extend([("client", "client-7"), ("protocol", "3.1.1"), ("user", "ann")]);
        keys.extend([("topic", "deck/+"), ("topic", "hold/#"), ("qos", "1")]);
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        // mosquitto calls 3.1.1 protocol 2.
        mosquitto.wait_for_log("as client-7 (p2,").await?;
        mosquitto.wait_for_log("u'ann'").await?;
        mosquitto.wait_for_log("client-7 1 deck/+").await?;
        mosquitto.wait_for_log("client-7 1 hold/#").await?;

        let mut keys = common.to_vec();
        keys.extend([("client", "client-8"), ("protocol", "5"), ("qos", "2")]);
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        mosquitto.wait_for_log("as client-8 (p5,").await?;
        mosquitto.wait_for_log("client-8 2 StarWars").await
    })
    .await
}

#[tokio::test]
async fn link_keys_change_the_page() -> Result<()> {
    let station = Station::start().await?;
    in_browser("link-views", async |page| {
        let is_shown = "[crawl(), console_()].map((view) => Boolean(view) && isVisible(view))";
        for (view, shown) in [("split", [true, true]), ("crawl", [true, false]), ("console", [false, true])] {
            page.open(&link(&station.page_url(), &[("view", view)])).await?;
            check_equal(view, page.evaluate::<[bool; 2]>(is_shown).await?, shown)?;
        }
        // A person who selects another one finds it again.
        let in_link = "new URLSearchParams(location.hash.slice(1)).get('view')";
        for (button, view) in [("Crawl", Some("crawl")), ("Split", None), ("Console", Some("console"))] {
            page.press(button).await?;
            check_equal(button, page.evaluate::<Option<String>>(in_link).await?, view.map(str::to_owned))?;
        }
        let keys = [("episode", "Chapter Nine"), ("title", "The Salt Road"), ("intro", "Once, upriver")];
        page.open(&link(&station.page_url(), &keys)).await?;
        for (_, text) in keys {
            let expression = format!("crawl().textContent.toLowerCase().includes('{}')", text.to_lowercase());
            page.wait_for(text, &expression, WAIT_TIMEOUT).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn link_errors_are_reported() -> Result<()> {
    let station = Station::start().await?;
    in_browser("link-faults", async |page| {
        let shows = |pattern: &str| format!("new RegExp({pattern:?}, 'i').test(document.body.innerText)");

        // An unknown key is reported, and the rest of the link applies.
        page.open(&link(&station.page_url(), &[("colour", "blue"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.wait_for("a notice", &shows("colour"), WAIT_TIMEOUT).await?;

        // Each error names the wrong value, or the rule that the value breaks.
        for (key, value, pattern) in [
            ("qos", "3", r"qos.*3"),
            ("protocol", "4", r"protocol.*4"),
            ("view", "sideways", "view.*sideways"),
            ("opening", "never", "opening.*never"),
            ("stars", "many", "stars.*many"),
            ("speed", "99", "speed.*99"),
            ("connect", "perhaps", "connect.*perhaps"),
            ("topic", "a/#/b", "# .*last level"),
            ("broker", "http://127.0.0.1/", "http://"),
        ] {
            let mut keys = vec![(key, value)];
            if key != "connect" {
                keys.push(("connect", "1"));
            }
            page.open(&link(&station.page_url(), &keys)).await?;
            page.wait_for(&format!("the error about {key}={value}"), &shows(pattern), WAIT_TIMEOUT).await?;
            let state = page.state().await?;
            ensure!(state == "idle" || state == "stopped", "{key}={value}, but {state}");
        }

        // Also if the form is folded.
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.run("location.hash = '#qos=3&connect=1';").await?;
        page.wait_for("the error about another link", &shows(r"qos.*3"), WAIT_TIMEOUT).await?;
        check_equal("the state", page.state().await?, "connected".to_owned())
    })
    .await
}
