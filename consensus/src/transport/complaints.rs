//! What is wrong, said once and not at every retry.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most parties something is remembered of.
const COMPLAINTS_MAX: usize = 64;

/// The last thing said about each party.
pub(super) struct Complaints<K>(Mutex<BTreeMap<K, String>>);

impl<K> Default for Complaints<K> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord + Clone> Complaints<K> {
    /// Remembers what is wrong with `who`. Whether that is news.
    pub(super) fn is_news(&self, who: &K, text: &str) -> bool {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.get(who).is_some_and(|known| known == text) {
            return false;
        }
        if texts.len() >= COMPLAINTS_MAX && !texts.contains_key(who) {
            texts.pop_first();
        }
        texts.insert(who.clone(), text.to_owned());
        true
    }

    /// Nothing is wrong with `who` any more. Whether something was.
    pub(super) fn settle(&self, who: &K) -> bool {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.remove(who).is_some()
    }

    /// Everything that is remembered.
    pub(super) fn all(&self) -> Vec<(K, String)> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}
