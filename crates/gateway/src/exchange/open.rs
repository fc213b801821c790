//! The caller's side: a request is read strictly, scanned, judged, and edited where policy says so.
use super::answer::Answer;
use super::document::{Scan, place};
use super::findings::{Judged, bits, summary, verdict_bits};
use super::record::{Ended, Identity};
use super::{Call, Endpoint, Forward, Guard, Opened};
use crate::reply::Reply;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, JsonError, NodeKind, Value, splice};
use bartizan_core::kind::{
    Catalogue, KindId, UNREAD_MEDIA, UNREAD_PART_TYPE, UNREAD_PROMPT_ECHO, UNREAD_TEMPLATE,
    UNREAD_TOKEN_IDS,
};
use bartizan_core::record::Outcome;
use bartizan_policy::{Action, Observation, Subject, judge};
use bytes::Bytes;

/// An array of this many whole numbers or more, in a field that nobody knows, is taken for token ids.
const TOKEN_IDS_MIN: usize = 8;
/// Fields whose spelling decides what a request means. Written in another case, one reader sees them and another does not.
const KNOWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "role",
    "content",
    "tool_calls",
    "tool_call_id",
    "name",
    "type",
    "text",
    "input",
    "logprobs",
    "top_logprobs",
    "documents",
    "encoding_format",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "prompt",
    "stop",
    "user",
    "echo",
    "chat_template",
];
/// Fields that carry text as token ids or embeddings, or ask the upstream to answer in them.
const TOKEN_ID_FIELDS: &[&str] = &[
    "prompt_token_ids",
    "prompt_embeds",
    "input_ids",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "return_tokens",
];
/// Fields that make the upstream send the prompt back beside the answer.
const ECHO_FIELDS: &[&str] =
    &["prompt_logprobs", "echo", "return_prompt", "__verbose", "verbose_prompt"];
/// Fields that replace the template which tells instructions from data.
const TEMPLATE_FIELDS: &[&str] = &["chat_template", "template", "raw", "prompt_template"];

/// What the rest of the exchange must know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) endpoint: Endpoint,
    pub(super) n_choices: u64,
    pub(super) wants_stream: bool,
    pub(super) wants_base64: bool,
}

impl Guard {
    /// Every kind that can be seen here.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::new(self.inspector.kinds())
    }

    /// Reads and judges a request. Nothing has an effect yet: the caller of this function carries out what comes back.
    pub fn open(&self, call: &Call<'_>) -> Opened {
        if call.endpoint == Endpoint::Models {
            return self.decide(call, None, &[], Facts::of_models());
        }
        let doc = match Doc::read(call.body, self.limits.json()) {
            Ok(doc) => doc,
            Err(error) => return Opened::Rejected(malformed(&error)),
        };
        let checked = match call.endpoint {
            Endpoint::Chat => check_chat(&doc, self.limits.choices_max),
            _ => check_embeddings(&doc),
        };
        let facts = match checked {
            Ok(facts) => facts,
            Err(reply) => return Opened::Rejected(reply),
        };
        let mut scan = Scan::new(self, &call.route.document_delimiters);
        match call.endpoint {
            Endpoint::Chat => scan_chat(&mut scan, doc.root()),
            _ => scan_embeddings(&mut scan, doc.root()),
        }
        self.decide(call, Some(&doc), std::slice::from_ref(&scan), facts)
    }

    fn decide(
        &self,
        call: &Call<'_>,
        doc: Option<&Doc<'_>>,
        scans: &[Scan<'_>],
        facts: Facts,
    ) -> Opened {
        let subject = Subject {
            record: call.record,
            direction: Direction::Input,
            roles: call.roles,
            route: &call.route.name,
        };
        let seen = scans.iter().flat_map(|scan| &scan.seen);
        let observations: Vec<Observation> =
            seen.map(|seen| Observation { source: seen.source, kind: seen.finding.kind }).collect();
        let decision = judge(&self.policy, &subject, &observations);
        let judged: Vec<Judged> = match (doc, scans.first()) {
            (Some(doc), Some(scan)) => scan.judged(doc, decision.actions(), Direction::Input),
            _ => Vec::new(),
        };
        let identity = Identity::new(self, call);
        let catalogue = self.catalogue();
        let findings = summary(&judged, Direction::Input, &catalogue);
        let mut verdict = verdict_bits(&judged);
        if !self.scan {
            verdict |= bits::UNSCANNED;
        }
        let edits = match (doc, scans.first()) {
            (Some(doc), Some(scan)) => scan.edits(doc, decision.actions(), call.record),
            _ => Vec::new(),
        };
        match decision.into_pass() {
            Ok(pass) => {
                let body = if edits.is_empty() {
                    Bytes::copy_from_slice(call.body)
                } else {
                    Bytes::from(splice(call.body, edits))
                };
                let evidence = identity.evidence(&judged, &catalogue, None);
                let intent = identity.intent(call.unix_ms, verdict, Some(body.to_vec()), evidence);
                let answer = Answer::new(self, call, identity, facts, &judged, verdict);
                Opened::Forward(Box::new(Forward {
                    pass,
                    body,
                    intent,
                    wants_stream: facts.wants_stream,
                    findings,
                    answer,
                }))
            }
            Err(_) => refuse(call, &identity, &judged, &catalogue, verdict, findings),
        }
    }
}

fn refuse(
    call: &Call<'_>,
    identity: &Identity,
    judged: &[Judged],
    catalogue: &Catalogue,
    verdict: u64,
    findings: String,
) -> Opened {
    let worst = judged.iter().find(|judged| judged.action == Action::Refuse);
    let kind = worst.map_or("policy", |judged| catalogue.info(judged.finding.kind).name);
    let reason = reason_code(kind);
    let evidence = identity.evidence(judged, catalogue, Some(&reason));
    let intent = identity.intent(call.unix_ms, verdict, None, evidence);
    let ended = Ended { outcome: Outcome::Refused, verdict, tokens: None };
    let outcome = identity.outcome(
        call.unix_ms,
        &ended,
        None,
        identity.evidence(&[], catalogue, Some(&reason)),
    );
    let place = worst.map(|judged| judged.place.clone());
    let at = place.as_deref().unwrap_or("the request");
    let reply = Reply {
        reason: Some(reason),
        record: Some(call.record),
        param: place.clone(),
        ..Reply::new(
            400,
            "content_filter",
            format!(
                "policy does not let this request through: {kind} in {at}; remove it, or ask the gateway's operator"
            ),
        )
    };
    Opened::Refused { records: vec![intent, outcome], reply, findings }
}

/// The stable reason code of a refusal for this kind: `guard.pii.card`, `unread.media`, `limit.time`.
pub(super) fn reason_code(kind: &str) -> String {
    let structural = kind.starts_with("unread.") || kind.starts_with("limit.");
    if structural { kind.to_owned() } else { format!("guard.{kind}") }
}

fn malformed(error: &JsonError) -> Reply {
    let code = match error {
        JsonError::DuplicateKey { .. } => "duplicate_key",
        JsonError::Depth { .. } | JsonError::Nodes { .. } => "json_too_complex",
        JsonError::Utf8 { .. } => "invalid_utf8",
        _ => "malformed_json",
    };
    Reply::new(400, code, format!("the body is not acceptable JSON: {error}"))
}

fn wrong_type(doc: &Doc<'_>, value: Value<'_>, expected: &str) -> Reply {
    let at = place(doc, value.index());
    Reply {
        param: Some(at.clone()),
        ..Reply::new(400, "invalid_type", format!("{at}: expected {expected}"))
    }
}

fn missing(param: &str) -> Reply {
    Reply {
        param: Some(param.to_owned()),
        ..Reply::new(400, "missing_field", format!("{param} is missing"))
    }
}

impl Facts {
    fn of_models() -> Self {
        Self { endpoint: Endpoint::Models, n_choices: 0, wants_stream: false, wants_base64: false }
    }
}

fn check_object<'d>(doc: &'d Doc<'d>, value: Value<'d>) -> Result<(), Reply> {
    if value.kind() != NodeKind::Object {
        return Err(wrong_type(doc, value, "an object"));
    }
    for (key, _) in value.members() {
        let name = key.text().unwrap_or_default();
        let twin = |known: &&&str| {
            known.as_bytes().eq_ignore_ascii_case(&name) && known.as_bytes() != &*name
        };
        if let Some(known) = KNOWN_FIELDS.iter().find(twin) {
            let message = format!(
                "a field is spelled almost like `{known}`: readers disagree on what it means, so write it in lower case"
            );
            return Err(Reply {
                param: Some((*known).to_owned()),
                ..Reply::new(400, "ambiguous_field", message)
            });
        }
    }
    Ok(())
}

fn check_model(doc: &Doc<'_>) -> Result<(), Reply> {
    match doc.root().get("model") {
        Some(model) if model.kind() == NodeKind::String => Ok(()),
        Some(model) => Err(wrong_type(doc, model, "a string")),
        None => Err(missing("model")),
    }
}

fn check_flag(doc: &Doc<'_>, name: &str) -> Result<bool, Reply> {
    match doc.root().get(name) {
        None => Ok(false),
        Some(value) if value.is_null() => Ok(false),
        Some(value) => value.bool().ok_or_else(|| wrong_type(doc, value, "true or false")),
    }
}

fn check_chat(doc: &Doc<'_>, choices_max: usize) -> Result<Facts, Reply> {
    let root = doc.root();
    check_object(doc, root)?;
    check_model(doc)?;
    let messages = root.get("messages").ok_or_else(|| missing("messages"))?;
    if messages.kind() != NodeKind::Array || messages.items().next().is_none() {
        return Err(wrong_type(doc, messages, "an array with at least one message"));
    }
    messages.items().try_for_each(|message| check_message(doc, message))?;
    let n_choices = match root.get("n") {
        None => 1,
        Some(n) if n.is_null() => 1,
        Some(n) => n.u64().filter(|n| (1..=choices_max as u64).contains(n)).ok_or_else(|| {
            wrong_type(doc, n, &format!("a whole number from 1 to {choices_max}"))
        })?,
    };
    Ok(Facts {
        endpoint: Endpoint::Chat,
        n_choices,
        wants_stream: check_flag(doc, "stream")?,
        wants_base64: false,
    })
}

fn check_message(doc: &Doc<'_>, message: Value<'_>) -> Result<(), Reply> {
    check_object(doc, message)?;
    let role = message
        .get("role")
        .ok_or_else(|| missing(&format!("{}.role", place(doc, message.index()))))?;
    let known = ["system", "developer", "user", "assistant", "tool", "function"];
    if !known.iter().any(|name| role.is_text(name)) {
        return Err(wrong_type(
            doc,
            role,
            "one of system, developer, user, assistant, tool, function",
        ));
    }
    match message.get("content") {
        Some(content) if content.kind() == NodeKind::Array => {
            content.items().try_for_each(|part| {
                check_object(doc, part)?;
                match part.get("type") {
                    Some(kind) if kind.kind() == NodeKind::String => Ok(()),
                    Some(kind) => Err(wrong_type(doc, kind, "a string")),
                    None => Err(missing(&format!("{}.type", place(doc, part.index())))),
                }
            })
        }
        Some(content) if !matches!(content.kind(), NodeKind::String | NodeKind::Null) => {
            Err(wrong_type(doc, content, "a string, an array of parts or null"))
        }
        _ => Ok(()),
    }
}

fn check_embeddings(doc: &Doc<'_>) -> Result<Facts, Reply> {
    let root = doc.root();
    check_object(doc, root)?;
    check_model(doc)?;
    let input = root.get("input").ok_or_else(|| missing("input"))?;
    if !matches!(input.kind(), NodeKind::String | NodeKind::Array) {
        return Err(wrong_type(doc, input, "a string or an array"));
    }
    let wants_base64 = root.get("encoding_format").is_some_and(|format| format.is_text("base64"));
    Ok(Facts { endpoint: Endpoint::Embeddings, n_choices: 0, wants_stream: false, wants_base64 })
}

fn scan_chat(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::User);
        let name = key.text().unwrap_or_default();
        match &*name {
            b"messages" => value.items().for_each(|message| scan_message(scan, message)),
            b"documents" => scan.tree(value, Source::Document),
            b"tools" | b"functions" | b"response_format" | b"tool_choice" | b"function_call" => {
                scan.tree(value, Source::System);
            }
            _ => scan_field(scan, &name, value),
        }
    }
}

fn scan_embeddings(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::User);
        let name = key.text().unwrap_or_default();
        let has_ids = value.items().any(|item| !matches!(item.kind(), NodeKind::String));
        if &*name == b"input" && has_ids {
            scan.note(value, Source::User, UNREAD_TOKEN_IDS);
        }
        scan_field(scan, &name, value);
    }
}

/// A top-level field that is not part of the conversation.
fn scan_field(scan: &mut Scan<'_>, name: &[u8], value: Value<'_>) {
    let listed = |fields: &[&str]| fields.iter().any(|field| field.as_bytes() == name);
    let asked = !value.is_null() && value.bool() != Some(false);
    let is_ids = |array: &Value<'_>| {
        array.kind() == NodeKind::Array
            && TOKEN_IDS_MIN <= array.items().count()
            && array.items().all(|item| item.u64().is_some())
    };
    let kind: Option<KindId> = if !asked {
        None
    } else if listed(TOKEN_ID_FIELDS) {
        Some(UNREAD_TOKEN_IDS)
    } else if listed(ECHO_FIELDS) {
        Some(UNREAD_PROMPT_ECHO)
    } else if listed(TEMPLATE_FIELDS) {
        Some(UNREAD_TEMPLATE)
    } else if name != b"stop_token_ids"
        && name != b"allowed_token_ids"
        && value.descendants().any(|node| is_ids(&node))
    {
        Some(UNREAD_TOKEN_IDS)
    } else {
        None
    };
    if let Some(kind) = kind {
        scan.note(value, Source::User, kind);
    }
    scan.tree(value, Source::User);
}

fn scan_message(scan: &mut Scan<'_>, message: Value<'_>) {
    let role = message.get("role").and_then(Value::text).unwrap_or_default();
    let source = match &*role {
        b"system" | b"developer" => Source::System,
        b"tool" | b"function" => Source::Tool,
        b"assistant" => Source::Model,
        _ => Source::User,
    };
    for (key, value) in message.members() {
        scan.node(key, source);
        match (&*key.text().unwrap_or_default(), value.kind()) {
            (b"content", NodeKind::Array) => scan_parts(scan, value, source),
            (b"tool_calls" | b"function_call", _) => scan.tree(value, Source::ToolCall),
            (b"documents", _) => scan.tree(value, Source::Document),
            _ => scan.tree(value, source),
        }
    }
}

fn scan_parts(scan: &mut Scan<'_>, parts: Value<'_>, source: Source) {
    let mut texts = Vec::new();
    for part in parts.items() {
        let kind = part.get("type").and_then(Value::text).unwrap_or_default();
        match &*kind {
            b"text" | b"input_text" | b"refusal" | b"output_text" => {
                texts.extend(part.get("text").filter(|text| text.kind() == NodeKind::String));
                scan.tree(part, source);
            }
            b"document" | b"search_result" => scan.tree(part, Source::Document),
            b"image_url" | b"input_image" | b"image" | b"input_audio" | b"audio_url"
            | b"video_url" | b"file" | b"input_file" => {
                scan.note(part, Source::Document, UNREAD_MEDIA);
                scan_media(scan, part);
            }
            _ => {
                scan.note(part, source, UNREAD_PART_TYPE);
                scan.tree(part, source);
            }
        }
    }
    scan.joined(&texts, source);
}

/// The strings of a media part, but for its data: that is what `unread.media` stands for.
fn scan_media(scan: &mut Scan<'_>, part: Value<'_>) {
    const DATA_FIELDS: [&[u8]; 2] = [b"data", b"file_data"];
    let mut is_data = false;
    for node in part.descendants() {
        let inner = node.inner().unwrap_or_default();
        let skip = is_data || inner.starts_with(b"data:");
        is_data = node.kind() == NodeKind::Key && DATA_FIELDS.contains(&inner);
        if !skip {
            scan.node(node, Source::Document);
        }
    }
}
