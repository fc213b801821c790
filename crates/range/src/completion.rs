//! Writes answers in `OpenAI`'s shape: one JSON object, or a stream of chunks that add up to the same texts.
use crate::answer::Answer;
use crate::call::Call;
use crate::draw::Draw;
use crate::form::escaped;
use crate::token;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// When everything here claims to have been made. The range has no clock: equal requests get equal bytes.
pub(crate) const CREATED: u64 = 1_700_000_000;
/// Says in every answer and every chunk what is not inside.
pub(crate) const FINGERPRINT: &str = "fp_range_no_language_model_inside";

/// Everything that an answer's JSON is made from.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) answers: Vec<Answer>,
    pub(crate) usage: Usage,
    pub(crate) include_usage: bool,
    pub(crate) top_logprobs: Option<u64>,
    pub(crate) chunk_bytes: usize,
    pub(crate) seed: u64,
}

/// Token counts.
#[expect(clippy::struct_field_names, reason = "the names are those of the wire format")]
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) total_tokens: usize,
}

#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<WholeChoice<'a>>,
    usage: Usage,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Box<RawValue>>,
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Logprobs {
    content: Vec<TokenLogprob>,
    refusal: Option<&'static str>,
}

#[derive(Serialize)]
struct TokenLogprob {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
    top_logprobs: Vec<Alternative>,
}

#[derive(Serialize)]
struct Alternative {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: Vec<ChunkChoice<'a>>,
    /// Absent without `include_usage`, null before the last chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Absent, or text, or null beside the role of an answer that is all tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

impl Completion {
    /// The whole answer as one JSON object.
    pub(crate) fn whole(&self) -> Bytes {
        let choices = self.answers.iter().enumerate().map(|(index, answer)| WholeChoice {
            index,
            message: message(answer),
            logprobs: self.logprobs(&answer.content, index, 0),
            finish_reason: answer.finish.name(),
        });
        to_json(&Whole {
            id: &self.id,
            object: "chat.completion",
            created: CREATED,
            model: &self.model,
            choices: choices.collect(),
            usage: self.usage,
            system_fingerprint: FINGERPRINT,
        })
    }

    /// The answer as server-sent events.
    pub(crate) fn events(self) -> Events {
        let turns = (0..self.answers.len()).map(Cursor::new).collect();
        let after = if self.include_usage { Ending::Usage } else { Ending::Done };
        Events { completion: self, turns, after }
    }

    fn event(&self, choices: Vec<ChunkChoice<'_>>, usage: Option<Usage>) -> Bytes {
        let chunk = to_json(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: CREATED,
            model: &self.model,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.include_usage.then(|| written(&usage)),
        });
        [b"data: ", chunk.as_ref(), b"\n\n"].concat().into()
    }

    /// Log-probabilities of a text that starts at a byte of its answer. Tokens are cut where chunks are cut, in plain
    /// answers too, so that both list the same tokens.
    fn logprobs(&self, text: &str, choice: usize, start: usize) -> Option<Logprobs> {
        let n_alternatives = self.top_logprobs?;
        let mut at = start;
        let mut content = Vec::new();
        for piece in token::chunks(text, self.chunk_bytes).flat_map(token::pieces) {
            let mut draw = Draw::new(self.seed, format!("{choice} {at} {piece}").as_bytes());
            let logprob = logprob(draw.unit() * 0.5);
            let others = (1..n_alternatives).map(|rank| alternative(&mut draw, rank));
            let own = || Alternative { token: piece.into(), logprob, bytes: piece.into() };
            let top_logprobs = (n_alternatives > 0).then(own).into_iter().chain(others);
            content.push(TokenLogprob {
                token: piece.into(),
                logprob,
                bytes: piece.into(),
                top_logprobs: top_logprobs.collect(),
            });
            at += piece.len();
        }
        Some(Logprobs { content, refusal: None })
    }
}

fn alternative(draw: &mut Draw, rank: u64) -> Alternative {
    let token = format!("{}{rank}", draw.pick(&[" the", " a", " some", " no", " my", " not"]));
    let below = f64::from(u32::try_from(rank).unwrap_or(0));
    Alternative { bytes: token.clone().into_bytes(), logprob: logprob(below + draw.unit()), token }
}

/// A log-probability with few digits.
fn logprob(nats: f64) -> f64 {
    -(nats * 10_000.0).round() / 10_000.0
}

fn message(answer: &Answer) -> Message<'_> {
    let text = |text: &str| (!text.is_empty()).then(|| json_text(text, answer.is_escaped));
    let content = json_text(&answer.content, answer.is_escaped);
    let calls = answer.calls.iter().map(|call| whole_call(call, None, &call.arguments));
    Message {
        role: "assistant",
        content: answer.calls.is_empty().then_some(content),
        refusal: None,
        reasoning_content: text(&answer.reasoning),
        tool_calls: calls.collect(),
    }
}

fn whole_call<'a>(call: &'a Call, index: Option<usize>, arguments: &'a str) -> ToolCall<'a> {
    let function = Function { name: Some(&call.name), arguments };
    ToolCall { index, id: Some(&call.id), kind: Some("function"), function }
}

/// A JSON string; `is_escaped` writes every character as an escape.
fn json_text(text: &str, is_escaped: bool) -> Box<RawValue> {
    if !is_escaped {
        return written(&text);
    }
    let escapes = RawValue::from_string(format!("\"{}\"", escaped(text)));
    escapes.expect("escapes between quotes are valid JSON")
}

fn written(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("strings and numbers are always written")
}

pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value)
        .expect("structs of strings and finite numbers are always written")
        .into()
}

/// The events of a stream, made one at a time: however long the answer, one event is in memory.
#[derive(Clone, Debug)]
pub struct Events {
    completion: Completion,
    /// Choices that have more to say, in turn.
    turns: VecDeque<Cursor>,
    after: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Usage,
    Done,
    Nothing,
}

impl Iterator for Events {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Some(mut cursor) = self.turns.pop_front() {
            let answer = self.completion.answers.get(cursor.choice)?;
            let choice = cursor.choice(&self.completion, answer);
            let event = self.completion.event(vec![choice], None);
            if !matches!(cursor.stage, Stage::Over) {
                self.turns.push_back(cursor);
            }
            return Some(event);
        }
        match self.after {
            Ending::Usage => {
                self.after = Ending::Done;
                Some(self.completion.event(Vec::new(), Some(self.completion.usage)))
            }
            Ending::Done => {
                self.after = Ending::Nothing;
                Some(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            Ending::Nothing => None,
        }
    }
}

/// How far one choice has been told.
#[derive(Clone, Debug)]
struct Cursor {
    choice: usize,
    stage: Stage,
    /// Bytes of the stage's text that were told.
    at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Role,
    Reasoning,
    Content,
    CallStart(usize),
    CallArguments(usize),
    Finish,
    Over,
}

impl Cursor {
    fn new(choice: usize) -> Self {
        Self { choice, stage: Stage::Role, at: 0 }
    }

    /// The next piece of the answer.
    fn choice<'a>(&mut self, completion: &Completion, answer: &'a Answer) -> ChunkChoice<'a> {
        let mut choice = ChunkChoice {
            index: self.choice,
            delta: Delta::default(),
            logprobs: None,
            finish_reason: None,
        };
        let start = self.at;
        match self.stage {
            Stage::Role => {
                let empty = answer.calls.is_empty().then_some("");
                choice.delta.role = Some("assistant");
                choice.delta.content = Some(written(&empty));
                choice.delta.refusal = Some(RawValue::NULL);
                self.go_to(Stage::Reasoning, answer);
            }
            Stage::Reasoning => {
                let text =
                    self.tell(&answer.reasoning, completion.chunk_bytes, Stage::Content, answer);
                choice.delta.reasoning_content = Some(json_text(text, answer.is_escaped));
            }
            Stage::Content => {
                let text =
                    self.tell(&answer.content, completion.chunk_bytes, Stage::CallStart(0), answer);
                choice.delta.content = Some(json_text(text, answer.is_escaped));
                choice.logprobs = completion.logprobs(text, self.choice, start);
            }
            Stage::CallStart(number) => {
                let start = answer.calls.get(number).map(|call| whole_call(call, Some(number), ""));
                choice.delta.tool_calls.extend(start);
                self.go_to(Stage::CallArguments(number), answer);
            }
            Stage::CallArguments(number) => {
                let whole = answer.calls.get(number).map_or("", |call| call.arguments.as_str());
                let arguments =
                    self.tell(whole, completion.chunk_bytes, Stage::CallStart(number + 1), answer);
                let function = Function { name: None, arguments };
                choice.delta.tool_calls.push(ToolCall {
                    index: Some(number),
                    id: None,
                    kind: None,
                    function,
                });
            }
            Stage::Finish | Stage::Over => {
                choice.finish_reason = Some(answer.finish.name());
                self.stage = Stage::Over;
            }
        }
        choice
    }

    /// The next chunk of a text; after the last one comes the next stage.
    fn tell<'a>(
        &mut self,
        text: &'a str,
        chunk_bytes: usize,
        next: Stage,
        answer: &Answer,
    ) -> &'a str {
        let rest = text.get(self.at..).unwrap_or_default();
        let (chunk, tail) = rest.split_at(token::chunk_len(rest, chunk_bytes));
        self.at += chunk.len();
        if tail.is_empty() {
            self.go_to(next, answer);
        }
        chunk
    }

    /// Goes to a stage, or to the first one after it that has anything to tell.
    fn go_to(&mut self, stage: Stage, answer: &Answer) {
        self.at = 0;
        self.stage = match stage {
            Stage::Reasoning if answer.reasoning.is_empty() => {
                return self.go_to(Stage::Content, answer);
            }
            Stage::Content if answer.content.is_empty() => {
                return self.go_to(Stage::CallStart(0), answer);
            }
            Stage::CallStart(number) if number >= answer.calls.len() => Stage::Finish,
            stage => stage,
        };
    }
}
