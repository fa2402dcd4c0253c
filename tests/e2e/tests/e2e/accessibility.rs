//! The names and roles that people's tools rely on, as the browser itself computes them.

use anyhow::Result;
use mqtt_crawl_e2e::page::{ARROW_DOWN, ESCAPE, Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{PATIENCE, link};

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

/// No rule of axe-core is broken by what is on screen.
async fn check_rules(page: &Page, what: &str) -> Result<()> {
    // Midway between two colours a text may have any contrast: a button that was off a moment ago.
    let still = "!document.getAnimations().some((animation) => animation instanceof CSSTransition)";
    page.wait_for("transitions to end", still, PATIENCE).await?;
    let violations = page.violations().await?;
    anyhow::ensure!(violations.is_empty(), "{what}:\n{}", violations.join("\n"));
    Ok(())
}

#[tokio::test]
async fn no_view_breaks_a_rule() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe", async |page| {
        page.open(&station.page_url()).await?;
        check_rules(page, "at first").await?;
        page.fill("Broker URL", "nonsense").await?;
        page.press("Connect").await?;
        page.wait_for_words("Did you mean|doesn't say").await?;
        check_rules(page, "a fault in the form").await?;

        page.expect_errors("WebSocket connection to");
        page.open(&link(&station.page_url(), &[("broker", "ws://127.0.0.1:9/mqtt"), ("connect", "1")])).await?;
        page.wait_for_state("reconnecting").await?;
        check_rules(page, "a failed connection").await?;

        for theme in ["dark", "light"] {
            for view in ["split", "console", "crawl"] {
                page.open(&link(&station.page_url(), &[("connect", "1"), ("view", view)])).await?;
                page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
                page.wait_for_state("connected").await?;
                Login::anonymous(station.mqtt_port()?).publish(Version::V5, "StarWars", "PIP: Good evening").await?;
                page.wait_for_stat("received", 1, PATIENCE).await?;
                check_rules(page, &format!("{view}, {theme}")).await?;
            }
        }
        page.press("Plain text").await?;
        check_rules(page, "plain text").await
    })
    .await
}

#[tokio::test]
async fn no_panel_breaks_a_rule() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe-panels", async |page| {
        for theme in ["dark", "light"] {
            page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            page.wait_for_state("connected").await?;
            Login::anonymous(station.mqtt_port()?).publish(Version::V5, "StarWars", r#"{"t":21.5}"#).await?;
            page.wait_for_stat("received", 1, PATIENCE).await?;
            for panel in
                ["Send a message", "Packets", "Topics", "Logs", "Preferences", "Keyboard", "Change subscriptions"]
            {
                page.press(panel).await?;
                page.wait_for(panel, "document.querySelector('dialog[open]') !== null", PATIENCE).await?;
                check_rules(page, &format!("{panel}, {theme}")).await?;
                page.press_keys(ESCAPE).await?;
                page.wait_for("it to close", "document.querySelector('dialog[open]') === null", PATIENCE).await?;
            }
            // With a rule, one that is being changed, and faults.
            page.press("Director").await?;
            page.press("Lines").await?;
            page.fill("For topics", "StarWars").await?;
            page.choose("Words", "sentence").await?;
            page.fill("What is said", "it is {t}").await?;
            page.press("Add").await?;
            page.press("Change rule 1").await?;
            page.fill("What is said", "it is {").await?;
            page.press("Save").await?;
            page.wait_for_words("isn't closed").await?;
            // The rule was stored, and the settings that hold with it.
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            check_rules(page, &format!("Lines, {theme}")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn suggestions_break_no_rule_and_leave_the_filter_its_name() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe-suggestions", async |page| {
        for theme in ["dark", "light"] {
            page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            page.wait_for_state("connected").await?;
            page.element("field('Filter')").await?.click().await?;
            page.wait_for("the panels", "document.getElementById('suggestions') !== null", PATIENCE).await?;
            for _ in 0..2 {
                page.press_keys(&ARROW_DOWN.to_string()).await?;
            }
            page.wait_for("a suggestion", "field('Filter').hasAttribute('aria-activedescendant')", PATIENCE).await?;
            check(page, "field('Filter')", &["searchbox"], "Filter").await?;
            let list = "document.getElementById('suggestions')";
            check(page, list, &["listbox"], "Suggestions for the filter").await?;
            page.wait_for_words("9 suggestions").await?;
            check_rules(page, &format!("suggestions, {theme}")).await?;
        }
        Ok(())
    })
    .await
}
