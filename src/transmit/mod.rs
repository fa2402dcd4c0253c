//! Lines to transmit to a broker: when each is due, and its message. Used by both the producer and
//! the page's worker.
//!
//! - [`schedule`]: when each line is due. Numbers only.
//! - [`playlist`]: the lines known so far, and their places.
//! - [`player`]: combines both, with pausing and seeking.
//! - [`encoding`]: topic, payload and interval, as written by people.
//! - [`script_view`]: a script as shown before it is transmitted.

pub mod encoding;
pub mod player;
pub mod playlist;
pub mod schedule;
pub mod script_view;
