//! Tables and laws of the JSON reader.
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Doc<'_>, JsonError> {
    Doc::read(text.as_bytes(), JsonLimits { depth_max: 4, nodes_max: 50 })
}

#[test]
fn reads_what_the_standard_allows() {
    for (name, text, n_nodes) in [
        ("empty object", "{}", 1),
        ("empty array, spaces", " [ ] ", 1),
        ("scalar", "-0.5e+3", 1),
        ("nested", r#"{"a":[1,{"b":null}],"c":"d"}"#, 9),
        ("lone surrogate", r#""\ud83d""#, 1),
        (
            "many keys",
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"r":1}"#,
            37,
        ),
    ] {
        let doc = read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(doc.nodes().count(), n_nodes, "{name}");
    }
}

#[test]
fn refuses_what_two_readers_could_take_differently() {
    let syntax = |at, expected| JsonError::Syntax { at, expected };
    let many = r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"d":2}"#;
    for (name, text, want) in [
        ("nothing", "", syntax(0, "a value")),
        ("trailing text", "{} x", syntax(3, "the end of the document")),
        ("trailing comma", "[1,]", syntax(3, "a value")),
        ("leading comma", "[,1]", syntax(1, "a value")),
        ("no comma", "[1 2]", syntax(3, "`,` or `]`")),
        ("no colon", r#"{"a" 1}"#, syntax(5, "`:`")),
        ("bare key", "{a:1}", syntax(1, "a key in double quotes")),
        ("leading zero", "[01]", syntax(2, "`,` or `]`")),
        ("bare dot", "1.", syntax(2, "a digit")),
        ("open string", "\"abc", syntax(4, "a closing quote")),
        ("raw newline", "\"a\nb\"", syntax(2, "no raw control character in a string")),
        ("unknown escape", r#""\x41""#, syntax(2, "a known escape after `\\`")),
        ("short escape", r#""\u12""#, syntax(5, "four hexadecimal digits after `\\u`")),
        ("capital literal", "True", syntax(0, "a value")),
        ("not a number", "NaN", syntax(0, "a value")),
        ("byte order mark", "\u{feff}{}", syntax(0, "a value")),
        ("unclosed", "[[1]", syntax(4, "`,` or `]`")),
        ("twice", r#"{"a":1,"a":2}"#, JsonError::DuplicateKey { at: 7 }),
        ("twice, escaped", r#"{"a":1,"\u0061":2}"#, JsonError::DuplicateKey { at: 7 }),
        ("twice among many", many, JsonError::DuplicateKey { at: 103 }),
        ("too deep", "[[[[[1]]]]]", JsonError::Depth { at: 4, depth_max: 4 }),
    ] {
        assert_eq!(read(text).err(), Some(want), "{name}");
    }
    assert_eq!(
        Doc::read(b"\"\xff\"", JsonLimits::default()).err(),
        Some(JsonError::Utf8 { at: 1 })
    );
    let long = format!("[{}]", ["1"; 60].join(","));
    assert!(matches!(read(&long), Err(JsonError::Nodes { nodes_max: 50, .. })));
}

#[test]
fn walks_members_and_items() {
    let doc = read(r#"{"a":[10,{"b":true}],"c":"d","e":{}}"#).unwrap();
    let keys: Vec<_> =
        doc.root().members().map(|(key, _)| key.str().unwrap().into_owned()).collect();
    assert_eq!(keys, ["a", "c", "e"]);
    let a = doc.root().get("a").unwrap();
    assert_eq!(a.items().next().unwrap().u64(), Some(10));
    assert_eq!(a.items().nth(1).unwrap().get("b").unwrap().bool(), Some(true));
    assert_eq!(a.raw(), br#"[10,{"b":true}]"#);
    assert_eq!(a.descendants().count(), 5);
    assert!(doc.root().get("c").unwrap().is_text("d"));
    assert!(doc.root().get("e").unwrap().members().next().is_none());
    assert!(doc.root().items().next().is_none());
}

#[test]
fn decoded_bytes_are_found_again() {
    let inner = br"x\n\ud83d\ude00y\u00e9z\ud83d!";
    assert_eq!(decode(inner), b"x\n\xf0\x9f\x98\x80y\xc3\xa9z\xed\xa0\xbd!");
    for (name, span, want) in [
        ("plain before", 0..1, 0..1),
        ("simple escape", 1..2, 1..3),
        ("inside a pair", 3..4, 3..15),
        ("plain between", 6..7, 15..16),
        ("across", 6..9, 15..22),
        ("lone half", 10..13, 23..29),
        ("to the end", 13..14, 29..30),
        ("empty at the end", 14..14, 30..30),
        ("empty before an escape", 1..1, 1..1),
        ("empty inside a pair", 4..4, 3..3),
        ("empty at the start", 0..0, 0..0),
        ("past the end", 40..50, 30..30),
    ] {
        assert_eq!(raw_range(inner, span), want, "{name}");
    }
    assert_eq!(raw_range(br"\n", 0..0), 0..0, "an empty span takes no escape with it");
    assert_eq!(raw_range(br"\n", 1..1), 2..2, "nor does one behind it");
}

#[test]
fn raw_ranges_never_cut_an_escape() {
    let inner = br"x\n\ud83d\ude00y";
    for (name, range, want) in [
        ("plain", 0..1, 0..1),
        ("second half of an escape", 2..3, 1..3),
        ("first half of an escape", 0..2, 0..3),
        ("inside a pair", 9..10, 3..15),
        ("from a pair", 12..16, 3..16),
        ("empty inside a pair", 9..9, 3..3),
    ] {
        assert_eq!(whole_escapes(inner, std::slice::from_ref(&range)), [want], "{name}");
    }
}

#[test]
fn a_lax_reader_lets_keys_stand_twice_and_nothing_else() {
    let lax = |text: &'static str| {
        Doc::read_lax(text.as_bytes(), JsonLimits { depth_max: 4, nodes_max: 50 })
    };
    assert_eq!(lax(r#"{"a":1,"a":2}"#).unwrap().nodes().count(), 5);
    for text in ["{", "[1,]", "[[[[[1]]]]]", r#"{"a":1,"a":2} x"#, "{a:1}"] {
        assert!(lax(text).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What a well-known reader accepts we accept, with the same strings.
    #[test]
    fn agrees_with_serde(value in any_json()) {
        let text = serde_json::to_vec(&value).unwrap();
        let doc = Doc::read(&text, JsonLimits::default()).unwrap();
        for node in doc.nodes() {
            if let Some(found) = node.text() {
                let want: String = serde_json::from_slice(node.raw()).unwrap();
                prop_assert_eq!(&*found, want.as_bytes());
            }
        }
    }

    /// What we accept a well-known reader accepts (but for lone surrogates, which it refuses), and no input panics.
    #[test]
    fn accepts_nothing_that_serde_refuses(text in r#"[\[\]{},:"\\u0a1e.+\-tr \n]{0,24}"#) {
        if Doc::read(text.as_bytes(), JsonLimits::default()).is_ok() && !text.contains("\\u") {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    /// Encoding is undone by decoding.
    #[test]
    fn encode_then_decode(text in any::<String>()) {
        let mut inner = Vec::new();
        encode_into(text.as_bytes(), &mut inner);
        prop_assert_eq!(decode(&inner), text.as_bytes());
        let quoted = [b"\"", &inner[..], b"\""].concat();
        prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
    }

    /// A raw range decodes to at least the bytes that were asked for.
    #[test]
    fn raw_ranges_cover(text in "([a-z\u{e9}\n\"\u{1f600}]){0,12}", from in 0..12_usize, to in 0..12_usize) {
        let json = serde_json::to_string(&text).unwrap();
        let inner = &json.as_bytes()[1..json.len() - 1];
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (from, to) = (bounds[from.min(bounds.len() - 1)], bounds[to.min(bounds.len() - 1)]);
        if from < to {
            prop_assert_eq!(decode(&inner[raw_range(inner, from..to)]), &text.as_bytes()[from..to]);
        }
    }

    /// One pass answers what a pass for each would, whatever the order, and whatever is asked.
    #[test]
    fn one_pass_is_as_good_as_many(
        text in "([a-z\u{e9}\n\"/\u{1f600}]){0,12}",
        spans in prop::collection::vec((0..40_usize, 0..40_usize), 0..8),
    ) {
        let json = serde_json::to_string(&text).unwrap().replace('/', "\\/").replace('\u{e9}', "\\u00e9");
        let inner = &json.as_bytes()[1..json.len() - 1];
        let spans: Vec<Range<usize>> = spans.into_iter().map(|(a, b)| a.min(b)..a.max(b)).collect();
        let one_by_one: Vec<_> = spans.iter().map(|span| raw_range(inner, span.clone())).collect();
        prop_assert_eq!(raw_ranges(inner, &spans), one_by_one);
    }
}
