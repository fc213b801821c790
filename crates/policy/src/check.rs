//! What Cedar's own validator lets through and a guard policy must not say.
//!
//! The validator knows types. It does not know which kinds and sources exist, that a caller has no name, or that a class
//! is never seen itself; a rule with such a slip would load and never apply, which for a `forbid` is a hole.
use crate::error::{Place, PolicyError};
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, Policy, Var};
use cedar_policy_core::fuzzy_match::fuzzy_search_limited;
use std::collections::BTreeSet;
use std::ptr;

/// Classes that every policy may name, even if no detector of this process reports a kind in them.
const CLASSES: [&str; 6] = ["hidden", "injection", "limit", "pii", "secret", "unread"];

/// Most edits between a wrong name and the one that is proposed instead.
const TYPING_ERRORS_MAX: usize = 3;

/// The classes that a kind is in, the nearest first: `a.b` and `a` for `a.b.c`.
pub(crate) fn classes(kind: &str) -> impl Iterator<Item = &str> {
    kind.rmatch_indices('.').filter_map(|(at, _)| kind.get(..at))
}

/// The names that policies may use.
pub(crate) struct Names {
    /// Kinds that can be seen.
    kinds: BTreeSet<String>,
    /// Classes of kinds, which are never seen themselves.
    classes: BTreeSet<String>,
}

impl Names {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let kinds: BTreeSet<_> = catalogue.iter().map(|(_, info)| info.name.to_owned()).collect();
        let mut all: BTreeSet<_> = CLASSES.into_iter().map(str::to_owned).collect();
        all.extend(kinds.iter().flat_map(|kind| classes(kind)).map(str::to_owned));
        let classes = all.difference(&kinds).cloned().collect();
        Self { kinds, classes }
    }

    /// Lets a shipped text name kinds that this process has no detector for.
    pub(crate) fn also(mut self, kinds: impl IntoIterator<Item = String>) -> Self {
        let unknown = kinds.into_iter().filter(|kind| !self.classes.contains(kind));
        self.kinds.extend(unknown.collect::<Vec<_>>());
        self
    }

    /// The name that was probably meant.
    fn nearest(&self, name: &str) -> Option<String> {
        let all: Vec<_> = self.kinds.iter().chain(&self.classes).collect();
        fuzzy_search_limited(name, &all, Some(TYPING_ERRORS_MAX))
    }
}

/// One policy in its text.
pub(crate) struct Checked<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) policy: &'a Policy,
}

impl Checked<'_> {
    /// Looks for everything that a guard policy must not say; the first such thing in the text is the error.
    pub(crate) fn check(&self, names: &Names) -> Result<(), PolicyError> {
        let condition = self.policy.condition();
        let mut found: Vec<(Place, PolicyError)> = Vec::new();
        let mut wrong = |place: Place, message: String, help: &str| {
            let error = PolicyError::at(self.file, self.text, place, message).help(help);
            found.push((place, error));
        };
        let mut settled = Settled::default();
        for expression in condition.subexpressions() {
            settled.note(expression, names, self.whole(), &mut wrong);
        }
        for expression in condition.subexpressions() {
            let place = place_of(expression, self.whole());
            match expression.expr_kind() {
                ExprKind::Var(Var::Context) if !settled.holds(expression) => wrong(
                    place,
                    "`context` can only be read by field".to_owned(),
                    "write `context.source` or `context.route`",
                ),
                ExprKind::GetAttr { attr, .. }
                    if attr == "source" && !settled.holds(expression) =>
                {
                    wrong(
                        place,
                        "`context.source` can only be compared with the name of a source"
                            .to_owned(),
                        "write `context.source == \"tool\"` or `[\"tool\", \"document\"].contains(context.source)`",
                    );
                }
                ExprKind::Lit(Literal::EntityUID(uid)) => {
                    check_entity(uid, names, place, &mut wrong);
                }
                _ => {}
            }
        }
        found.into_iter().min_by_key(|(place, _)| place.start).map_or(Ok(()), |(_, e)| Err(e))
    }

    /// The roles and the routes that the policy names.
    pub(crate) fn mentions(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut roles, mut routes) = (BTreeSet::new(), BTreeSet::new());
        let condition = self.policy.condition();
        for expression in condition.subexpressions() {
            match expression.expr_kind() {
                ExprKind::Lit(Literal::EntityUID(uid)) if type_of(uid) == "Role" => {
                    roles.insert(name_of(uid).to_owned());
                }
                ExprKind::Lit(Literal::EntityUID(uid)) if type_of(uid) == "Route" => {
                    routes.insert(name_of(uid).to_owned());
                }
                ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
                    let pairs = [(arg1, arg2), (arg2, arg1)];
                    let with = pairs.into_iter().filter(|(value, _)| is_field(value, "route"));
                    routes.extend(with.filter_map(|(_, other)| string_of(other)));
                }
                ExprKind::BinaryApp { op: BinaryOp::Contains, arg1, arg2 }
                    if is_field(arg2, "route") =>
                {
                    if let ExprKind::Set(members) = arg1.expr_kind() {
                        routes.extend(members.iter().filter_map(string_of));
                    }
                }
                _ => {}
            }
        }
        (roles, routes)
    }

    /// Where the policy stands, for expressions that Cedar made up itself.
    fn whole(&self) -> Place {
        Place::of(self.policy.loc())
    }
}

/// What takes an error: its place, what is wrong, a way out.
type Wrong<'a> = &'a mut dyn FnMut(Place, String, &str);

/// Expressions that stand in a form that was checked, by address (the tree does not move while it is checked).
#[derive(Default)]
struct Settled(BTreeSet<*const Expr>);

impl Settled {
    fn holds(&self, expression: &Expr) -> bool {
        self.0.contains(&ptr::from_ref(expression))
    }

    fn settle(&mut self, expression: &Expr) {
        self.0.insert(ptr::from_ref(expression));
    }

    /// Notes the permitted forms that `expression` is the outermost part of, and checks the names in them.
    fn note(&mut self, expression: &Expr, names: &Names, whole: Place, wrong: Wrong<'_>) {
        match expression.expr_kind() {
            ExprKind::GetAttr { expr, .. } if is_var(expr, Var::Context) => self.settle(expr),
            ExprKind::HasAttr { expr, attr } if is_var(expr, Var::Context) => {
                self.settle(expr);
                if !["source", "route"].contains(&attr.as_str()) {
                    let message = format!("`context` has no field `{attr}`");
                    wrong(
                        place_of(expression, whole),
                        message,
                        "its fields are `source` and `route`",
                    );
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
                for (value, with) in [(arg1, arg2), (arg2, arg1)] {
                    self.note_compared(value, std::slice::from_ref(with), names, whole, wrong);
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::Contains, arg1, arg2 } => {
                if let ExprKind::Set(members) = arg1.expr_kind() {
                    self.note_compared(arg2, members, names, whole, wrong);
                }
            }
            _ => {}
        }
    }

    /// Checks a value that is compared for equality with each of `with`.
    fn note_compared(
        &mut self,
        value: &Expr,
        with: &[impl std::borrow::Borrow<Expr>],
        names: &Names,
        whole: Place,
        wrong: Wrong<'_>,
    ) {
        let with = || with.iter().map(|other| (other.borrow(), place_of(other.borrow(), whole)));
        if is_field(value, "source") {
            if with().all(|(other, _)| matches!(other.expr_kind(), ExprKind::Lit(_))) {
                self.settle(value);
            }
            for (other, place) in with() {
                check_source(other, place, wrong);
            }
        }
        if is_var(value, Var::Resource) {
            for (other, place) in with() {
                check_seen(other, names, place, wrong);
            }
        }
    }
}

fn place_of(expression: &Expr, whole: Place) -> Place {
    expression.source_loc().map_or(whole, |location| Place::of(Some(location)))
}

fn is_var(expression: &Expr, var: Var) -> bool {
    matches!(expression.expr_kind(), ExprKind::Var(found) if *found == var)
}

/// Whether this is `context.source`, `context.route`, ...
fn is_field(expression: &Expr, name: &str) -> bool {
    matches!(expression.expr_kind(), ExprKind::GetAttr { expr, attr }
        if attr == name && is_var(expr, Var::Context))
}

fn string_of(expression: &Expr) -> Option<String> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// A text that a source is compared with must be the name of one.
fn check_source(expression: &Expr, place: Place, wrong: Wrong<'_>) {
    let ExprKind::Lit(Literal::String(name)) = expression.expr_kind() else { return };
    let names = Source::ALL.map(Source::name);
    if !names.contains(&name.as_str()) {
        let help = match fuzzy_search_limited(name, &names, Some(TYPING_ERRORS_MAX)) {
            Some(nearest) => format!("did you mean `\"{nearest}\"`?"),
            None => format!("the sources are {}", names.join(", ")),
        };
        wrong(place, format!("no source is called `{name}`"), &help);
    }
}

/// A kind that a resource is equal to must be one that can be seen: a class never is.
fn check_seen(expression: &Expr, names: &Names, place: Place, wrong: Wrong<'_>) {
    let ExprKind::Lit(Literal::EntityUID(uid)) = expression.expr_kind() else { return };
    let name = name_of(uid);
    if type_of(uid) == "Kind" && names.classes.contains(name) {
        let message = format!("`{name}` is a class: no finding is of exactly this kind");
        wrong(uid_place(uid, place), message, &format!("write `resource in Kind::\"{name}\"`"));
    }
}

fn check_entity(uid: &EntityUID, names: &Names, place: Place, wrong: Wrong<'_>) {
    let name = name_of(uid);
    match type_of(uid).as_str() {
        "Caller" => wrong(
            uid_place(uid, place),
            "a guard policy cannot name one caller".to_owned(),
            "give the caller's key a role, and write `principal in Role::\"...\"`",
        ),
        "Kind" if !names.kinds.contains(name) && !names.classes.contains(name) => {
            let help = names.nearest(name).map_or_else(
                || {
                    let tops = names.classes.iter().filter(|class| !class.contains('.'));
                    let tops: Vec<_> = tops.map(String::as_str).collect();
                    format!("the classes of kinds are {}", tops.join(", "))
                },
                |nearest| format!("did you mean `Kind::\"{nearest}\"`?"),
            );
            wrong(uid_place(uid, place), format!("no kind is called `{name}`"), &help);
        }
        _ => {}
    }
}

fn uid_place(uid: &EntityUID, place: Place) -> Place {
    uid.loc().map_or(place, |location| Place::of(Some(location)))
}

fn type_of(uid: &EntityUID) -> String {
    uid.entity_type().to_string()
}

fn name_of(uid: &EntityUID) -> &str {
    uid.eid().as_ref()
}
