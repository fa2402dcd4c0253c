//! The connection form.

use leptos::prelude::*;
use web_sys::SubmitEvent;

use crate::config::link;
use crate::config::link::Field;
use crate::config::presets::PRESETS;
use crate::mqtt::packet::QoS;
use crate::protocol::connection::JwtInfo;
use crate::web::page::attributes::true_or_false;
use crate::web::page::button::Button;
use crate::web::page::connection::fields::{Choice, TextField, TopicField};
use crate::web::page::form::Form;
use crate::web::page::list::List;

/// The form, with what is wrong in it.
#[component]
pub fn ConnectionForm(
    /// The typed values.
    form: Form,
    /// What is known about a signed token in the password field.
    #[prop(into)]
    token: Signal<Option<JwtInfo>>,
    /// Whether the link was just copied.
    #[prop(into)]
    copied: Signal<bool>,
    /// Connects.
    #[prop(into)]
    on_submit: Callback<()>,
    /// Uses the typed password from the next connection on.
    #[prop(into)]
    on_replace_password: Callback<()>,
    /// Opens the panel of the connection's options.
    #[prop(into)]
    on_connection_options: Callback<()>,
    /// Copies the link.
    #[prop(into)]
    on_copy_link: Callback<()>,
) -> AnyView {
    let copy_text = Signal::derive(move || if copied.get() { "Link copied" } else { "Copy link" });
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        on_submit.run(());
    };
    view! {
        <form id="connection" class="form" novalidate on:submit=submit>
            <div class="fields">
                <BrokerFields form />
                <Topics form />
                <ProtocolFields form />
                <TextField form field=Field::UserName id="user" label="User name" placeholder="optional" />
                <TextField
                    form
                    field=Field::Password
                    id="password"
                    label="Password"
                    kind="password"
                    placeholder="optional"
                />
                <Token token on_replace_password />
            </div>
            <details class="more">
                <summary>"Client ID"</summary>
                <div class="fields">
                    <TextField form field=Field::ClientId id="client" label="Client ID" />
                </div>
            </details>
            <div class="form-foot">
                <Button class="button quiet" opens_dialog=true on_click=on_connection_options>
                    "Advanced settings"
                </Button>
                <p class="fault summary" role="alert">{Signal::derive(move || form.error_summary())}</p>
                <Button
                    class="button quiet"
                    title="Link to this page with these settings (without the password)"
                    on_click=on_copy_link
                >
                    {copy_text}
                </Button>
            </div>
        </form>
    }
    .into_any()
}

/// The broker: chosen from a list, or typed in.
#[component]
fn BrokerFields(form: Form) -> AnyView {
    let preset = form.preset();
    let choices = PRESETS.iter().enumerate().map(|(index, preset)| (index.to_string(), preset.name));
    let hint = Signal::derive(move || PRESETS.get(preset.get()).map_or("", |preset| preset.hint));
    view! {
        <Choice
            id="preset"
            label="Broker"
            described_by="preset-hint"
            choices=choices.collect()
            chosen=Signal::derive(move || preset.get().to_string())
            on_choose=Callback::new(move |index: String| form.choose_preset(index.parse().unwrap_or_default()))
        />
        <TextField
            form
            field=Field::Broker
            id="broker"
            label="Broker URL"
            kind="url"
            placeholder="ws://127.0.0.1:8080/mqtt"
        />
        <p class="hint wide" id="preset-hint">{hint}</p>
    }
    .into_any()
}

/// A box for each topic.
#[component]
fn Topics(form: Form) -> AnyView {
    let field = move |id| view! { <TopicField form id /> }.into_inner();
    view! {
        <div class="topics">
            <List keys=form.topic_ids() entry=Callback::new(field) />
            <Button class="button quiet" on_click=move || form.add_topic("")>
                "Add topic"
            </Button>
        </div>
    }
    .into_any()
}

/// QoS and protocol, next to each other.
#[component]
fn ProtocolFields(form: Form) -> AnyView {
    let choices = |choices: [(&str, &'static str); 3]| choices.map(|(value, text)| (value.to_owned(), text)).to_vec();
    view! {
        <div class="pair">
            <Choice
                id="qos"
                label="QoS"
                title="0: at most once. 1: at least once. 2: exactly once."
                error=Signal::derive(move || form.error(Field::QoS))
                choices=choices([("0", "0"), ("1", "1"), ("2", "2")])
                chosen=Signal::derive(move || (form.qos() as u8).to_string())
                on_choose=Callback::new(move |qos: String| {
                    form.choose_qos(qos.parse().ok().and_then(QoS::from_u8).unwrap_or_default());
                })
            />
            <Choice
                id="protocol"
                label="Protocol"
                title="Auto: tries MQTT 5.0, falls back to 3.1.1."
                error=Signal::derive(move || form.error(Field::Protocol))
                choices=choices([("auto", "Auto"), ("5", "5.0"), ("3.1.1", "3.1.1")])
                chosen=Signal::derive(move || link::protocol_name(form.version()).to_owned())
                on_choose=Callback::new(move |name: String| {
                    form.choose_version(link::protocol_from(&name).unwrap_or_default());
                })
            />
        </div>
    }
    .into_any()
}

/// What is known about a signed token in the password field.
#[component]
fn Token(token: Signal<Option<JwtInfo>>, on_replace_password: Callback<()>) -> AnyView {
    let read =
        move |read: fn(&JwtInfo) -> bool| Signal::derive(move || token.with(|token| token.as_ref().is_some_and(read)));
    let is_missing = Signal::derive(move || token.with(Option::is_none));
    let text =
        Signal::derive(move || token.with(|token| token.as_ref().map(|token| token.text.clone()).unwrap_or_default()));
    view! {
        <div
            class="token wide"
            aria-live="polite"
            hidden=is_missing
            data-expired=true_or_false(read(|token| token.has_expired))
        >
            <p>{text}</p>
            <Button class="button quiet" hidden=read(|token| !token.can_renew) on_click=on_replace_password>
                "Use for the next connection"
            </Button>
        </div>
    }
    .into_any()
}
