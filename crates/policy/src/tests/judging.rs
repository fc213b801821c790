use super::{KINDS, catalogue, kind, load, roles};
use crate::{
    Action, Cause, Decision, GuardPolicy, Observation, Problem, Profile, Subject, judge,
    judge_again,
};
use bartizan_core::evidence::{Direction, Evidence, Source};
use bartizan_core::kind::KindId;
use bartizan_core::record::RecordId;
use bartizan_core::span::Span;
use proptest::prelude::*;

const RECORD: RecordId = RecordId([9; 16]);

fn decide(policy: &GuardPolicy, names: &[&str], seen: &[Observation]) -> Decision {
    let roles = roles(names);
    let direction = Direction::Input;
    judge(policy, &Subject { record: RECORD, direction, roles: &roles, route: "default" }, seen)
}

fn saw(source: Source, name: &str) -> Observation {
    Observation { source, kind: kind(name) }
}

fn caller(names: &[&str]) -> Evidence {
    let roles = names.iter().map(|&name| name.to_owned()).collect();
    Evidence::Caller { key: "k".to_owned(), roles, route: "default".to_owned() }
}

fn finding(source: Source, name: &str, direction: Direction) -> Evidence {
    Evidence::Finding {
        detector: "text@1".to_owned(),
        kind: name.to_owned(),
        source,
        direction,
        place: "messages[0].content".to_owned(),
        span: Span::new(0, 1),
        score: 1000,
    }
}

fn standard() -> GuardPolicy {
    GuardPolicy::profile(Profile::Standard, &catalogue()).expect("a profile loads")
}

#[test]
fn the_strongest_action_decides() {
    let policy = standard();
    let (email, card, limit) = (
        saw(Source::User, "pii.email"),
        saw(Source::User, "pii.card"),
        saw(Source::User, "limit.time"),
    );
    let cases: [(&str, &[Observation], Action); 6] = [
        ("nothing seen", &[], Action::Release),
        ("a flag", &[email], Action::Release),
        ("a redaction", &[card], Action::Redact),
        ("a redaction among flags", &[email, card, email], Action::Redact),
        ("a refusal", &[limit], Action::Refuse),
        ("a refusal among all", &[email, limit, card], Action::Refuse),
    ];
    for (name, seen, want) in cases {
        let decision = decide(&policy, &[], seen);
        assert_eq!(decision.verdict(), want, "{name}");
        assert_eq!(decision.actions().len(), seen.len(), "{name}");
        assert_eq!((decision.record(), decision.policy()), (RECORD, policy.digest()), "{name}");
        let actions = decision.actions().to_vec();
        match (want, decision.into_pass()) {
            (Action::Refuse, Err(refusal)) => {
                let first = actions.iter().position(|&a| a == Action::Refuse).unwrap();
                assert_eq!(refusal.cause, Cause::Finding { index: first }, "{name}");
                assert_eq!(refusal.record, RECORD, "{name}");
            }
            (Action::Release | Action::Redact, Ok(pass)) => {
                assert_eq!((pass.record(), pass.direction()), (RECORD, Direction::Input));
                assert_eq!(pass.actions(), actions, "{name}");
                assert!(!pass.actions().contains(&Action::Refuse), "{name}");
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn who_may_not_call_gets_no_pass() {
    let policy = load(
        "@id(\"call\") permit (principal in Role::\"app\", action == Action::\"call\", resource);
         @id(\"release\") permit (principal, action == Action::\"release\", resource);",
    )
    .unwrap();
    assert!(decide(&policy, &["app"], &[]).into_pass().is_ok());
    let decision = decide(&policy, &["other"], &[saw(Source::User, "pii.email")]);
    assert_eq!(decision.verdict(), Action::Refuse);
    assert_eq!(decision.cause(), Some(&Cause::Call));
    let refusal = decision.into_pass().unwrap_err();
    let want = format!("refused, record {RECORD}: these roles may not use this route");
    assert_eq!(refusal.to_string(), want);
}

#[test]
fn evidence_that_cannot_be_judged_is_refused() {
    let policy = GuardPolicy::profile(Profile::Observe, &catalogue()).unwrap();
    let unknown = || finding(Source::User, "pii.crad", Direction::Input);
    let problem = |problem| Some(Cause::Evidence(problem));
    let unknown_kind = || problem(Problem::UnknownKind { name: "pii.crad".to_owned() });
    let card = || finding(Source::User, "pii.card", Direction::Input);
    let cases = [
        ("nothing", vec![], problem(Problem::NoCaller)),
        ("no caller", vec![card()], problem(Problem::NoCaller)),
        ("two callers", vec![caller(&[]), caller(&[])], problem(Problem::ManyCallers)),
        ("unknown kind", vec![caller(&[]), unknown()], unknown_kind()),
        ("unknown kind among known", vec![card(), unknown(), caller(&[]), card()], unknown_kind()),
        ("a caller and nothing else", vec![caller(&["x"])], None),
        ("a finding before the caller", vec![card(), caller(&[])], None),
    ];
    for (name, evidence, want) in cases {
        let decision = judge_again(&policy, &catalogue(), Direction::Input, RECORD, &evidence);
        assert_eq!(decision.cause(), want.as_ref(), "{name}");
        let refused = want.is_some();
        assert_eq!(decision.verdict() == Action::Refuse, refused, "{name}");
        assert_eq!(decision.into_pass().is_err(), refused, "{name}");
    }
}

#[test]
fn findings_of_the_other_direction_do_not_count() {
    let evidence = [
        caller(&[]),
        finding(Source::Model, "limit.time", Direction::Output),
        finding(Source::User, "pii.card", Direction::Input),
    ];
    let again = |direction| judge_again(&standard(), &catalogue(), direction, RECORD, &evidence);
    assert_eq!(again(Direction::Input).actions(), [Action::Redact]);
    assert_eq!(again(Direction::Output).actions(), [Action::Refuse]);
    assert_eq!(again(Direction::Output).direction(), Direction::Output);
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let all: Vec<KindId> = catalogue().iter().map(|(kind, _)| kind).collect();
    let source = prop::sample::select(Source::ALL.to_vec());
    (source, prop::sample::select(all)).prop_map(|(source, kind)| Observation { source, kind })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same evidence gives the same decision, from a fresh policy too, and its order does not matter.
    #[test]
    fn judging_is_pure_and_blind_to_order(
        seen in prop::collection::vec(any_observation(), 0..8)
            .prop_flat_map(|seen| (Just(seen.clone()), Just(seen).prop_shuffle())),
        profile in prop::sample::select(Profile::ALL.to_vec()),
    ) {
        let (seen, shuffled) = seen;
        let fresh = || GuardPolicy::profile(profile, &catalogue()).expect("a profile loads");
        let policy = fresh();
        let decision = decide(&policy, &["app"], &seen);
        prop_assert_eq!(&decision, &decide(&policy, &["app"], &seen));
        prop_assert_eq!(&decision, &decide(&fresh(), &["app"], &seen));
        let other = decide(&policy, &["app"], &shuffled);
        prop_assert_eq!(other.verdict(), decision.verdict());
        let pairs = |seen: &[Observation], decision: &Decision| {
            let mut pairs: Vec<_> = seen.iter().copied().zip(decision.actions().to_vec()).collect();
            pairs.sort_unstable();
            pairs
        };
        prop_assert_eq!(pairs(&seen, &decision), pairs(&shuffled, &other));
        // One more observation never weakens a decision.
        if let Some((_, fewer)) = seen.split_last() {
            prop_assert!(decide(&policy, &["app"], fewer).verdict() <= decision.verdict());
        }
    }

    /// A decision comes out the same when it is judged again from what was written down.
    #[test]
    fn records_can_be_judged_again(seen in prop::collection::vec(any_observation(), 0..8)) {
        let policy = standard();
        let mut evidence = vec![caller(&["b", "a"])];
        evidence.extend(seen.iter().map(|seen| {
            finding(seen.source, catalogue().info(seen.kind).name, Direction::Input)
        }));
        let again = judge_again(&policy, &catalogue(), Direction::Input, RECORD, &evidence);
        prop_assert_eq!(again, decide(&policy, &["a", "b"], &seen));
    }
}

#[test]
fn every_detected_kind_has_an_action_with_a_reason() {
    let policy = standard();
    for info in &KINDS {
        let seen = [saw(Source::Model, info.name)];
        let decision = decide(&policy, &[], &seen);
        let why = decision.why(0).unwrap();
        assert_eq!([why.action], decision.actions(), "{}", info.name);
        assert!(decision.why(1).is_none());
    }
}

/// All threads share one policy and hand decisions on.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<GuardPolicy>();
    shared::<Decision>();
    shared::<crate::Pass>();
};
