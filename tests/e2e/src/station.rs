//! The released station.

use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::process::{Process, free_port};
use crate::{dist, program};

/// A running station with the site.
pub struct Station {
    process: Process,
    addresses: Addresses,
}

/// Its addresses, as `host:port`.
#[derive(Clone, Debug)]
struct Addresses {
    http: String,
    mqtt: String,
}

impl Station {
    /// Starts a station open to everybody on this machine, on free ports.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a station that requires a user name and a password.
    pub async fn start_with_users(users: &Path) -> Result<Self> {
        let users = users.to_str().context("the path is not UTF-8")?;
        Self::start_with(&["--users", users]).await
    }

    /// Starts a station with further options.
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let (http, mqtt) = (free_port()?, free_port()?);
        Self::start_at(&Addresses { http: format!("127.0.0.1:{http}"), mqtt: format!("127.0.0.1:{mqtt}") }, options)
            .await
    }

    async fn start_at(at: &Addresses, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(program("MQTT_CRAWL_STATION", "mqtt-crawl-station")?);
        command.args(["--http", &at.http, "--mqtt", &at.mqtt]).args(options).arg("--dist").arg(dist());
        let (process, addresses) = Process::start(&mut command, addresses).await?;
        Ok(Self { process, addresses })
    }

    /// Kills it with SIGKILL and starts another one in its place.
    pub async fn kill_and_restart(self) -> Result<Self> {
        self.process.kill().await?;
        Self::start_at(&self.addresses, &[]).await
    }

    /// Returns the page's address without a fragment.
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.addresses.http)
    }

    /// Returns a WebSocket address, for a path such as `/mqtt`.
    pub fn ws_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addresses.http)
    }

    /// Returns the port for MQTT over TCP.
    pub fn mqtt_port(&self) -> Result<u16> {
        port(&self.addresses.mqtt)
    }

    /// Returns the port for HTTP and WebSocket.
    pub fn http_port(&self) -> Result<u16> {
        port(&self.addresses.http)
    }

    /// Returns its process id.
    ///
    /// # Errors
    /// Fails when it has ended.
    pub fn pid(&self) -> Result<Pid> {
        self.process.pid()
    }

    /// Returns its output so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn port(address: &str) -> Result<u16> {
    let (_, port) = address.rsplit_once(':').context("no port")?;
    Ok(port.parse()?)
}

/// Parses `listening http=HOST:PORT mqtt=HOST:PORT`.
fn addresses(line: &str) -> Option<Addresses> {
    let fields = line.strip_prefix("listening ")?;
    let value = |key| fields.split(' ').find_map(|field| field.strip_prefix(key)).map(str::to_owned);
    Some(Addresses { http: value("http=")?, mqtt: value("mqtt=")? })
}

/// Makes a line of a users file: `user:hash`.
pub async fn user_line(user: &str, password: &str) -> Result<String> {
    use tokio::io::AsyncWriteExt;

    let mut child = Command::new(program("MQTT_CRAWL_STATION", "mqtt-crawl-station")?)
        .arg("--hash-password")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().context("standard input is not piped")?;
    input.write_all(password.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let hash = String::from_utf8(output.stdout)?;
    Ok(format!("{user}:{}\n", hash.trim()))
}
