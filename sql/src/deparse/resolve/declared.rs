//! Functions that the engine has from elsewhere, as PostgreSQL declares them.

use super::call_types::Types;
use super::coerce::is_number;
use crate::types::PgType;

/// What a call with arguments of these types takes and gives; `None` for a function
/// that is not listed.
pub(super) fn declared_types(name: &str, types: &[PgType]) -> Option<Types> {
    use PgType::{Bool, Float8, Int4, Text};
    let fixed = |args: &[PgType], gives: PgType| {
        let wanted: Vec<Option<PgType>> = args.iter().copied().map(Some).collect();
        (wanted.len() == types.len()).then_some((wanted, gives))
    };
    // Bytes have functions of the same names.
    if types.contains(&PgType::Bytea) {
        return None;
    }
    match name {
        "upper" | "lower" | "initcap" | "reverse" | "md5" => fixed(&[Text], Text),
        "left" | "right" | "repeat" => fixed(&[Text, Int4], Text),
        "lpad" | "rpad" => fixed(&[Text, Int4], Text).or_else(|| fixed(&[Text, Int4, Text], Text)),
        "replace" | "translate" => fixed(&[Text, Text, Text], Text),
        "split_part" => fixed(&[Text, Text, Int4], Text),
        "starts_with" => fixed(&[Text, Text], Bool),
        "strpos" => fixed(&[Text, Text], Int4),
        "acos" | "asin" | "atan" | "cos" | "sin" | "tan" | "degrees" | "radians" | "cbrt" => {
            fixed(&[Float8], Float8)
        }
        "exp" | "ln" | "log" | "log10" | "sqrt" | "ceil" | "ceiling" | "floor" | "sign" => {
            match types {
                [PgType::Numeric(_)] => fixed(types, PgType::Numeric(None)),
                [ty] if is_number(*ty) => fixed(&[Float8], Float8),
                _ => None,
            }
        }
        "random" => fixed(&[], Float8),
        _ => None,
    }
}
