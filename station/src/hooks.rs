//! The hooks of the broker inside: who may connect, which topics a client may read and write, and the counters.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use rmqtt::codec::v5::{DisconnectReasonCode, PublishAckReason, SubscribeAckReason, ToReasonCode as _};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ClientId, ConnectInfo, Id, ListenerId, Publish, PublishAclResult, PublishResult, Reason, Subscribe,
    SubscribeReturn,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::connect::{LEVEL_5, has_few_levels};
use crate::inspector::{NO_EMPTY_LEVEL, is_topic_path};
use crate::limits::{CLOSE_TIMEOUT, TOPIC_LEVELS_MAX};
use crate::offline_queue::{OfflineQueues, weight};
use crate::users::Access;

/// The listener for `/diffusion`.
pub(crate) const DIFFUSION: ListenerId = 3;

/// Dropped messages are logged once per this number.
const DROPPED_LOG_INTERVAL: u64 = 10_000;

/// The connections of the proxy to the library, by the address that the library sees.
///
/// The hooks look up here who a client is. They send back why the library closes a connection: it shuts down its socket
/// before it would write the DISCONNECT that MQTT 5.0 requires, so the proxy sends it instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<SocketAddr, Connection>>>);

/// A client, and where to send the reason for its close.
type Connection = (ClientInfo, Option<oneshot::Sender<DisconnectReasonCode>>);

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
    reason: oneshot::Receiver<DisconnectReasonCode>,
}

impl Registration {
    /// Returns the reason code with which the library closes the connection, if any.
    pub(crate) async fn close_reason(&mut self) -> Option<DisconnectReasonCode> {
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
    pub(crate) fn note_close(&self, address: Option<SocketAddr>, code: Option<DisconnectReasonCode>) {
        let reason = address.and_then(|address| self.0.lock().get_mut(&address)?.1.take());
        if let (Some(reason), Some(code)) = (reason, code) {
            // Fails only if the client is gone, so that nothing waits for it.
            let _ = reason.send(code);
        }
    }
}

/// See the module docs.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub context: ServerContext,
    pub connections: Connections,
    /// Whether sessions belong to users.
    pub has_users: bool,
    pub subscriptions_max: u32,
    /// Messages dropped because a queue was full, or because too much was queued for absent clients.
    pub dropped: Arc<AtomicU64>,
    /// Bytes published so far, by all clients.
    pub published: Arc<AtomicU64>,
    pub offline_queues: Arc<OfflineQueues>,
}

/// Whether a client identifier belongs to another user's session.
pub(crate) async fn is_foreign(context: &ServerContext, client_id: &str, user: Option<&str>) -> bool {
    let id = Id::from(context.node.id(), ClientId::from(client_id));
    let session = context.extends.shared().await.entry(id).session();
    session.is_some_and(|session| session.id.username.as_deref() != user)
}

impl Hooks {
    /// Registers these hooks with the library.
    pub(crate) async fn register(&self) {
        let register = self.context.extends.hook_mgr().register();
        for kind in [
            Type::ClientAuthenticate,
            Type::ClientDisconnected,
            Type::ClientSubscribeCheckAcl,
            Type::MessageDropped,
            Type::MessagePublish,
            Type::MessagePublishCheckAcl,
            Type::OfflineMessage,
        ] {
            register.add(kind, Box::new(self.clone())).await;
        }
        register.start().await;
    }

    /// Only the proxy, which has checked the password, may connect.
    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let (id, name) = (connect.id(), connect.username().map(|name| &**name));
        let Some(client) = self.connections.get(id.remote_addr) else { return AuthResult::NotAuthorized };
        // The proxy has checked this as well, but another connection may have been faster.
        let is_other = self.has_users
            && (client.access.user.as_deref() != name || is_foreign(&self.context, &id.client_id, name).await);
        if is_other { AuthResult::NotAuthorized } else { AuthResult::Allow(false, None) }
    }

    async fn check_subscribe(&self, session: &Session, subscribe: &Subscribe) -> Option<SubscribeAckReason> {
        let filter: &str = &subscribe.topic_filter;
        let client = self.connections.get(session.id.remote_addr);
        if !has_few_levels(filter.as_bytes()) || session.id.lid == DIFFUSION && !is_topic_path(filter.as_bytes()) {
            return Some(SubscribeAckReason::TopicFilterInvalid);
        }
        if filter.starts_with("$share/") {
            return Some(SubscribeAckReason::SharedSubscriptionNotSupported);
        }
        if !client.is_some_and(|client| client.access.may_read(filter)) {
            return Some(SubscribeAckReason::NotAuthorized);
        }
        let routes = self.context.extends.router().await.routes().count();
        (routes >= self.subscriptions_max as isize).then_some(SubscribeAckReason::QuotaExceeded)
    }

    fn check_publish(&self, session: &Session, publish: &Publish) -> Option<PublishResult> {
        self.published.fetch_add(weight(publish), Ordering::Relaxed);
        let client = self.connections.get(session.id.remote_addr);
        let (reason, message, closes) = if !has_few_levels(publish.topic.as_bytes()) {
            // A 3.1.1 client can't be informed in another way.
            let closes = client.is_none_or(|client| client.level != LEVEL_5);
            let message = format!("a topic can have at most {TOPIC_LEVELS_MAX} levels");
            (PublishAckReason::TopicNameInvalid, message, closes)
        } else if session.id.lid == DIFFUSION && !is_topic_path(publish.topic.as_bytes()) {
            (PublishAckReason::TopicNameInvalid, NO_EMPTY_LEVEL.to_owned(), false)
        } else if !client.is_some_and(|client| client.access.may_write(&publish.topic)) {
            (PublishAckReason::NotAuthorized, "this user may not publish to this topic".to_owned(), false)
        } else {
            return None;
        };
        tracing::debug!(client = ?session.id.client_id, reason = message, "message refused");
        Some(PublishResult::reason_code(reason, Some(message.into()), closes))
    }

    /// Counts them and logs the count now and then, with the client that just lost one, if known.
    fn count_dropped(&self, messages: u64, client: Option<&str>, reason: &str) {
        let before = self.dropped.fetch_add(messages, Ordering::Relaxed);
        let so_far = before + messages;
        if before.div_ceil(DROPPED_LOG_INTERVAL) != so_far.div_ceil(DROPPED_LOG_INTERVAL) {
            tracing::warn!(client, dropped_so_far = so_far, reason, "messages dropped");
        }
    }
}

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, parameter: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        let answer = match parameter {
            Parameter::ClientAuthenticate(connect) => Some(HookResult::AuthResult(self.authenticate(connect).await)),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let refusal = self.check_subscribe(session, subscribe).await;
                refusal.map(|reason| HookResult::SubscribeAclResult(SubscribeReturn::new_failure(reason)))
            }
            Parameter::MessagePublish(_, _, publish) => self.offline_queues.prepare(publish).map(HookResult::Publish),
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let refusal = self.check_publish(session, publish);
                refusal.map(|refusal| HookResult::PublishAclResult(PublishAclResult(refusal)))
            }
            Parameter::ClientDisconnected(session, reason) => {
                self.connections.note_close(session.id.remote_addr, reason_code(reason));
                None
            }
            Parameter::MessageDropped(to, _, _, Reason::MessageQueueFull) => {
                let client = to.as_ref().map(|to| &*to.client_id);
                self.count_dropped(1, client, "a subscriber is too slow");
                None
            }
            Parameter::OfflineMessage(session, _, publish) => {
                let dropped = self.offline_queues.make_room(session.deliver_queue(), publish);
                self.count_dropped(dropped, None, "too many messages are queued for absent clients");
                None
            }
            _ => None,
        };
        (answer.is_none(), answer.or(so_far))
    }
}

/// Returns the DISCONNECT reason code for the library's reason, `None` when the client closed.
fn reason_code(reason: &Reason) -> Option<DisconnectReasonCode> {
    match reason {
        Reason::ConnectDisconnect(_) | Reason::ConnectRemoteClose => None,
        // The library would send Not authorized [MQTT-3.1.4-3].
        Reason::ConnectKicked(false) => Some(DisconnectReasonCode::SessionTakenOver),
        Reason::Reasons(reasons) => reasons.first().and_then(reason_code),
        other => Some(other.to_reason_code()),
    }
}
