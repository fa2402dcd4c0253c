//! The producer over a network that cuts its connections, and on the paths of the station.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::eventually;
use mqtt_crawl_e2e::fault_proxy::{FaultProxy, NetworkMode};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::publish::{Login, Version, producer};
use mqtt_crawl_e2e::station::Station;
use tempfile::TempDir;

const LINES: usize = 1_000;
const CUTS: u64 = 20;
/// The seed of the faults. It is the same each time, so that a failed run can be reproduced.
const SEED: u64 = 0x0005_EED5;
/// A connection lasts for about 20 lines.
const FAULTY: NetworkMode = NetworkMode::Faulty { up_bytes: 2_000, down_bytes: 400 };

fn script(folder: &TempDir, lines: usize) -> Result<PathBuf> {
    let mut text = String::from("character,text\n");
    for n in 1..=lines {
        writeln!(text, "RELAY,{n}")?;
    }
    let path = folder.path().join("script.csv");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Returns the numbers that arrived, in order, up to the message that was sent last.
fn arrivals(output: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for line in output.lines() {
        if line.starts_with("got ") && line.ends_with(" END") {
            return Some(numbers);
        }
        if let Some((_, json)) = line.split_once(r#"{"character":"RELAY","text":""#) {
            numbers.push(json.trim_end_matches(r#""}"#).parse().ok()?);
        }
    }
    None
}

#[tokio::test]
async fn thousand_lines_survive_twenty_lost_connections() -> Result<()> {
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let proxy = FaultProxy::start(mosquitto.mqtt_port(), SEED).await?;
    let direct = Login::anonymous(mosquitto.mqtt_port());
    let subscriber = direct.subscribe("StarWars").await?;
    let folder = tempfile::tempdir()?;
    let mut command = producer(&format!("mqtt://127.0.0.1:{}", proxy.port()))?;
    command.args(["--interval", "10ms"]).arg(script(&folder, LINES)?);

    let telling = async { command.output().await.context("the producer") };
    let cutting = async {
        eventually("the first line", async || Ok(subscriber.output().contains(r#""text":"1""#).then_some(()))).await?;
        proxy.change(FAULTY);
        while proxy.cuts() < CUTS {
            let cuts = proxy.cuts();
            eventually("another cut", async || Ok((proxy.cuts() > cuts).then_some(()))).await?;
        }
        proxy.change(NetworkMode::Clean);
        anyhow::Ok(())
    };
    let (output, ()) = tokio::try_join!(telling, cutting)?;
    let (printed, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(printed == format!("{LINES} of {LINES} lines acknowledged\n"), "{printed}{problems}");
    ensure!(output.status.success(), "{}: {problems}", output.status);
    ensure!(problems.contains("Resuming at line "), "{problems}");
    ensure!(proxy.cuts() >= CUTS, "{} cuts", proxy.cuts());

    direct.publish(Version::V5, "StarWars", "END").await?;
    let arrived = eventually("the last message", async || Ok(arrivals(&subscriber.output()))).await?;
    let mut expected = 1;
    let mut repeats = 0;
    for (at, &n) in arrived.iter().enumerate() {
        ensure!(n <= expected, "{n} arrived before {expected}");
        if n == expected {
            expected += 1;
        } else if at > 0 && n <= arrived[at - 1] {
            // Each connection resends what it must, in order.
            repeats += 1;
        }
    }
    ensure!(expected == LINES + 1, "{expected} never arrived");
    ensure!(repeats <= proxy.cuts(), "{repeats} repetitions for {} cuts", proxy.cuts());
    println!("{} cuts, {} of {LINES} lines arrived twice", proxy.cuts(), arrived.len() - LINES);
    Ok(())
}

#[tokio::test]
async fn station_paths_accept_what_they_support() -> Result<()> {
    let station = Station::start().await?;
    let folder = tempfile::tempdir()?;
    let script = script(&folder, 3)?;
    let check = async |path: &str, options: &[&str], text: &str| {
        let url = station.ws_url(path);
        let mut command = producer(&url)?;
        let output = command.args(["--interval", "1ms"]).args(options).arg(&script).output().await?;
        let (printed, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success() && printed == "3 of 3 lines acknowledged\n", "{url}: {printed}{problems}");
        ensure!(problems.contains(text), "{url} should print {text:?}: {problems}");
        anyhow::Ok(())
    };
    check("/mqtt", &["--qos", "2"], "MQTT 5.0").await?;
    check("/mqtt", &["--qos", "2", "--protocol", "3.1.1"], "MQTT 3.1.1").await?;
    check("/diffusion", &["--qos", "1"], "MQTT 5.0").await?;
    check("/diffusion", &["--qos", "2"], "supports QoS 1 at most. Lines are sent at QoS 1 instead of 2.").await
}
