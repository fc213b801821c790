//! `bartizan init`: a configuration to start from.
use crate::config::{CONFIG_FILE, TEMPLATE};
use crate::files;
use crate::outcome::{Outcome, Usage};
use crate::print;
use anyhow::Context as _;
use clap::Args;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Write a small commented bartizan.toml
///
/// The file says what happens without it, so that you can change one thing at a time. An existing one is left alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan init && bartizan config check && bartizan serve")]
pub(crate) struct InitArgs {
    /// Where to write it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Write over an existing file
    #[arg(long)]
    force: bool,
}

/// Writes the file.
///
/// # Errors
/// When there is one already, and those of the disk.
pub(crate) fn run(args: &InitArgs) -> anyhow::Result<Outcome> {
    let path = args.dir.join(CONFIG_FILE);
    let written = if args.force {
        // It holds no secret, and whoever runs the gateway may be somebody else.
        files::replace(&path, TEMPLATE.as_bytes())
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
    } else {
        write_new(&path)
    };
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let message =
                format!("{} is there already: look at it, or use --force", path.display());
            return Err(Usage(message).into());
        }
        done => done.with_context(|| format!("cannot write {}", path.display()))?,
    }
    print::line(&path.display().to_string())?;
    print::talk(
        "Next: put your server's URL into it, then `bartizan config check` and `bartizan serve`.",
    );
    Ok(Outcome::Allow)
}

fn write_new(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(TEMPLATE.as_bytes())?;
    file.sync_all()
}
