//! Chromium's own protocol, without chromedriver: for events, and for workers.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::WAIT_TIMEOUT;

/// A connection to the browser, with the page and its workers attached to it.
pub struct DevTools {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    events: VecDeque<Event>,
    /// The wasm memories of each page or worker that was asked for them.
    memories: HashMap<String, Value>,
}

/// An event of the browser.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name, such as `Page.screencastFrame`.
    pub method: String,
    /// Its parameters.
    pub params: Value,
    /// The page or worker that it is about.
    pub session: Option<String>,
}

impl DevTools {
    /// Connects to the browser with this profile.
    ///
    /// # Errors
    /// Fails when it isn't running.
    pub async fn connect(profile: &Path) -> Result<Self> {
        // The port and the path, a line each.
        let address = std::fs::read_to_string(profile.join("DevToolsActivePort"))?;
        let (port, path) = address.trim().split_once('\n').context("a port without a path")?;
        let stream = TcpStream::connect(("127.0.0.1", port.parse::<u16>()?)).await?;
        let (socket, _) = client_async(format!("ws://127.0.0.1:{port}{path}"), stream).await?;
        Ok(Self { socket, last_id: 0, events: VecDeque::new(), memories: HashMap::new() })
    }

    /// Attaches to the page at this address; returns its session.
    ///
    /// # Errors
    /// Fails when no tab shows it.
    pub async fn attach_to_page(&mut self, url: &str) -> Result<String> {
        let targets = self.ask(None, "Target.getTargets", json!({})).await?;
        let targets = targets["targetInfos"].as_array().context("no list of targets")?;
        let page = targets
            .iter()
            .find(|target| target["type"] == "page" && target["url"].as_str().is_some_and(|at| at.starts_with(url)))
            .with_context(|| format!("no page at {url}"))?;
        let attached =
            self.ask(None, "Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true})).await?;
        Ok(attached["sessionId"].as_str().context("no session")?.to_owned())
    }

    /// Attaches to the worker of a page; returns its session.
    pub async fn attach_to_worker(&mut self, page: &str) -> Result<String> {
        let params = json!({"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true});
        self.ask(Some(page), "Target.setAutoAttach", params).await?;
        loop {
            let event = self.next_event("Target.attachedToTarget").await?;
            // The page itself is reported, too.
            if event.params["targetInfo"]["type"] == "worker" {
                return Ok(event.params["sessionId"].as_str().context("no session")?.to_owned());
            }
        }
    }

    /// Returns the bytes of a page's or worker's wasm memory, of the memories that existed at the first call.
    pub async fn wasm_memory_bytes(&mut self, session: &str) -> Result<u64> {
        if !self.memories.contains_key(session) {
            let found = self.wasm_memories(session).await?;
            self.memories.insert(session.to_owned(), found);
        }
        let sum = json!({
            "objectId": self.memories[session],
            "functionDeclaration": "function () { return this.reduce((sum, each) => sum + each.buffer.byteLength, 0); }",
            "returnByValue": true,
        });
        let sum = self.ask(Some(session), "Runtime.callFunctionOn", sum).await?;
        sum["result"]["value"].as_u64().with_context(|| format!("no number of bytes: {sum}"))
    }

    /// Queried only once: with a query every ten seconds for an hour Chromium's tab crashed in two runs of three, each
    /// time while it searched for them.
    async fn wasm_memories(&mut self, session: &str) -> Result<Value> {
        let prototype = json!({"expression": "WebAssembly.Memory.prototype"});
        let prototype = self.ask(Some(session), "Runtime.evaluate", prototype).await?;
        let memories = json!({"prototypeObjectId": prototype["result"]["objectId"]});
        let mut memories = self.ask(Some(session), "Runtime.queryObjects", memories).await?;
        Ok(memories["objects"]["objectId"].take())
    }

    /// Returns the bytes of JavaScript's heap that a page or a worker holds, after a garbage collection.
    pub async fn heap_bytes(&mut self, session: &str) -> Result<u64> {
        self.ask(Some(session), "HeapProfiler.collectGarbage", json!({})).await?;
        let usage = self.ask(Some(session), "Runtime.getHeapUsage", json!({})).await?;
        // An integer, which the protocol writes like any other number.
        usage["usedSize"].as_f64().map(|bytes| bytes as u64).with_context(|| format!("no number of bytes: {usage}"))
    }

    /// Returns the browser's processes: the type of each (`browser`, `renderer`, `utility`, `GPU`), and its process id.
    pub async fn processes(&mut self) -> Result<Vec<(String, u32)>> {
        let found = self.ask(None, "SystemInfo.getProcessInfo", json!({})).await?;
        let found = found["processInfo"].as_array().context("no list of processes")?;
        let read = |process: &Value| {
            let kind = process["type"].as_str().context("no type")?.to_owned();
            Ok((kind, u32::try_from(process["id"].as_u64().context("no number")?)?))
        };
        found.iter().map(read).collect()
    }

    /// Returns those that run pages.
    pub async fn page_processes(&mut self) -> Result<Vec<u32>> {
        let pages = self.processes().await?.into_iter().filter(|(kind, _)| kind == "renderer");
        Ok(pages.map(|(_, id)| id).collect())
    }

    /// Sends a command, to the browser itself or to a page or worker, and waits for its answer.
    ///
    /// # Errors
    /// Fails with the browser's message if it can't carry out the command.
    pub async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.socket.send(Message::text(command.to_string())).await?;
        loop {
            let mut message = self.receive().await.with_context(|| format!("waiting for the answer to {method}"))?;
            if message["id"] == id {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].take());
            }
            self.events.extend(event(&mut message));
        }
    }

    /// Returns the next event of this name; others before it are dropped.
    ///
    /// # Errors
    /// Fails after [`WAIT_TIMEOUT`].
    pub async fn next_event(&mut self, method: &str) -> Result<Event> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => match event(&mut self.receive().await.with_context(|| format!("waiting for {method}"))?) {
                    Some(event) => event,
                    None => continue,
                },
            };
            if event.method == method {
                return Ok(event);
            }
        }
    }

    async fn receive(&mut self) -> Result<Value> {
        loop {
            let message =
                tokio::time::timeout(WAIT_TIMEOUT, self.socket.next()).await.context("the browser is silent")?;
            if let Message::Text(text) = message.context("the browser is gone")?? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }
}

fn event(message: &mut Value) -> Option<Event> {
    let method = message["method"].as_str()?.to_owned();
    let session = message["sessionId"].as_str().map(str::to_owned);
    Some(Event { method, params: message["params"].take(), session })
}
