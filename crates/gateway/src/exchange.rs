//! One exchange, from the caller's bytes to the last byte of the answer, as a state machine without I/O.
//!
//! `Reading -> Judged -> Streaming -> Closed`: [`Guard::open`] reads and judges a request; what comes out of it either goes upstream with a
//! [`Pass`] or back to the caller as a refusal. [`Answer`] then takes the upstream's bytes, whole or in pieces, and
//! gives out what may be released. Both sides hand out the records that must be durable before the next byte moves; the shell
//! around this module waits for them.
use crate::limits::Limits;
use crate::reply::Reply;
use bartizan_core::clock::Clock;
use bartizan_core::detect::Inspector;
use bartizan_core::record::{Draft, RecordId};
use bartizan_core::told::Watcher;
use bartizan_policy::{GuardPolicy, Pass, Roles};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;

/// What all exchanges of a gateway share. Replaced as a whole on reload.
#[derive(Clone)]
pub struct Guard {
    /// Makes the detectors.
    pub inspector: Arc<dyn Inspector>,
    /// Decides.
    pub policy: Arc<GuardPolicy>,
    /// Bounds.
    pub limits: Limits,
    /// With `false` no rule is asked (a bench and a comparison need it): requests are not scanned, and answers for what the inspector knows, which
    /// is then nothing but the upstreams' own keys: [`Keyed::alone`]. Records are still written.
    pub scan: bool,
    /// Values that the model reads placeholders for, where there are such kinds.
    pub pseudonyms: Option<Pseudonyms>,
    /// Looks in answers for what their requests told.
    pub watcher: Option<Arc<dyn Watcher>>,
    /// Tells how long the guards have been at it.
    pub clock: Arc<dyn Clock>,
}

/// The guarded endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models`
    Models,
}

/// What a route promises of the records of its exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing moves before the record that it depends on is durable.
    #[default]
    Strict,
    /// Records are in line before anything depends on them, and nobody waits for the disk. A crash loses what was in line.
    Bounded,
    /// Nothing is recorded.
    Off,
}

impl Durability {
    /// The name in configuration and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Bounded => "bounded",
            Self::Off => "off",
        }
    }
}

/// What configuration says of a route, as far as an exchange cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Its name; policies and records use it.
    pub name: String,
    /// Pairs of strings that set documents apart inside a message, such as `<doc>` and `</doc>`.
    pub document_delimiters: Vec<(String, String)>,
    /// Whether placeholders are restored in the arguments of tool calls too.
    pub restore_tool_calls: bool,
}

/// A request that has been read, on behalf of a caller that has been identified.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The exchange's random name.
    pub record: RecordId,
    /// Which endpoint was called.
    pub endpoint: Endpoint,
    /// The route that the request took.
    pub route: &'a Route,
    /// The roles of the caller's key.
    pub roles: &'a Roles,
    /// The public id of the caller's key.
    pub key_id: &'a str,
    /// The value of the route's header that names the subject.
    pub subject: Option<&'a str>,
    /// The caller's name for the conversation that this request belongs to.
    pub conversation: Option<&'a str>,
    /// Without, what is drafted for the record holds no text, and nobody is told of a record.
    pub is_recorded: bool,
    /// Wall time.
    pub unix_ms: u64,
    /// The whole body; empty for `GET`.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("record", &self.record)
            .field("endpoint", &self.endpoint)
            .field("route", &self.route.name)
            .finish_non_exhaustive()
    }
}

/// How a request was judged.
#[derive(Debug)]
pub enum Opened {
    /// It may go upstream, once `intent` is durable.
    Forward(Box<Forward>),
    /// Policy refused it. Answer with `reply` once `records` (INTENT and OUTCOME) are durable.
    Refused {
        /// Both records, in order.
        records: Vec<Draft>,
        /// What the caller reads.
        reply: Reply,
        /// The value of `x-bartizan-findings`.
        findings: String,
    },
    /// It is no acceptable request: not recorded, only counted, under the reply's code.
    Rejected(Reply),
}

/// A request that may go upstream.
#[derive(Debug)]
pub struct Forward {
    /// The permission to make the call.
    pub pass: Pass,
    /// The body to send; the caller's own bytes where nothing had to change.
    pub body: Bytes,
    /// Must be durable before a byte goes upstream.
    pub intent: Draft,
    /// What the caller's `stream` field asks for.
    pub wants_stream: bool,
    /// The value of `x-bartizan-findings`, so far: the input's.
    pub findings: String,
    /// Takes what the upstream answers.
    pub answer: Answer,
}

mod answer;
mod calls;
mod channel;
mod choice;
mod delta;
mod document;
mod findings;
mod ids;
mod keyed;
mod logprobs;
mod open;
mod plain;
mod pseudonym;
mod received;
mod record;
mod stream;
mod subject;
mod told;

pub use answer::{Answer, Closed, Failure, Fault};
pub use document::scan_whole;
pub use findings::{verdict_words, weakness_bits};
pub use keyed::{KEY_BYTES_MIN, Keyed};
pub use pseudonym::{CONVERSATION_BYTES_MAX, Pseudonyms, is_class_of};
pub use stream::{StreamGuard, StreamState};
pub use subject::SUBJECT_BYTES_MAX;

#[cfg(test)]
mod tests;
