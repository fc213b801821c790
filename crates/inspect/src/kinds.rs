//! The kinds that this crate can see, each with what is known of it without having seen one.
//!
//! A kind is what is reported; a [`Rule`] is the line in which its candidates wait. One rule may report many kinds, and one kind may be
//! found by several rules. The rows stand in several files; the order of the files and of their rows is the number of a kind.
use crate::rules::{RULES_LEN, Rule};
use bartizan_core::detect::Score;
use bartizan_core::kind::{Extent, KINDS_MAX, KindId, KindInfo, KindSet};
use std::sync::LazyLock;

/// Makes the rows of one file, and an enumeration of their kinds.
///
/// A row is the kind's variant, name, title and rules, and then calls that change its defaults. The class is the name up to the dot.
macro_rules! kinds {
    // No rule says what it found by such a kind's name: a rule's own kind, or none yet.
    ($(
        $variant:ident = $name:literal, $title:literal, [$($rule:ident),*]
        $(.$set:ident($($value:expr),*))*;
    )*) => {
        pub(super) const ROWS: &[$crate::kinds::KindDetails] = &[$(
            $crate::kinds::KindDetails::new(
                [$name, $title, $crate::kinds::class_of($name)],
                [concat!($name, "@1"), concat!($name, ".checksum@1"), concat!($name, ".context@1")],
                &[$($crate::rules::Rule::$rule),*],
            )$(.$set($($value),*))*,
        )*];
    };
    (
        $(#[$attribute:meta])* enum $table:ident from $first:expr;
        $($variant:ident = $name:literal, $title:literal, [$($rule:ident),*] $(.$set:ident($($value:expr),*))*;)+
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(crate) enum $table { $($variant,)* }

        impl From<$table> for $crate::kinds::Kind {
            fn from(kind: $table) -> Self {
                Self::at($first, kind as u16)
            }
        }

        kinds! { $($variant = $name, $title, [$($rule),*] $(.$set($($value),*))*;)* }
    };
}

mod first;
mod pii;
mod secret;
mod text;

pub(crate) use pii::Personal;
pub(crate) use secret::Secret;

/// A kind of this crate: an index into [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(u16);

/// How sure a finding is, for evidence: it chooses the name of the detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Support {
    /// The form says it.
    #[default]
    Form,
    /// A checksum was there and right: it was really given out.
    Checksum,
    /// Words near it say what it is.
    Context,
}

impl Support {
    /// How sure that is. A checksum can fit by chance too, but nobody would bet on it.
    pub(crate) const fn score(self) -> Score {
        match self {
            Self::Form => Score::thousandths(900),
            Self::Checksum => Score::CERTAIN,
            Self::Context => Score::thousandths(800),
        }
    }
}

/// What is known of a kind without having seen one.
#[derive(Clone, Copy, Debug)]
pub struct KindDetails {
    /// Name, title and extent, as the rest of the process knows them.
    pub info: KindInfo,
    /// The class: the first word of the name.
    pub class: &'static str,
    /// The country (ISO 3166, two letters) that gives it out, or `*`.
    pub region: &'static str,
    /// How the law sees it: `gdpr-personal`, `gdpr-special`, `credential`, `financial`, `health`, or `-`.
    pub legal: &'static str,
    /// The checksum that its detector computes, if it has one.
    pub checksum: Option<&'static str>,
    /// What is taken for it by mistake, and what is deliberately not found.
    pub notes: &'static str,
    example: Example,
    /// Name and version of its detector, by [`Support`].
    detectors: [&'static str; 3],
    rules: &'static [Rule],
}

/// A text that the kind is found in. Secrets are put together here, so that no file of ours looks like a leak.
#[derive(Clone, Copy, Debug)]
enum Example {
    /// Its pieces.
    Pieces(&'static [&'static str]),
    /// Made from the table of formats.
    Made,
    /// Why there is none.
    Absent(&'static str),
}

impl KindDetails {
    const fn new(
        [name, title, class]: [&'static str; 3],
        detectors: [&'static str; 3],
        rules: &'static [Rule],
    ) -> Self {
        let legal = match class.as_bytes() {
            b"pii" => "gdpr-personal",
            b"secret" => "credential",
            _ => "-",
        };
        Self {
            info: KindInfo { name, title, extent: Extent::Span },
            class,
            region: "*",
            legal,
            checksum: None,
            notes: "",
            example: Example::Made,
            detectors,
            rules,
        }
    }

    /// Redaction takes the whole part.
    const fn whole_part(mut self) -> Self {
        self.info.extent = Extent::Part;
        self
    }

    const fn region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    const fn legal(mut self, legal: &'static str) -> Self {
        self.legal = legal;
        self
    }

    const fn checksum(mut self, checksum: &'static str) -> Self {
        self.checksum = Some(checksum);
        self
    }

    const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }

    const fn example(mut self, pieces: &'static [&'static str]) -> Self {
        self.example = Example::Pieces(pieces);
        self
    }

    const fn no_example(mut self, reason: &'static str) -> Self {
        self.example = Example::Absent(reason);
        self
    }

    /// A text in which the kind is found; none where no text can show it, for which [`Self::example_reason`] has the reason.
    pub fn example_text(&self) -> Option<String> {
        match self.example {
            Example::Pieces(pieces) => Some(pieces.concat()),
            Example::Made => crate::rules::example(self.info.name),
            Example::Absent(_) => None,
        }
    }

    /// Why there is no example.
    pub const fn example_reason(&self) -> Option<&'static str> {
        if let Example::Absent(reason) = self.example { Some(reason) } else { None }
    }
}

/// The class of a name: what stands before its dot.
const fn class_of(name: &'static str) -> &'static str {
    let bytes = name.as_bytes();
    let mut n = 0;
    while n < bytes.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "the loop ends at the length, and at build time"
        )]
        if bytes[n] == b'.' {
            return name.split_at(n).0;
        }
        n = n.saturating_add(1);
    }
    name
}

const FIRST_PII: usize = first::ROWS.len();
const FIRST_SECRET: usize = FIRST_PII.saturating_add(pii::ROWS.len());
const FIRST_TEXT: usize = FIRST_SECRET.saturating_add(secret::ROWS.len());

/// How many kinds there are.
pub const KINDS_LEN: usize = FIRST_TEXT.saturating_add(text::ROWS.len());
const _: () = assert!(KINDS_LEN <= KINDS_MAX.saturating_sub(32), "the numbers below 32 are taken");

static DETAILS: [KindDetails; KINDS_LEN] = details();

/// What is known of each kind; index `i` has the number `KindId::detected(i)`.
pub static KINDS: [KindInfo; KINDS_LEN] = infos();

/// All that is known of each kind, in the order of [`KINDS`].
///
/// ```
/// let iban = bartizan_inspect::kind_details().iter().find(|kind| kind.info.name == "pii.iban");
/// assert_eq!(iban.and_then(|kind| kind.checksum), Some("ISO 7064 mod 97-10"));
/// ```
pub fn kind_details() -> &'static [KindDetails] {
    &DETAILS
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::large_stack_arrays,
    reason = "runs at build time only, where a wrong index is an error and a stack is no matter"
)]
const fn details() -> [KindDetails; KINDS_LEN] {
    let files = [first::ROWS, pii::ROWS, secret::ROWS, text::ROWS];
    let mut all = [first::ROWS[0]; KINDS_LEN];
    let (mut file, mut n) = (0, 0);
    while file < files.len() {
        let mut row = 0;
        while row < files[file].len() {
            all[n] = files[file][row];
            (row, n) = (row + 1, n + 1);
        }
        file += 1;
    }
    all
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::large_stack_arrays,
    reason = "runs at build time only, where a wrong index is an error"
)]
const fn infos() -> [KindInfo; KINDS_LEN] {
    let details = details();
    let mut all = [details[0].info; KINDS_LEN];
    let mut n = 0;
    while n < KINDS_LEN {
        all[n] = details[n].info;
        n += 1;
    }
    all
}

impl Kind {
    /// The kind at a place of a file whose first row is at `first`.
    fn at(first: usize, place: u16) -> Self {
        // Fewer than `KINDS_MAX` rows, which is checked above.
        Self(u16::try_from(first).unwrap_or(u16::MAX).saturating_add(place))
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        KINDS.get(usize::from(self.0)).map_or("", |info| info.name)
    }

    /// The number that the rest of the process knows this kind by.
    pub(crate) fn id(self) -> Option<KindId> {
        KindId::detected(self.0)
    }

    /// Name and version of the detector, for evidence.
    pub(crate) fn detector(self, support: Support) -> &'static str {
        let [form, checksum, context] =
            DETAILS.get(usize::from(self.0)).map_or(["unknown@1"; 3], |kind| kind.detectors);
        match support {
            Support::Form => form,
            Support::Checksum => checksum,
            Support::Context => context,
        }
    }
}

/// What a rule can report.
#[derive(Clone, Copy)]
struct Reports {
    kinds: KindSet,
    first: Option<Kind>,
}

static REPORTS: LazyLock<[Reports; RULES_LEN]> = LazyLock::new(|| {
    let mut reports = [Reports { kinds: KindSet::EMPTY, first: None }; RULES_LEN];
    for (number, details) in (0..).zip(&DETAILS) {
        for rule in details.rules {
            if let Some(reports) = reports.get_mut(*rule as usize) {
                reports.first = reports.first.or(Some(Kind(number)));
                Kind(number).id().into_iter().for_each(|id| reports.kinds.insert(id));
            }
        }
    }
    reports
});

impl Rule {
    /// Whether the rule can report a kind of the set.
    pub(crate) fn is_wanted(self, kinds: &KindSet) -> bool {
        REPORTS.get(self as usize).is_some_and(|reports| reports.kinds.intersects(kinds))
    }

    /// What it reports where a finding does not say: the first kind that names it.
    pub(crate) fn kind(self) -> Option<Kind> {
        REPORTS.get(self as usize)?.first
    }

    /// Whether it may report the kind.
    #[cfg(test)]
    pub(crate) fn reports(self, kind: Kind) -> bool {
        kind.id().is_some_and(|id| REPORTS[self as usize].kinds.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::detect::Inspector as _;
    use bartizan_core::evidence::Source;

    /// Numbers are stored nowhere, but a kind that moved would be a kind that somebody mixed up.
    #[test]
    fn the_first_kinds_keep_their_numbers() {
        for (number, name) in [
            (0, "pii.email"),
            (7, "secret.private-key"),
            (20, "secret.jwt"),
            (24, "injection.override"),
        ] {
            assert_eq!(KINDS[number].name, name);
        }
        assert_eq!(FIRST_PII, 25);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_rule_or_a_reason() {
        let mut names: Vec<&str> = KINDS.iter().map(|info| info.name).collect();
        for (number, details) in (0..).zip(kind_details()) {
            let name = details.info.name;
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let words = name.split_once('.').expect("a name has a class");
            assert!(words.0 == details.class && words.1.chars().all(is_plain), "{name}");
            assert_eq!(Kind(number).detector(Support::Form), format!("{name}@1"));
            assert_eq!(Kind(number).detector(Support::Context), format!("{name}.context@1"));
            assert!(Kind(number).id().is_some());
            assert!(details.rules.iter().all(|rule| rule.reports(Kind(number))), "{name}");
            let region = details.region;
            assert!(region == "*" || (region.len() == 2 && region.is_ascii()), "{name}: {region}");
            assert!(
                details.example_text().is_some() != details.example_reason().is_some(),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS_LEN);
    }

    #[test]
    fn every_rule_reports_something() {
        assert!(Rule::ALL.iter().all(|rule| rule.kind().is_some()));
        const { assert!(RULES_LEN <= 64) };
    }

    /// Each example is found by a rule of its kind.
    #[test]
    fn examples_are_found() {
        for (number, details) in (0..).zip(kind_details()) {
            let Some(text) = details.example_text() else { continue };
            let mut kinds = Vec::new();
            let inspector = crate::TextInspector::new();
            inspector.scan(Source::User, text.as_bytes(), &mut |finding| kinds.push(finding.kind));
            let id = Kind(number).id().expect("a kind has a number");
            assert!(kinds.contains(&id), "{} is not in {text:?}", details.info.name);
        }
    }
}
