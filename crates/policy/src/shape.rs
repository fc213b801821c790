//! How large, how nested and how deep a policy may be, and a stack that is known to hold it.
//!
//! Cedar's parser overflows the stack on deep nesting. Its validator lets a policy pass, and its evaluator reports an
//! error, when little stack is left: what they answer would depend on the thread that asks. So depth has a limit here, and
//! Cedar always runs on a stack that is large enough for it.
use crate::error::{Place, PolicyError};
use cedar_policy_core::ast::{Expr, ExprKind};

/// Most bytes of one policy text.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

/// Most bytes of one policy, up to its semicolon.
pub const POLICY_BYTES_MAX: usize = 16 << 10;

/// Most brackets and `if`s of one policy that may be open at once.
pub const NESTING_MAX: usize = 32;

/// Most operators on the way from a policy's outermost one to its innermost one.
pub const DEPTH_MAX: usize = 128;

/// Bytes of stack that Cedar gets. A debug build needs about a tenth of it for the deepest policy; most of it is never touched.
const STACK_BYTES: usize = 64 << 20;

/// A way out of too much depth.
pub(crate) const SHALLOWER: &str =
    "write several policies, or a set: `[\"a\", \"b\"].contains(context.route)`";

/// Runs `work` on a fresh stack of [`STACK_BYTES`], however little the caller has left.
pub(crate) fn on_known_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, work)
}

/// Refuses a text that is too long or too nested, before a parser that recurses sees it, and one that misleads the reader.
pub(crate) fn check_shape(file: &str, text: &str) -> Result<(), PolicyError> {
    let wrong = |start, message, help: &str| {
        Err(PolicyError::at(file, text, Place { start, len: 1 }, message).help(help))
    };
    if text.len() > TEXT_BYTES_MAX {
        let message =
            format!("the text has {} bytes, at most {TEXT_BYTES_MAX} are read", text.len());
        return wrong(0, message, "split it into several files");
    }
    if let Some((start, mark)) = text.char_indices().find(|(_, c)| turns_text(*c)) {
        let message = format!("U+{:04X} makes a text look like another one", u32::from(mark));
        return wrong(start, message, "delete it; nobody can see it");
    }
    let (mut open, mut start) = (0_usize, 0);
    for (at, token) in Tokens::new(text) {
        if at - start > POLICY_BYTES_MAX {
            let message = format!("the policy is longer than {POLICY_BYTES_MAX} bytes");
            return wrong(start, message, "split it into several policies");
        }
        match token {
            Token::Open | Token::If => open += 1,
            Token::Close => open = open.saturating_sub(1),
            Token::End => (open, start) = (0, at + 1),
        }
        if open > NESTING_MAX {
            let message = format!("more than {NESTING_MAX} brackets and `if`s are open here");
            return wrong(at, message, SHALLOWER);
        }
    }
    if text.len() - start > POLICY_BYTES_MAX {
        let message = format!("no policy ends within {POLICY_BYTES_MAX} bytes of here");
        return wrong(start, message, "end each policy with `;`, and long comments before it");
    }
    Ok(())
}

/// Whether a character changes the order in which text is shown, so that a rule reads as what it is not.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The tokens that nest or end a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// An `if` nests without a bracket; it counts until the policy ends.
    If,
    End,
}

/// Finds the tokens that matter here with their offsets; skips comments and strings as Cedar's own lexer does.
struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Moves on while the next byte is like this.
    fn skip(&mut self, like: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&like) {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match byte {
                b'"' => self.skip_string(),
                b'/' if self.peek(1) == Some(b'/') => self.skip(|b| b != b'\n' && b != b'\r'),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                    self.skip(|b| b.is_ascii_alphanumeric() || b == b'_');
                    if self.bytes.get(start..self.at) == Some(b"if") {
                        return Some((start, Token::If));
                    }
                }
                _ => {
                    self.at += 1;
                    let token = match byte {
                        b'(' | b'[' | b'{' => Token::Open,
                        b')' | b']' | b'}' => Token::Close,
                        b';' => Token::End,
                        _ => continue,
                    };
                    return Some((start, token));
                }
            }
        }
        None
    }
}

/// How many operators deep an expression is. It does not recurse, because the answer may be "too deep".
pub(crate) fn depth(expression: &Expr) -> usize {
    let mut deepest = 0;
    let mut waiting = vec![(expression, 1)];
    while let Some((expression, depth)) = waiting.pop() {
        deepest = deepest.max(depth);
        let mut wait = |child| waiting.push((child, depth + 1));
        match expression.expr_kind() {
            ExprKind::If { test_expr, then_expr, else_expr } => {
                wait(test_expr);
                wait(then_expr);
                wait(else_expr);
            }
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                wait(left);
                wait(right);
            }
            ExprKind::BinaryApp { arg1, arg2, .. } => {
                wait(arg1);
                wait(arg2);
            }
            ExprKind::UnaryApp { arg, .. } => wait(arg),
            ExprKind::ExtensionFunctionApp { args, .. } => args.iter().for_each(wait),
            ExprKind::GetAttr { expr, .. }
            | ExprKind::HasAttr { expr, .. }
            | ExprKind::ExtHasAttr { expr, .. }
            | ExprKind::Like { expr, .. }
            | ExprKind::Is { expr, .. } => wait(expr),
            ExprKind::Set(members) => members.iter().for_each(wait),
            ExprKind::Record(fields) => fields.values().for_each(wait),
            ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_seen_where_they_count() {
        let cases = [
            ("nothing", "", ""),
            ("brackets", "([{}])", "oooccc"),
            ("an end", "a;b", "e"),
            ("in a string", r#""([{;" ("#, "o"),
            ("behind an escaped quote", r#""\"(" ("#, "o"),
            ("behind an escaped backslash", r#""\\" ("#, "o"),
            ("in a string without an end", "\"(((;", ""),
            ("at an escape without an end", "\"\\", ""),
            ("in a comment", "// (((;\n(", "o"),
            ("a comment ends at a carriage return", "// (\r(", "o"),
            ("no comment in a string", "\"//\"(", "o"),
            ("one slash", "/(", "o"),
            ("if", "if iff _if if_ If 1if (if)", "iioic"),
            ("beside other letters", "é(\u{1F600})", "oc"),
        ];
        for (name, text, want) in cases {
            let letter = |(_, token)| match token {
                Token::Open => 'o',
                Token::Close => 'c',
                Token::If => 'i',
                Token::End => 'e',
            };
            assert_eq!(Tokens::new(text).map(letter).collect::<String>(), want, "{name}");
        }
    }
}
