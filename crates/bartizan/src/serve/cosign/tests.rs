use super::*;
use crate::clock::OsEntropy;
use bartizan_keys::NoteKey;

const SECOND: u64 = 1_000_000;

fn checkpoint(size: u64) -> SignedCheckpoint {
    let log = NoteKey::generate("log", &OsEntropy).unwrap();
    Checkpoint::new("log", size, merkle::sha256(&[])).unwrap().sign(&log).unwrap()
}

fn away() -> AskError {
    AskError::Failed { witness: "w1".to_owned(), reason: "cannot connect".to_owned() }
}

fn shorter() -> AskError {
    AskError::Shorter {
        witness: "w1".to_owned(),
        ours: 1,
        theirs: 2,
        shown: Box::new(checkpoint(2)),
    }
}

#[test]
fn a_witness_is_asked_about_what_is_new_and_now_and_then() {
    let mut standing = Standing::default();
    let (old, new) = (checkpoint(1), checkpoint(2));
    assert!(standing.is_due(&old, 0), "never asked");
    standing.is_busy = true;
    assert!(!standing.is_due(&old, 0), "one question at a time");
    standing.good(&old, 7);
    assert_eq!(standing.known, Some(1));
    for (name, asked, at_us, want) in [
        ("the same", &old, 8, false),
        ("something new", &new, 8, true),
        ("almost old", &old, 7 + 4 * SECOND - 1, false),
        ("old", &old, 7 + 4 * SECOND, true),
    ] {
        assert_eq!(standing.is_due(asked, at_us), want, "{name}");
    }
}

#[test]
fn a_witness_that_is_away_is_asked_ever_more_rarely() {
    for (error, is_told) in [(away(), false), (shorter(), true)] {
        let mut standing = Standing::default();
        let (mut now_us, mut pauses) = (0, Vec::new());
        for _ in 0..40 {
            standing.bad(&error, now_us, 1_000);
            pauses.push((standing.next_us - now_us) / SECOND);
            assert!(!standing.is_due(&checkpoint(1), standing.next_us - 1));
            now_us = standing.next_us;
            assert!(standing.is_due(&checkpoint(1), now_us));
        }
        assert_eq!(pauses[..5], [1, 2, 4, 5, 5]);
        assert_eq!(pauses.last(), Some(&5), "the pause has a bound");
        assert_eq!(standing.refusal.is_some(), is_told);
        standing.good(&checkpoint(1), now_us);
        assert!(standing.refusal.is_none() && standing.n_failures == 0);
    }
}
