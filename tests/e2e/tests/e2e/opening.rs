//! The opening: the order and times of its scenes, what shortens it, and the opening panel that configures it.

use std::time::Instant;

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{ENTER, ESCAPE, Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};

/// Records the scenes from now on, each with its time in milliseconds.
const RECORD_SCENES: &str = "
    window.__scenes = [];
    const note = () => {
        const name = crawl().dataset.scene;
        if (window.__scenes.at(-1)?.[0] !== name) window.__scenes.push([name, performance.now()]);
    };
    new MutationObserver(note).observe(crawl(), { attributes: true, attributeFilter: ['data-scene'] });
    note();";

async fn scenes(page: &Page) -> Result<Vec<(String, f64)>> {
    page.evaluate("window.__scenes").await
}

async fn wait_for_scene(page: &Page, scene: &str) -> Result<()> {
    page.wait_for(scene, &format!("crawl().dataset.scene === '{scene}'"), CRAWL_TIMEOUT).await
}

/// Opens the app before its first connection, recording scenes.
async fn open(page: &Page, station: &Station, keys: &[(&str, &str)]) -> Result<()> {
    let keys: Vec<_> = [("view", "crawl")].iter().chain(keys).copied().collect();
    page.open(&link(&station.page_url(), &keys)).await?;
    page.wait_for("the poster", "crawl().querySelector('.plane .title') !== null", WAIT_TIMEOUT).await?;
    page.run(RECORD_SCENES).await
}

/// An expression for the logotype's width relative to the crawl's, at its beginning and after eight seconds.
const LOGO_WIDTHS: &str = "(() => {
    const logo = crawl().querySelector('.logo span');
    const run = logo.getAnimations().find((each) => each.animationName === 'retreat');
    const now = run.currentTime;
    const widths = [0, 8000].map((ms) => {
        run.currentTime = ms;
        return logo.getBoundingClientRect().width / crawl().clientWidth;
    });
    run.currentTime = now;
    return widths;
})()";

/// Checks that the sky has no animation and that the plane has no mask but a haze.
async fn check_sky_rests(page: &Page, transform: &str) -> Result<()> {
    let running = "crawl().getAnimations({ subtree: true }).filter((each) => each.effect.target.className !== 'plane')";
    check_equal("animations", page.evaluate::<u64>(&format!("{running}.length")).await?, 0)?;
    let style = |part: &str, name: &str| format!("getComputedStyle(crawl().querySelector('{part}')).{name}");
    let transform_now: String = page.evaluate(&style(".sky i", "transform")).await?;
    ensure!(transform_now.starts_with(transform), "the sky is at {transform_now}");
    check_equal("the mask", page.evaluate::<String>(&style(".stage", "maskImage")).await?, "none".to_owned())?;
    check_equal("the haze", page.evaluate::<String>(&style(".haze", "visibility")).await?, "visible".to_owned())
}

#[tokio::test]
async fn opening_has_the_order_and_timing_of_the_film() -> Result<()> {
    let station = Station::start().await?;
    in_browser("opening-order", async |page| {
        open(page, &station, &[]).await?;
        let fetched = "performance.getEntriesByType('resource').some((entry) => entry.name.includes('logotype'))";
        ensure!(!page.evaluate::<bool>(fetched).await?, "the logotype belongs to no first visit");
        page.press("Connect").await?;
        wait_for_scene(page, "card").await?;
        page.wait_for("the card", "getComputedStyle(crawl().querySelector('.card')).opacity === '1'", WAIT_TIMEOUT)
            .await?;
        page.screenshot("opening-card").await?;
        let card_text: String = page.evaluate("crawl().querySelector('.card').innerText").await?;
        check_equal("the card", card_text, "Not so long ago, on a broker\nnot so far away....".to_owned())?;
        let sky = "getComputedStyle(crawl().querySelector('.sky i')).opacity";
        check_equal("the sky behind the card", page.evaluate::<String>(sky).await?, "0".to_owned())?;

        wait_for_scene(page, "logo").await?;
        let [begins, goes]: [f64; 2] = page.evaluate(LOGO_WIDTHS).await?;
        ensure!(
            begins > 1.5 && (0.1..0.4).contains(&goes),
            "the logotype's width goes from {begins} to {goes} of the crawl's"
        );
        page.screenshot("opening-logo").await?;
        wait_for_scene(page, "rise").await?;
        page.wait_for("the episode", "crawl().querySelector('.plane .episode') !== null", WAIT_TIMEOUT).await?;

        wait_for_scene(page, "intro").await?;
        page.screenshot("opening-intro").await?;
        let seen = scenes(page).await?;
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        check_equal("the scenes", names, vec!["idle", "dark", "card", "dark", "logo", "rise", "intro"])?;
        // Each begins at a tick of 200 ms, and a busy machine is late.
        let begun = seen[1].1;
        for ((name, at), due_s) in seen[1..].iter().zip([0.0, 1.0, 7.0, 9.0, 13.0, 20.0]) {
            let at_s = (at - begun) / 1_000.0;
            ensure!((due_s - 0.3..due_s + 6.0).contains(&at_s), "{name} at {at_s:.1} s, not {due_s}");
        }

        // After the text has disappeared the sky moves up, near stars farther, and the page draws no frame for it.
        page.wait_for(
            "the text to disappear",
            "(() => { document.getAnimations().find((each) => each.effect.target.className === 'plane')
                ?.updatePlaybackRate(12);
            return crawl().dataset.scene === 'crawl'; })()",
            CRAWL_TIMEOUT,
        )
        .await?;
        page.wait_for(
            "the sky to be at its upper position",
            "(() => { const tops = [...crawl().querySelectorAll('.sky i')]
                .map((each) => each.getBoundingClientRect().top - crawl().getBoundingClientRect().top);
            return tops[0] < -20 && tops[1] < 2 * tops[0]; })()",
            CRAWL_TIMEOUT,
        )
        .await?;
        // It stays there without an animation, which would keep a layer for each.
        page.run("crawl().getAnimations({ subtree: true }).forEach((each) => each.animationName && each.finish());")
            .await?;
        check_sky_rests(page, "matrix(1, 0, 0, 1, 0, ").await
    })
    .await
}

#[tokio::test]
async fn key_or_button_skips_the_opening() -> Result<()> {
    let station = Station::start().await?;
    in_browser("opening-skip", async |page| {
        for means in [Some(ESCAPE.to_owned()), Some(ENTER.to_string()), None] {
            open(page, &station, &[]).await?;
            page.press("Connect").await?;
            wait_for_scene(page, "card").await?;
            match &means {
                Some(keys) => {
                    page.run("document.activeElement.blur();").await?;
                    page.press_keys(keys).await?;
                }
                None => page.press("Skip").await?,
            }
            wait_for_scene(page, "intro").await?;
            ensure!(!page.evaluate::<bool>("Boolean(button('Skip'))").await?, "there is nothing more to skip");
            page.wait_for("the episode", "crawl().querySelector('.plane .episode') !== null", WAIT_TIMEOUT).await?;
            let names: Vec<String> = scenes(page).await?.into_iter().map(|(name, _)| name).collect();
            check_equal("the scenes", names, ["idle", "dark", "card", "intro"].map(str::to_owned).to_vec())?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn waiting_messages_shorten_the_opening() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    for number in 0..3 {
        broker.publish_retained(&format!("waiting/{number}"), &format!("ADA: Here already, {number}")).await?;
    }
    in_browser("opening-waiting", async |page| {
        // They are queued already: no card, no logotype.
        open(page, &station, &[("topic", "waiting/#")]).await?;
        page.press("Connect").await?;
        let begun = Instant::now();
        page.wait_for("a line", "lines().length > 0", CRAWL_TIMEOUT).await?;
        println!("the first line after {} ms", begun.elapsed().as_millis());
        let names: Vec<String> = scenes(page).await?.into_iter().map(|(name, _)| name).collect();
        ensure!(!names.iter().any(|name| name == "card" || name == "logo"), "{names:?}");

        // A message arrives while the card is shown: the scenes are short, and it is shown before the opening's text.
        open(page, &station, &[("topic", "coming")]).await?;
        page.press("Connect").await?;
        wait_for_scene(page, "card").await?;
        broker.publish(Version::V5, "coming", "BRAM: On my way").await?;
        let begun = Instant::now();
        page.wait_for_line("On my way").await?;
        println!("the line after {} ms", begun.elapsed().as_millis());
        page.screenshot("opening-short").await?;
        check_equal("the scene", page.evaluate::<String>("crawl().dataset.scene").await?, "rise".to_owned())?;
        ensure!(
            !page.evaluate::<bool>("crawl().querySelector('.plane .episode') !== null").await?,
            "the opening's own text is first"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn custom_opening_is_shown_before_messages() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    for number in 0..3 {
        broker.publish_retained(&format!("waiting/{number}"), &format!("ADA: Here already, {number}")).await?;
    }
    in_browser("opening-whole", async |page| {
        let intro = "The lamps are out.\nNobody knows why.";
        let keys = [("topic", "waiting/#"), ("logo", ""), ("title", "The Salt Road"), ("intro", intro)];
        open(page, &station, &keys).await?;
        page.press("Connect").await?;
        wait_for_scene(page, "card").await?;
        wait_for_scene(page, "intro").await?;
        // In the order of their positions on the plane.
        let whole = "(() => {
            document.getAnimations().find((each) => each.effect.target.className === 'plane')?.updatePlaybackRate(8);
            const blocks = [...crawl().querySelectorAll('.plane .block')]
                .toSorted((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top))
                .map((block) => block.textContent.replace(/\\s+/g, '').toLowerCase());
            const positions = ['thesaltroad', 'thelampsareout.', 'nobodyknowswhy.', 'herealready,']
                .map((part) => blocks.findIndex((text) => text.includes(part)));
            return positions.every((position, at) => position > (at === 0 ? -1 : positions[at - 1]));
        })()";
        page.wait_for("all of its text, and messages after it", whole, CRAWL_TIMEOUT).await?;
        page.wait_for_line("Here already, 2").await?;

        // None at all, by the link.
        let keys = [("view", "crawl"), ("topic", "waiting/#"), ("title", "The Salt Road"), ("opening", "off")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for("the app", "Boolean(button('Connect'))", WAIT_TIMEOUT).await?;
        page.run(RECORD_SCENES).await?;
        page.press("Connect").await?;
        page.wait_for_line("Here already, 0").await?;
        let names: Vec<String> = scenes(page).await?.into_iter().map(|(name, _)| name).collect();
        ensure!(!names.iter().any(|name| ["card", "logo", "rise"].contains(&name.as_str())), "{names:?}");
        ensure!(!page.evaluate::<bool>("crawl().querySelector('.plane .title') !== null").await?, "the title is there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn reduced_motion_shows_the_opening_as_text() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::ReducedMotion], "opening-reduced", async |page| {
        page.browser().reduce_motion().await?;
        open(page, &station, &[("title", "The Salt Road")]).await?;
        page.press("Connect").await?;
        let shown = "crawl().querySelector('.transcript').innerText.toLowerCase().includes('the salt road')";
        page.wait_for("the title in the transcript", shown, WAIT_TIMEOUT).await?;
        let names: Vec<String> = scenes(page).await?.into_iter().map(|(name, _)| name).collect();
        ensure!(!names.iter().any(|name| name == "card" || name == "logo"), "{names:?}");
        let running: u64 = page
            .evaluate("document.getAnimations().filter((animation) => animation.playState === 'running').length")
            .await?;
        check_equal("animations", running, 0)
    })
    .await
}

#[tokio::test]
async fn link_customizes_the_opening() -> Result<()> {
    let station = Station::start().await?;
    in_browser("opening-link", async |page| {
        let card = "Once, upriver,\nwhere <b>lamps</b> burn";
        let keys = [("card", card), ("logo", "Salt & Sea"), ("intro", ""), ("stars", "0"), ("speed", "170")];
        open(page, &station, &keys).await?;
        check_equal("blocks of the poster", page.evaluate("crawl().querySelectorAll('.plane .block').length").await?, 2)?;
        let sky = "getComputedStyle(crawl().querySelector('.sky i')).display";
        check_equal("the sky", page.evaluate::<String>(sky).await?, "none".to_owned())?;
        let speed = "crawl().querySelector('.speed').textContent";
        check_equal("the speed", page.evaluate::<String>(speed).await?, "170 %".to_owned())?;
        page.press("Connect").await?;
        wait_for_scene(page, "card").await?;
        let card_text: String = page.evaluate("crawl().querySelector('.card').innerText").await?;
        check_equal("the card", card_text, card.to_owned())?;
        wait_for_scene(page, "logo").await?;
        page.screenshot("opening-own-logo").await?;
        let logo: String = page.evaluate("crawl().querySelector('.logo').textContent").await?;
        check_equal("the logotype", logo, "Salt & Sea".to_owned())?;
        // All of it stays in the link.
        let kept: bool = page
            .evaluate(
                "['card', 'logo', 'intro', 'stars', 'speed'].every((key) => new URLSearchParams(location.hash.slice(1)).has(key))",
            )
            .await?;
        ensure!(kept, "a key is missing in the link");

        // Without card and logotype the text comes at once.
        open(page, &station, &[("card", ""), ("logo", "")]).await?;
        page.press("Connect").await?;
        wait_for_scene(page, "intro").await?;
        let seen = scenes(page).await?;
        ensure!(!seen.iter().any(|(name, _)| ["card", "logo", "rise"].contains(&name.as_str())), "{seen:?}");

        // Without any text the sky doesn't move.
        let silent = ["card", "logo", "episode", "title", "intro"].map(|part| (part, ""));
        page.open(&link(&station.page_url(), &[&silent[..], &[("connect", "1")]].concat())).await?;
        wait_for_scene(page, "still").await?;
        check_sky_rests(page, "none").await
    })
    .await
}

#[tokio::test]
async fn opening_panel_changes_apply_immediately() -> Result<()> {
    let station = Station::start().await?;
    in_browser("director", async |page| {
        open(page, &station, &[]).await?;
        page.press("Director").await?;
        page.wait_for("the panel", "Boolean(named('dialog[open]', 'Director'))", WAIT_TIMEOUT).await?;
        check_equal("the title", page.value("Title").await?, "The Retained Message".to_owned())?;
        page.fill("Title", "The Salt Road").await?;
        let poster = "crawl().querySelector('.plane .title')?.textContent.toLowerCase() === 'the salt road'";
        page.wait_for("the title on the poster", poster, WAIT_TIMEOUT).await?;
        ensure!(page.evaluate::<bool>("document.activeElement === field('Title')").await?, "the field lost the focus");
        page.fill("Episode", "").await?;
        page.wait_for("no episode", "crawl().querySelector('.plane .episode') === null", WAIT_TIMEOUT).await?;
        page.fill("Opening card", "Once, upriver").await?;
        page.tick("Stars").await?;
        page.choose("Speed (%)", "130").await?;
        page.wait_for("the speed", "crawl().querySelector('.speed').textContent === '130 %'", WAIT_TIMEOUT).await?;
        page.wait_for("no stars", "crawl().dataset.stars === 'false'", WAIT_TIMEOUT).await?;
        check_equal(
            "the link",
            page.evaluate::<String>("location.hash").await?,
            "#card=Once%2C+upriver&episode=&title=The+Salt+Road&stars=0&speed=130&view=crawl".to_owned(),
        )?;
        check_equal("violations", page.violations().await?, Vec::<String>::new())?;
        page.screenshot("director").await?;

        page.press("Replay opening").await?;
        wait_for_scene(page, "card").await?;
        let card_text: String = page.evaluate("crawl().querySelector('.card').innerText").await?;
        check_equal("the card", card_text, "Once, upriver".to_owned())?;
        // Typed text is shown even while it plays.
        page.fill("Opening card", "Twice, upriver").await?;
        page.wait_for("the text", "crawl().querySelector('.card').innerText === 'Twice, upriver'", WAIT_TIMEOUT)
            .await?;

        page.press("Reset").await?;
        page.wait_for("the fields", "field('Title').value === 'The Retained Message'", WAIT_TIMEOUT).await?;
        check_equal("the link", page.evaluate::<String>("location.hash").await?, "#view=crawl".to_owned())?;

        // The mode follows the text, unless it is selected. Nothing has played yet.
        page.open(&link(&station.page_url(), &[("view", "crawl")])).await?;
        page.press("Director").await?;
        page.wait_for("the panel", "field('Opening') !== undefined", WAIT_TIMEOUT).await?;
        check_equal("the default text", page.value("Opening").await?, "yield".to_owned())?;
        page.fill("Title", "The Salt Road").await?;
        page.wait_for("the mode of an edited text", "field('Opening').value === 'always'", WAIT_TIMEOUT).await?;
        let link = "location.hash === '#title=The+Salt+Road&view=crawl'";
        page.wait_for("a link without it", link, WAIT_TIMEOUT).await?;
        page.choose("Opening", "yield").await?;
        let link = "location.hash === '#title=The+Salt+Road&opening=yield&view=crawl'";
        page.wait_for("a link with it", link, WAIT_TIMEOUT).await?;
        page.choose("Opening", "off").await?;
        page.wait_for("no poster", "crawl().querySelector('.plane .title') === null", WAIT_TIMEOUT).await?;
        page.press("Reset").await?;
        page.wait_for("the poster", "crawl().querySelector('.plane .title') !== null", WAIT_TIMEOUT).await?;
        check_equal("the mode", page.value("Opening").await?, "yield".to_owned())
    })
    .await
}
