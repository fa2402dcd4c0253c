//! A session that outlives the program: what is stored, and how a session is restored from it.

use serde::{Deserialize, Serialize};

use super::Session;
use crate::mqtt::packet::{PacketId, Version};
use crate::mqtt::session::event::Token;
use crate::mqtt::session::in_flight::InFlight;
use crate::mqtt::session::options::{Message, Options};

/// The part of a session that has to be stored if it is to outlive the program: a client's session state by MQTT,
/// including its own messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    client_id: String,
    /// The version that the server has accepted; before that there is no session.
    version: Option<Version>,
    /// QoS 2 messages that the server hasn't released yet.
    received: Vec<PacketId>,
    /// Identifier, whether PUBREC arrived, and the message.
    in_flight: Vec<(PacketId, bool, Message)>,
    /// Identifiers of messages that the user dropped, which the server may still use.
    dropped: Vec<PacketId>,
    queue: Vec<Message>,
}

impl Session {
    /// Restores a session that an earlier run stored, idle, and returns the tokens of its unfinished messages in their
    /// order. The first connect asks the server for its part of the session.
    pub fn restore(options: Options, seed: u64, snapshot: SessionSnapshot) -> (Self, Vec<Token>) {
        let mut session = Self::new(options, seed);
        session.options.client_id = snapshot.client_id;
        session.version = session.options.version.or(snapshot.version).unwrap_or(Version::V5);
        session.accepted_version = snapshot.version;
        session.established = snapshot.version.is_some();
        for id in snapshot.received {
            session.received.insert(id);
        }
        for (id, pubrec_received, message) in snapshot.in_flight {
            let token = session.next_token();
            session.packet_ids.insert(id);
            session.in_flight.push_back(InFlight { token, id, message, pubrec_received, takes_quota: false });
        }
        for id in snapshot.dropped {
            session.packet_ids.insert(id);
            session.dropped.push((id, false));
        }
        session.unsent_from = Token(session.next_token);
        for message in snapshot.queue {
            let token = session.next_token();
            session.queue.push_back((token, message));
        }
        let sent = session.in_flight.iter().map(|sent| sent.token);
        let tokens = sent.chain(session.queue.iter().map(|(token, _)| *token)).collect();
        (session, tokens)
    }

    /// Returns what must outlive the program for a persistent session to keep its guarantees.
    pub fn snapshot(&self) -> SessionSnapshot {
        let in_flight = self.in_flight.iter().map(|sent| (sent.id, sent.pubrec_received, sent.message.clone()));
        SessionSnapshot {
            client_id: self.options.client_id.clone(),
            version: self.accepted_version,
            received: self.received.iter().collect(),
            in_flight: in_flight.collect(),
            dropped: self.dropped.iter().map(|(id, _)| *id).collect(),
            queue: self.queue.iter().map(|(_, message)| message.clone()).collect(),
        }
    }

    /// Whether [`Session::snapshot`] has changed since [`Session::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether [`Session::snapshot`] has changed since the last call. For exactly-once delivery across a crash, save
    /// before the next `poll_transmit`.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }
}
