//! Ways of hiding a text, written without a look at how they are found.

/// A way of hiding a text, and whether it hides what is said in words only.
#[derive(Debug)]
pub(crate) struct Transform {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&str) -> String,
    pub(crate) words_only: bool,
}

const fn all(name: &'static str, apply: fn(&str) -> String) -> Transform {
    Transform { name, apply, words_only: false }
}

const fn words(name: &'static str, apply: fn(&str) -> String) -> Transform {
    Transform { name, apply, words_only: true }
}

/// Every transformation of the lattice.
pub(crate) static TRANSFORMS: &[Transform] = &[
    all("full-width", full_width),
    all("mathematical", mathematical),
    words("circled", circled),
    all("look-alikes", look_alikes),
    all("one look-alike", one_look_alike),
    all("zero-width", |text| between(text, "\u{200b}")),
    all("soft hyphens", |text| between(text, "\u{ad}")),
    all("joiners", |text| between(text, "\u{2060}")),
    all("struck through", |text| between(text, "\u{336}")),
    all("tags", |text| {
        text.chars().map(|c| char::from_u32(0xe0000 + (u32::from(c) & 0x7f)).unwrap_or(c)).collect()
    }),
    all("HTML decimal", |text| each(text, |c| format!("&#{};", u32::from(c)))),
    all("HTML hexadecimal", |text| each(text, |c| format!("&#x{:X};", u32::from(c)))),
    all("HTML, some", |text| some(text, |c| format!("&#{};", u32::from(c)))),
    all("URL", |text| each_byte(text, |b| format!("%{b:02X}"))),
    all("URL, some", |text| {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02x}")
                }
            })
            .collect()
    }),
    all("URL twice", |text| each_byte(text, |b| format!("%25{b:02X}"))),
    all("JSON", |text| {
        let units: Vec<String> = text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect();
        units.concat()
    }),
    all("JSON, some", |text| some(text, |c| format!("\\u{:04x}", u32::from(c)))),
    all("C", |text| each_byte(text, |b| format!("\\x{b:02x}"))),
    all("braces", |text| each(text, |c| format!("\\u{{{:x}}}", u32::from(c)))),
    all("octal", |text| each_byte(text, |b| format!("\\{b:03o}"))),
    all("quoted-printable", |text| each_byte(text, |b| format!("={b:02X}"))),
    all("base64", |text| base64(text.as_bytes(), STANDARD, true)),
    all("base64 for URLs", |text| base64(text.as_bytes(), URL, false)),
    all("base64 in lines", |text| lines(&base64(text.as_bytes(), STANDARD, true), 76, "\r\n")),
    all("base64 in short lines", |text| lines(&base64(text.as_bytes(), STANDARD, true), 20, "\n")),
    all("base64 of UTF-16", |text| {
        base64(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), STANDARD, true)
    }),
    all("base64 twice", |text| {
        base64(base64(text.as_bytes(), STANDARD, true).as_bytes(), STANDARD, true)
    }),
    all("base64 in a path", |text| format!("/api/v1/{}", base64(text.as_bytes(), URL, false))),
    all("base32", |text| base32(text.as_bytes())),
    all("hexadecimal", |text| each_byte(text, |b| format!("{b:02x}"))),
    all("hexadecimal, capitals", |text| each_byte(text, |b| format!("{b:02X}"))),
    all("hexadecimal, spaced", |text| each_byte(text, |b| format!("{b:02x} "))),
    all("hexadecimal, 0x", |text| each_byte(text, |b| format!("0x{b:02x}, "))),
    all("hexadecimal in JSON", |text| {
        each(&each_byte(text, |b| format!("{b:02x}")), |c| format!("\\u{:04x}", u32::from(c)))
    }),
    all("rot13", |text| text.chars().map(rot13).collect()),
    all("atbash", |text| text.chars().map(atbash).collect()),
    words("leet", leet),
    all("spaced", |text| apart(text, " ")),
    words("dotted", |text| apart(text, ".")),
    words("hyphens", |text| apart(text, "-")),
    words("underscores", |text| apart(text, "_")),
    words("on lines", |text| apart(text, "\n")),
    words("spaced alike", |text| between(&text.replace(' ', ""), " ")),
    all("reversed", |text| text.chars().rev().collect()),
    all("reversed words", |text| {
        text.split(' ')
            .map(|word| word.chars().rev().collect::<String>())
            .collect::<Vec<_>>()
            .join(" ")
    }),
];

fn each(text: &str, written: impl Fn(char) -> String) -> String {
    text.chars().map(written).collect()
}

fn each_byte(text: &str, written: impl Fn(u8) -> String) -> String {
    text.bytes().map(written).collect()
}

/// Every third character.
fn some(text: &str, written: impl Fn(char) -> String) -> String {
    text.chars()
        .enumerate()
        .map(|(n, c)| if n % 3 == 1 { written(c) } else { c.to_string() })
        .collect()
}

fn between(text: &str, what: &str) -> String {
    let characters: Vec<String> = text.chars().map(String::from).collect();
    characters.join(what)
}

/// Characters apart, and words further apart.
fn apart(text: &str, what: &str) -> String {
    let words: Vec<String> = text.split(' ').map(|word| between(word, what)).collect();
    words.join(if what == " " { "   " } else { " " })
}

fn shifted(c: char, first: char, last: char, to: u32) -> Option<char> {
    (first..=last)
        .contains(&c)
        .then(|| char::from_u32(u32::from(c) - u32::from(first) + to))
        .flatten()
}

fn full_width(text: &str) -> String {
    text.chars().map(|c| shifted(c, '!', '~', 0xff01).unwrap_or(c)).collect()
}

fn mathematical(text: &str) -> String {
    let of = |c| {
        shifted(c, 'A', 'Z', 0x1d400)
            .or(shifted(c, 'a', 'z', 0x1d41a))
            .or(shifted(c, '0', '9', 0x1d7ce))
    };
    text.chars().map(|c| of(c).unwrap_or(c)).collect()
}

fn circled(text: &str) -> String {
    text.chars()
        .map(|c| shifted(c, 'A', 'Z', 0x24b6).or(shifted(c, 'a', 'z', 0x24d0)).unwrap_or(c))
        .collect()
}

fn look_alike(c: char) -> char {
    match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        'A' => 'А',
        'B' => 'В',
        'E' => 'Е',
        'I' => 'І',
        'K' => 'К',
        'M' => 'М',
        'O' => 'О',
        'T' => 'Т',
        other => other,
    }
}

fn look_alikes(text: &str) -> String {
    text.chars().map(look_alike).collect()
}

fn one_look_alike(text: &str) -> String {
    let at = text.chars().position(|c| look_alike(c) != c && c.is_lowercase());
    text.chars().enumerate().map(|(n, c)| if Some(n) == at { look_alike(c) } else { c }).collect()
}

fn rot13(c: char) -> char {
    let turn = |first: char| {
        char::from_u32((u32::from(c) - u32::from(first) + 13) % 26 + u32::from(first))
    };
    match c {
        'a'..='z' => turn('a').unwrap_or(c),
        'A'..='Z' => turn('A').unwrap_or(c),
        _ => c,
    }
}

fn atbash(c: char) -> char {
    let turn =
        |first: char, last: char| char::from_u32(u32::from(first) + u32::from(last) - u32::from(c));
    match c {
        'a'..='z' => turn('a', 'z').unwrap_or(c),
        'A'..='Z' => turn('A', 'Z').unwrap_or(c),
        _ => c,
    }
}

fn leet(text: &str) -> String {
    let of = |c: char| match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        _ => c,
    };
    text.chars().map(of).collect()
}

fn lines(text: &str, n: usize, end: &str) -> String {
    let parts: Vec<&str> =
        text.as_bytes().chunks(n).filter_map(|part| std::str::from_utf8(part).ok()).collect();
    parts.join(end)
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn base64(bytes: &[u8], alphabet: &[u8; 64], padded: bool) -> String {
    encode(bytes, alphabet, 6, if padded { 4 } else { 1 })
}

fn base32(bytes: &[u8]) -> String {
    encode(bytes, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8)
}

/// Characters of `n_bits` each, padded to a multiple of `unit`.
fn encode(bytes: &[u8], alphabet: &[u8], n_bits: u32, unit: usize) -> String {
    let (mut bits, mut n, mut text) = (0_u32, 0, String::new());
    let mut put = |value: u32| {
        text.push(char::from(alphabet[usize::try_from(value).unwrap_or(0) & (alphabet.len() - 1)]));
    };
    for &byte in bytes {
        bits = (bits << 8 | u32::from(byte)) & 0xffff;
        n += 8;
        while n >= n_bits {
            n -= n_bits;
            put(bits >> n);
        }
    }
    if n > 0 {
        put(bits << (n_bits - n));
    }
    while text.len() % unit != 0 {
        text.push('=');
    }
    text
}
