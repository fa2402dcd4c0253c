//! The project's own session over a real socket, for tests that act as a client.
//!
//! The transport is implemented here; everything else is the code that the page and the producer use. Unlike them it
//! doesn't wait after a lost connection, because a test loses a thousand of them.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use mqtt_crawl::mqtt::error::{CloseInfo, Failure};
use mqtt_crawl::mqtt::packet::{Publish, QoS, SubscriptionOptions};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, DisconnectMode, Event, MessageSink, Token, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::WAIT_TIMEOUT;

/// Most bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// The transport of a client to a port of this machine.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// MQTT over TCP.
    Tcp,
    /// MQTT over WebSocket, at this path.
    WebSocket(&'static str),
}

/// A client: session, socket and clock.
pub struct Client {
    session: Session,
    transport: Transport,
    port: u16,
    socket: Option<Socket>,
    started: std::time::Instant,
    arrivals: Arrivals,
    outcomes: HashMap<Token, DeliveryOutcome>,
    connections: u64,
    sessions_found: u64,
    subscribed: bool,
}

enum Socket {
    Tcp(TcpStream, Vec<u8>),
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// The received payloads, in order.
#[derive(Default)]
struct Arrivals(Vec<Vec<u8>>);

impl MessageSink for Arrivals {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        self.0.push(message.payload.to_vec());
    }
}

impl Client {
    /// Creates a client that isn't connected.
    pub fn new(transport: Transport, port: u16, options: Options, seed: u64) -> Self {
        Self {
            session: Session::new(options, seed),
            transport,
            port,
            socket: None,
            started: std::time::Instant::now(),
            arrivals: Arrivals::default(),
            outcomes: HashMap::new(),
            connections: 0,
            sessions_found: 0,
            subscribed: false,
        }
    }

    /// Connects, and waits until the broker has accepted.
    pub async fn connect(&mut self) -> Result<()> {
        self.session.connect(self.now());
        let before = self.connections;
        self.run_until("CONNACK", |client| client.connections > before).await
    }

    /// Subscribes, and waits until the broker has granted everything.
    pub async fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<()> {
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        let filter = TopicFilter::parse(filter)?;
        self.subscribed = false;
        let now = self.now();
        self.session.subscribe(Subscription { filter, options, identifier: None }, now);
        self.run_until("SUBACK", |client| client.subscribed).await
    }

    /// Publishes, now or as soon as possible.
    pub fn publish(&mut self, topic: &str, payload: Vec<u8>, qos: QoS) -> Result<Token> {
        let message = Message { topic: topic.to_owned(), payload, qos, ..Message::default() };
        Ok(self.session.publish(message, self.now())?)
    }

    /// Closes the connection without a DISCONNECT, which would end the session.
    pub async fn disconnect(&mut self) -> Result<()> {
        self.session.disconnect(DisconnectMode::KeepSession);
        self.serve().await
    }

    /// Returns the payloads received so far, in order.
    pub fn arrivals(&self) -> &[Vec<u8>] {
        &self.arrivals.0
    }

    /// Returns the outcomes of the publishes so far.
    pub fn outcomes(&self) -> &HashMap<Token, DeliveryOutcome> {
        &self.outcomes
    }

    /// Returns the number of publishes with an outcome.
    pub fn finished(&self) -> usize {
        self.outcomes.len()
    }

    /// Returns the number of publishes without an outcome.
    pub fn pending(&self) -> usize {
        self.session.unfinished_publishes()
    }

    /// Returns the number of accepted connections, and at how many of them the broker still had the session.
    pub fn connections(&self) -> (u64, u64) {
        (self.connections, self.sessions_found)
    }

    /// Runs until the condition is met.
    ///
    /// # Errors
    /// Fails when no progress visible to a user has happened for [`WAIT_TIMEOUT`].
    pub async fn run_until(&mut self, what: &str, mut is_met: impl FnMut(&Self) -> bool) -> Result<()> {
        let mut last = (self.progress(), std::time::Instant::now());
        while !is_met(self) {
            // Automatic actions (reconnecting indefinitely) are no progress.
            if self.progress() != last.0 {
                last = (self.progress(), std::time::Instant::now());
            }
            ensure!(last.1.elapsed() < WAIT_TIMEOUT, "timed out after {} s waiting for {what}", WAIT_TIMEOUT.as_secs());
            self.step().await?;
        }
        Ok(())
    }

    fn progress(&self) -> (usize, usize, bool) {
        (self.arrivals.0.len(), self.outcomes.len(), self.subscribed)
    }

    /// Carries out the session's requests, waits for one event, and passes it in.
    pub async fn step(&mut self) -> Result<()> {
        self.serve().await?;
        let due = self.session.poll_timeout().map_or(WAIT_TIMEOUT, |due| due.since(self.now()));
        let read = async {
            match &mut self.socket {
                Some(socket) => socket.read().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::time::timeout(due.min(Duration::from_secs(1)), read).await;
        let now = self.now();
        match outcome {
            Ok(Ok(bytes)) => self.session.handle_input(&bytes, now, &mut self.arrivals),
            Ok(Err(closed)) => self.handle_close(closed),
            Err(_) => self.session.handle_timeout(now),
        }
        self.serve().await
    }

    /// Drains the session and handles the results.
    async fn serve(&mut self) -> Result<()> {
        loop {
            self.handle_events()?;
            let Some(transmit) = self.session.poll_transmit() else { return Ok(()) };
            match transmit {
                Transmit::Dial => match Socket::open(self.transport, self.port).await {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        self.session.handle_open(self.now());
                    }
                    Err(closed) => self.handle_close(closed),
                },
                Transmit::Send(bytes) => {
                    if let Some(socket) = &mut self.socket
                        && let Err(closed) = socket.write(bytes).await
                    {
                        self.handle_close(closed);
                    }
                }
                Transmit::HangUp => self.socket = None,
            }
        }
    }

    fn handle_close(&mut self, closed: CloseInfo) {
        self.socket = None;
        self.session.handle_close(closed, self.now());
    }

    fn handle_events(&mut self) -> Result<()> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected { session_present, .. } => {
                    self.connections += 1;
                    self.sessions_found += u64::from(session_present);
                }
                Event::Subscribed { filter, granted } => {
                    granted.map_err(|reason| anyhow::anyhow!("{filter} was refused: {reason:?}"))?;
                    self.subscribed = true;
                }
                Event::Published { token, outcome } => {
                    ensure!(self.outcomes.insert(token, outcome).is_none(), "{token:?} has two outcomes");
                }
                Event::Disconnected { failure, .. } => match *failure {
                    Failure::Closed { .. } => self.session.retry_now(self.now()),
                    other => bail!("the connection was lost for another reason than a cut: {other:?}"),
                },
                Event::Dialing { .. }
                | Event::Unsubscribed { .. }
                | Event::FilterAbandoned { .. }
                | Event::Deviated { .. }
                | Event::Skipped { .. }
                | Event::Unanswered { .. } => {}
            }
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::EPOCH + self.started.elapsed()
    }
}

impl Socket {
    async fn open(transport: Transport, port: u16) -> Result<Self, CloseInfo> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(closed)?;
        stream.set_nodelay(true).map_err(closed)?;
        match transport {
            Transport::Tcp => Ok(Self::Tcp(stream, vec![0; READ_BYTES])),
            Transport::WebSocket(path) => {
                let address = format!("ws://127.0.0.1:{port}{path}");
                let mut request = address.into_client_request().map_err(closed)?;
                request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
                let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(closed)?;
                Ok(Self::WebSocket(Box::new(socket)))
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<u8>, CloseInfo> {
        match self {
            Self::Tcp(stream, buffer) => match stream.read(buffer).await.map_err(closed)? {
                0 => Err(closed("the end")),
                length => Ok(buffer[..length].to_vec()),
            },
            Self::WebSocket(socket) => loop {
                match socket.next().await.ok_or_else(|| closed("the end"))?.map_err(closed)? {
                    tungstenite::Message::Binary(bytes) => return Ok(bytes.to_vec()),
                    tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) => {}
                    other => return Err(closed(format!("{other:?}"))),
                }
            },
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), CloseInfo> {
        match self {
            Self::Tcp(stream, _) => stream.write_all(bytes).await.map_err(closed),
            Self::WebSocket(socket) => socket.send(tungstenite::Message::binary(bytes.to_vec())).await.map_err(closed),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
fn closed(reason: impl ToString) -> CloseInfo {
    CloseInfo { code: None, reason: reason.to_string() }
}
