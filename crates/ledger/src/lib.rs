//! The record log: append-only, Merkle-hashed, durable before anybody is told so.
//!
//! This crate alone holds the power "disk". [`Ledger`] writes, one thread, one sync per group of records; [`Reader`] reads and verifies, without
//! a lock and while a writer runs. Both see the disk through [`bartizan_core::disk::Disk`]; [`FsDisk`] is the real one.
//!
//! What it deliberately does not do: it holds no key (a [`bartizan_core::seal::Sealer`] seals what it stores, a
//! [`bartizan_core::sign::Signer`] signs), it never retries a failed write or sync, and it never drops a record without saying so.
//!
//! ```
//! # use bartizan_ledger::{Ledger, Options, Parts, Reader};
//! # use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder};
//! # use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
//! # use std::sync::Arc;
//! let disk = Arc::new(SimDisk::new(1));
//! let parts = Parts {
//!     disk: disk.clone(),
//!     clock: Arc::new(SimClock::new(0)),
//!     entropy: Arc::new(SimEntropy::new(1)),
//!     sealer: Arc::new(SimSealer::new()),
//!     signer: Arc::new(SimSigner::new("example.com/log", 1)),
//! };
//! let (ledger, recovery) = Ledger::open(parts, Options::default())?;
//! assert_eq!(recovery.leaves, 0);
//! let leaf = Leaf::new(RecordId([7; 16]), RecordKind::Decision, 1_700_000_000_000);
//! let receipt = wait(ledger.append(Draft::new(leaf, vec![])))?;
//! assert_eq!(receipt.index, 0);
//! drop(ledger);
//! assert!(Reader::open(disk)?.verify()?.verified);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod cosign;
mod cut;
mod format;
mod fs;
mod group;
pub mod index;
mod ledger;
mod log_folder;
pub mod merkle;
mod newest;
mod options;
mod partials;
mod problem;
mod promise;
mod proven;
mod publish;
mod published;
mod queue;
mod reader;
mod record;
mod recover;
mod remake;
mod rotate;
mod segment;
mod state;
mod store;
mod tally;
pub mod tlog;
mod torn;
mod verify;
mod walk;

pub use cosign::Cosigner;
pub use cut::{CutTail, cut_is_recorded, cut_tail};
pub use fs::{FsDisk, FsDiskError};
pub use ledger::{Ledger, Parts};
pub use newest::Newest;
pub use options::Options;
pub use problem::{Flaw, LedgerError, Problem};
pub use proven::Proven;
pub use published::{Published, PublishedTree};
pub use reader::{Entries, Entry, Payloads, Reader, Stored};
pub use record::slots_root;
pub use recover::Recovery;
pub use remake::remake_tiles;
pub use rotate::cross_sign;
pub use tally::{TALLY_REASONS_MAX, Tally};
pub use torn::{TORN_BYTES_MAX, TORN_FILES_MAX, TORN_FOLDER, TornCopy};
pub use verify::{TimeBack, Verification};
