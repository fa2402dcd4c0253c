//! The errors between client and server, by who caused them.
//!
//! [`Violation`] is the server's fault: it broke a rule of the standard or a limit that we stated. [`EncodeError`] is
//! ours: a request can't be sent. [`Failure`] is the reason why a connection ended, whoever caused it. All of them
//! describe the problem as text.

use std::fmt;

use super::packet::{Disconnect, ReasonCode, Refusal};

/// A packet from the server that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} {rule}")]
pub struct Violation {
    /// The reason code that our DISCONNECT sends to a 5.0 server.
    pub reason: ReasonCode,
    /// The violated statement of the standard, e.g. `[MQTT-3.3.1-4]`, or the section if it has no number.
    pub rule: &'static str,
    /// What is wrong, for display: one sentence.
    pub message: String,
    /// The offending packet's first bytes, [`Violation::EXCERPT_BYTES`] at most.
    pub excerpt: Vec<u8>,
}

impl Violation {
    /// The number of bytes of the offending packet that are kept for display.
    pub const EXCERPT_BYTES: usize = 64;

    /// A WebSocket text frame; `[MQTT-6.0.0-1]` requires binary frames.
    pub fn text_frame(text: &[u8]) -> Self {
        Self {
            reason: ReasonCode::PROTOCOL_ERROR,
            rule: "[MQTT-6.0.0-1]",
            message: "The broker sent a WebSocket text frame; MQTT requires binary frames.".to_owned(),
            excerpt: Self::excerpt_of(text),
        }
    }

    /// Copies the bytes of a packet that are kept for display.
    pub fn excerpt_of(packet: &[u8]) -> Vec<u8> {
        packet[..packet.len().min(Self::EXCERPT_BYTES)].to_vec()
    }
}

/// A request that no packet can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field exceeds its 16-bit length.
    #[error("{field} is too long: {bytes} bytes (maximum 65,535).")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The whole packet is larger than the server (or MQTT) allows.
    #[error("the packet has {bytes} bytes, but the server accepts {limit_bytes} at most")]
    PacketTooLarge {
        /// Its size, fixed header included.
        bytes: usize,
        /// The exceeded limit.
        limit_bytes: u32,
    },
    /// A value that the standard forbids.
    #[error("{message} {rule}")]
    Forbidden {
        /// What is wrong, for display: one sentence.
        message: &'static str,
        /// The statement of the standard.
        rule: &'static str,
    },
}

impl EncodeError {
    /// Creates the error for a value that this rule forbids.
    pub(super) const fn forbidden(rule: &'static str, message: &'static str) -> Self {
        Self::Forbidden { message, rule }
    }
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The transport wasn't open yet.
    Dialing,
    /// CONNECT was sent, CONNACK hasn't arrived.
    AwaitingConnAck,
    /// Connected.
    Connected,
}

/// Why a connection failed or ended without our request.
///
/// `Display` describes what happened, in a sentence or two. What to do about it depends on the address as well; the
/// engine adds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// CONNACK refused the connection.
    Refused {
        /// The refusal.
        refusal: Refusal,
        /// The server's reason string.
        reason_string: Option<String>,
        /// Another server to use.
        server_reference: Option<String>,
    },
    /// The server sent DISCONNECT (5.0).
    ServerDisconnect(Disconnect),
    /// The server broke a rule or a limit of ours, and we closed.
    Violation(Violation),
    /// The transport closed.
    Closed {
        /// The stage of the connection.
        stage: Stage,
        /// What the transport reported.
        closed: CloseInfo,
    },
    /// No answer in time: when opening the transport, or to CONNECT or PINGREQ.
    Timeout(Stage),
    /// A required packet can't be sent: the settings don't allow a CONNECT, or the server doesn't accept packets of the
    /// required size.
    EncodeFailed(EncodeError),
}

/// How a transport closed, as far as it reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseInfo {
    /// The WebSocket close code; 1006 if the browser knows nothing else. `None` over plain TCP.
    pub code: Option<u16>,
    /// The reason text of the peer or of the system.
    pub reason: String,
}

impl CloseInfo {
    /// Policy Violation (RFC 6455, section 7.4.1).
    pub const POLICY_VIOLATION: u16 = 1008;

    /// Whether the server closed on purpose and gives a reason.
    pub fn is_refusal(&self) -> bool {
        self.code == Some(Self::POLICY_VIOLATION) && !self.reason.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, reason_string, server_reference } => {
                f.write_str(describe_refusal(*refusal))?;
                match refusal {
                    Refusal::V5(reason) => in_brackets(f, *reason)?,
                    Refusal::V311(code @ 1..=5) => {
                        write!(f, " ({}, 3.1.1 return code {code})", refusal.reason().name())?;
                    }
                    Refusal::V311(code) => write!(f, " (3.1.1 return code {code})")?,
                }
                describe_server(f, reason_string.as_deref(), server_reference.as_deref())
            }
            Self::ServerDisconnect(disconnect) => {
                f.write_str(describe_disconnect(disconnect.reason))?;
                in_brackets(f, disconnect.reason)?;
                describe_server(f, disconnect.reason_string.as_deref(), disconnect.server_reference.as_deref())
            }
            Self::Violation(violation) => {
                write!(f, "The broker violated the MQTT protocol, so the connection was closed. {violation}")
            }
            Self::Closed { stage, closed } => {
                f.write_str(match stage {
                    Stage::Dialing => "Couldn't connect to the broker",
                    Stage::AwaitingConnAck => "The broker closed the connection instead of answering CONNECT",
                    Stage::Connected => "The connection to the broker was lost",
                })?;
                if let Some(code) = closed.code {
                    write!(f, " (close code {code})")?;
                }
                if closed.reason.is_empty() { f.write_str(".") } else { write!(f, ": {}", closed.reason) }
            }
            Self::Timeout(stage) => f.write_str(match stage {
                Stage::Dialing => "The broker's address didn't respond in time.",
                Stage::AwaitingConnAck => "The server didn't answer CONNECT in time. It may not be an MQTT broker.",
                Stage::Connected => "The broker stopped responding: no reply to a ping in time.",
            }),
            Self::EncodeFailed(error) => write!(f, "A required packet can't be sent to this broker: {error}"),
        }
    }
}

/// A reason after a sentence, without the brackets that its own `Display` has.
fn in_brackets(f: &mut fmt::Formatter<'_>, reason: ReasonCode) -> fmt::Result {
    write!(f, " ({}, 0x{:02X})", reason.name(), reason.0)
}

fn describe_server(f: &mut fmt::Formatter<'_>, reason: Option<&str>, reference: Option<&str>) -> fmt::Result {
    f.write_str(".")?;
    if let Some(reason) = reason {
        write!(f, " Broker's reason: “{reason}”.")?;
    }
    if let Some(reference) = reference {
        write!(f, " It refers to another server: {reference}.")?;
    }
    Ok(())
}

fn describe_refusal(refusal: Refusal) -> &'static str {
    match refusal.reason() {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => "The broker rejected the user name or password",
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => "The broker doesn't support this version of MQTT",
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => "The broker rejected this client ID",
        ReasonCode::BANNED => "The broker has banned this client",
        ReasonCode::BAD_AUTHENTICATION_METHOD => "The broker requires another authentication method",
        ReasonCode::USE_ANOTHER_SERVER => "The broker asks clients to use another server for now",
        ReasonCode::SERVER_MOVED => "The broker has moved to another server",
        ReasonCode(0x88 | 0x89) => "The broker isn't accepting connections right now",
        _ => "The broker rejected the connection",
    }
}

fn describe_disconnect(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::SESSION_TAKEN_OVER => "Another client connected with the same client ID",
        ReasonCode::NOT_AUTHORIZED => "The broker closed the connection, which is no longer authorized",
        ReasonCode::ADMINISTRATIVE_ACTION => "An administrator of the broker closed the connection",
        ReasonCode::KEEP_ALIVE_TIMEOUT => "Keep-alive timeout: the broker closed the connection",
        ReasonCode::USE_ANOTHER_SERVER => "The broker asks clients to use another server for now",
        ReasonCode::SERVER_MOVED => "The broker has moved to another server",
        ReasonCode(0x8B) => "The broker is shutting down",
        ReasonCode(0x81 | 0x82) => "The broker rejected a packet from this client and closed the connection",
        _ => "The broker closed the connection",
    }
}
