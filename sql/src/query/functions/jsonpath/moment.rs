//! Dates and times in a path.

use std::cmp::Ordering;

use super::super::datetime::format::parse::{Moment, by_standard};
use super::Fault;
use crate::error::{SqlError, SqlResult, state};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Styles, TimeZone, datetime_out};

/// A date or time that `datetime()` has read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ZonedMoment(Moment);

/// What `datetime()` tries when no template is given.
const TEMPLATES: [&str; 17] = [
    "yyyy-mm-dd",
    "HH24:MI:SS.USTZH:TZM",
    "HH24:MI:SS.USTZH",
    "HH24:MI:SS.US",
    "HH24:MI:SSTZH:TZM",
    "HH24:MI:SSTZH",
    "HH24:MI:SS",
    "yyyy-mm-dd HH24:MI:SS.USTZH:TZM",
    "yyyy-mm-dd HH24:MI:SS.USTZH",
    "yyyy-mm-dd HH24:MI:SS.US",
    "yyyy-mm-dd HH24:MI:SSTZH:TZM",
    "yyyy-mm-dd HH24:MI:SSTZH",
    "yyyy-mm-dd HH24:MI:SS",
    "yyyy-mm-dd\"T\"HH24:MI:SS.USTZH:TZM",
    "yyyy-mm-dd\"T\"HH24:MI:SS.USTZH",
    "yyyy-mm-dd\"T\"HH24:MI:SSTZH:TZM",
    "yyyy-mm-dd\"T\"HH24:MI:SSTZH",
];
/// More of them.
const MORE: [&str; 2] = ["yyyy-mm-dd\"T\"HH24:MI:SS.US", "yyyy-mm-dd\"T\"HH24:MI:SS"];

impl ZonedMoment {
    /// Reads a text by a template, or by the first of the usual ones that suits.
    pub(super) fn read(text: &str, template: Option<&str>) -> SqlResult<ZonedMoment> {
        if let Some(template) = template {
            return by_standard(text, template).map(ZonedMoment);
        }
        TEMPLATES
            .iter()
            .chain(&MORE)
            .find_map(|template| by_standard(text, template).ok())
            .map(ZonedMoment)
            .ok_or_else(|| {
                SqlError::new(
                    state::INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION,
                    format!("datetime format is not recognized: \"{text}\""),
                )
                .hint("Use a datetime template argument to specify the input data format.")
            })
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self.0 {
            Moment::Date(_) => "date",
            Moment::Time(_) => "time without time zone",
            Moment::Timetz(..) => "time with time zone",
            Moment::Timestamp(_) => "timestamp without time zone",
            Moment::Timestamptz(..) => "timestamp with time zone",
        }
    }

    /// The text it has as JSON.
    pub(super) fn text(&self) -> String {
        // JSON has one style.
        let styles = Styles::default();
        let mut out = Vec::new();
        match self.0 {
            Moment::Date(days) => datetime_out::write_date(days, &styles, &mut out),
            Moment::Time(micros) => datetime_out::write_time(micros, &mut out),
            Moment::Timetz(micros, offset) => {
                datetime_out::write_time(micros, &mut out);
                write_offset(offset, &mut out);
            }
            Moment::Timestamp(micros) => datetime_out::write_timestamp(micros, &styles, &mut out),
            Moment::Timestamptz(instant, offset) => {
                let local = instant.saturating_add(i64::from(offset) * 1_000_000);
                datetime_out::write_timestamp(local, &styles, &mut out);
                write_offset(offset, &mut out);
            }
        }
        String::from_utf8_lossy(&out).replacen(' ', "T", 1)
    }

    /// The order of two, when they have one.
    ///
    /// # Errors
    /// 0A000 when it depends on a time zone and none may be used.
    pub(super) fn compare(
        &self,
        other: &ZonedMoment,
        zone: Option<&TimeZone>,
    ) -> Result<Option<Ordering>, Fault> {
        use Moment::{Date, Time, Timestamp, Timestamptz, Timetz};
        Ok(match (self.0, other.0) {
            (Date(a), Date(b)) => Some(a.cmp(&b)),
            (Time(a), Time(b)) => Some(a.cmp(&b)),
            (Time(_) | Timetz(..), Time(_) | Timetz(..)) => {
                let a = self.time_with_zone(other, zone)?;
                let b = other.time_with_zone(self, zone)?;
                // Of equal instants the one with the smaller offset is later.
                Some(
                    (a.0 - i64::from(a.1) * 1_000_000, -a.1)
                        .cmp(&(b.0 - i64::from(b.1) * 1_000_000, -b.1)),
                )
            }
            (Date(_) | Timestamp(_), Date(_) | Timestamp(_)) => {
                Some(self.local().cmp(&other.local()))
            }
            (
                Date(_) | Timestamp(_) | Timestamptz(..),
                Date(_) | Timestamp(_) | Timestamptz(..),
            ) => Some(self.instant(other, zone)?.cmp(&other.instant(self, zone)?)),
            _ => None,
        })
    }

    /// Microseconds of a date or timestamp on its clock.
    fn local(&self) -> i64 {
        match self.0 {
            Moment::Date(days) => i64::from(days).saturating_mul(MICROS_PER_DAY),
            Moment::Timestamp(micros) => micros,
            Moment::Timestamptz(micros, _) => micros,
            Moment::Time(micros) | Moment::Timetz(micros, _) => micros,
        }
    }

    fn instant(&self, other: &ZonedMoment, zone: Option<&TimeZone>) -> Result<i64, Fault> {
        if let Moment::Timestamptz(instant, _) = self.0 {
            return Ok(instant);
        }
        let zone = zone.ok_or_else(|| self.needs_zone(other))?;
        let local = self.local();
        Ok(local.saturating_sub(i64::from(zone.offset_at_local(local)) * 1_000_000))
    }

    fn time_with_zone(
        &self,
        other: &ZonedMoment,
        zone: Option<&TimeZone>,
    ) -> Result<(i64, i32), Fault> {
        if let Moment::Timetz(micros, offset) = self.0 {
            return Ok((micros, offset));
        }
        let zone = zone.ok_or_else(|| self.needs_zone(other))?;
        let now = crate::types::calendar::now_micros();
        Ok((self.local(), zone.offset_at(now)))
    }

    fn needs_zone(&self, other: &ZonedMoment) -> Fault {
        let short = |moment: &ZonedMoment| match moment.0 {
            Moment::Date(_) => "date",
            Moment::Time(_) => "time",
            Moment::Timetz(..) => "timetz",
            Moment::Timestamp(_) => "timestamp",
            Moment::Timestamptz(..) => "timestamptz",
        };
        Fault::hard(
            SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!(
                    "cannot convert value from {} to {} without time zone usage",
                    short(self),
                    short(other)
                ),
            )
            .hint("Use *_tz() function for time zone support."),
        )
    }
}

/// An offset with minutes, as JSON wants it.
fn write_offset(seconds: i32, out: &mut Vec<u8>) {
    datetime_out::write_offset(seconds, out);
    if seconds % 3_600 == 0 {
        out.extend_from_slice(b":00");
    }
}
