//! The time from the publish of a message to the frame that shows its row.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::load::{Burst, Source, TOPIC};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};
use serde::Deserialize;

use crate::report::{Report, median_and_p99};

const PER_SECOND: usize = 1_000;

const SECONDS: usize = 10;

/// The duration of the warm-up: one-time compilation isn't measured.
const WARM_UP_SECONDS: usize = 4;

/// The duration of two frames at 60 frames per second, in milliseconds.
const TWO_FRAMES_MS: f64 = 2_000.0 / 60.0;

/// The rows of the console from one frame on; times by the machine's clock, in milliseconds since 1970.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drawing {
    oldest_seq: usize,
    newest_seq: usize,
    /// The frame's own time, which its callbacks receive.
    frame_ms: f64,
    /// The end of style, layout and paint in the page's thread.
    painted_ms: f64,
    /// The time of the next frame. By then this one is on its way to the screen.
    next_frame_ms: f64,
}

/// Measures a thousand messages per second, with console and crawl both visible.
pub async fn to_painted_rows(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let source = Source::start().await?;
    in_browser("bench-latency", async |page| {
        // Without an opening: otherwise the measurement would have to wait for its end.
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
        page.wait_for_stat("received", before as u64, WAIT_TIMEOUT).await?;
        page.wait_for("lines", "lines().length > 0", CRAWL_TIMEOUT).await?;
        begin(page).await?;
        let departures = source.send(burst(SECONDS)).await?;
        page.wait_for_stat("received", (before + SECONDS * PER_SECOND) as u64, WAIT_TIMEOUT).await?;
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
            format!("rows that were drawn, of {PER_SECOND} messages a second for {SECONDS} s, both views visible"),
            format!("{share:.1} %"),
            "reported",
            true,
        );
        report.add(
            "publish to the beginning of the frame that has the row",
            format!("median {frame_ms:.1} ms, p99 {frame_p99_ms:.1} ms"),
            "reported",
            true,
        );
        report.add(
            "publish to the row painted by the page's thread",
            format!("median {paint_ms:.1} ms, p99 {paint_p99_ms:.1} ms"),
            "reported",
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

/// Starts to record the console's rows over time.
async fn begin(page: &Page) -> Result<()> {
    page.run(
        "const drawings = window.__drawings = [];
        // The offset of the machine's clock to the page's, which was set when its process began.
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
            // A new task runs after the current frame.
            after.port2.postMessage(0);
            requestAnimationFrame((next) => { drawing.nextFrameMs = machine(next); });
            drawings.push(drawing);
        };
        new MutationObserver(drawn).observe(list, { subtree: true, childList: true, attributeFilter: ['data-seq'] });",
    )
    .await
}

/// Returns the recording.
async fn end(page: &Page) -> Result<Vec<Drawing>> {
    let whole = "window.__drawings.every((drawing) => drawing.paintedMs && drawing.nextFrameMs)";
    page.wait_for("the last frame", whole, Duration::from_secs(2)).await?;
    page.evaluate("window.__drawings").await
}
