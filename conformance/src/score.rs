//! What a script scored.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde::Serialize;

use crate::ranges::Ranges;
use crate::script::{Statement, first_words};
use crate::verdict::{Class, notices_differ, types_differ};
use crate::wire::Outcome;

/// Longest text that a miss keeps.
const TEXT_MAX: usize = 4_000;

/// A statement that did not give PostgreSQL's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Its number among all that were sent, counted from 0.
    pub number: u32,
    /// Line of the script.
    pub line: usize,
    /// How it missed.
    pub class: Class,
    /// Why, without names and numbers, so that equal reasons are equal texts.
    pub reason: String,
    /// The statement's first words.
    pub kind: String,
    /// The statement.
    pub statement: String,
    /// PostgreSQL's answer.
    pub postgres: String,
    /// Ours.
    pub ours: String,
}

impl Miss {
    /// A statement that was never sent because the server was gone.
    pub(crate) fn not_sent(statement: &Statement) -> Self {
        Self {
            number: 0,
            line: statement.line,
            class: Class::Disconnect,
            reason: "not sent: the server is gone".to_owned(),
            kind: first_words(&statement.text, 2),
            statement: statement.text.clone(),
            postgres: String::new(),
            ours: String::new(),
        }
    }

    fn clipped(mut self) -> Self {
        for text in [&mut self.statement, &mut self.postgres, &mut self.ours] {
            if let Some((at, _)) = text.char_indices().nth(TEXT_MAX) {
                text.truncate(at);
                text.push('…');
            }
        }
        self
    }
}

/// The score of a script.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ScriptScore {
    /// Its name.
    pub name: String,
    /// Tells whether another run saw the same text.
    pub digest: String,
    /// Statements compared.
    pub statements: usize,
    /// Those with PostgreSQL's answer.
    pub same: usize,
    /// Of these, those whose rows came in another order where none was asked for.
    pub unordered: usize,
    /// Statements on which two PostgreSQLs disagree.
    pub unstable: usize,
    /// Statements with notices of other SQLSTATEs.
    pub notices: usize,
    /// Statements whose columns have other types.
    pub types: usize,
    /// Errors with PostgreSQL's very SQLSTATE.
    pub exact_errors: usize,
    /// Errors with another SQLSTATE.
    pub other_errors: usize,
    /// Which statements passed, counted from 0 over all that were sent.
    pub passed: Ranges,
    /// Which ones have no stable answer.
    pub changing: Ranges,
    /// Backslash commands left out, with the reason.
    pub skipped: Vec<String>,
    /// Every miss, in order.
    pub misses: Vec<Miss>,
    /// Wall time.
    pub seconds: f64,
    #[serde(skip)]
    next: u32,
}

/// What tells a text from others: the beginning of its MD5.
pub(crate) fn digest(text: &str) -> String {
    let hash = Md5::digest(text.as_bytes());
    hash.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

impl ScriptScore {
    /// An empty score.
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            digest: digest(text),
            ..Self::default()
        }
    }

    /// Counts what is noted and not judged.
    pub(crate) fn note(&mut self, postgres: &Outcome, ours: &Outcome) {
        self.notices += usize::from(notices_differ(postgres, ours));
        self.types += usize::from(types_differ(postgres, ours));
        match (postgres.error(), ours.error()) {
            (Some(a), Some(b)) if a.sqlstate == b.sqlstate => self.exact_errors += 1,
            (Some(_), Some(_)) => self.other_errors += 1,
            _ => {}
        }
    }

    /// The number of the statement that is counted next.
    pub(crate) fn next_number(&self) -> u32 {
        self.next
    }

    pub(crate) fn pass(&mut self) {
        self.statements += 1;
        self.same += 1;
        self.passed.push(self.next);
        self.next += 1;
    }

    pub(crate) fn miss(&mut self, miss: Miss) {
        self.statements += 1;
        let number = self.next;
        self.misses.push(Miss { number, ..miss }.clipped());
        self.next += 1;
    }

    pub(crate) fn unstable(&mut self) {
        self.unstable += 1;
        self.changing.push(self.next);
        self.next += 1;
    }

    pub(crate) fn skip(&mut self, line: usize, why: &str) {
        self.skipped.push(format!("line {line}: {why}"));
    }

    /// Misses by class.
    pub fn classes(&self) -> BTreeMap<Class, usize> {
        let mut classes = BTreeMap::new();
        for miss in &self.misses {
            *classes.entry(miss.class).or_default() += 1;
        }
        classes
    }

    /// Misses of one class.
    pub fn of_class(&self, class: Class) -> usize {
        self.misses.iter().filter(|m| m.class == class).count()
    }
}

/// `part` of `whole`, in percent; all of nothing is 100.
pub fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}
