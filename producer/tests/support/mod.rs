//! Brokers, peers and terminals for the tests of the program.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use tempfile::TempDir;

/// The time limit of a wait: longer than any operation takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The user of brokers with a password.
pub const USER: (&str, &str) = ("relay", "correct horse");

/// A child process whose lines can be waited for; killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it and reads one of its outputs.
    fn start(mut command: Command, stream_of: fn(&mut Child) -> Box<dyn Read + Send>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        let output = BufReader::new(stream_of(&mut child));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Returns the next line.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("another line of output")
    }

    /// Skips lines up to one that contains this text.
    pub fn wait_for(&self, text: &str) {
        while !self.line().contains(text) {}
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended.
    pub fn end(mut self) -> ExitStatus {
        while self.lines.recv_timeout(TIMEOUT).is_ok() {}
        self.child.wait().expect("a status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stdout(child: &mut Child) -> Box<dyn Read + Send> {
    Box::new(child.stdout.take().expect("standard output is piped"))
}

fn stderr(child: &mut Child) -> Box<dyn Read + Send> {
    Box::new(child.stderr.take().expect("standard error is piped"))
}

/// Who may connect to a broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Everybody,
    /// [`USER`].
    User,
    /// Everybody, with packets of 2,048 bytes at most.
    SmallPackets,
}

/// A Debian mosquitto with a folder of its own.
pub struct Mosquitto {
    pub mqtt_port: u16,
    pub mqtts_port: u16,
    pub ws_port: u16,
    pub wss_port: u16,
    /// Accepts QoS 1 at most.
    pub low_qos_port: u16,
    /// The certificate authority of its TLS listeners.
    pub ca_file: PathBuf,
    pub process: Process,
    pub folder: TempDir,
}

impl Mosquitto {
    pub fn start(access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = write_certificates(folder.path());
        let [mqtt_port, mqtts_port, ws_port, wss_port, low_qos_port] = free_ports();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let tls = format!("certfile {}\nkeyfile {}\n", at("server.pem"), at("server-key.pem"));
        let access = match access {
            Access::Everybody => "allow_anonymous true\n".to_owned(),
            Access::SmallPackets => "allow_anonymous true\nmax_packet_size 2048\n".to_owned(),
            Access::User => {
                let (name, password) = USER;
                let status = command("mosquitto_passwd").args(["-b", "-c", &at("users"), name, password]).status();
                assert!(status.expect("mosquitto_passwd").success());
                format!("allow_anonymous false\npassword_file {}\n", at("users"))
            }
        };
        let configuration = format!(
            "user root\nlog_dest stderr\nlog_timestamp false\nlog_type all\nmax_queued_messages 0\n{access}\
             listener {mqtt_port} 127.0.0.1\n\
             listener {mqtts_port} 127.0.0.1\n{tls}\
             listener {ws_port} 127.0.0.1\nprotocol websockets\n\
             listener {wss_port} 127.0.0.1\nprotocol websockets\n{tls}\
             listener {low_qos_port} 127.0.0.1\nmax_qos 1\n"
        );
        std::fs::write(at("mosquitto.conf"), configuration).expect("a configuration");
        let mut broker = command("mosquitto");
        broker.args(["-c", &at("mosquitto.conf")]).stderr(Stdio::piped());
        let process = Process::start(broker, stderr);
        process.wait_for(" running");
        Self { mqtt_port, mqtts_port, ws_port, wss_port, low_qos_port, ca_file, process, folder }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.mqtt_port)
    }

    /// Starts a `mosquitto_sub` whose subscription is acknowledged. Each of its lines has QoS,
    /// retain flag, topic, payload; it ends after `count` messages.
    pub fn subscribe(&self, version: &str, topic: &str, count: usize) -> Process {
        let mut watcher = command("mosquitto_sub");
        watcher.args(["-h", "127.0.0.1", "-p", &self.mqtt_port.to_string(), "-V", version, "-i", "watcher"]);
        watcher.args(["-t", topic, "-q", "2", "-F", "%q %r %t %p", "-C", &count.to_string()]).stdout(Stdio::piped());
        let watcher = Process::start(watcher, stdout);
        self.process.wait_for("Sending SUBACK to watcher");
        watcher
    }
}

/// Debian keeps daemons in a folder that isn't on every PATH.
fn command(name: &str) -> Command {
    let daemon = Path::new("/usr/sbin").join(name);
    Command::new(if daemon.exists() { daemon } else { name.into() })
}

/// Returns free ports, all bound at once, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Returns a port without a listener.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Creates a certificate authority and a server certificate from it.
fn write_certificates(folder: &Path) -> PathBuf {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.distinguished_name.push(DnType::CommonName, "Authority of a test");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", ca.self_signed(&ca_key).expect("a certificate").pem());
    let server_key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = CertificateParams::new(names).expect("parameters");
    let issuer = Issuer::from_params(&ca, &ca_key);
    write("server.pem", server.signed_by(&server_key, &issuer).expect("a certificate").pem());
    write("server-key.pem", server_key.serialize_pem());
    folder.join("ca.pem")
}

/// Starts a proxy that cuts connections to a broker: each number is the bytes that a connection
/// passes to the broker before it is cut; later connections aren't cut.
pub struct BreakingLink {
    pub port: u16,
}

impl BreakingLink {
    pub fn to(broker_port: u16, cuts_bytes: Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            let mut cuts = cuts_bytes.into_iter();
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(broker) = TcpStream::connect(("127.0.0.1", broker_port)) else { return };
                let limit = cuts.next().unwrap_or(usize::MAX);
                let back = (broker.try_clone().expect("a clone"), client.try_clone().expect("a clone"));
                thread::spawn(move || copy_until_cut(back.0, back.1, usize::MAX));
                thread::spawn(move || copy_until_cut(client, broker, limit));
            }
        });
        Self { port }
    }
}

fn copy_until_cut(mut from: TcpStream, mut to: TcpStream, limit: usize) {
    let mut left = limit;
    let mut buffer = [0; 512];
    while left > 0 {
        let room = left.min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                left -= count;
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Starts a server that answers any input with these bytes and closes.
pub fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut buffer = [0; 2_048];
            let _ = client.read(&mut buffer);
            let _ = client.write_all(answer);
            let _ = client.shutdown(Shutdown::Write);
            // Reads to the end; otherwise a reset might lose the answer.
            while client.read(&mut buffer).is_ok_and(|count| count > 0) {}
        }
    });
    port
}

/// The result of a run of the program.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Returns the program, without any password in its environment.
pub fn producer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt-crawl-producer"));
    command.env_remove("MQTT_PASSWORD").stdin(Stdio::null());
    command
}

/// Runs it until it ends.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().expect("the program starts");
    Run {
        status: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A terminal in which the program runs.
pub struct Terminal {
    ours: File,
    screen: Receiver<String>,
    unread_output: String,
    pub program: Process,
}

impl Terminal {
    pub fn start(command: &Command) -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let (ours, theirs) = (File::from(pty.master), File::from(pty.slave));
        let clone = |file: &File| file.try_clone().expect("a clone");
        // It makes this the program's controlling terminal, as a shell does.
        let mut owned = Command::new("setsid");
        owned.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        owned.env_remove("MQTT_PASSWORD").env("TERM", "xterm").stdin(clone(&theirs)).stderr(theirs);
        owned.stdout(Stdio::piped());
        let program = Process::start(owned, stdout);
        let (sender, screen) = channel();
        let mut output = clone(&ours);
        thread::spawn(move || {
            let mut buffer = [0; 1_024];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { ours, screen, unread_output: String::new(), program }
    }

    /// Types these keys.
    pub fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Waits until this text has been printed since the last wait.
    pub fn wait_for(&mut self, text: &str) {
        while !self.unread_output.contains(text) {
            match self.screen.recv_timeout(TIMEOUT) {
                Ok(more) => self.unread_output += &more,
                Err(_) => panic!("no {text:?} in {:?}", self.unread_output),
            }
        }
        let at = self.unread_output.find(text).map_or(0, |at| at + text.len());
        self.unread_output.drain(..at);
    }

    /// Whether each key is delivered immediately and without echo.
    pub fn is_in_key_mode(&self) -> bool {
        is_in_key_mode(&self.ours)
    }

    /// Waits until the program has ended; returns its status, and whether the terminal is still in key mode.
    pub fn end(self) -> (Option<i32>, bool) {
        let code = self.program.end().code();
        (code, is_in_key_mode(&self.ours))
    }
}

fn is_in_key_mode(terminal: &File) -> bool {
    // The program's side shares its modes, and may be gone.
    let flags = tcgetattr(terminal).expect("a terminal").local_flags;
    !flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
}

/// Starts it and reads its standard output.
pub fn start(command: &mut Command) -> Process {
    let mut owned = Command::new(command.get_program());
    owned.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::piped());
    Process::start(owned, stdout)
}
