//! The command-line producer; see the library.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use mqtt_crawl::dialogue::script;
use mqtt_crawl_producer::options::{Options, PASSWORD_VARIABLE};
use mqtt_crawl_producer::progress::{Progress, Verbosity};
use mqtt_crawl_producer::{Stop, transmit};

/// What clap ends with as well.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let verbosity = if options.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let progress = Progress::new(verbosity, options.broker.as_str());
    match run(&options, &progress) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            progress.problem(&format!("{error:#}"));
            ExitCode::from(WRONG_USE)
        }
    }
}

/// The exit status of a transmission; an error is wrong use.
fn run(options: &Options, progress: &Progress) -> Result<u8> {
    let password = std::env::var_os(PASSWORD_VARIABLE).map(|password| password.into_encoded_bytes());
    let settings = options.settings(password)?;
    let script = script::parse(&options.read_script()?);
    for fault in &script.faults {
        progress.problem(&format!("{}, {fault} Left out.", options.file.display()));
    }
    let stop = Stop::new();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop()).context("Ctrl-C can't be listened for")?;
    let summary = transmit(&settings, &script.lines, &stop, &mut |report| progress.show(report))?;
    progress.finish(&summary);
    Ok(summary.exit_status())
}
