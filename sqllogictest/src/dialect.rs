//! From a file's text to records, for both dialects.
//!
//! The `sqllogictest` crate's parser reads its own dialect; SQLite's files use
//! two things it does not know, and these are taken away here without moving a
//! line: a note after the label (`onlyif mssql # not supported by others`), and
//! `halt` under a condition.

use std::path::Path;

use sqllogictest::{Condition, DefaultColumnType, Record};

/// A record as the parser gives it.
pub type SltRecord = Record<DefaultColumnType>;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's corpus: one value a line, values formatted by the type letter.
    Sqlite,
    /// The `sqllogictest` crate: one row a line, values as the server sends them.
    Slt,
}

impl Dialect {
    /// `.test` is SQLite's, everything else the crate's.
    pub fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|e| e == "test") {
            Self::Sqlite
        } else {
            Self::Slt
        }
    }
}

/// Whether a record is left out, given our labels (`postgresql`, …).
pub fn is_skipped(conditions: &[Condition], labels: &[String]) -> bool {
    conditions.iter().any(|condition| match condition {
        Condition::OnlyIf { label } => !labels.contains(label),
        Condition::SkipIf { label } => labels.contains(label),
    })
}

/// Reads a file. The error is a sentence for the report.
pub fn read(path: &Path, dialect: Dialect, labels: &[String]) -> Result<Vec<SltRecord>, String> {
    // Read here first: the parser panics on a file that is not UTF-8.
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let parsed = match dialect {
        Dialect::Sqlite => {
            let name = path.to_string_lossy().into_owned();
            sqllogictest::parse_with_name(&plain_conditions(&text, labels), name)
        }
        Dialect::Slt => sqllogictest::parse_file(path),
    };
    parsed.map_err(|e| e.to_string())
}

/// SQLite's text without notes after labels and without conditional `halt`s.
/// Lines keep their numbers.
fn plain_conditions(text: &str, labels: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    // Records are paragraphs: a condition can only stand where one begins.
    let mut at_start = true;
    let mut pending: Vec<Condition> = Vec::new();
    let mut pending_text = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = if at_start { words.next() } else { None };
        match (first, words.next()) {
            (Some(kind @ ("onlyif" | "skipif")), Some(label)) => {
                let label = label.to_owned();
                pending_text.push_str(&format!("{kind} {label}\n"));
                pending.push(if kind == "onlyif" {
                    Condition::OnlyIf { label }
                } else {
                    Condition::SkipIf { label }
                });
                continue;
            }
            (Some("halt"), None) if !pending.is_empty() => {
                if !is_skipped(&pending, labels) {
                    out.push_str(&"\n".repeat(pending.len()));
                    out.push_str("halt\n");
                    return out;
                }
                out.push_str(&"\n".repeat(pending.len() + 1));
                pending.clear();
                pending_text.clear();
                continue;
            }
            _ => {}
        }
        out.push_str(&pending_text);
        pending.clear();
        pending_text.clear();
        out.push_str(line);
        out.push('\n');
        at_start = line.is_empty() || (at_start && line.starts_with('#'));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn postgres() -> Vec<String> {
        vec!["postgresql".to_owned()]
    }

    fn sqls(text: &str) -> Vec<(u32, String)> {
        let records =
            sqllogictest::parse::<DefaultColumnType>(&plain_conditions(text, &postgres())).unwrap();
        let mut found = Vec::new();
        for record in records {
            match record {
                Record::Statement {
                    sql,
                    loc,
                    conditions,
                    ..
                }
                | Record::Query {
                    sql,
                    loc,
                    conditions,
                    ..
                } if !is_skipped(&conditions, &postgres()) => {
                    found.push((loc.line(), sql));
                }
                Record::Halt { .. } => break,
                _ => {}
            }
        }
        found
    }

    #[test]
    fn notes_after_labels_are_dropped_and_lines_keep_their_numbers() {
        let text = "\
onlyif mysql # DIV for integer division:
query I
SELECT 1 DIV 1
----
1

skipif mysql # not compatible
query I
SELECT 1 / 1
----
1

skipif postgresql # strict GROUP BY
statement ok
SELECT 2

statement ok
SELECT 3
";
        assert_eq!(
            sqls(text),
            [(8, "SELECT 1 / 1".into()), (17, "SELECT 3".into())]
        );
    }

    #[test]
    fn a_halt_counts_only_where_its_condition_holds() {
        let text = "\
onlyif mssql
halt

statement ok
SELECT 1

skipif mssql # everyone else stops
halt

statement ok
SELECT 2
";
        assert_eq!(sqls(text), [(4, "SELECT 1".into())]);
    }

    #[test]
    fn results_that_look_like_conditions_are_left_alone() {
        let text = "query T\nSELECT x\n----\nonlyif mysql # no\nhalt\n\nstatement ok\nSELECT 1\n";
        assert_eq!(plain_conditions(text, &postgres()), text);
    }
}
