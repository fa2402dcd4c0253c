//! Checks that the list of keys is correct as far as the core knows, without duplicates.

use std::collections::HashSet;

use mqtt_crawl::ui::console::scroll::ScrollStep;
use mqtt_crawl::ui::shortcuts;
use mqtt_crawl::ui::shortcuts::ShortcutSection;

fn keys(place: ShortcutSection) -> impl Iterator<Item = &'static str> {
    shortcuts::ALL.iter().filter(move |shortcut| shortcut.section == place).flat_map(|shortcut| shortcut.keys).copied()
}

#[test]
fn each_key_is_listed_once_per_section() {
    for place in ShortcutSection::ALL {
        let mut seen = HashSet::new();
        assert!(keys(place).all(|key| seen.insert(key)), "{place:?} has a key twice");
        assert!(!seen.is_empty(), "{place:?} has no keys");
    }
    let places: HashSet<_> = shortcuts::ALL.iter().map(|shortcut| shortcut.section).collect();
    assert_eq!(places.len(), ShortcutSection::ALL.len(), "a position is missing in the list");
}

#[test]
fn listed_scroll_keys_are_handled() {
    let moves = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];
    for place in [ShortcutSection::Console, ShortcutSection::Rows, ShortcutSection::Topics] {
        for key in moves {
            assert!(ScrollStep::from_key(key).is_some(), "{key} moves no list");
            assert!(keys(place).any(|other| other == key), "{key} isn't listed in {place:?}");
        }
    }
}

#[test]
fn keys_are_shown_by_their_labels() {
    for (key, printed) in [
        ("ArrowUp", "↑"),
        (" ", "Space"),
        ("Control+Enter", "Ctrl Enter"),
        ("?", "?"),
        ("+", "+"),
        ("Shift+F3", "Shift F3"),
    ] {
        assert_eq!(shortcuts::caps(key).collect::<Vec<_>>().join(" "), printed);
    }
}
