//! The range without its sockets: a request's bytes in, a reply out.
use crate::answer::{Answer, Clerk};
use crate::canary::{Canary, plant};
use crate::completion::{Completion, Usage, to_json};
use crate::draw::{Draw, hash};
use crate::embedding::embed;
use crate::reply::{MODELS, Reply, ReplyBody, fate_by_name, model, models};
use crate::request::{BadRequest, ChatRequest};
use crate::seen::{Log, Seen};
use crate::token;
use http::{Method, StatusCode};

/// Most bytes that a stream's chunk may carry.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Longest pause between two chunks.
pub const DELAY_MS_MAX: u64 = 60_000;

/// How the range behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeOptions {
    /// Makes the planted values and every choice: the same seed gives the same range.
    pub seed: u64,
    /// Most bytes of text per streamed chunk, 1 to [`CHUNK_BYTES_MAX`]. A character is never cut.
    pub chunk_bytes: usize,
    /// Pause between two chunks, and before a plain answer; at most [`DELAY_MS_MAX`].
    pub delay_ms: u64,
    /// Share of the chat and embedding requests that fail, 0.0 to 1.0.
    pub fail_rate: f64,
}

impl Default for RangeOptions {
    fn default() -> Self {
        Self { seed: 1, chunk_bytes: 12, delay_ms: 0, fail_rate: 0.0 }
    }
}

/// Why a range cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Chunks would be empty or huge.
    #[error("chunk size is {chunk_bytes} bytes: choose 1 to {CHUNK_BYTES_MAX}")]
    ChunkBytes {
        /// What was asked for.
        chunk_bytes: usize,
    },
    /// Nobody waits that long.
    #[error("delay is {delay_ms} ms: choose at most {DELAY_MS_MAX}")]
    DelayMs {
        /// What was asked for.
        delay_ms: u64,
    },
    /// Not a share.
    #[error("fail rate is {fail_rate}: choose 0.0 to 1.0")]
    FailRate {
        /// What was asked for.
        fail_rate: f64,
    },
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is given to the end.
    Good,
    /// HTTP 500 instead.
    Refuse,
    /// The connection is cut after this many parts (a stream's events, or halves of a plain body).
    Cut {
        /// At least 1: the status and some bytes were already sent.
        after: usize,
    },
    /// Nothing more comes after this many parts, and the connection stays open.
    Stall {
        /// At least 1.
        after: usize,
    },
}

/// The practice model: planted values, canned answers, and no language model.
#[derive(Debug)]
pub struct Range {
    options: RangeOptions,
    canaries: Vec<Canary>,
    log: Log,
}

impl Range {
    /// Sets up a range.
    ///
    /// # Errors
    /// [`OptionsError`] when an option is out of bounds.
    ///
    /// ```
    /// # use bartizan_range::{Range, RangeOptions};
    /// let range = Range::new(RangeOptions { seed: 7, ..RangeOptions::default() })?;
    /// assert_eq!(range.canaries().len(), 7);
    /// assert!(Range::new(RangeOptions { chunk_bytes: 0, ..RangeOptions::default() }).is_err());
    /// # Ok::<(), bartizan_range::OptionsError>(())
    /// ```
    pub fn new(options: RangeOptions) -> Result<Self, OptionsError> {
        let RangeOptions { seed, chunk_bytes, delay_ms, fail_rate } = options;
        if !(1..=CHUNK_BYTES_MAX).contains(&chunk_bytes) {
            return Err(OptionsError::ChunkBytes { chunk_bytes });
        }
        if delay_ms > DELAY_MS_MAX {
            return Err(OptionsError::DelayMs { delay_ms });
        }
        if !(0.0..=1.0).contains(&fail_rate) {
            return Err(OptionsError::FailRate { fail_rate });
        }
        Ok(Self { options, canaries: plant(seed), log: Log::default() })
    }

    /// How it was set up.
    pub fn options(&self) -> RangeOptions {
        self.options
    }

    /// The planted values.
    pub fn canaries(&self) -> &[Canary] {
        &self.canaries
    }

    /// The planted value of this kind: `pii.card`.
    pub fn canary(&self, kind: &str) -> Option<&Canary> {
        self.canaries.iter().find(|canary| canary.kind() == kind)
    }

    /// What reached the range so far through [`serve`](crate::serve).
    pub fn seen(&self) -> Seen {
        self.log.seen()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Answers one request, the same way every time.
    pub fn reply(&self, method: &Method, path: &str, body: &[u8]) -> Reply {
        let is_model = |path: &str| path.strip_prefix("/v1/models/").map(str::to_owned);
        match (path, is_model(path)) {
            ("/v1/chat/completions", _) if method == Method::POST => ChatRequest::read(body)
                .map_or_else(|refused| Reply::refused(&refused), |request| self.chat(&request)),
            ("/v1/embeddings", _) if method == Method::POST => {
                let answer = embed(self.options.seed, body);
                answer.map_or_else(|refused: BadRequest| Reply::refused(&refused), Reply::json)
            }
            ("/v1/models", _) if method == Method::GET => Reply::json(to_json(&models())),
            (_, Some(name)) if method == Method::GET => {
                if MODELS.contains(&name.as_str()) {
                    Reply::json(to_json(&model(&name)))
                } else {
                    Reply::no_such_model(&name)
                }
            }
            ("/v1/chat/completions" | "/v1/embeddings" | "/v1/models", _) | (_, Some(_)) => {
                Reply::wrong_method(method, path)
            }
            _ => Reply::not_found(method, path),
        }
    }

    /// What is said follows from the conversation's texts alone, so that a stream says what the plain answer says.
    fn chat(&self, request: &ChatRequest) -> Reply {
        let seed =
            request.texts.iter().fold(self.options.seed, |seed, text| hash(seed, text.as_bytes()));
        let answers: Vec<Answer> = (0..request.n_choices)
            .map(|choice| {
                let draw = Draw::new(seed, &choice.to_le_bytes());
                Clerk { canaries: &self.canaries, request, draw }.answer()
            })
            .collect();
        let way = answers.first().map(|answer| answer.way);
        let id = Draw::new(seed, b"id").text(b"abcdefghijklmnopqrstuvwxyz0123456789", 24);
        let completion = Completion {
            id: format!("chatcmpl-range{id}"),
            model: request.model.clone(),
            usage: usage(request, &answers),
            answers,
            include_usage: request.include_usage,
            top_logprobs: request.top_logprobs,
            chunk_bytes: self.options.chunk_bytes,
            seed: self.options.seed,
        };
        let body = if request.stream {
            ReplyBody::Events(Box::new(completion.events()))
        } else {
            ReplyBody::Json(completion.whole())
        };
        Reply { status: StatusCode::OK, way, fate: fate_by_name(&request.model), body }
    }

    /// What becomes of the answer to this request. It depends on the request's number and not on its bytes, so that asking
    /// again can help.
    pub fn fate(&self, number: u64) -> Fate {
        let mut draw = Draw::new(self.options.seed ^ number, b"fate");
        if draw.unit() >= self.options.fail_rate {
            return Fate::Good;
        }
        let after = 1 + usize::try_from(draw.below(2)).unwrap_or_default();
        match draw.below(3) {
            0 => Fate::Refuse,
            1 => Fate::Cut { after },
            _ => Fate::Stall { after },
        }
    }
}

fn usage(request: &ChatRequest, answers: &[Answer]) -> Usage {
    let count = |text: &str| token::pieces(text).count();
    let prompt_tokens = request.texts.iter().map(|text| count(text)).sum();
    let answer_tokens = |answer: &Answer| {
        let calls: usize =
            answer.calls.iter().map(|call| count(&call.name) + count(&call.arguments)).sum();
        count(&answer.reasoning) + count(&answer.content) + calls
    };
    let completion_tokens = answers.iter().map(answer_tokens).sum();
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}
