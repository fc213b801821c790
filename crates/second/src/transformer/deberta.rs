//! DeBERTa-v2 and v3. Source: P. He et al., ICLR 2021 and ICLR 2023; names of tensors and details as in Hugging
//! Face's `modeling_deberta_v2`.
use super::layer::{
    After, Norm, Sum, by_head, finite, first_rows, from_heads, in_time, root, rows,
};
use super::shape::{Relative, Shape};
use super::weights::Weights;
use super::{Encoder, LoadError};
use crate::model::Unfinished;
use candle_core::{Device, Tensor};
use candle_nn::ops;

/// What the vectors of distances are where they meet those of words: shape `[heads, size, 2 * span]`. They depend on the model alone.
struct Distances {
    /// For the words that look: their keys are distances.
    keys: Option<Tensor>,
    /// For the words that are looked at: their queries are distances.
    queries: Option<Tensor>,
}

struct Layer {
    query: Sum,
    key: Sum,
    value: Sum,
    distances: Distances,
    after: After,
}

/// The same for all layers of one window.
struct Told {
    /// Which distance the word of a column has to that of a row, and the other way round: shape `[heads, n, n]`.
    to_column: Tensor,
    to_row: Tensor,
}

impl Layer {
    /// * `vectors`: those of distances, shape `[2 * span, hidden]`.
    fn load(
        weights: &Weights<'_>,
        n: usize,
        vectors: Option<&Tensor>,
        (shape, relative): (&Shape, &Relative),
    ) -> Result<Self, LoadError> {
        let layer = format!("deberta.encoder.layer.{n}");
        let hidden = shape.hidden;
        let sum = |part: &str| {
            Sum::load(weights, &format!("{layer}.attention.self.{part}"), hidden, hidden)
        };
        let (query, key) = (sum("query_proj")?, sum("key_proj")?);
        let through = |shared: &Sum, own: &str, is_used: bool| {
            let Some(vectors) = vectors.filter(|_| is_used) else { return Ok(None) };
            let own = if relative.shares_keys { None } else { Some(sum(own)?) };
            let vectors = own.as_ref().unwrap_or(shared).of(vectors);
            let vectors = vectors.and_then(|vectors| by_head(&vectors, shape)?.transpose(1, 2));
            vectors.map(Some).map_err(|_| LoadError::NoAnswer)
        };
        let distances = Distances {
            keys: through(&key, "pos_key_proj", relative.content_to_position)?,
            queries: through(&query, "pos_query_proj", relative.position_to_content)?,
        };
        let (value, after) = (sum("value_proj")?, After::load(weights, &layer, shape)?);
        Ok(Self { query, key, value, distances, after })
    }

    fn of(
        &self,
        x: &Tensor,
        told: Option<&Told>,
        (shape, relative): (&Shape, &Relative),
    ) -> candle_core::Result<Tensor> {
        let query = by_head(&self.query.of(x)?, shape)?;
        let key = by_head(&self.key.of(x)?, shape)?;
        let value = by_head(&self.value.of(x)?, shape)?;
        let n_terms = 1
            + usize::from(relative.content_to_position)
            + usize::from(relative.position_to_content);
        let divisor = root(shape.head_size.saturating_mul(n_terms));
        let mut scores = query.matmul(&key.transpose(1, 2)?)?;
        if let (Some(told), Some(keys)) = (told, &self.distances.keys) {
            scores = (scores + query.matmul(keys)?.gather(&told.to_column, 2)?)?;
        }
        if let (Some(told), Some(queries)) = (told, &self.distances.queries) {
            scores = (scores + key.matmul(queries)?.gather(&told.to_row, 2)?.transpose(1, 2)?)?;
        }
        let scores = (scores / divisor)?.contiguous()?;
        let attended = ops::softmax_last_dim(&scores)?.matmul(&value)?;
        self.after.of(x, &from_heads(&attended, shape)?)
    }
}

/// A DeBERTa-v2 encoder with its pooler.
pub(super) struct Deberta {
    words: Tensor,
    positions: Option<Tensor>,
    kind: Option<Tensor>,
    widened: Option<Sum>,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Sum,
    shape: Shape,
    relative: Relative,
}

impl Deberta {
    pub(super) fn load(
        shape: &Shape,
        relative: &Relative,
        weights: &Weights<'_>,
    ) -> Result<Self, LoadError> {
        let broken = |_| LoadError::NoAnswer;
        let table = |name: &str, n: usize, size: usize| {
            weights.take(&format!("deberta.embeddings.{name}.weight"), &[n, size])
        };
        let positions = relative
            .has_positions
            .then(|| table("position_embeddings", shape.positions, relative.embedding));
        let kinds = (0 < shape.token_types)
            .then(|| table("token_type_embeddings", shape.token_types, relative.embedding));
        let kind = kinds.transpose()?.map(|kinds| first_rows(&kinds, 1)).transpose();
        let widened = (relative.embedding != shape.hidden).then(|| {
            let name = "deberta.embeddings.embed_proj";
            Sum::load_without_bias(weights, name, relative.embedding, shape.hidden)
        });
        let mut vectors = None;
        if relative.is_on {
            let n = relative.span().saturating_mul(2);
            let own = weights.take("deberta.encoder.rel_embeddings.weight", &[n, shape.hidden])?;
            vectors = Some(if relative.is_normed {
                let norm = Norm::load(weights, "deberta.encoder.LayerNorm", shape)?;
                norm.of(&own).map_err(broken)?
            } else {
                own
            });
        }
        let layers =
            (0..shape.layers).map(|n| Layer::load(weights, n, vectors.as_ref(), (shape, relative)));
        Ok(Self {
            words: table("word_embeddings", shape.vocabulary, relative.embedding)?,
            positions: positions.transpose()?,
            kind: kind.map_err(broken)?,
            widened: widened.transpose()?,
            norm: Norm::load(weights, "deberta.embeddings.LayerNorm", shape)?,
            layers: layers.collect::<Result<_, _>>()?,
            pooler: Sum::load(weights, "pooler.dense", shape.hidden, shape.hidden)?,
            shape: shape.clone(),
            relative: *relative,
        })
    }

    fn told(&self, n: usize) -> candle_core::Result<Option<Told>> {
        if !self.relative.is_on {
            return Ok(None);
        }
        let span = i64::try_from(self.relative.span()).unwrap_or(i64::MAX);
        let place = |distance: i64| {
            let place =
                distance.saturating_add(span).clamp(0, span.saturating_mul(2).saturating_sub(1));
            u32::try_from(place).unwrap_or(0)
        };
        let n_signed = i64::try_from(n).unwrap_or(i64::MAX);
        let pairs = || (0..n_signed).flat_map(|row| (0..n_signed).map(move |column| (row, column)));
        let bucket = |(row, column): (i64, i64)| bucket(row.saturating_sub(column), &self.relative);
        let index = |places: Vec<u32>| {
            let one = Tensor::from_vec(places, (1, n, n), &Device::Cpu)?;
            one.broadcast_as((self.shape.heads, n, n))?.contiguous()
        };
        let to_column = index(pairs().map(|pair| place(bucket(pair))).collect())?;
        let to_row = index(pairs().map(|pair| place(bucket(pair).saturating_neg())).collect())?;
        Ok(Some(Told { to_column, to_row }))
    }
}

/// The bucket of a distance: near ones stand for themselves, of farther ones each bucket has more.
///
/// Source: `make_log_bucket_position` of Hugging Face's `modeling_deberta_v2`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "distances are below 2^17, and the result is no larger"
)]
pub(super) fn bucket(distance: i64, relative: &Relative) -> i64 {
    let middle = i64::try_from(relative.buckets / 2).unwrap_or(i64::MAX);
    let far = distance.saturating_abs();
    if middle == 0 || far <= middle {
        return distance;
    }
    let farthest = (relative.distance_max as f32 - 1.0) / middle as f32;
    let part = (far as f32 / middle as f32).ln() / farthest.ln();
    let beyond = (part * (middle as f32 - 1.0)).ceil() as i64;
    middle.saturating_add(beyond).saturating_mul(distance.signum())
}

impl Encoder for Deberta {
    fn pooled(&self, ids: &[u32], is_over: &dyn Fn() -> bool) -> Result<Tensor, Unfinished> {
        let mut x = rows(&self.words, ids)?;
        if let Some(positions) = &self.positions {
            x = (x + first_rows(positions, ids.len())?)?;
        }
        if let Some(kind) = &self.kind {
            x = x.broadcast_add(kind)?;
        }
        if let Some(widened) = &self.widened {
            x = widened.of(&x)?;
        }
        x = self.norm.of(&x)?;
        let told = self.told(ids.len())?;
        for layer in &self.layers {
            in_time(is_over)?;
            x = layer.of(&x, told.as_ref(), (&self.shape, &self.relative))?;
        }
        let first = finite(first_rows(&x, 1)?)?;
        Ok(self.relative.pooler.of(&self.pooler.of(&first)?)?)
    }
}
