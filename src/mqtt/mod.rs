//! MQTT 3.1.1 and 5.0, from the client's side, without IO and without a clock.
//!
//! - [`packet`]: what a packet is, in both versions.
//! - [`codec`]: packets to bytes and back; the only user of `mqttbytes`.
//! - [`publish`]: the borrowing PUBLISH decoder, the hot path.
//! - [`topic`]: topic names and filters, parsed once, matched by us.
//! - `wire`: the data types of the standard, read and written; private.
//! - [`packet_id`]: packet identifiers and what is in flight.
//! - [`deviation`]: which faults of a server are tolerated: the table.
//! - [`failure_history`]: each failure compared with those before it.
//! - [`outstanding`]: requests without an answer so far.
//! - [`session`]: every protocol transition.
//! - [`reconnect`]: whether and when to try again, by reason.
//! - [`error`]: what went wrong, whose fault it was, in words.

pub mod codec;
pub mod deviation;
pub mod error;
pub mod failure_history;
pub mod outstanding;
pub mod packet;
pub mod packet_id;
pub mod publish;
pub mod reconnect;
pub mod session;
pub mod text;
pub mod topic;
pub(crate) mod wire;
