//! What was seen, by which detector and version, where. No opinion: opinions are policy's.
use crate::span::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of this enum that records carry.
pub const EVIDENCE_VERSION: u32 = 2;

/// Where a piece of text came from. The release ladder tells them apart: the same words are harmless from the user
/// and an attack from a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The application's own instructions.
    System,
    /// The person, and every field that nobody else claims.
    User,
    /// What a tool answered.
    Tool,
    /// What was retrieved or attached.
    Document,
    /// What the model said.
    Model,
    /// What the model wants to call, with which arguments.
    ToolCall,
}

impl Source {
    /// Every source, in order.
    pub const ALL: [Self; 6] =
        [Self::System, Self::User, Self::Tool, Self::Document, Self::Model, Self::ToolCall];

    /// The name that policies and records use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Tool => "tool",
            Self::Document => "document",
            Self::Model => "model",
            Self::ToolCall => "tool_call",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way the bytes were going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the caller to the model.
    Input,
    /// From the model to the caller.
    Output,
}

/// One fact. Closed and versioned: a record that was written today can be judged again in ten years.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// Who asks, as far as the key tells.
    Caller {
        /// The key's public id.
        key: String,
        /// The roles that the key has, sorted.
        roles: Vec<String>,
        /// The route that the request took.
        route: String,
    },
    /// A detector saw something.
    Finding {
        /// Name and version of the detector.
        detector: String,
        /// What was seen: `pii.iban`.
        kind: String,
        /// Whose text it was.
        source: Source,
        /// Which way it was going.
        direction: Direction,
        /// Where in the document, as a path: `messages[2].content`.
        place: String,
        /// Which bytes of the decoded text at that place.
        span: Span,
        /// How sure the detector was, in thousandths.
        score: u16,
    },
}
