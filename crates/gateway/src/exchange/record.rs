//! What an exchange leaves in the ledger: the INTENT before, the OUTCOME after, evidence beside both.
use super::findings::Judged;
use super::received::Texts;
use super::subject::SubjectName;
use super::{Call, Guard};
use bartizan_core::digest::Digest;
use bartizan_core::json::encode_into;
use bartizan_core::kind::Catalogue;
use bartizan_core::record::{
    Draft, Leaf, NAME_BYTES_MAX, Outcome, Payload, RecordId, RecordKind, Slot,
};
use bartizan_policy::Roles;
use std::fmt::Write as _;

/// The version of the evidence payload's JSON.
const EVIDENCE_PAYLOAD_VERSION: u32 = 1;

/// What both records of an exchange say of it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) record: RecordId,
    pub(super) key_id: String,
    pub(super) route: String,
    pub(super) roles: Roles,
    pub(super) policy: Digest,
    subject: SubjectName,
    /// Without, drafts are made and nobody keeps them: they hold no text.
    is_recorded: bool,
}

impl Identity {
    pub(super) fn new(guard: &Guard, call: &Call<'_>, subject: SubjectName) -> Self {
        Self {
            subject,
            is_recorded: call.is_recorded,
            record: call.record,
            key_id: call.key_id.to_owned(),
            route: call.route.name.clone(),
            roles: call.roles.clone(),
            policy: guard.policy.digest(),
        }
    }

    /// The record's name, for whoever may go and look it up.
    pub(super) fn named(&self) -> Option<RecordId> {
        self.is_recorded.then_some(self.record)
    }

    /// The texts of a record, where there is one that keeps them.
    pub(super) fn keep(&self, texts: impl FnOnce() -> Texts) -> Texts {
        if self.is_recorded { texts() } else { Texts::default() }
    }

    pub(super) fn intent(
        &self,
        unix_ms: u64,
        verdict: u64,
        texts: Texts,
        evidence: Vec<u8>,
    ) -> Draft {
        let leaf = Leaf {
            key_id: Some(short(&self.key_id)),
            route: Some(short(&self.route)),
            policy: Some(self.policy),
            verdict,
            ..Leaf::new(self.record, RecordKind::Intent, unix_ms)
        };
        self.draft(leaf, texts, evidence)
    }

    pub(super) fn outcome(
        &self,
        unix_ms: u64,
        ended: &Ended,
        texts: Texts,
        evidence: Vec<u8>,
    ) -> Draft {
        let leaf = Leaf {
            policy: Some(self.policy),
            verdict: ended.verdict,
            tokens: ended.tokens,
            outcome: Some(ended.outcome),
            ..Leaf::new(self.record, RecordKind::Outcome, unix_ms)
        };
        self.draft(leaf, texts, evidence)
    }

    fn draft(&self, leaf: Leaf, texts: Texts, evidence: Vec<u8>) -> Draft {
        let Texts { released, received } = texts;
        let slots = [
            (Slot::Released, released),
            (Slot::Received, received),
            (Slot::Evidence, self.is_recorded.then_some(evidence)),
        ];
        let payload =
            |(slot, bytes): (Slot, Option<Vec<u8>>)| Some(Payload { slot, bytes: bytes? });
        let payloads = slots.into_iter().filter_map(payload).collect();
        Draft { subject: Some(self.subject.for_record()), ..Draft::new(leaf, payloads) }
    }

    /// The evidence payload: who asked, what was seen, what was decided. Enough to judge again.
    ///
    /// * `why`: the reason code, and what is known of the cause of a failure
    pub(super) fn evidence(
        &self,
        list: &[Judged],
        catalogue: &Catalogue,
        why: (Option<&str>, Option<&str>),
    ) -> Vec<u8> {
        let (reason, cause) = why;
        if !self.is_recorded {
            return Vec::new();
        }
        let mut out = String::with_capacity(160 + 160 * list.len());
        let written = write!(
            out,
            "{{\"version\":{EVIDENCE_PAYLOAD_VERSION},\"policy\":\"{}\",\"reason\":",
            self.policy
        );
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        match reason {
            Some(reason) => string(reason, &mut out),
            None => out.push_str("null"),
        }
        if let Some(cause) = cause {
            out.push_str(",\"cause\":");
            string(cause, &mut out);
        }
        out.push_str(",\"evidence\":[{\"type\":\"caller\",\"key\":");
        string(&self.key_id, &mut out);
        out.push_str(",\"roles\":[");
        for (index, role) in self.roles.iter().enumerate() {
            if 0 < index {
                out.push(',');
            }
            string(role, &mut out);
        }
        out.push_str("],\"route\":");
        string(&self.route, &mut out);
        out.push('}');
        for judged in list {
            finding(judged, catalogue, &mut out);
        }
        out.push_str("],\"actions\":[");
        for (index, judged) in list.iter().enumerate() {
            let comma = if 0 < index { "," } else { "" };
            write!(out, "{comma}\"{}\"", judged.action.name()).unwrap_or_default();
        }
        out.push_str("]}");
        out.into_bytes()
    }
}

/// How an exchange ended, as its leaf says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) verdict: u64,
    pub(super) tokens: Option<(u64, u64)>,
}

fn finding(judged: &Judged, catalogue: &Catalogue, out: &mut String) {
    out.push_str(",{\"type\":\"finding\",\"detector\":");
    string(judged.finding.detector, out);
    out.push_str(",\"kind\":");
    string(catalogue.info(judged.finding.kind).name, out);
    out.push_str(",\"source\":");
    string(judged.source.name(), out);
    out.push_str(",\"direction\":");
    string(
        if judged.direction == bartizan_core::evidence::Direction::Input {
            "input"
        } else {
            "output"
        },
        out,
    );
    out.push_str(",\"place\":");
    string(&judged.place, out);
    let (span, score) = (judged.finding.span, judged.finding.score.get());
    let written = write!(
        out,
        ",\"span\":{{\"start\":{},\"end\":{}}},\"score\":{score}}}",
        span.start, span.end
    );
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

pub(super) fn string(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    encode_into(text.as_bytes(), &mut bytes);
    out.push('"');
    out.push_str(&String::from_utf8_lossy(&bytes));
    out.push('"');
}

/// A name as a leaf has room for it. Configuration refuses longer ones; this keeps a record writable whatever happens.
fn short(name: &str) -> String {
    name.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= NAME_BYTES_MAX)
        .map(|(_, c)| c)
        .collect()
}
