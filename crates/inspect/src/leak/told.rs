//! From what a request tells to what must not leak of it.
use super::{Context, Leaks, Material};
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_core::told::{Told, Watched, Watcher};
use std::fmt;
use std::sync::Arc;

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

/// Looks for what requests tell in their answers, and for words that an operator put into the system prompts so that they betray a leak.
#[derive(Clone, Default)]
pub struct Canaries {
    words: Arc<[String]>,
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
        Self { words: words.into() }
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

impl fmt::Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canaries").field("n", &self.words.len()).finish()
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
        let context = Context::new(&material);
        if context.is_empty() {
            return None;
        }
        let is_cut = context.is_cut();
        let inspector = Arc::new(Leaks::new(Arc::clone(inspector), Arc::new(context)));
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
}
