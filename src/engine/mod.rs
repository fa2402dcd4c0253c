//! The worker's brain: session, log, query and the crawl's feed in one.
//!
//! Pure: commands and bytes go in with the time, bytes for the socket and
//! updates for the page come out. The worker only moves bytes and timers.

pub mod command;
pub mod update;
