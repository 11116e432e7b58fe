//! What is wrong with a text, in PostgreSQL's words.

use crate::error::{SqlError, state};

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a date at all.
    Syntax,
    /// A field is out of range.
    Field,
    /// Month or day out of range: maybe in another order.
    MonthOrDay,
    /// The zone is too far from UTC.
    Zone,
    /// A word that could only be a zone, and is none.
    UnknownZone(String),
}

impl Fault {
    /// PostgreSQL's error for the fault.
    #[cold]
    pub(crate) fn error(self, text: &str, type_name: &str) -> SqlError {
        match self {
            Fault::Syntax => SqlError::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Fault::Field => SqlError::new(
                state::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            ),
            Fault::MonthOrDay => Fault::Field
                .error(text, type_name)
                .hint("Perhaps you need a different \"datestyle\" setting."),
            Fault::Zone => SqlError::new(
                state::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Fault::UnknownZone(name) => SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("time zone \"{name}\" not recognized"),
            ),
        }
    }
}
