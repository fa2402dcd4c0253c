//! The core's hot paths alone, built for this machine instead of wasm, and the decoders of other libraries.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::BytesMut;
use mqtt_crawl::message_log::query::matches::Matches;
use mqtt_crawl::message_log::query::{LocalTime, Query};
use mqtt_crawl_e2e::load::{self, CYCLE, PropertySet, RARE, RARE_WORD};
use mqtt_crawl_hot_path as hot_path;

use crate::report::{Report, median_and_p99};

const ROUNDS: usize = 21;

/// Decodes all packets; returns the time taken.
type Decoder = fn(&[u8]) -> Result<Duration>;

/// The decoders that are compared with ours.
const OTHERS: &[(&str, Decoder)] = &[
    ("mqttbytes", with_mqttbytes),
    #[cfg(feature = "mqtt-protocol-core")]
    ("mqtt-protocol-core", with_mqtt_protocol_core),
];

/// Measures decoding, appending and filtering, over a cycle of the source's messages.
pub fn compare(report: &mut Report) -> Result<()> {
    decoding("a PUBLISH decoded", PropertySet::Empty, report)?;
    decoding("a PUBLISH with properties decoded", PropertySet::Common, report)?;
    storing(report)
}

fn decoding(what: &str, property_set: PropertySet, report: &mut Report) -> Result<()> {
    let packets = load::packets(property_set)?;
    let mut ours = Vec::new();
    let mut theirs = vec![Vec::new(); OTHERS.len()];
    for _ in 0..ROUNDS {
        ours.push(ns_each(with_ours(&packets)?));
        for ((_, decode), times) in OTHERS.iter().zip(&mut theirs) {
            times.push(ns_each(decode(&packets)?));
        }
    }
    let (ours_ns, _) = median_and_p99(&mut ours);
    for ((name, _), times) in OTHERS.iter().zip(&mut theirs) {
        let (theirs_ns, _) = median_and_p99(times);
        let ratio = theirs_ns / ours_ns;
        report.add(
            format!("{what}: {name} takes, of our time (not in wasm)"),
            format!("{ratio:.1} × ({theirs_ns:.0} and {ours_ns:.0} ns)"),
            "reported",
            true,
        );
    }
    Ok(())
}

fn with_ours(packets: &[u8]) -> Result<Duration> {
    let started = Instant::now();
    hot_path::decode(packets)?;
    Ok(started.elapsed())
}

fn with_mqttbytes(packets: &[u8]) -> Result<Duration> {
    // Filling the buffer isn't measured.
    let buffer = BytesMut::from(packets);
    let started = Instant::now();
    hot_path::decode_with_mqttbytes(buffer)?;
    Ok(started.elapsed())
}

#[cfg(feature = "mqtt-protocol-core")]
fn with_mqtt_protocol_core(packets: &[u8]) -> Result<Duration> {
    use mqtt_protocol_core::mqtt::common::Cursor;
    use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData};
    use mqtt_protocol_core::mqtt::packet::v5_0::Publish;

    let started = Instant::now();
    let mut builder = PacketBuilder::new();
    let mut cursor = Cursor::new(packets);
    loop {
        let packet = match builder.feed(&mut cursor) {
            PacketBuildResult::Complete(packet) => packet,
            PacketBuildResult::Incomplete => return Ok(started.elapsed()),
            PacketBuildResult::Error(error) => bail!("mqtt-protocol-core: {error:?}"),
        };
        let flags = packet.flags();
        let PacketData::Publish(body) = packet.data else { bail!("mqtt-protocol-core: not a PUBLISH") };
        if let Err(error) = Publish::parse(flags, body).map(std::hint::black_box) {
            bail!("mqtt-protocol-core: {error:?}");
        }
    }
}

fn storing(report: &mut Report) -> Result<()> {
    let packets = load::packets(PropertySet::Empty)?;
    let query = |line| Query::parse(line, LocalTime::default());
    let (mut appended, mut scanned) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let log = hot_path::keep(&packets)?;
        appended.push(ns_each(started.elapsed()));
        let mut matches = Matches::new(query(RARE_WORD)?);
        let started = Instant::now();
        while matches.advance(&log, CYCLE) {}
        scanned.push(ns_each(started.elapsed()));
        if matches.len() != (CYCLE / RARE) as u64 {
            bail!("{} matches", matches.len());
        }
    }
    let mut add = |what: &str, times_ns: &mut [f64]| {
        let (median_ns, _) = median_and_p99(times_ns);
        report.add(format!("{what} (not in wasm)"), format!("{median_ns:.0} ns"), "reported", true);
    };
    add("a message decoded and appended to the log", &mut appended);
    add("a message searched for a word by the filter", &mut scanned);
    Ok(())
}

/// Returns the nanoseconds per message of a cycle.
pub fn ns_each(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / CYCLE as f64
}
