//! What the keys do, in one table: the page's "Keyboard shortcuts" dialog shows it.
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
            Self::Page => "Global",
            Self::Crawl => "Crawl",
            Self::Filter => "Filter",
            Self::Console => "Console rows",
            Self::Column => "Column border",
            Self::Dialog => "Any panel",
            Self::Send => "Send a message",
            Self::Topics => "Topics",
            Self::Rows => "Panel rows",
            Self::Bytes => "Message bytes",
        }
    }
}

/// A key, or several that do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// Where it acts.
    pub section: ShortcutSection,
    /// The keys, each sufficient alone.
    pub keys: &'static [&'static str],
    /// What it does.
    pub action: &'static str,
}

const fn shortcut(section: ShortcutSection, keys: &'static [&'static str], action: &'static str) -> Shortcut {
    Shortcut { section, keys, action }
}

/// Every key that does something beyond what browsers do themselves.
pub const ALL: &[Shortcut] = &[
    shortcut(ShortcutSection::Page, &["?"], "Show shortcuts"),
    shortcut(ShortcutSection::Page, &["End"], "Jump to latest"),
    shortcut(ShortcutSection::Crawl, &[" "], "Pause or resume"),
    shortcut(ShortcutSection::Crawl, &["ArrowUp", "ArrowDown"], "Faster, slower"),
    shortcut(ShortcutSection::Crawl, &["ArrowLeft", "ArrowRight"], "Previous or next line, also in the console"),
    shortcut(ShortcutSection::Crawl, &["PageUp", "PageDown"], "Scroll back, forward (or wheel, drag)"),
    shortcut(ShortcutSection::Crawl, &["Home"], "Jump to live"),
    shortcut(ShortcutSection::Crawl, &["T"], "Transcript on or off"),
    shortcut(ShortcutSection::Crawl, &["M"], "Ambient sound on or off"),
    shortcut(ShortcutSection::Crawl, &["F"], "Full screen (controls hide when idle)"),
    shortcut(ShortcutSection::Crawl, &["Escape", "Enter"], "Skip the opening"),
    shortcut(ShortcutSection::Filter, &["ArrowDown", "ArrowUp"], "Browse suggestions"),
    shortcut(ShortcutSection::Filter, &["Tab"], "Accept suggestion, as Enter does"),
    shortcut(ShortcutSection::Filter, &["Escape"], "Close the suggestions"),
    shortcut(ShortcutSection::Filter, &["Enter", "Shift+F3"], "Previous match"),
    shortcut(ShortcutSection::Filter, &["Shift+Enter", "F3", "Control+g"], "Next match"),
    shortcut(ShortcutSection::Console, &["ArrowUp", "ArrowDown"], "Select previous or next row"),
    shortcut(ShortcutSection::Console, &["PageUp", "PageDown"], "Page up, page down"),
    shortcut(ShortcutSection::Console, &["Home"], "Oldest message"),
    shortcut(ShortcutSection::Console, &["End"], "Jump to latest"),
    shortcut(ShortcutSection::Console, &["n", "F3", "Control+g"], "Next match"),
    shortcut(ShortcutSection::Console, &["N", "Shift+F3", "Control+Shift+g"], "Previous match"),
    shortcut(ShortcutSection::Console, &["Enter"], "Open message"),
    shortcut(ShortcutSection::Console, &["s"], "Show in the crawl"),
    shortcut(ShortcutSection::Console, &["c"], "Copy as NDJSON"),
    shortcut(ShortcutSection::Console, &["C"], "Copy payload"),
    shortcut(ShortcutSection::Console, &["p"], "Copy as mosquitto_pub command"),
    shortcut(ShortcutSection::Console, &["Escape"], "Clear selection"),
    shortcut(ShortcutSection::Column, &["ArrowLeft", "ArrowRight"], "Resize"),
    shortcut(ShortcutSection::Column, &["Enter"], "Auto-fit"),
    shortcut(ShortcutSection::Topics, &["ArrowUp", "ArrowDown"], "Previous or next topic"),
    shortcut(ShortcutSection::Topics, &["ArrowRight"], "Expand, or one level down"),
    shortcut(ShortcutSection::Topics, &["ArrowLeft"], "Collapse, or one level up"),
    shortcut(ShortcutSection::Topics, &["PageUp", "PageDown"], "Page up, page down"),
    shortcut(ShortcutSection::Topics, &["Home", "End"], "First or last topic"),
    shortcut(ShortcutSection::Topics, &["Enter"], "Filter the console by this topic"),
    shortcut(ShortcutSection::Send, &["Control+Enter"], "Send"),
    shortcut(ShortcutSection::Rows, &["ArrowUp", "ArrowDown"], "Previous or next row"),
    shortcut(ShortcutSection::Rows, &["PageUp", "PageDown"], "Page up, page down"),
    shortcut(ShortcutSection::Rows, &["Home", "End"], "First or last row"),
    shortcut(ShortcutSection::Bytes, &["ArrowLeft", "ArrowRight"], "Previous or next byte, and its meaning"),
    shortcut(ShortcutSection::Bytes, &["ArrowUp", "ArrowDown"], "Byte above or below"),
    shortcut(ShortcutSection::Dialog, &["Escape"], "Close"),
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
