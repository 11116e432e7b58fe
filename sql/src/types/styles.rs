//! Settings that choose between text forms: DateStyle, IntervalStyle,
//! `bytea_output` and `extra_float_digits`.

/// How dates and timestamps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateStyle {
    /// `1997-12-17 07:37:16-08`
    #[default]
    Iso,
    /// `12/17/1997 07:37:16.00 PST`
    Sql,
    /// `Wed Dec 17 07:37:16 1997 PST`
    Postgres,
    /// `17.12.1997 07:37:16.00 PST`
    German,
}

/// Which of several numbers are day, month and year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateOrder {
    /// Month, day, year.
    #[default]
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// How intervals are written, and read where that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`
    #[default]
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`
    PostgresVerbose,
    /// `+1-2 +3 +4:05:06`
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`
    Iso8601,
}

/// All of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Styles {
    /// DateStyle, the first half.
    pub date: DateStyle,
    /// DateStyle, the second half.
    pub order: DateOrder,
    /// IntervalStyle.
    pub interval: IntervalStyle,
    /// `bytea_output` is `escape`.
    pub bytea_escape: bool,
    /// `extra_float_digits`, from -15 to 3.
    pub float_digits: i8,
}

impl Default for Styles {
    fn default() -> Self {
        Self {
            date: DateStyle::default(),
            order: DateOrder::default(),
            interval: IntervalStyle::default(),
            bytea_escape: false,
            float_digits: 1,
        }
    }
}

impl Styles {
    /// Whether times have the form that readers of any setting understand.
    pub fn dates_are_iso(&self) -> bool {
        self.date == DateStyle::Iso
    }
}
