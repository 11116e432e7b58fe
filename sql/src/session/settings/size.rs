//! Settings that are amounts of memory, as PostgreSQL reads and shows them.

use super::value::invalid;
use crate::error::{SqlError, state};

/// The least and the most of `work_mem`, in kilobytes.
const WORK_MEM_KB: (u64, u64) = (64, 2_147_483_647);

/// Units of a size in kilobytes, the largest first.
const UNITS: [(&str, u64); 4] = [("TB", 1 << 30), ("GB", 1 << 20), ("MB", 1 << 10), ("kB", 1)];

/// Reads `work_mem`: kilobytes, or a whole number with a unit. Gives bytes, and the
/// text to show.
///
/// # Errors
/// 22023.
pub(super) fn work_mem(value: &str) -> Result<(usize, String), SqlError> {
    let name = "work_mem";
    let trimmed = value.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = trimmed.split_at(split.unwrap_or(trimmed.len()));
    let number: u64 = digits.parse().map_err(|_| invalid(name, value))?;
    let kilobytes = match unit.trim() {
        "" => Some(number),
        "B" => Some(number >> 10),
        unit => UNITS
            .iter()
            .find(|(known, _)| *known == unit)
            .and_then(|(_, factor)| number.checked_mul(*factor)),
    };
    let Some(kilobytes) = kilobytes else {
        return Err(invalid(name, value).hint(
            "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".",
        ));
    };
    let (least, most) = WORK_MEM_KB;
    if !(least..=most).contains(&kilobytes) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!(
                "{kilobytes} kB is outside the valid range for parameter \"{name}\" ({least} kB .. {most} kB)"
            ),
        ));
    }
    let bytes = usize::try_from(kilobytes << 10).unwrap_or(usize::MAX);
    Ok((bytes, shown(kilobytes)))
}

/// The size in the largest unit that gives a whole number.
fn shown(kilobytes: u64) -> String {
    let fits = UNITS
        .iter()
        .find(|(_, factor)| kilobytes.is_multiple_of(*factor));
    fits.map_or_else(String::new, |(unit, factor)| {
        format!("{}{unit}", kilobytes / factor)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_as_postgresql_does() {
        for (value, bytes, text) in [
            ("64", 64 << 10, "64kB"),
            ("1024", 1 << 20, "1MB"),
            ("1025kB", 1025 << 10, "1025kB"),
            (" 3 GB ", 3 << 30, "3GB"),
            ("70000B", 68 << 10, "68kB"),
        ] {
            assert_eq!(
                work_mem(value).unwrap(),
                (bytes, text.to_owned()),
                "{value}"
            );
        }
        for value in [
            "",
            "lots",
            "63",
            "10B",
            "1 mb",
            "3TBs",
            "99999999999999TB",
            "-1",
        ] {
            assert_eq!(work_mem(value).unwrap_err().sqlstate(), "22023", "{value}");
        }
    }
}
