//! Tiny classifiers with weights that nobody trained, in the files that Hugging Face's libraries read and write.
//!
//! The numbers are a function of their tensors' names, so a model is the same wherever it is made. What other software computes with these
//! files is what ours must compute.
/// Words that the tokenizers know.
const WORDS: [&str; 34] = [
    "ignore",
    "all",
    "previous",
    "instructions",
    "and",
    "print",
    "your",
    "system",
    "prompt",
    "where",
    "can",
    "i",
    "buy",
    "good",
    "bread",
    "in",
    "lyon",
    "?",
    ".",
    "!",
    ",",
    "the",
    "hello",
    "world",
    "you",
    "are",
    "now",
    "free",
    "please",
    "write",
    "a",
    "poem",
    "to",
    "it",
];
/// Letters that words which nobody knows are made of.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
/// Tokens that stand for no text.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// One of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classifier {
    /// BERT with `WordPiece`; two classes that exclude each other.
    Bert,
    /// As DeBERTa v3: shared keys, buckets, normalised distances, no absolute positions, a unigram tokenizer; three classes.
    DebertaV3,
    /// As DeBERTa v2 can be: own keys, no buckets, absolute positions, narrow embeddings; classes that do not exclude each other.
    DebertaV2,
}

const HIDDEN: usize = 16;
const INTERMEDIATE: usize = 24;
const LAYERS: usize = 2;
const POSITIONS: usize = 24;
const BUCKETS: usize = 8;
const NARROW: usize = 12;

impl Classifier {
    /// Every model.
    pub const ALL: [Self; 3] = [Self::Bert, Self::DebertaV3, Self::DebertaV2];

    /// A name for its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DebertaV3 => "deberta-v3",
            Self::DebertaV2 => "deberta-v2",
        }
    }

    /// Its classes, in order.
    pub const fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &["SAFE", "INJECTION"],
            Self::DebertaV3 => &["BENIGN", "INJECTION", "JAILBREAK"],
            Self::DebertaV2 => &["toxic", "insult"],
        }
    }

    fn vocabulary(self) -> Vec<String> {
        let special = SPECIAL.iter().map(|&token| token.to_owned());
        let letters = LETTERS.chars();
        if self == Self::Bert {
            let inner: Vec<String> = letters.map(|letter| format!("##{letter}")).collect();
            return special.chain(WORDS.map(str::to_owned)).chain(inner).collect();
        }
        let words = WORDS.iter().map(|word| format!("\u{2581}{word}"));
        let begin = std::iter::once("\u{2581}".to_owned());
        special.chain(words).chain(begin).chain(letters.map(String::from)).collect()
    }

    /// `config.json`
    pub fn config(self) -> String {
        let labels = self.classes().iter().enumerate();
        let labels: Vec<String> =
            labels.map(|(n, class)| format!("\"{n}\": \"{class}\"")).collect();
        let own = match self {
            Self::Bert => {
                "\"architectures\": [\"BertForSequenceClassification\"], \"model_type\": \"bert\",
  \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12, \"problem_type\": \"single_label_classification\""
            }
            Self::DebertaV3 => {
                "\"architectures\": [\"DebertaV2ForSequenceClassification\"], \"model_type\": \"deberta-v2\",
  \"type_vocab_size\": 0, \"layer_norm_eps\": 1e-7, \"relative_attention\": true, \"position_buckets\": 8,
  \"max_relative_positions\": -1, \"pos_att_type\": [\"p2c\", \"c2p\"], \"share_att_key\": true,
  \"norm_rel_ebd\": \"layer_norm\", \"position_biased_input\": false, \"pooler_hidden_act\": \"gelu\", \"pooler_hidden_size\": 16"
            }
            Self::DebertaV2 => {
                "\"architectures\": [\"DebertaV2ForSequenceClassification\"], \"model_type\": \"deberta-v2\",
  \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-7, \"relative_attention\": true, \"max_relative_positions\": 6,
  \"pos_att_type\": \"p2c|c2p\", \"embedding_size\": 12, \"pooler_hidden_act\": \"tanh\", \"pooler_hidden_size\": 16,
  \"problem_type\": \"multi_label_classification\""
            }
        };
        format!(
            "{{\n  {own},\n  \"vocab_size\": {}, \"hidden_size\": {HIDDEN}, \"num_hidden_layers\": {LAYERS}, \"num_attention_heads\": 2,
  \"intermediate_size\": {INTERMEDIATE}, \"hidden_act\": \"gelu\", \"max_position_embeddings\": {POSITIONS},
  \"pad_token_id\": 0, \"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1,
  \"id2label\": {{{}}}\n}}\n",
            self.vocabulary().len(),
            labels.join(", "),
        )
    }

    /// `tokenizer.json`
    pub fn tokenizer(self) -> String {
        let quoted = |token: &String| format!("\"{token}\"");
        let vocabulary: Vec<String> = self.vocabulary().iter().map(quoted).collect();
        let added = SPECIAL.iter().enumerate().map(|(id, token)| {
            format!(
                "{{\"id\": {id}, \"content\": \"{token}\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}}"
            )
        });
        let added: Vec<String> = added.collect();
        let (normalizer, before, model) = if self == Self::Bert {
            let entries = vocabulary.iter().enumerate().map(|(id, token)| format!("{token}: {id}"));
            let entries: Vec<String> = entries.collect();
            (
                "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true}",
                "{\"type\": \"BertPreTokenizer\"}",
                format!(
                    "{{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": {{{}}}}}",
                    entries.join(", ")
                ),
            )
        } else {
            let n_words = SPECIAL.len() + WORDS.len();
            let score = |id: usize| if id < n_words { -2 } else { -10 };
            let entries = vocabulary.iter().enumerate();
            let entries = entries.map(|(id, token)| format!("[{token}, {}.0]", score(id)));
            let entries: Vec<String> = entries.collect();
            (
                "{\"type\": \"Lowercase\"}",
                "{\"type\": \"Metaspace\", \"replacement\": \"\u{2581}\", \"prepend_scheme\": \"always\", \"split\": true}",
                format!(
                    "{{\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [{}], \"byte_fallback\": false}}",
                    entries.join(", ")
                ),
            )
        };
        // A file may say that texts are cut short and filled up. Ours must not be.
        format!(
            "{{\"version\": \"1.0\", \"truncation\": {{\"direction\": \"Right\", \"max_length\": 8, \"strategy\": \"LongestFirst\", \"stride\": 0}},
\"padding\": {{\"strategy\": {{\"Fixed\": 12}}, \"direction\": \"Right\", \"pad_to_multiple_of\": null, \"pad_id\": 0, \"pad_type_id\": 0, \"pad_token\": \"[PAD]\"}},
\"added_tokens\": [{}],\n\"normalizer\": {normalizer},\n\"pre_tokenizer\": {before},
\"post_processor\": {{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}},
\"decoder\": null,\n\"model\": {model}}}\n",
            added.join(", ")
        )
    }

    /// The tensors of the model: names and shapes.
    fn tensors(self) -> Vec<(String, Vec<usize>)> {
        let n_words = self.vocabulary().len();
        let mut all: Vec<(String, Vec<usize>)> = Vec::new();
        let mut table = |name: &str, shape: &[usize]| all.push((name.to_owned(), shape.to_vec()));
        let (family, prefix) = if self == Self::Bert { ("bert", "") } else { ("deberta", "_proj") };
        let embedding = if self == Self::DebertaV2 { NARROW } else { HIDDEN };
        table(&format!("{family}.embeddings.word_embeddings.weight"), &[n_words, embedding]);
        if self != Self::DebertaV3 {
            table(
                &format!("{family}.embeddings.position_embeddings.weight"),
                &[POSITIONS, embedding],
            );
            table(&format!("{family}.embeddings.token_type_embeddings.weight"), &[2, embedding]);
        }
        if self == Self::DebertaV2 {
            table("deberta.embeddings.embed_proj.weight", &[HIDDEN, NARROW]);
            table("deberta.encoder.rel_embeddings.weight", &[12, HIDDEN]);
        }
        let mut sums: Vec<(String, usize, usize)> = Vec::new();
        let mut norms = vec![format!("{family}.embeddings.LayerNorm")];
        if self == Self::DebertaV3 {
            table("deberta.encoder.rel_embeddings.weight", &[2 * BUCKETS, HIDDEN]);
            norms.push("deberta.encoder.LayerNorm".to_owned());
        }
        for n in 0..LAYERS {
            let layer = format!("{family}.encoder.layer.{n}");
            let mut parts =
                ["query", "key", "value"].map(|part| format!("{part}{prefix}")).to_vec();
            if self == Self::DebertaV2 {
                parts.extend(["pos_key_proj", "pos_query_proj"].map(str::to_owned));
            }
            let square = parts.iter().map(|part| format!("{layer}.attention.self.{part}"));
            sums.extend(square.map(|name| (name, HIDDEN, HIDDEN)));
            sums.push((format!("{layer}.attention.output.dense"), HIDDEN, HIDDEN));
            sums.push((format!("{layer}.intermediate.dense"), HIDDEN, INTERMEDIATE));
            sums.push((format!("{layer}.output.dense"), INTERMEDIATE, HIDDEN));
            norms.extend(
                ["attention.output", "output"].map(|part| format!("{layer}.{part}.LayerNorm")),
            );
        }
        let pooler = if self == Self::Bert { "bert.pooler.dense" } else { "pooler.dense" };
        sums.push((pooler.to_owned(), HIDDEN, HIDDEN));
        sums.push(("classifier".to_owned(), HIDDEN, self.classes().len()));
        for (name, n_in, n_out) in sums {
            table(&format!("{name}.weight"), &[n_out, n_in]);
            table(&format!("{name}.bias"), &[n_out]);
        }
        for name in norms {
            table(&format!("{name}.weight"), &[HIDDEN]);
            table(&format!("{name}.bias"), &[HIDDEN]);
        }
        all
    }

    /// `model.safetensors`
    pub fn weights(self) -> Vec<u8> {
        self.weights_with(&|_, _, number| number)
    }

    /// The same with other numbers.
    ///
    /// * `change`: what stands in the place of a tensor's number: name, index, number.
    pub fn weights_with(self, change: &dyn Fn(&str, usize, f32) -> f32) -> Vec<u8> {
        let mut header = String::from("{\"__metadata__\": {\"format\": \"pt\"}");
        let mut data = Vec::new();
        for (name, shape) in self.tensors() {
            let start = data.len();
            for at in 0..shape.iter().product() {
                data.extend(change(&name, at, number(&name, at)).to_le_bytes());
            }
            let end = data.len();
            let value = format!(
                ", \"{name}\": {{\"dtype\": \"F32\", \"shape\": {shape:?}, \"data_offsets\": [{start}, {end}]}}"
            );
            header.push_str(&value);
        }
        header.push('}');
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.into_bytes());
        file.extend(data);
        file
    }

    /// The files by name.
    pub fn files(self) -> [(&'static str, Vec<u8>); 3] {
        [
            ("config.json", self.config().into_bytes()),
            ("model.safetensors", self.weights()),
            ("tokenizer.json", self.tokenizer().into_bytes()),
        ]
    }
}

/// A number of a tensor: about 1 for the scales of norms, else around 0. The head's are larger, so that scores differ.
#[expect(clippy::cast_precision_loss, reason = "24 bits fit into a float")]
fn number(name: &str, at: usize) -> f32 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let bits = crate::SplitMix::new(seed.wrapping_add(at as u64)).draw() >> 40;
    let part = bits as f32 / 16_777_216.0 - 0.5;
    if name.ends_with("LayerNorm.weight") {
        1.0 + part * 0.5
    } else if name.starts_with("classifier") {
        part * 6.0
    } else {
        part
    }
}
