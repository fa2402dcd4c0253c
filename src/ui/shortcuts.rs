//! What the keys do, in one table: the page's "Keyboard" dialog shows it.
//!
//! Keys have the names that browsers give them, with `Control+` and `Shift+` before them. A key
//! acts where the focus is; keys of [`ShortcutSection::Page`] act everywhere except in a field.

/// Where a key acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShortcutSection {
    /// Everywhere except in a field.
    Page,
    /// The crawl, or no element, has the focus.
    Crawl,
    /// The console's filter has the focus.
    Filter,
    /// The console's rows have the focus.
    Console,
    /// A column's edge has the focus.
    Column,
    /// A dialog is open.
    Dialog,
    /// The form that sends a message.
    Send,
    /// The tree of topics has the focus.
    Topics,
    /// A list of rows in a panel has the focus.
    Rows,
    /// The bytes of a message have the focus.
    Bytes,
}

impl ShortcutSection {
    /// All sections, in the order of the list.
    pub const ALL: [Self; 10] = [
        Self::Page,
        Self::Crawl,
        Self::Filter,
        Self::Console,
        Self::Column,
        Self::Topics,
        Self::Send,
        Self::Rows,
        Self::Bytes,
        Self::Dialog,
    ];

    /// Returns its title, above its keys.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Page => "Anywhere but in a field",
            Self::Crawl => "The crawl",
            Self::Filter => "The filter",
            Self::Console => "Rows of the console",
            Self::Column => "Edge of a column",
            Self::Dialog => "Any panel",
            Self::Send => "Send a message",
            Self::Topics => "Topics",
            Self::Rows => "Rows in a panel",
            Self::Bytes => "Bytes of a message",
        }
    }
}

/// A key, or several that do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// Where it acts.
    pub place: ShortcutSection,
    /// The keys, each sufficient alone.
    pub keys: &'static [&'static str],
    /// What it does.
    pub words: &'static str,
}

const fn shortcut(place: ShortcutSection, keys: &'static [&'static str], words: &'static str) -> Shortcut {
    Shortcut { place, keys, words }
}

/// Every key that does something beyond what browsers do themselves.
pub const ALL: &[Shortcut] = &[
    shortcut(ShortcutSection::Page, &["?"], "This list"),
    shortcut(ShortcutSection::Page, &["End"], "The newest message, and follow"),
    shortcut(ShortcutSection::Crawl, &[" "], "Stop the crawl, or let it go on"),
    shortcut(ShortcutSection::Crawl, &["ArrowUp", "ArrowDown"], "Faster or slower"),
    shortcut(ShortcutSection::Crawl, &["ArrowLeft", "ArrowRight"], "The line before or after, also in the console"),
    shortcut(
        ShortcutSection::Crawl,
        &["PageUp", "PageDown"],
        "Back through what passed, and forward (or wheel, or drag)",
    ),
    shortcut(ShortcutSection::Crawl, &["Home"], "To the newest line, and on"),
    shortcut(ShortcutSection::Crawl, &["T"], "Plain text, or the crawl again"),
    shortcut(ShortcutSection::Crawl, &["M"], "A quiet pad of sound, or silence again"),
    shortcut(ShortcutSection::Crawl, &["F"], "Full screen; controls and pointer go while nobody moves"),
    shortcut(ShortcutSection::Crawl, &["Escape", "Enter"], "Skip the opening"),
    shortcut(ShortcutSection::Filter, &["ArrowDown", "ArrowUp"], "Suggestions, and the next or the one before"),
    shortcut(ShortcutSection::Filter, &["Tab"], "Take the chosen suggestion, as Enter does"),
    shortcut(ShortcutSection::Filter, &["Escape"], "Close the suggestions"),
    shortcut(ShortcutSection::Filter, &["Enter", "Shift+F3"], "The match before"),
    shortcut(ShortcutSection::Filter, &["Shift+Enter", "F3", "Control+g"], "The match after"),
    shortcut(ShortcutSection::Console, &["ArrowUp", "ArrowDown"], "Choose the row above or below"),
    shortcut(ShortcutSection::Console, &["PageUp", "PageDown"], "A screenful up or down"),
    shortcut(ShortcutSection::Console, &["Home"], "The oldest message"),
    shortcut(ShortcutSection::Console, &["End"], "The newest message, and follow"),
    shortcut(ShortcutSection::Console, &["n", "F3", "Control+g"], "The match after"),
    shortcut(ShortcutSection::Console, &["N", "Shift+F3", "Control+Shift+g"], "The match before"),
    shortcut(ShortcutSection::Console, &["Enter"], "Look into a message"),
    shortcut(ShortcutSection::Console, &["s"], "Show its line in the crawl"),
    shortcut(ShortcutSection::Console, &["c"], "Copy it as a line of an export"),
    shortcut(ShortcutSection::Console, &["C"], "Copy its payload"),
    shortcut(ShortcutSection::Console, &["p"], "Copy the mosquitto_pub command that sends it again"),
    shortcut(ShortcutSection::Console, &["Escape"], "Choose no row"),
    shortcut(ShortcutSection::Column, &["ArrowLeft", "ArrowRight"], "Move it"),
    shortcut(ShortcutSection::Column, &["Enter"], "The column's own width"),
    shortcut(ShortcutSection::Topics, &["ArrowUp", "ArrowDown"], "One topic up or down"),
    shortcut(ShortcutSection::Topics, &["ArrowRight"], "Unfold, or one level down"),
    shortcut(ShortcutSection::Topics, &["ArrowLeft"], "Fold, or one level up"),
    shortcut(ShortcutSection::Topics, &["PageUp", "PageDown"], "A screenful up or down"),
    shortcut(ShortcutSection::Topics, &["Home", "End"], "The first or the last topic"),
    shortcut(ShortcutSection::Topics, &["Enter"], "Show only this topic in the console"),
    shortcut(ShortcutSection::Send, &["Control+Enter"], "Send"),
    shortcut(ShortcutSection::Rows, &["ArrowUp", "ArrowDown"], "One row up or down"),
    shortcut(ShortcutSection::Rows, &["PageUp", "PageDown"], "A screenful up or down"),
    shortcut(ShortcutSection::Rows, &["Home", "End"], "The first or the last row"),
    shortcut(ShortcutSection::Bytes, &["ArrowLeft", "ArrowRight"], "The byte before or after, and what it is"),
    shortcut(ShortcutSection::Bytes, &["ArrowUp", "ArrowDown"], "The byte above or below"),
    shortcut(ShortcutSection::Dialog, &["Escape"], "Close it"),
];

/// Returns the labels of the keys, one for each key of a combination.
pub fn caps(key: &str) -> impl Iterator<Item = &str> {
    // "+" alone is a key, too.
    let parts = if key.len() > 1 { key.split('+') } else { key.split('\0') };
    parts.map(|part| match part {
        " " => "Space",
        "ArrowUp" => "↑",
        "ArrowDown" => "↓",
        "ArrowLeft" => "←",
        "ArrowRight" => "→",
        "PageUp" => "Page ↑",
        "PageDown" => "Page ↓",
        "Escape" => "Esc",
        "Control" => "Ctrl",
        part => part,
    })
}
