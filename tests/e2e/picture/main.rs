//! What `cargo xtask picture` runs: records the README's moving picture, `assets/mqtt-crawl.webp`.
//!
//! It shows the released site in Chromium, in the split view, while the released producer publishes the sample script to
//! the released station. Each frame is a screenshot and is shown as long as it took until the next one, so the speed is the
//! real one.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::engine::Engine;
use mqtt_crawl_e2e::page::{Page, in_engine};
use mqtt_crawl_e2e::process::find_program;
use mqtt_crawl_e2e::publish::producer;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{link, root};
use tokio::process::Command;

/// The size of the picture in pixels. The README shows it in a column of about 800.
const SIZE: (u32, u32) = (1_200, 640);
/// The script that the page shows.
const SCRIPT: &str = "assets/dialogues/the-quiet-broker.txt";
/// The duration of the picture.
const RECORDING: Duration = Duration::from_secs(14);
/// The time from a screenshot to the next one. A slow machine takes longer.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);
/// The maximum duration until the crawl is full of lines.
const FILLED_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of lines of the crawl that fill it.
const LINES_BEFORE: usize = 8;
/// The quality of the frames, from 0 to 100.
const QUALITY: &str = "45";
/// The maximum size of the picture, in bytes: the README should load fast.
const BYTES_MAX: u64 = 3_000_000;

/// A screenshot (PNG), and how long it is shown.
struct Frame {
    png: Vec<u8>,
    duration_ms: u128,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let station = Station::start().await?;
    let _producer = producer(&format!("mqtt://127.0.0.1:{}", station.mqtt_port()?))?
        .args(["--interval", "1s", "--loop", "--quiet"])
        .arg(root().join(SCRIPT))
        .stdout(Stdio::null())
        .spawn()
        .context("starting the producer")?;
    in_engine(Engine::Chromium, &[], "picture", async |page| {
        page.resize(SIZE, 1.0).await?;
        page.open(&link(&station.page_url(), &[("connect", "1"), ("view", "split")])).await?;
        page.wait_for("a full crawl", &format!("lines().length >= {LINES_BEFORE}"), FILLED_TIMEOUT).await?;
        let frames = record(page).await?;
        encode(&frames, &root().join("assets/mqtt-crawl.webp")).await
    })
    .await
}

async fn record(page: &Page) -> Result<Vec<Frame>> {
    let begin = Instant::now();
    let mut frames: Vec<Frame> = Vec::new();
    let mut taken = begin;
    while taken - begin < RECORDING {
        let png = page.browser().client().screenshot().await?;
        tokio::time::sleep(FRAME_INTERVAL.saturating_sub(taken.elapsed())).await;
        let now = Instant::now();
        frames.push(Frame { png, duration_ms: (now - taken).as_millis() });
        taken = now;
    }
    Ok(frames)
}

async fn encode(frames: &[Frame], picture: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(find_program("img2webp", "webp")?);
    command.args(["-loop", "0", "-mixed"]);
    for (number, frame) in frames.iter().enumerate() {
        let file = folder.path().join(format!("{number:03}.png"));
        std::fs::write(&file, &frame.png)?;
        command.args(["-d", &frame.duration_ms.to_string(), "-lossy", "-q", QUALITY, "-m", "6"]).arg(file);
    }
    let status = command.arg("-o").arg(picture).stdout(Stdio::null()).status().await.context("starting img2webp")?;
    ensure!(status.success(), "img2webp ended with {status}");
    let bytes = picture.metadata()?.len();
    println!("{}: {} frames, {bytes} bytes", picture.display(), frames.len());
    ensure!(bytes <= BYTES_MAX, "the picture is larger than {BYTES_MAX} bytes");
    Ok(())
}
