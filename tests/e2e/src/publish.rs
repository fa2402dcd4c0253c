//! Publishing: the released producer, and `mosquitto_pub` as an independent implementation. Also `mosquitto_sub`, to
//! see what arrives, and for streams a connection that only publishes.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use mqtt_crawl::mqtt::codec::encode::encode;
use mqtt_crawl::mqtt::packet::{self, Outgoing, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::{Process, find_program};
use crate::program;

/// The MQTT version that `mosquitto_pub` uses.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// 3.1.1
    V311,
    /// 5.0
    V5,
}

impl Version {
    fn option(self) -> &'static str {
        match self {
            Self::V311 => "mqttv311",
            Self::V5 => "mqttv5",
        }
    }
}

/// The address and credentials of a publisher for a broker on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The broker's port for MQTT over TCP.
    pub port: u16,
    /// User name and password.
    pub user: Option<(&'a str, &'a str)>,
}

impl Login<'_> {
    /// Connects without a user.
    pub fn anonymous(port: u16) -> Self {
        Self { port, user: None }
    }

    fn mosquitto_pub(&self, version: Version, topic: &str) -> Result<Command> {
        let mut command = Command::new(find_program("mosquitto_pub", "mosquitto-clients")?);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-V", version.option(), "-t", topic])
            .kill_on_drop(true);
        if let Some((name, password)) = self.user {
            command.args(["-u", name, "-P", password]);
        }
        Ok(command)
    }

    /// Publishes one message with `mosquitto_pub`, acknowledged by the broker.
    pub async fn publish(&self, version: Version, topic: &str, payload: &str) -> Result<()> {
        self.publish_at(1, version, topic, payload).await
    }

    /// Publishes one message with `mosquitto_pub` at this quality of service.
    pub async fn publish_at(&self, qos: u8, version: Version, topic: &str, payload: &str) -> Result<()> {
        let output = self.mosquitto_pub(version, topic)?.args(["-q", &qos.to_string(), "-m", payload]).output().await?;
        succeeded("mosquitto_pub", &output)
    }

    /// Publishes one message of any bytes with `mosquitto_pub` and MQTT 5.0, with further options of that program.
    pub async fn publish_bytes(&self, topic: &str, payload: &[u8], options: &[&str]) -> Result<()> {
        let mut command = self.mosquitto_pub(Version::V5, topic)?;
        // Its option for an empty payload.
        command.arg(if payload.is_empty() { "-n" } else { "-s" }).args(options);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("standard input is not piped")?;
        input.write_all(payload).await?;
        drop(input);
        succeeded("mosquitto_pub", &child.wait_with_output().await?)
    }

    /// Publishes one retained message.
    pub async fn publish_retained(&self, topic: &str, payload: &str) -> Result<()> {
        let options = ["-r", "-q", "1", "-m", payload];
        let output = self.mosquitto_pub(Version::V5, topic)?.args(options).output().await?;
        succeeded("mosquitto_pub", &output)
    }

    /// Publishes each line of `text` at QoS 0 as fast as the broker reads them.
    pub async fn publish_lines(&self, version: Version, topic: &str, text: String) -> Result<()> {
        let mut child =
            self.mosquitto_pub(version, topic)?.arg("-l").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("standard input is not piped")?;
        input.write_all(text.as_bytes()).await?;
        drop(input);
        succeeded("mosquitto_pub", &child.wait_with_output().await?)
    }

    /// Subscribes with `mosquitto_sub`, QoS 2. Each message becomes a line of its output:
    /// `got QOS RETAIN TOPIC PAYLOAD`.
    pub async fn subscribe(&self, topic: &str) -> Result<Process> {
        self.subscribe_with_format(topic, "got %q %r %t %p").await
    }

    /// The same, printing each message in a format of mosquitto_sub.
    pub async fn subscribe_with_format(&self, topic: &str, format: &str) -> Result<Process> {
        // Into a pipe it would write whole blocks.
        let mut command = Command::new(find_program("stdbuf", "coreutils")?);
        command
            .arg("-oL")
            .arg(find_program("mosquitto_sub", "mosquitto-clients")?)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-V", Version::V5.option()])
            .args(["-t", topic, "-q", "2", "-d", "-F", format]);
        let (process, ()) =
            Process::start(&mut command, |line| line.starts_with("Subscribed (mid").then_some(())).await?;
        Ok(process)
    }

    /// Publishes a script with the released producer, to `StarWars`.
    pub async fn produce(&self, script: &Path, options: &[&str]) -> Result<()> {
        let mut command = producer(&format!("mqtt://127.0.0.1:{}", self.port))?;
        command.arg("--quiet").args(options).arg(script);
        if let Some((name, password)) = self.user {
            command.args(["--username", name]).env("MQTT_PASSWORD", password);
        }
        succeeded("the producer", &command.output().await?)
    }
}

/// A persistent TCP connection that only publishes at QoS 0: for streams, where a process per message would cost more
/// than the page that shows it.
pub struct Publisher {
    stream: TcpStream,
    packet: Vec<u8>,
}

impl Publisher {
    /// Connects without a user: Clean Start, no Keep Alive, an identifier of the broker's choice.
    ///
    /// # Errors
    /// Fails when there is no broker, or when it refuses.
    pub async fn connect(mqtt_port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", mqtt_port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(b"\x10\x0d\0\x04MQTT\x05\x02\0\0\0\0\0").await?;
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let mut connack = vec![0; head[1].into()];
        stream.read_exact(&mut connack).await?;
        ensure!(head[0] == 0x20 && connack.get(1) == Some(&0), "the broker answers {head:02x?} {connack:02x?}");
        Ok(Self { stream, packet: Vec::new() })
    }

    /// Publishes one message.
    ///
    /// # Errors
    /// Fails when the connection is lost.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> Result<()> {
        let message = packet::Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            topic_alias: None,
            properties: &[],
            payload: payload.as_bytes(),
        };
        self.packet.clear();
        encode(&Outgoing::Publish(message), packet::Version::V5, u32::MAX, &mut self.packet)?;
        Ok(self.stream.write_all(&self.packet).await?)
    }

    /// Sends complete packets, encoded beforehand.
    ///
    /// # Errors
    /// Fails when the connection is lost.
    pub async fn send(&mut self, packets: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(packets).await?)
    }

    /// Disconnects; returns once the broker has read everything.
    ///
    /// # Errors
    /// Fails when the connection is lost.
    pub async fn close(mut self) -> Result<()> {
        self.stream.write_all(&[0xE0, 0]).await?;
        self.stream.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }
}

/// Returns the released producer, for options and a script.
///
/// # Errors
/// Fails when it hasn't been built.
pub fn producer(broker_url: &str) -> Result<Command> {
    let mut command = Command::new(program("MQTT_CRAWL_PRODUCER", "mqtt-crawl-producer")?);
    command.args(["--broker", broker_url]).env_remove("MQTT_PASSWORD").stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

fn succeeded(name: &str, output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!(
            "{name} ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(())
}
