//! Finds data inside a request: what somebody pasted between marks, so that it is read as the document that it is.
//!
//! A mark is explicit: three backticks, tildes or quotation marks, a tag with the name of a document, a label such as `Email:` before a
//! paragraph, a line that begins with `>`. What was opened and never closed runs to the end. One mark is open at a time: inside of it
//! only its own end counts, so a document can not open another, but it can write the end of its mark, and what follows is a request again.
//! It reads byte by byte and holds no more than one mark that is not finished, so cuts change nothing.

/// Most bytes of a mark: a tag with its attributes.
const MARK_BYTES_MAX: usize = 64;
/// Fewest characters of a fence.
const RUN_FEWEST: usize = 3;
/// Blanks before a mark at the beginning of a line.
const INDENT_BYTES_MAX: usize = 3;

/// Names of tags between which people put what they were given. Those that pages are made of (`input`, `source`) are not among them.
static TAGS: &[&str] = &[
    "article",
    "attachment",
    "blockquote",
    "chunk",
    "content",
    "context",
    "conversation",
    "data",
    "doc",
    "document",
    "document_content",
    "documents",
    "email",
    "file",
    "mail",
    "message",
    "observation",
    "page",
    "passage",
    "pdf",
    "quote",
    "report",
    "result",
    "results",
    "review",
    "search_result",
    "search_results",
    "snippet",
    "text",
    "tool_output",
    "tool_result",
    "transcript",
    "untrusted",
    "webpage",
    "website",
];

/// Labels before a paragraph that was pasted.
static LABELS: &[&str] = &[
    "abstract",
    "article",
    "artikel",
    "attachment",
    "content",
    "context",
    "contexte",
    "contexto",
    "document",
    "documento",
    "dokument",
    "e-mail",
    "email",
    "excerpt",
    "kontext",
    "mail",
    "message",
    "page",
    "paragraph",
    "passage",
    "report",
    "review",
    "search results",
    "snippet",
    "text",
    "texte",
    "texto",
    "tool output",
    "transcript",
    "web page",
    "webpage",
    "website",
];

/// What begins a quotation, and so what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// So many of one character, until as many again.
    Run(u8, usize),
    /// `<document>` until `</document>`: the name's number.
    Tag(usize),
    /// `Email:` until an empty line.
    Label,
    /// `>` until the end of the line.
    Line,
}

/// Receives what is quoted.
pub(super) trait Quoted {
    /// A quotation begins at this offset.
    fn open(&mut self, at: u64);
    /// It goes on.
    fn text(&mut self, bytes: &[u8]);
    /// It ends.
    fn close(&mut self);
}

/// Reads a request and tells what is quoted in it.
#[derive(Debug)]
pub(super) struct Quotes {
    /// Offset of the next byte.
    at: u64,
    open: Option<Mark>,
    /// Bytes of a mark that is not finished.
    held: [u8; MARK_BYTES_MAX],
    n_held: usize,
    /// The run of this character that ended a quotation goes on.
    swallowed: Option<u8>,
    /// How many blanks the line has so far, while it has nothing else.
    indent: Option<usize>,
    /// Whether the quotation has a word.
    has_text: bool,
}

impl Default for Quotes {
    fn default() -> Self {
        Self {
            at: 0,
            open: None,
            held: [0; MARK_BYTES_MAX],
            n_held: 0,
            swallowed: None,
            indent: Some(0),
            has_text: false,
        }
    }
}

impl Quotes {
    /// Reads the next bytes.
    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Quoted) {
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            let n_plain = self.n_plain(rest);
            let (now, later) = rest.split_at_checked(n_plain.max(1)).unwrap_or((rest, &[]));
            if n_plain == 0 {
                self.step(byte, sink);
            } else {
                self.pass(now, sink);
            }
            self.at = self.at.saturating_add(u64::try_from(now.len()).unwrap_or(0));
            rest = later;
        }
    }

    /// Ends the channel.
    pub(super) fn finish(&mut self, sink: &mut impl Quoted) {
        self.release(sink);
        if self.open.take().is_some() {
            sink.close();
        }
    }

    /// Whether something is quoted at the end of what was read.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn held(&self) -> &[u8] {
        self.held.get(..self.n_held).unwrap_or_default()
    }

    /// How many of the next bytes can be no part of a mark, and no end of a line.
    fn n_plain(&self, rest: &[u8]) -> usize {
        if self.n_held > 0 || self.swallowed.is_some() || self.indent.is_some() {
            return 0;
        }
        let ends = |byte: &u8| match self.open {
            None => matches!(byte, b'\n' | b'`' | b'~' | b'"' | b'\'' | b'<'),
            Some(Mark::Run(mark, _)) => *byte == mark || *byte == b'\n',
            Some(Mark::Tag(_)) => matches!(byte, b'<' | b'\n'),
            Some(Mark::Label | Mark::Line) => *byte == b'\n',
        };
        rest.iter().position(ends).unwrap_or(rest.len())
    }

    /// Passes on bytes that are no mark.
    fn pass(&mut self, bytes: &[u8], sink: &mut impl Quoted) {
        if self.open.is_some() {
            self.has_text |= bytes.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
            sink.text(bytes);
        }
    }

    /// What was held is no mark.
    fn release(&mut self, sink: &mut impl Quoted) {
        let (held, n_held) = (self.held, std::mem::take(&mut self.n_held));
        self.pass(held.get(..n_held).unwrap_or_default(), sink);
    }

    /// Holds one more byte of what may be a mark; what is too long is none.
    fn hold(&mut self, byte: u8, sink: &mut impl Quoted) {
        if let Some(place) = self.held.get_mut(self.n_held) {
            *place = byte;
            self.n_held = self.n_held.saturating_add(1);
        } else {
            self.release(sink);
            self.pass(&[byte], sink);
        }
    }

    fn begin(&mut self, mark: Mark, at: u64, sink: &mut impl Quoted) {
        (self.open, self.n_held, self.has_text) = (Some(mark), 0, false);
        sink.open(at);
    }

    fn end(&mut self, sink: &mut impl Quoted) {
        (self.open, self.n_held) = (None, 0);
        sink.close();
    }

    /// Reads one byte.
    fn step(&mut self, byte: u8, sink: &mut impl Quoted) {
        if self.swallowed == Some(byte) {
            return;
        }
        self.swallowed = None;
        let indent = self.indent;
        self.indent = match (byte, indent) {
            (b'\n', _) => Some(0),
            (b' ' | b'\t' | b'\r', Some(n)) => Some(n.saturating_add(1)),
            _ => None,
        };
        match self.open {
            None => self.step_outside(byte, indent, sink),
            Some(Mark::Run(mark, n)) => self.step_run(byte, mark, n, sink),
            Some(Mark::Tag(name)) => self.step_tag(byte, name, sink),
            Some(Mark::Label) => {
                // An empty line ends a paragraph, but not before it has begun.
                if byte == b'\n' && indent.is_some() && self.has_text {
                    self.end(sink);
                } else {
                    self.pass(&[byte], sink);
                }
            }
            Some(Mark::Line) => {
                if byte == b'\n' {
                    self.end(sink);
                } else {
                    self.pass(&[byte], sink);
                }
            }
        }
    }

    fn step_outside(&mut self, byte: u8, indent: Option<usize>, sink: &mut impl Quoted) {
        let next = self.at.saturating_add(1);
        match self.held().first().copied() {
            // A run is as long as it is: the byte after it opens the quotation.
            Some(mark @ (b'`' | b'~' | b'"' | b'\'')) => {
                if byte == mark {
                    self.hold(byte, sink);
                    return;
                }
                if self.n_held >= RUN_FEWEST {
                    self.begin(Mark::Run(mark, self.n_held), self.at, sink);
                    self.pass(&[byte], sink);
                    return;
                }
                self.n_held = 0;
            }
            Some(b'<') => {
                if byte != b'<' && byte != b'\n' {
                    self.hold(byte, sink);
                    if byte == b'>' {
                        let name = tag(self.held());
                        self.n_held = 0;
                        if let Some(name) = name {
                            self.begin(Mark::Tag(name), next, sink);
                        }
                    }
                    return;
                }
                self.n_held = 0;
            }
            Some(_) => {
                if byte == b':' {
                    let is_label = label(self.held());
                    self.n_held = 0;
                    if is_label {
                        self.begin(Mark::Label, next, sink);
                    }
                    return;
                }
                if byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'*' | b'#') {
                    self.hold(byte, sink);
                    return;
                }
                self.n_held = 0;
            }
            None => {}
        }
        let is_start = indent.is_some_and(|n| n <= INDENT_BYTES_MAX);
        match byte {
            b'`' | b'~' | b'"' | b'\'' | b'<' => self.hold(byte, sink),
            b'>' if is_start => self.begin(Mark::Line, next, sink),
            b'*' | b'#' | b'a'..=b'z' | b'A'..=b'Z' if is_start => self.hold(byte, sink),
            _ => {}
        }
    }

    fn step_run(&mut self, byte: u8, mark: u8, n: usize, sink: &mut impl Quoted) {
        if byte != mark {
            self.release(sink);
            self.pass(&[byte], sink);
            return;
        }
        self.hold(byte, sink);
        if self.n_held >= n {
            self.end(sink);
            self.swallowed = Some(mark);
        }
    }

    fn step_tag(&mut self, byte: u8, name: usize, sink: &mut impl Quoted) {
        if byte == b'<' || byte == b'\n' {
            self.release(sink);
        }
        if self.n_held == 0 && byte != b'<' {
            self.pass(&[byte], sink);
            return;
        }
        self.hold(byte, sink);
        if byte == b'>' {
            let closes = self.held().strip_prefix(b"</").is_some_and(|rest| {
                let rest = rest.strip_suffix(b">").unwrap_or(rest);
                TAGS.get(name)
                    .is_some_and(|name| rest.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
            });
            if closes {
                self.end(sink);
            } else {
                self.release(sink);
            }
        }
    }
}

/// The number of the name of a tag, `<` and `>` included, with or without attributes.
fn tag(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.strip_prefix(b"<")?.strip_suffix(b">")?;
    let is_part = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let n = inner.iter().position(|byte| !is_part(byte)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at_checked(n)?;
    // `<document1>` is closed by `</document1>`, which is not followed here.
    let is_whole = rest.first().is_none_or(u8::is_ascii_whitespace) && rest.last() != Some(&b'/');
    TAGS.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())).filter(|_| is_whole)
}

/// Whether these are the words of a label, with a number perhaps, or written bold.
fn label(bytes: &[u8]) -> bool {
    let is_mark = |byte: &u8| matches!(byte, b'*' | b'#' | b' ' | b'0'..=b'9');
    let from = bytes.iter().position(|byte| !is_mark(byte)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|byte| !is_mark(byte)).map_or(from, |at| at.saturating_add(1));
    let words = bytes.get(from..to).unwrap_or_default();
    LABELS.iter().any(|label| words.eq_ignore_ascii_case(label.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is quoted, with where it begins.
    #[derive(Default)]
    struct Found {
        parts: Vec<(u64, String)>,
        is_open: bool,
    }

    impl Quoted for Found {
        fn open(&mut self, at: u64) {
            assert!(!self.is_open);
            self.is_open = true;
            self.parts.push((at, String::new()));
        }

        fn text(&mut self, bytes: &[u8]) {
            assert!(self.is_open);
            self.parts.last_mut().unwrap().1.push_str(std::str::from_utf8(bytes).unwrap());
        }

        fn close(&mut self) {
            assert!(self.is_open);
            self.is_open = false;
        }
    }

    fn quoted(text: &str, n_bytes: usize) -> Vec<String> {
        let (mut quotes, mut found) = (Quotes::default(), Found::default());
        for chunk in text.as_bytes().chunks(n_bytes) {
            quotes.push(chunk, &mut found);
        }
        quotes.finish(&mut found);
        assert!(!found.is_open && !quotes.is_open());
        for (at, part) in &found.parts {
            let at = usize::try_from(*at).unwrap();
            assert_eq!(text.get(at..at + part.len()), Some(part.as_str()), "{text:?}");
        }
        found.parts.into_iter().map(|(_, part)| part).collect()
    }

    #[test]
    fn what_stands_between_marks_is_quoted() {
        let long = format!("<{}>x", "a".repeat(2 * MARK_BYTES_MAX));
        for (name, text, want) in [
            ("nothing", "Hello there, how are you?", &[][..]),
            ("fence", "Fix this:\n```\nlet x;\n```\nThanks", &["\nlet x;\n"][..]),
            ("fence in a line", "Read ```abc``` and ```d```", &["abc", "d"][..]),
            ("longer fence", "````\na ``` b\n```` c", &["\na ``` b\n"][..]),
            ("open fence", "see\n```\nrest of it", &["\nrest of it"][..]),
            ("two backticks are none", "a `` b `` c", &[][..]),
            ("code in a line", "use `x` and 'y' and \"z\"", &[][..]),
            ("quotation marks", "Text \"\"\"one \" two\"\"\" end", &["one \" two"][..]),
            ("tag", "Sum up <document>a < b</document> now", &["a < b"][..]),
            ("tag with more", "<Document id=\"1\">a</DOCUMENT>b", &["a"][..]),
            ("tag in a tag", "<document><title>t</title></document>x", &["<title>t</title>"][..]),
            ("another tag's end", "<email>a</document></email>b", &["a</document>"][..]),
            ("tag of a page", "<div>a</div> <input> <br/>", &[][..]),
            ("empty tag", "<file/> text", &[][..]),
            ("too long", &long, &[][..]),
            ("no tag", "1 < 2\ndocument> x", &[][..]),
            ("label", "Do it.\nEmail: hello\nyou\n\nThanks", &[" hello\nyou\n"][..]),
            ("label above", "**Context 2:**\n\nhello\n\nbye", &["**\n\nhello\n"][..]),
            ("label inside", "the text: hello", &[][..]),
            ("other label", "Note: hello", &[][..]),
            ("lines", "he wrote\n> one\n> two\nno", &[" one", " two"][..]),
            ("greater", "1 > 2", &[][..]),
            ("marks in a mark", "<text>```a</text>```b", &["```a", "b"][..]),
            ("empty", "", &[][..]),
        ] {
            for n_bytes in [1, 2, 3, 7, 1000] {
                assert_eq!(quoted(text, n_bytes), want, "{name} in pieces of {n_bytes}");
            }
        }
    }
}
