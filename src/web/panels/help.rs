//! "Keyboard shortcuts": what every key does, from the one table of shortcuts.

use leptos::prelude::*;

use super::dialog::{PanelDialog, open_modal};
use super::panel::Panel;
use crate::protocol::panels::PanelAction;
use crate::ui::shortcuts;
use crate::ui::shortcuts::{Shortcut, ShortcutSection};

/// The list of keys.
#[derive(Clone, Copy, Default)]
pub(super) struct Help {
    dialog: NodeRef<leptos::html::Dialog>,
}

impl Panel for Help {
    fn view(&self) -> AnyView {
        let help = *self;
        view! { <HelpPanel help /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Help {
            open_modal(self.dialog);
        }
    }
}

#[component]
fn HelpPanel(help: Help) -> impl IntoView {
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
        <PanelDialog dialog=help.dialog id="help-title" title="Keyboard shortcuts">
            <div class="panel-body" tabindex="0" role="group" aria-labelledby="help-title">
                {ShortcutSection::ALL.map(section)}
            </div>
        </PanelDialog>
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
