//! Who asks: the key that a request carries, turned into an id and roles. It decides nothing beyond "known, and still valid".
use aws_lc_rs::digest::{SHA256, digest};
use bartizan_policy::Roles;
use http::header::{AUTHORIZATION, HeaderMap};
use std::fmt;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Most keys that one ring holds: each request compares its key with every one of them.
pub const KEYS_MAX: usize = 10_000;

/// Most bytes of a key that is presented; more is no key of ours.
pub const KEY_BYTES_MAX: usize = 512;

/// One accepted key. The key itself is not here, only its SHA-256.
#[derive(Clone)]
pub struct KeyEntry {
    /// Public id, at most [`bartizan_core::record::NAME_BYTES_MAX`] bytes; records name it.
    pub id: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// What the key's holder may be.
    pub roles: Roles,
    /// From this moment on it is no longer accepted.
    pub expires_unix_ms: Option<u64>,
    /// It is no longer accepted at all.
    pub revoked: bool,
    /// The only routes that it may take; all of them when absent.
    pub routes: Option<Vec<String>>,
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry")
            .field("id", &self.id)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// Why a request has no caller. All three read alike to the caller but for the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// No key, several keys, not a bearer key, or nobody's key.
    Invalid,
    /// A key whose time is over.
    Expired,
    /// A key that was taken back.
    Revoked,
}

impl KeyError {
    /// The error code that the caller reads.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_api_key",
            Self::Expired => "key_expired",
            Self::Revoked => "key_revoked",
        }
    }
}

/// The keys that are accepted.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    entries: Vec<KeyEntry>,
}

impl KeyRing {
    /// A ring of these keys; without any, nobody gets in.
    ///
    /// # Errors
    /// The number of keys, when it is above [`KEYS_MAX`].
    pub fn new(entries: Vec<KeyEntry>) -> Result<Self, usize> {
        if entries.len() > KEYS_MAX { Err(entries.len()) } else { Ok(Self { entries }) }
    }

    /// The keys, without the keys.
    pub fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    /// The holder of the key in the one `authorization: Bearer` header.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(super) fn identify(
        &self,
        headers: &HeaderMap,
        unix_ms: u64,
    ) -> Result<&KeyEntry, KeyError> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(KeyError::Invalid);
        };
        let key = bearer(line.as_bytes()).ok_or(KeyError::Invalid)?;
        let entry = self.find(key).ok_or(KeyError::Invalid)?;
        if entry.revoked {
            return Err(KeyError::Revoked);
        }
        if entry.expires_unix_ms.is_some_and(|end| unix_ms >= end) {
            return Err(KeyError::Expired);
        }
        Ok(entry)
    }

    /// Compares with every entry, wherever the match is, so that time tells nothing about the digests.
    fn find(&self, key: &[u8]) -> Option<&KeyEntry> {
        let presented = digest(&SHA256, key);
        let mut found = u32::MAX;
        for (index, entry) in (0_u32..).zip(&self.entries) {
            let same: Choice = entry.sha256.ct_eq(presented.as_ref());
            found.conditional_assign(&index, same);
        }
        self.entries.get(usize::try_from(found).ok()?)
    }
}

/// The key in a header value `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let (space, key) = rest.split_first()?;
    let plain = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    (scheme.eq_ignore_ascii_case(b"bearer")
        && *space == b' '
        && plain
        && key.len() <= KEY_BYTES_MAX)
        .then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn entry(id: &str, key: &str) -> KeyEntry {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        KeyEntry {
            id: id.into(),
            sha256,
            roles: Roles::from_iter(["app".to_owned()]),
            expires_unix_ms: None,
            revoked: false,
            routes: None,
        }
    }

    fn ring() -> KeyRing {
        KeyRing::new(vec![
            entry("first", "one"),
            entry("second", "two"),
            KeyEntry { expires_unix_ms: Some(1000), ..entry("old", "three") },
            KeyEntry { revoked: true, expires_unix_ms: Some(1000), ..entry("gone", "four") },
        ])
        .unwrap()
    }

    fn identify(lines: &[&[u8]], unix_ms: u64) -> Result<String, KeyError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        ring().identify(&headers, unix_ms).map(|entry| entry.id.clone())
    }

    #[test]
    fn one_bearer_key_names_its_holder() {
        for (line, want) in
            [("Bearer one", "first"), ("bearer two", "second"), ("BEARER three", "old")]
        {
            assert_eq!(identify(&[line.as_bytes()], 999), Ok(want.to_owned()), "{line}");
        }
    }

    #[test]
    fn everything_else_names_nobody() {
        let long = [b"Bearer ".to_vec(), vec![b'a'; KEY_BYTES_MAX + 1]].concat();
        let cases: &[(&str, &[&[u8]], KeyError)] = &[
            ("no header", &[], KeyError::Invalid),
            ("two headers", &[b"Bearer one", b"Bearer one"], KeyError::Invalid),
            ("two keys in one", &[b"Bearer one, Bearer two"], KeyError::Invalid),
            ("no key", &[b"Bearer "], KeyError::Invalid),
            ("no space", &[b"Bearer"], KeyError::Invalid),
            ("two spaces", &[b"Bearer  one"], KeyError::Invalid),
            ("other scheme", &[b"Basic one"], KeyError::Invalid),
            ("bare key", &[b"one"], KeyError::Invalid),
            ("prefix of a key", &[b"Bearer on"], KeyError::Invalid),
            ("unknown", &[b"Bearer five"], KeyError::Invalid),
            ("not ASCII", &[b"Bearer on\xe9"], KeyError::Invalid),
            ("too long", &[&long], KeyError::Invalid),
            ("expired", &[b"Bearer three"], KeyError::Expired),
            ("revoked", &[b"Bearer four"], KeyError::Revoked),
        ];
        for (name, lines, want) in cases {
            assert_eq!(identify(lines, 1000), Err(*want), "{name}");
        }
    }

    #[test]
    fn a_ring_has_a_limit_and_no_digest_in_its_debug_output() {
        let many = vec![entry("k", "one"); KEYS_MAX + 1];
        assert_eq!(KeyRing::new(many).unwrap_err(), KEYS_MAX + 1);
        assert!(!format!("{:?}", ring()).contains("sha256"));
    }
}
