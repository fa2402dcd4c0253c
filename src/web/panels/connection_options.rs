//! "Advanced settings": the connection options, and what the broker allows on the present connection.

use leptos::prelude::*;

use crate::protocol::connection::ConnectionOptions;
use crate::protocol::panels::{PanelAction, ToPage};
use crate::protocol::update::PanelsUpdate;
use crate::ui::broker_capabilities::{Capability, CapabilityRow, capabilities, unavailable_reason};
use crate::ui::forms::connection_options::{Field, Fields, SessionExpiry, TimeUnit};
use crate::ui::forms::field::FieldError;
use crate::ui::forms::message;
use crate::ui::forms::message::MessageFields;
use crate::web::panels::context::PanelContext;
use crate::web::panels::dialog::{PanelDialog, close, open_modal};
use crate::web::panels::fields::{
    Form, MessageInputs, PropertyRows, SubscriptionOptionInputs, TextBox, Tick, disabled_reason, error_summary,
    recreated,
};
use crate::web::panels::panel::Panel;
use crate::web::window_bus;

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
            Field::Will(field) => Some(FieldError { field, message: fault.message.clone() }),
            _ => None,
        };
        self.will.set_errors(faults.iter().filter_map(of_will).collect());
        self.settings.set_errors(faults.into_iter().filter(|fault| !matches!(fault.field, Field::Will(_))).collect());
        parsed
    }

    fn error_count(self) -> usize {
        self.settings.error_count() + self.will.error_count()
    }
}

/// The dialog, and the options that it shows.
#[derive(Clone, Copy)]
pub(super) struct ConnectionOptionsForm {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    /// The options that this page chose for the next connection.
    applied: RwSignal<Option<ConnectionOptions>>,
    /// The options that the form was filled with.
    filled: RwSignal<ConnectionOptions>,
    /// Whether the worker has sent its first update.
    is_informed: StoredValue<bool>,
}

impl ConnectionOptionsForm {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            applied: RwSignal::default(),
            filled: RwSignal::default(),
            is_informed: StoredValue::new(false),
        }
    }

    /// Fills the form with the chosen options, or else with those in force, which an earlier page
    /// may have chosen. Typed text stays.
    fn fill(self) {
        let applied = self.applied.get_untracked();
        let options = applied.unwrap_or_else(|| {
            self.context.broker_status.with_untracked(|broker_status| broker_status.options.clone())
        });
        if self.filled.with_untracked(|filled| *filled != options) {
            self.filled.set(options);
        }
    }
}

impl Panel for ConnectionOptionsForm {
    fn view(&self) -> AnyView {
        let panel = *self;
        view! { <ConnectionOptionsPanel panel /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::ConnectionOptions {
            self.fill();
            let dialog = self.dialog;
            // By then the fields are drawn, and one of them gets the focus.
            request_animation_frame(move || open_modal(dialog));
        }
    }

    fn handle_update(&self, _update: &mut PanelsUpdate) {
        // The first update comes just after the first panel was opened.
        if !self.is_informed.get_value() {
            self.is_informed.set_value(true);
            self.fill();
        }
    }
}

#[component]
fn ConnectionOptionsPanel(panel: ConnectionOptionsForm) -> impl IntoView {
    let ConnectionOptionsForm { context, dialog, applied: chosen, filled, .. } = panel;
    let forms = Forms::new();
    let fillings = Memo::new(move |fillings: Option<&u32>| {
        filled.with(|more| forms.fill(more));
        fillings.map_or(0, |fillings| fillings + 1)
    });
    let inputs = recreated(move || fillings.get(), move || view! { <Inputs context forms /> });
    let applied = RwSignal::new(false);
    let is_away = Memo::new(move |_| context.broker_status.with(|broker_status| broker_status.state.is_away()));
    let apply = move || {
        applied.set(false);
        let Some(more) = forms.parse() else { return };
        window_bus::send_to_page(&ToPage::ConnectionOptions(Box::new(more.clone())));
        chosen.set(Some(more.clone()));
        // Set as typed, so the form needn't be filled again.
        filled.update_untracked(|filled| *filled = more);
        applied.set(true);
    };
    let text = move || {
        let faults = forms.error_count();
        error_summary(faults)
    };
    let done = move || {
        let is_done = applied.get() && forms.error_count() == 0;
        is_done.then_some("Saved. Takes effect on the next connection.")
    };
    view! {
        <PanelDialog dialog id="options-title" title="Advanced settings">
            <div class="panel-body">
                <form
                    id="connection-options"
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        apply();
                    }
                >
                    {inputs}
                </form>
                <Capabilities context />
            </div>
            <footer class="panel-foot" role="none">
                <button type="submit" form="connection-options" class="button primary">
                    "Apply"
                </button>
                <button
                    type="button"
                    class="button"
                    hidden=move || done().is_none() || is_away.get()
                    on:click=move |_| {
                        close(dialog);
                        window_bus::send_to_page(&ToPage::Connect);
                    }
                >
                    "Reconnect now"
                </button>
                <button
                    type="button"
                    class="button quiet"
                    on:click=move |_| {
                        applied.set(false);
                        filled.set(ConnectionOptions::default());
                    }
                >
                    "Reset"
                </button>
                <p role="status">{done}</p>
                <p class="fault" role="alert">{text}</p>
            </footer>
        </PanelDialog>
    }
}

#[component]
fn Inputs(context: PanelContext, forms: Forms) -> impl IntoView {
    let form = forms.settings;
    let broker_status = context.broker_status;
    let only_in_5 = disabled_reason(broker_status, Capability::Properties);
    let keep_alive = Signal::derive(move || {
        broker_status.with(|broker_status| {
            unavailable_reason(broker_status, Capability::KeepAlive { asked_s: broker_status.options.keep_alive_s })
        })
    });
    view! {
        <fieldset>
            <legend>"Connection"</legend>
            <div class="fields">
                <TextBox
                    form
                    field=Field::KeepAlive
                    of=|fields| &mut fields.keep_alive_s
                    id="options-keep-alive"
                    label="Keep alive (s)"
                    hint="Ping after this many idle seconds. 0 = off."
                    inputmode="numeric"
                    unavailable_reason=keep_alive
                />
                <TextBox
                    form
                    field=Field::ReceiveMaximum
                    of=|fields| &mut fields.receive_maximum
                    id="options-receive-maximum"
                    label="Receive Maximum"
                    hint="Maximum unacknowledged QoS 1 and 2 messages from the broker."
                    inputmode="numeric"
                    unavailable_reason=only_in_5
                />
            </div>
            <SessionFields form />
            <fieldset class="inner" disabled=move || only_in_5.with(Option::is_some)>
                <legend>"User properties"</legend>
                <p class="why">{only_in_5}</p>
                <PropertyRows form field=Field::UserProperty id="options-property" />
            </fieldset>
        </fieldset>
        <fieldset>
            <legend>"Subscriptions"</legend>
            <div class="fields">
                <SubscriptionOptionInputs
                    broker_status
                    form
                    options=Field::SubscriptionIdentifier
                    identifier=Field::SubscriptionIdentifier
                    of=|fields| &mut fields.subscriptions
                    identifier_of=|fields| &mut fields.subscriptions.identifier
                    prefix="connection-options"
                />
            </div>
        </fieldset>
        <WillInputs context forms />
    }
}

#[component]
fn WillInputs(context: PanelContext, forms: Forms) -> impl IntoView {
    let Forms { settings: form, will } = forms;
    let broker_status = context.broker_status;
    let only_in_5 = disabled_reason(broker_status, Capability::Properties);
    let has_will = move || form.with(|fields| fields.has_will);
    view! {
        <fieldset>
            <legend>"Will"</legend>
            <Tick
                id="options-has-will"
                label="Last will"
                hint="Published by the broker if this page disconnects unexpectedly."
                ticked=Signal::derive(has_will)
                on_tick=move |ticked| form.change(Field::WillDelay, |fields| fields.has_will = ticked)
            />
            <div hidden=move || !has_will()>
                <MessageInputs form=will broker_status prefix="will" noun="Will" />
                <TextBox
                    form
                    field=Field::WillDelay
                    of=|fields| &mut fields.will_delay_s
                    id="options-will-delay"
                    label="Will delay (s)"
                    hint="Delay before the will is published."
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
    let text = move || match ending.get() {
        SessionExpiry::WithPage => {
            "Starts clean: the broker drops any earlier session. After a lost connection the session resumes, with QoS \
             1 and 2 for up to 5 minutes."
        }
        SessionExpiry::WithConnection => {
            "Clean session on every connection. Nothing is stored by the broker or in this browser."
        }
        SessionExpiry::Later => {
            "The broker keeps the subscriptions and queues QoS 1 and 2 messages while this page is away. Your unfinished \
             messages and these settings are saved in this browser; the password never is. The client ID is kept in \
             this page's address, because it identifies the session."
        }
    };
    let label = |ending| match ending {
        SessionExpiry::WithPage => "Until the page closes",
        SessionExpiry::WithConnection => "Until disconnect",
        SessionExpiry::Later => "Persistent",
    };
    view! {
        <div class="fields">
            <div class="field">
                <label for="options-ending">"Session"</label>
                <select
                    id="options-ending"
                    aria-describedby="options-ending-text"
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
                    id="options-span"
                    label="Keep for"
                    inputmode="numeric"
                />
                <div class="field">
                    <label for="options-unit">"Unit"</label>
                    <select
                        id="options-unit"
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
        <p class="why" id="options-ending-text">{text}</p>
    }
}

/// Shows what the broker of the present connection reported about itself.
#[component]
fn Capabilities(context: PanelContext) -> impl IntoView {
    let rows = Memo::new(move |_| context.broker_status.with(capabilities));
    let list = move || {
        rows.get()
            .into_iter()
            .map(|CapabilityRow { name, value }| view! { <dt>{name}</dt><dd>{value}</dd> })
            .collect_view()
    };
    view! {
        <section class="terms" aria-labelledby="capabilities-title">
            <h3 id="capabilities-title">"Broker capabilities"</h3>
            <p class="why" hidden=move || rows.with(|rows| !rows.is_empty())>
                "Available once connected."
            </p>
            <dl>{list}</dl>
        </section>
    }
}
