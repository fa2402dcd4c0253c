//! "More settings": the connection options, and what the broker allows on the present connection.

use leptos::prelude::*;

use crate::protocol::command::PageCommand;
use crate::protocol::connection::ConnectionOptions;
use crate::protocol::connection::ConnectionState;
use crate::ui::broker_capabilities::{Capability, CapabilityRow, capabilities, unavailable_reason};
use crate::ui::forms::connection_options::{Field, Fields, SessionExpiry, TimeUnit};
use crate::ui::forms::field::FieldError;
use crate::ui::forms::message;
use crate::ui::forms::message::MessageFields;
use crate::web::panels::fields::{
    Form, MessageInputs, PropertyRows, SubscriptionOptionInputs, TextBox, Tick, anew, disabled_reason,
};
use crate::web::panels::{Panels, close, head};
use crate::web::{channel, window_bus};

/// The form's two parts: the options, and the will.
#[derive(Clone, Copy)]
struct Forms {
    settings: Form<Fields, Field>,
    will: Form<MessageFields, message::Field>,
}

impl Forms {
    fn new() -> Self {
        let fields = Fields::default();
        Self { will: Form::new(fields.will.clone(), &[]), settings: Form::new(fields, &[]) }
    }

    fn fill(self, more: &ConnectionOptions) {
        let fields = Fields::from(more);
        self.will.fill(fields.will.clone(), &fields.will.user_properties);
        self.settings.fill(fields.clone(), &fields.user_properties);
    }

    /// Returns the options; if something is wrong, the form shows it.
    fn parse(self) -> Option<ConnectionOptions> {
        let (mut fields, user_properties) = self.settings.typed();
        fields.user_properties = user_properties;
        let (will, user_properties) = self.will.typed();
        fields.will = MessageFields { user_properties, ..will };
        let (parsed, faults) = match fields.parse() {
            Ok(more) => (Some(more), Vec::new()),
            Err(faults) => (None, faults),
        };
        let of_will = |fault: &FieldError<Field>| match fault.field {
            Field::Will(field) => Some(FieldError { field, words: fault.words.clone() }),
            _ => None,
        };
        self.will.set_errors(faults.iter().filter_map(of_will).collect());
        self.settings.set_errors(faults.into_iter().filter(|fault| !matches!(fault.field, Field::Will(_))).collect());
        parsed
    }

    fn count_of_faults(self) -> usize {
        self.settings.count_of_faults() + self.will.count_of_faults()
    }
}

#[component]
pub(super) fn FinerPanel(panels: Panels) -> impl IntoView {
    let forms = Forms::new();
    let fillings = Memo::new(move |fillings: Option<&u32>| {
        panels.filled.with(|more| forms.fill(more));
        fillings.map_or(0, |fillings| fillings + 1)
    });
    let inputs = anew(move || fillings.get(), move || view! { <Inputs panels forms /> });
    let applied = RwSignal::new(false);
    let is_away = Memo::new(move |_| {
        panels.standing.with(|standing| matches!(standing.state, ConnectionState::Idle | ConnectionState::Stopped))
    });
    let apply = move || {
        applied.set(false);
        let Some(more) = forms.parse() else { return };
        let command = PageCommand::SetConnectionOptions(Box::new(more.clone()));
        if let Ok(bytes) = channel::encode(&command) {
            window_bus::send(window_bus::PAGE, &bytes);
            panels.applied.set(Some(more.clone()));
            // Set as typed, so the form needn't be filled again.
            panels.filled.update_untracked(|filled| *filled = more);
            applied.set(true);
        }
    };
    let words = move || {
        let faults = forms.count_of_faults();
        match faults {
            1 => Some("Not applied. Please fix the highlighted field.".to_owned()),
            2.. => Some(format!("Not applied. Please fix the {faults} highlighted fields.")),
            0 => None,
        }
    };
    let done = move || {
        let is_done = applied.get() && forms.count_of_faults() == 0;
        is_done.then_some("Applied. It takes effect with the next connection.")
    };
    view! {
        <dialog class="panel" node_ref=panels.finer aria-labelledby="finer-title">
            {head("finer-title", "Advanced settings", panels.finer)}
            <div class="panel-body">
                <form
                    id="finer"
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        apply();
                    }
                >
                    {inputs}
                </form>
                <Terms panels />
            </div>
            <footer class="panel-foot" role="none">
                <button type="submit" form="finer" class="button primary">
                    "Apply"
                </button>
                <button
                    type="button"
                    class="button"
                    hidden=move || done().is_none() || is_away.get()
                    on:click=move |_| {
                        close(panels.finer);
                        window_bus::send(window_bus::PAGE, &window_bus::CONNECT.into());
                    }
                >
                    "Connect again"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    on:click=move |_| {
                        applied.set(false);
                        panels.filled.set(ConnectionOptions::default());
                    }
                >
                    "Defaults"
                </button>
                <p role="status">{done}</p>
                <p class="fault" role="alert">{words}</p>
            </footer>
        </dialog>
    }
}

#[component]
fn Inputs(panels: Panels, forms: Forms) -> impl IntoView {
    let Forms { settings: form, will } = forms;
    let standing = panels.standing;
    let only_in_5 = disabled_reason(standing, Capability::Properties);
    let keep_alive = Signal::derive(move || {
        standing.with(|standing| {
            unavailable_reason(standing, Capability::KeepAlive { asked_s: standing.more.keep_alive_s })
        })
    });
    let has_will = move || form.with(|fields| fields.has_will);
    view! {
        <fieldset>
            <legend>"Connection"</legend>
            <div class="fields">
                <TextBox
                    form
                    field=Field::KeepAlive
                    of=|fields| &mut fields.keep_alive_s
                    id="finer-keep-alive"
                    label="Keep alive in seconds"
                    hint="The longest silence before the connection is looked after. 0 turns it off."
                    inputmode="numeric"
                    unavailable_reason=keep_alive
                />
                <TextBox
                    form
                    field=Field::ReceiveMaximum
                    of=|fields| &mut fields.receive_maximum
                    id="finer-receive-maximum"
                    label="Receive Maximum"
                    hint="How many messages of QoS 1 and 2 the broker may have under way to this page."
                    inputmode="numeric"
                    unavailable_reason=only_in_5
                />
            </div>
            <SessionFields form />
            <fieldset class="inner" disabled=move || only_in_5.with(Option::is_some)>
                <legend>"User properties"</legend>
                <p class="why">{only_in_5}</p>
                <PropertyRows form field=Field::UserProperty id="finer-property" />
            </fieldset>
        </fieldset>
        <fieldset>
            <legend>"Subscriptions"</legend>
            <div class="fields">
                <SubscriptionOptionInputs
                    panels
                    form
                    options=Field::SubscriptionIdentifier
                    identifier=Field::SubscriptionIdentifier
                    of=|fields| &mut fields.subscriptions
                    identifier_of=|fields| &mut fields.subscriptions.identifier
                    prefix="finer"
                />
            </div>
        </fieldset>
        <fieldset>
            <legend>"Will"</legend>
            <Tick
                id="finer-has-will"
                label="Leave a will"
                hint="A message that the broker sends for this page should it vanish without a goodbye."
                ticked=Signal::derive(has_will)
                on_tick=move |ticked| form.change(Field::WillDelay, |fields| fields.has_will = ticked)
            />
            <div hidden=move || !has_will()>
                <MessageInputs form=will standing prefix="will" noun="Will" />
                <TextBox
                    form
                    field=Field::WillDelay
                    of=|fields| &mut fields.will_delay_s
                    id="finer-will-delay"
                    label="Will delay in seconds"
                    hint="How long the broker waits for this page to come back before it sends the will."
                    placeholder="none"
                    inputmode="numeric"
                    unavailable_reason=only_in_5
                />
            </div>
        </fieldset>
    }
}

#[component]
fn SessionFields(form: Form<Fields, Field>) -> impl IntoView {
    let ending = Memo::new(move |_| form.with(|fields| fields.ending));
    let initial = form.typed().0;
    let words = move || match ending.get() {
        SessionExpiry::WithPage => {
            "Each page starts afresh: what the broker still keeps of an earlier session is dropped. A lost connection \
             is taken up again, at QoS 1 and 2 for five minutes."
        }
        SessionExpiry::WithConnection => {
            "Nothing is kept, neither by the broker nor here: a lost connection starts afresh."
        }
        SessionExpiry::Later => {
            "The broker keeps the subscriptions, and collects messages of QoS 1 and 2 while this page is away. Messages \
             of yours that are unfinished are kept in this browser, with these settings; the password never is. \
             The client identifier is kept in this page's address, for that is what the session goes by."
        }
    };
    let label = |ending| match ending {
        SessionExpiry::WithPage => "Ends with the page",
        SessionExpiry::WithConnection => "Ends with each connection",
        SessionExpiry::Later => "Is kept for some time",
    };
    view! {
        <div class="fields">
            <div class="field">
                <label for="finer-ending">"Session"</label>
                <select
                    id="finer-ending"
                    aria-describedby="finer-ending-words"
                    on:change=move |event| {
                        if let Some(ending) = SessionExpiry::from_name(&event_target_value(&event)) {
                            form.change(Field::SessionSpan, |fields| fields.ending = ending);
                        }
                    }
                >
                    {SessionExpiry::ALL
                        .into_iter()
                        .map(|choice| {
                            let selected = choice == ending.get_untracked();
                            view! { <option value=choice.name() selected=selected>{label(choice)}</option> }
                        })
                        .collect_view()}
                </select>
            </div>
            <div class="pair" hidden=move || ending.get() != SessionExpiry::Later>
                <TextBox
                    form
                    field=Field::SessionSpan
                    of=|fields| &mut fields.session_span
                    id="finer-span"
                    label="Kept for"
                    inputmode="numeric"
                />
                <div class="field">
                    <label for="finer-unit">"Unit"</label>
                    <select
                        id="finer-unit"
                        on:change=move |event| {
                            if let Some(unit) = TimeUnit::from_name(&event_target_value(&event)) {
                                form.change(Field::SessionSpan, |fields| fields.session_unit = unit);
                            }
                        }
                    >
                        {TimeUnit::ALL
                            .into_iter()
                            .map(|unit| {
                                view! {
                                    <option value=unit.name() selected=unit == initial.session_unit>
                                        {unit.name()}
                                    </option>
                                }
                            })
                            .collect_view()}
                    </select>
                </div>
            </div>
        </div>
        <p class="why" id="finer-ending-words">{words}</p>
    }
}

/// Shows what the broker of the present connection reported about itself.
#[component]
fn Terms(panels: Panels) -> impl IntoView {
    let terms = Memo::new(move |_| panels.standing.with(capabilities));
    let list = move || {
        terms
            .get()
            .into_iter()
            .map(|CapabilityRow { name, value }| view! { <dt>{name}</dt><dd>{value}</dd> })
            .collect_view()
    };
    view! {
        <section class="terms" aria-labelledby="terms-title">
            <h3 id="terms-title">"What this broker allows"</h3>
            <p class="why" hidden=move || terms.with(|terms| !terms.is_empty())>
                "It says so when it is connected."
            </p>
            <dl>{list}</dl>
        </section>
    }
}
