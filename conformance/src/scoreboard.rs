//! The committed scoreboard: what passed when it was last written.
//!
//! What passed then has to pass now. Statements that miss in both are nobody's
//! regression, and more passes than before are welcome: `--update` writes them
//! down.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ranges::Ranges;
use crate::score::ScriptScore;
use crate::verdict::Class;

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoreboard {
    /// PostgreSQL's regression topics.
    #[serde(default)]
    pub regress: BTreeMap<String, Entry>,
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
