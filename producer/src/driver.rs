//! The loop that owns the clock and the transport.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, SystemTime};

use mqtt_crawl::mqtt::error::{CloseInfo, Violation};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::mqtt::session::event::Transmit;
use mqtt_crawl::time::Instant;

use crate::event::DriverEvent;
use crate::remote::RemoteHandle;
use crate::report::{Report, Summary};
use crate::script::{Rows, Script, ScriptItem};
use crate::settings::{Settings, SettingsError};
use crate::transmission::Transmission;
use crate::transport::{Connection, Dialer, Received};

/// The number of events that may be queued for the driver; at this limit the reading thread blocks.
const EVENTS_MAX: usize = 64;
/// The time the broker gets to close the connection after our DISCONNECT, when it has acknowledged what it was sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The same at QoS 0, where the closed connection is the only sign that everything was read: data still in transit
/// could be lost if we closed first.
const UNACKNOWLEDGED_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest sleep. Every deadline is nearer, or doesn't matter.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// Publishes the script's lines until all are done or `remote` stops it. Blocks.
///
/// `report` is called on this thread, soon after an event; nothing else runs during the call.
///
/// # Errors
/// Fails when the settings can't work with any broker, or when the script has nothing to send. Failures that depend
/// on the broker are in [`Summary::end`].
pub fn transmit(
    settings: &Settings,
    script: Script,
    remote: &RemoteHandle,
    report: &mut dyn FnMut(&Report),
) -> Result<Summary, SettingsError> {
    settings.check()?;
    let dialer = Dialer::new(&settings.broker, settings.ca_file.as_deref())?;
    let (sender, events) = sync_channel(EVENTS_MAX);
    let mut transmission = Transmission::new(settings, random_seed());
    remote.set_waker(Some(sender.clone()));
    let script = match script.rows {
        Rows::All(rows) => {
            rows.into_iter().for_each(|row| transmission.handle_row(row));
            let ended = transmission.handle_end_of_script();
            while let Some(next) = transmission.poll_report() {
                report(&next);
            }
            ended?;
            None
        }
        Rows::Live(live) => Some(live.begin(remote.clone())),
    };
    let driver = Driver {
        clock: Clock::new(),
        script,
        dialer,
        sender,
        events,
        attempt: 0,
        transport: Transport::None,
        transmission,
    };
    let summary = driver.run(remote, report);
    remote.set_waker(None);
    summary
}

struct Driver<'a> {
    clock: Clock,
    /// Rows of a live source that may still arrive.
    script: Option<Receiver<ScriptItem>>,
    dialer: Dialer,
    sender: SyncSender<DriverEvent>,
    events: Receiver<DriverEvent>,
    /// Numbers the connections; events of older ones are ignored.
    attempt: u64,
    transport: Transport,
    transmission: Transmission<'a>,
}

/// The connection of the newest attempt.
enum Transport {
    None,
    Open(Connection),
    /// We closed it. It is kept until the peer has closed it too, because dropping it closes the socket.
    Closing {
        _connection: Connection,
    },
}

impl Driver<'_> {
    fn run(mut self, remote: &RemoteHandle, report: &mut dyn FnMut(&Report)) -> Result<Summary, SettingsError> {
        self.transmission.start(self.clock.now());
        let mut stopping = false;
        loop {
            self.take_rows();
            self.serve();
            while let Some(next) = self.transmission.poll_report() {
                report(&next);
            }
            if self.transmission.is_over() {
                break;
            }
            if remote.is_stopped() && !stopping {
                stopping = true;
                self.transmission.stop(self.clock.now());
                continue;
            }
            if let Some(command) = remote.take_command() {
                self.transmission.handle_command(command, self.clock.now());
                continue;
            }
            let sleep = match self.transmission.poll_timeout() {
                Some(deadline) => deadline.since(self.clock.now()).min(SLEEP_MAX),
                None => SLEEP_MAX,
            };
            // A channel without senders is impossible: we hold one.
            if let Ok(event) = self.events.recv_timeout(sleep) {
                self.handle(event);
            }
            self.transmission.handle_timeout(self.clock.now());
        }
        self.await_close();
        self.transmission.into_summary()
    }

    /// Passes on the rows of a live source that have arrived.
    fn take_rows(&mut self) {
        let mut ended = None;
        while let Some(script) = &self.script
            && self.transmission.wants_lines()
        {
            match script.try_recv() {
                Ok(ScriptItem::Row(row)) => self.transmission.handle_row(row),
                Ok(ScriptItem::End(file)) => self.transmission.handle_file(file),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.script = None;
                    ended = Some(self.transmission.handle_end_of_script());
                }
            }
        }
        self.transmission.handle_rows(ended, self.clock.now());
    }

    /// Carries out the session's requests to the transport.
    fn serve(&mut self) {
        while let Some(transmit) = self.transmission.poll_transmit() {
            match transmit {
                Transmit::Dial => {
                    self.attempt += 1;
                    self.transport = Transport::None;
                    self.dialer.dial(self.attempt, self.sender.clone());
                }
                Transmit::Send(bytes) => {
                    if let Transport::Open(connection) = &mut self.transport
                        && let Err(closed) = connection.send(bytes)
                    {
                        self.close(closed);
                    }
                }
                Transmit::HangUp => {
                    if let Transport::Open(mut connection) = std::mem::replace(&mut self.transport, Transport::None) {
                        connection.close();
                        self.transport = Transport::Closing { _connection: connection };
                    } else {
                        // Still dialling: the result is ignored.
                        self.attempt += 1;
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: DriverEvent) {
        match event {
            DriverEvent::Opened { attempt, tcp } if attempt == self.attempt => {
                let mut received = Vec::new();
                match self.dialer.connect(tcp, &mut received) {
                    Ok(connection) => {
                        self.transport = Transport::Open(connection);
                        self.deliver(received);
                    }
                    Err(closed) => self.close(closed),
                }
            }
            DriverEvent::Bytes { attempt, bytes } if attempt == self.attempt => {
                if let Transport::Open(connection) = &mut self.transport {
                    let mut received = Vec::new();
                    let outcome = connection.handle_bytes(&bytes, &mut received);
                    self.deliver(received);
                    if let Err(closed) = outcome {
                        self.close(closed);
                    }
                }
            }
            DriverEvent::Closed { attempt, closed } if attempt == self.attempt => self.close(closed),
            // The attempt was given up; dropping the stream closes it.
            DriverEvent::Opened { .. } | DriverEvent::Bytes { .. } | DriverEvent::Closed { .. } => {}
            // The loop checks the script and the handle itself.
            DriverEvent::Woken => {}
        }
    }

    fn deliver(&mut self, received: Vec<Received>) {
        for item in received {
            let now = self.clock.now();
            match item {
                Received::Open => self.transmission.handle_open(now),
                Received::Bytes(bytes) => self.transmission.handle_input(&bytes, now),
                Received::TextFrame(text) => self.transmission.handle_violation(Violation::text_frame(&text), now),
            }
            // Each event may close the connection or require a write before the next one.
            self.serve();
        }
    }

    /// Handles the end of the transport.
    fn close(&mut self, closed: CloseInfo) {
        let was_closing = matches!(self.transport, Transport::Closing { .. });
        self.transport = Transport::None;
        // The attempt is over; later events of it are ignored.
        self.attempt += 1;
        if !was_closing {
            self.transmission.handle_close(closed, self.clock.now());
        }
    }

    /// Waits a moment for the peer to read what was sent and to close as well.
    fn await_close(&mut self) {
        let timeout =
            if self.transmission.qos() == QoS::AtMostOnce { UNACKNOWLEDGED_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
        let until = self.clock.now() + timeout;
        while matches!(self.transport, Transport::Closing { .. }) {
            match self.events.recv_timeout(until.since(self.clock.now())) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// A clock that reads the wall clock once and is monotonic from then on.
struct Clock {
    anchor: Instant,
    started: std::time::Instant,
}

impl Clock {
    fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { anchor: Instant::EPOCH + since_epoch, started: std::time::Instant::now() }
    }

    fn now(&self) -> Instant {
        self.anchor + self.started.elapsed()
    }
}

/// Returns a seed. The standard library seeds its hash maps with the system's random numbers; a client identifier and a
/// back-off need nothing better.
fn random_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
