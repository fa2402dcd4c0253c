//! The fields of the connection form, each with its label and its error.

use leptos::prelude::*;

use crate::config::link::Field;
use crate::web::page::attributes::is_invalid;
use crate::web::page::button::Button;
use crate::web::page::form::Form;

/// A text box with its label.
#[component]
pub(super) fn TextField(
    form: Form,
    field: Field,
    id: &'static str,
    label: &'static str,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] placeholder: Option<&'static str>,
) -> AnyView {
    let error = Signal::derive(move || form.error(field));
    // A warning is shown in the place of an error.
    let shown = Signal::derive(move || match error.get() {
        error if error.is_empty() && field == Field::Broker => form.warning(),
        error => error,
    });
    let on_input = Callback::new(move |text| form.type_into(field, text));
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <TextInput id=id.to_owned() kind placeholder text=form.text(field) error on_input />
            <p class="fault" id=fault_id(id)>{shown}</p>
        </div>
    }
    .into_any()
}

/// A topic's text box, with the button that removes it. The first one is called "Topic" by contract.
#[component]
pub(super) fn TopicField(form: Form, id: String) -> AnyView {
    let topic = form.topic(&id);
    let (key, label_for, fault_id) = (id.clone(), id.clone(), fault_id(&id));
    let place = Memo::new(move |_| form.topic_place(&key));
    let label = Signal::derive(move || match place.get() {
        0 => "Topic".to_owned(),
        index => format!("Topic {}", index + 1),
    });
    let remove_label = Signal::derive(move || format!("Remove topic {}", place.get() + 1));
    let error = Signal::derive(move || form.error(Field::Topic(place.get())));
    let on_input = Callback::new(move |text| form.type_topic(place.get_untracked(), text));
    view! {
        <div class="field topic-field">
            <label for=label_for>{label}</label>
            <div class="joined">
                <TextInput id text=topic error on_input />
                <Button
                    class="button icon"
                    label=remove_label
                    hidden=Signal::derive(move || form.topic_count() == 1)
                    on_click=move || form.remove_topic(place.get_untracked())
                >
                    "×"
                </Button>
            </div>
            <p class="fault" id=fault_id>{error}</p>
        </div>
    }
    .into_any()
}

#[component]
fn TextInput(
    id: String,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = None)] placeholder: Option<&'static str>,
    text: RwSignal<String>,
    error: Signal<String>,
    on_input: Callback<String>,
) -> AnyView {
    view! {
        <input
            type=kind
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            placeholder=placeholder
            aria-describedby=fault_id(&id)
            aria-invalid=is_invalid(error)
            id=id
            prop:value=text
            on:input=move |event| on_input.run(event_target_value(&event))
        />
    }
    .into_any()
}

/// A list of choices with its label.
#[component]
pub(super) fn Choice(
    id: &'static str,
    label: &'static str,
    #[prop(optional)] title: Option<&'static str>,
    /// The `id` of the text about the choice, if it can't be wrong.
    #[prop(optional)]
    described_by: Option<&'static str>,
    /// What is wrong with the choice, if it can be wrong.
    #[prop(optional)]
    error: Option<Signal<String>>,
    /// The value and the text of each choice.
    choices: Vec<(String, &'static str)>,
    chosen: Signal<String>,
    on_choose: Callback<String>,
) -> AnyView {
    let options = choices.into_iter().map(|(value, text)| {
        let own = value.clone();
        let is_chosen = Signal::derive(move || chosen.with(|chosen| *chosen == own));
        view! {
            <option value=value prop:selected=is_chosen>
                {text}
            </option>
        }
    });
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select
                id=id
                title=title
                aria-describedby=described_by.map_or_else(|| fault_id(id), str::to_owned)
                aria-invalid=error.map(is_invalid)
                on:change=move |event| on_choose.run(event_target_value(&event))
            >
                {options.collect::<Vec<_>>()}
            </select>
            {error.map(|error| view! { <p class="fault" id=fault_id(id)>{error}</p> })}
        </div>
    }
    .into_any()
}

/// Returns the `id` of the text that is shown about a field's error.
fn fault_id(id: &str) -> String {
    format!("{id}-fault")
}
