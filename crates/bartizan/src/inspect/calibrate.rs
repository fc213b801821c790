//! Thresholds of the text model from harmless texts of the operator's own: split conformal prediction, head by head.
//!
//! Of `n` harmless scores, the one of rank `ceil((n + 1) (1 - a))` is exceeded by a further one with a probability of at most `a`, whatever
//! the scores look like, as long as the further text is of the same sort (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World,
//! 2005, ch. 2). The rate that was asked for is shared by the heads that listen, so that all of them together keep it.
use super::rows::{BadRow, Lines};
use crate::outcome::{Outcome, Usage};
use crate::print;
use anyhow::Context as _;
use bartizan_core::evidence::Source;
use bartizan_inspect::model::{CUTOFF_MAX, CUTOFF_MIN, HEADS, Head, Judge, KINDS, Place};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::BufRead;

/// Most texts; what a score costs is a few bytes each.
const TEXTS_MAX: usize = 1_000_000;
/// The score, in thousandths, that makes a finding as shipped.
const SHIPPED: u16 = 500;
/// Bounds of the rate that can be asked for.
const RATE_MIN: f64 = 0.0001;
const RATE_MAX: f64 = 0.5;

/// What is asked for.
pub(crate) struct Wish {
    /// The share of harmless texts that may be flagged.
    pub(crate) rate: f64,
    /// Whose texts they are, where they do not say so.
    pub(crate) source: Source,
    /// Most bytes of a line.
    pub(crate) bytes_max: usize,
}

/// Reads a rate from the command line.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    let fits = (RATE_MIN..=RATE_MAX).contains(&rate);
    if fits { Ok(rate) } else { Err(format!("write {RATE_MIN} to {RATE_MAX}")) }
}

/// A harmless text.
#[derive(Deserialize)]
struct Benign {
    text: String,
    source: Option<Source>,
}

/// The scores of the texts that stand in one place.
#[derive(Default)]
struct Scores {
    /// Whose text the first of them was: the name that the thresholds get.
    source: Option<Source>,
    n: usize,
    heads: [Vec<u16>; HEADS],
}

/// A threshold, and what it does to the texts that it comes from.
#[derive(Debug, PartialEq)]
struct Found {
    /// Thousandths.
    at: u16,
    /// Of these texts, as shipped and now.
    n_before: usize,
    n_now: usize,
    /// Whether the rate holds: no score is too high for a threshold.
    holds: bool,
}

/// Fewest texts from which a threshold with this rate can be told.
fn fewest(rate: f64) -> usize {
    (1..=TEXTS_MAX).find(|&n| rank(n, rate) <= n).unwrap_or(usize::MAX)
}

/// The rank, from 1, of the score that is not to be exceeded. More than `n` where there are too few.
fn rank(n: usize, rate: f64) -> usize {
    // The least r with r >= (n + 1) (1 - rate), without a cast: n + 1 less the whole part of (n + 1) rate.
    let n_above = (0..=n + 1).take_while(|&k| as_float(k) <= as_float(n + 1) * rate + 1e-9).last();
    n + 1 - n_above.unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "there are at most a million texts")]
const fn as_float(n: usize) -> f64 {
    n as f64
}

/// The threshold of one head; `None` where there are too few scores.
fn threshold(scores: &mut [u16], rate: f64) -> Option<Found> {
    scores.sort_unstable();
    let highest = *scores.get(rank(scores.len(), rate).checked_sub(1)?)?;
    let at = (highest + 1).clamp(CUTOFF_MIN, CUTOFF_MAX);
    let n_from = |at: u16| scores.len() - scores.partition_point(|&score| score < at);
    Some(Found { at, n_before: n_from(SHIPPED), n_now: n_from(at), holds: highest < CUTOFF_MAX })
}

/// Reads the texts and prints the thresholds.
///
/// # Errors
/// Those of the input and of stdout; a line that is no text; too few texts.
pub(crate) fn run(input: &mut dyn BufRead, wish: &Wish, is_json: bool) -> anyhow::Result<Outcome> {
    let mut places = read(input, wish)?;
    let (mut tables, mut out, mut holds) = (Vec::new(), String::new(), true);
    for (place, scores) in Place::ALL.into_iter().zip(&mut places) {
        let Some(source) = scores.source else { continue };
        let heads: Vec<Head> = Head::ALL.into_iter().filter(|&head| place.hears(head)).collect();
        let rate = wish.rate / as_float(heads.len());
        for head in heads {
            let kind = KINDS.get(head as usize).map_or("", |kind| kind.name);
            let of_head = scores.heads.get_mut(head as usize).map(Vec::as_mut_slice);
            let Some(found) = of_head.and_then(|of_head| threshold(of_head, rate)) else {
                let (n, fewest) = (scores.n, fewest(rate));
                return Err(Usage(format!(
                    "{n} different texts of {source} are too few for a rate of {}: give at least {fewest}, or ask for a higher rate",
                    wish.rate
                ))
                .into());
            };
            holds &= found.holds;
            fragment(&mut out, kind, source, scores.n, &found)?;
            tables.push(table(kind, source, scores.n, &found));
        }
    }
    if is_json {
        let told = json!({ "rate": wish.rate, "holds": holds, "thresholds": tables });
        print::data(&format!("{told}\n"))?;
    } else {
        print::data(&out)?;
    }
    Ok(if holds { Outcome::Allow } else { Outcome::Deny })
}

fn read(input: &mut dyn BufRead, wish: &Wish) -> anyhow::Result<[Scores; Place::ALL.len()]> {
    let judge = Judge::shipped()?;
    let mut places: [Scores; Place::ALL.len()] = Default::default();
    let mut known = BTreeSet::new();
    let mut lines = Lines::new(input, wish.bytes_max);
    while let Some(line) = lines.next().context("cannot read the texts")? {
        let number = lines.number();
        let line =
            line.map_err(|BadRow { reason, .. }| anyhow::anyhow!("line {number}: {reason}"))?;
        let row: Benign = serde_json::from_slice(&line)
            .with_context(|| format!("line {number} is no {{\"text\": ...}}"))?;
        let source = row.source.unwrap_or(wish.source);
        let place = Place::of(source);
        if !known.insert((place, crate::keys::hash(&row.text).0)) {
            continue;
        }
        if TEXTS_MAX < known.len() {
            return Err(Usage(format!("more than {TEXTS_MAX} different texts: give fewer")).into());
        }
        let Some(scores) = places.get_mut(place as usize) else { continue };
        scores.source.get_or_insert(source);
        scores.n += 1;
        for (list, score) in
            scores.heads.iter_mut().zip(judge.head_scores(row.text.as_bytes(), source))
        {
            list.push(score.get());
        }
    }
    if known.is_empty() {
        return Err(Usage("there is no text: each line must be {\"text\": ...}".to_owned()).into());
    }
    Ok(places)
}

/// Lines for `bartizan.toml`.
fn fragment(
    out: &mut String,
    kind: &str,
    source: Source,
    n: usize,
    found: &Found,
) -> std::fmt::Result {
    let Found { at, n_before, n_now, holds } = found;
    writeln!(out, "[[guard.threshold]]\nkind = \"{kind}\"\nsource = \"{source}\"")?;
    let note = if *holds {
        ""
    } else {
        "; harmless texts score as high as scores get, so more will be flagged"
    };
    writeln!(
        out,
        "at = {:.3} # of {n} harmless texts, {n_before} were flagged at 0.5 and {n_now} are now{note}\n",
        f64::from(*at) / 1000.0
    )
}

fn table(kind: &str, source: Source, n: usize, found: &Found) -> Value {
    json!({
        "kind": kind, "source": source, "at": f64::from(found.at) / 1000.0, "texts": n,
        "flagged_as_shipped": found.n_before, "flagged": found.n_now, "holds": found.holds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranks_are_those_of_the_theorem() {
        for (n, rate, want) in [
            (99, 0.01, 99),
            (98, 0.01, 99),
            (100, 0.01, 100),
            (199, 0.01, 198),
            (1, 0.5, 1),
            (19, 0.05, 19),
            (0, 0.01, 1),
        ] {
            assert_eq!(rank(n, rate), want, "{n} texts, {rate}");
        }
        assert_eq!((fewest(0.01), fewest(0.05), fewest(0.5)), (99, 19, 1));
    }

    #[test]
    fn a_threshold_is_just_above_the_score_of_its_rank() {
        let cases = [
            ("too few", vec![100; 98], None),
            ("all alike", vec![100; 99], Some((101, 0, 0, true))),
            (
                "one high",
                (0..199).map(|n| if n == 7 { 990 } else { 20 }).collect(),
                Some((21, 1, 1, true)),
            ),
            ("as high as scores get", vec![1000; 99], Some((999, 99, 99, false))),
            ("nothing at all", vec![0; 99], Some((1, 0, 0, true))),
        ];
        for (name, mut scores, want) in cases {
            let found = threshold(&mut scores, 0.01);
            let found = found.map(|f| (f.at, f.n_before, f.n_now, f.holds));
            assert_eq!(found, want, "{name}");
        }
    }

    proptest! {
        /// What the theorem says of a further score, it says of these in the mean: leaving each out in turn, at most the rate is above.
        #[test]
        fn one_left_out_is_rarely_above(scores in prop::collection::vec(0_u16..999, 21..120)) {
            let rate = 0.1;
            let n_above = (0..scores.len()).filter(|&left_out| {
                let mut others = scores.clone();
                let score = others.remove(left_out);
                threshold(&mut others, rate).is_some_and(|found| found.at <= score)
            });
            prop_assert!(as_float(n_above.count()) <= as_float(scores.len()) * rate + 1e-9);
        }
    }

    fn ask(text: &str, rate: f64) -> String {
        let wish = Wish { rate, source: Source::User, bytes_max: 1 << 10 };
        match run(&mut text.as_bytes(), &wish, false) {
            Ok(outcome) => format!("{outcome:?}"),
            Err(error) => format!("{:?}: {error:#}", crate::outcome::of_error(&error)),
        }
    }

    #[test]
    fn bad_input_is_named() {
        let few =
            (0..10).fold(String::new(), |all, n| all + &format!("{{\"text\":\"bread {n}\"}}\n"));
        let same = "{\"text\":\"bread\"}\n".repeat(1000);
        for (name, text, want) in [
            ("nothing", "", "Usage: there is no text"),
            ("no JSON", "bread", "Unfinished: line 1 is no"),
            ("no text", "{\"id\":1}", "missing field `text`"),
            ("wrong source", "{\"text\":\"a\",\"source\":\"god\"}", "unknown variant"),
            (
                "too long",
                &format!("{{\"text\":\"{}\"}}", "a".repeat(2000)),
                "line 1: longer than 1024",
            ),
            ("too few", &few, "10 different texts of user are too few"),
            ("all the same", &same, "1 different texts"),
        ] {
            let said = ask(text, 0.01);
            assert!(said.contains(want), "{name}: {said}");
        }
    }
}
