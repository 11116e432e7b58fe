//! Arrays built from values give the values back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;
use crate::types::arbitrary::{identical, nullable, pg_type};
use crate::types::arrow_map::{arrow_field, pg_type_of_field};
use crate::types::arrow_read::{datum_at, datums};
use crate::types::row::RowLayout;
use arrow::array::Array;
use proptest::prelude::*;

/// What Arrow cannot hold: intervals of more than 292 years of time,
/// timestamps at the end of the range.
fn holds(value: &Datum) -> bool {
    match value {
        Datum::Interval(v) => v.micros.checked_mul(1000).is_some(),
        Datum::Timestamp(v) | Datum::Timestamptz(v) => timestamp_to_arrow(*v).is_ok(),
        Datum::Array(a) => a.values.iter().all(holds),
        _ => true,
    }
}

fn arrow_value() -> BoxedStrategy<(PgType, Vec<Datum>)> {
    pg_type()
        .prop_flat_map(|ty| {
            (
                Just(ty),
                prop::collection::vec(nullable(ty).prop_filter("fits", holds), 1..6),
            )
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arrays_round_trip((ty, values) in arrow_value()) {
        let layout = RowLayout::new(&[ty]).unwrap();
        let mut stored = ColumnAppender::new(ty, 4);
        let mut direct = ColumnAppender::new(ty, 4);
        for value in &values {
            let row = layout.encode(std::slice::from_ref(value)).unwrap();
            stored.append(&layout.view(&row).unwrap(), 0).unwrap();
            direct.append_datum(value).unwrap();
        }
        let (stored, direct) = (stored.finish(), direct.finish());
        prop_assert_eq!(&stored, &direct);
        prop_assert_eq!(stored.data_type(), &arrow_type(ty));
        let back = datums(&stored, ty).unwrap();
        prop_assert_eq!(back.len(), values.len());
        for (row, (a, b)) in back.iter().zip(&values).enumerate() {
            prop_assert!(identical(a, b), "{:?} {:?}", a, b);
            prop_assert!(identical(&datum_at(&stored, row, ty).unwrap(), b));
        }
    }

    #[test]
    fn fields_remember_their_type(ty in pg_type()) {
        prop_assert_eq!(pg_type_of_field(&arrow_field("x", ty, true)), ty);
    }
}

#[test]
fn epochs_differ_by_thirty_years() {
    let mut dates = ColumnAppender::new(PgType::Date, 3);
    for days in [0, i32::MAX, i32::MIN] {
        dates.append_datum(&Datum::Date(days)).unwrap();
    }
    let array = dates.finish();
    let expected = arrow::array::Date32Array::from(vec![10_957, i32::MAX, i32::MIN]);
    assert_eq!(array.as_ref(), &expected as &dyn Array);
    let mut times = ColumnAppender::new(PgType::Timestamptz, 1);
    times.append_datum(&Datum::Timestamptz(1)).unwrap();
    let expected = arrow::array::TimestampMicrosecondArray::from(vec![946_684_800_000_001])
        .with_timezone("UTC");
    assert_eq!(times.finish().as_ref(), &expected as &dyn Array);
}

#[test]
fn a_wrong_value_is_an_error_and_other_arrow_types_are_cast() {
    let mut ints = ColumnAppender::new(PgType::Int4, 1);
    assert!(ints.append_datum(&Datum::Int8(1)).unwrap_err().is("XX000"));
    let wide: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![5, 1 << 40]));
    assert_eq!(datum_at(&wide, 0, PgType::Int4).unwrap(), Datum::Int4(5));
    assert!(datum_at(&wide, 1, PgType::Int4).unwrap_err().is("22003"));
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["x"]));
    assert_eq!(datum_at(&text, 0, PgType::Text).unwrap(), Datum::text("x"));
    assert!(datum_at(&text, 1, PgType::Text).is_err());
}
