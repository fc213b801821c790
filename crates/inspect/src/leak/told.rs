//! From what a request tells to what must not leak of it.
use super::context::joined;
use super::{Context, Leaks, Material};
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_core::told::{Told, Watched, Watcher};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Personal data that says little of anybody by itself, and stands in addresses of every sort: a town, a company, a year.
const COMMON: &[&str] = &[
    "pii.name",
    "pii.location",
    "pii.organisation",
    "pii.url",
    "pii.date",
    "pii.date-of-birth",
    "pii.us-zip",
];
/// Ends of the names of more such kinds.
const COMMON_ENDS: &[&str] = &["-postcode", "-organisation"];

/// Most canaries: values of requests keep their room.
pub const CANARIES_MAX: usize = super::VALUES_MAX / 2;

/// Most contexts that requests share; further ones make their own.
const SHARED_MAX: usize = 64;

/// Looks for what requests tell in their answers, and for words that an operator put into the system prompts so that they betray a leak.
#[derive(Clone, Default)]
pub struct Canaries {
    words: Arc<[String]>,
    /// What the open requests look for that told nothing but their prompt: one application has many with the same one.
    shared: Arc<Mutex<Vec<Weak<Context>>>>,
}

impl Canaries {
    /// * `words`: each is a leak wherever a model says it. One that is no [`Canaries::is_word`], or beyond [`CANARIES_MAX`], is not looked
    ///   for.
    ///
    /// ```
    /// # use bartizan_core::{detect::Inspector, evidence::Source, told::{Told, Watcher}};
    /// # use bartizan_inspect::{TextInspector, leak::Canaries};
    /// # use std::sync::Arc;
    /// let inspector: Arc<dyn Inspector> = Arc::new(TextInspector::new());
    /// assert!(Canaries::default().watch(&inspector, &Told::default()).is_none(), "nothing was told");
    /// let canaries = Canaries::new(vec!["heron-lamp-7".to_owned()]);
    /// let prompts = vec![&b"Heron-lamp-7. You book tables."[..]];
    /// let watched = canaries.watch(&inspector, &Told { prompts, ..Told::default() }).ok_or("nothing")?;
    /// let mut n_found = 0;
    /// watched.inspector.scan(Source::Model, b"It begins with HERON LAMP 7.", &mut |_| n_found += 1);
    /// assert_eq!(n_found, 1);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn new(mut words: Vec<String>) -> Self {
        words.truncate(CANARIES_MAX);
        Self { words: words.into(), shared: Arc::default() }
    }

    /// Whether a word is long enough to be looked for, and not too long.
    ///
    /// ```
    /// # use bartizan_inspect::leak::Canaries;
    /// assert!(Canaries::is_word("heron-lamp-7") && !Canaries::is_word("h e r o n!"));
    /// ```
    pub fn is_word(word: &str) -> bool {
        word.len() <= super::VALUE_BYTES_MAX
            && super::letters::letters_of(word.as_bytes()).len() >= super::needle::VALUE_LETTERS_MIN
    }
}

impl Canaries {
    fn context(&self, material: &Material<'_>) -> Arc<Context> {
        if !material.values.is_empty() || !material.personal.is_empty() {
            return Arc::new(Context::new(material));
        }
        let (prompt, is_cut) = joined(&material.prompts);
        let open = |shared: &[Weak<Context>]| {
            let mut open = shared.iter().filter_map(Weak::upgrade);
            open.find(|context| context.is_of(&prompt))
        };
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open(&lock());
        let context = known.unwrap_or_else(|| {
            // Made without the lock: another request may be as quick, and then two are as good as one.
            let made = Arc::new(Context::of_all(prompt.clone(), is_cut, material));
            let mut shared = lock();
            shared.retain(|context| context.strong_count() > 0);
            if shared.len() >= SHARED_MAX {
                shared.remove(0);
            }
            shared.push(Arc::downgrade(&made));
            made
        });
        context.shared_without(&material.known)
    }
}

impl fmt::Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canaries").field("n", &self.words.len()).finish_non_exhaustive()
    }
}

/// Whether a value of this kind, in the text of this source, is looked for, and whether a tool call may carry it openly.
fn is_open(kind: &str, source: Source) -> Option<bool> {
    if kind.starts_with("secret.") {
        return Some(false);
    }
    // The caller's own data is the caller's to send.
    let is_told = matches!(source, Source::System | Source::Tool | Source::Document);
    let is_common = COMMON.contains(&kind) || COMMON_ENDS.iter().any(|end| kind.ends_with(end));
    (is_told && kind.starts_with("pii.") && !is_common).then_some(true)
}

impl Watcher for Canaries {
    fn watch(&self, inspector: &Arc<dyn Inspector>, told: &Told<'_>) -> Option<Watched> {
        let catalogue = Catalogue::new(inspector.kinds());
        let mut material = Material { known: told.known.clone(), ..Material::default() };
        for value in &told.values {
            match is_open(catalogue.info(value.kind).name, value.source) {
                Some(true) => material.personal.push(value.text),
                Some(false) => material.values.push(value.text),
                None => {}
            }
        }
        for values in [&mut material.values, &mut material.personal] {
            values.sort_unstable();
            values.dedup();
        }
        if !told.prompts.is_empty() {
            material.prompts.clone_from(&told.prompts);
            // Without a system prompt nobody has put them anywhere.
            material.canaries = self.words.iter().map(String::as_bytes).collect();
        }
        let context = self.context(&material);
        if context.is_empty() {
            return None;
        }
        let is_cut = context.is_cut();
        let inspector = Arc::new(Leaks::new(Arc::clone(inspector), context));
        Some(Watched { inspector, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_depends_on_kind_and_source() {
        use Source::{Document, Model, System, Tool, ToolCall, User};
        for (kind, source, want) in [
            ("secret.jwt", User, Some(false)),
            ("secret.jwt", Model, Some(false)),
            ("secret.upstream-key", System, Some(false)),
            ("pii.email", Tool, Some(true)),
            ("pii.card", Document, Some(true)),
            ("pii.iban", System, Some(true)),
            ("pii.email", User, None),
            ("pii.email", Model, None),
            ("pii.email", ToolCall, None),
            ("pii.name", Tool, None),
            ("pii.uk-postcode", Document, None),
            ("pii.se-organisation", Document, None),
            ("injection.override", Document, None),
            ("acme.employee", Document, None),
        ] {
            assert_eq!(is_open(kind, source), want, "{kind} from {source}");
        }
    }

    const PROMPT: &[u8] = b"You book tables for the Blue Heron. Never offer more than nine percent off, whatever the guest says.";

    fn material(prompt: &'static [u8], known: &'static [u8]) -> Material<'static> {
        Material { prompts: vec![prompt], known: vec![known], ..Material::default() }
    }

    /// Requests with one prompt share what is made of it, while one of them is open; what a caller knows changes nothing for another.
    #[test]
    fn one_prompt_is_prepared_once() {
        let canaries = Canaries::default();
        let first = canaries.context(&material(PROMPT, b"hello"));
        let again = canaries.context(&material(PROMPT, b"is it open?"));
        assert!(Arc::ptr_eq(&first, &again));
        let knows = canaries.context(&material(PROMPT, PROMPT));
        assert!(!Arc::ptr_eq(&first, &knows));
        let n_found = |context: Arc<Context>| {
            let inner: Arc<dyn Inspector> = Arc::new(crate::TextInspector::new());
            let mut found = 0;
            Leaks::new(inner, context).scan(Source::Model, PROMPT, &mut |finding| {
                found += usize::from(finding.detector.starts_with("leak."));
            });
            found
        };
        assert_eq!((n_found(Arc::clone(&first)), n_found(knows)), (1, 0));
        let other = canaries.context(&material(
            b"You are a pirate who answers in rhymes about parrots and rum.",
            b"",
        ));
        assert!(!Arc::ptr_eq(&first, &other));
        let gone = Arc::downgrade(&first);
        drop((first, again));
        assert!(gone.upgrade().is_none(), "nothing outlives its requests");
    }

    #[test]
    fn shared_contexts_are_bounded() {
        let canaries = Canaries::default();
        let prompts: Vec<String> = (0..SHARED_MAX + 9)
            .map(|n| {
                format!("{n}: the guest in room {n} wants a table by the window at {n} o'clock")
            })
            .collect();
        let open: Vec<Arc<Context>> = prompts
            .iter()
            .map(|prompt| {
                let prompts = vec![prompt.as_bytes()];
                canaries.context(&Material { prompts, ..Material::default() })
            })
            .collect();
        assert_eq!(
            (canaries.shared.lock().unwrap().len(), open.len()),
            (SHARED_MAX, SHARED_MAX + 9)
        );
    }
}
