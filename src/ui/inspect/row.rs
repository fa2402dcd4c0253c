//! A row of a message's content, in whatever view.

/// One row of a [`Sheet`](crate::ui::inspect::Sheet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The position at which the row begins, if it is shown.
    pub lead: String,
    /// Levels of indentation.
    pub indent: usize,
    /// The row continues what didn't fit into the row before.
    pub continues: bool,
    /// Set if the row opens something that can be folded.
    pub fold: Option<Fold>,
    /// The text of the row.
    pub pieces: Vec<Piece>,
}

impl Row {
    /// The number of levels that are shown; deeper ones aren't indented further.
    pub const INDENT_MAX: usize = 24;
}

/// What a row opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// For [`Sheet::toggle`](crate::ui::inspect::Sheet::toggle).
    pub line: usize,
    /// Whether the content is hidden.
    pub is_folded: bool,
}

/// The kind of a part of a row; it only decides the colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Text as it is; brackets.
    #[default]
    Plain,
    /// The name of a value.
    Name,
    /// Text as a value.
    Text,
    /// A number.
    Number,
    /// `true`, `null` and the like; bytes.
    Literal,
    /// A replacement for something invisible; not the payload's own text.
    Odd,
}

/// A part of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The shown text.
    pub text: String,
    /// Its kind.
    pub kind: Kind,
}
