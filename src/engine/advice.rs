//! Advice that is only words.

use crate::protocol::connection::Advice;

/// Returns advice without a link.
pub(super) fn advice_text(text: impl Into<String>) -> Advice {
    Advice { text: text.into(), link: None }
}
