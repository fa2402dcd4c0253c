//! The app and other MQTT clients with the same stream in the same browser, one after the other, in rounds.
//!
//! Ours runs as usual, with console and crawl both visible. The others only count, each in a worker of an empty page.
//! One of them isn't a client but a socket whose bytes aren't read: the limit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::load::{self, Burst, CYCLE, PropertySet, Source, TOPIC};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::site::Site;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{CRAWL_TIMEOUT, WAIT_TIMEOUT, link};
use tempfile::TempDir;

use crate::machine;
use crate::report::{Report, median_and_p99};
use crate::usage::Processes;

const ROUNDS: usize = 5;

/// The planned duration of a round at full speed. Overhead outside the client, such as the frames until a number is
/// shown, is a hundredth of it.
const ROUND_DURATION: Duration = Duration::from_secs(3);

/// The time limit of a round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(180);

/// The duration of the warm-up: one-time compilation and allocation isn't measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// The messages of the first warm-up, while the client's rate isn't known yet.
const FIRST_WARM_UP: usize = CYCLE / 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Raw,
    Ours,
    MqttJs,
    Paho,
}

impl Client {
    /// In the order of a round.
    const ALL: [Self; 4] = [Self::Raw, Self::Ours, Self::MqttJs, Self::Paho];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw socket",
            Self::Ours => "mqtt-crawl",
            Self::MqttJs => "MQTT.js",
            Self::Paho => "Paho",
        }
    }

    /// Returns its name in `peers/worker.js`; `None` for ours.
    fn in_worker(self) -> Option<&'static str> {
        match self {
            Self::Raw => Some("raw"),
            Self::Ours => None,
            Self::MqttJs => Some("mqtt_js"),
            Self::Paho => Some("paho"),
        }
    }
}

/// The source of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Our own source.
    Source { packets_per_frame: usize, per_second: Option<u32>, property_set: PropertySet },
    /// A real broker, at full speed.
    Mosquitto,
}

/// One stream, which gives one table of results.
struct Stream {
    origin: Origin,
    /// The target for ours: the share of the raw socket's messages per second, and the multiple of those of MQTT.js.
    targets: Option<(f64, f64)>,
}

impl Stream {
    const fn at_full_speed(packets_per_frame: usize, property_set: PropertySet, of_raw: f64, of_mqtt_js: f64) -> Self {
        Self {
            origin: Origin::Source { packets_per_frame, per_second: None, property_set },
            targets: Some((of_raw, of_mqtt_js)),
        }
    }

    fn name(&self) -> String {
        match self.origin {
            Origin::Mosquitto => "through mosquitto".to_owned(),
            Origin::Source { packets_per_frame, per_second, property_set } => {
                let properties = if property_set == PropertySet::Common { ", with properties" } else { "" };
                let speed = per_second.map_or("full speed".to_owned(), |rate| format!("{rate} messages a second"));
                format!("{packets_per_frame} a frame{properties}, {speed}")
            }
        }
    }

    /// Paho uses 3.1.1 and would receive a stream without properties.
    fn is_for(&self, client: Client) -> bool {
        client != Client::Paho || !matches!(self.origin, Origin::Source { property_set: PropertySet::Common, .. })
    }

    fn property_set(&self) -> PropertySet {
        match self.origin {
            Origin::Source { property_set, .. } => property_set,
            Origin::Mosquitto => PropertySet::Empty,
        }
    }
}

const STREAMS: [Stream; 8] = [
    Stream::at_full_speed(1, PropertySet::Empty, 0.96, 0.0),
    Stream::at_full_speed(16, PropertySet::Empty, 0.92, 11.0),
    Stream::at_full_speed(64, PropertySet::Empty, 0.92, 20.0),
    Stream { origin: Origin::Mosquitto, targets: None },
    Stream {
        origin: Origin::Source { packets_per_frame: 1, per_second: Some(10_000), property_set: PropertySet::Empty },
        targets: None,
    },
    Stream::at_full_speed(1, PropertySet::Common, 0.96, 0.0),
    Stream::at_full_speed(16, PropertySet::Common, 0.92, 11.0),
    Stream::at_full_speed(64, PropertySet::Common, 0.92, 20.0),
];

/// The result of one client in one round.
struct Sample {
    per_second: f64,
    p99_interval_ms: f64,
    longest_interval_ms: f64,
    long_tasks: usize,
    /// The memory of the process that runs page and worker.
    memory_mib: f64,
    /// The processor time of the whole browser, in seconds per million messages.
    cpu_s_per_million: f64,
    /// The processors that the browser used: page and worker, drawing, everything else (with the network).
    cores: [f64; 3],
}

/// Measures all clients with all streams.
pub async fn compare(report: &mut Report) -> Result<()> {
    let folder = peers_folder()?;
    let site = Site::start_below_a_path(folder.path()).await?;
    let station = Station::start().await?;
    in_browser("bench-intake", async |page| {
        let mut bench = Bench { page, station: &station, site: &site, rates: HashMap::new() };
        for stream in &STREAMS {
            let samples = bench.rounds(stream).await?;
            println!("\n{}", table(stream, &samples));
            check(stream, &samples, report);
        }
        Ok(())
    })
    .await
}

/// Returns a folder with a page and the scripts of the other clients, from the paths that `cargo xtask bench` sets.
pub(crate) fn peers_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("index.html"), include_str!("peers/index.html"))?;
    std::fs::write(folder.path().join("worker.js"), include_str!("peers/worker.js"))?;
    for (name, variable, file) in
        [("MQTT.js", "MQTT_CRAWL_MQTT_JS", "mqtt_js.js"), ("Paho", "MQTT_CRAWL_PAHO", "paho.js")]
    {
        let script = std::env::var_os(variable).map(PathBuf::from).with_context(|| {
            format!("{variable} is not set: the path of the script of {name}; `cargo xtask bench` sets it")
        })?;
        std::fs::copy(&script, folder.path().join(file)).with_context(|| format!("{name}: {}", script.display()))?;
        println!("- {name} {}", machine::npm_version(Path::new(&script))?);
    }
    Ok(folder)
}

struct Bench<'a> {
    page: &'a Page,
    station: &'a Station,
    site: &'a Site,
    /// The messages per second of the last round of the same client and stream.
    rates: HashMap<Client, f64>,
}

impl Bench<'_> {
    async fn rounds(&mut self, stream: &Stream) -> Result<Vec<(Client, Vec<Sample>)>> {
        let clients = Client::ALL.into_iter().filter(|client| stream.is_for(*client));
        let mut samples: Vec<(Client, Vec<Sample>)> = clients.map(|client| (client, Vec::new())).collect();
        self.rates.clear();
        for _ in 0..ROUNDS {
            for (client, samples) in &mut samples {
                let round = self.round(stream, *client).await;
                samples.push(round.with_context(|| format!("{}: {}", client.name(), stream.name()))?);
            }
        }
        Ok(samples)
    }

    /// Measures one client in a tab of its own, and so in a process of its own.
    async fn round(&mut self, stream: &Stream, client: Client) -> Result<Sample> {
        let first = self.page.tab().await?;
        self.page.open_tab().await?;
        // The size of the first tab.
        self.page.resize((1280, 720), 1.0).await?;
        let feed = Feed::start(stream.origin).await?;
        let sample = self.measure(stream, client, &feed).await;
        self.page.browser().client().close_window().await?;
        self.page.go_to(&first).await?;
        sample
    }

    async fn measure(&mut self, stream: &Stream, client: Client, feed: &Feed) -> Result<Sample> {
        let page = self.page;
        open(page, self.station, self.site, client, stream.property_set(), &feed.ws_url()).await?;
        let rate = self.rates.get(&client);
        let warm_up = rate.map_or(FIRST_WARM_UP, |rate| messages_in(WARM_UP, *rate));
        let started = Instant::now();
        feed.send(warm_up).await?;
        page.wait_for_stat("received", warm_up as u64, ROUND_TIMEOUT).await?;
        let rate = rate.copied().unwrap_or_else(|| warm_up as f64 / started.elapsed().as_secs_f64());
        if client == Client::Ours {
            page.wait_for("lines", "lines().length > 0", CRAWL_TIMEOUT).await?;
        }
        let messages = messages_in(ROUND_DURATION, rate);

        let mut devtools = DevTools::connect(page.browser().profile()?).await?;
        let processes = Processes::of(&mut devtools).await?;
        page.begin_measuring().await?;
        let (cpu_before, started) = (processes.times(), Instant::now());
        feed.send(messages).await?;
        page.wait_for_stat("received", (warm_up + messages) as u64, ROUND_TIMEOUT).await?;
        let took = started.elapsed();
        let cpu_after = processes.times();
        let cpu_s: [f64; 3] =
            std::array::from_fn(|kind| cpu_after[kind].saturating_sub(cpu_before[kind]).as_secs_f64());
        let smoothness = page.end_measuring().await?;
        let per_second = messages as f64 / took.as_secs_f64();
        self.rates.insert(client, per_second);
        Ok(Sample {
            per_second,
            p99_interval_ms: smoothness.p99_interval_ms,
            longest_interval_ms: smoothness.longest_interval_ms,
            long_tasks: smoothness.long_tasks_ms.len(),
            memory_mib: processes.largest_page_mib(),
            cpu_s_per_million: cpu_s.iter().sum::<f64>() * 1e6 / messages as f64,
            cores: cpu_s.map(|seconds| seconds / took.as_secs_f64()),
        })
    }
}

/// Opens a client in this tab, and waits until it is connected.
pub(crate) async fn open(
    page: &Page,
    station: &Station,
    site: &Site,
    client: Client,
    property_set: PropertySet,
    broker: &str,
) -> Result<()> {
    let Some(name) = client.in_worker() else {
        // Without an opening: otherwise the measurement would have to wait for its end.
        let opening = ["card", "logo", "episode", "title", "intro"].map(|part| (part, ""));
        let keys = [("broker", broker), ("topic", TOPIC), ("view", "split"), ("connect", "1")];
        page.open(&link(&station.page_url(), &[&keys[..], &opening].concat())).await?;
        return page.wait_for_state("connected").await;
    };
    let packet_bytes = (load::packets(property_set)?.len() / CYCLE).to_string();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client", name), ("broker", broker), ("topic", TOPIC), ("packet", &packet_bytes)])
        .finish();
    page.browser().client().goto(&format!("{}?{query}", site.page_url())).await?;
    page.wait_for("the connection", "stat('state') === 'connected'", WAIT_TIMEOUT).await
}

/// A running stream to one client.
enum Feed {
    Source { source: Source, packets_per_frame: usize, per_second: Option<u32> },
    Mosquitto(Box<Mosquitto>),
}

impl Feed {
    async fn start(origin: Origin) -> Result<Self> {
        Ok(match origin {
            Origin::Source { packets_per_frame, per_second, property_set } => {
                Self::Source { source: Source::start_with(property_set).await?, packets_per_frame, per_second }
            }
            Origin::Mosquitto => Self::Mosquitto(Box::new(Mosquitto::start(Access::Anonymous).await?)),
        })
    }

    fn ws_url(&self) -> String {
        match self {
            Self::Source { source, .. } => source.ws_url(),
            // Paho requires a path.
            Self::Mosquitto(mosquitto) => format!("{}/mqtt", mosquitto.ws_url()),
        }
    }

    async fn send(&self, messages: usize) -> Result<()> {
        match self {
            Self::Source { source, packets_per_frame, per_second } => {
                let (packets_per_frame, per_second) = (*packets_per_frame, *per_second);
                source.send(Burst { messages, packets_per_frame, per_second }).await.map(drop)
            }
            Self::Mosquitto(mosquitto) => load::publish_to(mosquitto.mqtt_port(), messages).await,
        }
    }
}

/// Returns the messages of this time, as whole frames of any number of packets.
fn messages_in(time: Duration, per_second: f64) -> usize {
    ((per_second * time.as_secs_f64()) as usize).div_ceil(64) * 64
}

/// Returns the median over the rounds.
fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    median_and_p99(&mut samples.iter().map(of).collect::<Vec<_>>()).0
}

/// Returns the median, over the rounds, of the ratio between the rates of two clients.
fn ratio(samples: &[Sample], others: &[Sample]) -> f64 {
    let mut ratios: Vec<f64> =
        samples.iter().zip(others).map(|(each, other)| each.per_second / other.per_second).collect();
    median_and_p99(&mut ratios).0
}

fn of_client(samples: &[(Client, Vec<Sample>)], client: Client) -> &[Sample] {
    samples.iter().find(|(other, _)| *other == client).map_or(&[], |(_, samples)| samples)
}

/// Returns the medians of all clients, in Markdown.
fn table(stream: &Stream, samples: &[(Client, Vec<Sample>)]) -> String {
    let mut table = format!(
        "### {}\n\n| client | messages a second | of the raw socket | mqtt-crawl takes | frame interval, p99 | longest | \
         long tasks | memory | processor, a million | cores: page, drawing, else |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        stream.name(),
    );
    let (raw, ours) = (of_client(samples, Client::Raw), of_client(samples, Client::Ours));
    for (client, samples) in samples {
        table += &format!(
            "| {} | {:.0} | {:.3} | {:.2} × | {:.1} ms | {:.0} ms | {} | {:.0} MiB | {:.2} s | {:.2}, {:.2}, {:.2} |\n",
            client.name(),
            median(samples, |each| each.per_second),
            ratio(samples, raw),
            ratio(ours, samples),
            median(samples, |each| each.p99_interval_ms),
            samples.iter().map(|each| each.longest_interval_ms).fold(0.0, f64::max),
            samples.iter().map(|each| each.long_tasks).sum::<usize>(),
            median(samples, |each| each.memory_mib),
            median(samples, |each| each.cpu_s_per_million),
            median(samples, |each| each.cores[0]),
            median(samples, |each| each.cores[1]),
            median(samples, |each| each.cores[2]),
        );
    }
    table
}

fn check(stream: &Stream, samples: &[(Client, Vec<Sample>)], report: &mut Report) {
    let name = stream.name();
    let ours = of_client(samples, Client::Ours);
    if let Some((of_raw, of_mqtt_js)) = stream.targets {
        let result = ratio(ours, of_client(samples, Client::Raw));
        let target = format!("at least {of_raw}");
        report.add(format!("{name}: intake, of the raw socket's"), format!("{result:.3}"), target, result >= of_raw);
        let result = ratio(ours, of_client(samples, Client::MqttJs));
        let target = if of_mqtt_js > 0.0 { format!("at least {of_mqtt_js} ×") } else { "reported".to_owned() };
        report.add(format!("{name}: intake, of MQTT.js's"), format!("{result:.1} ×"), target, result >= of_mqtt_js);
    }
    let p99_ms = median(ours, |each| each.p99_interval_ms);
    report.add(
        format!("{name}: p99 frame interval meanwhile"),
        format!("{p99_ms:.1} ms"),
        "under 20 ms",
        p99_ms < 20.0,
    );
    let long_tasks: usize = ours.iter().map(|each| each.long_tasks).sum();
    report.add(format!("{name}: long tasks meanwhile"), long_tasks.to_string(), "none", long_tasks == 0);
}
