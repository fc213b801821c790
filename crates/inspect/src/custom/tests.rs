use super::*;
use crate::TextInspector;
use proptest::prelude::*;

fn compile(
    pattern: Option<&str>,
    words: &[&str],
    allowed: &[&str],
) -> Result<CustomKind, CustomError> {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    CustomKind::new(CustomSource {
        name: "acme.thing",
        title: "thing",
        pattern,
        words: &owned(words),
        allowed: &owned(allowed),
    })
}

fn inspector(kind: CustomKind) -> Customized {
    Customized::new(Arc::new(TextInspector::new()), vec![kind]).unwrap()
}

fn own_kind(inspector: &Customized) -> KindId {
    KindId::detected(u16::try_from(inspector.kinds().len() - 1).unwrap()).unwrap()
}

fn scanned(inspector: &Customized, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    inspector.scan(Source::User, text.as_bytes(), &mut |finding| found.push(finding));
    found
}

fn found<'t>(inspector: &Customized, text: &'t str) -> Vec<&'t str> {
    let kind = own_kind(inspector);
    let of_kind = scanned(inspector, text).into_iter().filter(|finding| finding.kind == kind);
    let at = |offset: u64| usize::try_from(offset).unwrap();
    of_kind.map(|f| text.get(at(f.span.start)..at(f.span.end)).unwrap()).collect()
}

#[test]
fn patterns_and_words_are_found() {
    type Case<'c> = (Option<&'c str>, &'c [&'c str], &'c str, &'c [&'c str]);
    let cases: [Case<'_>; 9] = [
        (Some("EMP-[0-9]{4}"), &[], "EMP-1234, EMP-12 and xEMP-99990", &["EMP-1234", "EMP-9999"]),
        (Some(r"\bEMP-[0-9]{4}\b"), &[], "EMP-1234, xEMP-1234, EMP-12345", &["EMP-1234"]),
        (Some("(?i)falcon"), &[], "FALCON falconry", &["FALCON", "falcon"]),
        (
            None,
            &["Project Falcon", "Müller"],
            "project falcon; Project Falcons; MÜLLER",
            &["project falcon", "MÜLLER"],
        ),
        (None, &["東京計画"], "これは東京計画です", &["東京計画"]),
        (None, &["a.b"], "a.b axb", &["a.b"]),
        (Some("ab{1,3}c|abbbbbc"), &[], "abc abbbbbc abbbbc", &["abc", "abbbbbc"]),
        (Some("aaa|aaaaa"), &[], "aaaaaaaa", &["aaa", "aaa"]),
        (Some("[0-9]{3}"), &["twelve"], "123 twelve", &["123", "twelve"]),
    ];
    for (pattern, words, text, want) in cases {
        let inspector = inspector(compile(pattern, words, &[]).unwrap());
        assert_eq!(found(&inspector, text), want, "{pattern:?} {words:?} in {text}");
    }
}

#[test]
fn allowed_values_are_no_findings_and_hide_nothing() {
    let inspector = inspector(compile(Some("EMP-[0-9]{4}"), &[], &["EMP-0000"]).unwrap());
    assert_eq!(found(&inspector, "EMP-0000 EMP-0001 EMP-00001"), ["EMP-0001"]);
}

#[test]
fn a_built_in_kind_is_found_beside_them() {
    let inspector = inspector(compile(Some("card [0-9]{4}"), &[], &[]).unwrap());
    let names: Vec<_> = scanned(&inspector, "card 4111 1111 1111 1111")
        .iter()
        .map(|finding| finding.detector)
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names.contains(&"acme.thing@1") && names.iter().any(|name| name.starts_with("pii.card"))
    );
}

#[test]
fn what_cannot_be_bounded_is_refused_with_the_reason() {
    let long = "x".repeat(PATTERN_BYTES_MAX + 1);
    let cases = [
        (Some("a+bc"), CustomError::Unbounded(None)),
        (Some("abc.*"), CustomError::Unbounded(None)),
        (Some("abc.{0,1021}"), CustomError::Unbounded(Some(4087))),
        (Some("(?-u:[a-z]){1025}"), CustomError::Unbounded(Some(1025))),
        (Some("a?b?c?"), CustomError::TooShort(0)),
        (Some("ab"), CustomError::TooShort(2)),
        (Some(long.as_str()), CustomError::TooLarge),
        (Some("[0-9]{3}[\\w]{200}"), CustomError::TooLarge),
        (None, CustomError::Nothing),
    ];
    for (pattern, want) in cases {
        let pattern = pattern.map(str::to_owned);
        match compile(pattern.as_deref(), &[], &[]) {
            Err(error) => assert_eq!(error, want, "{pattern:?}"),
            Ok(_) => assert_eq!(want, CustomError::TooLarge, "{pattern:?} was taken"),
        }
    }
    let error = compile(Some("a(bc"), &[], &[]).unwrap_err();
    assert!(matches!(&error, CustomError::Pattern(_)) && error.to_string().contains("unclosed"));
    let error = compile(Some("abc(?=d)"), &[], &[]).unwrap_err();
    assert!(error.to_string().contains("look-around"), "{error}");
    let words: Vec<String> = (0..=WORDS_MAX).map(|n| format!("word{n}")).collect();
    let source = CustomSource { name: "acme.x", words: &words, ..CustomSource::default() };
    assert_eq!(CustomKind::new(source).unwrap_err(), CustomError::TooLarge);
}

#[test]
fn names_are_checked() {
    fn named(name: &str) -> Result<CustomKind, CustomError> {
        CustomKind::new(CustomSource { name, pattern: Some("abc"), ..Default::default() })
    }
    for name in ["acme", "", "Acme.x", "acme.", ".x", "acme x.y", "acme..x", "acme.x_y"] {
        assert_eq!(named(name).unwrap_err(), CustomError::Name, "{name}");
    }
    for name in ["pii.card", "limit.mine", "unread.mine"] {
        assert_eq!(named(name).unwrap_err(), CustomError::Taken, "{name}");
    }
    let kind = named("secret.acme-token").unwrap();
    assert_eq!(kind.info().title, "secret.acme-token");
    let inner = Arc::new(TextInspector::new());
    let twice = Customized::new(inner.clone(), vec![kind.clone(), kind.clone()]);
    assert_eq!(twice.unwrap_err(), CustomError::Taken);
    let many = (0..=CUSTOM_KINDS_MAX).map(|n| named(&format!("acme.x{n}")).unwrap()).collect();
    assert_eq!(Customized::new(inner, many).unwrap_err(), CustomError::TooMany);
}

/// Pushes the pieces; the findings in order, after checking what was pending on the way.
fn streamed(inspector: &Customized, pieces: &[&str]) -> Vec<Finding> {
    let wanted = KindSet::ALL;
    let mut detector = inspector.detector(Source::User);
    let (mut found, mut last, mut n_pushed) = (Vec::new(), 0, 0);
    for piece in pieces {
        let mut fresh = Vec::new();
        detector.push(piece.as_bytes(), &mut |finding| fresh.push(finding));
        assert!(fresh.iter().all(|finding| last <= finding.span.start), "{fresh:?} before {last}");
        found.extend(fresh);
        n_pushed += piece.len() as u64;
        let pending = detector.pending(&wanted);
        assert!(last <= pending && pending <= n_pushed, "{last} {pending} {n_pushed}");
        last = pending;
    }
    let mut fresh = Vec::new();
    detector.finish(&mut |finding| fresh.push(finding));
    assert!(fresh.iter().all(|finding| last <= finding.span.start), "{fresh:?} before {last}");
    found.extend(fresh);
    found.sort_unstable();
    found
}

const PATTERNS: [&str; 8] = [
    "ab{1,3}c",
    "aaa|aaaaa",
    "(ab|abc|abcab){2,3}",
    r"\babc\b",
    "abc$",
    "^abc",
    "a[^b]{2,5}b",
    "(?i)ä[a-c]{2}",
];

proptest! {
    #[test]
    fn cuts_change_nothing(
        pattern in 0..PATTERNS.len(), text in "[abcä ]{0,40}", cuts in prop::collection::vec(0..40_usize, 0..8),
    ) {
        let inspector = inspector(compile(Some(PATTERNS[pattern]), &["cab a"], &["abc"]).unwrap());
        let mut cuts: Vec<usize> =
            cuts.into_iter().filter(|&at| at <= text.len() && text.is_char_boundary(at)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let piece = |pair: &[usize]| text.get(pair[0]..pair[1]).unwrap();
        let pieces: Vec<&str> = cuts.windows(2).map(piece).collect();
        prop_assert_eq!(streamed(&inspector, &pieces), scanned(&inspector, &text));
    }
}

#[test]
fn memory_and_hold_are_bounded_whatever_the_text() {
    let inspector = inspector(compile(Some("x[a-z ]{10,1000}y"), &[], &[]).unwrap());
    let mut detector = inspector.detector(Source::User);
    let mut kinds = KindSet::EMPTY;
    kinds.insert(own_kind(&inspector));
    let mut n_pushed = 0_u64;
    for _ in 0..2_000 {
        detector.push(b"xxxx", &mut |_| {});
        n_pushed += 4;
        let held = n_pushed - detector.pending(&kinds);
        assert!(held <= CUSTOM_MATCH_BYTES_MAX as u64, "{held}");
    }
    detector.push(b"0", &mut |_| {});
    assert_eq!(detector.pending(&kinds), n_pushed + 1, "nothing is live any more");
}
