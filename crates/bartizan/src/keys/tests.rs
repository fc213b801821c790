use super::*;
use crate::clock::OsEntropy;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const NOW: u64 = 1_763_875_569_000;
const DAY: u64 = 86_400_000;

fn app() -> Vec<String> {
    vec!["app".to_owned()]
}

fn book_of(n: usize) -> KeyBook {
    let mut book = KeyBook::default();
    for _ in 0..n {
        book.add(&OsEntropy, &app(), NOW, None).map(|_| ()).unwrap();
    }
    book
}

#[test]
fn a_key_is_random_and_only_its_hash_is_kept() {
    let mut book = KeyBook::default();
    let one = book.add(&OsEntropy, &app(), NOW, None).unwrap_or_else(|e| panic!("{e}"));
    let two = book.add(&OsEntropy, &app(), NOW, None).unwrap_or_else(|e| panic!("{e}"));
    assert_ne!(one.key, two.key);
    assert_ne!(one.entry.id, two.entry.id);
    assert_eq!(one.key.len(), "bz_".len() + 43);
    assert_eq!(one.entry.sha256, hash(&one.key));
    let text = book.render().unwrap();
    assert!(!text.contains(&one.key) && !text.contains(one.key.trim_start_matches("bz_")));
    assert_eq!(KeyBook::parse(&text).unwrap(), book);
}

#[test]
fn base64_matches_the_rfc() {
    let cases = [
        (&b""[..], ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff\xfe", "-__-"),
    ];
    for (bytes, want) in cases {
        assert_eq!(base64_url(bytes), want);
    }
}

#[test]
fn a_life_of_a_key() {
    let mut book = KeyBook::default();
    let fresh = book.add(&OsEntropy, &app(), NOW, Some(NOW + 90 * DAY)).map(|f| f.entry).unwrap();
    assert_eq!(fresh.state(NOW), "live");
    assert_eq!(fresh.state(NOW + 90 * DAY), "expired");
    let next = book.rotate(&OsEntropy, &fresh.id, NOW + DAY, 3_600_000, None);
    let next = next.map(|f| f.entry).unwrap();
    assert_eq!(next.expires_unix_ms, Some(NOW + 91 * DAY), "the same lifetime again");
    let old = book.entries()[0].clone();
    assert_eq!(old.expires_unix_ms, Some(NOW + DAY + 3_600_000));
    assert_eq!(old.replaced_by.as_ref(), Some(&next.id));
    assert!(book.rotate(&OsEntropy, &fresh.id, NOW + 50 * DAY, 1, None).is_err(), "already dead");
    assert_eq!(book.revoke(&next.id, NOW + 2 * DAY).unwrap().state(NOW), "revoked");
    assert_eq!(
        book.revoke(&next.id, NOW + 3 * DAY).unwrap().revoked_unix_ms,
        Some(NOW + 2 * DAY),
        "the first date stays"
    );
    assert!(book.revoke("k-00000000", NOW).is_err());
}

#[test]
fn grace_never_prolongs_a_life() {
    let mut book = KeyBook::default();
    let old = book.add(&OsEntropy, &app(), NOW, Some(NOW + 10)).map(|f| f.entry).unwrap();
    book.rotate(&OsEntropy, &old.id, NOW, DAY, None).map(|_| ()).unwrap();
    assert_eq!(book.entries()[0].expires_unix_ms, Some(NOW + 10));
}

#[test]
fn a_full_book_forgets_the_dead_and_never_the_living() {
    let mut book = book_of(KEYS_MAX);
    assert!(book.add(&OsEntropy, &app(), NOW, None).is_err());
    let dead = book.entries()[7].id.clone();
    book.revoke(&dead, NOW).map(|_| ()).unwrap();
    book.add(&OsEntropy, &app(), NOW, None).map(|_| ()).unwrap();
    assert_eq!(book.entries().len(), KEYS_MAX);
    assert!(book.entries().iter().all(|entry| entry.id != dead));
    assert!(book.render().unwrap().len() < FILE_BYTES_MAX, "a full book still fits its file");
}

#[test]
fn roles_are_names() {
    let cases: [(&str, Vec<&str>, bool); 8] = [
        ("one", vec!["app"], true),
        ("several", vec!["app", "team-2", "eu.west_1"], true),
        ("none", vec![], false),
        ("empty name", vec![""], false),
        ("blank", vec!["an app"], false),
        ("quote", vec!["app\""], false),
        ("too many", vec!["r"; ROLES_MAX + 1], false),
        ("escape sequence", vec!["\u{1b}[2J"], false),
    ];
    for (name, roles, want) in cases {
        let roles: Vec<String> = roles.into_iter().map(str::to_owned).collect();
        let made = KeyBook::default().add(&OsEntropy, &roles, NOW, None);
        assert_eq!(made.is_ok(), want, "{name}");
    }
    let long = vec!["r".repeat(ROLE_BYTES_MAX + 1)];
    assert!(KeyBook::default().add(&OsEntropy, &long, NOW, None).is_err());
}

#[test]
fn a_file_that_is_wrong_is_an_error_and_not_an_empty_book() {
    let entry = "[[key]]\nid = \"k-1\"\nsha256 = \"SHA\"\nroles = [\"app\"]\nmade_unix_ms = 1\n";
    let entry = entry.replace("SHA", &"ab".repeat(32));
    let cases = [
        ("fine", format!("version = 1\n{entry}"), true),
        ("empty", String::new(), false),
        ("other version", format!("version = 2\n{entry}"), false),
        ("twice", format!("version = 1\n{entry}{entry}"), false),
        ("unknown field", format!("version = 1\n{entry}admin = true\n"), false),
        ("short hash", format!("version = 1\n{}", entry.replace("abab", "ab")), false),
        ("no role", format!("version = 1\n{}", entry.replace("\"app\"", "")), false),
        ("long id", format!("version = 1\n{}", entry.replace("k-1", &"k".repeat(25))), false),
        ("cut", "version = 1\n[[key]".to_owned(), false),
    ];
    for (name, text, want) in cases {
        assert_eq!(KeyBook::parse(&text).is_ok(), want, "{name}");
    }
}

#[test]
fn the_file_is_ours_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = path(folder.path());
    assert_eq!(KeyBook::read(&path).unwrap(), KeyBook::default());
    change(folder.path(), |book| book.add(&OsEntropy, &app(), NOW, None).map(|_| ())).unwrap();
    assert_eq!(KeyBook::read(&path).unwrap().entries().len(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyBook::read(&path).unwrap_err().to_string();
    assert!(error.contains("open to others") && error.contains("chmod 600"), "{error}");
    assert!(change(folder.path(), |_| Ok(())).is_err(), "nor is it written over");
}

#[test]
fn a_change_that_fails_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    change(folder.path(), |book| book.add(&OsEntropy, &app(), NOW, None).map(|_| ())).unwrap();
    let before = KeyBook::read(&path(folder.path())).unwrap();
    let failed = change(folder.path(), |book| {
        book.add(&OsEntropy, &app(), NOW, None).map(|_| ())?;
        Err::<(), _>(anyhow::anyhow!("changed my mind"))
    });
    assert!(failed.is_err());
    assert_eq!(KeyBook::read(&path(folder.path())).unwrap(), before);
}

#[test]
fn two_commands_at_a_time_both_count() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let add = |book: &mut KeyBook| book.add(&OsEntropy, &app(), NOW, None).map(|_| ());
                change(folder.path(), add).unwrap();
            });
        }
    });
    assert_eq!(KeyBook::read(&path(folder.path())).unwrap().entries().len(), 8);
}
