//! Which term each block of a log is of.
//!
//! Terms never go back along a log and change only when a leader is elected, so where
//! they begin says it all, and takes a few words for each election.

use kimberlite_storage::Result;

/// The first block of each term of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermStarts {
    /// Index and term, both ascending.
    starts: Vec<(u64, u64)>,
}

impl TermStarts {
    /// Finds where the terms of a log begin whose newest block is `newest`. `term` tells
    /// the term of a block; it is asked about as often as there are terms, times the
    /// number of times `newest` can be halved.
    ///
    /// # Errors
    /// What `term` fails with.
    pub fn find(newest: u64, mut term: impl FnMut(u64) -> Result<u64>) -> Result<Self> {
        let mut found = Self::default();
        if newest == 0 {
            return Ok(found);
        }
        let last = term(newest)?;
        let mut first = 1;
        loop {
            let current = term(first)?;
            found.push(first, current);
            if current == last {
                return Ok(found);
            }
            // The first block that is of a later term lies in (low, high].
            let (mut low, mut high) = (first, newest);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                match term(middle)? > current {
                    true => high = middle,
                    false => low = middle,
                }
            }
            first = high;
        }
    }

    /// The term of a block that the log has; `None` before the first.
    #[must_use]
    pub fn term(&self, index: u64) -> Option<u64> {
        let after = self.starts.partition_point(|(start, _)| *start <= index);
        self.starts
            .get(after.checked_sub(1)?)
            .map(|(_, term)| *term)
    }

    /// Notes the next block.
    pub fn push(&mut self, index: u64, term: u64) {
        if self.starts.last().is_none_or(|(_, last)| *last != term) {
            self.starts.push((index, term));
        }
    }

    /// Forgets the blocks after `index`.
    pub fn truncate(&mut self, index: u64) {
        let keep = self.starts.partition_point(|(start, _)| *start <= index);
        self.starts.truncate(keep);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    fn pushed(terms: &[u64]) -> TermStarts {
        let mut starts = TermStarts::default();
        for (index, term) in (1..).zip(terms) {
            starts.push(index, *term);
        }
        starts
    }

    #[test]
    fn every_block_has_its_term() {
        let terms = [1, 1, 1, 4, 4, 7, 8, 8, 8, 8];
        let starts = pushed(&terms);
        assert_eq!(starts.term(0), None);
        for (index, term) in (1..).zip(terms) {
            assert_eq!(starts.term(index), Some(term), "block {index}");
        }
    }

    #[test]
    fn starts_are_found_by_halving() {
        let mut terms = vec![1; 1000];
        terms.extend(vec![5; 1]);
        terms.extend(vec![6; 3000]);
        terms.extend(vec![9; 2]);
        for newest in [0, 1, 999, 1000, 1001, 1002, 4001, 4002, 4003] {
            let known = terms.get(..newest).unwrap();
            let mut asked = 0;
            let found = TermStarts::find(newest as u64, |index| {
                asked += 1;
                Ok(*known.get(index as usize - 1).unwrap())
            });
            assert_eq!(found.unwrap(), pushed(known), "{newest} blocks");
            assert!(asked < 60, "{asked} questions");
        }
    }

    #[test]
    fn what_is_taken_away_is_forgotten() {
        let terms = [1, 1, 2, 2, 3];
        for keep in 0..=terms.len() {
            let mut starts = pushed(&terms);
            starts.truncate(keep as u64);
            assert_eq!(starts, pushed(terms.get(..keep).unwrap()));
        }
    }
}
