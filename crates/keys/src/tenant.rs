//! The tenant's key: what all other sealing keys are wrapped with, and the only one that is kept in a file of its own.
//!
//! ```text
//! bartizan-tenant-key 1 <name> <base64 of 32 bytes> <checksum, 8 hexadecimal digits>
//! ```
//!
//! The checksum is the first 4 bytes of SHA-256 over the line before its last space, so that a typo is told before anything is sealed under a
//! key that exists nowhere else. The key itself encrypts nothing: two keys are derived from it, one that wraps and one that names values in
//! prompts, and one value by which a store tells whether it belongs to this tenant.
use crate::base64;
use crate::cipher::{CipherError, aead, expand, expand_to, sha256_4};
use crate::file::{KeyFileError, check_name, hex_into, line};
use crate::placeholder::PlaceholderKey;
use crate::secret::Secret;
use aws_lc_rs::aead::LessSafeKey;
use bartizan_core::clock::Entropy;
use bartizan_core::digest::parse_hex;
use std::fmt;
use zeroize::Zeroizing;

const KIND: &str = "bartizan-tenant-key";
const VERSION: u8 = 1;
const PARTS: usize = 5;

/// The tenant's key, under a name.
///
/// ```
/// # use bartizan_keys::TenantKey;
/// # use bartizan_testkit::SimEntropy;
/// let key = TenantKey::generate("acme-2026", &SimEntropy::new(1))?;
/// let again = TenantKey::parse(key.private_text().as_bytes())?;
/// assert_eq!(again.name(), "acme-2026");
/// # Ok::<(), bartizan_keys::KeyFileError>(())
/// ```
pub struct TenantKey {
    name: String,
    key: Secret<32>,
}

impl TenantKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyFileError::Name`].
    pub fn generate(name: &str, entropy: &dyn Entropy) -> Result<Self, KeyFileError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: Secret::draw(entropy) })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`], which never quotes the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let text = line(bytes)?;
        let mut parts = text.split(' ');
        if parts.next() != Some(KIND) {
            return Err(KeyFileError::Kind { expected: "a tenant key", begins: KIND });
        }
        let version: u8 =
            parts.next().and_then(|v| v.parse().ok()).ok_or(KeyFileError::Checksum)?;
        if version != VERSION {
            return Err(KeyFileError::Version { version });
        }
        let (Some(name), Some(key), Some(checksum), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let parts = text.split(' ').count();
            return Err(KeyFileError::Parts { parts, expected: PARTS });
        };
        check_name(name)?;
        let key = base64::decode(key).ok_or(KeyFileError::Material)?;
        let key: &[u8; 32] = key.as_slice().try_into().map_err(|_| KeyFileError::Material)?;
        let (checked, _) = text.rsplit_once(' ').ok_or(KeyFileError::Checksum)?;
        let checksum = parse_hex(checksum).map_err(|_| KeyFileError::Checksum)?;
        if sha256_4(checked.as_bytes()) != checksum {
            return Err(KeyFileError::Checksum);
        }
        Ok(Self { name: name.to_owned(), key: Secret::write(|bytes| *bytes = *key) })
    }

    /// What belongs in the key file: one line and its end.
    pub fn private_text(&self) -> Zeroizing<String> {
        // The capacity is enough, so that no copy stays behind when the string grows.
        let mut text = Zeroizing::new(String::with_capacity(KIND.len() + self.name.len() + 64));
        text.push_str(KIND);
        text.push_str(" 1 ");
        text.push_str(&self.name);
        text.push(' ');
        base64::encode_into(self.key.expose(), &mut text);
        let checksum = sha256_4(text.as_bytes());
        text.push(' ');
        hex_into(&checksum, &mut text);
        text.push('\n');
        text
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What wraps other keys.
    pub(crate) fn wrap_key(&self) -> Result<LessSafeKey, CipherError> {
        aead(expand(self.key.expose(), "bartizan wrap 1")?.expose())
    }

    /// What names values in prompts. Another tenant's key gives other names, and so does the next key of this one.
    ///
    /// # Errors
    /// [`KeyFileError::Material`], when the provider refuses the key.
    pub fn placeholder_key(&self) -> Result<PlaceholderKey, KeyFileError> {
        PlaceholderKey::derive(self.key.expose()).map_err(|_| KeyFileError::Material)
    }

    /// What a store remembers of its tenant: it fits this key only, and says nothing about it.
    pub(crate) fn check_value(&self) -> Result<[u8; 16], CipherError> {
        let mut value = [0; 16];
        expand_to(self.key.expose(), "bartizan tenant check 1", &mut value)?;
        Ok(value)
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKey").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::NameError;
    use bartizan_testkit::SimEntropy;
    use proptest::prelude::*;

    /// Written by hand: the bytes 0 to 31, the checksum from sha256sum.
    const TEXT: &str =
        "bartizan-tenant-key 1 acme AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= f82a9491";

    #[test]
    fn the_format_does_not_move() {
        let key = TenantKey::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(key.key.expose(), &std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert_eq!(key.private_text().as_str(), format!("{TEXT}\n"));
    }

    #[test]
    fn bad_files_are_told_and_never_quoted() {
        let kind = KeyFileError::Kind { expected: "a tenant key", begins: KIND };
        let parts = |parts| KeyFileError::Parts { parts, expected: PARTS };
        let cases = [
            ("note key", "PRIVATE+KEY+a+00000000+AAAA".to_owned(), kind.clone()),
            ("words", "AAECAwQFBgcICQ".to_owned(), kind),
            ("newer", TEXT.replace(" 1 ", " 2 "), KeyFileError::Version { version: 2 }),
            ("no version", TEXT.replace(" 1 ", " AAECAwQFBgcICQ "), KeyFileError::Checksum),
            ("no name", TEXT.replace(" acme", ""), parts(4)),
            ("two names", TEXT.replace(" acme", " ac me"), parts(6)),
            ("empty name", TEXT.replace(" acme", " "), NameError::Empty.into()),
            ("plus", TEXT.replace(" acme", " ac+me"), NameError::Character.into()),
            ("other name", TEXT.replace(" acme", " acne"), KeyFileError::Checksum),
            ("typo", TEXT.replace("wQFB", "wQFC"), KeyFileError::Checksum),
            ("twisted", TEXT.replace("DA0O", "D0AO"), KeyFileError::Checksum),
            ("short", TEXT.replace("BgcI", ""), KeyFileError::Material),
            ("padding", TEXT.replace("Hh8=", "Hh8"), KeyFileError::Material),
        ];
        for (name, text, want) in cases {
            let error = TenantKey::parse(text.as_bytes()).expect_err(name);
            assert_eq!(error, want, "{name}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("BgcI") && !told.contains("AAECA"), "{name}: {told}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let key = TenantKey::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "TenantKey { name: \"acme\", .. }");
    }

    #[test]
    fn derived_keys_differ_by_tenant() {
        let key = |seed| TenantKey::generate("a", &SimEntropy::new(seed)).unwrap();
        assert_eq!(key(1).check_value(), key(1).check_value());
        assert_ne!(key(1).check_value(), key(2).check_value());
        assert!(key(1).wrap_key().is_ok());
    }

    proptest! {
        /// A key survives its file, and no single changed letter goes unnoticed.
        #[test]
        fn typos_are_told(seed: u64, at in 0_usize..200, letter in "[A-Za-z0-9+/= ]") {
            let text = TenantKey::generate("acme", &SimEntropy::new(seed)).unwrap().private_text();
            prop_assert!(TenantKey::parse(text.as_bytes()).is_ok());
            let at = at % (text.len() - 1);
            let mut bytes = text.as_bytes().to_vec();
            let same = bytes[at].eq_ignore_ascii_case(&letter.as_bytes()[0]);
            bytes[at] = letter.as_bytes()[0];
            prop_assert!(same || TenantKey::parse(&bytes).is_err(), "{at}");
        }
    }
}
