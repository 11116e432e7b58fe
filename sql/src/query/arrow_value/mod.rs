//! Single values between Arrow and [`Datum`](crate::types::Datum).

mod read;
mod write;

use arrow::datatypes::DataType;

use crate::types::PgType;
use crate::types::arrow_map::pg_type_of;

pub use read::datum_at;
pub(super) use read::datum_of_scalar;
pub(super) use write::{array_of, array_of_refs, scalar_as, scalar_of_datum};

/// The type of Arrow values that nothing else is known about.
pub(super) fn type_of_arrow(ty: &DataType) -> PgType {
    match ty {
        // Not text, as it would be in a column: nothing has typed it yet.
        DataType::Null => PgType::Unknown,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            PgType::array_of(type_of_arrow(item.data_type())).unwrap_or(PgType::Text)
        }
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::Dictionary(..) => {
            PgType::Text
        }
        other => pg_type_of(other),
    }
}
