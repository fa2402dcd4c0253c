//! What a payload says, as a line of dialogue.

use serde::{Deserialize, Serialize};

/// Who says what. Text is text: nothing in it is ever markup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The speaker, as written; empty where nobody is named.
    pub character: String,
    /// The words.
    pub text: String,
}
