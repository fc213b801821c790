//! `judge(policy, subject, observations) -> Decision`, and the pass that only a decision gives.
//!
//! Pure: no clock, no chance, no I/O. A decision is judged again from its record by [`judge_again`] and comes out the same.
use crate::ladder::{Action, Ladder, Why};
use crate::load::GuardPolicy;
use crate::roles::Roles;
use bartizan_core::digest::Digest;
use bartizan_core::evidence::{Direction, Evidence, Source};
use bartizan_core::kind::{Catalogue, KindId};
use bartizan_core::record::RecordId;
use std::fmt;
use std::sync::Arc;

/// What one judgement is about: one direction of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The exchange.
    pub record: RecordId,
    /// Which way the bytes are going.
    pub direction: Direction,
    /// The caller's roles.
    pub roles: &'a Roles,
    /// The route that the request took.
    pub route: &'a str,
}

/// What a detector saw, as far as policy may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observation {
    /// Whose text it was.
    pub source: Source,
    /// What was seen.
    pub kind: KindId,
}

/// Decides what happens to one direction of an exchange. The strongest action decides; the order of the observations
/// only orders [`Decision::actions`].
///
/// ```
/// # use bartizan_core::{evidence::{Direction, Source}, kind::{Catalogue, UNREAD_MEDIA}, record::RecordId};
/// # use bartizan_policy::{Action, GuardPolicy, Observation, Profile, Roles, Subject, judge};
/// let policy = GuardPolicy::profile(Profile::Standard, &Catalogue::new(&[]))?;
/// let roles = Roles::default();
/// let subject = Subject { record: RecordId([7; 16]), direction: Direction::Input, roles: &roles, route: "default" };
///
/// let pass = judge(&policy, &subject, &[]).into_pass().map_err(|refusal| refusal.to_string());
/// assert_eq!(pass.map(|pass| pass.record()), Ok(subject.record));
///
/// let image = Observation { source: Source::User, kind: UNREAD_MEDIA };
/// let decision = judge(&policy, &subject, &[image]);
/// assert_eq!(decision.verdict(), Action::Refuse);
/// assert!(decision.into_pass().is_err());
/// # Ok::<(), bartizan_policy::PolicyError>(())
/// ```
pub fn judge(
    policy: &GuardPolicy,
    subject: &Subject<'_>,
    observations: &[Observation],
) -> Decision {
    let ladder = policy.ladder(subject.roles, subject.route);
    let seen = observations.iter().copied().map(Some).collect();
    Decision::new(policy, (subject.record, subject.direction), Some(ladder), seen, None)
}

/// Judges one direction of an exchange again, from evidence as it was written down.
///
/// * `catalogue`: what gives the names of kinds their numbers; the one that `policy` was loaded with.
/// * `evidence`: everything that is known of the exchange. Findings of the other direction are left out;
///   [`Decision::actions`] answers the remaining ones in their order.
///
/// Evidence that does not say who called, says it twice, or says something that this version does not understand is
/// refused, and so is a finding of a kind that the catalogue does not know.
pub fn judge_again(
    policy: &GuardPolicy,
    catalogue: &Catalogue,
    direction: Direction,
    record: RecordId,
    evidence: &[Evidence],
) -> Decision {
    let mut problems = Vec::new();
    let mut callers = Vec::new();
    let mut seen = Vec::new();
    for fact in evidence {
        match fact {
            Evidence::Caller { roles, route, .. } => callers.push((roles, route)),
            Evidence::Finding { kind, source, direction: way, .. } if *way == direction => {
                let known = catalogue.find(kind);
                if known.is_none() {
                    problems.push(Problem::UnknownKind { name: kind.clone() });
                }
                seen.push(known.map(|kind| Observation { source: *source, kind }));
            }
            Evidence::Finding { .. } => {}
            _ => problems.push(Problem::UnknownEvidence),
        }
    }
    let ladder = match callers.as_slice() {
        [(roles, route)] => Some(policy.ladder(&roles.iter().cloned().collect(), route)),
        [] => {
            problems.insert(0, Problem::NoCaller);
            None
        }
        _ => {
            problems.insert(0, Problem::ManyCallers);
            None
        }
    };
    Decision::new(policy, (record, direction), ladder, seen, problems.into_iter().next())
}

/// What is wrong with evidence that cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing says who called.
    #[error("the evidence does not say who called")]
    NoCaller,
    /// More than one fact says who called.
    #[error("the evidence names more than one caller")]
    ManyCallers,
    /// A finding of a kind that the catalogue does not know.
    #[error(
        "no kind is called `{name}`: judge with the version that wrote the record, or a later one"
    )]
    UnknownKind {
        /// The name in the record.
        name: String,
    },
    /// A fact that this version does not understand.
    #[error("the evidence holds a fact that is newer than this program")]
    UnknownEvidence,
}

/// Why an exchange was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// These roles may not use this route.
    #[error("these roles may not use this route")]
    Call,
    /// A finding may neither be released nor redacted.
    #[error("finding {index} may neither be released nor redacted")]
    Finding {
        /// Index of the first such finding among the observations.
        index: usize,
    },
    /// The evidence cannot be judged.
    #[error("the evidence cannot be judged: {0}")]
    Evidence(#[from] Problem),
}

/// What was decided about one direction of an exchange, and why.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody acts on guards nothing"]
pub struct Decision {
    record: RecordId,
    direction: Direction,
    policy: Digest,
    /// Nobody's, when the evidence does not say who called.
    ladder: Option<Arc<Ladder>>,
    /// What the actions answer; nothing for a kind that nobody knows.
    seen: Vec<Option<Observation>>,
    actions: Vec<Action>,
    cause: Option<Cause>,
}

impl Decision {
    fn new(
        policy: &GuardPolicy,
        (record, direction): (RecordId, Direction),
        ladder: Option<Arc<Ladder>>,
        seen: Vec<Option<Observation>>,
        problem: Option<Problem>,
    ) -> Self {
        let action = |seen: &Option<Observation>| match (&ladder, seen) {
            (Some(ladder), Some(seen)) => ladder.action(seen.source, seen.kind),
            _ => Action::Refuse,
        };
        let actions: Vec<_> = seen.iter().map(action).collect();
        let refused = || actions.iter().position(|&action| action == Action::Refuse);
        let may_call = ladder.as_ref().is_some_and(|ladder| ladder.may_call());
        let cause = match problem {
            Some(problem) => Some(Cause::Evidence(problem)),
            None if !may_call => Some(Cause::Call),
            None => refused().map(|index| Cause::Finding { index }),
        };
        Self { record, direction, policy: policy.digest(), ladder, seen, actions, cause }
    }

    /// The exchange that was judged.
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// The direction that was judged.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The digest of the policy that judged.
    pub fn policy(&self) -> Digest {
        self.policy
    }

    /// What happens to the whole: the strongest of [`Decision::actions`], or [`Action::Refuse`] when there is another cause.
    pub fn verdict(&self) -> Action {
        if self.cause.is_some() {
            return Action::Refuse;
        }
        self.actions.iter().copied().max().unwrap_or(Action::Release)
    }

    /// What happens to each observation, in the order in which they were given.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Why it was refused, if it was.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// How the action at `index` came about; nothing when it is an unknown kind's, or nobody is known to have called.
    pub fn why(&self, index: usize) -> Option<&Why> {
        let seen = self.seen.get(index)?.as_ref()?;
        Some(self.ladder.as_ref()?.why(seen.source, seen.kind))
    }

    /// The pass, unless it was refused.
    ///
    /// # Errors
    /// [`Refusal`], with the cause.
    pub fn into_pass(self) -> Result<Pass, Refusal> {
        let Self { record, direction, policy, actions, cause, .. } = self;
        match cause {
            Some(cause) => Err(Refusal { record, direction, policy, actions, cause }),
            None => Ok(Pass { record, direction, policy, actions }),
        }
    }
}

/// Leave to cause one effect: to send one direction of one exchange on. Whoever sends takes it by value.
///
/// Only [`Decision::into_pass`] makes one. It cannot be written down as a literal:
///
/// ```compile_fail,E0451
/// # use bartizan_core::{digest::Digest, evidence::Direction, record::RecordId};
/// # use bartizan_policy::Pass;
/// let record = RecordId([0; 16]);
/// let pass = Pass { record, direction: Direction::Input, policy: Digest([0; 32]), actions: Vec::new() };
/// ```
///
/// it cannot be copied, so it is good for one effect:
///
/// ```compile_fail,E0599
/// # use bartizan_policy::Pass;
/// fn twice(pass: Pass) -> (Pass, Pass) {
///     (pass.clone(), pass)
/// }
/// ```
///
/// ```compile_fail,E0382
/// # use bartizan_policy::Pass;
/// fn twice(pass: Pass) -> (Pass, Pass) {
///     (pass, pass)
/// }
/// ```
///
/// and there is none by default:
///
/// ```compile_fail,E0277
/// fn made<T: Default>() -> T {
///     T::default()
/// }
/// let pass: bartizan_policy::Pass = made();
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a pass that nobody takes lets nothing through"]
pub struct Pass {
    record: RecordId,
    direction: Direction,
    policy: Digest,
    actions: Vec<Action>,
}

impl Pass {
    /// The exchange that it was given for.
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// The direction that it was given for.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The digest of the policy that gave it.
    pub fn policy(&self) -> Digest {
        self.policy
    }

    /// What has to happen to each observation on the way: [`Action::Release`] or [`Action::Redact`].
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }
}

/// No pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exchange.
    pub record: RecordId,
    /// Which way the bytes were going.
    pub direction: Direction,
    /// The digest of the policy that refused.
    pub policy: Digest,
    /// What would have happened to each observation.
    pub actions: Vec<Action>,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused, record {}: {}", self.record, self.cause)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
