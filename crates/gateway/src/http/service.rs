//! One request from its head to its answer: who asks, where to, may it, what came back. The order of these steps is the security
//! of the gateway, so it stands in one file.
use super::Shared;
use super::audit::{Again, X_BARTIZAN_AUDIT, audit_value, durable, withheld};
use super::body::{ReplyBody, StreamBody};
use super::harmless::copy_harmless;
use super::head::{
    Denial, Head, Seen, body_too_large, check_body_head, check_door, conversation, subject,
};
use super::heavy::Late;
use super::identity::{KeyEntry, KeyError};
use super::room::{Full, Share};
use super::setup::{Rule, Setup, key_may_take};
use super::ticket::{GuardCrashed, Ticket};
use super::upstream::{Outgoing, Surroundings, UpstreamBody};
use crate::exchange::{Call, Closed, Durability, Endpoint, Failure, Fault, Forward, Opened};
use crate::limits::Limits;
use crate::reply::Reply;
use bartizan_core::json::Doc;
use bartizan_core::record::{Draft, RecordError, RecordId};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The record of this exchange, for `bartizan audit show`.
const X_BARTIZAN_RECORD: HeaderName = HeaderName::from_static("x-bartizan-record");
/// Kinds and counts of what was found.
const X_BARTIZAN_FINDINGS: HeaderName = HeaderName::from_static("x-bartizan-findings");
/// The record again, where client libraries look for something to quote in a complaint.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How many seconds a caller that was shed should wait.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Bytes that are reserved for a body before it arrives: what is announced is not yet sent.
const BODY_RESERVE_BYTES_MAX: usize = 256 << 10;

/// What a connection and its requests tell each other.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Requests that have come.
    pub(super) n_asked: AtomicU64,
    /// The number of the request, from 1, whose body is framed in two ways; 0 while there is none.
    pub(super) conflict: AtomicU64,
    /// The number of the request, from 1, whose target has a fragment; 0 while there is none.
    pub(super) fragment: AtomicU64,
    /// A request was answered while its body was still coming.
    pub(super) unread: AtomicBool,
}

impl Connection {
    /// Notes that a request has come. What the wire has seen of it.
    fn ask(&self) -> Seen {
        let n_asked = self.n_asked.fetch_add(1, Relaxed).saturating_add(1);
        Seen {
            is_conflicting: n_asked == self.conflict.load(Relaxed),
            has_fragment: n_asked == self.fragment.load(Relaxed),
        }
    }
}

/// A request whose caller, route and body are known.
struct Asked<'s> {
    endpoint: Endpoint,
    entry: &'s KeyEntry,
    rule: &'s Rule,
    /// The value of the route's header that names the subject.
    subject: Option<&'s str>,
    /// The caller's name for the conversation.
    conversation: Option<&'s str>,
    body: Bytes,
    /// The room that the body takes, until the request is answered.
    _share: Share,
}

/// A request as it came.
struct Asking<'s> {
    parts: &'s Parts,
    seen: Seen,
    started_us: u64,
}

/// Answers one request.
pub(super) async fn handle(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let started_us = shared.clock.monotonic_us();
    let seen = connection.ask();
    let setup = shared.setup.load_full();
    let (parts, mut body) = request.into_parts();
    let mut record = RecordId([0; 16]);
    shared.entropy.fill(&mut record.0);
    let total_at = Instant::now() + Duration::from_millis(setup.guard.limits.total_ms);
    let Some(mut ticket) =
        Ticket::admit(&shared, record, setup.guard.limits.requests_max, total_at)
    else {
        let response = denied(&overloaded().into(), &parts, &body, &connection);
        return Ok(audited(response, setup.durability_of_all()));
    };
    let asking = Asking { parts: &parts, seen, started_us };
    let asked = match ask(&shared, &setup, &mut ticket, asking, &mut body).await {
        Ok(asked) => asked,
        Err(denial) => {
            let durability = ticket.durability().or(setup.durability_of_all());
            ticket.deny(denial.reply.code);
            return Ok(audited(denied(&denial, &parts, &body, &connection), durability));
        }
    };
    shared.metrics.bytes_in.fetch_add(asked.body.len() as u64, Relaxed);
    let judged = judge(&shared, &setup, ticket, &asked, total_at).await;
    let response = judged.unwrap_or_else(|denial| denied(&denial, &parts, &body, &connection));
    Ok(audited(response, Some(asked.rule.durability)))
}

/// Everything that happens before the guard looks: nothing of it is recorded, failures are counted.
async fn ask<'s>(
    shared: &Shared,
    setup: &'s Setup,
    ticket: &mut Ticket,
    asking: Asking<'s>,
    body: &mut Incoming,
) -> Result<Asked<'s>, Denial> {
    let Asking { parts, seen, started_us } = asking;
    let limits = &setup.guard.limits;
    if parts.headers.len() > limits.headers_max {
        return Err(Reply::new(
            431,
            "head_too_large",
            "there are more header lines than headers_max allows",
        )
        .into());
    }
    let endpoint = check_door(parts, seen, &setup.callers)?;
    ticket.set_endpoint(endpoint);
    let entry =
        setup.keys.identify(&parts.headers, shared.clock.unix_ms()).map_err(unauthorised)?;
    let conversation = conversation(&parts.headers)?;
    let by_head = setup.rule_by_head(&parts.headers, endpoint != Endpoint::Models)?;
    let mut subject = None;
    if let Some(rule) = by_head {
        subject = take_route(setup, ticket, parts, entry, rule)?;
    }
    let head = check_body_head(parts, endpoint, limits.body_bytes_max)?;
    let before_body_us = shared.clock.monotonic_us();
    ticket.spent_us(before_body_us.saturating_sub(started_us));
    let mut share = shared.metrics.room.share(limits.buffered_bytes_max);
    let bytes = read_body(body, head, limits, &mut share).await?;
    let rule = if let Some(rule) = by_head {
        rule
    } else {
        let until = ticket.total_at();
        let found = shared.heavy.run(bytes.len(), until, || rule_of_body(setup, &bytes)).await;
        let rule = found.map_err(|Late| overloaded())??;
        subject = take_route(setup, ticket, parts, entry, rule)?;
        rule
    };
    Ok(Asked { endpoint, entry, rule, subject, conversation, body: bytes, _share: share })
}

/// The route is known: whether the caller may take it, and whom its header names.
fn take_route<'p>(
    setup: &Setup,
    ticket: &mut Ticket,
    parts: &'p Parts,
    entry: &KeyEntry,
    rule: &Rule,
) -> Result<Option<&'p str>, Denial> {
    ticket.set_durability(rule.durability);
    check_may_call(setup, entry, rule)?;
    let named = rule.subject_header.as_ref().map(|name| subject(&parts.headers, name));
    Ok(named.transpose()?.flatten())
}

fn unauthorised(error: KeyError) -> Denial {
    let text =
        "the API key is not accepted: send one `authorization: Bearer KEY` header with a valid key";
    Reply::new(401, error.code(), text).into()
}

fn overloaded() -> Reply {
    Reply::new(
        503,
        "overloaded",
        "the gateway has as much to do as its limits allow; try again in a moment",
    )
}

/// A key's own restriction, then policy.
fn check_may_call(setup: &Setup, entry: &KeyEntry, rule: &Rule) -> Result<(), Denial> {
    let ladder = setup.guard.policy.ladder(&entry.roles, &rule.route.name);
    if key_may_take(entry, &rule.route) && ladder.may_call() {
        Ok(())
    } else {
        Err(Reply::new(403, "route_forbidden", "this key may not use this route").into())
    }
}

/// The route that the body's `model` leads to. A body that cannot be read is given to any route: the guard rejects it.
fn rule_of_body<'s>(setup: &'s Setup, body: &[u8]) -> Result<&'s Rule, Reply> {
    let doc = Doc::read(body, setup.guard.limits.json()).ok();
    let model = doc
        .as_ref()
        .and_then(|doc| doc.root().get("model"))
        .and_then(bartizan_core::json::Value::str);
    setup.rule_by_model(model.as_deref())
}

async fn read_body(
    body: &mut Incoming,
    head: Head,
    limits: &Limits,
    share: &mut Share,
) -> Result<Bytes, Denial> {
    let until = Instant::now() + Duration::from_millis(limits.body_ms);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match timeout_at(until, body.frame()).await {
            Err(_) => {
                return Err(
                    Reply::new(408, "body_timeout", "the body did not arrive in time").into()
                );
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                return Err(Reply::new(400, "body_incomplete", "the body ended too early").into());
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limits.body_bytes_max {
            return Err(body_too_large(limits.body_bytes_max).into());
        }
        share.grow(data.len()).map_err(|Full| overloaded())?;
        // A body in one piece is passed on as it lies in the connection's buffer.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            let announced =
                head.body_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
            rest.reserve(announced.clamp(
                first.len() + data.len(),
                BODY_RESERVE_BYTES_MAX.max(first.len() + data.len()),
            ));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The guard reads and judges; then the request goes upstream, or back.
async fn judge(
    shared: &Arc<Shared>,
    setup: &Setup,
    mut ticket: Ticket,
    asked: &Asked<'_>,
    total_at: Instant,
) -> Result<Response<ReplyBody>, Denial> {
    let call = Call {
        record: ticket.record(),
        endpoint: asked.endpoint,
        route: &asked.rule.route,
        roles: &asked.entry.roles,
        key_id: &asked.entry.id,
        subject: asked.subject,
        conversation: asked.conversation,
        is_recorded: asked.rule.durability != Durability::Off,
        unix_ms: shared.clock.unix_ms(),
        body: &asked.body,
    };
    let open = || {
        let before_us = shared.clock.monotonic_us();
        let opened = catch_unwind(AssertUnwindSafe(|| setup.guard.open(&call)));
        (opened, shared.clock.monotonic_us().saturating_sub(before_us))
    };
    let Ok((opened, took_us)) = shared.heavy.run(asked.body.len(), total_at, open).await else {
        ticket.deny("overloaded");
        return Err(overloaded().into());
    };
    ticket.spent_us(took_us);
    let subject = match &opened {
        Ok(Opened::Refused { records, .. }) => {
            records.first().and_then(|draft| draft.subject.as_deref())
        }
        Ok(Opened::Forward(forward)) => forward.intent.subject.as_deref(),
        _ => None,
    };
    // Where nothing is recorded, nobody gets a key.
    let subject = subject.filter(|_| call.is_recorded);
    let new_max = setup.guard.limits.subjects_per_key_max;
    if let Err(reply) = shared.people.admit(&asked.entry.id, subject, new_max) {
        ticket.deny(reply.code);
        return Err(reply.into());
    }
    match opened {
        Ok(Opened::Rejected(reply)) => {
            ticket.deny(reply.code);
            Err(reply.into())
        }
        Ok(Opened::Refused { records, reply, findings }) => {
            refuse(shared, ticket, records, reply, &findings).await
        }
        Ok(Opened::Forward(forward)) => {
            if forward.wants_stream && !ticket.take_stream_place(setup.guard.limits.streams_max) {
                ticket.deny("overloaded");
                return Err(overloaded().into());
            }
            forward_it(shared, setup, ticket, asked, *forward, total_at).await
        }
        Err(_) => {
            let reply = Reply { record: None, ..ticket.crash_reply() };
            shared.metrics.guard_failures.fetch_add(1, Relaxed);
            ticket.deny(reply.code);
            Err(reply.into())
        }
    }
}

async fn refuse(
    shared: &Arc<Shared>,
    mut ticket: Ticket,
    records: Vec<Draft>,
    reply: Reply,
    findings: &str,
) -> Result<Response<ReplyBody>, Denial> {
    shared.metrics.found(findings);
    shared.metrics.budget.saw(findings, shared.setup.load().flagged_max);
    let mut recorded = ticket.put_all(records);
    let known = recorded.now();
    if let Some(Err(error)) = &known {
        // Neither record is in line, so the request is as if it had never been admitted, and it is counted as such.
        let reply = record_failed(error, None);
        ticket.deny(reply.code);
        return Err(reply.into());
    }
    ticket.refused();
    let result = match known {
        Some(_) => Ok(()),
        None => durable(recorded, ticket.record_at()).await,
    };
    let reply = match result {
        Ok(()) => reply,
        Err(missing) => {
            let reply = record_failed(&missing.error(), None);
            shared.refusal_unrecorded(missing, ticket.record());
            reply
        }
    };
    let mut response = respond(reply.status, Bytes::from(reply.body()));
    label(&mut response, ticket.record_value(), findings);
    finish_headers(&reply, None, &mut response);
    Ok(response)
}

/// INTENT first, and only when it is durable, the call.
async fn forward_it(
    shared: &Arc<Shared>,
    setup: &Setup,
    mut ticket: Ticket,
    asked: &Asked<'_>,
    forward: Forward,
    total_at: Instant,
) -> Result<Response<ReplyBody>, Denial> {
    let Forward { pass, body, intent, wants_stream, findings, answer } = forward;
    let recorded = ticket.put(intent);
    ticket.waiting(answer, &asked.rule.upstream);
    let Ok(recorded) = timeout_at(total_at, recorded).await else {
        // The INTENT is in line all the same, so its OUTCOME follows it there, and nobody waits for either.
        return Ok(give_up(&mut ticket));
    };
    if let Err(error) = recorded {
        // There is no INTENT, so there must be no OUTCOME either: the request is as if it had never been admitted.
        let reply = record_failed(&error, None);
        ticket.deny(reply.code);
        return Err(reply.into());
    }
    shared.metrics.budget.saw(&findings, setup.flagged_max);
    let limits = &setup.guard.limits;
    let started_us = shared.clock.monotonic_us();
    let first_at = Instant::now() + Duration::from_millis(limits.first_byte_ms);
    let outgoing = Outgoing {
        endpoint: asked.endpoint,
        body,
        wants_stream,
        request_id: ticket.record_value(),
    };
    let around = Surroundings { limits, clock: shared.clock.as_ref(), tasks: &shared.tasks };
    let call = asked.rule.upstream.call(pass, &outgoing, around);
    let call = unless_closing(shared, call);
    let answered =
        timeout_at(first_at.min(total_at), call).await.unwrap_or(Err(if total_at <= first_at {
            Failure::TotalTimeout.into()
        } else {
            Failure::FirstByteTimeout.into()
        }));
    shared.metrics.first_byte.record(shared.clock.monotonic_us().saturating_sub(started_us));
    let (head, upstream) = match answered {
        Ok(answered) => answered,
        Err(fault) => return Ok(fail(shared, &mut ticket, fault).await),
    };
    if is_stream(&head) {
        return Ok(stream_it(shared, setup, ticket, &head, upstream, &findings));
    }
    Ok(answer_whole(shared, limits, ticket, &head, upstream, total_at).await)
}

fn is_stream(head: &Response<()>) -> bool {
    let kind =
        head.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    head.status() == StatusCode::OK && kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

fn stream_it(
    shared: &Arc<Shared>,
    setup: &Setup,
    mut ticket: Ticket,
    head: &Response<()>,
    upstream: UpstreamBody,
    findings: &str,
) -> Response<ReplyBody> {
    let record = ticket.record_value();
    shared.metrics.found(findings);
    if ticket.stream().is_err() {
        return crashed(&ticket);
    }
    let between = Duration::from_millis(setup.guard.limits.between_chunks_ms);
    let body = StreamBody::new(shared, ticket, upstream, between);
    let mut response = Response::new(ReplyBody::Stream(Box::new(body)));
    base_headers(response.headers_mut(), HeaderValue::from_static("text/event-stream"));
    copy_harmless(head.headers(), response.headers_mut());
    label(&mut response, record, findings);
    response
}

/// Collects an answer, judges it as a whole, records how it ended, and only then sends it.
async fn answer_whole(
    shared: &Arc<Shared>,
    limits: &Limits,
    mut ticket: Ticket,
    head: &Response<()>,
    mut upstream: UpstreamBody,
    total_at: Instant,
) -> Response<ReplyBody> {
    let mut share = shared.metrics.room.share(limits.buffered_bytes_max);
    let body = collect(&mut upstream, limits, total_at, &mut share);
    let body = match unless_closing(shared, body).await {
        Ok(body) => body,
        Err(fault) => {
            // The call is over for us; its connection must not linger while the record is written.
            drop(upstream);
            return fail(shared, &mut ticket, fault).await;
        }
    };
    upstream.recycle(shared.clock.monotonic_us());
    let status = head.status().as_u16();
    let close = || ticket.close(|answer, unix_ms| answer.plain(status, &body, unix_ms));
    match shared.heavy.run(body.len(), total_at, close).await {
        Ok(Ok(closed)) => {
            drop(body);
            let closed = Closed { body: share.keep(closed.body), ..closed };
            send_closed(shared, &mut ticket, closed, Some(head.headers())).await
        }
        Ok(Err(GuardCrashed)) => crashed(&ticket),
        Err(Late) => fail(shared, &mut ticket, Failure::TotalTimeout.into()).await,
    }
}

/// What waits for an upstream when the gateway has stopped waiting ends, and its caller is told.
async fn unless_closing<T>(
    shared: &Shared,
    waiting: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        done = waiting => done,
        () = shared.tasks.closing() => Err(Failure::Shutdown.into()),
    }
}

async fn collect(
    upstream: &mut UpstreamBody,
    limits: &Limits,
    total_at: Instant,
    share: &mut Share,
) -> Result<Bytes, Fault> {
    let bytes_max = limits.answer_bytes_max;
    if upstream.exact_bytes().is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(Failure::TooLarge("answer_bytes_max").into());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let stalled_at = Instant::now() + Duration::from_millis(limits.between_chunks_ms);
        let next =
            timeout_at(stalled_at.min(total_at), poll_fn(|cx| upstream.poll_chunk(cx))).await;
        let chunk = match next {
            Err(_) if total_at <= stalled_at => return Err(Failure::TotalTimeout.into()),
            Err(_) => return Err(Failure::BetweenChunksTimeout.into()),
            Ok(None) => break,
            Ok(Some(chunk)) => chunk?,
        };
        if first.len() + rest.len() + chunk.len() > bytes_max {
            return Err(Failure::TooLarge("answer_bytes_max").into());
        }
        share.grow(chunk.len()).map_err(|Full| Failure::Overloaded)?;
        if first.is_empty() && rest.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn fail(shared: &Arc<Shared>, ticket: &mut Ticket, fault: Fault) -> Response<ReplyBody> {
    let failure = fault.failure;
    match ticket.close(|answer, unix_ms| answer.fail(fault, unix_ms)) {
        Ok(closed) => {
            let mut response = send_closed(shared, ticket, closed, None).await;
            if failure == Failure::Overloaded {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            response
        }
        Err(GuardCrashed) => crashed(ticket),
    }
}

/// The exchange's time is over before its INTENT was durable: nothing went upstream.
fn give_up(ticket: &mut Ticket) -> Response<ReplyBody> {
    match ticket.close(|answer, unix_ms| answer.fail(Failure::TotalTimeout, unix_ms)) {
        Ok(closed) => {
            ticket.put_and_forget(closed.outcome);
            let mut response = respond(closed.status, closed.body);
            label(&mut response, ticket.record_value(), &closed.findings);
            response
        }
        Err(GuardCrashed) => crashed(ticket),
    }
}

/// Waits until the OUTCOME is durable; an answer whose end is not on record is not sent.
async fn send_closed(
    shared: &Arc<Shared>,
    ticket: &mut Ticket,
    closed: Closed,
    from: Option<&HeaderMap>,
) -> Response<ReplyBody> {
    let Closed { status, body, findings, outcome, ended: _, fault: _ } = closed;
    let again = Again::of(withheld(&outcome));
    let recorded = ticket.put(outcome);
    let mut response = match durable(recorded, ticket.record_at()).await {
        Ok(()) => {
            let mut response = respond(status, body);
            if let Some(from) = from {
                copy_harmless(from, response.headers_mut());
            }
            response
        }
        Err(missing) => {
            let reply = record_failed(&missing.error(), ticket.named());
            shared.unrecorded(missing, again);
            let mut response = respond(reply.status, Bytes::from(reply.body()));
            finish_headers(&reply, None, &mut response);
            response
        }
    };
    let bytes_out = response.body().size_hint().lower();
    shared.metrics.bytes_out.fetch_add(bytes_out, Relaxed);
    label(&mut response, ticket.record_value(), &findings);
    response
}

fn crashed(ticket: &Ticket) -> Response<ReplyBody> {
    let reply = ticket.crash_reply();
    let mut response = respond(reply.status, Bytes::from(reply.body()));
    label(&mut response, ticket.record_value(), "");
    response
}

/// What the caller reads when a record cannot be made durable. What the disk said stays in the log.
fn record_failed(error: &RecordError, record: Option<RecordId>) -> Reply {
    let reply = match error {
        RecordError::Full { .. } => overloaded(),
        RecordError::TooLarge { .. } => {
            Reply::new(413, "record_too_large", "the exchange is too large to be recorded")
        }
        _ => Reply::new(
            503,
            "audit_unavailable",
            "nothing can be recorded at the moment, so nothing is released",
        ),
    };
    Reply { record, ..reply }
}

fn denied(
    denial: &Denial,
    parts: &Parts,
    body: &Incoming,
    connection: &Connection,
) -> Response<ReplyBody> {
    let mut response = respond(denial.reply.status, Bytes::from(denial.reply.body()));
    finish_headers(&denial.reply, denial.allow, &mut response);
    // The rest of the body is not read: whoever sends what is refused anyway gets no more of our time.
    // Nor is more read of whoever sends a target that no client makes.
    let has_fragment = connection.fragment.load(Relaxed) != 0;
    if (!body.is_end_stream() || has_fragment) && parts.version < Version::HTTP_2 {
        connection.unread.store(true, Relaxed);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn respond(status: u16, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    base_headers(response.headers_mut(), HeaderValue::from_static("application/json"));
    response
}

/// A whole answer as it goes over the wire, for a connection that hyper has given up.
pub(super) fn own_answer(reply: &Reply, durability: Option<Durability>) -> Vec<u8> {
    let body = reply.body();
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = audited(respond(reply.status, Bytes::new()), durability);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in &*headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out
}

fn base_headers(headers: &mut HeaderMap, kind: HeaderValue) {
    headers.reserve(8);
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn finish_headers(reply: &Reply, allow: Option<&'static str>, response: &mut Response<ReplyBody>) {
    let headers = response.headers_mut();
    if reply.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if reply.code == "overloaded" {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    if let Some(allow) = allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
}

/// Says what the route promises of its records, where it is known. Where nothing is recorded, no record is named.
fn audited(
    mut response: Response<ReplyBody>,
    durability: Option<Durability>,
) -> Response<ReplyBody> {
    let headers = response.headers_mut();
    if let Some(durability) = durability {
        headers.insert(X_BARTIZAN_AUDIT, audit_value(durability));
    }
    if durability == Some(Durability::Off) {
        headers.remove(X_BARTIZAN_RECORD);
    }
    response
}

/// Says which record this is, and what was found.
fn label(response: &mut Response<ReplyBody>, record: HeaderValue, findings: &str) {
    let headers = response.headers_mut();
    headers.insert(X_BARTIZAN_RECORD, record.clone());
    headers.insert(X_REQUEST_ID, record);
    if !findings.is_empty()
        && let Ok(value) = HeaderValue::from_str(findings)
    {
        headers.insert(X_BARTIZAN_FINDINGS, value);
    }
}
