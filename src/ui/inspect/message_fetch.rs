//! A message on its way to the inspector: a large one comes in parts.

use crate::message_log::mosquitto_command::BrokerAccess;
use crate::protocol::message::MessageRequest;
use crate::protocol::message::{MessageDetails, MessagePart};

/// What has come of the message that was asked for.
#[derive(Clone, Debug, Default)]
pub struct MessageFetch {
    seq: u64,
    so_far: Option<MessageDetails>,
    is_over: bool,
}

/// What a part led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// More is to come.
    Partly {
        /// Bytes of the payload that are there …
        bytes: u32,
        /// … of so many.
        of: u32,
    },
    /// All is there, and how to get at the broker.
    Whole(MessageDetails, BrokerAccess),
    /// It can't be had: why, in words.
    Missing(String),
}

impl MessageFetch {
    /// Begins to ask for a message.
    pub const fn new(seq: u64) -> Self {
        Self { seq, so_far: None, is_over: false }
    }

    /// Number of the message; 0 where none was asked for yet.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What to ask for next; `None` when there is nothing to ask for.
    pub fn glance(&self) -> Option<MessageRequest> {
        let from_byte = self.so_far.as_ref().map_or(0, |found| found.payload.len() as u32);
        (self.seq > 0 && !self.is_over).then_some(MessageRequest { seq: self.seq, from_byte })
    }

    /// Takes a part; `None` where it isn't the one that was asked for.
    pub fn take(&mut self, part: MessagePart) -> Option<Gathered> {
        let glance = self.glance().filter(|glance| glance.seq == part.seq)?;
        let Some(mut found) = part.found else {
            self.is_over = true;
            return Some(Gathered::Missing(if part.seq >= part.next_seq {
                format!("Message {} hasn't arrived yet.", part.seq)
            } else {
                format!("Message {} isn't kept any more: it made room for newer ones, or was cleared.", part.seq)
            }));
        };
        if found.from_byte != glance.from_byte {
            return None;
        }
        let whole = match self.so_far.take() {
            None => {
                // All that comes, and no more, so that it is never moved.
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
            return Some(Gathered::Whole(whole, part.reach));
        }
        self.so_far = Some(whole);
        Some(Gathered::Partly { bytes, of })
    }

    /// Nobody is left to ask; words if something was still to come.
    pub fn abandon(&mut self) -> Option<Gathered> {
        self.glance()?;
        self.is_over = true;
        Some(Gathered::Missing("The part of this app that keeps the messages failed before all of it came.".to_owned()))
    }
}
