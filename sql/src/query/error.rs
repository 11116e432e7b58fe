//! DataFusion's errors as PostgreSQL reports them.

use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};

use crate::error::{SqlError, state};

/// Wraps an error of ours so that it passes through DataFusion unchanged.
pub(super) fn external(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The error to report for a failure inside DataFusion.
pub(super) fn from_datafusion(error: DataFusionError) -> SqlError {
    let position = position_of(&error);
    let mapped = map(&error);
    match (mapped.get_position(), position) {
        (None, Some(position)) => mapped.position(position),
        _ => mapped,
    }
}

/// The error to report for a failed Arrow kernel.
pub(super) fn from_arrow(error: ArrowError) -> SqlError {
    map_arrow(&error)
}

fn map(error: &DataFusionError) -> SqlError {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<SqlError>() {
            Some(sql) => sql.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(nested) => map(nested),
                None => match inner.downcast_ref::<ArrowError>() {
                    Some(arrow) => map_arrow(arrow),
                    None => SqlError::internal(inner.to_string()),
                },
            },
        },
        DataFusionError::ArrowError(inner, _) => map_arrow(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => map(inner),
        DataFusionError::Shared(inner) => map(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => map(first),
            None => SqlError::internal("empty error collection"),
        },
        DataFusionError::SchemaError(inner, _) => map_schema(inner),
        DataFusionError::SQL(inner, _) => {
            SqlError::new(state::SYNTAX_ERROR, inner.to_string()).with_internal(error.to_string())
        }
        DataFusionError::NotImplemented(message) if message.contains("OuterReferenceColumn") => {
            SqlError::unsupported("this kind of correlated subquery")
        }
        DataFusionError::NotImplemented(message)
            if message.starts_with("Physical plan does not support logical expression") =>
        {
            let window = message.contains("expression WindowFunction");
            if window {
                SqlError::new(
                    state::WINDOWING_ERROR,
                    "window functions are not allowed in this place",
                )
            } else {
                SqlError::unsupported("a subquery in this place")
            }
            .with_internal(message)
        }
        DataFusionError::NotImplemented(message) if message.starts_with("LATERAL syntax") => {
            SqlError::new(
                state::INVALID_COLUMN_REFERENCE,
                "invalid reference to a FROM-clause entry in LATERAL",
            )
            .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
        }
        DataFusionError::NotImplemented(message) => {
            SqlError::new(state::FEATURE_NOT_SUPPORTED, first_line(message))
        }
        DataFusionError::Plan(message) => map_plan(message),
        DataFusionError::Execution(message) => map_execution(message),
        DataFusionError::ResourcesExhausted(message) => exhausted(message),
        DataFusionError::IoError(inner) => map_io(inner),
        DataFusionError::Internal(message) if message.contains("Overflow") => out_of_range(),
        other => SqlError::internal(other.to_string()),
    }
}

fn map_io(error: &std::io::Error) -> SqlError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return SqlError::new(state::DISK_FULL, "no space left for temporary files");
    }
    SqlError::new(state::IO_ERROR, "could not use a temporary file")
        .with_internal(error.to_string())
}

fn exhausted(message: &str) -> SqlError {
    SqlError::new(state::OUT_OF_MEMORY, "out of memory")
        .detail("The query needs more memory than it may use.")
        .hint("Raise work_mem or the server's query memory, or make the query smaller.")
        .with_internal(message)
}

fn out_of_range() -> SqlError {
    SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
}

fn map_arrow(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::new(state::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => out_of_range(),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<SqlError>() {
            Some(sql) => sql.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(nested) => map(nested),
                None => SqlError::internal(inner.to_string()),
            },
        },
        ArrowError::CastError(message) | ArrowError::ComputeError(message)
            if message.contains("verflow") || message.contains("Can't cast value") =>
        {
            out_of_range()
        }
        ArrowError::InvalidArgumentError(message)
            if message.contains("too large to store in a Decimal")
                || message.contains("too small to store in a Decimal") =>
        {
            SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
        }
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            SqlError::new(state::INVALID_TEXT_REPRESENTATION, first_line(message))
        }
        ArrowError::MemoryError(message) => exhausted(message),
        ArrowError::IoError(_, inner) => map_io(inner),
        other => SqlError::internal(other.to_string()),
    }
}

fn column_text(column: &Column) -> String {
    match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    }
}

fn map_schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => field_not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => SqlError::new(
            state::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => SqlError::new(
            state::DUPLICATE_ALIAS,
            format!(
                "table name \"{}\" specified more than once",
                qualifier.table()
            ),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => SqlError::new(
            state::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", visible(name)),
        )
        .hint("Give the columns of the subquery different names."),
    }
}

/// The part of an internal column name that users know.
fn visible(name: &str) -> &str {
    super::plan::visible_name(name)
}

fn field_not_found(field: &Column, valid: &[Column]) -> SqlError {
    if let Some(relation) = &field.relation {
        let known = valid.iter().any(|c| {
            c.relation
                .as_ref()
                .is_some_and(|r| r.table() == relation.table())
        });
        if !known {
            return SqlError::new(
                state::UNDEFINED_TABLE,
                format!(
                    "missing FROM-clause entry for table \"{}\"",
                    relation.table()
                ),
            );
        }
        return SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column {} does not exist", column_text(field)),
        );
    }
    SqlError::new(
        state::UNDEFINED_COLUMN,
        format!("column \"{}\" does not exist", field.name),
    )
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// The text between the first pair of `'` in `message`.
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('\'')?;
    rest.split_once('\'').map(|(name, _)| name)
}

fn map_plan(message: &str) -> SqlError {
    let line = first_line(message);
    if let Some(rest) = line.strip_prefix("Invalid function ") {
        let name = rest
            .trim_start_matches('\'')
            .split('\'')
            .next()
            .unwrap_or(rest);
        return SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name} does not exist"),
        )
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.");
    }
    if let Some(error) = misplaced(&line) {
        return error.with_internal(message);
    }
    let grouping = line.contains("must be in GROUP BY")
        || line.contains("must appear in the GROUP BY")
        || line.contains("could not be resolved from available columns");
    if grouping {
        let column = quoted(message)
            .or_else(|| message.split('"').nth(1))
            .unwrap_or("a column");
        return SqlError::new(
            state::GROUPING_ERROR,
            format!(
                "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
            ),
        );
    }
    if line.contains(" require unique expression names") {
        return SqlError::new(
            state::DUPLICATE_COLUMN,
            "a column name is specified more than once",
        )
        .hint("Give the columns different names.")
        .with_internal(message);
    }
    if line.contains("Too many columns! The subquery") {
        return SqlError::new(state::SYNTAX_ERROR, "subquery must return only one column");
    }
    if line.contains("must have the same number of columns")
        || line.contains("have different number of columns")
    {
        let operation = if line.starts_with("UNION") {
            "UNION"
        } else {
            "INTERSECT or EXCEPT"
        };
        return SqlError::new(
            state::SYNTAX_ERROR,
            format!("each {operation} query must have the same number of columns"),
        );
    }
    if let Some((_, ty)) = line
        .split_once("non-boolean predicate")
        .and_then(|(_, l)| l.rsplit_once("returning "))
    {
        return SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "argument of WHERE must be type boolean, not type {}",
                type_named(ty)
            ),
        );
    }
    if line.contains("No function matches")
        || line.contains("Failed to coerce arguments")
        || line.contains("failed to match any signature")
    {
        let name = quoted(message)
            .map(|call| call.split('(').next().unwrap_or(call).to_owned())
            .unwrap_or_else(|| "call".to_owned());
        return SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name} does not exist for these argument types"),
        )
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
        .with_internal(message);
    }
    if line.contains("not supported")
        || line.contains("not implemented")
        || line.contains("Unsupported")
    {
        return SqlError::new(state::FEATURE_NOT_SUPPORTED, line).with_internal(message);
    }
    if line.contains("subquery can only be used in") {
        return SqlError::unsupported("a correlated subquery in this place").with_internal(message);
    }
    if line.contains("is not in grouping columns") {
        return SqlError::new(
            state::GROUPING_ERROR,
            "arguments to GROUPING must be grouping expressions of the associated query level",
        )
        .with_internal(message);
    }
    if line.contains("must be boolean") || line.contains("non-boolean") {
        return SqlError::new(state::DATATYPE_MISMATCH, line).with_internal(message);
    }
    SqlError::new(state::SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION, line).with_internal(message)
}

/// What PostgreSQL says of something that is well-formed but not allowed there.
fn misplaced(line: &str) -> Option<SqlError> {
    let numbers: Vec<usize> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let (code, message) = if line.starts_with("Aggregate functions are not allowed in the WHERE") {
        (
            state::GROUPING_ERROR,
            "aggregate functions are not allowed in WHERE".to_owned(),
        )
    } else if line.starts_with("Aggregate function calls cannot be nested") {
        (
            state::GROUPING_ERROR,
            "aggregate function calls cannot be nested".to_owned(),
        )
    } else if line.starts_with("Order by column out of bounds") {
        let position = numbers.first().copied().unwrap_or_default();
        (
            state::INVALID_COLUMN_REFERENCE,
            format!("ORDER BY position {position} is not in select list"),
        )
    } else if line.starts_with("For SELECT DISTINCT, ORDER BY expressions") {
        (
            state::INVALID_COLUMN_REFERENCE,
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list".to_owned(),
        )
    } else if line.starts_with("Inconsistent data length across values list") {
        (
            state::SYNTAX_ERROR,
            "VALUES lists must all be the same length".to_owned(),
        )
    } else if line.starts_with("LIMIT must be >=") {
        (
            state::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
            "LIMIT must not be negative".to_owned(),
        )
    } else if line.starts_with("OFFSET must be >=") {
        (
            state::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
            "OFFSET must not be negative".to_owned(),
        )
    } else if line.starts_with("Source table contains") {
        return Some(match numbers.as_slice() {
            [columns, names, ..] if names > columns => SqlError::new(
                state::INVALID_COLUMN_REFERENCE,
                format!("table has {columns} columns available but {names} columns specified"),
            ),
            _ => SqlError::unsupported("column aliases for some columns of a subquery only"),
        });
    } else {
        return None;
    };
    Some(SqlError::new(code, message))
}

/// PostgreSQL's name for an Arrow type in a message of the planner.
fn type_named(arrow: &str) -> &str {
    match arrow.trim() {
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Utf8" | "Utf8View" => "text",
        "BinaryView" => "bytea",
        "Date32" => "date",
        other if other.starts_with("Decimal") => "numeric",
        other if other.starts_with("Timestamp") => "timestamp without time zone",
        other => other,
    }
}

fn map_execution(message: &str) -> SqlError {
    let line = first_line(message);
    if line.starts_with("Scalar subquery returned more than one row") {
        return SqlError::new(
            state::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        );
    }
    let lower = line.to_ascii_lowercase();
    if lower.contains("overflow") || lower.contains("out of range") {
        return out_of_range().with_internal(message);
    }
    if lower.contains("negative count not allowed") {
        return SqlError::new(
            state::SUBSTRING_ERROR,
            "negative substring length not allowed",
        );
    }
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return SqlError::new(state::DIVISION_BY_ZERO, "division by zero");
    }
    if lower.contains("regex") || lower.contains("regular expression") {
        return SqlError::new(
            state::INVALID_REGULAR_EXPRESSION,
            format!("invalid regular expression: {line}"),
        );
    }
    if lower.contains("negative") || lower.contains("invalid") || lower.contains("must be") {
        return SqlError::new(state::INVALID_PARAMETER_VALUE, line).with_internal(message);
    }
    SqlError::new(state::DATA_EXCEPTION, line).with_internal(message)
}

/// The character position of an error whose place is known and on the first
/// line of the statement (the planner sees lines and columns, not the text).
fn position_of(error: &DataFusionError) -> Option<u32> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => diagnostic
            .span
            .filter(|span| span.start.line == 1)
            .and_then(|span| u32::try_from(span.start.column).ok())
            .or_else(|| position_of(inner)),
        DataFusionError::Context(_, inner) => position_of(inner),
        DataFusionError::Shared(inner) => position_of(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(position_of),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. }
            | SchemaError::AmbiguousReference { field } => {
                let span = field.spans().first()?;
                (span.start.line == 1)
                    .then(|| u32::try_from(span.start.column).ok())
                    .flatten()
            }
            _ => None,
        },
        _ => None,
    }
}
