//! The score as text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::score::{Miss, ScriptScore, percent};
use crate::verdict::Class;

/// Reasons named.
const REASONS_MAX: usize = 20;

/// Short heads of the classes' columns.
fn head(class: Class) -> &'static str {
    match class {
        Class::Wrong => "wrong",
        Class::Order => "order",
        Class::Follows => "follow",
        Class::Open => "open",
        Class::Plan => "plan",
        Class::Accepted => "accept",
        Class::NotSupported => "0A000",
        Class::Error => "error",
        Class::OtherError => "other",
        Class::Internal => "XX000",
        Class::Timeout => "time",
        Class::Disconnect => "lost",
    }
}

/// A line of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What gave PostgreSQL's answer.
    pub same: usize,
    /// What was asked.
    pub of: usize,
    /// Misses by class.
    pub classes: BTreeMap<Class, usize>,
}

impl Row {
    /// An empty line.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The line of a script.
    pub fn of(score: &ScriptScore) -> Self {
        Self {
            name: score.name.clone(),
            same: score.same,
            of: score.statements,
            classes: score.classes(),
        }
    }

    /// Adds another line up.
    pub(crate) fn add(&mut self, other: &Self) {
        self.same += other.same;
        self.of += other.of;
        for (class, count) in &other.classes {
            *self.classes.entry(*class).or_default() += count;
        }
    }

    /// Wrong results, those in the wrong order included.
    fn wrong(&self) -> usize {
        let count = |class| self.classes.get(&class).copied().unwrap_or_default();
        count(Class::Wrong) + count(Class::Order)
    }

    fn shown(&self) -> String {
        let cells: String = Class::ALL
            .map(|class| match self.classes.get(&class) {
                Some(count) => format!("{count:>7}"),
                None => format!("{:>7}", "·"),
            })
            .concat();
        format!(
            "{:<22} {:>7} {:>7} {:>6.1}{cells}",
            self.name,
            self.same,
            self.of,
            percent(self.same, self.of)
        )
    }
}

/// A section of the table: its lines, and their sum when there are several.
pub fn section(title: &str, rows: &[Row]) -> String {
    let heads: String = Class::ALL
        .map(|class| format!("{:>7}", head(class)))
        .concat();
    let mut out = format!("{title:<22} {:>7} {:>7} {:>6}{heads}\n", "same", "of", "%");
    let mut total = Row::new("TOTAL");
    for row in rows {
        total.add(row);
        let _infallible = writeln!(out, "{}", row.shown());
    }
    if rows.len() > 1 {
        let _infallible = writeln!(out, "{}", total.shown());
    }
    let _infallible = writeln!(
        out,
        "wrong results: {} of {}, {:.2} %\n",
        total.wrong(),
        total.of,
        percent(total.wrong(), total.of.max(1))
    );
    out
}

/// What is counted and does not decide.
pub fn notes(scores: &[ScriptScore]) -> String {
    let sum = |part: fn(&ScriptScore) -> usize| scores.iter().map(part).sum::<usize>();
    format!(
        "noted: {} same but for an order nobody asked for; {} not compared, because PostgreSQL \
         disagrees with itself; {} with other notices; {} with other column types; errors with the \
         very SQLSTATE: {} of {}; {} backslash commands left out\n",
        sum(|s| s.unordered),
        sum(|s| s.unstable),
        sum(|s| s.notices),
        sum(|s| s.types),
        sum(|s| s.exact_errors),
        sum(|s| s.exact_errors + s.other_errors),
        sum(|s| s.skipped.len()),
    )
}

/// The commonest reasons, with an example each.
pub fn reasons(scores: &[ScriptScore]) -> String {
    type Found<'a> = (usize, &'a str, &'a Miss);
    let mut reasons: BTreeMap<(Class, &str), Found<'_>> = BTreeMap::new();
    for score in scores {
        for miss in &score.misses {
            reasons
                .entry((miss.class, &miss.reason))
                .or_insert((0, &score.name, miss))
                .0 += 1;
        }
    }
    let mut sorted: Vec<_> = reasons.into_iter().collect();
    sorted.sort_by_key(|(_, (count, ..))| std::cmp::Reverse(*count));
    let mut out = String::from("commonest reasons\n");
    for ((class, reason), (count, name, miss)) in sorted.into_iter().take(REASONS_MAX) {
        let _infallible = writeln!(
            out,
            "{count:>7}  {}: {reason}  (first: {name}:{})",
            class.words(),
            miss.line
        );
    }
    out
}

/// The first misses of the worst classes in full.
pub fn first_misses(scores: &[ScriptScore], max: usize) -> String {
    let mut out = String::new();
    let mut all: Vec<(&str, &Miss)> = scores
        .iter()
        .flat_map(|s| s.misses.iter().map(|m| (s.name.as_str(), m)))
        .collect();
    all.sort_by_key(|(_, miss)| miss.class);
    for (name, miss) in all.into_iter().take(max) {
        let _infallible = write!(
            out,
            "\n{name}:{}  {}: {}\n{}\n--- PostgreSQL\n{}\n--- Kimberlite\n{}\n",
            miss.line,
            miss.class.words(),
            miss.reason,
            miss.statement,
            miss.postgres,
            miss.ours
        );
    }
    out
}
