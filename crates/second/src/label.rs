//! What a text can be, as the first tier scores it and as a model of the operator's own calls it.
use bartizan_core::detect::Score;
use bartizan_core::evidence::Source;
use std::fmt;

/// One question that both tiers answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Label {
    /// It overrides instructions, asks for hidden ones, or instructs where it should inform.
    Injection,
    /// It talks a model out of its rules.
    Jailbreak,
    /// It is hateful, threatening, abusive or obscene.
    Toxicity,
}

impl Label {
    /// Every label, in order.
    pub const ALL: [Self; 3] = [Self::Injection, Self::Jailbreak, Self::Toxicity];

    /// The name that the configuration and the scores of `inspect` use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Injection => "injection",
            Self::Jailbreak => "jailbreak",
            Self::Toxicity => "toxicity",
        }
    }

    /// The label of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.name() == name)
    }

    /// The kind of a finding in a text of this source; nothing where the question is not asked.
    pub const fn kind(self, source: Source) -> Option<&'static str> {
        match (self, Place::of(source)) {
            (Self::Injection, Some(Place::Request)) => Some("injection.override"),
            // An order inside data is out of place, whatever it orders.
            (Self::Injection, Some(Place::Data)) => Some("injection.instruction"),
            (Self::Jailbreak, Some(Place::Request | Place::Data)) => Some("injection.jailbreak"),
            (Self::Toxicity, Some(_)) => Some("toxic.language"),
            (Self::Injection | Self::Jailbreak, Some(Place::Answer)) | (_, None) => None,
        }
    }

    /// Names of the first tier's kinds that answer the same question.
    pub(crate) const fn first_kinds(self) -> &'static [&'static str] {
        match self {
            Self::Injection => {
                &["injection.override", "injection.extraction", "injection.instruction"]
            }
            Self::Jailbreak => &["injection.jailbreak"],
            Self::Toxicity => &["toxic.language"],
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a text stands. What tools give back and documents are one, as for the first tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Place {
    /// Somebody asks for something.
    Request,
    /// Data that something was fetched from.
    Data,
    /// What the model said, once all of it is there.
    Answer,
}

impl Place {
    /// Every place, in order.
    pub const ALL: [Self; 3] = [Self::Request, Self::Data, Self::Answer];

    /// Where texts of a source stand; nothing where nobody asks about them.
    pub const fn of(source: Source) -> Option<Self> {
        match source {
            Source::User => Some(Self::Request),
            Source::Tool | Source::Document => Some(Self::Data),
            Source::Model => Some(Self::Answer),
            Source::System | Source::ToolCall => None,
        }
    }
}

/// What the first tier thinks of a text: one score for each label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opinion(pub [Score; Label::ALL.len()]);

impl Opinion {
    /// The score of one label.
    pub fn of(self, label: Label) -> Score {
        self.0.get(label as usize).copied().unwrap_or(Score::CERTAIN)
    }
}

/// Scores between which the first tier counts as unsure, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// From here on.
    pub from: Score,
    /// Up to here.
    pub to: Score,
}

impl Band {
    /// Whether a score lies in it.
    pub fn has(self, score: Score) -> bool {
        self.from <= score && score <= self.to
    }
}

/// How one label is asked for at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where the first tier is unsure about it.
    pub band: Band,
    /// From which score of the model on there is a finding.
    pub at: Score,
}

/// How one label is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRule {
    /// The question.
    pub label: Label,
    /// What the model calls it.
    pub class: String,
    /// How it is asked for, place by place in the order of [`Place::ALL`].
    pub asks: [Ask; Place::ALL.len()],
}

impl LabelRule {
    /// How it is asked for in texts of this source.
    pub(crate) fn ask(&self, source: Source) -> Option<Ask> {
        self.label.kind(source)?;
        self.asks.get(Place::of(source)? as usize).copied()
    }
}
