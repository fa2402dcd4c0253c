//! The requests of one connection that have no answer yet, in the order they
//! were sent.
//!
//! A server handles packets in their order, so where it ends the connection the
//! first request without an answer is the likeliest reason.

use std::collections::VecDeque;
use std::time::Duration;

use super::failure_history::ANSWER_TIMEOUT;
use super::packet::PacketId;
use crate::time::Instant;

/// A packet that has to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SUBSCRIBE, answered by SUBACK.
    Subscribe(PacketId),
    /// UNSUBSCRIBE, answered by UNSUBACK.
    Unsubscribe(PacketId),
    /// PUBLISH of QoS 1 or 2, answered by PUBACK or PUBREC.
    Publish(PacketId),
    /// PUBREL, answered by PUBCOMP.
    Release(PacketId),
}

/// The QoS 0 message that was sent last, which has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswerable {
    /// Its topic.
    pub topic: String,
    /// Size of its payload, in bytes.
    pub payload_bytes: usize,
    /// When the first message to this topic went out, of those to no other.
    since: Instant,
}

/// A server that objects to a QoS 0 message ends the connection within this
/// time; a stream of them to one topic that it took for longer is innocent.
const OBJECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct Outstanding {
    requests: VecDeque<(Request, Instant)>,
    last_qos0: Option<Unanswerable>,
    /// That an answer is missing was told on this connection.
    is_told: bool,
}

impl Outstanding {
    /// A request went out.
    pub fn push(&mut self, request: Request, now: Instant) {
        self.requests.push_back((request, now));
    }

    /// A QoS 0 message went out.
    pub fn push_qos0(&mut self, topic: &str, payload_bytes: usize, now: Instant) {
        match &mut self.last_qos0 {
            Some(last) if last.topic == topic => last.payload_bytes = payload_bytes,
            last => *last = Some(Unanswerable { topic: topic.to_owned(), payload_bytes, since: now }),
        }
    }

    /// The answer came; `false` where none was waited for.
    pub fn remove(&mut self, request: Request) -> bool {
        let place = self.requests.iter().position(|(known, _)| *known == request);
        place.is_some_and(|place| self.requests.remove(place).is_some())
    }

    /// The connection ended: nothing of it is answered any more.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.last_qos0 = None;
        self.is_told = false;
    }

    /// Whether everything was answered.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The first request that may be what ended the connection now.
    pub fn suspect(&self, now: Instant) -> Option<Request> {
        let is_recent = |(_, sent_at): &&(Request, Instant)| now.since(*sent_at) < ANSWER_TIMEOUT;
        self.requests.iter().find(is_recent).map(|(request, _)| *request)
    }

    /// The QoS 0 message that may be what ended the connection now.
    pub fn suspect_qos0(&self, now: Instant) -> Option<&Unanswerable> {
        self.last_qos0.as_ref().filter(|last| now.since(last.since) <= OBJECTION_TIMEOUT)
    }

    /// When a missing answer is to be told.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (_, sent_at) = self.requests.front().filter(|_| !self.is_told)?;
        Some(*sent_at + ANSWER_TIMEOUT)
    }

    /// The request whose answer is missing, once a connection.
    pub fn take_overdue(&mut self, now: Instant) -> Option<Request> {
        let is_due = self.poll_timeout().is_some_and(|due| due <= now);
        if !is_due {
            return None;
        }
        self.is_told = true;
        self.requests.front().map(|(request, _)| *request)
    }
}
