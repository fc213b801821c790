//! What a stream holds back: in `standard` nothing of prose and code in the median, however small the chunks are, and a byte or two of tables
//! and numbers; and what a detector keeps is bounded.
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, KindSet};
use bartizan_inspect::{KINDS, TextInspector, VIEW_HELD_BYTES_MAX};

/// The kinds that the profile `standard` does not release.
fn standard() -> KindSet {
    let catalogue = Catalogue::new(&KINDS);
    let names = ["pii.card", "pii.iban", "pii.us-ssn"];
    catalogue
        .iter()
        .filter(|(_, info)| info.name.starts_with("secret.") || names.contains(&info.name))
        .map(|(kind, _)| kind)
        .collect()
}

/// Bytes held after each push of four bytes, sorted.
fn held(text: &str, kinds: &KindSet) -> Vec<u64> {
    let mut detector = TextInspector::new().detector(Source::Model);
    let (mut n_pushed, mut held) = (0, Vec::new());
    for chunk in text.as_bytes().chunks(4) {
        detector.push(chunk, &mut |_| {});
        n_pushed += chunk.len() as u64;
        held.push(n_pushed - detector.pending(kinds));
    }
    held.sort_unstable();
    held
}

const PROSE: &str = "The committee met on Tuesday to consider what had been said about the new bridge, and whether the town could pay \
for it. Words such as task, skill, ghost and eye begin like keys and are none; \"Is 12 enough?\" asked the engineer, who had drawn \
three of them. In 1987 it cost 4,500 pounds, in 2023 about 62 million. He was given tea and asked to show his figures again. ";

const CODE: &str = "pub fn main() -> Result<(), Error> {\n    let items: Vec<u32> = (0..16).map(|n| n * 3).collect();\n    for item in &items {\n\
        if *item % 2 == 0 { self.count += 1; }\n        // see https://example.org/api/v1?x=4&y=5\n    }\n    let hash = \"3f2a1b9c4d5e6f70\";\n}\n";

const TABLE: &str = "year | sales | growth | region\n2019 | 4417 | 12.5 % | north\n2020 | 4498 | 13.25 % | north-east\n\
2021 | 6011 | 7.0 % | south\n10-12-2023 14:05:33 | 400 | 512 ms | total of all of them\n";

/// Nothing but numbers: each may be the first digits of a card or a social security number until it shows that it is none.
const NUMBERS: &str = "2019 2020 12.5 4417 55\n2020 2021 13.25 4498 61\n17 42 5.5 6011 7\n41 52 37 1\n1712345678 98765 1234567\n";

#[test]
fn ordinary_text_is_hardly_held() {
    for (name, text, median, rare_max) in [
        ("prose", PROSE, 0, 4),
        ("code", CODE, 0, 8),
        ("table", TABLE, 1, 9),
        ("numbers", NUMBERS, 2, 19),
    ] {
        let held = held(&text.repeat(8), &standard());
        assert!(held[held.len() / 2] <= median, "{name}: median is {}", held[held.len() / 2]);
        let rare = held[held.len() * 99 / 100];
        assert!(rare <= rare_max, "{name}: 99th percentile is {rare}");
    }
}

#[test]
fn words_that_begin_like_keys_are_let_go_at_once() {
    for text in ["words", "task-force", "ask", "mask_", "disk", "Ghost", "hello", "exciting"] {
        let mut detector = TextInspector::new().detector(Source::Model);
        detector.push(["a ", text].concat().as_bytes(), &mut |_| {});
        assert_eq!(detector.pending(&standard()), text.len() as u64 + 2, "{text}");
    }
}

#[test]
fn what_may_be_a_secret_is_held_from_its_first_byte() {
    for (text, from) in [
        ("a sk-", 2),
        ("to g", 3),
        ("a 4111 11", 2),
        ("x=AK", 2),
        ("a DE89 37", 2),
        ("a 536-90", 2),
        ("----", 0),
        ("a https://hooks.sl", 2),
    ] {
        let mut detector = TextInspector::new().detector(Source::Model);
        detector.push(text.as_bytes(), &mut |_| {});
        assert_eq!(detector.pending(&standard()), from, "{text}");
    }
}

#[test]
fn hostile_texts_hold_no_more_than_the_bound() {
    let begin = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat();
    let material = [&begin, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"].concat();
    for unit in [
        "sk-",
        "-----BEGIN ",
        &begin,
        &material,
        "@",
        "a@a.",
        "1.1.",
        "a:",
        ":",
        "aws ",
        "4111 ",
        "eyJhbGciOiJIUzI1NiJ9.",
        "eyJ",
        "a",
        "1",
        "\u{200d}",
        "\u{e0041}",
        "\u{2066}",
        "ignore all the ",
        "+49 30 ",
    ] {
        for prefix in ["", &material, "x@", "ghp_aaaa"] {
            let text = [prefix, &unit.repeat(6000 / unit.len())].concat();
            let held = held(&text, &KindSet::ALL);
            let most = held.last().copied().unwrap_or(0);
            assert!(
                most <= VIEW_HELD_BYTES_MAX as u64,
                "{unit:?} after {prefix:?} holds {most} bytes"
            );
        }
    }
}
