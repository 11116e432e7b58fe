//! Runs the records of one file against its scratch place.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use sqllogictest::{
    Connection, Control, DefaultColumnType, QueryExpect, Record, ResultMode, RetryConfig, SortMode,
};

use crate::compare::{Expectation, compare};
use crate::dialect::{Dialect, SltRecord, is_skipped};
use crate::error::Result;
use crate::judge::{Verdict, judge_error, judge_statement, miss, unexpected};
use crate::score::{FileScore, Miss, Reason};
use crate::scratch::Place;
use crate::session::{Answer, Failure, Session};
use crate::variables::Variables;

/// After this many connections lost in a row the file is given up.
const LOST_MAX: u32 = 5;
/// Connections a file may open by name.
const NAMED_MAX: usize = 64;

/// What running a file needs to know.
pub struct FileRun<'a> {
    /// The file's name in the report.
    pub path: &'a Path,
    /// How it is written.
    pub dialect: Dialect,
    /// Our labels.
    pub labels: &'a [String],
    /// Limit for each statement.
    pub limit: Duration,
}

/// What a file changes while it runs.
struct Running<'a> {
    run: &'a FileRun<'a>,
    place: &'a Place,
    sessions: HashMap<Connection, Session>,
    sort: SortMode,
    layout: ResultMode,
    variables: Variables,
    labelled: HashMap<String, String>,
    lost: u32,
}

/// Runs all records. `progress` is called after each with how many are done.
pub async fn run_file(
    run: &FileRun<'_>,
    records: Vec<SltRecord>,
    place: &Place,
    progress: &(dyn Fn(usize) + Sync),
) -> FileScore {
    let started = Instant::now();
    let mut score = FileScore {
        file: run.path.display().to_string(),
        ..FileScore::default()
    };
    let mut running = Running {
        run,
        place,
        sessions: HashMap::new(),
        sort: SortMode::NoSort,
        layout: match run.dialect {
            Dialect::Sqlite => ResultMode::ValueWise,
            Dialect::Slt => ResultMode::RowWise,
        },
        variables: Variables::default(),
        labelled: HashMap::new(),
        lost: 0,
    };
    for (done, record) in records.iter().enumerate() {
        if matches!(record, Record::Halt { .. }) {
            break;
        }
        let conditions = match record {
            Record::Statement { conditions, .. }
            | Record::Query { conditions, .. }
            | Record::System { conditions, .. }
            | Record::Let { conditions, .. } => conditions,
            other => {
                running.settle(other).await;
                continue;
            }
        };
        if is_skipped(conditions, run.labels) {
            score.skipped += 1;
            continue;
        }
        score.records += 1;
        if score.given_up.is_some() {
            score.not_reached += 1;
            continue;
        }
        match running.record(record).await {
            None => score.passed += 1,
            Some(miss) => score.misses.push(miss.clipped()),
        }
        if running.lost >= LOST_MAX {
            score.given_up = Some(format!("{LOST_MAX} connections lost in a row"));
        }
        progress(done);
    }
    for (_, session) in running.sessions {
        session.close().await;
    }
    score.seconds = started.elapsed().as_secs_f64();
    score
}

impl Running<'_> {
    /// Records that change how later ones are read.
    async fn settle(&mut self, record: &SltRecord) {
        match record {
            Record::Control(Control::SortMode(mode)) => self.sort = *mode,
            Record::Control(Control::ResultMode(mode)) => self.layout = *mode,
            Record::Control(Control::Substitution(on)) => self.variables.enable(*on),
            Record::Sleep { duration, .. } => tokio::time::sleep(*duration).await,
            _ => {}
        }
    }

    async fn record(&mut self, record: &SltRecord) -> Verdict {
        let (line, text, retry) = match record {
            Record::Statement {
                loc, sql, retry, ..
            }
            | Record::Query {
                loc, sql, retry, ..
            } => (loc.line(), sql, retry.as_ref()),
            Record::Let { loc, sql, .. } => (loc.line(), sql, None),
            Record::System { loc, command, .. } => (loc.line(), command, None),
            _ => return None,
        };
        let sql = self.variables.apply(text);
        let mut verdict = self.attempt(record, &sql).await;
        let (attempts, backoff) = match retry {
            Some(RetryConfig { attempts, backoff }) => (*attempts, *backoff),
            None => (0, Duration::ZERO),
        };
        for _ in 0..attempts {
            if verdict.is_none() {
                break;
            }
            tokio::time::sleep(backoff).await;
            verdict = self.attempt(record, &sql).await;
        }
        verdict.map(|miss| Miss { line, sql, ..miss })
    }

    async fn attempt(&mut self, record: &SltRecord, sql: &str) -> Verdict {
        match record {
            Record::Statement {
                connection,
                expected,
                ..
            } => {
                let outcome = self.send(connection, sql).await;
                judge_statement(expected, outcome)
            }
            Record::Query {
                connection,
                expected,
                ..
            } => {
                let outcome = self.send(connection, sql).await;
                self.judge_query(expected, outcome)
            }
            Record::Let {
                connection,
                variables,
                ..
            } => {
                let outcome = self.send(connection, sql).await;
                self.bind(variables, outcome)
            }
            _ => Some(miss(Reason::NotRun, "shell commands are not run")),
        }
    }

    async fn send(
        &mut self,
        connection: &Connection,
        sql: &str,
    ) -> std::result::Result<Answer, Failure> {
        let outcome = match self.session(connection).await {
            Ok(session) => session.run(sql).await,
            Err(error) => Err(Failure::Lost(error.to_string())),
        };
        match &outcome {
            Err(Failure::Lost(_)) => self.lost += 1,
            _ => self.lost = 0,
        }
        outcome
    }

    /// The connection of that name, alive.
    async fn session(&mut self, connection: &Connection) -> Result<&mut Session> {
        use std::collections::hash_map::Entry;
        if self.sessions.len() >= NAMED_MAX && !self.sessions.contains_key(connection) {
            return Err(crate::error::Error::Connect(format!(
                "more than {NAMED_MAX} connections"
            )));
        }
        match self.sessions.entry(connection.clone()) {
            Entry::Occupied(entry) => {
                let session = entry.into_mut();
                if !session.is_alive() {
                    session.reopen().await?;
                    self.place.enter(session).await?;
                }
                Ok(session)
            }
            Entry::Vacant(entry) => Ok(entry.insert(self.place.connect(self.run.limit).await?)),
        }
    }

    fn judge_query(
        &mut self,
        expected: &QueryExpect<DefaultColumnType>,
        outcome: std::result::Result<Answer, Failure>,
    ) -> Verdict {
        let (types, sort, layout, label, lines) = match expected {
            QueryExpect::Error(error) => return judge_error(error, outcome),
            QueryExpect::Results {
                types,
                sort_mode,
                result_mode,
                label,
                results,
            } => (types, sort_mode, result_mode, label, results),
        };
        let (columns, rows) = match outcome {
            Ok(Answer::Rows { columns, rows }) => (columns, rows),
            // A query record may hold a statement without a result set.
            Ok(Answer::Done(_)) => (types.len(), Vec::new()),
            Err(failure) => return Some(unexpected(failure)),
        };
        let expectation = Expectation {
            dialect: self.run.dialect,
            types,
            sort: sort.unwrap_or(self.sort),
            layout: layout.unwrap_or(self.layout),
            lines,
        };
        let hash = match compare(&expectation, columns, &rows) {
            Ok(hash) => hash,
            Err(difference) => {
                return Some(Miss {
                    expected: Some(difference.expected),
                    actual: Some(difference.actual),
                    ..miss(Reason::WrongResult, "")
                });
            }
        };
        if let Some(label) = label {
            let first = self
                .labelled
                .entry(label.clone())
                .or_insert_with(|| hash.clone());
            if *first != hash {
                let message = format!("another result than an earlier query labelled {label}");
                return Some(miss(Reason::WrongResult, &message));
            }
        }
        None
    }

    fn bind(&mut self, names: &[String], outcome: std::result::Result<Answer, Failure>) -> Verdict {
        let rows = match outcome {
            Ok(Answer::Rows { rows, .. }) => rows,
            Ok(Answer::Done(_)) => Vec::new(),
            Err(failure) => return Some(unexpected(failure)),
        };
        match rows.as_slice() {
            [row] if row.len() == names.len() => {
                for (name, value) in names.iter().zip(row) {
                    self.variables
                        .set(name, value.clone().unwrap_or_else(|| "NULL".to_owned()));
                }
                None
            }
            other => Some(Miss {
                expected: Some(format!("1 row of {} values", names.len())),
                actual: Some(format!("{} rows", other.len())),
                ..miss(Reason::WrongResult, "")
            }),
        }
    }
}
