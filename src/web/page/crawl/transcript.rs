//! The crawl's text, flat.
//!
//! It is a `role="log"` that a screen reader follows while the crawl is shown (out of sight then),
//! and that everybody reads in plain text. Lines are added in batches, since each addition is one
//! announcement.

use std::collections::VecDeque;
use std::time::Duration;

use web_sys::{Document, Element, HtmlElement};

use crate::crawl::block::BlockContent;
use crate::crawl::item::CrawlItem;
use crate::crawl::{truncate, typeset};
use crate::time::Instant;
use crate::web::dom;

/// The number of lines that are kept; the console keeps all messages.
const LINES_MAX: u32 = 150;

/// Time between two announcements while the crawl is shown.
const UNSEEN_BATCH: Duration = Duration::from_secs(3);

/// Time between two additions while people read the transcript.
const SEEN_BATCH: Duration = Duration::from_secs(1);

/// If it is scrolled nearer to the end than this, in CSS pixels, it follows the newest line.
const FOLLOWS_WITHIN_PX: i32 = 24;

/// The flat text.
pub struct Transcript {
    document: Document,
    log: HtmlElement,
    pending: VecDeque<BlockContent>,
    flushed: Instant,
    shown: bool,
}

impl Transcript {
    /// Creates a transcript that writes into `log`.
    pub fn new(document: Document, log: HtmlElement) -> Self {
        Self { document, log, pending: VecDeque::new(), flushed: Instant::EPOCH, shown: false }
    }

    /// Adds this with the next batch.
    pub fn add(&mut self, entry: BlockContent) {
        self.pending.push_back(entry);
    }

    /// Sets whether people see it now.
    pub fn show(&mut self, shown: bool) {
        self.shown = shown;
        self.flushed = Instant::EPOCH;
    }

    /// Scrolls to the line of this message. Returns whether the transcript has it.
    pub fn reveal(&self, seq: u64) -> bool {
        let found = dom::find(&self.log, &format!("[data-seq='{seq}']"));
        if let Some(line) = &found {
            line.scroll_into_view();
        }
        found.is_some()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.log.set_text_content(None);
    }

    /// Adds the pending lines, if it is time.
    pub fn flush(&mut self, now: Instant) {
        let batch = if self.shown { SEEN_BATCH } else { UNSEEN_BATCH };
        if self.pending.is_empty() || now.since(self.flushed) < batch {
            return;
        }
        self.flushed = now;
        let follows = self.shown
            && self.log.scroll_height() - self.log.scroll_top() - self.log.client_height() <= FOLLOWS_WITHIN_PX;
        let fragment = self.document.create_document_fragment();
        for entry in self.pending.drain(..) {
            if let Some(paragraph) = paragraph(&self.document, &entry) {
                let _ = fragment.append_child(&paragraph);
            }
        }
        let _ = self.log.append_child(&fragment);
        while self.log.child_element_count() > LINES_MAX
            && let Some(oldest) = self.log.first_element_child()
        {
            oldest.remove();
        }
        if follows {
            self.log.set_scroll_top(self.log.scroll_height());
        }
    }
}

fn paragraph(document: &Document, entry: &BlockContent) -> Option<Element> {
    let paragraph = document.create_element("p").ok()?;
    paragraph.set_attribute("dir", "auto").ok()?;
    match entry {
        BlockContent::Item(CrawlItem::Line { seq, line }) => {
            paragraph.set_attribute("data-seq", &seq.to_string()).ok()?;
            if !line.character.is_empty() {
                let speaker = document.create_element("b").ok()?;
                speaker.set_text_content(Some(&format!("{}:", line.character)));
                paragraph.append_child(&speaker).ok()?;
                paragraph.append_child(&document.create_text_node(" ")).ok()?;
            }
            paragraph.append_child(&document.create_text_node(&line.text)).ok()?;
        }
        BlockContent::Item(CrawlItem::Skipped { seq, count }) => {
            paragraph.set_class_name("passed");
            paragraph.set_attribute("data-seq", &seq.to_string()).ok()?;
            paragraph.set_text_content(Some(&typeset::skip_notice(*count)));
        }
        BlockContent::Episode(text) | BlockContent::Title(text) | BlockContent::Intro(text) => {
            paragraph.set_class_name(match entry {
                BlockContent::Episode(_) => "episode",
                BlockContent::Title(_) => "title",
                _ => "intro",
            });
            paragraph.set_text_content(Some(&truncate::shorten(text)));
        }
    }
    Some(paragraph)
}
