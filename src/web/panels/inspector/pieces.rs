//! Parts of a text in their colours.

use leptos::prelude::*;

use crate::ui::inspect::row::{Kind, Piece};
use crate::ui::inspect::text::pieces;

/// A text among others, isolated so that its direction doesn't affect them.
#[component]
pub(super) fn Visible(text: String) -> impl IntoView {
    view! { <bdi>{move || put(pieces(&text))}</bdi> }
}

pub(super) fn put(pieces: Vec<Piece>) -> impl IntoView {
    pieces.into_iter().map(|piece| view! { <span class=class_of(piece.kind)>{piece.text}</span> }).collect_view()
}

const fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "",
        Kind::Name => "of-name",
        Kind::Text => "of-text",
        Kind::Number => "of-number",
        Kind::Literal => "of-literal",
        Kind::Odd => "of-odd",
    }
}
