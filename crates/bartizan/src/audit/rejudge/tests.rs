use super::*;
use crate::audit::{Lens, record};
use crate::guard;
use crate::opening::world::World;
use bartizan_core::record::{Draft, Leaf, Outcome, Payload, Recorder as _};
use bartizan_policy::Profile;

fn judge(profile: Profile) -> Judge {
    let catalogue = guard::catalogue();
    Judge { policy: GuardPolicy::profile(profile, &catalogue).unwrap(), catalogue }
}

/// A judgement of these findings, kind and direction of each, as a gateway writes it.
fn judgement(policy: Digest, findings: &[(&str, &str)], actions: &str) -> String {
    let fact = |(kind, direction): &(&str, &str)| {
        format!(
            r#",{{"type":"finding","detector":"d@1","kind":"{kind}","source":"user","direction":"{direction}","place":"messages[0].content","span":{{"start":1,"end":9}},"score":990}}"#
        )
    };
    let facts: Vec<_> = findings.iter().map(fact).collect();
    let facts = facts.concat();
    format!(
        r#"{{"version":1,"policy":"{policy}","reason":null,"evidence":[{{"type":"caller","key":"k-1","roles":["app"],"route":"default"}}{facts}],"actions":[{actions}]}}"#
    )
}

/// What judging a recorded intent again comes to.
fn again(evidence: Option<&str>, judge: &Judge) -> Result<Vec<Rejudged>, String> {
    let world = World::new();
    let opened = world.open().unwrap();
    let leaf = |kind| Leaf::new(RecordId([7; 16]), kind, 1);
    let payload = |slot, text: &str| Payload { slot, bytes: text.as_bytes().to_vec() };
    let payloads = match evidence {
        Some(text) => vec![payload(Slot::Evidence, text)],
        None => vec![payload(Slot::Released, "a text")],
    };
    world.wait(opened.ledger.append(Draft::new(leaf(RecordKind::Intent), payloads))).unwrap();
    let ended = Leaf { outcome: Some(Outcome::Completed), ..leaf(RecordKind::Outcome) };
    world.wait(opened.ledger.append(Draft::new(ended, Vec::new()))).unwrap();
    opened.close(&world.sources).unwrap();
    let lens = Lens::new(&world.state(), &world.sources, false).unwrap();
    let leaves = record(&world.state(), &RecordId([7; 16]).to_string(), &lens).unwrap();
    rejudge(&leaves, judge).map_err(|error| format!("{error:#}"))
}

#[test]
fn the_same_policy_says_the_same_byte_for_byte_and_another_says_what_would_change() {
    let standard = judge(Profile::Standard);
    let policy = standard.policy.digest();
    let card = ("pii.card", "input");
    let text = judgement(policy, &[card], r#""redact""#);
    let same = again(Some(&text), &standard).unwrap();
    assert_eq!(same.len(), 1, "an outcome without evidence is not judged");
    assert!(same[0].is_same() && same[0].recorded == same[0].again, "{same:?}");
    assert_eq!(same[0].again.digest, sha256(text.as_bytes()));
    assert!(same[0].text().contains("the same, byte for byte"), "{}", same[0].text());

    // What failed has a cause, and that is part of the judgement's bytes.
    let failed =
        text.replace(r#""reason":null"#, r#""reason":"upstream_tls","cause":"it has\"none""#);
    let same = again(Some(&failed), &standard).unwrap();
    assert!(same[0].is_same(), "{same:?}");
    assert_eq!(same[0].again.digest, sha256(failed.as_bytes()));

    let attack = ("injection.override", "input");
    for (profile, found, recorded, want) in [
        (Profile::Strict, card, r#""redact""#, None),
        (Profile::Strict, attack, r#""release""#, Some((Action::Release, Action::Refuse))),
        (Profile::Observe, card, r#""redact""#, Some((Action::Redact, Action::Release))),
        (Profile::Observe, card, r#""release""#, None),
        (Profile::Standard, card, r#""release""#, Some((Action::Release, Action::Redact))),
        (Profile::Standard, attack, r#""release""#, None),
    ] {
        let judge = judge(profile);
        let told = again(Some(&judgement(policy, &[found], recorded)), &judge).unwrap();
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(told.is_same(), want.is_none(), "{profile} {recorded}: {told:?}");
        assert_eq!(told.again.policy, judge.policy.digest());
        // Only the same policy can say the same.
        assert_eq!(told.recorded == told.again, told.is_same() && told.again.policy == policy);
        let changes: Vec<_> =
            told.changes.iter().map(|change| (change.recorded, change.again)).collect();
        let want: Vec<_> = want.into_iter().map(|(was, now)| (Some(was), now)).collect();
        assert_eq!(changes, want, "{profile} {recorded}");
        let json = told.json();
        assert_eq!(json["same"], told.is_same());
        assert_eq!(json["changes"].as_array().unwrap().len(), want.len());
        assert_eq!(json["again"]["judgement"], told.again.digest.to_string());
    }
}

#[test]
fn only_findings_of_the_leafs_own_direction_are_judged() {
    let standard = judge(Profile::Standard);
    let both = [("pii.card", "output"), ("pii.card", "input")];
    let text = judgement(standard.policy.digest(), &both, r#""redact""#);
    assert!(again(Some(&text), &standard).unwrap()[0].is_same());
}

#[test]
fn what_cannot_be_judged_is_not_called_the_same() {
    let standard = judge(Profile::Standard);
    let good = judgement(standard.policy.digest(), &[("pii.card", "input")], r#""redact""#);
    for (name, evidence, want) in [
        ("no evidence", None, "nothing to judge"),
        ("no JSON", Some("{".to_owned()), "no judgement of this version"),
        ("another event's", Some(r#"{"version":1,"action":"erase"}"#.to_owned()), "no judgement"),
        ("a field more", Some(good.replacen('{', r#"{"x":1,"#, 1)), "no judgement"),
        ("another version", Some(good.replacen(":1", ":2", 1)), "has version 2"),
        ("a kind that nobody knows", Some(good.replace("pii.card", "pii.aura")), "pii.aura"),
        ("a fact that nobody knows", Some(good.replace("finding", "omen")), "does not know"),
        ("no caller", Some(good.replace(r#""type":"caller""#, r#""type":"omen""#)), "not know"),
        ("an action that nobody knows", Some(good.replace("redact", "bless")), "no judgement"),
    ] {
        let told = again(evidence.as_deref(), &standard);
        assert!(told.as_ref().is_err_and(|said| said.contains(want)), "{name}: {told:?}");
    }
    // Fewer or more actions than findings are another judgement.
    for actions in ["", r#""redact","redact""#] {
        let text = judgement(standard.policy.digest(), &[("pii.card", "input")], actions);
        assert!(!again(Some(&text), &standard).unwrap()[0].is_same(), "{actions}");
    }
}
