//! What is counted: records, misses, and why they missed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Longest text kept of a statement or result in a miss, in characters.
const CLIP_CHARS: usize = 2_000;

/// Why a record did not give the expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It ran, and other rows, another count or another number of columns came.
    WrongResult,
    /// It failed, and should not have.
    Error,
    /// It failed with SQLSTATE 0A000, which admits that a feature is missing.
    NotSupported,
    /// It ran, and should have failed.
    NoError,
    /// It failed as it should, but with another SQLSTATE or message.
    WrongError,
    /// The server's own fault: SQLSTATE class XX, or a panic.
    Internal,
    /// The connection broke.
    LostConnection,
    /// It took longer than the limit.
    Timeout,
    /// The record asks for something this program does not do (a shell command).
    NotRun,
}

impl Reason {
    /// Every reason, in the order of the scoreboard.
    pub const ALL: [Self; 9] = [
        Self::WrongResult,
        Self::NoError,
        Self::WrongError,
        Self::Internal,
        Self::LostConnection,
        Self::Timeout,
        Self::Error,
        Self::NotSupported,
        Self::NotRun,
    ];

    /// A few words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::WrongResult => "wrong result",
            Self::Error => "error",
            Self::NotSupported => "not supported (0A000)",
            Self::NoError => "no error where one is due",
            Self::WrongError => "another error than expected",
            Self::Internal => "internal error or panic",
            Self::LostConnection => "connection lost",
            Self::Timeout => "timeout",
            Self::NotRun => "not run",
        }
    }
}

/// One record that missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// Line of the record in its file, counted from 1.
    pub line: u32,
    /// Why.
    pub reason: Reason,
    /// SQLSTATE, where the server gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// The server's message, or what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the file expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// The text sent.
    pub sql: String,
}

impl Miss {
    /// A miss with the long texts cut to a bounded length.
    #[must_use]
    pub fn clipped(mut self) -> Self {
        let texts = [
            Some(&mut self.sql),
            self.message.as_mut(),
            self.expected.as_mut(),
            self.actual.as_mut(),
        ];
        for text in texts.into_iter().flatten() {
            if let Some((end, _)) = text.char_indices().nth(CLIP_CHARS) {
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }

    /// What misses with the same cause have in common.
    pub fn cause(&self) -> String {
        let message = self.message.as_deref().unwrap_or_default();
        // Names and numbers differ from record to record; the words do not.
        let mut words = String::new();
        let mut quoted = false;
        for c in message.chars().take(120) {
            match c {
                '"' => {
                    quoted = !quoted;
                    words.push('"');
                    if quoted {
                        words.push('…');
                    }
                }
                _ if quoted => {}
                '0'..='9' if words.ends_with('#') => {}
                '0'..='9' => words.push('#'),
                '\n' => break,
                _ => words.push(c),
            }
        }
        match (&self.sqlstate, words.is_empty()) {
            (Some(state), _) => format!("{state} {words}"),
            (None, false) => words,
            (None, true) => self.reason.words().to_owned(),
        }
    }
}

/// The score of one file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FileScore {
    /// The file as given.
    pub file: String,
    /// Statements and queries that apply to us.
    pub records: u64,
    /// Those with the expected answer.
    pub passed: u64,
    /// Those that other systems' labels keep from us.
    pub skipped: u64,
    /// Those never sent, because the server was gone or the file unreadable.
    pub not_reached: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Why the file could not be read or was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
    /// Every record that missed, in the order of the file.
    pub misses: Vec<Miss>,
}

impl FileScore {
    /// Whether everything that applies to us gave the expected answer.
    pub fn is_clean(&self) -> bool {
        self.passed == self.records && self.given_up.is_none()
    }
}

/// The score of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// User, server and database; never a password.
    pub target: String,
    /// `version()` of the server.
    pub server_version: String,
    /// Wall time in seconds, without files taken over from an earlier run.
    pub seconds: f64,
    /// Sums over all files.
    pub totals: Totals,
    /// Misses by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Misses by cause, the most frequent first; at most 40.
    pub causes: Vec<Cause>,
    /// Each file, by name.
    pub files: Vec<FileScore>,
}

/// Sums over all files.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Files with no miss.
    pub clean_files: u64,
    /// Statements and queries that apply to us.
    pub records: u64,
    /// Those with the expected answer.
    pub passed: u64,
    /// Those that other systems' labels keep from us.
    pub skipped: u64,
    /// Those never sent.
    pub not_reached: u64,
    /// `passed` of `records`, in percent.
    pub percent: f64,
}

/// A cause that many misses share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The class it belongs to.
    pub reason: Reason,
    /// SQLSTATE and message without names and numbers.
    pub cause: String,
    /// Misses.
    pub count: u64,
    /// One of them, as `file:line`.
    pub example: String,
}

impl Report {
    /// Adds up files.
    pub fn new(
        target: String,
        server_version: String,
        seconds: f64,
        mut files: Vec<FileScore>,
    ) -> Self {
        files.sort_by(|a, b| a.file.cmp(&b.file));
        let mut totals = Totals::default();
        let mut reasons = BTreeMap::new();
        let mut causes: BTreeMap<(Reason, String), (u64, String)> = BTreeMap::new();
        for file in &files {
            totals.files += 1;
            totals.clean_files += u64::from(file.is_clean());
            totals.records += file.records;
            totals.passed += file.passed;
            totals.skipped += file.skipped;
            totals.not_reached += file.not_reached;
            for miss in &file.misses {
                *reasons.entry(miss.reason).or_default() += 1;
                let entry = causes
                    .entry((miss.reason, miss.cause()))
                    .or_insert_with(|| (0, format!("{}:{}", file.file, miss.line)));
                entry.0 += 1;
            }
        }
        totals.percent = percent(totals.passed, totals.records);
        let mut causes: Vec<Cause> = causes
            .into_iter()
            .map(|((reason, cause), (count, example))| Cause {
                reason,
                cause,
                count,
                example,
            })
            .collect();
        causes.sort_by_key(|c| std::cmp::Reverse(c.count));
        causes.truncate(40);
        Self {
            target,
            server_version,
            seconds,
            totals,
            reasons,
            causes,
            files,
        }
    }

    /// Whether every file is clean.
    pub fn is_clean(&self) -> bool {
        self.totals.files == self.totals.clean_files
    }
}

/// `part` of `whole` in percent; 100 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn miss(reason: Reason, state: &str, message: &str) -> Miss {
        Miss {
            line: 3,
            reason,
            sqlstate: Some(state.to_owned()),
            message: Some(message.to_owned()),
            expected: None,
            actual: None,
            sql: "SELECT 1".to_owned(),
        }
    }

    #[test]
    fn misses_that_differ_in_names_share_a_cause() {
        let a = miss(
            Reason::Error,
            "42P01",
            "relation \"t1\" does not exist at 12",
        );
        let b = miss(
            Reason::Error,
            "42P01",
            "relation \"t22\" does not exist at 7",
        );
        assert_eq!(a.cause(), b.cause());
        assert_eq!(a.cause(), "42P01 relation \"…\" does not exist at #");
    }

    #[test]
    fn adds_up() {
        let file = |name: &str, passed, misses: Vec<Miss>| FileScore {
            file: name.to_owned(),
            records: 4,
            passed,
            misses,
            ..FileScore::default()
        };
        let lost = vec![
            miss(Reason::Error, "42P01", "x"),
            miss(Reason::Error, "42P01", "x"),
        ];
        let report = Report::new(
            "t".into(),
            "v".into(),
            1.0,
            vec![file("b", 2, lost), file("a", 4, Vec::new())],
        );
        assert_eq!((report.totals.files, report.totals.clean_files), (2, 1));
        assert!((report.totals.percent - 75.0).abs() < 1e-9);
        assert_eq!(report.reasons[&Reason::Error], 2);
        assert_eq!(
            (report.causes[0].count, report.causes[0].example.as_str()),
            (2, "b:3")
        );
        assert_eq!(report.files[0].file, "a");
        assert!(!report.is_clean());
    }

    #[test]
    fn long_texts_are_cut() {
        let mut long = miss(Reason::Error, "42601", "m");
        long.sql = "é".repeat(5_000);
        assert_eq!(long.clipped().sql.chars().count(), CLIP_CHARS + 1);
    }
}
