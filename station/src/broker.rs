//! The broker inside: the library with its listeners and limits, and the proxy's connection to it.
//!
//! The library accepts connections from its own TCP listeners only, so [`crate::proxy`] connects to loopback ports that
//! the system picks. The listener of a connection says which rules apply to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use rmqtt::codec::types::Publish as Packet;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::session::SessionState;
use rmqtt::types::{ClientId, From, Id, ListenerId, Publish, QoS, TopicName};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::connect::{Connect, Refusal, has_few_levels};
use crate::hooks::{ClientInfo, Connections, DIFFUSION, Hooks, Registration, is_foreign};
use crate::inspector::Profile;
use crate::limits::{
    INFLIGHT_MAX, Limits, PACKET_BYTES_MAX, PASSWORD_WAIT_TIMEOUTS, QUEUE_MESSAGES_MAX, SESSION_EXPIRY_MAX,
    SESSION_EXPIRY_V311, SESSION_SUBSCRIPTIONS_MAX,
};
use crate::offline_queue::{OfflineQueues, weight};
use crate::reload::Reloadable;
use crate::retained::RetainedMessages;
use crate::stream::Pipe;
use crate::throttle::LoginThrottle;
use crate::users::{Access, Users};

const OPEN: ListenerId = 1;

/// The client identifier of the station's own messages.
const OWN_NAME: &str = env!("CARGO_PKG_NAME");

/// A running broker.
pub(crate) struct Broker {
    pub hooks: Hooks,
    /// The library's addresses, on this machine only.
    open: SocketAddr,
    diffusion: SocketAddr,
    users: Option<Reloadable<Users>>,
    handshake_timeout: Duration,
}

impl Broker {
    /// Binds all listeners and starts to serve, in a task that ends only if the library fails.
    pub(crate) async fn start(
        users: Option<&Path>,
        limits: Limits,
        reload: watch::Receiver<()>,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<Self> {
        let users = users.map(|path| Reloadable::new([path.to_owned()], reload, |[path]| Users::read(path)));
        let users = users.transpose()?;
        let sessions = isize::try_from(limits.max_sessions.get()).unwrap_or(isize::MAX);
        // The load check would refuse connections on a busy two-core machine.
        let context = ServerContext::new().busy_check_enable(false).mqtt_max_sessions(sessions).build().await;
        *context.extends.retain_mut().await = Box::new(RetainedMessages::default());

        let hooks = Hooks {
            context: context.clone(),
            connections: Connections::default(),
            has_users: users.is_some(),
            subscriptions_max: limits.max_subscriptions.get(),
            dropped: Arc::default(),
            published: Arc::default(),
            offline_queues: Arc::new(OfflineQueues::new(limits.max_waiting)),
        };
        hooks.register().await;

        let (open_listener, open) = listen(builder("open", limits))?;
        let diffusion = builder("diffusion", limits).max_qos_allowed(QoS::AtLeastOnce);
        let (diffusion_listener, diffusion) = listen(diffusion)?;
        let server = MqttServer::new(context.clone())
            .listener_by_id(open_listener, OPEN)
            .listener_by_id(diffusion_listener, DIFFUSION)
            .build();
        tasks.spawn(async move {
            if let Err(error) = server.run().await {
                tracing::error!(%error, "the broker ended");
            }
        });
        Ok(Self { hooks, open, diffusion, users, handshake_timeout: limits.handshake_timeout })
    }

    /// Publishes a message of the station itself, at QoS 1.
    pub(crate) async fn publish(&self, topic: &'static str, payload: Bytes) {
        let (dup, retain, qos, packet_id, properties) = (false, false, QoS::AtLeastOnce, None, None);
        let topic = TopicName::from_static(topic);
        let publish = Publish::from(Packet { dup, retain, qos, topic, packet_id, payload, properties });
        self.hooks.published.fetch_add(weight(&publish), Ordering::Relaxed);
        let from = From::from_custom(Id::from(self.hooks.context.node.id(), ClientId::from_static(OWN_NAME)));
        if let Err(error) = SessionState::forwards(&self.hooks.context, from, publish, false, None).await {
            tracing::warn!(%error, "a message of the station isn't published");
        }
    }

    /// Decides whether a client may connect, before it becomes known to the library or any other client.
    pub(crate) async fn authorize(
        &self,
        connect: &Connect<'_>,
        address: IpAddr,
        throttle: &LoginThrottle,
    ) -> Result<Arc<Access>, Refusal> {
        let access = match &self.users {
            None => Arc::default(),
            Some(users) => {
                let users = users.get();
                let (Some(name), Some(password)) = (connect.user_name, connect.password) else {
                    return Err(Refusal::NO_USER_NAME);
                };
                let name = str::from_utf8(name).map_err(|_| Refusal::MALFORMED)?;
                match users.known(name, password) {
                    Some(access) => access,
                    None => {
                        let permit =
                            timeout(PASSWORD_WAIT_TIMEOUTS * self.handshake_timeout, throttle.acquire(address));
                        let _permit = permit.await.map_err(|_| Refusal::BUSY)?;
                        users.check(name, password).await.inspect_err(|refusal| {
                            if *refusal == Refusal::WRONG_PASSWORD {
                                throttle.note_failure(address, Instant::now());
                            }
                        })?
                    }
                }
            }
        };
        if let Some((topic, _)) = connect.will {
            let topic = str::from_utf8(topic).ok().filter(|topic| has_few_levels(topic.as_bytes()));
            if !access.may_write(topic.ok_or(Refusal::WILL_TOPIC_INVALID)?) {
                return Err(Refusal::WILL_NOT_AUTHORIZED);
            }
        }
        let client_id = str::from_utf8(connect.client_id).map_err(|_| Refusal::MALFORMED)?;
        if self.users.is_some() && is_foreign(&self.hooks.context, client_id, access.user.as_deref()).await {
            return Err(Refusal::FOREIGN_SESSION);
        }
        Ok(access)
    }

    /// Connects to the library, which identifies the client by that connection.
    pub(crate) async fn dial(
        &self,
        profile: Profile,
        level: u8,
        access: Arc<Access>,
    ) -> Result<(Pipe, Registration), Refusal> {
        let address = match profile {
            Profile::Open => self.open,
            Profile::Diffusion => self.diffusion,
        };
        let dialling = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let registration = self.hooks.connections.register(stream.local_addr()?, ClientInfo { level, access });
            Ok::<(Pipe, _), io::Error>((Box::new(stream), registration))
        };
        dialling.await.map_err(|error| {
            tracing::error!(%error, "the broker doesn't accept the connection");
            Refusal::unavailable("The broker doesn't accept connections now.")
        })
    }
}

fn builder(name: &str, limits: Limits) -> Builder {
    Builder::new()
        .name(name)
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .nodelay(true)
        // The hooks know the clients that came through the proxy.
        .allow_anonymous(false)
        .max_packet_size(PACKET_BYTES_MAX)
        .max_mqueue_len(QUEUE_MESSAGES_MAX)
        .max_inflight(INFLIGHT_MAX)
        .max_subscriptions(SESSION_SUBSCRIPTIONS_MAX)
        .handshake_timeout(limits.handshake_timeout)
        // Until this timeout the library holds everything for a slow subscriber, so `--max-behind` is the bound.
        .send_timeout(limits.stall_timeout)
        .session_expiry_interval(SESSION_EXPIRY_V311)
        .max_session_expiry_interval(SESSION_EXPIRY_MAX)
        // Zero: no resending on a live connection [MQTT-4.4.0-1]; messages are queued as long as the session.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
}

/// A listener of the broker library.
fn listen(builder: Builder) -> anyhow::Result<(Listener, SocketAddr)> {
    let listener = builder.bind().and_then(Listener::tcp);
    let bound = listener.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
    bound.map_err(|error| anyhow::anyhow!("{error}")).context("the broker can't listen on this machine")
}
