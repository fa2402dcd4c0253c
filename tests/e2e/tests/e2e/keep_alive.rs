//! Keep alive: sent from a hidden tab, and its absence detected in a tab whose broker went silent.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::peer::{CONNECT, PINGREQ, Peer, PeerMode};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{eventually, link};

/// A page's chain of timers, the target of throttling; counted in `window.__fired`.
const TIMERS: &str = "window.__fired = 0; const fire = () => { window.__fired += 1; setTimeout(fire, 100); }; fire();";

/// Connects, and hides the page.
async fn connect_and_hide(page: &mut Page, station: &Station, broker: &str) -> Result<Instant> {
    page.open(&link(&station.page_url(), &[("broker", broker), ("connect", "1")])).await?;
    page.wait_for_state("connected").await?;
    page.run(TIMERS).await?;
    page.hide().await?;
    Ok(Instant::now())
}

/// Checks that the page's timers were throttled, otherwise the test proves nothing. At first that is once a second;
/// after five minutes it is once a minute, for which no test waits.
async fn check_was_throttled(page: &Page, hidden_at: Instant) -> Result<()> {
    let hidden_for = hidden_at.elapsed();
    let fired: u64 = page.evaluate("window.__fired").await?;
    println!("hidden for {} s, in which a timer of 100 ms fired {fired} times", hidden_for.as_secs());
    let unthrottled = u64::try_from(hidden_for.as_millis())? / 100;
    ensure!(fired * 4 < unthrottled, "{fired} of {unthrottled}: the page's timers weren't throttled");
    Ok(())
}

#[tokio::test]
async fn hidden_tab_pings_in_time() -> Result<()> {
    let station = Station::start().await?;
    let mut peer = Peer::start(PeerMode::Quiet { keep_alive_s: 6, pings_answered: usize::MAX }).await?;
    in_browser("hidden-pings", async |page| {
        let hidden_at = connect_and_hide(page, &station, &peer.ws_url()).await?;
        let (mut last, mut longest, mut pings) = (None, Duration::ZERO, 0);
        while pings < 5 {
            let event = peer.next_event().await?;
            ensure!(event.packet.is_some(), "the page disconnected");
            if let Some(last) = last.replace(event.at) {
                longest = longest.max(event.at - last);
            }
            pings += usize::from(event.packet == Some(PINGREQ) && event.at > hidden_at);
        }
        println!("the longest silence was {} ms", longest.as_millis());
        // [MQTT-3.1.2-20] for the client, and the server's tolerance [MQTT-3.1.2-22].
        ensure!(longest < Duration::from_secs(9), "no packet for {} ms", longest.as_millis());
        check_was_throttled(page, hidden_at).await?;
        page.show().await?;
        check_equal("reconnects", page.stat("reconnects").await?, 0)?;
        check_equal("state", page.state().await?.as_str(), "connected")
    })
    .await
}

#[tokio::test]
async fn hidden_tab_stays_connected_to_mosquitto() -> Result<()> {
    const PINGS: usize = 3;
    let station = Station::start().await?;
    let lines = "max_keepalive 10\nlog_type debug\n";
    let mosquitto = Mosquitto::start_with(Access::Anonymous, lines).await?;
    in_browser("hidden-mosquitto", async |page| {
        let hidden_at = connect_and_hide(page, &station, &mosquitto.ws_url()).await?;
        let pings = || mosquitto.log().matches("Received PINGREQ").count();
        eventually("pings", async || Ok((pings() >= PINGS).then_some(()))).await?;
        let log = mosquitto.log();
        ensure!(!log.contains("exceeded timeout"), "dropped:\n{log}");
        check_was_throttled(page, hidden_at).await?;
        page.show().await?;
        check_equal("state", page.state().await?.as_str(), "connected")?;
        check_equal("reconnects", page.stat("reconnects").await?, 0)?;
        ensure!(hidden_at.elapsed() > Duration::from_secs(15), "mosquitto had no time to drop it");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn half_open_connection_is_detected_reported_and_reconnected() -> Result<()> {
    const KEEP_ALIVE: Duration = Duration::from_secs(8);
    let station = Station::start().await?;
    let mut peer = Peer::start(PeerMode::Quiet { keep_alive_s: 8, pings_answered: 1 }).await?;
    in_browser("half-open", async |page| {
        page.open(&link(&station.page_url(), &[("broker", &peer.ws_url()), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        // The last packet is the answer to the first ping.
        let mut pings = 0;
        let (mut answered, mut ended) = (None, None);
        while ended.is_none() {
            let event = peer.next_event().await?;
            ensure!(event.connection == 0, "another connection while the first one is open");
            match event.packet {
                Some(PINGREQ) if pings == 0 => {
                    pings += 1;
                    answered = Some(event.at);
                }
                Some(_) => {}
                None => ended = Some(event.at),
            }
        }
        let (Some(answered), Some(ended)) = (answered, ended) else { anyhow::bail!("no ping") };
        println!("detected after {:.2} keep alives", (ended - answered).as_secs_f64() / KEEP_ALIVE.as_secs_f64());
        ensure!(ended - answered <= KEEP_ALIVE * 3 / 2, "detected after {} ms", (ended - answered).as_millis());
        page.wait_for_notice("stopped responding").await?;
        let event = peer.next_event().await?;
        check_equal("the next event", (event.connection, event.packet), (1, Some(CONNECT)))?;
        page.wait_for_state("connected").await?;
        check_equal("reconnects", page.stat("reconnects").await?, 1)
    })
    .await
}
