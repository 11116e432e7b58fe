//! What follows from a refusal.
//!
//! A statement that PostgreSQL carries out and our server refuses leaves its tables
//! different: a trigger that is not there does not fire, rows that were not inserted
//! are not found. The refusal is a miss; what differs afterwards in the same tables
//! says nothing new and has a class of its own, [`Class::Follows`], which counts
//! neither as the same nor as a wrong result. Only an answer about a table that the
//! refused statement names as the one it changes is put there, or about a view, a
//! cursor, a partition or a prepared statement that names it.

use std::collections::{HashMap, HashSet};

use crate::script::dotted_names;
use crate::verdict::{Class, Verdict};

/// Tables that differ because of refusals, in one script.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Relations whose contents differ.
    differing: HashSet<String>,
    /// Names with the names that their definitions mention.
    mentions: HashMap<String, HashSet<String>>,
    /// What the transaction block changed so far.
    changed: Vec<String>,
}

impl Consequences {
    /// The verdict on a statement, which is then remembered. `in_block` tells whether
    /// PostgreSQL is in a transaction block after it.
    pub(super) fn settle(&mut self, statement: &str, verdict: Verdict, in_block: bool) -> Verdict {
        let names = dotted_names(statement);
        let concerned = self.concerns(&names);
        let verdict = match verdict {
            Verdict::Miss(Class::Wrong | Class::Order, reason)
                if concerned && !reason.contains("column") =>
            {
                Verdict::Miss(Class::Follows, reason)
            }
            other => other,
        };
        self.note_definition(&names);
        let targets = targets(&names);
        let spreads = match &verdict {
            Verdict::Miss(Class::NotSupported | Class::Error, _) => {
                // An error takes back what the block did before.
                self.differing.extend(self.changed.drain(..));
                true
            }
            Verdict::Miss(Class::Follows | Class::Accepted, _) => concerned,
            _ => false,
        };
        if verdict.is_same() {
            self.note_fresh(&names);
        }
        if spreads {
            self.differing.extend(targets);
        } else {
            self.changed.extend(targets);
        }
        if !in_block {
            self.changed.clear();
        }
        verdict
    }

    /// Forgets tables that begin anew on both servers.
    fn note_fresh(&mut self, names: &[Vec<String>]) {
        let words: Vec<&str> = names.iter().filter_map(|n| last(n)).collect();
        match words.as_slice() {
            ["drop", "table" | "view", gone @ ..] | ["truncate", gone @ ..] => {
                for name in gone {
                    self.differing.remove(*name);
                }
            }
            ["create", ..] if words.iter().take(4).any(|word| *word == "table") => {
                if let Some(name) = after(names, &["table"]) {
                    self.differing.remove(&name);
                }
            }
            _ => {}
        }
    }

    /// Whether a statement mentions what differs, by whatever way.
    fn concerns(&self, names: &[Vec<String>]) -> bool {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut next: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        while let Some(name) = next.pop() {
            if self.differing.contains(name) {
                return true;
            }
            if seen.insert(name)
                && let Some(more) = self.mentions.get(name)
            {
                next.extend(more.iter().map(String::as_str));
            }
        }
        false
    }

    /// Remembers what views, cursors, partitions and prepared statements are made of.
    fn note_definition(&mut self, names: &[Vec<String>]) {
        let words: Vec<&str> = names.iter().filter_map(|n| last(n)).collect();
        let is = |word: &str| words.contains(&word);
        let made = match words.first().copied() {
            Some("create") if is("view") => after(names, &["view"]),
            Some("create") if is("partition") || is("inherits") => after(names, &["table"]),
            Some("declare") => after(names, &["declare"]),
            Some("prepare") => after(names, &["prepare"]),
            _ => return,
        };
        let Some(made) = made else { return };
        let parts = ["partition", "inherits"].into_iter().find(|word| is(word));
        if let Some(word) = parts {
            let parent = after(names, &[word, "of"]).or_else(|| after(names, &[word]));
            if let Some(parent) = parent {
                // The rows of one are rows of the other.
                self.link(&parent, made.clone());
                self.link(&made, parent);
            }
            return;
        }
        for name in names.iter().skip(2).filter_map(|n| last(n)) {
            self.link(&made, name.to_owned());
        }
    }

    fn link(&mut self, name: &str, mentioned: String) {
        if name != mentioned {
            let mentions = self.mentions.entry(name.to_owned()).or_default();
            mentions.insert(mentioned);
        }
    }
}

fn last(name: &[String]) -> Option<&str> {
    name.last().map(String::as_str)
}

/// Words between a command and the table that it is about.
const BETWEEN: [&str; 6] = ["only", "if", "exists", "not", "table", "concurrently"];

/// The name after a row of words.
fn after(names: &[Vec<String>], words: &[&str]) -> Option<String> {
    let at = names.windows(words.len()).position(|window| {
        let mut pairs = window.iter().zip(words);
        pairs.all(|(name, word)| last(name) == Some(word))
    })?;
    let mut rest = names.iter().skip(at + words.len());
    let found = rest.find(|n| !last(n).is_some_and(|word| BETWEEN.contains(&word)));
    found.and_then(|n| last(n)).map(str::to_owned)
}

/// What follows each way to change a table.
const CHANGES: [&[&str]; 11] = [
    &["insert", "into"],
    &["merge", "into"],
    &["delete", "from"],
    &["update"],
    &["truncate"],
    &["copy"],
    &["alter", "table"],
    &["create", "table"],
    &["materialized", "view"],
    &["drop", "table"],
    &["into"],
];

/// Words after UPDATE and the like that are no table: `FOR UPDATE OF`, `DO UPDATE SET`.
const NO_TABLES: [&str; 14] = [
    "set", "of", "on", "or", "to", "as", "cascade", "restrict", "no", "nowait", "skip", "share",
    "select", "values",
];

/// The relations that a statement changes.
fn targets(names: &[Vec<String>]) -> Vec<String> {
    let words: Vec<&str> = names.iter().filter_map(|n| last(n)).take(5).collect();
    let is = |kind: &str| words.contains(&kind);
    let found: Vec<Option<String>> = match words.first().copied() {
        Some("select") => vec![after(names, &["into"])],
        Some("explain" | "fetch" | "move" | "show" | "set") => Vec::new(),
        Some("copy") if after(names, &["from"]).is_none() => Vec::new(),
        Some("create" | "alter" | "drop") if is("rule") => {
            // The table of the event, and those that its actions change.
            let event = names.iter().position(|name| last(name) == Some("do"));
            let rest = names
                .get(event.unwrap_or(names.len())..)
                .unwrap_or_default();
            let actions = CHANGES.iter().map(|words| after(rest, words));
            actions.chain([after(names, &["to"])]).collect()
        }
        Some("create" | "alter" | "drop") if is("trigger") || is("policy") || is("index") => {
            vec![after(names, &["on"])]
        }
        _ => CHANGES.iter().map(|words| after(names, words)).collect(),
    };
    let named = |name: &String| !NO_TABLES.contains(&name.as_str());
    found.into_iter().flatten().filter(named).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn miss(class: Class) -> Verdict {
        Verdict::Miss(class, "why".to_owned())
    }

    /// Settles statements outside of blocks, the first of which is refused, the last
    /// of which is answered differently.
    fn last_of(statements: &[&str]) -> Verdict {
        let mut consequences = Consequences::default();
        let mut verdict = Verdict::Same;
        for (number, statement) in statements.iter().enumerate() {
            let given = match number {
                0 => miss(Class::NotSupported),
                n if n + 1 == statements.len() => miss(Class::Wrong),
                _ => Verdict::Same,
            };
            verdict = consequences.settle(statement, given, false);
        }
        verdict
    }

    #[test]
    fn a_table_that_a_refused_statement_changes_differs() {
        for refused in [
            "CREATE TRIGGER g BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
            "CREATE RULE r AS ON UPDATE TO v DO INSTEAD UPDATE t SET a = 1",
            "INSERT INTO t VALUES (1)",
            "WITH x AS (SELECT 1) UPDATE ONLY t SET a = 1",
            "ALTER TABLE IF EXISTS t ENABLE ROW LEVEL SECURITY",
        ] {
            let verdict = last_of(&[refused, "SELECT * FROM s.t"]);
            assert_eq!(verdict, miss(Class::Follows), "{refused}");
            let verdict = last_of(&[refused, "SELECT * FROM u WHERE b = 't'"]);
            assert_eq!(verdict, miss(Class::Wrong), "{refused}");
        }
    }

    #[test]
    fn a_table_that_begins_anew_is_the_same_again() {
        let insert = "INSERT INTO t VALUES (1)";
        for fresh in [
            "DROP TABLE IF EXISTS t",
            "TRUNCATE t",
            "CREATE TEMP TABLE t (a int)",
        ] {
            let verdict = last_of(&[insert, fresh, "SELECT * FROM t"]);
            assert_eq!(verdict, miss(Class::Wrong), "{fresh}");
        }
    }

    #[test]
    fn names_of_columns_do_not_follow() {
        let mut consequences = Consequences::default();
        consequences.settle("INSERT INTO t VALUES (1)", miss(Class::Error), false);
        let names = Verdict::Miss(Class::Wrong, "SELECT: column names".to_owned());
        assert_eq!(consequences.settle("TABLE t", names.clone(), false), names);
    }

    #[test]
    fn a_refused_query_changes_nothing() {
        for refused in [
            "SELECT x(a) FROM t",
            "SELECT * FROM t FOR UPDATE OF t",
            "COPY t TO STDOUT",
            "INSERT INTO u VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1",
        ] {
            let verdict = last_of(&[refused, "SELECT b FROM t WHERE \"set\" = \"of\""]);
            assert_eq!(verdict, miss(Class::Wrong), "{refused}");
        }
    }

    #[test]
    fn views_cursors_and_partitions_share_the_rows() {
        let insert = "INSERT INTO t VALUES (1)";
        for made in [
            "CREATE VIEW v AS SELECT * FROM t",
            "DECLARE v CURSOR FOR SELECT * FROM t",
            "CREATE TABLE v PARTITION OF t DEFAULT",
            "CREATE TABLE v (a int) INHERITS (t)",
        ] {
            let verdict = last_of(&[insert, made, "SELECT * FROM v"]);
            assert_eq!(verdict, miss(Class::Follows), "{made}");
        }
        let other = last_of(&[
            insert,
            "CREATE VIEW v AS SELECT * FROM u",
            "SELECT * FROM v",
        ]);
        assert_eq!(other, miss(Class::Wrong));
    }

    #[test]
    fn a_block_that_failed_here_alone_took_its_changes_back() {
        let mut consequences = Consequences::default();
        consequences.settle("BEGIN", Verdict::Same, true);
        consequences.settle("INSERT INTO t VALUES (1)", Verdict::Same, true);
        consequences.settle("SELECT f()", miss(Class::NotSupported), true);
        consequences.settle("COMMIT", Verdict::Same, false);
        let verdict = consequences.settle("TABLE t", miss(Class::Wrong), false);
        assert_eq!(verdict, miss(Class::Follows));
    }

    #[test]
    fn what_was_wrong_stays_wrong() {
        let mut consequences = Consequences::default();
        consequences.settle("UPDATE t SET a = 1", miss(Class::Wrong), false);
        let verdict = consequences.settle("TABLE t", miss(Class::Wrong), false);
        assert_eq!(verdict, miss(Class::Wrong));
    }
}
