//! Two answers to one statement: the same, or how they differ.
//!
//! # What counts as the same
//!
//! Column names, values as text (NULL apart from the empty string), command
//! tags, and, where both refuse, the SQLSTATE's class (its first two
//! characters). Rows count in the order in which they came when the statement
//! has an ORDER BY outside parentheses. Otherwise SQL leaves the order open,
//! and rows that are equal as a multiset count as the same; how often that was
//! needed is reported apart ([`Verdict::Unordered`]). An ORDER BY inside
//! parentheses orders a subquery, a window or an aggregate, not the result.
//!
//! Exact SQLSTATEs, notices and the types of columns are noted and reported,
//! and do not change the verdict. The plans of EXPLAIN differ by design and
//! have a class of their own.

use serde::{Deserialize, Serialize};

use crate::script::first_words;
use crate::wire::{Answer, Outcome, ResultSet};

/// How an answer missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// An answer, but another one.
    Wrong,
    /// Another answer, from a table that a statement which was refused here before
    /// would have changed.
    Follows,
    /// Another answer where SQL leaves open which, as the list of such statements
    /// says.
    Open,
    /// The right rows in another order than the ORDER BY gave in PostgreSQL.
    Order,
    /// EXPLAIN shows another plan.
    Plan,
    /// PostgreSQL refuses, and we do not.
    Accepted,
    /// Refused with 0A000.
    NotSupported,
    /// Refused with another error, where PostgreSQL answers.
    Error,
    /// Both refuse, for reasons of different classes.
    OtherError,
    /// An internal error (XX000) or a panic.
    Internal,
    /// No answer within the limit.
    Timeout,
    /// The connection ended.
    Disconnect,
}

impl Class {
    /// All, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::Wrong,
        Self::Order,
        Self::Follows,
        Self::Open,
        Self::Plan,
        Self::Accepted,
        Self::NotSupported,
        Self::Error,
        Self::OtherError,
        Self::Internal,
        Self::Timeout,
        Self::Disconnect,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Wrong => "wrong result",
            Self::Order => "wrong order",
            Self::Follows => "follows a refusal",
            Self::Open => "left open by SQL",
            Self::Plan => "other plan",
            Self::Accepted => "accepted what PostgreSQL refuses",
            Self::NotSupported => "not supported (0A000)",
            Self::Error => "error",
            Self::OtherError => "other error class",
            Self::Internal => "internal error or panic",
            Self::Timeout => "timeout",
            Self::Disconnect => "disconnect",
        }
    }
}

/// The comparison of two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Same,
    /// The same rows in another order, where no order was asked for.
    Unordered,
    /// Different, and in what.
    Miss(Class, String),
}

impl Verdict {
    /// Whether it counts as the same.
    pub fn is_same(&self) -> bool {
        !matches!(self, Self::Miss(..))
    }
}

/// Compares our answer with PostgreSQL's.
pub fn judge(statement: &str, postgres: &Outcome, ours: &Outcome) -> Verdict {
    let miss = |class, reason: String| Verdict::Miss(class, reason);
    let ours = match ours {
        Outcome::Answered(answer) => answer,
        Outcome::Timeout if matches!(postgres, Outcome::Timeout) => return Verdict::Same,
        Outcome::Timeout => return miss(Class::Timeout, "no answer in time".into()),
        Outcome::Lost(_) if matches!(postgres, Outcome::Lost(_)) => return Verdict::Same,
        Outcome::Lost(why) => return miss(Class::Disconnect, pattern(why)),
    };
    let Some(postgres) = postgres.answer() else {
        return miss(Class::Accepted, "PostgreSQL gives no answer".into());
    };
    match (&postgres.error, &ours.error) {
        (theirs, Some(error)) => {
            let reason = format!("{} {}", error.sqlstate, pattern(&error.message));
            let class_of = |state: &str| state.chars().take(2).collect::<String>();
            let same_class = theirs
                .as_ref()
                .is_some_and(|t| class_of(&t.sqlstate) == class_of(&error.sqlstate));
            if same_class
                && theirs
                    .as_ref()
                    .is_some_and(|t| t.sqlstate == error.sqlstate)
            {
                return results(statement, postgres, ours);
            }
            if error.sqlstate.starts_with("XX") || error.message.contains("panicked") {
                return miss(Class::Internal, reason);
            }
            match theirs {
                Some(_) if same_class => results(statement, postgres, ours),
                Some(t) => miss(
                    Class::OtherError,
                    format!("{reason} (PostgreSQL: {})", t.sqlstate),
                ),
                None if error.sqlstate == "0A000" => miss(Class::NotSupported, reason),
                None => miss(Class::Error, reason),
            }
        }
        (Some(error), None) => miss(
            Class::Accepted,
            format!("PostgreSQL: {} {}", error.sqlstate, pattern(&error.message)),
        ),
        (None, None) => results(statement, postgres, ours),
    }
}

/// Compares the results before the end or the error.
fn results(statement: &str, postgres: &Answer, ours: &Answer) -> Verdict {
    let kind = first_words(statement, 1);
    let miss = |what: &str| {
        let class = match (kind.as_str(), what) {
            ("EXPLAIN", _) => Class::Plan,
            (_, "order of rows") => Class::Order,
            _ => Class::Wrong,
        };
        Verdict::Miss(class, format!("{kind}: {what}"))
    };
    if postgres.results.len() != ours.results.len() {
        return miss("number of results");
    }
    let mut unordered = false;
    for (theirs, ours) in postgres.results.iter().zip(&ours.results) {
        if let Some(what) = difference(theirs, ours) {
            return miss(what);
        }
        if theirs.rows != ours.rows {
            if !same_multiset(theirs, ours) {
                return miss("values");
            }
            if is_ordered(statement) {
                return miss("order of rows");
            }
            unordered = true;
        }
    }
    if unordered {
        Verdict::Unordered
    } else {
        Verdict::Same
    }
}

/// What differs besides the rows' values.
fn difference(theirs: &ResultSet, ours: &ResultSet) -> Option<&'static str> {
    match (&theirs.columns, &ours.columns) {
        (Some(a), Some(b)) if a.len() != b.len() => return Some("number of columns"),
        (Some(a), Some(b)) if a.iter().zip(b).any(|(a, b)| a.name != b.name) => {
            return Some("column names");
        }
        (Some(_), None) | (None, Some(_)) => return Some("rows where there are none"),
        _ => {}
    }
    if theirs.rows.len() != ours.rows.len() {
        return Some("number of rows");
    }
    (theirs.tag != ours.tag).then_some("command tag")
}

fn same_multiset(theirs: &ResultSet, ours: &ResultSet) -> bool {
    fn sorted(set: &ResultSet) -> Vec<&Vec<Option<String>>> {
        let mut rows: Vec<_> = set.rows.iter().collect();
        rows.sort_unstable();
        rows
    }
    sorted(theirs) == sorted(ours)
}

/// Whether an ORDER BY stands outside all parentheses.
fn is_ordered(statement: &str) -> bool {
    let words = crate::script::outer_words(statement);
    words
        .windows(2)
        .any(|pair| pair[0] == "order" && pair[1] == "by")
}

/// Whether the types of columns differ, among those with fixed OIDs.
pub fn types_differ(postgres: &Outcome, ours: &Outcome) -> bool {
    /// OIDs from here on are given out by each server in its own order.
    const FIRST_OF_USERS: u32 = 16_384;
    let (Some(postgres), Some(ours)) = (postgres.answer(), ours.answer()) else {
        return false;
    };
    let types = |answer: &Answer| -> Vec<u32> {
        let columns = answer
            .results
            .iter()
            .flat_map(|r| r.columns.iter().flatten());
        columns.map(|c| c.type_oid).collect()
    };
    let (a, b) = (types(postgres), types(ours));
    a.len() == b.len()
        && a.iter()
            .zip(&b)
            .any(|(a, b)| a != b && *a < FIRST_OF_USERS && *b < FIRST_OF_USERS)
}

/// Whether notices differ in SQLSTATE or number.
pub fn notices_differ(postgres: &Outcome, ours: &Outcome) -> bool {
    let states = |outcome: &Outcome| -> Vec<String> {
        let notices = outcome.answer().map(|a| a.notices.as_slice());
        notices
            .unwrap_or_default()
            .iter()
            .map(|n| n.sqlstate.clone())
            .collect()
    };
    states(postgres) != states(ours)
}

/// A message without what differs from case to case: names and numbers.
pub(crate) fn pattern(message: &str) -> String {
    let mut words = String::new();
    let mut quoted = false;
    for c in message.chars().take(120) {
        match c {
            '"' => {
                quoted = !quoted;
                words.push_str(if quoted { "\"…" } else { "\"" });
            }
            _ if quoted => {}
            '0'..='9' if words.ends_with('#') => {}
            '0'..='9' => words.push('#'),
            '\n' => break,
            _ => words.push(c),
        }
    }
    words
}
