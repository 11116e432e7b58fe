//! Options of CREATE SEQUENCE, ALTER SEQUENCE and identity columns.

use sqlparser::ast::{DataType, Expr, ObjectName, SequenceOptions as Written, UnaryOperator};

use crate::catalog::SequenceOptions;
use crate::error::{SqlError, state};
use crate::types::PgType;

/// One option as it is written.
#[derive(Debug, Clone)]
pub(crate) enum SequenceOption {
    As(DataType),
    Increment(i64),
    Min(Option<i64>),
    Max(Option<i64>),
    Start(i64),
    /// RESTART, at the start or at a value.
    Restart(Option<i64>),
    Cache(i64),
    Cycle(bool),
    /// OWNED BY a column, or NONE.
    OwnedBy(Option<ObjectName>),
}

impl SequenceOption {
    fn kind(&self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(self)
    }

    /// The option that the parser read for an identity column.
    ///
    /// # Errors
    /// 22P02 for what is no number.
    pub(crate) fn of_identity(option: &Written) -> Result<Self, SqlError> {
        Ok(match option {
            Written::IncrementBy(n, _) => Self::Increment(number(n)?),
            Written::MinValue(n) => Self::Min(n.as_ref().map(number).transpose()?),
            Written::MaxValue(n) => Self::Max(n.as_ref().map(number).transpose()?),
            Written::StartWith(n, _) => Self::Start(number(n)?),
            Written::Cache(n) => Self::Cache(number(n)?),
            // The parser keeps whether NO was there.
            Written::Cycle(no) => Self::Cycle(!no),
        })
    }
}

fn number(expr: &Expr) -> Result<i64, SqlError> {
    let text = match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => format!("-{expr}"),
        other => other.to_string(),
    };
    integer(&text)
}

/// A number of an option.
pub(super) fn integer(text: &str) -> Result<i64, SqlError> {
    text.parse().map_err(|_| {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type bigint"),
        )
    })
}

fn invalid(message: String) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message)
}

/// The bounds of a sequence's type.
fn bounds(ty: PgType) -> Option<(i64, i64)> {
    match ty {
        PgType::Int2 => Some((i16::MIN.into(), i16::MAX.into())),
        PgType::Int4 => Some((i32::MIN.into(), i32::MAX.into())),
        PgType::Int8 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// The options of a new sequence of type `ty`, or of `old` after a change.
///
/// # Errors
/// 22023 for options that contradict each other, 42601 for one given twice.
pub(crate) fn resolve(
    written: &[SequenceOption],
    ty: Option<PgType>,
    old: Option<&SequenceOptions>,
) -> Result<SequenceOptions, SqlError> {
    for (at, option) in written.iter().enumerate() {
        let again = |other: &SequenceOption| other.kind() == option.kind();
        if written.iter().skip(at + 1).any(again) {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "conflicting or redundant options",
            ));
        }
    }
    let mut chosen = ty.or(old.map(|o| o.ty)).unwrap_or(PgType::Int8);
    for option in written {
        if let SequenceOption::As(name) = option {
            chosen = PgType::from_sql_ast(name)?;
        }
    }
    let Some((least, greatest)) = bounds(chosen) else {
        let what = match ty {
            Some(_) => "identity column type must be smallint, integer, or bigint",
            None => "sequence type must be smallint, integer, or bigint",
        };
        return Err(invalid(what.to_owned()));
    };
    let mut options = base(chosen, old);
    for option in written {
        match option {
            SequenceOption::Increment(0) => {
                return Err(invalid("INCREMENT must not be zero".to_owned()));
            }
            SequenceOption::Increment(n) => options.increment = *n,
            SequenceOption::Cache(n) if *n <= 0 => {
                return Err(invalid(format!("CACHE ({n}) must be greater than zero")));
            }
            SequenceOption::Cache(n) => options.cache = *n,
            SequenceOption::Cycle(cycle) => options.cycle = *cycle,
            _ => {}
        }
    }
    let rising = options.increment > 0;
    let bound = |pick: fn(&SequenceOption) -> Option<Option<i64>>| written.iter().find_map(pick);
    let old_bounds = old.and_then(|o| bounds(o.ty));
    let max = bound(|o| match o {
        SequenceOption::Max(n) => Some(*n),
        _ => None,
    });
    let min = bound(|o| match o {
        SequenceOption::Min(n) => Some(*n),
        _ => None,
    });
    let default_max = if rising { greatest } else { -1 };
    let default_min = if rising { 1 } else { least };
    options.max = match (max, old) {
        (Some(Some(n)), _) => n,
        // A bound that only was the old type's becomes the new type's.
        (None, Some(old)) if old_bounds.is_none_or(|(_, b)| old.max != b) => old.max,
        (None, Some(_)) => greatest,
        _ => default_max,
    };
    options.min = match (min, old) {
        (Some(Some(n)), _) => n,
        (None, Some(old)) if old_bounds.is_none_or(|(b, _)| old.min != b) => old.min,
        (None, Some(_)) => least,
        _ => default_min,
    };
    let name = chosen.base_name();
    if options.max < least || options.max > greatest {
        let n = options.max;
        return Err(invalid(format!(
            "MAXVALUE ({n}) is out of range for sequence data type {name}"
        )));
    }
    if options.min < least || options.min > greatest {
        let n = options.min;
        return Err(invalid(format!(
            "MINVALUE ({n}) is out of range for sequence data type {name}"
        )));
    }
    if options.min >= options.max {
        return Err(invalid(format!(
            "MINVALUE ({}) must be less than MAXVALUE ({})",
            options.min, options.max
        )));
    }
    let start = written.iter().find_map(|o| match o {
        SequenceOption::Start(n) => Some(*n),
        _ => None,
    });
    options.start = match (start, old) {
        (Some(n), _) => n,
        (None, Some(old)) => old.start,
        (None, None) if rising => options.min,
        (None, None) => options.max,
    };
    within("START", options.start, &options)?;
    Ok(options)
}

fn base(ty: PgType, old: Option<&SequenceOptions>) -> SequenceOptions {
    match old {
        Some(old) => SequenceOptions { ty, ..old.clone() },
        None => SequenceOptions {
            ty,
            start: 1,
            increment: 1,
            min: 1,
            max: i64::MAX,
            cache: 1,
            cycle: false,
        },
    }
}

/// Checks that a value lies within the bounds.
///
/// # Errors
/// 22023.
pub(super) fn within(what: &str, value: i64, options: &SequenceOptions) -> Result<(), SqlError> {
    if value < options.min {
        return Err(invalid(format!(
            "{what} value ({value}) cannot be less than MINVALUE ({})",
            options.min
        )));
    }
    if value > options.max {
        return Err(invalid(format!(
            "{what} value ({value}) cannot be greater than MAXVALUE ({})",
            options.max
        )));
    }
    Ok(())
}
