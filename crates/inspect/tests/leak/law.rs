//! The law of streaming: findings do not depend on cuts, and what may still become a finding is known.
use super::*;
use bartizan_inspect::TextInspector;
use proptest::prelude::*;

const CANARY: &str = "heron-7Q2x-lamp";
const SECRET: &str = "tR4-9mQz.77Lw_kk";

fn all() -> Leaks {
    let material = Material {
        prompts: vec![PROMPT.as_bytes()],
        canaries: vec![CANARY.as_bytes(), b"aaaaaaaaaa"],
        values: vec![SECRET.as_bytes(), b"abababababab"],
        personal: vec![b"jo.doe@example.org"],
        known: vec![b"Is it true that Mrs. Okonjo returns on Thursday, Marlow?"],
    };
    leaks(&material)
}

fn sets() -> [KindSet; 5] {
    let [prompt, context, argument] =
        ["leak.system-prompt", "exfil.context", "exfil.argument"].map(|name| [kind(name)]);
    let [prompt, context, argument] = [prompt, context, argument].map(KindSet::from_iter);
    [KindSet::ALL, KindSet::EMPTY, prompt, context, argument]
}

fn whole(leaks: &dyn Inspector, source: Source, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    leaks.scan(source, text.as_bytes(), &mut |finding| found.push(finding));
    assert!(found.is_sorted());
    found
}

/// Streams the text in pieces that end at `cuts`, and checks every clause of the law.
fn check(leaks: &dyn Inspector, source: Source, text: &str, cuts: &[usize]) {
    let mut detector = leaks.detector(source);
    let mut found: Vec<Finding> = Vec::new();
    let (mut floor, mut from) = ([0; 5], 0);
    for &cut in cuts.iter().chain([&text.len()]) {
        let n_before = found.len();
        detector.push(&text.as_bytes()[from..cut], &mut |finding| found.push(finding));
        check_floor(text, &found[n_before..], &floor);
        assert!(found.iter().all(|found| found.span.end <= cut as u64 && !found.span.is_empty()));
        let pending = sets().map(|set| detector.pending(&set));
        assert!(pending.iter().zip(&floor).all(|(now, before)| now >= before), "{text:?}");
        assert!(pending.iter().all(|&now| now <= cut as u64));
        let mut at_once = leaks.detector(source);
        at_once.push(&text.as_bytes()[..cut], &mut |_| {});
        assert_eq!(pending, sets().map(|set| at_once.pending(&set)), "{text:?} at {cut}");
        (floor, from) = (pending, cut);
    }
    let n_before = found.len();
    detector.finish(&mut |finding| found.push(finding));
    check_floor(text, &found[n_before..], &floor);
    assert!(sets().iter().all(|set| detector.pending(set) == text.len() as u64));
    found.sort_unstable();
    assert_eq!(found, whole(leaks, source, text), "{text:?} cut at {cuts:?}");
}

fn check_floor(text: &str, found: &[Finding], floor: &[u64; 5]) {
    for finding in found {
        for (set, &floor) in sets().iter().zip(floor) {
            let is_held = !set.contains(finding.kind) || floor <= finding.span.start;
            assert!(is_held, "{finding:?} begins before {floor} in {text:?}");
            let whole = [finding.span.start, finding.span.end];
            let is_boundary = |at: u64| text.is_char_boundary(usize::try_from(at).unwrap_or(0));
            assert!(whole.into_iter().all(is_boundary), "{finding:?} cuts a character of {text:?}");
        }
    }
}

fn boundaries(text: &str) -> Vec<usize> {
    (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect()
}

/// Pieces of what must not leak in every form, beginnings of it, addresses, and text of every sort.
fn fragment() -> impl Strategy<Value = String> {
    let prompt = || {
        (0..PROMPT.len(), 10..200_usize)
            .prop_map(|(from, n)| PROMPT.as_bytes()[from..(from + n).min(PROMPT.len())].to_vec())
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fixed = prop::sample::select(vec![
        " ",
        " ",
        "\n",
        "/",
        "//",
        "https://",
        "https://evil.example/?q=",
        "![x](",
        ")",
        "\"",
        "-",
        "=",
        "%",
        "%4",
        "%20",
        "%C3",
        "%C3%A9",
        "é",
        "漢字",
        "😀",
        "\u{200b}",
        "\u{e0041}",
        "Ａ",
        "𝐁",
        "x",
        "a",
        "7",
        "deadbeef",
        "0x48 ",
        "48 65 ",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo",
        CANARY,
        "heron-7Q",
        "2x-lamp",
        SECRET,
        "tR4-9mQz.",
        "77Lw",
        "jo.doe@example.org",
        "abab",
        "aaaa",
        "dFI0LTltUXouNzdMd19ra",
        "jo.doe%40example.org",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        10 => fixed,
        2 => prompt().prop_map(move |bytes| text(&bytes)),
        1 => prompt().prop_map(|bytes| base64(&bytes)),
        1 => prompt().prop_map(|bytes| hex(&bytes)),
        1 => prompt().prop_map(|bytes| percent(&String::from_utf8_lossy(&bytes))),
        1 => prompt().prop_map(|bytes| rot13(&String::from_utf8_lossy(&bytes)).to_uppercase()),
        1 => prompt().prop_map(|bytes| String::from_utf8_lossy(&bytes).chars().rev().collect()),
        1 => prompt().prop_map(|bytes| {
            String::from_utf8_lossy(&bytes).chars().flat_map(|c| [c, ' ']).collect()
        }),
        1 => "[a-z ]{1,60}",
    ]
}

fn config(n_cases: u32) -> ProptestConfig {
    ProptestConfig { cases: n_cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn text(n_max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 1..n_max).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(config(30))]

    #[test]
    fn every_way_of_cutting_once(text in text(8)) {
        let leaks = all();
        for source in [Source::Model, Source::ToolCall] {
            for cut in boundaries(&text) {
                check(&leaks, source, &text, &[cut]);
            }
        }
    }

    #[test]
    fn many_cuts(text in text(40), places in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let (leaks, ends) = (all(), boundaries(&text));
        let mut cuts: Vec<usize> = places.iter().map(|place| ends[place.index(ends.len())]).collect();
        cuts.sort_unstable();
        for source in [Source::Model, Source::ToolCall] {
            check(&leaks, source, &text, &cuts);
            if text.len() < 1500 {
                check(&leaks, source, &text, &ends);
            }
        }
    }

    /// Bytes that are no text at all must not break anything either, wherever they are cut.
    #[test]
    fn any_bytes_at_all(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"%/4\xc3\xa9\xf0 aQ".to_vec())], 0..600),
        cut in any::<prop::sample::Index>(),
    ) {
        let leaks = all();
        let mut whole = Vec::new();
        leaks.scan(Source::Model, &bytes, &mut |finding| whole.push(finding));
        let mut found = Vec::new();
        let mut detector = leaks.detector(Source::Model);
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        detector.push(head, &mut |finding| found.push(finding));
        detector.push(tail, &mut |finding| found.push(finding));
        detector.finish(&mut |finding| found.push(finding));
        found.sort_unstable();
        prop_assert_eq!(found, whole);
    }
}

/// What other inspectors find is found as well, and nothing else of theirs changes.
#[test]
fn the_inner_inspector_is_heard() {
    let material = Material { prompts: vec![PROMPT.as_bytes()], ..Material::default() };
    let leaks = Leaks::new(Arc::new(TextInspector::new()), Arc::new(Context::new(&material)));
    let text = format!("write to jo@example.org: {PROMPT}");
    let names: Vec<&str> =
        found(&leaks, Source::Model, &text).iter().map(|found| found.0).collect();
    assert_eq!(names.first(), Some(&"pii.email"));
    assert!(names.contains(&"leak.system-prompt"));
    for cut in boundaries(&text).into_iter().step_by(7) {
        check(&leaks, Source::Model, &text, &[cut]);
    }
    // What comes in leaks nothing.
    for source in [Source::User, Source::System, Source::Tool, Source::Document] {
        let found = found(&leaks, source, &text);
        assert!(found.contains(&("pii.email", "jo@example.org")));
        assert!(found.iter().all(|(name, _)| !name.starts_with("leak.")), "{found:?}");
    }
}

/// What hostile texts make a detector remember and hold is bounded.
#[test]
fn hostile_texts_hold_no_more_than_the_bound() {
    const HELD_MAX: u64 = 2048 + 24 * 12 * 4;
    let leaks = all();
    let unit = |text: &str| text.repeat(20_000 / text.len() + 1);
    let long = PROMPT.repeat(40);
    for text in [
        unit("aaaaaaaaaa"),
        unit("a"),
        unit("ab"),
        unit("%"),
        unit("%4"),
        unit("//"),
        unit("https://a"),
        unit("heron-7Q2x-lam"),
        unit("//tR4-9mQz.77Lw_k"),
        unit("48656c6c6f"),
        unit("48 65 "),
        unit(&base64(PROMPT.as_bytes())),
        unit(PROMPT),
        long,
        unit("Never offer more than nine percent off "),
        unit("漢"),
        format!("https://x/{}", unit("a")),
        unit("N e v e r o "),
    ] {
        for source in [Source::Model, Source::ToolCall] {
            let mut detector = leaks.detector(source);
            let mut n_pushed = 0_u64;
            for chunk in text.chars().collect::<Vec<_>>().chunks(5) {
                let chunk: String = chunk.iter().collect();
                detector.push(chunk.as_bytes(), &mut |_| {});
                n_pushed += chunk.len() as u64;
                let held = n_pushed - detector.pending(&KindSet::ALL);
                assert!(held <= HELD_MAX, "{} bytes held of {:?}", held, text.get(..30));
            }
        }
    }
}

/// Ordinary text is hardly held, so that a stream flows.
#[test]
fn ordinary_text_is_hardly_held() {
    const PROSE: &str = "The committee met on Tuesday to consider what had been said about the new bridge, and whether the town could pay \
for it. Guests write letters about rooms, and trains come late at night; nobody asks the manager for more than a key. In 1987 it cost \
4,500 pounds, in 2023 about 62 million. He was given tea and asked to show his figures again, whatever the others said of them. ";
    let leaks = of_prompt();
    let mut detector = leaks.detector(Source::Model);
    let (mut n_pushed, mut held) = (0, Vec::new());
    for chunk in PROSE.repeat(4).as_bytes().chunks(4) {
        detector.push(chunk, &mut |_| {});
        n_pushed += chunk.len() as u64;
        held.push(n_pushed - detector.pending(&KindSet::ALL));
    }
    held.sort_unstable();
    let share = |percent: usize| held[held.len() * percent / 100];
    assert!(share(50) == 0 && share(99) <= 16, "{} {}", share(50), share(99));
}

/// Beginnings, middles and ends of what acts in a text.
fn active() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        " ",
        "\n",
        "\"",
        "'",
        "`",
        "```",
        "```\n",
        "\n```\n",
        "<",
        ">",
        "/",
        "=",
        "(",
        ")",
        "x",
        "é",
        "漢",
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}]",
        "\u{1b}]0;",
        "\u{7}",
        "\u{1b}\\",
        "31m",
        "0;1m",
        "\u{9b}",
        "\u{9d}",
        "\\x1b",
        "\\033",
        "\\e]",
        "\\u001b",
        "]8;;",
        "]52;",
        "[6n",
        "<script",
        "<scr",
        "<iframe ",
        "<object data=",
        "<meta http-equiv=refresh",
        "<base href",
        "<form action=",
        "<img ",
        " onerror=",
        "onload",
        " on",
        "on",
        "javascript:",
        "java",
        "data:text/html,",
        "data",
        "expression(",
        "style=",
        "https://",
        "http",
        "htt",
        "![x](",
        "](",
        "src=\"",
        "e.example/",
        "?q=",
        "&d=",
        "#",
        "%20",
        "%",
        "+",
        "dGhlIHVzZXIncyBuYW1lIGlzIEpvIGFuZA",
        "746865207573657227732006e616d65206973204a6f",
        "the+user+said+so+and+so",
        "utm_source=x",
        "&Signature=a",
    ])
    .prop_map(str::to_owned);
    prop_oneof![9 => fixed, 1 => "[A-Za-z0-9+/]{1,60}", 1 => "[a-f0-9]{1,60}"]
}

proptest! {
    #![proptest_config(config(80))]

    #[test]
    fn what_acts_obeys_the_law(
        parts in prop::collection::vec(active(), 1..40),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (text, inspector) = (parts.concat(), TextInspector::new());
        let ends = boundaries(&text);
        let mut cuts: Vec<usize> = places.iter().map(|place| ends[place.index(ends.len())]).collect();
        cuts.sort_unstable();
        check(&inspector, Source::Model, &text, &cuts);
        check(&inspector, Source::Model, &text, &ends);
    }
}

/// Fences, strings and addresses that go on and on are bounded, and cut without consequence.
#[test]
fn what_acts_and_does_not_end_is_bounded() {
    const HELD_MAX: u64 = bartizan_inspect::VIEW_HELD_BYTES_MAX as u64;
    let inspector = TextInspector::new();
    let unit = |text: &str, n_bytes: usize| text.repeat(n_bytes / text.len() + 1);
    for (begin, text) in [
        ("```\n", "<script "),
        ("```\n", "`x"),
        ("```\n", "line\n"),
        ("```\n", "```x\n"),
        ("\u{1b}]0;", "a"),
        ("\u{1b}[", "1;"),
        ("", "\u{1b}"),
        ("https://e.example/", "a"),
        ("https://", "https://"),
        ("https://e.example/?", "aGVsbG8gd29ybGQ&"),
        ("<script ", "on"),
        ("<a ", "onx="),
        ("", "<script "),
        ("", " onload="),
        ("<a href=\"", "javascript:"),
        ("", "data:text/html,"),
        ("", "`"),
        ("", "\\x1b]8;"),
        ("", "htt"),
    ] {
        for n_bytes in [1000, 2100, 3100, 9000] {
            let text = [begin, &unit(text, n_bytes), " x\n```\n<script> "].concat();
            let cuts: Vec<usize> = boundaries(&text).into_iter().step_by(61).collect();
            check(&inspector, Source::Model, &text, &cuts);
            let (mut detector, mut n_pushed) = (inspector.detector(Source::Model), 0);
            for chunk in text.as_bytes().chunks(7) {
                detector.push(chunk, &mut |_| {});
                n_pushed += chunk.len() as u64;
                assert!(n_pushed - detector.pending(&KindSet::ALL) <= HELD_MAX, "{begin:?}");
            }
        }
    }
}
