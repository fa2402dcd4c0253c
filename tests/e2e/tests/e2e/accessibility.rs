//! The names and roles that assistive technology relies on, as the browser itself computes them.

use anyhow::Result;
use mqtt_crawl_e2e::engine::{Engine, Feature};
use mqtt_crawl_e2e::page::{ARROW_DOWN, ESCAPE, Page, TAB, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};

async fn check(page: &Page, expression: &str, roles: &[&str], name: &str) -> Result<()> {
    let element = page.element(expression).await?;
    let (role, found_name) = page.role_and_name(&element).await?;
    check_equal(&format!("the name of {expression}"), found_name.as_str(), name)?;
    anyhow::ensure!(roles.contains(&role.as_str()), "{name} is a {role}, not {roles:?}");
    Ok(())
}

#[tokio::test]
async fn page_has_the_promised_accessible_names() -> Result<()> {
    let station = Station::start().await?;
    in_browser("accessibility", async |page| {
        page.open(&station.page_url()).await?;
        for name in ["Broker URL", "Topic", "User name"] {
            check(page, &format!("field('{name}')"), &["textbox", "combobox"], name).await?;
        }
        // ARIA has no role for it; some browsers report the nearest one. HTML gives a password field no role; Chromium
        // reports what it looks like.
        let roles: &[&str] = if page.browser().engine() == Engine::Chromium { &["textbox"] } else { &["textbox", ""] };
        check(page, "field('Password')", roles, "Password").await?;
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

/// Checks that the screen violates no rule of axe-core.
async fn check_rules(page: &Page, what: &str) -> Result<()> {
    let violations = page.violations().await?;
    anyhow::ensure!(violations.is_empty(), "{what}:\n{}", violations.join("\n"));
    Ok(())
}

#[tokio::test]
async fn views_have_no_axe_violations() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe", async |page| {
        page.open(&station.page_url()).await?;
        check_rules(page, "at first").await?;
        page.fill("Broker URL", "nonsense").await?;
        page.press("Connect").await?;
        page.wait_for_notice("Did you mean|has no scheme").await?;
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
                page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;
                check_rules(page, &format!("{view}, {theme}")).await?;
            }
        }
        page.press("Transcript").await?;
        check_rules(page, "plain text").await
    })
    .await
}

#[tokio::test]
async fn crawl_states_have_no_axe_violations() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::FullScreenPage], "axe-crawl", async |page| {
        page.open(&link(&station.page_url(), &[("view", "crawl")])).await?;
        check_rules(page, "the poster").await?;
        page.press("Connect").await?;
        for scene in ["card", "logo", "rise", "intro"] {
            page.wait_for(scene, &format!("crawl().dataset.scene === '{scene}'"), CRAWL_TIMEOUT).await?;
            check_rules(page, scene).await?;
        }

        page.open(&link(
            &station.page_url(),
            &[("connect", "1"), ("view", "crawl"), ("card", ""), ("logo", ""), ("opening", "yield")],
        ))
        .await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        let text: String = (0..60).map(|number| format!("PIP: Good evening, number {number}\n")).collect();
        broker.publish_lines(Version::V5, "StarWars", text).await?;
        page.wait_for("a moving line and a moving note", "lines().length > 1", CRAWL_TIMEOUT).await?;
        check_rules(page, "lines on the move").await?;
        let back = "crawl().dispatchEvent(new WheelEvent('wheel', { deltaY: -300, bubbles: true, cancelable: true }));";
        page.run(back).await?;
        page.wait_for("the number of lines behind", "isVisible(crawl().querySelector('.live'))", WAIT_TIMEOUT).await?;
        check_rules(page, "gone back").await?;
        page.press("Full screen").await?;
        page.wait_for("full screen", "document.fullscreenElement === crawl()", WAIT_TIMEOUT).await?;
        check_rules(page, "full screen").await?;
        page.run("document.activeElement.blur();").await?;
        page.wait_for("the controls to disappear", "crawl().dataset.idle === 'true'", WAIT_TIMEOUT).await?;
        check_rules(page, "kiosk").await
    })
    .await
}

/// A script that returns what the Tab key should reach, and everything that got the focus without a visible sign of it.
const TABBED: &str = "
    const wanted = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
        .filter((each) => each.tabIndex >= 0 && !each.disabled && isVisible(each));
    // With a modal panel, only what is in it.
    const modal = document.querySelector('dialog:modal');
    // From the page's beginning, and not from where the focus was last.
    const beginning = Object.assign(document.createElement('i'), { tabIndex: -1 });
    document.body.prepend(beginning);
    beginning.focus();
    beginning.remove();
    document.activeElement.blur();
    // A box that is drawn by its label shows it there; a column's edge lights up.
    const styleOf = (each) => [each, each.nextElementSibling, each.parentElement].filter(Boolean).map((node) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(node);
        const outlined = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
        return [outlined, getComputedStyle(node).backgroundColor, getComputedStyle(node, '::after').backgroundColor];
    }).join();
    window.__unreached = new Map(wanted.filter((each) => !modal || modal.contains(each)).map((each) => [each, styleOf(each)]));
    window.__unseen = [];
    window.__checkFocus = () => {
        const each = document.activeElement;
        const before = window.__unreached.get(each);
        if (!window.__unreached.delete(each)) return;
        if (styleOf(each) === before) window.__unseen.push(nameOf(each) || each.outerHTML.slice(0, 120));
    };";

/// Everything interactive on screen gets the focus by the Tab key, and shows it.
async fn check_tabs(page: &Page, what: &str) -> Result<()> {
    page.run(TABBED).await?;
    let stops: usize = page.evaluate("window.__unreached.size").await?;
    anyhow::ensure!(stops > 5, "{what}: {stops} stops");
    // The browser's own toolbar may take a turn, too; after that, some browsers no longer show the page's focus.
    for _ in 0..stops + 4 {
        page.press_keys(TAB).await?;
        page.run("window.__checkFocus();").await?;
        if page.evaluate::<bool>("window.__unreached.size === 0").await? {
            break;
        }
    }
    let names = "[...window.__unreached.keys()].map((each) => nameOf(each) || each.outerHTML.slice(0, 120))";
    check_equal(&format!("{what}: not reachable by keyboard"), page.evaluate::<Vec<String>>(names).await?, vec![])?;
    let unseen: Vec<String> = page.evaluate("window.__unseen").await?;
    check_equal(&format!("{what}: invisible focus"), unseen, vec![])
}

#[tokio::test]
async fn everything_is_reachable_by_keyboard_with_visible_focus() -> Result<()> {
    let station = Station::start().await?;
    in_browser("tab-key", async |page| {
        for theme in ["dark", "light"] {
            page.open(&station.page_url()).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            check_tabs(page, &format!("at first, {theme}")).await?;
            // The button that skips an opening disappears with it, at a time of its own.
            page.open(&link(&station.page_url(), &[("connect", "1"), ("opening", "off")])).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            page.wait_for_state("connected").await?;
            Login::anonymous(station.mqtt_port()?).publish(Version::V5, "StarWars", "PIP: Good evening").await?;
            page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;
            page.wait_for("the crawl", "!isVisible(crawl().querySelector('.skip'))", WAIT_TIMEOUT).await?;
            check_tabs(page, &format!("connected, {theme}")).await?;
            page.press("Director").await?;
            page.wait_for("the panel", "Boolean(field('Ambient sound'))", WAIT_TIMEOUT).await?;
            check_tabs(page, &format!("Director, {theme}")).await?;
            page.press("Close").await?;
            page.press("Transcript").await?;
            check_tabs(page, &format!("plain text, {theme}")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn panels_have_no_axe_violations() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe-panels", async |page| {
        for theme in ["dark", "light"] {
            page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            page.wait_for_state("connected").await?;
            Login::anonymous(station.mqtt_port()?).publish(Version::V5, "StarWars", r#"{"t":21.5}"#).await?;
            page.wait_for_stat("received", 1, WAIT_TIMEOUT).await?;
            for panel in [
                "Send a message",
                "Packets",
                "Topics",
                "Export",
                "Logs",
                "Preferences",
                "Keyboard shortcuts",
                "Edit subscriptions",
            ] {
                page.press(panel).await?;
                page.wait_for(panel, "document.querySelector('dialog[open]') !== null", WAIT_TIMEOUT).await?;
                check_rules(page, &format!("{panel}, {theme}")).await?;
                page.press_keys(ESCAPE).await?;
                page.wait_for("it to close", "document.querySelector('dialog[open]') === null", WAIT_TIMEOUT).await?;
            }
            page.press("Director").await?;
            page.wait_for("the opening panel", "Boolean(field('Ambient sound'))", WAIT_TIMEOUT).await?;
            check_rules(page, &format!("Director, {theme}")).await?;
            // With a rule, one that is being changed, and errors.
            page.press("Line rules").await?;
            page.fill("Match topics", "StarWars").await?;
            page.choose("Text", "sentence").await?;
            page.fill("Text template", "it is {t}").await?;
            page.press("Add").await?;
            page.press("Edit rule 1").await?;
            page.fill("Text template", "it is {").await?;
            page.press("Save").await?;
            page.wait_for_notice("Missing }").await?;
            // The rule was stored, together with the settings.
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            check_rules(page, &format!("Lines, {theme}")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn suggestions_have_no_axe_violations_and_keep_the_filter_name() -> Result<()> {
    let station = Station::start().await?;
    in_browser("axe-suggestions", async |page| {
        for theme in ["dark", "light"] {
            page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
            page.run(&format!("document.documentElement.dataset.theme = '{theme}';")).await?;
            page.wait_for_state("connected").await?;
            page.element("field('Filter')").await?.click().await?;
            page.wait_for("the panels", "document.getElementById('suggestions') !== null", WAIT_TIMEOUT).await?;
            for _ in 0..2 {
                page.press_keys(&ARROW_DOWN.to_string()).await?;
            }
            page.wait_for("a suggestion", "field('Filter').hasAttribute('aria-activedescendant')", WAIT_TIMEOUT)
                .await?;
            check(page, "field('Filter')", &["searchbox"], "Filter").await?;
            let list = "document.getElementById('suggestions')";
            check(page, list, &["listbox"], "Filter suggestions").await?;
            page.wait_for_notice("9 suggestions").await?;
            check_rules(page, &format!("suggestions, {theme}")).await?;
        }
        Ok(())
    })
    .await
}
