//! Retained messages, in memory. The broker library leaves them to a plug-in that needs a database; a station needs
//! only a few, and a limit.

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::retain::{RetainStorage, RetainTree};
use rmqtt::topic::Topic;
use rmqtt::types::{Retain, TimedValue, TopicFilter, TopicName};
use tokio::sync::RwLock;

use crate::limits::{RETAINED_BYTES_MAX, RETAINED_MESSAGES_MAX};
use crate::offline_queue::{detached, weight};

/// The size of a level in the tree of topics, from the size of its nodes.
const LEVEL_BYTES: u64 = 200;

/// The retained messages of one station.
#[derive(Default)]
pub(crate) struct RetainedMessages {
    messages: RwLock<Messages>,
}

#[derive(Default)]
struct Messages {
    tree: RetainTree<TimedValue<Retain>>,
    count: usize,
    bytes: u64,
}

/// Returns the memory of a retained message. The tree holds the levels of the topic a second time.
fn size(retain: &Retain) -> u64 {
    weight(&retain.publish) + retain.publish.topic.split('/').count() as u64 * LEVEL_BYTES
}

impl Messages {
    fn remove_expired(&mut self) {
        self.tree.retain(usize::MAX, |message| {
            if message.is_expired() {
                self.count -= 1;
                self.bytes -= size(message.value());
            }
            !message.is_expired()
        });
    }

    fn has_room(&self, size: u64) -> bool {
        self.count < RETAINED_MESSAGES_MAX && self.bytes + size <= RETAINED_BYTES_MAX
    }
}

#[async_trait]
impl RetainStorage for RetainedMessages {
    fn enable(&self) -> bool {
        true
    }

    /// Stores, replaces or, with an empty payload, removes the message of a topic `[MQTT-3.3.1-5]`, `[MQTT-3.3.1-6]`.
    async fn set(&self, name: &TopicName, mut retain: Retain, _expiry: Option<Duration>) -> rmqtt::Result<()> {
        let topic = Topic::from_str(name)?;
        let mut messages = self.messages.write().await;
        if let Some(replaced) = messages.tree.remove(&topic) {
            messages.count -= 1;
            messages.bytes -= size(replaced.value());
        }
        if retain.publish.payload.is_empty() {
            return Ok(());
        }
        let size = size(&retain);
        if !messages.has_room(size) {
            messages.remove_expired();
        }
        if !messages.has_room(size) {
            tracing::warn!(topic = ?name, bytes = size, "the limit for retained messages is reached: a message is delivered but not retained");
            return Ok(());
        }
        retain.publish = detached(&retain.publish);
        // The interval passed in is the listener's; a message without one of its own doesn't expire [MQTT-3.3.2-5].
        let properties = retain.publish.properties.as_ref();
        let expiry = properties.and_then(|properties| properties.message_expiry_interval);
        let expiry = expiry.map(|seconds| Duration::from_secs(seconds.get().into()));
        messages.tree.insert(&topic, TimedValue::new(retain, expiry));
        messages.count += 1;
        messages.bytes += size;
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let matching = self.messages.read().await.tree.matches(&Topic::from_str(filter)?);
        let alive = matching.into_iter().filter(|(_, message)| !message.is_expired());
        Ok(alive.map(|(topic, message)| (topic.to_string().into(), message.into_value())).collect())
    }

    async fn count(&self) -> isize {
        isize::try_from(self.messages.read().await.count).unwrap_or(isize::MAX)
    }

    async fn max(&self) -> isize {
        isize::try_from(RETAINED_MESSAGES_MAX).unwrap_or(isize::MAX)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use rmqtt::codec::types::Publish as Packet;
    use rmqtt::types::{ClientId, From, Id, Publish, QoS};

    use super::*;

    async fn retain(storage: &RetainedMessages, topic: &TopicName, payload: Bytes) {
        let (dup, retain, qos, packet_id, properties) = (false, true, QoS::AtMostOnce, None, None);
        let packet = Packet { dup, retain, qos, topic: topic.clone(), packet_id, payload, properties };
        let from = From::from_custom(Id::from(1, ClientId::from("id")));
        let retain = Retain { msg_id: None, from, publish: Publish::from(packet) };
        storage.set(topic, retain, None).await.unwrap();
    }

    #[tokio::test]
    async fn one_byte_is_counted_with_its_topic_and_keeps_no_read_buffer() {
        let buffer = Bytes::from_iter([b'x'; 90_000]);
        let storage = RetainedMessages::default();
        let topic = TopicName::try_from(buffer.slice(..60_000)).unwrap();
        retain(&storage, &topic, buffer.slice(..1)).await;
        drop(topic);
        assert!(buffer.is_unique(), "the message is a window into it");
        assert!(storage.messages.read().await.bytes > 60_000);
        let topic = TopicName::from("x".repeat(60_000));
        retain(&storage, &topic, Bytes::new()).await;
        assert_eq!((storage.count().await, storage.messages.read().await.bytes), (0, 0));
    }

    #[tokio::test]
    async fn messages_and_bytes_are_bounded() {
        let storage = RetainedMessages::default();
        for number in 0..=RETAINED_MESSAGES_MAX {
            retain(&storage, &format!("t/{number}").into(), Bytes::from_static(b"x")).await;
        }
        assert_eq!(storage.count().await, RETAINED_MESSAGES_MAX as isize);
        let storage = RetainedMessages::default();
        for number in 0..70 {
            retain(&storage, &format!("t/{number}").into(), Bytes::from(vec![0; 1 << 20])).await;
        }
        assert_eq!(storage.count().await, 63);
        retain(&storage, &TopicName::from("t/0"), Bytes::from_static(b"small")).await;
        retain(&storage, &TopicName::from("t/69"), Bytes::from(vec![0; 1 << 19])).await;
        assert_eq!(storage.count().await, 64, "a replaced one gives its room back");
    }
}
