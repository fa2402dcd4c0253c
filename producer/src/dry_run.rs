//! Prints what would be sent, without sending it.

use std::io::{self, Write};
use std::time::Duration;

use mqtt_crawl::transmit::encoding::topic_of;
use mqtt_crawl::transmit::playlist::Repeat;
use mqtt_crawl::transmit::schedule::Schedule;

use crate::printable::printable;
use crate::report::Report;
use crate::script::{Script, ScriptItem, TimedLine};
use crate::settings::{Settings, SettingsError};

/// Why a dry run ended early.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The settings or the script are invalid; a transmission couldn't begin either.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The output is closed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes one line per row: its time after the first, its topic and its payload, separated by tabs. A repeating
/// transmission is printed for one round. Rows that aren't sent go to `report`.
///
/// # Errors
/// Fails when the settings or the script are invalid, or when writing fails.
pub fn dry_run(
    settings: &Settings,
    script: Script,
    report: &mut dyn FnMut(&Report),
    out: &mut dyn Write,
) -> Result<(), DryRunError> {
    settings.check()?;
    let schedule = Schedule::new(settings.interval);
    let mut lines = 0;
    let mut print_line = |index: u64, line: &TimedLine| -> io::Result<()> {
        let after = in_seconds(schedule.offset(index + 1 - settings.first_line as u64));
        let payload = String::from_utf8_lossy(&settings.payload.encode(&line.line)).into_owned();
        let topic = topic_of(&settings.topic, &line.line, index + 1);
        writeln!(out, "{after}\t{}\t{}", printable(&topic), printable(&payload))?;
        // A live source is printed as it arrives.
        out.flush()
    };
    for item in script.into_rows() {
        match item {
            ScriptItem::Row(Ok(line)) => {
                lines += 1;
                if lines >= settings.first_line as u64 {
                    print_line(lines - 1, &line)?;
                }
            }
            ScriptItem::Row(Err(skipped)) => report(&Report::SkippedRow(skipped)),
            ScriptItem::End(file) => report(&Report::File(file)),
        }
    }
    settings.check_lines(lines)?;
    if settings.repeat == Repeat::UntilStopped {
        writeln!(out, "… repeats from line 1 until stopped")?;
    }
    Ok(())
}

/// Formats as `12.345s`; with microseconds where they are needed.
fn in_seconds(span: Duration) -> String {
    match span.subsec_micros() {
        micros if micros % 1_000 == 0 => format!("{}.{:03}s", span.as_secs(), micros / 1_000),
        micros => format!("{}.{micros:06}s", span.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use mqtt_crawl::dialogue::script::parse;
    use mqtt_crawl::mqtt::broker_url::BrokerUrl;
    use mqtt_crawl::transmit::encoding::PayloadFormat;

    use super::*;

    #[test]
    fn dry_run_prints_time_topic_and_payload() {
        let check = |change: fn(&mut Settings), expected: &str| {
            let mut settings = Settings::new(BrokerUrl::parse("mqtt://broker.test").expect("a URL"));
            change(&mut settings);
            let mut out = Vec::new();
            let script = parse("ADA: Hi\nBEN: \"Yes\u{1b}\"\nno\n".as_bytes(), None).lines.into();
            let printed = dry_run(&settings, script, &mut |_| {}, &mut out)
                .map_or_else(|error| error.to_string(), |()| String::from_utf8(out).expect("UTF-8"));
            assert_eq!(printed, expected);
        };
        check(
            |_| {},
            "0.000s\tStarWars\t{\"character\":\"ADA\",\"text\":\"Hi\"}\n\
             1.000s\tStarWars\t{\"character\":\"BEN\",\"text\":\"\\\"Yes\\u001b\\\"\"}\n\
             2.000s\tStarWars\t{\"character\":\"\",\"text\":\"no\"}\n",
        );
        check(
            |settings| {
                settings.topic = "a/b".to_owned();
                settings.first_line = 2;
                settings.interval = Duration::from_micros(1_500_001);
                settings.payload = PayloadFormat::Text;
                settings.repeat = Repeat::UntilStopped;
            },
            "0.000s\ta/b\tBEN: \"Yes\u{fffd}\"\n1.500001s\ta/b\tno\n… repeats from line 1 until stopped\n",
        );
        check(
            |settings| {
                settings.topic = "story/{speaker}/{line}".to_owned();
                settings.payload = PayloadFormat::Text;
                settings.first_line = 2;
            },
            "0.000s\tstory/BEN/2\tBEN: \"Yes\u{fffd}\"\n1.000s\tstory/narrator/3\tno\n",
        );
        check(|settings| settings.first_line = 4, "Can't start at line 4: the script has lines 1 to 3.");
    }
}
