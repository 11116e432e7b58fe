//! What a server answered.

use serde::Serialize;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
}

/// The result of one statement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ResultSet {
    /// Columns; `None` where the statement gives no rows.
    pub columns: Option<Vec<Column>>,
    /// Rows in text format; `None` is NULL. COPY TO STDOUT gives one column,
    /// the lines.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag.
    pub tag: String,
}

/// An error or a notice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// ERROR, FATAL, NOTICE, …
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// The detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The hint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Everything up to the server's being ready again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Answer {
    /// One for each statement that came to its end.
    pub results: Vec<ResultSet>,
    /// What ended the query.
    pub error: Option<Report>,
    /// Notices and warnings, in order.
    pub notices: Vec<Report>,
    /// `I` outside a transaction, `T` in one, `E` in a failed one.
    pub status: char,
}

/// What came of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered.
    Answered(Answer),
    /// It did not within the limit; the query was cancelled.
    Timeout,
    /// The connection ended; with the last words, if any.
    Lost(String),
}

impl Outcome {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// The error of the answer, if there is one.
    pub fn error(&self) -> Option<&Report> {
        self.answer().and_then(|a| a.error.as_ref())
    }

    /// For people: what came, cut at `rows` rows.
    pub fn shown(&self, rows: usize) -> String {
        let answer = match self {
            Self::Answered(answer) => answer,
            Self::Timeout => return "(no answer in time)".to_owned(),
            Self::Lost(why) => return format!("(connection lost: {why})"),
        };
        let mut lines = Vec::new();
        for result in &answer.results {
            if let Some(columns) = &result.columns {
                let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                lines.push(names.join(" | "));
                lines.extend(result.rows.iter().take(rows).map(|row| {
                    let values: Vec<&str> =
                        row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
                    values.join(" | ")
                }));
                if result.rows.len() > rows {
                    lines.push(format!("… {} rows", result.rows.len()));
                }
            }
            lines.push(format!("({})", result.tag));
        }
        if let Some(error) = &answer.error {
            lines.push(format!(
                "{}: {} {}",
                error.severity, error.sqlstate, error.message
            ));
        }
        lines.join("\n")
    }
}
