//! The connections of the proxy to the broker inside, by the address that the broker library sees.
//!
//! The hooks look up here who a client is. They send back why the library closes a connection: it shuts down its socket
//! before it would write the DISCONNECT that MQTT 5.0 requires, so the proxy sends it instead.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rmqtt::codec::v5::DisconnectReasonCode as ReasonCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::CLOSE_TIMEOUT;
use crate::users::Access;

/// See the module docs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<SocketAddr, Connection>>>);

/// A client, and where to send the reason for its close.
type Connection = (ClientInfo, Option<oneshot::Sender<ReasonCode>>);

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
    reason: oneshot::Receiver<ReasonCode>,
}

impl Registration {
    /// Returns the reason code with which the library closes the connection, if any.
    pub(crate) async fn close_reason(&mut self) -> Option<ReasonCode> {
        timeout(CLOSE_TIMEOUT, &mut self.reason).await.ok()?.ok()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.0.lock().remove(&self.address);
    }
}

impl Connections {
    /// Must be called before the library sees the connection.
    pub(crate) fn register(&self, address: SocketAddr, client: ClientInfo) -> Registration {
        let (sender, reason) = oneshot::channel();
        self.0.lock().insert(address, (client, Some(sender)));
        Registration { connections: self.clone(), address, reason }
    }

    pub(crate) fn get(&self, address: Option<SocketAddr>) -> Option<ClientInfo> {
        self.0.lock().get(&address?).map(|(client, _)| client.clone())
    }

    /// Sends the proxy the reason with which the library closes the connection, if any.
    pub(crate) fn note_close(&self, address: Option<SocketAddr>, code: Option<ReasonCode>) {
        let reason = address.and_then(|address| self.0.lock().get_mut(&address)?.1.take());
        if let (Some(reason), Some(code)) = (reason, code) {
            // Fails only if the client is gone, so that nothing waits for it.
            let _ = reason.send(code);
        }
    }
}
