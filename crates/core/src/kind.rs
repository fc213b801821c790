//! The names of what can be seen: `secret.github-token`, `pii.iban`, `unread.media`.
//!
//! A kind's name is a path of dotted words; its prefixes are its classes (`pii.iban` is in `pii`), and policy may name either.
//! Inside the process a kind is a small number, so that a set of kinds is a few machine words.
use std::fmt;

/// Most kinds one process can know.
pub const KINDS_MAX: usize = 1024;

/// Numbers below this one are the structural kinds of [`STRUCTURAL`]; an inspector's own kinds start here.
pub const FIRST_DETECTED: u16 = 32;

/// A kind's number: an index into the process's [`Catalogue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

impl KindId {
    /// A number is a kind only below [`KINDS_MAX`].
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < KINDS_MAX { Some(Self(number)) } else { None }
    }

    /// The number of the inspector's kind at `index` of its own table.
    pub const fn detected(index: u16) -> Option<Self> {
        match index.checked_add(FIRST_DETECTED) {
            Some(number) => Self::new(number),
            None => None,
        }
    }

    /// The number itself.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How much of the text a redaction of this kind takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only the span: a card number leaves the sentence around it readable.
    Span,
    /// The whole part it stands in: half an injected instruction is still an instruction.
    Part,
}

/// What is known of a kind without having seen one.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// Stable name, an API: `secret.github-token`.
    pub name: &'static str,
    /// A few words for people: `GitHub token`.
    pub title: &'static str,
    /// How much a redaction takes away.
    pub extent: Extent,
}

/// Content that is there and was not read, and limits that were met. Evidence of a hole is evidence.
pub const STRUCTURAL: &[KindInfo] = &[
    KindInfo { name: "unread.media", title: "image, audio or file part", extent: Extent::Part },
    KindInfo { name: "unread.token-ids", title: "text given as token ids", extent: Extent::Part },
    KindInfo {
        name: "unread.prompt-echo",
        title: "prompt echoed by the upstream",
        extent: Extent::Part,
    },
    KindInfo { name: "unread.template", title: "chat template override", extent: Extent::Part },
    KindInfo { name: "unread.part-type", title: "unknown content part", extent: Extent::Part },
    KindInfo { name: "limit.detector", title: "detector failed", extent: Extent::Part },
    KindInfo { name: "limit.time", title: "guard ran out of time", extent: Extent::Part },
    KindInfo { name: "limit.findings", title: "too many findings", extent: Extent::Part },
    KindInfo {
        name: "limit.tool-call-bytes",
        title: "tool call too large to check",
        extent: Extent::Part,
    },
    KindInfo { name: "limit.event-bytes", title: "stream event too large", extent: Extent::Part },
    KindInfo {
        name: "limit.held-bytes",
        title: "undecided text too long to hold",
        extent: Extent::Part,
    },
    KindInfo { name: "limit.depth", title: "nested too deeply to check", extent: Extent::Part },
    KindInfo { name: "secret.upstream-key", title: "the upstream's own key", extent: Extent::Span },
    KindInfo { name: "limit.pseudonyms", title: "too many pseudonyms", extent: Extent::Part },
    KindInfo {
        name: "limit.view",
        title: "encoded too deeply or too long to check",
        extent: Extent::Part,
    },
    KindInfo { name: "limit.model", title: "second model gave no answer", extent: Extent::Part },
];

/// Where this request's own placeholders stand in an answer. It is no finding, so it stands in no table, and no policy is asked about it.
const OWN_PLACEHOLDER: KindInfo =
    KindInfo { name: "pseudonym.own", title: "placeholder of this request", extent: Extent::Span };

macro_rules! structural {
    ($($(#[$doc:meta])* $name:ident = $index:expr),* $(,)?) => { $($(#[$doc])* pub const $name: KindId = KindId($index);)* };
}
structural! {
    /// `unread.media`
    UNREAD_MEDIA = 0,
    /// `unread.token-ids`
    UNREAD_TOKEN_IDS = 1,
    /// `unread.prompt-echo`
    UNREAD_PROMPT_ECHO = 2,
    /// `unread.template`
    UNREAD_TEMPLATE = 3,
    /// `unread.part-type`
    UNREAD_PART_TYPE = 4,
    /// `limit.detector`
    LIMIT_DETECTOR = 5,
    /// `limit.time`
    LIMIT_TIME = 6,
    /// `limit.findings`
    LIMIT_FINDINGS = 7,
    /// `limit.tool-call-bytes`
    LIMIT_TOOL_CALL_BYTES = 8,
    /// `limit.event-bytes`
    LIMIT_EVENT_BYTES = 9,
    /// `limit.held-bytes`
    LIMIT_HELD_BYTES = 10,
    /// `limit.depth`
    LIMIT_DEPTH = 11,
    /// `secret.upstream-key`
    UPSTREAM_KEY = 12,
    /// `limit.pseudonyms`
    LIMIT_PSEUDONYMS = 13,
    /// `limit.view`
    LIMIT_VIEW = 14,
    /// `limit.model`
    LIMIT_MODEL = 15,
    /// `pseudonym.own`: a mark inside an exchange, the last number below [`FIRST_DETECTED`]. It is in no [`Catalogue`]'s list.
    PSEUDONYM_OWN = 31,
}

/// A set of kinds, a few machine words long.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct KindSet {
    words: [u64; KINDS_MAX / 64],
}

impl KindSet {
    /// No kind at all.
    pub const EMPTY: Self = Self { words: [0; KINDS_MAX / 64] };
    /// Every kind there can be.
    pub const ALL: Self = Self { words: [u64::MAX; KINDS_MAX / 64] };

    /// Adds a kind.
    pub fn insert(&mut self, kind: KindId) {
        if let Some(word) = self.words.get_mut(kind.index() / 64) {
            *word |= 1 << (kind.index() % 64);
        }
    }

    /// Takes a kind out.
    pub fn remove(&mut self, kind: KindId) {
        if let Some(word) = self.words.get_mut(kind.index() / 64) {
            *word &= !(1 << (kind.index() % 64));
        }
    }

    /// Whether the kind is in the set.
    pub fn contains(&self, kind: KindId) -> bool {
        self.words.get(kind.index() / 64).is_some_and(|word| word >> (kind.index() % 64) & 1 == 1)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether the two sets share a kind.
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                (0..KINDS_MAX)
                    .filter_map(|n| KindId::new(u16::try_from(n).ok()?))
                    .filter(|&k| self.contains(k))
                    .map(KindId::index),
            )
            .finish()
    }
}

impl FromIterator<KindId> for KindSet {
    fn from_iter<I: IntoIterator<Item = KindId>>(kinds: I) -> Self {
        let mut set = Self::EMPTY;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

/// Every kind that this process can see: the structural ones and the inspector's.
///
/// ```
/// # use bartizan_core::kind::{Catalogue, Extent, KindInfo};
/// static KINDS: [KindInfo; 1] = [KindInfo { name: "pii.iban", title: "IBAN", extent: Extent::Span }];
/// let catalogue = Catalogue::new(&KINDS);
/// let iban = catalogue.find("pii.iban").ok_or("unknown kind")?;
/// assert_eq!(catalogue.info(iban).title, "IBAN");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    detected: &'static [KindInfo],
}

const NAMELESS: KindInfo =
    KindInfo { name: "unknown", title: "unknown kind", extent: Extent::Part };

impl Catalogue {
    /// The structural kinds and then `detected`, an inspector's table; what does not fit in [`KINDS_MAX`] is not known.
    pub const fn new(detected: &'static [KindInfo]) -> Self {
        Self { detected }
    }

    /// What is known of a kind; a number that nobody gave out is `unknown`, which no policy permits.
    pub fn info(&self, kind: KindId) -> &KindInfo {
        let first = usize::from(FIRST_DETECTED);
        if kind == PSEUDONYM_OWN {
            return &OWN_PLACEHOLDER;
        }
        let found = if kind.index() < first {
            STRUCTURAL.get(kind.index())
        } else {
            self.detected.get(kind.index() - first)
        };
        found.unwrap_or(&NAMELESS)
    }

    /// The kind with this name.
    pub fn find(&self, name: &str) -> Option<KindId> {
        self.iter().find(|(_, info)| info.name == name).map(|(kind, _)| kind)
    }

    /// Every kind with its number, in order of number.
    pub fn iter(&self) -> impl Iterator<Item = (KindId, &'static KindInfo)> + use<> {
        let structural = STRUCTURAL.iter().zip(0..FIRST_DETECTED);
        let detected = self.detected.iter().zip(FIRST_DETECTED..);
        structural.chain(detected).filter_map(|(info, number)| Some((KindId::new(number)?, info)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structural_numbers_match_their_names() {
        let catalogue = Catalogue::new(&[]);
        for (kind, name) in [
            (UNREAD_MEDIA, "unread.media"),
            (UNREAD_TOKEN_IDS, "unread.token-ids"),
            (UNREAD_PROMPT_ECHO, "unread.prompt-echo"),
            (UNREAD_TEMPLATE, "unread.template"),
            (UNREAD_PART_TYPE, "unread.part-type"),
            (LIMIT_DETECTOR, "limit.detector"),
            (LIMIT_TIME, "limit.time"),
            (LIMIT_FINDINGS, "limit.findings"),
            (LIMIT_TOOL_CALL_BYTES, "limit.tool-call-bytes"),
            (LIMIT_EVENT_BYTES, "limit.event-bytes"),
            (LIMIT_HELD_BYTES, "limit.held-bytes"),
            (LIMIT_DEPTH, "limit.depth"),
            (UPSTREAM_KEY, "secret.upstream-key"),
            (LIMIT_PSEUDONYMS, "limit.pseudonyms"),
            (LIMIT_VIEW, "limit.view"),
        ] {
            assert_eq!(catalogue.info(kind).name, name);
            assert_eq!(catalogue.find(name), Some(kind));
        }
        assert!(STRUCTURAL.len() < usize::from(FIRST_DETECTED), "the last one is taken");
        assert_eq!(catalogue.info(PSEUDONYM_OWN).name, "pseudonym.own");
        assert_eq!(catalogue.find("pseudonym.own"), None, "policies cannot name it");
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set = KindSet::EMPTY;
        let (low, high) = (KindId::new(3).unwrap(), KindId::new(1023).unwrap());
        set.insert(low);
        set.insert(high);
        assert!(set.contains(low) && set.contains(high) && !set.contains(UNREAD_MEDIA));
        set.remove(low);
        assert!(
            !set.contains(low) && set.intersects(&KindSet::ALL) && !set.intersects(&KindSet::EMPTY)
        );
        assert!(KindId::new(1024).is_none() && KindId::detected(992).is_none());
    }
}
