//! Marks on files of ours: by the key that signs the log, so that what somebody wrote by hand is not taken for what we have left.
use bartizan_core::record::RecordId;
use bartizan_core::sign::Signer as _;
use bartizan_keys::NoteKey;
use serde::Serialize;

/// The mark of a file without its mark.
///
/// * `domain`: begins what is marked; each sort of file has its own, so that the mark of one is none of another.
///
/// # Errors
/// Those of writing the file as JSON.
pub(crate) fn of(
    domain: &[u8],
    unmarked: &impl Serialize,
    signer: &NoteKey,
) -> anyhow::Result<String> {
    let message = [domain, &serde_json::to_vec(unmarked)?].concat();
    Ok(RecordId(signer.mark(&message)).to_string())
}
