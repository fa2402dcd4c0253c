//! The events that wake the driver of a transmission.

use std::net::TcpStream;

use mqtt_crawl::mqtt::error::CloseInfo;

/// An event from another thread.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    /// The connection of that attempt is open.
    Opened { attempt: u64, tcp: TcpStream },
    /// Bytes were received on it.
    Bytes { attempt: u64, bytes: Vec<u8> },
    /// It couldn't be opened, or has ended.
    Closed { attempt: u64, closed: CloseInfo },
    /// The [`RemoteHandle`](crate::remote::RemoteHandle) has a command, or the script has rows.
    Woken,
}
