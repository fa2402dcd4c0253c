//! The three engines: how much of a raw socket's stream the app takes in each, and ten minutes of a steady stream.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::CRAWL_PATIENCE;
use mqtt_crawl_e2e::engine::{Engine, Feature};
use mqtt_crawl_e2e::load::{Burst, CYCLE, PropertySet, Source};
use mqtt_crawl_e2e::page::{Page, check_equal, in_engine};
use mqtt_crawl_e2e::site::Site;
use mqtt_crawl_e2e::station::Station;

use crate::intake::{Client, open, peers_folder};
use crate::report::{Report, median_and_p99};

/// Sizes of frames, in packets.
const PACKETS_PER_FRAME: [usize; 3] = [1, 16, 64];

const ROUNDS: usize = 4;

/// How long a round at full speed is to take.
const ROUND: Duration = Duration::from_secs(3);

/// How long one may take in the end.
const ROUND_TIMEOUT: Duration = Duration::from_secs(180);

/// The steady stream.
const PER_SECOND: u32 = 1_000;
const STEADY_S: usize = 600;

/// What comes before it: what is compiled and loaded once isn't what is measured.
const WARM_UP_S: usize = 10;

/// The app beside a raw socket at full speed, in one engine after the other.
///
/// # Errors
/// When a page fails.
pub async fn intake(report: &mut Report) -> Result<()> {
    in_each(async |bench| {
        for packets_per_frame in PACKETS_PER_FRAME {
            bench.intake(packets_per_frame, report).await?;
        }
        Ok(())
    })
    .await
}

/// Ten minutes of a steady stream in each, one after the other.
///
/// # Errors
/// When a page fails, or lost a message.
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
    /// The app and a raw socket in turn.
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
                *messages = ((*rate * ROUND.as_secs_f64()) as usize).div_ceil(64) * 64;
            }
            raw.push(rates[0]);
            ours.push(rates[1]);
            ratios.push(rates[1] / rates[0]);
        }
        // The first round is short: nobody knew yet how fast they are.
        let middle = |values: &[f64]| median_and_p99(&mut values[1..].to_vec()).0;
        report.add(
            format!("{engine}, {packets_per_frame} packets a frame: messages a second"),
            format!("{:.0}, raw socket {:.0}, ratio {:.3}", middle(&ours), middle(&raw), middle(&ratios)),
            "said",
            true,
        );
        Ok(())
    }

    /// Messages a second.
    async fn round(&self, client: Client, packets_per_frame: usize, messages: usize) -> Result<f64> {
        let source = Source::start().await?;
        open(self.page, self.station, self.site, client, PropertySet::Empty, &source.ws_url()).await?;
        let warm_up = CYCLE / 4;
        source.send(Burst { messages: warm_up, packets_per_frame, per_second: None }).await?;
        self.page.wait_for_stat("received", warm_up as u64, ROUND_TIMEOUT).await?;
        if client == Client::Ours {
            self.page.wait_for("lines", "lines().length > 0", CRAWL_PATIENCE).await?;
        }
        let started = Instant::now();
        source.send(Burst { messages, packets_per_frame, per_second: None }).await?;
        self.page.wait_for_stat("received", (warm_up + messages) as u64, ROUND_TIMEOUT).await?;
        Ok(messages as f64 / started.elapsed().as_secs_f64())
    }

    /// Ten minutes of a stream that people have, console and crawl both in sight.
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
            "said",
            true,
        );
        Ok(())
    }
}

/// What all browsers below this process share of the machine's memory: what several processes have in common is divided
/// among them.
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
