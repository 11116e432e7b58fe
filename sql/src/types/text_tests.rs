//! The text forms against PostgreSQL 15's answers, and round trips.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use crate::types::arbitrary::{identical, pg_type, value};
use crate::types::calendar::{END_TIMESTAMP, MIN_TIMESTAMP, TimeZone};
use crate::types::datum::Datum;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;
use crate::types::styles::Styles;
use crate::types::text_in::text_in;
use crate::types::text_out::text_out;

fn session(zone: &str) -> SessionFormat {
    SessionFormat {
        time_zone: TimeZone::from_name(zone).unwrap(),
        now: 0,
        styles: Styles::default(),
    }
}

/// Each case is an input and what PostgreSQL answers to it: the output text
/// or the error message.
fn check(ty: PgType, zone: &str, cases: &[(&str, &str)]) {
    let format = session(zone);
    let mut wrong = Vec::new();
    for (input, expected) in cases {
        let answer = match text_in(ty, input, &format) {
            Ok(value) => text_out(ty, &value, &format).unwrap_or_default(),
            Err(error) => error.message().to_owned(),
        };
        if answer != *expected {
            wrong.push(format!("{input:?}: {answer:?}, PostgreSQL {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{ty:?} {zone}\n{}", wrong.join("\n"));
}

const INT4_ARRAY: PgType = PgType::Array(&PgType::Int4);
const TEXT_ARRAY: PgType = PgType::Array(&PgType::Text);

#[test]
fn bool_text() {
    check(PgType::Bool, "UTC", include!("testdata/bool.txt"));
}

#[test]
fn integer_text() {
    check(PgType::Int2, "UTC", include!("testdata/int2.txt"));
    check(PgType::Int4, "UTC", include!("testdata/int4.txt"));
    check(PgType::Int8, "UTC", include!("testdata/int8.txt"));
    check(PgType::Oid, "UTC", include!("testdata/oid.txt"));
}

#[test]
fn float_text() {
    check(PgType::Float4, "UTC", include!("testdata/float4.txt"));
    check(PgType::Float8, "UTC", include!("testdata/float8.txt"));
}

#[test]
fn numeric_text() {
    check(
        PgType::Numeric(None),
        "UTC",
        include!("testdata/numeric.txt"),
    );
    check(
        PgType::Numeric(Some((5, 2))),
        "UTC",
        include!("testdata/numeric_5_2.txt"),
    );
}

#[test]
fn character_text() {
    check(
        PgType::Varchar(Some(3)),
        "UTC",
        include!("testdata/varchar_3.txt"),
    );
    check(PgType::Char(4), "UTC", include!("testdata/char_4.txt"));
}

#[test]
fn bytea_and_uuid_text() {
    check(PgType::Bytea, "UTC", include!("testdata/bytea.txt"));
    check(PgType::Uuid, "UTC", include!("testdata/uuid.txt"));
}

#[test]
fn date_and_time_text() {
    check(PgType::Date, "UTC", include!("testdata/date.txt"));
    check(PgType::Time, "UTC", include!("testdata/time.txt"));
}

#[test]
fn timestamp_text() {
    check(PgType::Timestamp, "UTC", include!("testdata/timestamp.txt"));
    check(
        PgType::Timestamptz,
        "UTC",
        include!("testdata/timestamptz_utc.txt"),
    );
    check(
        PgType::Timestamptz,
        "America/New_York",
        include!("testdata/timestamptz_new_york.txt"),
    );
    check(
        PgType::Timestamptz,
        "Asia/Kolkata",
        include!("testdata/timestamptz_kolkata.txt"),
    );
}

#[test]
fn interval_text() {
    check(PgType::Interval, "UTC", include!("testdata/intervals.txt"));
}

#[test]
fn json_text() {
    check(PgType::Json, "UTC", include!("testdata/json.txt"));
    check(PgType::Jsonb, "UTC", include!("testdata/jsonb.txt"));
}

#[test]
fn array_text() {
    check(INT4_ARRAY, "UTC", include!("testdata/int4_array.txt"));
    check(TEXT_ARRAY, "UTC", include!("testdata/text_array.txt"));
}

#[test]
fn special_dates_follow_the_session() {
    // 2024-03-10 06:30 UTC is 01:30 in New York.
    let format = SessionFormat {
        now: 763_367_400_000_000,
        ..session("America/New_York")
    };
    let show = |ty, text| {
        let value = text_in(ty, text, &format).unwrap();
        text_out(ty, &value, &format).unwrap()
    };
    assert_eq!(show(PgType::Timestamptz, "now"), "2024-03-10 01:30:00-05");
    assert_eq!(
        show(PgType::Timestamptz, "tomorrow"),
        "2024-03-11 00:00:00-04"
    );
    assert_eq!(show(PgType::Timestamp, "today"), "2024-03-10 00:00:00");
    assert_eq!(
        show(PgType::Timestamp, "yesterday 04:05"),
        "2024-03-09 04:05:00"
    );
    assert_eq!(show(PgType::Date, "now"), "2024-03-10");
    assert_eq!(show(PgType::Time, "now"), "01:30:00");
}

#[test]
fn text_with_a_zero_byte_is_refused() {
    let error = text_in(PgType::Text, "a\0b", &session("UTC")).unwrap_err();
    assert_eq!(error.sqlstate(), "22021");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn text_round_trips(
        (ty, value) in pg_type().prop_flat_map(|ty| (Just(ty), value(ty))),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu"]),
    ) {
        let format = session(zone);
        let text = text_out(ty, &value, &format).unwrap();
        prop_assume!(!at_the_edge(&value));
        let back = text_in(ty, &text, &format).unwrap();
        prop_assert!(identical(&back, &value), "{} {:?} {:?}", text, back, value);
    }

    #[test]
    fn any_text_reads_or_fails(ty in pg_type(), text in "[-+.:,{}\\\\\"/ 0-9a-zA-Z]{0,24}") {
        if let Err(error) = text_in(ty, &text, &session("Europe/Berlin")) {
            // A path is a language of its own.
            let path = ty.element().unwrap_or(ty) == PgType::Jsonpath && error.is("42601");
            let refused = error.sqlstate().starts_with("22") || error.is("0A000");
            prop_assert!(refused || path, "{:?}", error);
        }
    }
}

/// Local times of the first and last day may lie outside the calendar.
fn at_the_edge(value: &Datum) -> bool {
    const DAY: i64 = 86_400_000_000;
    match value {
        Datum::Timestamptz(i64::MAX | i64::MIN) => false,
        Datum::Timestamptz(micros) => {
            *micros < MIN_TIMESTAMP + DAY || *micros > END_TIMESTAMP - DAY
        }
        Datum::Array(array) => array.values.iter().any(at_the_edge),
        _ => false,
    }
}
