//! The release ladder: what happens to a finding, by source and kind, for one role set on one route.
//!
//! A guard policy can ask about nothing else, so the answers are computed once and looked up from then on. A ladder says
//! what should happen to a finding; it does not make it happen, and it is not a decision about an exchange.
use crate::check::classes;
use crate::load::schema;
use crate::roles::Roles;
use arc_swap::ArcSwap;
use bartizan_core::digest::Digest;
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, Extent, KindId, KindInfo, KindSet, UPSTREAM_KEY};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicySet, Request, RestrictedExpression,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// Most ladders that one policy keeps; one more takes the oldest one's place.
pub const LADDERS_MAX: usize = 1024;

/// What happens to a finding. The greater one is the stronger one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The text goes on as it is; the finding is recorded.
    Release,
    /// The finding (or the whole part that it stands in) is taken out, and the rest goes on.
    Redact,
    /// Nothing goes on.
    #[default]
    Refuse,
}

impl Action {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Redact => "redact",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// Whether it is yes.
    pub allowed: bool,
    /// `@id`s of the policies that decided, in order; none when nothing permits it.
    pub policies: Vec<Arc<str>>,
    /// `@id`s of policies that could not be evaluated, in order. With one of these the answer is no.
    pub errors: Vec<Arc<str>>,
}

/// How an action came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    /// What happens.
    pub action: Action,
    /// May it be released?
    pub release: Answer,
    /// May it be redacted? Not asked when it may be released, or when the first question could not be answered.
    pub redact: Option<Answer>,
}

impl Why {
    /// `@id`s of all policies that had a part in it, those of the last question first.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        let answers = self.redact.iter().chain([&self.release]);
        answers.flat_map(|a| a.errors.iter().chain(&a.policies)).map(|id| &**id)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.redact.as_ref().unwrap_or(&self.release);
        write!(f, "{}: ", self.action)?;
        if !last.errors.is_empty() {
            write!(f, "could not evaluate {}", last.errors.join(", "))
        } else if last.policies.is_empty() {
            f.write_str("nothing permits more")
        } else {
            let verb = if last.allowed { "permitted" } else { "forbidden" };
            write!(f, "{verb} by {}", last.policies.join(", "))
        }
    }
}

/// One row per source, one cell per kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    source: Source,
    /// By number of kind; a number that nobody gave out has [`Action::Refuse`].
    cells: Vec<Cell>,
    holding: KindSet,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    action: Action,
    /// Index into the ladder's `whys`, which starts with the one of an unknown kind.
    why: usize,
}

/// All answers for one role set on one route. Looking one up costs an array access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    policy: Digest,
    call: Answer,
    rows: Vec<Row>,
    whys: Vec<Why>,
}

impl Ladder {
    /// Asks Cedar everything there is to ask.
    pub(crate) fn climb(
        policies: &PolicySet,
        groups: &Groups,
        policy: Digest,
        roles: &Roles,
        route: &str,
    ) -> Self {
        let desk = Desk::new(policies, groups, roles, route);
        let mut ladder = Self {
            policy,
            call: desk.may_call(),
            rows: Vec::with_capacity(Source::ALL.len()),
            whys: vec![Why::default()],
        };
        for source in Source::ALL {
            let mut row = Row {
                source,
                cells: vec![Cell::default(); groups.n_cells],
                holding: KindSet::EMPTY,
            };
            for group in &groups.list {
                let why = desk.why(source, &group.kind);
                for &kind in &group.members {
                    let action = groups.bounded(source, kind, why.action);
                    let cell = ladder.keep(Why { action, ..why.clone() });
                    if let Some(place) = row.cells.get_mut(kind.index()) {
                        *place = cell;
                    }
                    if cell.action != Action::Release {
                        row.holding.insert(kind);
                    }
                }
            }
            ladder.rows.push(row);
        }
        ladder
    }

    fn keep(&mut self, why: Why) -> Cell {
        let action = why.action;
        let known = self.whys.iter().position(|other| *other == why);
        let why = known.unwrap_or_else(|| {
            self.whys.push(why);
            self.whys.len() - 1
        });
        Cell { action, why }
    }

    fn row(&self, source: Source) -> Option<&Row> {
        let row = self.rows.get(source as usize)?;
        debug_assert_eq!(row.source, source, "rows stand in the order of Source::ALL");
        Some(row)
    }

    fn cell(&self, source: Source, kind: KindId) -> Cell {
        let found = self.row(source).and_then(|row| row.cells.get(kind.index()));
        found.copied().unwrap_or_default()
    }

    /// Whether these roles may use this route at all.
    pub fn may_call(&self) -> bool {
        self.call.allowed
    }

    /// How [`Ladder::may_call`] came about.
    pub fn why_call(&self) -> &Answer {
        &self.call
    }

    /// What happens to a finding. A kind that the policy's catalogue does not know is refused.
    ///
    /// Two answers are not the policy's to give: `secret.upstream-key` is never released, and what would take away a whole part of what
    /// the model says or calls is refused, because it is released while it arrives.
    pub fn action(&self, source: Source, kind: KindId) -> Action {
        self.cell(source, kind).action
    }

    /// The known kinds whose action is not [`Action::Release`]: text that may become one of them must be held back.
    pub fn holding(&self, source: Source) -> KindSet {
        self.row(source).map_or(KindSet::ALL, |row| row.holding)
    }

    /// How [`Ladder::action`] came about.
    pub fn why(&self, source: Source, kind: KindId) -> &Why {
        static NOBODY_KNOWS: Why = Why {
            action: Action::Refuse,
            release: Answer { allowed: false, policies: Vec::new(), errors: Vec::new() },
            redact: None,
        };
        self.whys.get(self.cell(source, kind).why).unwrap_or(&NOBODY_KNOWS)
    }

    /// The digest of the policy that answered.
    pub fn policy(&self) -> Digest {
        self.policy
    }
}

/// The kinds of a catalogue as Cedar sees them, in groups that no policy of a set can tell apart.
///
/// A kind has no attribute, so a policy can only compare it (`==`, `in`) with the kinds that it names. Kinds that stand in
/// the same relation to all of those get the same answers, and Cedar is asked once for all of them.
#[derive(Debug)]
pub(crate) struct Groups {
    entities: Entities,
    list: Vec<Group>,
    n_cells: usize,
    /// Kinds whose redaction takes away the whole part.
    parts: KindSet,
}

#[derive(Debug)]
struct Group {
    /// One of the members.
    kind: EntityUid,
    members: Vec<KindId>,
}

impl Groups {
    /// What no policy can change. The upstream's own key never leaves. And what the model says or calls is released while it still
    /// arrives: a redaction that takes away the whole part would come after its beginning, so it is a refusal.
    fn bounded(&self, source: Source, kind: KindId, action: Action) -> Action {
        let arrives = matches!(source, Source::Model | Source::ToolCall);
        match action {
            Action::Release if kind == UPSTREAM_KEY => Action::Redact,
            Action::Redact if arrives && self.parts.contains(kind) => Action::Refuse,
            action => action,
        }
    }

    pub(crate) fn new(catalogue: &Catalogue, policies: &PolicySet) -> Self {
        let literals = policies.policies().flat_map(cedar_policy::Policy::entity_literals);
        let named: BTreeSet<String> = literals
            .filter(|uid| uid.type_name().basename() == "Kind")
            .map(|uid| uid.id().unescaped().to_owned())
            .collect();
        let is_in = |kind: &str, other: &str| kind == other || classes(kind).any(|c| c == other);
        let mut groups: BTreeMap<Vec<(bool, bool)>, Group> = BTreeMap::new();
        for (kind, info) in catalogue.iter() {
            let relation = |other: &String| (is_in(info.name, other), is_in(other, info.name));
            let relations = named.iter().map(relation).collect();
            let fresh = || Group { kind: uid("Kind", info.name), members: Vec::new() };
            groups.entry(relations).or_insert_with(fresh).members.push(kind);
        }
        let n_cells = catalogue.iter().map(|(kind, _)| kind.index() + 1).max().unwrap_or(0);
        let all = catalogue
            .iter()
            .flat_map(|(_, info)| std::iter::once(info.name).chain(classes(info.name)));
        let entities = all.collect::<BTreeSet<_>>().into_iter().map(|name| {
            let parent = classes(name).next().map(|class| uid("Kind", class));
            Entity::new_no_attrs(uid("Kind", name), parent.into_iter().collect())
        });
        let entities = Entities::from_entities(entities, Some(schema()))
            .expect("names are unique, and a class is always shorter than what is in it");
        let is_part =
            |(kind, info): (KindId, &KindInfo)| (info.extent == Extent::Part).then_some(kind);
        let parts = catalogue.iter().filter_map(is_part).collect();
        Self { entities, list: groups.into_values().collect(), n_cells, parts }
    }
}

/// Asks Cedar for one role set on one route.
struct Desk<'a> {
    authorizer: Authorizer,
    policies: &'a PolicySet,
    entities: Entities,
    caller: EntityUid,
    route: &'a str,
}

impl<'a> Desk<'a> {
    fn new(policies: &'a PolicySet, groups: &Groups, roles: &Roles, route: &'a str) -> Self {
        let caller = uid("Caller", "");
        let parents: HashSet<_> = roles.iter().map(|role| uid("Role", role)).collect();
        let entity = Entity::new_no_attrs(caller.clone(), parents);
        let entities = groups.entities.clone().add_entities([entity], Some(schema()));
        let entities = entities.expect("the store holds kinds, and the caller is none");
        Self { authorizer: Authorizer::new(), policies, entities, caller, route }
    }

    fn ask(&self, action: &str, resource: EntityUid, context: Context) -> Answer {
        let (caller, action) = (self.caller.clone(), uid("Action", action));
        let Ok(request) = Request::new(caller, action, resource, context, Some(schema())) else {
            // Names are data and fit any schema, so this is not reached; if it were, the answer is no.
            return Answer::default();
        };
        let response = self.authorizer.is_authorized(&request, self.policies, &self.entities);
        let sorted = |ids: BTreeSet<&str>| ids.into_iter().map(Arc::from).collect::<Vec<_>>();
        let diagnostics = response.diagnostics();
        let policies = sorted(diagnostics.reason().map(AsRef::as_ref).collect());
        // Cedar skips a policy that errs, so that a `forbid` would fail open.
        let errors = sorted(diagnostics.errors().map(erring_id).collect());
        let allowed = response.decision() == Decision::Allow && errors.is_empty();
        Answer { allowed, policies, errors }
    }

    fn may_call(&self) -> Answer {
        self.ask("call", uid("Route", self.route), Context::empty())
    }

    fn why(&self, source: Source, kind: &EntityUid) -> Why {
        let ask = |action| {
            let fields = [("source", source.name()), ("route", self.route)].map(|(name, value)| {
                (name.to_owned(), RestrictedExpression::new_string(value.to_owned()))
            });
            match Context::from_pairs(fields) {
                Ok(context) => self.ask(action, kind.clone(), context),
                Err(_) => Answer::default(),
            }
        };
        let release = ask("release");
        if release.allowed {
            return Why { action: Action::Release, release, redact: None };
        }
        if !release.errors.is_empty() {
            return Why { action: Action::Refuse, release, redact: None };
        }
        let redact = ask("redact");
        let action = if redact.allowed { Action::Redact } else { Action::Refuse };
        Why { action, release, redact: Some(redact) }
    }
}

fn erring_id(error: &AuthorizationError) -> &str {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().as_ref(),
    }
}

fn uid(type_name: &'static str, name: &str) -> EntityUid {
    let type_name: EntityTypeName =
        type_name.parse().expect("the types of the schema are plain identifiers");
    EntityUid::from_type_name_and_id(type_name, EntityId::new(name))
}

/// Ladders that were climbed before. Readers take no lock; a writer replaces the whole map.
#[derive(Debug, Default)]
pub(crate) struct LadderCache(ArcSwap<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    ladders: BTreeMap<Roles, BTreeMap<Arc<str>, Arc<Ladder>>>,
    /// The keys, oldest first. As many as there are ladders, at most [`LADDERS_MAX`].
    ages: VecDeque<(Roles, Arc<str>)>,
}

impl LadderCache {
    pub(crate) fn get_or_insert(
        &self,
        roles: &Roles,
        route: &str,
        climb: impl FnOnce() -> Ladder,
    ) -> Arc<Ladder> {
        if let Some(ladder) = self.0.load().get(roles, route) {
            return Arc::clone(ladder);
        }
        // Two threads may climb at once; they come to the same answers, and one of the two is kept.
        let ladder = Arc::new(climb());
        self.0.rcu(|known| {
            let mut known = Known::clone(known);
            known.insert(roles, route, &ladder);
            known
        });
        ladder
    }
}

impl Known {
    fn get(&self, roles: &Roles, route: &str) -> Option<&Arc<Ladder>> {
        self.ladders.get(roles)?.get(route)
    }

    fn insert(&mut self, roles: &Roles, route: &str, ladder: &Arc<Ladder>) {
        if self.get(roles, route).is_some() {
            return;
        }
        while self.ages.len() >= LADDERS_MAX
            && let Some((old_roles, old_route)) = self.ages.pop_front()
            && let Some(routes) = self.ladders.get_mut(&old_roles)
        {
            routes.remove(&old_route);
            if routes.is_empty() {
                self.ladders.remove(&old_roles);
            }
        }
        let route: Arc<str> = Arc::from(route);
        self.ages.push_back((roles.clone(), Arc::clone(&route)));
        self.ladders.entry(roles.clone()).or_default().insert(route, Arc::clone(ladder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(n: usize) -> Ladder {
        let call = Answer { policies: vec![n.to_string().into()], ..Answer::default() };
        Ladder { policy: Digest([0; 32]), call, rows: Vec::new(), whys: Vec::new() }
    }

    fn roles(n: usize) -> Roles {
        (0..n % 3).map(|role| role.to_string()).collect()
    }

    #[test]
    fn the_cache_is_bounded_and_drops_the_oldest() {
        let cache = LadderCache::default();
        let ask = |n: usize| {
            let mut climbed = false;
            let found = cache.get_or_insert(&roles(n), &format!("route {n}"), || {
                climbed = true;
                ladder(n)
            });
            assert_eq!(*found, ladder(n), "{n}");
            climbed
        };
        assert!((0..LADDERS_MAX).all(ask), "each is climbed when first asked for");
        assert!(!(0..LADDERS_MAX).any(ask), "and found from then on");
        assert!(ask(LADDERS_MAX), "one more");
        assert!(!ask(1) && !ask(LADDERS_MAX), "takes no other place");
        assert!(ask(0), "than the oldest one's");
        assert!(ask(1) && ask(2), "which goes on in order");
        let known = cache.0.load();
        let n_kept: usize = known.ladders.values().map(BTreeMap::len).sum();
        assert_eq!((n_kept, known.ages.len()), (LADDERS_MAX, LADDERS_MAX));
    }

    #[test]
    fn an_empty_ladder_refuses() {
        let kind = KindId::new(0).unwrap();
        for source in Source::ALL {
            assert_eq!(ladder(0).action(source, kind), Action::Refuse);
            assert_eq!(ladder(0).why(source, kind).action, Action::Refuse);
            assert_eq!(ladder(0).holding(source), KindSet::ALL);
        }
    }
}
