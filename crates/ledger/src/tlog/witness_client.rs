//! The log's side of the witness protocol: what to send, and what an answer is worth.
use super::checkpoint::SignedCheckpoint;
use super::key::{VerifierKey, is_cosignature_time};
use super::lines::decimal;
use super::note::{NoteError, NoteSignature};
use super::witness::{AddCheckpoint, RequestError};
use bartizan_core::digest::Digest;

/// Most bytes of an answer: more signatures than any witness has keys.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most characters of a refusal that are repeated.
const REASON_CHARS_MAX: usize = 200;

/// An answer that can be acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The witness has cosigned: signatures that hold, to be added to the checkpoint.
    Cosigned(Vec<NoteSignature>),
    /// The witness has cosigned another size last: ask again with a proof from there. A size over the log's own means that somebody
    /// else signs with the log's key, or that the log was set back.
    Conflict {
        /// That size.
        size: u64,
    },
}

/// Why an answer is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessAnswerError {
    /// There is too much of it.
    #[error("the witness answered {n_bytes} bytes, at most {ANSWER_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// The witness refused.
    #[error("the witness refused with status {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said, in ASCII.
        reason: String,
    },
    /// The answer is not made of signature lines.
    #[error("the witness's answer cannot be read: {0}")]
    Lines(NoteError),
    /// The conflict does not say a size.
    #[error("the witness does not say which size it knows")]
    Size,
    /// A signature under the witness's name does not hold.
    #[error("the cosignature of {name} does not hold for the checkpoint that was sent")]
    Invalid {
        /// The witness.
        name: String,
    },
    /// No known witness has signed.
    #[error("the answer has no cosignature of a witness that is known here")]
    NoCosignature,
}

/// The body of `POST /add-checkpoint`. The first time `old_size` is 0 and the proof is empty; the witness says where it stands.
///
/// # Errors
/// [`RequestError::TooManyHashes`].
pub fn witness_request(
    old_size: u64,
    proof: Vec<Digest>,
    checkpoint: SignedCheckpoint,
) -> Result<String, RequestError> {
    Ok(AddCheckpoint::new(old_size, proof, checkpoint)?.to_string())
}

/// Reads a witness's answer about `checkpoint`. Only signatures of `keys` that hold come out; lines of other keys are ignored.
///
/// # Errors
/// [`WitnessAnswerError`].
pub fn read_answer(
    status: u16,
    body: &[u8],
    checkpoint: &SignedCheckpoint,
    keys: &[VerifierKey],
) -> Result<Answered, WitnessAnswerError> {
    let n_bytes = body.len();
    if ANSWER_BYTES_MAX < n_bytes {
        return Err(WitnessAnswerError::TooLong { n_bytes });
    }
    match status {
        200 => cosignatures(body, checkpoint.note().text(), keys).map(Answered::Cosigned),
        409 => {
            let size = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
            let size = size.and_then(decimal).ok_or(WitnessAnswerError::Size)?;
            Ok(Answered::Conflict { size })
        }
        _ => {
            let ascii = |&byte: &u8| if (b' '..=b'~').contains(&byte) { byte } else { b' ' };
            let reason: String =
                body.iter().take(REASON_CHARS_MAX).map(ascii).map(char::from).collect();
            Err(WitnessAnswerError::Refused { status, reason: reason.trim().to_owned() })
        }
    }
}

fn cosignatures(
    body: &[u8],
    text: &str,
    keys: &[VerifierKey],
) -> Result<Vec<NoteSignature>, WitnessAnswerError> {
    let lines = std::str::from_utf8(body).map_err(|error| {
        WitnessAnswerError::Lines(NoteError::Encoding { at: error.valid_up_to() })
    })?;
    let mut signatures = NoteSignature::parse_lines(lines).map_err(WitnessAnswerError::Lines)?;
    signatures.retain(|signature| keys.iter().any(|key| signature.is_by(key)));
    for signature in &signatures {
        let time = |key: &VerifierKey| key.check(text, signature.bytes())?.unix_s;
        let mut known = keys.iter().filter(|key| signature.is_by(key));
        if !known.any(|key| time(key).is_some_and(is_cosignature_time)) {
            return Err(WitnessAnswerError::Invalid { name: signature.name().to_owned() });
        }
    }
    if signatures.is_empty() { Err(WitnessAnswerError::NoCosignature) } else { Ok(signatures) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::root_of;
    use crate::tlog::testing::key;
    use crate::tlog::{Checkpoint, NOTE_SIGNATURES_MAX};

    fn checkpoint(size: u64) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new("example.com/log", size, root_of(&[])).unwrap();
        checkpoint.sign(&key("example.com/log", 1)).unwrap()
    }

    #[test]
    fn only_what_can_be_acted_upon_comes_out() {
        let keys = [VerifierKey::of_witness(&key("w.example", 2)).unwrap()];
        let sent = checkpoint(0);
        let of = |seed| sent.cosign(&key("w.example", seed), 7).unwrap();
        let line = |seed| of(seed).to_string();
        let other = checkpoint(1).cosign(&key("w.example", 2), 7).unwrap().to_string();
        let lines = |error| Err(WitnessAnswerError::Lines(error));
        let refused = |status, reason: &str| {
            Err(WitnessAnswerError::Refused { status, reason: reason.to_owned() })
        };
        let invalid = Err(WitnessAnswerError::Invalid { name: "w.example".to_owned() });
        let long = "x".repeat(ANSWER_BYTES_MAX + 1);
        let cases = [
            ("cosigned", 200, line(2), Ok(Answered::Cosigned(vec![of(2)]))),
            ("with others", 200, line(3) + &line(2), Ok(Answered::Cosigned(vec![of(2)]))),
            ("only others", 200, line(3), Err(WitnessAnswerError::NoCosignature)),
            ("of another checkpoint", 200, other.clone(), invalid.clone()),
            ("good and forged", 200, line(2) + &other, invalid),
            ("nothing", 200, String::new(), lines(NoteError::NoSignatures)),
            ("no newline", 200, line(2).trim_end().to_owned(), lines(NoteError::NoSignatures)),
            (
                "something else",
                200,
                "<html>\n".to_owned(),
                lines(NoteError::SignatureLine { line: 1 }),
            ),
            (
                "too many",
                200,
                line(2).repeat(NOTE_SIGNATURES_MAX + 1),
                lines(NoteError::TooManySignatures),
            ),
            (
                "too long",
                200,
                long.clone(),
                Err(WitnessAnswerError::TooLong { n_bytes: long.len() }),
            ),
            ("conflict", 409, "17\n".to_owned(), Ok(Answered::Conflict { size: 17 })),
            ("conflict without newline", 409, "17".to_owned(), Err(WitnessAnswerError::Size)),
            ("conflict without size", 409, "conflict\n".to_owned(), Err(WitnessAnswerError::Size)),
            ("conflict, leading zero", 409, "017\n".to_owned(), Err(WitnessAnswerError::Size)),
            ("unknown log", 404, "no\u{1b}[31m\n".to_owned(), refused(404, "no [31m")),
            ("broken", 500, "x".repeat(1_000), refused(500, &"x".repeat(REASON_CHARS_MAX))),
            ("another success", 204, String::new(), refused(204, "")),
        ];
        for (name, status, body, want) in cases {
            assert_eq!(read_answer(status, body.as_bytes(), &sent, &keys), want, "{name}");
        }
        assert_eq!(read_answer(200, &[0xff], &sent, &keys), lines(NoteError::Encoding { at: 0 }));
    }

    #[test]
    fn a_request_has_at_most_63_hashes() {
        let body = witness_request(3, vec![root_of(&[]); 63], checkpoint(9)).unwrap();
        assert!(body.starts_with("old 3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"));
        let refused = witness_request(3, vec![root_of(&[]); 64], checkpoint(9));
        assert_eq!(refused, Err(RequestError::TooManyHashes));
    }
}
