//! "Lines": how the crawl turns messages into lines. Rules by topic, and a preview of what they
//! make of the newest messages.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::dialogue::Line;
use crate::dialogue::rules::{LineRules, RULES_MAX};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::update::Sample;
use crate::ui::forms::line_rule;
use crate::ui::forms::line_rule::{Field, Fields, RulePreview, Source};
use crate::web::panels::fields::{Choice, Form, TextBox, Tick, anew};
use crate::web::panels::{Panels, close, head, is_open};

/// The form's first field.
const TOPICS_ID: &str = "lines-topics";

type RuleForm = Form<Fields, Field>;

/// The typed values, and what is known of messages.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub(super) dialog: NodeRef<leptos::html::Dialog>,
    form: RuleForm,
    /// Counts how often the form was filled again, for its inputs then have to be created again.
    filled: RwSignal<u32>,
    /// The place of the rule that is being changed.
    changed: RwSignal<Option<usize>>,
    /// The newest messages that match the topics of the rule in the form.
    samples: RwSignal<Vec<Sample>>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            form: Form::new(Fields::default(), &[]),
            filled: RwSignal::default(),
            changed: RwSignal::default(),
            samples: RwSignal::default(),
        }
    }

    /// The topics whose messages the preview needs, while it is shown.
    pub(super) fn glance(self) -> Option<TopicFilter> {
        is_open(self.dialog).then(|| untrack(|| self.filter()))
    }

    pub(super) fn take(self, samples: Vec<Sample>) {
        self.samples.set(samples);
    }

    /// Handles the loss of the worker, and of the messages with it.
    pub(super) fn on_worker_lost(self) {
        self.samples.set(Vec::new());
    }

    /// Returns the topics for the preview: the typed ones, or all.
    fn filter(self) -> TopicFilter {
        let typed = self.form.with(|fields| TopicFilter::parse(fields.topics.as_str()));
        // `#` is a valid filter.
        typed.or_else(|_| TopicFilter::parse("#")).expect("a topic filter")
    }

    fn fill(self, fields: Fields, changed: Option<usize>) {
        self.form.fill(fields, &[]);
        self.changed.set(changed);
        self.filled.update(|filled| *filled += 1);
    }

    /// Returns the rules including the typed one.
    fn drafted(self, mut mapping: LineRules) -> LineRules {
        if let Ok(rule) = self.form.with(Fields::parse) {
            match self.changed.get().and_then(|place| mapping.rules.get_mut(place)) {
                Some(place) => *place = rule,
                None => mapping.rules.push(rule),
            }
        }
        mapping
    }
}

#[component]
pub(super) fn LinesPanel(panels: Panels) -> impl IntoView {
    let Panels { mapping, lines, .. } = panels;
    let Lines { dialog, form, filled, changed, .. } = lines;
    let on_key = move |event: KeyboardEvent| {
        // The dialog isn't modal, so the browser doesn't handle the key.
        if event.key() == "Escape" {
            close(dialog);
        }
    };
    let choose = move |mapping| panels.choose_crawl(panels.opening.get_untracked(), mapping);
    // When another filter is typed, other messages are needed.
    let filter = Memo::new(move |_| lines.filter());
    Effect::new(move || {
        filter.track();
        if is_open(dialog) {
            panels.pull_with_frame();
        }
    });
    // If the rules were changed elsewhere, the one that was being changed may be gone.
    let count = Memo::new(move |_| mapping.with(|mapping| mapping.rules.len()));
    Effect::new(move || {
        if changed.get_untracked().is_some_and(|place| place >= count.get()) {
            changed.set(None);
        }
    });
    let is_full = move || changed.get().is_none() && count.get() >= RULES_MAX;
    let submit = move || match form.typed().0.parse() {
        Ok(_) if untrack(is_full) => {}
        Ok(_) => {
            choose(untrack(|| lines.drafted(mapping.get())));
            lines.fill(Fields::default(), None);
        }
        Err(faults) => form.set_errors(faults),
    };
    let inputs = anew(move || filled.get(), move || view! { <RuleInputs form /> });
    view! {
        <dialog class="panel lines-panel" node_ref=dialog aria-labelledby="lines-title" on:keydown=on_key>
            {head("lines-title", "Lines", dialog)}
            <div class="panel-body">
                <section class="rules">
                    <p class="why">
                        "What the crawl makes of a message. The first rule whose topics match decides; without one, \
                         speaker and words are found in the message by themselves. The console keeps every message."
                    </p>
                    <ol aria-label="Rules">
                        <For each=move || 0..count.get() key=|place| *place let:place>
                            <Entry panels place />
                        </For>
                    </ol>
                </section>
                <form
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        submit();
                    }
                >
                    <h3>{move || changed.get().map_or("Add a rule".to_owned(), |place| format!("Change rule {}", place + 1))}</h3>
                    {inputs}
                    <div class="panel-foot">
                        <button type="submit" class="button primary" disabled=is_full>
                            {move || if changed.get().is_some() { "Save" } else { "Add" }}
                        </button>
                        <button
                            type="button"
                            class="button"
                            hidden=move || changed.get().is_none()
                            on:click=move |_| lines.fill(Fields::default(), None)
                        >
                            "Cancel"
                        </button>
                        <p class="why">
                            {move || if is_full() {
                                "There is no room for more than 32 rules."
                            } else {
                                "Rules hold for lines still to come. They are kept in this browser and are in the link."
                            }}
                        </p>
                    </div>
                </form>
                <Previews panels />
            </div>
        </dialog>
    }
}

/// One rule, by its place in the list.
#[component]
fn Entry(panels: Panels, place: usize) -> impl IntoView {
    let Panels { mapping, lines, .. } = panels;
    let rule = Memo::new(move |_| mapping.with(|mapping| mapping.rules.get(place).cloned()));
    let number = place + 1;
    let is_last = move || mapping.with(|mapping| number >= mapping.rules.len());
    let edit = move |act: &dyn Fn(&mut LineRules)| {
        let mut chosen = mapping.get_untracked();
        act(&mut chosen);
        // From now on the places refer to other rules.
        if lines.changed.get_untracked().is_some() {
            lines.fill(Fields::default(), None);
        }
        panels.choose_crawl(panels.opening.get_untracked(), chosen);
    };
    let topics = move || rule.with(|rule| rule.as_ref().map(|rule| rule.topics.to_string()));
    let summary = move || rule.with(|rule| rule.as_ref().map(line_rule::summary));
    // The button moves with the rule.
    let shift = move |to: usize| {
        edit(&|mapping| mapping.rules.swap(place, to));
        let button = |way: &str| format!("[aria-label='Move rule {} {way}']", to + 1);
        focus_on(if to < place { [button("up"), button("down")] } else { [button("down"), button("up")] });
    };
    let form = || [format!("#{TOPICS_ID}"), String::new()];
    view! {
        <li aria-current=move || (lines.changed.get() == Some(place)).then_some("true")>
            <span class="number" aria-hidden="true">{number}</span>
            <div class="rule">
                <bdi>{topics}</bdi>
                <p class="why">{summary}</p>
            </div>
            <div class="deeds">
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Change rule {number}")
                    on:click=move |_| {
                        if let Some(rule) = rule.get_untracked() {
                            lines.fill(Fields::from(&rule), Some(place));
                            focus_on(form());
                        }
                    }
                >
                    "Change"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Move rule {number} up")
                    disabled=place == 0
                    on:click=move |_| shift(place - 1)
                >
                    "↑"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Move rule {number} down")
                    disabled=is_last
                    on:click=move |_| shift(place + 1)
                >
                    "↓"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Remove rule {number}")
                    on:click=move |_| {
                        edit(&|mapping| drop(mapping.rules.remove(place)));
                        focus_on(form());
                    }
                >
                    "Remove"
                </button>
            </div>
        </li>
    }
}

const fn source_words(source: Source) -> &'static str {
    match source {
        Source::Found => "Found by itself",
        Source::Field => "A field of JSON",
        Source::Level => "A level of the topic",
        Source::Sentence => "Words of your own",
        Source::Payload => "The whole payload",
        Source::Nobody => "Nobody",
    }
}

/// Returns the text box for what has to be typed for a source.
fn source_box(
    form: RuleForm,
    field: Field,
    source: Source,
    of: fn(&mut Fields) -> &mut String,
    id: &'static str,
) -> Option<AnyView> {
    let is_words = field == Field::Words;
    let (label, placeholder, hint) = match source {
        Source::Field => (
            if is_words { "Field of the words" } else { "Field of the speaker" },
            "sensor.name",
            "Dots go inside; items of a list count from 0.",
        ),
        Source::Level => ("Level of the speaker", "1", "1 is the first level, -1 the last."),
        Source::Sentence if is_words => (
            "What is said",
            "the {1} reports {value} °C",
            "{value}, {unit} or {sensor.name} is a field, {1} the topic's first level, {-1} its last, {topic} all of \
             it, {payload} the whole payload.",
        ),
        Source::Sentence => ("Who speaks", "The {1}", "{1} is the topic's first level, {device} a field."),
        _ => return None,
    };
    let text_box = view! { <TextBox form field of id=format!("lines-{id}-text") label placeholder hint /> };
    // A sentence needs the width of a row.
    Some(view! { <div class:wide=source == Source::Sentence>{text_box}</div> }.into_any())
}

#[component]
fn RuleInputs(form: RuleForm) -> impl IntoView {
    let speaker_from = Memo::new(move |_| form.with(|fields| fields.speaker_from));
    let words_from = Memo::new(move |_| form.with(|fields| fields.words_from));
    let choices = |sources: &[Source]| sources.iter().map(|source| (source.name(), source_words(*source))).collect();
    // A hidden part still belongs to the form, which keeps its values.
    let is_hidden = Memo::new(move |_| form.with(|fields| fields.is_hidden));
    view! {
        <div class="fields">
            <TextBox
                form
                field=Field::Topics
                of=|fields| &mut fields.topics
                id=TOPICS_ID
                label="For topics"
                placeholder="home/+/temperature"
                hint="A topic filter, with + and # as in a subscription."
            />
            <Tick
                id="lines-hidden"
                label="Not in the crawl"
                hint="The console keeps them all the same."
                ticked=is_hidden
                on_tick=move |ticked| form.change(Field::Topics, |fields| fields.is_hidden = ticked)
            />
        </div>
        <div class="fields" hidden=is_hidden>
            <Choice
                id="lines-speaker"
                label="Speaker"
                choices=choices(&Source::OF_SPEAKER)
                chosen=Signal::derive(move || speaker_from.get().name())
                choose=move |name| {
                    let source = Source::from_name(name).unwrap_or_default();
                    form.change(Field::Speaker, |fields| fields.speaker_from = source);
                }
            />
            {move || source_box(
                form,
                Field::Speaker,
                speaker_from.get(),
                |fields| &mut fields.speaker,
                "speaker",
            )}
        </div>
        <div class="fields" hidden=is_hidden>
            <Choice
                id="lines-words"
                label="Words"
                choices=choices(&Source::OF_WORDS)
                chosen=Signal::derive(move || words_from.get().name())
                choose=move |name| {
                    let source = Source::from_name(name).unwrap_or_default();
                    form.change(Field::Words, |fields| fields.words_from = source);
                }
            />
            {move || source_box(form, Field::Words, words_from.get(), |fields| &mut fields.words, "words")}
        </div>
    }
}

/// Shows what the rules, including the typed one, make of the newest messages.
#[component]
fn Previews(panels: Panels) -> impl IntoView {
    let Panels { mapping, lines, .. } = panels;
    // For a moment the samples may still be those of another filter.
    let samples = Memo::new(move |_| {
        let filter = lines.filter();
        let matches = |sample: &&Sample| filter.matches(&sample.topic);
        lines.samples.with(|samples| samples.iter().filter(matches).cloned().collect::<Vec<_>>())
    });
    let is_example = move || samples.with(Vec::is_empty);
    let outcomes = Memo::new(move |_| {
        let mapping = lines.drafted(mapping.get());
        let samples = if is_example() { line_rule::examples(&lines.filter()) } else { samples.get() };
        samples.iter().map(|sample| line_rule::outcome(&mapping, sample)).collect::<Vec<_>>()
    });
    // The number that the rule in the form has, or would get.
    let typed = Memo::new(move |_| lines.changed.get().unwrap_or(mapping.with(|mapping| mapping.rules.len())) + 1);
    let about = move || {
        if is_example() {
            "No message on these topics is kept yet, so these are examples."
        } else {
            "The newest messages on these topics, and what becomes of them."
        }
    };
    view! {
        <section class="previews" aria-labelledby="lines-preview">
            <h3 id="lines-preview">"Preview"</h3>
            <p class="why">{about}</p>
            <ul>
                {move || {
                    let typed = typed.get();
                    outcomes.with(|outcomes| outcomes.iter().map(|outcome| preview(outcome, typed)).collect_view())
                }}
            </ul>
        </section>
    }
}

fn preview(outcome: &RulePreview, typed: usize) -> impl IntoView + use<> {
    let RulePreview { topic, payload, line, rule, lacks, found } = outcome.clone();
    let alone = (rule.is_some() && line.as_ref() != Some(&found)).then(|| spoken(found));
    let by = rule.map(|rule| {
        let rule = if rule == typed { "the rule above".to_owned() } else { format!("rule {rule}") };
        match lacks {
            None => format!("By {rule}."),
            Some(place) => format!("By {rule}; the message has no {{{place}}}, so that part is found by itself."),
        }
    });
    let told = match line {
        Some(line) => spoken(line).into_any(),
        None => view! { <i>"Not in the crawl"</i> }.into_any(),
    };
    view! {
        <li>
            <p class="sample"><bdi>{topic}</bdi>" "<bdi class="payload">{payload}</bdi></p>
            <p class="told">{told}</p>
            <p class="why">
                {by.unwrap_or_else(|| "Found by itself.".to_owned())}
                {alone.map(|found| view! { " Without a rule: " {found} })}
            </p>
        </li>
    }
}

/// Shows a line as the crawl does, with the speaker set apart.
fn spoken(line: Line) -> impl IntoView {
    let Line { character, text } = line;
    let speaker = (!character.is_empty()).then(|| view! { <b>{character}</b>": " });
    view! { <bdi>{speaker}{text}</bdi> }
}

/// Moves the focus after a click that removed the focused element. It does so with the next frame,
/// when the page's answer is drawn.
fn focus_on(selectors: [String; 2]) {
    request_animation_frame(move || {
        let enabled = selectors
            .iter()
            .find_map(|selector| document().query_selector(&format!("{selector}:not(:disabled)")).ok().flatten());
        if let Some(element) = enabled.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // Never fails for an element on the page.
            let _ = element.focus();
        }
    });
}
