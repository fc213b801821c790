//! `cargo xtask eval text`: how well the text model tells attacks and insults from harmless texts of sources that it never saw.
use crate::bench::print_text;
use crate::train::fold::{Library, Said, is_made, is_pasted, thresholds};
use crate::train::made::SEED;
use crate::train::rows::{Label, Row};
use anyhow::Result;
use bartizan_inspect::model::{HEADS, Head, Place};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

mod evasion;
mod serve;

/// What to evaluate.
#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Judge every source by a model that was trained without it, and print tables in Markdown
    Text(TextArgs),
}

/// Where the data is.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// Folder with `train/` and `bipia_train/`
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder that `cargo xtask train sources` wrote; without it the judges learn from less than the shipped model did
    #[arg(long, value_name = "DIR")]
    pub(crate) sources: Option<PathBuf>,
    /// Print this many mistakes of each source on stderr
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) misses: usize,
    /// Leave out the run without made texts
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the evasion table only
    #[arg(long)]
    pub(crate) evasions: bool,
    /// Instead, send every text through this, and compare what it finds with one look at the whole text
    #[arg(long, value_enum)]
    pub(crate) through: Option<Through>,
    /// Send only so many texts, chosen by chance that is the same each time
    #[arg(long, value_name = "N", requires = "through")]
    pub(crate) rows: Option<usize>,
}

/// What texts are sent through.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Through {
    /// A gateway on loopback, with a mock upstream behind it
    Serve,
}

impl Eval {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::Text(arguments) = self;
        if let Some(Through::Serve) = arguments.through {
            return serve::run(&arguments);
        }
        if arguments.evasions {
            let rows = crate::train::rows::read(&arguments.data)?;
            print_text(&evasion::table(&rows, arguments.misses)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        if arguments.sources.is_none() {
            print_text(
                "Without `--sources`: the models that judge here have learned from less than the shipped one did.\n\n",
            )?;
        }
        let library = crate::train::library(&arguments.data, arguments.sources.as_deref())?;
        let modes: &[(&str, bool)] = if arguments.quick {
            &[("with made texts", true)]
        } else {
            &[("with made texts", true), ("without made texts", false)]
        };
        for &(name, with_made) in modes {
            let said = library.said(SEED, with_made)?;
            let limits = thresholds(&library.rows, &said);
            print_text(&tables(name, &library, &said, &limits)?)?;
            if arguments.misses > 0 && with_made {
                print_misses(&library, &said, &limits, arguments.misses);
            }
        }
        let real = crate::train::rows::read(&arguments.data)?;
        print_text(&evasion::table(&real, arguments.misses)?)?;
        print_text(&speed(&library)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What a prompt of 1 KiB costs with the shipped weights: the best of several passes over harmless prompts.
#[expect(clippy::cast_precision_loss, reason = "a few million bytes")]
fn speed(library: &Library) -> Result<String> {
    // Short passes, many of them: on a shared machine the best one was not interrupted.
    const ROUNDS: usize = 100;
    let judge = bartizan_inspect::model::Judge::shipped()?;
    let texts: Vec<&Row> = library
        .rows
        .iter()
        .filter(|row| row.place == Place::Request && row.text.len() >= 1024)
        .take(40)
        .collect();
    let n_bytes: usize = texts.iter().map(|row| row.text.len()).sum();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let before = std::time::Instant::now();
        for row in &texts {
            std::hint::black_box(
                judge.scores(row.text.as_bytes(), bartizan_core::evidence::Source::User),
            );
        }
        best = best.min(before.elapsed().as_secs_f64());
    }
    Ok(format!(
        "{:.1} us per KiB, {} texts, best of {ROUNDS}\n",
        best * 1e6 / (n_bytes.max(1) as f64 / 1024.0),
        texts.len()
    ))
}

/// The group of questions that a row is for.
fn question(row: &Row) -> &'static [Head] {
    match (row.place, row.label(Head::Toxicity)) {
        (_, Label::Yes) => &[Head::Toxicity],
        (Place::Request, _) => &[Head::Override, Head::Extraction, Head::Jailbreak],
        _ => &[Head::Override, Head::Extraction, Head::Instruction],
    }
}

/// How far a row is above the threshold of any of these heads.
fn margin(said: &Said, heads: &[Head], place: Place, limits: &[[f32; 3]; HEADS]) -> f32 {
    heads.iter().fold(f32::MIN, |most, &head| {
        let limit = limits
            .get(head as usize)
            .and_then(|places| places.get(place as usize))
            .copied()
            .unwrap_or(0.0);
        most.max(said.margin(head) - limit)
    })
}

/// Scores of one source under one question.
#[derive(Default)]
struct Part {
    attacks: Vec<f32>,
    harmless: Vec<f32>,
    unasked: Vec<f32>,
    /// Where its texts stand.
    place: Option<Place>,
    /// Attacks above the threshold whose place is known, and how many of them were found there.
    n_placed: usize,
    n_on_attack: usize,
}

fn parts<'r>(
    rows: &'r [Row],
    said: &[Option<Said>],
    heads: &[Head],
    limits: &[[f32; 3]; HEADS],
) -> BTreeMap<&'r str, Part> {
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    for (row, said) in rows.iter().zip(said) {
        let Some(said) = said else { continue };
        if row.family == "made" || (is_made(row) && heads == [Head::Toxicity]) {
            continue;
        }
        let margin = margin(said, heads, row.place, limits);
        let labels: Vec<Label> = heads.iter().map(|&head| row.label(head)).collect();
        let part = parts.entry(&row.source).or_default();
        part.place = Some(row.place);
        if labels.contains(&Label::Yes) {
            part.attacks.push(margin);
            // The same document without the attack is its control; what says less without it was found in the right place.
            if let Some(twin) = said.twin() {
                let without = self::margin(&twin, heads, row.place, limits);
                if is_made(row) {
                    part.harmless.push(without);
                }
                if margin >= 0.0 {
                    part.n_placed += 1;
                    part.n_on_attack += usize::from(without < margin);
                }
            }
        } else if labels.contains(&Label::No) {
            part.harmless.push(margin);
        } else {
            part.unasked.push(margin);
        }
    }
    parts
}

fn tables(
    name: &str,
    library: &Library,
    said: &[Option<Said>],
    limits: &[[f32; 3]; HEADS],
) -> Result<String> {
    let mut text = format!("### Text model, {name}\n\n");
    let request: &[Head] = &[Head::Override, Head::Extraction, Head::Jailbreak];
    let data: &[Head] = &[Head::Override, Head::Extraction, Head::Instruction];
    for (title, heads, place, pasted) in [
        ("Requests: override, extraction or jailbreak", request, Some(Place::Request), Some(false)),
        ("Pasted into requests: any instruction", &[Head::Instruction], Some(Place::Request), None),
        ("Documents: any instruction", data, Some(Place::Data), None),
        ("Toxicity", &[Head::Toxicity], None, None),
    ] {
        let parts = parts(&library.rows, said, heads, limits);
        let wanted: std::collections::BTreeSet<&str> = library
            .rows
            .iter()
            .filter(|row| place.is_none_or(|place| row.place == place))
            .filter(|row| pasted.is_none_or(|pasted| is_pasted(row) == pasted))
            .map(|row| row.source.as_str())
            .collect();
        let parts: BTreeMap<&str, Part> =
            parts.into_iter().filter(|(source, _)| wanted.contains(source)).collect();
        let harmless: Vec<f32> =
            parts.values().flat_map(|part| part.harmless.iter().copied()).collect();
        writeln!(
            text,
            "{title}\n\n| source | attacks | harmless | AUC | recall at 1 % FPR | recall | flagged of harmless | span on the attack |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for (source, part) in &parts {
            let of_place = harmless_of(&parts, part.place);
            let others = if part.harmless.len() >= 8 { &part.harmless } else { &of_place };
            let of = |number: Option<f64>| {
                number.map_or("-".to_owned(), |number| format!("{number:.3}"))
            };
            let flagged = if part.harmless.is_empty() { &part.unasked } else { &part.harmless };
            writeln!(
                text,
                "| {source} | {} | {}{} | {} | {} | {} | {} | {} |",
                part.attacks.len(),
                flagged.len(),
                if part.harmless.is_empty() && !flagged.is_empty() { " (no label)" } else { "" },
                of(auc(&part.attacks, others)),
                of(recall_at(&part.attacks, others, 0.01)),
                of(share(&part.attacks)),
                of(share(flagged)),
                if part.n_placed == 0 {
                    "-".to_owned()
                } else {
                    format!("{}/{}", part.n_on_attack, part.n_placed)
                },
            )?;
        }
        let attacks: Vec<f32> =
            parts.values().flat_map(|part| part.attacks.iter().copied()).collect();
        writeln!(
            text,
            "\nall: AUC {:.3}, recall at 1 % FPR {:.3}, recall {:.3}, flagged of harmless {:.4}\n",
            auc(&attacks, &harmless).unwrap_or(0.0),
            recall_at(&attacks, &harmless, 0.01).unwrap_or(0.0),
            share(&attacks).unwrap_or(0.0),
            share(&harmless).unwrap_or(0.0),
        )?;
    }
    Ok(text)
}

/// What was said of the harmless texts of a place: thresholds differ by place, and margins with them.
fn harmless_of(parts: &BTreeMap<&str, Part>, place: Option<Place>) -> Vec<f32> {
    let of_place = parts.values().filter(|part| part.place == place);
    of_place.flat_map(|part| part.harmless.iter().copied()).collect()
}

/// The share at or above the threshold.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^24 rows")]
fn share(margins: &[f32]) -> Option<f64> {
    let n = margins.iter().filter(|&&margin| margin >= 0.0).count();
    (!margins.is_empty()).then(|| n as f64 / margins.len() as f64)
}

/// How often an attack scores above a harmless text; ties count half.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^24 rows")]
fn auc(attacks: &[f32], harmless: &[f32]) -> Option<f64> {
    if attacks.is_empty() || harmless.is_empty() {
        return None;
    }
    let mut sorted = harmless.to_vec();
    sorted.sort_by(f32::total_cmp);
    let won: f64 = attacks
        .iter()
        .map(|attack| {
            let below = sorted.partition_point(|score| score < attack);
            let not_above = sorted.partition_point(|score| score <= attack);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    Some(won / (attacks.len() as f64 * harmless.len() as f64))
}

/// The share of attacks above the threshold that flags this share of the harmless.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length"
)]
fn recall_at(attacks: &[f32], harmless: &[f32], rate: f64) -> Option<f64> {
    if attacks.is_empty() || harmless.is_empty() {
        return None;
    }
    let mut sorted = harmless.to_vec();
    sorted.sort_by(|one, two| two.total_cmp(one));
    let limit = sorted.get((harmless.len() as f64 * rate) as usize).copied().unwrap_or(f32::MIN);
    Some(attacks.iter().filter(|&&attack| attack > limit).count() as f64 / attacks.len() as f64)
}

/// Prints the worst mistakes of each source.
fn print_misses(
    library: &Library,
    said: &[Option<Said>],
    limits: &[[f32; 3]; HEADS],
    n_most: usize,
) {
    let mut misses: BTreeMap<(&str, bool), Vec<(f32, String)>> = BTreeMap::new();
    for (row, said) in library.rows.iter().zip(said) {
        let Some(said) = said else { continue };
        let heads: &[Head] =
            if row.label(Head::Toxicity) == Label::Yes || row.source == "openai_moderation" {
                &[Head::Toxicity]
            } else {
                question(row)
            };
        let is_attack = heads.iter().any(|&head| row.label(head) == Label::Yes);
        let margin = margin(said, heads, row.place, limits);
        if is_attack != (margin >= 0.0) && !is_made(row) {
            let start: String = row.text.chars().take(160).collect();
            misses
                .entry((&row.source, is_attack))
                .or_default()
                .push((margin.abs(), format!("{:.1?} {start:?}", said.margins)));
        }
    }
    for ((source, is_attack), mut misses) in misses {
        misses.sort_by(|one, two| two.0.total_cmp(&one.0));
        crate::bench::say(&format!(
            "== {source}: {} {}",
            misses.len(),
            if is_attack { "missed" } else { "flagged" }
        ));
        for (_, line) in misses.iter().take(n_most) {
            crate::bench::say(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_what_the_book_says() {
        for (name, attacks, harmless, area) in [
            ("apart", &[2.0, 3.0][..], &[0.0, 1.0][..], Some(1.0)),
            ("the wrong way", &[0.0], &[1.0], Some(0.0)),
            ("equal", &[1.0], &[1.0], Some(0.5)),
            ("half", &[0.0, 2.0], &[1.0], Some(0.5)),
            ("none", &[], &[1.0], None),
        ] {
            assert_eq!(auc(attacks, harmless), area, "{name}");
        }
        assert_eq!(recall_at(&[1.0, 3.0], &[0.0, 2.0], 0.0), Some(0.5));
        assert_eq!(recall_at(&[1.0, 3.0], &[0.0, 2.0], 0.5), Some(1.0));
        assert_eq!(share(&[-1.0, 0.0, 1.0, 2.0]), Some(0.75));
    }
}
