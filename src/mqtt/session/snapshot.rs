//! A session that outlives the program: what is stored, and how a session is restored from it.

use serde::{Deserialize, Serialize};

use super::Session;
use crate::mqtt::packet::{PacketId, Version};
use crate::mqtt::session::event::Token;
use crate::mqtt::session::options::{Message, Options};
use crate::mqtt::session::outgoing_publish::InFlight;

/// The part of a session that has to be stored if it is to outlive the program: a client's session state by MQTT,
/// including its own messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    client_id: String,
    /// The version that the server has accepted; before that there is no session.
    version: Option<Version>,
    received: Vec<PacketId>,
    in_flight: Vec<(PacketId, bool, Message)>,
    /// Identifiers of messages that a person dropped, which the server may still use.
    dropped: Vec<PacketId>,
    queue: Vec<Message>,
}

impl Session {
    /// Restores a session saved by an earlier run, idle, and returns the tokens of its unfinished messages in their
    /// order. The first connect asks the server for its part of the session.
    pub fn restore(options: Options, seed: u64, saved: SessionSnapshot) -> (Self, Vec<Token>) {
        let mut session = Self::new(options, seed);
        session.options.client_id = saved.client_id;
        session.version = session.options.version.or(saved.version).unwrap_or(Version::V5);
        session.accepted_version = saved.version;
        session.established = saved.version.is_some();
        for id in saved.received {
            session.received.insert(id);
        }
        for (id, released, message) in saved.in_flight {
            let token = session.next_token();
            session.ids.insert(id);
            session.in_flight.push_back(InFlight { token, id, message, released, counted: false });
        }
        for id in saved.dropped {
            session.ids.insert(id);
            session.dropped.push((id, false));
        }
        session.unsent_from = Token(session.next_token);
        for message in saved.queue {
            let token = session.next_token();
            session.queue.push_back((token, message));
        }
        let sent = session.in_flight.iter().map(|sent| sent.token);
        let tokens = sent.chain(session.queue.iter().map(|(token, _)| *token));
        let tokens = tokens.collect();
        (session, tokens)
    }

    /// Returns what must outlive the program for a persistent session to keep its guarantees.
    pub fn saved(&self) -> SessionSnapshot {
        let in_flight = self.in_flight.iter().map(|sent| (sent.id, sent.released, sent.message.clone()));
        SessionSnapshot {
            client_id: self.options.client_id.clone(),
            version: self.accepted_version,
            received: self.received.iter().collect(),
            in_flight: in_flight.collect(),
            dropped: self.dropped.iter().map(|(id, _)| *id).collect(),
            queue: self.queue.iter().map(|(_, message)| message.clone()).collect(),
        }
    }

    /// Whether [`Session::saved`] has changed since [`Session::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        self.unsaved
    }

    /// Whether [`Session::saved`] has changed since the last call. For exactly-once delivery across a crash, save
    /// before the next `poll_transmit`.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.unsaved)
    }
}
