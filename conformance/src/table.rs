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

/// One line a script, a total, and what is noted besides.
pub fn table(title: &str, scores: &[ScriptScore]) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _infallible = writeln!(out, "{text}");
    };
    let heads: String = Class::ALL
        .map(|class| format!("{:>7}", head(class)))
        .concat();
    line(format!(
        "{title:<22} {:>6} {:>6} {:>6}{heads}",
        "same", "of", "%"
    ));
    let row = |name: &str, same: usize, of: usize, classes: &BTreeMap<Class, usize>| {
        let cells: String = Class::ALL
            .map(|class| match classes.get(&class) {
                Some(count) => format!("{count:>7}"),
                None => format!("{:>7}", "·"),
            })
            .concat();
        format!(
            "{name:<22} {same:>6} {of:>6} {:>6.1}{cells}",
            percent(same, of)
        )
    };
    let mut sums: BTreeMap<Class, usize> = BTreeMap::new();
    for score in scores {
        let classes = score.classes();
        line(row(&score.name, score.same, score.statements, &classes));
        for (class, count) in classes {
            *sums.entry(class).or_default() += count;
        }
    }
    let sum = |part: fn(&ScriptScore) -> usize| scores.iter().map(part).sum::<usize>();
    let (same, statements) = (sum(|s| s.same), sum(|s| s.statements));
    line(row("TOTAL", same, statements, &sums));
    let wrong = Class::ALL[..2].iter().filter_map(|c| sums.get(c)).sum();
    line(format!(
        "wrong results (order included): {wrong} of {statements}, {:.2} %",
        percent(wrong, statements.max(1))
    ));
    line(format!(
        "noted: {} same but for an order nobody asked for; {} not compared, because PostgreSQL disagrees \
         with itself; {} with other notices; {} with other column types; errors with the very SQLSTATE: \
         {} of {}; {} backslash commands left out",
        sum(|s| s.unordered),
        sum(|s| s.unstable),
        sum(|s| s.notices),
        sum(|s| s.types),
        sum(|s| s.exact_errors),
        sum(|s| s.exact_errors + s.other_errors),
        sum(|s| s.skipped.len()),
    ));
    out
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
