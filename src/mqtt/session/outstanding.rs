//! The unanswered requests of one connection, in the order in which they were sent.
//!
//! A server handles packets in order, so if it ends the connection, the first unanswered request is the likeliest
//! reason.

use std::collections::VecDeque;
use std::time::Duration;

use crate::mqtt::failure_history::ANSWER_TIMEOUT;
use crate::mqtt::packet::PacketId;
use crate::time::Instant;

/// A packet that requires an answer.
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

/// The last QoS 0 message to a topic; it gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qos0Topic {
    /// Its topic.
    pub topic: String,
    /// Size of its payload, in bytes.
    pub payload_bytes: usize,
    /// When the first message to this topic was sent on this connection.
    since: Instant,
}

/// A server that objects to a QoS 0 message ends the connection within this time. Messages to a topic that it has
/// accepted for longer aren't suspected.
const OBJECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of topics of QoS 0 messages that are remembered per connection; the one idle for longest is removed.
const QOS0_TOPICS_MAX: usize = 64;

/// Unanswered requests; see the module.
#[derive(Clone, Debug, Default)]
pub struct Outstanding {
    requests: VecDeque<(Request, Instant)>,
    /// By topic, the latest last.
    qos0: Vec<Qos0Topic>,
    /// A missing answer was reported on this connection.
    is_reported: bool,
}

impl Outstanding {
    /// Adds a sent request.
    pub fn push(&mut self, request: Request, now: Instant) {
        self.requests.push_back((request, now));
    }

    /// Adds a sent QoS 0 message.
    pub fn push_qos0(&mut self, topic: &str, payload_bytes: usize, now: Instant) {
        match self.qos0.iter().rposition(|known| known.topic == topic) {
            Some(index) => {
                self.qos0[index..].rotate_left(1);
                if let Some(last) = self.qos0.last_mut() {
                    last.payload_bytes = payload_bytes;
                }
            }
            None => {
                if self.qos0.len() == QOS0_TOPICS_MAX {
                    self.qos0.remove(0);
                }
                self.qos0.push(Qos0Topic { topic: topic.to_owned(), payload_bytes, since: now });
            }
        }
    }

    /// Whether this request is unanswered.
    pub fn contains(&self, request: Request) -> bool {
        self.requests.iter().any(|(known, _)| *known == request)
    }

    /// Removes an answered request; returns `false` if it wasn't listed.
    pub fn remove(&mut self, request: Request) -> bool {
        let index = self.requests.iter().position(|(known, _)| *known == request);
        index.is_some_and(|index| self.requests.remove(index).is_some())
    }

    /// The connection ended: its requests will get no answer.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.qos0.clear();
        self.is_reported = false;
    }

    /// Whether every request was answered.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The first request that may have ended the connection now.
    pub fn suspect(&self, now: Instant) -> Option<Request> {
        let is_recent = |(_, sent_at): &&(Request, Instant)| now.since(*sent_at) < ANSWER_TIMEOUT;
        self.requests.iter().find(is_recent).map(|(request, _)| *request)
    }

    /// The QoS 0 message that may have ended the connection now.
    pub fn suspect_qos0(&self, now: Instant) -> Option<&Qos0Topic> {
        self.qos0.last().filter(|last| now.since(last.since) <= OBJECTION_TIMEOUT)
    }

    /// Topics whose QoS 0 messages the server accepted for longer than it would if it objected.
    pub fn accepted_topics(&self, now: Instant) -> impl Iterator<Item = &str> {
        let accepted = self.qos0.iter().filter(move |known| now.since(known.since) > OBJECTION_TIMEOUT);
        accepted.map(|known| known.topic.as_str())
    }

    /// When a missing answer is to be reported.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (_, sent_at) = self.requests.front().filter(|_| !self.is_reported)?;
        Some(*sent_at + ANSWER_TIMEOUT)
    }

    /// The request whose answer is missing, once per connection.
    pub fn take_overdue(&mut self, now: Instant) -> Option<Request> {
        let is_due = self.poll_timeout().is_some_and(|due| due <= now);
        if !is_due {
            return None;
        }
        self.is_reported = true;
        self.requests.front().map(|(request, _)| *request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_accepted_for_longer_are_not_suspected() {
        let mut outstanding = Outstanding::default();
        let at = Instant::from_millis;
        for second in 0..6 {
            outstanding.push_qos0(["a/1", "a/2"][second % 2], second, at(1_000 * second as u64));
        }
        assert_eq!(outstanding.suspect_qos0(at(5_001)), None);
        outstanding.push_qos0("forbidden", 7, at(5_500));
        let suspect =
            outstanding.suspect_qos0(at(5_600)).map(|suspect| (suspect.topic.as_str(), suspect.payload_bytes));
        assert_eq!(suspect, Some(("forbidden", 7)));
        assert_eq!(outstanding.accepted_topics(at(5_600)).collect::<Vec<_>>(), ["a/1", "a/2"]);
        (0..1_000).for_each(|number| outstanding.push_qos0(&number.to_string(), 0, at(6_000)));
        assert_eq!(outstanding.qos0.len(), QOS0_TOPICS_MAX);
    }
}
