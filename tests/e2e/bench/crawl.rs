//! The crawl's frames in a flood, and in ten minutes with a burst in the middle.

use std::fmt;

use anyhow::Result;
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::load::{Source, TOPIC};
use mqtt_crawl_e2e::motion::{self, Burst, Flood};
use mqtt_crawl_e2e::page::in_browser;
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, link};

use crate::report::Report;
use crate::work::Work;

/// Measures a thousand messages per second on a machine six times slower.
pub async fn flood(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let source = Source::start().await?;
    in_browser("bench-flood", async |page| {
        let broker = source.ws_url();
        page.open(&link(&station.page_url(), &[("broker", &broker), ("topic", TOPIC), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let flood = Flood { per_second: 1_000, seconds: 5, slower: 1 };
        motion::flood(page, &source, flood).await?;
        page.wait_for("lines", "lines().length > 0", CRAWL_TIMEOUT).await?;
        let flood = Flood { seconds: 20, slower: 6, ..flood };
        let (frames_per_s, smoothness) = motion::flood(page, &source, flood).await?;
        report.add(
            "the page at 1,000 messages a second, slowed six times: frames a second",
            format!("{frames_per_s:.1} (longest interval {:.0} ms)", smoothness.longest_interval_ms),
            "at least 55",
            frames_per_s >= 55.0,
        );
        Ok(())
    })
    .await
}

/// Measures ten minutes at a line per second with a burst of 2,000 in the middle.
pub async fn burst(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    in_browser("bench-burst", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        let broker = Login::anonymous(station.mqtt_port()?);
        broker.publish(Version::V5, TOPIC, "GAUGE: The first of many").await?;
        page.wait_for_line("The first of many").await?;
        // One-time allocations are made by an earlier burst, so that the ten minutes begin with all of them.
        motion::burst(page, broker, Burst { around: 15, lines: 2_000 }).await?;
        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let session = devtools.attach_to_page(&station.page_url()).await?;
        let worker = devtools.attach_to_worker(&session).await?;
        let before = Memory::of(&mut devtools, &session, &worker).await?;
        let work = Work::start(devtools.page_processes().await?);
        let (motion, waited) = motion::burst(page, broker, Burst { around: 300, lines: 2_000 }).await?;
        let work = work.end();
        let after = Memory::of(&mut devtools, &session, &worker).await?;
        report.add(
            "memory over those ten minutes: JavaScript's heap, wasm of the page, wasm of the worker",
            format!("{before} before, {after} after"),
            "at most 2 MB more in all",
            after.bytes() <= before.bytes() + 2_000_000,
        );
        report.add(
            "the newest line after a burst of 2,000",
            format!("on screen after {:.1} s", waited.as_secs_f64()),
            "within 30 s",
            waited.as_secs_f64() <= 30.0,
        );
        report.add(
            "frames in ten minutes at a line a second, and a burst",
            format!("{:.1} a second, longest interval {:.0} ms", motion.frames_per_s(), motion.longest_interval_ms),
            "no interval over 50 ms",
            motion.longest_interval_ms <= 50.0,
        );
        let most_ms = motion.late_ms.iter().map(|(from, to)| work.ms_between(*from, *to)).fold(0.0, f64::max);
        report.add(
            format!(
                "the maximum processor time of the page's thread in any of the {} longer ones",
                motion.late_ms.len()
            ),
            format!("{most_ms:.0} ms"),
            "under 50 ms",
            most_ms < 50.0,
        );
        report.add(
            "the maximum backward movement of a line in those ten minutes",
            format!("{:.2} px", motion.backward_px),
            "at most 1 px",
            motion.backward_px <= 1.0,
        );
        report.add(
            "blocks on the plane in those ten minutes",
            format!("{} at most", motion.most_nodes),
            "at most 80",
            motion.most_nodes <= 80,
        );
        Ok(())
    })
    .await
}

/// The app's memory, in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    /// The page's JavaScript heap.
    pub heap: u64,
    /// The page's wasm.
    pub page: u64,
    /// The worker's wasm.
    pub worker: u64,
}

impl Memory {
    /// Returns the memory after a garbage collection.
    pub async fn of(devtools: &mut DevTools, page: &str, worker: &str) -> Result<Self> {
        Ok(Self {
            heap: devtools.heap_bytes(page).await?,
            page: devtools.wasm_memory_bytes(page).await?,
            worker: devtools.wasm_memory_bytes(worker).await?,
        })
    }

    fn bytes(&self) -> u64 {
        self.heap + self.page + self.worker
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        write!(f, "{:.1} + {:.1} + {:.1} MB", mb(self.heap), mb(self.page), mb(self.worker))
    }
}
