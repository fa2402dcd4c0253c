//! The embedded broker: its listeners, its limits, and the hooks through which the station decides
//! who may connect and which topic paths `/diffusion` takes.
//!
//! The broker library takes connections from its own TCP listeners only, so all clients reach it
//! through listeners on loopback ports that the system picks, led there by [`crate::front`]. The
//! listener a session came in by tells the hooks which rules it is under.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason, ToReasonCode as _};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{
    AuthResult, ConnectInfo, Id, ListenerId, PublishAclResult, PublishResult, QoS, Reason, SubscribeReturn,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::Span;

use crate::StartError;
use crate::backlog::{Backlog, weight};
use crate::diffusion::{NO_EMPTY_LEVEL, is_topic_path};
use crate::front::{Doors, Front};
use crate::gate::{Entrance, Gate};
use crate::held::V311_SESSION;
use crate::options::Limits;
use crate::retained::RetainedMessages;
use crate::tls::Security;
use crate::users::Users;

/// Largest packet taken, in bytes. More than the 16 MiB a page takes, so that the page's own limit
/// is the one a person meets.
pub(crate) const LARGEST_PACKET_BYTES: u32 = 20 * 1024 * 1024;

/// Messages waiting for one subscriber before some are dropped and counted: four times the largest
/// burst the station promises to pass. Of bytes, see [`crate::front::Lag`] and [`crate::backlog`].
const LONGEST_QUEUE: usize = 200_000;

/// Unacknowledged QoS 1 and 2 messages each way. The broker closes a connection that exceeds it,
/// and a 3.1.1 client can't be told, so it is half of all packet identifiers.
pub(crate) const LARGEST_WINDOW: NonZeroU16 = NonZeroU16::new(32_768).expect("not zero");

/// A session outlives its connection this long, whatever it asks for.
pub(crate) const LONGEST_SESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// Connections over TCP that wait to be accepted.
const LONGEST_BACKLOG: u32 = 1_024;

const MQTT_OPTION: &str = "--mqtt";

const TCP: ListenerId = 1;
const WEBSOCKET: ListenerId = 2;
const DIFFUSION: ListenerId = 3;

/// The user name that the station's own transmission connects with.
const OWN_NAME: &str = env!("CARGO_PKG_NAME");

/// A running broker.
pub(crate) struct Broker {
    /// Where it takes plain MQTT.
    pub tcp: SocketAddr,
    /// Where the library takes what comes over TCP: on this machine, and in plain.
    pub door: SocketAddr,
    /// The way in.
    pub front: Front,
    /// Messages dropped because a subscriber was too slow and its queue full, or because too much waited
    /// for clients that were away.
    pub dropped: Arc<AtomicU64>,
    /// What the station's own transmission connects with, where users are asked for.
    pub own_user: Option<(String, String)>,
    task: JoinHandle<()>,
    listening: JoinHandle<()>,
}

impl Broker {
    /// Binds all listeners and starts to serve.
    pub(crate) async fn start(
        tcp: SocketAddr,
        users: Option<Users>,
        gate: Gate,
        client_limits: Limits,
        security: Security,
    ) -> Result<Self, StartError> {
        // The load check would refuse connections on a busy two-core machine.
        let context = ServerContext::new().busy_check_enable(false).build().await;
        *context.extends.retain_mut().await = Box::new(RetainedMessages::default());

        let own_user = users.as_ref().map(|_| (OWN_NAME.to_owned(), random_password()));
        let hooks = Hooks {
            users: users.map(Arc::new),
            own_user: own_user.clone(),
            farewells: Farewells::default(),
            dropped: Arc::default(),
            published: Arc::default(),
            backlog: Arc::new(Backlog::new(client_limits.max_waiting)),
        };
        let anonymous = hooks.users.is_none();
        hooks.register(&context).await;

        let (listener, tcp) = listen(tcp)?;
        let (tcp_listener, tcp_door) = open_door(limits("tcp", client_limits).allow_anonymous(anonymous))?;
        let (open_listener, open) = open_door(limits("websocket", client_limits).allow_anonymous(anonymous))?;
        let diffusion = limits("diffusion", client_limits).allow_anonymous(anonymous);
        let (diffusion_listener, diffusion) = open_door(diffusion.max_qos_allowed(QoS::AtLeastOnce))?;

        let server = MqttServer::new(context)
            .listener_by_id(tcp_listener, TCP)
            .listener_by_id(open_listener, WEBSOCKET)
            .listener_by_id(diffusion_listener, DIFFUSION)
            .build();
        let task = tokio::spawn(async move {
            if let Err(error) = server.run().await {
                tracing::error!(%error, "the broker ended");
            }
        });
        let front =
            Front::new(Doors { tcp: tcp_door, open, diffusion }, hooks.farewells, client_limits, hooks.published);
        let entrance = Entrance { listener, gate, longest_stall: client_limits.stall_timeout };
        let listening = tokio::spawn(front.clone().listen(entrance, security));
        Ok(Self { tcp, door: tcp_door, front, dropped: hooks.dropped, own_user, task, listening })
    }

    /// Completes when the broker ends, which it never should by itself.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            _ = &mut self.task => {}
            _ = &mut self.listening => {}
        }
    }

    /// Closes the listeners and what came through them.
    pub(crate) async fn stop(self) {
        self.front.stop().await;
        if !self.listening.is_finished() {
            let _ = self.listening.await;
        }
        self.task.abort();
        if !self.task.is_finished() {
            let _ = self.task.await;
        }
    }
}

/// Why the broker closed a connection, by the address it saw the connection come from.
///
/// The broker library shuts its socket before it would write the DISCONNECT that MQTT 5.0 wants, so
/// a client would never learn that, say, its session was taken over. [`crate::front`] waits here for
/// the reason and says it instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Farewells(Arc<Mutex<HashMap<SocketAddr, Waiting>>>);

#[derive(Debug)]
struct Waiting {
    reason: oneshot::Sender<u8>,
    /// The client's connection, which the library doesn't see.
    span: Span,
}

impl Farewells {
    /// Where the reason code for this connection will arrive, if the broker has one to give.
    pub(crate) fn expect(&self, connection: SocketAddr) -> oneshot::Receiver<u8> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(connection, Waiting { reason: sender, span: Span::current() });
        receiver
    }

    /// To be called when the connection is over.
    pub(crate) fn forget(&self, connection: SocketAddr) {
        self.waiting().remove(&connection);
    }

    fn say(&self, connection: SocketAddr, reason: &Reason) {
        let waiting = self.waiting().remove(&connection);
        if let (Some(waiting), Some(code)) = (waiting, reason_code(reason)) {
            // Nobody waits any more when the client has gone meanwhile.
            let _ = waiting.reason.send(code);
        }
    }

    /// What the log says of the client behind a connection.
    fn span(&self, connection: Option<SocketAddr>) -> Span {
        let span = connection.and_then(|connection| Some(self.waiting().get(&connection)?.span.clone()));
        span.unwrap_or_else(Span::none)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Waiting>> {
        // The map is whole after any single insert or remove, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The DISCONNECT reason code for why the broker closed, `None` when the client did.
fn reason_code(reason: &Reason) -> Option<u8> {
    match reason {
        Reason::ConnectDisconnect(_) | Reason::ConnectRemoteClose => None,
        // The library would say Not authorized; 0x8E is Session taken over [MQTT-3.1.4-3].
        Reason::ConnectKicked(false) => Some(0x8E),
        Reason::Reasons(reasons) => reasons.first().and_then(reason_code),
        other => Some(other.to_reason_code().into()),
    }
}

#[derive(Clone)]
struct Hooks {
    users: Option<Arc<Users>>,
    own_user: Option<(String, String)>,
    farewells: Farewells,
    dropped: Arc<AtomicU64>,
    /// Bytes published so far, by anybody.
    published: Arc<AtomicU64>,
    backlog: Arc<Backlog>,
}

impl Hooks {
    async fn register(&self, context: &ServerContext) {
        let register = context.extends.hook_mgr().register();
        let mut kinds = vec![
            Type::ClientDisconnected,
            Type::ClientSubscribeCheckAcl,
            Type::MessageDropped,
            Type::MessagePublish,
            Type::MessagePublishCheckAcl,
            Type::OfflineMessage,
        ];
        if self.users.is_some() {
            kinds.push(Type::ClientAuthenticate);
        }
        for kind in kinds {
            register.add(kind, Box::new(self.clone())).await;
        }
        register.start().await;
    }

    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let Some(users) = &self.users else {
            return AuthResult::Allow(false, None);
        };
        let (Some(name), Some(password)) = (connect.username(), connect.password()) else {
            // CONNACK 0x87 or return code 5.
            self.log_refusal(connect, "it gave no user name and password");
            return AuthResult::NotAuthorized;
        };
        let is_own = self
            .own_user
            .as_ref()
            .is_some_and(|(own_name, own_password)| *own_name == **name && own_password.as_bytes() == &password[..]);
        match is_own || users.accepts(name, password).await {
            true => AuthResult::Allow(false, None),
            // CONNACK 0x86 or return code 4.
            false => {
                self.log_refusal(connect, "no such user, or another password");
                AuthResult::BadUsernameOrPassword
            }
        }
    }

    /// Says who was refused. What was given as a user name isn't said: it may be a password that
    /// somebody typed into the wrong field.
    fn log_refusal(&self, connect: &ConnectInfo, reason: &str) {
        let client: &str = connect.client_id();
        let span = self.farewells.span(connect.id().remote_addr);
        span.in_scope(|| tracing::warn!(?client, reason, "client refused"));
    }

    /// Counts them, and says so now and then, with the client that just lost one where that is known.
    fn count_dropped(&self, messages: u64, client: Option<&str>, reason: &str) {
        const EVERY: u64 = 10_000;
        let before = self.dropped.fetch_add(messages, Ordering::Relaxed);
        let so_far = before + messages;
        if before.div_ceil(EVERY) != so_far.div_ceil(EVERY) {
            tracing::warn!(client, dropped_so_far = so_far, reason, "messages dropped");
        }
    }
}

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, parameter: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(connect) => {
                (false, Some(HookResult::AuthResult(self.authenticate(connect).await)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe)
                if is_diffusion(&session.id) && !is_topic_path(&subscribe.topic_filter) =>
            {
                let answer = SubscribeReturn::new_failure(SubscribeAckReason::TopicFilterInvalid);
                (false, Some(HookResult::SubscribeAclResult(answer)))
            }
            Parameter::MessagePublish(_, _, publish) => match self.backlog.prepare(publish) {
                Some(publish) => (false, Some(HookResult::Publish(publish))),
                None => (true, so_far),
            },
            Parameter::MessagePublishCheckAcl(session, publish) => {
                self.published.fetch_add(weight(publish), Ordering::Relaxed);
                if !is_diffusion(&session.id) || is_topic_path(&publish.topic) {
                    return (true, so_far);
                }
                let words = Some(NO_EMPTY_LEVEL.into());
                let answer = PublishResult::reason_code(PublishAckReason::TopicNameInvalid, words, false);
                (false, Some(HookResult::PublishAclResult(PublishAclResult(answer))))
            }
            Parameter::ClientDisconnected(session, reason) => {
                if let Some(connection) = session.id.remote_addr {
                    self.farewells.say(connection, reason);
                }
                (true, so_far)
            }
            Parameter::MessageDropped(to, _, _, Reason::MessageQueueFull) => {
                let client = to.as_ref().map(|to| &*to.client_id);
                self.count_dropped(1, client, "a subscriber is too slow");
                (true, so_far)
            }
            Parameter::OfflineMessage(session, _, publish) => {
                let dropped = self.backlog.make_room(session.deliver_queue(), publish);
                self.count_dropped(dropped, None, "too much waits for clients that are away");
                (true, so_far)
            }
            _ => (true, so_far),
        }
    }
}

fn is_diffusion(session: &Id) -> bool {
    session.lid == DIFFUSION
}

fn limits(name: &str, client_limits: Limits) -> Builder {
    Builder::new()
        .name(name)
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .nodelay(true)
        .max_packet_size(LARGEST_PACKET_BYTES)
        .max_mqueue_len(LONGEST_QUEUE)
        .max_inflight(LARGEST_WINDOW)
        // Until then the library holds what comes for a subscriber that leaves its socket unread,
        // without a limit (only after that does the queue's count), so time is what bounds it.
        .send_timeout(client_limits.stall_timeout)
        .session_expiry_interval(V311_SESSION)
        .max_session_expiry_interval(LONGEST_SESSION)
        // Never send again on a living connection [MQTT-4.4.0-1], and let messages wait for a
        // session as long as it lives; both timers are off at zero.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
}

/// A listener of the broker library.
fn open_door(builder: Builder) -> Result<(Listener, SocketAddr), StartError> {
    let address = builder.laddr;
    let listener = builder.bind().and_then(Listener::tcp);
    let bound = listener.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
    bound.map_err(|error| StartError::Bind { option: MQTT_OPTION, address, fault: error.to_string() })
}

/// The listener for MQTT over TCP.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A station stopped a moment ago must not keep its successor from the port.
        socket.set_reuseaddr(true)?;
        // Inherited by what is accepted: finds clients that have vanished without Keep Alive.
        socket.set_keepalive(true)?;
        socket.bind(address)?;
        let listener = socket.listen(LONGEST_BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|error: std::io::Error| StartError::Bind { option: MQTT_OPTION, address, fault: error.to_string() })
}

/// A password that is good for one run and never leaves the process.
fn random_password() -> String {
    let halves = [(); 2].map(|()| argon2::password_hash::generate_salt());
    halves.as_flattened().iter().map(|byte| format!("{byte:02x}")).collect()
}
