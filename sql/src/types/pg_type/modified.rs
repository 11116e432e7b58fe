//! Element types with a modifier: `varchar(5)` in `varchar(5)[]`.
//!
//! An array type refers to its element type for as long as the process runs,
//! so every modifier that is in use is kept once, up to a limit.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::PgType;

/// Most modified element types of a process.
const MOST: usize = 4096;

static KNOWN: LazyLock<Mutex<HashMap<PgType, &'static PgType>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// The one copy of an element type; `None` when there are too many.
pub(super) fn element(ty: PgType) -> Option<&'static PgType> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = known.get(&ty) {
        return Some(kept);
    }
    if known.len() >= MOST {
        return None;
    }
    let kept: &'static PgType = Box::leak(Box::new(ty));
    known.insert(ty, kept);
    Some(kept)
}
