//! Retained messages, in memory. The broker library leaves them to a plug-in that brings a
//! database; a station needs a few, and a limit.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use rmqtt::retain::{RetainStorage, RetainTree};
use rmqtt::topic::Topic;
use rmqtt::types::{Retain, TimedValue, TopicFilter, TopicName};
use tokio::sync::RwLock;

/// Most topics that may hold a retained message.
const MOST_TOPICS: usize = 10_000;
/// Most bytes of payload held in all.
const MOST_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// The retained messages of one station.
#[derive(Default)]
pub(crate) struct RetainedMessages {
    shelf: RwLock<Shelf>,
}

#[derive(Default)]
struct Shelf {
    tree: RetainTree<TimedValue<Retain>>,
    /// Payload size by topic, for the limits.
    sizes: HashMap<TopicName, usize>,
    payload_bytes: usize,
}

impl Shelf {
    fn remove(&mut self, name: &TopicName, topic: &Topic) {
        if let Some(size) = self.sizes.remove(name) {
            self.payload_bytes -= size;
            self.tree.remove(topic);
        }
    }

    fn sweep(&mut self) {
        let Self { tree, sizes, payload_bytes } = self;
        tree.retain(usize::MAX, |message| {
            if !message.is_expired() {
                return true;
            }
            if let Some(size) = sizes.remove(&message.value().publish.topic) {
                *payload_bytes -= size;
            }
            false
        });
    }

    fn has_room(&self, payload_bytes: usize) -> bool {
        self.sizes.len() < MOST_TOPICS && self.payload_bytes + payload_bytes <= MOST_PAYLOAD_BYTES
    }
}

#[async_trait]
impl RetainStorage for RetainedMessages {
    fn enable(&self) -> bool {
        true
    }

    /// Keeps, replaces, or, with an empty payload, forgets the message of a topic
    /// `[MQTT-3.3.1-5]`, `[MQTT-3.3.1-6]`.
    async fn set(&self, name: &TopicName, mut retain: Retain, _expiry: Option<Duration>) -> rmqtt::Result<()> {
        let topic = Topic::from_str(name)?;
        let mut shelf = self.shelf.write().await;
        shelf.remove(name, &topic);
        let size = retain.publish.payload.len();
        if size == 0 {
            return Ok(());
        }
        if !shelf.has_room(size) {
            shelf.sweep();
        }
        if !shelf.has_room(size) {
            tracing::warn!(topic = ?name, bytes = size, "no room to retain a message: delivered, not kept");
            return Ok(());
        }
        // The payload is a window into a whole read buffer, which would stay as long as it does.
        retain.publish.inner.payload = Bytes::copy_from_slice(&retain.publish.payload);
        // The interval handed in is the listener's; a message without one of its own doesn't expire
        // [MQTT-3.3.2-5].
        let properties = retain.publish.properties.as_ref();
        let expiry = properties.and_then(|properties| properties.message_expiry_interval);
        let expiry = expiry.map(|seconds| Duration::from_secs(seconds.get().into()));
        shelf.tree.insert(&topic, TimedValue::new(retain, expiry));
        shelf.sizes.insert(name.clone(), size);
        shelf.payload_bytes += size;
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let matching = self.shelf.read().await.tree.matches(&Topic::from_str(filter)?);
        let alive = matching.into_iter().filter(|(_, message)| !message.is_expired());
        Ok(alive.map(|(topic, message)| (topic.to_string().into(), message.into_value())).collect())
    }

    async fn count(&self) -> isize {
        isize::try_from(self.shelf.read().await.sizes.len()).unwrap_or(isize::MAX)
    }

    async fn max(&self) -> isize {
        isize::try_from(MOST_TOPICS).unwrap_or(isize::MAX)
    }
}
