//! What records keep: whom they are about, and what was received where something else was released.
use super::stream::{DONE, Ran, call, chunk, finish, one_of, run, say};
use super::*;
use crate::exchange::channel::Channel;
use crate::exchange::findings::Rungs;
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use proptest::prelude::*;

const OWN_KEY: &str = "sk-upstream-0123";
const MASK: &str = "[redacted:secret.upstream-key]";

/// A guard that knows an upstream's key.
fn keyed(profile: Profile) -> Guard {
    let inspector = Arc::new(Keyed::new(Arc::new(Toy), [OWN_KEY]));
    Guard { inspector, ..guard(profile) }
}

fn open_on(
    guard: &Guard,
    is_recorded: bool,
    endpoint: Endpoint,
    named: Option<&str>,
    body: &str,
) -> Opened {
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    guard.open(&Call {
        record: RecordId([0xab; 16]),
        endpoint,
        route: &Route::default(),
        roles: &roles,
        key_id: "k-1",
        subject: named,
        conversation: None,
        is_recorded,
        unix_ms: 0,
        body: body.as_bytes(),
    })
}

fn slot(draft: &Draft, slot: Slot) -> Option<String> {
    let payload = draft.payloads.iter().find(|payload| payload.slot == slot)?;
    Some(String::from_utf8_lossy(&payload.bytes).into_owned())
}

fn received(draft: &Draft) -> Option<String> {
    slot(draft, Slot::Received)
}

fn user(content: &str, more: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{content}"}}]{more}}}"#)
}

#[test]
fn a_record_is_about_whom_the_request_names() {
    let long = "x".repeat(SUBJECT_BYTES_MAX);
    let in_body = |fields: &str| user("hi", fields);
    for (name, body, header, want) in [
        ("nobody", in_body(""), None, "caller:k-1"),
        ("user", in_body(r#","user":"ann""#), None, "ann"),
        ("safety identifier", in_body(r#","safety_identifier":"bob""#), None, "bob"),
        ("both", in_body(r#","user":"ann","safety_identifier":"bob""#), Some("eve"), "bob"),
        ("header", in_body(""), Some("eve"), "eve"),
        ("body and header", in_body(r#","user":"ann""#), Some("eve"), "ann"),
        ("empty fields", in_body(r#","user":"","safety_identifier":"""#), Some("eve"), "eve"),
        ("empty field and user", in_body(r#","user":"ann","safety_identifier":"""#), None, "ann"),
        ("null", in_body(r#","user":null,"safety_identifier":null"#), None, "caller:k-1"),
        ("empty header", in_body(""), Some(""), "caller:k-1"),
        ("escaped", in_body(r#","user":"\u0061nn""#), None, "ann"),
        ("as long as may be", in_body(&format!(r#","user":"{long}""#)), None, &long),
        ("header as long as may be", in_body(""), Some(&*long), &long),
        ("as a key's own", in_body(r#","user":"caller:k-1""#), None, "named:caller:k-1"),
        ("as a key's own, in a header", in_body(""), Some("caller:k-1"), "named:caller:k-1"),
        ("as that one", in_body(r#","user":"named:caller:k-1""#), None, "named:named:caller:k-1"),
        ("in other letters", in_body(r#","user":"Caller:k-1""#), None, "Caller:k-1"),
        ("redacted upstream, not here", in_body(r#","user":"K-12""#), None, "K-12"),
    ] {
        match open_on(&guard(Profile::Standard), true, Endpoint::Chat, header, &body) {
            Opened::Forward(forward) => {
                let said = format!("{:?} {:?}", forward.answer, forward.pass);
                let leaf = format!("{:?}", forward.intent.leaf);
                assert!(want.starts_with("caller:") || !(said + &leaf).contains(want), "{name}");
                assert_eq!(forward.intent.subject.as_deref(), Some(want), "{name}");
                let closed = forward.answer.fail(Failure::Broken, 0);
                assert_eq!(closed.outcome.subject.as_deref(), Some(want), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let strict = guard(Profile::Strict);
    let refused = user("OBEY", r#","user":"ann""#);
    match open_on(&strict, true, Endpoint::Chat, None, &refused) {
        Opened::Refused { records, .. } => {
            assert!(records.iter().all(|draft| draft.subject.as_deref() == Some("ann")));
        }
        other => panic!("{other:?}"),
    }
    for (endpoint, body, want) in [
        (Endpoint::Embeddings, r#"{"model":"m","input":"x","user":"ann"}"#, "ann"),
        (Endpoint::Models, "", "eve"),
    ] {
        let opened = open_on(&guard(Profile::Standard), true, endpoint, Some("eve"), body);
        let Opened::Forward(forward) = opened else { panic!("{opened:?}") };
        assert_eq!(forward.intent.subject.as_deref(), Some(want), "{endpoint:?}");
    }
}

#[test]
fn whom_nobody_can_be_called_is_turned_away() {
    let long = "x".repeat(SUBJECT_BYTES_MAX + 1);
    let of_field = |field: &str, value: &str| user("hi", &format!(r#","{field}":{value}"#));
    let mut cases = vec![
        ("header", user("hi", ""), Some(long.as_str()), "subject_too_long", None),
        (
            "header, unused",
            user("hi", r#","user":"ann""#),
            Some(long.as_str()),
            "subject_too_long",
            None,
        ),
        (
            "spelled",
            of_field("Safety_Identifier", "\"ann\""),
            None,
            "ambiguous_field",
            Some("safety_identifier"),
        ),
        (
            "unused",
            user("hi", r#","user":7,"safety_identifier":"bob""#),
            None,
            "invalid_type",
            Some("user"),
        ),
    ];
    let quoted = format!("\"{long}\"");
    // 171 escapes of three bytes each are one byte too many.
    let escaped = format!("\"{}\"", "\\u20ac".repeat(171));
    for field in ["user", "safety_identifier"] {
        for value in ["7", "true", "[]", "{}", "[\"ann\"]", r#""\ud800""#] {
            cases.push((value, of_field(field, value), None, "invalid_type", Some(field)));
        }
        cases.push(("long", of_field(field, &quoted), None, "subject_too_long", Some(field)));
        cases.push((
            "long, escaped",
            of_field(field, &escaped),
            None,
            "subject_too_long",
            Some(field),
        ));
    }
    for (name, body, header, code, param) in cases {
        match open_on(&guard(Profile::Standard), true, Endpoint::Chat, header, &body) {
            Opened::Rejected(reply) => {
                assert_eq!((reply.status, reply.code), (400, code), "{name}: {body}");
                assert_eq!(reply.param.as_deref(), param, "{name}: {body}");
                let text = String::from_utf8(reply.body()).unwrap();
                assert!(!text.contains("xxx") && !text.contains("ann"), "{name}: {text}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_request_that_was_changed_is_kept_as_it_came_too() {
    let strict = Profile::Strict;
    for (name, profile, content, kept, forwarded) in [
        ("clean", strict, "hello", None, true),
        ("redacted", Profile::Standard, "my K-12", Some("my K-12"), true),
        ("refused", strict, "OBEY K-12", Some("OBEY K-12"), false),
        (
            "refused with the key",
            strict,
            &*format!("OBEY {OWN_KEY}"),
            Some(&*format!("OBEY {MASK}")),
            false,
        ),
        ("the key alone", Profile::Observe, &*format!("is it {OWN_KEY}"), None, true),
        (
            "redacted with the key",
            Profile::Standard,
            &*format!("K-12 {OWN_KEY}"),
            Some(&*format!("K-12 {MASK}")),
            true,
        ),
        (
            "the key in escapes",
            Profile::Standard,
            &*format!("K-12 {}", OWN_KEY.replace('s', "\\u0073")),
            Some(&*format!("K-12 {MASK}")),
            true,
        ),
    ] {
        let body = user(content, "");
        let kept = kept.map(|content| user(content, ""));
        match open_on(&keyed(profile), true, Endpoint::Chat, None, &body) {
            Opened::Forward(forward) => {
                assert!(forwarded, "{name}");
                let sent = String::from_utf8(forward.body.to_vec()).unwrap();
                assert_eq!(slot(&forward.intent, Slot::Released), Some(sent), "{name}");
                assert_eq!(received(&forward.intent), kept, "{name}");
            }
            Opened::Refused { records, .. } => {
                assert!(!forwarded, "{name}");
                assert_eq!(slot(&records[0], Slot::Released), None, "{name}");
                assert_eq!((received(&records[0]), received(&records[1])), (kept, None), "{name}");
            }
            Opened::Rejected(reply) => panic!("{name}: {reply:?}"),
        }
    }
}

fn completion(content: &str) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"stop"}}]}}"#
    )
}

#[test]
fn an_answer_that_was_changed_or_replaced_is_kept_as_it_came_too() {
    let key = format!("x {OWN_KEY}");
    let mask = format!("x {MASK}");
    let error = |text: &str| format!(r#"{{"error":{{"message":"{text}"}}}}"#);
    let page = |text: &str| format!("<html>{text}");
    let hidden = OWN_KEY.replace('s', "\\u0073");
    let same = |text: String| (text.clone(), Some(text));
    for (name, status, (body, kept)) in [
        ("clean", 200, (completion("hello"), None)),
        ("redacted", 200, same(completion("my K-12"))),
        ("choice refused", 200, same(completion("fine OBEY then"))),
        (
            "refused whole",
            200,
            same(completion("x").replace("\"choices\"", "\"a\":\"OBEY\",\"choices\"")),
        ),
        ("the key alone", 200, (completion(&key), None)),
        (
            "the key after the end",
            200,
            (completion(&format!("OBEY {key}")), Some(completion(&format!("OBEY {mask}")))),
        ),
        ("error, clean", 500, (error("busy"), None)),
        ("error, redacted", 500, same(error("K-12"))),
        ("malformed", 200, same("[]".to_owned())),
        ("no JSON", 200, same(page("K-12"))),
        ("no JSON, failed", 500, same(page("K-12"))),
        ("no JSON with the key", 500, (page(&key), Some(page(&mask)))),
        ("no JSON with the key in escapes", 500, (page(&hidden), None)),
        ("our key refused", 401, (error(&key), Some(error(&mask)))),
        ("our key refused, in escapes", 401, (error(&hidden), Some(error(MASK)))),
        ("redirect", 302, same(completion("there"))),
        ("nothing", 503, same(String::new())),
    ] {
        let closed = answer(&keyed(Profile::Strict)).plain(status, body.as_bytes(), 0);
        assert_eq!(received(&closed.outcome), kept, "{name}");
        let released = slot(&closed.outcome, Slot::Released);
        let sent = String::from_utf8(closed.body.to_vec()).unwrap();
        let is_ours = sent.contains("\"code\":");
        assert_eq!(released, (!is_ours).then_some(sent), "{name}");
    }
}

#[test]
fn a_detector_that_crashes_keeps_nothing_that_it_did_not_read() {
    let body = completion("PANIC K-12");
    let closed = answer(&guard(Profile::Standard)).plain(200, body.as_bytes(), 0);
    assert_eq!((closed.ended, received(&closed.outcome)), (Outcome::Refused, None));
    let ran = run(one_of(&guard(Profile::Standard)), &[&say("a"), &say("PANIC")]);
    assert_eq!((ran.ended, received(&ran.outcome)), (Outcome::Refused, None));
}

/// The texts of the first choice as a payload has them.
fn texts(payload: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(payload).unwrap();
    json["choices"][0]["text"].clone()
}

#[test]
fn a_stream_that_was_changed_is_kept_as_it_came_too() {
    let refuses_calls = guard(Profile::Standard);
    let redacts_calls = with_policy(
        r#"
        @id("all") permit(principal, action == Action::"call", resource);
        @id("r") permit(principal, action == Action::"redact", resource in Kind::"secret");
    "#,
    );
    let pay = |text: &str| {
        call(
            0,
            &format!(
                r#""id":"c","type":"function","function":{{"name":"pay","arguments":"{text}"}}"#
            ),
        )
    };
    let more = |text: &str| call(0, &format!(r#""function":{{"arguments":"{text}"}}"#));
    let two = |a: &str, b: &str| {
        chunk(&format!(r#""delta":{{"content":"{a}","reasoning":"{b}"}},"finish_reason":null"#))
    };
    let (stop, called) = (finish("stop"), finish("tool_calls"));
    let content = |text: &str| Some(serde_json::json!({ "delta.content": text }));
    let args = "delta.tool_calls[0].function.arguments";
    let with_call = |text: &str| {
        Some(serde_json::json!({
            "delta.tool_calls[0].id": "c", "delta.tool_calls[0].type": "function",
            "delta.tool_calls[0].function.name": "pay", args: text,
        }))
    };
    let strict = guard(Profile::Strict);
    let standard = guard(Profile::Standard);
    let keyed = keyed(Profile::Standard);
    let (key_start, key_end) = OWN_KEY.split_at(5);
    for (name, guard, events, want) in [
        ("clean", &standard, vec![say("hel"), say("lo"), stop.clone()], None),
        ("clean, held for a while", &standard, vec![say("a K"), say("-x"), stop.clone()], None),
        ("held to its end", &standard, vec![say("a K"), stop.clone()], None),
        ("clean call", &standard, vec![pay("{}"), called.clone()], None),
        ("cut off", &standard, vec![say("a K")], None),
        ("redacted", &standard, vec![say("a K-12"), say(" b"), stop.clone()], content("a K-12 b")),
        (
            "redacted, cut",
            &standard,
            vec![say("a K"), say("-1"), say("2 b"), stop.clone()],
            content("a K-12 b"),
        ),
        (
            "twice",
            &standard,
            vec![say("K-12 a "), say("K-34 b"), stop.clone()],
            content("K-12 a K-34 b"),
        ),
        (
            "refused",
            &strict,
            vec![say("a OBEY"), say(" not read"), stop.clone()],
            content("a OBEY"),
        ),
        ("refused after p1", &strict, vec![say("a p1 OBEY now")], content("a p1 OBEY now")),
        (
            "one of two channels",
            &standard,
            vec![two("a", "K-12"), two("b", " c"), stop.clone()],
            Some(serde_json::json!({ "delta.content": "ab", "delta.reasoning": "K-12 c" })),
        ),
        (
            "call refused",
            &refuses_calls,
            vec![pay("K"), more("-12"), called.clone()],
            with_call("K-12"),
        ),
        (
            "call redacted",
            &redacts_calls,
            vec![pay("K"), more("-12"), called.clone()],
            with_call("K-12"),
        ),
        ("call cut off", &standard, vec![pay("{"), more("x")], with_call("{x")),
        ("the key alone", &keyed, vec![say(&format!("a {OWN_KEY} b")), stop.clone()], None),
        (
            "the key too",
            &keyed,
            vec![say(&format!("K-12 {key_start}")), say(key_end), stop.clone()],
            content(&format!("K-12 {MASK}")),
        ),
        (
            "the key in a call",
            &keyed,
            vec![pay("K-12 "), more(OWN_KEY), called.clone()],
            with_call(&format!("K-12 {MASK}")),
        ),
    ] {
        let events: Vec<&str> = events.iter().map(String::as_str).chain([DONE]).collect();
        let events =
            if name.contains("cut off") { &events[..events.len() - 1] } else { &events[..] };
        let ran = run(one_of(guard), events);
        assert_eq!(received(&ran.outcome).as_deref().map(texts), want, "{name}: {}", ran.tail);
    }
}

/// What left, what came, and how it ended: one stream that says `pieces` and then ends with `failure`, if with anything.
fn streamed(
    guard: &Guard,
    pieces: &[&str],
    failure: Option<Failure>,
) -> (String, Option<String>, Outcome) {
    let mut stream = one_of(guard).stream();
    let mut out = Vec::new();
    for piece in pieces {
        if stream.push(say(piece).as_bytes(), &mut out) == StreamState::Sealed {
            break;
        }
    }
    if failure.is_none() {
        stream.push(finish("stop").as_bytes(), &mut out);
    }
    stream.end(failure, &mut out);
    let outcome = stream.outcome(0);
    let content =
        |payload: String| texts(&payload)["delta.content"].as_str().unwrap_or_default().to_owned();
    (content(released(&outcome)), received(&outcome).map(content), stream.ended())
}

/// A caller that hangs up is not sent what was held: it came, and did not leave.
#[test]
fn what_was_held_when_the_caller_left_came_and_did_not_leave() {
    for (failure, left, came) in
        [(Failure::ClientGone, "a ", Some("a K")), (Failure::Broken, "a K", None)]
    {
        let seen = streamed(&guard(Profile::Standard), &["a K"], Some(failure));
        assert_eq!(seen, (left.to_owned(), came.map(str::to_owned), failure.outcome()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// However a text is cut: what is kept as received is the text that came, up to the event that refused it; and it is kept exactly when
    /// something else left.
    #[test]
    fn what_came_is_kept_when_it_is_not_what_left(
        pieces in prop::collection::vec("(K-|K|-|[0-9]{1,5}|p1|OBEY|OBE|\u{e9}|\u{1f600}|\"| ){0,4}", 0..6),
        leaves in any::<bool>(),
    ) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let failure = leaves.then_some(Failure::ClientGone);
        for (name, guard) in law::guards() {
            let (left, came, ended) = streamed(guard, &pieces, failure);
            prop_assert_ne!(Some(&left), came.as_ref(), "{}: kept twice", name);
            let known = came.unwrap_or(left);
            let read: Vec<String> = (0..=pieces.len()).map(|n| pieces[..n].concat()).collect();
            let is_known = if ended == Outcome::Refused {
                read.contains(&known)
            } else {
                read.last() == Some(&known)
            };
            prop_assert!(is_known, "{}: {:?} of {:?}, {}", name, known, pieces, ended);
        }
    }
}

/// Text that is not touched is held once.
#[test]
fn nothing_is_kept_twice_before_the_first_change() {
    let guard = guard(Profile::Standard);
    let catalogue = Catalogue::new(&KINDS);
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    let rungs =
        Rungs::of_stream(&guard.policy.ladder(&roles, "default"), Source::Model, &catalogue);
    let mut channel =
        Channel::new(Some(guard.inspector.detector(Source::Model)), rungs, 1000, 1000);
    for (piece, n_kept) in
        [("some text ", 0), ("K", 0), ("-x ", 0), ("K-1", 0), ("2345", 7), ("more", 11)]
    {
        channel.push(piece.as_bytes(), false, &catalogue);
        assert_eq!(channel.n_kept(), n_kept, "{piece}");
    }
}

#[test]
fn text_that_is_kept_twice_counts_twice() {
    let limits = Limits { stream_bytes_max: 100, ..Limits::default() };
    let with = |profile: Profile| Guard { limits, ..guard(profile) };
    let long = "y".repeat(60);
    let call_of = |text: &str| call(0, &format!(r#""id":"c","function":{{"arguments":"{text}"}}"#));
    let secret = format!("K-12 {long}");
    let ended = |ran: &Ran| (ran.ended, ran.tail.contains("answer_too_large"));
    for (name, events, want) in [
        ("untouched", vec![say(&long), finish("stop")], (Outcome::Completed, false)),
        (
            "redacted",
            vec![say("K-12 "), say(&long), finish("stop")],
            (Outcome::UpstreamError, true),
        ),
        ("call", vec![call_of(&long), finish("tool_calls")], (Outcome::Completed, false)),
        (
            "text and refused call",
            vec![say(&long), call_of(&secret), finish("tool_calls")],
            (Outcome::UpstreamError, true),
        ),
    ] {
        let events: Vec<&str> = events.iter().map(String::as_str).chain([DONE]).collect();
        assert_eq!(ended(&run(one_of(&with(Profile::Standard)), &events)), want, "{name}");
    }
}

/// Calls that were whole but had not left when the stream failed are no longer said to have left.
#[test]
fn calls_that_did_not_leave_are_not_released() {
    let pay = call(0, r#""id":"c","function":{"name":"pay","arguments":"{}"}"#);
    let ran =
        run(one_of(&guard(Profile::Standard)), &[&pay, &finish("tool_calls"), "data: <html>\n\n"]);
    assert!(!ran.tail.contains("pay") && ran.ended == Outcome::UpstreamError, "{}", ran.tail);
    assert!(!released(&ran.outcome).contains("pay"), "{}", released(&ran.outcome));
    assert!(received(&ran.outcome).is_some_and(|text| text.contains("pay")));
}

/// The same for text that came together with its end, and for a tail that a refusal took back.
#[test]
fn text_that_waited_with_the_end_and_was_taken_back_is_not_released() {
    let last = chunk(r#""delta":{"content":" b"},"finish_reason":"stop""#);
    let refused = say("x").replace("c-1", "OBEY").replace(r#"{"content":"x"}"#, "{}");
    for (name, after, left, kept) in [
        ("sent", DONE, "a b", None),
        (
            "broken",
            "data: <html>

",
            "a",
            Some("a b"),
        ),
        ("refused", refused.as_str(), "a", Some("a b")),
    ] {
        let ran = run(one_of(&guard(Profile::Strict)), &[&say("a"), &last, after]);
        let content = |payload: &str| texts(payload)["delta.content"].as_str().map(str::to_owned);
        let sent = (ran.before + &ran.tail).contains(r#"" b""#);
        assert_eq!(sent, kept.is_none(), "{name}");
        assert_eq!(content(&released(&ran.outcome)).as_deref(), Some(left), "{name}");
        assert_eq!(received(&ran.outcome).and_then(|r| content(&r)).as_deref(), kept, "{name}");
    }
}

#[test]
fn a_route_without_records_keeps_nothing_and_names_none() {
    let open =
        |profile: Profile, body: &str| open_on(&guard(profile), false, Endpoint::Chat, None, body);
    let forward = |body: &str| match open(Profile::Standard, body) {
        Opened::Forward(forward) => forward,
        other => panic!("{other:?}"),
    };
    let record = RecordId([0xab; 16]).to_string();
    let Opened::Refused { records, reply, .. } = open(Profile::Strict, &user("OBEY", "")) else {
        panic!()
    };
    assert!(records.iter().all(|draft| draft.payloads.is_empty()) && reply.record.is_none());
    let poisoned = user("hi", "").replace("}]", r#"},{"role":"tool","content":"OBEY"}]"#);
    let forwarded = forward(&poisoned);
    let sent = String::from_utf8(forwarded.body.to_vec()).unwrap();
    assert!(sent.contains("removed by Bartizan") && !sent.contains(&record), "{sent}");
    assert!(forwarded.intent.payloads.is_empty());
    for (status, body) in
        [(200, completion("K-12")), (500, "<html>".to_owned()), (200, "[]".to_owned())]
    {
        let closed = forward(&user("hi", "")).answer.plain(status, body.as_bytes(), 0);
        assert!(closed.outcome.payloads.is_empty(), "{body}");
        assert!(!String::from_utf8_lossy(&closed.body).contains(&record), "{body}");
    }
    let ran =
        run(forward(&user("hi", r#","stream":true"#)).answer, &[&say("K-12"), "data: <html>\n\n"]);
    assert!(ran.outcome.payloads.is_empty() && ran.tail.contains("upstream_malformed"));
    assert!(!ran.tail.contains("record"), "{}", ran.tail);
}

/// The judgement is the evidence payload: what was seen, by whom it was asked, what was decided, under which policy. The envelope is the
/// leaf: the record's random name and the time.
#[test]
fn the_judgement_is_canonical_and_the_envelope_is_not() {
    let guard = guard(Profile::Standard);
    let route = Route { name: "default".to_owned(), ..Route::default() };
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    let judged = |record: u8, unix_ms: u64| {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"p1 K-12 OBEY"}]}"#;
        let call = Call {
            record: RecordId([record; 16]),
            endpoint: Endpoint::Chat,
            route: &route,
            roles: &roles,
            key_id: "k-1",
            subject: None,
            conversation: None,
            is_recorded: true,
            unix_ms,
            body: body.as_bytes(),
        };
        let Opened::Forward(forward) = guard.open(&call) else { panic!("it is redacted") };
        let intent = evidence(&forward.intent);
        let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"p2 K-13"},"finish_reason":"stop"}]}"#;
        let closed = forward.answer.plain(200, answer.as_bytes(), unix_ms + 5);
        (forward.intent.leaf, intent, evidence(&closed.outcome))
    };
    let (one, other) = (judged(1, 1_700_000_000_000), judged(2, 1_800_000_000_000));
    assert_eq!((&one.1, &one.2), (&other.1, &other.2));
    assert!(one.1.contains("secret.key") && one.2.contains("pii.word"), "{} {}", one.1, one.2);
    assert!(!one.1.contains("K-12") && !one.2.contains("K-13"), "evidence holds no text");
    assert_ne!(one.0, other.0);
}
