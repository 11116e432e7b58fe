//! Numbers by a template: `to_char` of numbers and `to_number`.

mod roman;
pub(super) use roman::ordinal;
mod template;
mod to_char;
mod to_number;
mod writer;

use super::args::{FLOAT8, INT4, INT8, NUMERIC, TEXT};
use super::overload::{Arg, Overload};
use crate::types::PgType;

const FLOAT4: Arg = Arg::Is(PgType::Float4);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("to_char", &[INT4, TEXT], PgType::Text, to_char::to_char).stable(),
    Overload::new("to_char", &[INT8, TEXT], PgType::Text, to_char::to_char).stable(),
    Overload::new("to_char", &[NUMERIC, TEXT], PgType::Text, to_char::to_char).stable(),
    Overload::new("to_char", &[FLOAT4, TEXT], PgType::Text, to_char::to_char).stable(),
    Overload::new("to_char", &[FLOAT8, TEXT], PgType::Text, to_char::to_char).stable(),
    Overload::new(
        "to_number",
        &[TEXT, TEXT],
        PgType::Numeric(None),
        to_number::to_number,
    )
    .stable(),
];
