//! No message is lost or duplicated over a network that soon cuts every connection.

use std::cell::{Cell, LazyCell};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::mqtt::session::event::DeliveryOutcome;
use mqtt_crawl::mqtt::session::options::Options;
use mqtt_crawl_e2e::client::{Client, Transport};
use mqtt_crawl_e2e::fault_proxy::{FaultProxy, NetworkMode, Random};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::transcript::{Packets, Way};

const MESSAGES: usize = 10_000;
const CUTS: u64 = 1_000;
const TOPIC: &str = "delivery";
/// The last message; no packet of the others follows it.
const END: &[u8] = b"end";
/// The number of messages in flight at once: more than one connection's duration allows to acknowledge.
const WINDOW: usize = 32;
/// The seed of the faults. It is the same each time, so that a failed run can be reproduced.
const SEED: u64 = 0x00C0_FFEE;

/// A bad network between a client and a broker.
struct Run {
    transport: Transport,
    /// The broker's port. The client uses it through the proxy, its peer directly.
    port: u16,
    version: Version,
    qos: QoS,
}

/// Whether the broker restarted an exchange after its PUBREL, which duplicates the message. Mosquitto 2.0.11 and 2.1.2
/// do so after two consecutive lost connections: `db__message_reconnect_reset_outgoing` treats an exchange that has to
/// send PUBREL again like one without a PUBREC.
fn sends_after_release(packets: &Packets, payload: &[u8]) -> bool {
    packets.was_sent_after_release(Way::Down, payload)
}

impl Run {
    fn options(&self, client_id: &str) -> Options {
        Options {
            version: Some(self.version),
            client_id: client_id.to_owned(),
            session_expiry_s: 3_600,
            keep_session_in_v311: true,
            keep_alive_s: 60,
            ..Options::default()
        }
    }

    /// Returns a client with an undisturbed network.
    async fn peer(&self, client_id: &str) -> Result<Client> {
        let mut peer = Client::new(Transport::Tcp, self.port, self.options(client_id), 1);
        peer.connect().await?;
        // Mosquitto saves only resumed sessions: those whose CONNECT had no Clean Start.
        peer.disconnect().await?;
        peer.connect().await?;
        Ok(peer)
    }

    /// Returns the client behind the proxy.
    async fn client(&self, proxy: &FaultProxy) -> Result<Client> {
        let mut client = Client::new(self.transport, proxy.port(), self.options("client"), 2);
        client.connect().await?;
        Ok(client)
    }

    /// Checks publishing by the client.
    async fn check_publishing(&self) -> Result<()> {
        let started = Instant::now();
        let proxy = FaultProxy::start(self.port, SEED).await?;
        let mut subscriber = self.peer("subscriber").await?;
        subscriber.subscribe(TOPIC, self.qos).await?;
        let mut client = self.client(&proxy).await?;
        proxy.change(NetworkMode::Faulty { up_bytes: 1_000, down_bytes: 100 });
        let mut tokens = Vec::new();
        let publishing = async {
            while tokens.len() < MESSAGES || proxy.cuts() < CUTS || client.pending() > 0 {
                let is_short = tokens.len() < MESSAGES || proxy.cuts() < CUTS;
                while is_short && client.pending() < WINDOW {
                    tokens.push(client.publish(TOPIC, payload(tokens.len()), self.qos)?);
                    // A QoS 0 message is complete once the socket has it; without a wait, all would be sent in one
                    // connection.
                    if self.qos == QoS::AtMostOnce && tokens.len().is_multiple_of(4) {
                        client.publish("pace", Vec::new(), QoS::AtLeastOnce)?;
                        break;
                    }
                }
                let finished = client.outcomes().len();
                client.run_until("an outcome", |client| client.outcomes().len() > finished).await?;
            }
            proxy.change(NetworkMode::Clean);
            let last = client.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
            client.run_until("the last outcome", |client| client.outcomes().contains_key(&last)).await
        };
        let receiving = async { subscriber.run_until("the end", has_ended).await.context("the subscriber") };
        let ended = tokio::try_join!(publishing, receiving).map(drop);
        self.check(&proxy, &client, tokens.len(), subscriber.arrivals(), started, ended)?;
        let done = tokens.iter().filter(|token| client.outcomes()[*token] == DeliveryOutcome::Done).count();
        ensure!(done == tokens.len(), "{done} of {} publishes were done", tokens.len());
        Ok(())
    }

    /// Checks receiving by the client.
    async fn check_subscribing(&self) -> Result<()> {
        let started = Instant::now();
        let proxy = FaultProxy::start(self.port, SEED).await?;
        let mut client = self.client(&proxy).await?;
        client.subscribe(TOPIC, self.qos).await?;
        let mut publisher = self.peer("publisher").await?;
        proxy.change(NetworkMode::Faulty { up_bytes: 400, down_bytes: 1_500 });
        let published = Cell::new(0);
        let received = Cell::new(0);
        let publishing = async {
            while published.get() < MESSAGES || proxy.cuts() < CUTS {
                publisher.publish(TOPIC, payload(published.get()), self.qos.max(QoS::AtLeastOnce))?;
                published.set(published.get() + 1);
                publisher.run_until("an outcome", |publisher| publisher.pending() == 0).await?;
                // A disconnected client gets no QoS 0 messages. The number of queued others is limited to what one
                // connection can acknowledge, because all of them are sent again each time.
                while self.qos != QoS::AtMostOnce && published.get() >= received.get() + WINDOW {
                    tokio::task::yield_now().await;
                }
            }
            anyhow::Ok(())
        };
        let mut counts = MessageCounts::default();
        let receiving = client.run_until("all messages", |client| {
            received.set(counts.update(client.arrivals()));
            let is_all = published.get() >= MESSAGES && proxy.cuts() >= CUTS;
            is_all && (self.qos == QoS::AtMostOnce || received.get() == published.get())
        });
        let mut ended = tokio::try_join!(publishing, receiving).map(drop);
        if ended.is_ok() {
            // One more connection, on which no message may be repeated.
            proxy.change(NetworkMode::Clean);
            let (connections, _) = client.connections();
            client.run_until("the connection without cuts", |client| client.connections().0 > connections).await?;
            publisher.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
            publisher.run_until("the end's outcome", |publisher| publisher.pending() == 0).await?;
            ended = client.run_until("the end", has_ended).await;
        }
        self.check(&proxy, &client, published.get(), client.arrivals(), started, ended)
    }

    /// Checks the result of a run.
    fn check(
        &self,
        proxy: &FaultProxy,
        client: &Client,
        published: usize,
        arrivals: &[Vec<u8>],
        started: Instant,
        ended: Result<()>,
    ) -> Result<()> {
        let mut counts = MessageCounts::default();
        let distinct = counts.update(arrivals);
        counts.times.resize(published, 0);
        let duplicated = counts.times.iter().filter(|times| **times > 1).count();
        let (connections, found) = client.connections();
        println!(
            "{:?}, {}, QoS {:?}, seed {SEED:#x}: {published} published, {} lost, {duplicated} twice; {} cuts, \
             {connections} connections, {:.1} s",
            self.transport,
            self.version,
            self.qos,
            published - distinct,
            proxy.cuts(),
            started.elapsed().as_secs_f64(),
        );
        let packets = LazyCell::new(|| proxy.packets());
        let is_wrong = |(number, times): &(usize, &u32)| match (self.qos, **times) {
            (_, 1) => false,
            (QoS::AtMostOnce, times) => times > 1,
            (QoS::AtLeastOnce, times) => times == 0,
            (QoS::ExactlyOnce, 0) => true,
            (QoS::ExactlyOnce, _) => !sends_after_release(&packets, &payload(*number)),
        };
        if let Some((number, _)) = counts.times.iter().enumerate().find(is_wrong) {
            let reason = ended.err().map_or_else(String::new, |error| format!("{error:#}; "));
            bail!(
                "{reason}message {number} arrived {} times\n{}",
                counts.times[number],
                packets.history(&payload(number))
            );
        }
        ended?;
        ensure!(found + 1 == connections, "the broker had the session {found} times in {connections} connections");
        ensure!(distinct > 0, "no message arrived");
        Ok(())
    }
}

/// Returns a payload with the message's number; their lengths differ.
fn payload(number: usize) -> Vec<u8> {
    format!("{}{number:>6}", ".".repeat(number % 40)).into_bytes()
}

fn has_ended(client: &Client) -> bool {
    client.arrivals().last().is_some_and(|last| last == END)
}

/// The number of arrivals of each message.
#[derive(Default)]
struct MessageCounts {
    times: Vec<u32>,
    distinct: usize,
    processed: usize,
}

impl MessageCounts {
    /// Counts new arrivals; returns the number of different messages so far.
    fn update(&mut self, arrivals: &[Vec<u8>]) -> usize {
        for arrival in &arrivals[self.processed..] {
            let text = String::from_utf8_lossy(arrival);
            let Ok(number) = text.trim_start_matches(['.', ' ']).parse::<usize>() else { continue };
            if self.times.len() <= number {
                self.times.resize(number + 1, 0);
            }
            self.times[number] += 1;
            self.distinct += usize::from(self.times[number] == 1);
        }
        self.processed = arrivals.len();
        self.distinct
    }
}

async fn mosquitto(transport: Transport, version: Version, qos: QoS) -> Result<(Mosquitto, Run)> {
    let broker = Mosquitto::start(Access::Anonymous).await?;
    let port = broker.mqtt_port();
    Ok((broker, Run { transport, port, version, qos }))
}

// ---- broker kills --------------------------------------------------------------------------------

/// The number of times that the broker is killed.
const KILLS: usize = 12;
/// The number of messages between two kills.
const MESSAGES_PER_START: usize = 60;

/// Kills mosquitto repeatedly during exchanges, and restarts it from its database.
///
/// Mosquitto keeps only what it has written, and it acknowledges before it writes. So the network is stalled first,
/// somewhere in the broker's answers; then the database is written; then SIGKILL is sent. The acknowledgements that
/// the client has received are saved, and the others are open on both sides.
struct Kills {
    run: Run,
    broker: Mosquitto,
    proxy: FaultProxy,
    random: Random,
}

impl Kills {
    async fn start(qos: QoS) -> Result<Self> {
        let (broker, run) = mosquitto(TCP, Version::V5, qos).await?;
        let proxy = FaultProxy::start(run.port, SEED).await?;
        Ok(Self { run, broker, proxy, random: Random::new(SEED) })
    }

    fn stall(&mut self) {
        self.proxy.change(NetworkMode::Stalled { down_bytes: 20 + self.random.below(400) });
    }

    async fn kill(self) -> Result<Self> {
        self.broker.save().await?;
        let broker = self.broker.kill_and_restart().await?;
        Ok(Self { broker, ..self })
    }
}

async fn check_killed_publishing(qos: QoS) -> Result<()> {
    let started = Instant::now();
    let mut kills = Kills::start(qos).await?;
    let mut subscriber = kills.run.peer("subscriber").await?;
    subscriber.subscribe(TOPIC, qos).await?;
    subscriber.disconnect().await?;
    let mut client = kills.run.client(&kills.proxy).await?;
    let mut published = 0;
    for _ in 0..KILLS {
        kills.stall();
        let publishing = async {
            loop {
                while client.pending() < WINDOW {
                    client.publish(TOPIC, payload(published), qos)?;
                    published += 1;
                }
                client.step().await?;
            }
        };
        tokio::select! { ended = publishing => return ended, () = kills.proxy.stalled() => {} }
        kills = kills.kill().await?;
    }
    kills.proxy.change(NetworkMode::Clean);
    client.run_until("the last outcome", |client| client.pending() == 0).await?;
    client.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
    client.run_until("the end's outcome", |client| client.pending() == 0).await?;
    subscriber.connect().await?;
    let ended = subscriber.run_until("the end", has_ended).await;
    kills.run.check(&kills.proxy, &client, published, subscriber.arrivals(), started, ended)?;
    let done = client.outcomes().values().filter(|outcome| **outcome == DeliveryOutcome::Done).count();
    ensure!(done == published + 1, "{done} of {published} publishes were done");
    Ok(())
}

async fn check_killed_subscribing(qos: QoS) -> Result<()> {
    let started = Instant::now();
    let mut kills = Kills::start(qos).await?;
    let mut client = kills.run.client(&kills.proxy).await?;
    client.subscribe(TOPIC, qos).await?;
    let mut publisher = kills.run.peer("publisher").await?;
    for start in 0..KILLS {
        kills.stall();
        for number in 0..MESSAGES_PER_START {
            publisher.publish(TOPIC, payload(start * MESSAGES_PER_START + number), qos)?;
        }
        publisher.run_until("the last outcome", |publisher| publisher.pending() == 0).await?;
        let receiving = async {
            loop {
                client.step().await?;
            }
        };
        tokio::select! { ended = receiving => return ended, () = kills.proxy.stalled() => {} }
        kills = kills.kill().await?;
    }
    kills.proxy.change(NetworkMode::Clean);
    let mut counts = MessageCounts::default();
    let all = KILLS * MESSAGES_PER_START;
    let mut ended = client.run_until("all messages", |client| counts.update(client.arrivals()) == all).await;
    if ended.is_ok() {
        publisher.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
        publisher.run_until("the end's outcome", |publisher| publisher.pending() == 0).await?;
        ended = client.run_until("the end", has_ended).await;
    }
    kills.run.check(&kills.proxy, &client, all, client.arrivals(), started, ended)
}

#[tokio::test]
async fn publishing_to_a_killed_mosquitto_at_least_once() -> Result<()> {
    check_killed_publishing(QoS::AtLeastOnce).await
}

#[tokio::test]
async fn publishing_to_a_killed_mosquitto_exactly_once() -> Result<()> {
    check_killed_publishing(QoS::ExactlyOnce).await
}

#[tokio::test]
async fn receiving_from_a_killed_mosquitto_at_least_once() -> Result<()> {
    check_killed_subscribing(QoS::AtLeastOnce).await
}

#[tokio::test]
async fn receiving_from_a_killed_mosquitto_exactly_once() -> Result<()> {
    check_killed_subscribing(QoS::ExactlyOnce).await
}

// ---- the runs ------------------------------------------------------------------------------------

const TCP: Transport = Transport::Tcp;

/// One test per line: its name, the broker, the check, and its parameters.
macro_rules! runs {
    ($($name:ident: $broker:ident $check:ident $transport:ident $version:ident $qos:ident)*) => {$(
        #[tokio::test]
        async fn $name() -> Result<()> {
            let (_broker, run) = $broker($transport, Version::$version, QoS::$qos).await?;
            run.$check().await
        }
    )*};
}

// Mosquitto accepts a WebSocket only every 100 ms, so its thousand connections use TCP.
runs! {
    to_mosquitto_at_most_once: mosquitto check_publishing TCP V5 AtMostOnce
    to_mosquitto_at_least_once: mosquitto check_publishing TCP V5 AtLeastOnce
    to_mosquitto_exactly_once: mosquitto check_publishing TCP V5 ExactlyOnce
    to_mosquitto_exactly_once_in_v311: mosquitto check_publishing TCP V311 ExactlyOnce
    from_mosquitto_at_most_once: mosquitto check_subscribing TCP V5 AtMostOnce
    from_mosquitto_at_least_once: mosquitto check_subscribing TCP V5 AtLeastOnce
    from_mosquitto_exactly_once: mosquitto check_subscribing TCP V5 ExactlyOnce
    from_mosquitto_exactly_once_in_v311: mosquitto check_subscribing TCP V311 ExactlyOnce
}
