//! "Preferences": how the app looks, what the console shows, how much the log keeps. Every change
//! takes effect at once, in all tabs.

use leptos::prelude::*;

use crate::config::settings::{Column, Settings, Theme, TimeMode};
use crate::format::{grouped, size};
use crate::protocol::command::PanelsRequest;
use crate::protocol::panels::{PanelAction, ToPage};
use crate::protocol::update::{PanelsUpdate, Stats};
use crate::ui::forms::log_limits::{LimitField, LimitFields};
use crate::web::local_storage;
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, is_open, open_modal};
use crate::web::panels::fields::{Choice, Form, TextBox, Tick, recreated};
use crate::web::panels::panel::{Panel, UpdatePace};
use crate::web::window_bus;

/// Asks the page to use these settings; it answers with those in force.
fn choose(change: impl FnOnce(&mut Settings), settings: RwSignal<Settings>) {
    let mut chosen = settings.get_untracked();
    change(&mut chosen);
    window_bus::send_to_page(&ToPage::Settings(chosen.to_text()));
}

/// Whether this browser keeps the settings for the next page.
fn are_kept(settings: &Settings) -> bool {
    local_storage::stored(&window()).is_some_and(|text| Settings::parse(&text) == *settings)
}

/// Returns the defaults of everything that is chosen here; the crawl's rules, which have a panel of
/// their own, are kept.
fn defaults_except_rules(settings: &Settings) -> Settings {
    Settings { line_rules: settings.line_rules.clone(), ..Settings::default() }
}

/// The dialog, and the numbers of the log while it is open.
#[derive(Clone, Copy)]
pub(super) struct Preferences {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    stats: RwSignal<Stats>,
}

impl Preferences {
    pub(super) fn new(context: PanelContext) -> Self {
        Self { context, dialog: NodeRef::new(), stats: RwSignal::default() }
    }
}

impl Panel for Preferences {
    fn view(&self) -> AnyView {
        let preferences = *self;
        view! { <PreferencesPanel preferences /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Preferences {
            open_modal(self.dialog);
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.stats = is_open(self.dialog);
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(stats) = update.stats.take() {
            self.stats.set(stats);
        }
    }

    fn pace(&self) -> UpdatePace {
        if is_open(self.dialog) { UpdatePace::Readable } else { UpdatePace::EveryFrame }
    }
}

#[component]
fn PreferencesPanel(preferences: Preferences) -> impl IntoView {
    let settings = preferences.context.settings;
    let reset = Trigger::new();
    let not_saved = move || {
        (!settings.with(are_kept)).then_some(
            "Preferences can't be saved in this browser (private window or blocked site data). They apply until the \
             page is closed.",
        )
    };
    view! {
        <PanelDialog dialog=preferences.dialog id="preferences-title" title="Preferences">
            <div class="panel-body">
                <fieldset>
                    <legend>"Appearance"</legend>
                    <div class="fields">
                        <Choice
                            id="preferences-theme"
                            label="Theme"
                            choices=Theme::ALL.map(|theme| (theme.name(), theme_label(theme))).to_vec()
                            chosen=Signal::derive(move || settings.with(|settings| settings.theme.name()))
                            choose=move |name| {
                                let theme = Theme::from_name(name).unwrap_or_default();
                                choose(|settings| settings.theme = theme, settings);
                            }
                        />
                    </div>
                </fieldset>
                <ConsoleFields settings />
                <LogFields preferences reset />
            </div>
            <footer class="panel-foot" role="none">
                <button
                    type="button"
                    class="button"
                    disabled=move || settings.with(|settings| *settings == defaults_except_rules(settings))
                    on:click=move |_| {
                        reset.notify();
                        choose(|settings| *settings = defaults_except_rules(settings), settings);
                    }
                >
                    "Reset"
                </button>
                <p class="why" role="status">{not_saved}</p>
            </footer>
        </PanelDialog>
    }
}

/// What the console shows.
#[component]
fn ConsoleFields(settings: RwSignal<Settings>) -> impl IntoView {
    let has_widths = move || {
        settings.with(|settings| Column::ALL.iter().any(|&column| settings.columns.style(column).width_px.is_some()))
    };
    let reset_widths = move |_| {
        choose(
            |settings| {
                for column in Column::ALL {
                    settings.columns = settings.columns.resized(column, None);
                }
            },
            settings,
        );
    };
    view! {
        <fieldset>
            <legend>"Console"</legend>
            <div class="fields">
                <Choice
                    id="preferences-time"
                    label="Time column"
                    choices=TimeMode::ALL.map(|mode| (mode.name(), time_label(mode))).to_vec()
                    chosen=Signal::derive(move || settings.with(|settings| settings.time.name()))
                    choose=move |name| {
                        let mode = TimeMode::from_name(name).unwrap_or_default();
                        choose(|settings| settings.time = mode, settings);
                    }
                />
            </div>
            <fieldset class="inner">
                <legend>"Columns"</legend>
                <div class="ticks">
                    {Column::ALL.map(|column| view! { <ColumnTick column settings /> })}
                </div>
                <button
                    type="button"
                    class="button quiet add"
                    hidden=move || !has_widths()
                    on:click=reset_widths
                >
                    "Reset widths"
                </button>
            </fieldset>
        </fieldset>
    }
}

/// How much the log keeps.
#[component]
fn LogFields(
    preferences: Preferences,
    /// Notifies that all preferences were reset.
    reset: Trigger,
) -> impl IntoView {
    let settings = preferences.context.settings;
    let form = Form::<LimitFields, LimitField>::new(settings.get_untracked().log.into(), &[]);
    // Created again when another tab, or "Reset", chose other limits.
    let log = Memo::new(move |_| settings.with(|settings| settings.log));
    let age = Memo::new(move |age: Option<&u32>| {
        let log = log.get();
        reset.track();
        if form.typed().0.parse() == Ok(log) {
            return age.copied().unwrap_or_default();
        }
        form.fill(log.into(), &[]);
        age.map_or(0, |age| age + 1)
    });
    let inputs = recreated(move || age.get(), move || view! { <LimitInputs form /> });
    let set_limits = move |_| match form.typed().0.parse() {
        Ok(limits) => {
            form.set_errors(Vec::new());
            if limits != log.get_untracked() {
                choose(|settings| settings.log = limits, settings);
            }
        }
        Err(faults) => form.set_errors(faults),
    };
    let now = move || {
        preferences.stats.with(|stats| {
            let (kept, bytes) = (grouped(stats.kept), size(stats.kept_bytes));
            format!("Now: {kept} messages, {bytes} of payloads and topics.")
        })
    };
    view! {
        <fieldset on:change=set_limits>
            <legend>"Log"</legend>
            {inputs}
            <p class="why" data-now="">{now}</p>
            <p class="why">
                "When a limit is reached, the oldest messages are dropped. Memory is released when you close the page."
            </p>
        </fieldset>
    }
}

const fn theme_label(theme: Theme) -> &'static str {
    match theme {
        Theme::Dark => "Dark",
        Theme::Light => "Light",
        Theme::System => "System",
    }
}

const fn time_label(mode: TimeMode) -> &'static str {
    match mode {
        TimeMode::Absolute => "Time of day",
        TimeMode::Relative => "Elapsed",
        TimeMode::SincePrevious => "Delta",
    }
}

#[component]
fn ColumnTick(column: Column, settings: RwSignal<Settings>) -> impl IntoView {
    let ticked = Signal::derive(move || settings.with(|settings| settings.columns.style(column).is_shown));
    let is_last = move || ticked.get() && settings.with(|settings| settings.columns.shown().count() == 1);
    view! {
        <Tick
            id=format!("preferences-column-{}", column.name())
            label=column.title()
            ticked
            on_tick=move |_| choose(|settings| settings.columns = settings.columns.toggled(column), settings)
            unavailable_reason=Signal::derive(move || is_last().then(|| "At least one column is required.".to_owned()))
        />
    }
}

#[component]
fn LimitInputs(form: Form<LimitFields, LimitField>) -> impl IntoView {
    view! {
        <div class="fields">
            <TextBox
                form
                field=LimitField::Messages
                of=|fields| &mut fields.messages
                id="preferences-messages"
                label="Maximum messages"
                inputmode="numeric"
            />
            <TextBox
                form
                field=LimitField::Mib
                of=|fields| &mut fields.mib
                id="preferences-mib"
                label="Maximum size (MiB)"
                inputmode="numeric"
            />
        </div>
    }
}
