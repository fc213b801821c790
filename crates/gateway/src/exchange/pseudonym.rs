//! Round-trip pseudonyms: the model reads `[EMAIL-4kq7zpma]` where a caller wrote an address, and the caller reads the address where the
//! model wrote that.
//!
//! A placeholder is a keyed hash of the value, in the scope of one caller and one conversation: the same person keeps the same one through a
//! conversation, and nobody keeps a table. What each placeholder of a request stands for is known while that request is under way, in
//! memory; afterwards only the sealed texts of its records tell. What looks like a placeholder in a request is a value like any other,
//! so that nothing is ever restored but what this request itself replaced. A URL never gets a value back: it would carry it away.
use super::{Call, Endpoint};
use bartizan_core::json::{Doc, NodeKind, Value};
use bartizan_core::kind::{Catalogue, Extent, KindSet, UPSTREAM_KEY};
use bartizan_core::seal::Pseudonymizer;
use std::collections::BTreeSet;
use std::sync::Arc;

mod calls;
mod context;
mod naming;
mod restore;
mod shape;

pub(super) use calls::restorations_in_call;
pub(super) use naming::{Naming, Own};
pub(super) use restore::{Restorer, restorations};
pub(super) use shape::look_alikes;

/// Most bytes of the header that names a conversation.
pub const CONVERSATION_BYTES_MAX: usize = 256;
/// Longer values are taken out without a way back: every place of a placeholder may become as long as its value.
pub(super) const VALUE_BYTES_MAX: usize = 1024;

/// Which kinds of values are replaced by placeholders, and by whose key.
#[derive(Clone)]
pub struct Pseudonyms {
    kinds: KindSet,
    /// What placeholders begin with, in lower case.
    words: Arc<BTreeSet<String>>,
    tagger: Arc<dyn Pseudonymizer>,
}

impl Pseudonyms {
    /// Replaces the kinds and classes with these names (`pii`, `pii.email`), as far as the catalogue knows them. Kinds that are taken out
    /// with the whole part around them are left out: there is no value to give back.
    pub fn new<N: AsRef<str>>(
        names: &[N],
        catalogue: &Catalogue,
        tagger: Arc<dyn Pseudonymizer>,
    ) -> Self {
        let mut kinds = KindSet::EMPTY;
        let mut words = BTreeSet::from([shape::LOOK_ALIKE_WORD.to_ascii_lowercase()]);
        for (kind, info) in catalogue.iter() {
            let is_named = |name: &N| is_class_of(name.as_ref(), info.name);
            // The upstream's key is nobody's value: it goes for good.
            let is_value = info.extent == Extent::Span && kind != UPSTREAM_KEY;
            if is_value && names.iter().any(is_named) {
                kinds.insert(kind);
                words.insert(shape::word(info.name).to_ascii_lowercase());
            }
        }
        Self { kinds, words: words.into(), tagger }
    }

    /// Whether no kind is replaced.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The kinds that are replaced.
    pub(super) fn kinds(&self) -> &KindSet {
        &self.kinds
    }

    /// What placeholders begin with, in lower case.
    pub(super) fn words(&self) -> &BTreeSet<String> {
        &self.words
    }

    /// Names for the values of one request, at most so many.
    pub(super) fn naming(&self, call: &Call<'_>, doc: &Doc<'_>, pseudonyms_max: usize) -> Naming {
        let scope = scope(call, doc, &*self.tagger);
        Naming::new(Arc::clone(&self.tagger), scope, pseudonyms_max)
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pseudonyms").field("words", &self.words).finish_non_exhaustive()
    }
}

/// Whether a name is that of a kind, or of a class that the kind is in: `pii` of `pii.email`.
///
/// ```
/// # use bartizan_gateway::exchange::is_class_of;
/// assert!(is_class_of("pii", "pii.email") && is_class_of("pii.email", "pii.email"));
/// assert!(!is_class_of("pi", "pii.email") && !is_class_of("pii.email", "pii"));
/// ```
pub fn is_class_of(class: &str, kind: &str) -> bool {
    kind.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Within what a value keeps its placeholder: one caller's conversation. It is the one that the header names, or else the one that begins
/// with this first message. Embeddings are no conversation: what is stored today must be found by tomorrow's question, so their
/// scope is the caller.
fn scope(call: &Call<'_>, doc: &Doc<'_>, tagger: &dyn Pseudonymizer) -> Vec<u8> {
    let mut scope = (call.key_id.len() as u64).to_le_bytes().to_vec();
    scope.extend_from_slice(call.key_id.as_bytes());
    match call.conversation.filter(|name| !name.is_empty()) {
        Some(name) => {
            scope.push(b'h');
            scope.extend_from_slice(name.as_bytes());
        }
        None if call.endpoint == Endpoint::Chat => {
            scope.push(b'm');
            scope.extend_from_slice(&tagger.tag(b"first message", &first_message(doc)));
        }
        None => scope.push(b'c'),
    }
    scope
}

/// The text of the user's first message, or of the very first one, however its JSON is written.
fn first_message(doc: &Doc<'_>) -> Vec<u8> {
    let messages = doc.root().get("messages");
    let is_user =
        |message: &Value<'_>| message.get("role").is_some_and(|role| role.is_text("user"));
    let first = messages.and_then(|list| list.items().find(is_user));
    let first = first.or_else(|| messages.and_then(|list| list.items().next()));
    let content = first.and_then(|message| message.get("content"));
    let mut text = Vec::new();
    for node in content.into_iter().flat_map(Value::descendants) {
        if matches!(node.kind(), NodeKind::String | NodeKind::Key) {
            let piece = node.text().unwrap_or_default();
            text.extend_from_slice(&(piece.len() as u64).to_le_bytes());
            text.extend_from_slice(&piece);
        }
    }
    text
}
