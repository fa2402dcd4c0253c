//! An hour of the crawl under all conditions of use: bursts, floods, seeking, other speeds and sizes, a broker that is
//! killed, a hidden page. It is the only measurement that fails: if a visible row isn't painted, if a line moves
//! backward without input, or if memory grows by more than the log.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::animation::{NO_OPENING, TOPIC, line};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::ink::{self, LATE_MAX, Sample};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, KilledMosquitto, Mosquitto};
use mqtt_crawl_e2e::motion::{self, MotionReport};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::publish::Publisher;
use mqtt_crawl_e2e::station::Station;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::WAIT_TIMEOUT;
use crate::crawl::Memory;
use crate::report::Report;

/// The interval between samples of everything.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

const SAMPLES_PER_MINUTE: usize = 6;

/// The number of lines of a burst.
const BURST: u32 = 200;

/// Lines per second in a flood, and otherwise.
const FLOOD_PER_S: f64 = 1_000.0;
const USUAL_PER_S: f64 = 1.0;

/// The interval at which the feed sends due lines.
const FEED_INTERVAL: Duration = Duration::from_millis(20);

/// The maximum distance that a line may move backward without input: the size of rounding errors.
const BACKWARD_PX_MAX: f64 = 1.0;

/// The maximum memory of the log per byte of payload and topic, as for a million messages.
const LOG_SHARE: f64 = 1.35;

/// The maximum growth of the worker's memory in addition: wasm memory grows in steps, and never shrinks.
const WORKER_ALLOWANCE_BYTES: f64 = 16.0 * 1_048_576.0;

/// The maximum growth of the page's heap and wasm: the page keeps only the last thousand blocks.
const PAGE_ALLOWANCE_BYTES: f64 = 4e6;

/// The minimum average number of rows expected in a sample; with fewer the run is inconclusive.
const AVERAGE_ROWS_MIN: f64 = 3.0;

/// An action of the test on the crawl.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Burst,
    Key(&'static str),
    /// The wheel, back by this number of notches.
    WheelBack(u32),
    Resize((u32, u32), f64),
    FloodBegins,
    FloodEnds,
    BrokerKilled,
    BrokerRestarted,
    Hide,
    Show,
}

/// The samples of a cycle, one every ten seconds, at which events happen.
const CYCLE: [(usize, Event); 22] = [
    (2, Event::Burst),
    (4, Event::Key("ArrowUp")),
    (5, Event::Key("ArrowUp")),
    (6, Event::Key("ArrowUp")),
    (8, Event::Key("ArrowDown")),
    (9, Event::Key("ArrowDown")),
    (10, Event::Key("ArrowDown")),
    (11, Event::WheelBack(12)),
    (12, Event::Key("PageUp")),
    (13, Event::Key("PageDown")),
    (14, Event::Key("Home")),
    (15, Event::Resize((1_024, 768), 1.0)),
    (16, Event::Resize((390, 844), 3.0)),
    (17, Event::Resize((1_920, 1_080), 1.0)),
    (18, Event::Resize((1_280, 720), 1.0)),
    (20, Event::FloodBegins),
    (26, Event::FloodEnds),
    (29, Event::BrokerKilled),
    (30, Event::BrokerRestarted),
    (33, Event::Hide),
    (39, Event::Show),
    (40, Event::Burst),
];

/// The number of samples of a cycle: seven minutes.
const CYCLE_SAMPLES: usize = 42;

impl Event {
    /// Returns the event at this sample, counted from 0.
    fn at(sample: usize) -> Option<Self> {
        CYCLE.iter().find(|(position, _)| *position == sample % CYCLE_SAMPLES).map(|(_, event)| *event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Burst => write!(f, "burst of {BURST}"),
            Self::Key(key) => f.write_str(key),
            Self::WheelBack(_) => f.write_str("wheel back"),
            Self::Resize((width, height), ratio) => write!(f, "{width}×{height} ×{ratio}"),
            Self::FloodBegins => f.write_str("flood"),
            Self::FloodEnds => f.write_str("flood ends"),
            Self::BrokerKilled => f.write_str("broker killed"),
            Self::BrokerRestarted => f.write_str("broker restarted"),
            Self::Hide => f.write_str("hidden"),
            Self::Show => f.write_str("shown"),
        }
    }
}

/// Runs the test, and reports the results.
///
/// # Errors
/// Fails when a row is missing on screen, a line moves backward, or memory grows by more than the log.
pub async fn run(report: &mut Report, minutes: u32) -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let count = minutes as usize * SAMPLES_PER_MINUTE;
    in_browser("bench-soak", async |page| {
        // The browser's message for a socket that can't be opened.
        page.expect_errors("WebSocket connection to");
        let broker = mosquitto.ws_url();
        let keys = [("broker", broker.as_str()), ("topic", TOPIC), ("view", "split"), ("connect", "1")];
        let keys: Vec<_> = NO_OPENING.into_iter().chain(keys).collect();
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let feed_state =
            Rc::new(FeedState { per_s: Cell::new(USUAL_PER_S), extra: Cell::new(0), sent: Cell::default() });
        let port = mosquitto.mqtt_port();
        let soak = Soak::begin(page, &station, mosquitto, feed_state.clone()).await?;
        println!("{HEAD}");
        let mut samples = Vec::new();
        let ran = tokio::select! {
            ran = soak.run(count, &mut samples) => ran,
            fed = feed(port, &feed_state) => fed,
        };
        check(report, &samples).and(ran)
    })
    .await
}

/// The rate that the feed has to send, and the lines sent so far.
struct FeedState {
    per_s: Cell<f64>,
    /// Lines to send at once.
    extra: Cell<u32>,
    /// The number of lines, and the bytes of their payloads and topics.
    sent: Cell<(u64, u64)>,
}

/// Publishes at the requested rate, without end. Lines that are due while there is no broker are skipped.
async fn feed(mqtt_port: u16, state: &FeedState) -> Result<()> {
    let mut publisher = None;
    let mut number = 0;
    let mut due = 0.0;
    let mut tick = tokio::time::interval(FEED_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        let now = tick.tick().await;
        due += now.duration_since(last).as_secs_f64() * state.per_s.get() + f64::from(state.extra.take());
        last = now;
        while due >= 1.0 {
            due -= 1.0;
            if publisher.is_none() {
                publisher = Publisher::connect(mqtt_port).await.ok();
            }
            let Some(connected) = &mut publisher else { continue };
            let payload = line(number);
            number += 1;
            if connected.publish(TOPIC, &payload).await.is_err() {
                publisher = None;
                continue;
            }
            let (lines, bytes) = state.sent.get();
            state.sent.set((lines + 1, bytes + (payload.len() + TOPIC.len()) as u64));
        }
    }
}

struct Soak<'a> {
    page: &'a Page,
    /// Either this or `killed` is present.
    mosquitto: Option<Mosquitto>,
    killed: Option<KilledMosquitto>,
    feed: Rc<FeedState>,
    devtools: DevTools,
    session: String,
    worker: String,
    is_hidden: bool,
}

/// The state at one sample.
struct SoakSample {
    event: Option<Event>,
    /// `None` while the page is hidden.
    crawl: Option<(Sample, MotionReport)>,
    nodes: u64,
    memory: Memory,
    /// Payloads and topics in the log, in bytes.
    log_bytes: f64,
}

/// Whether the plane is paused.
const IS_PAUSED: &str = "isPaused()";

/// A notch of the wheel, back.
const WHEEL_BACK: &str =
    "crawl().dispatchEvent(new WheelEvent('wheel', { deltaY: -200, bubbles: true, cancelable: true }));";

/// Numbers of the page, read in one script.
#[derive(Deserialize)]
struct Numbers {
    kept: u64,
    nodes: u64,
}

const NUMBERS: &str = "({ kept: Number(stat('kept')), nodes: document.querySelectorAll('*').length })";

impl<'a> Soak<'a> {
    async fn begin(page: &'a Page, station: &Station, mosquitto: Mosquitto, feed: Rc<FeedState>) -> Result<Self> {
        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let session = devtools.attach_to_page(&station.page_url()).await?;
        let worker = devtools.attach_to_worker(&session).await?;
        let mosquitto = Some(mosquitto);
        Ok(Self { page, mosquitto, killed: None, feed, devtools, session, worker, is_hidden: false })
    }

    /// Adds each sample at once, so that it is kept if a later one fails.
    async fn run(mut self, count: usize, samples: &mut Vec<SoakSample>) -> Result<()> {
        let begun = Instant::now();
        for number in 0..count {
            let event = Event::at(number);
            if let Some(event) = event {
                self.trigger(event).await.with_context(|| format!("{event} at sample {number}"))?;
            }
            // The event may have taken most of the time.
            let until =
                (begun + SAMPLE_INTERVAL * u32::try_from(number + 1)?).max(Instant::now() + SAMPLE_INTERVAL / 2);
            let sample = self.sample(event, number, until).await?;
            println!("{}", row(&clock(number + 1), std::slice::from_ref(&sample)));
            samples.push(sample);
        }
        Ok(())
    }

    /// Observes the motion until then, and takes a sample.
    async fn sample(&mut self, event: Option<Event>, number: usize, until: Instant) -> Result<SoakSample> {
        let page = self.page;
        let crawl = if self.is_hidden {
            sleep_until(until).await;
            None
        } else {
            page.wait_for_frame().await?;
            motion::begin(page).await?;
            sleep_until(until).await;
            let motion = motion::end(page).await?;
            Some((ink::sample(page, &format!("soak-{number}")).await?, motion))
        };
        let Numbers { kept, nodes } = page.evaluate(NUMBERS).await?;
        let (lines, bytes) = self.feed.sent.get();
        let log_bytes = kept as f64 * bytes as f64 / lines.max(1) as f64;
        let memory = Memory::of(&mut self.devtools, &self.session, &self.worker).await?;
        Ok(SoakSample { event, crawl, nodes, memory, log_bytes })
    }

    /// Triggers an event, and waits until its effect is visible.
    async fn trigger(&mut self, event: Event) -> Result<()> {
        let page = self.page;
        match event {
            Event::Burst => self.feed.extra.set(BURST),
            Event::FloodBegins => self.feed.per_s.set(FLOOD_PER_S),
            Event::FloodEnds => self.feed.per_s.set(USUAL_PER_S),
            Event::Key(key @ ("PageUp" | "PageDown")) => {
                page.press_crawl_key(key).await?;
                page.wait_for("the plane to be paused", IS_PAUSED, WAIT_TIMEOUT).await?;
            }
            Event::Key(key @ "Home") => {
                page.press_crawl_key(key).await?;
                page.wait_for("the plane to move", &format!("!({IS_PAUSED})"), WAIT_TIMEOUT).await?;
            }
            Event::Key(key) => page.press_crawl_key(key).await?,
            Event::WheelBack(notches) => {
                for _ in 0..notches {
                    page.run(WHEEL_BACK).await?;
                }
                page.wait_for("the plane to be paused", IS_PAUSED, WAIT_TIMEOUT).await?;
            }
            Event::Resize(size, ratio) => page.resize(size, ratio).await?,
            Event::BrokerKilled => {
                let mosquitto = self.mosquitto.take().context("it is killed already")?;
                self.killed = Some(mosquitto.kill().await?);
                page.wait_for_state("reconnecting").await?;
            }
            Event::BrokerRestarted => {
                let killed = self.killed.take().context("it runs already")?;
                self.mosquitto = Some(killed.restart().await?);
                page.wait_for_state("connected").await?;
            }
            Event::Hide => {
                page.hide().await?;
                self.is_hidden = true;
            }
            Event::Show => {
                page.show().await?;
                self.is_hidden = false;
            }
        }
        Ok(())
    }
}

const HEAD: &str = "\
| time | event | rows | missing | frames/s | longest interval | backward | blocks | nodes | heap + page + worker | log |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// Returns the time at the end of this number of samples.
fn clock(samples: usize) -> String {
    let seconds = samples * 60 / SAMPLES_PER_MINUTE;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Returns the worst values of consecutive samples, as a row of the table.
fn row(time: &str, samples: &[SoakSample]) -> String {
    let events: Vec<String> = samples.iter().filter_map(|sample| Some(sample.event?.to_string())).collect();
    let events = events.join(", ");
    let Some(last) = samples.last() else { return String::new() };
    let end = format!("{} | {} | {:.1} MB |", last.nodes, last.memory, last.log_bytes / 1e6);
    let visible: Vec<_> = samples.iter().filter_map(|sample| sample.crawl.as_ref()).collect();
    if visible.is_empty() {
        return format!("| {time} | {events} | – | – | – | – | – | – | {end}");
    }
    let expected: usize = visible.iter().map(|(sample, _)| sample.expected).sum();
    let missing: usize = visible.iter().map(|(sample, _)| sample.missing.len()).sum();
    let frames: u64 = visible.iter().map(|(_, motion)| motion.frames).sum();
    let milliseconds: f64 = visible.iter().map(|(_, motion)| motion.milliseconds).sum();
    let longest_ms = visible.iter().map(|(_, motion)| motion.longest_interval_ms).fold(0.0, f64::max);
    let backward_px = visible.iter().map(|(_, motion)| motion.backward_px).fold(0.0, f64::max);
    let blocks = visible.iter().map(|(_, motion)| motion.most_nodes).max().unwrap_or(0);
    let frames_per_s = frames as f64 * 1_000.0 / milliseconds.max(1.0);
    format!(
        "| {time} | {events} | {expected} | {missing} | {frames_per_s:.1} | {longest_ms:.0} ms | {backward_px:.2} px | \
         {blocks} | {end}"
    )
}

/// Prints the table, a row per minute, and compares the results with the targets.
///
/// # Errors
/// Fails when a target isn't met.
fn check(report: &mut Report, samples: &[SoakSample]) -> Result<()> {
    println!("\n{HEAD}");
    for (minute, samples) in samples.chunks(SAMPLES_PER_MINUTE).enumerate() {
        println!("{}", row(&clock((minute + 1) * SAMPLES_PER_MINUTE), samples));
    }
    let mut failures = Vec::new();
    let mut add = |what: &str, found: String, wanted: &str, is_met: bool| {
        report.add(what, &found, wanted, is_met);
        if !is_met {
            failures.push(format!("{what}: {found}"));
        }
    };

    let visible: Vec<_> =
        samples.iter().enumerate().filter_map(|(at, sample)| Some((clock(at + 1), sample.crawl.as_ref()?))).collect();
    let expected: usize = visible.iter().map(|(_, (sample, _))| sample.expected).sum();
    let missing: usize = visible.iter().map(|(_, (sample, _))| sample.missing.len()).sum();
    let mut late: f64 = 0.0;
    for (time, (sample, _)) in &visible {
        late = late.max(sample.late);
        if sample.check(0).is_err() {
            println!("{time}: {sample}");
        }
    }
    let found = format!("{:.1} % of the stage", 100.0 * late);
    let wanted = format!("at most {:.0} %", 100.0 * LATE_MAX);
    add("the maximum lag of the screen behind the page's numbers", found, &wanted, late <= LATE_MAX);
    add("rows missing on screen", format!("{missing} of {expected}"), "none", missing == 0);
    let rows = expected as f64 / visible.len().max(1) as f64;
    add(
        "rows expected per sample",
        format!("{rows:.1}"),
        "at least 3; otherwise inconclusive",
        rows >= AVERAGE_ROWS_MIN,
    );
    let farthest = visible.iter().max_by(|one, other| one.1.1.backward_px.total_cmp(&other.1.1.backward_px));
    let (time, backward_px) = farthest.map_or(("", 0.0), |(time, (_, motion))| (time.as_str(), motion.backward_px));
    let found = format!("{backward_px:.2} px, in the ten seconds up to {time}");
    add("the maximum backward movement of a line without input", found, "at most 1 px", backward_px <= BACKWARD_PX_MAX);

    // One-time allocations happen in the first cycle.
    let from = samples.get(CYCLE_SAMPLES - 1).filter(|_| samples.len() >= 2 * CYCLE_SAMPLES).or(samples.first());
    if let (Some(from), Some(to)) = (from, samples.last()) {
        let log = LOG_SHARE * (to.log_bytes - from.log_bytes).max(0.0);
        let worker = to.memory.worker as f64 - from.memory.worker as f64;
        let page = |memory: &Memory| (memory.heap + memory.page) as f64;
        let page = page(&to.memory) - page(&from.memory);
        let mb = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
        add(
            "memory of the worker: growth",
            mb(worker),
            &format!(
                "at most {}: the log's growth and {}",
                mb(log + WORKER_ALLOWANCE_BYTES),
                mb(WORKER_ALLOWANCE_BYTES)
            ),
            worker <= log + WORKER_ALLOWANCE_BYTES,
        );
        add(
            "heap and wasm of the page: growth",
            mb(page),
            &format!("at most {}", mb(PAGE_ALLOWANCE_BYTES)),
            page <= PAGE_ALLOWANCE_BYTES,
        );
    }
    ensure!(failures.is_empty(), "missed targets: {}", failures.join("; "));
    Ok(())
}
