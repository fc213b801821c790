//! What a request tells, gathered for those who see to it that the answer does not give it away.
//!
//! Everything is taken as the model reads it: where a value was replaced, the model can only give away what stands in its place.
use super::Guard;
use super::document::{Scan, Seen, plain_digits, plain_value, range, texts_of_part};
use super::pseudonym::Own;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, NodeKind, Value};
use bartizan_core::kind::Extent;
use bartizan_core::told::{Told, ToldValue, Watched};
use std::borrow::Cow;

/// Most bytes of what the caller wrote or was told before that are compared, the latest first. To say more than that again counts as
/// giving it away.
const TOLD_KNOWN_BYTES_MAX: usize = 256 << 10;
/// Most findings of one request whose values are looked for in its answer, secrets first. With more the record says `leaks_cut`.
const TOLD_VALUES_MAX: usize = 1024;

/// A text, and whose it is.
type Text<'d> = (Source, Cow<'d, [u8]>);

impl Guard {
    /// What looks into the answer; `None` where the request told nothing that could be given away.
    ///
    /// * `doc`, `scan`: the request as it came, and what was found in it
    /// * `sent`: the body that goes upstream, where it is not what came
    /// * `own`: what its placeholders stand for
    pub(super) fn watched(
        &self,
        doc: &Doc<'_>,
        scan: &Scan<'_>,
        sent: Option<&[u8]>,
        own: Option<&Own>,
    ) -> Option<Watched> {
        let watcher = self.watcher.as_ref().filter(|_| self.scan)?;
        let edited = sent.and_then(|sent| Doc::read(sent, self.limits.json()).ok());
        let texts = texts(edited.as_ref().unwrap_or(doc));
        let (values, is_cut) = values(doc, scan);
        if values.is_empty() && texts.is_empty() {
            return None;
        }
        let of = |is_prompt: bool| {
            let is_wanted = move |(source, _): &&Text<'_>| (*source == Source::System) == is_prompt;
            texts.iter().filter(is_wanted).map(|(_, text)| &**text)
        };
        let mut told =
            Told { prompts: of(true).collect(), known: of(false).collect(), values: vec![] };
        for (found, value) in &values {
            let of_value =
                |text| ToldValue { kind: found.finding.kind, source: found.source, text };
            told.values.push(of_value(value));
            // In a tool call a placeholder becomes its value again.
            let own = own.filter(|own| own.in_calls);
            told.values.extend(own.into_iter().flat_map(|own| own.bodies(value)).map(of_value));
        }
        let made = watcher.watch(&self.inspector, &told)?;
        Some(Watched { is_cut: made.is_cut || is_cut, ..made })
    }
}

/// The system's texts and, where there are any, what the caller knows, the latest first.
fn texts<'d>(doc: &'d Doc<'d>) -> Vec<Text<'d>> {
    let messages: Vec<Value<'d>> =
        doc.root().get("messages").into_iter().flat_map(Value::items).collect();
    let is_text = |text: &Value<'_>| text.kind() == NodeKind::String;
    let of = |source: Source, message: Value<'d>| {
        let content = message.get("content").into_iter();
        let texts = content.flat_map(|content| {
            let parts = content.items().flat_map(texts_of_part);
            std::iter::once(content).filter(is_text).chain(parts)
        });
        texts.filter_map(move |text| Some((source, text.text()?)))
    };
    let mut texts = Vec::new();
    for message in messages.iter().filter(|message| source_of(**message) == Source::System) {
        texts.extend(of(Source::System, *message));
    }
    texts.retain(|(_, text)| !text.is_empty());
    if texts.is_empty() {
        return texts;
    }
    let mut n_bytes = 0;
    for message in messages.iter().rev() {
        let source = source_of(*message);
        if matches!(source, Source::User | Source::Model) {
            for (source, text) in of(source, *message) {
                n_bytes += text.len();
                texts.push((source, text));
            }
        }
        if TOLD_KNOWN_BYTES_MAX < n_bytes {
            break;
        }
    }
    texts
}

/// Whose text a message is.
pub(super) fn source_of(message: Value<'_>) -> Source {
    let role = message.get("role").and_then(Value::text).unwrap_or_default();
    match &*role {
        b"system" | b"developer" => Source::System,
        b"tool" | b"function" => Source::Tool,
        b"assistant" => Source::Model,
        _ => Source::User,
    }
}

/// Values that were found, secrets first, and whether there were more.
fn values<'s>(doc: &Doc<'_>, scan: &'s Scan<'_>) -> (Vec<(&'s Seen, Vec<u8>)>, bool) {
    let catalogue = scan.catalogue();
    let mut found: Vec<&Seen> = scan
        .seen
        .iter()
        .filter(|seen| catalogue.info(seen.finding.kind).extent == Extent::Span)
        .collect();
    let is_secret = |seen: &&Seen| catalogue.info(seen.finding.kind).name.starts_with("secret.");
    found.sort_by_key(|seen| (!is_secret(seen), seen.node, seen.finding));
    let is_cut = TOLD_VALUES_MAX < found.len();
    found.truncate(TOLD_VALUES_MAX);
    let mut values = Vec::with_capacity(found.len());
    for of_node in found.chunk_by(|one, two| one.node == two.node) {
        let Some(node) = of_node.first().and_then(|seen| doc.at(seen.node)) else { continue };
        let text = match node.kind() {
            NodeKind::Number => plain_digits(node.raw()),
            _ => node.text(),
        };
        let text = text.unwrap_or_default();
        values.extend(of_node.iter().map(|seen| (*seen, value_at(&text, seen))));
    }
    (values, is_cut)
}

/// A value as somebody reads it who reads the JSON around it.
fn value_at(text: &[u8], seen: &Seen) -> Vec<u8> {
    let at = range(seen.finding.span);
    let value = text.get(at.clone()).unwrap_or_default();
    if value.contains(&b'\\') { plain_value(text, at) } else { value.to_vec() }
}
