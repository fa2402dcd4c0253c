//! Finds the texts in HTML and in the web app's manifest.

use crate::has_word;

/// Attributes of HTML and properties of components with a text that is shown or read aloud.
pub(crate) const VISIBLE_ATTRIBUTES: [&str; 14] = [
    "alt",
    "aria-description",
    "aria-label",
    "aria-roledescription",
    "aria-valuetext",
    "description",
    "hint",
    "label",
    "name",
    "noun",
    "placeholder",
    "short_name",
    "summary",
    "title",
];

/// Elements within a line of text.
const INLINE: [&str; 8] = ["a", "abbr", "b", "code", "em", "kbd", "span", "strong"];

/// Returns the texts of a page or of a part of one.
pub(crate) fn texts_of_html(source: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut line = String::new();
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        line.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = rest.split_at(end_of_tag(rest));
        rest = after;
        let name = tag.trim_start_matches(['<', '/']);
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
        if !INLINE.contains(&name) {
            push_html_text(&mut texts, &std::mem::take(&mut line));
        }
        texts.extend(visible_attributes(tag));
        for raw in ["script", "style"] {
            if name == raw && tag.starts_with(&format!("<{raw}")) {
                let (body, after) = rest.split_once(&format!("</{raw}>")).unwrap_or(("", rest));
                // The message that the script writes for old browsers.
                for message in body.split('"').filter(|part| part.starts_with("<p>")) {
                    texts.extend(texts_of_html(message));
                }
                rest = after;
            }
        }
    }
    push_html_text(&mut texts, &(line + rest));
    texts
}

/// Returns where a tag ends: after the first `>` outside of quotation marks.
fn end_of_tag(tag: &str) -> usize {
    let mut is_quoted = false;
    let end = tag.find(|c| {
        is_quoted ^= c == '"';
        c == '>' && !is_quoted
    });
    end.map_or(tag.len(), |at| at + 1)
}

fn visible_attributes(tag: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let parts: Vec<_> = tag.split('"').collect();
    for pair in parts.chunks_exact(2) {
        let name = pair[0].trim_end_matches('=').rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_description = name == "content" && tag.contains("name=\"description\"");
        if name != "name" && VISIBLE_ATTRIBUTES.contains(&name) || is_description {
            push_html_text(&mut texts, pair[1]);
        }
    }
    texts
}

/// Adds a text as a browser shows it: white space collapsed, entities decoded.
fn push_html_text(texts: &mut Vec<String>, text: &str) {
    let words: Vec<_> = text.split_whitespace().collect();
    let mut text = words.join(" ");
    for (entity, c) in [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        text = text.replace(entity, c);
    }
    if has_word(&text) {
        texts.push(text);
    }
}

/// Returns the texts of a web app manifest.
pub(crate) fn texts_of_manifest(source: &str) -> Vec<String> {
    let parts: Vec<_> = source.split('"').collect();
    let pairs = parts.windows(3).filter(|three| VISIBLE_ATTRIBUTES.contains(&three[0]) && three[1].trim() == ":");
    pairs.map(|three| three[2].to_owned()).collect()
}
