//! "Line rules": how the crawl turns messages into lines. Rules by topic, and a preview of what they make
//! of the newest messages.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::dialogue::Line;
use crate::dialogue::rules::{LineRules, RULES_MAX};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::command::PanelsRequest;
use crate::protocol::panels::PanelAction;
use crate::protocol::update::PanelsUpdate;
use crate::protocol::update::Sample;
use crate::ui::forms::line_rule;
use crate::ui::forms::line_rule::{Field, Fields, RulePreview, Source};
use crate::web::dom;
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, is_open, open_non_modal};
use crate::web::panels::fields::{Choice, Form, TextBox, Tick, recreated};
use crate::web::panels::panel::{Panel, UpdatePace};

/// The form's first field.
const TOPICS_ID: &str = "lines-topics";

type RuleForm = Form<Fields, Field>;

/// The typed values, and what is known of messages.
#[derive(Clone, Copy)]
pub(super) struct LineRulesForm {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    form: RuleForm,
    /// Counts how often the form was filled again, for its inputs then have to be created again.
    filled: RwSignal<u32>,
    /// The index of the rule that is being changed.
    changed: RwSignal<Option<usize>>,
    /// The newest messages that match the topics of the rule in the form.
    samples: RwSignal<Vec<Sample>>,
}

impl LineRulesForm {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            form: Form::new(Fields::default(), &[]),
            filled: RwSignal::default(),
            changed: RwSignal::default(),
            samples: RwSignal::default(),
        }
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
    fn drafted(self, mut line_rules: LineRules) -> LineRules {
        if let Ok(rule) = self.form.with(Fields::parse) {
            match self.changed.get().and_then(|index| line_rules.rules.get_mut(index)) {
                Some(index) => *index = rule,
                None => line_rules.rules.push(rule),
            }
        }
        line_rules
    }
}

impl Panel for LineRulesForm {
    fn view(&self) -> AnyView {
        let line_rules_form = *self;
        view! { <LineRulesPanel line_rules_form /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::LineRules {
            open_non_modal(self.dialog);
        }
    }

    /// Requests the messages that the preview needs.
    fn request(&self, request: &mut PanelsRequest) {
        request.samples = is_open(self.dialog).then(|| untrack(|| self.filter()));
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(samples) = update.samples.take() {
            self.samples.set(samples);
        }
    }

    fn on_worker_lost(&self) {
        self.samples.set(Vec::new());
    }

    fn pace(&self) -> UpdatePace {
        if is_open(self.dialog) { UpdatePace::Readable } else { UpdatePace::EveryFrame }
    }
}

#[component]
fn LineRulesPanel(line_rules_form: LineRulesForm) -> impl IntoView {
    let LineRulesForm { context, dialog, form, filled, changed, .. } = line_rules_form;
    let line_rules = context.line_rules;
    let choose = move |line_rules| context.request_crawl(context.opening.get_untracked(), line_rules);
    // When another filter is typed, other messages are needed.
    let filter = Memo::new(move |_| line_rules_form.filter());
    Effect::new(move || {
        filter.track();
        if is_open(dialog) {
            context.pull_with_frame();
        }
    });
    // If the rules were changed elsewhere, the one that was being changed may be gone.
    let count = Memo::new(move |_| line_rules.with(|line_rules| line_rules.rules.len()));
    Effect::new(move || {
        if changed.get_untracked().is_some_and(|index| index >= count.get()) {
            changed.set(None);
        }
    });
    let is_full = move || changed.get().is_none() && count.get() >= RULES_MAX;
    let submit = move || match form.typed().0.parse() {
        Ok(_) if untrack(is_full) => {}
        Ok(_) => {
            choose(untrack(|| line_rules_form.drafted(line_rules.get())));
            line_rules_form.fill(Fields::default(), None);
        }
        Err(faults) => form.set_errors(faults),
    };
    let inputs = recreated(move || filled.get(), move || view! { <RuleInputs form /> });
    view! {
        <PanelDialog dialog id="lines-title" title="Line rules" class="panel lines-panel">
            <div class="panel-body">
                <section class="rules">
                    <p class="why">
                        "How messages appear in the crawl. The first matching rule applies; otherwise speaker and text are \
                         detected automatically. The console always shows everything."
                    </p>
                    <ol aria-label="Rules">
                        <For each=move || 0..count.get() key=|index| *index let:index>
                            <Entry line_rules_form index />
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
                    <h3>{move || changed.get().map_or("Add rule".to_owned(), |index| format!("Edit rule {}", index + 1))}</h3>
                    {inputs}
                    <div class="panel-foot">
                        <button type="submit" class="button primary" disabled=is_full>
                            {move || if changed.get().is_some() { "Save" } else { "Add" }}
                        </button>
                        <button
                            type="button"
                            class="button"
                            hidden=move || changed.get().is_none()
                            on:click=move |_| line_rules_form.fill(Fields::default(), None)
                        >
                            "Cancel"
                        </button>
                        <p class="why">
                            {move || if is_full() {
                                "Maximum of 32 rules."
                            } else {
                                "Applies to new messages. Saved in this browser and in the link."
                            }}
                        </p>
                    </div>
                </form>
                <Previews line_rules_form />
            </div>
        </PanelDialog>
    }
}

/// One rule, by its index in the list.
#[component]
fn Entry(line_rules_form: LineRulesForm, index: usize) -> impl IntoView {
    let context = line_rules_form.context;
    let line_rules = context.line_rules;
    let rule = Memo::new(move |_| line_rules.with(|line_rules| line_rules.rules.get(index).cloned()));
    let number = index + 1;
    let is_last = move || line_rules.with(|line_rules| number >= line_rules.rules.len());
    let edit = move |act: &dyn Fn(&mut LineRules)| {
        let mut chosen = line_rules.get_untracked();
        act(&mut chosen);
        // From now on the places refer to other rules.
        if line_rules_form.changed.get_untracked().is_some() {
            line_rules_form.fill(Fields::default(), None);
        }
        context.request_crawl(context.opening.get_untracked(), chosen);
    };
    let topics = move || rule.with(|rule| rule.as_ref().map(|rule| rule.topics.to_string()));
    let summary = move || rule.with(|rule| rule.as_ref().map(line_rule::summary));
    // The button moves with the rule.
    let shift = move |to: usize| {
        edit(&|line_rules| line_rules.rules.swap(index, to));
        let button = |way: &str| format!("[aria-label='Move rule {} {way}']", to + 1);
        focus_on(if to < index { [button("up"), button("down")] } else { [button("down"), button("up")] });
    };
    let form = || [format!("#{TOPICS_ID}"), String::new()];
    view! {
        <li aria-current=move || (line_rules_form.changed.get() == Some(index)).then_some("true")>
            <span class="number" aria-hidden="true">{number}</span>
            <div class="rule">
                <bdi>{topics}</bdi>
                <p class="why">{summary}</p>
            </div>
            <div class="rule-actions">
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Edit rule {number}")
                    on:click=move |_| {
                        if let Some(rule) = rule.get_untracked() {
                            line_rules_form.fill(Fields::from(&rule), Some(index));
                            focus_on(form());
                        }
                    }
                >
                    "Edit"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Move rule {number} up")
                    disabled=index == 0
                    on:click=move |_| shift(index - 1)
                >
                    "↑"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Move rule {number} down")
                    disabled=is_last
                    on:click=move |_| shift(index + 1)
                >
                    "↓"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    aria-label=format!("Remove rule {number}")
                    on:click=move |_| {
                        edit(&|line_rules| drop(line_rules.rules.remove(index)));
                        focus_on(form());
                    }
                >
                    "Remove"
                </button>
            </div>
        </li>
    }
}

const fn source_label(source: Source) -> &'static str {
    match source {
        Source::Found => "Automatic",
        Source::Field => "JSON field",
        Source::Level => "Topic level",
        Source::Sentence => "Template",
        Source::Payload => "Full payload",
        Source::Nobody => "None",
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
    let is_text = field == Field::Text;
    let (label, placeholder, hint) = match source {
        Source::Field => (
            if is_text { "Text field" } else { "Speaker field" },
            "sensor.name",
            "Use dots for nested fields; list items start at 0.",
        ),
        Source::Level => ("Speaker level", "1", "1 = first level, -1 = last."),
        Source::Sentence if is_text => (
            "Text template",
            "the {1} reports {value} °C",
            "{value}, {unit} or {sensor.name} = a field; {1} = first topic level, {-1} = last; {topic} = full topic; \
             {payload} = full payload.",
        ),
        Source::Sentence => ("Speaker template", "The {1}", "{1} = first topic level, {device} = a field."),
        _ => return None,
    };
    let text_box = view! { <TextBox form field of id=format!("lines-{id}-text") label placeholder hint /> };
    // A sentence needs the width of a row.
    Some(view! { <div class:wide=source == Source::Sentence>{text_box}</div> }.into_any())
}

#[component]
fn RuleInputs(form: RuleForm) -> impl IntoView {
    let speaker_from = Memo::new(move |_| form.with(|fields| fields.speaker_from));
    let text_from = Memo::new(move |_| form.with(|fields| fields.text_from));
    let choices = |sources: &[Source]| sources.iter().map(|source| (source.name(), source_label(*source))).collect();
    // A hidden part still belongs to the form, which keeps its values.
    let is_hidden = Memo::new(move |_| form.with(|fields| fields.is_hidden));
    view! {
        <div class="fields">
            <TextBox
                form
                field=Field::Topics
                of=|fields| &mut fields.topics
                id=TOPICS_ID
                label="Match topics"
                placeholder="home/+/temperature"
                hint="A topic filter with + and #, as in a subscription."
            />
            <Tick
                id="lines-hidden"
                label="Hide from crawl"
                hint="Still shown in the console."
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
                id="lines-text"
                label="Text"
                choices=choices(&Source::OF_WORDS)
                chosen=Signal::derive(move || text_from.get().name())
                choose=move |name| {
                    let source = Source::from_name(name).unwrap_or_default();
                    form.change(Field::Text, |fields| fields.text_from = source);
                }
            />
            {move || source_box(form, Field::Text, text_from.get(), |fields| &mut fields.text, "text")}
        </div>
    }
}

/// Shows what the rules, including the typed one, make of the newest messages.
#[component]
fn Previews(line_rules_form: LineRulesForm) -> impl IntoView {
    let line_rules = line_rules_form.context.line_rules;
    // For a moment the samples may still be those of another filter.
    let samples = Memo::new(move |_| {
        let filter = line_rules_form.filter();
        let matches = |sample: &&Sample| filter.matches(&sample.topic);
        line_rules_form.samples.with(|samples| samples.iter().filter(matches).cloned().collect::<Vec<_>>())
    });
    let is_example = move || samples.with(Vec::is_empty);
    let outcomes = Memo::new(move |_| {
        let line_rules = line_rules_form.drafted(line_rules.get());
        let samples = if is_example() { line_rule::examples(&line_rules_form.filter()) } else { samples.get() };
        samples.iter().map(|sample| line_rule::outcome(&line_rules, sample)).collect::<Vec<_>>()
    });
    // The number that the rule in the form has, or would get.
    let typed = Memo::new(move |_| {
        line_rules_form.changed.get().unwrap_or(line_rules.with(|line_rules| line_rules.rules.len())) + 1
    });
    let about = move || {
        if is_example() {
            "No messages yet; showing examples."
        } else {
            "Latest matching messages as the crawl shows them."
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
        let rule = if rule == typed { "Rule above".to_owned() } else { format!("Rule {rule}") };
        match lacks {
            None => format!("{rule}."),
            Some(placeholder) => format!("{rule}; the message has no {{{placeholder}}}, so that part is automatic."),
        }
    });
    let shown = match line {
        Some(line) => spoken(line).into_any(),
        None => view! { <i>"Hidden from the crawl"</i> }.into_any(),
    };
    view! {
        <li>
            <p class="sample"><bdi>{topic}</bdi>" "<bdi class="payload">{payload}</bdi></p>
            <p class="shown-line">{shown}</p>
            <p class="why">
                {by.unwrap_or_else(|| "Automatic.".to_owned())}
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
        let enabled =
            selectors.iter().find_map(|selector| dom::find_in_document(&format!("{selector}:not(:disabled)")));
        if let Some(element) = enabled.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // Never fails for an element on the page.
            let _ = element.focus();
        }
    });
}
