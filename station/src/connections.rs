//! The connections of the proxy to the broker inside, by the address that the broker library sees.
//!
//! The library accepts connections from its own TCP listeners only, and its hooks know a client by its address. This
//! table tells the hooks who the client is. The hooks store here why the library closes a connection: it shuts down its
//! socket before it would write the DISCONNECT that MQTT 5.0 requires, so the proxy sends it instead.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::CLOSE_TIMEOUT;
use crate::users::Access;

/// See the module docs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<SocketAddr, Connection>>>);

#[derive(Debug)]
struct Connection {
    client: ClientInfo,
    reason: Option<oneshot::Sender<u8>>,
}

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct ClientInfo {
    /// Protocol level of its CONNECT.
    pub level: u8,
    pub access: Arc<Access>,
}

/// A connection, known until it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    connections: Connections,
    address: SocketAddr,
    reason: oneshot::Receiver<u8>,
}

impl Registration {
    /// Returns the reason code with which the library closes the connection, if any.
    pub(crate) async fn close_reason(&mut self) -> Option<u8> {
        timeout(CLOSE_TIMEOUT, &mut self.reason).await.ok()?.ok()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.remove(self.address);
    }
}

impl Connections {
    /// Must be called before the library sees the connection.
    pub(crate) fn register(&self, address: SocketAddr, client: ClientInfo) -> Registration {
        let (sender, reason) = oneshot::channel();
        self.table().insert(address, Connection { client, reason: Some(sender) });
        Registration { connections: self.clone(), address, reason }
    }

    /// Registers a connection that didn't come through the proxy.
    pub(crate) fn insert(&self, address: SocketAddr, client: ClientInfo) {
        self.table().insert(address, Connection { client, reason: None });
    }

    pub(crate) fn remove(&self, address: SocketAddr) {
        self.table().remove(&address);
    }

    pub(crate) fn get(&self, address: Option<SocketAddr>) -> Option<ClientInfo> {
        self.table().get(&address?).map(|connection| connection.client.clone())
    }

    /// Stores that the library closes a connection, and the reason, if any.
    pub(crate) fn note_close(&self, address: SocketAddr, code: Option<u8>) {
        let mut table = self.table();
        let Some(connection) = table.get_mut(&address) else { return };
        match (connection.reason.take(), code) {
            // The client is gone, so nothing waits for the reason.
            (Some(reason), Some(code)) => drop(reason.send(code)),
            (Some(_), None) => {}
            (None, _) => drop(table.remove(&address)),
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SocketAddr, Connection>> {
        // The state is consistent after each insert and remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
