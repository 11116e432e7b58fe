//! Sets of small numbers as text: `0-12,14,17-19`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Ascending numbers, kept as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Adds a number above all others.
    pub fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => self.0.push((number, number)),
        }
    }

    /// Whether a number is in.
    pub fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < number);
        self.0.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// All numbers.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Reads them; nothing when the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut ranges = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            ranges.push((first.parse().ok()?, last.parse().ok()?));
        }
        Some(Self(ranges))
    }
}

impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Ranges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not ranges of numbers"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn there_and_back() {
        let mut ranges = Ranges::default();
        for n in [0, 1, 2, 5, 9, 10] {
            ranges.push(n);
        }
        assert_eq!(ranges.to_string(), "0-2,5,9-10");
        assert_eq!(Ranges::parse("0-2,5,9-10"), Some(ranges.clone()));
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [0, 1, 2, 5, 9, 10]);
        assert!(ranges.contains(5) && ranges.contains(9) && !ranges.contains(3));
        assert!(!ranges.contains(11));
        assert_eq!(Ranges::parse("x"), None);
    }
}
