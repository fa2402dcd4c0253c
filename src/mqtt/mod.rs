//! The client's side of MQTT 3.1.1 and 5.0, without IO and without a clock.
//!
//! - [`packet`]: the packets of both versions.
//! - [`codec`]: encodes and decodes packets; the only user of `mqttbytes`.
//! - [`broker_url`]: the address of a broker, parsed and shown.
//! - [`text`]: the rule for MQTT's strings.
//! - [`topic`]: topic names and filters, parsed once and matched here.
//! - [`packet_id`]: packet identifiers in use.
//! - [`deviation`]: the table of tolerated faults of a server.
//! - [`failure_history`]: compares each failure with earlier ones.
//! - [`session`]: every protocol transition.
//! - [`reconnect`]: whether and when to try again, by reason.
//! - [`error`]: what went wrong and who caused it, as text.

pub mod broker_url;
pub mod codec;
pub mod deviation;
pub mod error;
pub mod failure_history;
pub mod packet;
pub mod packet_id;
pub mod reconnect;
pub mod session;
pub mod text;
pub mod topic;
