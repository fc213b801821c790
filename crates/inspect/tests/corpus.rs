//! Real texts, where they are at hand: benign prompts have no secrets and hardly an override phrase, and streams agree with whole texts.
use bartizan_core::detect::{Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, JsonLimits};
use bartizan_core::kind::Catalogue;
use bartizan_inspect::{KINDS, TextInspector};
use std::collections::BTreeMap;
use std::path::Path;

/// The texts of a file of JSON lines; none where the data is absent.
#[expect(clippy::disallowed_methods, reason = "the texts are files; the crate itself has no disk")]
fn texts(name: &str) -> Vec<String> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/text/train").join(name);
    let Ok(lines) = std::fs::read_to_string(path) else { return Vec::new() };
    let text = |line: &str| {
        let doc = Doc::read(line.as_bytes(), JsonLimits::default()).ok()?;
        String::from_utf8(doc.root().get("text")?.text()?.into_owned()).ok()
    };
    lines.lines().filter_map(text).collect()
}

/// Kinds that say little alone.
const LOW: [&str; 5] = ["pii.date", "pii.url", "pii.name", "pii.location", "pii.organisation"];

#[test]
fn benign_prompts_pass() {
    let names: BTreeMap<_, _> = Catalogue::new(&KINDS).iter().collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut n_texts = 0_usize;
    for name in [
        "selfinstruct_seed.jsonl",
        "cyberseceval_frr.jsonl",
        "asb_agent_tasks.jsonl",
        "cyberseceval_frr_mt.jsonl",
    ] {
        for text in texts(name) {
            n_texts += 1;
            let mut whole: Vec<Finding> = Vec::new();
            TextInspector::new()
                .scan(Source::User, text.as_bytes(), &mut |finding| whole.push(finding));
            let mut streamed = Vec::new();
            let mut detector = TextInspector::new().detector(Source::User);
            text.as_bytes()
                .chunks(7)
                .for_each(|chunk| detector.push(chunk, &mut |finding| streamed.push(finding)));
            detector.finish(&mut |finding| streamed.push(finding));
            streamed.sort_unstable();
            assert_eq!(streamed, whole, "{text}");
            for finding in whole {
                let kind = names.get(&finding.kind).map_or("", |info| info.name);
                // Names of people and places and dates are in ordinary prompts; they are no alarm.
                if !LOW.contains(&kind) {
                    *counts.entry(kind).or_default() += 1;
                }
                let is_alarm = kind.starts_with("secret.")
                    || kind.starts_with("injection.")
                    || kind == "pii.card";
                assert!(!is_alarm, "{kind} in {text:?}");
            }
        }
    }
    assert!(counts.values().sum::<usize>() <= n_texts / 50, "{counts:?} in {n_texts} texts");
}
