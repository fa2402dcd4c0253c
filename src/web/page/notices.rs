//! Messages for the person.

use leptos::prelude::*;

use crate::web::page::button::Button;
use crate::web::page::handle::PageHandle;
use crate::web::page::list::List;
use crate::web::page::service_worker;

/// The messages, each with a button that dismisses it.
#[component]
pub(super) fn Notices(page: PageHandle) -> AnyView {
    let notices = page.with(|page| page.signals.notices);
    let entry = move |text| view! { <Notice page text /> }.into_inner();
    view! {
        <div class="notices" role="alert">
            <List keys=notices entry=Callback::new(entry) />
        </div>
    }
    .into_any()
}

#[component]
fn Notice(page: PageHandle, text: String) -> AnyView {
    let update = (text == service_worker::NEWER)
        .then(|| view! { <Button on_click=page.callback(|page| page.load_newer())>"Update now"</Button> });
    let shown = text.clone();
    view! {
        <p class="notice">
            <span>{shown}</span>
            {update}
            <Button
                class="button icon"
                label="Dismiss"
                on_click=move || page.with(|page| page.signals.dismiss(&text))
            >
                "×"
            </Button>
        </p>
    }
    .into_any()
}
