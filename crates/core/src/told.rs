//! What a request tells, and the contract of those who see to it that the answer does not give it away.
use crate::detect::Inspector;
use crate::evidence::Source;
use crate::kind::KindId;
use std::fmt;
use std::sync::Arc;

/// A value that was found in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ToldValue<'t> {
    /// What it was found to be.
    pub kind: KindId,
    /// Whose text it stood in.
    pub source: Source,
    /// The value itself, or what the model reads in its place and the caller gets back as the value.
    pub text: &'t [u8],
}

/// Where it stood, and not what it is.
impl fmt::Debug for ToldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldValue")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What one request tells, as the model reads it. All of it is borrowed.
#[derive(Clone, Default)]
pub struct Told<'t> {
    /// What the application wrote and the caller did not: system prompts.
    pub prompts: Vec<&'t [u8]>,
    /// What the caller wrote, or was told before: to say it again gives nothing away.
    pub known: Vec<&'t [u8]>,
    /// Values that stood in it.
    pub values: Vec<ToldValue<'t>>,
}

/// Nothing of it is printed: it is what must not leak.
impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told")
            .field("n_prompts", &self.prompts.len())
            .field("n_known", &self.known.len())
            .field("n_values", &self.values.len())
            .finish()
    }
}

/// What looks into the answer of one request.
#[derive(Clone)]
pub struct Watched {
    /// Sees what the inspector sees that it was made from, with the same kinds, and what is given away besides.
    pub inspector: Arc<dyn Inspector>,
    /// More was told than is looked for.
    pub is_cut: bool,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("is_cut", &self.is_cut).finish_non_exhaustive()
    }
}

/// Makes what looks into answers, request by request.
pub trait Watcher: Send + Sync {
    /// What looks into the answer of the request that told this; `None` where nothing was told that could be given away.
    fn watch(&self, inspector: &Arc<dyn Inspector>, told: &Told<'_>) -> Option<Watched>;
}
