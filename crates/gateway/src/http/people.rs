//! Each person that a caller names for the first time gets a key of their own, for ever; so how many one caller may name is bounded.
//!
//! Without the bound, one key that invents a name per request fills the store, and then nobody new is served, whoever asks. Past the bound a
//! request about somebody new is turned away, and not sealed for somebody else: erasing that person would then miss it. People who are
//! known already are served as before. The count is kept in memory and begins anew with the process.
use crate::reply::Reply;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Says whether a person has a key already. Asked on the data path: it must not block.
pub type KnownSubjects = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// How many new people each key has named.
#[derive(Default)]
pub(super) struct People {
    known: OnceLock<KnownSubjects>,
    /// By the key's id; as many as there are keys in the ring.
    named: Mutex<BTreeMap<String, usize>>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Counts from now on. The first one stays.
    pub(super) fn know_with(&self, known: KnownSubjects) {
        // A second one has nothing to say: there is one key store.
        drop(self.known.set(known));
    }

    /// Counts a person whom this key names, if they are new.
    pub(super) fn admit(
        &self,
        key_id: &str,
        subject: Option<&str>,
        new_max: usize,
    ) -> Result<(), Reply> {
        let (Some(known), Some(subject)) = (self.known.get(), subject) else { return Ok(()) };
        if known(subject) {
            return Ok(());
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if !named.contains_key(key_id) {
            named.insert(key_id.to_owned(), 0);
        }
        match named.get_mut(key_id) {
            Some(n) if *n < new_max => {
                *n += 1;
                Ok(())
            }
            _ => Err(too_many(new_max)),
        }
    }

    /// Forgets keys that are not there any more.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|key_id, _| is_there(key_id));
    }
}

fn too_many(new_max: usize) -> Reply {
    let message = format!(
        "this key has named {new_max} new people in safety_identifier, user or the route's subject header, and may name no more; \
         tell the gateway's operator"
    );
    Reply::new(403, "too_many_subjects", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    #[test]
    fn each_key_has_its_own_bound_and_known_people_do_not_count() {
        let store: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        store.lock().unwrap().insert("old friend".to_owned());
        let people = People::default();
        assert!(people.admit("a", Some("anybody"), 0).is_ok(), "nobody counts yet");
        let known = Arc::clone(&store);
        people.know_with(Box::new(move |name| known.lock().unwrap().contains(name)));
        people.know_with(Box::new(|_| panic!("the first one stays")));
        let cases = [
            ("a", Some("one"), true),
            ("a", Some("old friend"), true),
            ("a", Some("two"), true),
            ("a", Some("three"), false),
            ("a", Some("one"), true),
            ("a", Some("old friend"), true),
            ("a", None, true),
            ("b", Some("three"), true),
            ("a", Some("three"), true),
        ];
        for (n, (key, name, want)) in cases.into_iter().enumerate() {
            let admitted = people.admit(key, name, 2);
            assert_eq!(admitted.is_ok(), want, "case {n}");
            match admitted {
                Ok(()) => store.lock().unwrap().extend(name.map(str::to_owned)),
                Err(reply) => assert_eq!((reply.status, reply.code), (403, "too_many_subjects")),
            }
        }
        people.keep(|key| key == "b");
        assert_eq!(people.named.lock().unwrap().keys().collect::<Vec<_>>(), ["b"]);
    }
}
