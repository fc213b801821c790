//! Unwrapped keys at hand, a bounded number of them.
//!
//! Two generations: what is used moves to the young one; when that is full, it becomes the old one, and what was old and unused is dropped, which
//! wipes it as soon as nobody is using it any more. That costs nothing per use, and a scan over many keys drops at most what was idle.
use std::collections::BTreeMap;
use std::mem;

#[derive(Debug)]
pub(crate) struct Cache<V> {
    young: BTreeMap<u32, V>,
    old: BTreeMap<u32, V>,
    /// Most entries of either generation.
    half_max: usize,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `entries_max` values, at least two.
    pub(crate) fn new(entries_max: usize) -> Self {
        let half_max = (entries_max / 2).max(1);
        Self { young: BTreeMap::new(), old: BTreeMap::new(), half_max }
    }

    pub(crate) fn get(&mut self, slot: u32) -> Option<V> {
        if let Some(value) = self.young.get(&slot) {
            return Some(value.clone());
        }
        let value = self.old.remove(&slot)?;
        self.put(slot, value.clone());
        Some(value)
    }

    pub(crate) fn put(&mut self, slot: u32, value: V) {
        if self.half_max <= self.young.len() {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(slot, value);
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        self.young.remove(&slot);
        self.old.remove(&slot);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(4);
        let values: Vec<Arc<u32>> = (0..10).map(Arc::new).collect();
        for (slot, value) in values.iter().enumerate() {
            cache.put(u32::try_from(slot).unwrap(), Arc::clone(value));
            assert_eq!(cache.get(0).as_deref(), Some(&0), "used after every put: {slot}");
        }
        assert_eq!(cache.get(1), None);
        assert_eq!(Arc::strong_count(&values[1]), 1, "an evicted value is dropped");
        cache.remove(0);
        assert_eq!(cache.get(0), None);
        assert_eq!(Arc::strong_count(&values[0]), 1);
    }

    proptest! {
        /// Never more than the limit, never another key's value.
        #[test]
        fn the_limit_holds(entries_max in 0_usize..9, steps in prop::collection::vec((0_u32..20, any::<bool>()), 0..200)) {
            let mut cache = Cache::new(entries_max);
            for (slot, is_put) in steps {
                if is_put {
                    cache.put(slot, slot);
                } else {
                    prop_assert!(cache.get(slot).is_none_or(|value| value == slot));
                }
                prop_assert!(cache.len() <= entries_max.max(2));
            }
        }
    }
}
