//! Every limit of the station, with the reason for its value: those set on the command line, and the fixed ones.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use clap::{Args as _, FromArgMatches as _};

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// Largest packet. Larger than the 16 MiB that the page accepts, so that a person meets the page's own limit first.
pub(crate) const PACKET_BYTES_MAX: u32 = 20 * MIB;
/// Largest CONNECT, which arrives before any password is checked.
pub(crate) const CONNECT_BYTES_MAX: u32 = 64 * KIB;
/// A packet up to this size isn't counted while it is unfinished, since the connections are. A SUBSCRIBE on
/// `/diffusion` must not be larger, because it is held until it is complete.
pub(crate) const SMALL_PACKET_BYTES_MAX: u32 = 64 * KIB;
/// The minimum rate of a large packet (that of a slow phone), since it occupies its share of `--max-unfinished`.
pub(crate) const PACKET_BYTES_PER_SECOND_MIN: u32 = 32 * KIB;
/// Largest head of an HTTP request.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 32 * KIB as usize;
/// Levels of a topic. The library processes them by recursion, and some thousand overflow its stack.
pub(crate) const TOPIC_LEVELS_MAX: usize = 128;
/// Subscriptions of one session: the page's own limit is below it.
pub(crate) const SESSION_SUBSCRIPTIONS_MAX: usize = 1_000;
/// Unacknowledged QoS 1 and 2 messages each way. The library closes a connection that exceeds it, and a 3.1.1 client
/// can't be informed of it, so it is half of all packet identifiers.
pub(crate) const INFLIGHT_MAX: NonZeroU16 = NonZeroU16::new(32_768).expect("not zero");
/// Messages queued for one session: four times the largest burst that the station promises to deliver.
pub(crate) const QUEUE_MESSAGES_MAX: usize = 200_000;
/// A session outlives its connection by this time at most, whatever it requests.
pub(crate) const SESSION_EXPIRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The same in 3.1.1, where a client can't request it.
pub(crate) const SESSION_EXPIRY_V311: Duration = Duration::from_secs(2 * 60 * 60);
/// Topics with a retained message.
pub(crate) const RETAINED_MESSAGES_MAX: usize = 10_000;
/// All retained messages together, each with its topic, properties and the library's overhead.
pub(crate) const RETAINED_BYTES_MAX: u64 = 64 * MIB as u64;
/// Files of the app: a built one is below 3 MB, so more means that `--dist` points to something else.
pub(crate) const APP_BYTES_MAX: u64 = 64 * MIB as u64;
/// Longest password that is checked; longer ones are rejected.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Password checks at once. Each takes about 19 MiB and a core for about 20 ms.
pub(crate) const PASSWORD_CHECKS_MAX: usize = 2;
/// Clients that wait for such a check, before "server busy": a class behind one router begins at the same moment.
pub(crate) const PASSWORD_QUEUE_MAX: usize = 1_200;
/// The time a password waits for its check, in handshake timeouts: a class of a thousand takes 10 s on two cores.
pub(crate) const PASSWORD_WAIT_TIMEOUTS: u32 = 3;
/// Connections over TCP that wait to be accepted.
pub(crate) const ACCEPT_QUEUE_MAX: u32 = 1_024;
/// The number of bytes read at once from either side of a connection.
pub(crate) const READ_BYTES_MAX: usize = 64 * KIB as usize;

/// The time that the other side of a connection may take to finish after the first has.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that a client may take for the last packet that is sent to it.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The time that a client may continue to send after that packet, and the amount, before its socket is closed: closing
/// at once takes the packet back from a client that is still sending (RFC 9293, section 3.6.1). A slow one answers 32,768
/// PUBRECs first.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const LINGER_BYTES_MAX: usize = 1024 * KIB as usize;
/// The time that open connections may take to end once the station is being stopped.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which certificate, key and users are checked for changes.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// Measured in the library: memory of a session, and of one of its subscriptions.
const SESSION_BYTES: u64 = 29_000;
const SUBSCRIPTION_BYTES: u64 = 1_800;

/// Limits for the clients of a station.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// Maximum connections at once, over all ports; further ones are closed
    // Room for the thousand clients of a large event behind one address, twice.
    #[arg(long, value_name = "COUNT", default_value = "2400")]
    pub max_connections: NonZeroU32,

    /// Maximum connections at once from one address (IPv6: one /64)
    #[arg(long, value_name = "COUNT", default_value = "1200")]
    pub max_per_address: NonZeroU32,

    /// Maximum sessions, including those of absent clients (29 kB each); a further client is refused (0x88)
    // Twice the connections, since some clients are away.
    #[arg(long, value_name = "COUNT", default_value = "5000")]
    pub max_sessions: NonZeroU32,

    /// Maximum subscriptions of all sessions together (1.8 kB each); a further one is refused (0x97)
    // Twenty for each session.
    #[arg(long, value_name = "COUNT", default_value = "100000")]
    pub max_subscriptions: NonZeroU32,

    /// Maximum size of an MQTT packet in bytes; the sender of a larger one is closed (0x95)
    #[arg(long, value_name = "BYTES", default_value_t = PACKET_BYTES_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PACKET_BYTES_MAX)))]
    pub max_packet: u32,

    /// Maximum bytes of unfinished packets above 64 KiB, of all clients together; a client that begins
    /// another one is closed (0x97)
    #[arg(long, value_name = "BYTES", default_value_t = 256 * MIB)]
    pub max_unfinished: u32,

    /// Maximum messages per second from one client; further ones wait, none is lost
    #[arg(long, value_name = "COUNT")]
    pub max_rate: Option<NonZeroU32>,

    /// Close a client that lags behind by more than this many bytes of published data. The broker's memory
    /// for slow clients stays below this
    #[arg(long, value_name = "BYTES", default_value_t = 256 * u64::from(MIB))]
    pub max_behind: u64,

    /// Maximum bytes of messages queued for absent clients, all together; beyond it, the oldest messages of
    /// the client with the most are dropped
    #[arg(long, value_name = "BYTES", default_value_t = 256 * u64::from(MIB))]
    pub max_waiting: u64,

    /// Maximum seconds for each handshake (TLS, HTTP request, CONNECT), and for the broker's CONNACK
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub handshake_timeout: Duration,

    /// Close a client that reads nothing for this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub stall_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let options = Self::augment_args(clap::Command::default()).no_binary_name(true);
        Self::from_arg_matches(&options.get_matches_from([""; 0])).expect("every limit has a default")
    }
}

impl Limits {
    /// File descriptors of a connection: its own, and both ends of the one to the broker.
    const FILES_PER_CONNECTION: u64 = 3;
    /// For listeners, standard streams, the runtime and the broker's own.
    const FILES_BESIDES: u64 = 64;

    /// Returns the same limits with no more connections than this number of open files has room for; `None` if all fit.
    pub fn fitted(self, open_files: u64) -> Option<Self> {
        let room = open_files.saturating_sub(Self::FILES_BESIDES) / Self::FILES_PER_CONNECTION;
        let room = NonZeroU32::new(u32::try_from(room).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        (room < self.max_connections).then_some(Self { max_connections: room, ..self })
    }

    /// Returns the bytes that clients can make the station keep, without unacknowledged messages.
    fn memory_max(&self) -> u64 {
        let connections = u64::from(self.max_connections.get());
        // Buffers both ways, and one small unfinished packet in the library.
        let per_connection = 3 * READ_BYTES_MAX as u64 + u64::from(SMALL_PACKET_BYTES_MAX);
        connections * per_connection
            + u64::from(self.max_unfinished)
            + self.max_behind
            + self.max_waiting
            + RETAINED_BYTES_MAX
            + u64::from(self.max_sessions.get()) * SESSION_BYTES
            + u64::from(self.max_subscriptions.get()) * SUBSCRIPTION_BYTES
    }
}

/// The end of `--help`: the limits without an option.
pub(crate) fn help() -> String {
    format!(
        "Fixed limits: CONNECT {} KiB; {TOPIC_LEVELS_MAX} topic levels; {SESSION_SUBSCRIPTIONS_MAX} subscriptions per \
         session; {QUEUE_MESSAGES_MAX} messages queued and {INFLIGHT_MAX} unacknowledged per session; \
         {RETAINED_MESSAGES_MAX} retained messages in {} MiB; sessions end with the station, or {} h after their \
         client disconnected (3.1.1: {} h).\n\
         With the default limits, clients can make the station use {} MiB at most, not counting messages that a \
         client has received and not acknowledged.",
        CONNECT_BYTES_MAX / KIB,
        RETAINED_BYTES_MAX / u64::from(MIB),
        SESSION_EXPIRY_MAX.as_secs() / 3_600,
        SESSION_EXPIRY_V311.as_secs() / 3_600,
        Limits::default().memory_max().div_ceil(u64::from(MIB)),
    )
}

/// Parses a duration in seconds, such as `10` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected seconds, such as 10 or 0.5".to_owned())?;
    let duration = Duration::try_from_secs_f32(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_limited_to_the_open_files() {
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
    fn timeouts_are_more_than_zero() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "soon", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn help_lists_the_fixed_limits_and_the_memory() {
        let help = help();
        for words in ["CONNECT 64 KiB", "128 topic levels", "64 MiB", "24 h", "2 h", " MiB at most"] {
            assert!(help.contains(words), "{help}");
        }
    }
}
