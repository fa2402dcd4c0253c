//! The program's command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, Parser, ValueEnum, ValueHint};
use clap_complete::Shell;
use mqtt_crawl::dialogue::script::{ColumnChoice, Format};
use mqtt_crawl::mqtt::broker_url::BrokerUrl;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::transmit::encoding::{PayloadFormat, parse_interval};
use mqtt_crawl::transmit::playlist::Repeat;

use crate::script::{FileError, ScriptOptions};
use crate::settings::Settings;

/// Reads `--broker`. The message of clap's own parsers repeats the value, and with it a password that is in it.
#[derive(Clone)]
struct BrokerParser;

impl TypedValueParser for BrokerParser {
    type Value = BrokerUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<BrokerUrl, clap::Error> {
        BrokerUrl::parse(&value.to_string_lossy()).map_err(|error| {
            let text = format!("invalid value for '--broker <URL>': {error}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// The environment variable that a password is read from.
pub const PASSWORD_VARIABLE: &str = "MQTT_PASSWORD";

/// Publishes dialogue scripts to an MQTT broker, one line per second.
///
/// Each row of a script is a line of dialogue: "1" "CHARACTER" "Spoken text".
/// Tables, JSON, subtitles, screenplays, saved chats and plain text work as well.
/// A broken row is reported with its line and column, and skipped.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
pub struct Options {
    /// Scripts, published in this order; - is standard input, published as it arrives
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(required_unless_present_any = ["print_man", "print_completions"])]
    pub files: Vec<PathBuf>,

    /// Format of the scripts [default: detected from file name and content]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub format: Option<Format>,

    /// Table column with the speaker: its name, or its number from 1; "" for no speaker
    #[arg(long, value_name = "COLUMN")]
    pub speaker_column: Option<String>,

    /// Table column with the text: its name, or its number from 1
    #[arg(long, value_name = "COLUMN")]
    pub words_column: Option<String>,

    /// The first row of a table is dialogue, not column names
    #[arg(long)]
    pub no_header: bool,

    /// Publish nothing and exit with 1 if a row is skipped
    #[arg(long)]
    pub strict: bool,

    /// Broker address: mqtt://, mqtts://, ws:// or wss://
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883", value_parser = BrokerParser)]
    pub broker: BrokerUrl,

    /// Topic to publish to; {speaker} is replaced by the speaker, {line} by the line number
    #[arg(long, value_name = "TOPIC", default_value = "StarWars")]
    pub topic: String,

    /// Time between lines: 10ms, 1s, 1.5s, 2m; 0s is as fast as the broker accepts them
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,

    /// Start again after the last line, until Ctrl-C
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Start at the Nth line of dialogue (with --loop, in the first round)
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_line_number)]
    pub start: usize,

    /// Quality of service: 0 at most once, 1 at least once, 2 exactly once
    #[arg(long, value_name = "0|1|2", default_value = "1", value_parser = parse_qos)]
    pub qos: QoS,

    /// Ask the broker to retain the last line for later subscribers
    #[arg(long)]
    pub retain: bool,

    /// MQTT version; auto tries 5.0 first, then 3.1.1
    #[arg(long, value_name = "VERSION", default_value = "auto")]
    pub protocol: Protocol,

    /// Client identifier [default: random]
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,

    /// User name; the password is read from MQTT_PASSWORD or --password-file
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,

    /// Read the password from this file; one line end at its end is ignored
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "username")]
    pub password_file: Option<PathBuf>,

    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,

    /// Payload format: json is {"character":"…","text":"…"}, text is NAME: words
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub payload: Payload,

    /// Report only problems: no progress, no summary, no keys
    #[arg(long)]
    pub quiet: bool,

    /// Print time, topic and payload of each line, and send nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print the manual page
    #[arg(long, hide = true, exclusive = true)]
    pub print_man: bool,

    /// Print completions for a shell
    #[arg(long, hide = true, exclusive = true, value_name = "SHELL")]
    pub print_completions: Option<Shell>,
}

const AFTER_HELP: &str = "\
Scripts:
  rows   \"1\" \"CHARACTER\" \"Spoken text\", with \\\" for a quotation mark
  csv    separated by commas, semicolons, bars or +++$+++; the header names the columns
         (character, name, speaker ...; text, dialogue, line ...), other columns are
         ignored; set --speaker-column and --words-column for other names
  tsv    the same with tabs
  jsonl  one object a row, such as {\"character\":\"ADA\",\"text\":\"Hello\"}, or a document
  text   NAME: words, **NAME:** words, or only words
  subtitles   SubRip, WebVTT, SubViewer, SubStation, LRC, MicroDVD; time codes and tags are ignored
  screenplay  Fountain, or plain text with names in capitals; only dialogue is sent
  chat        saved conversations of WhatsApp, Telegram, Discord, Slack, IRC
  Encoding: UTF-8, UTF-16 or Windows-1252. The number of rows read is reported; with
  --strict, nothing is sent if a row is skipped.
  Standard input is published as it arrives: tail -f LOG | mqtt-crawl-producer -

Keys, at a terminal:
  space        pause, resume
  left, right  previous line, next line
  up, down     ten lines back, ten lines forward
  q, Ctrl-C    quit

Password:
  There is no option for the password itself, because every user of the machine could
  read it. Set the environment variable MQTT_PASSWORD, or use --password-file, which
  takes precedence.

Connection:
  An unreachable address is tried three times. A connection that is lost later is
  retried at growing intervals, and publishing resumes with the lines that weren't
  acknowledged. After two minutes without a connection the program gives up; with
  --loop it never does. Ctrl-C ends cleanly: outstanding acknowledgements are awaited
  for a short time. If the broker supports only a lower quality of service, that is
  used and reported.

Exit status:
  0  all lines were acknowledged (at QoS 0: sent)
  1  some lines were not acknowledged (they are listed); with --strict: a row was skipped
  2  wrong use: a bad option, an unreadable file, a bad URL or topic
  3  the broker refused the connection (the reason is printed)";

/// `--protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// 5.0, then 3.1.1.
    #[value(help = None)]
    Auto,
    /// 5.0 only.
    #[value(name = "5", help = None)]
    V5,
    /// 3.1.1 only.
    #[value(name = "3.1.1", help = None)]
    V311,
}

/// `--payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// [`PayloadFormat::Json`].
    #[value(help = None)]
    Json,
    /// [`PayloadFormat::Text`].
    #[value(help = None)]
    Text,
}

impl Options {
    /// Returns how the scripts are to be read.
    pub fn script_options(&self) -> ScriptOptions {
        ScriptOptions {
            format: self.format,
            columns: ColumnChoice {
                speaker: self.speaker_column.clone(),
                text: self.words_column.clone(),
                has_header: self.no_header.then_some(false),
            },
            reads_ahead: self.strict,
        }
    }

    /// Converts these options to settings. `password` is the value of [`PASSWORD_VARIABLE`]; it has no effect without a
    /// user name.
    ///
    /// # Errors
    /// Fails when the password file can't be read.
    pub fn settings(&self, password: Option<Vec<u8>>) -> Result<Settings, FileError> {
        let password = match (&self.password_file, &self.username) {
            (Some(path), _) => Some(without_line_end(read_file(path)?)),
            (None, Some(_)) => password,
            (None, None) => None,
        };
        Ok(Settings {
            topic: self.topic.clone(),
            interval: self.interval,
            repeat: if self.repeat { Repeat::UntilStopped } else { Repeat::ONCE },
            first_line: self.start,
            qos: self.qos,
            retain: self.retain,
            version: match self.protocol {
                Protocol::Auto => None,
                Protocol::V5 => Some(Version::V5),
                Protocol::V311 => Some(Version::V311),
            },
            client_id: self.client_id.clone(),
            user_name: self.username.clone(),
            password,
            ca_file: self.ca.clone(),
            payload: match self.payload {
                Payload::Json => PayloadFormat::Json,
                Payload::Text => PayloadFormat::Text,
            },
            ..Settings::new(self.broker.clone())
        })
    }
}

/// Writes the manual page, in roff.
///
/// # Errors
/// Fails when it can't be written.
pub fn print_man(out: &mut dyn Write) -> std::io::Result<()> {
    clap_mangen::Man::new(Options::command()).render(out)
}

/// Writes the shell's completions for the command line.
pub fn print_completions(shell: Shell, out: &mut dyn Write) {
    let mut command = Options::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, out);
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse())
}

fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|error| FileError { path: path.to_owned(), error })
}

/// Editors end the last line with a line break, which isn't part of the password.
fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn parse_qos(text: &str) -> Result<QoS, String> {
    text.parse().ok().and_then(QoS::from_u8).ok_or_else(|| "must be 0, 1 or 2".to_owned())
}

fn parse_line_number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "lines are numbered from 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Options::command().debug_assert();
    }

    #[test]
    fn defaults_match_the_contract() {
        let options = Options::try_parse_from(["producer", "script.txt"]).expect("no option is needed");
        let settings = options.settings(None).expect("no file is read");
        assert_eq!(settings.broker.as_str(), "mqtt://127.0.0.1:1883");
        assert_eq!(settings.topic, "StarWars");
        assert_eq!(settings.interval, Duration::from_secs(1));
        assert_eq!(settings.repeat, Repeat::ONCE);
        assert_eq!((settings.first_line, settings.qos, settings.retain), (1, QoS::AtLeastOnce, false));
        assert_eq!((settings.version, settings.client_id, settings.user_name), (None, None, None));
        assert_eq!((settings.payload, settings.ca_file), (PayloadFormat::Json, None));
    }

    #[test]
    fn invalid_options_are_reported() {
        let check = |arguments: &[&str], expected: &str| {
            let all = ["producer"].iter().chain(arguments);
            let error = Options::try_parse_from(all).expect_err("wrong use").to_string();
            assert!(error.contains(expected), "{arguments:?}: {error:?} should say {expected:?}");
        };
        check(&[], "FILE");
        check(&["a", "--qos", "3"], "0, 1 or 2");
        check(&["a", "--start", "0"], "numbered from 1");
        check(&["a", "--protocol", "4"], "auto, 5, 3.1.1");
        check(&["a", "--broker", "127.0.0.1"], "has no scheme");
        check(&["a", "--broker", "mqtt://me:secret@host"], "user name or password");
        check(&["a", "--password-file", "b"], "--username");
        check(&["a", "--password", "b"], "unexpected argument");
        check(&["a", "--payload", "xml"], "json, text");
        check(&["a", "--format", "xml"], "rows, csv, tsv, jsonl, subtitles, screenplay, chat, text");
        check(&["a", "--print-man"], "cannot be used with");
    }

    #[test]
    fn password_sources() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        let check = |arguments: &[&str], content: &str, expected: Option<&str>| {
            std::fs::write(&file, content).expect("a file");
            let all = ["producer", "script.txt"].iter().chain(arguments);
            let options = Options::try_parse_from(all).expect("right use");
            let settings = options.settings(Some(b"from the environment".to_vec())).expect("readable");
            assert_eq!(settings.password.as_deref(), expected.map(str::as_bytes), "{arguments:?}");
        };
        let path = file.to_str().expect("UTF-8");
        check(&[], "", None);
        check(&["--username", "u"], "", Some("from the environment"));
        check(&["--username", "u", "--password-file", path], "pass word\n", Some("pass word"));
        check(&["--username", "u", "--password-file", path], "pass\r\n", Some("pass"));
        check(&["--username", "u", "--password-file", path], "pass\n\n", Some("pass\n"));
        check(&["--username", "u", "--password-file", path], "", Some(""));
    }
}
