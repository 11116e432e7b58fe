//! Rows come back, whatever their layout, and corrupt ones are found out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;
use crate::types::arbitrary::{identical, typed_row};
use proptest::prelude::*;

#[test]
fn the_bytes_are_as_documented() {
    let layout = RowLayout::new(&[PgType::Int4, PgType::Text, PgType::Bool, PgType::Text]).unwrap();
    let row = layout
        .encode(&[
            Datum::Int4(7),
            Datum::text("ab"),
            Datum::Null,
            Datum::text("c"),
        ])
        .unwrap();
    assert_eq!(
        row,
        [
            1, 4, 0, 0b100, 7, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c'
        ]
    );
}

#[test]
fn an_added_column_has_its_default_in_old_rows() {
    let old = RowLayout::new(&[PgType::Int4, PgType::Text]).unwrap();
    let row = old.encode(&[Datum::Int4(1), Datum::text("x")]).unwrap();
    let types = [PgType::Int4, PgType::Text, PgType::Text, PgType::Int8];
    let mut new = RowLayout::new(&types).unwrap();
    new.set_missing(2, &Datum::text("dflt")).unwrap();
    let values = new.view(&row).unwrap().datums().unwrap();
    assert_eq!(
        values,
        [
            Datum::Int4(1),
            Datum::text("x"),
            Datum::text("dflt"),
            Datum::Null
        ]
    );
}

#[test]
fn a_wrong_header_is_corruption() {
    let layout = RowLayout::new(&[PgType::Int4]).unwrap();
    for bytes in [
        &[][..],
        &[1, 1],
        &[2, 1, 0, 0, 1, 2, 3, 4],
        &[1, 2, 0, 0, 1, 2, 3, 4],
        &[1, 1, 0, 0, 1],
    ] {
        assert!(layout.view(bytes).unwrap_err().is("XX001"), "{bytes:?}");
    }
}

#[test]
fn too_many_columns_are_refused() {
    assert!(
        RowLayout::new(&vec![PgType::Bool; 1601])
            .unwrap_err()
            .is("54011")
    );
}

proptest! {
    #[test]
    fn rows_round_trip_in_any_order((types, values) in typed_row(12), order in any::<u64>()) {
        let layout = RowLayout::new(&types).unwrap();
        let row = layout.encode(&values).unwrap();
        let view = layout.view(&row).unwrap();
        for step in 0..types.len() {
            let index = (step + order as usize % types.len()) % types.len();
            prop_assert!(identical(&view.datum(index).unwrap(), &values[index]));
        }
    }

    #[test]
    fn rows_with_fewer_attributes_read_alike((types, values) in typed_row(12), keep in 0usize..12) {
        let keep = keep.min(types.len());
        let row = RowLayout::new(&types[..keep]).unwrap().encode(&values[..keep]).unwrap();
        let layout = RowLayout::new(&types).unwrap();
        let read = layout.view(&row).unwrap().datums().unwrap();
        for (index, value) in read.iter().enumerate() {
            let expected = if index < keep { &values[index] } else { &Datum::Null };
            prop_assert!(identical(value, expected));
        }
    }

    #[test]
    fn corrupt_rows_never_panic(
        (types, values) in typed_row(8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let layout = RowLayout::new(&types).unwrap();
        let mut row = layout.encode(&values).unwrap();
        for (at, byte) in damage {
            let at = at.index(row.len());
            row[at] = byte;
        }
        row.truncate(cut.index(row.len() * 4).max(1));
        if let Ok(view) = layout.view(&row) {
            for index in 0..types.len() {
                if let Err(error) = view.datum(index) {
                    prop_assert!(error.is("XX001"), "{error:?}");
                }
            }
        }
    }
}
