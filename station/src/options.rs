//! The options of the command line, and the checks that refuse some before anything is opened.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use anyhow::bail;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing::Level;

use crate::limits::{self, Limits};

/// An MQTT broker and web server: WebSocket paths, the web app and a sample transmission, in one program.
/// For a demo, a class, an event on one machine; sessions end with it.
#[derive(Clone, Debug, Parser)]
#[command(name = "mqtt-crawl-station", version, after_help = limits::help())]
pub struct Options {
    /// Where the app and the WebSocket paths /mqtt and /diffusion are served; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,

    /// Where the broker takes plain MQTT over TCP; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883", value_parser = address)]
    pub mqtt: SocketAddr,

    /// The built app (made by `cargo xtask dist`), instead of the one inside this program; with neither
    /// only MQTT is served
    #[arg(long, value_name = "DIR")]
    pub dist: Option<PathBuf>,

    /// Write a copy of this program that has the app of --dist inside, and end
    #[arg(long, value_name = "FILE", requires = "dist")]
    pub embed: Option<PathBuf>,

    /// Serve https and wss on the web port and mqtts on the other, with the certificate in this PEM file
    /// and its chain. Read again on SIGHUP and when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key that belongs to --tls-cert, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// A broker somewhere else to put /mqtt and /diffusion in front of, instead of one inside: mqtt://HOST
    /// or mqtts://HOST, with :PORT where it isn't the usual one. --mqtt isn't opened then
    #[arg(long, value_name = "URL", conflicts_with_all = ["transmit", "users"])]
    pub upstream: Option<String>,

    /// Authorities to trust for mqtts:// instead of the system's, as PEM
    #[arg(long, value_name = "FILE", requires = "upstream")]
    pub upstream_ca: Option<PathBuf>,

    /// The broker of --upstream asks everybody who they are, so --http may be an address that other
    /// machines reach
    #[arg(long, requires = "upstream")]
    pub upstream_checks_users: bool,

    /// Tell the broker of --upstream who its clients are, by a header of the PROXY protocol (version 2);
    /// only for a broker that expects one
    #[arg(long, requires = "upstream")]
    pub proxy_protocol: bool,

    /// A dialogue script to send to the topic StarWars, a line a second, over and over
    #[arg(long, value_name = "FILE")]
    pub transmit: Option<PathBuf>,

    /// Who may connect: lines of `user:hash`; a hash is made with --hash-password. Behind the hash, `read=FILTER`
    /// and `write=FILTER`, each as often as needed, say which topics (%u is the user name); without one,
    /// all. Read again on SIGHUP and when it changes
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// A page's origin (such as `https://example.org`) that may use the WebSocket paths; may repeat
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,

    /// A page's origin that may show the app in a frame; may repeat
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub allow_frame: Vec<String>,

    /// The address of a reverse proxy in front of the web port, whose X-Forwarded-For says who its clients
    /// are; may repeat
    #[arg(long, value_name = "ADDR")]
    pub trust_forwarded_for: Vec<IpAddr>,

    /// Read a password from standard input, print its hash for the --users file, and end
    #[arg(long)]
    pub hash_password: bool,

    /// How log lines are written, on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Log messages of this level and above: failures of the station itself (error), also clients that were
    /// refused or closed and why (warn), also clients that connect and leave (info), also details for finding
    /// faults (debug)
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    pub log_level: Level,

    /// What clients may take of the station.
    #[command(flatten)]
    pub limits: Limits,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people: time, level, connection, words, fields
    Text,
    /// A JSON object a line
    Json,
}

impl Options {
    /// Refuses an address that other machines can reach while anybody could connect to it.
    pub(crate) fn check_reach(&self) -> anyhow::Result<()> {
        if self.upstream.is_some() {
            if !self.upstream_checks_users && !self.http.ip().is_loopback() {
                bail!(
                    "--http {} can be reached from other machines, and --users is for the station's own broker: \
                     add --upstream-checks-users if the broker of --upstream asks for passwords",
                    self.http
                );
            }
            return Ok(());
        }
        for (option, address) in [("--http", self.http), ("--mqtt", self.mqtt)] {
            if self.users.is_none() && !address.ip().is_loopback() {
                bail!(
                    "{option} {address} can be reached from other machines, so it needs --users FILE: \
                     a line `user:hash` for each person, the hash made with `mqtt-crawl-station --hash-password`"
                );
            }
        }
        Ok(())
    }
}

/// Parses an origin, which is used in a header unchanged.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    match !host.is_empty() && host.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("write an origin, such as https://example.org".to_owned()),
    }
}

fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["error", "warn", "info", "debug"]).try_map(|name| name.parse::<Level>())
}

/// Parses `host:port`, where the host may be a name such as `localhost`.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.to_socket_addrs()
        .map_err(|error| format!("{error}; an address looks like 127.0.0.1:8080"))?
        .next()
        .ok_or_else(|| "this name has no address".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: Option<&str>) {
        let program = std::iter::once("mqtt-crawl-station");
        let options = Options::try_parse_from(program.chain(arguments.iter().copied())).unwrap();
        let refusal = options.check_reach().err().map(|error| error.to_string());
        match (refusal, expected) {
            (None, None) => {}
            (Some(refusal), Some(words)) => assert!(refusal.contains(words), "{refusal}"),
            (refusal, _) => panic!("{arguments:?}: {refusal:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn reach_beyond_this_machine_needs_users() {
        check(&[], None);
        check(&["--http", "[::1]:0", "--mqtt", "localhost:0"], None);
        check(&["--http", "0.0.0.0:8080"], Some("--http 0.0.0.0:8080"));
        check(&["--mqtt", "192.0.2.7:1883"], Some("--users"));
        check(&["--http", "0.0.0.0:8080", "--users", "file"], None);
        let upstream = ["--upstream", "mqtt://broker.example", "--http"];
        check(&[&upstream[..], &["127.0.0.1:0", "--mqtt", "0.0.0.0:1"]].concat(), None);
        check(&[&upstream[..], &["0.0.0.0:8080"]].concat(), Some("--upstream-checks-users"));
        check(&[&upstream[..], &["0.0.0.0:8080", "--upstream-checks-users"]].concat(), None);
    }

    #[test]
    fn what_is_left_out_is_the_same_everywhere() {
        let limits = Options::try_parse_from(["mqtt-crawl-station"]).unwrap().limits;
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        for option in ["--tls-cert", "--tls-key"] {
            assert!(Options::try_parse_from(["mqtt-crawl-station", option, "file"]).is_err());
        }
    }

    #[test]
    fn an_address_needs_a_port() {
        let words = address("127.0.0.1").unwrap_err();
        assert!(words.contains("127.0.0.1:8080"), "{words}");
    }
}
