//! "Send a message": a message is written and published once or repeatedly, and its outcome is
//! shown. A sent message can be taken back into the form.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::context::PanelContext;
use super::dialog::{PanelDialog, close, open_non_modal};
use super::fields::{Form, MessageInputs, TextBox, error_summary, recreated};
use super::panel::Panel;
use super::transmit::Transmit;
use crate::protocol::command::PanelCommand;
use crate::protocol::panels::PanelAction;
use crate::protocol::publish::PublishOutcome;
use crate::protocol::publish::PublishRequest;
use crate::protocol::transmission::{TransmissionCommand, TransmissionSlot};
use crate::ui::broker_capabilities::unavailable_publish_reason;
use crate::ui::forms::message;
use crate::ui::forms::message::MessageFields;
use crate::ui::forms::transmission;
use crate::ui::forms::transmission::{RepeatFields, is_active, repeat_text};
use crate::ui::publish_history::{Entry, PublishHistory};

/// The form of a message, and the parts of it that are created again when a message is taken back
/// into it.
#[derive(Clone, Copy)]
struct MessageForm {
    form: Form<MessageFields, message::Field>,
    age: RwSignal<u32>,
    send: NodeRef<leptos::html::Button>,
}

impl MessageForm {
    fn new() -> Self {
        Self { form: Form::new(MessageFields::default(), &[]), age: RwSignal::new(0), send: NodeRef::new() }
    }

    /// Returns the message, unless something in it is wrong; that is shown.
    fn compose(self) -> Option<(MessageFields, PublishRequest)> {
        let (mut fields, user_properties) = self.form.typed();
        fields.user_properties = user_properties;
        match fields.parse() {
            Ok(message) => {
                self.form.set_errors(Vec::new());
                Some((fields, message))
            }
            Err(faults) => {
                self.form.set_errors(faults);
                None
            }
        }
    }

    fn edit_again(self, message: MessageFields) {
        let user_properties = message.user_properties.clone();
        self.form.fill(message, &user_properties);
        self.age.update(|age| *age += 1);
        if let Some(send) = self.send.get_untracked() {
            // Never fails for an element on the page.
            let _ = send.focus();
        }
    }
}

/// The dialog, and the transmission that repeats a message.
#[derive(Clone, Copy)]
pub(super) struct MessageSender {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    transmit: Transmit,
}

impl MessageSender {
    pub(super) fn new(context: PanelContext, transmit: Transmit) -> Self {
        Self { context, dialog: NodeRef::new(), transmit }
    }
}

impl Panel for MessageSender {
    fn view(&self) -> AnyView {
        let sender = *self;
        view! { <SendPanel sender /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Send {
            open_non_modal(self.dialog);
        }
    }
}

#[component]
fn SendPanel(sender: MessageSender) -> impl IntoView {
    let MessageSender { context, dialog, .. } = sender;
    let form = MessageForm::new();
    let inputs = recreated(
        move || form.age.get(),
        move || view! { <MessageInputs form=form.form broker_status=context.broker_status prefix="send" noun="Message" autofocus=true /> },
    );
    let state = Memo::new(move |_| context.broker_status.with(|broker_status| broker_status.state));
    let unavailable_reason = move || unavailable_publish_reason(state.get());
    let publish = move || publish(context, form);
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            publish();
        }
    };
    let summary = move || error_summary(form.form.error_count());
    view! {
        <PanelDialog dialog id="send-title" title="Send a message">
            <div class="panel-body" on:keydown=on_key>
                <div class="actions">
                    <button
                        type="button"
                        class="button"
                        aria-haspopup="dialog"
                        on:click=move |_| {
                            close(dialog);
                            context.run(PanelAction::Script);
                        }
                    >
                        "Play a script"
                    </button>
                    <span class="why">"Send the lines of a file, one by one"</span>
                </div>
                <form
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        publish();
                    }
                >
                    {inputs}
                    <div class="panel-foot">
                        <button
                            type="submit"
                            class="button primary"
                            node_ref=form.send
                            aria-describedby="send-why"
                            aria-keyshortcuts="Control+Enter"
                            title="Ctrl+Enter"
                            disabled=move || unavailable_reason().is_some()
                        >
                            "Send"
                        </button>
                        <p class="fault" role="alert">{summary}</p>
                    </div>
                    <p class="why" id="send-why">{unavailable_reason}</p>
                </form>
                <Repeating sender form />
                <Outcomes context form />
            </div>
        </PanelDialog>
    }
}

fn publish(context: PanelContext, form: MessageForm) {
    if unavailable_publish_reason(context.broker_status.with_untracked(|broker_status| broker_status.state)).is_some() {
        return;
    }
    if let Some((fields, request)) = form.compose() {
        let number = context.publish_history.try_update(|history| history.push(&fields)).unwrap_or_default();
        context.send(&PanelCommand::Publish { number, request });
    }
}

#[component]
fn Repeating(sender: MessageSender, form: MessageForm) -> impl IntoView {
    let MessageSender { context, transmit, .. } = sender;
    let every = Form::<RepeatFields, transmission::Field>::new(RepeatFields::default(), &[]);
    let is_running = move || transmit.with(TransmissionSlot::Message, |view| view.is_some_and(is_active));
    let text = move || transmit.with(TransmissionSlot::Message, |view| view.map(repeat_text));
    let is_off =
        move || unavailable_publish_reason(context.broker_status.with(|broker_status| broker_status.state)).is_some();
    let send_command = move |command| context.send(&PanelCommand::Transmit(TransmissionSlot::Message, command));
    let begin = move || {
        let Some((_, message)) = form.compose() else { return };
        match every.typed().0.parse(message) {
            Ok((settings, message)) => {
                every.set_errors(Vec::new());
                send_command(TransmissionCommand::Begin(settings));
                send_command(TransmissionCommand::Lines(vec![message]));
                send_command(TransmissionCommand::LinesComplete);
                send_command(TransmissionCommand::Play);
            }
            Err(faults) => every.set_errors(faults),
        }
    };
    view! {
        <details class="more repeat">
            <summary>"Repeat"</summary>
            <form
                novalidate
                on:submit=move |event| {
                    event.prevent_default();
                    begin();
                }
            >
                <div class="fields">
                    <TextBox
                        form=every
                        field=transmission::Field::Interval
                        of=|fields: &mut RepeatFields| &mut fields.interval
                        id="repeat-interval"
                        label="Repeat every"
                        hint="e.g. 500ms, 5s, 1m"
                    />
                    <TextBox
                        form=every
                        field=transmission::Field::Times
                        of=|fields: &mut RepeatFields| &mut fields.times
                        id="repeat-times"
                        label="Repeat count"
                        placeholder="unlimited"
                        inputmode="numeric"
                    />
                </div>
                <div class="actions">
                    <button type="submit" class="button" disabled=is_off>"Start repeating"</button>
                    <button
                        type="button"
                        class="button"
                        disabled=move || !is_running()
                        on:click=move |_| send_command(TransmissionCommand::Stop)
                    >
                        "Stop repeating"
                    </button>
                </div>
                <p class="progress">{text}</p>
            </form>
        </details>
    }
}

#[component]
fn Outcomes(context: PanelContext, form: MessageForm) -> impl IntoView {
    let summary = move || context.publish_history.with(PublishHistory::summary);
    let waiting = move || {
        let state = context.broker_status.with(|broker_status| broker_status.state);
        context.publish_history.with(|history| history.waiting_text(state))
    };
    let entries = move || context.publish_history.with(|history| history.entries().cloned().collect::<Vec<_>>());
    view! {
        <section class="outcomes" aria-label="Messages sent">
            <p role="status">{summary}</p>
            <p class="why">{waiting}</p>
            <ol>
                // Keyed by the outcome too: an entry whose outcome changed is drawn again.
                <For
                    each=entries
                    key=|entry| (entry.number, entry.outcome.is_some())
                    children=move |entry| view! { <OutcomeRow form entry /> }
                />
            </ol>
        </section>
    }
}

#[component]
fn OutcomeRow(form: MessageForm, entry: Entry) -> impl IntoView {
    let (kind, text) = match entry.outcome {
        None => ("waiting", "Waiting".to_owned()),
        Some(PublishOutcome::Done) => ("done", "Delivered".to_owned()),
        Some(PublishOutcome::Failed(text)) => ("failed", format!("Failed: {text}")),
        Some(PublishOutcome::Unknown(text)) => ("unknown", format!("Unconfirmed: {text}")),
    };
    let again = entry.message.map(|message| {
        let label = format!("Edit and resend message {}", entry.number);
        view! {
            <button
                type="button"
                class="button quiet"
                title="Edit and resend"
                aria-label=label
                on:click=move |_| form.edit_again(message.clone())
            >
                "↺"
            </button>
        }
    });
    view! {
        <li class=kind data-number=entry.number.to_string()>
            <span class="outcome">{text}</span>
            <bdi class="to">{entry.topic}</bdi>
            <bdi class="what">{entry.preview}</bdi>
            {again}
        </li>
    }
}
