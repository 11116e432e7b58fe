//! Parameters that are numbers: of bytes, of time, or of anything.

use super::parameter::Parameter;
use super::value::invalid;
use crate::error::{SqlError, state};

/// Units of memory in bytes, the largest first.
const MEMORY: [(&str, f64); 5] = [
    ("TB", 1_099_511_627_776.0),
    ("GB", 1_073_741_824.0),
    ("MB", 1_048_576.0),
    ("kB", 1024.0),
    ("B", 1.0),
];
/// Units of time in microseconds, the largest first.
const TIME: [(&str, f64); 6] = [
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1_000.0),
    ("us", 1.0),
];

/// The units that go with a parameter's own, and how much that one is.
fn units(own: &str) -> Option<(&'static [(&'static str, f64)], f64)> {
    if own == "8kB" {
        return Some((&MEMORY, 8_192.0));
    }
    let among = |all: &'static [(&'static str, f64)]| {
        let own = all.iter().find(|(name, _)| *name == own)?;
        Some((all, own.1))
    };
    among(&MEMORY).or_else(|| among(&TIME))
}

/// The number that a text begins with, and the rest.
fn leading(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit());
        let (number, rest) = hex.split_at(end.unwrap_or(hex.len()));
        let value = i64::from_str_radix(number, 16).ok()? as f64;
        return Some((if negative { -value } else { value }, rest));
    }
    let bytes = digits.as_bytes();
    let run = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let mut end = run(0);
    if bytes.get(end) == Some(&b'.') {
        end = run(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = run(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    let (number, rest) = digits.split_at_checked(end)?;
    let value: f64 = number.parse().ok()?;
    Some((if negative { -value } else { value }, rest))
}

/// Reads a number with an optional unit; gives it in the parameter's own.
fn read(parameter: &Parameter, text: &str) -> Result<f64, SqlError> {
    let wrong = || invalid(parameter.name, text);
    let (value, rest) = leading(text).ok_or_else(wrong)?;
    let unit = rest.trim();
    if !value.is_finite() {
        return Err(wrong());
    }
    if unit.is_empty() {
        return Ok(value);
    }
    let (all, own) = units(parameter.unit).ok_or_else(wrong)?;
    let Some(at) = all.iter().position(|(name, _)| *name == unit) else {
        let names = match own {
            _ if all.len() == MEMORY.len() => "\"B\", \"kB\", \"MB\", \"GB\", and \"TB\"",
            _ => "\"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"",
        };
        return Err(wrong().hint(format!("Valid units for this parameter are {names}.")));
    };
    let factor = all.get(at).map_or(1.0, |(_, factor)| *factor);
    let mut amount = value * factor;
    // A fraction is rounded to whole ones of the next smaller unit.
    if let Some((_, smaller)) = all.get(at + 1) {
        amount = (amount / smaller).round_ties_even() * smaller;
    }
    Ok(amount / own)
}

fn in_range(parameter: &Parameter, value: f64) -> Result<f64, SqlError> {
    let bound = |text: &str, missing: f64| text.parse().unwrap_or(missing);
    let least = bound(parameter.min, f64::MIN);
    let most = bound(parameter.max, f64::MAX);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let space = if parameter.unit.is_empty() { "" } else { " " };
    Err(SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!(
            "{}{space}{} is outside the valid range for parameter \"{}\" ({} .. {})",
            plain(value),
            parameter.unit,
            parameter.name,
            parameter.min,
            parameter.max
        ),
    ))
}

/// Reads a whole number.
///
/// # Errors
/// 22023.
pub(super) fn integer(parameter: &Parameter, text: &str) -> Result<i64, SqlError> {
    let value = read(parameter, text)?.round_ties_even();
    if value.abs() > f64::from(i32::MAX) {
        return Err(invalid(parameter.name, text).hint("Value exceeds integer range."));
    }
    // It fits, as was just seen.
    Ok(in_range(parameter, value)? as i64)
}

/// Reads a number.
///
/// # Errors
/// 22023.
pub(super) fn real(parameter: &Parameter, text: &str) -> Result<f64, SqlError> {
    in_range(parameter, read(parameter, text)?)
}

/// A number with up to six digits, as C's `%g` has it, and whole ones with all.
pub(super) fn plain(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let mut out = Vec::new();
    crate::types::float_text::write_f64_digits(value, -9, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// A number in the largest unit that makes it whole.
pub(super) fn shown(value: f64, unit: &str) -> String {
    let Some((all, own)) = units(unit).filter(|_| value > 0.0) else {
        return plain(value);
    };
    let amount = value * own;
    let whole = |factor: f64| {
        let count = amount / factor;
        count >= 1.0 && (count.round() / count - 1.0).abs() <= 1e-8
    };
    let fits = all.iter().find(|(_, factor)| whole(*factor));
    match fits.or(all.last()) {
        Some((name, factor)) => format!("{}{name}", plain((amount / factor).round())),
        None => plain(value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::super::parameter::parameter;

    /// Expected values: SHOW on PostgreSQL 15.
    #[test]
    fn numbers_are_read_and_shown_as_postgresql_does() {
        for (name, value, text) in [
            ("work_mem", "64", "64kB"),
            ("work_mem", "1024", "1MB"),
            ("work_mem", "1.5MB", "1536kB"),
            ("work_mem", " 3 GB ", "3GB"),
            ("work_mem", "70000B", "68kB"),
            ("temp_buffers", "800kB", "800kB"),
            ("temp_buffers", "100", "800kB"),
            ("statement_timeout", "5000", "5s"),
            ("statement_timeout", "1.5s", "1500ms"),
            ("statement_timeout", "90s", "90s"),
            ("statement_timeout", "0x10", "16ms"),
            ("statement_timeout", "0", "0"),
            ("vacuum_cost_delay", "2.5", "2500us"),
            ("vacuum_cost_delay", "1500us", "1500us"),
            ("seq_page_cost", "1.5e2", "150"),
            ("cpu_index_tuple_cost", "0.005", "0.005"),
            ("log_min_duration_statement", "-1", "-1"),
            ("enable_sort", "of", "off"),
            ("constraint_exclusion", "true", "on"),
        ] {
            let parameter = parameter(name).unwrap();
            assert_eq!(parameter.value(value).unwrap().0, text, "{name} {value}");
        }
        for (name, value) in [
            ("work_mem", ""),
            ("work_mem", "lots"),
            ("work_mem", "63"),
            ("work_mem", "1 mb"),
            ("work_mem", "99999999999999TB"),
            ("statement_timeout", "-1"),
            ("vacuum_cost_delay", "10s"),
            ("seq_page_cost", "NaN"),
            ("enable_sort", "o"),
            ("constraint_exclusion", "sometimes"),
        ] {
            let error = parameter(name).unwrap().value(value).unwrap_err();
            assert_eq!(error.sqlstate(), "22023", "{name} {value}");
        }
    }
}
