//! Debian's mosquitto, with a folder and a configuration of its own.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::eventually;
use crate::process::{Process, find_program, free_port};

/// Who may connect.
pub enum Access<'a> {
    /// Everybody.
    Anonymous,
    /// One user with this name and password.
    User {
        /// User name.
        name: &'a str,
        /// Password.
        password: &'a str,
    },
}

/// A running mosquitto: MQTT over TCP and over WebSocket, both versions, sessions kept on disk.
pub struct Mosquitto {
    process: Process,
    configuration: PathBuf,
    tcp_port: u16,
    ws_port: u16,
    /// Holds configuration and database; removed with this value.
    folder: TempDir,
}

impl Mosquitto {
    /// Starts one on free ports.
    pub async fn start(access: Access<'_>) -> Result<Self> {
        Self::start_with(access, "").await
    }

    /// The same, with further lines of its configuration.
    pub async fn start_with(access: Access<'_>, lines: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (tcp_port, ws_port) = (free_port()?, free_port()?);
        let mut text = format!(
            "user root\n\
             log_dest stderr\n\
             log_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe\n\
             persistence true\npersistence_location {}/\n\
             # A test counts every message: none may be dropped for a queue's length.\n\
             max_queued_messages 0\n\
             # Or each answer waits for the last one's TCP acknowledgement.\n\
             set_tcp_nodelay true\n\
             {lines}\
             listener {tcp_port} 127.0.0.1\n\
             listener {ws_port} 127.0.0.1\nprotocol websockets\n",
            folder.path().display(),
        );
        match access {
            Access::Anonymous => text.push_str("allow_anonymous true\n"),
            Access::User { name, password } => {
                let file = folder.path().join("passwords");
                let output = Command::new(find_program("mosquitto_passwd", "mosquitto")?)
                    .args(["-b", "-c"])
                    .arg(&file)
                    .args([name, password])
                    .output()
                    .await?;
                if !output.status.success() {
                    bail!("mosquitto_passwd: {}", String::from_utf8_lossy(&output.stderr));
                }
                write!(text, "allow_anonymous false\npassword_file {}\n", file.display())?;
            }
        }
        let configuration = folder.path().join("mosquitto.conf");
        std::fs::write(&configuration, text).context("writing mosquitto's configuration")?;
        let process = run(&configuration).await?;
        Ok(Self { process, configuration, tcp_port, ws_port, folder })
    }

    /// Makes it write its database, which it otherwise does every half hour, and waits until that is done: until
    /// another file has replaced the old one.
    pub async fn save(&self) -> Result<()> {
        let path = self.folder.path().join("mosquitto.db");
        // There is none before the first time.
        let inode = || std::fs::metadata(&path).map(|file| file.ino()).ok();
        let before = inode();
        self.process.signal(Signal::SIGUSR1)?;
        eventually("mosquitto's database", async || Ok((inode() != before).then_some(()))).await
    }

    /// Kills it with SIGKILL and starts it again: same ports, same database.
    pub async fn kill_and_restart(self) -> Result<Self> {
        self.kill().await?.restart().await
    }

    /// Kills it with SIGKILL.
    pub async fn kill(self) -> Result<KilledMosquitto> {
        let Self { process, configuration, tcp_port, ws_port, folder } = self;
        process.kill().await?;
        Ok(KilledMosquitto { configuration, tcp_port, ws_port, folder })
    }

    /// Returns the WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ws_port)
    }

    /// Returns the port for MQTT over TCP.
    pub fn mqtt_port(&self) -> u16 {
        self.tcp_port
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Waits for a text in its log.
    pub async fn wait_for_log(&self, text: &str) -> Result<()> {
        self.wait_for_log_times(text, 1).await
    }

    /// Waits until a text is in its log this number of times.
    pub async fn wait_for_log_times(&self, text: &str, times: usize) -> Result<()> {
        let what = format!("{text:?} in mosquitto's log, {times} times");
        let check = async || Ok((self.process.output().matches(text).count() >= times).then_some(()));
        eventually(&what, check).await.with_context(|| self.process.output())
    }
}

/// A broker that was killed and can be restarted.
pub struct KilledMosquitto {
    configuration: PathBuf,
    tcp_port: u16,
    ws_port: u16,
    folder: TempDir,
}

impl KilledMosquitto {
    /// Starts it again: same ports, same database.
    pub async fn restart(self) -> Result<Mosquitto> {
        let Self { configuration, tcp_port, ws_port, folder } = self;
        let process = run(&configuration).await?;
        Ok(Mosquitto { process, configuration, tcp_port, ws_port, folder })
    }
}

async fn run(configuration: &PathBuf) -> Result<Process> {
    let mut command = Command::new(find_program("mosquitto", "mosquitto")?);
    command.arg("-c").arg(configuration);
    let is_ready = |line: &str| line.ends_with(" running").then_some(());
    let (process, ()) = Process::start(&mut command, is_ready).await?;
    Ok(process)
}
