//! What must not leak in one exchange.
use super::forms;
use super::grams::{Gram, Grams, Wide};
use super::letters::{Letters, PIECE_BYTES, Piece, letters_of};
use super::needle::{Needles, Role};
use super::place::Address;
use super::runs::{POINTS_MIN, Runs};
use std::fmt;
use std::sync::{LazyLock, OnceLock};

/// Most bytes of all system prompts together that are looked for.
pub const PROMPT_BYTES_MAX: usize = 64 << 10;
/// Most of them that are looked for where a text is encoded.
pub const CODED_PROMPT_BYTES_MAX: usize = 16 << 10;
/// Most values and canaries that are looked for.
pub const VALUES_MAX: usize = 128;
/// Most bytes of one of them that are looked for.
pub const VALUE_BYTES_MAX: usize = 4 << 10;

/// Most bytes of what the caller wrote that are taken out of what is looked for. More is not: that would only make a leak of it.
pub const KNOWN_BYTES_MAX: usize = 256 << 10;

/// Members that runs must show before a prompt counts as leaked: at most about 18 words.
const WANTED_MAX: usize = 80;
/// The same for a prompt of which these are more than a quarter.
const WANTED_MIN: usize = 32;

/// What everybody writes into system prompts, and models say without having read one. It proves nothing.
const COMMONPLACES: &[&str] = &[
    "You are a helpful assistant. You are an AI assistant. You are a helpful, respectful and honest assistant.",
    "You are a large language model trained by OpenAI. You are ChatGPT, a large language model. You are Claude, created by Anthropic.",
    "As an AI language model, I do not have personal opinions or feelings. I'm here to help. How can I help you today?",
    "I want you to act as a. I want you to act as an. I will provide you with. Your task is to. Your job is to. Your goal is to.",
    "You will be provided with. Please provide me with. I want you to reply with. I want you to only reply with.",
    "My first request is. My first sentence is. My first question is. My first suggestion request is.",
    "Do not write explanations. Only reply with. Do not provide any explanations. Do not include any explanations.",
    "Answer the following question. Answer the question based on the context. If you don't know the answer, say that you don't know.",
    "Think step by step. Let's think step by step. Be concise. Respond in the following format. Here is an example.",
    "in the same language as the user. make sure to. as well as. in order to. for example. such as. be able to. including but not limited to.",
    "Du bist ein hilfreicher Assistent. Tu es un assistant utile. Eres un asistente útil. Sei un assistente utile. Você é um assistente útil.",
    "你是一个有用的助手。你是一个人工智能助手。あなたは役に立つアシスタントです。Ты полезный ассистент.",
];

static COMMON: LazyLock<Grams> = LazyLock::new(|| {
    let letters: Vec<Vec<u8>> =
        COMMONPLACES.iter().map(|text| letters_of(text.as_bytes())).collect();
    let n_letters: usize = letters.iter().map(Vec::len).sum();
    // Twice the room: what is taken for commonplace is not looked for.
    let mut grams = Grams::with_room(n_letters.saturating_mul(2));
    for letters in &letters {
        Gram::each(letters, |gram| grams.insert(gram));
    }
    grams
});

/// What one request tells: the texts that a context is made of.
///
/// All of it is borrowed, and none of it is copied but what is needed to find it again.
#[derive(Clone, Default)]
pub struct Material<'a> {
    /// The system prompts: whatever the application wrote that the caller did not.
    pub prompts: Vec<&'a [u8]>,
    /// Words that were put into the prompts so that they betray a leak: one is enough, wherever it stands.
    pub canaries: Vec<&'a [u8]>,
    /// What input findings marked as secret or personal: not to be carried away by addresses and tool calls.
    pub values: Vec<&'a [u8]>,
    /// What the caller wrote. Prompts leak to the caller, who learns nothing from their own words.
    pub known: Vec<&'a [u8]>,
}

impl fmt::Debug for Material<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("n_prompts", &self.prompts.len())
            .field("n_canaries", &self.canaries.len())
            .field("n_values", &self.values.len())
            .field("n_known", &self.known.len())
            .finish()
    }
}

/// What must not leak in one exchange, prepared for looking. Made once for each request; its detectors share it.
///
/// It is held in memory only: nothing prints it, and a finding says where something stood, never what it was.
pub struct Context {
    /// The start of the prompts, for forms that are written down only when a text asks for them.
    prompt: Box<[u8]>,
    grams: Option<Grams>,
    coded: OnceLock<Grams>,
    pub(super) n_wanted: u32,
    pub(super) needles: Needles,
    is_cut: bool,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("has_prompt", &self.grams.is_some())
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Prepares for looking.
    ///
    /// A prompt with fewer than about 22 letters that are its own, and a value with fewer than 8 letters, are not looked for; neither is
    /// what exceeds [`PROMPT_BYTES_MAX`], [`VALUES_MAX`] and [`VALUE_BYTES_MAX`], which [`Context::is_cut`] tells.
    pub fn new(material: &Material<'_>) -> Self {
        let mut is_cut = false;
        let prompt = joined(&material.prompts, &mut is_cut);
        let letters = letters_of(&prompt);
        let (grams, n_own) = own_grams(&letters);
        let n_wanted = wanted(n_own);
        let mut grams = (n_own >= POINTS_MIN as usize).then_some(grams);
        if let Some(grams) = &mut grams {
            let mut room = KNOWN_BYTES_MAX;
            for text in &material.known {
                let text = text.get(..text.len().min(room)).unwrap_or_default();
                room = room.saturating_sub(text.len());
                forget(grams, text);
            }
        }
        let canaries = material.canaries.iter().map(|text| (*text, Role::Canary));
        let values = material.values.iter().map(|text| (*text, Role::Value));
        let all = canaries.chain(values);
        is_cut |= all.clone().count() > VALUES_MAX;
        is_cut |= all.clone().any(|(text, _)| text.len() > VALUE_BYTES_MAX);
        let needles = Needles::new(all.take(VALUES_MAX).map(|(text, role)| {
            (text.get(..text.len().min(VALUE_BYTES_MAX)).unwrap_or_default(), role)
        }));
        let n_kept = if grams.is_some() { prompt.len().min(CODED_PROMPT_BYTES_MAX) } else { 0 };
        is_cut |= grams.is_some() && n_kept < prompt.len();
        Self {
            prompt: prompt.get(..n_kept).unwrap_or_default().into(),
            grams,
            coded: OnceLock::new(),
            n_wanted,
            needles,
            is_cut,
        }
    }

    /// Whether there is nothing to look for.
    pub const fn is_empty(&self) -> bool {
        self.grams.is_none() && self.needles.is_empty()
    }

    /// Whether a bound was met, so that not all of the material is looked for in every form.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The prompts' grams, as they are, reversed, and in ROT13.
    pub(super) const fn grams(&self) -> Option<&Grams> {
        self.grams.as_ref()
    }

    /// The grams of the encoded forms. They are written down for the first text that looks encoded: few do.
    pub(super) fn coded(&self) -> &Grams {
        self.coded.get_or_init(|| {
            let letters = letters_of(&self.prompt);
            let forms: Vec<Vec<u8>> =
                forms::CODED.iter().map(|write| write(&self.prompt, &letters)).collect();
            let mut grams = Grams::with_room(forms.iter().map(Vec::len).sum());
            let all = forms.iter().flat_map(|form| Wide::all(form));
            all.for_each(|gram| grams.insert(gram));
            grams
        })
    }
}

/// The prompts one after the other, without the addresses in them: those are there to be handed out.
fn joined(prompts: &[&[u8]], is_cut: &mut bool) -> Vec<u8> {
    let mut all = Vec::with_capacity(prompts.iter().map(|prompt| prompt.len()).sum());
    for prompt in prompts {
        let room = PROMPT_BYTES_MAX.saturating_sub(all.len());
        *is_cut |= prompt.len() > room;
        let prompt = prompt.get(..prompt.len().min(room)).unwrap_or_default();
        let mut address = Address::default();
        if address.may_touch(prompt) {
            all.extend(prompt.iter().copied().filter(|&byte| {
                address.step(byte);
                !address.is_inside()
            }));
        } else {
            all.extend_from_slice(prompt);
        }
        all.push(b'\n');
    }
    all
}

/// The grams of the forms that look like text, and how many are not commonplace.
fn own_grams(letters: &[u8]) -> (Grams, usize) {
    let mut grams = Grams::with_room(letters.len().saturating_mul(forms::PLAIN.len()));
    let mut n_own = 0_usize;
    for (n, write) in forms::PLAIN.iter().enumerate() {
        let form = write(&[], letters);
        if n == 0 {
            Gram::each(&form, |gram| {
                if !COMMON.contains(gram) {
                    grams.insert(gram);
                    n_own = n_own.saturating_add(1);
                }
            });
        } else {
            Gram::each(&form, |gram| grams.insert(gram));
        }
    }
    (grams, n_own)
}

/// How many members runs must show.
fn wanted(n_own: usize) -> u32 {
    let n = (n_own / 4).clamp(WANTED_MIN, WANTED_MAX).min(n_own.saturating_mul(4) / 5);
    u32::try_from(n).unwrap_or(u32::MAX).max(POINTS_MIN)
}

/// Takes out what the caller wrote too: whole runs only, so that no flood of words can empty the set.
fn forget(grams: &mut Grams, text: &[u8]) {
    let (mut letters, mut piece) = (Letters::default(), Piece::new());
    let (mut runs, mut gram) = (Runs::new(0), Gram::default());
    let mut shown = Vec::new();
    for bytes in text.chunks(PIECE_BYTES) {
        letters.read(bytes, &mut piece);
        for (letter, place) in piece.iter() {
            gram = gram.then(letter);
            runs.step(grams, gram, place, &mut |_| {});
            if runs.is_run() && grams.contains(gram) {
                shown.push(gram);
            }
        }
        // What was taken out of the set would cut the run that shows it short.
        if shown.len() > PROMPT_BYTES_MAX {
            break;
        }
    }
    for gram in shown {
        grams.remove(gram);
    }
}
