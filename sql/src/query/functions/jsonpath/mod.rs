//! Evaluating `jsonpath` over `jsonb`.
//!
//! A path is walked item by item: each step hands what it finds to the steps
//! behind it. An error of a step is *soft*: predicates make it "unknown", and
//! `silent` makes it the end of the search.

mod calls;
mod compare;
mod method;
mod moment;
mod operator;
mod place;
mod predicate;
mod walk;

use crate::error::SqlError;
use crate::types::json::Json;
use crate::types::jsonpath::JsonPath;

pub(super) use calls::OVERLOADS;
use moment::ZonedMoment;
use place::Base;

/// Something a path finds.
#[derive(Debug, Clone)]
enum Value {
    Json(Json),
    Moment(ZonedMoment),
}

/// Something that is looked at.
#[derive(Debug, Clone, Copy)]
enum Item<'a> {
    Json(&'a Json),
    Moment(&'a ZonedMoment),
}

impl Item<'_> {
    fn owned(self) -> Value {
        match self {
            Item::Json(json) => Value::Json(json.clone()),
            Item::Moment(moment) => Value::Moment(*moment),
        }
    }
}

impl<'a> Item<'a> {
    fn json(self) -> Option<&'a Json> {
        match self {
            Item::Json(json) => Some(json),
            Item::Moment(_) => None,
        }
    }

    fn elements(self) -> Option<&'a [Json]> {
        match self {
            Item::Json(Json::Array(items)) => Some(items),
            _ => None,
        }
    }
}

/// Why a search ended.
#[derive(Debug)]
enum Fault {
    /// May be suppressed.
    Soft(Box<SqlError>),
    /// Ends the statement.
    Hard(Box<SqlError>),
}

impl Fault {
    fn soft(sqlstate: &'static str, message: impl Into<String>) -> Fault {
        Fault::Soft(Box::new(SqlError::new(sqlstate, message)))
    }

    fn hard(error: SqlError) -> Fault {
        Fault::Hard(Box::new(error))
    }

    fn error(self) -> SqlError {
        match self {
            Fault::Soft(error) | Fault::Hard(error) => *error,
        }
    }
}

/// Whether anything was found.
type Outcome = Result<bool, Fault>;
/// Where what is found goes; `None` when only whether matters.
type Found<'a> = Option<&'a mut Vec<Value>>;

/// What a path is evaluated with.
struct Search<'a> {
    path: &'a JsonPath,
    vars: Option<&'a Json>,
    /// Whether dates and times are converted with the session's time zone.
    with_zone: bool,
    zone: crate::types::TimeZone,
    root: &'a Json,
    /// How many objects `keyvalue()` has made.
    made: i64,
    /// How deep the walk is.
    depth: usize,
}

/// What depends on where in the path we are.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// `@`
    current: Item<'a>,
    /// What ids of `keyvalue()` count from.
    base: Base<'a>,
    /// Length of the array around a subscript.
    length: Option<usize>,
    /// Whether missing members and elements are no errors.
    forgiving: bool,
}
