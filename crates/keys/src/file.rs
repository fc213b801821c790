//! Key files: one key per file, one line of text. What is common to their kinds, and who may read them.
//!
//! This crate holds no disk: bytes come in and go out, and the binary opens the file. It asks [`check_mode`] whether anybody else could
//! have read it. Errors name the kind of mistake and a way out, never a byte of what the file holds.
use std::fmt::Write as _;

/// Most bytes of a key file: a line, its end, and room for a long name.
pub const KEY_FILE_BYTES_MAX: usize = 1024;
/// Most bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Why a key file was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is more in the file than one key.
    #[error("the key file has {bytes} bytes, a key has at most {bytes_max}: is it the right file?")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// Most bytes.
        bytes_max: usize,
    },
    /// It is not one line of text.
    #[error("a key file is one line of text, and this is not: is it the right file?")]
    NotOneLine,
    /// It is something else than was asked for.
    #[error("this is not {expected}, which begins with {begins:?}: is it the right file?")]
    Kind {
        /// What was asked for.
        expected: &'static str,
        /// How such a file begins.
        begins: &'static str,
    },
    /// A private key stands where a public one belongs.
    #[error(
        "this is a private key, and only the public one belongs here: replace it, and make a new pair if anybody else has seen it"
    )]
    Private,
    /// A newer build wrote it.
    #[error("version {version} of key files is not known to this build: use a newer one")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A part is missing, or there is one too many.
    #[error("the line has {parts} parts, {expected} belong there: copy the file again")]
    Parts {
        /// Parts found.
        parts: usize,
        /// Parts expected.
        expected: usize,
    },
    /// The name cannot be one.
    #[error("the key's name is not valid: {0}")]
    Name(#[from] NameError),
    /// The key is not base64 of the right length.
    #[error("the key itself is cut short or misspelt: copy the file again")]
    Material,
    /// The key is for another algorithm.
    #[error(
        "the key is for algorithm {algorithm}, which is not known here: make one with this build"
    )]
    Algorithm {
        /// Its number.
        algorithm: u8,
    },
    /// Name, key and checksum do not belong together.
    #[error(
        "the checksum does not fit the name and the key, so one of them was changed: copy the file again"
    )]
    Checksum,
}

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no letters.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {bytes} bytes, at most {bytes_max} are taken")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// Most bytes.
        bytes_max: usize,
    },
    /// A character may not stand in it.
    #[error("spaces, plus signs and control characters may not stand in it")]
    Character,
}

/// Checks the name of a key: not empty, at most [`KEY_NAME_BYTES_MAX`] bytes, no white space, no plus sign, and no control character.
///
/// Source: [C2SP signed-note](https://c2sp.org/signed-note), which leaves the last point open.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if KEY_NAME_BYTES_MAX < name.len() {
        return Err(NameError::TooLong { bytes: name.len(), bytes_max: KEY_NAME_BYTES_MAX });
    }
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.contains(is_bad) { Err(NameError::Character) } else { Ok(()) }
}

/// The one line of a key file, without its end.
pub(crate) fn line(bytes: &[u8]) -> Result<&str, KeyFileError> {
    if KEY_FILE_BYTES_MAX < bytes.len() {
        let (bytes, bytes_max) = (bytes.len(), KEY_FILE_BYTES_MAX);
        return Err(KeyFileError::TooLong { bytes, bytes_max });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFileError::NotOneLine)?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let is_line = !line.is_empty() && !line.contains(['\n', '\r', '\0']);
    if is_line { Ok(line) } else { Err(KeyFileError::NotOneLine) }
}

/// Appends bytes in lower-case hexadecimal.
pub(crate) fn hex_into(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing to a string does not fail");
    }
}

/// Somebody else may use the key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key file {path} is open to others than its owner (mode {mode:04o}): run `chmod 600 {path}`, and make a new key if anybody could have read it"
)]
pub struct ModeError {
    /// The file.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
}

/// Judges the permissions of a key file: nobody but its owner may read, write or run it.
///
/// * `mode`: as `stat` gives it on Unix; the bits of the file's type do not matter.
///
/// # Errors
/// [`ModeError`], with the command that mends it.
///
/// ```
/// # use bartizan_keys::check_mode;
/// check_mode("log.key", 0o100_600)?;
/// let error = check_mode("log.key", 0o100_644).unwrap_err();
/// assert!(error.to_string().contains("chmod 600 log.key"));
/// # Ok::<(), bartizan_keys::ModeError>(())
/// ```
pub fn check_mode(path: &str, mode: u32) -> Result<(), ModeError> {
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    Err(ModeError { path: path.to_owned(), mode: mode & 0o7777 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_touch_a_key_file() {
        for mode in [0o600, 0o400, 0o100_600, 0o700, 0o100_400] {
            assert_eq!(check_mode("k", mode), Ok(()), "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777, 0o100_660] {
            let error = check_mode("a/k", mode).unwrap_err();
            assert_eq!(error.mode, mode & 0o7777, "{mode:o}");
            assert!(error.to_string().contains("`chmod 600 a/k`"), "{error}");
        }
    }

    #[test]
    fn names() {
        let long = "n".repeat(KEY_NAME_BYTES_MAX);
        for name in ["a", "example.com/log", "Pr\u{fc}fer", "a-b_c~d", &long] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let longer = format!("{long}n");
        let (bytes, bytes_max) = (KEY_NAME_BYTES_MAX + 1, KEY_NAME_BYTES_MAX);
        let cases = [
            ("", NameError::Empty),
            ("a b", NameError::Character),
            ("a\tb", NameError::Character),
            ("a\n", NameError::Character),
            ("a\u{2003}b", NameError::Character),
            ("a\u{85}", NameError::Character),
            ("a+b", NameError::Character),
            ("a\0", NameError::Character),
            ("\u{1b}[0m", NameError::Character),
            (&longer, NameError::TooLong { bytes, bytes_max }),
        ];
        for (name, want) in cases {
            assert_eq!(check_name(name), Err(want), "{name:?}");
        }
    }

    #[test]
    fn a_file_is_one_line() {
        let full = "k".repeat(KEY_FILE_BYTES_MAX);
        for text in ["key", "key\n", "key\r\n"] {
            assert_eq!(line(text.as_bytes()), Ok("key"));
        }
        assert_eq!(line(full.as_bytes()), Ok(full.as_str()));
        let long = KeyFileError::TooLong { bytes: 1025, bytes_max: 1024 };
        assert_eq!(line(&[b'k'; 1025]), Err(long));
        for bytes in [&b""[..], b"\n", b"\r\n", b"a\nb", b"a\n\n", b"a\rb", b"\xff", b"a\0b"] {
            assert_eq!(line(bytes), Err(KeyFileError::NotOneLine), "{bytes:?}");
        }
    }
}
