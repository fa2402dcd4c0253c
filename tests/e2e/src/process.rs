//! Children that end with their guard, and what they say.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// A child that is killed on drop. Its output is kept for the case that something fails.
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    /// Of its two streams; they end with them.
    readers: [JoinHandle<()>; 2],
}

/// The lines that a child has written so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

impl Process {
    /// Starts a program and waits for the line that says that it is ready.
    ///
    /// `ready` sees each line of output and returns what it reads from the one it waits for.
    ///
    /// # Errors
    /// When the program can't be started, ends, or isn't ready in time, with its output.
    pub async fn start<T>(command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T)> {
        let (process, mut lines) = Self::spawn_heard(command.stdin(Stdio::null()))?;
        let answer = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.recv().await {
                if let Some(answer) = ready(&line) {
                    return Some(answer);
                }
            }
            None
        });
        match answer.await {
            Ok(Some(answer)) => Ok((process, answer)),
            Ok(None) => bail!("{} ended before it was ready:\n{}", process.name, process.log.text()),
            Err(_) => bail!("{} was not ready in time:\n{}", process.name, process.log.text()),
        }
    }

    /// Starts a program that needn't say anything. Its standard input stays open as long as this value lives.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let (process, _) = Self::spawn_heard(command.stdin(Stdio::piped()))?;
        Ok(process)
    }

    fn spawn_heard(command: &mut Command) -> Result<(Self, mpsc::UnboundedReceiver<String>)> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let log = Log::default();
        let (sender, lines) = mpsc::unbounded_channel();
        let output = child.stdout.take().context("standard output is not piped")?;
        let errors = child.stderr.take().context("standard error is not piped")?;
        let readers = [
            tokio::spawn(keep_lines(output, log.clone(), sender.clone())),
            tokio::spawn(keep_lines(errors, log.clone(), sender)),
        ];
        Ok((Self { name, child, log, readers }, lines))
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    /// Whether it has ended, and said all it had to say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some() && self.readers.iter().all(JoinHandle::is_finished))
    }

    /// Waits until it has ended by itself, or was asked to.
    ///
    /// # Errors
    /// After [`PATIENCE`].
    pub async fn ended(&mut self) -> Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("{} goes on", self.name))??;
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(nix::sys::signal::kill(self.pid()?, signal)?)
    }

    /// Its number, which is also that of its group where it was given one.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<Pid> {
        let pid = self.child.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(Pid::from_raw(pid.try_into()?))
    }

    /// Everything it has written so far.
    pub fn output(&self) -> String {
        self.log.text()
    }
}

async fn keep_lines(stream: impl AsyncRead + Unpin, log: Log, sender: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.push(line.clone());
        // Nobody listens any more once the child is ready.
        let _ = sender.send(line);
    }
}

/// The ports that [`free_port`] hands out: registered ones, below those that Linux gives to outgoing connections
/// (32768 and up), of which these tests make thousands. One of them would take a port of that range between the moment
/// when it was found free and the moment when a server listens on it, or while a server is started again.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that nobody listens on, neither on IPv4 nor on IPv6, and that no other test of this program is given.
///
/// # Errors
/// When all of them are taken.
pub fn free_port() -> Result<u16> {
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Two runs at once begin at different places.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..count {
        let place = begin.wrapping_add(HANDED_OUT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(place)?;
        let is_free = |address: IpAddr| match TcpListener::bind((address, port)) {
            Ok(_) => true,
            // Without IPv6 nobody listens there.
            Err(error) => address.is_ipv6() && error.kind() != ErrorKind::AddrInUse,
        };
        if is_free(Ipv4Addr::LOCALHOST.into()) && is_free(Ipv6Addr::LOCALHOST.into()) {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end)
}

/// Finds a program on PATH or where Debian keeps daemons.
pub(crate) fn find_program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name} is missing (Debian's package {package}; `cargo xtask setup`)"))
}
