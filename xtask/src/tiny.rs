//! `cargo xtask tiny-models`: the classifiers of the tests as files, so that other software can say what they compute.
use anyhow::Context as _;
use bartizan_testkit::Classifier;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where to.
#[derive(Args, Debug)]
pub(crate) struct TinyArgs {
    /// The folder; each model gets one of its own in it
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the files.
///
/// # Errors
/// Those of the disk.
pub(crate) fn run(args: &TinyArgs) -> anyhow::Result<ExitCode> {
    for model in Classifier::ALL {
        let folder = args.dir.join(model.name());
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, bytes) in model.files() {
            let path = folder.join(name);
            std::fs::write(&path, bytes)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
