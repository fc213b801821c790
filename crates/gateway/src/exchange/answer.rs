//! The model's side: what an exchange knows while it waits for an answer, and how it ends without one.
use super::findings::{Counts, Judged, verdict_bits};
use super::open::Facts;
use super::pseudonym::Own;
use super::received::{Texts, unread_body};
use super::record::{Ended, Identity};
use super::stream::StreamGuard;
use super::{Call, Guard};
use crate::reply::Reply;
use bartizan_core::evidence::Direction;
use bartizan_core::json::JsonError;
use bartizan_core::kind::Catalogue;
use bartizan_core::record::{Draft, Outcome, RecordId};
use bartizan_policy::Ladder;
use bytes::Bytes;
use std::sync::Arc;

/// Takes what the upstream answers to one request. Ends in exactly one OUTCOME.
pub struct Answer {
    pub(super) guard: Guard,
    pub(super) identity: Identity,
    pub(super) facts: Facts,
    pub(super) ladder: Arc<Ladder>,
    pub(super) catalogue: Catalogue,
    /// What the placeholders of the request stand for, where there are any.
    pub(super) own: Option<Arc<Own>>,
    /// The input's verdict bits.
    pub(super) verdict: u64,
    /// The input's findings.
    pub(super) input: Counts,
    /// The output's findings.
    pub(super) judged: Vec<Judged>,
}

/// Why an exchange ended without (the rest of) an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No connection to the upstream.
    Unreachable,
    /// The upstream's certificate or handshake is not acceptable.
    Tls,
    /// No connection in time.
    ConnectTimeout,
    /// No head of an answer in time.
    FirstByteTimeout,
    /// No further chunk in time.
    BetweenChunksTimeout,
    /// The whole exchange took too long.
    TotalTimeout,
    /// The caller hung up.
    ClientGone,
    /// The answer, or something in it, is over the limit of this name.
    TooLarge(&'static str),
    /// The answer is encoded although nobody asked for it: it cannot be read.
    Encoded,
    /// The connection died before the answer was whole.
    Broken,
    /// The upstream sends the caller somewhere else.
    Redirect,
    /// The upstream refuses our own key.
    UpstreamKey,
    /// The answer is not what the API says: what is wrong with it.
    Malformed(&'static str),
    /// The upstream says that it failed, in a form that is not the API's.
    BadStatus,
    /// The gateway holds as many bytes as it may.
    Overloaded,
    /// The gateway stops.
    Shutdown,
}

impl Failure {
    /// What the caller reads, and under which record it finds the exchange.
    pub fn reply(self, record: Option<RecordId>) -> Reply {
        let (status, code, message) = match self {
            Self::Unreachable => (
                502,
                "upstream_unreachable",
                "the upstream cannot be reached; try again, or tell the gateway's operator",
            ),
            Self::Tls => (
                502,
                "upstream_tls",
                "the upstream's TLS certificate or handshake is not acceptable; tell the gateway's operator",
            ),
            Self::ConnectTimeout => (
                504,
                "upstream_connect_timeout",
                "the upstream did not accept a connection in time; try again",
            ),
            Self::FirstByteTimeout => (
                504,
                "upstream_first_byte_timeout",
                "the upstream did not begin to answer in time; try again, or ask for less",
            ),
            Self::BetweenChunksTimeout => (
                504,
                "upstream_stalled",
                "the upstream stopped in the middle of its answer; try again",
            ),
            Self::TooLarge(limit) => {
                let message = format!(
                    "the upstream's answer is larger than the gateway's limits allow ({limit}); ask for less"
                );
                return Reply { record, ..Reply::new(502, "answer_too_large", message) };
            }
            Self::Encoded => (
                502,
                "upstream_encoding",
                "the upstream compressed its answer although it was asked not to, so it cannot be checked; tell the gateway's operator",
            ),
            Self::Broken => {
                (502, "upstream_disconnected", "the upstream broke off its answer; try again")
            }
            Self::Redirect => (
                502,
                "upstream_redirect",
                "the upstream answered with a redirect, which the gateway does not follow; tell the gateway's operator",
            ),
            Self::UpstreamKey => (
                502,
                "upstream_auth",
                "the upstream does not accept the gateway's own key; tell the gateway's operator",
            ),
            Self::Malformed(_) => (
                502,
                "upstream_malformed",
                "the upstream's answer is not what the API says, so it cannot be checked; tell the gateway's operator",
            ),
            Self::BadStatus => (
                502,
                "upstream_failed",
                "the upstream failed, and what it says about that is not what the API says, so it cannot be checked; try again, or tell the gateway's operator",
            ),
            Self::TotalTimeout | Self::ClientGone | Self::Overloaded | Self::Shutdown => {
                self.words_of_ours()
            }
        };
        Reply { record, ..Reply::new(status, code, message) }
    }

    /// What is said when the reason lies on this side.
    fn words_of_ours(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::TotalTimeout => {
                (504, "total_timeout", "the exchange took longer than allowed; ask for less")
            }
            Self::ClientGone => (499, "client_gone", "the caller hung up"),
            Self::Overloaded => (
                503,
                "overloaded",
                "the gateway holds as many bytes of answers as its limits allow (buffered_bytes_max); try again in a moment",
            ),
            _ => (503, "shutting_down", "the gateway is stopping; try again in a moment"),
        }
    }

    /// How the record says it.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::BetweenChunksTimeout
            | Self::TotalTimeout => Outcome::Timeout,
            Self::ClientGone => Outcome::ClientGone,
            Self::Shutdown => Outcome::Interrupted,
            _ => Outcome::UpstreamError,
        }
    }
}

/// Most bytes of a cause.
const CAUSE_BYTES_MAX: usize = 256;

/// A failure, and what is known of its cause. That is for operators: it says what and where, and quotes no text of anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How it failed.
    pub failure: Failure,
    /// Why, as the system or a library puts it.
    pub cause: Option<String>,
}

impl Fault {
    /// A failure with its cause. What does not print is left out, and a long one is cut: a server's certificate may have a say in it.
    pub fn new(failure: Failure, cause: impl std::fmt::Display) -> Self {
        let cause = cause.to_string();
        let plain = cause.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        Self { failure, cause: Some(plain.take(CAUSE_BYTES_MAX).collect()) }
    }

    /// An answer that cannot be read as JSON.
    pub(super) fn of_json(failure: Failure, error: &JsonError) -> Self {
        let failure = match error {
            JsonError::Depth { .. } => Failure::TooLarge("json_depth_max"),
            JsonError::Nodes { .. } => Failure::TooLarge("json_nodes_max"),
            _ => failure,
        };
        Self::new(failure, error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Malformed(what) => Self::new(failure, what),
            Failure::TooLarge(limit) => Self::new(failure, format_args!("limit {limit}")),
            _ => Self { failure, cause: None },
        }
    }
}

/// An exchange whose answer is whole. Send it once `outcome` is durable.
#[derive(Clone, Debug)]
pub struct Closed {
    /// HTTP status for the caller.
    pub status: u16,
    /// The body for the caller.
    pub body: Bytes,
    /// The value of `x-bartizan-findings`: the input's and the output's.
    pub findings: String,
    /// Must be durable before the last byte of the body leaves.
    pub outcome: Draft,
    /// How it ended.
    pub ended: Outcome,
    /// What failed, where something did.
    pub fault: Option<Fault>,
}

/// How an exchange ended, and why, as its record says it.
#[derive(Clone, Copy)]
pub(super) struct End<'r> {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'r str>,
    pub(super) fault: Option<&'r Fault>,
    pub(super) tokens: Option<(u64, u64)>,
}

impl Answer {
    pub(super) fn new(
        guard: Guard,
        call: &Call<'_>,
        identity: Identity,
        facts: Facts,
        (judged, own): (&[Judged], Option<Arc<Own>>),
        verdict: u64,
    ) -> Self {
        let catalogue = guard.catalogue();
        let input = Counts::of(judged, Direction::Input, &catalogue);
        Self {
            ladder: guard.policy.ladder(call.roles, &call.route.name),
            guard,
            identity,
            facts,
            catalogue,
            own,
            verdict,
            input,
            judged: Vec::new(),
        }
    }

    /// The exchange's name.
    pub fn record(&self) -> RecordId {
        self.identity.record
    }

    /// Takes an answer that is an event stream.
    pub fn stream(self) -> StreamGuard {
        StreamGuard::new(self)
    }

    /// Ends the exchange without an answer.
    pub fn fail(self, fault: impl Into<Fault>, unix_ms: u64) -> Closed {
        self.fail_with(&fault.into(), Texts::default(), unix_ms)
    }

    /// Ends the exchange with an error of ours, in place of an answer that came whole and was not looked at.
    pub(super) fn replace(self, fault: impl Into<Fault>, body: &[u8], unix_ms: u64) -> Closed {
        let texts = self.identity.keep(|| Texts::of_received(unread_body(&self.guard, body)));
        self.fail_with(&fault.into(), texts, unix_ms)
    }

    fn fail_with(self, fault: &Fault, texts: Texts, unix_ms: u64) -> Closed {
        let reply = fault.failure.reply(self.identity.named());
        let answer = (reply.status, Bytes::from(reply.body()));
        let (outcome, reason) = (fault.failure.outcome(), Some(reply.code));
        let end = End { outcome, reason, fault: Some(fault), tokens: None };
        self.close(answer, texts, end, unix_ms)
    }

    /// Ends the exchange with a status and a body for the caller.
    pub(super) fn close(
        self,
        (status, body): (u16, Bytes),
        texts: Texts,
        end: End<'_>,
        unix_ms: u64,
    ) -> Closed {
        let End { outcome, reason, fault, tokens } = end;
        let ended = Ended { outcome, verdict: self.verdict | verdict_bits(&self.judged), tokens };
        let cause = fault.and_then(|fault| fault.cause.as_deref());
        let evidence = self.identity.evidence(&self.judged, &self.catalogue, (reason, cause));
        let draft = self.identity.outcome(unix_ms, &ended, texts, evidence);
        let (findings, fault) = (self.findings(), fault.cloned());
        Closed { status, body, findings, outcome: draft, ended: outcome, fault }
    }

    /// Both directions' findings, as the header says them.
    pub(super) fn findings(&self) -> String {
        let output = Counts::of(&self.judged, Direction::Output, &self.catalogue);
        output.plus(&self.input).to_string()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("record", &self.identity.record)
            .field("judged", &self.judged.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("policy", &self.policy.digest())
            .field("scan", &self.scan)
            .finish_non_exhaustive()
    }
}
