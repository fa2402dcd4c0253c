//! A broker that accepts signed tokens (JWT) as passwords: rmqtt with its own plugin.
//!
//! It replaces VerneMQ, which the tests can't install; see `docs/vernemq.md`. It is a separate program, so that the
//! station doesn't change for a test.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rmqtt::context::ServerContext;
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;

/// A broker that accepts signed tokens (HS256) as passwords.
#[derive(Parser)]
#[command(name = "mqtt-crawl-jwt-broker")]
struct Options {
    /// Address for MQTT over TCP
    #[arg(long)]
    mqtt: SocketAddr,

    /// Address for MQTT over WebSocket, at any path
    #[arg(long)]
    ws: SocketAddr,

    /// File with the secret that signs the tokens
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let secret = std::fs::read_to_string(&options.secret)
        .with_context(|| format!("reading the secret in {}", options.secret.display()))?;
    let secret = secret.trim();
    ensure!(secret.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\''), "the secret is one word, without '");

    // The claim `exp` is checked here, as VerneMQ's webhook does in the guide.
    let plugin = format!(
        "from = \"password\"\nencrypt = \"hmac-based\"\nhmac_base64 = false\nhmac_secret = '{secret}'\n\
         disconnect_if_expiry = true\n[validate_claims]\nexp = true\n"
    );
    let context =
        ServerContext::new().busy_check_enable(false).plugins_config_map_add("rmqtt-auth-jwt", plugin).build().await;
    rmqtt_auth_jwt::register(&context, true, false).await?;
    let server = MqttServer::new(context)
        .listener(Builder::new().name("tcp").laddr(options.mqtt).allow_anonymous(false).bind()?.tcp()?)
        .listener(Builder::new().name("ws").laddr(options.ws).allow_anonymous(false).bind()?.ws()?)
        .build();
    println!("listening mqtt={} ws={}", options.mqtt, options.ws);
    server.run().await
}
