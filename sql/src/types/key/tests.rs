//! Keys sort as their values, come back, and are as documented.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;
use crate::types::arbitrary::{nullable, pg_type};
use crate::types::numeric::Numeric;
use proptest::prelude::*;

fn key(value: &Datum) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

fn key_type() -> BoxedStrategy<PgType> {
    pg_type()
        .prop_filter("has a key form", |ty| supports(*ty))
        .boxed()
}

#[test]
fn the_bytes_are_as_documented() {
    assert_eq!(key(&Datum::Null), [2]);
    assert_eq!(key(&Datum::Int4(-1)), [1, 0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(key(&Datum::text("a\0b")), [1, b'a', 0, 255, b'b', 0, 0]);
    let n = |t| Datum::Numeric(Numeric::parse(t).unwrap());
    assert_eq!(key(&n("123.40")), [1, 3, 0x80, 0, 0, 3, 13, 35, 0]);
    assert_eq!(key(&n("-0.01")), [1, 1, 0x80, 0, 0, 0, 0xff - 11, 0xff]);
}

#[test]
fn equal_numbers_have_one_key() {
    let n = |t| Datum::Numeric(Numeric::parse(t).unwrap());
    assert_eq!(key(&n("1.50")), key(&n("1.5")));
    assert_eq!(key(&n("100")), key(&n("1e2")));
    assert_eq!(key(&Datum::Float8(-0.0)), key(&Datum::Float8(0.0)));
    assert_eq!(
        key(&Datum::Float8(f64::NAN)),
        key(&Datum::Float8(-f64::NAN))
    );
}

#[test]
fn json_has_no_key() {
    assert!(
        encode(&Datum::Json("1".into()), &mut Vec::new())
            .unwrap_err()
            .is("0A000")
    );
}

#[test]
fn successor_is_the_end_of_the_prefix() {
    assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
    assert_eq!(successor(&[1, 255, 255]), Some(vec![2]));
    assert_eq!(successor(&[255]), None);
    assert_eq!(successor(&[]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_sort_as_values((a, b) in key_type().prop_flat_map(|ty| (nullable(ty), nullable(ty)))) {
        prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b), "{:?} {:?}", a, b);
    }

    #[test]
    fn columns_sort_one_after_the_other(
        (a, b) in prop::collection::vec(key_type(), 1..4).prop_flat_map(|types| {
            let row = |types: &[PgType]| types.iter().map(|ty| nullable(*ty)).collect::<Vec<_>>();
            (row(&types), row(&types))
        })
    ) {
        let join = |row: &[Datum]| { let mut out = Vec::new(); encode_all(row, &mut out).unwrap(); out };
        prop_assert_eq!(join(&a).cmp(&join(&b)), a.cmp(&b));
    }

    #[test]
    fn decoding_gives_an_equal_value_and_the_rest(
        (ty, value) in key_type().prop_flat_map(|ty| (Just(ty), nullable(ty))),
        tail in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = key(&value);
        bytes.extend_from_slice(&tail);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(decode(ty, &mut rest).unwrap(), value);
        prop_assert_eq!(rest, tail.as_slice());
    }

    #[test]
    fn any_bytes_decode_or_fail(ty in key_type(), mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(first) = bytes.first_mut() { *first = 1; }
        if let Err(error) = decode(ty, &mut bytes.as_slice()) {
            prop_assert!(error.is("XX001"));
        }
    }
}
