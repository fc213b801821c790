//! Plain phrases that try to override a model's instructions. They are words in a row, with blanks and line ends between them; what is
//! paraphrased, misspelt or encoded is not found here.
use super::Rule;
use crate::gate::Head;
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Most words of a phrase, and most bytes of a word and of what stands between two.
const WORDS_MAX: usize = 10;
const WORD_BYTES_MAX: usize = 32;
const GAP_BYTES_MAX: usize = 32;

/// What a word does in "ignore all previous instructions".
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Says whose or which: one must be there.
    Which,
    /// Says what; one must be there.
    What,
    /// Says nothing.
    Filler,
}

/// Verbs that set instructions aside, in the languages of the lexicon.
static DROP: &[&str] = &[
    "ignore",
    "ignoring",
    "disregard",
    "disregarding",
    "forget",
    "override",
    "bypass",
    "overlook",
    "ignoriere",
    "ignorieren",
    "vergiss",
    "vergessen",
    "missachte",
    "missachten",
    "ignorez",
    "oubliez",
    "oublie",
    "ignorer",
    "ignora",
    "ignorar",
    "olvida",
    "olvide",
    "olvidar",
    "ignori",
    "ignorate",
    "dimentica",
    "dimenticate",
    "ignorem",
    "esqueça",
    "esqueca",
    "esquece",
    "negeer",
    "vergeet",
    "игнорируй",
    "игнорируйте",
    "игнорировать",
    "забудь",
    "забудьте",
    "проигнорируй",
    "Игнорируй",
    "Игнорируйте",
    "Забудь",
    "Забудьте",
];

static WHICH: &[&str] = &[
    "all",
    "any",
    "every",
    "previous",
    "previously",
    "prior",
    "above",
    "preceding",
    "earlier",
    "former",
    "foregoing",
    "your",
    "system",
    "initial",
    "original",
    "existing",
    "before",
    "safety",
    "past",
    "developer",
    "given",
    "alle",
    "aller",
    "allen",
    "vorherigen",
    "vorigen",
    "bisherigen",
    "obigen",
    "früheren",
    "vorangegangenen",
    "vorhergehenden",
    "deine",
    "ihre",
    "toutes",
    "tous",
    "précédentes",
    "précédents",
    "precedentes",
    "antérieures",
    "vos",
    "tes",
    "todas",
    "todos",
    "anteriores",
    "previas",
    "previos",
    "tus",
    "sus",
    "tutte",
    "tutti",
    "precedenti",
    "anteriori",
    "tue",
    "tuoi",
    "anteriormente",
    "prévias",
    "suas",
    "seus",
    "voorgaande",
    "vorige",
    "eerdere",
    "bovenstaande",
    "jouw",
    "все",
    "всё",
    "предыдущие",
    "предыдущих",
    "прошлые",
    "свои",
    "прежние",
    "вышеуказанные",
];

static WHAT: &[&str] = &[
    "instructions",
    "instruction",
    "prompt",
    "prompts",
    "rules",
    "guidelines",
    "directives",
    "directive",
    "directions",
    "commands",
    "constraints",
    "restrictions",
    "programming",
    "policies",
    "everything",
    "anweisungen",
    "anweisung",
    "instruktionen",
    "regeln",
    "befehle",
    "vorgaben",
    "richtlinien",
    "aufforderungen",
    "consignes",
    "règles",
    "regles",
    "directives",
    "instrucciones",
    "indicaciones",
    "órdenes",
    "reglas",
    "directrices",
    "istruzioni",
    "regole",
    "indicazioni",
    "direttive",
    "instruções",
    "instrucoes",
    "regras",
    "diretrizes",
    "comandos",
    "instructies",
    "opdrachten",
    "regels",
    "aanwijzingen",
    "инструкции",
    "инструкций",
    "указания",
    "правила",
    "команды",
    "подсказки",
];

static FILLER: &[&str] = &[
    "the",
    "of",
    "my",
    "these",
    "those",
    "this",
    "that",
    "and",
    "or",
    "other",
    "our",
    "about",
    "me",
    "to",
    "from",
    "die",
    "das",
    "der",
    "den",
    "les",
    "ces",
    "las",
    "los",
    "le",
    "gli",
    "i",
    "as",
    "os",
    "de",
    "o",
    "a",
    "al",
    "delle",
    "dei",
    "tutto",
    "message",
    "text",
    "context",
    "user",
    "set",
    "mijn",
    "je",
    "uw",
    "эти",
    "твои",
    "ваши",
    "you",
    "have",
    "were",
    "been",
    "such",
    "said",
    "told",
    "ci-dessus",
    "said",
    "und",
    "et",
    "y",
    "e",
    "en",
    "ou",
];

/// Verbs that ask for hidden text, and what stands between them and it.
static SHOW: &[&str] = &[
    "reveal", "print", "repeat", "show", "output", "display", "tell", "give", "share", "leak",
    "dump", "disclose", "expose", "recite",
];
static SHOW_FILLER: &[&str] = &[
    "me", "us", "the", "of", "full", "entire", "exact", "complete", "whole", "out", "back",
    "verbatim", "all", "what", "is", "are", "now", "here", "word", "for", "contents", "content",
    "text", "in", "and",
];
static SHOW_OWN: &[&str] = &[
    "hidden",
    "secret",
    "initial",
    "original",
    "internal",
    "developer",
    "confidential",
    "starting",
    "previous",
    "prior",
];
static SHOW_WHAT: &[&str] =
    &["prompt", "prompts", "instructions", "instruction", "message", "directives"];

/// What a model is told to be.
static ROLE_FILLER: &[&str] = &[
    "now",
    "in",
    "a",
    "an",
    "the",
    "acting",
    "as",
    "going",
    "to",
    "be",
    "called",
    "operating",
    "running",
    "entering",
    "fully",
];
static ROLE_NAMES: &[&str] =
    &["dan", "jailbroken", "unrestricted", "unfiltered", "uncensored", "evil-gpt", "devmode"];
static ROLE_MODES: &[&str] = &[
    "developer",
    "debug",
    "god",
    "admin",
    "jailbreak",
    "sudo",
    "root",
    "dev",
    "maintenance",
    "unrestricted",
    "dan",
];

/// Phrases of languages without blanks are pieces in a row: a beginning, then pieces until one says what and one says which.
struct Pieces {
    begin: &'static [&'static str],
    middle: &'static [(&'static str, Role)],
    /// The verb that must end the phrase, where the language puts it last.
    end: &'static [&'static str],
}

static PIECES: &[Pieces] = &[
    Pieces {
        begin: &["忽略", "无视", "無視", "忘记", "忘記", "忘掉", "不要理会"],
        middle: &[
            ("之前", Role::Which),
            ("以前", Role::Which),
            ("先前", Role::Which),
            ("以上", Role::Which),
            ("上面", Role::Which),
            ("上述", Role::Which),
            ("前面", Role::Which),
            ("所有", Role::Which),
            ("全部", Role::Which),
            ("一切", Role::Which),
            ("任何", Role::Which),
            ("系统", Role::Which),
            ("系統", Role::Which),
            ("你", Role::Filler),
            ("您", Role::Filler),
            ("的", Role::Filler),
            ("掉", Role::Filler),
            ("给", Role::Filler),
            ("我", Role::Filler),
            ("这些", Role::Filler),
            ("指令", Role::What),
            ("指示", Role::What),
            ("提示词", Role::What),
            ("提示", Role::What),
            ("规则", Role::What),
            ("規則", Role::What),
            ("命令", Role::What),
            ("说明", Role::What),
            ("設定", Role::What),
            ("设定", Role::What),
            ("要求", Role::What),
        ],
        end: &[],
    },
    Pieces {
        begin: &[
            "以前の",
            "これまでの",
            "上記の",
            "前の",
            "今までの",
            "すべての",
            "全ての",
            "先ほどの",
            "以上の",
        ],
        middle: &[
            ("すべての", Role::Which),
            ("全ての", Role::Which),
            ("システム", Role::Which),
            ("指示", Role::What),
            ("命令", Role::What),
            ("プロンプト", Role::What),
            ("指令", Role::What),
            ("ルール", Role::What),
            ("内容", Role::Filler),
            ("を", Role::Filler),
            ("は", Role::Filler),
            ("全て", Role::Filler),
            ("すべて", Role::Filler),
            ("の", Role::Filler),
        ],
        end: &["無視", "忘れて", "忘れろ"],
    },
];

/// What the gate knows phrases by: their first word, and whether a blank must stand before it.
pub(super) fn heads() -> impl Iterator<Item = Head> {
    let words = DROP.iter().chain(SHOW).chain(&["you", "new"]).map(|word| (word, true));
    let pieces = PIECES.iter().flat_map(|pieces| pieces.begin).map(|piece| (piece, false));
    let all = words.chain(pieces);
    all.filter_map(|(text, bounded)| Head::rarest(Rule::Override, text.as_bytes(), true, bounded))
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if reader.sees(|byte| byte >= 0xe3)? {
        return decide_pieces(reader, start);
    }
    // Bytes above ASCII before the verb belong to the same word.
    if text.back(start, 1).is_some_and(|byte| byte >= 0x80) && !ends_a_mark(text, start) {
        return Err(Stop::No);
    }
    let verb = Word::read(&mut reader)?;
    if verb.is_in(DROP) {
        drop_instructions(reader, start)
    } else if verb.is_in(SHOW) {
        show_prompt(reader, start)
    } else if verb.is_in(&["you", "you're"]) {
        become_another(reader, start)
    } else if verb.is_in(&["new"]) {
        new_instructions(reader, start)
    } else {
        Err(Stop::No)
    }
}

/// Whether punctuation above ASCII (quotation marks, ideographic stops, blanks) ends right before an offset.
fn ends_a_mark(text: Text<'_>, at: usize) -> bool {
    matches!(
        (text.back(at, 3), text.back(at, 2)),
        (Some(0xe2), Some(0x80..=0x81))
            | (Some(0xe3), Some(0x80))
            | (Some(0xef), Some(0xbc | 0xbb))
    ) || matches!(text.back(at, 2), Some(0xc2))
        || text.back(at, 4).is_some_and(|byte| byte >= 0xf0)
}

/// A word, folded to lower case as far as ASCII goes.
struct Word {
    bytes: [u8; WORD_BYTES_MAX],
    n: usize,
    /// One past its last byte.
    end: usize,
}

impl Word {
    /// Reads the word that is next; an empty one when none is.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let is_letter = |byte: u8| {
            byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b'-' | 0x80..=0xbf | 0xc3..=0xdf)
        };
        let from = reader.at;
        let n = reader.run(is_letter, WORD_BYTES_MAX)?;
        let mut bytes = [0_u8; WORD_BYTES_MAX];
        for (slot, byte) in bytes.iter_mut().zip(reader.text().slice(from, reader.at)) {
            *slot = byte.to_ascii_lowercase();
        }
        Ok(Self { bytes, n, end: reader.at })
    }

    /// Steps over blanks and reads the word after them; fails when none follows.
    fn read_next(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let mut n = 0_usize;
        loop {
            if n >= GAP_BYTES_MAX {
                return Err(Stop::No);
            }
            let length = match reader.peek()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => 1,
                Some(0xc2) if reader.peek_ahead(1)? == Some(0xa0) => 2,
                _ => break,
            };
            reader.skip(length);
            n = n.saturating_add(length);
        }
        let word = Self::read(reader)?;
        if n == 0 || word.n == 0 { Err(Stop::No) } else { Ok(word) }
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.n).unwrap_or_default()
    }

    /// Whether it is one of some words, which are in lower case as far as ASCII goes.
    fn is_in(&self, words: &[&str]) -> bool {
        let text = self.text();
        words.iter().any(|word| word.as_bytes() == text)
    }
}

/// `ignore all previous instructions`, `forget everything you were told before`, `ignorez les instructions précédentes`.
fn drop_instructions(mut reader: Reader<'_>, start: usize) -> Answer {
    let (mut which, mut what) = (false, false);
    for _ in 0..WORDS_MAX {
        let word = Word::read_next(&mut reader)?;
        if word.is_in(WHAT) {
            what = true;
        } else if word.is_in(WHICH) {
            which = true;
        } else if !word.is_in(FILLER) {
            return Err(Stop::No);
        } else if what && word.is_in(&["said", "told"]) {
            // What was said before need not be called so: "everything you were told".
            which = true;
        }
        if which && what {
            return Ok(Hit::new(start, word.end));
        }
    }
    Err(Stop::No)
}

/// `reveal your system prompt`, `repeat your initial instructions`.
fn show_prompt(mut reader: Reader<'_>, start: usize) -> Answer {
    let (mut yours, mut system) = (false, false);
    for _ in 0..WORDS_MAX {
        let word = Word::read_next(&mut reader)?;
        if word.is_in(SHOW_WHAT) {
            return if system { Ok(Hit::new(start, word.end)) } else { Err(Stop::No) };
        }
        if word.is_in(&["system"]) {
            system = true;
        } else if word.is_in(&["your"]) {
            yours = true;
        } else if yours && word.is_in(SHOW_OWN) {
            system = true;
        } else if !word.is_in(SHOW_FILLER) {
            return Err(Stop::No);
        }
    }
    Err(Stop::No)
}

/// `you are now in developer mode`, `you are DAN`.
fn become_another(mut reader: Reader<'_>, start: usize) -> Answer {
    let short = reader.at.saturating_sub(start) > 3 || reader.eat("’re".as_bytes())?;
    if !short && !Word::read_next(&mut reader)?.is_in(&["are", "will", "must"]) {
        return Err(Stop::No);
    }
    for _ in 0..WORDS_MAX {
        let word = Word::read_next(&mut reader)?;
        if word.is_in(ROLE_MODES) {
            let mut ahead = reader;
            match Word::read_next(&mut ahead) {
                Ok(mode) if mode.is_in(&["mode"]) => return Ok(Hit::new(start, mode.end)),
                Ok(_) | Err(Stop::No) => {}
                Err(stop) => return Err(stop),
            }
        }
        if word.is_in(ROLE_NAMES) {
            return Ok(Hit::new(start, word.end));
        }
        if !word.is_in(ROLE_FILLER) {
            return Err(Stop::No);
        }
    }
    Err(Stop::No)
}

/// `New instructions:`, `new system prompt:`.
fn new_instructions(mut reader: Reader<'_>, start: usize) -> Answer {
    for _ in 0..2 {
        let word = Word::read_next(&mut reader)?;
        if word.is_in(&[
            "instructions",
            "instruction",
            "directive",
            "directives",
            "prompt",
            "rules",
        ]) {
            reader.run(|byte| byte == b' ', 2)?;
            return if reader.eat(b":")? { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) };
        }
        if !word.is_in(&["system", "priority", "important", "developer"]) {
            return Err(Stop::No);
        }
    }
    Err(Stop::No)
}

fn decide_pieces(reader: Reader<'_>, start: usize) -> Answer {
    for pieces in PIECES {
        let mut reader = reader;
        for begin in pieces.begin {
            if reader.eat(begin.as_bytes())? {
                return read_pieces(pieces, reader, start);
            }
        }
    }
    Err(Stop::No)
}

fn read_pieces(pieces: &Pieces, mut reader: Reader<'_>, start: usize) -> Answer {
    // A language with the verb at the end has said which in its first piece.
    let mut which = !pieces.end.is_empty();
    let mut what = false;
    for _ in 0..WORDS_MAX {
        for end in pieces.end {
            if what && reader.eat(end.as_bytes())? {
                return Ok(Hit::new(start, reader.at));
            }
        }
        match read_piece(pieces, &mut reader)? {
            Role::Which => which = true,
            Role::What => what = true,
            Role::Filler => {}
        }
        if which && what && pieces.end.is_empty() {
            return Ok(Hit::new(start, reader.at));
        }
    }
    Err(Stop::No)
}

fn read_piece(pieces: &Pieces, reader: &mut Reader<'_>) -> Result<Role, Stop> {
    for (piece, role) in pieces.middle {
        if reader.eat(piece.as_bytes())? {
            return Ok(*role);
        }
    }
    Err(Stop::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_lower_case() {
        let lists = [
            DROP,
            WHICH,
            WHAT,
            FILLER,
            SHOW,
            SHOW_FILLER,
            SHOW_OWN,
            SHOW_WHAT,
            ROLE_FILLER,
            ROLE_NAMES,
            ROLE_MODES,
        ];
        for word in lists.into_iter().flatten() {
            assert_eq!(word.to_ascii_lowercase(), *word);
            assert!(word.len() < WORD_BYTES_MAX, "{word} is longer than what is read of a word");
        }
    }
}
