//! The person's settings for the app itself, apart from any connection: the theme, what the console
//! shows, how much the log keeps.
//!
//! They are stored as one text in the form of URL parameters, like a link. Only differences from
//! the defaults are written. Parsing is lenient: a setting that isn't understood, perhaps of an
//! older or a newer version, is ignored.
//!
//! | key | value | default |
//! |---|---|---|
//! | `theme` | `dark`, `light`, `system` | `dark` |
//! | `time` | `absolute`, `relative`, `since-previous` | `absolute` |
//! | `columns` | the names of the visible columns | all but `seq` |
//! | `widths` | `NAME.PX` for columns with a changed width | none |
//! | `messages` | most messages in the log | 1,000,000 |
//! | `mib` | most memory for them, in MiB | 256 |
//! | `line`, `hide`, `speaker`, `words` | the [line rules](crate::dialogue::rules), as in a link | none |
//!
//! It never contains a password, user name or payload: there is no key for one.

use std::ops::RangeInclusive;

use crate::dialogue::rules::LineRules;
use crate::message_log::Limits;
use crate::named_enum::named_enum;
use crate::urlencoded::{append, decode};

/// The range of the most messages in a log. With fewer than the lower bound, messages are evicted
/// before they are read; with more than the upper, each filter would take several seconds.
pub const MESSAGES: RangeInclusive<u32> = 1_000..=10_000_000;

/// The range of the log's memory, in MiB. The log grows and shrinks in parts of 1 MiB, at least 16
/// of them; and with much more than the upper bound browsers end a tab without a message.
pub const LOG_MIB: RangeInclusive<u32> = 16..=1_024;

/// The range of a column's width, in CSS pixels.
pub const COLUMN_PX: RangeInclusive<u16> = 24..=2_000;

pub(crate) const MIB: u64 = 1 << 20;

/// All settings of the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The theme of the page.
    pub theme: Theme,
    /// What the console's time column shows.
    pub time: TimeMode,
    /// The console's columns.
    pub columns: Columns,
    /// The limits of the log.
    pub log: Limits,
    /// The line rules of the crawl, used if a link has none.
    pub line_rules: LineRules,
}

named_enum! {
    /// Dark or light. The crawl itself is a night sky in every theme.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Theme {
        /// Light text on a dark background.
        #[default]
        Dark = "dark",
        /// Dark text on a light background.
        Light = "light",
        /// As set in the system.
        System = "system",
    }
}

named_enum! {
    /// What the console's time column shows.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum TimeMode {
        /// The time of day.
        #[default]
        Absolute = "absolute",
        /// The time since a common beginning.
        Relative = "relative",
        /// The time since the row above.
        SincePrevious = "since-previous",
    }
}

named_enum! {
    /// A column of the console.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Column {
        /// The arrival time.
        Time = "time",
        /// Its arrival number.
        Seq = "seq",
        /// Its topic name.
        Topic = "topic",
        /// Quality of service, retained flag, DUP flag.
        QoS = "qos",
        /// The payload's beginning.
        Payload = "payload",
        /// Size of the payload.
        Size = "size",
    }
}

impl Column {
    /// Returns the text in its header.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Time => "Time",
            Self::Seq => "Seq",
            Self::Topic => "Topic",
            Self::QoS => "QoS",
            Self::Payload => "Payload",
            Self::Size => "Size",
        }
    }
}

/// How a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnStyle {
    /// Whether it is shown.
    pub is_shown: bool,
    /// Its width in CSS pixels; `None` is the default width.
    pub width_px: Option<u16>,
}

/// How each of the console's columns is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns([ColumnStyle; Column::ALL.len()]);

impl Default for Columns {
    /// Shows all but the arrival number, at the default widths.
    fn default() -> Self {
        Self(Column::ALL.map(|column| ColumnStyle { is_shown: column != Column::Seq, width_px: None }))
    }
}

impl Columns {
    /// Returns how a column is shown.
    pub fn style(&self, column: Column) -> ColumnStyle {
        self.0[column as usize]
    }

    /// Shows a column or hides it. The last visible one can't be hidden: a console without columns
    /// would look broken.
    #[must_use]
    pub fn toggled(mut self, column: Column) -> Self {
        let style = &mut self.0[column as usize];
        style.is_shown = !style.is_shown;
        if self.0.iter().any(|style| style.is_shown) { self } else { self.toggled(column) }
    }

    /// Sets the width of a column, or resets it; the width is kept within [`COLUMN_PX`].
    #[must_use]
    pub fn resized(mut self, column: Column, width_px: Option<u16>) -> Self {
        self.0[column as usize].width_px = width_px.map(|px| px.clamp(*COLUMN_PX.start(), *COLUMN_PX.end()));
        self
    }

    /// Iterates over the visible columns, in order.
    pub fn shown(&self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(|&column| self.style(column).is_shown)
    }

    fn read_shown(&mut self, names: &str) {
        let mut styles = self.0.map(|style| ColumnStyle { is_shown: false, ..style });
        for column in names.split('+').filter_map(Column::from_name) {
            styles[column as usize].is_shown = true;
        }
        // A list of unknown names would hide everything.
        if styles.iter().any(|style| style.is_shown) {
            self.0 = styles;
        }
    }

    fn read_widths(&mut self, widths: &str) {
        for (name, px) in widths.split('+').filter_map(|width| width.split_once('.')) {
            let px = px.parse().ok().filter(|px| COLUMN_PX.contains(px));
            if let (Some(column), Some(px)) = (Column::from_name(name), px) {
                self.0[column as usize].width_px = Some(px);
            }
        }
    }
}

impl Settings {
    /// Parses the text form; missing and unknown settings have their defaults.
    pub fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            settings.read(key, value);
        }
        settings
    }

    fn read(&mut self, key: &str, value: &str) {
        let number = |allowed: RangeInclusive<u32>| value.parse().ok().filter(|number| allowed.contains(number));
        match key {
            "theme" => self.theme = Theme::from_name(value).unwrap_or_default(),
            "time" => self.time = TimeMode::from_name(value).unwrap_or_default(),
            "columns" => self.columns.read_shown(value),
            "widths" => self.columns.read_widths(value),
            "messages" => self.log.messages = number(MESSAGES).map_or(self.log.messages, u64::from),
            "mib" => self.log.bytes = number(LOG_MIB).map_or(self.log.bytes, |mib| u64::from(mib) * MIB),
            _ => {
                if let Some(value) = decode(value).filter(|_| LineRules::KEYS.contains(&key)) {
                    // A rule that isn't understood is ignored.
                    let _ = self.line_rules.read(key, &value);
                }
            }
        }
    }

    /// Returns the text form; empty if all settings are the defaults. Only the rules' values have
    /// to be encoded: the others are letters, digits, dots and hyphens.
    pub fn to_text(&self) -> String {
        let Self { theme, time, columns, log, line_rules } = self;
        let standard = Self::default();
        let mut text = String::new();
        if *theme != standard.theme {
            add(&mut text, "theme=", theme.name());
        }
        if *time != standard.time {
            add(&mut text, "time=", time.name());
        }
        if Column::ALL.iter().any(|&column| columns.style(column).is_shown != standard.columns.style(column).is_shown) {
            let mut key = "columns=";
            for column in columns.shown() {
                add(&mut text, std::mem::take(&mut key), column.name());
            }
        }
        let mut key = "widths=";
        for column in Column::ALL {
            if let Some(px) = columns.style(column).width_px {
                add(&mut text, std::mem::take(&mut key), column.name());
                text.push('.');
                text.push_str(&px.to_string());
            }
        }
        if log.messages != standard.log.messages {
            add(&mut text, "messages=", &log.messages.to_string());
        }
        if log.bytes != standard.log.bytes {
            add(&mut text, "mib=", &(log.bytes / MIB).to_string());
        }
        line_rules.write(&mut |key, value| append(&mut text, key, value));
        text
    }
}

/// Appends a value: with a key, or to the list at the end of the text.
fn add(text: &mut String, key: &str, value: &str) {
    if key.is_empty() {
        text.push('+');
    } else if !text.is_empty() {
        text.push('&');
    }
    text.push_str(key);
    text.push_str(value);
}
