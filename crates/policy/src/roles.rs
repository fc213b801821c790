//! The roles of a caller, as a set.
use std::fmt;
use std::sync::Arc;

/// A sorted set of role names without duplicates: two callers with equal sets get equal answers. Cheap to clone.
///
/// ```
/// # use bartizan_policy::Roles;
/// let roles: Roles = ["writer", "admin", "writer"].map(String::from).into_iter().collect();
/// assert_eq!(roles.to_string(), "admin, writer");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roles(Arc<[String]>);

impl Roles {
    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is no role at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl FromIterator<String> for Roles {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
