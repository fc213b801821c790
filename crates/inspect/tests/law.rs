//! The law of streaming, for all kinds together and for each alone: findings do not depend on cuts, and what may still become a
//! finding is known.
#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail loudly")]
use bartizan_core::detect::{Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{KindId, KindSet};
use bartizan_inspect::{KINDS, KINDS_LEN, TextInspector};
use proptest::prelude::*;

fn whole(text: &[u8]) -> Vec<Finding> {
    let mut found = Vec::new();
    TextInspector::new().scan(Source::Model, text, &mut |finding| found.push(finding));
    assert!(found.is_sorted(), "a whole text's findings come in order");
    found
}

/// Kinds that came first, each the own kind of a rule.
const FIRST_KINDS: usize = 25;
/// One kind of each rule that reports many: the holding depends on the rule.
const OF_OTHER_RULES: [&str; 13] = [
    "secret.npm-token",
    "secret.generic-key",
    "secret.password",
    "secret.url-password",
    "secret.telegram-token",
    "secret.discord-token",
    "pii.us-itin",
    "pii.name",
    "pii.street-address",
    "pii.url",
    "pii.date",
    "pii.mac-address",
    "pii.bitcoin",
];

/// Every set whose holding is checked: a kind of each rule alone, all kinds, none.
fn sets() -> Vec<KindSet> {
    let is_asked = |n: &usize| *n < FIRST_KINDS || OF_OTHER_RULES.contains(&KINDS[*n].name);
    let alone = (0..KINDS_LEN).filter(is_asked);
    let alone = alone.filter_map(|n| KindId::detected(u16::try_from(n).ok()?));
    alone.map(|kind| KindSet::from_iter([kind])).chain([KindSet::ALL, KindSet::EMPTY]).collect()
}

/// What is pending after each prefix, by set, as far as one way of cutting has shown it.
type Pending = Vec<Option<Vec<u64>>>;

/// Streams the text in pieces that end at `cuts` and checks every clause of the law.
fn check(text: &str, cuts: &[usize], sets: &[KindSet], known: &mut Pending) {
    let mut detector = TextInspector::new().detector(Source::Model);
    let mut found: Vec<Finding> = Vec::new();
    let mut floor = vec![0_u64; sets.len()];
    let mut from = 0;
    for &cut in cuts.iter().chain([&text.len()]) {
        let n_before = found.len();
        detector.push(&text.as_bytes()[from..cut], &mut |finding| found.push(finding));
        for finding in &found[n_before..] {
            assert!(
                finding.span.end <= cut as u64 && !finding.span.is_empty(),
                "{finding:?} in {text:?}"
            );
        }
        check_floor(text, &found[n_before..], sets, &floor);
        let pending: Vec<u64> = sets.iter().map(|set| detector.pending(set)).collect();
        for (set, (&now, &before)) in pending.iter().zip(&floor).enumerate() {
            assert!(
                now >= before && now <= cut as u64,
                "set {set} fell from {before} to {now} at {cut} of {text:?}"
            );
        }
        match &known[cut] {
            Some(other) => assert_eq!(
                &pending, other,
                "pending depends on cuts, at {cut} of {text:?} cut at {cuts:?}"
            ),
            None => known[cut] = Some(pending.clone()),
        }
        floor = pending;
        from = cut;
    }
    let n_before = found.len();
    detector.finish(&mut |finding| found.push(finding));
    check_floor(text, &found[n_before..], sets, &floor);
    assert!(sets.iter().all(|set| detector.pending(set) == text.len() as u64));
    found.sort_unstable();
    assert_eq!(found, whole(text.as_bytes()), "{text:?} cut at {cuts:?}");
}

fn check_floor(text: &str, found: &[Finding], sets: &[KindSet], floor: &[u64]) {
    // What can be judged only when it is whole says so in its name.
    for finding in found.iter().filter(|finding| !is_late(finding)) {
        for (set, &floor) in sets.iter().zip(floor) {
            let held = !set.contains(finding.kind) || finding.span.start >= floor;
            assert!(held, "{finding:?} starts before {floor}, which was let go, in {text:?}");
        }
    }
}

fn boundaries(text: &str) -> Vec<usize> {
    (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect()
}

fn check_all_two_way(text: &str) {
    let sets = sets();
    let mut known = vec![None; text.len() + 1];
    for cut in boundaries(text) {
        check(text, &[cut], &sets, &mut known);
    }
}

/// Fragments of every format: beginnings, middles, near misses, separators, characters of several bytes.
fn fragment() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        " ",
        " ",
        " ",
        "\n",
        "-",
        ".",
        ":",
        "::",
        ",",
        "/",
        "@",
        "+",
        "(",
        ")",
        "_",
        "=",
        "\"",
        "\\n",
        "x",
        "a",
        "Z",
        "7",
        "0",
        "1",
        "é",
        "漢",
        "字",
        "😀",
        "👩",
        "\u{200d}",
        "\u{200c}",
        "\u{200b}",
        "\u{fe0f}",
        "\u{feff}",
        "\u{2060}",
        "\u{e0067}",
        "\u{e0062}",
        "\u{e007f}",
        "🏴",
        "\u{202e}",
        "\u{202a}",
        "\u{202c}",
        "\u{2066}",
        "\u{2069}",
        "\u{180e}",
        "\u{e0101}",
        "ا",
        "न",
        "ท",
        "jo@example.org",
        "jo",
        "@ex.co",
        ".com",
        "4111 1111 1111 1111",
        "4111111111111111",
        "4111-1111",
        " 1111",
        "3782 822463 10005",
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "GB82 WEST",
        "DE",
        "NL91",
        "123-45-6789",
        "123 45 6789",
        "078-05-",
        "ssn ",
        "social security ",
        "457555462",
        "+49 30 1234567",
        "+1 (212) 555-0123",
        "212-555-0123",
        "020 7946 0018",
        "(030) 123456",
        "phone ",
        "2125550123",
        "192.168.0.1",
        "10.0.0.",
        "1.2.3.4.5",
        "2001:db8::1",
        "fe80::",
        "::1",
        "12:34:56",
        "aa:bb:cc:dd:ee:ff",
        "-----",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "RSA PRIVATE KEY-----\n",
        "MIIEvQIBADANBgkqhkiG9w0BAQ",
        "-----END PRIVATE KEY-----",
        "END ",
        "AKIA",
        "ASIA",
        "curl -u jo:h0rse ",
        "host:5432:db:jo:",
        "jdbc:oracle:thin:jo/",
        "machine x login y password ",
        "Private-Lines: 2\nAAAAgQCuJ1zYwKqGm3XfLp0Rt\n",
        "swift code ",
        "BIC: DEUTDEFF",
        "lat 40.7128, -74.0060",
        "40°42'46\"N 74°",
        "aged 47 years old",
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "IOSFODNN7EXAMPLE",
        "Q3EGRZ7NWX2LPD5T",
        "aws_secret_access_key",
        "aws ",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "8AWp52FaE5bXdW1f09pj7XHz45OVrRz17b3nCG2f",
        "secret_key",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xapp-",
        "https://",
        "hooks.slack.com/services/",
        "T00/B00/",
        "sk_live_",
        "whsec_",
        "AIza",
        "ya29.",
        "GOCSPX-",
        "1//0",
        "sk-",
        "sk-proj-",
        "sk-ant-",
        "ant-",
        "hf_",
        "api_org_",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJ",
        "eyJzdWIiOiIxIn0",
        "0123456789abcdef",
        "aB3dE5fG7hJ9kL1mN3pQ",
        "ignore",
        "Ignore ",
        "all ",
        "previous ",
        "instructions",
        "forget ",
        "everything ",
        "above",
        "reveal ",
        "your ",
        "system ",
        "prompt",
        "you are now ",
        "developer mode",
        "DAN",
        "new ",
        "instructions:",
        "忽略",
        "之前的",
        "指令",
        "以前の",
        "指示を",
        "無視",
        "игнорируй ",
        "предыдущие ",
        "инструкции",
        "ignorez ",
        "les ",
        "précédentes",
        // separators of all sorts, alone and between groups
        "\u{a0}",
        "\u{202f}",
        "\u{2011}",
        "\u{2012}",
        "\u{3000}",
        "\u{ad}",
        "\u{2212}",
        "&nbsp;",
        "&#160;",
        "\\u00a0",
        "%20",
        "4111\\u20111111",
        "sk\\_live\\_",
        "hf\\_",
        " - ",
        "\r\n",
        "4111\u{a0}1111",
        "\u{a0}1111\u{a0}1111",
        "4111\u{2011}1111\u{2011}1111\u{2011}1111",
        "4111 - 1111",
        ".1111.1111",
        "DE89\u{202f}3704\u{202f}0044",
        "\u{202f}0532\u{202f}0130\u{202f}00",
        "DE89 37040044 0532013000",
        "IT60 X 05428 11101 000000123456",
        "536\u{2011}90\u{2011}4399",
        "536.90.4399",
        "536\u{a0}90",
        // what stands in lists, digits one by one, digits of other scripts
        "\t",
        ", ",
        "|",
        " | ",
        "**",
        "·",
        " • ",
        " — ",
        ": ",
        " + ",
        "   ",
        "4111\\t1111",
        "\\t",
        "DAN\\t",
        "&#52;&#49;",
        "<br>",
        "</td><td>",
        "4111, 1111, 1111, 1111",
        ", 1111",
        "4111\t1111\t1111\t1111",
        "4111|1111|1111|1111",
        "4111_1111_1111_1111",
        " — 1111 — 1111 — 1111",
        "4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ",
        "1, 1, 1",
        "5  3  ",
        "\n4000",
        "[",
        "DE89, 3704, 0044, ",
        "0532, 0130, 00",
        "XDE89370400440532013000",
        "536 – 90 – 4399",
        "x536-90-4399",
        "536·90·4399",
        "٤١١١١١١١١١١١١١١١",
        "۵۳۶-۹۰-۴۳۹۹",
        "४१११ ",
        "๑",
        // digits with points, and words that are glued to numbers
        "7.",
        "1.4111111111111111",
        "3.078-05-1120",
        "No.",
        "No.4111111111111111",
        "No.078-05-1120",
        "SSN078-05-1120",
        "ssn_",
        "_078-05-1120_",
        "078-05-1120x",
        "IBAN",
        "iban",
        "IBANDE89370400440532013000",
        "toDE89370400440532013000",
        "DE89370400440532013000EUR",
        "gb82west12345698765432",
        "EUR",
        // words that announce secrets, and secrets that they announce
        "api_key = \"",
        "token: ",
        "keys are ",
        "password=",
        "\"password\": \"",
        "_pass",
        "secret ",
        "Bearer ",
        "basic ",
        "datadog ",
        "h0rse!",
        "q7Rk2mXw9pLz4vBt8nYc",
        "q7Rk2mXw9pLz4v",
        "123e4567-e89b-12d3-a456-426614174000",
        "b5b1f6d3c9e84a7d92f0c1e2d3a4b5c6",
        "postgres://",
        "jo:",
        "p4ss",
        "@h",
        "://",
        "12345678:AA",
        ":AA",
        "npm_",
        "glsa_",
        "SG.",
        "live_",
        "1234567890abcdef1234567890abcdef",
        "MTk4NjIyNDgzNDcxOTI1MjQ4",
        "MTk",
        ".Cl2FMQ.",
        "aB3dE5fG7hJ9kL1mN3pQrS5tU7v",
        // escapes
        "%3D",
        "\\u0022",
        "\\x22",
        "\u{1b}[32m",
        "[0;1m",
        // numbers of states, and the words that announce them
        "AB 12 34 56 C",
        "AB",
        "111222333",
        " (BSN)",
        "BSN ",
        "tax id ",
        "12345678903",
        "529.982.247-25",
        "2341 2341 2346",
        "passport ",
        "L01X00T44",
        "CHE-",
        "身份证",
        "11010519491231002X",
        // names, places, streets, dates
        "Maria ",
        "Dr. ",
        "van der ",
        "Lopez",
        "O'Brien's",
        "my name is ",
        "New York",
        " in ",
        "Zarautz",
        "Miller Holdings",
        " Ltd",
        "12 Station ",
        "Road",
        "Hauptstraße 5",
        ", 10115 Berlin",
        "Apt. 7",
        "PSC 5605, Box ",
        "12/11/1952",
        "born ",
        "May 21, 2021",
        "2024-06-05T09:15",
        "21st of May 2021",
        "call ",
        "9320 7126",
        " x123",
        " office",
        "www.example.org/a",
        "http://jo:",
        "00:1A:2B:",
        "00-1a-2b-3c-4d-5e",
        // tokens of fixed length, and bodies that make some
        "1//0-",
        "GR1348941",
        "xAKIA",
        "ASIAQ3EGRZ7NWX2LPD5T",
        "keysk-proj-",
        "xghp_",
        "xhf\\_",
        "xglpat-",
        "xeyJhbGciOiJIUzI1NiJ9",
        "eyJraWQiOiIxIn0.",
        "xnpm_",
        "xgithub_pat_",
        "xsk_live_",
        "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17",
        "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA",
        "yA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ1",
        // the same in other spellings
        "aWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM=",
        "c2stYW50LWFwaTAzLWFCM2RFNWZHN2hKOWtMMW1OM3BR",
        "\nc2stYW50",
        "73 6b 2d 61 6e 74 2d ",
        "0x34, 0x31, 0x31, 0x31, ",
        "&#52;&#49;",
        "&#x34",
        "%34%31",
        "%253",
        "\\u0034\\u0031",
        "\\x34",
        "ѕk-",
        "аll рrеviоus ",
        "４１１１",
        "Vtaber ",
        "fx-nag-ncv03-",
        "Rtmliv ",
        "snoitcurtsni ",
        "erongi ",
        "1gn0r3 ",
        "i g n o r e ",
        " 4 1 1 1",
        "=34=31",
    ])
    .prop_map(str::to_owned);
    prop_oneof![8 => fixed, 1 => "[0-9]{1,19}", 1 => "[A-Za-z0-9]{1,40}", 1 => "[a-f0-9:]{1,12}"]
}

/// Most characters of a text that is cut in every way at two places.
const TWICE_CHARACTERS_MAX: usize = 60;

/// So many cases, or as many as `PROPTEST_CASES` says for every test alike.
fn config(n_cases: u32) -> ProptestConfig {
    ProptestConfig { cases: n_cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn text(n_max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 1..n_max).prop_map(|parts| parts.concat())
}

/// A text that repeats at most `n_kinds` fragments.
fn text_of_few(n_kinds: usize, n_max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 1..=n_kinds).prop_flat_map(move |few| {
        prop::collection::vec(prop::sample::select(few), 1..n_max).prop_map(|parts| parts.concat())
    })
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn every_way_of_cutting_once(text in text(7)) {
        check_all_two_way(&text);
    }

    #[test]
    fn character_by_character(text in text(24)) {
        let cuts = boundaries(&text);
        check(&text, &cuts, &sets(), &mut vec![None; text.len() + 1]);
    }

    /// Few fragments, often repeated, meet in more ways than many do.
    #[test]
    fn few_fragments_again_and_again(text in text_of_few(5, 30)) {
        let (at, sets) = (boundaries(&text), sets());
        let mut known = vec![None; text.len() + 1];
        for n in [1, 2, 3, 11] {
            let cuts: Vec<usize> = at.iter().copied().step_by(n).collect();
            check(&text, &cuts, &sets, &mut known);
        }
    }

    #[test]
    fn random_cuts_of_long_texts(text in text(120), places in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let at = boundaries(&text);
        let sets = sets();
        let mut known = vec![None; text.len() + 1];
        let mut cuts: Vec<usize> = places.iter().map(|place| at[place.index(at.len())]).collect();
        cuts.sort_unstable();
        check(&text, &cuts, &sets, &mut known);
        check(&text, &[], &sets, &mut known);
        check(&text, &at, &sets, &mut known);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn every_way_of_cutting_twice(text in text(4)) {
        // A longer text is cut short instead of thrown away: a long run that rejects too many cases fails for that alone.
        let text: String = text.chars().take(TWICE_CHARACTERS_MAX).collect();
        let (at, sets) = (boundaries(&text), sets());
        let mut known = vec![None; text.len() + 1];
        for (n, &first) in at.iter().enumerate() {
            for &second in &at[n..] {
                check(&text, &[first, second], &sets, &mut known);
            }
        }
    }

    /// Bytes that are no text at all must not break anything either; the law of cuts holds for them too.
    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in any::<prop::sample::Index>()) {
        let mut found = Vec::new();
        let mut detector = TextInspector::new().detector(Source::Model);
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        detector.push(head, &mut |finding| found.push(finding));
        detector.push(tail, &mut |finding| found.push(finding));
        detector.finish(&mut |finding| found.push(finding));
        found.sort_unstable();
        prop_assert_eq!(found, whole(&bytes));
    }
}

/// Streams the text in every two parts, character by character, and in chunks of every size up to `n_max`.
fn check_many_ways(text: &str, n_max: usize) {
    let (sets, at) = (sets(), boundaries(text));
    let mut known = vec![None; text.len() + 1];
    for &cut in &at {
        check(text, &[cut], &sets, &mut known);
    }
    for n in 1..=n_max {
        let cuts: Vec<usize> = at.iter().copied().step_by(n).collect();
        check(text, &cuts, &sets, &mut known);
    }
}

/// Several words may lead to one key, and an earlier word may miss the key that a later one sees: none of them may hide what another
/// finds, whichever is decided first.
#[test]
fn words_that_lead_to_secret_keys_do_not_hide_each_others_keys() {
    const FIRST: &str = "8AWp52FaE5bXdW1f09pj7XHz45OVrRz17b3nCG2f";
    const SECOND: &str = "1111BM5001206896950067764976vr3RtDxapp/y";
    const AWS_INSIDE: &str = "8AWp52FaE5bXdW1fawspj7XHz45OVrRz17b3nCG2";
    let cases = [
        // The reduced case: `aws` reads `key8AWp...` as one run and waits at the second key, which is none, while the words see the first.
        ("a second run that is no key", format!("aws_secret_access_key{FIRST} 1111BM5001 x"), 1),
        ("a second run that is cut", format!("aws_secret_access_key{FIRST} 1111BM5001"), 1),
        ("a second run that is too long", format!("aws_secret_access_key{FIRST} {SECOND}zz "), 1),
        ("a second key", format!("aws_secret_access_key{FIRST} {SECOND} "), 2),
        ("a second key at the end", format!("aws_secret_access_key{FIRST} {SECOND}"), 2),
        ("words between", format!("aws_secret_access_key{FIRST} secret_key {SECOND} "), 2),
        ("one key of many words", format!("aws AKIAQ3EGRZ7NWX2LPD5T secret key: {FIRST}\n"), 1),
        ("a word inside a key", format!("aws_secret_access_key={AWS_INSIDE}\n"), 1),
        ("a word inside a key, then a key", format!("aws={AWS_INSIDE} {SECOND}\n"), 2),
        ("words too far away", format!("aws_secret_access_key{} {FIRST} ", ".".repeat(70)), 0),
    ];
    let aws = KINDS.iter().position(|kind| kind.name == "secret.aws-secret-key").unwrap();
    let aws = KindId::detected(u16::try_from(aws).unwrap()).unwrap();
    for (name, text, n_keys) in cases {
        let n_found = whole(text.as_bytes()).iter().filter(|finding| finding.kind == aws).count();
        assert_eq!(n_found, n_keys, "{name}: {text}");
        check_many_ways(&text, 45);
    }
}

/// What may begin before its first sure byte is known from a few bytes only, so every short text of those bytes can be tried.
const BEGINNINGS: [(&str, &str); 17] = [
    // `7(+(` and `+(+(` once let go of a `+` that a number began at.
    ("phone", "+( 7"),
    ("phone, not clear", "+(#."),
    ("IPv6", ":a. "),
    ("IPv6 and escapes", ":1\\n"),
    ("IBAN", "DE9 "),
    ("IBAN and marks", "D_E9"),
    ("IBAN after small letters", "dDE9"),
    ("IBAN and its name", "IBAN"),
    ("SSN and its name", "sn_5"),
    ("escapes", "%3Ds"),
    ("colours", "[0ms"),
    ("markup", "hf\\_"),
    ("e-mail", "a.@-"),
    ("key", "-B s"),
    ("card and SSN", "4- ."),
    ("Discord", "MTk4."),
    ("words and values", "=' a1"),
];

/// Tries every text of five bytes of each alphabet in `part`: two tests share them, one for each processor.
fn check_beginnings(part: &[(&str, &str)]) {
    let sets = sets();
    for (name, bytes) in part {
        let alphabet: Vec<char> = bytes.chars().collect();
        for number in 0..alphabet.len().pow(5) {
            let place = |at: u32| alphabet[number / alphabet.len().pow(at) % alphabet.len()];
            let text: String = (0..5).map(place).collect();
            let cuts = boundaries(&text);
            check(&text, &cuts, &sets, &mut vec![None; text.len() + 1]);
            assert_eq!(cuts.len(), 6, "{name}");
        }
    }
}

#[test]
fn every_short_text_of_the_bytes_that_begin_something() {
    check_beginnings(&BEGINNINGS[..9]);
}

#[test]
fn every_short_text_of_the_other_bytes_that_begin_something() {
    check_beginnings(&BEGINNINGS[9..]);
}

/// A chunk that only prolongs a run is not read again; the bounds of runs must be met all the same, wherever the cuts are.
#[test]
fn long_runs_end_at_their_bounds_however_they_are_cut() {
    let begin = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat();
    let cases = [
        ("token", ["ghp_", &"a1B2".repeat(140), "."].concat()),
        ("token of dots", ["glpat-", &"a1B2.".repeat(120), "..."].concat()),
        ("token that is none", ["sk-", &"a".repeat(530), " 4111"].concat()),
        ("domain", ["x a@", &"b".repeat(60), ".", &"c".repeat(230), ".org d"].concat()),
        ("header of a JWT", ["eyJhbGciOiJIUzI1NiJ9", &"e".repeat(520), ".eyJz.sig "].concat()),
        (
            "header of a key",
            [&begin, "Proc-Type: ", &"4".repeat(140), "\nMIIEvQIBADANBgkqhki\n"].concat(),
        ),
        (
            "gap in a key",
            [&begin, "MIIEvQIBADANBgkqhki", &"\n .".repeat(180), "MIIEvQIBADANBgkqhki"].concat(),
        ),
        ("run after `aws`", ["aws ", &"k9".repeat(60), "/", &"aB3d".repeat(10), " "].concat()),
    ];
    for (name, text) in cases {
        assert!(text.len() > 160, "{name}");
        let sets = [KindSet::ALL, KindSet::EMPTY];
        let (at, mut known) = (boundaries(&text), vec![None; text.len() + 1]);
        for n in [1, 2, 3, 5, 7, 64, 255, 256, 257] {
            let cuts: Vec<usize> = at.iter().copied().step_by(n).collect();
            check(&text, &cuts, &sets, &mut known);
        }
        for &cut in &at {
            check(&text, &[cut], &sets, &mut known);
        }
    }
}

#[test]
fn long_secrets_are_cut_without_consequence() {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDB1234567890ab\n";
    let key = [
        "-----BEGIN ",
        "RSA PRIVATE KEY-----\n",
        &line.repeat(120),
        "-----END RSA PRIVATE KEY-----",
    ]
    .concat();
    let jwt =
        ["eyJhbGciOiJIUzI1NiJ9", ".", &"eyJz".repeat(2000), ".", &"sig_".repeat(300)].concat();
    let token = ["ghp_", &"a1B2".repeat(700)].concat();
    let hidden = "\u{e0041}".repeat(900);
    let zero = "\u{200b}".repeat(900);
    for secret in [key, jwt, token, hidden, zero] {
        let text = ["before ", &secret, " after"].concat();
        let mut found = whole(text.as_bytes());
        // Views may say that hidden characters spell a secret as well.
        found.retain(|finding| !finding.detector.contains('/'));
        assert!(found.len() > 1, "{}", text.get(..30).unwrap_or_default());
        let mut at = 7;
        for finding in &found {
            assert_eq!(finding.span.start, at, "a gap in {}", text.get(..30).unwrap_or_default());
            at = finding.span.end;
        }
        assert_eq!(at, 7 + secret.len() as u64);
        let every: Vec<usize> = boundaries(&text).into_iter().step_by(61).collect();
        check(&text, &every, &sets(), &mut vec![None; text.len() + 1]);
    }
}

/// What may begin depends on what is glued before it: the look back must see the same in a stream as in a whole text.
#[test]
fn what_is_glued_to_a_token_or_a_word_does_not_depend_on_cuts() {
    let github = ["gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"].concat();
    let google = ["AI", "zaSyA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ"].concat();
    let key = ["sk", "-ant-api03-aB3dE5fG7hJ9kL1mN3pQ"].concat();
    let cases = [
        ("token after token", [&github, key.as_str()].concat(), 2),
        ("far into a text", [&"x ".repeat(170), github.as_str(), key.as_str()].concat(), 2),
        ("token after token, other class", [&google, "ya", "29.aB3dE5fG7hJ9kL1mN3pQ"].concat(), 2),
        ("after an escape", ["%3D", &key, "%22 \u{1b}[32m", &key].concat(), 2),
        ("IBAN after its name", "IBANDE89370400440532013000EUR".to_owned(), 1),
        (
            "IBAN, unbreakable",
            "IBAN DE89\u{202f}3704\u{202f}0044\u{202f}0532\u{202f}0130\u{202f}00".to_owned(),
            1,
        ),
        ("IBAN in an entity", "DE89&nbsp;3704&nbsp;0044&nbsp;0532&nbsp;0130&nbsp;00".to_owned(), 1),
        ("SSN after its name", "SSN536\u{2011}90\u{2011}4399x _078-05-1120_".to_owned(), 2),
        (
            "card",
            "No.4111\u{2011}1111\u{2011}1111\u{2011}1111 4111 - 1111 - 1111 - 1111".to_owned(),
            2,
        ),
    ];
    for (name, text, n_least) in cases {
        assert!(whole(text.as_bytes()).len() >= n_least, "{name}: {text}");
        check_many_ways(&text, 7);
    }
}

/// A view that may open later in a token has found something in it already: that must not have left by then.
#[test]
fn what_a_view_finds_before_it_opens_is_held() {
    for text in ["DAN\\t&#52;&#49;", "Ada Lovelace\\tand&#32;she", "a\\tjo@example.org&#52;"] {
        check_many_ways(text, 7);
    }
}

/// A run that meets its bound and is no token hides no token that begins in it and that the bound cut off.
#[test]
fn a_run_that_is_no_token_hides_no_token_at_its_end() {
    for n_bytes in [100, 250, 480, 505, 600] {
        let text = ["sk-", &"ab-".repeat(n_bytes / 3), "sk-", &"a1B2".repeat(12), " "].concat();
        let end = text.len() as u64 - 1;
        assert!(whole(text.as_bytes()).iter().any(|finding| finding.span.end == end), "{n_bytes}");
        let (sets, at) = ([KindSet::ALL], boundaries(&text));
        let mut known = vec![None; text.len() + 1];
        for n in [1, 3, 61, 256] {
            let cuts: Vec<usize> = at.iter().copied().step_by(n).collect();
            check(&text, &cuts, &sets, &mut known);
        }
    }
}

/// Whether it could be judged only when everything was there.
fn is_late(finding: &Finding) -> bool {
    finding.detector.rsplit('.').next() == Some("late")
}
