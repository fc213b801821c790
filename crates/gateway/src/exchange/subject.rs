//! Whom an exchange is about. Records are sealed for that person, so that they can be forgotten; nothing else may ever say who it was.
use super::Call;
use super::open::wrong_type;
use crate::reply::Reply;
use bartizan_core::json::Doc;
use std::fmt;

/// Most bytes of a subject's name: the key store takes no longer one.
pub const SUBJECT_BYTES_MAX: usize = 512;

/// Fields of a request's body that name its subject; the first one counts.
const FIELDS: [&str; 2] = ["safety_identifier", "user"];

/// Stands before a key's id where a request names nobody.
const CALLER: &str = "caller:";

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
            check(&text, field, Some(field))?;
            // Both are looked at, whichever counts: what is wrong is wrong.
            named = named.or_else(|| Some(text.into_owned()).filter(|text| !text.is_empty()));
        }
        let in_header = call.subject.filter(|text| !text.is_empty());
        check(in_header.unwrap_or_default(), "the header that names the subject", None)?;
        let named = named.or_else(|| in_header.map(str::to_owned));
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

fn check(text: &str, what: &str, param: Option<&str>) -> Result<(), Reply> {
    if text.len() <= SUBJECT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{what} has {} bytes, at most {SUBJECT_BYTES_MAX} are taken", text.len());
    Err(Reply { param: param.map(str::to_owned), ..Reply::new(400, "subject_too_long", message) })
}
