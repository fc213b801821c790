//! Texts that are made up: attacks of all families, their harmless twins, and documents with and without an instruction in them.
use super::grammar::{Grammar, Random};
use super::rows::{REQUEST, Row, labels};
use anyhow::Result;
use bartizan_inspect::model::{Head, Place};
use std::collections::BTreeSet;

/// Where every sequence of random numbers begins.
pub(crate) const SEED: u64 = 4;

const ATTACK: &str = include_str!("attack.grammar");
const JAILBREAK: &str = include_str!("jailbreak.grammar");
const BENIGN: &str = include_str!("benign.grammar");
const DOCUMENT: &str = include_str!("document.grammar");
const TOXIC: &str = include_str!("toxic.grammar");

/// The grammars.
#[derive(Debug)]
struct Grammars {
    attack: Grammar,
    jailbreak: Grammar,
    benign: Grammar,
    document: Grammar,
    toxic: Grammar,
}

/// One sort of texts: its name, how many, and how each is made.
struct Sort {
    name: &'static str,
    n_texts: usize,
    make: fn(&Grammars, &mut Random) -> Result<Row>,
}

const SORTS: &[Sort] = &[
    Sort {
        name: "made_override",
        n_texts: 7000,
        make: |grammars, random| request(&grammars.attack, "override", &[Head::Override], random),
    },
    Sort {
        name: "made_extraction",
        n_texts: 5000,
        make: |grammars, random| {
            request(&grammars.attack, "extraction", &[Head::Extraction], random)
        },
    },
    Sort {
        name: "made_jailbreak",
        n_texts: 6000,
        make: |grammars, random| {
            request(&grammars.jailbreak, "jailbreak", &[Head::Jailbreak], random)
        },
    },
    Sort {
        name: "made_benign",
        n_texts: 16000,
        make: |grammars, random| request(&grammars.benign, "benign", &[], random),
    },
    Sort { name: "made_document", n_texts: 6000, make: clean_document },
    Sort { name: "made_injected", n_texts: 8000, make: injected_document },
    Sort { name: "made_overridden", n_texts: 2500, make: overridden_document },
    Sort {
        name: "made_toxic",
        n_texts: 5000,
        make: |grammars, random| speech(grammars, "toxic", true, random),
    },
    Sort {
        name: "made_civil",
        n_texts: 6000,
        make: |grammars, random| speech(grammars, "civil", false, random),
    },
];

/// Every made text, and each given instruction inside a made document.
pub(crate) fn rows(given: &[Row]) -> Result<Vec<Row>> {
    let grammars = Grammars {
        attack: Grammar::parse(ATTACK)?,
        jailbreak: Grammar::parse(JAILBREAK)?,
        benign: Grammar::parse(BENIGN)?,
        document: Grammar::parse(DOCUMENT)?,
        toxic: Grammar::parse(TOXIC)?,
    };
    let mut rows = Vec::new();
    for sort in SORTS {
        let mut random = Random::new(SEED, sort.name);
        let mut seen = BTreeSet::new();
        for _ in 0..sort.n_texts {
            let mut row = (sort.make)(&grammars, &mut random)?;
            if seen.insert(row.text.clone()) {
                sort.name.clone_into(&mut row.source);
                rows.push(row);
            }
        }
    }
    let mut random = Random::new(SEED, "given");
    for row in given.iter().filter(|row| row.may_train) {
        for _ in 0..n_documents(row) {
            rows.push(given_document(&grammars, row, &mut random)?);
        }
    }
    Ok(rows)
}

/// In how many documents a given request is put: what a user may ask, a document may not.
fn n_documents(row: &Row) -> usize {
    match row.source.as_str() {
        "bipia_attack_strings" | "injecagent_attacker_dh" | "agentdojo_goals" => 6,
        "asb_attack_tools" | "asb_agent_tasks" | "selfinstruct_seed" | "agentdojo_tasks" => 3,
        "cyberseceval_instruct" | "prompts_chat_202601" | "bfcl" => 1,
        _ => 0,
    }
}

fn request(grammar: &Grammar, name: &str, yes: &[Head], random: &mut Random) -> Result<Row> {
    let text = worn(grammar.text(name, random)?, random);
    let no =
        if yes.is_empty() { [REQUEST.as_slice(), &[Head::Toxicity]].concat() } else { Vec::new() };
    Ok(made(text, Place::Request, yes, &no))
}

fn speech(grammars: &Grammars, name: &str, is_toxic: bool, random: &mut Random) -> Result<Row> {
    let text = worn(grammars.toxic.text(name, random)?, random);
    let (yes, no) =
        if is_toxic { (vec![Head::Toxicity], vec![]) } else { (vec![], vec![Head::Toxicity]) };
    Ok(made(text, Place::Request, &yes, &[no, REQUEST.to_vec(), vec![Head::Instruction]].concat()))
}

fn clean_document(grammars: &Grammars, random: &mut Random) -> Result<Row> {
    Ok(made(grammars.document.text("document", random)?, Place::Data, &[], &Head::ALL))
}

fn injected_document(grammars: &Grammars, random: &mut Random) -> Result<Row> {
    let document = grammars.document.text("document", random)?;
    let attack = worn(grammars.document.text("instruction", random)?, random);
    Ok(inserted(&document, &attack, &[Head::Instruction], &[Head::Toxicity], random))
}

fn overridden_document(grammars: &Grammars, random: &mut Random) -> Result<Row> {
    let document = grammars.document.text("document", random)?;
    let (name, head) = if random.once_in(4) {
        ("extraction", Head::Extraction)
    } else {
        ("override", Head::Override)
    };
    let attack = worn(grammars.attack.text(name, random)?, random);
    Ok(inserted(&document, &attack, &[head, Head::Instruction], &[], random))
}

/// A request of a user, inside a document.
fn given_document(grammars: &Grammars, given: &Row, random: &mut Random) -> Result<Row> {
    let document = grammars.document.text("document", random)?;
    let end = given.text.find(['\n', '?', '!']).map_or(given.text.len(), |at| at + 1);
    let first = given.text.get(..end).unwrap_or(&given.text);
    let end = first.find(". ").map_or(first.len(), |at| at + 1);
    let attack = if given.source == "bipia_attack_strings" {
        given.text.as_str()
    } else {
        first.get(..end).unwrap_or(first).trim()
    };
    let mut row = inserted(&document, attack, &[Head::Instruction], &[Head::Toxicity], random);
    row.source = format!("{}_in_document", given.source);
    row.family = given.family;
    row.near.clone_from(&given.near);
    Ok(row)
}

fn made(text: String, place: Place, yes: &[Head], no: &[Head]) -> Row {
    Row {
        source: String::new(),
        family: "made",
        text,
        place,
        labels: labels(yes, no),
        attack: None,
        values: Vec::new(),
        near: Vec::new(),
        may_train: true,
        calibrates: true,
    }
}

/// A document with an attack at its start, at its end, or between two sentences or lines.
fn inserted(document: &str, attack: &str, yes: &[Head], no: &[Head], random: &mut Random) -> Row {
    let breaks: Vec<usize> = document
        .match_indices(['\n', ' '])
        .map(|(at, _)| at + 1)
        .filter(|&at| {
            let before = document.get(..at).unwrap_or_default().trim_end_matches(' ');
            before.ends_with(['\n', '.', '!', '?'])
        })
        .collect();
    let at = match random.below(4) {
        0 => 0,
        1 => document.len(),
        _ => random.pick(&breaks).copied().unwrap_or(document.len()),
    };
    let (before, after) = document.split_at_checked(at).unwrap_or((document, ""));
    let gap = if random.once_in(3) { " " } else { "\n" };
    let left = if before.is_empty() || before.ends_with(['\n', ' ']) { "" } else { gap };
    let right = if after.is_empty() { "" } else { gap };
    let start = before.len() + left.len();
    let text = [before, left, attack, right, after].concat();
    let mut row = made(text, Place::Data, yes, no);
    row.attack = Some(start..start + attack.len());
    row
}

/// As people type: sometimes all in one case, sometimes without the last mark, sometimes with letters swapped.
fn worn(text: String, random: &mut Random) -> String {
    match random.below(24) {
        0..=2 => text.to_lowercase(),
        3 => text.to_uppercase(),
        4..=5 => text.trim_end_matches(['.', '!', '?']).to_owned(),
        6..=7 => swapped(&text, random),
        8 => text.replace(". ", ".\n"),
        9 => text.replace(['.', ','], ""),
        10 => format!("\"{text}\""),
        _ => text,
    }
}

/// The text with two neighbouring letters of one or two words swapped.
fn swapped(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(2) {
        let at = random.below(letters.len());
        if let Some([one, two]) = letters.get_mut(at..at + 2)
            && one.is_alphabetic()
            && two.is_alphabetic()
        {
            std::mem::swap(one, two);
        }
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_made_again() {
        let (one, two) = (rows(&[]).unwrap(), rows(&[]).unwrap());
        assert_eq!(one.len(), two.len());
        assert!(one.iter().zip(&two).all(|(one, two)| one.text == two.text));
        assert!(one.len() > 30_000, "{}", one.len());
        for row in &one {
            assert!(!row.text.trim().is_empty(), "{}", row.source);
            if let Some(attack) = &row.attack {
                assert!(row.text.get(attack.clone()).is_some(), "{}", row.source);
            }
        }
    }

    #[test]
    fn no_form_names_what_is_not_there() {
        for row in rows(&[]).unwrap() {
            let is_left = |name: &str| row.text.contains(&format!("{{{name}}}"));
            let left = ["told", "drop", "harm", "group", "human", "payload", "act", "noun"]
                .iter()
                .find(|name| is_left(name));
            assert!(left.is_none(), "{left:?} in {}", row.text);
        }
    }
}
