//! The messages queued in the broker library for clients that are away: bounded in bytes, for all of them together.
//!
//! The library bounds the number of messages of each session, not their bytes. But it reports each message for an absent
//! client, and its queues can be emptied from outside. The oldest messages of the client with the most are dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use rmqtt::types::{MessageQueue, MessageQueueType, Publish};

/// The library's overhead per message, as measured.
const OVERHEAD_BYTES: usize = 350;
/// The library reads into buffers of about half of this; a larger message has its own.
const SHARED_BUFFER_BYTES_MAX: u64 = 16 * 1024;

/// Returns the memory a message takes, by itself.
pub(crate) fn weight(publish: &Publish) -> u64 {
    let properties = publish.properties.as_ref().map_or(0, |properties| {
        let texts = [&properties.content_type, &properties.response_topic].into_iter().flatten();
        let pairs = properties.user_properties.iter().map(|(name, value)| name.len() + value.len());
        let data = properties.correlation_data.as_ref().map_or(0, Bytes::len);
        texts.map(|text| text.len()).chain(pairs).sum::<usize>() + data
    });
    (publish.payload.len() + publish.topic.len() + properties + OVERHEAD_BYTES) as u64
}

/// Copies the message into memory of its own. As received, it keeps a buffer alive that holds other messages too.
pub(crate) fn detached(publish: &Publish) -> Publish {
    let copy = postcard::to_allocvec(&publish.inner).and_then(|bytes| postcard::from_bytes(&bytes));
    copy.map_or_else(|_| publish.clone(), |inner| Publish { inner, ..publish.clone() })
}

/// See the module docs.
#[derive(Debug)]
pub(crate) struct OfflineQueues {
    bytes_max: u64,
    usage: Mutex<Usage>,
    /// Whether a client is or was away.
    is_in_use: AtomicBool,
}

#[derive(Debug, Default)]
struct Usage {
    /// Each queue and its bytes, by its address, which is unique while it is known here.
    by_queue: HashMap<usize, (Weak<MessageQueue>, u64)>,
    /// The total; too high while a client has come back and its messages are still counted.
    bytes: u64,
}

impl OfflineQueues {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, usage: Mutex::default(), is_in_use: AtomicBool::new(false) }
    }

    /// Returns what to publish in place of a message, so that it can be queued for long and take no more than its
    /// [weight]; `None` if it may be published as it is.
    pub(crate) fn prepare(&self, publish: &Publish) -> Option<Publish> {
        let is_window = self.is_in_use.load(Ordering::Relaxed) && weight(publish) < SHARED_BUFFER_BYTES_MAX;
        is_window.then(|| detached(publish))
    }

    /// Records that a message is about to be queued here, and returns the number of others that were dropped for it.
    /// Must be called by the task that fills the queue.
    pub(crate) fn make_room(&self, queue: &MessageQueueType, publish: &Publish) -> u64 {
        let coming = weight(publish);
        self.is_in_use.store(true, Ordering::Relaxed);
        let mut usage = self.usage.lock();
        let mut dropped = 0;
        if usage.bytes + coming > self.bytes_max {
            usage.forget_resumed();
        }
        if usage.bytes + coming > self.bytes_max {
            // Drops some more, so that it doesn't have to search at each message.
            dropped += usage.shrink((self.bytes_max - self.bytes_max / 16).saturating_sub(coming));
        }
        let Usage { by_queue, bytes } = &mut *usage;
        let (_, here) = by_queue.entry(Arc::as_ptr(queue).addr()).or_insert_with(|| {
            let before = measure(queue);
            *bytes += before;
            (Arc::downgrade(queue), before)
        });
        if queue.len() >= queue.capacity()
            && let Some((_, oldest)) = queue.pop()
        {
            // Otherwise the library would drop one, uncounted.
            dropped += 1;
            let freed = weight(&oldest).min(*here);
            *here -= freed;
            *bytes -= freed;
        }
        *here += coming;
        *bytes += coming;
        dropped
    }
}

impl Usage {
    /// Forgets resumed sessions: the library empties the queue of a resumed session and never fills it again.
    fn forget_resumed(&mut self) {
        self.by_queue.retain(|_, (queue, _)| queue.upgrade().is_some_and(|queue| !queue.is_empty()));
        self.bytes = self.by_queue.values().map(|(_, bytes)| bytes).sum();
    }

    /// Drops the oldest messages of the clients with the most queued, until no more than this is left; returns the
    /// number dropped.
    fn shrink(&mut self, bytes_max: u64) -> u64 {
        let mut dropped = 0;
        while self.bytes > bytes_max
            && let Some((queue, here)) = self.by_queue.values_mut().max_by_key(|(_, bytes)| *bytes)
        {
            // At most half of them at once, so that clients with little keep it.
            let excess = (self.bytes - bytes_max).min(*here / 2).max(1);
            let mut freed = 0;
            while freed < excess.min(*here) {
                let oldest = queue.upgrade().and_then(|queue| queue.pop());
                dropped += u64::from(oldest.is_some());
                freed += oldest.map_or(*here, |(_, oldest)| weight(&oldest)).min(*here - freed);
            }
            *here -= freed;
            self.bytes -= freed;
        }
        dropped
    }
}

/// Returns the bytes of a queue that only the caller fills.
fn measure(queue: &MessageQueue) -> u64 {
    let mut bytes = 0;
    for _ in 0..queue.len() {
        if let Some(message) = queue.pop() {
            bytes += weight(&message.1);
            // There is room for it: it was just taken from there.
            let _ = queue.push(message);
        }
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rmqtt::codec::types::Publish as Packet;
    use rmqtt::codec::v5::PublishProperties;
    use rmqtt::types::{QoS, TopicName};

    use super::*;

    #[test]
    fn queued_small_message_keeps_no_read_buffer() {
        let buffer = Bytes::from_iter([b'x'; 8_000]);
        let bytes = |length| buffer.slice(..length);
        let text = |length| TopicName::try_from(bytes(length)).unwrap();
        let properties = PublishProperties {
            content_type: Some(text(1)),
            response_topic: Some(text(20)),
            correlation_data: Some(bytes(300)),
            user_properties: vec![(text(4_000), text(5_000))],
            ..PublishProperties::default()
        };
        let publish = Publish::from(Packet {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: text(7),
            packet_id: None,
            payload: bytes(80),
            properties: Some(properties),
        });
        assert_eq!(weight(&publish), 9_408 + OVERHEAD_BYTES as u64);
        let queues = OfflineQueues::new(1);
        assert!(queues.prepare(&publish).is_none(), "nobody is away");
        let queue = Arc::new(MessageQueue::new(9));
        assert_eq!(queues.make_room(&queue, &publish), 0);
        let prepared = queues.prepare(&publish).unwrap();
        assert_eq!(prepared.inner, publish.inner);
        drop(publish);
        assert!(buffer.is_unique());
    }
}
