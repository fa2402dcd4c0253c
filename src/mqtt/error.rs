//! What can go wrong between us and a server, and whose fault it was.
//!
//! [`Violation`] is the server's fault: it broke a rule of the standard or a
//! limit we stated. [`EncodeError`] is ours: something was asked for that can't
//! be sent. [`Failure`] is why a connection ended, whoever's fault it was. All of
//! them say in words what is wrong.

use std::fmt;

use super::packet::{Disconnect, ReasonCode, Refusal};

/// A packet from the server that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words} {rule}")]
pub struct Violation {
    /// What to tell a 5.0 server in our DISCONNECT.
    pub reason: ReasonCode,
    /// The statement of the standard that was broken, e.g. `[MQTT-3.3.1-4]`,
    /// or the section where it has no number.
    pub rule: &'static str,
    /// What is wrong, for people: one sentence.
    pub words: String,
    /// The offending packet's first bytes, [`Violation::EXCERPT_BYTES`] at most.
    pub excerpt: Vec<u8>,
}

impl Violation {
    /// How much of the offending packet is kept to be shown.
    pub const EXCERPT_BYTES: usize = 64;
}

/// Something we were asked to send and that no packet can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field has a 16-bit length.
    #[error("{field} has {bytes} bytes; MQTT allows 65,535 at most. Shorten it.")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The whole packet is larger than the server (or MQTT) takes.
    #[error("the packet has {bytes} bytes and the server takes {limit_bytes} at most")]
    PacketTooLarge {
        /// Size with its fixed header.
        bytes: usize,
        /// The limit that was exceeded.
        limit_bytes: u32,
    },
    /// A value the standard forbids.
    #[error("{words} {rule}")]
    Forbidden {
        /// What is wrong, for people: one sentence.
        words: &'static str,
        /// The statement of the standard.
        rule: &'static str,
    },
}

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The transport wasn't open yet.
    Dialing,
    /// CONNECT was sent, CONNACK hadn't come.
    Greeting,
    /// Connected.
    Online,
}

/// Why a connection failed or ended without our wish.
///
/// `Display` says what happened, in a sentence or two; what to do about it
/// depends on the address as well and is said by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// CONNACK said no.
    Refused {
        /// The answer.
        refusal: Refusal,
        /// The server's words.
        reason_string: Option<String>,
        /// Another server to use.
        server_reference: Option<String>,
    },
    /// The server said goodbye (5.0).
    Disconnected(Disconnect),
    /// The server broke a rule or a limit of ours; we hung up.
    Violation(Violation),
    /// The transport closed.
    Closed {
        /// How far the connection had come.
        stage: Stage,
        /// What the transport said.
        closed: CloseInfo,
    },
    /// No answer in time: to the dialling, to CONNECT, or to PINGREQ.
    Silent(Stage),
    /// What has to be sent can't be: the settings make no CONNECT, or the server
    /// takes no packet of the size that is needed.
    CannotSend(EncodeError),
}

/// How a transport closed, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseInfo {
    /// The WebSocket close code; 1006 when the browser knows no more. `None`
    /// over plain TCP.
    pub code: Option<u16>,
    /// The peer's or the system's words.
    pub reason: String,
}

impl CloseInfo {
    /// Policy Violation (RFC 6455, section 7.4.1).
    pub const POLICY_VIOLATION: u16 = 1008;

    /// Whether the server closed on purpose and says why.
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
                    Refusal::V311(code) => write!(f, " (3.1.1 return code {code})")?,
                }
                describe_server(f, reason_string.as_deref(), server_reference.as_deref())
            }
            Self::Disconnected(goodbye) => {
                f.write_str(describe_disconnect(goodbye.reason))?;
                in_brackets(f, goodbye.reason)?;
                describe_server(f, goodbye.reason_string.as_deref(), goodbye.server_reference.as_deref())
            }
            Self::Violation(violation) => {
                write!(f, "The broker broke a rule of MQTT, so the connection was closed. {violation}")
            }
            Self::Closed { stage, closed } => {
                f.write_str(match stage {
                    Stage::Dialing => "No connection could be made to the broker",
                    Stage::Greeting => "The broker closed the connection instead of answering CONNECT",
                    Stage::Online => "The connection to the broker was lost",
                })?;
                if let Some(code) = closed.code {
                    write!(f, " (close code {code})")?;
                }
                if closed.reason.is_empty() { f.write_str(".") } else { write!(f, ": {}", closed.reason) }
            }
            Self::Silent(stage) => f.write_str(match stage {
                Stage::Dialing => "The broker's address didn't answer in time.",
                Stage::Greeting => {
                    "Something answers at this address, but not with MQTT: CONNECT got no reply in time."
                }
                Stage::Online => "The broker stopped answering: a ping got no reply in time.",
            }),
            Self::CannotSend(error) => write!(f, "What has to be sent can't be sent to this broker: {error}"),
        }
    }
}

/// A reason behind a sentence: its own way of telling has brackets already.
fn in_brackets(f: &mut fmt::Formatter<'_>, reason: ReasonCode) -> fmt::Result {
    write!(f, " ({}, 0x{:02X})", reason.name(), reason.0)
}

fn describe_server(f: &mut fmt::Formatter<'_>, reason: Option<&str>, reference: Option<&str>) -> fmt::Result {
    f.write_str(".")?;
    if let Some(reason) = reason {
        write!(f, " The broker says: “{reason}”.")?;
    }
    if let Some(reference) = reference {
        write!(f, " It names another server: {reference}.")?;
    }
    Ok(())
}

fn describe_refusal(refusal: Refusal) -> &'static str {
    match refusal.reason() {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => "The broker refused the user name or the password",
        ReasonCode::NOT_AUTHORIZED => "The broker doesn't allow this connection",
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => "The broker doesn't speak this version of MQTT",
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => "The broker doesn't accept this client identifier",
        ReasonCode::BANNED => "The broker has banned this client",
        ReasonCode::BAD_AUTHENTICATION_METHOD => "The broker wants another way of authentication",
        ReasonCode::USE_ANOTHER_SERVER => "The broker asks to use another server for now",
        ReasonCode::SERVER_MOVED => "The broker has moved to another server",
        ReasonCode(0x88 | 0x89) => "The broker can't take connections right now",
        _ => "The broker refused the connection",
    }
}

fn describe_disconnect(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::SESSION_TAKEN_OVER => "Another connection with the same client identifier took this session over",
        ReasonCode::NOT_AUTHORIZED => "The broker ended the connection: it isn't allowed any longer",
        ReasonCode::ADMINISTRATIVE_ACTION => "An administrator of the broker ended the connection",
        ReasonCode::KEEP_ALIVE_TIMEOUT => "The broker heard nothing from here for too long and hung up",
        ReasonCode::USE_ANOTHER_SERVER => "The broker asks to use another server for now",
        ReasonCode::SERVER_MOVED => "The broker has moved to another server",
        ReasonCode(0x8B) => "The broker is shutting down",
        ReasonCode(0x81 | 0x82) => "The broker found fault with a packet sent from here and hung up",
        _ => "The broker ended the connection",
    }
}
