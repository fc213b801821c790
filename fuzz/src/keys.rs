//! Laws of the crate `keys`: key files, the key store's file, and stored payloads, whatever bytes stand in them.
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, Slot};
use bartizan_core::seal::{Opener, Retention, Sealed, Sealer, Sealing};
use bartizan_keys::{KeyStore, NoteKey, Options, SLOTS_FILE, TenantKey, VerifierKey};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
use std::sync::{Arc, OnceLock};

const HEADER_BYTES: usize = 4096;
const SLOT_BYTES: usize = 128;
const PLAIN: &[u8] = b"what alice said";

/// A store with a few keys, and a payload that it sealed. Made once: the laws change copies of it.
struct World {
    tenant: TenantKey,
    file: Vec<u8>,
    sealed: Sealed,
}

fn sealing() -> Sealing<'static> {
    let (slot, retention) = (Slot::Received, Retention::Payload);
    Sealing {
        record: RecordId([7; 16]),
        slot,
        retention,
        subject: Some("alice"),
        unix_ms: 1_800_000_000_000,
    }
}

fn open(
    disk: &SimDisk,
    tenant: &TenantKey,
) -> Result<(KeyStore, [usize; 6]), bartizan_keys::StoreError> {
    let (clock, entropy) = (Arc::new(SimClock::new(1)), Arc::new(SimEntropy::new(2)));
    let options = Options { grow_slots: 8, slots_max: 64, ..Options::default() };
    let (store, report) = KeyStore::open(Arc::new(disk.clone()), clock, entropy, tenant, options)?;
    let bartizan_keys::OpenReport {
        subjects,
        periods,
        destroyed,
        finished,
        unfinished,
        damaged,
        ..
    } = report;
    Ok((store, [subjects, periods, destroyed, finished, unfinished, damaged]))
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let tenant = TenantKey::generate("t", &SimEntropy::new(1)).expect("a fine name");
        let disk = SimDisk::new(1);
        let (store, _) = open(&disk, &tenant).expect("a fine disk");
        store.seal(&Sealing { subject: Some("bob"), ..sealing() }, b"bob").expect("there is room");
        let sealed = store.seal(&sealing(), PLAIN).expect("there is room");
        store.persist().expect("a fine disk");
        let bob = store.subject_key(store.tag("bob").expect("short")).expect("bob has a key");
        store.destroy(bob).expect("a fine disk");
        World { tenant, file: disk.content(SLOTS_FILE).expect("the file"), sealed }
    })
}

/// CRC-32 as zip has it, bit by bit.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let step = |sum: u32| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    let sum = bytes
        .iter()
        .fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)));
    (!sum).to_le_bytes()
}

/// Changes `file` as the fuzzer's bytes say, four at a time: where, to what, and whether the checksum of that slot is mended.
fn change(file: &mut [u8], bytes: &[u8]) {
    for edit in bytes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % file.len();
        file[at] = edit[2];
        if edit[3] & 1 == 1 {
            let from = at - at % SLOT_BYTES;
            let sum = checksum(&file[from..from + SLOT_BYTES - 4]);
            file[from + SLOT_BYTES - 4..from + SLOT_BYTES].copy_from_slice(&sum);
        }
    }
}

/// The key store's file: it opens or it does not, what opens says the same when it is opened again, and no payload opens to another text.
pub fn slots(bytes: &[u8]) {
    let World { tenant, file, sealed } = world();
    let mut file = file.clone();
    change(&mut file, bytes);
    if bytes.first().is_some_and(|byte| byte % 8 == 0) {
        file.truncate(HEADER_BYTES + bytes.len() * 7 % (file.len() - HEADER_BYTES));
    }
    let disk = SimDisk::new(1);
    disk.edit(SLOTS_FILE, |now| *now = file);
    let Ok((store, first)) = open(&disk, tenant) else { return };
    if let Ok(plain) = Opener::open(&store, &sealing(), &sealed.commitment, &sealed.bytes) {
        assert_eq!(plain, PLAIN);
    }
    let counts = store.counts();
    let (again, second) = open(&disk, tenant).expect("what opened opens again");
    assert_eq!((counts, second[3]), (again.counts(), 0), "{first:?} {second:?}");
    assert_eq!(second[4..], first[4..], "damage is not touched");
    // It goes on, over nothing that is there.
    if let Ok(fresh) = store.seal(&Sealing { subject: Some("carol"), ..sealing() }, b"carol") {
        store.persist().expect("a fine disk");
        let (again, third) = open(&disk, tenant).expect("what was written opens");
        assert_eq!(third[4..], first[4..], "damage is not written over");
        let opened = Opener::open(&again, &sealing(), &fresh.commitment, &fresh.bytes);
        assert_eq!(opened.as_deref(), Ok(&b"carol"[..]));
    }
}

/// Stored payloads: nothing but what was sealed opens.
pub fn sealed(bytes: &[u8]) {
    let World { tenant, file, sealed } = world();
    let disk = SimDisk::new(1);
    disk.edit(SLOTS_FILE, |now| now.clone_from(file));
    let (store, _) = open(&disk, tenant).expect("a fine file");
    let opens =
        |stored: &[u8]| Opener::open(&store, &sealing(), &sealed.commitment, stored).is_ok();
    assert_eq!(opens(bytes), bytes == sealed.bytes);
    let mut changed = sealed.bytes.clone();
    for edit in bytes.chunks_exact(2) {
        let at = usize::from(edit[0]) % changed.len();
        changed[at] ^= edit[1];
    }
    assert_eq!(opens(&changed), changed == sealed.bytes);
    let other = Digest([bytes.len().to_le_bytes()[0]; 32]);
    assert!(Opener::open(&store, &sealing(), &other, &sealed.bytes).is_err());
}

/// Key files: what is read is written the same way, and no error quotes the file.
pub fn key_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_end_matches('\n');
    // The hexadecimal digits of ids and checksums may be of either case.
    let is_same =
        |written: &str| written.trim_end().eq_ignore_ascii_case(line.trim_end_matches('\r'));
    match TenantKey::parse(bytes) {
        Ok(key) => assert!(is_same(&key.private_text())),
        Err(error) => assert!(line.len() < 40 || !error.to_string().contains(line)),
    }
    match NoteKey::parse(bytes) {
        Ok(key) => assert!(is_same(&key.private_text())),
        Err(error) => assert!(line.len() < 40 || !error.to_string().contains(line)),
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert!(is_same(&key.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::holds;

    #[test]
    fn slots_law() {
        let edits: Vec<u8> = (0..60_u16)
            .flat_map(|n| {
                let at = 4096 + n * 37 % 1024;
                let [low, high] = at.to_le_bytes();
                [low, high, if n % 3 == 0 { 0xa5 } else { 0x5a }, low ^ high]
            })
            .collect();
        holds(slots, &[&edits, &[0x00, 0x10, 0xa5, 1], &[0; 16], b"\x00\x10\xa5\x00"]);
    }

    #[test]
    fn sealed_law() {
        holds(sealed, &[&world().sealed.bytes, &[1; 40], &[0, 0, 5, 255, 17, 1]]);
    }

    #[test]
    fn key_file_law() {
        let tenant = TenantKey::generate("t", &SimEntropy::new(1)).expect("a fine name");
        let note = NoteKey::generate("example.com/log", &SimEntropy::new(2)).expect("a fine name");
        let public = note.verifier().to_string();
        let texts = [tenant.private_text(), note.private_text()];
        holds(key_file, &[texts[0].as_bytes(), texts[1].as_bytes(), public.as_bytes(), b"+\r\n"]);
    }
}
