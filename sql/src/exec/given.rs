//! Columns that statements must not give values for.

use sqlparser::ast::{Expr, Insert, OptimizerHint, OptimizerHintStyle, SetExpr, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::table::TableInfo;
use super::target::column;
use crate::catalog::{Column, Identity};
use crate::error::{SqlError, state};

/// Starts the note that OVERRIDING leaves in an INSERT: the parser has no place for
/// it.
const OVERRIDING: &str = "overriding";

/// Cuts OVERRIDING … VALUE out of an INSERT; says whose values win.
pub(crate) fn take_overriding(tokens: &mut Vec<TokenWithSpan>) -> Option<&'static str> {
    let places: Vec<usize> = (0..tokens.len())
        .filter(|i| {
            tokens
                .get(*i)
                .is_some_and(|t| !matches!(t.token, Token::Whitespace(_)))
        })
        .collect();
    let word = |place: usize| match tokens.get(place).map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => {
            Some(word.value.to_ascii_uppercase())
        }
        _ => None,
    };
    let is_insert = places.first().is_some_and(|first| {
        matches!(tokens.get(*first).map(|t| &t.token),
            Some(Token::Word(word)) if word.keyword == Keyword::INSERT)
    });
    if !is_insert {
        return None;
    }
    for window in places.windows(3) {
        let [first, second, third] = window else {
            continue;
        };
        if word(*first).as_deref() != Some("OVERRIDING") || word(*third).as_deref() != Some("VALUE")
        {
            continue;
        }
        let whose = match word(*second).as_deref() {
            Some("SYSTEM") => "system",
            Some("USER") => "user",
            _ => continue,
        };
        tokens.drain(*first..=*third);
        return Some(whose);
    }
    None
}

/// Notes in a parsed INSERT what [`take_overriding`] cut out.
pub(crate) fn note_overriding(statement: &mut Statement, whose: &str) {
    if let Statement::Insert(insert) = statement {
        insert.optimizer_hints.push(OptimizerHint {
            prefix: OVERRIDING.to_owned(),
            text: whose.to_owned(),
            style: OptimizerHintStyle::MultiLine,
        });
    }
}

/// Checks that an INSERT gives no values for columns that make their own.
///
/// # Errors
/// 428C9.
pub(crate) fn check_insert(
    insert: &Insert,
    table: &TableInfo,
    columns: &[u16],
) -> Result<(), SqlError> {
    let overriding = insert
        .optimizer_hints
        .iter()
        .find(|h| h.prefix == OVERRIDING);
    let overriding = overriding.map(|hint| hint.text.as_str());
    for (at, attnum) in columns.iter().enumerate() {
        let target = column(table, *attnum)?;
        if (target.generated.is_some() || makes_its_own(target, overriding))
            && gives_value(insert, at)
        {
            return Err(refused("insert", target));
        }
    }
    Ok(())
}

/// Whether OVERRIDING USER VALUE makes an identity column ignore what is given.
pub(crate) fn ignores_given(insert: &Insert, target: &Column) -> bool {
    let user = |hint: &OptimizerHint| hint.prefix == OVERRIDING && hint.text == "user";
    target.identity.is_some() && insert.optimizer_hints.iter().any(user)
}

/// Checks that a value is not given for a column that makes its own.
///
/// # Errors
/// 428C9.
pub(crate) fn check_value(target: &Column, is_default: bool) -> Result<(), SqlError> {
    if (target.generated.is_some() || makes_its_own(target, None)) && !is_default {
        return Err(refused("insert", target));
    }
    Ok(())
}

/// Checks that UPDATE sets a column to nothing but its default.
///
/// # Errors
/// 428C9.
pub(crate) fn check_assignment(target: &Column, is_default: bool) -> Result<(), SqlError> {
    let computed = target.generated.is_some() || target.identity == Some(Identity::Always);
    if computed && !is_default {
        return Err(refused("update", target));
    }
    Ok(())
}

fn makes_its_own(column: &Column, overriding: Option<&str>) -> bool {
    column.identity == Some(Identity::Always) && overriding.is_none()
}

/// Whether a source gives more than DEFAULT at a position.
fn gives_value(insert: &Insert, at: usize) -> bool {
    let Some(source) = &insert.source else {
        return false;
    };
    let SetExpr::Values(values) = source.body.as_ref() else {
        return true;
    };
    values.rows.iter().any(|row| {
        row.content.get(at).is_some_and(|expr| {
            !matches!(expr, Expr::Identifier(i)
                if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
        })
    })
}

fn refused(what: &str, column: &Column) -> SqlError {
    let name = &column.name;
    let generated = column.generated.is_some();
    let error = match what {
        "insert" => SqlError::new(
            state::GENERATED_ALWAYS,
            format!("cannot insert a non-DEFAULT value into column \"{name}\""),
        ),
        _ => SqlError::new(
            state::GENERATED_ALWAYS,
            format!("column \"{name}\" can only be updated to DEFAULT"),
        ),
    };
    if generated {
        return error.detail(format!("Column \"{name}\" is a generated column."));
    }
    let error = error.detail(format!(
        "Column \"{name}\" is an identity column defined as GENERATED ALWAYS."
    ));
    match what {
        "insert" => error.hint("Use OVERRIDING SYSTEM VALUE to override."),
        _ => error,
    }
}
