//! Where a command may write what its user named: nothing but plain files is replaced, and never what the ledger, the vault or the state folder consists of.
use crate::files;
use crate::outcome::Usage;
use anyhow::Context as _;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Most folders that a file may stand in. Each of them is asked whether it is one of ours.
const TARGET_PARENTS_MAX: usize = 64;

/// What stands in a folder that is a ledger, a published log, a vault or a witness: all of the names.
const OWN_FOLDERS: [(&[&str], &str); 6] = [
    (&["log/checkpoint"], "a ledger, or a copy of one"),
    (&["segment-00000000.log"], "a ledger, or a copy of one"),
    (&["checkpoint", "tile"], "a published log"),
    (&["log.key"], "a vault"),
    (&["keys.slots"], "a vault"),
    (&["witness.key"], "a witness"),
];

/// What tells a state folder: one of the names.
const STATE_NAMES: [&str; 5] =
    ["vault/log.key", "ledger/log.vkey", "keys.toml", "keys.lock", "recorded.json"];

/// Refuses a name that a file is to be written to, where it stands among what is ours, also by way of links, or where something else than a plain
/// file has it: replaced, a device, a pipe or a link would be gone, for everybody who uses it.
///
/// # Errors
/// [`Usage`] for what is refused; those of the disk.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", path.display());
    check_folder(files::parent(path))?;
    let refuse = |what: &str| {
        let message = format!("{} is {what}: name another place for the file", path.display());
        Err(Usage(message).into())
    };
    if is_of_state(path).with_context(context)? {
        return refuse("what the state folder keeps for itself");
    }
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(context),
    };
    let what = if kind.is_symlink() { Some("a link") } else { files::odd(kind) };
    what.map_or(Ok(()), |what| refuse(&format!("{what} and no plain file")))
}

/// [`check`], of a file that must not be there yet.
///
/// # Errors
/// Those of [`check`], and [`Usage`] where there is one.
pub(crate) fn check_new(path: &Path) -> anyhow::Result<()> {
    check(path)?;
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let message = format!(
        "{} is there already, and no file is written over unasked: name another one",
        path.display()
    );
    Err(Usage(message).into())
}

/// Refuses a folder that files are to be written to, whether it is there or is to be made, where it is one of ours or stands in one.
///
/// # Errors
/// [`Usage`] for what is refused; those of the disk.
pub(crate) fn check_folder(folder: &Path) -> anyhow::Result<()> {
    let resolved =
        resolved(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    let refuse = |why: &str| {
        let message = format!("{} {why}: name another place", folder.display());
        Err(Usage(message).into())
    };
    if TARGET_PARENTS_MAX < resolved.ancestors().count() {
        return refuse(&format!("stands more than {TARGET_PARENTS_MAX} folders deep"));
    }
    for above in resolved.ancestors() {
        let has = |name: &&str| above.join(name).symlink_metadata().is_ok();
        let own = OWN_FOLDERS.iter().find(|(names, _)| names.iter().all(has));
        // Who named a folder itself need not read its name again.
        let within = if above == resolved {
            "is".to_owned()
        } else {
            format!("is in {}, which is", above.display())
        };
        if let Some((_, what)) = own {
            return refuse(&format!("{within} {what}, and nothing else is written there"));
        }
        let is_kept = ["ledger", "vault", "orders"].iter().any(|name| above.ends_with(name));
        if is_kept && above.parent().is_some_and(is_state) {
            return refuse(&format!("{within} what the gateway keeps for itself"));
        }
    }
    Ok(())
}

fn is_state(folder: &Path) -> bool {
    STATE_NAMES.iter().any(|name| folder.join(name).symlink_metadata().is_ok())
}

/// Whether a file of this name is one that the state folder, where it stands in one, has for itself.
fn is_of_state(path: &Path) -> io::Result<bool> {
    let name = path.file_name();
    let is_own = name.is_some_and(|name| files::OWN_NAMES.iter().any(|own| name == *own));
    Ok(is_own && is_state(&resolved(files::parent(path))?))
}

/// Where a path leads: links are followed as far as it is there, and the rest is what would be made.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut at = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir => {
                at.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                at.push(component);
                match at.canonicalize() {
                    Ok(real) => at = real,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::of_every_sort;
    use std::os::unix::fs::symlink;

    /// What is said of a target, which is always a matter of usage.
    fn said(target: &Path) -> Option<String> {
        let error = check(target).err()?;
        assert!(error.is::<Usage>(), "{target:?}: {error:#}");
        Some(error.to_string())
    }

    fn fits(target: &Path, want: Option<&str>) {
        let said = said(target);
        let is_right = match (&said, want) {
            (Some(said), Some(want)) => said.contains(want),
            (said, want) => said.is_none() && want.is_none(),
        };
        assert!(is_right, "{target:?}: {said:?}, and not {want:?}");
    }

    #[test]
    fn only_plain_files_are_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _socket = of_every_sort(folder.path());
        for name in ["plain", "absent"] {
            symlink(path(name), path(&format!("link to {name}"))).unwrap();
        }
        for (target, want) in [
            (path("plain"), None),
            (path("absent"), None),
            (path("no folder/absent"), None),
            (path("folder"), Some("a folder")),
            (path("pipe"), Some("a pipe")),
            (path("socket"), Some("a socket")),
            (path("link to plain"), Some("a link")),
            (path("link to absent"), Some("a link")),
            ("/dev/null".into(), Some("a device")),
        ] {
            fits(&target, want);
        }
        let no_folder = check(&path("plain/file")).unwrap_err();
        assert!(!no_folder.is::<Usage>(), "{no_folder:#}");
        for (name, is_new) in [("plain", false), ("absent", true), ("link to absent", false)] {
            let checked = check_new(&path(name));
            assert_eq!(checked.is_ok(), is_new, "{name}: {checked:?}");
            assert!(checked.map_or_else(|error| error.is::<Usage>(), |()| true), "{name}");
        }
    }

    /// A state folder, a copy of a ledger, a published log, a vault elsewhere, a witness, and links into them.
    fn ours(folder: &Path) {
        for file in [
            "state/ledger/segment-00000000.log",
            "state/ledger/log/checkpoint",
            "state/ledger/log/tile/0/000",
            "state/ledger/log.vkey",
            "state/vault/log.key",
            "state/vault/keys.slots",
            "state/orders/x.order",
            "state/keys.toml",
            "young/keys.lock",
            "copy/log/checkpoint",
            "published/checkpoint",
            "published/tile/0/000",
            "moved/keys.slots",
            "witness/witness.key",
            "checkpoints/checkpoint",
            "orders/vault/ledger/file",
            "plain/file",
        ] {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        symlink(folder.join("state/ledger"), folder.join("plain/link")).unwrap();
        symlink(folder.join("state"), folder.join("plain/state")).unwrap();
    }

    /// The reviewer's: an export over the key store, over a segment, over the log's key.
    #[test]
    fn nothing_of_ours_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        ours(folder.path());
        let (ledger, log, vault) = ("a ledger", "a published log", "a vault");
        for (target, want) in [
            ("state/ledger/segment-00000000.log", Some(ledger)),
            ("state/ledger/new", Some(ledger)),
            ("state/ledger/absent/new", Some(ledger)),
            ("state/ledger/log/checkpoint", Some(log)),
            ("state/ledger/log/tile/0/000", Some(log)),
            ("state/vault/keys.slots", Some(vault)),
            ("state/vault/new", Some(vault)),
            ("state/orders/x.order", Some("keeps for itself")),
            ("state/keys.toml", Some("keeps for itself")),
            ("state/vault", Some("keeps for itself")),
            ("state/recorded.json", Some("keeps for itself")),
            ("young/ledger/log.vkey", Some("keeps for itself")),
            ("copy/new", Some(ledger)),
            ("copy/proofs/new", Some(ledger)),
            ("published/new", Some(log)),
            ("moved/new", Some(vault)),
            ("witness/state/new", Some("a witness")),
            ("plain/link/new", Some(ledger)),
            ("plain/link/absent/new", Some(ledger)),
            ("plain/link/../vault/new", Some(vault)),
            ("plain/state/keys.toml", Some("keeps for itself")),
            ("absent/../state/vault/keys.slots", Some(vault)),
            ("./state/./vault/keys.slots", Some(vault)),
            ("state/new", None),
            ("state/exports/new", None),
            ("checkpoints/new", None),
            ("orders/vault/ledger/file", None),
            ("plain/file", None),
            ("plain/keys.toml", None),
            ("plain/absent/new", None),
            ("new", None),
        ] {
            fits(&folder.path().join(target), want);
        }
        // A folder that is refused itself is named once.
        let direct = said(&folder.path().join("moved/new")).unwrap();
        assert_eq!(direct.matches("moved").count(), 1, "{direct}");
        let inside = said(&folder.path().join("moved/below/new")).unwrap();
        assert_eq!(inside.matches("moved").count(), 2, "{inside}");
    }

    #[test]
    fn no_place_is_too_deep_to_tell() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let deep = |n: usize| {
            let missing = n - real.ancestors().count();
            real.join(vec!["a"; missing].join("/")).join("file")
        };
        fits(&deep(TARGET_PARENTS_MAX), None);
        fits(&deep(TARGET_PARENTS_MAX + 1), Some("more than 64 folders deep"));
    }
}
