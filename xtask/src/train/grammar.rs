//! A small language for texts: `[name]` begins a block with one form per line, `@name a | b` is a list, `{name}` takes one of them.
//!
//! The same seed and the same file give the same texts on every machine.
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

/// How deep names may lead to names.
const DEPTH_MAX: usize = 12;

/// Numbers that look random and are the same on every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence for this purpose.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
        for byte in purpose.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(state)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`; 0 for 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        usize::try_from(self.next().checked_rem(n).unwrap_or(0)).unwrap_or(0)
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        of.get(self.below(of.len()))
    }
}

/// Forms by name.
#[derive(Debug)]
pub(crate) struct Grammar {
    forms: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Grammar {
    /// Reads a grammar.
    pub(crate) fn parse(text: &'static str) -> Result<Self> {
        let mut forms: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
        let mut block = None;
        for line in text.lines() {
            if let Some(list) = line.strip_prefix('@') {
                let (name, rest) = list.split_once(' ').context("a list without forms")?;
                forms.entry(name).or_default().extend(rest.split(" | ").map(str::trim));
            } else if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .filter(|name| is_name(name))
            {
                block = Some(name);
            } else if !line.is_empty() && !line.starts_with("%% ") {
                let name = block.context("a form outside of a block")?;
                forms.entry(name).or_default().push(line);
            }
        }
        Ok(Self { forms })
    }

    /// A text of a name.
    pub(crate) fn text(&self, name: &str, random: &mut Random) -> Result<String> {
        let mut text = String::new();
        self.expand(name, random, 0, &mut text)?;
        Ok(text.trim().to_owned())
    }

    fn expand(
        &self,
        name: &str,
        random: &mut Random,
        depth: usize,
        text: &mut String,
    ) -> Result<()> {
        if depth > DEPTH_MAX {
            bail!("{name} leads to itself");
        }
        let forms = self.forms.get(name).with_context(|| format!("nothing is named {name}"))?;
        let mut rest = random.pick(forms).copied().unwrap_or_default();
        while let Some((before, after)) = rest.split_once('{') {
            push(before, text);
            match after.split_once('}') {
                Some((inner, after)) if is_name(inner) && self.forms.contains_key(inner) => {
                    self.expand(inner, random, depth + 1, text)?;
                    rest = after;
                }
                _ => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        push(rest, text);
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Appends a literal piece, in which `\n` and `\t` are what they stand for.
fn push(piece: &str, text: &mut String) {
    text.push_str(&piece.replace("\\n", "\n").replace("\\t", "\t"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_text() {
        let grammar = Grammar::parse("%% note\n@a x | y\n[b]\n{a}-{a}{q}\\n[no]\n").unwrap();
        let one = grammar.text("b", &mut Random::new(1, "b")).unwrap();
        assert_eq!(one, grammar.text("b", &mut Random::new(1, "b")).unwrap());
        assert!(one.ends_with("{q}\n[no]"), "{one}");
        assert!(grammar.text("c", &mut Random::new(1, "c")).is_err());
        let circle = Grammar::parse("[a]\n{a}\n").unwrap();
        assert!(circle.text("a", &mut Random::new(1, "a")).is_err());
    }
}
