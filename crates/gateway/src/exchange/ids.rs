//! Lists of numbers that may be a text as token ids, or letter by letter, in a field that nobody knows.
use bartizan_core::json::{NodeKind, Value};

/// An array of this many whole numbers or more, in a field that nobody knows, is taken for token ids.
const TOKEN_IDS_MIN: usize = 8;
/// No id has more digits.
const ID_DIGITS_MAX: usize = 9;

/// Whether a value is a list of ids, in lists of its own or not: whole numbers, however they are written; `in_texts`: in strings of digits, too.
pub(super) fn is_ids(value: Value<'_>, in_texts: bool) -> bool {
    let mut n_ids = 0_usize;
    let is_one = |node: Value<'_>| match node.kind() {
        NodeKind::Number => is_whole(node.raw()),
        NodeKind::String => in_texts && node.inner().is_some_and(is_digits),
        _ => false,
    };
    value.kind() == NodeKind::Array
        && value.descendants().all(|node| {
            let is_list = node.kind() == NodeKind::Array;
            n_ids += usize::from(!is_list);
            is_list || is_one(node)
        })
        && TOKEN_IDS_MIN <= n_ids
}

/// Whether a value is such a list, or has one in it.
pub(super) fn holds_ids(value: Value<'_>) -> bool {
    value.descendants().any(|node| node.kind() == NodeKind::Array && is_ids(node, false))
}

fn is_digits(text: &[u8]) -> bool {
    (1..=ID_DIGITS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// Whether a number is a whole one, and no negative one: `7`, `7.0`, `7e0`, `0.7e1`.
fn is_whole(raw: &[u8]) -> bool {
    if raw.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let number = std::str::from_utf8(raw).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_some_and(|number| 0.0 <= number && number.is_finite() && number.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::json::{Doc, JsonLimits};

    #[test]
    fn lists_of_ids_are_known_however_they_are_written() {
        for (name, json, want) in [
            ("ids", "[1,2,3,4,5,6,7,8]", (true, true)),
            ("one less", "[1,2,3,4,5,6,7]", (false, false)),
            ("with a point", "[1.0,2,3,4,5,6,7,8.0]", (true, true)),
            ("with an exponent", "[1e0,2,3,4,5,6,7,80e-1]", (true, true)),
            ("with a fraction", "[1,2,3,4,5,6,7,8.5]", (false, false)),
            ("a negative one", "[1,2,3,4,5,6,7,-8]", (false, false)),
            ("in lists", "[[1,2,3,4],[5,6,[7]],[8]]", (true, true)),
            ("short lists", "[[1,2,3],[4,5,6],[7]]", (false, false)),
            ("in strings", r#"["1","2","3","4","5","6","7","8"]"#, (false, true)),
            ("in long strings", r#"["1234567890","2","3","4","5","6","7","8"]"#, (false, false)),
            ("words", r#"["1","2","3","4","5","6","7","a"]"#, (false, false)),
            ("no list", "12345678", (false, false)),
            (
                "objects",
                r#"[{"t":1},{"t":2},{"t":3},{"t":4},{"t":5},{"t":6},{"t":7},{"t":8}]"#,
                (false, false),
            ),
        ] {
            let limits = JsonLimits { depth_max: 9, nodes_max: 99 };
            let doc = Doc::read(json.as_bytes(), limits).unwrap();
            let found = (is_ids(doc.root(), false), is_ids(doc.root(), true));
            assert_eq!(found, want, "{name}");
            let within = format!(r#"{{"a":[null,{{"b":{json}}}]}}"#);
            let doc = Doc::read(within.as_bytes(), limits).unwrap();
            assert_eq!(holds_ids(doc.root()), want.0, "{name}, in other things");
        }
    }
}
