//! Trust policies: which logs are believed, and which witnesses must have cosigned.
use super::checkpoint::{CheckpointError, SignedCheckpoint};
use super::key::{KeyError, KeyKind, VerifierKey};
use super::lines::decimal;
use super::note::NoteError;

/// Most bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// Most logs of a policy.
pub const POLICY_LOGS_MAX: usize = 64;
/// Most witnesses of a policy.
pub const POLICY_WITNESSES_MAX: usize = 64;
/// Most groups of a policy.
pub const POLICY_GROUPS_MAX: usize = 64;

/// The quorum that asks for nothing.
const NONE: &[u8] = b"none";

/// Why a file is not a trust policy, and which line says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {flaw}")]
pub struct PolicyError {
    /// The line, from 1; the last one for what is wrong with the whole file.
    pub line: usize,
    /// What is wrong with it.
    pub flaw: PolicyFlaw,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFlaw {
    /// The file is too long.
    #[error("the policy has {n_bytes} bytes, at most {POLICY_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// A control character.
    #[error("a control character other than tab and newline")]
    Control,
    /// The last line has no newline: the file may have been cut.
    #[error("the last line has no newline: was the file cut?")]
    Unended,
    /// The line starts with a word that means nothing.
    #[error("unknown word: a line starts with log, witness, group, quorum or #")]
    Word,
    /// The line has too few or too many words.
    #[error("write {0}")]
    Shape(&'static str),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A witness has a key that does not cosign.
    #[error("the key of a witness is one for cosignatures (type 0x04 or 0x06)")]
    NotAWitnessKey,
    /// A key stands there a second time.
    #[error("this public key was listed before")]
    DuplicateKey,
    /// A name was given before, or is the reserved one.
    #[error("the name {0} is taken")]
    NameTaken(String),
    /// A name means nothing yet.
    #[error("no witness or group above this line is named {0}")]
    UnknownName(String),
    /// A name is a member of two groups, or twice of one.
    #[error("{0} is a member of a group already: each counts once")]
    MemberTwice(String),
    /// The threshold is not one.
    #[error("the threshold is all, any, or a number from 1 to {n_members}")]
    Threshold {
        /// Members of the group.
        n_members: usize,
    },
    /// There is a second quorum, or none.
    #[error("a policy has exactly one quorum line")]
    Quorum,
    /// There are too many lines of a kind.
    #[error("more than {n_max} of them")]
    TooMany {
        /// How many may be.
        n_max: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// By its place among the witnesses.
    Witness(usize),
    /// At least so many of the earlier rules.
    Group { threshold: usize, members: Vec<usize> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: Vec<u8>,
    rule: Rule,
    is_member: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LogLine {
    key: VerifierKey,
    url: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct WitnessLine {
    name: Vec<u8>,
    key: VerifierKey,
    url: Option<Vec<u8>>,
}

/// Whom a reader trusts: logs, witnesses, and the quorum of them that a checkpoint needs.
///
/// ```
/// # use bartizan_ledger::tlog::Policy;
/// let policy = Policy::parse(b"# any checkpoint of this log\n\
///     log PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n\
///     quorum none\n")?;
/// assert_eq!(policy.logs().next().map(|key| key.name()), Some("PeterNeumann"));
/// # Ok::<(), bartizan_ledger::tlog::PolicyError>(())
/// ```
///
/// Source: [C2SP tlog-policy](https://c2sp.org/tlog-policy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<LogLine>,
    witnesses: Vec<WitnessLine>,
    rules: Vec<Named>,
    /// By its place among the rules; `None` asks for no cosignature.
    quorum: Option<usize>,
}

/// A witness of the policy that has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessSeen {
    /// Its name in the policy; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// When it cosigned, in seconds since 1970.
    pub unix_s: u64,
}

/// What a policy says of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The log that signed it.
    pub log: VerifierKey,
    /// The known witnesses that cosigned it.
    pub witnesses: Vec<WitnessSeen>,
    /// The groups of the policy that count as having witnessed it, by name.
    pub groups_met: Vec<String>,
    /// Whether the quorum is met.
    pub quorum_met: bool,
}

/// Why a policy does not trust a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A signature of a known key does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The policy knows no log of that name.
    #[error("the policy lists no log named {origin}")]
    UnknownLog {
        /// The checkpoint's origin.
        origin: String,
    },
    /// The log has not signed.
    #[error("no key that the policy lists for {origin} has signed the checkpoint")]
    NotSigned {
        /// The checkpoint's origin.
        origin: String,
    },
    /// Too few witnesses have cosigned.
    #[error(
        "the quorum {quorum} is not met: cosigned by {n_witnesses} of the {n_known} known witnesses"
    )]
    NoQuorum {
        /// The quorum's name.
        quorum: String,
        /// Known witnesses that cosigned.
        n_witnesses: usize,
        /// Witnesses of the policy.
        n_known: usize,
    },
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl Policy {
    /// The policy that trusts one log and asks for no witness.
    pub fn of_log(key: VerifierKey) -> Self {
        let logs = vec![LogLine { key, url: None }];
        Self { logs, witnesses: Vec::new(), rules: Vec::new(), quorum: None }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] with the first line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        Parser::read(bytes)
    }

    /// The keys of the logs.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter().map(|log| &log.key)
    }

    /// The keys of the witnesses with their names and addresses, bytes that are not UTF-8 replaced.
    pub fn witnesses(&self) -> impl Iterator<Item = (String, &VerifierKey, Option<String>)> {
        self.witnesses
            .iter()
            .map(|witness| (lossy(&witness.name), &witness.key, witness.url.as_deref().map(lossy)))
    }

    /// Whether its quorum asks for any witness at all.
    pub fn has_quorum(&self) -> bool {
        self.quorum.is_some()
    }

    /// The address of a log, if the policy gives one.
    pub fn log_url(&self, key: &VerifierKey) -> Option<String> {
        self.logs.iter().find(|log| log.key == *key)?.url.as_deref().map(lossy)
    }

    /// Verifies a checkpoint's signatures and tells which quorum it meets.
    ///
    /// # Errors
    /// [`TrustError::UnknownLog`], [`TrustError::NotSigned`], or [`TrustError::Note`] if a signature of a known key does not hold.
    /// A quorum that is not met is no error here: [`Policy::check`] makes it one.
    pub fn evaluate(&self, signed: &SignedCheckpoint) -> Result<Trust, TrustError> {
        let origin = || signed.checkpoint().origin().to_owned();
        let is_log = |key: &&VerifierKey| key.name() == signed.checkpoint().origin();
        let mut keys: Vec<VerifierKey> = self.logs().filter(is_log).cloned().collect();
        let n_logs = keys.len();
        if n_logs == 0 {
            return Err(TrustError::UnknownLog { origin: origin() });
        }
        keys.extend(self.witnesses.iter().map(|witness| witness.key.clone()));
        let found = match signed.verify(&keys) {
            Err(NoteError::NoKnownKey) => Vec::new(),
            found => found?,
        };
        let log = keys.iter().take(n_logs).find(|key| found.iter().any(|seen| seen.key == *key));
        let log = log.ok_or_else(|| TrustError::NotSigned { origin: origin() })?.clone();
        let time_of = |key: &VerifierKey| {
            found.iter().find(|seen| seen.key == key).and_then(|seen| seen.unix_s)
        };
        let times: Vec<Option<u64>> =
            self.witnesses.iter().map(|witness| time_of(&witness.key)).collect();
        let met = self.rules_met(&times);
        let witnesses = self.witnesses.iter().zip(&times).filter_map(|(witness, unix_s)| {
            let (name, key) = (lossy(&witness.name), witness.key.clone());
            unix_s.map(|unix_s| WitnessSeen { name, key, unix_s })
        });
        let groups = self
            .rules
            .iter()
            .zip(&met)
            .filter(|(named, met)| **met && matches!(named.rule, Rule::Group { .. }));
        let quorum_met = self.quorum.is_none_or(|at| met.get(at).copied().unwrap_or(false));
        Ok(Trust {
            log,
            witnesses: witnesses.collect(),
            groups_met: groups.map(|(named, _)| lossy(&named.name)).collect(),
            quorum_met,
        })
    }

    /// As [`Policy::evaluate`], and refuses a checkpoint that does not meet the quorum.
    ///
    /// # Errors
    /// Those of [`Policy::evaluate`], and [`TrustError::NoQuorum`].
    pub fn check(&self, signed: &SignedCheckpoint) -> Result<Trust, TrustError> {
        let trust = self.evaluate(signed)?;
        if trust.quorum_met {
            return Ok(trust);
        }
        let quorum = self.quorum.and_then(|at| self.rules.get(at));
        Err(TrustError::NoQuorum {
            quorum: quorum.map_or_else(String::new, |named| lossy(&named.name)),
            n_witnesses: trust.witnesses.len(),
            n_known: self.witnesses.len(),
        })
    }

    /// Which rules are met; a rule refers only to rules before it, so one pass does.
    fn rules_met(&self, times: &[Option<u64>]) -> Vec<bool> {
        let mut met: Vec<bool> = Vec::with_capacity(self.rules.len());
        for named in &self.rules {
            let is_met = match &named.rule {
                Rule::Witness(at) => times.get(*at).is_some_and(Option::is_some),
                Rule::Group { threshold, members } => {
                    let is_met = |at: &&usize| met.get(**at).copied().unwrap_or(false);
                    *threshold <= members.iter().filter(is_met).count()
                }
            };
            met.push(is_met);
        }
        met
    }
}

/// A policy while its lines are read.
#[derive(Default)]
struct Parser {
    logs: Vec<LogLine>,
    witnesses: Vec<WitnessLine>,
    rules: Vec<Named>,
    n_groups: usize,
    /// Whether the quorum line came already.
    has_quorum: bool,
    quorum: Option<usize>,
}

impl Parser {
    fn read(bytes: &[u8]) -> Result<Policy, PolicyError> {
        if POLICY_BYTES_MAX < bytes.len() {
            let flaw = PolicyFlaw::TooLong { n_bytes: bytes.len() };
            return Err(PolicyError { line: 1, flaw });
        }
        let mut parser = Self::default();
        let mut n_lines = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            n_lines += 1;
            parser.line(line).map_err(|flaw| PolicyError { line: n_lines, flaw })?;
        }
        if !parser.has_quorum {
            return Err(PolicyError { line: n_lines.max(1), flaw: PolicyFlaw::Quorum });
        }
        let Self { logs, witnesses, rules, quorum, .. } = parser;
        Ok(Policy { logs, witnesses, rules, quorum })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), PolicyFlaw> {
        let line = line.strip_suffix(b"\n").ok_or(PolicyFlaw::Unended)?;
        if line.iter().any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(PolicyFlaw::Control);
        }
        let words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let words: Vec<&[u8]> = words.collect();
        match words.as_slice() {
            [] | [[b'#', ..], ..] => Ok(()),
            [b"log", rest @ ..] => self.log(rest),
            [b"witness", rest @ ..] => self.witness(rest),
            [b"group", rest @ ..] => self.group(rest),
            [b"quorum", rest @ ..] => self.quorum(rest),
            _ => Err(PolicyFlaw::Word),
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), PolicyFlaw> {
        let ([key] | [key, _]) = words else {
            return Err(PolicyFlaw::Shape("log <verifier key> [<url>]"));
        };
        let (key, url) = (read_key(key)?, words.get(1).map(|url| url.to_vec()));
        if self.logs.iter().any(|log| log.key.public_key() == key.public_key()) {
            return Err(PolicyFlaw::DuplicateKey);
        }
        room(self.logs.len(), POLICY_LOGS_MAX)?;
        self.logs.push(LogLine { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), PolicyFlaw> {
        let ([name, key] | [name, key, _]) = words else {
            return Err(PolicyFlaw::Shape("witness <name> <verifier key> [<url>]"));
        };
        let (key, url) = (read_key(key)?, words.get(2).map(|url| url.to_vec()));
        if !matches!(key.kind(), KeyKind::CosignatureV1 | KeyKind::Other(0x06)) {
            return Err(PolicyFlaw::NotAWitnessKey);
        }
        if self.witnesses.iter().any(|other| other.key.public_key() == key.public_key()) {
            return Err(PolicyFlaw::DuplicateKey);
        }
        room(self.witnesses.len(), POLICY_WITNESSES_MAX)?;
        self.name(name, Rule::Witness(self.witnesses.len()))?;
        self.witnesses.push(WitnessLine { name: name.to_vec(), key, url });
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), PolicyFlaw> {
        let [name, threshold, names @ ..] = words else {
            return Err(PolicyFlaw::Shape("group <name> all|any|<number> <member>..."));
        };
        if names.is_empty() {
            return Err(PolicyFlaw::Shape("group <name> all|any|<number> <member>..."));
        }
        let n_members = names.len();
        let number = || {
            let number = decimal(std::str::from_utf8(threshold).ok()?)?;
            usize::try_from(number).ok().filter(|number| (1..=n_members).contains(number))
        };
        let threshold = match *threshold {
            b"all" => n_members,
            b"any" => 1,
            _ => number().ok_or(PolicyFlaw::Threshold { n_members })?,
        };
        room(self.n_groups, POLICY_GROUPS_MAX)?;
        let mut members = Vec::new();
        for name in names {
            let at = self.find(name)?;
            let member = self.rules.get_mut(at).filter(|named| !named.is_member);
            member.ok_or_else(|| PolicyFlaw::MemberTwice(lossy(name)))?.is_member = true;
            members.push(at);
        }
        self.n_groups += 1;
        self.name(name, Rule::Group { threshold, members })
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), PolicyFlaw> {
        let [name] = words else {
            return Err(PolicyFlaw::Shape("quorum <name of a witness or group>, or quorum none"));
        };
        if self.has_quorum {
            return Err(PolicyFlaw::Quorum);
        }
        self.quorum = if *name == NONE { None } else { Some(self.find(name)?) };
        self.has_quorum = true;
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, PolicyFlaw> {
        let at = self.rules.iter().position(|named| named.name == name);
        at.ok_or_else(|| PolicyFlaw::UnknownName(lossy(name)))
    }

    fn name(&mut self, name: &[u8], rule: Rule) -> Result<(), PolicyFlaw> {
        if name == NONE || self.find(name).is_ok() {
            return Err(PolicyFlaw::NameTaken(lossy(name)));
        }
        self.rules.push(Named { name: name.to_vec(), rule, is_member: false });
        Ok(())
    }
}

fn room(n: usize, n_max: usize) -> Result<(), PolicyFlaw> {
    if n < n_max { Ok(()) } else { Err(PolicyFlaw::TooMany { n_max }) }
}

fn read_key(word: &[u8]) -> Result<VerifierKey, PolicyFlaw> {
    let text = std::str::from_utf8(word).map_err(|_| PolicyFlaw::Key(KeyError::Shape))?;
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests;
