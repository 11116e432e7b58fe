//! What counts as the expected answer, and why anything else missed.

use sqllogictest::{ExpectedError, StatementExpect};

use crate::score::{Miss, Reason};
use crate::session::{Answer, Failure};

/// The verdict on one record: nothing, or why it missed (without line and text).
pub(crate) type Verdict = Option<Miss>;

/// A statement record.
pub(crate) fn judge_statement(
    expected: &StatementExpect,
    outcome: Result<Answer, Failure>,
) -> Verdict {
    match (expected, outcome) {
        (StatementExpect::Error(error), outcome) => judge_error(error, outcome),
        (_, Err(failure)) => Some(unexpected(failure)),
        (StatementExpect::Ok, Ok(_)) => None,
        (StatementExpect::Count(wanted), Ok(answer)) => {
            let count = match answer {
                Answer::Done(count) => count,
                Answer::Rows { rows, .. } => rows.len() as u64,
            };
            if count == *wanted {
                return None;
            }
            Some(Miss {
                expected: Some(format!("{wanted} rows")),
                actual: Some(format!("{count} rows")),
                ..miss(Reason::WrongResult, "")
            })
        }
    }
}

/// A record that expects an error.
pub(crate) fn judge_error(expected: &ExpectedError, outcome: Result<Answer, Failure>) -> Verdict {
    match outcome {
        Ok(_) => Some(Miss {
            expected: Some(format!("error {expected}")),
            ..miss(Reason::NoError, "")
        }),
        Err(Failure::Server { sqlstate, message })
            if !is_internal(&sqlstate, &message)
                && !ends_connection(&sqlstate)
                && expected.is_match(&message, Some(&sqlstate)) =>
        {
            None
        }
        Err(failure) => {
            let found = unexpected(failure);
            Some(Miss {
                expected: Some(format!("error {expected}")),
                reason: match found.reason {
                    Reason::Error => Reason::WrongError,
                    other => other,
                },
                ..found
            })
        }
    }
}

/// A failure where success was due.
pub(crate) fn unexpected(failure: Failure) -> Miss {
    match failure {
        Failure::Timeout => miss(Reason::Timeout, "statement took longer than the limit"),
        Failure::Lost(message) => miss(Reason::LostConnection, &message),
        Failure::Server { sqlstate, message } => {
            let reason = if is_internal(&sqlstate, &message) {
                Reason::Internal
            } else if ends_connection(&sqlstate) {
                Reason::LostConnection
            } else if sqlstate == "0A000" {
                Reason::NotSupported
            } else {
                Reason::Error
            };
            Miss {
                sqlstate: Some(sqlstate),
                ..miss(reason, &message)
            }
        }
    }
}

/// An error that is the server's own fault never counts as an expected one.
fn is_internal(sqlstate: &str, message: &str) -> bool {
    sqlstate.starts_with("XX") || message.contains("panicked")
}

/// Shut down, crashed, or a broken connection: the session is over.
fn ends_connection(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || matches!(sqlstate, "57P01" | "57P02" | "57P03")
}

/// A miss without its record.
pub(crate) fn miss(reason: Reason, message: &str) -> Miss {
    Miss {
        line: 0,
        reason,
        sqlstate: None,
        message: (!message.is_empty()).then(|| message.to_owned()),
        expected: None,
        actual: None,
        sql: String::new(),
    }
}
