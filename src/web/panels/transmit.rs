//! "Play a script": a script is chosen, reviewed and sent line by line. The worker does the timing,
//! so it continues while the page is hidden and this panel is closed; an indicator outside of the
//! panels shows that it runs.

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{Blob, DragEvent, Event, File};

use super::context::PanelContext;
use super::dialog::{PanelDialog, is_open, open_non_modal};
use super::fields::{Choice, Form, QOS, TextBox, Tick, disabled_reason};
use super::panel::Panel;
use super::virtual_rows::{Start, VirtualList, VirtualRows};
use crate::dialogue::script::{ColumnChoice, Columns};
use crate::format::grouped;
use crate::mqtt::packet::QoS;
use crate::protocol::command::{PanelCommand, PanelsRequest};
use crate::protocol::panels::PanelAction;
use crate::protocol::publish::PublishOutcome;
use crate::protocol::transmission::{LineRange, TransmissionCommand, TransmissionSlot};
use crate::protocol::transmission::{LineStatus, TransmissionState, TransmissionView};
use crate::protocol::update::PanelsUpdate;
use crate::transmit::encoding::{PayloadFormat, topic_of};
use crate::transmit::script_view::{Entry, Sheet, SheetReader, skipped};
use crate::ui::broker_capabilities::{Capability, unavailable_publish_reason, unavailable_reason};
use crate::ui::console::scroll::ScrollStep;
use crate::ui::forms::transmission::{Field, Plan, PlanFields, is_active, outcome_text, position_text, progress_text};
use crate::web::panels::logs::{LogPlayer, ReplayIndicator, dropped_files, each_slice, fetch, take_files, unreadable};

/// The story that comes with the app; relative to the page, as copied by Trunk.
const STORY: &str = "the-quiet-broker.txt";

const BUSY: &str = "A script is running. Stop it first.";

/// A file to read.
enum Source {
    Chosen(File),
    Story,
}

/// Script and transmissions.
#[derive(Clone, Copy)]
pub(super) struct Transmit {
    context: PanelContext,
    log_player: LogPlayer,
    dialog: NodeRef<html::Dialog>,
    sheet: RwSignal<Sheet>,
    form: Form<PlanFields, Field>,
    /// The last state that the worker sent.
    views: RwSignal<Vec<TransmissionView>>,
    /// The result for the file.
    status: RwSignal<String>,
    /// The line to begin with, counted from 0.
    from: RwSignal<usize>,
    rows: VirtualRows,
    /// Counts the files, so that a slow one can't replace the next one.
    reading: StoredValue<u32>,
    /// The file and its name, to be read again with other columns.
    file: StoredValue<Option<(Blob, String)>, LocalStorage>,
    /// The meaning of a table's columns, as far as the person chose it.
    columns: StoredValue<ColumnChoice>,
    /// Whether the worker reports on a script other than this one.
    is_other_script: StoredValue<bool>,
    /// The plan of what is sent.
    plan: StoredValue<Option<Plan>>,
    /// The timer that sends the next slice of the script to the worker.
    feeding: StoredValue<Option<Timeout>, LocalStorage>,
    /// Whether a file is dragged over the panel.
    is_drag_target: RwSignal<bool>,
}

impl Transmit {
    pub(super) fn new(context: PanelContext, log_player: LogPlayer) -> Self {
        Self {
            context,
            log_player,
            dialog: NodeRef::new(),
            sheet: RwSignal::default(),
            form: Form::new(PlanFields::default(), &[]),
            views: RwSignal::default(),
            status: RwSignal::default(),
            from: RwSignal::default(),
            rows: VirtualRows::new(Start::Head),
            reading: StoredValue::new(0),
            file: StoredValue::new_local(None),
            columns: StoredValue::default(),
            is_other_script: StoredValue::new(false),
            plan: StoredValue::new(None),
            feeding: StoredValue::new_local(None),
            is_drag_target: RwSignal::new(false),
        }
    }

    /// Returns the lines whose statuses are on screen.
    fn on_screen(self) -> LineRange {
        if !is_open(self.dialog) {
            return LineRange::default();
        }
        let shown = untrack(move || self.rows.on_screen());
        self.sheet.with_untracked(|sheet| {
            let [first, end] = [shown.start, shown.end].map(|entry| sheet.line_at(entry as usize));
            LineRange { first: first as u64, count: u32::try_from(end - first).unwrap_or(u32::MAX) }
        })
    }

    /// Reads a transmission, if there is one.
    pub(super) fn with<T>(self, slot: TransmissionSlot, read: impl FnOnce(Option<&TransmissionView>) -> T) -> T {
        self.views.with(|views| read(views.iter().find(|view| view.slot == slot)))
    }

    fn state(self) -> Option<TransmissionState> {
        self.with(TransmissionSlot::Script, |view| view.map(|view| view.state))
    }

    fn is_active(self) -> bool {
        matches!(self.state(), Some(TransmissionState::Playing | TransmissionState::Paused))
    }

    /// Reads the first of these files.
    fn choose(self, files: Vec<File>) {
        if let Some(file) = files.into_iter().next() {
            self.read(Source::Chosen(file));
        }
    }

    fn read(self, source: Source) {
        let Some(turn) = self.begin_reading() else { return };
        self.columns.set_value(ColumnChoice::default());
        spawn_local(async move {
            let (blob, name) = match source {
                Source::Story => match fetch(STORY).await {
                    Ok(blob) => (blob, STORY.to_owned()),
                    Err(_) if self.reading.get_value() != turn => return,
                    Err(_) => {
                        return self.status.set("Couldn't load the sample script. Check your connection.".to_owned());
                    }
                },
                Source::Chosen(file) => {
                    let name = file.name();
                    (file.into(), name)
                }
            };
            if self.reading.get_value() == turn {
                self.file.set_value(Some((blob, name)));
                self.read_file(turn).await;
            }
        });
    }

    /// Reads the file again, with other columns.
    fn choose_columns(self, choose: impl FnOnce(&mut ColumnChoice)) {
        let Some(turn) = self.begin_reading() else { return };
        self.columns.update_value(choose);
        spawn_local(self.read_file(turn));
    }

    /// Returns the number of what is read next; `None` while a script is sent.
    fn begin_reading(self) -> Option<u32> {
        if untrack(move || self.is_active()) {
            self.status.set(BUSY.to_owned());
            return None;
        }
        let turn = self.reading.get_value() + 1;
        self.reading.set_value(turn);
        Some(turn)
    }

    async fn read_file(self, turn: u32) {
        let Some((blob, name)) = self.file.get_value() else { return };
        self.status.set(format!("Reading {name}…"));
        let sheet = read_sheet(&blob, &name, self.columns.get_value()).await;
        if self.reading.get_value() != turn {
            return;
        }
        match sheet {
            // A transmission was started while this file was being read.
            Ok(_) if untrack(move || self.is_active()) => self.status.set(BUSY.to_owned()),
            Ok(sheet) => {
                self.status.set(sheet.description());
                self.from.set(0);
                self.is_other_script.set_value(true);
                self.views.update(|views| views.retain(|view| view.slot != TransmissionSlot::Script));
                self.rows.resize(sheet.entries().len());
                self.rows.step(ScrollStep::Home);
                self.sheet.set(sheet);
            }
            Err(text) => self.status.set(text),
        }
    }

    /// Handles the one button: starts, pauses or continues.
    fn press(self) {
        match untrack(move || self.state()) {
            Some(TransmissionState::Playing) => self.send_command(TransmissionCommand::Pause),
            Some(TransmissionState::Paused) => self.send_command(TransmissionCommand::Play),
            _ => self.begin(),
        }
    }

    fn begin(self) {
        let state = self.context.broker_status.with_untracked(|broker_status| broker_status.state);
        if unavailable_publish_reason(state).is_some() || self.sheet.with_untracked(Sheet::is_empty) {
            return;
        }
        match self.form.typed().0.parse() {
            Ok(plan) => {
                self.form.set_errors(Vec::new());
                self.send_command(TransmissionCommand::Begin(plan.manner(self.from.get_untracked())));
                self.plan.set_value(Some(plan));
                self.is_other_script.set_value(false);
                self.from.set(0);
                self.feed(0);
                self.send_command(TransmissionCommand::Play);
            }
            Err(faults) => self.form.set_errors(faults),
        }
    }

    /// Sends the script from this line on to the worker, a slice at a time.
    fn feed(self, from: usize) {
        let slice = self.plan.with_value(|plan| {
            let plan = plan.as_ref()?;
            Some(self.sheet.with_untracked(|sheet| plan.slice(sheet, from)))
        });
        let Some((lines, next)) = slice else { return };
        self.send_command(TransmissionCommand::Lines(lines));
        let feeding = match next {
            Some(next) => Some(Timeout::new(0, move || self.feed(next))),
            None => {
                self.send_command(TransmissionCommand::LinesComplete);
                None
            }
        };
        self.feeding.set_value(feeding);
    }

    fn stop(self) {
        self.feeding.set_value(None);
        self.send_command(TransmissionCommand::Stop);
    }

    /// Goes to a line, counted from 0; if nothing is being sent, it becomes the line to begin with.
    fn seek(self, line: usize) {
        if untrack(move || self.is_active()) {
            self.send_command(TransmissionCommand::Seek(line as u64));
        } else {
            self.from.set(line);
        }
    }

    fn send_command(self, command: TransmissionCommand) {
        self.context.send(&PanelCommand::Transmit(TransmissionSlot::Script, command));
    }

    /// Index of the line that was sent last, or of the one to begin with.
    fn at(self) -> usize {
        let line =
            self.with(TransmissionSlot::Script, |view| view.filter(|view| is_active(view)).map(|view| view.line));
        line.map_or_else(|| self.from.get(), |line| usize::try_from(line).unwrap_or(0).saturating_sub(1))
    }

    fn status(self, line: usize) -> Option<(LineStatus, Option<PublishOutcome>)> {
        self.with(TransmissionSlot::Script, |view| {
            let view = view?;
            let mark = *view.statuses.get(line.checked_sub(usize::try_from(view.first).ok()?)?)?;
            let outcome = match mark {
                LineStatus::Failed(which) => view.failures.get(usize::from(which)).cloned(),
                _ => None,
            };
            Some((mark, outcome))
        })
    }
}

impl Panel for Transmit {
    fn view(&self) -> AnyView {
        let transmit = *self;
        view! {
            <TransmitPanel transmit />
            <TransmitIndicator transmit />
        }
        .into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Script {
            open_non_modal(self.dialog);
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.script = self.on_screen();
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        let Some(mut views) = update.transmissions.take() else { return };
        if self.is_other_script.get_value() {
            views.retain(|view| view.slot != TransmissionSlot::Script);
        }
        self.views.set(views);
    }

    fn on_worker_lost(&self) {
        self.feeding.set_value(None);
        if self.with(TransmissionSlot::Script, |view| view.is_some_and(is_active)) {
            self.status.set("The MQTT worker crashed; the transmission was stopped.".to_owned());
        }
        self.views.set(Vec::new());
    }
}

async fn read_sheet(blob: &Blob, name: &str, columns: ColumnChoice) -> Result<Sheet, String> {
    let mut reader = SheetReader::new(name, columns);
    let read = each_slice(blob, |slice| {
        reader.push(slice);
        true
    });
    read.await.map_err(|_| unreadable(name))?;
    Ok(reader.finish())
}

#[component]
fn TransmitPanel(transmit: Transmit) -> impl IntoView {
    let rows = transmit.rows;
    // The worker reports statuses only for the lines on screen.
    let on_screen = Memo::new(move |_| rows.on_screen());
    Effect::new(move || {
        on_screen.with(|_| transmit.context.pull_with_frame());
    });
    // If the line that is being sent is on screen, the view follows it.
    Effect::new(move |before: Option<usize>| {
        let at = transmit.at();
        let entries = transmit
            .sheet
            .with_untracked(|sheet| [Some(at), before].map(|line| line.and_then(|line| sheet.entry_of(line))));
        if let [Some(entry), Some(before)] = entries
            && untrack(move || rows.on_screen()).contains(&(before as u64))
        {
            rows.center(entry);
        }
        at
    });
    // What is dropped here is a script, and not a log to import.
    let over = move |event: DragEvent| {
        event.prevent_default();
        event.stop_propagation();
        transmit.is_drag_target.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        event.stop_propagation();
        transmit.is_drag_target.set(false);
        transmit.choose(dropped_files(&event));
    };
    let row = move |index: usize| {
        let entry = transmit.sheet.with(|sheet| sheet.entries().get(index).cloned());
        entry.map(|entry| view! { <ScriptRow transmit entry /> }).into_any()
    };
    view! {
        <PanelDialog
            dialog=transmit.dialog
            id="transmit-title"
            title="Play a script"
            class="panel transmit"
            class:aimed-at=move || transmit.is_drag_target.get()
            on:dragover=over
            on:dragleave=move |_| transmit.is_drag_target.set(false)
            on:drop=drop
        >
            <div class="panel-body">
                <FileSection transmit />
                <p role="status" class="of-files">{move || transmit.status.get()}</p>
                <ColumnInputs transmit />
                <PlanInputs transmit />
                <div class="script" hidden=move || transmit.sheet.with(|sheet| sheet.entries().is_empty())>
                    <VirtualList rows label="Lines of the script" on_key=|_| false row />
                </div>
            </div>
            <Player transmit />
        </PanelDialog>
    }
}

/// The choice of a file.
#[component]
fn FileSection(transmit: Transmit) -> impl IntoView {
    let is_active = Memo::new(move |_| transmit.is_active());
    view! {
        <section class="replay" hidden=is_active>
            <p class="why">
                "Sends each line of a script as a message. Choose a file or drop it here: CSV or TSV, JSON, \
                 subtitles, a screenplay, a saved chat, rows like \"1\" \"CHARACTER\" \"Spoken text\", or text like \
                 CHARACTER: Spoken text."
            </p>
            <div class="actions">
                <label class="button file">
                    "Choose file…"
                    <input
                        type="file"
                        accept=".txt,.csv,.tsv,.tab,.jsonl,.ndjson,.json,.srt,.vtt,.sbv,.ass,.ssa,.lrc,.sub,.fountain,.spmd,.md,.log,text/plain"
                        on:change=move |event| transmit.choose(take_files(&event))
                    />
                </label>
                <button
                    type="button"
                    class="button"
                    on:click=move |_| transmit.read(Source::Story)
                >
                    "Use sample"
                </button>
            </div>
        </section>
    }
}

/// Which columns of a table hold the speaker and the text.
#[component]
fn ColumnInputs(transmit: Transmit) -> impl IntoView {
    let columns = Memo::new(move |_| transmit.sheet.with(|sheet| sheet.columns().cloned()));
    let is_hidden = move || transmit.is_active() || columns.with(Option::is_none);
    let options = move |none: &'static str, of: fn(&Columns) -> Option<usize>| {
        let columns = columns.get().unwrap_or_default();
        let chosen = of(&columns);
        let option = |column: usize| {
            let (value, label) = (columns.reference(column), columns.label(column));
            view! { <option value=value selected=chosen == Some(column)>{label}</option> }
        };
        let named: Vec<_> = (0..columns.names.len()).map(option).collect();
        view! {
            <option value="" selected=chosen.is_none()>{none}</option>
            {named}
        }
    };
    view! {
        <section aria-label="Columns of the table" hidden=is_hidden>
            <div class="fields">
                <div class="field">
                    <label for="transmit-speaker">"Speaker column"</label>
                    <select
                        id="transmit-speaker"
                        on:change=move |event| {
                            let column = event_target_value(&event);
                            transmit.choose_columns(|choice| choice.speaker = Some(column));
                        }
                    >
                        {move || options("None", |columns| columns.speaker)}
                    </select>
                </div>
                <div class="field">
                    <label for="transmit-text">"Text column"</label>
                    <select
                        id="transmit-text"
                        on:change=move |event| {
                            let column = event_target_value(&event);
                            transmit.choose_columns(|choice| choice.text = Some(column).filter(|column| !column.is_empty()));
                        }
                    >
                        {move || options("Choose a column", |columns| columns.text)}
                    </select>
                </div>
            </div>
            <Tick
                id="transmit-header"
                label="First row is a header"
                ticked=Signal::derive(move || columns.with(|columns| columns.as_ref().is_some_and(|columns| columns.has_header)))
                on_tick=move |ticked| {
                    transmit.choose_columns(|choice| {
                        *choice = ColumnChoice { has_header: Some(ticked), ..ColumnChoice::default() };
                    });
                }
            />
        </section>
    }
}

#[component]
fn PlanInputs(transmit: Transmit) -> impl IntoView {
    let form = transmit.form;
    let broker_status = transmit.context.broker_status;
    // While something is being sent, everything but the loop is fixed.
    let is_settled = move || transmit.is_active();
    let settled = move || form.with(|fields| fields.description());
    let retain = disabled_reason(broker_status, Capability::Retain);
    let qos = move || form.with(|fields| fields.qos);
    let lowered = move || {
        let text = broker_status.with(|broker_status| unavailable_reason(broker_status, Capability::QoS(qos())))?;
        Some(format!("{text} Lines are sent with the maximum."))
    };
    view! {
        <form novalidate on:submit=move |event| event.prevent_default()>
            <p class="why" hidden=move || !is_settled()>{settled}</p>
            <div class="fields" hidden=is_settled>
                <TextBox
                    form
                    field=Field::Topic
                    of=|fields: &mut PlanFields| &mut fields.topic
                    id="transmit-topic"
                    label="Script topic"
                    hint="{speaker} = speaker name, {line} = line number."
                />
                <TextBox
                    form
                    field=Field::Interval
                    of=|fields: &mut PlanFields| &mut fields.interval
                    id="transmit-interval"
                    label="Interval"
                    hint="e.g. 500ms, 1s, 1.5s, 2m; 0s = as fast as possible."
                />
                <EncodingInputs form />
                <p class="why wide" hidden=move || lowered().is_none()>{lowered}</p>
                <Tick
                    id="transmit-retain"
                    label="Retain lines"
                    ticked=Signal::derive(move || form.with(|fields| fields.retain))
                    on_tick=move |ticked| form.change(Field::Choices, |fields| fields.retain = ticked)
                    unavailable_reason=retain
                />
            </div>
            <div>
                <Tick
                    id="transmit-loop"
                    label="Loop"
                    ticked=Signal::derive(move || form.with(|fields| fields.repeats))
                    on_tick=move |ticked| {
                        form.change(Field::Choices, |fields| fields.repeats = ticked);
                        if untrack(move || transmit.is_active()) {
                            transmit.send_command(TransmissionCommand::Repeat(form.with(PlanFields::repeat)));
                        }
                    }
                />
            </div>
        </form>
    }
}

/// The quality of service and the payload's format.
#[component]
fn EncodingInputs(form: Form<PlanFields, Field>) -> impl IntoView {
    let qos = move || form.with(|fields| fields.qos);
    let qos_name = move || QOS.into_iter().find(|(other, ..)| *other == qos()).map_or("", |(_, name, _)| name);
    let formats = vec![("json", "JSON"), ("text", "CHARACTER: text")];
    view! {
        <Choice
            id="transmit-qos"
            label="Script QoS"
            choices=QOS.map(|(_, name, text)| (name, text)).to_vec()
            chosen=Signal::derive(qos_name)
            choose=move |name| {
                let qos = name.parse().ok().and_then(QoS::from_u8).unwrap_or_default();
                form.change(Field::Choices, |fields| fields.qos = qos);
            }
        />
        <Choice
            id="transmit-payload"
            label="Payload"
            choices=formats
            chosen=Signal::derive(move || match form.with(|fields| fields.payload) {
                PayloadFormat::Json => "json",
                PayloadFormat::Text => "text",
            })
            choose=move |name| {
                let payload = if name == "text" { PayloadFormat::Text } else { PayloadFormat::Json };
                form.change(Field::Choices, |fields| fields.payload = payload);
            }
        />
    }
}

#[component]
fn ScriptRow(transmit: Transmit, entry: Entry) -> impl IntoView {
    let (index, spoken) = match entry {
        Entry::Line(index, spoken) => (index, spoken),
        Entry::Error(fault) => {
            let text = skipped(&fault);
            return view! {
                <div class="sheet-row script-row failed" title=text.clone()>
                    <span class="mark" aria-hidden="true">"✗"</span>
                    <span class="what">{text.clone()}</span>
                </div>
            }
            .into_any();
        }
    };
    let mark = Memo::new(move |_| transmit.status(index));
    let state = move || {
        mark.with(|mark| match mark {
            None | Some((LineStatus::Unsent, _)) => ("", "", ""),
            Some((LineStatus::Waiting, _)) => ("waiting", "…", "sent, not yet acknowledged"),
            Some((LineStatus::Done, _)) => ("done", "✓", "acknowledged"),
            Some((LineStatus::Failed(_), _)) => ("failed", "✗", "failed"),
        })
    };
    let failure = move || {
        mark.with(|mark| match mark {
            Some((_, Some(PublishOutcome::Failed(text)))) => format!("failed: {text} · "),
            Some((_, Some(PublishOutcome::Unknown(text)))) => format!("unconfirmed: {text} · "),
            _ => String::new(),
        })
    };
    let text = PayloadFormat::Text.encode(&spoken.line);
    let text = String::from_utf8_lossy(&text).into_owned();
    let topic = {
        let line = spoken.line.clone();
        move || transmit.form.with(|fields| topic_of(&fields.topic, &line, index as u64 + 1))
    };
    view! {
        <div
            class="sheet-row script-row"
            class:waiting=move || state().0 == "waiting"
            class:done=move || state().0 == "done"
            class:failed=move || state().0 == "failed"
            class:here=move || transmit.at() == index
            data-line=(index + 1).to_string()
            data-mark=move || state().0
            title=topic
            on:click=move |_| transmit.seek(index)
        >
            <span
                class="mark"
                role=move || (!state().2.is_empty()).then_some("img")
                aria-label=move || Some(state().2).filter(|text| !text.is_empty())
            >
                {move || state().1}
            </span>
            <span class="at">{grouped(index as u64 + 1)}</span>
            <span class="what"><span class="failure">{failure}</span>{text}</span>
        </div>
    }
    .into_any()
}

#[component]
fn Player(transmit: Transmit) -> impl IntoView {
    let lines = Memo::new(move |_| transmit.sheet.with(Sheet::len));
    let is_playing = move || transmit.state() == Some(TransmissionState::Playing);
    let why =
        move || unavailable_publish_reason(transmit.context.broker_status.with(|broker_status| broker_status.state));
    let is_off = move || lines.get() == 0 || (why().is_some() && !transmit.is_active());
    // The line that the handle shows while it is dragged.
    let aim = RwSignal::new(None::<usize>);
    let at = move || aim.get().unwrap_or_else(|| transmit.at()) + 1;
    // While lines are being sent, the progress already shows the place.
    let begins = move || {
        let is_in_progress = aim.with(Option::is_none) && transmit.is_active();
        (lines.get() > 0 && !is_in_progress)
            .then(|| format!("Line {} of {}", grouped(at() as u64), grouped(lines.get() as u64)))
    };
    let text = move || {
        let repeat = transmit.form.with(PlanFields::repeat);
        let plan = transmit.plan.get_value();
        transmit.with(TransmissionSlot::Script, |view| Some(progress_text(view?, lines.get(), plan.as_ref(), repeat)))
    };
    let first_failed = move || transmit.with(TransmissionSlot::Script, |view| view.and_then(|view| view.first_failed));
    let show_failed = move |_| {
        let line = first_failed().and_then(|line| usize::try_from(line).ok());
        if let Some(entry) = line.and_then(|line| transmit.sheet.with_untracked(|sheet| sheet.entry_of(line))) {
            transmit.rows.center(entry);
        }
    };
    let chosen =
        move |event: &Event| event_target_value(event).parse::<usize>().ok().map(|line| line.saturating_sub(1));
    view! {
        <div class="player">
            <input
                type="range"
                min="1"
                aria-label="Line"
                aria-valuetext=move || format!("Line {} of {}", at(), lines.get())
                max=move || lines.get().max(1)
                prop:value=move || at().to_string()
                disabled=move || lines.get() == 0
                on:input=move |event| aim.set(chosen(&event))
                on:change=move |event| {
                    aim.set(None);
                    if let Some(line) = chosen(&event) {
                        transmit.seek(line);
                    }
                }
            />
            <div class="actions">
                <button
                    type="button"
                    class="button primary"
                    // "Pause" alone is the crawl's button.
                    aria-label=move || is_playing().then_some("Pause script")
                    aria-describedby="transmit-why"
                    disabled=is_off
                    on:click=move |_| transmit.press()
                >
                    {move || if is_playing() { "Pause" } else { "Play" }}
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || !transmit.is_active()
                    on:click=move |_| transmit.stop()
                >
                    "Stop"
                </button>
                <span class="progress">{begins}</span>
                <button type="button" class="button quiet" hidden=move || first_failed().is_none() on:click=show_failed>
                    "Go to first failure"
                </button>
            </div>
            <p class="progress outcome">{text}</p>
            <p class="why" id="transmit-why">{why}</p>
        </div>
    }
}

/// Shows that something is sent or played, anywhere on the page.
#[component]
fn TransmitIndicator(transmit: Transmit) -> impl IntoView {
    let context = transmit.context;
    let sign = move |slot: TransmissionSlot| {
        let is_shown = move || transmit.with(slot, |view| view.is_some_and(is_active));
        let text = move || {
            transmit.with(slot, |view| {
                let Some(view) = view else { return String::new() };
                match slot {
                    TransmissionSlot::Script => position_text(view, transmit.sheet.with(Sheet::len)),
                    TransmissionSlot::Message => format!("Repeating a message: {}", outcome_text(view)),
                }
            })
        };
        let open = move |_| match slot {
            TransmissionSlot::Script => context.run(PanelAction::Script),
            TransmissionSlot::Message => context.run(PanelAction::Send),
        };
        view! {
            <p hidden=move || !is_shown()>
                <button type="button" class="button quiet" on:click=open>{text}</button>
                <button type="button" class="button" on:click=move |_| context.send(&PanelCommand::Transmit(slot, TransmissionCommand::Stop))>
                    "Stop"
                </button>
            </p>
        }
    };
    let is_shown =
        move || transmit.views.with(|views| views.iter().any(is_active)) || transmit.log_player.is_under_way();
    view! {
        <section class="transmit-sign" aria-label="In progress" hidden=move || !is_shown()>
            {TransmissionSlot::ALL.map(sign).collect_view()}
            <ReplayIndicator player=transmit.log_player />
        </section>
    }
}
