//! Functions that users define: their part of `pg_proc`, and what the functions
//! about functions say of them.

use super::index::array;
use super::{Facts, Row};
use crate::catalog::{
    FunctionBody, FunctionDescriptor, FunctionVolatility, Parameter, ParameterMode,
};
use crate::query::quote_ident;
use crate::types::{ArrayValue, Datum, PgType};

/// Object identifier of LANGUAGE sql.
const SQL: u32 = 14;
/// What PostgreSQL assumes a function in SQL costs, and how many rows it gives.
const COST: f32 = 100.0;
const ROWS: f32 = 1_000.0;

fn letter(mode: ParameterMode) -> &'static str {
    match mode {
        ParameterMode::In => "i",
        ParameterMode::Out => "o",
        ParameterMode::InOut => "b",
        ParameterMode::Variadic => "v",
        ParameterMode::Table => "t",
    }
}

/// The object identifier of the type that a function gives.
fn result_oid(function: &FunctionDescriptor) -> u32 {
    match function.returns {
        Some(returns) => returns.0.oid(),
        None => crate::types::oid::RECORD,
    }
}

/// The rows of `pg_proc`.
pub(super) fn pg_proc(facts: &Facts<'_>) -> Vec<Row> {
    facts.catalog.functions().map(|f| row(facts, f)).collect()
}

fn row(facts: &Facts<'_>, function: &FunctionDescriptor) -> Row {
    let inputs: Vec<&Parameter> = function.inputs().collect();
    let small = |n: usize| Datum::Int2(i16::try_from(n).unwrap_or(i16::MAX));
    let number = |text: &Option<String>, default: f32| {
        let written = text.as_ref().and_then(|t| t.parse().ok());
        Datum::Float4(written.unwrap_or(default))
    };
    let defaults = inputs.iter().filter(|p| p.default.is_some()).count();
    let variadic = inputs
        .iter()
        .find(|p| p.mode == ParameterMode::Variadic)
        .and_then(|p| p.ty.element())
        .map_or(0, PgType::oid);
    let types = inputs.iter().map(|p| Datum::Oid(p.ty.oid())).collect();
    let volatility = match function.volatility {
        FunctionVolatility::Immutable => "i",
        FunctionVolatility::Stable => "s",
        FunctionVolatility::Volatile => "v",
    };
    let parallel = match function.parallel.as_deref() {
        Some("safe") => "s",
        Some("restricted") => "r",
        _ => "u",
    };
    let source = match &function.body {
        FunctionBody::Text(text) => text.clone(),
        _ => String::new(),
    };
    let mut row = vec![
        ("oid", Datum::Oid(function.oid)),
        ("proname", Datum::text(function.name.as_str())),
        ("pronamespace", Datum::Oid(function.schema)),
        ("proowner", Datum::Oid(facts.owner(&function.owner))),
        ("prolang", Datum::Oid(SQL)),
        ("procost", number(&function.cost, COST)),
        (
            "prorows",
            number(
                &function.rows,
                if function.returns_set { ROWS } else { 0.0 },
            ),
        ),
        ("provariadic", Datum::Oid(variadic)),
        ("prokind", Datum::text("f")),
        ("proleakproof", Datum::Bool(function.leakproof)),
        ("proisstrict", Datum::Bool(function.strict)),
        ("proretset", Datum::Bool(function.returns_set)),
        ("provolatile", Datum::text(volatility)),
        ("proparallel", Datum::text(parallel)),
        ("pronargs", small(inputs.len())),
        ("pronargdefaults", small(defaults)),
        ("prorettype", Datum::Oid(result_oid(function))),
        (
            "proargtypes",
            ArrayValue::vector(PgType::Oid, types).datum(),
        ),
        ("prosrc", Datum::text(source)),
    ];
    let all = &function.parameters;
    if all.iter().any(|p| p.mode != ParameterMode::In) {
        let types = all.iter().map(|p| Datum::Oid(p.ty.oid())).collect();
        let modes = all.iter().map(|p| Datum::text(letter(p.mode))).collect();
        row.push(("proallargtypes", array(PgType::Oid, types)));
        row.push(("proargmodes", array(PgType::InternalChar, modes)));
    }
    if all.iter().any(|p| p.name.is_some()) {
        let name = |p: &Parameter| Datum::text(p.name.clone().unwrap_or_default());
        let names = all.iter().map(name).collect();
        row.push(("proargnames", array(PgType::Text, names)));
    }
    row
}

/// Parameters as SQL; with their defaults, when these are asked for.
fn written<'p>(parameters: impl Iterator<Item = &'p Parameter>, defaults: bool) -> String {
    let one = |p: &Parameter| {
        let mode = match p.mode {
            ParameterMode::In | ParameterMode::Table => "",
            ParameterMode::Out => "OUT ",
            ParameterMode::InOut => "INOUT ",
            ParameterMode::Variadic => "VARIADIC ",
        };
        let name = p.name.as_ref().map(|n| format!("{} ", quote_ident(n)));
        let default = p.default.as_ref().filter(|_| defaults);
        let default = default.map(|d| format!(" DEFAULT {d}")).unwrap_or_default();
        format!(
            "{mode}{}{}{default}",
            name.unwrap_or_default(),
            p.ty.sql_name()
        )
    };
    parameters.map(one).collect::<Vec<_>>().join(", ")
}

/// What `pg_get_function_arguments` gives.
pub(crate) fn arguments(facts: &Facts<'_>, oid: u32) -> Option<String> {
    let function = facts.catalog.function(oid)?;
    let parameters = function.parameters.iter();
    Some(written(
        parameters.filter(|p| p.mode != ParameterMode::Table),
        true,
    ))
}

/// What `pg_get_function_identity_arguments` gives.
pub(crate) fn identity_arguments(facts: &Facts<'_>, oid: u32) -> Option<String> {
    let function = facts.catalog.function(oid)?;
    let parameters = function.parameters.iter();
    Some(written(
        parameters.filter(|p| p.mode != ParameterMode::Table),
        false,
    ))
}

/// What `pg_get_function_result` gives.
pub(crate) fn result(facts: &Facts<'_>, oid: u32) -> Option<String> {
    let function = facts.catalog.function(oid)?;
    let table: Vec<&Parameter> = function
        .parameters
        .iter()
        .filter(|p| p.mode == ParameterMode::Table)
        .collect();
    if !table.is_empty() {
        return Some(format!("TABLE({})", written(table.into_iter(), false)));
    }
    let set = if function.returns_set { "SETOF " } else { "" };
    let ty = match function.returns {
        Some(returns) => returns.0.sql_name(),
        None => "record".to_owned(),
    };
    Some(format!("{set}{ty}"))
}

/// What `pg_get_functiondef` gives.
pub(crate) fn definition(facts: &Facts<'_>, oid: u32) -> Option<String> {
    let function = facts.catalog.function(oid)?;
    let mut text = format!(
        "CREATE OR REPLACE FUNCTION {}.{}({})\n RETURNS {}\n LANGUAGE sql\n",
        quote_ident(facts.schema_name(function.schema)),
        quote_ident(&function.name),
        arguments(facts, oid)?,
        result(facts, oid)?
    );
    let mut words: Vec<String> = Vec::new();
    match function.volatility {
        FunctionVolatility::Immutable => words.push("IMMUTABLE".to_owned()),
        FunctionVolatility::Stable => words.push("STABLE".to_owned()),
        FunctionVolatility::Volatile => {}
    }
    match function.parallel.as_deref() {
        Some("safe") => words.push("PARALLEL SAFE".to_owned()),
        Some("restricted") => words.push("PARALLEL RESTRICTED".to_owned()),
        _ => {}
    }
    if function.strict {
        words.push("STRICT".to_owned());
    }
    if function.leakproof {
        words.push("LEAKPROOF".to_owned());
    }
    if let Some(cost) = &function.cost {
        words.push(format!("COST {cost}"));
    }
    if let Some(rows) = &function.rows {
        words.push(format!("ROWS {rows}"));
    }
    if !words.is_empty() {
        text.push_str(&format!(" {}\n", words.join(" ")));
    }
    text.push_str(&match &function.body {
        FunctionBody::Text(body) => format!("AS $function${body}$function$\n"),
        FunctionBody::Return(expr) => format!("RETURN {expr}\n"),
        FunctionBody::Atomic(statements) => {
            let lines: Vec<String> = statements.iter().map(|s| format!(" {s};\n")).collect();
            format!("BEGIN ATOMIC\n{}END\n", lines.join(""))
        }
    });
    Some(text)
}
