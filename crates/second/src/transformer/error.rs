//! Why a model was not loaded.

/// Why a model was not loaded. Nothing of it is in force then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// `config.json` cannot be read.
    #[error("config.json: {reason}")]
    Config {
        /// What the reader said.
        reason: String,
    },
    /// Another architecture.
    #[error(
        "config.json: the architecture {found} is not known: a sequence classifier of the BERT or DeBERTa-v2 family is needed (BertForSequenceClassification, DebertaV2ForSequenceClassification)"
    )]
    Architecture {
        /// What it says.
        found: String,
    },
    /// A setting that this program does not compute.
    #[error("config.json: {setting} = {found:?} is not supported: it must be {known}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it says.
        found: String,
        /// What could stand there.
        known: &'static str,
    },
    /// A number out of bounds.
    #[error("config.json: {what} is {found}: from {min} to {max} is supported")]
    Size {
        /// Its name.
        what: &'static str,
        /// What it says.
        found: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// Weights that are no safetensors.
    #[error("model.safetensors: {reason}: save the model again with safe_serialization=True")]
    Weights {
        /// What is wrong.
        reason: String,
    },
    /// A tensor that is not there.
    #[error(
        "model.safetensors: there is no tensor {name}: is it the classifier that config.json describes?"
    )]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape.
    #[error("model.safetensors: {name} has the shape {found:?}, config.json asks for {want:?}")]
    TensorShape {
        /// Its name.
        name: String,
        /// What it has.
        found: Vec<usize>,
        /// What it must have.
        want: Vec<usize>,
    },
    /// A tensor of another type.
    #[error(
        "model.safetensors: {name} holds {found}: F32, F16 or BF16 is needed; quantised models are not supported"
    )]
    TensorType {
        /// Its name.
        name: String,
        /// What it holds.
        found: String,
    },
    /// A weight that is no finite number.
    #[error(
        "model.safetensors: {name} holds a weight that is no finite number: the file is damaged, or its training failed"
    )]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// The tokenizer cannot be read.
    #[error("tokenizer.json: {reason}: save it as a fast tokenizer")]
    Tokenizer {
        /// What is wrong.
        reason: String,
    },
    /// The tokenizer knows more tokens than the model.
    #[error(
        "tokenizer.json: its highest token is {token}, and the model has {vocabulary}: they do not belong together"
    )]
    Vocabulary {
        /// The highest token.
        token: usize,
        /// How many the model has.
        vocabulary: usize,
    },
    /// Less than a sentence may be read.
    #[error("tokens_max = {tokens_max} is less than one short sentence: raise it")]
    TokensMax {
        /// The setting.
        tokens_max: usize,
    },
    /// The model was asked once, and did not answer with numbers.
    #[error(
        "the model's answer to a plain question is no number: its weights do not fit its config.json, or are damaged"
    )]
    NoAnswer,
}
