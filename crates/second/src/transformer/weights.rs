//! `model.safetensors`: numbers by name, and nothing that runs.
use super::LoadError;
use crate::WEIGHTS_BYTES_MAX;
use candle_core::{DType, Device, Storage, Tensor};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

/// Most bytes of the header, which names the tensors.
pub const HEADER_BYTES_MAX: u64 = 4 << 20;

/// The tensors of a file whose header has been checked: they lie one after the other, inside the file, and fill it.
pub(super) struct Weights<'w> {
    tensors: SafeTensors<'w>,
}

impl<'w> Weights<'w> {
    pub(super) fn read(bytes: &'w [u8]) -> Result<Self, LoadError> {
        let wrong = |reason: &str| LoadError::Weights { reason: reason.to_owned() };
        if WEIGHTS_BYTES_MAX < bytes.len() {
            let reason = format!("it has more than {WEIGHTS_BYTES_MAX} bytes");
            return Err(LoadError::Weights { reason });
        }
        let length = bytes.first_chunk::<8>().ok_or_else(|| wrong("it is cut short"))?;
        if HEADER_BYTES_MAX < u64::from_le_bytes(*length) {
            return Err(wrong("its header is too long, or it is another kind of file"));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| match error {
            SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::HeaderTooSmall => {
                wrong("it is cut short")
            }
            other => LoadError::Weights { reason: other.to_string() },
        })?;
        Ok(Self { tensors })
    }

    /// A tensor of exactly this shape, as 32-bit floats that are all finite.
    pub(super) fn take(&self, name: &str, want: &[usize]) -> Result<Tensor, LoadError> {
        let missing = || LoadError::Missing { name: name.to_owned() };
        let view = self.tensors.tensor(name).map_err(|_| missing())?;
        if view.shape() != want {
            let (found, want) = (view.shape().to_vec(), want.to_vec());
            return Err(LoadError::TensorShape { name: name.to_owned(), found, want });
        }
        let kind = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let found = format!("{other:?}");
                return Err(LoadError::TensorType { name: name.to_owned(), found });
            }
        };
        let tensor = Tensor::from_raw_buffer(view.data(), kind, want, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(DType::F32))
            .map_err(|error| LoadError::Weights { reason: format!("{name}: {error}") })?;
        if is_finite(&tensor) {
            return Ok(tensor);
        }
        Err(LoadError::NotFinite { name: name.to_owned() })
    }
}

fn is_finite(tensor: &Tensor) -> bool {
    let (storage, _) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(numbers) => {
            numbers.as_slice::<f32>().is_ok_and(|numbers| numbers.iter().all(|n| n.is_finite()))
        }
        _ => false,
    }
}
