//! The three engines: the app's intake relative to a raw socket's in each, and ten minutes of a steady stream.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::CRAWL_TIMEOUT;
use mqtt_crawl_e2e::engine::{Engine, Feature};
use mqtt_crawl_e2e::load::{Burst, CYCLE, PropertySet, Source};
use mqtt_crawl_e2e::page::{Page, check_equal, in_engine};
use mqtt_crawl_e2e::site::Site;
use mqtt_crawl_e2e::station::Station;

use crate::intake::{Client, open, peers_folder};
use crate::report::{Report, median_and_p99};

/// The sizes of frames, in packets.
const PACKETS_PER_FRAME: [usize; 3] = [1, 16, 64];

const ROUNDS: usize = 4;

/// The planned duration of a round at full speed.
const ROUND_DURATION: Duration = Duration::from_secs(3);

/// The time limit of a round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(180);

/// The rate and the duration of the steady stream.
const PER_SECOND: u32 = 1_000;
const STEADY_S: usize = 600;

/// The duration of the warm-up: one-time compilation and loading isn't measured.
const WARM_UP_S: usize = 10;

/// Compares the app with a raw socket at full speed, in one engine after the other.
///
/// # Errors
/// Fails when a page fails.
pub async fn intake(report: &mut Report) -> Result<()> {
    in_each(async |bench| {
        for packets_per_frame in PACKETS_PER_FRAME {
            bench.intake(packets_per_frame, report).await?;
        }
        Ok(())
    })
    .await
}

/// Measures ten minutes of a steady stream in each engine, one after the other.
///
/// # Errors
/// Fails when a page fails or loses a message.
pub async fn steady(report: &mut Report) -> Result<()> {
    in_each(async |bench| bench.steady(report).await).await
}

async fn in_each(mut measure: impl AsyncFnMut(&Bench<'_>) -> Result<()>) -> Result<()> {
    let folder = peers_folder()?;
    let site = Site::start_below_a_path(folder.path()).await?;
    let station = Station::start().await?;
    for engine in Engine::ALL {
        in_engine(engine, &[Feature::FrameRate], "bench-engines", async |page| {
            println!("- {}", page.evaluate::<String>("navigator.userAgent").await?);
            let bench = Bench { page, station: &station, site: &site };
            measure(&bench).await
        })
        .await?;
    }
    Ok(())
}

struct Bench<'a> {
    page: &'a Page,
    station: &'a Station,
    site: &'a Site,
}

impl Bench<'_> {
    /// Measures the app and a raw socket alternately.
    async fn intake(&self, packets_per_frame: usize, report: &mut Report) -> Result<()> {
        let engine = self.page.browser().engine();
        let (mut ours, mut raw, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut messages = [CYCLE, CYCLE];
        for _ in 0..ROUNDS {
            let mut rates = [0.0; 2];
            for (client, (rate, messages)) in
                [Client::Raw, Client::Ours].into_iter().zip(rates.iter_mut().zip(&mut messages))
            {
                *rate = self.round(client, packets_per_frame, *messages).await.context(client.name())?;
                *messages = ((*rate * ROUND_DURATION.as_secs_f64()) as usize).div_ceil(64) * 64;
            }
            raw.push(rates[0]);
            ours.push(rates[1]);
            ratios.push(rates[1] / rates[0]);
        }
        // The first round is too short, because the rates aren't known yet.
        let middle = |values: &[f64]| median_and_p99(&mut values[1..].to_vec()).0;
        report.add(
            format!("{engine}, {packets_per_frame} packets a frame: messages a second"),
            format!("{:.0}, raw socket {:.0}, ratio {:.3}", middle(&ours), middle(&raw), middle(&ratios)),
            "reported",
            true,
        );
        Ok(())
    }

    /// Returns the messages per second.
    async fn round(&self, client: Client, packets_per_frame: usize, messages: usize) -> Result<f64> {
        let source = Source::start().await?;
        open(self.page, self.station, self.site, client, PropertySet::Empty, &source.ws_url()).await?;
        let warm_up = CYCLE / 4;
        source.send(Burst { messages: warm_up, packets_per_frame, per_second: None }).await?;
        self.page.wait_for_stat("received", warm_up as u64, ROUND_TIMEOUT).await?;
        if client == Client::Ours {
            self.page.wait_for("lines", "lines().length > 0", CRAWL_TIMEOUT).await?;
        }
        let started = Instant::now();
        source.send(Burst { messages, packets_per_frame, per_second: None }).await?;
        self.page.wait_for_stat("received", (warm_up + messages) as u64, ROUND_TIMEOUT).await?;
        Ok(messages as f64 / started.elapsed().as_secs_f64())
    }

    /// Measures ten minutes of a usual stream, with console and crawl both visible.
    async fn steady(&self, report: &mut Report) -> Result<()> {
        let (page, engine) = (self.page, self.page.browser().engine());
        let source = Source::start().await?;
        open(page, self.station, self.site, Client::Ours, PropertySet::Empty, &source.ws_url()).await?;
        let second = PER_SECOND as usize;
        let send = async |seconds| {
            let stream = Burst { messages: seconds * second, packets_per_frame: 1, per_second: Some(PER_SECOND) };
            source.send(stream).await.map(drop)
        };
        send(WARM_UP_S).await?;
        let before_mib = browser_mib()?;
        page.begin_measuring().await?;
        send(STEADY_S).await?;
        let smoothness = page.end_measuring().await?;
        page.wait_for_stat("received", ((WARM_UP_S + STEADY_S) * second) as u64, ROUND_TIMEOUT).await?;
        page.check_accounts().await?;
        check_equal("the state", page.state().await?, "connected".to_owned())?;
        let what = format!("{engine}, {PER_SECOND} messages a second for {STEADY_S} s");
        report.add(
            format!("{what}: p99 of {} frame intervals", smoothness.frames),
            format!("{:.1} ms (longest {:.0} ms)", smoothness.p99_interval_ms, smoothness.longest_interval_ms),
            "under 20 ms",
            smoothness.p99_interval_ms < 20.0,
        );
        report.add(
            format!("{what}: memory of the whole browser"),
            format!("{before_mib:.0} to {:.0} MiB", browser_mib()?),
            "reported",
            true,
        );
        Ok(())
    }
}

/// Returns the memory of all browsers below this process. Memory that several processes share is divided among them.
fn browser_mib() -> Result<f64> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let parent =
            stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (process, parent, stat.to_ascii_lowercase().contains("driver"))));
    }
    // Browsers are below their drivers.
    let mut found: Vec<u32> =
        parents.iter().filter(|(.., is_driver)| *is_driver).map(|(process, ..)| *process).collect();
    let mut seen = 0;
    while seen < found.len() {
        let parent = found[seen];
        found.extend(parents.iter().filter(|(_, other, _)| *other == parent).map(|(process, ..)| *process));
        seen += 1;
    }
    let kib = found.iter().filter_map(|process| {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        pss.trim().trim_end_matches(" kB").parse::<f64>().ok()
    });
    let mib = kib.sum::<f64>() / 1024.0;
    ensure!(mib > 0.0, "no browser runs below a driver");
    Ok(mib)
}
