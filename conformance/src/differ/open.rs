//! Statements whose answer SQL leaves open, by name.
//!
//! Two PostgreSQLs give the same answer where it follows from how one keeps its rows:
//! which of two rows with equal keys a window sees first, where a new version of a row
//! stands in a scan without an order. The list names such statements of topics, each
//! group with the reason, as somebody who read them found it. It holds for the very
//! text that was read: the digest of the topic, or of a random statement, goes with it.

use crate::ranges::Ranges;
use crate::score::ScriptScore;
use crate::verdict::{Class, Verdict};

/// Lines of `topic digest numbers reason`; the numbers are those of misses.
const LIST: &str = include_str!("../../left-open.txt");

/// The verdict on the statement that a score counts next.
pub(super) fn left_open(score: &ScriptScore, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Miss(class @ (Class::Wrong | Class::Order), reason) => {
            match why_open(&score.name, &score.digest, score.next_number()) {
                Some(why) => Verdict::Miss(Class::Open, why.to_owned()),
                None => Verdict::Miss(class, reason),
            }
        }
        other => other,
    }
}

/// Why a statement is on the list that came with the program.
pub(crate) fn why_open(topic: &str, digest: &str, number: u32) -> Option<&'static str> {
    why(LIST, topic, digest, number)
}

/// Why a statement is on a list.
fn why<'l>(list: &'l str, topic: &str, digest: &str, number: u32) -> Option<&'l str> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(parse)
        .find_map(|(name, text, numbers, why)| {
            let named = name == topic && text == digest && numbers.contains(number);
            named.then_some(why)
        })
}

fn parse(line: &str) -> Option<(&str, &str, Ranges, &str)> {
    let mut parts = line.splitn(4, ' ');
    let (name, digest, numbers) = (parts.next()?, parts.next()?, parts.next()?);
    Some((name, digest, Ranges::parse(numbers)?, parts.next()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            assert!(
                parse(line).is_some_and(|(.., why)| !why.is_empty()),
                "{line}"
            );
        }
    }

    #[test]
    fn the_digest_and_the_number_count() {
        let list = "# a comment\nwindow abc 3,5-7 ties\n";
        assert_eq!(why(list, "window", "abc", 6), Some("ties"));
        assert_eq!(why(list, "window", "abc", 4), None);
        assert_eq!(why(list, "window", "abd", 6), None);
        assert_eq!(why(list, "with", "abc", 6), None);
    }
}
