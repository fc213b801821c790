//! What can be wrong with a log, and where.
use crate::format::segment_name;
use crate::segment::SEGMENT_FILE_BYTES_MAX;
use crate::tlog::TileError;
use bartizan_core::record::{LeafError, RecordId, Slot};
use bartizan_core::seal::OpenError;
use std::fmt;

/// What is wrong with the bytes at some place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// A segment file has no name any more.
    #[error("the segment is missing")]
    SegmentMissing,
    /// A segment file is longer than any that we write.
    #[error(
        "the segment's file has {bytes} bytes, and none that we write has more than {SEGMENT_FILE_BYTES_MAX}: somebody has made it longer; restore it from a copy"
    )]
    SegmentLong {
        /// Its length.
        bytes: u64,
    },
    /// A file with a segment's name is something else.
    #[error("the file is not part of a log")]
    Foreign,
    /// A segment's first block is not that of a segment of this log.
    #[error("the segment's header is damaged or belongs to another log")]
    Header,
    /// A segment was written by another version.
    #[error("format version {version} is not known to this build: use the build that wrote it")]
    Version {
        /// The version found.
        version: u32,
    },
    /// The checksum of a frame does not fit its bytes.
    #[error("bytes were changed: the checksum of a frame does not fit")]
    Checksum,
    /// A frame cannot stand where it stands.
    #[error("bytes were changed: a frame is out of place")]
    Frame,
    /// A group has no valid commit mark.
    #[error("bytes were changed: the commit mark of a group does not fit")]
    Mark,
    /// Bytes that must be zero are not.
    #[error("bytes were changed: unused space is not empty")]
    Stray,
    /// A leaf is none.
    #[error("{0}")]
    Leaf(LeafError),
    /// Payloads are not those that the leaf commits to.
    #[error("the payloads are not those that the leaf commits to")]
    Payload,
    /// Group or leaf numbers do not follow each other.
    #[error("records are missing or out of order")]
    Order,
    /// The Merkle root at a commit mark is not that of the leaves.
    #[error("the Merkle root does not fit the leaves")]
    Root,
    /// The chain over the commit marks is broken.
    #[error("the chain over the commit marks is broken")]
    Chain,
    /// The snapshot at the start of a segment is not what the segments before it say.
    #[error("the snapshot at the start of the segment contradicts the segments before it")]
    Snapshot,
    /// An INTENT whose id is already open.
    #[error("record {record} has a second intent before its outcome")]
    IntentTwice {
        /// The record.
        record: RecordId,
    },
    /// An OUTCOME whose INTENT is not open.
    #[error("record {record} has an outcome without an open intent")]
    OutcomeAlone {
        /// The record.
        record: RecordId,
    },
    /// More INTENTs are open than a log may have.
    #[error("too many intents have no outcome")]
    OpenTooMany,
    /// The checkpoint file cannot be read as one of this log.
    #[error("log/checkpoint is damaged, or signed by another log's key")]
    Checkpoint,
    /// There are leaves and no checkpoint, although a log has one before its first leaf.
    #[error(
        "the checkpoint is missing, so nobody can tell whether the end was cut off: restore log/checkpoint from a copy"
    )]
    CheckpointMissing,
    /// No key that is trusted has signed the checkpoint.
    #[error("log/checkpoint is signed by none of the trusted keys")]
    CheckpointUnsigned,
    /// The file of the newest witnessed checkpoint cannot be read as one of this log.
    #[error("log/witnessed is damaged, or of another log: restore it from a copy")]
    Witnessed,
    /// No key that is trusted has signed the newest witnessed checkpoint.
    #[error(
        "log/witnessed is signed by none of the trusted keys of the log: it is damaged, or the log had another key then, which has to be named as well"
    )]
    WitnessedUnsigned,
    /// Witnesses have cosigned more than the checkpoint stands for.
    #[error(
        "log/checkpoint stands for {leaves} leaves, and witnesses have cosigned {size}: the log was cut, or restored from an older copy"
    )]
    WitnessedAhead {
        /// Leaves that the checkpoint stands for.
        leaves: u64,
        /// Leaves that witnesses have cosigned.
        size: u64,
    },
    /// The log's root is not the one that witnesses have cosigned.
    #[error("the log has another root than the one that witnesses have cosigned at {size} leaves")]
    WitnessedRoot {
        /// Leaves that witnesses have cosigned.
        size: u64,
    },
    /// A group behind the checkpoint was not written with the log's key.
    #[error(
        "leaves behind the checkpoint were not written with the log's key: somebody else added or changed them"
    )]
    Unvouched,
    /// A leaf is not the one that was signed, or vouched for with its group.
    #[error(
        "the leaf is not the one that the log's key has signed: somebody changed it afterwards"
    )]
    Unproven,
    /// A published file does not fit the leaves, or is missing.
    #[error("published file: {0}")]
    Tile(String),
    /// The checkpoint's root is not that of the log at its size.
    #[error("the log has another root than the checkpoint at {size} leaves")]
    CheckpointRoot {
        /// Leaves that the checkpoint stands for.
        size: u64,
    },
    /// The log is shorter than its checkpoint.
    #[error(
        "the log ends after {leaves} leaves, its checkpoint has {size}: the end was cut off or damaged; or, in a copy of a log that was growing, log/ was copied after the segments: copy log/ first"
    )]
    Cut {
        /// Leaves found.
        leaves: u64,
        /// Leaves that the checkpoint stands for.
        size: u64,
    },
}

/// One flaw and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Number of the segment file.
    pub segment: u64,
    /// Byte in it.
    pub offset: u64,
    /// Index of the leaf, where one is concerned.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Flaw {
    /// Whether it is about a file of the published log as a whole, and not about a place in a segment.
    fn names_its_file(&self) -> bool {
        matches!(
            self,
            Self::Checkpoint
                | Self::CheckpointMissing
                | Self::CheckpointUnsigned
                | Self::Witnessed
                | Self::WitnessedUnsigned
                | Self::WitnessedAhead { .. }
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flaw.names_its_file() {
            return write!(f, "{}", self.flaw);
        }
        write!(f, "segment {} byte {}", self.segment, self.offset)?;
        if let Some(leaf) = self.leaf {
            write!(f, " leaf {leaf}")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

/// Why a log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The disk failed.
    #[error("could not {operation} {name}: {source}")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        name: String,
        /// What the disk said.
        source: std::io::Error,
    },
    /// There is no log in the folder.
    #[error("there is no log here: name the folder that holds segment-00000000.log")]
    Absent,
    /// A file with a segment's name is something else.
    #[error("{name} is not part of a log: move it away, or name another folder")]
    Foreign {
        /// The file.
        name: String,
    },
    /// The log was written by another version.
    #[error("{name} has format version {version}, this build knows 3: use the build that wrote it")]
    Version {
        /// The file.
        name: String,
        /// The version found.
        version: u32,
    },
    /// The log is damaged. Nothing was changed.
    #[error("the log is damaged at {0}: nothing was changed; keep a copy, then restore a backup")]
    Damaged(Problem),
    /// Leaves behind the checkpoint are not the log's own. Nothing was changed.
    #[error(
        "{0}: nothing was changed; keep a copy, and restore the newest good one; where there is none, `bartizan vault accept --cut-tail` cuts off what comes from there on, keeps it in torn/, and records that"
    )]
    Unvouched(Problem),
    /// A leaf that says what is destroyed is not the one that was signed. Nothing was changed.
    #[error(
        "{0}: nothing is destroyed or hidden on its word; keep a copy, then restore the newest good copy of the segment files; `bartizan audit verify` tells what else is wrong"
    )]
    Unproven(Problem),
    /// The log in the folder has another name than the key. Nothing was changed.
    #[error(
        "log/checkpoint is that of the log {found}, and the key that of the log {own}: restore the one that belongs to the other, or name another folder"
    )]
    OtherLog {
        /// The name in the checkpoint.
        found: String,
        /// The name of the key.
        own: String,
    },
    /// The log is not the one that witnesses have seen. Nothing was changed.
    #[error(
        "{0}: nothing was changed; restore its newest copy, or begin a new log with a state folder of its own"
    )]
    Witnessed(Flaw),
    /// Leaves have no signature yet, and the key that vouches for them is to go.
    #[error(
        "{leaves} leaves came after the checkpoint, and no signature covers them yet: start the gateway once with the present key, and stop it again, then give the log another key"
    )]
    Unsigned {
        /// How many.
        leaves: u64,
    },
    /// The published tiles are not those of the checkpoint.
    #[error(
        "the published log is damaged: {0}; it can be made again from the journal: move the folder log/tile away, and leave log/checkpoint where it is, by which what is made is proven; the next start makes it"
    )]
    Tiles(TileError),
    /// A payload cannot be opened.
    #[error("the payload {slot} of record {record} cannot be opened: {error}")]
    Sealed {
        /// Its record.
        record: RecordId,
        /// Which payload.
        slot: Slot,
        /// Why.
        error: OpenError,
    },
    /// An option makes no sense.
    #[error("option {option} {reason}")]
    Options {
        /// Which one.
        option: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// A write failed while the log was being opened.
    #[error(transparent)]
    Record(#[from] bartizan_core::record::RecordError),
}

impl LedgerError {
    /// Names the file and the operation that an error of the disk belongs to.
    pub(crate) fn disk(
        operation: &'static str,
        name: impl Into<String>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let name = name.into();
        move |source| Self::Disk { operation, name, source }
    }
}

impl From<Problem> for LedgerError {
    fn from(problem: Problem) -> Self {
        let name = segment_name(problem.segment);
        match problem.flaw {
            Flaw::Foreign => Self::Foreign { name },
            Flaw::Version { version } => Self::Version { name, version },
            Flaw::WitnessedAhead { .. } | Flaw::WitnessedRoot { .. } => {
                Self::Witnessed(problem.flaw)
            }
            Flaw::Unvouched => Self::Unvouched(problem),
            Flaw::Unproven => Self::Unproven(problem),
            _ => Self::Damaged(problem),
        }
    }
}

/// Why reading had to stop, before it is decided what that means.
#[derive(Debug)]
pub(crate) enum Trouble {
    Disk(LedgerError),
    /// `torn` says that an unfinished write may look like that.
    Fault {
        problem: Problem,
        torn: bool,
    },
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Fault { problem, torn: false }
    }
}

impl From<Trouble> for LedgerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Disk(error) => error,
            Trouble::Fault { problem, .. } => problem.into(),
        }
    }
}
