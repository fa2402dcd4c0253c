//! "Director": what the crawl opens with. Every change is shown at once, here and in the crawl on
//! screen, and is part of the link.

use leptos::prelude::*;

use crate::crawl::opening::{LOGO, Opening, OpeningMode, SPEED_NAMES};
use crate::crawl::pacing::Pace;
use crate::protocol::panels::{PanelAction, ToPage};
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, close, close_if_covering, open_non_modal};
use crate::web::panels::fields::{Choice, Form, TextBox, Tick, recreated};
use crate::web::panels::panel::Panel;
use crate::web::panels::sound::Sound;
use crate::web::window_bus;

/// A text of the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Card,
    Logo,
    Episode,
    Title,
    Intro,
}

/// Asks the page for another opening.
fn choose(context: PanelContext, opening: Opening) {
    context.request_crawl(opening, context.line_rules.get_untracked());
}

/// Asks the page for the present opening with a change.
fn change(context: PanelContext, change: impl FnOnce(&mut Opening)) {
    let mut chosen = context.opening.get_untracked();
    change(&mut chosen);
    choose(context, chosen);
}

/// The dialog, and the sound that it switches.
#[derive(Clone, Copy)]
pub(super) struct OpeningEditor {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    sound: Sound,
}

impl OpeningEditor {
    pub(super) fn new(context: PanelContext) -> Self {
        Self { context, dialog: NodeRef::new(), sound: Sound::new() }
    }

    /// Handles the key for sound: if there can be none, the panel shows why.
    fn toggle_sound(self) {
        self.sound.toggle();
        if self.sound.unavailable_reason.with_untracked(Option::is_some) {
            open_non_modal(self.dialog);
        }
    }
}

impl Panel for OpeningEditor {
    fn view(&self) -> AnyView {
        let editor = *self;
        view! { <OpeningPanel editor /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        match action {
            // Next to the crawl, where its changes are shown.
            PanelAction::Opening => open_non_modal(self.dialog),
            PanelAction::ToggleSound => self.toggle_sound(),
            // It opens in the place of this one.
            PanelAction::LineRules => close(self.dialog),
            _ => {}
        }
    }
}

#[component]
fn OpeningPanel(editor: OpeningEditor) -> impl IntoView {
    let OpeningEditor { context, dialog, sound } = editor;
    let opening = context.opening;
    let play = move |_| {
        close_if_covering(dialog);
        window_bus::send_to_page(&ToPage::PlayOpening);
    };
    view! {
        <PanelDialog dialog id="opening-title" title="Director">
            <div class="panel-body">
                <Stills opening />
                <OpeningFields context />
                <CrawlFields context />
                <fieldset>
                    <legend>"Sound"</legend>
                    <div class="fields">
                        <Tick
                            id="opening-sound"
                            label="Ambient sound"
                            ticked=sound.is_on
                            on_tick=move |_| sound.toggle()
                            hint="Generated soft chords (M). Off by default."
                            unavailable_reason=sound.unavailable_reason.into()
                        />
                    </div>
                </fieldset>
                <fieldset>
                    <legend>"Messages"</legend>
                    <p class="why">"Choose what each topic shows in the crawl."</p>
                    <button type="button" class="button" aria-haspopup="dialog" on:click=move |_| context.run(PanelAction::LineRules)>
                        "Line rules"
                    </button>
                </fieldset>
            </div>
            <footer class="panel-foot" role="none">
                <button type="button" class="button primary" on:click=play>
                    "Replay opening"
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || opening.with(|opening| *opening == Opening::default())
                    on:click=move |_| choose(context, Opening::default())
                >
                    "Reset"
                </button>
            </footer>
        </PanelDialog>
    }
}

/// The texts of the opening, and when it plays.
#[component]
fn OpeningFields(context: PanelContext) -> impl IntoView {
    let opening = context.opening;
    let form = Form::<Opening, Part>::new(Opening::default(), &[]);
    // The inputs are created again if the opening was changed elsewhere: by another link.
    let age = RwSignal::new(0);
    Effect::new(move || {
        let now = opening.get();
        // A mode that the texts imply isn't stored.
        if form.typed().0.settled() != now.clone().settled() {
            form.fill(now, &[]);
            age.update(|age| *age += 1);
        }
    });
    view! {
        <fieldset>
            <legend>"Opening"</legend>
            <div on:input=move |_| choose(context, form.typed().0)>
                {recreated(move || age.get(), move || view! { <Inputs form /> })}
            </div>
            <p class="why">"Empty fields are skipped. Each line of the introduction is a paragraph."</p>
            <div class="fields">
                <Choice
                    id="opening-mode"
                    label="Opening"
                    choices=OpeningMode::ALL.map(|mode| (mode.name(), mode_label(mode))).to_vec()
                    chosen=Signal::derive(move || opening.with(|opening| opening.effective_mode().name()))
                    choose=move |name| change(context, |opening| opening.mode = OpeningMode::from_name(name))
                />
            </div>
            <p class="why">
                "By default, a customized opening always plays to its end, and the built-in one is shortened when \
                 messages are waiting."
            </p>
        </fieldset>
    }
}

/// How lines are shown.
#[component]
fn CrawlFields(context: PanelContext) -> impl IntoView {
    let opening = context.opening;
    view! {
        <fieldset>
            <legend>"Crawl"</legend>
            <div class="fields">
                <Choice
                    id="opening-speed"
                    label="Speed (%)"
                    choices=SPEED_NAMES.map(|name| (name, name)).to_vec()
                    chosen=Signal::derive(move || opening.with(|opening| opening.speed_name()))
                    choose=move |name| {
                        let percent = Opening::speed_from(name);
                        change(context, |opening| opening.speed_percent = percent.unwrap_or(opening.speed_percent));
                    }
                />
                <Choice
                    id="opening-pace"
                    label="Pace"
                    choices=Pace::ALL.map(|pace| (pace.name(), pace_label(pace))).to_vec()
                    chosen=Signal::derive(move || opening.with(|opening| opening.pace.name()))
                    choose=move |name| {
                        let pace = Pace::from_name(name);
                        change(context, |opening| opening.pace = pace.unwrap_or(opening.pace));
                    }
                />
                <Tick
                    id="opening-stars"
                    label="Stars"
                    ticked=Signal::derive(move || opening.with(|opening| opening.has_stars))
                    on_tick=move |ticked| change(context, |opening| opening.has_stars = ticked)
                />
            </div>
            <p class="why">
                "Every line: text gets smaller and faster as more lines arrive, up to 1.5 lines per second. Film pace: \
                 the film's size and speed; excess lines are skipped. Newest only: for wall displays; older lines are \
                 skipped."
            </p>
            <p class="why">"Saved in the link. Share it to show your opening."</p>
        </fieldset>
    }
}

/// Describes what the crawl does with lines that come faster than the film can show them.
const fn pace_label(pace: Pace) -> &'static str {
    match pace {
        Pace::All => "Every line",
        Pace::Film => "Film pace",
        Pace::Latest => "Newest only",
    }
}

/// Describes what an opening does when messages wait.
const fn mode_label(mode: OpeningMode) -> &'static str {
    match mode {
        OpeningMode::Yield => "Shortened when messages are waiting",
        OpeningMode::Always => "Always plays to its end",
        OpeningMode::Off => "Off",
    }
}

#[component]
fn Inputs(form: Form<Opening, Part>) -> impl IntoView {
    view! {
        <div class="fields">
            <TextBox form field=Part::Card of=|opening| &mut opening.card id="opening-card" label="Opening card" rows=2 />
            <TextBox
                form
                field=Part::Logo
                of=|opening| &mut opening.logo
                id="opening-logo"
                label="Logo"
                placeholder="none"
                hint="Any text; MQTT CRAWL has its own drawing."
            />
            <TextBox
                form
                field=Part::Episode
                of=|opening| &mut opening.episode
                id="opening-episode"
                label="Episode"
                placeholder="none"
            />
            <TextBox
                form
                field=Part::Title
                of=|opening| &mut opening.title
                id="opening-crawl-title"
                label="Title"
                placeholder="none"
            />
            <TextBox
                form
                field=Part::Intro
                of=|opening| &mut opening.intro
                id="opening-intro"
                label="Introduction"
                rows=4
            />
        </div>
    }
}

/// The scenes as small still pictures.
#[component]
fn Stills(opening: RwSignal<Opening>) -> impl IntoView {
    let text = move |part: fn(&Opening) -> &String| move || opening.with(|opening| part(opening).clone());
    let paragraphs = move || {
        opening.with(|opening| opening.paragraphs().map(|text| view! { <p>{text.to_owned()}</p> }).collect_view())
    };
    let is_drawn = move || opening.with(|opening| opening.logo == LOGO).to_string();
    view! {
        <div class="stills" aria-hidden="true" data-stars=move || opening.with(|opening| opening.has_stars).to_string()>
            <p class="still-card">{text(|opening| &opening.card)}</p>
            <p class="still-logo" data-drawn=is_drawn><span>{text(|opening| &opening.logo)}</span></p>
            <div class="still-text">
                <p>{text(|opening| &opening.episode)}</p>
                <h3>{text(|opening| &opening.title)}</h3>
                {paragraphs}
            </div>
        </div>
    }
}
