//! An hour of the crawl with everything that happens to one: bursts, floods, a person who goes back and forward and
//! changes the speed, other sizes, a broker that dies, a hidden page. The only measurement that fails: when a row that
//! should be in sight isn't painted, when a line goes backward unprompted, when memory grows by more than the log.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::ink::{self, LATE_MAX, Look};
use mqtt_crawl_e2e::link;
use mqtt_crawl_e2e::mosquitto::{Access, KilledMosquitto, Mosquitto};
use mqtt_crawl_e2e::motion::{self, Watched};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::publish::Publisher;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::watch::{NO_OPENING, TOPIC, line};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::PATIENCE;
use crate::crawl::Memory;
use crate::report::Report;

/// How often everything is looked at.
const EVERY: Duration = Duration::from_secs(10);

const LOOKS_PER_MINUTE: usize = 6;

/// Lines of a burst.
const BURST: u32 = 200;

/// Lines a second in a flood, and otherwise.
const FLOOD_PER_S: f64 = 1_000.0;
const USUAL_PER_S: f64 = 1.0;

/// How often the feed sends what is due.
const FEED_EVERY: Duration = Duration::from_millis(20);

/// How far a line may go back unprompted: what rounding amounts to.
const BACKWARD_PX: f64 = 1.0;

/// The log takes so much of memory for each byte of payload and topic: what a million messages may take.
const LOG_SHARE: f64 = 1.35;

/// And the worker so much more: memory of wasm comes in steps, and never goes.
const WORKER_ALLOWANCE_BYTES: f64 = 16.0 * 1_048_576.0;

/// The page's heap and its wasm may grow by so much: nothing there is kept but the last thousand blocks.
const PAGE_ALLOWANCE_BYTES: f64 = 4e6;

/// Looks of a run should have found so many rows to expect, on average, or they say nothing.
const LEAST_ROWS: f64 = 3.0;

/// Something that happens to a crawl.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Burst,
    Key(&'static str),
    /// The wheel, back by so many notches.
    WheelBack(u32),
    Resize((u32, u32), f64),
    FloodBegins,
    FloodEnds,
    BrokerDies,
    BrokerReturns,
    Hide,
    Show,
}

/// What happens at which of the looks of a cycle; one each ten seconds.
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
    (29, Event::BrokerDies),
    (30, Event::BrokerReturns),
    (33, Event::Hide),
    (39, Event::Show),
    (40, Event::Burst),
];

/// Looks of a cycle: seven minutes.
const CYCLE_LOOKS: usize = 42;

impl Event {
    /// At this look, counted from 0.
    fn at(look: usize) -> Option<Self> {
        CYCLE.iter().find(|(place, _)| *place == look % CYCLE_LOOKS).map(|(_, event)| *event)
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
            Self::BrokerDies => f.write_str("broker killed"),
            Self::BrokerReturns => f.write_str("broker back"),
            Self::Hide => f.write_str("hidden"),
            Self::Show => f.write_str("shown"),
        }
    }
}

/// Runs it, and says what was found.
///
/// # Errors
/// When a row was missing on screen, a line went backward, or memory grew by more than the log.
pub async fn run(report: &mut Report, minutes: u32) -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let looks = minutes as usize * LOOKS_PER_MINUTE;
    in_browser("bench-soak", async |page| {
        // What a browser says of a socket that can't be opened.
        page.expect_errors("WebSocket connection to");
        let broker = mosquitto.ws_url();
        let keys = [("broker", broker.as_str()), ("topic", TOPIC), ("view", "split"), ("connect", "1")];
        let keys: Vec<_> = NO_OPENING.into_iter().chain(keys).collect();
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let wanted = Rc::new(Wanted { per_s: Cell::new(USUAL_PER_S), extra: Cell::new(0), sent: Cell::default() });
        let port = mosquitto.mqtt_port();
        let soak = Soak::begin(page, &station, mosquitto, wanted.clone()).await?;
        println!("{HEAD}");
        let mut seen = Vec::new();
        let watched = tokio::select! {
            watched = soak.watch(looks, &mut seen) => watched,
            fed = feed(port, &wanted) => fed,
        };
        judge(report, &seen).and(watched)
    })
    .await
}

/// What the feed is to do, and what it has done.
struct Wanted {
    per_s: Cell<f64>,
    /// Lines to send at once.
    extra: Cell<u32>,
    /// Lines, and bytes of their payloads and topics.
    sent: Cell<(u64, u64)>,
}

/// Publishes what is wanted, for ever. Lines that are due while there is no broker are never sent.
async fn feed(mqtt_port: u16, wanted: &Wanted) -> Result<()> {
    let mut publisher = None;
    let mut number = 0;
    let mut due = 0.0;
    let mut tick = tokio::time::interval(FEED_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        let now = tick.tick().await;
        due += now.duration_since(last).as_secs_f64() * wanted.per_s.get() + f64::from(wanted.extra.take());
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
            let (lines, bytes) = wanted.sent.get();
            wanted.sent.set((lines + 1, bytes + (payload.len() + TOPIC.len()) as u64));
        }
    }
}

struct Soak<'a> {
    page: &'a Page,
    /// One of the two.
    mosquitto: Option<Mosquitto>,
    killed: Option<KilledMosquitto>,
    wanted: Rc<Wanted>,
    devtools: DevTools,
    session: String,
    worker: String,
    is_hidden: bool,
}

/// What one look found.
struct Seen {
    event: Option<Event>,
    /// `None` while the page is hidden.
    sight: Option<(Look, Watched)>,
    nodes: u64,
    memory: Memory,
    /// Payloads and topics in the log, in bytes.
    log_bytes: f64,
}

/// Whether the plane is held.
const IS_HELD: &str = "isPaused()";

/// A notch of the wheel, back.
const WHEEL_BACK: &str =
    "crawl().dispatchEvent(new WheelEvent('wheel', { deltaY: -200, bubbles: true, cancelable: true }));";

/// Numbers of the page, read at once.
#[derive(Deserialize)]
struct Numbers {
    kept: u64,
    nodes: u64,
}

const NUMBERS: &str = "({ kept: Number(stat('kept')), nodes: document.querySelectorAll('*').length })";

impl<'a> Soak<'a> {
    async fn begin(page: &'a Page, station: &Station, mosquitto: Mosquitto, wanted: Rc<Wanted>) -> Result<Self> {
        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let session = devtools.attach_to_page(&station.page_url()).await?;
        let worker = devtools.attach_to_worker(&session).await?;
        let mosquitto = Some(mosquitto);
        Ok(Self { page, mosquitto, killed: None, wanted, devtools, session, worker, is_hidden: false })
    }

    /// Adds what each look finds, so that it is there whatever comes after.
    async fn watch(mut self, looks: usize, all: &mut Vec<Seen>) -> Result<()> {
        let begun = Instant::now();
        for look in 0..looks {
            let event = Event::at(look);
            if let Some(event) = event {
                self.make_happen(event).await.with_context(|| format!("{event} at look {look}"))?;
            }
            // What happened may have taken most of the time.
            let until = (begun + EVERY * u32::try_from(look + 1)?).max(Instant::now() + EVERY / 2);
            let seen = self.see(event, look, until).await?;
            println!("{}", row(&clock(look + 1), std::slice::from_ref(&seen)));
            all.push(seen);
        }
        Ok(())
    }

    /// Watches until then, and looks.
    async fn see(&mut self, event: Option<Event>, look: usize, until: Instant) -> Result<Seen> {
        let page = self.page;
        let sight = if self.is_hidden {
            sleep_until(until).await;
            None
        } else {
            page.drawn().await?;
            motion::begin(page).await?;
            sleep_until(until).await;
            let watched = motion::end(page).await?;
            Some((ink::look(page, &format!("soak-{look}")).await?, watched))
        };
        let Numbers { kept, nodes } = page.evaluate(NUMBERS).await?;
        let (lines, bytes) = self.wanted.sent.get();
        let log_bytes = kept as f64 * bytes as f64 / lines.max(1) as f64;
        let memory = Memory::of(&mut self.devtools, &self.session, &self.worker).await?;
        Ok(Seen { event, sight, nodes, memory, log_bytes })
    }

    /// Returns once it can be seen that it happened.
    async fn make_happen(&mut self, event: Event) -> Result<()> {
        let page = self.page;
        match event {
            Event::Burst => self.wanted.extra.set(BURST),
            Event::FloodBegins => self.wanted.per_s.set(FLOOD_PER_S),
            Event::FloodEnds => self.wanted.per_s.set(USUAL_PER_S),
            Event::Key(key @ ("PageUp" | "PageDown")) => {
                page.press_crawl_key(key).await?;
                page.wait_for("the plane to be held", IS_HELD, PATIENCE).await?;
            }
            Event::Key(key @ "Home") => {
                page.press_crawl_key(key).await?;
                page.wait_for("the plane to move", &format!("!({IS_HELD})"), PATIENCE).await?;
            }
            Event::Key(key) => page.press_crawl_key(key).await?,
            Event::WheelBack(notches) => {
                for _ in 0..notches {
                    page.run(WHEEL_BACK).await?;
                }
                page.wait_for("the plane to be held", IS_HELD, PATIENCE).await?;
            }
            Event::Resize(size, ratio) => page.resize(size, ratio).await?,
            Event::BrokerDies => {
                let mosquitto = self.mosquitto.take().context("it is dead already")?;
                self.killed = Some(mosquitto.kill().await?);
                page.wait_for_state("reconnecting").await?;
            }
            Event::BrokerReturns => {
                let killed = self.killed.take().context("it is there already")?;
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
| time | what happened | rows | missing | frames/s | longest interval | backward | blocks | nodes | heap + page + worker | log |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// The time at the end of so many looks.
fn clock(looks: usize) -> String {
    let seconds = looks * 60 / LOOKS_PER_MINUTE;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The worst of some looks that follow each other, as a row of the table.
fn row(time: &str, seen: &[Seen]) -> String {
    let events: Vec<String> = seen.iter().filter_map(|seen| Some(seen.event?.to_string())).collect();
    let events = events.join(", ");
    let Some(last) = seen.last() else { return String::new() };
    let end = format!("{} | {} | {:.1} MB |", last.nodes, last.memory, last.log_bytes / 1e6);
    let sights: Vec<_> = seen.iter().filter_map(|seen| seen.sight.as_ref()).collect();
    if sights.is_empty() {
        return format!("| {time} | {events} | – | – | – | – | – | – | {end}");
    }
    let expected: usize = sights.iter().map(|(look, _)| look.expected).sum();
    let missing: usize = sights.iter().map(|(look, _)| look.missing.len()).sum();
    let frames: u64 = sights.iter().map(|(_, watched)| watched.frames).sum();
    let milliseconds: f64 = sights.iter().map(|(_, watched)| watched.milliseconds).sum();
    let longest_ms = sights.iter().map(|(_, watched)| watched.longest_interval_ms).fold(0.0, f64::max);
    let backward_px = sights.iter().map(|(_, watched)| watched.backward_px).fold(0.0, f64::max);
    let blocks = sights.iter().map(|(_, watched)| watched.most_nodes).max().unwrap_or(0);
    let frames_per_s = frames as f64 * 1_000.0 / milliseconds.max(1.0);
    format!(
        "| {time} | {events} | {expected} | {missing} | {frames_per_s:.1} | {longest_ms:.0} ms | {backward_px:.2} px | \
         {blocks} | {end}"
    )
}

/// Prints the table, a row a minute, and says what was wanted.
///
/// # Errors
/// When it wasn't found.
fn judge(report: &mut Report, seen: &[Seen]) -> Result<()> {
    println!("\n{HEAD}");
    for (minute, seen) in seen.chunks(LOOKS_PER_MINUTE).enumerate() {
        println!("{}", row(&clock((minute + 1) * LOOKS_PER_MINUTE), seen));
    }
    let mut failures = Vec::new();
    let mut add = |what: &str, found: String, wanted: &str, is_met: bool| {
        report.add(what, &found, wanted, is_met);
        if !is_met {
            failures.push(format!("{what}: {found}"));
        }
    };

    let sights: Vec<_> =
        seen.iter().enumerate().filter_map(|(at, seen)| Some((clock(at + 1), seen.sight.as_ref()?))).collect();
    let expected: usize = sights.iter().map(|(_, (look, _))| look.expected).sum();
    let missing: usize = sights.iter().map(|(_, (look, _))| look.missing.len()).sum();
    let mut late: f64 = 0.0;
    for (time, (look, _)) in &sights {
        late = late.max(look.late);
        if look.check(0).is_err() {
            println!("{time}: {look}");
        }
    }
    let found = format!("{:.1} % of the stage", 100.0 * late);
    let wanted = format!("at most {:.0} %", 100.0 * LATE_MAX);
    add("the farthest that the screen was behind the page's numbers", found, &wanted, late <= LATE_MAX);
    add("rows missing on screen", format!("{missing} of {expected}"), "none", missing == 0);
    let rows = expected as f64 / sights.len().max(1) as f64;
    add("rows expected in sight at a look", format!("{rows:.1}"), "at least 3, or it says nothing", rows >= LEAST_ROWS);
    let farthest = sights.iter().max_by(|one, other| one.1.1.backward_px.total_cmp(&other.1.1.backward_px));
    let (time, backward_px) = farthest.map_or(("", 0.0), |(time, (_, watched))| (time.as_str(), watched.backward_px));
    let found = format!("{backward_px:.2} px, in the ten seconds up to {time}");
    add("the farthest that a line went backward unprompted", found, "at most 1 px", backward_px <= BACKWARD_PX);

    // What is made once is made in the first cycle.
    let from = seen.get(CYCLE_LOOKS - 1).filter(|_| seen.len() >= 2 * CYCLE_LOOKS).or(seen.first());
    if let (Some(from), Some(to)) = (from, seen.last()) {
        let log = LOG_SHARE * (to.log_bytes - from.log_bytes).max(0.0);
        let worker = to.memory.worker as f64 - from.memory.worker as f64;
        let page = |memory: &Memory| (memory.heap + memory.page) as f64;
        let page = page(&to.memory) - page(&from.memory);
        let mb = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
        add(
            "memory of the worker: more at the end",
            mb(worker),
            &format!(
                "at most {}: the log's growth and {}",
                mb(log + WORKER_ALLOWANCE_BYTES),
                mb(WORKER_ALLOWANCE_BYTES)
            ),
            worker <= log + WORKER_ALLOWANCE_BYTES,
        );
        add(
            "heap and wasm of the page: more at the end",
            mb(page),
            &format!("at most {}", mb(PAGE_ALLOWANCE_BYTES)),
            page <= PAGE_ALLOWANCE_BYTES,
        );
    }
    ensure!(failures.is_empty(), "the crawl doesn't hold: {}", failures.join("; "));
    Ok(())
}
