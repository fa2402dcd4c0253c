//! Connection diagnostics: why a connection failed, the likeliest cause first, what to do about it, and the evidence.
//!
//! A browser doesn't report to a page why a WebSocket failed: a wrong port, a wrong path, an untrusted certificate and
//! a broker that is down all close with code 1006 and no reason. So the likely causes are derived from the address, the
//! time that the attempt took and the bytes that arrived.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::credentials::jwt::Utc;
use crate::mqtt::broker_url::{BrokerUrl, PageOrigin, Scheme};
use crate::mqtt::error::{Failure, Stage, Violation};
use crate::mqtt::packet::{ReasonCode, Refusal, Version};
use crate::mqtt::session::event::Recurrence;
use crate::time::Instant;

use crate::engine::repeated_failures;
use crate::format::{self, hex};
use crate::protocol::connection::{Advice, Evidence};

/// Ports on which brokers accept MQTT over TCP, not over a WebSocket.
const TCP_PORTS: [u16; 2] = [1883, 8883];

/// Default ports of brokers for WebSockets without and with TLS.
const PLAIN_PORTS: [u16; 6] = [80, 8000, 8080, 8083, 9001, 15675];
const TLS_PORTS: [u16; 6] = [443, 8081, 8084, 8443, 8884, 15676];

/// Ports that browsers never connect to ("bad ports" of the Fetch standard), other than those of [`BLOCKED_RANGE`].
const BLOCKED_PORTS: [u16; 78] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6679, 6697, 10080,
];

/// See [`BLOCKED_PORTS`].
const BLOCKED_RANGE: RangeInclusive<u16> = 6665..=6669;

/// A refused TCP connection fails faster than this. A firewall that drops packets, or a host that doesn't exist, takes
/// much longer.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// The number of first bytes that are kept as evidence.
const FIRST_BYTES: usize = 32;

/// Observations of one connection attempt.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    began: Instant,
    version: Option<Version>,
    opened: Option<Instant>,
    received_bytes: u64,
    first_bytes: Vec<u8>,
}

impl Attempt {
    /// Starts the attempt.
    pub fn new(version: Version, now: Instant) -> Self {
        Self { began: now, version: Some(version), ..Self::default() }
    }

    /// The WebSocket is open.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Bytes arrived.
    pub fn received(&mut self, bytes: &[u8]) {
        self.received_bytes += bytes.len() as u64;
        let room = FIRST_BYTES - self.first_bytes.len();
        self.first_bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Everything that is known about a failure.
#[derive(Debug)]
pub struct DiagnosisInput<'a> {
    /// The failure as the session reports it.
    pub failure: &'a Failure,
    /// The address as it was entered, without its credentials.
    pub broker: &'a str,
    /// When the credentials in the address expired; `None` if they haven't, or if the address doesn't contain an
    /// expiry.
    pub url_expired_at: Option<Instant>,
    /// An earlier attempt failed at once.
    pub has_failed_at_once: bool,
    /// The page's origin.
    pub page: PageOrigin,
    /// The observations.
    pub attempt: &'a Attempt,
    /// When it failed.
    pub failed_at: Instant,
    /// A password or user name was given.
    pub has_credentials: bool,
    /// What is wrong with the JWT that was given as password.
    pub jwt_error: Option<String>,
    /// The browser reports that there is no network.
    pub is_offline: bool,
    /// The app chooses the MQTT version.
    pub is_auto: bool,
    /// Client identifier.
    pub client_id: &'a str,
    /// What it has in common with earlier failures.
    pub recurrence: &'a Recurrence,
}

impl DiagnosisInput<'_> {
    /// Whether the WebSocket failed to open, and failed at once.
    pub fn is_at_once(&self) -> bool {
        matches!(self.failure, Failure::Closed { stage: Stage::Dialing, .. })
            && self.failed_at.since(self.attempt.began) < AT_ONCE
    }

    /// Possible causes and what to do, likeliest first.
    pub fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if self.is_offline {
            advice.push(Advice::new("You're offline. Connecting will resume when you're back online."));
        }
        if let Some(expired_at) = self.url_expired_at.map(Utc) {
            advice.push(Advice::new(format!(
                "The credential in the broker URL expired on {expired_at}. Enter a new URL and connect again."
            )));
        }
        advice.extend(repeated_failures::advice(self.failure, self.recurrence, self.client_id));
        match self.failure {
            Failure::Refused { refusal, .. } => advice.extend(self.by_reason(refusal.reason())),
            Failure::ServerDisconnect(disconnect) => advice.extend(self.by_reason(disconnect.reason)),
            // The server's reason string contains the advice.
            Failure::Closed { closed, .. } if closed.is_refusal() => {}
            Failure::Closed { stage: Stage::Dialing, .. } | Failure::Timeout(Stage::Dialing) => {
                if let Ok(url) = BrokerUrl::parse(self.broker) {
                    advice.extend(self.no_web_socket(&url));
                }
            }
            Failure::Closed { stage: Stage::AwaitingConnAck, .. } | Failure::Timeout(Stage::AwaitingConnAck) => {
                advice.extend(self.no_connack());
            }
            Failure::Violation(_) => {
                advice.push(Advice::new(
                    "Report this to the broker's administrator; the bytes received are shown below.",
                ));
            }
            Failure::Timeout(Stage::Connected) => {
                advice.push(Advice::new("The network may have dropped silently."));
            }
            Failure::Closed { .. } | Failure::EncodeFailed(_) => {}
        }
        advice
    }

    /// The observations as evidence.
    pub fn evidence(&self) -> Vec<Evidence> {
        let attempt = self.attempt;
        let mut evidence = Vec::new();
        let mut note = |name: &str, value: String| evidence.push(Evidence { name: name.to_owned(), value });
        if let Some(version) = attempt.version {
            note("Tried", format!("{} with {version}", self.broker));
        }
        match attempt.opened {
            None => {
                note("WebSocket", format!("failed after {}", format::duration(self.failed_at.since(attempt.began))));
            }
            Some(opened) => note(
                "WebSocket",
                format!(
                    "opened in {}, closed after {}",
                    format::duration(opened.since(attempt.began)),
                    format::duration(self.failed_at.since(opened))
                ),
            ),
        }
        if let Failure::Closed { closed, .. } = self.failure
            && let Some(code) = closed.code
        {
            let meaning = describe_close_code(code);
            note("Close code", format!("{code}{meaning}"));
        }
        note("Bytes received", attempt.received_bytes.to_string());
        if !attempt.first_bytes.is_empty() {
            note("First bytes", hex(&attempt.first_bytes));
        }
        match self.failure {
            Failure::Refused { refusal: Refusal::V5(reason), .. } => note("CONNACK", reason.to_string()),
            Failure::Refused { refusal: Refusal::V311(code), .. } => {
                note("CONNACK", format!("return code {code} of MQTT 3.1.1"));
            }
            Failure::ServerDisconnect(disconnect) => note("DISCONNECT", disconnect.reason.to_string()),
            Failure::Violation(Violation { rule, excerpt, .. }) => {
                note("Violated rule", (*rule).to_owned());
                if !excerpt.is_empty() {
                    note(Evidence::OFFENDING_PACKET, hex(excerpt));
                }
            }
            _ => {}
        }
        evidence
    }

    fn by_reason(&self, reason: ReasonCode) -> Vec<Advice> {
        let is_about_login = matches!(reason, ReasonCode::BAD_USER_NAME_OR_PASSWORD | ReasonCode::NOT_AUTHORIZED);
        let jwt_error = self.jwt_error.iter().filter(|_| is_about_login).map(Advice::new);
        jwt_error.chain(by_reason(reason, self.has_credentials)).collect()
    }

    fn no_web_socket(&self, url: &BrokerUrl) -> Vec<Advice> {
        let (host, port) = (url.host(), url.port());
        if BLOCKED_PORTS.contains(&port) || BLOCKED_RANGE.contains(&port) {
            return vec![Advice::new(format!(
                "Browsers block port {port}, which is reserved for another service. Use another port for the broker's \
                 WebSocket listener, such as 8083 or 9001."
            ))];
        }
        let tls = url.scheme() == Scheme::Wss;
        let mut advice = self.blocked_by_browsers(url);
        if TCP_PORTS.contains(&port) {
            advice.push(Advice::new(format!(
                "Port {port} is normally MQTT over TCP. Browsers need the WebSocket port, often 8083, 8080, 9001 or \
                 8000."
            )));
        }
        if tls && PLAIN_PORTS.contains(&port) {
            advice.push(Advice::new(format!("Port {port} normally has no TLS. Try {}.", with_scheme(url, "ws"))));
        }
        if !tls && TLS_PORTS.contains(&port) {
            advice.push(Advice::new(format!("Port {port} normally has TLS. Try {}.", with_scheme(url, "wss"))));
        }
        if tls {
            advice.push(Advice {
                text: "The browser may not trust the broker's certificate. Open the address in a tab, check the \
                        warning, accept it if the certificate is yours, then come back."
                    .to_owned(),
                link: Some(with_scheme(url, "https")),
            });
        }
        let waited = self.failed_at.since(self.attempt.began);
        advice.push(if waited >= AT_ONCE && self.has_failed_at_once {
            Advice::new(format!(
                "Firefox delays new connections after failures, by up to a minute. Wait, or open the page in another \
                 browser. Earlier attempts failed immediately: check that the broker is running and that {host}:{port} \
                 is its WebSocket port."
            ))
        } else if waited >= AT_ONCE {
            Advice::new(format!(
                "No response from {host} for {}. Check the host name and any firewall. Firefox also delays new \
                 connections after failures, by up to a minute.",
                format::duration(waited)
            ))
        } else {
            Advice::new(format!("Check that the broker is running and that {host}:{port} is its WebSocket port."))
        });
        advice.push(match url.path() {
            "" | "/" => {
                Advice::new("The URL has no path. Most brokers use /mqtt (Diffusion: /diffusion, RabbitMQ: /ws).")
            }
            path => Advice::new(format!(
                "Check the path {path}. Most brokers use /mqtt (Diffusion: /diffusion, RabbitMQ: /ws)."
            )),
        });
        if !tls && !TLS_PORTS.contains(&port) {
            advice.push(Advice::new(format!("If the listener uses TLS, use {}.", with_scheme(url, "wss"))));
        }
        advice.push(Advice::new(
            "Check that no other service is using this port: a WebSocket server that isn't a broker doesn't offer the \
             subprotocol mqtt.",
        ));
        advice
    }

    /// Causes by which some browsers block a page of this origin.
    fn blocked_by_browsers(&self, url: &BrokerUrl) -> Vec<Advice> {
        let mut advice = Vec::new();
        if let Some(text) = url.mixed_content(self.page) {
            advice.push(Advice::new(text));
        } else if self.page.is_https && url.scheme() == Scheme::Ws {
            advice.push(Advice::new(
                "Safari blocks ws:// from https pages, even to this machine. Use wss:// or another browser, or open \
                 the page over http.",
            ));
        }
        if self.page.is_public && url.is_local() {
            advice.push(Advice::new(if self.page.is_https {
                "Chrome and Edge (version 147 and later) ask for permission to access the local network. Allow it when \
                 asked, or in the site settings next to the address."
            } else {
                "Chrome and Edge (version 147 and later) block access to the local network from internet pages over \
                 http. Open the page over https, or from this network."
            }));
        }
        advice
    }

    fn no_connack(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if !self.has_credentials {
            advice.push(Advice::new(
                "If the broker requires a user name and password, enter them: some brokers close the connection \
                 without giving a reason.",
            ));
        }
        advice.push(Advice::new("Check that this WebSocket belongs to an MQTT broker, not to another service."));
        advice.push(Advice::new(if self.client_id.is_empty() {
            "Enter a client ID: some brokers drop connections without one.".to_owned()
        } else {
            format!(
                "Try a client ID other than “{}”: some brokers drop connections with an ID that isn't allowed or is in \
                 use.",
                self.client_id
            )
        }));
        if !self.is_auto {
            advice
                .push(Advice::new("Set the protocol to Auto: some brokers drop connections with an unknown version."));
        }
        advice
    }
}

fn by_reason(reason: ReasonCode, has_credentials: bool) -> Vec<Advice> {
    match reason {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => vec![Advice::new(
            "Check the user name and password, then connect again. It won't be retried automatically, to avoid locking \
             the account.",
        )],
        ReasonCode::NOT_AUTHORIZED => {
            let mut advice = Vec::new();
            advice.push(if has_credentials {
                Advice::new(
                    "Check the user name and password. Mosquitto, for example, also returns this for a wrong password.",
                )
            } else {
                Advice::new("Enter a user name and password: this broker may not allow anonymous connections.")
            });
            advice.push(Advice::new(
                "Ask the broker's administrator whether this user, client ID or address is allowed.",
            ));
            advice
        }
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => {
            vec![Advice::new("Set the protocol to Auto, or to the other version.")]
        }
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => {
            vec![Advice::new("Choose another client ID. Up to 23 letters and digits are always allowed.")]
        }
        ReasonCode::SESSION_TAKEN_OVER => {
            vec![Advice::new("Use a different client ID in each tab and program, then connect again.")]
        }
        ReasonCode::USE_ANOTHER_SERVER | ReasonCode::SERVER_MOVED => {
            vec![Advice::new("If you trust the suggested server, enter its address and connect.")]
        }
        ReasonCode::BAD_AUTHENTICATION_METHOD => vec![Advice::new(
            "This broker requires enhanced authentication (AUTH packets), which isn't supported. Ask for a listener \
             with user name and password.",
        )],
        ReasonCode::BANNED => vec![Advice::new("Only the broker's administrator can change this.")],
        _ => Vec::new(),
    }
}

/// The address with another scheme and an explicit port, since the default port would change with the scheme.
fn with_scheme(url: &BrokerUrl, scheme: &str) -> String {
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    format!("{scheme}://{host}:{}{}", url.port(), if scheme == "https" { "/" } else { url.path() })
}

/// The meaning of a close code (RFC 6455, section 7.4.1), if it has one.
fn describe_close_code(code: u16) -> &'static str {
    match code {
        1000 => " (normal)",
        1001 => " (going away)",
        1002 => " (protocol error)",
        1003 => " (unsupported data)",
        1005 => " (no status)",
        1006 => " (no further details available)",
        1008 => " (policy violation)",
        1009 => " (message too big)",
        1011 => " (internal server error)",
        1015 => " (TLS failed)",
        _ => "",
    }
}
