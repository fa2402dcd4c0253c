//! Nothing lost and nothing doubled, over a network that cuts every connection within moments.

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
/// The last message; nothing that belongs to the others comes after it.
const END: &[u8] = b"end";
/// How many messages are under way at once: more than a connection lives to see acknowledged.
const WINDOW: usize = 32;
/// Where the faults are drawn from. The same each time, so that a run that fails can be looked at.
const SEED: u64 = 0x00C0_FFEE;

/// A bad network between a client and a broker.
struct Run {
    transport: Transport,
    /// The broker's port: the client's, through the proxy, and that of the one at the other end.
    port: u16,
    version: Version,
    qos: QoS,
}

/// A broker that restarts an exchange after its PUBREL makes two messages of one. Mosquitto does,
/// in 2.0.11 as in 2.1.2: its `db__message_reconnect_reset_outgoing` takes an exchange that waits to
/// send PUBREL again for one that hasn't had PUBREC, where two connections in a row are lost.
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

    /// Somebody whose network is well.
    async fn peer(&self, client_id: &str) -> Result<Client> {
        let mut peer = Client::new(Transport::Tcp, self.port, self.options(client_id), 1);
        peer.connect().await?;
        // Mosquitto saves only sessions that were taken up again: whose CONNECT had no Clean Start.
        peer.disconnect().await?;
        peer.connect().await?;
        Ok(peer)
    }

    /// The client that the mode is for.
    async fn client(&self, proxy: &FaultProxy) -> Result<Client> {
        let mut client = Client::new(self.transport, proxy.port(), self.options("client"), 2);
        client.connect().await?;
        Ok(client)
    }

    /// The client publishes.
    async fn check_publishing(&self) -> Result<()> {
        let started = Instant::now();
        let proxy = FaultProxy::start(self.port, SEED).await?;
        let mut witness = self.peer("witness").await?;
        witness.subscribe(TOPIC, self.qos).await?;
        let mut client = self.client(&proxy).await?;
        proxy.change(NetworkMode::Faulty { up_bytes: 1_000, down_bytes: 100 });
        let mut tokens = Vec::new();
        let publishing = async {
            while tokens.len() < MESSAGES || proxy.cuts() < CUTS || client.unfinished() > 0 {
                let is_short = tokens.len() < MESSAGES || proxy.cuts() < CUTS;
                while is_short && client.unfinished() < WINDOW {
                    tokens.push(client.publish(TOPIC, payload(tokens.len()), self.qos)?);
                    // A QoS 0 message is done once it is handed to the socket; with nothing to wait
                    // for, all would go in one connection.
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
        let witnessing = async { witness.run_until("the end", has_ended).await.context("the witness") };
        let ended = tokio::try_join!(publishing, witnessing).map(drop);
        self.check(&proxy, &client, tokens.len(), witness.arrivals(), started, ended)?;
        let done = tokens.iter().filter(|token| client.outcomes()[*token] == DeliveryOutcome::Done).count();
        ensure!(done == tokens.len(), "{done} of {} publishes were done", tokens.len());
        Ok(())
    }

    /// The client subscribes.
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
                publisher.run_until("an outcome", |publisher| publisher.unfinished() == 0).await?;
                // Of QoS 0 a client that is away gets nothing. Of the others no more wait for it
                // than a connection lives to acknowledge, since all of them come again each time.
                while self.qos != QoS::AtMostOnce && published.get() >= received.get() + WINDOW {
                    tokio::task::yield_now().await;
                }
            }
            anyhow::Ok(())
        };
        let mut seen = Seen::default();
        let receiving = client.run_until("all messages", |client| {
            received.set(seen.look(client.arrivals()));
            let is_all = published.get() >= MESSAGES && proxy.cuts() >= CUTS;
            is_all && (self.qos == QoS::AtMostOnce || received.get() == published.get())
        });
        let mut ended = tokio::try_join!(publishing, receiving).map(drop);
        if ended.is_ok() {
            // One more connection, on which nothing may come again.
            proxy.change(NetworkMode::Clean);
            let (connections, _) = client.connections();
            client.run_until("the calm", |client| client.connections().0 > connections).await?;
            publisher.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
            publisher.run_until("the end's outcome", |publisher| publisher.unfinished() == 0).await?;
            ended = client.run_until("the end", has_ended).await;
        }
        self.check(&proxy, &client, published.get(), client.arrivals(), started, ended)
    }

    /// What every run has to come to.
    fn check(
        &self,
        proxy: &FaultProxy,
        client: &Client,
        published: usize,
        arrivals: &[Vec<u8>],
        started: Instant,
        ended: Result<()>,
    ) -> Result<()> {
        let mut seen = Seen::default();
        let distinct = seen.look(arrivals);
        seen.times.resize(published, 0);
        let doubled = seen.times.iter().filter(|times| **times > 1).count();
        let (connections, found) = client.connections();
        println!(
            "{:?}, {}, QoS {:?}, seed {SEED:#x}: {published} published, {} lost, {doubled} twice; {} cuts, \
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
        if let Some((number, _)) = seen.times.iter().enumerate().find(is_wrong) {
            let words = ended.err().map_or_else(String::new, |error| format!("{error:#}; "));
            bail!("{words}message {number} came {} times\n{}", seen.times[number], packets.story(&payload(number)));
        }
        ended?;
        ensure!(found + 1 == connections, "the broker had the session {found} times in {connections} connections");
        ensure!(distinct > 0, "not one message came through");
        Ok(())
    }
}

/// The number of a message, and enough to make them of many lengths.
fn payload(number: usize) -> Vec<u8> {
    format!("{}{number:>6}", ".".repeat(number % 40)).into_bytes()
}

fn has_ended(client: &Client) -> bool {
    client.arrivals().last().is_some_and(|last| last == END)
}

/// How often each message came.
#[derive(Default)]
struct Seen {
    times: Vec<u32>,
    distinct: usize,
    looked_at: usize,
}

impl Seen {
    /// Counts what is new; returns how many different messages came so far.
    fn look(&mut self, arrivals: &[Vec<u8>]) -> usize {
        for arrival in &arrivals[self.looked_at..] {
            let text = String::from_utf8_lossy(arrival);
            let Ok(number) = text.trim_start_matches(['.', ' ']).parse::<usize>() else { continue };
            if self.times.len() <= number {
                self.times.resize(number + 1, 0);
            }
            self.times[number] += 1;
            self.distinct += usize::from(self.times[number] == 1);
        }
        self.looked_at = arrivals.len();
        self.distinct
    }
}

async fn mosquitto(transport: Transport, version: Version, qos: QoS) -> Result<(Mosquitto, Run)> {
    let broker = Mosquitto::start(Access::Anonymous).await?;
    let port = broker.mqtt_port();
    Ok((broker, Run { transport, port, version, qos }))
}

// ---- a broker that is killed --------------------------------------------------------------------

/// How often it is killed.
const KILLS: usize = 12;
/// Messages for each of its lives.
const MESSAGES_A_LIFE: usize = 60;

/// Kills mosquitto in the middle of exchanges, again and again, and has it start from its database.
///
/// It promises only what it has written, and it answers before it writes. So the network is stopped
/// first, somewhere in the broker's answers, then the database is written, and then comes SIGKILL:
/// what the client has seen is saved, and what it hasn't seen is open on both sides.
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

    fn becalm(&mut self) {
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
    let mut witness = kills.run.peer("witness").await?;
    witness.subscribe(TOPIC, qos).await?;
    witness.disconnect().await?;
    let mut client = kills.run.client(&kills.proxy).await?;
    let mut published = 0;
    for _ in 0..KILLS {
        kills.becalm();
        let publishing = async {
            loop {
                while client.unfinished() < WINDOW {
                    client.publish(TOPIC, payload(published), qos)?;
                    published += 1;
                }
                client.turn().await?;
            }
        };
        tokio::select! { ended = publishing => return ended, () = kills.proxy.stalled() => {} }
        kills = kills.kill().await?;
    }
    kills.proxy.change(NetworkMode::Clean);
    client.run_until("the last outcome", |client| client.unfinished() == 0).await?;
    client.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
    client.run_until("the end's outcome", |client| client.unfinished() == 0).await?;
    witness.connect().await?;
    let ended = witness.run_until("the end", has_ended).await;
    kills.run.check(&kills.proxy, &client, published, witness.arrivals(), started, ended)?;
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
    for life in 0..KILLS {
        kills.becalm();
        for number in 0..MESSAGES_A_LIFE {
            publisher.publish(TOPIC, payload(life * MESSAGES_A_LIFE + number), qos)?;
        }
        publisher.run_until("the last outcome", |publisher| publisher.unfinished() == 0).await?;
        let receiving = async {
            loop {
                client.turn().await?;
            }
        };
        tokio::select! { ended = receiving => return ended, () = kills.proxy.stalled() => {} }
        kills = kills.kill().await?;
    }
    kills.proxy.change(NetworkMode::Clean);
    let mut seen = Seen::default();
    let all = KILLS * MESSAGES_A_LIFE;
    let mut ended = client.run_until("all messages", |client| seen.look(client.arrivals()) == all).await;
    if ended.is_ok() {
        publisher.publish(TOPIC, END.to_vec(), QoS::AtLeastOnce)?;
        publisher.run_until("the end's outcome", |publisher| publisher.unfinished() == 0).await?;
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

/// One test a line: its name, the broker, what the client does, and how.
macro_rules! runs {
    ($($name:ident: $broker:ident $check:ident $transport:ident $version:ident $qos:ident)*) => {$(
        #[tokio::test]
        async fn $name() -> Result<()> {
            let (_broker, run) = $broker($transport, Version::$version, QoS::$qos).await?;
            run.$check().await
        }
    )*};
}

// Mosquitto takes a WebSocket only each 100 ms, so its thousand connections are made over TCP.
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
