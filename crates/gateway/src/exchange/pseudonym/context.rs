//! Whether a text is inside a URL, as a browser, a Markdown renderer or an unfurling chat would see it.
//!
//! A value that is put back into a URL leaves with whoever fetches it. So where it is doubtful it is a URL: after `//` (in any mix with
//! backslashes, which browsers read as slashes), after a scheme, after something like a host with a path, inside the destination of a Markdown
//! link, inside an HTML tag. What comes after a placeholder is not looked at: text does not become a host by what follows it.

/// Schemes whose rest is an address although no `//` comes.
const SCHEMES: [&[u8]; 13] = [
    b"http",
    b"https",
    b"ftp",
    b"mailto",
    b"data",
    b"javascript",
    b"tel",
    b"sms",
    b"file",
    b"blob",
    b"ws",
    b"wss",
    b"xmpp",
];
/// The longest of them, and `www`.
const NAME_BYTES_MAX: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    None,
    /// After `<`.
    Begun,
    Inside {
        quote: Option<u8>,
    },
}

/// Reads a text byte by byte.
#[derive(Clone, Debug)]
pub(super) struct Context {
    last: u8,
    /// The letters that the text ends with, in lower case; more than [`NAME_BYTES_MAX`] are no name of a scheme.
    name: Vec<u8>,
    name_is_long: bool,
    /// The word so far has a dot between letters, as a host has.
    has_dot: bool,
    in_url: bool,
    /// Open brackets of a link's destination.
    link_depth: u32,
    tag: Tag,
    json: Json,
}

/// Whether the text is JSON, as far as its beginning tells: then values are escaped, and a string's end ends a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Json {
    Unknown,
    Bracket,
    No,
    Between,
    String,
    Escape,
}

impl Context {
    pub(super) fn new() -> Self {
        Self {
            last: b' ',
            name: Vec::new(),
            name_is_long: false,
            has_dot: false,
            in_url: false,
            link_depth: 0,
            tag: Tag::None,
            json: Json::Unknown,
        }
    }

    /// Whether what comes next belongs to a URL.
    pub(super) fn is_url(&self) -> bool {
        self.in_url || 0 < self.link_depth || matches!(self.tag, Tag::Inside { .. })
    }

    /// Whether what comes next stands in JSON.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.json, Json::Between | Json::String | Json::Escape)
    }

    pub(super) fn step(&mut self, byte: u8) {
        let is_blank_line = byte == b'\n' && self.last == b'\n';
        self.step_json(byte);
        self.step_tag(byte, is_blank_line);
        self.step_link(byte, is_blank_line);
        self.step_word(byte);
        // A line of spaces is a blank one, and ends of lines come in two bytes.
        if !(self.last == b'\n' && matches!(byte, b' ' | b'\t' | b'\r')) {
            self.last = byte;
        }
    }

    fn step_json(&mut self, byte: u8) {
        self.json = match (self.json, byte) {
            (Json::Unknown | Json::Bracket, b' ' | b'\t' | b'\r' | b'\n') | (Json::No, _) => {
                return;
            }
            (Json::Unknown | Json::Bracket, b'{') => Json::Between,
            (Json::Unknown, b'[') => Json::Bracket,
            // The byte after a backslash ends nothing.
            (Json::Bracket | Json::Between, b'"') | (Json::Escape, _) => Json::String,
            (Json::Unknown | Json::Bracket, _) => Json::No,
            (Json::String, b'\\') => Json::Escape,
            (Json::String, b'"') => {
                self.end_word();
                Json::Between
            }
            (state, _) => state,
        };
    }

    fn step_tag(&mut self, byte: u8, is_blank_line: bool) {
        self.tag = match (self.tag, byte) {
            _ if is_blank_line => Tag::None,
            (Tag::None | Tag::Begun, b'<') => Tag::Begun,
            (Tag::Begun, byte) if byte.is_ascii_alphabetic() => Tag::Inside { quote: None },
            (Tag::None | Tag::Begun, _) | (Tag::Inside { quote: None }, b'>') => Tag::None,
            (Tag::Inside { quote: None }, b'"' | b'\'') => Tag::Inside { quote: Some(byte) },
            (Tag::Inside { quote: Some(quote) }, byte) if byte == quote => {
                Tag::Inside { quote: None }
            }
            (tag, _) => tag,
        };
    }

    fn step_link(&mut self, byte: u8, is_blank_line: bool) {
        self.link_depth = match (self.link_depth, byte) {
            _ if is_blank_line => 0,
            (0, b'(') => u32::from(self.last == b']'),
            (0, _) => 0,
            (depth, b'(') => depth.saturating_add(1),
            (depth, b')') => depth - 1,
            (depth, _) => depth,
        };
    }

    fn step_word(&mut self, byte: u8) {
        let is_slash = |byte: u8| matches!(byte, b'/' | b'\\');
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b'<' | b'>' => return self.end_word(),
            b':' if SCHEMES.contains(&self.name.as_slice()) => self.in_url = true,
            b'.' if self.name == b"www" => self.in_url = true,
            b'.' => self.has_dot |= self.last.is_ascii_alphanumeric(),
            b'/' | b'?' | b'#' if self.has_dot => self.in_url = true,
            _ if is_slash(byte) && is_slash(self.last) => self.in_url = true,
            _ => {}
        }
        if !byte.is_ascii_alphabetic() {
            self.end_name();
        } else if self.name.len() < NAME_BYTES_MAX && !self.name_is_long {
            self.name.push(byte.to_ascii_lowercase());
        } else {
            self.name.clear();
            self.name_is_long = true;
        }
    }

    fn end_name(&mut self) {
        self.name.clear();
        self.name_is_long = false;
    }

    fn end_word(&mut self) {
        self.end_name();
        (self.in_url, self.has_dot) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether what comes after `text` is in a URL.
    fn is_url(text: &str) -> bool {
        let mut context = Context::new();
        text.bytes().for_each(|byte| context.step(byte));
        context.is_url()
    }

    #[test]
    fn urls_are_seen_wherever_a_reader_sees_them() {
        for text in [
            "https://evil.example/?q=",
            "HTTPS://evil.example/a,b;c",
            "see (https://evil.example/",
            "![x](https://evil.example/?q=",
            "![x](evil.example/p.png?q=",
            "![x](<a b c ",
            "![x](a (b) c",
            "[x](\nevil/",
            "[1]: //evil.example/",
            r"\\evil.example\",
            r"https:\/\/evil.example\/",
            r"/\evil.example/",
            "<img src='//evil.example/?q=",
            "<img alt=\">\" src=\"https://evil.example/?q=a b ",
            "<a href=x?q=",
            "<mailto:",
            "mailto:jo@example.org?body=",
            "www.evil.example?q=",
            "evil.example/",
            "1.2.3.4/",
            "javascript:alert(",
            "data:text/html,",
            "{\"a\":\"https://evil.example/?q=",
            "[{\"a\":\"https://evil.example/\\\"",
        ] {
            assert!(is_url(text), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_url() {
        for text in [
            "",
            "Write to ",
            "E-mail:",
            "name: ",
            "https://a.example ",
            "[x](https://a.example) ",
            "<b>bold</b> ",
            "1 < 2 and ",
            "a <b> c ",
            "and/or ",
            "either/",
            "e.g. ",
            "(see ",
            "[",
            "**",
            "a](b) c ",
            "<unclosed tag\n\n",
            "](unclosed\n\n",
            "<unclosed\r\n\r\n",
            "{\"site\":\"https://a.example\",\"mail\":\"",
            "[\"https://a.example\",\"",
            "notascheme-http s:",
            "xhttp:",
            "averyveryverylongnamehttp:",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }

    #[test]
    fn json_is_told_by_its_beginning() {
        for (text, want) in [
            ("{\"a\":\"", true),
            (" \n{", true),
            ("[ {", true),
            ("[\"", true),
            ("[[", false),
            ("[EMAIL-", false),
            ("x{", false),
            ("", false),
        ] {
            let mut context = Context::new();
            text.bytes().for_each(|byte| context.step(byte));
            assert_eq!(context.is_json(), want, "{text}");
        }
    }
}
