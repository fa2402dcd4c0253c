//! The options of the command line, and the checks that refuse some before anything is opened.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use anyhow::ensure;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing::Level;

use crate::limits::{self, Limits};

/// An MQTT broker and web server in one program: MQTT over TCP and WebSocket, the web app and a sample transmission.
/// For a demo, a class or an event on one machine; sessions aren't stored on disk.
#[derive(Clone, Debug, Parser)]
#[command(name = "mqtt-crawl-station", version, after_help = limits::help())]
pub struct Options {
    /// Address of the app and of the WebSocket paths /mqtt and /diffusion; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,

    /// Address of MQTT over TCP; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883", value_parser = address)]
    pub mqtt: SocketAddr,

    /// Serve the app from this folder (built by `cargo xtask dist`) instead of the one inside this program;
    /// without either, only MQTT is served
    #[arg(long, value_name = "DIR")]
    pub dist: Option<PathBuf>,

    /// Write a copy of this program with the app of --dist inside, and exit
    #[arg(long, value_name = "FILE", requires = "dist")]
    pub embed: Option<PathBuf>,

    /// Serve https, wss and mqtts with the certificate and its chain in this PEM file. It is reloaded on
    /// SIGHUP and when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Connect /mqtt and /diffusion to another broker instead of the built-in one: mqtt://HOST or
    /// mqtts://HOST, with :PORT if it isn't the default. --mqtt isn't opened then
    #[arg(long, value_name = "URL", conflicts_with_all = ["transmit", "users"])]
    pub upstream: Option<String>,

    /// Certificate authorities (PEM) to trust for mqtts:// instead of the system's
    #[arg(long, value_name = "FILE", requires = "upstream")]
    pub upstream_ca: Option<PathBuf>,

    /// The broker of --upstream authenticates every client, so --http may be reachable from other machines
    #[arg(long, requires = "upstream")]
    pub upstream_checks_users: bool,

    /// Send the client's address to the broker of --upstream (PROXY protocol, version 2); only for a broker
    /// that expects it
    #[arg(long, requires = "upstream")]
    pub proxy_protocol: bool,

    /// Publish this dialogue script to the topic StarWars, one line per second, in a loop
    #[arg(long, value_name = "FILE")]
    pub transmit: Option<PathBuf>,

    /// Users who may connect: lines of `user:hash`, see --hash-password. After the hash, `read=FILTER` and
    /// `write=FILTER` restrict the topics (%u is the user name; may repeat); without them all are allowed.
    /// Reloaded on SIGHUP and when it changes
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// Origin whose pages may use the WebSocket paths, such as `https://example.org`; may repeat
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,

    /// Origin whose pages may show the app in a frame; may repeat
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub allow_frame: Vec<String>,

    /// Accept X-Forwarded-For from the reverse proxy at this address; may repeat
    #[arg(long, value_name = "ADDR")]
    pub trust_forwarded_for: Vec<IpAddr>,

    /// Read a password from standard input, print its hash for --users, and exit
    #[arg(long)]
    pub hash_password: bool,

    /// Format of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Log messages of this level and above: failures of the station (error), refused and closed clients with
    /// the reason (warn), clients that connect and leave (info), details for troubleshooting (debug)
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    pub log_level: Level,

    /// Limits for clients.
    #[command(flatten)]
    pub limits: Limits,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Plain text: time, level, connection, message, fields
    Text,
    /// One JSON object per line
    Json,
}

impl Options {
    /// Refuses an address that other machines can reach if anybody could connect to it, and warns if passwords could be
    /// read on the network: that isn't an error, because a reverse proxy may do TLS.
    pub(crate) fn check_reach(&self) -> anyhow::Result<()> {
        if self.upstream.is_some() {
            ensure!(
                self.upstream_checks_users || self.http.ip().is_loopback(),
                "--http {} is reachable from other machines, and --users applies only to the built-in broker: \
                 add --upstream-checks-users if the broker of --upstream authenticates its clients",
                self.http
            );
        } else {
            for (option, address) in [("--http", self.http), ("--mqtt", self.mqtt)] {
                ensure!(
                    self.users.is_some() || address.ip().is_loopback(),
                    "{option} {address} is reachable from other machines, so --users FILE is required: one line \
                     `user:hash` for each user; `mqtt-crawl-station --hash-password` creates the hash"
                );
            }
        }
        let is_near = self.http.ip().is_loopback() && (self.upstream.is_some() || self.mqtt.ip().is_loopback());
        if self.tls_cert.is_none() && !is_near {
            tracing::warn!(
                "passwords are sent unencrypted over the network: set a certificate with --tls-cert and --tls-key"
            );
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
        false => Err("expected an origin such as https://example.org".to_owned()),
    }
}

fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["error", "warn", "info", "debug"]).try_map(|name| name.parse::<Level>())
}

/// Parses `host:port`, where the host may be a name such as `localhost`.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.to_socket_addrs()
        .map_err(|error| format!("{error}; expected an address such as 127.0.0.1:8080"))?
        .next()
        .ok_or_else(|| "the host name has no address".to_owned())
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
    fn public_addresses_require_users() {
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
    fn default_limits_match_the_options() {
        let limits = Options::try_parse_from(["mqtt-crawl-station"]).unwrap().limits;
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn certificate_requires_its_key() {
        for option in ["--tls-cert", "--tls-key"] {
            assert!(Options::try_parse_from(["mqtt-crawl-station", option, "file"]).is_err());
        }
    }

    #[test]
    fn address_requires_a_port() {
        let words = address("127.0.0.1").unwrap_err();
        assert!(words.contains("127.0.0.1:8080"), "{words}");
    }
}
