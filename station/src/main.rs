//! The command line of the station: reads options, starts it, and stops it on a signal.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use mqtt_crawl_station::{LogFormat, LogLevel, Options, Station, embed, hash_password};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let mut options = Options::parse();
    begin_log(options.log_format, options.log_level);
    let outcome = match (options.dist.clone(), options.embed.clone()) {
        _ if options.hash_password => print_hash(),
        (Some(directory), Some(target)) => print_embedded(&directory, &target),
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

/// Log lines go to standard error, so that standard output says where the station listens and no more.
fn begin_log(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
}

/// Opens as many files as the system lets this process, and no more connections than there is room for.
#[cfg(unix)]
fn fit_open_files(options: &mut Options) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    /// macOS names no hard limit, and takes no more than this.
    const OPEN_MAX: u64 = 10_240;

    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = if cfg!(target_os = "macos") { soft.max(OPEN_MAX.min(hard)) } else { hard };
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let Ok((files, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if let Some(fitted) = options.limits.fitted(files) {
        tracing::warn!(
            files,
            connections = fitted.max_connections,
            wanted = options.limits.max_connections,
            "few files may be open, so fewer connections are taken: raise the hard limit (`ulimit -Hn`)"
        );
        options.limits = fitted;
    }
}

/// Elsewhere, sockets aren't counted among the open files.
#[cfg(not(unix))]
fn fit_open_files(_options: &mut Options) {}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut station = Station::start(options).await?;
    print!("{}", station.announcement());
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => station.reload(),
                Signal::Stop => break,
            },
            error = station.failure() => {
                station.stop().await;
                return Err(error);
            }
        }
    }
    station.stop().await;
    Ok(())
}

/// What a signal asks for.
enum Signal {
    /// Only where there is SIGHUP.
    #[cfg_attr(not(unix), allow(dead_code))]
    Reload,
    Stop,
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Stop,
            // It can't be told when to stop.
            Err(_) => std::future::pending().await,
        }
    }
}
