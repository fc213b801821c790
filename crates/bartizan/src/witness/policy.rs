//! The file that `[ledger.witness] policy` names, read for `serve`: every witness needs an address there, and the quorum a witness.
use crate::config::{ConfigError, FILE_BYTES_MAX, Problem, Witness};
use crate::files;
use crate::outcome::Usage;
use bartizan_core::digest::Digest;
use bartizan_gateway::http::Poster;
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::{KeyKind, POLICY_BYTES_MAX, Policy, VerifierKey};
use std::ops::Range;
use std::path::Path;

/// What is asked of a witness, under its address.
const ADD_CHECKPOINT: &str = "/add-checkpoint";

/// A witness that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// Its name in the policy.
    pub(crate) name: String,
    /// Its key.
    pub(crate) key: VerifierKey,
    /// The way to it.
    pub(crate) poster: Poster,
}

/// A policy, and the ways to its witnesses.
#[derive(Clone, Debug)]
pub(crate) struct Witnesses {
    /// Whom to believe.
    pub(crate) policy: Policy,
    /// SHA-256 of the file.
    pub(crate) digest: Digest,
    /// Whom to ask, in the policy's order.
    pub(crate) addresses: Vec<Address>,
}

/// Reads a policy file.
///
/// # Errors
/// [`Usage`] when it cannot be read, [`ConfigError`] that points at the line that is wrong.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Policy, String)> {
    let bytes = files::read_bounded(path, POLICY_BYTES_MAX)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match Policy::parse(&bytes) {
        Ok(policy) => Ok((policy, text)),
        Err(error) => {
            let span = line_span(&text, error.line);
            let problem =
                Problem { message: error.flaw.to_string(), span, help: None, secret: false };
            Err(ConfigError::new(&path.display().to_string(), &text, vec![problem]).into())
        }
    }
}

/// What a policy file is told from another one by.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn digest(path: &Path) -> anyhow::Result<Digest> {
    read(path).map(|(_, text)| sha256(text.as_bytes()))
}

/// Reads what `[ledger.witness]` names; connects to nothing.
///
/// * `log`: the key of our log, where it is known: the policy must list it.
///
/// # Errors
/// Those of [`read`]; [`ConfigError`] for a policy that is right and cannot be served.
pub(crate) fn load(settings: &Witness, log: Option<&VerifierKey>) -> anyhow::Result<Witnesses> {
    let (policy, text) = read(&settings.policy)?;
    let ca_pem = settings.ca_file.as_ref().map(|path| {
        files::read_bounded(path, FILE_BYTES_MAX)
            .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))
    });
    let ca_pem = ca_pem.transpose()?;
    let mut problems = Vec::new();
    let mut add = |span, message: String, help: String| {
        problems.push(Problem { message, span, help: Some(help), secret: false });
    };
    if let Some(log) = log.filter(|log| policy.logs().all(|known| known != *log)) {
        let message = format!("the policy does not list our log, {}", log.name());
        add(0..0, message, format!("add the line: log {log}"));
    }
    if !policy.has_quorum() {
        let help =
            "write `quorum` and the name of a witness or group, or take [ledger.witness] out";
        add(find(&text, &["quorum"]), "the quorum asks for no witness".to_owned(), help.to_owned());
    }
    let mut addresses = Vec::new();
    for (name, key, url) in policy.witnesses() {
        let span = find(&text, &["witness", &name]);
        if key.kind() != KeyKind::CosignatureV1 {
            let message = format!("nobody here can verify the key of {name}");
            add(span, message, "use an Ed25519 key for cosignatures (type 0x04)".to_owned());
            continue;
        }
        let Some(url) = url else {
            let help = "write its URL after its key, such as http://127.0.0.1:4182";
            add(span, format!("{name} has no address, so it cannot be asked"), help.to_owned());
            continue;
        };
        let url = format!("{}{ADD_CHECKPOINT}", url.trim_end_matches('/'));
        match Poster::new(&url, ca_pem.clone()) {
            Ok(poster) => addresses.push(Address { name, key: key.clone(), poster }),
            Err(error) => {
                let help = "write it like http://127.0.0.1:4182 or https://witness.example.org";
                add(span, error.to_string(), help.to_owned());
            }
        }
    }
    if problems.is_empty() {
        let digest = sha256(text.as_bytes());
        return Ok(Witnesses { policy, digest, addresses });
    }
    let path = settings.policy.display().to_string();
    Err(ConfigError::new(&path, &text, problems).into())
}

/// The bytes of a line, from 1, without its end.
fn line_span(text: &str, line: usize) -> Range<usize> {
    let mut start = 0;
    for (at, piece) in text.split_inclusive('\n').enumerate() {
        if at + 1 == line {
            return start..start + piece.trim_end_matches('\n').len();
        }
        start += piece.len();
    }
    0..0
}

/// The bytes of the first line that begins with these words.
fn find(text: &str, words: &[&str]) -> Range<usize> {
    let begins = |line: &str| {
        let found = line.split([' ', '\t']).map(str::trim_end).filter(|word| !word.is_empty());
        found.take(words.len()).eq(words.iter().copied())
    };
    let line = text.lines().position(begins);
    line.map_or(0..0, |at| line_span(text, at + 1))
}

#[cfg(test)]
mod tests;
