//! "Logs": an exported log is kept again, or played as if it arrived now. When
//! what is due, and what is wrong with a file, is decided by [`crate::replay`].

use gloo_timers::callback::Timeout;
use js_sys::Uint8Array;
use js_sys::futures::JsFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, DragEvent, Event, FileList, HtmlInputElement, KeyboardEvent, Response};

use super::{Panels, close, head};
use crate::console::grouped;
use crate::engine::command::Command;
use crate::log::ndjson::OwnedMessage;
use crate::replay::{MESSAGES_MAX, Reader, Replay, Speed};
use crate::time::Instant;
use crate::web::clock::Clock;

/// The log that comes with the app; relative to the page, as copied by Trunk.
const SAMPLE: &str = "sample.ndjson";
const SAMPLE_NAME: &str = "The sample";

/// A file is read in slices, so that one of a million messages is never in
/// memory twice.
const SLICE_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// So many messages go to the worker at once, so that what it has to do beside
/// them never waits for long.
const BATCH: usize = 1_000;

/// The log that is played, and what is shown of it.
#[derive(Clone, Copy)]
pub(super) struct Tape {
    replay: StoredValue<Replay, LocalStorage>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
    clock: StoredValue<Option<Clock>, LocalStorage>,
    shown: RwSignal<Progress>,
    words: RwSignal<String>,
    speed: RwSignal<Speed>,
    /// Counts the files, so that a slow one can't take the place of the next.
    reading: StoredValue<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    played: usize,
    len: usize,
    is_running: bool,
}

/// What becomes of a file's messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Import,
    Play,
}

impl Tape {
    pub(super) fn new() -> Self {
        let performance = web_sys::window().and_then(|window| window.performance());
        Self {
            replay: StoredValue::new_local(Replay::default()),
            timer: StoredValue::new_local(None),
            clock: StoredValue::new_local(performance.map(Clock::new)),
            shown: RwSignal::default(),
            words: RwSignal::default(),
            speed: RwSignal::default(),
            reading: StoredValue::new(0),
        }
    }

    /// Plays the log that comes with the app.
    pub(super) fn play_sample(self, panels: Panels) {
        let turn = self.begin_reading(SAMPLE_NAME);
        spawn_local(async move {
            match fetch(SAMPLE).await {
                Ok(blob) => self.read(&blob, SAMPLE_NAME, Use::Play, turn, panels).await,
                Err(_) => self.words.set("The sample couldn't be loaded. Is the network there?".to_owned()),
            }
        });
    }

    fn open(self, files: Option<FileList>, wanted: Use, panels: Panels) {
        let Some(file) = files.and_then(|files| files.get(0)) else { return };
        let name = file.name();
        let turn = self.begin_reading(&name);
        spawn_local(async move { self.read(&file, &name, wanted, turn, panels).await });
    }

    fn begin_reading(self, name: &str) -> u32 {
        self.words.set(format!("Reading {name} …"));
        self.reading
            .try_update_value(|turn| {
                *turn += 1;
                *turn
            })
            .unwrap_or_default()
    }

    async fn read(self, blob: &Blob, name: &str, wanted: Use, turn: u32, panels: Panels) {
        let mut reader = Reader::default();
        let mut kept: Vec<OwnedMessage> = Vec::new();
        let mut count = 0;
        let mut take = |messages: Vec<OwnedMessage>| {
            count += messages.len();
            match wanted {
                Use::Import => send(panels, messages, Command::Import),
                Use::Play => kept.extend(messages),
            }
        };
        let mut at = 0.0;
        while at < blob.size() {
            let Ok(slice) = bytes_of(blob, at).await else {
                return self.words.set(format!("The browser can't read {name} any more. Choose it again."));
            };
            if self.reading.get_value() != turn {
                return;
            }
            at += SLICE_BYTES;
            take(reader.read(&slice));
        }
        take(reader.finish().into_iter().collect());
        let left_out = kept.len().saturating_sub(MESSAGES_MAX);
        kept.truncate(MESSAGES_MAX);
        let mut words = match (wanted, count) {
            (_, 0) => format!("{name} holds no message."),
            (Use::Import, count) => format!("{} messages of {name} are in the console now.", grouped(count as u64)),
            (Use::Play, _) => format!("{name}: {} messages.", grouped(kept.len() as u64)),
        };
        if left_out > 0 {
            words += &format!(" {} more are too many to play; import the file to have them.", grouped(left_out as u64));
        }
        if let Some(complaint) = reader.complaint() {
            words += &format!(" {complaint}");
        }
        self.words.set(words);
        if wanted == Use::Play {
            self.replay.set_value(Replay::new(kept));
            self.change_speed(self.speed.get_untracked(), panels);
            self.play(panels);
        }
    }

    fn play(self, panels: Panels) {
        self.act(panels, Replay::play);
    }

    fn pause(self, panels: Panels) {
        self.act(panels, Replay::pause);
    }

    fn change_speed(self, speed: Speed, panels: Panels) {
        self.speed.set(speed);
        self.act(panels, |replay, now| replay.change_speed(speed, now));
    }

    fn step(self, panels: Panels) {
        self.act(panels, |replay, now| {
            replay.pause(now);
            if let Some(message) = replay.step(now) {
                panels.tell(&Command::Replay(vec![message.clone()]));
            }
        });
    }

    fn act(self, panels: Panels, change: impl FnOnce(&mut Replay, Instant)) {
        let Some(now) = self.now() else { return };
        self.replay.update_value(|replay| change(replay, now));
        self.go_on(panels);
    }

    /// After every change: play what is due, and arm the one timer.
    fn go_on(self, panels: Panels) {
        let Some(now) = self.now() else { return };
        let due = self.replay.try_update_value(|replay| {
            let messages = replay.take_due(now, BATCH);
            if !messages.is_empty() {
                panels.tell(&Command::Replay(messages.to_vec()));
            }
            self.shown.set(Progress { played: replay.played(), len: replay.len(), is_running: replay.is_running() });
            replay.poll_timeout()
        });
        let timer = due.flatten().map(|due| {
            let wait_ms = due.since(now).as_micros().div_ceil(1_000);
            Timeout::new(u32::try_from(wait_ms).unwrap_or(u32::MAX), move || self.go_on(panels))
        });
        self.timer.set_value(timer);
    }

    fn now(self) -> Option<Instant> {
        self.clock.with_value(|clock| clock.as_ref().map(Clock::now))
    }
}

fn send(panels: Panels, messages: Vec<OwnedMessage>, command: fn(Vec<OwnedMessage>) -> Command) {
    let mut messages = messages.into_iter().peekable();
    while messages.peek().is_some() {
        panels.tell(&command(messages.by_ref().take(BATCH).collect()));
    }
}

async fn bytes_of(blob: &Blob, from: f64) -> Result<Vec<u8>, JsValue> {
    let slice = blob.slice_with_f64_and_f64(from, (from + SLICE_BYTES).min(blob.size()))?;
    let buffer = JsFuture::from(slice.array_buffer()).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

async fn fetch(path: &str) -> Result<Blob, JsValue> {
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response: Response = JsFuture::from(window.fetch_with_str(path)).await?.dyn_into()?;
    if !response.ok() {
        return Err(JsValue::NULL);
    }
    JsFuture::from(response.blob()?).await?.dyn_into()
}

#[component]
pub(super) fn ReplayPanel(panels: Panels) -> impl IntoView {
    let tape = panels.tape;
    let shown = tape.shown;
    let nothing = move || shown.with(|shown| shown.len == 0);
    let is_running = move || shown.with(|shown| shown.is_running);
    let progress = move || {
        let Progress { played, len, .. } = shown.get();
        (len > 0).then(|| format!("{} of {}", grouped(played as u64), grouped(len as u64)))
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            close(panels.replay);
        }
    };
    // The same file can be chosen again only once the input has forgotten it.
    let chosen = move |event: &Event, wanted| {
        let input: HtmlInputElement = event_target(event);
        tape.open(input.files(), wanted, panels);
        input.set_value("");
    };
    let on_drop = move |event: DragEvent| {
        event.prevent_default();
        tape.open(event.data_transfer().and_then(|data| data.files()), Use::Import, panels);
    };
    view! {
        <dialog
            class="panel"
            node_ref=panels.replay
            aria-labelledby="replay-title"
            on:keydown=on_key
            on:dragover=|event: DragEvent| event.prevent_default()
            on:drop=on_drop
        >
            {head("replay-title", "Logs", panels.replay)}
            <div class="panel-body">
                <section class="replay">
                    <h3>"Import"</h3>
                    <p class="why">
                        "Messages of an export come back into the console, with their times, and into an empty one with \
                         their numbers. A file can be dropped here, too."
                    </p>
                    <label class="button file">
                        "Import a log"
                        <input type="file" accept=".ndjson,.jsonl,.json,.txt" on:change=move |event| chosen(&event, Use::Import) />
                    </label>
                </section>
                <section class="replay">
                    <h3>"Play"</h3>
                    <p class="why">
                        "Messages arrive again as they once did, in the crawl and in the console, without any broker. \
                         Silences of more than 10 seconds are shortened."
                    </p>
                    <div class="actions">
                        <label class="button file">
                            "Play a log"
                            <input type="file" accept=".ndjson,.jsonl,.json,.txt" on:change=move |event| chosen(&event, Use::Play) />
                        </label>
                        <button type="button" class="button" on:click=move |_| tape.play_sample(panels)>
                            "Play the sample"
                        </button>
                    </div>
                    <div class="actions">
                        <button
                            type="button"
                            class="button primary"
                            disabled=nothing
                            on:click=move |_| if shown.with_untracked(|shown| shown.is_running) {
                                tape.pause(panels);
                            } else {
                                tape.play(panels);
                            }
                        >
                            {move || if is_running() { "Rest" } else { "Play" }}
                        </button>
                        <button type="button" class="button" disabled=nothing on:click=move |_| tape.step(panels)>
                            "Next line"
                        </button>
                        <label class="field speed">
                            <span>"Speed"</span>
                            <select
                                id="replay-speed"
                                on:change=move |event| {
                                    let name = event_target_value(&event);
                                    let speed = Speed::ALL.into_iter().find(|speed| speed.name() == name);
                                    tape.change_speed(speed.unwrap_or_default(), panels);
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
                </section>
                <p role="status">{move || tape.words.get()}</p>
            </div>
        </dialog>
    }
}
