//! The broker of `tests/slips`, which misbehaves in one way at a time, over a real WebSocket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::accept;

#[path = "../../slips/broker.rs"]
pub mod broker;

use broker::{Act, Broker, Mode};

/// A listening broker. Stops, with its connections, when dropped.
pub struct Misbehaving {
    port: u16,
    task: JoinHandle<()>,
    shared: Arc<Shared>,
}

struct Shared {
    broker: Mutex<Broker>,
    connections: AtomicUsize,
    is_black_hole: AtomicBool,
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Misbehaving {
    /// Listens on a free port.
    pub async fn start(mode: Mode) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            broker: Mutex::new(Broker::new(mode)),
            connections: AtomicUsize::new(0),
            is_black_hole: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&serving);
                // A client that disconnects in the middle is no error here.
                tokio::spawn(async move { serve(stream, &shared).await.ok() });
            }
        });
        Ok(Self { port, task, shared })
    }

    /// Returns the WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Keeps the existing connections open and sends nothing more on them; connections made after
    /// [`Misbehaving::resume_passing`] are served.
    pub fn stop_passing(&self) {
        self.shared.is_black_hole.store(true, Ordering::Relaxed);
    }

    /// Serves new connections.
    pub fn resume_passing(&self) {
        self.shared.is_black_hole.store(false, Ordering::Relaxed);
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut socket = accept(stream, None).await?;
    shared.broker.lock().await.handle_open();
    while let Some(message) = socket.next().await {
        let Message::Binary(bytes) = message? else { continue };
        if shared.is_black_hole.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let acts = shared.broker.lock().await.handle_input(&bytes);
        for act in acts {
            match act {
                Act::Send(bytes) => socket.send(Message::binary(bytes)).await?,
                Act::SendText => socket.send(Message::text("no MQTT")).await?,
                // Without a close frame, like a broker that drops a client.
                Act::Close => return Ok(()),
                Act::CloseLater(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
