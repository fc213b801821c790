//! Refusals: a signal for whoever watches how often a model declines, and no finding.
use bartizan_core::detect::Score;

/// A refusal begins in the first so many bytes of an answer; what comes later is about something else.
const HEAD_BYTES: usize = 320;
/// Most bytes between the words that decline and what they decline.
const GAP_BYTES: usize = 48;

/// How one language declines: words that say so, and what they are about.
struct Language {
    /// "I cannot"
    declines: &'static [&'static str],
    /// "help you": follows soon. Where there is none, the first words say it all.
    acts: &'static [&'static str],
    /// "but", after "cannot help": what makes it something else.
    not: &'static [&'static str],
}

const ENGLISH_ACTS: &[&str] = &[
    "help with",
    "help you",
    "help create",
    "help make",
    "help write",
    "help.",
    "help!",
    "help in",
    "assist",
    "provide",
    "comply",
    "fulfill",
    "fulfil",
    "create",
    "write",
    "generate",
    "share",
    "discuss",
    "engage",
    "participate",
    "do that",
    "do this",
    "answer",
    "offer",
    "produce",
    "give you",
    "support",
    "disclose",
    "reveal",
    "promote",
    "be able to",
    "respond to",
    "continue with",
    "complete this",
    "complete that",
    "process this",
    "accommodate",
    "facilitate",
    "encourage",
    "endorse",
    "take part",
];

const LANGUAGES: &[Language] = &[
    Language {
        declines: &[
            "i can't",
            "i cannot",
            "i can not",
            "i won't",
            "i will not",
            "i'm unable to",
            "i am unable to",
            "i'm not able to",
            "i am not able to",
            "i must decline to",
            "i have to decline to",
            "i'm not going to",
            "i'm not comfortable",
            "i am not comfortable",
            "i'm not allowed to",
            "i am not allowed to",
            "i'm not permitted to",
            "i refuse to",
            "i must refuse to",
            "i'd rather not",
        ],
        acts: ENGLISH_ACTS,
        not: &[
            "but notice",
            "enough",
            "wait",
            "without knowing",
            "without more",
            "until you",
            "unless you",
        ],
    },
    Language {
        declines: &[
            "i must decline",
            "i have to decline",
            "i'll have to pass on",
            "i must respectfully decline",
            "i respectfully decline",
            "against my guidelines",
            "violates my guidelines",
            "against my programming",
            "i'm sorry, but i can't",
            "i'm sorry, i can't",
            "i'm sorry, but i cannot",
            "i'm sorry, i cannot",
            "sorry, i can't do that",
            "sorry, but i can't do that",
        ],
        acts: &[],
        not: &[],
    },
    Language {
        declines: &[
            "ich kann",
            "ich werde",
            "ich darf",
            "leider kann ich",
            "dabei kann ich",
            "das kann ich",
            "damit kann ich",
            "hierbei kann ich",
        ],
        acts: &[
            "nicht helfen",
            "nicht weiterhelfen",
            "nicht behilflich",
            "nicht unterstützen",
            "nicht beantworten",
            "nicht bereitstellen",
            "nicht erfüllen",
            "nicht erstellen",
            "nicht nachkommen",
            "keine anleitung",
            "keine hilfe",
            "keine informationen",
            "nicht tun",
        ],
        not: &["nicht nur"],
    },
    Language {
        declines: &[
            "je ne peux pas",
            "je ne peux malheureusement pas",
            "je ne suis pas en mesure",
            "je refuse de",
            "je ne suis pas autorisé",
        ],
        acts: &[
            "aider",
            "fournir",
            "répondre à cette",
            "répondre à votre",
            "créer",
            "générer",
            "assister",
            "donner d",
            "accéder à",
            "écrire",
            "partager",
            "satisfaire",
        ],
        not: &["m'empêcher"],
    },
    Language {
        declines: &[
            "no puedo",
            "no me es posible",
            "no estoy autorizado",
            "no podré",
            "me niego a",
        ],
        acts: &[
            "ayudar",
            "proporcionar",
            "cumplir",
            "generar",
            "asistir",
            "crear",
            "responder a e",
            "brindar",
            "ofrecer",
            "compartir",
        ],
        not: &["esperar", "evitar"],
    },
    Language {
        declines: &[
            "non posso",
            "non sono in grado di",
            "mi rifiuto di",
            "não posso",
            "não consigo",
            "não estou autorizado",
            "recuso-me a",
        ],
        acts: &[
            "aiutar",
            "fornir",
            "assister",
            "creare",
            "generare",
            "soddisfare",
            "rispondere a quest",
            "ajudar",
            "ajudá",
            "fornecer",
            "auxiliar",
            "criar",
            "gerar",
            "responder a ess",
            "compartilhar",
        ],
        not: &["esperar", "aspettare"],
    },
    Language {
        declines: &[
            "ik kan je",
            "ik kan u",
            "ik kan dat",
            "ik kan niet",
            "daar kan ik",
            "helaas kan ik",
        ],
        acts: &[
            "niet helpen",
            "niet bij helpen",
            "niet mee helpen",
            "helpen met",
            "geen informatie",
            "niet verstrekken",
        ],
        not: &[],
    },
    Language {
        declines: &[
            "я не могу",
            "я не буду",
            "я не в состоянии",
            "не могу",
            "nie mogę",
            "nie jestem w stanie",
            "jag kan inte",
            "jeg kan ikke",
        ],
        acts: &[
            "помочь",
            "предоставить",
            "выполнить",
            "ответить на",
            "создать",
            "помогать",
            "обсуждать",
            "pomóc",
            "udzielić",
            "dostarczyć",
            "spełnić",
            "hjälpa",
            "hjelpe",
            "hjælpe",
            "tillhandahålla",
        ],
        not: &["не помочь"],
    },
    Language {
        declines: &[
            "我无法",
            "我不能",
            "我無法",
            "我不會",
            "我不会",
            "无法为您",
            "無法為您",
            "不能为您",
        ],
        acts: &[
            "提供", "帮助", "幫助", "协助", "協助", "满足", "滿足", "回答", "完成", "生成", "参与",
            "參與", "讨论", "討論",
        ],
        not: &[],
    },
    Language {
        declines: &[
            "お手伝いできません",
            "お手伝いすることはできません",
            "お答えできません",
            "お答えすることはできません",
            "提供できません",
            "提供することはできません",
            "お応えできません",
            "対応できません",
            "도와드릴 수 없",
            "도움을 드릴 수 없",
            "제공할 수 없",
            "답변할 수 없",
            "답변드릴 수 없",
            "yardımcı olamam",
            "yardım edemem",
            "لا أستطيع مساعدت",
            "لا يمكنني مساعدت",
            "لا يمكنني تقديم",
            "मैं इसमें मदद नहीं कर",
            "मैं आपकी मदद नहीं कर",
            "tôi không thể giúp",
            "tôi không thể cung cấp",
            "saya tidak dapat membantu",
            "saya tidak bisa membantu",
        ],
        acts: &[],
        not: &[],
    },
];

/// Words of regret, which make a refusal surer.
const REGRETS: &[&str] = &[
    "sorry",
    "apologi",
    "unfortunately",
    "regret",
    "afraid",
    "tut mir leid",
    "leider",
    "désolé",
    "malheureusement",
    "lo siento",
    "lamento",
    "mi dispiace",
    "sinto muito",
    "desculp",
    "helaas",
    "het spijt me",
    "извин",
    "к сожалению",
    "przykro",
    "niestety",
    "抱歉",
    "对不起",
    "對不起",
    "申し訳",
    "すみません",
    "죄송",
    "üzgünüm",
    "آسف",
    "عذر",
    "क्षमा",
    "xin lỗi",
    "maaf",
];

/// Whether an answer refuses what it was asked for, and how sure that is. A signal to count, not a finding.
///
/// It reads the beginning of the answer, in twenty languages, by words. A refusal that is quoted, or told of somebody else, is none; one
/// that comes after half an answer is not seen, and neither is one in words of its own.
///
/// ```
/// # use bartizan_inspect::leak::is_refusal;
/// assert!(is_refusal("I'm sorry, but I can't help with that.").is_some());
/// assert!(is_refusal("I can't wait to help you with that!").is_none());
/// ```
pub fn is_refusal(text: &str) -> Option<Score> {
    let text = text.trim_start();
    let head = text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or(text);
    let head =
        head.to_lowercase().replace(['\u{2019}', '\u{2bc}', '`'], "'").replace(['*', '_'], "");
    let declined = LANGUAGES.iter().any(|language| {
        let mut places = language.declines.iter().flat_map(|words| head.match_indices(words));
        places.any(|(at, words)| declines(language, &head, at, words))
    });
    if !declined {
        return None;
    }
    let has_regret = REGRETS.iter().any(|word| head.contains(word));
    Some(Score::thousandths(if has_regret { 950 } else { 850 }))
}

/// Whether the words at a place of the head decline something.
fn declines(language: &Language, head: &str, at: usize, words: &str) -> bool {
    let (before, rest) = head.split_at_checked(at).unwrap_or_default();
    // Where the words say it all, they may stand anywhere in the sentence: in many languages the verb ends it.
    let is_own = if language.acts.is_empty() { !tells(before) } else { begins_a_clause(before) };
    if !is_own || is_quoted(before) {
        return false;
    }
    let after = rest.get(words.len()..).unwrap_or_default();
    // "I can't" is not in "I can'the".
    let is_whole = !words.is_ascii() || !after.starts_with(|c: char| c.is_ascii_alphanumeric());
    let near = after.get(..after.floor_char_boundary(GAP_BYTES)).unwrap_or(after);
    // The same sentence only.
    let near = near.split_once(['\n', '?', ';']).map_or(near, |(near, _)| near);
    let about = language.acts.iter().filter_map(|act| near.find(act)).min();
    let is_about = language.acts.is_empty() || about.is_some();
    let upto = near.get(..about.unwrap_or(near.len())).unwrap_or(near);
    is_whole
        && is_about
        && !language.not.iter().any(|word| upto.contains(word) || near.starts_with(word))
}

/// Whether somebody speaks for themselves here: after the beginning, a mark, or a word that joins. "She said I cannot" tells of another.
fn begins_a_clause(before: &str) -> bool {
    const JOINS: &[&str] = &[
        "but",
        "that",
        "and",
        "so",
        "however",
        "therefore",
        "unfortunately",
        "sorry",
        "afraid",
        "aber",
        "dass",
        "mais",
        "que",
        "pero",
        "ma",
        "mas",
        "maar",
        "но",
        "что",
        "ale",
        "men",
        "as",
        "ai",
        "model",
        "assistant",
        "apologize",
        "leid",
        "malheureusement",
        "désolé",
    ];
    let last = before.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    (last.is_empty() || JOINS.contains(&last) || !last.is_ascii()) && !tells(before)
}

/// Whether the sentence so far tells of somebody who says something.
fn tells(before: &str) -> bool {
    const TELLS: &[&str] = &[
        "say", "says", "said", "reply", "replied", "wrote", "write", "answer", "answered", "told",
        "if", "when", "why",
    ];
    let sentence = before.trim_end().rsplit(['.', '!', '?', '\n']).next().unwrap_or_default();
    sentence.split(|c: char| !c.is_alphanumeric()).any(|word| TELLS.contains(&word))
}

/// Whether a quotation is open.
fn is_quoted(before: &str) -> bool {
    let count = |mark: char| before.matches(mark).count();
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
    count('"') % 2 == 1
        || count('\u{201c}').saturating_add(count('\u{201e}'))
            > count('\u{201d}').saturating_add(count('\u{201f}'))
        || count('«') > count('»')
        || count('「') > count('」')
        || line.starts_with('>')
}
