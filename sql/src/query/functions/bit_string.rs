//! Operators and functions of bit strings.

use super::args::{INT4, INT8, at, mismatch};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Bits, Datum, PgType};

const BIT: Arg = Arg::Is(PgType::Bit(None));
const VARBIT: Arg = Arg::Is(PgType::Varbit(None));
const GIVES: PgType = PgType::Bit(None);

/// Operators and functions of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("&", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "AND", |x, y| x & y)
    }),
    Overload::new("|", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "OR", |x, y| x | y)
    }),
    Overload::new("#", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "XOR", |x, y| x ^ y)
    }),
    Overload::new("bitand", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "AND", |x, y| x & y)
    }),
    Overload::new("bitor", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "OR", |x, y| x | y)
    }),
    Overload::new("bitxor", &[BIT, BIT], GIVES, |_, a| {
        pairwise(a, "XOR", |x, y| x ^ y)
    }),
    Overload::new("__bitnot", &[BIT], GIVES, not),
    Overload::new("bitnot", &[BIT], GIVES, not),
    Overload::new("<<", &[BIT, INT4], GIVES, |_, a| shift(a, true)),
    Overload::new(">>", &[BIT, INT4], GIVES, |_, a| shift(a, false)),
    Overload::new("bitshiftleft", &[BIT, INT4], GIVES, |_, a| shift(a, true)),
    Overload::new("bitshiftright", &[BIT, INT4], GIVES, |_, a| shift(a, false)),
    Overload::new("||", &[VARBIT, VARBIT], PgType::Varbit(None), concat),
    Overload::new("bitcat", &[VARBIT, VARBIT], PgType::Varbit(None), concat),
    Overload::new("length", &[BIT], PgType::Int4, |_, a| {
        Ok(whole(u64::from(bits(a, 0)?.len())))
    }),
    Overload::new("bit_length", &[BIT], PgType::Int4, |_, a| {
        Ok(whole(u64::from(bits(a, 0)?.len())))
    }),
    Overload::new("octet_length", &[BIT], PgType::Int4, |_, a| {
        Ok(whole(u64::from(bits(a, 0)?.len().div_ceil(8))))
    }),
    Overload::new("bit_count", &[BIT], PgType::Int8, |_, a| {
        let ones: u32 = bits(a, 0)?.bytes().iter().map(|b| b.count_ones()).sum();
        Ok(Datum::Int8(i64::from(ones)))
    }),
    Overload::new("substring", &[BIT, INT4], GIVES, part),
    Overload::new("substring", &[BIT, INT4, INT4], GIVES, part),
    Overload::new("overlay", &[BIT, BIT, INT4], GIVES, overlay),
    Overload::new("overlay", &[BIT, BIT, INT4, INT4], GIVES, overlay),
    Overload::new("position", &[BIT, BIT], PgType::Int4, position),
    Overload::new("get_bit", &[BIT, INT4], PgType::Int4, get),
    Overload::new("set_bit", &[BIT, INT4, INT4], GIVES, set),
    Overload::new("bit", &[INT4, INT4], GIVES, of_integer),
    Overload::new("bit", &[INT8, INT4], GIVES, of_integer),
];

fn whole(n: u64) -> Datum {
    Datum::Int4(i32::try_from(n).unwrap_or(i32::MAX))
}

fn bits(args: &[Datum], index: usize) -> SqlResult<&Bits> {
    match at(args, index) {
        Datum::Bits(bits) => Ok(bits),
        _ => Err(mismatch()),
    }
}

fn int(args: &[Datum], index: usize) -> SqlResult<i64> {
    at(args, index).as_i64().ok_or_else(mismatch)
}

fn pairwise(args: &[Datum], name: &str, op: fn(u8, u8) -> u8) -> SqlResult<Datum> {
    let (x, y) = (bits(args, 0)?, bits(args, 1)?);
    if x.len() != y.len() {
        return Err(SqlError::new(
            state::STRING_DATA_LENGTH_MISMATCH,
            format!("cannot {name} bit strings of different sizes"),
        ));
    }
    let bytes = x.bytes().iter().zip(y.bytes()).map(|(x, y)| op(*x, *y));
    Ok(Datum::Bits(Bits::new(x.len(), bytes.collect())))
}

fn not(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bits = bits(args, 0)?;
    let bytes = bits.bytes().iter().map(|byte| !byte).collect();
    Ok(Datum::Bits(Bits::new(bits.len(), bytes)))
}

/// The bits moved, zeros behind them; the length stays.
fn shift(args: &[Datum], left: bool) -> SqlResult<Datum> {
    let bits = bits(args, 0)?;
    let count = int(args, 1)?;
    let count = if left { count } else { -count };
    let moved = (0..i64::from(bits.len())).map(|index| {
        let from = index.checked_add(count).and_then(|i| u32::try_from(i).ok());
        from.and_then(|from| bits.bit(from)).unwrap_or(false)
    });
    Ok(Datum::Bits(Bits::from_bits(moved)))
}

fn joined(parts: &[&Bits]) -> SqlResult<Datum> {
    let length: u64 = parts.iter().map(|bits| u64::from(bits.len())).sum();
    if i32::try_from(length).is_err() {
        return Err(SqlError::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            "bit string length exceeds the maximum allowed (2147483647)",
        ));
    }
    Ok(Datum::Bits(Bits::from_bits(
        parts.iter().flat_map(|bits| bits.iter()),
    )))
}

fn concat(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    joined(&[bits(args, 0)?, bits(args, 1)?])
}

/// Bits from the one that counts `start`; `length` of them, or all.
fn slice(bits: &Bits, start: i64, length: Option<i64>) -> SqlResult<Bits> {
    if length.is_some_and(|length| length < 0) {
        return Err(SqlError::new(
            state::SUBSTRING_ERROR,
            "negative substring length not allowed",
        ));
    }
    let all = i64::from(bits.len());
    let end = length.map_or(all, |length| (start - 1).saturating_add(length).min(all));
    let from = (start - 1).max(0);
    Ok(Bits::from_bits((from..end).filter_map(|index| {
        u32::try_from(index).ok().and_then(|index| bits.bit(index))
    })))
}

fn part(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let length = match args.get(2) {
        Some(_) => Some(int(args, 2)?),
        None => None,
    };
    slice(bits(args, 0)?, int(args, 1)?, length).map(Datum::Bits)
}

fn overlay(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (whole, new) = (bits(args, 0)?, bits(args, 1)?);
    let start = int(args, 2)?;
    let length = match args.get(3) {
        Some(_) => int(args, 3)?,
        None => i64::from(new.len()),
    };
    if start <= 0 {
        return Err(SqlError::new(
            state::SUBSTRING_ERROR,
            "negative substring length not allowed",
        ));
    }
    let before = slice(whole, 1, Some(start - 1))?;
    let after = slice(whole, start.saturating_add(length), None)?;
    joined(&[&before, new, &after])
}

/// Where a string is in another, counted from 1.
fn position(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (part, whole) = (bits(args, 0)?, bits(args, 1)?);
    if whole.is_empty() {
        return Ok(Datum::Int4(0));
    }
    let part: Vec<bool> = part.iter().collect();
    let whole: Vec<bool> = whole.iter().collect();
    if part.is_empty() {
        return Ok(Datum::Int4(1));
    }
    let place = whole.windows(part.len()).position(|w| w == part.as_slice());
    Ok(Datum::Int4(
        place.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX)),
    ))
}

fn place(bits: &Bits, index: i64) -> SqlResult<u32> {
    u32::try_from(index)
        .ok()
        .filter(|index| *index < bits.len())
        .ok_or_else(|| {
            SqlError::new(
                state::ARRAY_SUBSCRIPT_ERROR,
                format!(
                    "bit index {index} out of valid range (0..{})",
                    i64::from(bits.len()) - 1
                ),
            )
        })
}

fn get(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bits = bits(args, 0)?;
    let index = place(bits, int(args, 1)?)?;
    Ok(Datum::Int4(i32::from(bits.bit(index) == Some(true))))
}

fn set(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bits = bits(args, 0)?;
    let index = place(bits, int(args, 1)?)?;
    let new = match int(args, 2)? {
        0 => false,
        1 => true,
        _ => {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                "new bit must be 0 or 1",
            ));
        }
    };
    let changed = (0..bits.len()).map(|i| {
        if i == index {
            new
        } else {
            bits.bit(i) == Some(true)
        }
    });
    Ok(Datum::Bits(Bits::from_bits(changed)))
}

/// The lowest bits of an integer; its sign goes on to the left.
pub(in crate::query) fn integer_bits(value: i64, length: u32) -> Bits {
    Bits::from_bits(
        (0..length)
            .rev()
            .map(|index| value >> index.min(63) & 1 == 1),
    )
}

fn of_integer(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let length = u32::try_from(int(args, 1)?).unwrap_or(0).max(1);
    Ok(Datum::Bits(integer_bits(int(args, 0)?, length)))
}

/// Bits as an integer of so many bits (22003 when there are more).
pub(in crate::query) fn bits_integer(bits: &Bits, most: u32) -> SqlResult<i64> {
    if bits.len() > most {
        let name = if most == 32 { "integer" } else { "bigint" };
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{name} out of range"),
        ));
    }
    let value = bits
        .iter()
        .fold(0u64, |value, bit| value << 1 | u64::from(bit));
    Ok(if most == 32 {
        i64::from(u32::try_from(value).unwrap_or(0).cast_signed())
    } else {
        value.cast_signed()
    })
}
