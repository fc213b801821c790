//! What both families are built of.
use super::LoadError;
use super::shape::{Activation, Shape};
use super::weights::Weights;
use crate::model::Unfinished;
use candle_core::{Device, Tensor};
use candle_nn::ops;

/// A weighted sum: `x W^T + b`.
pub(super) struct Sum {
    /// Shape `[n_in, n_out]`.
    weights: Tensor,
    /// Shape `[n_out]`.
    bias: Option<Tensor>,
}

impl Sum {
    pub(super) fn load(
        weights: &Weights<'_>,
        name: &str,
        n_in: usize,
        n_out: usize,
    ) -> Result<Self, LoadError> {
        let bias = Some(weights.take(&format!("{name}.bias"), &[n_out])?);
        Ok(Self { bias, ..Self::load_without_bias(weights, name, n_in, n_out)? })
    }

    pub(super) fn load_without_bias(
        weights: &Weights<'_>,
        name: &str,
        n_in: usize,
        n_out: usize,
    ) -> Result<Self, LoadError> {
        let name = format!("{name}.weight");
        let weights = weights.take(&name, &[n_out, n_in])?.t().map_err(|_| LoadError::NoAnswer)?;
        Ok(Self { weights, bias: None })
    }

    /// * `x`: shape `[n, n_in]`; the result has `[n, n_out]`.
    pub(super) fn of(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let sums = x.matmul(&self.weights)?;
        match &self.bias {
            Some(bias) => sums.broadcast_add(bias),
            None => Ok(sums),
        }
    }
}

/// Shifts and scales each vector to mean 0 and variance 1, then by learned numbers.
pub(super) struct Norm {
    scale: Tensor,
    shift: Tensor,
    epsilon: f32,
}

impl Norm {
    pub(super) fn load(
        weights: &Weights<'_>,
        name: &str,
        shape: &Shape,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            scale: weights.take(&format!("{name}.weight"), &[shape.hidden])?,
            shift: weights.take(&format!("{name}.bias"), &[shape.hidden])?,
            epsilon: shape.epsilon,
        })
    }

    pub(super) fn of(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm(&x.contiguous()?, &self.scale, &self.shift, self.epsilon)
    }
}

impl Activation {
    pub(super) fn of(self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
        }
    }
}

/// What follows attention in a layer.
pub(super) struct After {
    mixed: Sum,
    mixed_norm: Norm,
    wide: Sum,
    activation: Activation,
    narrow: Sum,
    narrow_norm: Norm,
}

impl After {
    pub(super) fn load(
        weights: &Weights<'_>,
        layer: &str,
        shape: &Shape,
    ) -> Result<Self, LoadError> {
        let name = |part: &str| format!("{layer}.{part}");
        let (hidden, wide) = (shape.hidden, shape.intermediate);
        Ok(Self {
            mixed: Sum::load(weights, &name("attention.output.dense"), hidden, hidden)?,
            mixed_norm: Norm::load(weights, &name("attention.output.LayerNorm"), shape)?,
            wide: Sum::load(weights, &name("intermediate.dense"), hidden, wide)?,
            activation: shape.activation,
            narrow: Sum::load(weights, &name("output.dense"), wide, hidden)?,
            narrow_norm: Norm::load(weights, &name("output.LayerNorm"), shape)?,
        })
    }

    /// * `x`: what came into the layer, `attended`: what attention made of it; both `[n, hidden]`.
    pub(super) fn of(&self, x: &Tensor, attended: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.mixed_norm.of(&(self.mixed.of(attended)? + x)?)?;
        let wide = self.activation.of(&self.wide.of(&x)?)?;
        self.narrow_norm.of(&(self.narrow.of(&wide)? + &x)?)
    }
}

/// Vectors by head: from `[n, heads * size]` to `[heads, n, size]`.
pub(super) fn by_head(x: &Tensor, shape: &Shape) -> candle_core::Result<Tensor> {
    let n = x.dim(0)?;
    x.reshape((n, shape.heads, shape.head_size))?.transpose(0, 1)?.contiguous()
}

/// And back.
pub(super) fn from_heads(x: &Tensor, shape: &Shape) -> candle_core::Result<Tensor> {
    let n = x.dim(1)?;
    x.transpose(0, 1)?.contiguous()?.reshape((n, shape.hidden))
}

/// Rows of a table, by number.
pub(super) fn rows(table: &Tensor, numbers: &[u32]) -> candle_core::Result<Tensor> {
    let numbers = Tensor::from_vec(numbers.to_vec(), numbers.len(), &Device::Cpu)?;
    table.index_select(&numbers, 0)
}

/// The first `n` rows of a table.
pub(super) fn first_rows(table: &Tensor, n: usize) -> candle_core::Result<Tensor> {
    table.narrow(0, 0, n)
}

/// Stops where the time is over.
pub(super) fn in_time(is_over: &dyn Fn() -> bool) -> Result<(), Unfinished> {
    if is_over() { Err(Unfinished::Time) } else { Ok(()) }
}

/// What attention divides by: the root of the length of the vectors that are multiplied, `n` times over.
#[expect(clippy::cast_precision_loss, reason = "a head has at most a few thousand numbers")]
pub(super) fn root(n: usize) -> f64 {
    (n as f64).sqrt()
}

/// Passes on a vector of finite numbers: some functions make an innocent number of what is none.
pub(super) fn finite(x: Tensor) -> Result<Tensor, Unfinished> {
    let numbers = x.flatten_all()?.to_vec1::<f32>()?;
    if numbers.iter().all(|number| number.is_finite()) { Ok(x) } else { Err(Unfinished::Number) }
}
