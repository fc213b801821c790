//! Checks of the house that no compiler makes: who may depend on whom, how long things are, where the documents point.
//!
//! Every check takes a [`tree::Tree`] and returns its complaints, so that each one is also run on a small bad tree that
//! it must complain about. Nothing here reaches the network.
#[cfg(test)]
mod arrows;
#[cfg(test)]
mod documents;
#[cfg(test)]
#[path = "../../src/kinds/page.rs"]
mod kinds_page;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rust;
#[cfg(test)]
mod size;
#[cfg(test)]
mod text;
#[cfg(test)]
mod tree;

#[cfg(test)]
use tree::Tree;

/// A check: the tree in, complaints out.
#[cfg(test)]
type Check = fn(&Tree) -> Vec<String>;

/// Runs a check on this repository.
#[cfg(test)]
fn keep(check: Check) {
    let problems = check(&Tree::read());
    assert!(problems.is_empty(), "{} problem(s)\n{}", problems.len(), problems.join("\n"));
}

/// Its name, its files (path and text), and a word of each complaint that must come.
#[cfg(test)]
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// Runs a check on small trees: it must complain with each of the words given, or not at all if there are none.
#[cfg(test)]
fn bites(check: Check, cases: &[Case<'_>]) {
    for (name, files, words) in cases {
        let problems = check(&Tree::of(files));
        assert_eq!(problems.len(), words.len(), "{name}: {problems:?}");
        for word in *words {
            assert!(problems.iter().any(|p| p.contains(word)), "{name}: {word:?} in {problems:?}");
        }
    }
    assert!(cases.iter().any(|(_, _, words)| !words.is_empty()), "a check that cannot fail");
    assert!(cases.iter().any(|(_, _, words)| words.is_empty()), "a check that cannot pass");
}
