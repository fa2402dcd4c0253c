//! "Export": writes the log into a file: directly if the browser supports that, otherwise into the
//! parts of a blob, which browsers keep outside of a page's memory. The next slice is requested
//! once the last one is written.

use crate::web::download::{download, file_name};
use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag};

use crate::format::grouped;
use crate::message_log::csv::{Dialect, Separator};
use crate::message_log::export::{ExportPart, ExportRequest, ExportState, Format, Selection};
use crate::protocol::command::PanelsRequest;
use crate::protocol::panels::PanelAction;
use crate::protocol::update::PanelsUpdate;
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, open_non_modal};
use crate::web::panels::fields::Tick;
use crate::web::panels::panel::Panel;

/// The browser's function for choosing a file to write into; not all browsers have it.
const PICKER: &str = "showSaveFilePicker";

/// The handle of an export.
#[derive(Clone, Copy)]
pub(super) struct FileExport {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    exporting: StoredValue<ExportState>,
    sink: StoredValue<Option<FileSink>, LocalStorage>,
    /// A slice was requested and isn't written yet.
    is_asked: StoredValue<bool>,
    is_busy: RwSignal<bool>,
    text: RwSignal<String>,
}

/// Where the slices are written.
struct FileSink {
    name: String,
    format: Format,
    into: WriteTarget,
}

enum WriteTarget {
    Blobs(Array),
    /// A `FileSystemWritableFileStream`.
    File(JsValue),
}

impl FileExport {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            exporting: StoredValue::default(),
            sink: StoredValue::new_local(None),
            is_asked: StoredValue::default(),
            is_busy: RwSignal::default(),
            text: RwSignal::default(),
        }
    }

    /// Returns what to request from the worker, once for each slice: the worker answers at once.
    fn next_slice(self) -> Option<ExportRequest> {
        let request = self.exporting.with_value(ExportState::request).filter(|_| !self.is_asked.get_value())?;
        self.is_asked.set_value(true);
        Some(request)
    }

    /// Lets the person choose the file if that is possible, and begins.
    fn begin(self, format: Format, selection: Selection) {
        if self.is_busy.get_untracked() {
            return;
        }
        self.is_busy.set(true);
        self.text.set(String::new());
        let name = file_name(format.extension());
        spawn_local(async move {
            let into = match picked(&name, format).await {
                None => WriteTarget::Blobs(Array::new()),
                Some(Ok(file)) => WriteTarget::File(file),
                // The person closed the browser's dialog.
                Some(Err(_)) => return self.end("Save cancelled.".to_owned()),
            };
            self.sink.set_value(Some(FileSink { name, format, into }));
            self.exporting.set_value(ExportState::new(format, selection));
            self.context.pull_with_frame();
        });
    }

    /// Handles the worker's answer.
    fn handle_part(self, part: ExportPart) {
        let taken = self.exporting.try_update_value(|exporting| Some((exporting.take(part)?, *exporting))).flatten();
        let Some((bytes, exporting)) = taken else { return };
        let messages = match exporting.messages() {
            1 => "1 message".to_owned(),
            count => format!("{} messages", grouped(count)),
        };
        self.text.set(format!("{messages} so far…"));
        let is_last = exporting.request().is_none();
        spawn_local(async move {
            let Some(mut sink) = self.sink.try_update_value(Option::take).flatten() else { return };
            let written = match sink.write(&bytes).await {
                Ok(()) if is_last => sink.close().await,
                other => other,
            };
            self.is_asked.set_value(false);
            match written {
                Err(_) => {
                    self.exporting.set_value(ExportState::default());
                    self.end(format!("Couldn't write {}. Check free disk space.", sink.name));
                }
                Ok(()) if is_last => self.end(format!("Saved {messages} to {}.", sink.name)),
                Ok(()) => {
                    self.sink.set_value(Some(sink));
                    // Not with a frame, because a hidden page has none.
                    self.context.pull();
                }
            }
        });
    }

    fn end(self, text: String) {
        self.text.set(text);
        self.is_busy.set(false);
    }
}

impl Panel for FileExport {
    fn view(&self) -> AnyView {
        let file_export = *self;
        view! { <ExportPanel file_export /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Export {
            open_non_modal(self.dialog);
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.export = self.next_slice();
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(part) = update.export.take() {
            self.handle_part(part);
        }
    }

    fn on_worker_lost(&self) {
        if self.exporting.with_value(ExportState::request).is_some() {
            self.exporting.set_value(ExportState::default());
            self.is_asked.set_value(false);
            self.sink.set_value(None);
            self.end("The MQTT worker crashed before all messages were saved.".to_owned());
        }
    }
}

impl FileSink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        let bytes = Uint8Array::from(bytes);
        match &self.into {
            WriteTarget::Blobs(parts) => {
                parts.push(Blob::new_with_u8_array_sequence(&Array::of1(&bytes))?.as_ref());
                Ok(())
            }
            WriteTarget::File(file) => call(file, "write", &bytes).await.map(drop),
        }
    }

    async fn close(&self) -> Result<(), JsValue> {
        match &self.into {
            WriteTarget::Blobs(parts) => {
                let options = BlobPropertyBag::new();
                options.set_type(self.format.media_type());
                download(&Blob::new_with_blob_sequence_and_options(parts, &options)?, &self.name)
            }
            WriteTarget::File(file) => call(file, "close", &JsValue::UNDEFINED).await.map(drop),
        }
    }
}

/// Returns the file that the person chose to write into; `None` if the browser offers no choice.
async fn picked(name: &str, format: Format) -> Option<Result<JsValue, JsValue>> {
    let window = window();
    Reflect::get(&window, &PICKER.into()).ok()?.dyn_into::<Function>().ok()?;
    let options = Object::new();
    let accept = Object::new();
    let types = Object::new();
    let endings = Array::of1(&format!(".{}", format.extension()).into());
    // Never fails for a plain object.
    let _ = Reflect::set(&accept, &format.media_type().into(), &endings);
    let _ = Reflect::set(&types, &"accept".into(), &accept);
    let _ = Reflect::set(&options, &"suggestedName".into(), &name.into());
    let _ = Reflect::set(&options, &"types".into(), &Array::of1(&types));
    let writable = async {
        let handle = call(&window, PICKER, &options).await?;
        call(&handle, "createWritable", &JsValue::UNDEFINED).await
    };
    Some(writable.await)
}

/// Returns the result of a method that returns a promise.
async fn call(object: &JsValue, method: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    JsFuture::from(method.call1(object, argument)?.dyn_into::<Promise>()?).await
}

/// Returns the separator that spreadsheets expect in this person's locale: a semicolon if the
/// decimal separator is a comma.
fn local_separator() -> Separator {
    // In the locale "C" WebKit reports a language for which the formatter throws.
    let language = window().navigator().language().filter(|language| is_language_tag(language));
    let language = language.unwrap_or_else(|| "en".to_owned());
    let decimals = String::from(js_sys::Number::from(1.5).to_locale_string(&language));
    if decimals.contains(',') { Separator::Semicolon } else { Separator::Comma }
}

/// Whether it looks like a BCP 47 tag: `de`, `pt-BR`, `zh-Hans-CN`.
fn is_language_tag(language: &str) -> bool {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = language.split('-').next().unwrap_or_default();
    (2..=3).contains(&first.len()) && language.split('-').all(is_part)
}

#[component]
fn ExportPanel(file_export: FileExport) -> impl IntoView {
    let selection = RwSignal::new(Selection::All);
    let choose = move |event: leptos::ev::Event| {
        selection.set(if event_target_value(&event) == "matching" { Selection::Matching } else { Selection::All });
    };
    let dialect = RwSignal::new(Dialect { separator: local_separator(), keeps_digits: false });
    let choose_separator = move |event: leptos::ev::Event| {
        let is_comma = event_target_value(&event) == "comma";
        dialect.update(|dialect| dialect.separator = if is_comma { Separator::Comma } else { Separator::Semicolon });
    };
    let is_separator = move |separator: Separator| dialect.with(|dialect| dialect.separator == separator);
    let button = move |format: fn(Dialect) -> Format, text: &'static str| {
        view! {
            <button
                type="button"
                class="button"
                disabled=move || file_export.is_busy.get()
                on:click=move |_| file_export.begin(format(dialect.get_untracked()), selection.get_untracked())
            >
                {text}
            </button>
        }
    };
    view! {
        <PanelDialog dialog=file_export.dialog id="export-title" title="Export">
            <div class="panel-body">
                <section class="replay">
                    <p class="why">
                        "NDJSON is lossless and can be imported again. CSV is for spreadsheets: UTC times, binary payloads as \
                         Base64, and an apostrophe before text that a spreadsheet would run as a formula."
                    </p>
                    <div class="actions">
                        <label class="field speed">
                            <span>"Messages"</span>
                            <select id="export-selection" on:change=choose>
                                <option value="all">"All messages"</option>
                                <option value="matching">"Filtered messages"</option>
                            </select>
                        </label>
                        {button(|_| Format::Ndjson, "Save as NDJSON")}
                        {button(Format::Csv, "Save as CSV")}
                        <label class="field speed">
                            <span>"CSV separator"</span>
                            <select id="export-separator" on:change=choose_separator>
                                <option value="comma" selected=move || is_separator(Separator::Comma)>"Comma"</option>
                                <option value="semicolon" selected=move || is_separator(Separator::Semicolon)>"Semicolon"</option>
                            </select>
                        </label>
                    </div>
                    <Tick
                        id="export-digits"
                        label="Preserve digits in CSV"
                        ticked=Signal::derive(move || dialect.with(|dialect| dialect.keeps_digits))
                        on_tick=move |ticked| dialect.update(|dialect| dialect.keeps_digits = ticked)
                        hint="Writes long numbers, leading zeros and text that looks like a date as =\"0042\", for Excel."
                    />
                    <p role="status">{move || file_export.text.get()}</p>
                </section>
            </div>
        </PanelDialog>
    }
}
