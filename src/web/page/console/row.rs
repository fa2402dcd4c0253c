//! The elements of one row.

use web_sys::{Document, Element, Text};

use crate::config::settings::{Column, TimeMode};
use crate::format::size;
use crate::mqtt::packet::QoS;
use crate::protocol::rows::{Highlights, Preview, Row};
use crate::ui::console::time_column::TimeFormatter;

/// The `id` of the chosen row, while it is on screen.
pub(super) const SELECTED_ID: &str = "selected-row";

/// A cell whose text may have marked elements. Every change goes through text nodes: a payload is
/// never markup.
struct Cell {
    element: Element,
    text_node: Text,
    text: String,
    marks: Vec<(u32, u32)>,
}

impl Cell {
    /// `None` if the document makes no elements, which doesn't happen.
    fn new(document: &Document, row: &Element, class: &str) -> Option<Self> {
        let element = document.create_element("span").ok()?;
        element.set_attribute("role", "gridcell").ok()?;
        element.set_class_name(class);
        let text_node = document.create_text_node("");
        element.append_child(&text_node).ok()?;
        row.append_child(&element).ok()?;
        Some(Self { element, text_node, text: String::new(), marks: Vec::new() })
    }

    fn show(&mut self, text: &str, marks: &[(u32, u32)]) {
        if self.text == text && self.marks == marks {
            return;
        }
        if !self.marks.is_empty() {
            self.element.set_text_content(None);
            // Fails only if the node would contain itself.
            let _ = self.element.append_child(&self.text_node);
        }
        text.clone_into(&mut self.text);
        marks.clone_into(&mut self.marks);
        let mut end = marks.first().map_or(text.len(), |mark| mark.0 as usize);
        self.text_node.set_data(text.get(..end).unwrap_or_default());
        for (at, &(from, to)) in marks.iter().enumerate() {
            end = marks.get(at + 1).map_or(text.len(), |mark| mark.0 as usize);
            let marked = text.get(from as usize..to as usize).unwrap_or_default();
            let _ = self.mark(marked, text.get(to as usize..end).unwrap_or_default());
        }
    }

    fn mark(&self, marked: &str, text: &str) -> Option<()> {
        let document = self.element.owner_document()?;
        let mark = document.create_element("mark").ok()?;
        mark.set_text_content(Some(marked));
        self.element.append_child(&mark).ok()?;
        self.element.append_child(&document.create_text_node(text)).ok()?;
        Some(())
    }
}

/// One row's elements.
pub(super) struct RowView {
    pub(super) seq: u64,
    index: u64,
    pub(super) row: Element,
    /// What the time shows: the mode, and the microseconds since its reference time.
    time_key: (TimeMode, Option<i64>),
    time: Cell,
    number: Cell,
    topic: Cell,
    flags: Cell,
    payload: Cell,
    is_hex: bool,
    size: Cell,
    pub(super) is_selected: bool,
    is_match: bool,
    colour: Option<u8>,
}

impl RowView {
    /// `None` if the document makes no elements, which doesn't happen.
    pub(super) fn new(document: &Document) -> Option<Self> {
        let row = document.create_element("div").ok()?;
        row.set_attribute("role", "row").ok()?;
        row.set_class_name("row");
        let cell = |column: Column| Cell::new(document, &row, column.name());
        let view = Self {
            seq: 0,
            index: u64::MAX,
            time_key: (TimeMode::Absolute, None),
            time: cell(Column::Time)?,
            number: cell(Column::Seq)?,
            topic: cell(Column::Topic)?,
            flags: cell(Column::QoS)?,
            payload: cell(Column::Payload)?,
            is_hex: false,
            size: cell(Column::Size)?,
            is_selected: false,
            is_match: false,
            colour: None,
            row: row.clone(),
        };
        let open = document.create_element("button").ok()?;
        open.set_class_name("open");
        // The style sheet draws its symbol, so that a row's text is its message.
        open.set_attribute("aria-label", "Open").ok()?;
        open.set_attribute("title", "Open (Enter or double-click)").ok()?;
        open.set_attribute("tabindex", "-1").ok()?;
        row.append_child(&open).ok()?;
        Some(view)
    }

    pub(super) fn show(&mut self, row: &Row, index: u64, formatter: &TimeFormatter) {
        if self.index != index {
            self.index = index;
            // 1 is the header.
            let _ = self.row.set_attribute("aria-rowindex", &(index + 2).to_string());
        }
        let time_key = (formatter.mode, Some(formatter.elapsed_ms(row.time)));
        if self.time_key != time_key {
            self.time_key = time_key;
            self.time.show(&formatter.format(row.time), &[]);
        }
        let none = Highlights::default();
        let marks = row.marks.as_ref().unwrap_or(&none);
        let (text, is_hex) = match &row.preview {
            Preview::Text(text) => (text, false),
            Preview::Hex(hex) => (hex, true),
        };
        self.topic.show(&row.topic, &marks.topic);
        self.payload.show(text, &marks.payload);
        if self.is_match != row.marks.is_some() {
            self.is_match = row.marks.is_some();
            self.row.set_class_name(if self.is_match { "row match" } else { "row" });
        }
        if self.colour != row.colour {
            self.colour = row.colour;
            let colour = row.colour.map_or(String::new(), |colour| colour.to_string());
            let _ = self.row.set_attribute("data-subscription", &colour);
        }
        // The rest of a message never changes.
        if self.seq == row.seq {
            return;
        }
        self.seq = row.seq;
        let seq = row.seq.to_string();
        let _ = self.row.set_attribute("data-seq", &seq);
        self.number.show(&seq, &[]);
        self.show_flags(row);
        if self.is_hex != is_hex {
            self.payload.element.set_class_name(if is_hex { "payload hex" } else { "payload" });
            self.is_hex = is_hex;
        }
        self.size.show(&size(u64::from(row.payload_bytes)), &[]);
    }

    /// Shows the QoS and the flags, and whether the message violates a rule of MQTT.
    fn show_flags(&mut self, row: &Row) {
        let flags = flags_text(row);
        let _ = match row.deviation {
            None => {
                self.flags.show(flags, &[]);
                self.flags.element.remove_attribute("title")
            }
            Some(deviation) => {
                self.flags.show(&format!("{flags} violation"), &[]);
                self.flags.element.set_attribute("title", &format!("{} {}", deviation.message(), deviation.rule()))
            }
        };
    }

    pub(super) fn select(&mut self, is_selected: bool) {
        if self.is_selected == is_selected {
            return;
        }
        self.is_selected = is_selected;
        let _ = match is_selected {
            true => self.row.set_attribute("aria-selected", "true"),
            false => self.row.remove_attribute("aria-selected"),
        };
        self.row.set_id(if is_selected { SELECTED_ID } else { "" });
    }
}

const fn flags_text(row: &Row) -> &'static str {
    match (row.qos, row.retain, row.dup) {
        (QoS::AtMostOnce, false, _) => "0",
        (QoS::AtMostOnce, true, _) => "0 retained",
        (QoS::AtLeastOnce, false, false) => "1",
        (QoS::AtLeastOnce, true, false) => "1 retained",
        (QoS::AtLeastOnce, false, true) => "1 dup",
        (QoS::AtLeastOnce, true, true) => "1 retained dup",
        (QoS::ExactlyOnce, false, false) => "2",
        (QoS::ExactlyOnce, true, false) => "2 retained",
        (QoS::ExactlyOnce, false, true) => "2 dup",
        (QoS::ExactlyOnce, true, true) => "2 retained dup",
    }
}
