//! Recognizes the speaker and text columns of a table by their names.
//!
//! Case is ignored, and only letters and digits count: `Line Text` is `line_text`.

/// Names of speaker columns, the most likely first: `SPEAKERS` of payloads, and those of known
/// tables and transcripts.
const SPEAKERS: [&str; 59] = [
    "character",
    "speaker",
    "rawcharactertext",
    "charactername",
    "speakername",
    "characters",
    "speakers",
    "char",
    "name",
    "player",
    "role",
    "who",
    "actor",
    "person",
    "from",
    "sender",
    "sendername",
    "author",
    "authorname",
    "username",
    "displayname",
    "nickname",
    "nick",
    "user",
    "participant",
    "voice",
    "persona",
    "authorid",
    "userid",
    "device",
    "topic",
    "figur",
    "sprecher",
    "sprecherin",
    "rolle",
    "absender",
    "personnage",
    "locuteur",
    "auteur",
    "personaje",
    "hablante",
    "autor",
    "personaggio",
    "personagem",
    "nombre",
    "nom",
    "spokenby",
    "saidby",
    "narrator",
    "talker",
    "spk",
    "charakter",
    "rôle",
    "персонаж",
    "人物",
    "角色",
    "說話者",
    "キャラ",
    "キャラクター",
];

/// Names of text columns, the most likely first.
const WORDS: [&str; 70] = [
    "text",
    "dialogue",
    "dialog",
    "spokenwords",
    "characterwords",
    "playerline",
    "linetext",
    "spokentext",
    "dialoguetext",
    "dialogtext",
    "dialogueline",
    "dialogline",
    "message",
    "messagetext",
    "utterance",
    "sentence",
    "quote",
    "quotetext",
    "line",
    "lines",
    "speech",
    "words",
    "spokenline",
    "speakingline",
    "msg",
    "body",
    "content",
    "transcript",
    "transcription",
    "subtitle",
    "subtitles",
    "caption",
    "phrase",
    "comment",
    "post",
    "tweet",
    "chat",
    "says",
    "said",
    "rawtext",
    "fulltext",
    "normalizedtext",
    "value",
    "satz",
    "zeile",
    "replik",
    "nachricht",
    "inhalt",
    "wortlaut",
    "réplique",
    "texte",
    "phrasetext",
    "diálogo",
    "texto",
    "frase",
    "battuta",
    "statement",
    "quotation",
    "reply",
    "response",
    "narration",
    "utt",
    "spokenphrase",
    "реплика",
    "текст",
    "台词",
    "台詞",
    "对白",
    "對白",
    "セリフ",
];

/// Names of text columns that are the names of lists in JSON.
const PLURALS: [&str; 7] = ["dialogues", "dialogs", "utterances", "sentences", "quotes", "messages", "texts"];

/// Words that give a name another meaning: `Line Number`, `character_id`.
const OTHERWISE: [&str; 22] = [
    "id",
    "ids",
    "no",
    "nr",
    "num",
    "number",
    "index",
    "count",
    "length",
    "len",
    "date",
    "time",
    "timestamp",
    "url",
    "type",
    "gender",
    "sex",
    "age",
    "score",
    "title",
    "code",
    "sentiment",
];

/// Returns its letters and digits, in lower case.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the speaker and text columns whose complete names are known.
pub(super) fn named<T: AsRef<str>>(names: &[T]) -> (Option<usize>, Option<usize>) {
    let names: Vec<String> = names.iter().map(|name| plain(name.as_ref())).collect();
    let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    (find(&SPEAKERS), find(&WORDS).or_else(|| find(&PLURALS)))
}

/// Returns the same, by parts of names where no complete name is known: `Speaker (full)`,
/// `Spoken line`.
pub(super) fn likely<T: AsRef<str>>(names: &[T]) -> (Option<usize>, Option<usize>) {
    let (speaker, text) = named(names);
    let find = |known: &[&str], taken: Option<usize>| {
        let has = |name: &str, known: &str| {
            let mut parts = name.split(|char: char| !char.is_alphanumeric()).map(str::to_lowercase);
            parts.clone().any(|part| part == known) && !parts.any(|part| OTHERWISE.contains(&part.as_str()))
        };
        let mut of_known = known.iter().filter_map(|known| {
            let others = names.iter().enumerate().filter(|(place, _)| Some(*place) != taken);
            others.filter(|(_, name)| has(name.as_ref(), known)).map(|(place, _)| place).next()
        });
        of_known.next()
    };
    let text = text.or_else(|| find(&WORDS, speaker));
    (speaker.or_else(|| find(&SPEAKERS, text)), text)
}

/// Returns the ranks of a JSON field as speaker and as text.
pub(super) fn rank(name: &str) -> (Option<usize>, Option<usize>) {
    let name = plain(name);
    let find = |known: &[&str]| known.iter().position(|known| *known == name);
    (find(&SPEAKERS), find(&WORDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_real_tables_are_found() {
        let check = |header: &str, speaker: Option<usize>, text: Option<usize>| {
            let names: Vec<_> = header.split(',').collect();
            assert_eq!(likely(&names), (speaker, text), "{header}");
        };
        check(",char,dialog,movie", Some(1), Some(2));
        check("Release Date,Season,Episode,Episode Title,Name,Sentence", Some(4), Some(5));
        check("id,season,episode,scene,line_text,speaker,deleted", Some(5), Some(4));
        check("Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID", Some(2), Some(1));
        check("Dataline,Play,PlayerLinenumber,ActSceneLine,Player,PlayerLine", Some(4), Some(5));
        check("raw_text,timestamp_in_ms,raw_character_text,spoken_words", Some(2), Some(3));
        check("AuthorID,Author,Date,Content,Attachments", Some(1), Some(3));
        check("id,from,to,text", Some(1), Some(3));
        check("line,character,text", Some(1), Some(2));
        check("Season,Episode,Character,Line", Some(2), Some(3));
        check("FIGUR,TEXT", Some(0), Some(1));
        check("Speaker (full),Spoken line", Some(0), Some(1));
        check("Character ID,Line Number,who,quote", Some(2), Some(3));
        check("Characters,Dialogues", Some(0), Some(1));
        check("quotation,said by", Some(1), Some(0));
        check("spk,utt", Some(0), Some(1));
        check("персонаж,реплика", Some(0), Some(1));
        check("a,b", None, None);
        check("Character ID,Line Number", None, None);
    }
}
