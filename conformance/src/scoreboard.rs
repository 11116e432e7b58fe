//! The committed scoreboard: what passed when it was last written.
//!
//! What passed then has to pass now. Statements that miss in both are nobody's
//! regression, and more passes than before are welcome: `--update` writes them
//! down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kimberlite_sqllogictest::score::Report;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::parts::isolation::SpecScore;
use crate::parts::logic::short_name;
use crate::ranges::Ranges;
use crate::score::ScriptScore;
use crate::verdict::Class;

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoreboard {
    /// PostgreSQL's regression topics.
    #[serde(default)]
    pub regress: BTreeMap<String, Entry>,
    /// PostgreSQL's isolation specs whose output is identical.
    #[serde(default)]
    pub isolation: BTreeSet<String>,
    /// Files of SQLite's logic tests.
    #[serde(default)]
    pub logic: BTreeMap<String, FileEntry>,
}

/// A logic-test file's line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Records that apply to us.
    pub records: u64,
    /// Those with the expected answer.
    pub passed: u64,
}

/// A script's line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of the script's text: numbers mean something only for the same text.
    pub digest: String,
    /// Statements compared.
    pub statements: usize,
    /// Those with PostgreSQL's answer.
    pub same: usize,
    /// Wrong results among the others.
    pub wrong: usize,
    /// Which passed, counted from 0.
    pub passed: Ranges,
}

impl Entry {
    /// The line of a score.
    pub fn of(score: &ScriptScore) -> Self {
        Self {
            digest: score.digest.clone(),
            statements: score.statements,
            same: score.same,
            wrong: score.of_class(Class::Wrong) + score.of_class(Class::Order),
            passed: score.passed.clone(),
        }
    }

    /// What passed and does not any more, as sentences.
    fn regressions(&self, score: &ScriptScore) -> Vec<String> {
        if self.digest != score.digest {
            return if score.same < self.same {
                vec![format!(
                    "{}: the script has changed, and {} statements pass instead of {}",
                    score.name, score.same, self.same
                )]
            } else {
                Vec::new()
            };
        }
        let lost =
            |number: &u32| !score.passed.contains(*number) && !score.changing.contains(*number);
        self.passed
            .iter()
            .filter(lost)
            .map(
                |number| match score.misses.iter().find(|m| m.number == number) {
                    Some(miss) => format!(
                        "{}:{} {}: {}\n    {}",
                        score.name,
                        miss.line,
                        miss.class.words(),
                        miss.reason,
                        miss.statement
                            .lines()
                            .take(6)
                            .collect::<Vec<_>>()
                            .join("\n    ")
                    ),
                    None => format!("{}: statement {number} was not run", score.name),
                },
            )
            .collect()
    }
}

impl Scoreboard {
    /// Reads the file; an empty scoreboard when there is none yet.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|e| Error::Content(format!("{}: {e}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::at(path)(error)),
        }
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|e| Error::Content(e.to_string()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(Error::at(path))
    }

    /// Takes over the scores of topics; those that did not run keep theirs.
    pub fn update_regress(&mut self, scores: &[ScriptScore]) {
        for score in scores {
            self.regress.insert(score.name.clone(), Entry::of(score));
        }
    }

    /// Takes over the results of specs.
    pub fn update_isolation(&mut self, scores: &[SpecScore]) {
        for score in scores {
            if score.identical {
                self.isolation.insert(score.name.clone());
            } else {
                self.isolation.remove(&score.name);
            }
        }
    }

    /// Takes over the scores of logic-test files found under `folder`.
    pub fn update_logic(&mut self, report: &Report, folder: &Path) {
        for file in &report.files {
            let entry = FileEntry {
                records: file.records,
                passed: file.passed,
            };
            self.logic
                .insert(short_name(&file.file, folder).to_owned(), entry);
        }
    }

    /// Specs that were identical and are not any more.
    pub fn isolation_regressions(&self, scores: &[SpecScore]) -> Vec<String> {
        let lost = scores
            .iter()
            .filter(|s| !s.identical && self.isolation.contains(&s.name));
        lost.map(|s| format!("{}\n{}", s.name, s.difference))
            .collect()
    }

    /// Files with fewer passes than before.
    pub fn logic_regressions(&self, report: &Report, folder: &Path) -> Vec<String> {
        let mut lost = Vec::new();
        for file in &report.files {
            let name = short_name(&file.file, folder);
            let Some(entry) = self.logic.get(name) else {
                continue;
            };
            if file.passed < entry.passed {
                let first = file.misses.first();
                let cause =
                    first.map_or_else(String::new, |m| format!(":{} {}", m.line, m.cause()));
                lost.push(format!(
                    "{name}: {} of {} pass instead of {}; first miss{cause}",
                    file.passed, file.records, entry.passed
                ));
            }
        }
        lost
    }

    /// What passed and does not any more.
    pub fn regress_regressions(&self, scores: &[ScriptScore]) -> Vec<String> {
        let known = scores
            .iter()
            .filter_map(|s| Some((self.regress.get(&s.name)?, s)));
        known
            .flat_map(|(entry, score)| entry.regressions(score))
            .collect()
    }
}
