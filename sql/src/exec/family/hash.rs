//! Hash values of partition keys: PostgreSQL's, so that a row goes to the same
//! partition here and there. The function is Bob Jenkins' lookup3.

use crate::error::SqlError;
use crate::types::{Datum, PgType};

/// What PostgreSQL starts the hash of each key column with.
const SEED: u64 = 0x7A5B_2236_7996_DCFD;
/// Start of all three words, to which the length is added.
const START: u32 = 0x9e37_79b9;
const LENGTH_OFFSET: u32 = 3_923_095;

/// Whether values of a type can be hashed.
pub(crate) fn supports(ty: PgType) -> bool {
    matches!(
        ty,
        PgType::Bool
            | PgType::Int2
            | PgType::Int4
            | PgType::Int8
            | PgType::Oid
            | PgType::Date
            | PgType::Time
            | PgType::Timestamp
            | PgType::Timestamptz
            | PgType::Text
            | PgType::Varchar(_)
            | PgType::Name
            | PgType::Uuid
    )
}

/// The hash value of a key; NULLs count for nothing.
///
/// # Errors
/// 0A000 for values of types that cannot be hashed.
pub(crate) fn hash_of(key: &[Datum]) -> Result<u64, SqlError> {
    let mut row = 0_u64;
    for value in key {
        if let Some(hash) = hash_value(value)? {
            row = combine(row, hash);
        }
    }
    Ok(row)
}

/// Whether a hash value has this remainder.
pub(crate) fn satisfies(hash: u64, modulus: u32, remainder: u32) -> bool {
    hash.checked_rem(u64::from(modulus)) == Some(u64::from(remainder))
}

fn combine(a: u64, b: u64) -> u64 {
    let mixed = b
        .wrapping_add(0x49a0_f4dd_15e5_a8e3)
        .wrapping_add(a << 54)
        .wrapping_add(a >> 7);
    a ^ mixed
}

fn hash_value(value: &Datum) -> Result<Option<u64>, SqlError> {
    Ok(Some(match value {
        Datum::Null => return Ok(None),
        Datum::Bool(v) => word(u32::from(*v)),
        Datum::Int2(v) => word(low_half(i64::from(*v))),
        Datum::Int4(v) | Datum::Date(v) => word(low_half(i64::from(*v))),
        Datum::Oid(v) => word(*v),
        Datum::Int8(v) | Datum::Time(v) | Datum::Timestamp(v) | Datum::Timestamptz(v) => {
            let (low, high) = (low_half(*v), low_half(*v >> 32));
            word(low ^ if *v >= 0 { high } else { !high })
        }
        Datum::Text(v) => bytes(v.as_bytes()),
        Datum::Uuid(v) => bytes(v.as_ref()),
        _ => return Err(SqlError::unsupported("hash partitioning by this type")),
    }))
}

/// The lower 32 bits.
fn low_half(v: i64) -> u32 {
    let [a, b, c, d, ..] = v.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The three words that are mixed.
struct Words {
    a: u32,
    b: u32,
    c: u32,
}

impl Words {
    fn new(length: u32) -> Self {
        let start = START.wrapping_add(length).wrapping_add(LENGTH_OFFSET);
        let mut words = Self {
            a: start,
            b: start,
            c: start,
        };
        let [l0, l1, l2, l3, h0, h1, h2, h3] = SEED.to_le_bytes();
        words.a = words.a.wrapping_add(u32::from_le_bytes([h0, h1, h2, h3]));
        words.b = words.b.wrapping_add(u32::from_le_bytes([l0, l1, l2, l3]));
        words.mix();
        words
    }

    fn mix(&mut self) {
        let Self { a, b, c } = self;
        for [first, second, third] in [[4, 6, 8], [16, 19, 4]] {
            *a = a.wrapping_sub(*c) ^ c.rotate_left(first);
            *c = c.wrapping_add(*b);
            *b = b.wrapping_sub(*a) ^ a.rotate_left(second);
            *a = a.wrapping_add(*c);
            *c = c.wrapping_sub(*b) ^ b.rotate_left(third);
            *b = b.wrapping_add(*a);
        }
    }

    fn last(&mut self) {
        let Self { a, b, c } = self;
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(14));
        *a = (*a ^ *c).wrapping_sub(c.rotate_left(11));
        *b = (*b ^ *a).wrapping_sub(a.rotate_left(25));
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(16));
        *a = (*a ^ *c).wrapping_sub(c.rotate_left(4));
        *b = (*b ^ *a).wrapping_sub(a.rotate_left(14));
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(24));
    }

    fn result(mut self) -> u64 {
        self.last();
        (u64::from(self.b) << 32) | u64::from(self.c)
    }
}

fn word(value: u32) -> u64 {
    let mut words = Words::new(4);
    words.a = words.a.wrapping_add(value);
    words.result()
}

fn bytes(text: &[u8]) -> u64 {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut words = Words::new(length);
    let mut rest = text;
    while let Some((block, after)) = rest.split_at_checked(12) {
        words.add(block);
        words.mix();
        rest = after;
    }
    // The length has the place of the last byte.
    words.add_last(rest);
    words.result()
}

fn little(bytes: &[u8]) -> u32 {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(4) {
        value |= u32::from(*byte) << (8 * i);
    }
    value
}

impl Words {
    fn add(&mut self, block: &[u8]) {
        self.a = self.a.wrapping_add(little(block));
        self.b = self
            .b
            .wrapping_add(little(block.get(4..).unwrap_or_default()));
        self.c = self
            .c
            .wrapping_add(little(block.get(8..).unwrap_or_default()));
    }

    fn add_last(&mut self, rest: &[u8]) {
        self.a = self.a.wrapping_add(little(rest));
        self.b = self
            .b
            .wrapping_add(little(rest.get(4..).unwrap_or_default()));
        let third = little(rest.get(8..).unwrap_or_default());
        self.c = self.c.wrapping_add(third << 8);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn hashes_are_postgresqls() {
        // What hashint4extended and its like give with the seed of partitions.
        let text = |t: &str| Datum::text(t);
        for (value, expected) in [
            (Datum::Int4(1), 5_968_994_663_651_403_477_i64),
            (Datum::Int8(-5), 5_466_844_944_386_338_076),
            (text("abc"), 3_628_778_498_291_917_250),
            (text("a longer text than 12"), 135_738_167_472_542_745),
            (text(""), -5_700_645_584_453_517_373),
            (text("exactly12byt"), 7_971_543_605_021_937_887),
        ] {
            let hash = hash_value(&value).unwrap().unwrap();
            assert_eq!(hash, expected.cast_unsigned(), "{value:?}");
        }
    }
}
