//! The bytes of an array: as a cell of a stored row, in Arrow, and in keys.
//!
//! ```text
//! image := key | key form
//! key   := element* 0 ndims length* lower*
//! form  := ndims length* lower* cell* key_length
//! ```
//!
//! An element of a key is 2 for NULL, or 1 and its key bytes
//! ([`crate::types::key`]); lengths are four bytes, lower bounds four bytes with
//! the sign flipped, all big endian. Keys compare as arrays do: element by
//! element, NULLs last, a shorter array before a longer one with the same
//! beginning, then by dimensions and bounds.
//!
//! Keys of some elements do not tell everything about them (the digits of a
//! numeric, the sign of a zero, the fields of an interval). Images of their
//! arrays have a second part with the elements' cells ([`crate::types::cell`],
//! each after four bytes of length, all ones for NULL; numbers little endian),
//! and end with the length of the key.

use super::{ArrayValue, Dimension, element_count};
use crate::error::{SqlError, SqlResult};
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::key;
use crate::types::pg_type::PgType;

/// The end of the elements of a key.
const END: u8 = 0;

/// Whether keys say everything about values of an element type.
pub fn is_exact(element: PgType) -> bool {
    matches!(
        element,
        PgType::Bool
            | PgType::Int2
            | PgType::Int4
            | PgType::Int8
            | PgType::Oid
            | PgType::Bytea
            | PgType::Uuid
            | PgType::Date
            | PgType::Time
            | PgType::Timestamp
            | PgType::Timestamptz
            | PgType::Enum(_)
    ) || element.is_textual()
}

/// Whether images of this type must be compared by [`key_of_image`].
pub fn has_forms(ty: PgType) -> bool {
    ty.element().is_some_and(|element| !is_exact(element))
}

/// Appends the key of an array.
///
/// # Errors
/// 0A000 for elements that have no key.
pub fn encode_key(array: &ArrayValue, out: &mut Vec<u8>) -> SqlResult<()> {
    for value in &array.values {
        key::encode(value, out)?;
    }
    out.push(END);
    // At most six of them.
    out.push(u8::try_from(array.dimensions().len()).unwrap_or(u8::MAX));
    for dimension in array.dimensions() {
        out.extend_from_slice(&dimension.length.to_be_bytes());
    }
    for dimension in array.dimensions() {
        out.extend_from_slice(&(dimension.lower ^ i32::MIN).to_be_bytes());
    }
    Ok(())
}

/// Appends the image of an array.
///
/// # Errors
/// XX000 for elements that are not of the array's type.
pub fn encode(array: &ArrayValue, out: &mut Vec<u8>) -> SqlResult<()> {
    let start = out.len();
    if is_exact(array.element) {
        return encode_key(array, out);
    }
    if key::supports(array.element) {
        encode_key(array, out)?;
    }
    let key_length = length(out.len() - start)?;
    // At most six of them.
    out.push(u8::try_from(array.dimensions().len()).unwrap_or(u8::MAX));
    for dimension in array.dimensions() {
        out.extend_from_slice(&dimension.length.to_le_bytes());
        out.extend_from_slice(&dimension.lower.to_le_bytes());
    }
    for value in &array.values {
        let at = out.len();
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        if value.is_null() {
            continue;
        }
        cell::encode(array.element, value, out)?;
        let bytes = length(out.len() - at - 4)?.to_le_bytes();
        if let Some(slot) = out.get_mut(at..at + 4) {
            slot.copy_from_slice(&bytes);
        }
    }
    out.extend_from_slice(&key_length.to_le_bytes());
    Ok(())
}

/// The image of an array.
///
/// # Errors
/// As [`encode`].
pub fn image(array: &ArrayValue) -> SqlResult<Vec<u8>> {
    let mut out = Vec::with_capacity(16 + array.values.len() * 8);
    encode(array, &mut out)?;
    Ok(out)
}

/// The part of an image that says which value it is.
pub fn key_of_image(element: PgType, bytes: &[u8]) -> &[u8] {
    if is_exact(element) {
        return bytes;
    }
    let key = bytes
        .split_last_chunk::<4>()
        .and_then(|(rest, length)| rest.get(..u32::from_le_bytes(*length) as usize));
    key.unwrap_or(bytes)
}

/// The array with this image.
///
/// # Errors
/// XX001 when the bytes are no image of an array of such elements.
pub fn decode(element: PgType, bytes: &[u8]) -> SqlResult<ArrayValue> {
    if is_exact(element) {
        let mut rest = bytes;
        let array = decode_key(element, &mut rest)?;
        return if rest.is_empty() {
            Ok(array)
        } else {
            Err(corrupt())
        };
    }
    let (_, key_length) = bytes.split_last_chunk::<4>().ok_or_else(corrupt)?;
    let start = u32::from_le_bytes(*key_length) as usize;
    let form = bytes.get(start..bytes.len() - 4).ok_or_else(corrupt)?;
    decode_form(element, form)
}

/// Takes the key of an array off the front of `bytes`.
///
/// # Errors
/// XX001 when there is none.
pub fn decode_key(element: PgType, bytes: &mut &[u8]) -> SqlResult<ArrayValue> {
    let mut values = Vec::new();
    loop {
        match bytes.first() {
            Some(&END) => break,
            Some(_) => values.push(key::decode(element, bytes)?),
            None => return Err(corrupt()),
        }
    }
    let [_, count] = take::<2>(bytes)?;
    let mut dimensions = Vec::with_capacity(usize::from(count).min(super::MAX_DIMENSIONS));
    for _ in 0..count {
        dimensions.push(Dimension {
            lower: 0,
            length: i32::from_be_bytes(take(bytes)?),
        });
    }
    for dimension in &mut dimensions {
        dimension.lower = i32::from_be_bytes(take(bytes)?) ^ i32::MIN;
    }
    checked(element, dimensions, values)
}

fn decode_form(element: PgType, mut rest: &[u8]) -> SqlResult<ArrayValue> {
    let [count] = take::<1>(&mut rest)?;
    let mut dimensions = Vec::with_capacity(usize::from(count).min(super::MAX_DIMENSIONS));
    for _ in 0..count {
        dimensions.push(Dimension {
            length: i32::from_le_bytes(take(&mut rest)?),
            lower: i32::from_le_bytes(take(&mut rest)?),
        });
    }
    let mut values = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(take(&mut rest)?);
        if length == u32::MAX {
            values.push(Datum::Null);
            continue;
        }
        let (bytes, after) = rest.split_at_checked(length as usize).ok_or_else(corrupt)?;
        values.push(cell::decode(element, bytes)?);
        rest = after;
    }
    checked(element, dimensions, values)
}

fn checked(
    element: PgType,
    dimensions: Vec<Dimension>,
    values: Vec<Datum>,
) -> SqlResult<ArrayValue> {
    if element_count(&dimensions).ok() != Some(values.len()) {
        return Err(corrupt());
    }
    ArrayValue::new(element, dimensions, values)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> SqlResult<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(corrupt)?;
    *bytes = rest;
    Ok(*head)
}

fn length(bytes: usize) -> SqlResult<u32> {
    u32::try_from(bytes).map_err(|_| super::too_big())
}

#[cold]
fn corrupt() -> SqlError {
    SqlError::corrupted("stored array does not decode")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::arbitrary::{identical, value};
    use proptest::prelude::*;

    fn array_type() -> BoxedStrategy<PgType> {
        let all: Vec<PgType> = PgType::element_types()
            .filter_map(PgType::array_of)
            .collect();
        prop::sample::select(all).boxed()
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let array = ArrayValue::list(PgType::Int2, vec![Datum::Int2(1), Datum::Null]);
        assert_eq!(
            image(&array).unwrap(),
            [1, 0x80, 1, 2, 0, 1, 0, 0, 0, 2, 0x80, 0, 0, 1]
        );
        assert_eq!(image(&ArrayValue::empty(PgType::Text)).unwrap(), [0, 0]);
    }

    #[test]
    fn forms_of_one_value_have_one_key() {
        let of = |zero| {
            let array = ArrayValue::list(PgType::Float8, vec![Datum::Float8(zero)]);
            image(&array).unwrap()
        };
        assert_ne!(of(0.0), of(-0.0));
        let key = |bytes: &[u8]| key_of_image(PgType::Float8, bytes).to_vec();
        assert_eq!(key(&of(0.0)), key(&of(-0.0)));
        assert_ne!(key(&of(0.0)), key(&of(1.0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn images_round_trip((ty, value) in array_type().prop_flat_map(|ty| (Just(ty), value(ty)))) {
            let Datum::Array(array) = &value else { panic!("no array") };
            let bytes = image(array).unwrap();
            let back = decode(ty.element().unwrap(), &bytes).unwrap().datum();
            prop_assert!(identical(&back, &value), "{back:?}");
        }

        #[test]
        fn keys_sort_as_arrays(
            (ty, a, b) in array_type().prop_flat_map(|ty| (Just(ty), value(ty), value(ty)))
        ) {
            let element = ty.element().unwrap();
            prop_assume!(key::supports(element));
            let (Datum::Array(a), Datum::Array(b)) = (&a, &b) else { panic!("no array") };
            let (x, y) = (image(a).unwrap(), image(b).unwrap());
            prop_assert_eq!(key_of_image(element, &x).cmp(key_of_image(element, &y)), a.cmp(b));
        }

        #[test]
        fn any_bytes_decode_or_fail(ty in array_type(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Err(error) = decode(ty.element().unwrap(), &bytes) {
                prop_assert!(error.is("XX001"), "{error}");
            }
        }
    }
}
