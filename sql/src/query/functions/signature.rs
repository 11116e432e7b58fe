//! What a call by name takes and gives, for those who write calls out again.

use super::declared::declared_for;
use super::overload::best;
use super::{Overload, overloads};
use crate::types::PgType;

/// The types that a call with arguments of these types casts them to, nothing where
/// any type will do, and the type of its result. `None` for a function that is not one
/// of PostgreSQL's that are known here.
pub(crate) fn call_signature(
    name: &str,
    types: &[PgType],
) -> Option<(Vec<Option<PgType>>, PgType)> {
    if name.starts_with("__") {
        return None;
    }
    let candidates: Vec<&'static Overload> = overloads().filter(|o| o.name == name).collect();
    if let Some(chosen) = best(&candidates, types) {
        return Some((chosen.wanted(types)?, chosen.result(types)));
    }
    let (wanted, gives) = declared_for(name, types)?;
    Some((wanted.iter().copied().map(Some).collect(), gives))
}
