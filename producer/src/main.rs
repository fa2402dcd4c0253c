//! The command-line producer; see the library.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use mqtt_crawl_producer::dry_run::{DryRunError, dry_run};
use mqtt_crawl_producer::keys::{self, Keys};
use mqtt_crawl_producer::options::{self, Options, PASSWORD_VARIABLE};
use mqtt_crawl_producer::progress::{Screen, Verbosity};
use mqtt_crawl_producer::{RemoteHandle, Report, Script, transmit};

/// The exit status that clap uses as well.
const WRONG_USE: u8 = 2;

/// The same exit status as for lines that weren't acknowledged.
const NOT_ALL_SENT: u8 = 1;

fn main() -> ExitCode {
    let options = Options::parse();
    let verbosity = if options.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let screen = Screen::new(verbosity, options.broker.as_str());
    match run(&options, &screen) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            screen.print(&format!("{error:#}"));
            ExitCode::from(WRONG_USE)
        }
    }
}

/// Returns the exit status of a transmission; an error means wrong use.
fn run(options: &Options, screen: &Screen) -> Result<u8> {
    let mut stdout = std::io::stdout();
    if options.print_man {
        options::print_man(&mut stdout)?;
        return Ok(0);
    }
    if let Some(shell) = options.print_completions {
        options::print_completions(shell, &mut stdout);
        return Ok(stdout.flush().map(|()| 0)?);
    }
    let password = std::env::var_os(PASSWORD_VARIABLE).map(|password| password.into_encoded_bytes());
    let settings = options.settings(password)?;
    let script = Script::open(&options.files, &options.script_options())?;
    script.files().iter().for_each(|file| screen.print_file(file));
    if options.strict && script.skipped_rows().next().is_some() {
        script.skipped_rows().for_each(|skipped| screen.print(&skipped.to_string()));
        screen.print("Nothing was sent because rows were skipped (--strict).");
        return Ok(NOT_ALL_SENT);
    }
    if options.dry_run {
        let mut show = |report: &Report| screen.print_report(report);
        return match dry_run(&settings, script, &mut show, &mut stdout) {
            // The reader, `head` perhaps, has closed the pipe.
            Err(DryRunError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
            result => Ok(result.map(|()| 0)?),
        };
    }
    let remote = RemoteHandle::new();
    let on_signal = remote.clone();
    ctrlc::set_handler(move || on_signal.stop()).context("can't handle Ctrl-C")?;
    let reads_stdin = options.files.iter().any(|file| file.as_os_str() == "-");
    let keys = if reads_stdin || options.quiet { None } else { Keys::listen(&remote) };
    if keys.is_some() {
        screen.print_unless_quiet(keys::HELP);
    }
    let summary = transmit(&settings, script, &remote, &mut |report| screen.print_report(report))?;
    screen.print_summary(&summary);
    Ok(summary.exit_status())
}
