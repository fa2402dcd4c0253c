//! The bytes of a message's packet, each explained.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent};

use super::pieces::Visible;
use crate::ui::inspect::hex;
use crate::ui::inspect::publish_bytes::PublishBytes;
use crate::web::panels::virtual_rows::{Start, VirtualList, VirtualRows};

/// The packet's bytes. The one under the cursor is explained, and the cursor follows the mouse or
/// the arrow keys.
#[component]
pub(super) fn PacketView(packet: Arc<PublishBytes>) -> impl IntoView {
    let rows = VirtualRows::new(Start::Head);
    let cursor = RwSignal::new(0_usize);
    let bytes_per_row = Memo::new(move |_| hex::bytes_per_row(rows.columns.get()));
    let bytes = packet.len();
    Effect::new(move || rows.resize(hex::rows(bytes, bytes_per_row.get())));
    let field = {
        let packet = Arc::clone(&packet);
        Memo::new(move |_| packet.field_at(cursor.get()))
    };
    let text = {
        let packet = Arc::clone(&packet);
        move || {
            let text = packet.describe(cursor.get());
            view! { <Visible text /> }
        }
    };
    let on_key = move |event: &KeyboardEvent| {
        let per_row = bytes_per_row.get_untracked();
        let at = cursor.get_untracked();
        let to = match event.key().as_str() {
            "ArrowLeft" => at.checked_sub(1),
            "ArrowRight" => Some(at + 1),
            "ArrowUp" => at.checked_sub(per_row),
            "ArrowDown" => Some(at + per_row),
            _ => return false,
        };
        if let Some(to) = to.filter(|&to| to < bytes) {
            cursor.set(to);
            rows.reveal(to / per_row);
        }
        true
    };
    let point = move |event: &Event| {
        let at =
            event.target().and_then(|target| target.dyn_into::<Element>().ok()?.get_attribute("data-at")?.parse().ok());
        if let Some(at) = at {
            cursor.set(at);
        }
    };
    let notes = packet.notes().join(" ");
    let row = move |index: usize| {
        let per_row = bytes_per_row.get();
        let start = index * per_row;
        let cells = (start..(start + per_row).min(packet.len())).map(|at| cell(&packet, at, field, cursor));
        let (hex, ascii): (Vec<_>, Vec<_>) = cells.unzip();
        view! {
            <div class="sheet-row packet-row">
                <span class="lead">{hex::place(start)}</span>
                <span class="cells" style=format!("--cells:{per_row}")>{hex}</span>
                <span class="letters">{ascii}</span>
            </div>
        }
        .into_any()
    };
    view! {
        <p class="byte-status" id="byte-status" role="status">{text}</p>
        <div class="packet" on:mouseover=move |event| point(&event) on:click=move |event| point(&event)>
            <VirtualList rows label="Bytes of the packet" described_by="byte-status" on_key row />
        </div>
        <p class="why packet-notes">{notes}</p>
    }
}

/// Returns a byte in hex and as a letter.
fn cell(packet: &PublishBytes, at: usize, field: Memo<usize>, cursor: RwSignal<usize>) -> (AnyView, AnyView) {
    let of = packet.field_at(at);
    let byte = packet.byte(at);
    let (digits, letter) = match byte {
        Some(byte) => (format!("{byte:02x}"), hex::ascii(byte)),
        None => ("··".to_owned(), '·'),
    };
    let is_marked = move || field.get() == of;
    let is_here = move || cursor.get() == at;
    let is_odd = of % 2 == 1;
    let of_payload = of + 1 == packet.fields().len();
    let hex = view! {
        <span
            data-at=at.to_string()
            class:odd-field=is_odd
            class:of-payload=of_payload
            class:marked=is_marked
            class:here=is_here
        >
            {digits}
        </span>
    };
    let ascii =
        view! { <span data-at=at.to_string() class:marked=is_marked class:here=is_here>{letter.to_string()}</span> };
    (hex.into_any(), ascii.into_any())
}
