//! What may be said on the command line, and what of it is refused before anything is opened.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU32;
use std::path::PathBuf;

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
        }
    }
}

impl Options {
    /// Refuses an address that other machines can reach while anybody could connect to it.
    pub(crate) fn check_reach(&self) -> Result<(), StartError> {
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
    }

    #[test]
    fn an_address_needs_a_port() {
        let words = address("127.0.0.1").unwrap_err();
        assert!(words.contains("127.0.0.1:8080"), "{words}");
    }
}
