//! "Logs": imports an exported log, or replays one as if it arrived now.
//! [`crate::message_log::replay`] decides when a message is due and what is wrong with a file.

use std::collections::VecDeque;

use gloo_timers::callback::Timeout;
use js_sys::Uint8Array;
use js_sys::futures::JsFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, DragEvent, Event, File, FileList, HtmlInputElement, Response};

use crate::format::grouped;
use crate::message_log::ndjson::OwnedMessage;
use crate::message_log::replay::{LogFileReader, MESSAGES_MAX, Progress, Replay, Speed};
use crate::protocol::command::PanelCommand;
use crate::protocol::panels::PanelAction;
use crate::time::Instant;
use crate::web::clock::Clock;
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, open_non_modal};
use crate::web::panels::panel::Panel;

/// The log that comes with the app; relative to the page, as copied by Trunk.
const SAMPLE_FILE: &str = "sample.ndjson";
/// Its name in sentences.
const SAMPLE: &str = "sample";

/// A file is read in slices of this size, so that a file of a million messages is never in memory
/// twice.
const SLICE_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// The number of messages that go to the worker at once, so that its other work never waits for
/// long.
const BATCH: usize = 1_000;

/// How long the hint is shown after the last drag event. Browsers send one at least every 350 ms.
const HOVER_MS: u32 = 900;

/// The log that is played, and what is shown of it.
#[derive(Clone, Copy)]
pub(super) struct LogPlayer {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    replay: StoredValue<Replay, LocalStorage>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
    clock: StoredValue<Option<Clock>, LocalStorage>,
    shown: RwSignal<Progress>,
    /// The name of what is played.
    name: RwSignal<String>,
    /// The results for the file to play, and for those that were imported.
    status: RwSignal<String>,
    imported: RwSignal<String>,
    speed: RwSignal<Speed>,
    /// Counts the files to play, so that a slow one can't replace the next one.
    reading: StoredValue<u32>,
    is_sample_read: StoredValue<bool>,
    /// Files to be imported, one after the other.
    waiting: StoredValue<VecDeque<File>, LocalStorage>,
    is_importing: StoredValue<bool>,
    /// Whether the hint that a file can be dropped is shown.
    hover: RwSignal<bool>,
    hover_ends: StoredValue<Option<Timeout>, LocalStorage>,
}

impl LogPlayer {
    pub(super) fn new(context: PanelContext) -> Self {
        let performance = web_sys::window().and_then(|window| window.performance());
        Self {
            context,
            dialog: NodeRef::new(),
            replay: StoredValue::new_local(Replay::default()),
            timer: StoredValue::new_local(None),
            clock: StoredValue::new_local(performance.map(Clock::new)),
            shown: RwSignal::default(),
            name: RwSignal::default(),
            status: RwSignal::default(),
            imported: RwSignal::default(),
            speed: RwSignal::default(),
            reading: StoredValue::new(0),
            is_sample_read: StoredValue::new(false),
            waiting: StoredValue::new_local(VecDeque::new()),
            is_importing: StoredValue::new(false),
            hover: RwSignal::new(false),
            hover_ends: StoredValue::new_local(None),
        }
    }

    /// Plays the log that comes with the app.
    fn play_sample(self) {
        let turn = self.begin_reading(SAMPLE);
        self.is_sample_read.set_value(true);
        spawn_local(async move {
            match fetch(SAMPLE_FILE).await {
                Ok(blob) => self.play_file(&blob, SAMPLE, turn).await,
                Err(_) if self.reading.get_value() != turn => {}
                Err(_) => self.status.set("Couldn't load the sample. Check your connection.".to_owned()),
            }
        });
    }

    /// Ends the sample, whether it plays or is still being loaded.
    fn end_sample(self) {
        let is_read = self.is_sample_read.get_value();
        let is_under_way = self.shown.get_untracked().is_under_way();
        let is_played = is_under_way && self.name.with_untracked(|name| name == SAMPLE);
        if is_read {
            self.drop_reading();
        }
        if is_played {
            self.stop();
        }
        if is_read || is_played {
            self.status.set("The sample stopped because you connected.".to_owned());
        }
    }

    /// Whether something is played, or paused halfway.
    pub(super) fn is_under_way(self) -> bool {
        self.shown.get().is_under_way()
    }

    /// Shows the hint while a file is dragged over the page.
    fn show_drop_hint(self) {
        self.hover.set(true);
        self.hover_ends.set_value(Some(Timeout::new(HOVER_MS, move || self.hover.set(false))));
    }

    /// Imports the files that were dropped anywhere on the page.
    fn drop_files(self, event: &DragEvent) {
        self.hover.set(false);
        let files = dropped_files(event);
        if !files.is_empty() {
            event.prevent_default();
            open_non_modal(self.dialog);
            self.import(files);
        }
    }

    /// Replays the first of these files.
    fn open(self, files: Vec<File>) {
        let Some(file) = files.into_iter().next() else { return };
        let name = file.name();
        let turn = self.begin_reading(&name);
        spawn_local(async move { self.play_file(&file, &name, turn).await });
    }

    fn begin_reading(self, name: &str) -> u32 {
        self.status.set(format!("Reading {name}…"));
        self.drop_reading()
    }

    /// Abandons what is being read. Returns the number of what is read next.
    fn drop_reading(self) -> u32 {
        self.is_sample_read.set_value(false);
        self.reading
            .try_update_value(|turn| {
                *turn += 1;
                *turn
            })
            .unwrap_or_default()
    }

    /// Imports files, after those that are being imported.
    fn import(self, files: Vec<File>) {
        self.waiting.update_value(|waiting| waiting.extend(files));
        if self.is_importing.get_value() {
            return;
        }
        self.is_importing.set_value(true);
        spawn_local(async move {
            let mut results = Vec::new();
            while let Some(file) = self.waiting.try_update_value(VecDeque::pop_front).flatten() {
                let name = file.name();
                let lines = |results: &[String], last: String| {
                    results.iter().cloned().chain([last]).collect::<Vec<_>>().join("\n")
                };
                self.imported.set(lines(&results, format!("Reading {name}…")));
                let text = import_file(&file, &name, self.context).await;
                self.imported.set(lines(&results, text.clone()));
                results.push(text);
            }
            self.is_importing.set_value(false);
        });
    }

    async fn play_file(self, blob: &Blob, name: &str, turn: u32) {
        let mut kept: Vec<OwnedMessage> = Vec::new();
        let is_wanted = || self.reading.get_value() == turn;
        let read = read(blob, |messages| {
            kept.extend(messages);
            is_wanted()
        });
        let reader = read.await;
        if !is_wanted() {
            return;
        }
        let Ok(reader) = reader else { return self.status.set(unreadable(name)) };
        let left_out = kept.len().saturating_sub(MESSAGES_MAX);
        kept.truncate(MESSAGES_MAX);
        let mut text = format!("{name}: {} messages.", grouped(kept.len() as u64));
        if left_out > 0 {
            text += &format!(
                " {} more weren't loaded (maximum {}); import the file to see them all.",
                grouped(left_out as u64),
                grouped(MESSAGES_MAX as u64)
            );
        }
        self.status.set(with_errors(text, name, &reader));
        let is_sample = self.is_sample_read.try_update_value(std::mem::take).unwrap_or_default();
        self.name.set(if is_sample { SAMPLE.to_owned() } else { name.to_owned() });
        self.replay.set_value(Replay::new(kept));
        self.change_speed(self.speed.get_untracked());
        self.play();
    }

    fn play(self) {
        self.act(Replay::play);
    }

    fn stop(self) {
        self.act(|replay, _| replay.stop());
    }

    fn pause(self) {
        self.act(Replay::pause);
    }

    fn change_speed(self, speed: Speed) {
        self.speed.set(speed);
        self.act(|replay, now| replay.change_speed(speed, now));
    }

    fn step(self) {
        self.act(|replay, now| {
            replay.pause(now);
            if let Some(message) = replay.step(now) {
                self.context.send(&PanelCommand::Replay(vec![message.clone()]));
            }
        });
    }

    fn act(self, change: impl FnOnce(&mut Replay, Instant)) {
        let Some(now) = self.now() else { return };
        self.replay.update_value(|replay| change(replay, now));
        self.play_due();
    }

    /// Plays what is due and sets the one timer, after every change.
    fn play_due(self) {
        let Some(now) = self.now() else { return };
        let due = self.replay.try_update_value(|replay| {
            let messages = replay.take_due(now, BATCH);
            if !messages.is_empty() {
                self.context.send(&PanelCommand::Replay(messages.to_vec()));
            }
            self.shown.set(replay.progress());
            replay.poll_timeout()
        });
        let timer = due.flatten().map(|due| {
            let wait_ms = due.since(now).as_micros().div_ceil(1_000);
            Timeout::new(u32::try_from(wait_ms).unwrap_or(u32::MAX), move || self.play_due())
        });
        self.timer.set_value(timer);
    }

    fn now(self) -> Option<Instant> {
        self.clock.with_value(|clock| clock.as_ref().map(Clock::now))
    }
}

impl Panel for LogPlayer {
    fn view(&self) -> AnyView {
        let player = *self;
        view! {
            <LogsPanel player />
            <DropHint player />
        }
        .into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        match action {
            PanelAction::Logs => open_non_modal(self.dialog),
            // Without the panel, which would cover what there is to see.
            PanelAction::PlaySample => self.play_sample(),
            PanelAction::FileHover => self.show_drop_hint(),
            _ => {}
        }
    }

    /// The messages of a broker must not be mixed with the sample's.
    fn on_connecting(&self) {
        self.end_sample();
    }
}

/// Reads a log slice by slice, as long as its messages are accepted.
async fn read(blob: &Blob, mut take: impl FnMut(Vec<OwnedMessage>) -> bool) -> Result<LogFileReader, JsValue> {
    let mut reader = LogFileReader::default();
    let mut is_wanted = true;
    each_slice(blob, |slice| {
        is_wanted = take(reader.read(slice));
        is_wanted && !reader.is_other_format()
    })
    .await?;
    if is_wanted {
        take(reader.finish().into_iter().collect());
    }
    Ok(reader)
}

/// Reads a file slice by slice, as long as the slices are accepted.
pub(super) async fn each_slice(blob: &Blob, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), JsValue> {
    let mut at = 0.0;
    while at < blob.size() {
        let slice = bytes_of(blob, at).await?;
        at += SLICE_BYTES;
        if !take(&slice) {
            break;
        }
    }
    Ok(())
}

async fn import_file(file: &File, name: &str, context: PanelContext) -> String {
    let read = read(file, |messages| {
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            context.send(&PanelCommand::Import(messages.by_ref().take(BATCH).collect()));
        }
        true
    });
    let Ok(reader) = read.await else { return unreadable(name) };
    let text = match reader.messages() {
        1 => format!("Imported 1 message from {name}."),
        count => format!("Imported {} messages from {name}.", grouped(count)),
    };
    with_errors(text, name, &reader)
}

pub(super) fn unreadable(name: &str) -> String {
    format!("Couldn't read {name}. Choose the file again; folders aren't supported.")
}

fn with_errors(text: String, name: &str, reader: &LogFileReader) -> String {
    let text = if reader.messages() == 0 { format!("{name} contains no messages.") } else { text };
    reader.error_summary().map_or(text.clone(), |error_summary| format!("{text} {error_summary}"))
}

/// The hint that what is dragged over the page can be dropped.
#[component]
fn DropHint(player: LogPlayer) -> impl IntoView {
    window_event_listener(leptos::ev::drop, move |event| player.drop_files(&event));
    view! {
        <div class="drop-hint" hidden=move || !player.hover.get()>
            <p>"Drop exported logs here to import them"</p>
        </div>
    }
}

/// Shows, outside of the panels, what is played and how far it is.
#[component]
pub(super) fn ReplayIndicator(player: LogPlayer) -> impl IntoView {
    let text = move || player.name.with(|name| player.shown.get().description(name));
    view! {
        <p hidden=move || !player.is_under_way()>
            <button type="button" class="button quiet" on:click=move |_| open_non_modal(player.dialog)>
                {text}
            </button>
            <button type="button" class="button" on:click=move |_| player.stop()>
                "Stop"
            </button>
        </p>
    }
}

async fn bytes_of(blob: &Blob, from: f64) -> Result<Vec<u8>, JsValue> {
    let slice = blob.slice_with_f64_and_f64(from, (from + SLICE_BYTES).min(blob.size()))?;
    let buffer = JsFuture::from(slice.array_buffer()).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

pub(super) async fn fetch(path: &str) -> Result<Blob, JsValue> {
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response: Response = JsFuture::from(window.fetch_with_str(path)).await?.dyn_into()?;
    if !response.ok() {
        return Err(JsValue::NULL);
    }
    JsFuture::from(response.blob()?).await?.dyn_into()
}

/// Returns the chosen files, and empties the input, which otherwise ignores the same file the next time.
pub(super) fn take_files(event: &Event) -> Vec<File> {
    let input: HtmlInputElement = event_target(event);
    let files = files_of(input.files());
    input.set_value("");
    files
}

/// Returns the dropped files.
pub(super) fn dropped_files(event: &DragEvent) -> Vec<File> {
    files_of(event.data_transfer().and_then(|data| data.files()))
}

fn files_of(list: Option<FileList>) -> Vec<File> {
    list.map_or_else(Vec::new, |list| (0..list.length()).filter_map(|index| list.get(index)).collect())
}

#[component]
fn LogsPanel(player: LogPlayer) -> impl IntoView {
    // What is dropped on a button is meant for the button, and not for the page.
    view! {
        <PanelDialog dialog=player.dialog id="replay-title" title="Logs">
            <div class="panel-body">
                <section class="replay">
                    <h3>"Import"</h3>
                    <p class="why">
                        "Load an exported log into the console. Times are kept; numbers are kept if the console is empty. \
                         You can also drop files anywhere on the page."
                    </p>
                    <label class="button file">
                        "Import…"
                        <input
                            type="file"
                            multiple
                            accept=".ndjson,.jsonl,.json,.txt"
                            on:dragover=|event| event.stop_propagation()
                            on:drop=|event| event.stop_propagation()
                            on:change=move |event| player.import(take_files(&event))
                        />
                    </label>
                    <p role="status" class="of-files">{move || player.imported.get()}</p>
                </section>
                <section class="replay">
                    <h3>"Replay"</h3>
                    <p class="why">
                        "Replay a log with its original timing, in the crawl and in the console. Pauses longer than 10 s \
                         are shortened. No broker needed."
                    </p>
                    <div class="actions">
                        <label class="button file">
                            "Replay file…"
                            <input
                                type="file"
                                accept=".ndjson,.jsonl,.json,.txt"
                                on:dragover=|event| event.stop_propagation()
                                on:drop=|event| event.stop_propagation()
                                on:change=move |event| player.open(take_files(&event))
                            />
                        </label>
                        <button type="button" class="button" on:click=move |_| player.play_sample()>
                            "Replay sample"
                        </button>
                    </div>
                    <ReplayControls player />
                </section>
                <p role="status" class="of-files">{move || player.status.get()}</p>
            </div>
        </PanelDialog>
    }
}

#[component]
fn ReplayControls(player: LogPlayer) -> impl IntoView {
    let shown = player.shown;
    let nothing = move || shown.with(|shown| shown.len == 0);
    let is_running = move || shown.with(|shown| shown.is_running);
    let progress = move || {
        let Progress { played, len, .. } = shown.get();
        (len > 0).then(|| format!("{} of {}", grouped(played as u64), grouped(len as u64)))
    };
    view! {
        <div class="actions">
            <button
                type="button"
                class="button primary"
                // "Pause" alone is the crawl's button.
                aria-label=move || is_running().then_some("Pause replay")
                disabled=nothing
                on:click=move |_| if shown.with_untracked(|shown| shown.is_running) {
                    player.pause();
                } else {
                    player.play();
                }
            >
                {move || if is_running() { "Pause" } else { "Play" }}
            </button>
            <button type="button" class="button" disabled=nothing on:click=move |_| player.step()>
                "Step"
            </button>
            <label class="field speed">
                <span>"Speed"</span>
                <select
                    id="replay-speed"
                    on:change=move |event| {
                        let speed = Speed::from_name(&event_target_value(&event));
                        player.change_speed(speed.unwrap_or_default());
                    }
                >
                    {Speed::ALL
                        .map(|speed| {
                            view! {
                                <option value=speed.name() selected=speed == Speed::default()>
                                    {format!("{} ×", speed.name())}
                                </option>
                            }
                        })
                        .collect_view()}
                </select>
            </label>
            <span class="progress">{progress}</span>
        </div>
    }
}
