//! TCP, TLS and WebSocket as layers.
//!
//! Each connection has one thread, which dials and then only reads; it passes what it reads to the driver, which owns
//! everything else. TLS and WebSocket have no thread and no socket of their own: they are fed the bytes that were read,
//! so that only one thread ever touches them. The driver writes, and may block for [`WRITE_TIMEOUT`] at most.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use mqtt_crawl::mqtt::broker_url::BrokerUrl;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::session::connect::CONNECT_TIMEOUT;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::{ClientHandshake, Request};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::{HeaderValue, header};
use tungstenite::protocol::{WebSocket, WebSocketConfig};

use crate::event::DriverEvent;
use crate::settings::SettingsError;

/// A peer that accepts nothing for this time is considered gone; the same timeout as for its answer to CONNECT.
const WRITE_TIMEOUT: Duration = CONNECT_TIMEOUT;
/// The number of bytes read at once. A producer receives little more than acknowledgements of a few bytes.
const READ_BYTES: usize = 16 * 1024;

/// The parts that are the same for each connection of a transmission.
pub(crate) struct Dialer {
    url: BrokerUrl,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    upgrade: Option<Request>,
}

impl Dialer {
    /// Reads certificates if the address needs them.
    pub(crate) fn new(url: &BrokerUrl, ca_file: Option<&Path>) -> Result<Self, SettingsError> {
        let address_error = |reason: &dyn ToString| SettingsError::Address { reason: reason.to_string() };
        let tls = if url.scheme().is_tls() {
            let name = ServerName::try_from(url.host().to_owned()).map_err(|error| address_error(&error))?;
            Some((Arc::new(tls_config(ca_file)?), name))
        } else {
            None
        };
        let upgrade = if url.scheme().is_web_socket() {
            // The scheme in lower case, everything else as written.
            let rest = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
            let text = format!("{}://{rest}", url.scheme().name());
            let mut request = text.into_client_request().map_err(|error| address_error(&error))?;
            // The subprotocol name for all versions of MQTT `[MQTT-6.0.0-3]`.
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
            Some(request)
        } else {
            None
        };
        Ok(Self { url: url.clone(), tls, upgrade })
    }

    /// Starts the thread that dials and reads. Its events arrive as a [`DriverEvent`] with `attempt`.
    pub(crate) fn dial(&self, attempt: u64, events: SyncSender<DriverEvent>) {
        let (host, port) = (self.url.host().to_owned(), self.url.port());
        let on_failure = events.clone();
        let thread = thread::Builder::new().name("mqtt-crawl reader".to_owned());
        let started = thread.spawn(move || read(&host, port, attempt, &events));
        if let Err(error) = started {
            let closed = CloseInfo { code: None, reason: format!("can't start a thread ({error}).") };
            // No driver is left to report to.
            let _ = on_failure.try_send(DriverEvent::Closed { attempt, closed });
        }
    }

    /// Puts the layers on top of an open TCP stream. They may have to exchange data first; [`Received::Open`] follows
    /// when they are done.
    pub(crate) fn connect(&self, tcp: TcpStream, received: &mut Vec<Received>) -> Result<Connection, CloseInfo> {
        let mut wire = Wire { tcp, tls: None, arrived: Vec::new(), at: 0 };
        let layer = match &self.tls {
            Some((config, name)) => {
                let tls =
                    ClientConnection::new(Arc::clone(config), name.clone()).map_err(|error| tls_closed(&error))?;
                wire.tls = Some(tls);
                wire.flush_tls().map_err(|error| io_closed(&error))?;
                Layer::TlsHandshake { wire, upgrade: self.upgrade.clone() }
            }
            None => begin_upgrade(wire, self.upgrade.clone(), received)?,
        };
        Ok(Connection { layer })
    }
}

/// The output of the layers.
#[derive(Debug)]
pub(crate) enum Received {
    /// MQTT can be sent now.
    Open,
    /// MQTT.
    Bytes(Vec<u8>),
    /// A WebSocket text frame, which MQTT forbids `[MQTT-6.0.0-1]`.
    TextFrame(Vec<u8>),
}

/// A connection and its layers.
pub(crate) struct Connection {
    layer: Layer,
}

enum Layer {
    /// TLS handshake.
    TlsHandshake { wire: Wire, upgrade: Option<Request> },
    /// HTTP upgrade to WebSocket.
    WebSocketHandshake(MidHandshake<ClientHandshake<Wire>>),
    /// MQTT runs.
    Plain(Wire),
    /// MQTT runs in WebSocket frames.
    WebSocket(Box<WebSocket<Wire>>),
    /// An error ended it.
    Failed,
}

impl Connection {
    /// Handles bytes from the peer.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], received: &mut Vec<Received>) -> Result<(), CloseInfo> {
        self.layer = match std::mem::replace(&mut self.layer, Layer::Failed) {
            Layer::TlsHandshake { mut wire, upgrade } => {
                wire.receive(bytes)?;
                if wire.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                    Layer::TlsHandshake { wire, upgrade }
                } else {
                    begin_upgrade(wire, upgrade, received)?
                }
            }
            Layer::WebSocketHandshake(mut handshake) => {
                handshake.get_mut().get_mut().receive(bytes)?;
                finish_upgrade(handshake.handshake(), received)?
            }
            Layer::Plain(mut wire) => {
                wire.receive(bytes)?;
                wire.drain(received);
                Layer::Plain(wire)
            }
            Layer::WebSocket(mut socket) => {
                socket.get_mut().receive(bytes)?;
                read_frames(&mut socket, received)?;
                Layer::WebSocket(socket)
            }
            Layer::Failed => Layer::Failed,
        };
        Ok(())
    }

    /// Sends MQTT.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), CloseInfo> {
        match &mut self.layer {
            Layer::Plain(wire) => wire.write_all(bytes).map_err(|error| io_closed(&error)),
            Layer::WebSocket(socket) => {
                socket.send(tungstenite::Message::binary(bytes.to_vec())).map_err(|error| web_socket_closed(&error))
            }
            // The session sends nothing before `Received::Open`.
            Layer::TlsHandshake { .. } | Layer::WebSocketHandshake(_) | Layer::Failed => Ok(()),
        }
    }

    /// Closes every layer in its own way and sends nothing after. What the peer still sends can be read.
    pub(crate) fn close(&mut self) {
        // A peer that is gone already needs no notice.
        match &mut self.layer {
            Layer::Plain(wire) => wire.close(),
            Layer::WebSocket(socket) => {
                let _ = socket.close(None);
                let _ = socket.flush();
                socket.get_mut().close();
            }
            Layer::TlsHandshake { .. } | Layer::WebSocketHandshake(_) | Layer::Failed => {}
        }
    }
}

fn begin_upgrade(mut wire: Wire, upgrade: Option<Request>, received: &mut Vec<Received>) -> Result<Layer, CloseInfo> {
    let Some(request) = upgrade else {
        received.push(Received::Open);
        wire.drain(received);
        return Ok(Layer::Plain(wire));
    };
    let limit = usize::try_from(Limits::default().packet_bytes).ok();
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let handshake = ClientHandshake::start(wire, request, Some(config)).map_err(|error| web_socket_closed(&error))?;
    finish_upgrade(handshake.handshake(), received)
}

type Upgrade<T> = Result<(WebSocket<Wire>, T), HandshakeError<ClientHandshake<Wire>>>;

fn finish_upgrade<T>(outcome: Upgrade<T>, received: &mut Vec<Received>) -> Result<Layer, CloseInfo> {
    match outcome {
        Ok((mut socket, _)) => {
            received.push(Received::Open);
            read_frames(&mut socket, received)?;
            Ok(Layer::WebSocket(Box::new(socket)))
        }
        Err(HandshakeError::Interrupted(handshake)) => Ok(Layer::WebSocketHandshake(handshake)),
        Err(HandshakeError::Failure(error)) => Err(web_socket_closed(&error)),
    }
}

fn read_frames(socket: &mut WebSocket<Wire>, received: &mut Vec<Received>) -> Result<(), CloseInfo> {
    use tungstenite::Message;
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => received.push(Received::Bytes(bytes.into())),
            Ok(Message::Text(text)) => received.push(Received::TextFrame(text.as_bytes().to_vec())),
            Ok(Message::Close(frame)) => {
                // The answer to it is sent with the next flush.
                let _ = socket.flush();
                return Err(frame.map_or_else(CloseInfo::default, |frame| CloseInfo {
                    code: Some(frame.code.into()),
                    reason: frame.reason.as_str().to_owned(),
                }));
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(web_socket_closed(&error)),
        }
    }
    // A pong may be queued.
    match socket.flush() {
        Ok(()) => Ok(()),
        Err(error) => Err(web_socket_closed(&error)),
    }
}

/// The TCP stream, with TLS if needed, as [`Read`] and [`Write`] for the layer above: reading returns what was
/// received, and never blocks.
struct Wire {
    tcp: TcpStream,
    tls: Option<ClientConnection>,
    /// Decrypted bytes, unread from `at` on.
    arrived: Vec<u8>,
    at: usize,
}

impl Wire {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), CloseInfo> {
        let Some(tls) = &mut self.tls else {
            self.arrived.extend_from_slice(bytes);
            return Ok(());
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            tls.read_tls(&mut rest).map_err(|error| io_closed(&error))?;
            let state = match tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The alert reports the error to the peer, which may be gone.
                    let _ = self.flush_tls();
                    return Err(tls_closed(&error));
                }
            };
            let before = self.arrived.len();
            self.arrived.resize(before + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut self.arrived[before..]).map_err(|error| io_closed(&error))?;
        }
        self.flush_tls().map_err(|error| io_closed(&error))
    }

    fn drain(&mut self, received: &mut Vec<Received>) {
        if self.at < self.arrived.len() {
            received.push(Received::Bytes(self.arrived.split_off(self.at)));
        }
        self.arrived.clear();
        self.at = 0;
    }

    fn flush_tls(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.tcp)?;
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = self.flush_tls();
        }
        let _ = self.tcp.shutdown(Shutdown::Write);
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&self.arrived[self.at..]).read(buffer)?;
        self.at += read;
        if self.at == self.arrived.len() {
            self.arrived.clear();
            self.at = 0;
        }
        if read == 0 && !buffer.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(read) }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.write(bytes),
            Some(tls) => {
                let written = tls.writer().write(bytes)?;
                self.flush_tls()?;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_tls()
    }
}

impl Drop for Wire {
    /// Ends the reading thread as well.
    fn drop(&mut self) {
        let _ = self.tcp.shutdown(Shutdown::Both);
    }
}

// ---- the reading thread -----------------------------------------------------

fn read(host: &str, port: u16, attempt: u64, events: &SyncSender<DriverEvent>) {
    // A driver that receives nothing any more is gone; there is nothing to report to.
    let closed = match open(host, port).and_then(|tcp| tcp.try_clone().map(|reader| (tcp, reader))) {
        Err(error) => dial_closed(&error, host, port),
        Ok((tcp, mut reader)) => {
            if events.send(DriverEvent::Opened { attempt, tcp }).is_err() {
                return;
            }
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => break CloseInfo { code: None, reason: "the broker closed it.".to_owned() },
                    Ok(count) => {
                        let bytes = buffer[..count].to_vec();
                        if events.send(DriverEvent::Bytes { attempt, bytes }).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => break io_closed(&error),
                }
            }
        }
    };
    let _ = events.send(DriverEvent::Closed { attempt, closed });
}

fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let mut last = io::Error::new(ErrorKind::NotFound, "the host name has no address");
    // Each address gets its share of the time, so that a dead IPv6 address leaves time for IPv4.
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for address in &addresses {
        match TcpStream::connect_timeout(address, share) {
            Ok(tcp) => {
                // A line is one small packet and shall be sent now.
                tcp.set_nodelay(true)?;
                tcp.set_write_timeout(Some(WRITE_TIMEOUT))?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

// ---- messages ---------------------------------------------------------------

fn dial_closed(error: &io::Error, host: &str, port: u16) -> CloseInfo {
    let reason = match error.kind() {
        ErrorKind::ConnectionRefused => format!("nothing is listening on {host}, port {port} (connection refused)."),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("{host}, port {port}, didn't respond in time."),
        _ => format!("{host}, port {port}: {}.", without_os_code(error)),
    };
    CloseInfo { code: None, reason }
}

fn io_closed(error: &io::Error) -> CloseInfo {
    let reason = match error.kind() {
        ErrorKind::ConnectionReset => "the broker reset it (connection reset).".to_owned(),
        ErrorKind::BrokenPipe => "the broker has closed it (broken pipe).".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("the broker accepted no data for {} seconds.", WRITE_TIMEOUT.as_secs())
        }
        _ => format!("{}.", without_os_code(error)),
    };
    CloseInfo { code: None, reason }
}

fn tls_closed(error: &rustls::Error) -> CloseInfo {
    use rustls::CertificateError;
    let reason = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the authority of the broker's certificate isn't trusted; specify its certificate with --ca.".to_owned()
        }
        rustls::Error::InvalidCertificate(certificate) => {
            format!("the broker's certificate is invalid: {certificate}.")
        }
        rustls::Error::InvalidMessage(_) => "the server on this port doesn't speak TLS.".to_owned(),
        _ => format!("TLS failed: {error}."),
    };
    CloseInfo { code: None, reason }
}

fn web_socket_closed(error: &tungstenite::Error) -> CloseInfo {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;
    let reason = match error {
        Error::Io(error) => return io_closed(error),
        Error::Http(response) => {
            format!("the server answered HTTP {} instead of opening a WebSocket; check the path.", response.status())
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "the server doesn't offer the WebSocket subprotocol mqtt; check the path.".to_owned()
        }
        Error::Protocol(_) => format!("the server on this port doesn't speak WebSocket ({error})."),
        _ => format!("{error}."),
    };
    CloseInfo { code: None, reason }
}

/// Returns the system's message without the number that Rust adds.
fn without_os_code(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_owned()
}

// ---- certificates -----------------------------------------------------------

fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, SettingsError> {
    let roots = match ca_file {
        Some(path) => named_roots(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::Address { reason: error.to_string() })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn named_roots(path: &Path) -> Result<RootCertStore, SettingsError> {
    let failed = |reason: String| SettingsError::Ca { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(without_os_code(&error)))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it contains no PEM certificate".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, SettingsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's store often holds one that is too old for rustls.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(SettingsError::NoRoots { reason });
    }
    Ok(roots)
}
