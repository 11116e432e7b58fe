//! The one error type of SQL: what PostgreSQL's ErrorResponse carries.
//!
//! Field meanings follow the PostgreSQL 15 manual, "Error and Notice Message
//! Fields"; the SQLSTATE values follow its appendix "PostgreSQL Error Codes".

use std::error::Error;
use std::fmt;

pub mod state;

/// A result whose error is an [`SqlError`].
pub type SqlResult<T> = Result<T, SqlError>;

/// The severity field of an ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Details for developers, sent only on request.
    Debug,
    /// Sent to the client whatever `client_min_messages` says.
    Info,
    /// Reported to the server's log first of all.
    Log,
    /// A harmless remark.
    Notice,
    /// Something probably is not what the user wanted.
    Warning,
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// Every session ends.
    Panic,
}

impl Severity {
    /// The word the protocol uses (never translated).
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Log => "LOG",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Panic => "PANIC",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error, warning or notice with everything a client may be told.
///
/// The content is boxed: a `Result<T, SqlError>` is one word wider than `T`
/// at most, and the error path may allocate.
#[derive(Clone, PartialEq, Eq)]
pub struct SqlError(Box<Content>);

#[derive(Clone, PartialEq, Eq)]
struct Content {
    severity: Severity,
    sqlstate: &'static str,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<u32>,
    context: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
    data_type: Option<String>,
    constraint: Option<String>,
    internal: Option<String>,
}

impl SqlError {
    /// An error with a SQLSTATE (see [`state`]) and a primary message.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError(Box::new(Content {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            internal: None,
        }))
    }

    /// A message of severity NOTICE with SQLSTATE 00000.
    pub fn notice(message: impl Into<String>) -> Self {
        SqlError::new(state::SUCCESSFUL_COMPLETION, message).severity(Severity::Notice)
    }

    /// A message of severity WARNING.
    pub fn warning(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError::new(sqlstate, message).severity(Severity::Warning)
    }

    /// 0A000: PostgreSQL has `feature`, we do not (yet).
    pub fn unsupported(feature: impl fmt::Display) -> Self {
        SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("{feature} is not supported"),
        )
    }

    /// XX000: a state the code should never reach. `internal` goes to the
    /// log, not to the client.
    pub fn internal(internal: impl Into<String>) -> Self {
        let mut error = SqlError::new(state::INTERNAL_ERROR, "internal error");
        error.0.internal = Some(internal.into());
        error
    }

    /// XX001: stored bytes do not decode.
    pub fn corrupted(message: impl Into<String>) -> Self {
        SqlError::new(state::DATA_CORRUPTED, message)
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Sets the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the position in the statement: characters, counted from 1.
    #[must_use]
    pub fn position(mut self, position: u32) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Sets the context ("COPY t, line 3, column a: …").
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context = Some(context.into());
        self
    }

    /// Names the schema concerned.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.0.schema = Some(schema.into());
        self
    }

    /// Names the table concerned.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.0.table = Some(table.into());
        self
    }

    /// Names the column concerned.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    /// Names the data type concerned.
    #[must_use]
    pub fn data_type(mut self, data_type: impl Into<String>) -> Self {
        self.0.data_type = Some(data_type.into());
        self
    }

    /// Names the constraint concerned.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Into<String>) -> Self {
        self.0.constraint = Some(constraint.into());
        self
    }

    /// Adds text for the server's log only.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.0.internal = Some(internal.into());
        self
    }

    /// The severity.
    pub fn get_severity(&self) -> Severity {
        self.0.severity
    }

    /// The five characters of the SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail, if any.
    pub fn get_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The hint, if any.
    pub fn get_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The position in the statement: characters, counted from 1.
    pub fn get_position(&self) -> Option<u32> {
        self.0.position
    }

    /// The context, if any.
    pub fn get_context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The schema concerned, if any.
    pub fn get_schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    /// The table concerned, if any.
    pub fn get_table(&self) -> Option<&str> {
        self.0.table.as_deref()
    }

    /// The column concerned, if any.
    pub fn get_column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// The data type concerned, if any.
    pub fn get_data_type(&self) -> Option<&str> {
        self.0.data_type.as_deref()
    }

    /// The constraint concerned, if any.
    pub fn get_constraint(&self) -> Option<&str> {
        self.0.constraint.as_deref()
    }

    /// The text for the server's log, if any. Not for clients.
    pub fn get_internal(&self) -> Option<&str> {
        self.0.internal.as_deref()
    }

    /// Whether the error has this SQLSTATE.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.0.sqlstate == sqlstate
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} ({})",
            self.0.severity, self.0.message, self.0.sqlstate
        )
    }
}

impl fmt::Debug for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SqlError");
        out.field("severity", &self.0.severity.as_str())
            .field("sqlstate", &self.0.sqlstate)
            .field("message", &self.0.message);
        let optional = [
            ("detail", &self.0.detail),
            ("hint", &self.0.hint),
            ("context", &self.0.context),
            ("schema", &self.0.schema),
            ("table", &self.0.table),
            ("column", &self.0.column),
            ("data_type", &self.0.data_type),
            ("constraint", &self.0.constraint),
            ("internal", &self.0.internal),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if let Some(position) = self.0.position {
            out.field("position", &position);
        }
        out.finish()
    }
}

impl Error for SqlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builder_methods_fill_their_own_field() {
        let error = SqlError::new(state::UNIQUE_VIOLATION, "m")
            .detail("d")
            .hint("h")
            .position(7)
            .context("x")
            .schema("s")
            .table("t")
            .column("c")
            .data_type("y")
            .constraint("k")
            .with_internal("i");
        assert_eq!(error.sqlstate(), "23505");
        assert_eq!(error.message(), "m");
        assert_eq!(error.get_severity(), Severity::Error);
        assert_eq!(error.get_position(), Some(7));
        let texts = [
            error.get_detail(),
            error.get_hint(),
            error.get_context(),
            error.get_schema(),
            error.get_table(),
            error.get_column(),
            error.get_data_type(),
            error.get_constraint(),
            error.get_internal(),
        ];
        assert_eq!(texts.concat_all(), "dhxstcyki");
    }

    trait Concat {
        fn concat_all(&self) -> String;
    }

    impl Concat for [Option<&str>; 9] {
        fn concat_all(&self) -> String {
            self.iter().flatten().copied().collect()
        }
    }

    #[test]
    fn an_internal_error_hides_its_cause_from_the_client() {
        let error = SqlError::internal("secret path");
        assert_eq!(error.sqlstate(), "XX000");
        assert_eq!(error.message(), "internal error");
        assert_eq!(error.get_internal(), Some("secret path"));
    }
}
