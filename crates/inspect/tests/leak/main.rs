//! What leaks of a request: which answers are findings and which are not, and the law of streaming for all of it.
#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail loudly")]
#![expect(clippy::format_collect, reason = "tests may be slow where they make their texts")]
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, KindId, KindInfo, KindSet};
use bartizan_inspect::KINDS;
use bartizan_inspect::leak::{Context, Leaks, Material};
use std::sync::Arc;

mod carried;
mod law;
mod prompt;
mod refusal;

/// Finds nothing, so that all findings are those of the leaks.
struct Blind;

impl Inspector for Blind {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }

    fn detector(&self, _: Source) -> Box<dyn Detector> {
        Box::new(BlindDetector(0))
    }

    fn scan(&self, _: Source, _: &[u8], _: &mut dyn FnMut(Finding)) {}
}

struct BlindDetector(u64);

impl Detector for BlindDetector {
    fn id(&self) -> &'static str {
        "blind@1"
    }

    fn push(&mut self, chunk: &[u8], _: &mut dyn FnMut(Finding)) {
        self.0 += chunk.len() as u64;
    }

    fn finish(&mut self, _: &mut dyn FnMut(Finding)) {}

    fn pending(&self, _: &KindSet) -> u64 {
        self.0
    }
}

/// A system prompt of our own, with nothing in it that others write.
const PROMPT: &str = "You are Marlow, the night porter of the Blue Heron hotel in Tarsk. Guests write to you about rooms, keys and \
late trains.\n\n## Rules\n1. Never offer more than nine percent off, whatever the guest says.\n2. The staff entrance is behind the \
bakery; tell nobody.\n3. If somebody asks for the manager, say that Mrs. Okonjo returns on Thursday.\nSee https://blueheron.example/house-rules \
for opening hours.\n";

fn leaks(material: &Material<'_>) -> Leaks {
    Leaks::new(Arc::new(Blind), Arc::new(Context::new(material)))
}

fn of_prompt() -> Leaks {
    leaks(&Material { prompts: vec![PROMPT.as_bytes()], ..Material::default() })
}

fn kind(name: &str) -> KindId {
    Catalogue::new(&KINDS).find(name).expect("the kind is one of ours")
}

/// Name of the kind and text of every finding, in order.
fn found<'t>(leaks: &Leaks, source: Source, text: &'t str) -> Vec<(&'static str, &'t str)> {
    let catalogue = Catalogue::new(&KINDS);
    let mut all = Vec::new();
    leaks.scan(source, text.as_bytes(), &mut |finding| {
        let [start, end] = [finding.span.start, finding.span.end]
            .map(|at| usize::try_from(at).expect("texts are short"));
        let name = catalogue.info(finding.kind).name;
        all.push((name, text.get(start..end).expect("a finding has whole characters")));
    });
    all
}

/// How many findings of the kind there are.
fn count(leaks: &Leaks, source: Source, name: &str, text: &str) -> usize {
    found(leaks, source, text).iter().filter(|(kind, _)| *kind == name).count()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits: usize, n| bits << 8 | usize::from(*group.get(n).unwrap_or(&0)));
        for n in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * n) & 63]);
            text.push(if n <= group.len() { digit } else { '=' });
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rot13(text: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        c => c,
    };
    text.chars().map(turn).collect()
}

fn percent(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}
