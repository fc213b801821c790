//! Whose a state folder is. A service runs under an account of its own, and an administrator's command runs as root: what root makes in there,
//! the service cannot write any more, and its next start ends.
use crate::audit;
use crate::files;
use crate::outcome::Usage;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

/// Root, who may write everywhere.
const ROOT: u32 = 0;
/// Most bytes of the list of accounts that are looked at for a name.
const ACCOUNTS_BYTES_MAX: usize = 1 << 20;

/// A folder that belongs to somebody else than root, who asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{folder} belongs to {}, and what root writes there would stop their gateway: run it as that user, `sudo -u {} bartizan ...`",
    .name.as_ref().map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})")),
    .name.clone().unwrap_or_else(|| format!("'#{uid}'"))
)]
struct Foreign {
    /// The folder.
    folder: PathBuf,
    /// Whose it is.
    uid: u32,
    /// What this account is called, where that is known.
    name: Option<String>,
}

/// Who this process is.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses root in a state folder whose ledger belongs to somebody else.
///
/// * `user`: who asks, [`user`] in the real world.
///
/// # Errors
/// [`Usage`], with the account that may.
pub(crate) fn check(state: &Path, user: u32) -> Result<(), Usage> {
    let Some((folder, uid)) = foreign(state, user) else { return Ok(()) };
    Err(Usage(Foreign { folder, uid, name: name_of(uid) }.to_string()))
}

/// The folder that belongs to somebody else than root, who asks: the ledger's, and before there is one the state folder.
fn foreign(state: &Path, user: u32) -> Option<(PathBuf, u32)> {
    if user != ROOT {
        // Whoever else has no right there is told so by the system.
        return None;
    }
    let folders = [audit::log_folder(state), state.to_owned()];
    let found = folders.into_iter().find_map(|folder| {
        let uid = fs::metadata(&folder).ok()?.uid();
        Some((folder, uid))
    });
    found.filter(|(_, uid)| *uid != ROOT)
}

/// Makes an empty file (0600) for the owner of its folder, where root asks and it is not there yet. Otherwise it does nothing.
///
/// # Errors
/// Those of the disk.
pub(crate) fn make_for_owner(path: &Path, user: u32) -> io::Result<()> {
    let owner = fs::metadata(files::parent(path))?;
    if user != ROOT || owner.uid() == ROOT {
        return Ok(());
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => chown(path, Some(owner.uid()), Some(owner.gid())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the system calls an account.
fn name_of(uid: u32) -> Option<String> {
    let accounts = files::read_text_bounded(Path::new("/etc/passwd"), ACCOUNTS_BYTES_MAX).ok()?;
    find(&accounts, uid)
}

fn find(accounts: &str, uid: u32) -> Option<String> {
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    });
    name.filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_writes_in_nobody_elses_folder() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(audit::log_folder(&state)).unwrap();
        let me = user();
        // Whoever runs this: a folder of root is made by root alone.
        let other = if me == ROOT { 12_345 } else { me };
        if me == ROOT {
            for path in [audit::log_folder(&state), state.clone()] {
                chown(path, Some(other), Some(other)).unwrap();
            }
        }
        let absent = folder.path().join("absent");
        for (name, state, user, is_fine) in [
            ("its owner", &state, other, true),
            ("a stranger, whom the system stops", &state, other + 1, true),
            ("root", &state, ROOT, false),
            ("root, where there is nothing", &absent, ROOT, true),
        ] {
            let checked = check(state, user);
            assert_eq!(checked.is_ok(), is_fine, "{name}: {checked:?}");
        }
        let said = check(&state, ROOT).unwrap_err().to_string();
        assert!(said.contains(&format!("uid {other}")) && said.contains("sudo -u"), "{said}");
        // Before there is a ledger the state folder says whose it will be.
        fs::remove_dir(audit::log_folder(&state)).unwrap();
        assert!(check(&state, ROOT).is_err());
    }

    #[test]
    fn what_root_makes_is_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.sqlite");
        make_for_owner(&file, 7).unwrap();
        assert!(!file.exists(), "who is not root makes it as it always was");
        if user() == ROOT {
            make_for_owner(&file, ROOT).unwrap();
            assert!(!file.exists(), "root in its own folder, too");
            chown(folder.path(), Some(12_345), Some(23_456)).unwrap();
            for _ in 0..2 {
                make_for_owner(&file, ROOT).unwrap();
                let made = fs::metadata(&file).unwrap();
                assert_eq!((made.uid(), made.gid()), (12_345, 23_456));
                assert_eq!(made.mode() & 0o777, 0o600);
            }
        }
        assert!(make_for_owner(&folder.path().join("absent/file"), ROOT).is_err());
    }

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n# a note\nbz:x:998:997::/var:/bin/false\n:x:7:7::/:\nx\n";
        for (uid, want) in
            [(0, Some("root")), (998, Some("bz")), (997, None), (7, None), (1_000, None)]
        {
            assert_eq!(find(accounts, uid).as_deref(), want, "{uid}");
        }
    }
}
