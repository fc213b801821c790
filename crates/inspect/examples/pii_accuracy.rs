//! Prints how well personal data is found: precision, recall and F2 by type, token by token, on texts with gold spans; and how often
//! each kind is seen in benign texts, per MB. It says so and ends where the data is absent.
//!
//! `cargo run --release -p bartizan-inspect --example pii_accuracy [-- FILE TYPE]` (with a type, its misses and false alarms)
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs files and a place to print to"
)]
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, JsonLimits, Value};
use bartizan_core::kind::Catalogue;
use bartizan_inspect::{KINDS, TextInspector};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const BENIGN: [&str; 6] = [
    "t0_prompts",
    "cyberseceval_frr",
    "cyberseceval_instruct",
    "selfinstruct_seed",
    "prompts_chat_202601",
    "openai_moderation",
];
const STRUCTURED: [&str; 8] = [
    "CREDIT_CARD",
    "PHONE_NUMBER",
    "EMAIL_ADDRESS",
    "US_SSN",
    "IBAN_CODE",
    "DOMAIN_NAME",
    "IP_ADDRESS",
    "US_DRIVER_LICENSE",
];

/// A text, and its gold spans in bytes.
struct Row {
    text: String,
    gold: Vec<(usize, usize, String)>,
    /// The type that must not be found.
    not: Option<String>,
}

fn rows(name: &str) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/text/train");
    let Ok(lines) = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) else {
        return Vec::new();
    };
    lines.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let doc = Doc::read(line.as_bytes(), JsonLimits::default()).ok()?;
    let root = doc.root();
    let text = root.get("text")?.str()?.into_owned();
    // The data counts characters.
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = |value: Option<u64>| places.get(usize::try_from(value?).ok()?).copied();
    let spans = root.get("spans").into_iter().flat_map(Value::items);
    let gold = spans.filter_map(|span| {
        let [start, end] = ["start", "end"].map(|key| at(span.get(key)?.u64()));
        Some((start?, end?, span.get("type")?.str()?.into_owned()))
    });
    let gold = gold.collect();
    let not = root.get("not_entity").and_then(|value| Some(value.str()?.into_owned()));
    Some(Row { text, gold, not })
}

/// The type of the data that a kind stands for.
fn type_of(kind: &str) -> String {
    let name = kind.trim_start_matches("pii.");
    let fixed = match name {
        "name" => "PERSON",
        "title" => "TITLE",
        "location" => "LOCATION",
        "organisation" => "ORGANIZATION",
        "street-address" => "ADDRESS",
        "card" => "CREDIT_CARD",
        "phone" => "PHONE_NUMBER",
        "date" | "date-of-birth" => "DATE_TIME",
        "email" => "EMAIL_ADDRESS",
        "us-ssn" => "US_SSN",
        "iban" => "IBAN_CODE",
        "url" => "DOMAIN_NAME",
        "ipv4" | "ipv6" => "IP_ADDRESS",
        "us-driver-license" => "US_DRIVER_LICENSE",
        "bitcoin" | "ethereum" => "CRYPTO",
        _ => "",
    };
    if fixed.is_empty() { name.replace('-', "_").to_uppercase() } else { fixed.to_owned() }
}

fn findings(text: &str) -> Vec<(usize, usize, &'static str)> {
    let names: BTreeMap<_, _> = Catalogue::new(&KINDS).iter().collect();
    let mut found = Vec::new();
    TextInspector::new().scan(Source::User, text.as_bytes(), &mut |finding| {
        let kind = names.get(&finding.kind).map_or("", |info| info.name);
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        if kind.starts_with("pii.") {
            found.push((at(finding.span.start), at(finding.span.end), kind));
        }
    });
    found
}

/// Words and numbers.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (character.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                tokens.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    tokens
}

/// Right, wrong and missed tokens.
#[derive(Clone, Copy, Default)]
struct Score {
    right: f64,
    wrong: f64,
    missed: f64,
}

impl Score {
    fn print(self, name: &str) {
        let part = |of: f64| if of > 0.0 { self.right / of } else { 0.0 };
        let (precision, recall) = (part(self.right + self.wrong), part(self.right + self.missed));
        let f2 = part(self.right + 0.8 * self.missed + 0.2 * self.wrong);
        let n = self.right + self.missed;
        println!("{name:<28} {n:>6} {precision:>9.3} {recall:>9.3} {f2:>9.3}");
    }
}

fn judge(name: &str, shown: Option<&str>) {
    let rows = rows(name);
    if rows.is_empty() {
        println!("{name}: no data");
        return;
    }
    let mut scores = BTreeMap::<String, Score>::new();
    let (mut any, mut alarms) = (Score::default(), BTreeMap::<String, usize>::new());
    for row in &rows {
        let found = findings(&row.text);
        for (_, _, kind) in &found {
            if row.not.as_deref() == Some(type_of(kind).as_str()) {
                *alarms.entry(type_of(kind)).or_default() += 1;
            }
        }
        for (start, end) in tokens(&row.text) {
            let covers = |from: usize, to: usize| from < end && start < to;
            let gold: BTreeSet<String> =
                row.gold.iter().filter(|s| covers(s.0, s.1)).map(|s| s.2.clone()).collect();
            let seen: BTreeSet<String> =
                found.iter().filter(|s| covers(s.0, s.1)).map(|s| type_of(s.2)).collect();
            let mut bump = |kind: &String, right, wrong, missed| {
                let score = scores.entry(kind.clone()).or_default();
                score.right += right;
                score.wrong += wrong;
                score.missed += missed;
                if shown == Some(kind) && right < 1.0 {
                    let mark = if wrong > 0.0 { "+" } else { "-" };
                    println!(
                        "{mark} {:?} in {:?}",
                        row.text.get(start..end),
                        row.text.chars().take(160).collect::<String>()
                    );
                }
            };
            gold.intersection(&seen).for_each(|kind| bump(kind, 1.0, 0.0, 0.0));
            seen.difference(&gold).for_each(|kind| bump(kind, 0.0, 1.0, 0.0));
            gold.difference(&seen).for_each(|kind| bump(kind, 0.0, 0.0, 1.0));
            match (gold.is_empty(), seen.is_empty()) {
                (false, false) => any.right += 1.0,
                (false, true) => any.missed += 1.0,
                (true, false) => any.wrong += 1.0,
                _ => {}
            }
        }
    }
    println!(
        "\n{name}: {} texts\n{:<28} {:>6} {:>9} {:>9} {:>9}",
        rows.len(),
        "type",
        "tokens",
        "precision",
        "recall",
        "F2"
    );
    let (mut all, mut structured) = (Score::default(), Score::default());
    for (kind, score) in &scores {
        if score.right + score.missed > 0.0 || score.wrong > 20.0 {
            score.print(kind);
        }
        let sums = [Some(&mut all), STRUCTURED.contains(&kind.as_str()).then_some(&mut structured)];
        for sum in sums.into_iter().flatten() {
            sum.right += score.right;
            sum.wrong += score.wrong;
            sum.missed += score.missed;
        }
    }
    structured.print("structured types");
    all.print("all types");
    any.print("any type for any");
    if !alarms.is_empty() {
        println!("what must not be found, and was: {alarms:?}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, shown] = arguments.as_slice() {
        return judge(name, Some(shown));
    }
    judge("presidio_research_generated_large", None);
    judge("presidio_recognizer_tests", None);
    println!("\nbenign texts, findings per MB");
    let (mut counts, mut n_bytes) = (BTreeMap::<&str, f64>::new(), 0_usize);
    for name in BENIGN {
        for row in rows(name) {
            n_bytes += row.text.len();
            for (_, _, kind) in findings(&row.text) {
                *counts.entry(kind).or_default() += 1.0;
            }
        }
    }
    let megabytes = f64::from(u32::try_from(n_bytes).unwrap_or(u32::MAX)) / 1e6;
    for (kind, n) in counts {
        println!("{kind:<28} {:>8.2}", n / megabytes);
    }
}
