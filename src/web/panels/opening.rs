//! "Director": what the crawl opens with. Every change is shown at once, here and in the crawl on
//! screen, and is part of the link.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use crate::crawl::opening::{LOGO, Opening, OpeningMode, SPEED_NAMES};
use crate::crawl::pacing::Pace;
use crate::web::panels::fields::{Choice, Form, TextBox, Tick, anew};
use crate::web::panels::{Panels, close, close_if_covering, head};
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

#[component]
pub(super) fn DirectorPanel(panels: Panels) -> impl IntoView {
    let opening = panels.opening;
    let choose = move |opening| panels.choose_crawl(opening, panels.mapping.get_untracked());
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
    let change = move |change: &dyn Fn(&mut Opening)| {
        let mut chosen = opening.get_untracked();
        change(&mut chosen);
        choose(chosen);
    };
    let play = move || {
        close_if_covering(panels.director);
        window_bus::send(window_bus::PAGE, &window_bus::PLAY_OPENING.into());
    };
    let on_key = move |event: KeyboardEvent| {
        // The dialog isn't modal, so the browser doesn't handle the key.
        if event.key() == "Escape" {
            close(panels.director);
        }
    };
    view! {
        <dialog class="panel" node_ref=panels.director aria-labelledby="director-title" on:keydown=on_key>
            {head("director-title", "Director", panels.director)}
            <div class="panel-body">
                <Stills opening />
                <fieldset>
                    <legend>"Opening"</legend>
                    <div on:input=move |_| choose(form.typed().0)>
                        {anew(move || age.get(), move || view! { <Inputs form /> })}
                    </div>
                    <p class="why">
                        "A part without words is left out. Each line of the introduction is a paragraph."
                    </p>
                    <div class="fields">
                        <Choice
                            id="director-mode"
                            label="Opening"
                            choices=OpeningMode::ALL.map(|mode| (mode.name(), mode_words(mode))).to_vec()
                            chosen=Signal::derive(move || opening.with(|opening| opening.effective_mode().name()))
                            choose=move |name| {
                                let mode = OpeningMode::from_name(name);
                                change(&|opening| opening.mode = mode);
                            }
                        />
                    </div>
                    <p class="why">
                        "Unless you choose otherwise, an opening with words of yours always plays to its end, and the "
                        "app's own gives way."
                    </p>
                </fieldset>
                <fieldset>
                    <legend>"Crawl"</legend>
                    <div class="fields">
                        <Choice
                            id="director-speed"
                            label="Speed in percent"
                            choices=SPEED_NAMES.map(|name| (name, name)).to_vec()
                            chosen=Signal::derive(move || opening.with(|opening| opening.speed_name()))
                            choose=move |name| {
                                let percent = Opening::speed_from(name);
                                change(&|opening| opening.speed_percent = percent.unwrap_or(opening.speed_percent));
                            }
                        />
                        <Choice
                            id="director-pace"
                            label="Pace"
                            choices=Pace::ALL.map(|pace| (pace.name(), pace_words(pace))).to_vec()
                            chosen=Signal::derive(move || opening.with(|opening| opening.pace.name()))
                            choose=move |name| {
                                let pace = Pace::from_name(name);
                                change(&|opening| opening.pace = pace.unwrap_or(opening.pace));
                            }
                        />
                        <Tick
                            id="director-stars"
                            label="Stars"
                            ticked=Signal::derive(move || opening.with(|opening| opening.has_stars))
                            on_tick=move |ticked| change(&|opening| opening.has_stars = ticked)
                        />
                    </div>
                    <p class="why">
                        "Every line: smaller and faster as lines come faster, up to one and a half a second. The film's: "
                        "its size and speed, and what is too much is skipped. The newest: for walls; what came before it "
                        "is left out."
                    </p>
                    <p class="why">"All of this is in the link: pass it on, and others see your opening."</p>
                </fieldset>
                <fieldset>
                    <legend>"Sound"</legend>
                    <div class="fields">
                        <Tick
                            id="director-sound"
                            label="Quiet pad"
                            ticked=panels.sound.is_wanted
                            on_tick=move |_| panels.sound.toggle()
                            hint="Slow chords, made here as they play. M turns them on and off; a new page is silent."
                            unavailable_reason=panels.sound.unavailable_reason.into()
                        />
                    </div>
                </fieldset>
                <fieldset>
                    <legend>"Messages"</legend>
                    <p class="why">"Who speaks and what is said, by topic; and what isn't told at all."</p>
                    <button type="button" class="button" aria-haspopup="dialog" on:click=move |_| panels.open_lines()>
                        "Lines"
                    </button>
                </fieldset>
            </div>
            <footer class="panel-foot" role="none">
                <button type="button" class="button primary" on:click=move |_| play()>
                    "Play the opening again"
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || opening.with(|opening| *opening == Opening::default())
                    on:click=move |_| choose(Opening::default())
                >
                    "Defaults"
                </button>
            </footer>
        </dialog>
    }
}

/// Describes what the crawl does with lines that come faster than the film can show them.
const fn pace_words(pace: Pace) -> &'static str {
    match pace {
        Pace::All => "Every line",
        Pace::Film => "The film's",
        Pace::Latest => "The newest",
    }
}

/// Describes what an opening does when messages wait.
const fn mode_words(mode: OpeningMode) -> &'static str {
    match mode {
        OpeningMode::Yield => "Gives way to waiting messages",
        OpeningMode::Always => "Always plays to its end",
        OpeningMode::Off => "Off",
    }
}

#[component]
fn Inputs(form: Form<Opening, Part>) -> impl IntoView {
    view! {
        <div class="fields">
            <TextBox form field=Part::Card of=|opening| &mut opening.card id="director-card" label="Card" rows=2 />
            <TextBox
                form
                field=Part::Logo
                of=|opening| &mut opening.logo
                id="director-logo"
                label="Logotype"
                placeholder="none"
                hint="MQTT CRAWL is drawn; other words are set in type."
            />
            <TextBox
                form
                field=Part::Episode
                of=|opening| &mut opening.episode
                id="director-episode"
                label="Episode"
                placeholder="none"
            />
            <TextBox
                form
                field=Part::Title
                of=|opening| &mut opening.title
                id="director-crawl-title"
                label="Title"
                placeholder="none"
            />
            <TextBox
                form
                field=Part::Intro
                of=|opening| &mut opening.intro
                id="director-intro"
                label="Introduction"
                rows=4
            />
        </div>
    }
}

/// The scenes as small still pictures.
#[component]
fn Stills(opening: RwSignal<Opening>) -> impl IntoView {
    let words = move |part: fn(&Opening) -> &String| move || opening.with(|opening| part(opening).clone());
    let paragraphs = move || {
        opening.with(|opening| opening.paragraphs().map(|words| view! { <p>{words.to_owned()}</p> }).collect_view())
    };
    let is_drawn = move || opening.with(|opening| opening.logo == LOGO).to_string();
    view! {
        <div class="stills" aria-hidden="true" data-stars=move || opening.with(|opening| opening.has_stars).to_string()>
            <p class="still-card">{words(|opening| &opening.card)}</p>
            <p class="still-logo" data-drawn=is_drawn><span>{words(|opening| &opening.logo)}</span></p>
            <div class="still-words">
                <p>{words(|opening| &opening.episode)}</p>
                <h3>{words(|opening| &opening.title)}</h3>
                {paragraphs}
            </div>
        </div>
    }
}
