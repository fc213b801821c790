//! How much CPU time a payload's seal costs.
//!
//! ```text
//! cargo run --release -p bartizan-keys --example seal_speed
//! ```
//!
//! Prints microseconds: the least of many short rounds of one thread, which is its CPU time in a round that nothing interrupted. *known* seals
//! for a subject whose key is at hand, *new* makes a key for every payload, *cold* unwraps a key that fell out of the cache, *open* is the way
//! back, *sha-256* hashes the same bytes: what the ledger does with them anyway. The disk is in memory and not part of what is measured.
#![expect(clippy::print_stdout, reason = "an example prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example is its own wiring: it reads the clock")]
use aws_lc_rs::{digest, rand};
use bartizan_core::clock::Entropy;
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, Slot};
use bartizan_core::seal::{Opener, Retention, Sealer, Sealing};
use bartizan_keys::{KeyStore, Options, TenantKey};
use bartizan_testkit::{SimClock, SimDisk};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const NOW: u64 = 1_800_000_000_000;
const ROUNDS: usize = 200;
/// Subjects that take turns, so that the cache is used as in life.
const SUBJECTS: usize = 1000;

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes).expect("the kernel's random source does not fail once it is seeded");
    }
}

/// Microseconds of one call, the least of all rounds.
fn least_us(
    n_calls: u32,
    mut call: impl FnMut(usize) -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::MAX;
    let mut n = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..n_calls {
            call(n)?;
            n += 1;
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(n_calls));
    }
    Ok(least)
}

fn open(tenant: &TenantKey, cached_keys_max: usize) -> Result<KeyStore, Box<dyn Error>> {
    let (disk, clock) = (Arc::new(SimDisk::new(1)), Arc::new(SimClock::new(NOW)));
    let options = Options { cached_keys_max, ..Options::default() };
    Ok(KeyStore::open(disk, clock, Arc::new(SystemEntropy), tenant, options)?.0)
}

fn sealing(subject: &str) -> Sealing<'_> {
    let (slot, retention) = (Slot::Received, Retention::Payload);
    Sealing { record: RecordId([7; 16]), slot, retention, subject: Some(subject), unix_ms: NOW }
}

fn main() -> Result<(), Box<dyn Error>> {
    let tenant = TenantKey::generate("speed", &SystemEntropy)?;
    let (warm, cold) = (open(&tenant, 16_384)?, open(&tenant, 2)?);
    let names: Vec<String> = (0..SUBJECTS).map(|n| format!("user-{n}@example.com")).collect();
    let name = |n: usize| names.get(n % SUBJECTS).map_or("", String::as_str);
    println!(
        "{:>8}  {:>8} {:>8} {:>8} {:>8} {:>8}",
        "bytes", "known", "new", "cold", "open", "sha-256"
    );
    for (n_bytes, n_calls) in [(1024, 200), (5120, 200), (10_240, 200), (102_400, 50)] {
        let plain = vec![0x61; n_bytes];
        let known = least_us(n_calls, |n| {
            black_box(warm.seal(&sealing(name(n)), black_box(&plain))?);
            Ok(())
        })?;
        let fresh_store = open(&tenant, 16_384)?;
        let fresh = least_us(n_calls, |n| {
            let subject = format!("new-{n}@example.com");
            black_box(fresh_store.seal(&sealing(&subject), black_box(&plain))?);
            Ok(())
        })?;
        let unwrapped = least_us(n_calls, |n| {
            black_box(cold.seal(&sealing(name(n)), black_box(&plain))?);
            Ok(())
        })?;
        let sealed = warm.seal(&sealing(name(0)), &plain)?;
        let opened = least_us(n_calls, |_| {
            black_box(Opener::open(&warm, &sealing(""), &sealed.commitment, &sealed.bytes)?);
            Ok(())
        })?;
        let hashed = least_us(n_calls, |_| {
            let hash = digest::digest(&digest::SHA256, black_box(&plain));
            black_box(Digest(hash.as_ref().try_into()?));
            Ok(())
        })?;
        println!(
            "{n_bytes:>8}  {known:>8.2} {fresh:>8.2} {unwrapped:>8.2} {opened:>8.2} {hashed:>8.2}"
        );
    }
    Ok(())
}
