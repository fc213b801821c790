//! Just enough of Rust's grammar to count functions and find words, without being fooled by strings and comments.

/// A source file, taken apart. Both parts keep every line where it was.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Without comments and without the insides of strings and characters.
    pub(crate) code: String,
    /// Only the comments.
    pub(crate) comments: String,
}

/// A word or a single sign, and its line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// What the characters from here on belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Takes a source file apart.
pub(crate) fn split(text: &str) -> Source {
    let chars: Vec<char> = text.chars().collect();
    let mut source = Source::default();
    let mut at = 0;
    while at < chars.len() {
        let (part, end) = piece(&chars, at);
        for &c in chars.get(at..end.min(chars.len())).unwrap_or_default() {
            let blank = if c == '\n' { '\n' } else { ' ' };
            source.code.push(if part == Part::Code { c } else { blank });
            source.comments.push(if part == Part::Comment { c } else { blank });
        }
        at = end;
    }
    source
}

/// Which part starts at `at`, and where it ends (always behind `at`).
fn piece(chars: &[char], at: usize) -> (Part, usize) {
    let see = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match see(0) {
        '/' if see(1) == '/' => (Part::Comment, find(chars, at, |c| c == '\n')),
        '/' if see(1) == '*' => (Part::Comment, block_comment_end(chars, at)),
        '"' => (Part::Literal, quoted_end(chars, at, '"')),
        '\'' if see(1) == '\\' || see(2) == '\'' => (Part::Literal, quoted_end(chars, at, '\'')),
        '_' | 'a'..='z' | 'A'..='Z' => {
            let end = find(chars, at, |c| !is_word(c));
            let word: String = chars.get(at..end).unwrap_or_default().iter().collect();
            match raw_string_end(chars, end) {
                Some(end) if ["r", "br", "cr"].contains(&word.as_str()) => (Part::Literal, end),
                _ => (Part::Code, end),
            }
        }
        _ => (Part::Code, at + 1),
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    chars.iter().skip(from).position(|&c| stop(c)).map_or(chars.len(), |n| from + n)
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0_usize, at);
    while i < chars.len() {
        match chars.get(i..i + 2) {
            Some(['/', '*']) => (depth, i) = (depth + 1, i + 2),
            Some(['*', '/']) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut i = at + 1;
    while let Some(&c) = chars.get(i) {
        i += if c == '\\' { 2 } else { 1 };
        if c == quote {
            return i;
        }
    }
    chars.len()
}

/// The end of a raw string whose `#"` start at `at`, if they do.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let open = find(chars, at, |c| c != '#');
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let hashes = vec!['#'; open - at];
    let mut i = open + 1;
    while i < chars.len() {
        let is_end = chars.get(i) == Some(&'"')
            && chars.get(i + 1..=i + hashes.len()).is_some_and(|end| end == hashes.as_slice());
        if is_end {
            return Some(i + 1 + hashes.len());
        }
        i += 1;
    }
    Some(chars.len())
}

/// The tokens of code that [`split`] returned.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match rest.find(|c| !is_word(c)) {
                Some(0) => first.len_utf8(),
                Some(length) => length,
                None => rest.len(),
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text, line: index + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}

/// The tokens without the items marked `#[cfg(test)]`.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        let here = tokens.iter().skip(at).map(|t| t.text).take(MARK.len());
        if here.eq(MARK) {
            at = item_end(tokens, at + MARK.len());
        } else {
            kept.push(token);
            at += 1;
        }
    }
    kept
}

/// Where the item that starts at `at` ends: behind its `;` or its closing brace.
fn item_end(tokens: &[Token<'_>], at: usize) -> usize {
    let (mut depth, mut nested) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "(" | "[" => nested += 1,
            ")" | "]" => nested = nested.saturating_sub(1),
            ";" if depth == 0 && nested == 0 => return index + 1,
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Every function that has a body.
pub(crate) fn functions(tokens: &[Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        if keyword.text != "fn" || !name.text.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            continue;
        }
        let last = item_end(tokens, index).checked_sub(1).and_then(|last| tokens.get(last));
        if let Some(last) = last.filter(|last| last.text == "}") {
            found.push(Function {
                name: name.text.to_owned(),
                line: keyword.line,
                lines: last.line - keyword.line + 1,
            });
        }
    }
    found
}

/// The modules that are declared in files of their own, as paths from this file: `["tests"]`, `["inline", "inner"]`.
pub(crate) fn modules(tokens: &[Token<'_>]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|(_, opened_at)| *opened_at < depth + 1);
            }
            "mod" => {
                let name = tokens.get(index + 1).map_or("", |t| t.text).to_owned();
                match tokens.get(index + 2).map(|t| t.text) {
                    Some("{") => inline.push((name, depth + 1)),
                    Some(";") => {
                        let above = inline.iter().map(|(name, _)| name.clone());
                        found.push(above.chain([name]).collect());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found
}

/// The fields of every struct whose name ends so: (struct, field).
pub(crate) fn fields(tokens: &[Token<'_>], struct_end: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(3).enumerate() {
        let [keyword, name, brace] = pair else { continue };
        if keyword.text != "struct" || !name.text.ends_with(struct_end) || brace.text != "{" {
            continue;
        }
        let body = tokens.get(index + 3..item_end(tokens, index)).unwrap_or_default();
        for (at, colon) in body.iter().enumerate().filter(|(_, t)| t.text == ":") {
            let before = at.checked_sub(1).and_then(|at| body.get(at)).map(|t| t.text);
            let after = body.get(at + 1).map(|t| t.text);
            let is_path = after == Some(":") || before == Some(":");
            if let Some(field) = before.filter(|_| !is_path && colon.text == ":") {
                found.push((name.text.to_owned(), field.to_owned()));
            }
        }
    }
    found
}

#[test]
fn strings_and_comments_are_not_code() {
    let cases = [
        ("line comment", "a // fn b\nc", "a c"),
        ("nested comment", "a /* x /* y */ z */ b", "a b"),
        ("string", r#"a "fn \" x" b"#, "a b"),
        ("raw string", "a r#\"x \" y\"# b", "a b"),
        ("raw without hashes", "a r\"x\\\" b", "a b"),
        ("byte string", r#"b"{" a"#, "b a"),
        ("quote character", r"'\'' a '{' b", "a b"),
        ("lifetime", "&'a str", "& ' a str"),
        ("raw identifier", "r#fn a", "r # fn a"),
        ("comment in a string", "\"//\" a", "a"),
    ];
    for (name, text, want) in cases {
        let code = split(text).code;
        let got: Vec<_> = tokens(&code).iter().map(|t| t.text).collect();
        assert_eq!(got.join(" "), want, "{name}");
        assert_eq!(code.lines().count(), text.lines().count(), "{name}");
    }
    assert_eq!(split("a // b").comments.trim(), "// b");
}

#[test]
fn functions_are_measured_from_their_keyword_to_their_brace() {
    let text = "fn a() {\n}\ntrait T { fn b(x: [u8; 4]); fn c() -> fn() { { } } }\n#[cfg(test)]\nmod tests {\n fn d() {}\n}\nfn e() {}";
    let source = split(text);
    let all = tokens(&source.code);
    let names = |tokens: &[Token<'_>]| -> Vec<(String, usize)> {
        functions(tokens).into_iter().map(|f| (f.name, f.lines)).collect()
    };
    let want = |list: &[(&str, usize)]| -> Vec<(String, usize)> {
        list.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect()
    };
    assert_eq!(names(&all), want(&[("a", 2), ("c", 1), ("d", 1), ("e", 1)]));
    assert_eq!(names(&without_tests(&all)), want(&[("a", 2), ("c", 1), ("e", 1)]));
}

#[test]
fn modules_and_fields_are_found() {
    let source =
        split("mod a; pub mod b { mod c; } mod d; struct ALimits { x_max: u64, y: std::x::Y }");
    let tokens = tokens(&source.code);
    let paths: Vec<String> = modules(&tokens).iter().map(|path| path.join("/")).collect();
    assert_eq!(paths, ["a", "b/c", "d"]);
    let names: Vec<_> = fields(&tokens, "Limits").into_iter().map(|(_, field)| field).collect();
    assert_eq!(names, ["x_max", "y"]);
}
