//! Whom an exchange is about. Records are sealed for that person, so that they can be forgotten; nothing else may ever say who it was.
use super::Call;
use super::open::wrong_type;
use crate::reply::Reply;
use bartizan_core::json::Doc;
use std::borrow::Cow;
use std::fmt;

/// Most bytes of a subject's name: the key store takes no longer one.
pub const SUBJECT_BYTES_MAX: usize = 512;

/// Fields of a request's body that name its subject; the first one counts.
const FIELDS: [&str; 2] = ["safety_identifier", "user"];

/// Stands before a key's id where a request names nobody.
const CALLER: &str = "caller:";

/// Stands before a name that a request gave and that begins like one of ours, so that nobody can be called like the subject of a key.
const NAMED: &str = "named:";

/// The name of a subject. It has no printable form, because whatever holds one may be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SubjectName(String);

impl SubjectName {
    /// Whom the request names: in its body, else in the route's header, else nobody but its caller.
    pub(super) fn of(call: &Call<'_>, doc: Option<&Doc<'_>>) -> Result<Self, Reply> {
        let mut named = None;
        for field in FIELDS {
            let value = doc.and_then(|doc| doc.root().get(field).map(|value| (doc, value)));
            let Some((doc, value)) = value.filter(|(_, value)| !value.is_null()) else { continue };
            let text = value.str().ok_or_else(|| wrong_type(doc, value, "a string"))?;
            check(&named_as(&text), field, Some(field))?;
            // Both are looked at, whichever counts: what is wrong is wrong.
            named = named.or_else(|| Some(text.into_owned()).filter(|text| !text.is_empty()));
        }
        let in_header = call.subject.filter(|text| !text.is_empty());
        let what = "the header that names the subject";
        check(&named_as(in_header.unwrap_or_default()), what, None)?;
        let named = named.or_else(|| in_header.map(str::to_owned));
        let named = named.map(|text| named_as(&text).into_owned());
        Ok(Self(named.unwrap_or_else(|| format!("{CALLER}{}", call.key_id))))
    }

    /// The name, for a record that is about to be sealed.
    pub(super) fn for_record(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Debug for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectName")
    }
}

/// What a caller says as the name of a person. What callers say and what we say never meet, and no two names become one.
fn named_as(text: &str) -> Cow<'_, str> {
    if [CALLER, NAMED].iter().any(|ours| text.starts_with(ours)) {
        Cow::Owned(format!("{NAMED}{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn check(text: &str, what: &str, param: Option<&str>) -> Result<(), Reply> {
    if text.len() <= SUBJECT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{what} has {} bytes, at most {SUBJECT_BYTES_MAX} are taken", text.len());
    Err(Reply { param: param.map(str::to_owned), ..Reply::new(400, "subject_too_long", message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Nobody can take the name of a key's own subject, nor that of somebody else.
        #[test]
        fn what_callers_say_never_meets_what_we_say(
            one in "(caller:|named:|[a-z:]){0,4}",
            other in "(caller:|named:|[a-z:]){0,4}",
        ) {
            prop_assert!(!named_as(&one).starts_with(CALLER), "{}", one);
            prop_assert_eq!(named_as(&one) == named_as(&other), one == other);
        }
    }

    #[test]
    fn a_name_that_is_too_long_once_it_is_told_apart_is_refused() {
        let name = |n: usize| format!("{CALLER}{}", "x".repeat(n - CALLER.len()));
        let fits = |n| check(&named_as(&name(n)), "user", Some("user")).is_ok();
        assert!(
            fits(SUBJECT_BYTES_MAX - NAMED.len()) && !fits(SUBJECT_BYTES_MAX - NAMED.len() + 1)
        );
    }
}
