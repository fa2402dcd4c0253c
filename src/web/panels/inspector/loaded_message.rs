//! A message that has arrived completely, and what can be copied of it.

use std::sync::Arc;

use crate::message_log::message::Message;
use crate::message_log::mosquitto_command::BrokerAccess;
use crate::message_log::ndjson;
use crate::mqtt::codec::publish::{Property, properties};
use crate::protocol::message::MessageDetails;
use crate::protocol::panels::Copied;
use crate::ui::inspect::{Choice, Sheet, View};

/// A message that has arrived completely.
pub(super) struct LoadedMessage {
    pub(super) seq: u64,
    pub(super) found: MessageDetails,
    pub(super) payload: Arc<[u8]>,
    pub(super) reach: BrokerAccess,
}

impl LoadedMessage {
    pub(super) fn new(seq: u64, mut found: MessageDetails, reach: BrokerAccess) -> Self {
        let payload = std::mem::take(&mut found.payload).into();
        Self { seq, found, payload, reach }
    }

    pub(super) fn message(&self) -> Message<'_> {
        let MessageDetails { time, topic, qos, retain, dup, properties, .. } = &self.found;
        Message {
            seq: self.seq,
            time: *time,
            topic,
            qos: *qos,
            retain: *retain,
            dup: *dup,
            properties,
            payload: &self.payload,
        }
    }

    pub(super) fn choice(&self) -> Choice {
        let content_type = properties(&self.found.properties).find_map(|property| match property {
            Property::ContentType(content_type) => Some(content_type),
            _ => None,
        });
        Choice::new(Arc::clone(&self.payload), content_type.unwrap_or_default())
    }

    /// Returns the name of the copied text, and the text.
    pub(super) fn copied(&self, copied: Copied) -> (String, String) {
        match copied {
            Copied::Row => {
                let mut line = Vec::new();
                ndjson::write_message(&self.message(), &mut line);
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                (format!("message {} as NDJSON", self.seq), line)
            }
            Copied::Payload => {
                let sheet = Sheet::new(View::Text, Arc::clone(&self.payload), usize::MAX);
                (format!("payload ({})", sheet.copied_as()), sheet.to_text())
            }
            Copied::Publish => ("mosquitto_pub command".to_owned(), self.reach.publish(&self.message())),
            Copied::Subscribe => ("mosquitto_sub command".to_owned(), self.reach.subscribe()),
        }
    }
}
