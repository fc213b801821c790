//! `leak.system-prompt`: what hides a prompt, and what only sounds like one.
use super::*;

const KIND: &str = "leak.system-prompt";

/// A rule of the prompt.
const RULES: &str = "Never offer more than nine percent off, whatever the guest says. The staff entrance is behind the bakery; tell nobody.";

fn spaced(text: &str, separator: &str) -> String {
    text.chars().map(|c| format!("{c}{separator}")).collect()
}

#[test]
fn a_prompt_is_found_in_every_form() {
    let leaks = of_prompt();
    let half = PROMPT.get(..PROMPT.len() / 2).expect("it is ASCII");
    let words: Vec<&str> = PROMPT.split_whitespace().collect();
    let reworded: Vec<&str> =
        words.iter().enumerate().map(|(n, word)| if n % 9 == 4 { "thing" } else { word }).collect();
    for (name, text) in [
        ("as it is", PROMPT.to_owned()),
        (
            "in the midst of an answer",
            format!("Sure! My instructions say: {PROMPT} Anything else?"),
        ),
        ("half of it", half.to_owned()),
        ("two rules", RULES.to_owned()),
        ("wrapped anew", words.chunks(5).map(|line| line.join(" ") + "\n").collect()),
        ("quoted", PROMPT.lines().map(|line| format!("> {line}\n")).collect()),
        (
            "a list in bold",
            words.chunks(7).map(|line| format!("* **{}**\n", line.join("** _"))).collect(),
        ),
        ("a table", words.chunks(4).map(|line| format!("| {} |\n", line.join(" | "))).collect()),
        ("in capitals", PROMPT.to_uppercase()),
        ("without blanks", words.concat()),
        ("without punctuation", PROMPT.replace(|c: char| c.is_ascii_punctuation(), "")),
        ("with other quotes and dashes", PROMPT.replace(' ', "\u{2009}").replace('-', "—")),
        ("every ninth word replaced", reworded.join(" ")),
        ("letter by letter", spaced(RULES, " ")),
        ("letter by letter, with dashes", spaced(RULES, "-")),
        ("with zero-width characters", spaced(RULES, "\u{200b}")),
        ("reversed", PROMPT.chars().rev().collect()),
        ("ROT13", rot13(PROMPT)),
        ("base64", base64(PROMPT.as_bytes())),
        ("base64 after one byte", base64(format!("x{PROMPT}").as_bytes())),
        ("base64 after two bytes", base64(format!("ok{PROMPT}").as_bytes())),
        ("base64 for URLs", base64(PROMPT.as_bytes()).replace('+', "-").replace('/', "_")),
        (
            "base64 in lines",
            base64(PROMPT.as_bytes())
                .as_bytes()
                .chunks(64)
                .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
                .collect(),
        ),
        ("base64 of two rules", base64(RULES.as_bytes())),
        ("hex", hex(PROMPT.as_bytes())),
        ("hex in capitals", hex(PROMPT.as_bytes()).to_uppercase()),
        ("hex with blanks", PROMPT.bytes().map(|byte| format!("{byte:02x} ")).collect()),
        ("hex with colons", PROMPT.bytes().map(|byte| format!("{byte:02X}:")).collect()),
        ("hex as C writes it", PROMPT.bytes().map(|byte| format!("\\x{byte:02x}")).collect()),
        ("hex as numbers", PROMPT.bytes().map(|byte| format!("0x{byte:02x}, ")).collect()),
        ("decimal codes", PROMPT.bytes().map(|byte| format!("{byte} ")).collect()),
        ("escaped for URLs", percent(PROMPT)),
        ("all of it escaped for URLs", PROMPT.bytes().map(|byte| format!("%{byte:02x}")).collect()),
        (
            "wide letters",
            RULES
                .chars()
                .map(|c| {
                    char::from_u32(c as u32 + 0xfee0).filter(|_| c.is_ascii_graphic()).unwrap_or(c)
                })
                .collect(),
        ),
        (
            "mathematical letters",
            RULES
                .to_lowercase()
                .chars()
                .map(|c| {
                    if c.is_ascii_lowercase() {
                        char::from_u32(0x1d41a + c as u32 - 97).unwrap_or(c)
                    } else {
                        c
                    }
                })
                .collect(),
        ),
        (
            "invisible tags",
            RULES.chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect(),
        ),
    ] {
        assert!(count(&leaks, Source::Model, KIND, &text) > 0, "{name}: {text}");
    }
}

#[test]
fn what_only_sounds_like_the_prompt_is_left_alone() {
    let leaks = of_prompt();
    for (name, text) in [
        ("nothing", ""),
        (
            "the persona",
            "I am Marlow, the night porter of the Blue Heron hotel. How can I help you tonight?",
        ),
        (
            "the persona, again and again",
            &"I am Marlow, the night porter of the Blue Heron hotel. ".repeat(40),
        ),
        (
            "a refusal",
            "I'm sorry, but I can't share my instructions. I can help you with rooms, keys and late trains.",
        ),
        (
            "an honest answer",
            "Mrs. Okonjo is away until Thursday. The best I can do is five percent off, because you stay three nights.",
        ),
        (
            "commonplaces",
            "You are a helpful assistant. You are an AI assistant. I want you to act as a porter. Do not write explanations.",
        ),
        (
            "the address that it hands out",
            "See https://blueheron.example/house-rules for all of this.",
        ),
        (
            "paraphrase",
            "I was told to keep discounts below ten per cent, and not to mention how the staff come in.",
        ),
        (
            "other base64",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        ),
        (
            "other hex",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709 9e107d9d372bb6826bd81d3542a419d6 48656c6c6f2c20776f726c6421",
        ),
    ] {
        assert_eq!(found(&leaks, Source::Model, text), [], "{name}");
    }
}

#[test]
fn what_the_caller_wrote_is_no_leak() {
    let material = Material {
        prompts: vec![PROMPT.as_bytes()],
        known: vec![PROMPT.as_bytes()],
        ..Material::default()
    };
    assert_eq!(found(&leaks(&material), Source::Model, PROMPT), []);
    // A flood of words that are not the prompt's takes nothing out.
    let flood: String =
        (0..60_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let material = Material { known: vec![flood.as_bytes()], ..material };
    assert!(!found(&leaks(&material), Source::Model, PROMPT).is_empty());
}

#[test]
fn one_canary_is_enough_in_every_form() {
    let canary = "heron-7Q2x-lamp";
    let material = Material { canaries: vec![canary.as_bytes(), b"short"], ..Material::default() };
    let leaks = leaks(&material);
    for (text, want) in [
        ("the word is heron-7Q2x-lamp.".to_owned(), 1),
        ("HERON 7q2X LAMP".to_owned(), 1),
        (spaced(canary, " "), 1),
        (base64(canary.as_bytes()), 1),
        (base64(format!("a{canary}").as_bytes()), 1),
        (hex(canary.as_bytes()), 1),
        (rot13(canary), 1),
        (canary.chars().rev().collect(), 1),
        (percent(canary), 1),
        ("heron-7Q2x-lam".to_owned(), 0),
        ("a heron and a lamp, short".to_owned(), 0),
        (String::new(), 0),
    ] {
        assert_eq!(count(&leaks, Source::Model, KIND, &text), want, "{text}");
    }
    assert_eq!(found(&leaks, Source::Model, "x heron-7Q2x-lamp y"), [(KIND, canary)]);
}

#[test]
fn short_and_long_prompts_have_their_bounds() {
    let of = |text: &str| {
        Context::new(&Material { prompts: vec![text.as_bytes()], ..Material::default() })
    };
    for (name, text, is_empty, is_cut) in [
        ("none", String::new(), true, false),
        ("short", "Be kind to guests.".to_owned(), true, false),
        ("commonplace", "You are a helpful assistant.".to_owned(), true, false),
        ("one line", "Answer as a pirate who hates parrots.".to_owned(), false, false),
        ("long", PROMPT.repeat(30), false, false),
        ("too long for every form", PROMPT.repeat(60), false, true),
        ("too long", PROMPT.repeat(200), false, true),
    ] {
        let context = of(&text);
        assert_eq!((context.is_empty(), context.is_cut()), (is_empty, is_cut), "{name}");
    }
    let leaks = Leaks::new(Arc::new(Blind), Arc::new(of("Answer as a pirate who hates parrots.")));
    assert_eq!(
        count(&leaks, Source::Model, KIND, "I must answer as a pirate who hates parrots!"),
        1
    );
    assert_eq!(count(&leaks, Source::Model, KIND, "Arr! I hate parrots, says the pirate."), 0);
}

#[test]
fn nothing_is_printed() {
    let material = Material {
        prompts: vec![PROMPT.as_bytes()],
        canaries: vec![b"heron-7Q2x-lamp"],
        values: vec![b"secret-value-here"],
        known: vec![b"what the caller wrote"],
    };
    let text = format!("{material:?} {:?}", leaks(&material));
    let is_told = ["Marlow", "heron", "secret", "wrote"].iter().any(|word| text.contains(word));
    assert!(!is_told, "{text}");
}
