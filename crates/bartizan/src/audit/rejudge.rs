//! Judges a record again, from its evidence and nothing else.
//!
//! The evidence payload is the record's judgement: who asked, what was found, what was decided about it, under which policy. It holds no text, is
//! written in one canonical way, and comes out the same, byte for byte, whenever the same policy judges the same facts. Under another policy
//! it says what that would have decided.
use super::{Content, Whole};
use anyhow::{Context as _, bail, ensure};
use bartizan_core::digest::Digest;
use bartizan_core::evidence::{Direction, Evidence};
use bartizan_core::kind::Catalogue;
use bartizan_core::record::{RecordId, RecordKind, Slot};
use bartizan_ledger::merkle::sha256;
use bartizan_policy::{Action, Cause, Decision, GuardPolicy, judge_again};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The version of judgements that this build can make again.
const JUDGEMENT_VERSION: u32 = 1;

/// What judges.
#[derive(Debug)]
pub(crate) struct Judge {
    /// The rules.
    pub(crate) policy: GuardPolicy,
    /// The kinds that they know.
    pub(crate) catalogue: Catalogue,
}

/// A judgement as it was recorded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded<'a> {
    version: u32,
    policy: Digest,
    #[serde(borrow)]
    reason: &'a RawValue,
    /// Why an exchange failed, where one did.
    #[serde(borrow, default)]
    cause: Option<&'a RawValue>,
    #[serde(borrow)]
    evidence: &'a RawValue,
    actions: Vec<Action>,
}

impl Recorded<'_> {
    /// The canonical bytes of a judgement of the same facts by this policy.
    fn remade(&self, policy: Digest, actions: &[Action]) -> String {
        let Self { version, reason, cause, evidence, .. } = self;
        let cause = cause.map_or(String::new(), |cause| format!(",\"cause\":{cause}"));
        let names: Vec<_> = actions.iter().map(|action| format!("\"{action}\"")).collect();
        format!(
            "{{\"version\":{version},\"policy\":\"{policy}\",\"reason\":{reason}{cause},\"evidence\":{evidence},\"actions\":[{}]}}",
            names.join(",")
        )
    }
}

/// A decision, with the policy and the digest of the judgement that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    policy: Digest,
    actions: Vec<Action>,
    /// SHA-256 of the canonical judgement.
    digest: Digest,
}

impl Judgement {
    fn of(recorded: &Recorded<'_>, policy: Digest, actions: &[Action]) -> Self {
        let digest = sha256(recorded.remade(policy, actions).as_bytes());
        Self { policy, actions: actions.to_vec(), digest }
    }

    fn json(&self) -> Value {
        let Self { policy, actions, digest } = self;
        json!({"policy": policy, "actions": actions, "judgement": digest})
    }

    fn text(&self) -> String {
        let Self { policy, actions, digest } = self;
        let actions: Vec<_> = actions.iter().map(|action| action.name()).collect();
        let actions =
            if actions.is_empty() { "nothing was found".to_owned() } else { actions.join(", ") };
        format!("{actions}; policy {policy}, judgement {digest}")
    }
}

/// Kind and source of each finding that was judged.
type Findings = Vec<(String, String)>;

/// A finding that another policy decides otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    /// Which of the findings, from 0.
    finding: usize,
    kind: String,
    source: String,
    /// Nothing where the record has no decision about it.
    recorded: Option<Action>,
    again: Action,
}

/// One leaf, judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejudged {
    index: u64,
    record: RecordId,
    kind: RecordKind,
    recorded: Judgement,
    again: Judgement,
    /// What becomes of the whole.
    verdict: Action,
    /// Why it is refused for another reason than a finding: the caller may not use the route.
    refused: Option<String>,
    changes: Vec<Change>,
}

impl Rejudged {
    /// Judges a leaf again; nothing where it is none of an exchange.
    ///
    /// # Errors
    /// When its evidence cannot be read, or cannot be judged.
    fn of(whole: &Whole, judge: &Judge) -> anyhow::Result<Option<Self>> {
        let (entry, payloads) = whole;
        let direction = match entry.leaf.kind {
            RecordKind::Intent => Direction::Input,
            RecordKind::Outcome => Direction::Output,
            _ => return Ok(None),
        };
        let Some((_, content)) = payloads.iter().find(|(slot, _)| *slot == Slot::Evidence) else {
            return Ok(None);
        };
        let Content::Clear(bytes) = content else {
            bail!("the evidence of leaf {} cannot be read: {}", entry.index, content.text())
        };
        let facts = Self::judged(bytes, entry.leaf.record, direction, judge);
        let (recorded, decision, findings) =
            facts.with_context(|| format!("leaf {} cannot be judged again", entry.index))?;
        let again = Judgement::of(&recorded, decision.policy(), decision.actions());
        let was = Judgement {
            policy: recorded.policy,
            actions: recorded.actions.clone(),
            digest: sha256(bytes),
        };
        let changes = changes(&findings, &was.actions, decision.actions());
        let refused = match decision.cause() {
            Some(cause @ Cause::Call) => Some(cause.to_string()),
            _ => None,
        };
        Ok(Some(Self {
            index: entry.index,
            record: entry.leaf.record,
            kind: entry.leaf.kind,
            recorded: was,
            again,
            verdict: decision.verdict(),
            refused,
            changes,
        }))
    }

    fn judged<'a>(
        bytes: &'a [u8],
        record: RecordId,
        direction: Direction,
        judge: &Judge,
    ) -> anyhow::Result<(Recorded<'a>, Decision, Findings)> {
        let recorded: Recorded<'_> = serde_json::from_slice(bytes)
            .context("its evidence is no judgement of this version")?;
        let version = recorded.version;
        ensure!(
            version == JUDGEMENT_VERSION,
            "its judgement has version {version}, and this build knows {JUDGEMENT_VERSION}: use the build that wrote it"
        );
        let evidence: Vec<Evidence> = serde_json::from_str(recorded.evidence.get()).context(
            "it holds a fact that this build does not know: use the build that wrote it",
        )?;
        let Judge { policy, catalogue } = judge;
        let decision = judge_again(policy, catalogue, direction, record, &evidence);
        if let Some(cause @ Cause::Evidence(_)) = decision.cause() {
            bail!("{cause}");
        }
        let of_way = |fact: &Evidence| match fact {
            Evidence::Finding { kind, source, direction: way, .. } if *way == direction => {
                Some((kind.clone(), source.to_string()))
            }
            _ => None,
        };
        let findings = evidence.iter().filter_map(of_way).collect();
        Ok((recorded, decision, findings))
    }

    /// Whether the same is decided.
    pub(crate) fn is_same(&self) -> bool {
        self.recorded.actions == self.again.actions && self.refused.is_none()
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let Self { index, record, kind, recorded, again, verdict, refused, changes } = self;
        let change = |change: &Change| {
            let Change { finding, kind, source, recorded, again } = change;
            json!({
                "finding": finding, "kind": kind, "source": source,
                "recorded": recorded, "again": again,
            })
        };
        json!({
            "index": index, "record": record.to_string(), "kind": kind.name(),
            "same": self.is_same(), "recorded": recorded.json(), "again": again.json(),
            "verdict": verdict, "refused": refused,
            "changes": changes.iter().map(change).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { index, record, kind, recorded, again, refused, changes, .. } = self;
        let word = match (self.is_same(), recorded == again) {
            (true, true) => "the same, byte for byte",
            (true, false) => "the same decision, under another policy",
            (false, _) => "DIFFERENT",
        };
        let mut lines = vec![
            format!("{} {record} (leaf {index}): {word}", kind.name()),
            format!("  recorded  {}", recorded.text()),
            format!("  again     {}", again.text()),
        ];
        lines.extend(refused.iter().map(|why| format!("  refused   {why}")));
        lines.extend(changes.iter().map(|change| {
            let Change { finding, kind, source, recorded, again } = change;
            let recorded = recorded.map_or("nothing", Action::name);
            format!("  changed   finding {finding}, {kind} from {source}: {recorded} -> {again}")
        }));
        lines.join("\n")
    }
}

fn changes(findings: &[(String, String)], was: &[Action], again: &[Action]) -> Vec<Change> {
    let pairs = findings.iter().zip(again).enumerate();
    let changed = pairs.filter(|(at, (_, again))| was.get(*at) != Some(*again));
    changed
        .map(|(finding, ((kind, source), again))| Change {
            finding,
            kind: kind.clone(),
            source: source.clone(),
            recorded: was.get(finding).copied(),
            again: *again,
        })
        .collect()
}

/// Judges the leaves of a record again, as far as they are of an exchange.
///
/// # Errors
/// When none is, or the evidence of one cannot be read or judged.
pub(crate) fn rejudge(leaves: &[Whole], judge: &Judge) -> anyhow::Result<Vec<Rejudged>> {
    let judged = leaves.iter().map(|leaf| Rejudged::of(leaf, judge));
    let judged: Vec<_> =
        judged.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
    ensure!(
        !judged.is_empty(),
        "the record has no evidence of an exchange, so there is nothing to judge: only intents and outcomes are judged"
    );
    Ok(judged)
}

#[cfg(test)]
mod tests;
