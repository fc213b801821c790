//! What is asked for a second opinion.
use bartizan_core::span::Span;

/// A classifier of texts. It decides nothing.
pub trait Model: Send + Sync {
    /// Its classes, by their own names.
    fn classes(&self) -> &[String];

    /// Scores a whole text: for each of its windows, which together cover it, a number from 0 to 1 for each class. Whoever asks checks
    /// that they are such numbers.
    ///
    /// * `is_over`: looked at before each step whose time depends on the model; when it says yes, nothing more is computed.
    ///
    /// # Errors
    /// [`Unfinished`]: there is no answer, and the text may be anything.
    fn judge(&self, text: &str, is_over: &dyn Fn() -> bool) -> Result<Vec<Window>, Unfinished>;
}

/// A piece of a text, and what the model thinks of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Which bytes it read.
    pub span: Span,
    /// One score for each class, in the order of [`Model::classes`].
    pub scores: Vec<f32>,
}

/// Why there is no second opinion. Each is a finding `limit.model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfinished {
    /// The time ran out.
    Time,
    /// Too many texts are being judged already, and as many wait as may.
    Busy,
    /// The text is longer than is read.
    Long,
    /// The model's answer is no number from 0 to 1.
    Number,
    /// The text is no UTF-8.
    Text,
    /// The model failed.
    Failed,
}

impl Unfinished {
    /// Every reason, in order.
    pub const ALL: [Self; 6] =
        [Self::Time, Self::Busy, Self::Long, Self::Number, Self::Text, Self::Failed];

    /// One word, which the detector's name carries: `second.time@...`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Busy => "busy",
            Self::Long => "long",
            Self::Number => "number",
            Self::Text => "text",
            Self::Failed => "failed",
        }
    }
}
