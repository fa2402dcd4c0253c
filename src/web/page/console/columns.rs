//! The heads of the console's columns.

use leptos::html;
use leptos::prelude::*;

use crate::config::settings::{Column, Columns, TimeMode};
use crate::web::dom::follow;
use crate::web::page::console::renderer::{ROW_PX, width_px};
use crate::web::page::console::signals::ConsoleSignals;

/// The names of the columns, with the edges that change their widths.
#[component]
pub(super) fn ColumnHeads(signals: ConsoleSignals) -> AnyView {
    let heads = Column::ALL.map(|column| view! { <ColumnHead column signals /> }.into_inner());
    view! {
        <div role="rowgroup" class="head">
            <div role="row" class="row" aria-rowindex="1">
                {Vec::from(heads)}
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn ColumnHead(column: Column, signals: ConsoleSignals) -> AnyView {
    let label = Signal::derive(move || match (column, signals.time.get()) {
        (Column::Time, TimeMode::Relative) => "Elapsed",
        (Column::Time, TimeMode::SincePrevious) => "Delta",
        _ => column.title(),
    });
    let title = (column == Column::QoS)
        .then_some("retained: stored by the broker, dup: duplicate, violation: breaks a rule of MQTT");
    // This column takes the space that the others leave.
    let edge = (column != Column::Payload).then(|| view! { <ColumnEdge column columns=signals.columns /> });
    view! {
        <span role="columnheader" class=column.name() title=title>
            {label}
            {edge}
        </span>
    }
    .into_any()
}

/// The edge that changes a column's width; its events are handled for the table as a whole.
#[component]
fn ColumnEdge(column: Column, columns: RwSignal<Columns>) -> AnyView {
    let edge = NodeRef::<html::I>::new();
    let shown_px = RwSignal::new(String::new());
    follow(move || {
        columns.track();
        if let Some(edge) = edge.get() {
            shown_px.set(width_px(&edge).to_string());
        }
    });
    let width: Signal<String> = shown_px.into();
    view! {
        <i
            role="separator"
            tabindex="0"
            aria-orientation="vertical"
            aria-label=format!("Width of {}", column.title())
            aria-valuenow=width
            data-column=column.name()
            node_ref=edge
        ></i>
    }
    .into_any()
}

/// Returns the names of the columns that aren't shown.
pub(super) fn hidden_columns(columns: &Columns) -> String {
    let hidden: Vec<_> =
        Column::ALL.into_iter().filter(|column| !columns.style(*column).is_shown).map(Column::name).collect();
    hidden.join(" ")
}

/// Returns what the style sheet needs to place rows and columns.
pub(super) fn table_style(columns: &Columns) -> String {
    let mut style = format!("--row-px:{}px", ROW_PX as u32);
    for column in Column::ALL {
        if let Some(px) = columns.style(column).width_px {
            style += &format!(";--{}-px:{px}px", column.name());
        }
    }
    style
}
