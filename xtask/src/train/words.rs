//! `cargo xtask train words`: the common words by which letters without gaps are cut apart, from the texts whose licence permits it.
use super::rows::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Words of the list.
const WORDS_MAX: usize = 4000;
/// Most letters of one.
const LETTERS_MAX: usize = 16;
/// A word that fewer families of sources use is one of theirs.
const FAMILIES_FEWEST: usize = 3;
/// Most times that one text counts a word.
const COUNTED_MAX: usize = 3;
/// Words on a line of the file.
const ON_A_LINE: usize = 16;

/// The most common words of all texts that may train, each source as loud as the next, the most common first.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^24 words")]
pub(crate) fn list(rows: &[Row]) -> String {
    let mut sources: BTreeMap<&str, (usize, BTreeMap<String, usize>)> = BTreeMap::new();
    let mut families: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.may_train) {
        let (n_all, counts) = sources.entry(&row.source).or_default();
        let mut of_text: BTreeMap<String, usize> = BTreeMap::new();
        for word in row.text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'') {
            // One letter is a word only where English says so; anything else is a mark.
            let word = word.to_ascii_lowercase();
            let is_word = word.len() <= LETTERS_MAX
                && word.bytes().all(|byte| byte.is_ascii_lowercase())
                && (word.len() > 1 || matches!(word.as_str(), "a" | "i"));
            if is_word && !word.is_empty() {
                *of_text.entry(word).or_default() += 1;
            }
        }
        for (word, n) in of_text {
            let n = n.min(COUNTED_MAX);
            *n_all += n;
            families.entry(word.clone()).or_default().insert(row.family);
            *counts.entry(word).or_default() += n;
        }
    }
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    for (n_all, counts) in sources.values() {
        for (word, &n) in counts {
            *shares.entry(word).or_default() += n as f64 / (*n_all).max(1) as f64;
        }
    }
    let is_common = |word: &str| families.get(word).is_some_and(|of| of.len() >= FAMILIES_FEWEST);
    let mut words: Vec<(f64, &str)> =
        shares.into_iter().filter(|(word, _)| is_common(word)).map(|(word, n)| (n, word)).collect();
    words.sort_by(|one, two| two.0.total_cmp(&one.0).then(one.1.cmp(two.1)));
    let words: Vec<&str> = words.into_iter().take(WORDS_MAX).map(|(_, word)| word).collect();
    words.chunks(ON_A_LINE).map(|line| line.join(" ") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rows::labels;
    use bartizan_inspect::model::Place;

    #[test]
    fn common_words_come_first_and_those_of_one_source_do_not_come() {
        let row = |family: &'static str, text: &str, may_train: bool| Row {
            source: family.to_owned(),
            family,
            text: text.to_owned(),
            place: Place::Request,
            labels: labels(&[], &[]),
            attack: None,
            values: Vec::new(),
            near: Vec::new(),
            may_train,
            calibrates: true,
        };
        let rows = [
            row("one", "Show the plan, the long plan", true),
            row("two", "the plan is a secret", true),
            row("three", "The PLAN works, doesn't it", true),
            row("four", "works works works", false),
            row("five", "a", true),
            row("six", "a b", true),
        ];
        // `works` and `b` are in too few, `doesn't` is no word of letters, and what may not train is not counted.
        assert_eq!(list(&rows), "a plan the\n");
        assert_eq!(list(&[]), "");
    }
}
