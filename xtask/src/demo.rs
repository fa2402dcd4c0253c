//! `cargo xtask demo`: runs everything on one machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::dist;
use crate::repo::{Repo, cargo};
use crate::run::{format_duration, heading, run};
use crate::setup::{self, Scope};

const HTTP_PORT: u16 = 8080;
const MQTT_PORT: u16 = 1883;

/// The two native programs, for cargo.
pub const PROGRAMS: [&str; 4] = ["-p", "mqtt-crawl-station", "-p", "mqtt-crawl-producer"];

/// The time the children get to exit after Ctrl-C, which reaches them too.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which the children are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Builds and starts the station and a looping producer; returns on Ctrl-C.
///
/// # Errors
/// Fails when something can't be built, or when one of the two exits.
pub fn run_demo(repo: &Repo) -> Result<()> {
    let started = Instant::now();
    let tools = setup::install(repo, Scope::Web)?;
    dist::build(repo, &tools)?;
    build_programs(repo)?;
    let program = dist::embed(repo)?;

    let interrupted = on_interrupt()?;
    let script = script(repo)?;
    let mut children = Children::default();

    heading("demo");
    let station = children.start(
        "station",
        Command::new(program)
            .args(["--http", &free_address(HTTP_PORT)?.to_string()])
            .args(["--mqtt", &free_address(MQTT_PORT)?.to_string()])
            .stdout(Stdio::piped()),
    )?;
    let (http, mqtt) = listening_addresses(station)?;
    children.start(
        "producer",
        Command::new(repo.release_program("mqtt-crawl-producer"))
            .args(["--broker", &format!("mqtt://{mqtt}"), "--topic", "StarWars"])
            .args(["--interval", "1s", "--loop", "--quiet"])
            .arg(&script),
    )?;

    println!("Started in {}. Open:\n", format_duration(started.elapsed()));
    println!("    http://{http}/#topic=StarWars&connect=1\n");
    println!("Brokers: ws://{http}/mqtt, ws://{http}/diffusion, mqtt://{mqtt}");
    println!("Script: {}", script.display());
    println!("Press Ctrl-C to stop.");
    children.wait(&interrupted)
}

/// Builds the station and the producer in the release profile.
pub fn build_programs(repo: &Repo) -> Result<()> {
    heading("station and producer (about 4 minutes the first time, seconds afterwards)");
    run(Command::new(cargo()).args(["build", "--release", "--locked"]).args(PROGRAMS).current_dir(repo.root()))
}

fn on_interrupt() -> Result<Receiver<()>> {
    let (sender, receiver) = channel();
    ctrlc::set_handler(move || {
        // The receiver is gone only when the program is about to end anyway.
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

/// Returns the first script in the folder of dialogues.
fn script(repo: &Repo) -> Result<PathBuf> {
    let folder = repo.root().join("assets").join("dialogues");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    scripts.sort();
    scripts.into_iter().next().with_context(|| format!("no script in {}", folder.display()))
}

/// Returns an address with the preferred port, or with any free one if that is in use.
fn free_address(preferred: u16) -> Result<SocketAddr> {
    if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred)) {
        return Ok(listener.local_addr()?);
    }
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    println!("Port {preferred} is in use; using {} instead.", address.port());
    Ok(address)
}

/// Reads the station's first line, `listening http=HOST:PORT mqtt=HOST:PORT`, and passes the rest
/// of its output on.
fn listening_addresses(station: &mut Child) -> Result<(String, String)> {
    let output = station.stdout.take().context("the station's output is not piped")?;
    let mut lines = BufReader::new(output).lines();
    let first = lines.next().context("the station exited before it was listening")??;
    let value = |key: &str| {
        first
            .split_whitespace()
            .find_map(|word| word.strip_prefix(key))
            .map(str::to_owned)
            .with_context(|| format!("the station's first line has no {key}: {first}"))
    };
    let addresses = (value("http=")?, value("mqtt=")?);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            println!("station: {line}");
        }
    });
    Ok(addresses)
}

/// Started programs, which end with this value.
#[derive(Default)]
struct Children(Vec<(&'static str, Child)>);

impl Children {
    fn start(&mut self, name: &'static str, command: &mut Command) -> Result<&mut Child> {
        let child = command.spawn().with_context(|| format!("starting the {name}"))?;
        self.0.push((name, child));
        let (_, child) = self.0.last_mut().context("just pushed")?;
        Ok(child)
    }

    /// Waits for Ctrl-C.
    fn wait(&mut self, interrupted: &Receiver<()>) -> Result<()> {
        while let Err(RecvTimeoutError::Timeout) = interrupted.recv_timeout(CHECK_INTERVAL) {
            for (name, child) in &mut self.0 {
                if let Some(status) = child.try_wait()? {
                    bail!("the {name} exited unexpectedly with {status}");
                }
            }
        }
        println!("\nStopping…");
        let until = Instant::now() + EXIT_TIMEOUT;
        while Instant::now() < until && self.any_is_running() {
            std::thread::sleep(CHECK_INTERVAL / 4);
        }
        Ok(())
    }

    fn any_is_running(&mut self) -> bool {
        self.0.iter_mut().any(|(_, child)| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            // Both fail only for a child that has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
