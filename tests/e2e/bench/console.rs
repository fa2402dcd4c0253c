//! A million messages in the console, and ten thousand per second for a minute.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::load::{Burst, PAYLOAD_BYTES, RARE, RARE_WORD, Source, TOPIC};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use serde::Deserialize;

use crate::report::{Report, median_and_p99};

const MILLION: usize = 1_000_000;

/// The time limit for a million messages to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(180);

/// The messages of one round of intake: so many that the wait for the last number shown is negligible.
const ROUND: usize = 2_048_000;

const ROUNDS: usize = 5;

/// Opens the page in the usual view and connects it to the source.
async fn connect(page: &Page, station: &Station, source: &Source) -> Result<()> {
    page.open(&link(&station.page_url(), &[("broker", &source.ws_url()), ("topic", TOPIC), ("connect", "1")])).await?;
    page.wait_for_state("connected").await
}

/// Measures memory, scrolling and filtering with a full log.
pub async fn million(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let source = Source::start().await?;
    in_browser("bench-million", async |page| {
        connect(page, &station, &source).await?;
        let started = Instant::now();
        source.send(Burst { messages: MILLION, packets_per_frame: 64, per_second: None }).await?;
        page.wait_for_stat("received", MILLION as u64, ARRIVAL_TIMEOUT).await?;
        let per_second = MILLION as f64 / started.elapsed().as_secs_f64();
        println!("{MILLION} messages arrived at {per_second:.0} a second");
        memory(page, &station, report).await?;
        scrolling(page, report).await?;
        filtering(page, report).await?;
        intake_while_filtering(page, &source, report).await
    })
    .await
}

async fn memory(page: &Page, station: &Station, report: &mut Report) -> Result<()> {
    let mut devtools = DevTools::connect(page.browser().profile()?).await?;
    let session = devtools.attach_to_page(&station.page_url()).await?;
    let worker = devtools.attach_to_worker(&session).await?;
    let found = devtools.wasm_memory_bytes(&worker).await? as f64;
    let kept = page.stat("kept").await? as f64;
    let content = kept * (PAYLOAD_BYTES + TOPIC.len()) as f64;
    let wanted = 1.35 * content + 16.0 * f64::from(1 << 20);
    let mb = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    report.add(
        format!("wasm memory of the worker, {kept} messages kept, {} of payloads and topics", mb(content)),
        mb(found),
        format!("at most {}", mb(wanted)),
        found <= wanted,
    );
    Ok(())
}

/// The time until new rows are shown after the scroll bar was moved.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moves {
    /// From the browser's scroll event to the new rows, in milliseconds.
    times_ms: Vec<f64>,
    /// Frames that were drawn with the old rows.
    stale_frames: Vec<f64>,
}

async fn scrolling(page: &Page, report: &mut Report) -> Result<()> {
    let script = "(async () => {
        const scroller = console_().querySelector('.scroller');
        const list = console_().querySelector('.rows');
        const range = scroller.scrollHeight - scroller.clientHeight;
        const timesMs = [], staleFrames = [];
        for (let turn = 0; turn < 200; turn += 1) {
            const rowsThen = list.textContent;
            await new Promise((resolve) => {
                let frames = -1, began;
                scroller.addEventListener('scroll', () => { began = performance.now(); }, { once: true });
                const check = () => {
                    if (began !== undefined) {
                        if (list.textContent !== rowsThen) {
                            timesMs.push(performance.now() - began);
                            staleFrames.push(Math.max(frames, 0));
                            return resolve();
                        }
                        frames += 1;
                    }
                    requestAnimationFrame(check);
                };
                // Irregular steps through the whole bar, without repetition.
                scroller.scrollTop = (turn * 0.618034 % 1) * range * 0.98;
                requestAnimationFrame(check);
            });
        }
        return { timesMs, staleFrames };
    })()";
    let mut moves: Moves = page.evaluate(script).await?;
    let (median_ms, p99_ms) = median_and_p99(&mut moves.times_ms);
    let (median, p99) = median_and_p99(&mut moves.stale_frames);
    report.add(
        "scrolling anywhere in a million: frames that still show the old rows",
        format!("median {median}, p99 {p99} ({median_ms:.1} and {p99_ms:.1} ms after the scroll event)"),
        "at most 1",
        p99 <= 1.0,
    );
    Ok(())
}

/// The time until a filter shows its matches.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filtered {
    /// The time until all rows on screen are matches, in milliseconds.
    first_ms: f64,
    /// The time until the last match is counted, in milliseconds.
    all_ms: f64,
}

async fn filtering(page: &Page, report: &mut Report) -> Result<()> {
    let expected = MILLION / RARE;
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let filtered: Filtered = page
            .evaluate(&format!(
                "(async () => {{
                    const filter = document.querySelector('[type=search]');
                    const type = (text) => {{
                        filter.value = text;
                        filter.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));
                    }};
                    const until = (isTrue) => new Promise((resolve) => {{
                        const check = () => (isTrue() ? resolve(performance.now()) : requestAnimationFrame(check));
                        check();
                    }});
                    const began = performance.now();
                    type('{RARE_WORD}');
                    const first = until(() => rows().length > 10 && rows().every((row) => row.text.includes('{RARE_WORD}')));
                    const all = until(() => stat('matching') === '{expected}');
                    const result = {{ firstMs: await first - began, allMs: await all - began }};
                    type('');
                    await until(() => stat('matching') === stat('kept'));
                    return result;
                }})()"
            ))
            .await?;
        first.push(filtered.first_ms);
        all.push(filtered.all_ms);
    }
    let (first_ms, _) = median_and_p99(&mut first);
    let (all_ms, _) = median_and_p99(&mut all);
    report.add(
        "a word typed over a million: first screenful, median",
        format!("{first_ms:.0} ms"),
        "at most 150 ms",
        first_ms <= 150.0,
    );
    report.add(
        "a word typed over a million: complete, median",
        format!("{all_ms:.0} ms"),
        "at most 1 s",
        all_ms <= 1e3,
    );
    Ok(())
}

/// Measures intake with a full log, without a filter and with one that is applied from the start of the round.
async fn intake_while_filtering(page: &Page, source: &Source, report: &mut Report) -> Result<()> {
    let round = async |filter: &str| -> Result<f64> {
        let before = page.stat("received").await?;
        page.run(&format!(
            "const filter = document.querySelector('[type=search]');
            filter.value = '{filter}';
            filter.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));"
        ))
        .await?;
        let started = Instant::now();
        source.send(Burst { messages: ROUND, packets_per_frame: 64, per_second: None }).await?;
        page.wait_for_stat("received", before + ROUND as u64, ARRIVAL_TIMEOUT).await?;
        Ok(ROUND as f64 / started.elapsed().as_secs_f64())
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let without = round("").await?;
        let with = round(RARE_WORD).await?;
        println!("intake {without:.0} a second without a filter, {with:.0} with one");
        ratios.push(with / without);
    }
    round("").await?;
    let (ratio, _) = median_and_p99(&mut ratios);
    report.add(
        "intake while a million are filtered, of that without a filter, median of pairs",
        format!("{ratio:.3}"),
        "at least 0.90",
        ratio >= 0.9,
    );
    Ok(())
}

/// Measures ten thousand messages per second for a minute, with console and crawl both visible.
pub async fn steady(report: &mut Report) -> Result<()> {
    const PER_SECOND: u32 = 10_000;
    const SECONDS: usize = 60;
    let station = Station::start().await?;
    let source = Source::start().await?;
    in_browser("bench-steady", async |page| {
        connect(page, &station, &source).await?;
        // The first messages compile and load code, which isn't measured.
        let second = PER_SECOND as usize;
        source.send(Burst { messages: 5 * second, packets_per_frame: 1, per_second: Some(PER_SECOND) }).await?;
        page.begin_measuring().await?;
        let messages = SECONDS * second;
        source.send(Burst { messages, packets_per_frame: 1, per_second: Some(PER_SECOND) }).await?;
        let smoothness = page.end_measuring().await?;
        let all = (messages + 5 * second) as u64;
        page.wait_for_stat("received", all, ARRIVAL_TIMEOUT).await.context("the page lags behind")?;
        page.check_accounts().await?;
        report.add(
            format!("p99 of {} frame intervals at {PER_SECOND} messages a second for {SECONDS} s", smoothness.frames),
            format!("{:.1} ms (longest {:.1} ms)", smoothness.p99_interval_ms, smoothness.longest_interval_ms),
            "under 20 ms",
            smoothness.p99_interval_ms < 20.0,
        );
        report.add(
            "long tasks of the page meanwhile",
            format!("{:?}", smoothness.long_tasks_ms),
            "none",
            smoothness.long_tasks_ms.is_empty(),
        );
        Ok(())
    })
    .await
}
