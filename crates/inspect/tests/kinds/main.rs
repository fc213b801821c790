//! What each kind finds and what it leaves alone. A marked text puts `[` and `]` around what must be found.
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_inspect::{KINDS, TextInspector};

mod active;
mod hidden;
mod pii;
mod pii_national;
mod pii_words;
mod secret;

/// Kind and bytes of every finding, in order.
fn findings(text: &str) -> Vec<(&'static str, usize, usize)> {
    let catalogue = Catalogue::new(&KINDS);
    let names: Vec<_> = catalogue.iter().collect();
    let mut found = Vec::new();
    TextInspector::new().scan(Source::Model, text.as_bytes(), &mut |finding| {
        let name =
            names.iter().find(|(kind, _)| *kind == finding.kind).map_or("", |(_, info)| info.name);
        let (start, end) = (
            usize::try_from(finding.span.start).expect("texts are short"),
            usize::try_from(finding.span.end).expect("texts are short"),
        );
        found.push((name, start, end));
    });
    found
}

/// Checks that exactly the parts between `⟦` and `⟧` are findings of the kind, whatever other kinds see.
fn check(kind: &str, marked: &str) {
    let mut text = String::new();
    let mut want = Vec::new();
    for character in marked.chars() {
        match character {
            '⟦' => want.push((text.len(), 0)),
            '⟧' => want.last_mut().expect("an opening mark stands before").1 = text.len(),
            _ => text.push(character),
        }
    }
    let found: Vec<_> = findings(&text)
        .into_iter()
        .filter(|found| found.0 == kind)
        .map(|found| (found.1, found.2))
        .collect();
    let shown: Vec<_> = found.iter().map(|&(start, end)| text.get(start..end)).collect();
    assert_eq!(found, want, "{kind} in {marked:?}: found {shown:?}");
}

fn check_all(kind: &str, cases: &[&str]) {
    for case in cases {
        check(kind, case);
    }
}

/// Kinds that say little alone, and that ordinary texts are full of.
pub(crate) const LOW: [&str; 4] = ["pii.date", "pii.url", "pii.name", "pii.location"];

/// Texts in which nothing but low kinds may be found.
#[test]
fn ordinary_texts_are_clean() {
    let base64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    for text in [
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.",
        "Order 1234567890 of 2023-04-05 12:34:56, total 1,234.56 EUR, 3 items, ref. AB-2023-000123.",
        "550e8400-e29b-41d4-a716-446655440000 da39a3ee5e6b4b0d3255bfef95601890afd80709 9e107d9d372bb6826bd81d3542a419d6",
        "@media (min-width: 30em) { .a::before { content: '\\201c'; } }",
        "@app.route('/x')\ndef f(a: int) -> str: return a[1:2:3]",
        "ratio 1:2:3, MAC ff:ff:ff:ff:ff:ff, ISBN 978-3-16-148410-0",
        base64,
        "1.2.3-rc.4+build.5 v10.20.30 2.0.0.0.1",
        "https://example.org/a/b?c=d&e=f#g",
        "Er sagte: „Das ist gut“ – und ging… naïve café",
        "日本語のテキスト。漢字とかな、それに数字123。",
        "Привет, мир! Как дела?",
        "مرحبا بالعالم",
        "שלום עולם",
        "👨\u{200d}👩\u{200d}👧\u{200d}👦 🇩🇪 👍🏽 1\u{fe0f}\u{20e3} ❤\u{fe0f}",
        "std::collections::BTreeMap::<u8, u16>::new()",
        "git commit 3f2a1b9 -m 'fix: a::b'",
        "5 + 3 = 8; 2^10 = 1024; 3.14159265358979323846",
        "-----\n| a | b |\n-----",
        "1700000000 1700000000000 1700000000000000",
        "x = 0x7fffffffffffffff; y = 1e-10; z = +12345",
    ] {
        let found: Vec<_> =
            findings(text).into_iter().filter(|found| !LOW.contains(&found.0)).collect();
        assert_eq!(found, [], "{text}");
    }
}
