//! BERT. Source: J. Devlin et al., "BERT", NAACL 2019; names of tensors and details as in Hugging Face's `modeling_bert`.
use super::layer::{
    After, Norm, Sum, by_head, finite, first_rows, from_heads, in_time, root, rows,
};
use super::shape::Shape;
use super::weights::Weights;
use super::{Encoder, LoadError};
use crate::model::Unfinished;
use candle_core::Tensor;
use candle_nn::ops;

struct Layer {
    query: Sum,
    key: Sum,
    value: Sum,
    after: After,
}

impl Layer {
    fn load(weights: &Weights<'_>, n: usize, shape: &Shape) -> Result<Self, LoadError> {
        let layer = format!("bert.encoder.layer.{n}");
        let hidden = shape.hidden;
        let sum = |part: &str| {
            Sum::load(weights, &format!("{layer}.attention.self.{part}"), hidden, hidden)
        };
        Ok(Self {
            query: sum("query")?,
            key: sum("key")?,
            value: sum("value")?,
            after: After::load(weights, &layer, shape)?,
        })
    }

    fn of(&self, x: &Tensor, shape: &Shape) -> candle_core::Result<Tensor> {
        let query = by_head(&self.query.of(x)?, shape)?;
        let key = by_head(&self.key.of(x)?, shape)?;
        let value = by_head(&self.value.of(x)?, shape)?;
        let scores = (query.matmul(&key.transpose(1, 2)?)? / root(shape.head_size))?;
        let attended = ops::softmax_last_dim(&scores)?.matmul(&value)?;
        self.after.of(x, &from_heads(&attended, shape)?)
    }
}

/// A BERT encoder with its pooler.
pub(super) struct Bert {
    words: Tensor,
    positions: Tensor,
    /// The vector of the first kind of text: there is only one here.
    kind: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Sum,
    shape: Shape,
}

impl Bert {
    pub(super) fn load(shape: &Shape, weights: &Weights<'_>) -> Result<Self, LoadError> {
        let table = |name: &str, n: usize| {
            weights.take(&format!("bert.embeddings.{name}.weight"), &[n, shape.hidden])
        };
        let layers = (0..shape.layers).map(|n| Layer::load(weights, n, shape));
        let kinds = table("token_type_embeddings", shape.token_types)?;
        Ok(Self {
            words: table("word_embeddings", shape.vocabulary)?,
            positions: table("position_embeddings", shape.positions)?,
            kind: first_rows(&kinds, 1).map_err(|_| LoadError::NoAnswer)?,
            norm: Norm::load(weights, "bert.embeddings.LayerNorm", shape)?,
            layers: layers.collect::<Result<_, _>>()?,
            pooler: Sum::load(weights, "bert.pooler.dense", shape.hidden, shape.hidden)?,
            shape: shape.clone(),
        })
    }
}

impl Encoder for Bert {
    fn pooled(&self, ids: &[u32], is_over: &dyn Fn() -> bool) -> Result<Tensor, Unfinished> {
        let positions = first_rows(&self.positions, ids.len())?;
        let x = (rows(&self.words, ids)? + positions)?.broadcast_add(&self.kind)?;
        let mut x = self.norm.of(&x)?;
        for layer in &self.layers {
            in_time(is_over)?;
            x = layer.of(&x, &self.shape)?;
        }
        let first = finite(first_rows(&x, 1)?)?;
        Ok(self.pooler.of(&first)?.tanh()?)
    }
}
