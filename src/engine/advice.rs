//! What a person can do about a failure, likeliest first.
//!
//! A browser tells a page nothing of why a WebSocket failed: a wrong port, a
//! wrong path, a certificate that isn't trusted and a broker that is down all
//! look the same. So the address itself is looked at for the likely causes.

use crate::broker_url::{BrokerUrl, Scheme};
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::packet::ReasonCode;

use super::row::hex;

/// Ports on which brokers speak MQTT over TCP, not over a WebSocket.
const TCP_PORTS: [u16; 2] = [1883, 8883];

/// What to try after this failure at this address.
pub fn for_failure(failure: &Failure, broker: &str) -> Vec<String> {
    match failure {
        Failure::Refused { refusal, .. } => by_reason(refusal.reason()),
        Failure::Disconnected(goodbye) => by_reason(goodbye.reason),
        Failure::Closed { stage: Stage::Dialing, .. } | Failure::Silent(Stage::Dialing) => {
            BrokerUrl::parse(broker).map(|url| no_web_socket(&url)).unwrap_or_default()
        }
        Failure::Closed { stage: Stage::Greeting, .. } | Failure::Silent(Stage::Greeting) => vec![
            "Check that this WebSocket belongs to an MQTT broker and not to another service.".to_owned(),
            "If the broker asks for a user name and password, enter them: some brokers hang up without a word."
                .to_owned(),
            "Choose the protocol version by hand: some brokers hang up on a version they don't know.".to_owned(),
        ],
        Failure::Violation(_) => {
            vec!["Tell whoever runs the broker: the bytes it sent are shown below.".to_owned()]
        }
        Failure::Closed { .. } | Failure::Silent(_) | Failure::CannotSend(_) => Vec::new(),
    }
}

/// The bytes that broke a rule, as hex.
pub fn evidence(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Violation(violation) if !violation.excerpt.is_empty() => Some(hex(&violation.excerpt)),
        _ => None,
    }
}

fn no_web_socket(url: &BrokerUrl) -> Vec<String> {
    let mut advice = Vec::new();
    if TCP_PORTS.contains(&url.port()) {
        advice.push(format!(
            "Port {} is usually the broker's TCP port. A browser needs its WebSocket port: often 8083, 8080, 9001 or 8000.",
            url.port()
        ));
    }
    advice.push(format!(
        "Check that the broker runs and that port {} on {} is its WebSocket listener.",
        url.port(),
        url.host()
    ));
    advice.push(format!(
        "Check the path. This address has {}; most brokers use /mqtt, Diffusion /diffusion, RabbitMQ /ws.",
        match url.path() {
            "" | "/" => "none".to_owned(),
            path => path.to_owned(),
        }
    ));
    advice.push(match url.scheme() {
        Scheme::Wss | Scheme::Mqtts => format!(
            "The certificate may not be trusted: open https://{}:{}/ in a tab, look at the warning, then come back.",
            url.host(),
            url.port()
        ),
        Scheme::Ws | Scheme::Mqtt => "If the listener uses TLS, the address must begin with wss://.".to_owned(),
    });
    advice
}

fn by_reason(reason: ReasonCode) -> Vec<String> {
    let words: &[&str] = match reason {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => &[
            "Check the user name and the password, then connect again. It isn't tried by itself, so that no account gets locked.",
        ],
        ReasonCode::NOT_AUTHORIZED => &[
            "Enter a user name and password if the broker asks for them.",
            "Ask whoever runs the broker whether this user, client identifier or address is allowed.",
        ],
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => &["Set the protocol to auto, or to the other version."],
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => {
            &["Choose another client identifier: letters and digits, 23 characters at most, are always allowed."]
        }
        ReasonCode::SESSION_TAKEN_OVER => {
            &["Give each tab and each program a client identifier of its own, then connect again."]
        }
        ReasonCode::USE_ANOTHER_SERVER | ReasonCode::SERVER_MOVED => {
            &["If you trust the server it names, enter its address and connect."]
        }
        _ => &[],
    };
    words.iter().map(|&words| words.to_owned()).collect()
}
