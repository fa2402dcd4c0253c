//! A broker whose users show a signed token (JWT) instead of a password: rmqtt with its own plugin for that.
//!
//! It stands in for VerneMQ, which the tests can't have; see `docs/vernemq.md`. It is a program of its own so that the
//! station stays what it is.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rmqtt::context::ServerContext;
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;

/// A broker that takes signed tokens (HS256) as passwords.
#[derive(Parser)]
#[command(name = "mqtt-crawl-jwt-broker")]
struct Options {
    /// Where it takes MQTT over TCP
    #[arg(long)]
    mqtt: SocketAddr,

    /// Where it takes MQTT over WebSocket, at any path
    #[arg(long)]
    ws: SocketAddr,

    /// A file with the secret that signs the tokens
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

    // The claims' end is checked here, as VerneMQ's webhook does it in the guide.
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
