//! "Keyboard shortcuts": what every key does, from the one table of shortcuts.

use leptos::prelude::*;

use super::dialog::head;
use super::state::Panels;
use crate::ui::shortcuts;
use crate::ui::shortcuts::{Shortcut, ShortcutSection};

#[component]
pub(super) fn HelpPanel(panels: Panels) -> impl IntoView {
    let section = |place: ShortcutSection| {
        let rows = shortcuts::ALL.iter().filter(move |shortcut| shortcut.section == place).map(row).collect_view();
        view! {
            <section class="keys">
                <h3>{place.title()}</h3>
                <dl>{rows}</dl>
            </section>
        }
    };
    view! {
        <dialog class="panel" node_ref=panels.help_dialog aria-labelledby="help-title">
            {head("help-title", "Keyboard shortcuts", panels.help_dialog)}
            <div class="panel-body" tabindex="0" role="group" aria-labelledby="help-title">
                {ShortcutSection::ALL.map(section)}
            </div>
        </dialog>
    }
}

fn row(shortcut: &Shortcut) -> impl IntoView {
    let key = |key| {
        let caps = shortcuts::caps(key).map(|cap| view! { <kbd>{cap}</kbd> }).collect_view();
        view! { <span class="key">{caps}</span> }
    };
    view! {
        <div>
            <dt>{shortcut.keys.iter().map(|name| key(name)).collect_view()}</dt>
            <dd>{shortcut.action}</dd>
        </div>
    }
}
