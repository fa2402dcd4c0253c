//! The pad: silent until a person requests it, by a click or by a key.

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser_with};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};
use serde::Deserialize;

/// Records the page's sound from its first sample on: how loud it is, and the largest step from one sample to the next,
/// which would be an audible click.
const LISTEN: &str = "
    window.__contexts = [];
    const Own = window.AudioContext;
    window.AudioContext = class extends Own {
        constructor(...how) {
            super(...how);
            window.__contexts.push(this);
            this.analyser = new AnalyserNode(this, { fftSize: 32768 });
            this.peak = this.step = 0;
            const samples = new Float32Array(this.analyser.fftSize);
            // More often than the analyser's buffer is refilled.
            setInterval(() => {
                this.analyser.getFloatTimeDomainData(samples);
                samples.forEach((sample, at) => {
                    this.peak = Math.max(this.peak, Math.abs(sample));
                    if (at > 0) this.step = Math.max(this.step, Math.abs(sample - samples[at - 1]));
                });
            }, 250);
        }
    };
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...rest) {
        if (to instanceof AudioDestinationNode) connect.call(this, this.context.analyser);
        return connect.call(this, to, ...rest);
    };";

#[derive(Debug, Deserialize)]
struct PeerEvent {
    peak: f64,
    step: f64,
}

async fn wait_for_state(page: &Page, state: &str) -> Result<()> {
    page.wait_for(state, &format!("window.__contexts.length === 1 && __contexts[0].state === '{state}'"), WAIT_TIMEOUT)
        .await
}

async fn check_silence(page: &Page) -> Result<()> {
    check_equal("sources of sound", page.evaluate::<usize>("window.__contexts.length").await?, 0)
}

#[tokio::test]
async fn sound_is_off_until_requested() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript, Feature::Sound], "sound", async |page| {
        page.browser().add_init_script(LISTEN).await?;
        page.open(&link(&station.page_url(), &[("view", "crawl"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.press("Director").await?;
        page.wait_for("the panel", "Boolean(field('Ambient sound'))", WAIT_TIMEOUT).await?;
        ensure!(!page.evaluate::<bool>("field('Ambient sound').checked").await?, "it is on by default");
        check_silence(page).await?;

        page.tick("Ambient sound").await?;
        wait_for_state(page, "running").await?;
        page.wait_for("a sound", "window.__contexts[0].peak > 0.01", WAIT_TIMEOUT).await?;
        page.screenshot("sound-director").await?;

        // Muted by key, it fades and suspends.
        page.press("Close").await?;
        page.run("document.activeElement.blur();").await?;
        page.press_keys("m").await?;
        wait_for_state(page, "suspended").await?;
        ensure!(!page.evaluate::<bool>("field('Ambient sound').checked").await?, "the panel shows the sound as on");

        // A hidden page is silent.
        page.press_keys("m").await?;
        wait_for_state(page, "running").await?;
        page.hide().await?;
        wait_for_state(page, "suspended").await?;
        page.show().await?;
        wait_for_state(page, "running").await?;
        let PeerEvent { peak, step } =
            page.evaluate("(({ peak, step }) => ({ peak, step }))(window.__contexts[0])").await?;
        println!("as loud as {peak:.3}, the largest step {step:.4}");
        ensure!(peak < 0.13, "too loud: {peak}");
        ensure!(step < 0.02, "a click: a step of {step}");

        // A reloaded page is silent.
        page.browser().client().refresh().await?;
        page.wait_for_state("connected").await?;
        check_silence(page).await
    })
    .await
}

#[tokio::test]
async fn key_turns_the_sound_on() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript, Feature::Sound], "sound-key", async |page| {
        page.browser().add_init_script(LISTEN).await?;
        page.open(&link(&station.page_url(), &[("view", "crawl")])).await?;
        check_silence(page).await?;
        // Before the panels, which contain the sound, are loaded.
        page.press_keys("m").await?;
        wait_for_state(page, "running").await?;
        page.wait_for("a sound", "window.__contexts[0].peak > 0.01", WAIT_TIMEOUT).await?;
        // In a field it is a letter.
        page.press("Director").await?;
        page.fill("Title", "mmm").await?;
        wait_for_state(page, "running").await
    })
    .await
}

#[tokio::test]
async fn missing_sound_is_reported_in_the_panel() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::InitScript], "sound-none", async |page| {
        page.browser().add_init_script("window.AudioContext = undefined;").await?;
        page.open(&link(&station.page_url(), &[("view", "crawl")])).await?;
        page.press_keys("m").await?;
        page.wait_for("the panel", "Boolean(named('dialog[open]', 'Director'))", WAIT_TIMEOUT).await?;
        page.wait_for_text("Sound is not available in this browser.").await?;
        ensure!(
            page.evaluate::<bool>("field('Ambient sound').disabled && !field('Ambient sound').checked").await?,
            "it is on"
        );
        Ok(())
    })
    .await
}
