//! Lines on their way to a broker: which is due when, and what it is as a
//! message. The producer and the page's worker transmit by this alike.
//!
//! - [`schedule`]: when which line is due. Numbers only.
//! - [`playlist`]: the lines as far as they are known, and which of them is
//!   where.
//! - [`player`]: both of them, and somebody who pauses and goes elsewhere.
//! - [`encoding`]: topic, payload and interval, as people write them.
//! - [`script_view`]: a script as it is shown before it is transmitted.

pub mod encoding;
pub mod player;
pub mod playlist;
pub mod schedule;
pub mod script_view;
