//! Keys: the only crate of the house that sees one.
//!
//! * [`KeyStore`] seals payloads and opens them ([`Sealer`](bartizan_core::seal::Sealer), [`Opener`](bartizan_core::seal::Opener)). Its keys,
//!   one per subject and one per day and retention, stand in the file `keys.slots`, wrapped by the [`TenantKey`]. To destroy one there is to
//!   forget whatever it sealed.
//! * [`NoteKey`] signs notes ([`Signer`](bartizan_core::sign::Signer)); a [`VerifierKey`] is its public half.
//!
//! What it deliberately does not do: open files, read the time or draw random bytes. Disk, clock and chance are passed in, and the
//! binary reads key files, after asking [`check_mode`] who else could have. How one is replaced and wiped on a disk, [`replace_key_file`] knows.
//!
//! ```
//! use bartizan_core::record::{RecordId, Slot};
//! use bartizan_core::seal::{OpenError, Opener, Retention, Sealer, Sealing};
//! use bartizan_keys::{KeyStore, Options, TenantKey};
//! # use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
//! # use std::sync::Arc;
//! # let (disk, clock, entropy) = (SimDisk::new(1), SimClock::new(1_800_000_000_000), SimEntropy::new(1));
//! let tenant = TenantKey::generate("acme-2026", &entropy)?;
//! let (store, report) = KeyStore::open(Arc::new(disk), Arc::new(clock), Arc::new(entropy), &tenant, Options::default())?;
//! assert_eq!(report.damaged, 0);
//!
//! let sealing = Sealing {
//!     record: RecordId([7; 16]),
//!     slot: Slot::Received,
//!     retention: Retention::Payload,
//!     subject: Some("alice"),
//!     unix_ms: 1_800_000_000_000,
//! };
//! let sealed = store.seal(&sealing, b"a prompt")?;
//! store.persist()?; // before the sealed bytes become durable
//! assert_eq!(store.open(&sealing, &sealed.commitment, &sealed.bytes)?, b"a prompt");
//!
//! let key = store.subject_key(store.tag("alice")?).expect("alice has a key");
//! assert!(store.destroy(key)?);
//! assert_eq!(store.open(&sealing, &sealed.commitment, &sealed.bytes), Err(OpenError::KeyGone { key }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod base64;
mod cache;
mod cipher;
mod data_key;
mod envelope;
mod file;
mod header;
mod key_file;
mod note;
mod pieces;
mod placeholder;
mod problem;
mod ready;
mod secret;
mod slot;
mod store;
mod table;
mod tenant;
mod vault;

pub use data_key::DataKey;
pub use envelope::{OVERHEAD_BYTES, SEALED_VERSION};
pub use file::{
    KEY_FILE_BYTES_MAX, KEY_NAME_BYTES_MAX, KeyFileError, ModeError, NameError, check_mode,
    check_name,
};
pub use key_file::{discard_key_file, finish_key_file, replace_key_file};
pub use note::{NoteAlgorithm, NoteKey, VerifierKey};
pub use placeholder::PlaceholderKey;
pub use problem::StoreError;
pub use secret::Secret;
pub use store::{
    Access, Counts, KeyState, KeyStore, OpenReport, Options, RewrapReport, SUBJECT_NAME_BYTES_MAX,
    SubjectTag, day_of,
};
pub use tenant::TenantKey;
pub use vault::{SLOTS_FILE, SLOTS_MAX};
