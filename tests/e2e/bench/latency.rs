//! From the publish of a message to the frame that shows its row.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::load::{Burst, Source, TOPIC};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_PATIENCE, PATIENCE, link};
use serde::Deserialize;

use crate::report::{Report, median_and_p99};

const PER_SECOND: usize = 1_000;

const SECONDS: usize = 10;

/// What comes before: what is compiled once isn't what is measured.
const WARM_UP_SECONDS: usize = 4;

/// Two frames of a screen that shows sixty a second, in milliseconds.
const TWO_FRAMES_MS: f64 = 2_000.0 / 60.0;

/// The rows that stood in the console from one frame on; times by the machine's clock, in milliseconds since 1970.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drawing {
    oldest_seq: usize,
    newest_seq: usize,
    /// The frame's own time, which its callbacks are given.
    frame_ms: f64,
    /// When the page's thread was done with it: style, layout and paint are over.
    painted_ms: f64,
    /// The time of the next frame. By then this one has been handed to the screen.
    next_frame_ms: f64,
}

/// A thousand messages a second, console and crawl both in sight.
pub async fn to_painted_rows(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let source = Source::start().await?;
    in_browser("bench-latency", async |page| {
        // Without an opening, whose end would have to be waited for.
        let opening = ["card", "logo", "episode", "title", "intro"].map(|part| (part, ""));
        let broker = source.ws_url();
        let keys = [("broker", broker.as_str()), ("topic", TOPIC), ("view", "split"), ("connect", "1")];
        page.open(&link(&station.page_url(), &[&keys[..], &opening].concat())).await?;
        page.wait_for_state("connected").await?;
        let burst = |seconds: usize| Burst {
            messages: seconds * PER_SECOND,
            packets_per_frame: 1,
            per_second: u32::try_from(PER_SECOND).ok(),
        };
        source.send(burst(WARM_UP_SECONDS)).await?;
        let before = WARM_UP_SECONDS * PER_SECOND;
        page.wait_for_stat("received", before as u64, PATIENCE).await?;
        page.wait_for("lines", "lines().length > 0", CRAWL_PATIENCE).await?;
        begin(page).await?;
        let departures = source.send(burst(SECONDS)).await?;
        page.wait_for_stat("received", (before + SECONDS * PER_SECOND) as u64, PATIENCE).await?;
        let drawings = end(page).await?;

        let mut shown = before;
        let (mut to_frame, mut to_paint, mut to_next) = (Vec::new(), Vec::new(), Vec::new());
        for drawing in &drawings {
            // Messages are numbered from 1.
            for seq in drawing.oldest_seq.max(shown + 1)..=drawing.newest_seq {
                let sent_ms = departures.of(seq - before - 1).context("a row of no message")?;
                to_frame.push(drawing.frame_ms - sent_ms);
                to_paint.push(drawing.painted_ms - sent_ms);
                to_next.push(drawing.next_frame_ms - sent_ms);
            }
            shown = shown.max(drawing.newest_seq);
        }
        let rows = to_next.len();
        ensure!(rows > SECONDS * PER_SECOND / 10, "only {rows} rows were drawn");
        println!("{} drawings a second", drawings.len() / SECONDS);
        let (frame_ms, frame_p99_ms) = median_and_p99(&mut to_frame);
        let (paint_ms, paint_p99_ms) = median_and_p99(&mut to_paint);
        let (next_ms, next_p99_ms) = median_and_p99(&mut to_next);
        let share = 100.0 * rows as f64 / (SECONDS * PER_SECOND) as f64;
        report.add(
            format!("rows that were drawn, of {PER_SECOND} messages a second for {SECONDS} s, both views in sight"),
            format!("{share:.1} %"),
            "said",
            true,
        );
        report.add(
            "publish to the begin of the frame that has the row",
            format!("median {frame_ms:.1} ms, p99 {frame_p99_ms:.1} ms"),
            "said",
            true,
        );
        report.add(
            "publish to the row painted by the page's thread",
            format!("median {paint_ms:.1} ms, p99 {paint_p99_ms:.1} ms"),
            "said",
            true,
        );
        report.add(
            "publish to painted row on its way to the screen (the next frame begins)",
            format!("median {next_ms:.1} ms, p99 {next_p99_ms:.1} ms"),
            "median at most two frames, 33.3 ms",
            next_ms <= TWO_FRAMES_MS,
        );
        Ok(())
    })
    .await
}

/// Begins to note which rows stand in the console when.
async fn begin(page: &Page) -> Result<()> {
    page.run(
        "const seen = window.__drawings = [];
        // The page's clock was set when its process began; by how much the machine's is ahead of it.
        const offsets = [];
        for (let turn = 0; turn < 9; turn += 1) {
            const then = Date.now();
            let now;
            do { now = Date.now(); } while (now === then);
            offsets.push(now - performance.timeOrigin - performance.now());
        }
        const offset = offsets.sort((a, b) => a - b)[4];
        const machine = (ms) => performance.timeOrigin + ms + offset;
        const list = console_().querySelector('.rows');
        const after = new MessageChannel();
        let painting;
        after.port1.onmessage = () => { painting.paintedMs = machine(performance.now()); };
        const drawn = () => {
            const seqs = [...list.children].map((row) => Number(row.dataset.seq));
            const drawing = {
                oldestSeq: Math.min(...seqs),
                newestSeq: Math.max(...seqs),
                frameMs: machine(document.timeline.currentTime),
            };
            painting = drawing;
            // A task of its own comes after the frame that is being made.
            after.port2.postMessage(0);
            requestAnimationFrame((next) => { drawing.nextFrameMs = machine(next); });
            seen.push(drawing);
        };
        new MutationObserver(drawn).observe(list, { subtree: true, childList: true, attributeFilter: ['data-seq'] });",
    )
    .await
}

/// What was noted.
async fn end(page: &Page) -> Result<Vec<Drawing>> {
    let whole = "window.__drawings.every((drawing) => drawing.paintedMs && drawing.nextFrameMs)";
    page.wait_for("the last frame", whole, Duration::from_secs(2)).await?;
    page.evaluate("window.__drawings").await
}
