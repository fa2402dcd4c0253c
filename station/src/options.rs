//! What may be said on the command line, and what of it is refused before anything is opened.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::StartError;
use crate::broker::LARGEST_PACKET_BYTES;

/// An MQTT broker, its WebSocket paths, the web app and a sample transmission, in one program.
#[derive(Clone, Debug, Parser)]
#[command(name = "mqtt-crawl-station", version)]
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
    /// and its chain
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

    /// A dialogue script to send to the topic StarWars, a line a second, over and over
    #[arg(long, value_name = "FILE")]
    pub transmit: Option<PathBuf>,

    /// Who may connect: lines of `user:hash`; a hash is made with --hash-password
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// A page's origin (such as `https://example.org`) that may use the WebSocket paths; may repeat
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,

    /// Read a password from standard input, print its hash for the --users file, and end
    #[arg(long)]
    pub hash_password: bool,

    /// How log lines are written, on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: this, and what is graver
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,

    /// What clients may take of the station.
    #[command(flatten)]
    pub limits: Limits,
}

/// What clients may take of a station.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// Most connections at once, over all ports; further ones are closed
    #[arg(long, value_name = "COUNT", default_value_t = Self::default().max_connections)]
    pub max_connections: NonZeroU32,

    /// Most connections at once from one address (of IPv6: from one /64)
    #[arg(long, value_name = "COUNT", default_value_t = Self::default().max_per_address)]
    pub max_per_address: NonZeroU32,

    /// Largest MQTT packet in bytes; who sends a larger one is closed with reason 0x95
    #[arg(long, value_name = "BYTES", default_value_t = Self::default().max_packet,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_PACKET_BYTES)))]
    pub max_packet: u32,

    /// Most messages a second from one client; more wait, and none is lost
    #[arg(long, value_name = "COUNT")]
    pub max_rate: Option<NonZeroU32>,

    /// Most bytes published, by anybody, while a client hasn't got all of what came before; then it is
    /// closed as too slow. The broker's memory for slow clients stays below this
    #[arg(long, value_name = "BYTES", default_value_t = Self::default().max_behind)]
    pub max_behind: u64,

    /// Most bytes of messages that wait for clients that are away, all together; beyond it the oldest
    /// are dropped of whoever has most waiting
    #[arg(long, value_name = "BYTES", default_value_t = Self::default().max_waiting)]
    pub max_waiting: u64,

    /// Longest that a client may take for each handshake: TLS, the head of an HTTP request, MQTT's CONNECT
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub handshake_timeout: Duration,

    /// Longest that a client may leave unread what is sent to it; then it is closed
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub stall_timeout: Duration,
}

impl Default for Limits {
    /// Room for the thousand clients of a large event behind one address, and for as many again.
    fn default() -> Self {
        const CONNECTIONS: NonZeroU32 = NonZeroU32::new(2_400).expect("not zero");
        const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");
        Self {
            max_connections: CONNECTIONS,
            max_per_address: PER_ADDRESS,
            max_packet: LARGEST_PACKET_BYTES,
            max_rate: None,
            max_behind: 256 * 1024 * 1024,
            max_waiting: 256 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people: time, level, connection, words, fields
    Text,
    /// A JSON object a line
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// What keeps the station from doing its work
    Error,
    /// And who was refused or closed, and why
    Warn,
    /// And who came and left
    Info,
    /// And how it went about that
    Debug,
}

impl Limits {
    /// File descriptors that a connection takes: its own, and both ends of the one to the broker.
    const FILES_PER_CONNECTION: u64 = 3;
    /// For listeners, standard streams, the runtime and the broker's own.
    const FILES_BESIDES: u64 = 64;

    /// The same, with no more connections than there is room for in so many open files; `None` if
    /// there is room for all of them.
    pub fn fitted(self, open_files: u64) -> Option<Self> {
        let room = open_files.saturating_sub(Self::FILES_BESIDES) / Self::FILES_PER_CONNECTION;
        let room = NonZeroU32::new(u32::try_from(room).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        (room < self.max_connections).then_some(Self { max_connections: room, ..self })
    }
}

impl Options {
    /// Refuses an address that other machines can reach while anybody could connect to it.
    pub(crate) fn check_reach(&self) -> Result<(), StartError> {
        if self.upstream.is_some() {
            return match self.upstream_checks_users || self.http.ip().is_loopback() {
                true => Ok(()),
                false => Err(StartError::UpstreamOpenToAll { address: self.http }),
            };
        }
        if self.users.is_some() {
            return Ok(());
        }
        for (option, address) in [("--http", self.http), ("--mqtt", self.mqtt)] {
            if !address.ip().is_loopback() {
                return Err(StartError::OpenToAll { option, address });
            }
        }
        Ok(())
    }
}

/// A length of time, such as `10` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "write seconds, such as 10 or 0.5".to_owned())?;
    let duration = Duration::try_from_secs_f32(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("nobody is as quick as that".to_owned()) } else { Ok(duration) }
}

/// `host:port`, where the host may be a name such as `localhost`.
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
        let bridge = ["--upstream", "mqtt://broker.example", "--http"];
        check(&[&bridge[..], &["127.0.0.1:0", "--mqtt", "0.0.0.0:1"]].concat(), None);
        check(&[&bridge[..], &["0.0.0.0:8080"]].concat(), Some("--upstream-checks-users"));
        check(&[&bridge[..], &["0.0.0.0:8080", "--upstream-checks-users"]].concat(), None);
    }

    #[test]
    fn what_is_left_out_is_the_same_everywhere() {
        let limits = Options::try_parse_from(["mqtt-crawl-station"]).unwrap().limits;
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn connections_fit_into_the_open_files() {
        let check = |open_files, expected: Option<u32>| {
            let fitted = Limits::default().fitted(open_files).map(|limits| limits.max_connections.get());
            assert_eq!(fitted, expected, "{open_files}");
        };
        check(1_024, Some(320));
        check(7_263, Some(2_399));
        check(7_264, None);
        check(u64::MAX, None);
        check(10, Some(1));
    }

    #[test]
    fn times_are_more_than_nothing() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "soon", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
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
