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
    pub with_credentials: bool,
    /// What is wrong with the JWT that was given as password.
    pub complaint: Option<String>,
    /// The browser reports that there is no network.
    pub offline: bool,
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
        if self.offline {
            advice.push(advice_text(
                "This computer is offline, says the browser. Connecting goes on by itself once it isn't.",
            ));
        }
        if let Some(expired_at) = self.url_expired_at.map(Utc) {
            advice.push(advice_text(format!(
                "The credential in the broker URL expired on {expired_at}: get a new URL, put it in, and connect again."
            )));
        }
        advice.extend(repeated_failures::advice(self.failure, self.recurrence, self.client_id));
        match self.failure {
            Failure::Refused { refusal, .. } => advice.extend(self.by_reason(refusal.reason())),
            Failure::ServerDisconnect(goodbye) => advice.extend(self.by_reason(goodbye.reason)),
            // The server's reason text says what to do.
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
                advice.push(advice_text("Tell whoever runs the broker; the bytes it sent are shown below."));
            }
            Failure::Timeout(Stage::Connected) => {
                advice.push(advice_text("The network between here and the broker may have gone without a word."));
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
                note("WebSocket", format!("not open after {}", format::duration(self.failed_at.since(attempt.began))));
            }
            Some(opened) => note(
                "WebSocket",
                format!(
                    "open after {}, ended after {}",
                    format::duration(opened.since(attempt.began)),
                    format::duration(self.failed_at.since(opened))
                ),
            ),
        }
        if let Failure::Closed { closed, .. } = self.failure
            && let Some(code) = closed.code
        {
            let meaning = close_code_in_words(code);
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
            Failure::ServerDisconnect(goodbye) => note("DISCONNECT", goodbye.reason.to_string()),
            Failure::Violation(Violation { rule, excerpt, .. }) => {
                note("Broken rule", (*rule).to_owned());
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
        let complaint = self.complaint.iter().filter(|_| is_about_login).map(advice_text);
        complaint.chain(by_reason(reason, self.with_credentials)).collect()
    }

    fn no_web_socket(&self, url: &BrokerUrl) -> Vec<Advice> {
        let (host, port) = (url.host(), url.port());
        if BLOCKED_PORTS.contains(&port) || BLOCKED_RANGE.contains(&port) {
            return vec![advice_text(format!(
                "Browsers block port {port}, which belongs to another service. Give the broker's WebSocket listener \
                 another port, such as 8083 or 9001."
            ))];
        }
        let tls = url.scheme() == Scheme::Wss;
        let mut advice = self.blocked_by_browsers(url);
        if TCP_PORTS.contains(&port) {
            advice.push(advice_text(format!(
                "Port {port} is usually the broker's TCP port. A browser needs its WebSocket port: often 8083, 8080, \
                 9001 or 8000."
            )));
        }
        if tls && PLAIN_PORTS.contains(&port) {
            advice.push(advice_text(format!("Port {port} usually has no TLS: try {}.", with_scheme(url, "ws"))));
        }
        if !tls && TLS_PORTS.contains(&port) {
            advice.push(advice_text(format!("Port {port} usually has TLS: try {}.", with_scheme(url, "wss"))));
        }
        if tls {
            advice.push(Advice {
                words: "The browser may not trust the broker's certificate. Open its address in a tab, look at the \
                        warning, accept it if it is your own, then come back."
                    .to_owned(),
                link: Some(with_scheme(url, "https")),
            });
        }
        let waited = self.failed_at.since(self.attempt.began);
        advice.push(if waited >= AT_ONCE && self.has_failed_at_once {
            advice_text(format!(
                "Firefox waits after failures before it connects again, up to a minute, and it may be doing so: wait, or \
                 open the page in another browser. Earlier attempts failed at once, so check that the broker runs and \
                 that port {port} on {host} is its WebSocket listener."
            ))
        } else if waited >= AT_ONCE {
            advice_text(format!(
                "Nothing answered for {}: check the host name {host}, and firewalls on the way. After failures \
                 Firefox itself waits before it connects again, up to a minute.",
                format::duration(waited)
            ))
        } else {
            advice_text(format!("Check that the broker runs and that port {port} on {host} is its WebSocket listener."))
        });
        advice.push(match url.path() {
            "" | "/" => advice_text(
                "Check the path: this address has none. Most brokers use /mqtt, Diffusion /diffusion, RabbitMQ /ws.",
            ),
            path => advice_text(format!(
                "Check the path {path}: most brokers use /mqtt, Diffusion /diffusion, RabbitMQ /ws."
            )),
        });
        if !tls && !TLS_PORTS.contains(&port) {
            advice.push(advice_text(format!("If the listener uses TLS, the address is {}.", with_scheme(url, "wss"))));
        }
        advice.push(advice_text(
            "A WebSocket that doesn't offer the subprotocol mqtt isn't a broker's: check that another service doesn't \
             have this port.",
        ));
        advice
    }

    /// Causes by which some browsers block a page of this origin.
    fn blocked_by_browsers(&self, url: &BrokerUrl) -> Vec<Advice> {
        let mut advice = Vec::new();
        if let Some(words) = url.mixed_content(self.page) {
            advice.push(advice_text(words));
        } else if self.page.is_https && url.scheme() == Scheme::Ws {
            advice.push(advice_text(
                "Safari opens no ws:// address from a page that came over https, not even on this machine: use wss://, \
                 another browser, or open the page over http.",
            ));
        }
        if self.page.is_public && url.is_local() {
            advice.push(advice_text(if self.page.is_https {
                "Chrome and Edge from version 147 on ask whether this page may open addresses of the local network: \
                 answer their question, or allow it in the site's settings, beside the address."
            } else {
                "Over http, Chrome and Edge from version 147 on let a page from the internet open no address of the \
                 local network, and don't ask: open the page over https, or from this network."
            }));
        }
        advice
    }

    fn no_connack(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if !self.with_credentials {
            advice.push(advice_text(
                "If the broker asks for a user name and password, enter them: some hang up without a word.",
            ));
        }
        advice.push(advice_text("Check that this WebSocket belongs to an MQTT broker, and not to another service."));
        advice.push(advice_text(if self.client_id.is_empty() {
            "Enter a client identifier: some brokers hang up on an empty one.".to_owned()
        } else {
            format!(
                "Try another client identifier than “{}”: some brokers hang up on one that isn't allowed or is in use.",
                self.client_id
            )
        }));
        if !self.is_auto {
            advice.push(advice_text("Set the protocol to auto: some brokers hang up on a version they don't know."));
        }
        advice
    }
}

fn by_reason(reason: ReasonCode, with_credentials: bool) -> Vec<Advice> {
    match reason {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => vec![advice_text(
            "Check the user name and the password, then connect again. It isn't tried by itself, so that no account \
             gets locked.",
        )],
        ReasonCode::NOT_AUTHORIZED => {
            let mut advice = Vec::new();
            advice.push(if with_credentials {
                advice_text(
                    "Check the user name and the password: Mosquitto, for one, gives this answer to a wrong one too.",
                )
            } else {
                advice_text("Enter a user name and password: this broker may not take anonymous connections.")
            });
            advice.push(advice_text(
                "Ask whoever runs the broker whether this user, client identifier or address is allowed.",
            ));
            advice
        }
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => {
            vec![advice_text("Set the protocol to auto, or to the other version.")]
        }
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => vec![advice_text(
            "Choose another client identifier: letters and digits, 23 characters at most, are always allowed.",
        )],
        ReasonCode::SESSION_TAKEN_OVER => {
            vec![advice_text("Give each tab and each program a client identifier of its own, then connect again.")]
        }
        ReasonCode::USE_ANOTHER_SERVER | ReasonCode::SERVER_MOVED => {
            vec![advice_text("If you trust the server it names, enter its address and connect.")]
        }
        ReasonCode::BAD_AUTHENTICATION_METHOD => vec![advice_text(
            "This broker wants an exchange of AUTH packets, which this app doesn't speak. Ask for a listener with \
             user name and password.",
        )],
        ReasonCode::BANNED => vec![advice_text("Only whoever runs the broker can lift that.")],
        _ => Vec::new(),
    }
}

/// The address with another scheme and an explicit port, since the default port would change with the scheme.
fn with_scheme(url: &BrokerUrl, scheme: &str) -> String {
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    format!("{scheme}://{host}:{}{}", url.port(), if scheme == "https" { "/" } else { url.path() })
}

/// The meaning of a close code (RFC 6455, section 7.4.1), if it has one.
fn close_code_in_words(code: u16) -> &'static str {
    match code {
        1000 => " (normal)",
        1001 => " (the other side is going away)",
        1002 => " (protocol error)",
        1003 => " (data of a kind that isn't taken)",
        1005 => " (none was given)",
        1006 => " (the browser knows no more)",
        1008 => " (against the other side's policy)",
        1009 => " (message too big)",
        1011 => " (an error of the server)",
        1015 => " (TLS failed)",
        _ => "",
    }
}

pub(super) fn advice_text(words: impl Into<String>) -> Advice {
    Advice { words: words.into(), link: None }
}
