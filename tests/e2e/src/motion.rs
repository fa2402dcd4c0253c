//! Observes the crawl frame by frame, like a camera.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::load::{self, Source};
use crate::page::{Page, Smoothness};
use crate::publish::{Login, Version};

/// The movement of the crawl during an observation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MotionReport {
    /// The number of frames.
    pub frames: u64,
    /// The duration, in milliseconds.
    pub milliseconds: f64,
    /// The largest distance that a line moved backward from one frame to the next, in pixels.
    pub backward_px: f64,
    /// The longest interval between frames, in milliseconds.
    pub longest_interval_ms: f64,
    /// Each interval of more than 50 ms: its start and its end by the machine's clock, in milliseconds since 1970.
    pub late_ms: Vec<(f64, f64)>,
    /// The median of the intervals between frames, in milliseconds.
    pub median_interval_ms: f64,
    /// The maximum number of blocks on the plane.
    pub most_nodes: u64,
    /// The newest message whose line was on screen.
    pub newest_seq: u64,
}

impl MotionReport {
    /// Returns the frames per second.
    pub fn frames_per_s(&self) -> f64 {
        self.frames as f64 * 1_000.0 / self.milliseconds.max(1.0)
    }
}

/// Starts the observation.
pub async fn begin(page: &Page) -> Result<()> {
    page.run(
        "const report = window.__motion = { frames: 0, backward: 0, nodes: 0, newest: 0, intervals: [], on: true };
        report.late = [];
        const section = crawl(), plane = section.querySelector('.plane');
        const before = new Map();
        let last;
        const frame = (now) => {
            if (last !== undefined) report.intervals.push(now - last);
            if (now - last > 50) report.late.push([last, now].map((ms) => performance.timeOrigin + ms));
            last = now;
            report.frames += 1;
            report.nodes = Math.max(report.nodes, plane.childElementCount);
            const edge = section.getBoundingClientRect().bottom;
            for (const line of plane.querySelectorAll('.line')) {
                const { top, bottom } = line.getBoundingClientRect();
                if (before.has(line)) report.backward = Math.max(report.backward, bottom - before.get(line));
                before.set(line, bottom);
                if (top < edge) report.newest = Math.max(report.newest, Number(line.dataset.seq));
            }
            for (const line of before.keys()) if (!line.isConnected) before.delete(line);
            if (report.on) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);",
    )
    .await
}

/// Ends the observation.
pub async fn end(page: &Page) -> Result<MotionReport> {
    page.evaluate(
        "(() => {
            const report = window.__motion;
            report.on = false;
            const intervals = report.intervals.toSorted((a, b) => a - b);
            return {
                frames: report.frames,
                lateMs: report.late,
                milliseconds: intervals.reduce((sum, each) => sum + each, 0),
                backwardPx: report.backward,
                longestIntervalMs: intervals.at(-1) ?? 0,
                medianIntervalMs: intervals[intervals.length >> 1] ?? 0,
                mostNodes: report.nodes,
                newestSeq: report.newest,
            };
        })()",
    )
    .await
}

/// How a burst in the middle of a stream is sent.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// The number of lines, one per second, before it and again after it.
    pub around: u32,
    /// The number of lines at once.
    pub lines: u32,
}

/// Sends a line per second, a burst, and a line per second again; `page` is connected to that broker. Returns what was
/// observed, and the time after the burst until its newest line, or a later one, was on screen.
///
/// # Errors
/// Fails when that takes more than two minutes.
pub async fn burst(page: &Page, broker: Login<'_>, burst: Burst) -> Result<(MotionReport, Duration)> {
    let stream = async |from: u32, count: u32| -> Result<()> {
        let mut each_second = tokio::time::interval(Duration::from_secs(1));
        for number in from..from + count {
            each_second.tick().await;
            broker.publish(Version::V5, "StarWars", &line(number)).await?;
        }
        Ok(())
    };
    let known = page.stat("received").await?;
    begin(page).await?;
    stream(0, burst.around).await?;
    let text: String = (0..burst.lines).map(|number| line(number) + "\n").collect();
    broker.publish_lines(Version::V5, "StarWars", text).await?;
    let newest = known + u64::from(burst.around + burst.lines);
    let over = std::time::Instant::now();
    let shown = format!("window.__motion.newest >= {newest}");
    let (streamed, waited) = tokio::join!(stream(burst.lines, burst.around), async {
        page.wait_for("the burst's newest line", &shown, Duration::from_secs(120)).await.map(|()| over.elapsed())
    });
    streamed?;
    let motion = end(page).await?;
    ensure!(motion.frames > 0, "no frame was drawn");
    Ok((motion, waited?))
}

/// A stream with a rate and a duration, on a machine that is slowed down by a factor.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Messages per second.
    pub per_second: u32,
    /// The duration, in seconds.
    pub seconds: u32,
    /// The factor by which the page's thread is slowed down.
    pub slower: u32,
}

/// Returns the page's frames per second in a flood, and the longest interval between two; `page` is connected to the
/// source and past the opening. The frames are only counted, because observing every line would itself cost a slow
/// machine frames.
pub async fn flood(page: &Page, source: &Source, flood: Flood) -> Result<(f64, Smoothness)> {
    page.browser().slow_down(flood.slower).await?;
    page.begin_measuring().await?;
    let begun = std::time::Instant::now();
    let messages = (flood.per_second * flood.seconds) as usize;
    source.send(load::Burst { messages, packets_per_frame: 1, per_second: Some(flood.per_second) }).await?;
    let took = begun.elapsed();
    let smoothness = page.end_measuring().await?;
    page.browser().slow_down(1).await?;
    Ok((smoothness.frames as f64 / took.as_secs_f64(), smoothness))
}

fn line(number: u32) -> String {
    format!(r#"{{"character":"GAUGE","text":"Reading {number} from the far side of the harbour."}}"#)
}
