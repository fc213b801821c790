//! Reads guard policies, checks them, and answers from them.
use crate::check::{Checked, Names};
use crate::error::{Place, PolicyError};
use crate::ladder::{Groups, Ladder, LadderCache};
use crate::profile::Profile;
use crate::roles::Roles;
use crate::shape::{DEPTH_MAX, SHALLOWER, check_shape, depth, on_known_stack};
use bartizan_core::digest::Digest;
use bartizan_core::kind::Catalogue;
use cedar_policy::{
    PolicyId, PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// The version of the schema that policies are checked with. It is part of every policy's digest.
const SCHEMA_VERSION: u32 = 1;

/// Most policies, over all texts.
pub const POLICIES_MAX: usize = 1024;

/// Most bytes of an `@id`.
pub const ID_BYTES_MAX: usize = 256;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let (schema, _) = Schema::from_cedarschema_str(include_str!("guard.cedarschema"))
        .expect("the schema is part of the program, and every test loads it");
    schema
});

/// The schema that requests and policies have to fit.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// What is known of one policy, for people who ask why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The file that it stands in.
    pub file: String,
    /// The line that it starts on, from 1.
    pub line: usize,
    /// Its `@title`, where it has one.
    pub title: Option<String>,
    /// The roles that it names: one that no key has is probably misspelt.
    pub roles: BTreeSet<String>,
    /// The routes that it names: one that does not exist is probably misspelt.
    pub routes: BTreeSet<String>,
}

/// A guard policy: read, checked against the schema and the catalogue, ready to answer.
///
/// ```
/// # use bartizan_core::{evidence::Source, kind::{Catalogue, UNREAD_MEDIA}};
/// # use bartizan_policy::{Action, GuardPolicy, Profile, Roles};
/// let policy = GuardPolicy::profile(Profile::Standard, &Catalogue::new(&[]))?;
/// let ladder = policy.ladder(&Roles::default(), "default");
/// assert!(ladder.may_call());
/// assert_eq!(ladder.action(Source::User, UNREAD_MEDIA), Action::Refuse);
/// # Ok::<(), bartizan_policy::PolicyError>(())
/// ```
#[derive(Debug)]
pub struct GuardPolicy {
    policies: PolicySet,
    groups: Groups,
    rules: BTreeMap<String, Rule>,
    digest: Digest,
    ladders: LadderCache,
}

impl GuardPolicy {
    /// A shipped policy. Kinds that the catalogue lacks do not trouble it.
    ///
    /// # Errors
    /// Those of [`GuardPolicy::load`], which the tests of this crate rule out.
    pub fn profile(profile: Profile, catalogue: &Catalogue) -> Result<Self, PolicyError> {
        Self::load(&[(profile.file_name().to_owned(), profile.text().to_owned())], catalogue)
    }

    /// Reads policies from Cedar texts, which are joined.
    ///
    /// * `texts`: pairs of file name and text; the names must differ. A text that is a shipped profile's, byte for byte,
    ///   may name kinds that the catalogue lacks.
    /// * `catalogue`: the kinds that can be seen; a policy that names another one is an error.
    ///
    /// # Errors
    /// [`PolicyError`], which points at the first wrong place: text that does not parse, fit the schema or obey a limit,
    /// templates, missing or repeated `@id`s, unknown kinds, sources and fields, callers by name, policies that never apply.
    pub fn load(texts: &[(String, String)], catalogue: &Catalogue) -> Result<Self, PolicyError> {
        on_known_stack(|| Self::load_here(texts, catalogue))
    }

    fn load_here(texts: &[(String, String)], catalogue: &Catalogue) -> Result<Self, PolicyError> {
        let mut loader = Loader::default();
        for (file, text) in texts {
            if texts.iter().filter(|(other, _)| other == file).count() > 1 {
                let error = PolicyError::at(file, text, Place::START, "the file is given twice");
                return Err(error.help("give it once, or another name"));
            }
            loader.read(file, text, catalogue)?;
        }
        loader.validate()?;
        Ok(Self {
            groups: Groups::new(catalogue, &loader.policies),
            policies: loader.policies,
            rules: loader.rules.into_iter().map(|(id, (rule, _))| (id, rule)).collect(),
            digest: digest(texts, catalogue),
            ladders: LadderCache::default(),
        })
    }

    /// SHA-256 over everything that an answer depends on: the schema's version, the texts and the names of the kinds.
    /// Neither the order of the texts nor the names of their files matter.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What is known of the policy with this `@id`.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// Every policy with its `@id`, in order of it.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.iter().map(|(id, rule)| (id.as_str(), rule))
    }

    /// All answers for callers with these roles on this route. Computed when first asked for; later calls look it up
    /// without a lock, in a cache of at most [`crate::LADDERS_MAX`] ladders.
    pub fn ladder(&self, roles: &Roles, route: &str) -> Arc<Ladder> {
        self.ladders.get_or_insert(roles, route, || {
            on_known_stack(|| {
                Ladder::climb(&self.policies, &self.groups, self.digest, roles, route)
            })
        })
    }
}

/// Policies on their way in.
#[derive(Default)]
struct Loader<'a> {
    policies: PolicySet,
    /// By `@id`: what is known of it, and the file and text that it stands in.
    rules: BTreeMap<String, (Rule, (&'a str, &'a str))>,
}

impl<'a> Loader<'a> {
    fn read(
        &mut self,
        file: &'a str,
        text: &'a str,
        catalogue: &Catalogue,
    ) -> Result<(), PolicyError> {
        let wrong = |place, message: String| PolicyError::at(file, text, place, message);
        check_shape(file, text)?;
        let parsed: PolicySet = text.parse().map_err(|errors| parse_error(file, text, &errors))?;
        if let Some(template) = parsed.templates().next() {
            let place =
                Place::of(AsRef::<cedar_policy_core::ast::Template>::as_ref(template).loc());
            let message = "templates (`?principal`, `?resource`) cannot be used here".to_owned();
            return Err(wrong(place, message).help("write the role or the kind itself"));
        }
        let mut policies: Vec<_> = parsed.policies().collect();
        policies.sort_by_key(|policy| Place::of(ast(policy).loc()));
        let shipped = Profile::ALL.iter().any(|profile| profile.text() == text);
        let literals = policies.iter().filter(|_| shipped).flat_map(|p| p.entity_literals());
        let kinds = literals.filter(|uid| uid.type_name().basename() == "Kind");
        let names = Names::new(catalogue).also(kinds.map(|uid| uid.id().unescaped().to_owned()));
        for policy in policies {
            let place = Place::of(ast(policy).loc());
            if depth(&ast(policy).condition()) > DEPTH_MAX {
                let message = format!("the policy is more than {DEPTH_MAX} operators deep");
                return Err(wrong(place, message).help(SHALLOWER));
            }
            let id = self.identify(file, text, policy)?;
            let checked = Checked { file, text, policy: ast(policy) };
            checked.check(&names)?;
            let (roles, routes) = checked.mentions();
            if self.rules.len() == POLICIES_MAX {
                let message = format!("more than {POLICIES_MAX} policies");
                return Err(wrong(place, message).help("say the same with sets of kinds and roles"));
            }
            // Cedar numbers policies by place and treats `@id` as a comment; from here on it is the name.
            let renamed = policy.new_id(PolicyId::new(&id));
            self.policies.add(renamed).map_err(|error| wrong(place, error.to_string()))?;
            let line = wrong(place, String::new()).line;
            let title = policy.annotation("title").map(str::to_owned);
            self.rules.insert(
                id,
                (Rule { file: file.to_owned(), line, title, roles, routes }, (file, text)),
            );
        }
        Ok(())
    }

    /// The `@id` of a policy: there, new, and fit to be printed.
    fn identify(
        &self,
        file: &str,
        text: &str,
        policy: &cedar_policy::Policy,
    ) -> Result<String, PolicyError> {
        let annotation =
            ast(policy).annotations().find(|(key, _)| AsRef::<str>::as_ref(*key) == "id");
        let Some((_, annotation)) = annotation else {
            let place = Place::of(ast(policy).loc());
            let error = PolicyError::at(file, text, place, "the policy has no `@id`");
            return Err(
                error.help("write `@id(\"a-name-of-your-own\")` in front of it: records name it")
            );
        };
        let wrong = |message: String, help: &str| {
            PolicyError::at(file, text, Place::of(annotation.loc.as_ref()), message).help(help)
        };
        let id = annotation.val.as_str();
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
            let message = "the `@id` is not a name".to_owned();
            return Err(wrong(
                message,
                &format!("use 1 to {ID_BYTES_MAX} bytes, no control characters"),
            ));
        }
        if let Some((rule, _)) = self.rules.get(id) {
            let message = format!("the `@id` `{id}` stands twice");
            return Err(wrong(message, &format!("the first is at {}:{}", rule.file, rule.line)));
        }
        Ok(id.to_owned())
    }

    /// Holds all policies against the schema. A warning is an error: a policy that can never apply, or that is not what it
    /// looks like, was not meant so.
    fn validate(&self) -> Result<(), PolicyError> {
        let validator = Validator::new(schema().clone());
        let result = validator.validate(&self.policies, ValidationMode::Strict);
        let errors = result.validation_errors().map(|error| {
            let reads_more = matches!(error, ValidationError::UnsafeAttributeAccess(_));
            self.refused(error.policy_id(), error, reads_more.then_some(READABLE))
        });
        // Texts may mix scripts: they are the names of the operator's own routes.
        let of_names =
            |w: &&ValidationWarning| !matches!(w, ValidationWarning::MixedScriptString(_));
        let warnings = result.validation_warnings().filter(of_names).map(|warning| {
            let help = "mend it or delete it: a guard policy must do what it seems to do";
            self.refused(warning.policy_id(), warning, Some(help))
        });
        // A wrong name makes a policy impossible too; the name is what to show.
        first_of(errors).or_else(|| first_of(warnings)).map_or(Ok(()), Err)
    }

    fn refused(
        &self,
        id: &PolicyId,
        diagnostic: &dyn Diagnostic,
        help: Option<&str>,
    ) -> PolicyError {
        let id: &str = id.as_ref();
        let (file, text) = self.rules.get(id).map_or(("", ""), |&(_, text)| text);
        let whole = self.policies.policy(&PolicyId::new(id));
        let place = Place::pointed_at(diagnostic).map_or_else(
            || Place::of(whole.and_then(|policy| ast(policy).loc())),
            |(place, _)| place,
        );
        let message = diagnostic.to_string();
        let prefix = format!("for policy `{id}`, ");
        let message = message.strip_prefix(&prefix).unwrap_or(&message);
        let error = PolicyError::at(file, text, place, message);
        match diagnostic.help().map(|help| help.to_string()).or(help.map(str::to_owned)) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// What to answer to a policy that wants to read something else.
const READABLE: &str = "policies can ask for roles and routes, and about a finding for `context.source`, \
                        `context.route` and its kind";

/// The one that stands first in the texts.
fn first_of(errors: impl Iterator<Item = PolicyError>) -> Option<PolicyError> {
    errors.min_by(|a, b| {
        (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
    })
}

fn ast(policy: &cedar_policy::Policy) -> &cedar_policy_core::ast::Policy {
    policy.as_ref()
}

fn parse_error(file: &str, text: &str, errors: &cedar_policy::ParseErrors) -> PolicyError {
    let pointed = Place::pointed_at(errors);
    let (place, label) = pointed.unwrap_or((Place::START, None));
    let error = PolicyError::at(file, text, place, errors.to_string());
    match errors.help().map(|help| help.to_string()).or(label) {
        Some(help) => error.help(help),
        None => error,
    }
}

fn digest(texts: &[(String, String)], catalogue: &Catalogue) -> Digest {
    let mut texts: Vec<_> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let mut kinds: Vec<_> = catalogue.iter().map(|(_, info)| info.name).collect();
    texts.sort_unstable();
    kinds.sort_unstable();
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(b"bartizan guard policy\0");
    context.update(&SCHEMA_VERSION.to_be_bytes());
    for list in [texts, kinds] {
        context.update(&(list.len() as u64).to_be_bytes());
        for item in list {
            context.update(&(item.len() as u64).to_be_bytes());
            context.update(item.as_bytes());
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Digest(bytes)
}
