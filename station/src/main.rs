//! The command line of the station: reads options, starts it, and stops it on a signal.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use mqtt_crawl_station::{LogFormat, Options, Station, embed, hash_password};
use tokio::sync::mpsc;
use tracing::Level;

fn main() -> ExitCode {
    let mut options = Options::parse();
    start_log(options.log_format, options.log_level);
    let outcome = match (options.dist.clone(), options.embed.clone()) {
        _ if options.hash_password => print_hash(),
        (Some(directory), Some(target)) => write_embedded(&directory, &target),
        _ => {
            fit_open_files(&mut options);
            run(&options)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqtt-crawl-station: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a password from standard input and prints the text that follows `user:` in the file of users.
fn print_hash() -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("reading the password")?;
    let password = password.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!password.is_empty(), "no password on standard input");
    println!("{}", hash_password(password.as_bytes())?);
    Ok(())
}

/// Writes a copy of this program with the app inside.
fn write_embedded(directory: &Path, target: &Path) -> anyhow::Result<()> {
    let bytes = embed(directory, target)?;
    println!("{} contains the app of {} ({} kB)", target.display(), directory.display(), bytes.div_ceil(1000));
    Ok(())
}

/// Log lines are written to standard error, so that standard output has only the addresses the station listens on.
fn start_log(format: LogFormat, level: Level) {
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
}

/// Raises the limit of open files as far as the system allows, and lowers the number of connections to fit it.
#[cfg(unix)]
fn fit_open_files(options: &mut Options) {
    let files = rlimit::increase_nofile_limit(u64::MAX).or_else(|error| {
        tracing::warn!(%error, "can't raise the limit of open files");
        rlimit::Resource::NOFILE.get_soft()
    });
    if let Ok(files) = files
        && let Some(fitted) = options.limits.fitted(files)
    {
        tracing::warn!(
            files,
            connections = fitted.max_connections,
            wanted = options.limits.max_connections,
            "the limit of open files allows fewer connections than configured: raise the hard limit (`ulimit -Hn`)"
        );
        options.limits = fitted;
    }
}

/// On other systems, sockets don't count as open files.
#[cfg(not(unix))]
fn fit_open_files(_options: &mut Options) {}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let mut signals = signals()?;
    let mut station = Station::start(options).await?;
    print!("{}", station.announcement());
    let outcome = loop {
        tokio::select! {
            Some(stops) = signals.recv() => match stops {
                true => break Ok(()),
                false => station.reload(),
            },
            error = station.failure() => break Err(error),
        }
    };
    station.stop().await;
    outcome
}

/// Replaces the default actions of signals from now on. A signal stops the station, or else reloads its files.
fn signals() -> std::io::Result<mpsc::Receiver<bool>> {
    let (sender, receiver) = mpsc::channel(1);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for (kind, stops) in
            [(SignalKind::interrupt(), true), (SignalKind::terminate(), true), (SignalKind::hangup(), false)]
        {
            let (mut signals, sender) = (signal(kind)?, sender.clone());
            tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(stops).await.is_ok() {} });
        }
    }
    #[cfg(not(unix))]
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(true).await.is_ok() {} });
    Ok(receiver)
}
