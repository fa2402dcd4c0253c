//! Advice that is only words.

use crate::protocol::connection::Advice;

/// Returns advice without a link.
pub(super) fn advice_text(words: impl Into<String>) -> Advice {
    Advice { words: words.into(), link: None }
}
