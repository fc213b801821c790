//! A second opinion on texts: a classifier of the operator's own, which is asked only where the first tier is unsure.
//!
//! [`Second`] wraps the inspector that looks into texts. It takes the first tier's scores of a text ([`First`]); where one of them lies in
//! the band that the operator named, it asks a [`Model`], within a bound of time and of texts that wait ([`Room`]). A model that does not
//! answer in time, or answers what is no number, is a finding `limit.model`: "do not know" is never "allow".
//!
//! Only whole texts can be judged: those of a request are whole before any of them leaves; an answer is judged when it is over, and the
//! detector's name says `whole`. With the feature `transformers`, `transformer` reads BERT and DeBERTa-v2 classifiers from bytes that
//! are handed in. This crate opens nothing, downloads nothing, has no clock and starts no thread of its own.
mod detector;
mod label;
mod model;
mod names;
mod second;
mod tally;
#[cfg(feature = "transformers")]
pub mod transformer;

pub use label::{Ask, Band, Label, LabelRule, Opinion, Place};
pub use model::{Model, Unfinished, Window};
pub use second::{First, Listening, Room, Second, SecondError, SecondOptions};
pub use tally::{Tally, TallyCounts};

/// Bytes of a text that are read for each token that is allowed: a longer text is not judged at all.
pub const TOKEN_BYTES_MAX: usize = 16;
/// Most bytes of a model's `config.json`.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a model's `tokenizer.json`.
pub const TOKENIZER_BYTES_MAX: usize = 64 << 20;
/// Most bytes of a model's `model.safetensors`.
pub const WEIGHTS_BYTES_MAX: usize = 2 << 30;

#[cfg(test)]
mod tests;
