//! MQTT 3.1.1 and 5.0, from the client's side, without IO and without a clock.
//!
//! - [`packet`]: what a packet is, in both versions.
//! - [`codec`]: packets to bytes and back; the only user of `mqttbytes`.
//! - [`broker_url`]: the address of a broker, parsed and shown.
//! - [`text`]: the rule for MQTT's strings.
//! - [`topic`]: topic names and filters, parsed once, matched by us.
//! - [`packet_id`]: packet identifiers and what is in flight.
//! - [`deviation`]: which faults of a server are tolerated: the table.
//! - [`failure_history`]: each failure compared with those before it.
//! - [`session`]: every protocol transition.
//! - [`reconnect`]: whether and when to try again, by reason.
//! - [`error`]: what went wrong, whose fault it was, in words.

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
