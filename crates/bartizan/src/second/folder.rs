//! The folder of a model: which files are read, and what stands there instead when they are not.
use crate::files;
use crate::outcome::Usage;
use bartizan_second::{CONFIG_BYTES_MAX, Model, TOKENIZER_BYTES_MAX, WEIGHTS_BYTES_MAX};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The files that make up a model, in order of their names, and how long they may be.
const FILES: [(&str, usize); 3] = [
    ("config.json", CONFIG_BYTES_MAX),
    ("model.safetensors", WEIGHTS_BYTES_MAX),
    ("tokenizer.json", TOKENIZER_BYTES_MAX),
];

/// What helps where a tokenizer is not the one file that is read.
const SLOW: &str = "that is a slow tokenizer: save it as a fast one, with AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)";

/// What may stand beside a file that is not there, and the way out.
const INSTEAD: [(&str, &str, &str); 5] = [
    (
        "model.safetensors",
        "pytorch_model.bin",
        "that is a pickle, which can run code when it is loaded: convert it elsewhere, in a sandbox, with model.save_pretrained(DIR, safe_serialization=True)",
    ),
    (
        "model.safetensors",
        "model.safetensors.index.json",
        "the weights are in several files: save them as one, with model.save_pretrained(DIR, max_shard_size=\"2GB\")",
    ),
    (
        "model.safetensors",
        "model.onnx",
        "ONNX is not read here: save the original model with model.save_pretrained(DIR, safe_serialization=True)",
    ),
    ("tokenizer.json", "vocab.txt", SLOW),
    ("tokenizer.json", "spm.model", SLOW),
];

/// The bytes of a model's files.
pub(super) struct Read {
    config: Vec<u8>,
    weights: Vec<u8>,
    tokenizer: Vec<u8>,
}

/// Reads the files. A link may stand for one of them, as in the caches of Hugging Face's library.
pub(super) fn read(folder: &Path) -> Result<Read, Usage> {
    let [config, weights, tokenizer] =
        FILES.map(|(name, bytes_max)| move || file(folder, name, bytes_max));
    Ok(Read { config: config()?, weights: weights()?, tokenizer: tokenizer()? })
}

fn file(folder: &Path, name: &str, bytes_max: usize) -> Result<Vec<u8>, Usage> {
    let path = folder.join(name);
    files::read_bounded(&path, bytes_max).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Usage(absent(folder, name)),
        io::ErrorKind::FileTooLarge => Usage(format!("{name} has more than {bytes_max} bytes")),
        _ => Usage(format!("cannot read {name}: {error}")),
    })
}

/// Says what is there instead of a file.
fn absent(folder: &Path, name: &str) -> String {
    let is_there = |(missing, instead, _): &&(&str, &str, &str)| {
        *missing == name && folder.join(instead).exists()
    };
    match INSTEAD.iter().find(is_there) {
        Some((_, instead, help)) => format!("there is {instead} and no {name}; {help}"),
        None => format!(
            "there is no {name}: a model's folder holds config.json, model.safetensors and tokenizer.json; nothing is downloaded"
        ),
    }
}

impl Read {
    /// The files with their names, in order.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        FILES.iter().map(|(name, _)| *name).zip([&*self.config, &*self.weights, &*self.tokenizer])
    }
}

/// Makes a model of its files.
#[cfg(feature = "transformers")]
pub(super) fn model(read: &Read, tokens_max: usize) -> Result<Arc<dyn Model>, Usage> {
    use bartizan_second::transformer::{Files, Transformer};
    let files = Files { config: &read.config, tokenizer: &read.tokenizer, weights: &read.weights };
    let loaded = Transformer::load(files, tokens_max);
    Ok(Arc::new(loaded.map_err(|error| Usage(error.to_string()))?))
}

/// Says that this program computes with none. `config check` has said so before.
#[cfg(not(feature = "transformers"))]
pub(super) fn model(_read: &Read, _tokens_max: usize) -> Result<Arc<dyn Model>, Usage> {
    let help = super::HOW_TO_BUILD;
    Err(Usage(format!("this program was built without the feature `transformers`; {help}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a folder with these files in it.
    fn told(names: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        read(folder.path()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_stands_in_the_place_of_a_file_is_told() {
        let (config, weights) = ("config.json", "model.safetensors");
        let cases: [(&[&str], &str); 9] = [
            (&[], "there is no config.json: a model's folder holds"),
            (&[config], "there is no model.safetensors: a model's folder holds"),
            (
                &[config, "pytorch_model.bin"],
                "is pytorch_model.bin and no model.safetensors; that is a pickle",
            ),
            (&[config, "model.safetensors.index.json"], "several files"),
            (&[config, "model.onnx"], "ONNX is not read"),
            (&[config, weights], "there is no tokenizer.json"),
            (&[config, weights, "vocab.txt"], "slow tokenizer"),
            (&[config, weights, "spm.model"], "slow tokenizer"),
            (&[config, weights, "tokenizer.json", "pytorch_model.bin"], ""),
        ];
        for (names, want) in cases {
            let told = told(names);
            assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{names:?}: {told}");
        }
    }

    #[test]
    fn too_large_and_odd_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::File::create(&path).unwrap().set_len(CONFIG_BYTES_MAX as u64 + 1).unwrap();
        let error = read(folder.path()).err().unwrap().to_string();
        assert!(error.contains("config.json has more than 1048576 bytes"), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = read(folder.path()).err().unwrap().to_string();
        assert!(error.contains("cannot read config.json"), "{error}");
    }
}
