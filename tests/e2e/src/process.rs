//! Child processes that end with their guard, and their output.

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

use crate::WAIT_TIMEOUT;

/// A child that is killed on drop. Its output is kept for failure messages.
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    /// The threads that read its two streams; they end with them.
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
    /// Starts a program and waits for the line that shows that it is ready.
    ///
    /// `ready` receives each line of output and returns a value for the awaited one.
    ///
    /// # Errors
    /// Fails when the program can't be started, ends, or isn't ready in time, with its output.
    pub async fn start<T>(command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T)> {
        let (process, mut lines) = Self::spawn_with_lines(command.stdin(Stdio::null()))?;
        let answer = tokio::time::timeout(WAIT_TIMEOUT, async {
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

    /// Starts a program without waiting for output. Its standard input stays open as long as this value lives.
    ///
    /// # Errors
    /// Fails when it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let (process, _) = Self::spawn_with_lines(command.stdin(Stdio::piped()))?;
        Ok(process)
    }

    fn spawn_with_lines(command: &mut Command) -> Result<(Self, mpsc::UnboundedReceiver<String>)> {
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

    /// Whether it has ended, and all its output was read.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some() && self.readers.iter().all(JoinHandle::is_finished))
    }

    /// Waits until it has ended, on its own or on request.
    ///
    /// # Errors
    /// Fails after [`WAIT_TIMEOUT`].
    pub async fn ended(&mut self) -> Result<()> {
        let ended = tokio::time::timeout(WAIT_TIMEOUT, self.child.wait()).await;
        ended.with_context(|| format!("{} keeps running", self.name))??;
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(nix::sys::signal::kill(self.pid()?, signal)?)
    }

    /// Returns its process id, which is also that of its group if it has its own.
    ///
    /// # Errors
    /// Fails when it has ended.
    pub fn pid(&self) -> Result<Pid> {
        let pid = self.child.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(Pid::from_raw(pid.try_into()?))
    }

    /// Returns its output so far.
    pub fn output(&self) -> String {
        self.log.text()
    }
}

async fn keep_lines(stream: impl AsyncRead + Unpin, log: Log, sender: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.push(line.clone());
        // Nothing receives it once the child is ready.
        let _ = sender.send(line);
    }
}

/// The ports that [`free_port`] returns: registered ones, below those that Linux uses for outgoing connections (32768
/// and up), of which these tests make thousands. In that range, one of them could take a port between the check that it
/// is free and the start of a server on it, or while a server restarts.
const PORTS: Range<u16> = 20_000..32_000;

/// Returns a port that nothing listens on, neither on IPv4 nor on IPv6, and that no other test of this program gets.
///
/// # Errors
/// Fails when all of them are taken.
pub fn free_port() -> Result<u16> {
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Two runs at once begin at different ports.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..count {
        let offset = begin.wrapping_add(HANDED_OUT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(offset)?;
        let is_free = |address: IpAddr| match TcpListener::bind((address, port)) {
            Ok(_) => true,
            // Without IPv6 nothing listens there.
            Err(error) => address.is_ipv6() && error.kind() != ErrorKind::AddrInUse,
        };
        if is_free(Ipv4Addr::LOCALHOST.into()) && is_free(Ipv6Addr::LOCALHOST.into()) {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end)
}

/// Finds a program on PATH or in Debian's folder of daemons.
///
/// # Errors
/// Fails when it is missing; the error names the Debian package.
pub fn find_program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name} is missing (Debian's package {package}; `cargo xtask setup`)"))
}
