//! The caller's side: a request is read strictly, scanned, judged, and edited where policy says so.
use super::answer::Answer;
use super::document::{Scan, Seen, StandIns, place};
use super::findings::{Counts, Judged, bits, verdict_bits};
use super::pseudonym::Own;
use super::received::{Texts, scanned_body};
use super::record::{Ended, Identity};
use super::subject::SubjectName;
use super::{Call, Endpoint, Forward, Guard, Opened};
use crate::reply::Reply;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, JsonError, NodeKind, Splice, Value, splice};
use bartizan_core::kind::{Catalogue, KindSet, PSEUDONYM_OWN};
use bartizan_core::record::Outcome;
use bartizan_policy::{Action, Decision, Observation, Subject, judge};
use bytes::Bytes;
use std::sync::Arc;

mod read;
mod unread;

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
    "safety_identifier",
    "echo",
    "chat_template",
];
/// What the rest of the exchange must know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) endpoint: Endpoint,
    pub(super) n_choices: u64,
    pub(super) wants_stream: bool,
    pub(super) wants_base64: bool,
}

/// How what was seen in a request was judged.
struct Weighed {
    decision: Decision,
    judged: Vec<Judged>,
    edits: Vec<Splice>,
    /// What placeholders stand for.
    own: Option<Arc<Own>>,
}

impl Guard {
    /// Every kind that can be seen here.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::new(self.inspector.kinds())
    }

    /// Reads and judges a request. Nothing has an effect yet: the caller of this function carries out what comes back.
    pub fn open(&self, call: &Call<'_>) -> Opened {
        if call.endpoint == Endpoint::Models {
            return match SubjectName::of(call, None) {
                Ok(subject) => {
                    let identity = Identity::new(self, call, subject);
                    self.decide(call, None, Facts::of_models(), identity)
                }
                Err(reply) => Opened::Rejected(reply),
            };
        }
        let doc = match Doc::read(call.body, self.limits.json()) {
            Ok(doc) => doc,
            Err(error) => return Opened::Rejected(malformed(&error)),
        };
        let checked = match call.endpoint {
            Endpoint::Chat => check_chat(&doc, self.limits.choices_max),
            _ => check_embeddings(&doc),
        };
        let checked = checked.and_then(|facts| Ok((facts, SubjectName::of(call, Some(&doc))?)));
        let (facts, subject) = match checked {
            Ok(checked) => checked,
            Err(reply) => return Opened::Rejected(reply),
        };
        let mut scan = Scan::new(self, &call.route.document_delimiters);
        match call.endpoint {
            Endpoint::Chat => read::chat(&mut scan, doc.root()),
            _ => read::embeddings(&mut scan, doc.root()),
        }
        let identity = Identity::new(self, call, subject);
        self.decide(call, Some((&doc, &mut scan)), facts, identity)
    }

    /// Judges what was seen. When the time runs out on the way, that is one more thing that was seen.
    fn weigh(&self, call: &Call<'_>, scanned: &mut Option<(&Doc<'_>, &mut Scan<'_>)>) -> Weighed {
        let subject = Subject {
            record: call.record,
            direction: Direction::Input,
            roles: call.roles,
            route: &call.route.name,
        };
        let named = call.is_recorded.then_some(call.record);
        let Some((doc, scan)) = scanned else {
            let decision = judge(&self.policy, &subject, &[]);
            return Weighed { decision, judged: Vec::new(), edits: Vec::new(), own: None };
        };
        let pseudonyms = self.pseudonyms.as_ref().filter(|known| self.scan && !known.is_empty());
        let mut leaves_out = false;
        let mut naming = pseudonyms.map(|known| {
            let mut kinds = *known.kinds();
            kinds.insert(PSEUDONYM_OWN);
            let (look_alikes, is_all) = scan.look_alikes(doc, known.words());
            leaves_out |= !is_all;
            (kinds, look_alikes, known.naming(call, doc, self.limits.pseudonyms_max))
        });
        let mut is_over = false;
        loop {
            let observations: Vec<Observation> = scan
                .seen
                .iter()
                .map(|seen| Observation { source: seen.source, kind: seen.finding.kind })
                .collect();
            let decision = judge(&self.policy, &subject, &observations);
            let judged = scan.judged(doc, decision.actions(), Direction::Input);
            let edits = match &mut naming {
                _ if decision.verdict() == Action::Refuse => Vec::new(),
                None => scan.edits(doc, &scan.seen, decision.actions(), named, &mut StandIns::None),
                Some((kinds, look_alikes, naming)) => {
                    let (seen, actions) =
                        with_look_alikes(&scan.seen, decision.actions(), kinds, look_alikes);
                    scan.edits(doc, &seen, &actions, named, &mut StandIns::Named(*kinds, naming))
                }
            };
            let too_many =
                leaves_out || naming.as_ref().is_some_and(|(_, _, naming)| naming.is_over());
            if too_many && !std::mem::replace(&mut is_over, true) {
                scan.too_many_pseudonyms(doc.root(), Source::User);
                continue;
            }
            // At most once: then the time has been noted.
            if !scan.late(doc.root(), Source::User) {
                let own = naming.filter(|_| !edits.is_empty());
                let in_calls = call.route.restore_tool_calls;
                let own = own.and_then(|(_, _, naming)| naming.into_own(in_calls));
                return Weighed { decision, judged, edits, own };
            }
        }
    }

    fn decide(
        &self,
        call: &Call<'_>,
        mut scanned: Option<(&Doc<'_>, &mut Scan<'_>)>,
        facts: Facts,
        identity: Identity,
    ) -> Opened {
        let Weighed { decision, judged, edits, own } = self.weigh(call, &mut scanned);
        let catalogue = self.catalogue();
        let mut verdict = verdict_bits(&judged);
        if !self.scan {
            verdict |= bits::UNSCANNED;
        }
        if own.is_some() {
            verdict |= bits::PSEUDONYMS;
        }
        let received = || {
            let (doc, scan) = scanned.as_ref()?;
            scanned_body(self, doc, scan)
        };
        let Ok(pass) = decision.into_pass() else {
            let texts = identity.keep(|| Texts::of_received(received()));
            return refuse(call, &identity, &judged, &catalogue, verdict, texts);
        };
        let findings = Counts::of(&judged, Direction::Input, &catalogue).to_string();
        let is_edited = !edits.is_empty();
        let body = if is_edited {
            Bytes::from(splice(call.body, edits))
        } else {
            Bytes::copy_from_slice(call.body)
        };
        let received = || if is_edited { received() } else { None };
        let texts = identity.keep(|| Texts::of_both(body.to_vec(), received()));
        let evidence = identity.evidence(&judged, &catalogue, (None, None));
        let intent = identity.intent(call.unix_ms, verdict, texts, evidence);
        let sent = is_edited.then_some(&*body);
        let watched =
            scanned.as_ref().and_then(|(doc, scan)| self.watched(doc, scan, sent, own.as_deref()));
        if watched.as_ref().is_some_and(|watched| watched.is_cut) {
            verdict |= bits::LEAKS_CUT;
        }
        let inspector =
            watched.map_or_else(|| Arc::clone(&self.inspector), |watched| watched.inspector);
        let guard = Self { inspector, ..self.clone() };
        let answer = Answer::new(guard, call, identity, facts, (&judged, own), verdict);
        let wants_stream = facts.wants_stream;
        Opened::Forward(Box::new(Forward { pass, body, intent, wants_stream, findings, answer }))
    }
}

/// What was seen, and what looks like a placeholder, with what happens to it: what the policy would let pass and has a kind that is replaced goes too.
fn with_look_alikes(
    seen: &[Seen],
    actions: &[Action],
    kinds: &KindSet,
    look_alikes: &[Seen],
) -> (Vec<Seen>, Vec<Action>) {
    let replaced = |(seen, action): (&Seen, &Action)| {
        let is_replaced = *action == Action::Release && kinds.contains(seen.finding.kind);
        (seen.clone(), if is_replaced { Action::Redact } else { *action })
    };
    let judged = seen.iter().zip(actions).map(replaced);
    judged.chain(look_alikes.iter().map(|seen| (seen.clone(), Action::Redact))).unzip()
}

fn refuse(
    call: &Call<'_>,
    identity: &Identity,
    judged: &[Judged],
    catalogue: &Catalogue,
    verdict: u64,
    texts: Texts,
) -> Opened {
    let worst = judged.iter().find(|judged| judged.action == Action::Refuse);
    let kind = worst.map_or("policy", |judged| catalogue.info(judged.finding.kind).name);
    let reason = reason_code(kind);
    let evidence = identity.evidence(judged, catalogue, (Some(&reason), None));
    let intent = identity.intent(call.unix_ms, verdict, texts, evidence);
    let ended = Ended { outcome: Outcome::Refused, verdict, tokens: None };
    let evidence = identity.evidence(&[], catalogue, (Some(&reason), None));
    let outcome = identity.outcome(call.unix_ms, &ended, Texts::default(), evidence);
    let place = worst.map(|judged| judged.place.clone());
    let at = place.as_deref().unwrap_or("the request");
    let message = format!(
        "policy does not let this request through: {kind} in {at}; remove it, or ask the gateway's operator"
    );
    let reply = Reply {
        reason: Some(reason),
        record: identity.named(),
        param: place.clone(),
        ..Reply::new(400, "content_filter", message)
    };
    let findings = Counts::of(judged, Direction::Input, catalogue).to_string();
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

pub(super) fn wrong_type(doc: &Doc<'_>, value: Value<'_>, expected: &str) -> Reply {
    let at = place(doc, value.index());
    if at.is_empty() {
        return Reply::new(400, "invalid_type", format!("the body: expected {expected}"));
    }
    let message = format!("{at}: expected {expected}");
    Reply { param: Some(at), ..Reply::new(400, "invalid_type", message) }
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
        // The known ones are in lower case, and so is nearly every key.
        if !name.iter().any(u8::is_ascii_uppercase) {
            continue;
        }
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
