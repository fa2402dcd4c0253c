//! The program's output: a progress bar on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mqtt_crawl::credentials::redact_url;
use mqtt_crawl::format;

use crate::printable::printable;
use crate::report::{End, Progress, Report, Summary};
use crate::script::FileSummary;

/// How much is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Everything.
    Normal,
    /// Problems only.
    Quiet,
}

/// The number of lines of a list that are printed; the rest is only counted.
const LIST_MAX: usize = 20;

/// The interval at which the bar is drawn, short enough that the last state appears soon.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// The output of the program: reports the progress on standard error; the summary goes to standard output.
pub struct Screen {
    verbosity: Verbosity,
    bar: ProgressBar,
    broker: String,
    is_drawing: Cell<bool>,
}

impl Screen {
    /// Creates the output. The bar appears with the connection, and only on a terminal.
    pub fn new(verbosity: Verbosity, broker: &str) -> Self {
        let is_visible = verbosity == Verbosity::Normal && std::io::stderr().is_terminal();
        let target = if is_visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { verbosity, bar, broker: printable(&redact_url(broker)), is_drawing: Cell::new(false) }
    }

    /// Reports a problem, at any verbosity.
    pub fn print(&self, text: &str) {
        let text = printable(text);
        // Standard error is closed, so nothing can be reported.
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }

    /// Reports progress.
    pub fn print_unless_quiet(&self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            self.print(text);
        }
    }

    /// Reports how much of a file was read; an empty result is a problem.
    pub fn print_file(&self, file: &FileSummary) {
        let text = file.to_string();
        if file.summary.read == 0 { self.print(&text) } else { self.print_unless_quiet(&text) }
    }

    /// Shows a report.
    pub fn print_report(&self, report: &Report) {
        match report {
            Report::SkippedRow(skipped) => self.print(&skipped.to_string()),
            Report::File(file) => self.print_file(file),
            Report::Connected { version, fell_back, resumes_at } => {
                let fell_back = if *fell_back { "; it doesn't support MQTT 5.0" } else { "" };
                let resumes_at = resumes_at.map_or_else(String::new, |line| format!(" Resuming at line {line}."));
                self.print_unless_quiet(&format!(
                    "Connected to {} with {version}{fell_back}.{resumes_at}",
                    self.broker
                ));
            }
            Report::QosLowered { asked, granted } => {
                let (asked, granted) = (*asked as u8, *granted as u8);
                self.print(&format!(
                    "The broker supports QoS {granted} at most. Lines are sent at QoS {granted} instead of {asked}."
                ));
            }
            Report::Lost { failure, retry_in } => {
                self.print(&format!("{failure} Retrying in {}.", format::duration(*retry_in)));
            }
            Report::Deviated(deviation) => {
                self.print_unless_quiet(&format!(
                    "{} {} The connection stays open.",
                    deviation.message(),
                    deviation.rule()
                ));
            }
            Report::Unanswered => {
                self.print("The broker hasn't acknowledged a line for 10 s. The connection stays open.");
            }
            Report::Progress(progress) => self.advance(progress),
            Report::LineFailed(failed) => self.print(&failed.to_string()),
        }
    }

    /// Shows the summary.
    pub fn print_summary(&self, summary: &Summary) {
        self.bar.finish_and_clear();
        match &summary.end {
            End::Complete | End::Stopped => {}
            End::Unsuitable(error) => self.print(&format!("The broker doesn't accept these lines. {error}")),
            End::Failed(failure) | End::LinesRejected(failure) => self.print(&format!("{failure} Giving up.")),
        }
        if summary.exit_status() != 0 {
            let failed = summary.describe_failed();
            for line in failed.iter().take(LIST_MAX) {
                self.print(line);
            }
            if failed.len() > LIST_MAX {
                self.print(&format!("… and {} more.", failed.len() - LIST_MAX));
            }
        }
        if self.verbosity == Verbosity::Normal {
            // As above.
            drop(writeln!(std::io::stdout(), "{summary}"));
        }
    }

    fn advance(&self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let (template, of) = match progress.lines {
            Some(lines) => ("{bar:32} {msg}", format!(" of {lines}")),
            None => ("{spinner} {msg}", String::new()),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        let left = progress.left.map_or_else(String::new, |left| format!(" · {} left", format::duration(left)));
        let paused = if progress.is_paused { " · paused" } else { "" };
        self.bar.update(|bar| {
            bar.set_len(progress.lines.unwrap_or_default());
            bar.set_pos(progress.line);
        });
        self.bar.set_message(format!("line {}{of}{left}{paused}", progress.line));
        if !self.is_drawing.replace(true) {
            self.bar.enable_steady_tick(DRAW_INTERVAL);
        }
    }
}
