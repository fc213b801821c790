//! `config.json`: what the model is, as far as it can be computed here.
use super::LoadError;
use crate::CONFIG_BYTES_MAX;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most layers.
pub const LAYERS_MAX: usize = 64;
/// Most numbers that stand for one token.
pub const HIDDEN_MAX: usize = 4096;
/// Most numbers inside a layer.
pub const INTERMEDIATE_MAX: usize = 32 << 10;
/// Most attention heads.
pub const HEADS_MAX: usize = 64;
/// Most tokens that a model knows.
pub const VOCABULARY_MAX: usize = 1 << 20;
/// Most classes.
pub const CLASSES_MAX: usize = 64;
/// Most positions; of these at most [`super::WINDOW_TOKENS_MAX`] are used.
const POSITIONS_MAX: usize = 64 << 10;

/// What a number of the file is checked against.
const fn size_error(what: &'static str, found: usize, min: usize, max: usize) -> LoadError {
    LoadError::Size { what, found, min, max }
}

/// The function between two sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    Gelu,
    GeluTanh,
    Relu,
    Tanh,
}

/// What only DeBERTa-v2 has.
#[expect(clippy::struct_excessive_bools, reason = "the file says each of them by itself")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relative {
    /// Attention knows how far tokens are apart.
    pub(super) is_on: bool,
    /// Distances near 0 that are told apart; farther ones share logarithmic buckets. 0 where each distance stands for itself.
    pub(super) buckets: usize,
    /// The largest distance that is told apart.
    pub(super) distance_max: usize,
    pub(super) content_to_position: bool,
    pub(super) position_to_content: bool,
    /// Positions use the projections of the contents.
    pub(super) shares_keys: bool,
    /// Vectors of distances are normalised.
    pub(super) is_normed: bool,
    /// Absolute positions are added to the words.
    pub(super) has_positions: bool,
    /// Numbers that stand for a token before the first layer.
    pub(super) embedding: usize,
    pub(super) pooler: Activation,
}

impl Relative {
    /// How many distances there are to each side.
    pub(super) const fn span(&self) -> usize {
        if self.buckets == 0 { self.distance_max } else { self.buckets }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Bert,
    Deberta(Relative),
}

/// What the model is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) family: Family,
    pub(super) vocabulary: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
    pub(super) intermediate: usize,
    pub(super) activation: Activation,
    pub(super) positions: usize,
    pub(super) token_types: usize,
    pub(super) epsilon: f32,
    pub(super) classes: Vec<String>,
    pub(super) is_exclusive: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The file as it stands. What is missing has the default of the family.
#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    architectures: Vec<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: Option<String>,
    max_position_embeddings: usize,
    layer_norm_eps: Option<f32>,
    type_vocab_size: Option<usize>,
    id2label: Option<BTreeMap<String, String>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    relative_attention: Option<bool>,
    position_buckets: Option<i64>,
    max_relative_positions: Option<i64>,
    pos_att_type: Option<OneOrMany>,
    share_att_key: Option<bool>,
    norm_rel_ebd: Option<String>,
    position_biased_input: Option<bool>,
    embedding_size: Option<usize>,
    attention_head_size: Option<usize>,
    conv_kernel_size: Option<usize>,
    pooler_hidden_size: Option<usize>,
    pooler_hidden_act: Option<String>,
}

impl Shape {
    /// Reads and checks the file.
    pub(super) fn read(config: &[u8]) -> Result<Self, LoadError> {
        if CONFIG_BYTES_MAX < config.len() {
            let reason = format!("it has more than {CONFIG_BYTES_MAX} bytes");
            return Err(LoadError::Config { reason });
        }
        let raw: Raw = serde_json::from_slice(config)
            .map_err(|error| LoadError::Config { reason: error.to_string() })?;
        let is_bert = match raw.architectures.as_slice() {
            [name] if name == "BertForSequenceClassification" => true,
            [name] if name == "DebertaV2ForSequenceClassification" => false,
            names => return Err(LoadError::Architecture { found: shown(names) }),
        };
        for (what, found, max) in [
            ("vocab_size", raw.vocab_size, VOCABULARY_MAX),
            ("hidden_size", raw.hidden_size, HIDDEN_MAX),
            ("num_hidden_layers", raw.num_hidden_layers, LAYERS_MAX),
            ("num_attention_heads", raw.num_attention_heads, HEADS_MAX),
            ("intermediate_size", raw.intermediate_size, INTERMEDIATE_MAX),
            ("max_position_embeddings", raw.max_position_embeddings, POSITIONS_MAX),
        ] {
            if !(1..=max).contains(&found) {
                return Err(size_error(what, found, 1, max));
            }
        }
        let (hidden, heads) = (raw.hidden_size, raw.num_attention_heads);
        let head_size = hidden / heads;
        if !hidden.is_multiple_of(heads)
            || raw.attention_head_size.is_some_and(|size| size != head_size)
        {
            return Err(LoadError::Setting {
                setting: "num_attention_heads",
                found: heads.to_string(),
                known: "such that heads and their sizes make up hidden_size",
            });
        }
        if raw.is_decoder == Some(true) {
            return Err(setting("is_decoder", "true", "false"));
        }
        let family = if is_bert { bert(&raw)? } else { Family::Deberta(deberta(&raw)?) };
        let (classes, is_exclusive) = classes(&raw)?;
        let epsilon = raw.layer_norm_eps.unwrap_or(if is_bert { 1e-12 } else { 1e-7 });
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(setting("layer_norm_eps", &epsilon.to_string(), "from 0 to 1"));
        }
        let token_types = raw.type_vocab_size.unwrap_or(if is_bert { 2 } else { 0 });
        let least = usize::from(is_bert);
        if !(least..=CLASSES_MAX).contains(&token_types) {
            return Err(size_error("type_vocab_size", token_types, least, CLASSES_MAX));
        }
        Ok(Self {
            family,
            vocabulary: raw.vocab_size,
            hidden,
            layers: raw.num_hidden_layers,
            heads,
            head_size,
            intermediate: raw.intermediate_size,
            activation: activation("hidden_act", raw.hidden_act.as_deref())?,
            positions: raw.max_position_embeddings,
            token_types,
            epsilon,
            classes,
            is_exclusive,
        })
    }
}

fn setting(setting: &'static str, found: &str, known: &'static str) -> LoadError {
    LoadError::Setting { setting, found: found.chars().take(64).collect(), known }
}

/// Names of the file, short enough to repeat.
fn shown(names: &[String]) -> String {
    if names.is_empty() {
        return "(none)".to_owned();
    }
    names.join(", ").chars().take(128).collect()
}

fn bert(raw: &Raw) -> Result<Family, LoadError> {
    match raw.position_embedding_type.as_deref() {
        None | Some("absolute") => Ok(Family::Bert),
        Some(other) => Err(setting("position_embedding_type", other, "absolute")),
    }
}

fn deberta(raw: &Raw) -> Result<Relative, LoadError> {
    if raw.conv_kernel_size.is_some_and(|size| 0 < size) {
        return Err(setting("conv_kernel_size", "larger than 0", "0, or left out"));
    }
    if raw.pooler_hidden_size.is_some_and(|size| size != raw.hidden_size) {
        return Err(setting("pooler_hidden_size", "another size", "hidden_size"));
    }
    let kinds = match &raw.pos_att_type {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => {
            one.split('|').map(|kind| kind.trim().to_lowercase()).collect()
        }
        Some(OneOrMany::Many(many)) => many.clone(),
    };
    if let Some(odd) = kinds.iter().find(|kind| !["c2p", "p2c", ""].contains(&kind.as_str())) {
        return Err(setting("pos_att_type", odd, "c2p, p2c or both"));
    }
    let has = |kind: &str| kinds.iter().any(|known| known == kind);
    let is_normed = match raw.norm_rel_ebd.as_deref() {
        None | Some("none" | "") => false,
        Some("layer_norm") => true,
        Some(other) => return Err(setting("norm_rel_ebd", other, "none or layer_norm")),
    };
    let positive = |number: Option<i64>| usize::try_from(number.unwrap_or(-1)).unwrap_or(0);
    let distance_max = match positive(raw.max_relative_positions) {
        0 => raw.max_position_embeddings,
        far => far,
    };
    let buckets = positive(raw.position_buckets);
    let embedding = raw.embedding_size.unwrap_or(raw.hidden_size);
    for (what, found, min, max) in [
        ("max_relative_positions", distance_max, 1, POSITIONS_MAX),
        ("position_buckets", buckets, 0, POSITIONS_MAX),
        ("embedding_size", embedding, 1, HIDDEN_MAX),
    ] {
        if !(min..=max).contains(&found) {
            return Err(size_error(what, found, min, max));
        }
    }
    // The middle of the buckets divides, and the farthest distance must lie beyond it.
    if buckets == 1 || (0 < buckets && distance_max <= buckets / 2 + 1) {
        return Err(setting(
            "position_buckets",
            &buckets.to_string(),
            "less than twice max_relative_positions, and not 1",
        ));
    }
    Ok(Relative {
        is_on: raw.relative_attention.unwrap_or(false),
        buckets,
        distance_max,
        content_to_position: has("c2p"),
        position_to_content: has("p2c"),
        shares_keys: raw.share_att_key.unwrap_or(false),
        is_normed,
        has_positions: raw.position_biased_input.unwrap_or(true),
        embedding,
        pooler: activation("pooler_hidden_act", raw.pooler_hidden_act.as_deref())?,
    })
}

/// The function of a name. Where there is none it is the families' default.
fn activation(name: &'static str, said: Option<&str>) -> Result<Activation, LoadError> {
    match said {
        None | Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some("relu") => Ok(Activation::Relu),
        Some("tanh") => Ok(Activation::Tanh),
        Some(other) => Err(setting(name, other, "gelu, gelu_new, gelu_pytorch_tanh, relu or tanh")),
    }
}

/// The names of the classes, and whether they exclude each other, as the library that saved the model decides it.
fn classes(raw: &Raw) -> Result<(Vec<String>, bool), LoadError> {
    let n = raw.id2label.as_ref().map(BTreeMap::len).or(raw.num_labels).unwrap_or(2);
    if !(1..=CLASSES_MAX).contains(&n) {
        return Err(size_error("the number of labels", n, 1, CLASSES_MAX));
    }
    let name = |at: usize| match &raw.id2label {
        Some(names) => names.get(&at.to_string()).cloned(),
        None => Some(format!("LABEL_{at}")),
    };
    let names: Option<Vec<String>> = (0..n).map(name).collect();
    let names =
        names.ok_or_else(|| setting("id2label", "gaps", "one name for each number from 0 on"))?;
    let is_exclusive = match raw.problem_type.as_deref() {
        None => 1 < n,
        Some("single_label_classification") => true,
        Some("multi_label_classification") => false,
        Some(other) => {
            let known = "single_label_classification or multi_label_classification";
            return Err(setting("problem_type", other, known));
        }
    };
    if is_exclusive && n == 1 {
        return Err(setting(
            "problem_type",
            "single_label_classification of one label",
            "multi_label_classification",
        ));
    }
    Ok((names, is_exclusive))
}
