//! What is written down: one small leaf per fact, its payloads beside it.
//!
//! A leaf is a commitment. It holds no text: hashes of the stored payload bytes, numbers and names of keys. It is at most
//! [`LEAF_BYTES_MAX`] bytes of canonical CBOR (RFC 8949, section 4.2.1), so that it fits a C2SP tlog-tiles entry and can be kept for ever
//! while payloads come and go. One format, versioned, for every verb.
use crate::digest::{Digest, parse_hex, write_hex};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

mod cbor;
mod leaf;

pub use leaf::{LEAF_BYTES_MAX, LEAF_VERSION, Leaf, LeafError, NAME_BYTES_MAX};

/// The random name of one exchange. Its INTENT and its OUTCOME share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for RecordId {
    type Err = crate::digest::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in order of code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number in a leaf. Never given out twice.
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value with this number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

coded! {
    /// What a leaf records.
    RecordKind {
        /// A request was allowed to go upstream (or was about to be refused).
        Intent = 1, "intent";
        /// How that request ended.
        Outcome = 2, "outcome";
        /// Requests denied before they were anything, counted.
        Tally = 3, "tally";
        /// A decision of another verb.
        Decision = 4, "decision";
        /// A key was made, rotated or revoked.
        KeyEvent = 5, "key_event";
        /// Something was erased, lawfully.
        Tombstone = 6, "tombstone";
        /// Another policy is in force.
        PolicyChange = 7, "policy_change";
        /// An artifact was admitted or turned away.
        Admit = 8, "admit";
        /// A deployment was gated.
        Gate = 9, "gate";
        /// Somebody waived a finding, for a while.
        Waiver = 10, "waiver";
        /// Somebody read a payload in clear.
        Reveal = 11, "reveal";
    }
}

coded! {
    /// How an exchange ended. Every INTENT gets exactly one.
    Outcome {
        /// The whole answer went out.
        Completed = 1, "completed";
        /// Policy refused the request or the answer.
        Refused = 2, "refused";
        /// The caller hung up first.
        ClientGone = 3, "client_gone";
        /// The upstream failed or spoke nonsense.
        UpstreamError = 4, "upstream_error";
        /// A time limit ran out.
        Timeout = 5, "timeout";
        /// The process died in between; written by recovery.
        Interrupted = 6, "interrupted";
    }
}

coded! {
    /// Which bytes a payload holds.
    Slot {
        /// Text as it was released (of an INTENT: to the model; of an OUTCOME: to the caller).
        Released = 0, "released";
        /// Text as it was received.
        Received = 1, "received";
        /// The evidence and the decision, as JSON.
        Evidence = 2, "evidence";
    }
}

/// One payload: bytes that are stored beside the leaf, which only commits to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What it holds.
    pub slot: Slot,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A record on its way into the ledger, which seals the payloads and fills in what the leaf commits to.
#[derive(Clone)]
pub struct Draft {
    /// The leaf; its `payload_root`, `key_commitment`, `stream_root` and `subject` are overwritten.
    pub leaf: Leaf,
    /// At most one payload per slot.
    pub payloads: Vec<Payload>,
    /// Whose text the payloads are, by whatever name the caller gave. It is written down nowhere.
    pub subject: Option<String>,
    /// The released text came as a stream: the leaf gets a root over its pieces.
    pub is_stream: bool,
}

/// Says neither what the payloads hold nor whose they are.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payloads: Vec<_> =
            self.payloads.iter().map(|payload| (payload.slot, payload.bytes.len())).collect();
        f.debug_struct("Draft")
            .field("leaf", &self.leaf)
            .field("payloads", &payloads)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// A record that is about nobody in particular.
    pub fn new(leaf: Leaf, payloads: Vec<Payload>) -> Self {
        Self { leaf, payloads, subject: None, is_stream: false }
    }
}

/// Where a durable record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its index in the log, from 0.
    pub index: u64,
    /// RFC 6962 hash of its leaf.
    pub leaf_hash: Digest,
}

/// Why a record is not durable, and now never will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The queue in front of the disk is full.
    #[error("the ledger's queue is full ({limit} records): send less, or give it a faster disk")]
    Full {
        /// Most records that may wait.
        limit: usize,
    },
    /// A write or a sync failed. Nothing is recorded from here on, so nothing may be released.
    #[error("the ledger stopped after a failed {operation}: {reason}; mend the disk, then restart")]
    Stopped {
        /// What failed.
        operation: &'static str,
        /// What the disk said.
        reason: String,
    },
    /// Somebody has shown that the log contradicts itself, and nothing may be released as if it were audited.
    #[error("the log contradicts itself, so nothing is released: {reason}")]
    Contradicted {
        /// What was shown.
        reason: String,
    },
    /// The record itself cannot be written.
    #[error("the record cannot be written: {0}")]
    Unwritable(#[from] LeafError),
    /// Its payloads cannot be sealed, so they are not stored.
    #[error("the record cannot be sealed: {0}")]
    Unsealed(#[from] crate::seal::SealError),
    /// Its payloads are larger than a record may be.
    #[error("the record has {bytes} bytes of payload, at most {bytes_max} are kept")]
    TooLarge {
        /// Bytes of payload.
        bytes: usize,
        /// Most bytes of payload.
        bytes_max: usize,
    },
}

/// What a pending record turns into.
pub type Recorded = Pin<Box<dyn Future<Output = Result<Receipt, RecordError>> + Send>>;

/// Makes records durable. The data path waits for it; there is no other order of events.
pub trait Recorder: Send + Sync {
    /// Puts one record in line. It is durable when the future says so, and written even if the future is dropped.
    fn append(&self, draft: Draft) -> Recorded;

    /// Puts records in line together: they become durable in this order, or none does.
    fn append_all(&self, drafts: Vec<Draft>) -> Recorded;

    /// Why nothing can be recorded any more, if that is so.
    fn failure(&self) -> Option<RecordError>;
}

impl fmt::Debug for dyn Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("failure", &self.failure()).finish_non_exhaustive()
    }
}
