//! The program's output: a progress bar on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mqtt_crawl::credentials::redact_url;
use mqtt_crawl::format;

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
const DRAWING: Duration = Duration::from_millis(100);

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
        let watched = verbosity == Verbosity::Normal && std::io::stderr().is_terminal();
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { verbosity, bar, broker: printable(&redact_url(broker)), is_drawing: Cell::new(false) }
    }

    /// Reports a problem, at any verbosity.
    pub fn problem(&self, words: &str) {
        let words = printable(words);
        // Standard error is closed, so nothing can be reported.
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{words}")));
    }

    /// Reports progress.
    pub fn note(&self, words: &str) {
        if self.verbosity == Verbosity::Normal {
            self.problem(words);
        }
    }

    /// Reports how much of a file was read; an empty result is a problem.
    pub fn file(&self, file: &FileSummary) {
        let words = file.to_string();
        if file.summary.read == 0 { self.problem(&words) } else { self.note(&words) }
    }

    /// Shows a report.
    pub fn show(&self, report: &Report) {
        match report {
            Report::SkippedRow(left_out) => self.problem(&left_out.to_string()),
            Report::File(file) => self.file(file),
            Report::Connected { version, fell_back, goes_on_with } => {
                let fell_back = if *fell_back { "; it doesn't take MQTT 5.0" } else { "" };
                let again = goes_on_with.map_or_else(String::new, |line| format!(" Going on with line {line}."));
                self.note(&format!("Connected to {} with {version}{fell_back}.{again}", self.broker));
            }
            Report::QosLowered { asked, granted } => {
                let (asked, granted) = (*asked as u8, *granted as u8);
                self.problem(&format!(
                    "The broker takes QoS {granted} at most: the lines go out at QoS {granted} instead of {asked}."
                ));
            }
            Report::Lost { failure, retry_in } => {
                self.problem(&format!("{failure} Trying again in {}.", format::duration(*retry_in)));
            }
            Report::Deviated(deviation) => {
                self.note(&format!("{} {} The connection stays.", deviation.message(), deviation.rule()));
            }
            Report::Unanswered => {
                self.problem("The broker hasn't acknowledged a line for 10 s. The connection stays.");
            }
            Report::Progress(progress) => self.advance(progress),
            Report::LineFailed(failed) => self.problem(&failed.to_string()),
        }
    }

    /// Shows the summary.
    pub fn finish(&self, summary: &Summary) {
        self.bar.finish_and_clear();
        match &summary.end {
            End::Complete | End::Stopped => {}
            End::Unsuitable(error) => self.problem(&format!("The broker can't be sent such lines. {error}")),
            End::Failed(failure) | End::InVain(failure) => self.problem(&format!("{failure} Given up.")),
        }
        if summary.exit_status() != 0 {
            let failed = summary.failed_in_words();
            for words in failed.iter().take(LIST_MAX) {
                self.problem(words);
            }
            if failed.len() > LIST_MAX {
                self.problem(&format!("… and {} more like these.", failed.len() - LIST_MAX));
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
            self.bar.enable_steady_tick(DRAWING);
        }
    }
}

/// Strips control characters, which a terminal would obey, from the text of a broker or a file.
pub(crate) fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded_by_strangers() {
        assert_eq!(printable("gone \u{1b}[2J\u{9b}31m\r\n…"), "gone \u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}…");
    }
}
