//! The limits of the log, as typed.

use crate::config::settings::LOG_MIB;
use crate::config::settings::MESSAGES;
use crate::config::settings::MIB;
use crate::message_log::Limits;
use crate::ui::forms::field::FieldError;
use crate::ui::forms::field::whole_number;

/// A limit of the log, as a field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitField {
    /// The largest number of messages.
    Messages,
    /// The largest amount of memory.
    Mib,
}

/// The log's limits as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFields {
    /// The largest number of messages.
    pub messages: String,
    /// The largest amount of memory, in MiB.
    pub mib: String,
}

impl From<Limits> for LimitFields {
    /// Returns the limits as typed.
    fn from(limits: Limits) -> Self {
        Self { messages: limits.messages.to_string(), mib: (limits.bytes / MIB).to_string() }
    }
}

impl LimitFields {
    /// Returns the limits.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<Limits, Vec<FieldError<LimitField>>> {
        let messages = whole_number(&self.messages, MESSAGES);
        let mib = whole_number(&self.mib, LOG_MIB);
        match (messages, mib) {
            (Ok(messages), Ok(mib)) => Ok(Limits { messages: messages.into(), bytes: u64::from(mib) * MIB }),
            (messages, mib) => Err([
                messages.err().map(|error| FieldError::new(LimitField::Messages, error)),
                mib.err().map(|error| FieldError::new(LimitField::Mib, error)),
            ]
            .into_iter()
            .flatten()
            .collect()),
        }
    }
}
