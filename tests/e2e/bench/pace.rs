//! Whether every line of a stream is shown, with which delay and processor time: ten minutes at one line per second,
//! and five minutes at five.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use mqtt_crawl::dialogue::script;
use mqtt_crawl_e2e::animation::{TOPIC, line};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::publish::Publisher;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{link, root};
use serde::Deserialize;

use crate::report::Report;
use crate::usage::Processes;

/// A stream of lines.
struct Stream {
    name: &'static str,
    lines: u32,
    per_s: u32,
}

/// The result of a stream.
struct Shown {
    /// The time from publish until the line crosses the edge of the stage, in seconds; in order of publishing.
    lags_s: Vec<f64>,
    /// The number of skip notices.
    notes: usize,
    /// The maximum age of the newest visible line.
    oldest_newest_s: f64,
    p99_interval_ms: f64,
    cores: f64,
}

/// The page's recording, by its clock in milliseconds since 1970.
#[derive(Deserialize)]
struct Recording {
    lines: Vec<(u64, f64)>,
    notes: Vec<u64>,
    intervals: Vec<f64>,
}

/// Measures a stream of which every line is shown, and one with too many lines.
///
/// # Errors
/// Fails when the page fails.
pub async fn streams(report: &mut Report) -> Result<()> {
    let shown = stream(Stream { name: "bench-pace", lines: 600, per_s: 1 }).await?;
    let p99_s = quantile(&shown.lags_s, 0.99);
    report.add(
        "600 lines in 600 s: shown",
        format!("{} and {} notices", shown.lags_s.len(), shown.notes),
        "600, and no notice",
        shown.lags_s.len() == 600 && shown.notes == 0,
    );
    report.add("p99 from publish to the edge of the crawl", format!("{p99_s:.1} s"), "under 10 s", p99_s < 10.0);
    report.add(
        "p99 of the intervals between frames meanwhile",
        format!("{:.1} ms", shown.p99_interval_ms),
        "under 20 ms",
        shown.p99_interval_ms < 20.0,
    );
    report.add("the browser meanwhile", format!("{:.2} of a core", shown.cores), "reported", true);

    let shown = stream(Stream { name: "bench-pace-five", lines: 1_500, per_s: 5 }).await?;
    let part = shown.lags_s.len() as f64 / 1_500.0;
    report.add(
        "5 lines a second for 5 minutes: shown",
        format!("{:.0} %, {} notices", 100.0 * part, shown.notes),
        "at least 40 %, at most one notice in eight blocks",
        part >= 0.4 && shown.notes * 8 <= shown.lags_s.len() + shown.notes,
    );
    report.add(
        "the maximum age of the newest visible line",
        format!("{:.1} s", shown.oldest_newest_s),
        "at most 15 s",
        shown.oldest_newest_s <= 15.0,
    );
    Ok(())
}

async fn stream(stream: Stream) -> Result<Shown> {
    let station = Station::start().await?;
    let mut shown = None;
    in_browser(stream.name, async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1"), ("view", "crawl")])).await?;
        page.wait_for_state("connected").await?;
        record(page).await?;
        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let processes = Processes::of(&mut devtools).await?;
        drop(devtools);
        let (before, begun) = (processes.times(), Instant::now());
        let published = publish(&stream, station.mqtt_port()?).await?;
        let (after, took) = (processes.times(), begun.elapsed());
        // The last lines are still on their way.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let recording: Recording = page
            .evaluate("(() => { const recording = window.__recording; recording.on = false; return recording; })()")
            .await?;
        let used = after.iter().sum::<Duration>().saturating_sub(before.iter().sum());
        shown = Some(Shown::of(&recording, &published, used.as_secs_f64() / took.as_secs_f64()));
        Ok(())
    })
    .await?;
    shown.context("nothing was shown")
}

/// Records each line when it crosses the edge, and each frame.
async fn record(page: &Page) -> Result<()> {
    page.run(
        "const recording = window.__recording = { lines: [], notes: [], intervals: [], on: true };
        const section = crawl(), plane = section.querySelector('.plane'), known = new Set();
        let last;
        const frame = (now) => {
            if (last !== undefined) recording.intervals.push(now - last);
            last = now;
            const edge = section.getBoundingClientRect().bottom;
            for (const line of plane.querySelectorAll('.line')) {
                const seq = Number(line.dataset.seq), key = line.className + seq;
                if (known.has(key) || line.getBoundingClientRect().top >= edge) continue;
                known.add(key);
                if (line.classList.contains('passed')) recording.notes.push(seq);
                else recording.lines.push([seq, Date.now()]);
            }
            if (recording.on) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);",
    )
    .await
}

/// Publishes the sample script, then lines of 4 to 16 words. Returns the time of each message's publish.
async fn publish(stream: &Stream, mqtt_port: u16) -> Result<BTreeMap<u64, f64>> {
    let script = std::fs::read(root().join("assets/dialogues/the-quiet-broker.txt")).context("the sample script")?;
    let script = script::parse(&script, None);
    let script = script.lines.iter().map(|line| line.line.to_json());
    let mut publisher = Publisher::connect(mqtt_port).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / stream.per_s);
    let mut published = BTreeMap::new();
    for (seq, payload) in (1..).zip(script.chain((0..).map(line)).take(stream.lines as usize)) {
        ticks.tick().await;
        publisher.publish(TOPIC, &payload).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        published.insert(seq, now.as_secs_f64() * 1_000.0);
    }
    Ok(published)
}

impl Shown {
    fn of(recording: &Recording, published: &BTreeMap<u64, f64>, cores: f64) -> Self {
        let shown: BTreeMap<u64, f64> = recording.lines.iter().copied().collect();
        let lags_s = shown.iter().filter_map(|(seq, at)| Some((at - published.get(seq)?) / 1_000.0)).collect();
        // The newest visible line is oldest right before the next one enters.
        let mut entered: Vec<(u64, f64)> = recording.lines.clone();
        entered.sort_by(|a, b| a.1.total_cmp(&b.1));
        let ages = entered.windows(2).filter_map(|pair| Some((pair[1].1 - published.get(&pair[0].0)?) / 1_000.0));
        Self {
            lags_s,
            notes: recording.notes.len(),
            oldest_newest_s: ages.fold(0.0, f64::max),
            p99_interval_ms: quantile(&recording.intervals, 0.99),
            cores,
        }
    }
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get(((sorted.len() as f64 * part) as usize).min(last)).copied().unwrap_or_default()
}
