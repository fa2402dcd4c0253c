//! The command line of the station: reads options, starts it, and stops it on a signal.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use mqtt_crawl_station::{Options, Station, embed, hash_password};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match (&options.dist, &options.embed) {
        _ if options.hash_password => print_hash(),
        (Some(directory), Some(target)) => print_embedded(directory, target),
        _ => run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqtt-crawl-station: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a password from standard input and prints what belongs after `user:` in the file of users.
fn print_hash() -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("reading the password")?;
    let password = password.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!password.is_empty(), "no password on standard input");
    println!("{}", hash_password(password.as_bytes())?);
    Ok(())
}

/// Makes a program with the app inside.
fn print_embedded(directory: &Path, target: &Path) -> anyhow::Result<()> {
    let bytes = embed(directory, target)?;
    println!("{} has the app of {} inside, in {} kB", target.display(), directory.display(), bytes.div_ceil(1000));
    Ok(())
}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut station = Station::start(options).await?;
    print!("{}", station.announcement());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        error = station.failure() => {
            station.stop().await;
            return Err(error);
        }
    }
    station.stop().await;
    Ok(())
}
