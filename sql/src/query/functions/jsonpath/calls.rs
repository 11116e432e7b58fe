//! The functions and operators that take a path.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::args::{BOOL, JSONB, at, mismatch};
use super::super::overload::{Arg, Call, Evaluate, Overload};
use super::place::Base;
use super::{Fault, Item, Scope, Search, Value};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::Json;
use crate::types::jsonpath::JsonPath;
use crate::types::{ArrayValue, Datum, PgType};

const PATH: Arg = Arg::Is(PgType::Jsonpath);
const JSONBS: PgType = PgType::Array(&PgType::Jsonb);

/// A function with its optional arguments.
const fn forms(name: &'static str, gives: PgType, evaluate: Evaluate) -> [Overload; 3] {
    [
        Overload::new(name, &[JSONB, PATH], gives, evaluate).stable(),
        Overload::new(name, &[JSONB, PATH, JSONB], gives, evaluate).stable(),
        Overload::new(name, &[JSONB, PATH, JSONB, BOOL], gives, evaluate).stable(),
    ]
}

const EXISTS: [Overload; 3] = forms("jsonb_path_exists", PgType::Bool, |c, a| {
    exists(c, a, false)
});
const EXISTS_TZ: [Overload; 3] = forms("jsonb_path_exists_tz", PgType::Bool, |c, a| {
    exists(c, a, true)
});
const MATCH: [Overload; 3] = forms("jsonb_path_match", PgType::Bool, |c, a| {
    matches(c, a, false)
});
const MATCH_TZ: [Overload; 3] = forms("jsonb_path_match_tz", PgType::Bool, |c, a| {
    matches(c, a, true)
});
const ROWS: [Overload; 3] = forms("__jsonb_path_query", JSONBS, |c, a| rows(c, a, false));
const ROWS_TZ: [Overload; 3] = forms("__jsonb_path_query_tz", JSONBS, |c, a| rows(c, a, true));
const ARRAY: [Overload; 3] = forms("jsonb_path_query_array", PgType::Jsonb, |c, a| {
    array(c, a, false)
});
const ARRAY_TZ: [Overload; 3] = forms("jsonb_path_query_array_tz", PgType::Jsonb, |c, a| {
    array(c, a, true)
});
const FIRST: [Overload; 3] = forms("jsonb_path_query_first", PgType::Jsonb, |c, a| {
    first(c, a, false)
});
const FIRST_TZ: [Overload; 3] = forms("jsonb_path_query_first_tz", PgType::Jsonb, |c, a| {
    first(c, a, true)
});

/// The functions and operators.
pub(in super::super) static OVERLOADS: &[&[Overload]] = &[
    &EXISTS,
    &EXISTS_TZ,
    &MATCH,
    &MATCH_TZ,
    &ROWS,
    &ROWS_TZ,
    &ARRAY,
    &ARRAY_TZ,
    &FIRST,
    &FIRST_TZ,
    &[
        Overload::new("@?", &[JSONB, PATH], PgType::Bool, |c, a| {
            silently(c, a, exists)
        }),
        Overload::new("@@", &[JSONB, PATH], PgType::Bool, |c, a| {
            silently(c, a, matches)
        }),
        Overload::new(
            "jsonb_path_exists_opr",
            &[JSONB, PATH],
            PgType::Bool,
            |c, a| silently(c, a, exists),
        ),
        Overload::new(
            "jsonb_path_match_opr",
            &[JSONB, PATH],
            PgType::Bool,
            |c, a| silently(c, a, matches),
        ),
    ],
];

/// The function of an operator, which suppresses errors.
fn silently(
    call: &Call<'_>,
    args: &[Datum],
    function: fn(&Call<'_>, &[Datum], bool) -> SqlResult<Datum>,
) -> SqlResult<Datum> {
    let args = [
        at(args, 0).clone(),
        at(args, 1).clone(),
        Datum::Jsonb("{}".to_owned()),
        Datum::Bool(true),
    ];
    function(call, &args, false)
}

/// The path of a text, which is mostly that of the row before.
fn path_of(text: &str) -> SqlResult<Arc<JsonPath>> {
    thread_local! {
        static LAST: RefCell<Option<(String, Arc<JsonPath>)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((own, path)) if own == text => Ok(Arc::clone(path)),
        _ => {
            let path = Arc::new(JsonPath::parse(text)?);
            *last = Some((text.to_owned(), Arc::clone(&path)));
            Ok(path)
        }
    })
}

/// What a search answers.
struct Answer {
    /// Whether there is anything; `None` after an error that was suppressed.
    any: Option<bool>,
    found: Vec<Value>,
    silent: bool,
}

/// Searches; `gather` when what is found matters, not only whether.
fn search(call: &Call<'_>, args: &[Datum], with_zone: bool, gather: bool) -> SqlResult<Answer> {
    let Datum::Jsonpath(text) = at(args, 1) else {
        return Err(mismatch());
    };
    let path = path_of(text)?;
    let document = Json::parse(super::super::json::text(at(args, 0)))?;
    let vars = match at(args, 2).as_str() {
        Some(vars) => Some(Json::parse(vars)?),
        None => None,
    };
    if vars.as_ref().is_some_and(|v| !matches!(v, Json::Object(_))) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "\"vars\" argument is not an object",
        )
        .detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object."));
    }
    let silent = at(args, 3).as_bool() == Some(true);
    let mut run = Search {
        path: &path,
        vars: vars.as_ref(),
        with_zone,
        zone: call.format.time_zone,
        root: &document,
        // Two documents have numbers already: the root and the variables.
        made: 2,
        depth: 0,
    };
    let scope = Scope {
        current: Item::Json(&document),
        base: Base {
            document: &document,
            number: 0,
        },
        length: None,
        forgiving: path.lax,
    };
    let mut found = Vec::new();
    // In strict mode all of it must be without error.
    let into = (gather || !path.lax).then_some(&mut found);
    let outcome = run.path(&path.root, Item::Json(&document), scope, into);
    let any = match outcome {
        Ok(any) if path.lax && !gather => Some(any),
        Ok(_) => Some(!found.is_empty()),
        Err(Fault::Soft(_)) if silent => None,
        Err(fault) => return Err(fault.error()),
    };
    Ok(Answer { any, found, silent })
}

fn exists(call: &Call<'_>, args: &[Datum], with_zone: bool) -> SqlResult<Datum> {
    let answer = search(call, args, with_zone, false)?;
    Ok(answer.any.map_or(Datum::Null, Datum::Bool))
}

fn matches(call: &Call<'_>, args: &[Datum], with_zone: bool) -> SqlResult<Datum> {
    let answer = search(call, args, with_zone, true)?;
    match answer.found.as_slice() {
        [Value::Json(Json::Bool(value))] => return Ok(Datum::Bool(*value)),
        [Value::Json(Json::Null)] => return Ok(Datum::Null),
        _ => {}
    }
    if answer.silent {
        return Ok(Datum::Null);
    }
    Err(SqlError::new(
        state::SINGLETON_SQL_JSON_ITEM_REQUIRED,
        "single boolean result is expected",
    ))
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Json(json) => json,
        Value::Moment(moment) => Json::String(moment.text()),
    }
}

fn jsonb(value: Value) -> Datum {
    super::super::json::written(&json_of(value))
}

fn rows(call: &Call<'_>, args: &[Datum], with_zone: bool) -> SqlResult<Datum> {
    let answer = search(call, args, with_zone, true)?;
    let values = answer.found.into_iter().map(jsonb).collect();
    Ok(ArrayValue::list(PgType::Jsonb, values).datum())
}

fn array(call: &Call<'_>, args: &[Datum], with_zone: bool) -> SqlResult<Datum> {
    let answer = search(call, args, with_zone, true)?;
    let items = answer.found.into_iter().map(json_of).collect();
    Ok(super::super::json::written(&Json::Array(items)))
}

fn first(call: &Call<'_>, args: &[Datum], with_zone: bool) -> SqlResult<Datum> {
    let answer = search(call, args, with_zone, true)?;
    Ok(answer.found.into_iter().next().map_or(Datum::Null, jsonb))
}
