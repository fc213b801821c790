//! What lives as long as the process though configuration brings it along: names of kinds, and judges, which each stream refers to.
//!
//! A name is kept once, however often it is loaded again, so reloads do not grow memory unless they bring new names.
use crate::model::Judge;
use bartizan_core::kind::KindInfo;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static TABLES: Mutex<Vec<&'static [KindInfo]>> = Mutex::new(Vec::new());

static JUDGES: Mutex<Vec<&'static Judge<'static>>> = Mutex::new(Vec::new());

/// The shipped judge with its cutoffs, for the life of the process.
pub(crate) fn judge(judge: Judge<'static>) -> &'static Judge<'static> {
    let mut judges = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = judges.iter().find(|known| known.cutoffs() == judge.cutoffs()) {
        return known;
    }
    let kept: &'static Judge<'static> = Box::leak(Box::new(judge));
    judges.push(kept);
    kept
}

/// The text, for the life of the process.
pub(crate) fn text(text: &str) -> &'static str {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.into());
    texts.insert(kept);
    kept
}

/// The table, for the life of the process.
pub(crate) fn kinds(table: Vec<KindInfo>) -> &'static [KindInfo] {
    let is_same = |known: &&'static [KindInfo]| {
        known.len() == table.len()
            && known
                .iter()
                .zip(&table)
                .all(|(a, b)| (a.name, a.title, a.extent) == (b.name, b.title, b.extent))
    };
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = tables.iter().find(|known| is_same(known)) {
        return known;
    }
    let kept: &'static [KindInfo] = Vec::leak(table);
    tables.push(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::kind::Extent;

    #[test]
    fn what_is_loaded_twice_is_kept_once() {
        let (one, two) = (text("acme.one"), text(&["acme", ".one"].concat()));
        assert!(std::ptr::eq(one, two));
        let table = |title| vec![KindInfo { name: one, title, extent: Extent::Span }];
        assert!(std::ptr::eq(kinds(table("a")), kinds(table("a"))));
        assert!(!std::ptr::eq(kinds(table("a")), kinds(table("b"))));
        let shipped = Judge::shipped().unwrap();
        let other = crate::model::Cutoffs::default().with(
            crate::model::Head::Toxicity,
            crate::model::Place::Data,
            bartizan_core::detect::Score::thousandths(700),
        );
        assert!(std::ptr::eq(judge(shipped), judge(shipped)));
        assert!(std::ptr::eq(
            judge(shipped.with_cutoffs(other)),
            judge(shipped.with_cutoffs(other))
        ));
        assert!(!std::ptr::eq(judge(shipped), judge(shipped.with_cutoffs(other))));
    }
}
