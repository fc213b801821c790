//! Names that live as long as the process, for kinds that configuration brings along.
//!
//! A name is kept once, however often it is loaded again, so reloads do not grow memory unless they bring new names.
use bartizan_core::kind::KindInfo;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static TABLES: Mutex<Vec<&'static [KindInfo]>> = Mutex::new(Vec::new());

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
    }
}
