//! A message on its way to the inspector: a large one is sent in parts.

use crate::message_log::mosquitto_command::BrokerAccess;
use crate::protocol::message::MessageRequest;
use crate::protocol::message::{MessageDetails, MessagePart};

/// What has arrived of the requested message.
#[derive(Clone, Debug, Default)]
pub struct MessageFetch {
    seq: u64,
    so_far: Option<MessageDetails>,
    is_over: bool,
}

/// The result of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// More parts follow.
    Partial {
        /// The number of payload bytes that have arrived …
        bytes: u32,
        /// … of this many.
        of: u32,
    },
    /// The message is complete; with what is needed to reach the broker.
    Complete(MessageDetails, BrokerAccess),
    /// The message isn't available: the reason, as text.
    Missing(String),
}

impl MessageFetch {
    /// Begins to fetch a message.
    pub const fn new(seq: u64) -> Self {
        Self { seq, so_far: None, is_over: false }
    }

    /// Returns the number of the message; 0 if none was requested yet.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns what to ask for next; `None` if there is nothing to ask for.
    pub fn request(&self) -> Option<MessageRequest> {
        let from_byte = self.so_far.as_ref().map_or(0, |found| found.payload.len() as u32);
        (self.seq > 0 && !self.is_over).then_some(MessageRequest { seq: self.seq, from_byte })
    }

    /// Takes a part; `None` if it isn't the requested one.
    pub fn take(&mut self, part: MessagePart) -> Option<FetchResult> {
        let request = self.request().filter(|request| request.seq == part.seq)?;
        let Some(mut found) = part.found else {
            self.is_over = true;
            return Some(FetchResult::Missing(if part.seq >= part.next_seq {
                format!("Message {} hasn't arrived yet.", part.seq)
            } else {
                format!("Message {} is no longer stored: it was dropped for newer messages or cleared.", part.seq)
            }));
        };
        if found.from_byte != request.from_byte {
            return None;
        }
        let whole = match self.so_far.take() {
            None => {
                // Reserves exactly what is to come, so that it is never moved.
                found.payload.reserve_exact((found.payload_bytes as usize).saturating_sub(found.payload.len()));
                found
            }
            Some(mut so_far) => {
                so_far.payload.extend_from_slice(&found.payload);
                so_far
            }
        };
        let (bytes, of) = (whole.payload.len() as u32, whole.payload_bytes);
        if bytes >= of {
            self.is_over = true;
            return Some(FetchResult::Complete(whole, part.reach));
        }
        self.so_far = Some(whole);
        Some(FetchResult::Partial { bytes, of })
    }

    /// Ends the fetch without a worker; returns the error if something was missing.
    pub fn abandon(&mut self) -> Option<FetchResult> {
        self.request()?;
        self.is_over = true;
        Some(FetchResult::Missing("The MQTT worker crashed before the whole message was loaded.".to_owned()))
    }
}
