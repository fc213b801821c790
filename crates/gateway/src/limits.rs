//! Every bound of the data path, with its name. The names are configuration keys.
use serde::{Deserialize, Serialize};

/// Bounds of one gateway. Hitting one is an answer with its own code, never a silent cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections of callers.
    pub connections_max: usize,
    /// Requests that are being worked on, streams included. One more is shed with 503.
    pub requests_max: usize,
    /// Streams that are open at a time. One more is shed with 503.
    pub streams_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Header lines of a request.
    pub headers_max: usize,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Bytes of a plain answer's body.
    pub answer_bytes_max: usize,
    /// Bytes of bodies that are held as a whole at a time: requests, and answers that are no streams. One more is shed with 503.
    pub buffered_bytes_max: usize,
    /// Bytes of one event of a stream.
    pub event_bytes_max: usize,
    /// Bytes of released text that are kept of one stream; a longer one is refused.
    pub stream_bytes_max: usize,
    /// Bytes of all tool calls of one choice, held until they are whole.
    pub tool_call_bytes_max: usize,
    /// Bytes of text of one channel that may wait for a verdict.
    pub held_bytes_max: usize,
    /// Choices of one answer.
    pub choices_max: usize,
    /// Channels of one choice: fields that carry text.
    pub channels_max: usize,
    /// People whom one caller's key may name for the first time, since the gateway was started.
    pub subjects_per_key_max: usize,
    /// Findings of one exchange.
    pub findings_max: usize,
    /// Different values of one request that get placeholders.
    pub pseudonyms_max: usize,
    /// Levels of arrays and objects in JSON.
    pub json_depth_max: usize,
    /// Values in one JSON document.
    pub json_nodes_max: usize,
    /// Time for a caller to send a request's head.
    pub head_ms: u64,
    /// Time for a caller to send a request's body.
    pub body_ms: u64,
    /// Time to connect to an upstream.
    pub connect_ms: u64,
    /// Time for an upstream to send the head of its answer.
    pub first_byte_ms: u64,
    /// Time between two chunks of an answer.
    pub between_chunks_ms: u64,
    /// Time for a whole exchange.
    pub total_ms: u64,
    /// Time that the guards may spend on one request or one whole answer.
    pub guard_ms: u64,
    /// Time for open exchanges to end after the signal to stop.
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            requests_max: 4096,
            streams_max: 2048,
            head_bytes_max: 32 << 10,
            headers_max: 100,
            body_bytes_max: 16 << 20,
            answer_bytes_max: 32 << 20,
            buffered_bytes_max: 256 << 20,
            event_bytes_max: 256 << 10,
            stream_bytes_max: 32 << 20,
            tool_call_bytes_max: 256 << 10,
            held_bytes_max: 64 << 10,
            choices_max: 128,
            channels_max: 64,
            subjects_per_key_max: 100_000,
            findings_max: 10_000,
            pseudonyms_max: 1_000,
            json_depth_max: 64,
            json_nodes_max: 1_000_000,
            head_ms: 10_000,
            body_ms: 60_000,
            connect_ms: 5_000,
            first_byte_ms: 300_000,
            between_chunks_ms: 60_000,
            total_ms: 1_800_000,
            guard_ms: 2_000,
            drain_ms: 30_000,
        }
    }
}

impl Limits {
    /// The bounds that the JSON reader takes.
    pub fn json(&self) -> bartizan_core::json::JsonLimits {
        bartizan_core::json::JsonLimits {
            depth_max: self.json_depth_max,
            nodes_max: self.json_nodes_max,
        }
    }
}
