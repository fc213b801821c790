//! BERT and DeBERTa-v2 sequence classifiers, as Hugging Face saves them: `config.json`, `model.safetensors`, `tokenizer.json`.
//!
//! Bytes are handed in, and every one of them is hostile until it is checked: nothing here runs code from a file (there is no pickle), no
//! size is believed before it is compared with a bound, and a setting that is not understood is refused rather than passed over, because
//! a model that computes something else than its authors meant gives confident nonsense.
use crate::model::{Model, Unfinished, Window};
use layer::Sum;
use shape::{Family, Shape};
use weights::Weights;
use words::Words;

mod bert;
mod deberta;
mod error;
mod layer;
mod shape;
mod weights;
mod words;

pub use error::LoadError;
pub use shape::{CLASSES_MAX, HEADS_MAX, HIDDEN_MAX, INTERMEDIATE_MAX, LAYERS_MAX, VOCABULARY_MAX};
pub use weights::HEADER_BYTES_MAX;
pub use words::WINDOW_TOKENS_MAX;

/// What every model is asked once when it is loaded: one whose answer is none must not be found out by traffic.
const PROBE: &str = "Where can I buy good bread in Lyon?";

/// The files of a model.
#[derive(Clone, Copy, Debug)]
pub struct Files<'f> {
    /// `config.json`
    pub config: &'f [u8],
    /// `tokenizer.json`
    pub tokenizer: &'f [u8],
    /// `model.safetensors`
    pub weights: &'f [u8],
}

/// The part of a model that turns tokens into what stands for the text.
trait Encoder: Send + Sync {
    /// The vector of a window: shape `[1, hidden]`.
    fn pooled(
        &self,
        ids: &[u32],
        is_over: &dyn Fn() -> bool,
    ) -> Result<candle_core::Tensor, Unfinished>;
}

/// A classifier that was loaded.
pub struct Transformer {
    encoder: Box<dyn Encoder>,
    head: Sum,
    words: Words,
    classes: Vec<String>,
    /// Classes exclude each other, so their scores sum up to 1.
    is_exclusive: bool,
}

impl std::fmt::Debug for Transformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transformer").field("classes", &self.classes).finish_non_exhaustive()
    }
}

impl Transformer {
    /// Checks and loads a model, and asks it once.
    ///
    /// * `tokens_max`: most tokens of a text; a longer one is [`Unfinished::Long`].
    ///
    /// # Errors
    /// [`LoadError`], which says what is wrong with which file.
    pub fn load(files: Files<'_>, tokens_max: usize) -> Result<Self, LoadError> {
        let shape = Shape::read(files.config)?;
        let words = Words::read(files.tokenizer, &shape, tokens_max)?;
        let weights = Weights::read(files.weights)?;
        let encoder: Box<dyn Encoder> = match &shape.family {
            Family::Bert => Box::new(bert::Bert::load(&shape, &weights)?),
            Family::Deberta(relative) => {
                Box::new(deberta::Deberta::load(&shape, relative, &weights)?)
            }
        };
        let head = Sum::load(&weights, "classifier", shape.hidden, shape.classes.len())?;
        let Shape { classes, is_exclusive, .. } = shape;
        let loaded = Self { encoder, head, words, classes, is_exclusive };
        match loaded.judge(PROBE, &|| false) {
            Ok(_) => Ok(loaded),
            Err(Unfinished::Long) => Err(LoadError::TokensMax { tokens_max }),
            _ => Err(LoadError::NoAnswer),
        }
    }

    fn scores(&self, ids: &[u32], is_over: &dyn Fn() -> bool) -> Result<Vec<f32>, Unfinished> {
        let pooled = self.encoder.pooled(ids, is_over)?;
        let logits = layer::finite(self.head.of(&pooled)?)?.squeeze(0)?.to_vec1::<f32>()?;
        Ok(if self.is_exclusive {
            softmax(&logits)
        } else {
            logits.into_iter().map(sigmoid).collect()
        })
    }
}

impl Model for Transformer {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn judge(&self, text: &str, is_over: &dyn Fn() -> bool) -> Result<Vec<Window>, Unfinished> {
        let pieces = self.words.pieces(text)?;
        let judged = pieces.into_iter().map(|piece| {
            Ok(Window { span: piece.span, scores: self.scores(&piece.ids, is_over)? })
        });
        judged.collect()
    }
}

impl From<candle_core::Error> for Unfinished {
    fn from(_: candle_core::Error) -> Self {
        Self::Failed
    }
}

/// Numbers that sum up to 1; what is no number stays none.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests;
