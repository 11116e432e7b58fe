//! Functions that the engine has from elsewhere, as PostgreSQL declares them: the
//! engine's own take arguments of more types.

use super::super::plan::implicit;
use crate::types::PgType;

/// Types of arguments, and the type of the result.
pub(crate) type Declared = (&'static [PgType], PgType);

/// The functions of a name; none when it is not one of the engine's.
fn declared(name: &str) -> &'static [Declared] {
    use PgType::{Bool, Bytea, Float8, Int4, Text};
    match name {
        "initcap" | "lower" | "reverse" | "upper" => &[(&[Text], Text)],
        "md5" => &[(&[Text], Text), (&[Bytea], Text)],
        "left" | "right" => &[(&[Text, Int4], Text)],
        "translate" => &[(&[Text, Text, Text], Text)],
        "starts_with" => &[(&[Text, Text], Bool)],
        "strpos" => &[(&[Text, Text], Int4)],
        "sha224" | "sha256" | "sha384" | "sha512" => &[(&[Bytea], Bytea)],
        "random" => &[(&[], Float8)],
        _ => &[],
    }
}

/// Whether a name is one of the engine's functions that are listed here.
pub(in crate::query) fn is_declared(name: &str) -> bool {
    !declared(name).is_empty()
}

/// The function of a name that takes arguments of these types.
pub(in crate::query) fn declared_for(name: &str, types: &[PgType]) -> Option<Declared> {
    let takes = |(wanted, _): &&Declared| {
        let mut pairs = types.iter().zip(*wanted);
        types.len() == wanted.len() && pairs.all(|(from, to)| implicit(*from, *to))
    };
    declared(name).iter().find(takes).copied()
}
