//! Text of intervals in the styles other than PostgreSQL's own.

use bytes::BufMut;

use crate::types::datetime_out::{two_digits, write_fraction};
use crate::types::interval::Interval;

/// The fields of an interval, each with its sign.
struct Fields {
    year: i32,
    month: i32,
    day: i32,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Fields {
    /// `4:05:06.7`, without sign.
    fn write_clock(&self, out: &mut impl BufMut) {
        put(self.hour.unsigned_abs(), out);
        out.put_u8(b':');
        two_digits(self.minute.unsigned_abs(), out);
        out.put_u8(b':');
        self.write_seconds(true, out);
    }

    fn of(interval: &Interval) -> Self {
        let seconds = interval.micros / 1_000_000;
        Self {
            year: interval.months / 12,
            month: interval.months % 12,
            day: interval.days,
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: interval.micros % 1_000_000,
        }
    }

    fn all(&self) -> [i64; 7] {
        [
            self.year.into(),
            self.month.into(),
            self.day.into(),
            self.hour,
            self.minute,
            self.second,
            self.micros,
        ]
    }

    fn has_seconds(&self) -> bool {
        self.second != 0 || self.micros != 0
    }

    fn time_is_negative(&self) -> bool {
        [self.hour, self.minute, self.second, self.micros]
            .iter()
            .any(|part| *part < 0)
    }

    /// `04` or `4`, and the fraction; without sign.
    fn write_seconds(&self, filled: bool, out: &mut impl BufMut) {
        let second = self.second.unsigned_abs();
        match filled {
            true => two_digits(second, out),
            false => put(second, out),
        }
        write_fraction(self.micros.unsigned_abs(), out);
    }
}

fn put(value: impl std::fmt::Display, out: &mut impl BufMut) {
    out.put_slice(value.to_string().as_bytes());
}

fn sign(negative: bool) -> u8 {
    if negative { b'-' } else { b'+' }
}

/// `1-2`, `3 4:05:06`, and with signs where the standard has no such interval.
pub(super) fn write_sql_standard(interval: &Interval, out: &mut impl BufMut) {
    let fields = Fields::of(interval);
    let negative = fields.all().iter().any(|part| *part < 0);
    let positive = fields.all().iter().any(|part| *part > 0);
    let months = fields.year != 0 || fields.month != 0;
    let time = fields.hour != 0 || fields.minute != 0 || fields.has_seconds();
    if !negative && !positive {
        return out.put_u8(b'0');
    }
    if (negative && positive) || (months && (time || fields.day != 0)) {
        out.put_u8(sign(fields.year < 0 || fields.month < 0));
        put(fields.year.unsigned_abs(), out);
        out.put_u8(b'-');
        put(fields.month.unsigned_abs(), out);
        out.put_u8(b' ');
        out.put_u8(sign(fields.day < 0));
        put(fields.day.unsigned_abs(), out);
        out.put_u8(b' ');
        out.put_u8(sign(fields.time_is_negative()));
        return fields.write_clock(out);
    }
    if negative {
        out.put_u8(b'-');
    }
    if months {
        put(fields.year.unsigned_abs(), out);
        out.put_u8(b'-');
        return put(fields.month.unsigned_abs(), out);
    }
    if fields.day != 0 {
        put(fields.day.unsigned_abs(), out);
        out.put_u8(b' ');
    }
    fields.write_clock(out);
}

/// `P1Y2M3DT4H5M6S`
pub(super) fn write_iso_8601(interval: &Interval, out: &mut impl BufMut) {
    let fields = Fields::of(interval);
    if fields.all().iter().all(|part| *part == 0) {
        return out.put_slice(b"PT0S");
    }
    out.put_u8(b'P');
    let mut part = |value: i64, unit: u8| {
        if value != 0 {
            put(value, out);
            out.put_u8(unit);
        }
    };
    part(fields.year.into(), b'Y');
    part(fields.month.into(), b'M');
    part(fields.day.into(), b'D');
    if fields.hour == 0 && fields.minute == 0 && !fields.has_seconds() {
        return;
    }
    out.put_u8(b'T');
    let mut part = |value: i64, unit: u8| {
        if value != 0 {
            put(value, out);
            out.put_u8(unit);
        }
    };
    part(fields.hour, b'H');
    part(fields.minute, b'M');
    if fields.has_seconds() {
        if fields.second < 0 || fields.micros < 0 {
            out.put_u8(b'-');
        }
        fields.write_seconds(false, out);
        out.put_u8(b'S');
    }
}

/// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs ago`
pub(super) fn write_verbose(interval: &Interval, out: &mut impl BufMut) {
    let fields = Fields::of(interval);
    out.put_u8(b'@');
    // The first part that is not zero says whether all is ago.
    let mut ago = None;
    let parts = [
        (i64::from(fields.year), "year"),
        (i64::from(fields.month), "mon"),
        (i64::from(fields.day), "day"),
        (fields.hour, "hour"),
        (fields.minute, "min"),
    ];
    for (value, unit) in parts {
        if value == 0 {
            continue;
        }
        let shown = match ago {
            None => {
                ago = Some(value < 0);
                value.abs()
            }
            Some(true) => -value,
            Some(false) => value,
        };
        let plural = if shown == 1 { "" } else { "s" };
        put(format_args!(" {shown} {unit}{plural}"), out);
    }
    if fields.has_seconds() {
        out.put_u8(b' ');
        let negative = fields.second < 0 || (fields.second == 0 && fields.micros < 0);
        match ago {
            None => ago = Some(negative),
            Some(ago) if ago != negative => out.put_u8(b'-'),
            Some(_) => {}
        }
        fields.write_seconds(false, out);
        let one = fields.second.abs() == 1 && fields.micros == 0;
        put(if one { " sec" } else { " secs" }, out);
    }
    match ago {
        None => out.put_slice(b" 0"),
        Some(true) => out.put_slice(b" ago"),
        Some(false) => {}
    }
}
