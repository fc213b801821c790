//! The placeholders of one request: each value gets one, and each one has one value.
use super::VALUE_BYTES_MAX;
use super::shape::{LOOK_ALIKE_WORD, TAG_CHARS, base32, body, placeholder, word};
use bartizan_core::kind::{Catalogue, KindId, PSEUDONYM_OWN};
use bartizan_core::seal::Pseudonymizer;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// How often a value is named again when even whole tags are taken. Only a broken hash gets there.
const RENAMES_MAX: u8 = 16;

/// Gives values their placeholders.
pub(in crate::exchange) struct Naming {
    tagger: Arc<dyn Pseudonymizer>,
    scope: Vec<u8>,
    max: usize,
    /// Placeholders by word and value.
    given: BTreeMap<(String, Vec<u8>), String>,
    /// Values by what stands between the brackets.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    is_over: bool,
}

impl Naming {
    pub(super) fn new(tagger: Arc<dyn Pseudonymizer>, scope: Vec<u8>, max: usize) -> Self {
        let (given, values) = (BTreeMap::new(), BTreeMap::new());
        Self { tagger, scope, max, given, values, is_over: false }
    }

    /// The placeholder of a value; none for one that is too long, or when there are too many.
    pub(in crate::exchange) fn name(
        &mut self,
        kind: KindId,
        catalogue: &Catalogue,
        value: &[u8],
    ) -> Option<String> {
        let is_look_alike = kind == PSEUDONYM_OWN;
        let word = if is_look_alike {
            LOOK_ALIKE_WORD.to_owned()
        } else {
            word(catalogue.info(kind).name)
        };
        let key = (word, value.to_vec());
        if let Some(known) = self.given.get(&key) {
            return Some(known.clone());
        }
        if VALUE_BYTES_MAX < value.len() {
            return None;
        }
        if self.max <= self.given.len() {
            self.is_over = true;
            return None;
        }
        let (word, value) = key;
        let tag = self.free_tag(&word, &value)?;
        let name = placeholder(&word, &tag);
        self.values.insert(body(&word, &tag), value.clone());
        self.given.insert((word, value), name.clone());
        Some(name)
    }

    /// A tag that no other value of this request has: the shortest one that is free.
    fn free_tag(&self, word: &str, value: &[u8]) -> Option<String> {
        let mut named = value.to_vec();
        for again in 0..=RENAMES_MAX {
            let tag = self.tagger.tag(&self.scope, &named);
            let tags = TAG_CHARS.iter().map(|&n_chars| base32(&tag, n_chars));
            let is_free = |tag: &String| !self.values.contains_key(&body(word, tag));
            if let Some(free) = tags.into_iter().find(is_free) {
                return Some(free);
            }
            named.push(again);
        }
        None
    }

    /// Whether a value got no placeholder because there were too many.
    pub(in crate::exchange) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What the answer may restore; nothing, where nothing was replaced.
    pub(in crate::exchange) fn into_own(self, in_calls: bool) -> Option<Arc<Own>> {
        let values = self.values;
        (!values.is_empty()).then(|| Arc::new(Own { values, in_calls }))
    }
}

/// What the placeholders of one request stand for. It is kept in memory only, and prints nothing.
pub(in crate::exchange) struct Own {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether they are restored in tool calls.
    pub(in crate::exchange) in_calls: bool,
}

impl Own {
    /// The value of what stands between brackets, in lower case.
    pub(super) fn value(&self, body: &[u8]) -> Option<&[u8]> {
        self.values.get(body).map(Vec::as_slice)
    }

    /// Whether some placeholder begins like this.
    pub(super) fn has_prefix(&self, prefix: &[u8]) -> bool {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.values.range::<[u8], _>(from).next().is_some_and(|(body, _)| body.starts_with(prefix))
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").field("n_values", &self.values.len()).finish_non_exhaustive()
    }
}

/// Placeholders, without their brackets, and their values.
#[cfg(test)]
pub(super) fn own_of(pairs: &[(&str, &str)]) -> Arc<Own> {
    let pair = |(body, value): &(&str, &str)| {
        (body.to_ascii_lowercase().into_bytes(), value.as_bytes().to_vec())
    };
    Arc::new(Own { values: pairs.iter().map(pair).collect(), in_calls: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::kind::{Extent, KindInfo};

    static KINDS: [KindInfo; 2] = [
        KindInfo { name: "pii.email", title: "address", extent: Extent::Span },
        KindInfo { name: "pii.phone", title: "number", extent: Extent::Span },
    ];

    /// Two values have one tag when they begin with the same letter; `same` has a whole one in common with everything, unless renamed.
    struct Fake {
        n_own_bytes: usize,
    }

    impl Pseudonymizer for Fake {
        fn tag(&self, _: &[u8], value: &[u8]) -> [u8; 16] {
            let mut tag = [0; 16];
            for (at, byte) in value.iter().rev().take(self.n_own_bytes).enumerate() {
                tag[15 - at] = *byte;
            }
            tag
        }
    }

    fn naming(n_own_bytes: usize, max: usize) -> Naming {
        Naming::new(Arc::new(Fake { n_own_bytes }), Vec::new(), max)
    }

    fn name(naming: &mut Naming, kind: u16, value: &str) -> Option<String> {
        naming.name(KindId::detected(kind).unwrap(), &Catalogue::new(&KINDS), value.as_bytes())
    }

    #[test]
    fn two_values_never_share_a_placeholder() {
        let mut naming = naming(2, 100);
        let names: Vec<String> =
            ["ab", "cd", "ef"].map(|value| name(&mut naming, 0, value).unwrap()).into();
        assert_eq!(names[0], "[EMAIL-aaaaaaaa]");
        assert_eq!(names[1], "[EMAIL-aaaaaaaaaaaa]", "the later one has a longer tag");
        assert_eq!(names[2], "[EMAIL-aaaaaaaaaaaaaaaa]");
        assert_eq!(name(&mut naming, 0, "cd").as_ref(), Some(&names[1]), "and keeps it");
        assert_eq!(name(&mut naming, 1, "ab").unwrap(), "[PHONE-aaaaaaaa]", "words tell apart");
        for (name, value) in names.iter().zip(["ab", "cd", "ef"]) {
            let body = name.trim_matches(['[', ']']).to_ascii_lowercase();
            assert_eq!(naming.values.get(body.as_bytes()).unwrap(), value.as_bytes());
        }
    }

    #[test]
    fn whole_tags_that_are_taken_are_renamed_or_refused() {
        let mut naming = naming(0, 100);
        let names: Vec<Option<String>> =
            (0..8).map(|n| name(&mut naming, 0, &format!("v{n}"))).collect();
        assert!(names[..5].iter().all(Option::is_some), "each length once");
        assert!(names[5..].iter().all(Option::is_none), "then no name, rather than a shared one");
        assert!(!naming.is_over());
    }

    #[test]
    fn many_and_long_values_are_bounded() {
        let mut naming = naming(16, 2);
        assert!(name(&mut naming, 0, &"x".repeat(VALUE_BYTES_MAX + 1)).is_none());
        assert!(name(&mut naming, 0, &"x".repeat(VALUE_BYTES_MAX)).is_some() && !naming.is_over());
        assert!(name(&mut naming, 0, "b").is_some() && !naming.is_over());
        assert!(name(&mut naming, 0, "b").is_some() && !naming.is_over());
        assert!(name(&mut naming, 0, "c").is_none() && naming.is_over());
        let own = naming.into_own(false).unwrap();
        assert_eq!(format!("{own:?}"), "Own { n_values: 2, .. }");
    }
}
