//! Rules of the world's scripts for typesetting: where a row can end, which characters must stay
//! together, and the reading direction.
//!
//! Tables of ranges instead of the full Unicode data, which would be larger than the rest of the
//! crawl.

/// The reading direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Latin, Cyrillic, Greek, CJK and most others.
    LeftToRight,
    /// Arabic, Hebrew, Syriac, Thaana and others.
    RightToLeft,
}

impl Direction {
    /// Returns the value of HTML's `dir`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }

    /// Returns the direction of the first letter that has one (UAX #9, P2 and P3).
    pub fn of(text: &str) -> Option<Self> {
        text.chars().find_map(|c| match c {
            '\u{590}'..='\u{8FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFC}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
                if c.is_alphabetic() =>
            {
                Some(Self::RightToLeft)
            }
            _ if c.is_alphabetic() => Some(Self::LeftToRight),
            _ => None,
        })
    }
}

/// From about this width on, in em, a word without a space may be broken after `, ; : { }`: it is
/// more likely data than a word. Half of a narrow row.
const LONG_EM: f64 = 6.2;

/// From this width on, about a row, also after `= & ? _ - .`.
const LONGER_THAN_ROW_EM: f64 = 12.4;

/// This many groups of digits with commas between them are a list, not a number.
const LIST_GROUPS_MIN: usize = 6;

/// Returns the parts of a word between which it may be broken without a hyphen: after a hyphen
/// between letters, a dash, a slash, around CJK characters; and in a long word after other marks,
/// but not inside a number.
pub(super) fn fragments(word: &str) -> impl Iterator<Item = &str> {
    let about_em = word.chars().map(about_em).sum::<f64>();
    let (mut start, mut before) = (0, None);
    let mut chars = word.char_indices().peekable();
    std::iter::from_fn(move || {
        while let Some((at, c)) = chars.next() {
            let Some(&(next_at, next)) = chars.peek() else { break };
            let seam = Seam { word, before, at, c, next };
            before = Some(c);
            if seam.may_break() || seam.may_break_long(about_em) {
                before = None;
                let fragment = &word[start..next_at];
                start = next_at;
                return Some(fragment);
            }
        }
        let fragment = &word[std::mem::replace(&mut start, word.len())..];
        (!fragment.is_empty()).then_some(fragment)
    })
}

/// The place between two characters of a word.
struct Seam<'a> {
    word: &'a str,
    /// The characters before them; `None` at the beginning of a fragment.
    before: Option<char>,
    /// The position of the first of them.
    at: usize,
    c: char,
    next: char,
}

impl Seam<'_> {
    fn may_break(&self) -> bool {
        let Self { before, c, next, .. } = *self;
        if joins(c, next) || closes(next) || opens(c) {
            return false;
        }
        match c {
            '-' | '\u{2010}' => before.is_some_and(char::is_alphabetic) && next.is_alphabetic(),
            '—' | '/' | '\u{200B}' => before.is_some() && next != '/',
            _ => is_ideographic(c) || is_ideographic(next),
        }
    }

    /// Whether a word of about this width may be broken here.
    fn may_break_long(&self, about_em: f64) -> bool {
        let Self { before, c, next, .. } = *self;
        // A quotation mark begins something here, unlike in a sentence.
        if about_em < LONG_EM || joins(c, next) || closes(next) && next != '"' {
            return false;
        }
        let digits = before.is_some_and(|c| c.is_ascii_digit()) && next.is_ascii_digit();
        let is_between = |is_meant: fn(char) -> bool| before.is_some_and(is_meant) && is_meant(next);
        match c {
            ',' if digits => self.is_list(),
            ':' | ';' if digits => false,
            ',' | ':' | ';' | '{' | '}' => next != '/' && (next != '"' || c != '}'),
            _ if about_em < LONGER_THAN_ROW_EM => false,
            '=' | '&' | '?' => next != '"' && next != c,
            '_' | '-' => is_between(char::is_alphanumeric) && !digits,
            '.' => is_between(char::is_alphabetic),
            _ => false,
        }
    }

    /// Whether the comma between two digits separates two numbers instead of grouping the digits of
    /// one.
    fn is_list(&self) -> bool {
        let is_part = |c: char| c.is_ascii_digit() || c == ',';
        let (head, tail) = self.word.split_at(self.at);
        let (head, tail) = (&head[head.trim_end_matches(is_part).len()..], &tail[1..]);
        let tail = &tail[..tail.len() - tail.trim_start_matches(is_part).len()];
        let mut groups = head.split(',').chain(tail.split(','));
        let is_group = |group: &str| group.len() == 3;
        !groups.next().is_some_and(|first| (1..=3).contains(&first.len()))
            || groups.clone().count() >= LIST_GROUPS_MIN
            || !groups.all(is_group)
    }
}

/// Whether a hyphen shows that a word was torn between these two clusters: both are letters, of a
/// script that hyphenates.
pub(super) fn takes_hyphen(before: &str, after: &str) -> bool {
    let is_letter = |cluster: &str| cluster.chars().next().is_some_and(hyphenates);
    is_letter(before) && is_letter(after)
}

/// Whether it is a letter of Latin, Greek, Cyrillic or Armenian.
fn hyphenates(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c, '\0'..='\u{24F}' | '\u{370}'..='\u{58F}' | '\u{1C80}'..='\u{1C8F}' | '\u{1E00}'..='\u{1FFF}'
            | '\u{2C60}'..='\u{2C7F}' | '\u{2DE0}'..='\u{2DFF}' | '\u{A640}'..='\u{A69F}' | '\u{A720}'..='\u{A7FF}'
            | '\u{FB00}'..='\u{FB17}')
}

/// Whether it is a CJK character or kana: a row can end after any of them. Hangul has spaces.
pub(super) fn is_ideographic(c: char) -> bool {
    matches!(c,
        '\u{2E80}'..='\u{303F}' | '\u{3040}'..='\u{30FF}' | '\u{3100}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{A000}'..='\u{A4CF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFD}')
}

/// Whether it must not begin a row (the short list of JIS X 4051).
fn closes(c: char) -> bool {
    matches!(
        c,
        '、' | '。'
            | '，'
            | '．'
            | '・'
            | '：'
            | '；'
            | '！'
            | '？'
            | 'ー'
            | '」'
            | '』'
            | '）'
            | '】'
            | '〉'
            | '》'
            | '〕'
            | '］'
            | '｝'
            | '…'
            | '々'
            | 'ぁ'
            | 'ぃ'
            | 'ぅ'
            | 'ぇ'
            | 'ぉ'
            | 'っ'
            | 'ゃ'
            | 'ゅ'
            | 'ょ'
            | 'ァ'
            | 'ィ'
            | 'ゥ'
            | 'ェ'
            | 'ォ'
            | 'ッ'
            | 'ヮ'
            | 'ヵ'
            | 'ヶ'
            | 'ゎ'
            | 'ゝ'
            | 'ゞ'
            | 'ヽ'
            | 'ヾ'
            | '〜'
            | '‥'
            | '％'
            | 'ャ'
            | 'ュ'
            | 'ョ'
            | '.'
            | ','
            | ':'
            | ';'
            | '!'
            | '?'
            | ')'
            | ']'
            | '}'
            | '’'
            | '”'
            | '"'
            | '%'
    )
}

/// Whether it must not end a row.
fn opens(c: char) -> bool {
    matches!(c, '「' | '『' | '（' | '【' | '〈' | '《' | '〔' | '［' | '｛' | '(' | '[' | '{' | '‘' | '“')
}

/// Whether two characters belong to one visible character: a base and its marks, an emoji sequence,
/// a flag, a conjunct. Coarser than UAX #29 where that costs nothing, since it only decides where
/// not to tear an over-long word.
fn joins(c: char, next: char) -> bool {
    is_mark(next) || c == '\u{200D}' || is_virama(c) || (is_flag_letter(c) && is_flag_letter(next))
}

fn is_flag_letter(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Whether it joins the next consonant, in every Brahmic block with the layout of Devanagari.
fn is_virama(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{D7F}') && (c as u32 - 0x900) % 0x80 == 0x4D
}

pub(super) fn is_mark(c: char) -> bool {
    match c {
        '\u{300}'..='\u{36F}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5BD}'
        | '\u{5BF}'..='\u{5C7}'
        | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}'
        | '\u{670}'
        | '\u{6D6}'..='\u{6ED}'
        | '\u{E31}'
        | '\u{E34}'..='\u{E3A}'
        | '\u{E47}'..='\u{E4E}'
        | '\u{EB1}'
        | '\u{EB4}'..='\u{EBC}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{200C}'
        | '\u{200D}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{3099}'
        | '\u{309A}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}'
        | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0020}'..='\u{E007F}'
        | '\u{E0100}'..='\u{E01EF}' => true,
        // The Brahmic blocks share one layout: signs first, vowel signs at 3A.
        '\u{900}'..='\u{D7F}' => matches!(
            (c as u32 - 0x900) % 0x80,
            0x00..=0x03 | 0x3A..=0x3C | 0x3E..=0x4F | 0x51..=0x57 | 0x62 | 0x63
        ),
        _ => false,
    }
}

/// Returns the visible characters (clusters), with their positions. A stack of marks ends at 16 of
/// them, so that every cluster is bounded.
pub(super) fn clusters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let mut chars = rest.chars();
        let mut last = chars.next()?;
        let mut end = last.len_utf8();
        let mut flags = usize::from(is_flag_letter(last));
        for next in chars.take(16) {
            if !joins(last, next) || (is_flag_letter(next) && flags % 2 == 0) {
                break;
            }
            flags += usize::from(is_flag_letter(next));
            end += next.len_utf8();
            last = next;
        }
        let cluster = (at, &rest[..end]);
        at += end;
        Some(cluster)
    })
}

/// Whether the letters are joined, so that space between them would tear words: Arabic and related
/// scripts, Brahmic scripts with a head line, Mongolian.
pub(super) fn is_joined(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c,
            '\u{600}'..='\u{A7F}' | '\u{1800}'..='\u{18AF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
    })
}

/// Returns a name in capitals, if its script has any: Greek capitals have no accents, and few fonts
/// have the Georgian ones.
pub(super) fn capitals(name: &str) -> String {
    let mut capitals = String::with_capacity(name.len());
    for c in name.chars() {
        let plain = match c {
            'ά' | 'Ά' => 'Α',
            'έ' | 'Έ' => 'Ε',
            'ή' | 'Ή' => 'Η',
            'ί' | 'Ί' => 'Ι',
            'ό' | 'Ό' => 'Ο',
            'ύ' | 'Ύ' => 'Υ',
            'ώ' | 'Ώ' => 'Ω',
            'ΐ' => 'Ϊ',
            'ΰ' => 'Ϋ',
            '\u{10D0}'..='\u{10FF}' => c,
            _ => {
                capitals.extend(c.to_uppercase());
                continue;
            }
        };
        capitals.push(plain);
    }
    capitals
}

/// Whether a row may end in this space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{A0}' | '\u{2007}' | '\u{202F}')
}

/// Returns about how wide a character is, in em, where it can't be measured.
pub(super) fn about_em(c: char) -> f64 {
    match c {
        _ if is_mark(c) => 0.0,
        '\u{1100}'..='\u{115F}' | '\u{AC00}'..='\u{D7A3}' | '\u{1F300}'..='\u{1FAFF}' => 1.0,
        _ if is_ideographic(c) => 1.0,
        _ => 0.54,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_of_many_scripts() {
        let cases = [
            ("Ada", "ADA"),
            ("Weiß", "WEISS"),
            ("Γιάννης", "ΓΙΑΝΝΗΣ"),
            ("Жанна", "ЖАННА"),
            ("Rene\u{301}", "RENE\u{301}"),
            ("ﬁn", "FIN"),
            ("ნინო", "ნინო"),
            ("עדה", "עדה"),
            ("小林", "小林"),
            ("R2-k9 🤖", "R2-K9 🤖"),
        ];
        for (name, expected) in cases {
            assert_eq!(capitals(name), expected);
        }
    }

    #[test]
    fn letters_that_hang_together() {
        for (text, expected) in
            [("مرحبا", true), ("नमस्ते", true), ("שלום", false), ("Привет", false), ("日本", false), ("a b", false)]
        {
            assert_eq!(is_joined(text), expected, "{text}");
        }
    }

    fn check_fragments(word: &str, expected: &[&str]) {
        let fragments: Vec<_> = fragments(word).collect();
        assert_eq!(fragments, expected, "{word}");
        assert_eq!(fragments.concat(), word);
    }

    #[test]
    fn words_are_whole_and_long_tokens_are_not() {
        check_fragments("incomprehensibly", &["incomprehensibly"]);
        check_fragments("fifteen-minute", &["fifteen-", "minute"]);
        check_fragments("a:b,c", &["a:b,c"]);
        check_fragments("12:30", &["12:30"]);
        check_fragments("", &[]);
        check_fragments(
            r#"{"watts":386,"phases":[{"u":230.1,"i":0.5},{"u":1}]}"#,
            &[
                "{",
                r#""watts":"#,
                "386,",
                r#""phases":"#,
                "[{",
                r#""u":"#,
                "230.1,",
                r#""i":"#,
                "0.5},",
                "{",
                r#""u":"#,
                "1}]}",
            ],
        );
        check_fragments("temperature=21.4;humidity=40", &["temperature=", "21.4;", "humidity=", "40"]);
        check_fragments("temp=21.4;hum=40", &["temp=21.4;", "hum=40"]);
        check_fragments(
            "https://a.example/search?first=1&second=two",
            &["https://", "a.", "example/", "search?", "first=", "1&", "second=", "two"],
        );
        check_fragments(
            "a_name_of_a_variable_that_is_long",
            &["a_", "name_", "of_", "a_", "variable_", "that_", "is_", "long"],
        );
        check_fragments("com.example.service.temperature", &["com.", "example.", "service.", "temperature"]);
    }

    #[test]
    fn numbers_stay_whole() {
        for word in [
            "2026-11-21T10:05:30.123Z",
            "9007199254740993.00000000000000001",
            "1,234,567,890,123",
            "-12345678901234567890",
        ] {
            check_fragments(word, &[word]);
        }
        check_fragments("1,22,333,4444,55555", &["1,", "22,", "333,", "4444,", "55555"]);
        check_fragments("100,200,300,400,500,600,700", &["100,", "200,", "300,", "400,", "500,", "600,", "700"]);
        check_fragments("[20.934537,-21.934537,22.934537]", &["[20.934537,", "-21.934537,", "22.934537]"]);
        check_fragments(r#"{"n":1234567890123,"m":1}"#, &["{", r#""n":"#, "1234567890123,", r#""m":"#, "1}"]);
    }

    #[test]
    fn hyphens_only_in_scripts_that_hyphenate() {
        for (before, after, expected) in [
            ("a", "b", true),
            ("e\u{301}", "é", true),
            ("ж", "Я", true),
            ("λ", "ό", true),
            ("ﬁ", "n", true),
            ("a", "1", false),
            ("1", "2", false),
            ("-", "a", false),
            ("ש", "ל", false),
            ("ม", "า", false),
            ("語", "語", false),
            ("한", "글", false),
            ("", "a", false),
        ] {
            assert_eq!(takes_hyphen(before, after), expected, "{before} {after}");
        }
    }
}
