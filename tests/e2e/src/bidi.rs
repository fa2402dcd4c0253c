//! WebDriver BiDi: for browser events, and for features that only BiDi has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use crate::WAIT_TIMEOUT;

/// A connection to a browser. It ends with this value.
pub struct BiDi {
    commands: mpsc::UnboundedSender<Command>,
    errors: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

struct Command {
    method: &'static str,
    params: Value,
    answer: oneshot::Sender<Value>,
}

impl Drop for BiDi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl BiDi {
    /// Connects to the session at this address, and receives errors from then on.
    pub async fn connect(address: &str) -> Result<Self> {
        let url = Url::parse(address).with_context(|| format!("{address} is no address"))?;
        let host = (url.host_str().context("no host")?, url.port().context("no port")?);
        let (socket, _) = client_async(address, TcpStream::connect(host).await?).await?;
        let (commands, received) = mpsc::unbounded_channel();
        let errors = Arc::default();
        let task = tokio::spawn(serve(socket, received, Arc::clone(&errors)));
        let this = Self { commands, errors, task };
        this.ask("session.subscribe", json!({"events": ["log.entryAdded"]})).await?;
        Ok(this)
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// Fails with the browser's message if it can't carry out the command.
    pub async fn ask(&self, method: &'static str, params: Value) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command { method, params, answer }).ok().context("the browser is gone")?;
        let answered = tokio::time::timeout(WAIT_TIMEOUT, answered).await;
        let mut response = answered.with_context(|| format!("{method}: no answer"))?.context("the browser is gone")?;
        if response["type"] != "success" {
            bail!("{method}: {}: {}", response["error"], response["message"]);
        }
        Ok(response["result"].take())
    }

    /// Makes requests for this file, below a host's root, fail.
    pub async fn block(&self, name: &str) -> Result<()> {
        self.ask("session.subscribe", json!({"events": ["network.beforeRequestSent"]})).await?;
        let pattern = json!({"type": "pattern", "pathname": format!("/{name}")});
        let params = json!({"phases": ["beforeRequestSent"], "urlPatterns": [pattern]});
        self.ask("network.addIntercept", params).await.map(drop)
    }

    /// Returns the errors of pages since the last call.
    pub async fn errors(&self) -> Result<Vec<String>> {
        // Log events arrive before the answer.
        self.ask("session.status", json!({})).await?;
        Ok(std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Sends commands, passes on their answers, records errors, and fails intercepted requests, until one side ends.
async fn serve(
    mut socket: WebSocketStream<TcpStream>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    errors: Arc<Mutex<Vec<String>>>,
) {
    let mut waiting: HashMap<u64, oneshot::Sender<Value>> = HashMap::new();
    let mut last_id = 0;
    loop {
        let request = tokio::select! {
            command = commands.recv() => {
                let Some(Command { method, params, answer }) = command else { return };
                waiting.insert(last_id + 1, answer);
                json!({"method": method, "params": params})
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Ok(text) = message.to_text() else { continue };
                let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
                if let Some(answer) = message["id"].as_u64().and_then(|id| waiting.remove(&id)) {
                    // The caller may have given up.
                    let _ = answer.send(message);
                    continue;
                }
                errors.lock().unwrap_or_else(PoisonError::into_inner).extend(error(&message));
                let Some(request) = intercepted_request(&message) else { continue };
                json!({"method": "network.failRequest", "params": {"request": request}})
            }
        };
        last_id += 1;
        let mut request = request;
        request["id"] = last_id.into();
        if socket.send(Message::text(request.to_string())).await.is_err() {
            return;
        }
    }
}

/// Returns the text of an event that a developer would call an error: uncaught exceptions and `console.error`.
fn error(message: &Value) -> Option<String> {
    let entry = &message["params"];
    let is_error = message["method"] == "log.entryAdded" && entry["level"] == "error";
    is_error.then(|| entry["text"].as_str().unwrap_or_default().to_owned())
}

/// Returns the intercepted request, which is going to be refused.
fn intercepted_request(message: &Value) -> Option<&Value> {
    let is_intercepted = message["method"] == "network.beforeRequestSent" && message["params"]["isBlocked"] == true;
    is_intercepted.then(|| &message["params"]["request"]["request"])
}
