//! `UPDATE … SET a[1] = x`, which sqlparser has no grammar for.
//!
//! Before parsing, the tokens of the assigned element become one name with the
//! subscripts in it; afterwards the assignment of an element becomes one of the
//! whole array, with the element changed.

use std::collections::HashMap;

use sqlparser::ast::{
    AccessExpr, Assignment, AssignmentTarget, Expr, Ident, ObjectName, ObjectNamePart, Statement,
    Subscript, TableFactor, Update,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::element_assignment;

/// Stands between a column's name and its subscripts; no SQL text has it.
const MARK: char = '\u{1f}';

/// Makes one name of each assigned element of an UPDATE or INSERT.
pub(super) fn join_elements(tokens: &mut Vec<TokenWithSpan>) {
    let first = tokens
        .iter()
        .find(|t| !matches!(t.token, Token::Whitespace(_)))
        .and_then(|t| match &t.token {
            Token::Word(word) => Some(word.keyword),
            _ => None,
        });
    match first {
        Some(Keyword::UPDATE) => join_in_update(tokens),
        Some(Keyword::INSERT) => join_in_insert(tokens),
        _ => {}
    }
}

/// In the first parentheses of an INSERT, when they stand before the values.
fn join_in_insert(tokens: &mut Vec<TokenWithSpan>) {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut depth = 0i32;
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        let ends = match &token.token {
            Token::LParen => {
                depth += 1;
                false
            }
            Token::RParen => true,
            Token::Word(word) => {
                depth == 0
                    && matches!(
                        word.keyword,
                        Keyword::VALUES | Keyword::SELECT | Keyword::DEFAULT
                    )
            }
            _ => false,
        };
        if ends {
            break;
        }
        if depth == 1
            && let Token::Word(word) = &token.token
            && let Some((subscripts, remaining)) = subscripts_after(after)
        {
            out.push(joined(token, word, &subscripts));
            rest = remaining;
            continue;
        }
        out.push(token.clone());
        rest = after;
    }
    out.extend_from_slice(rest);
    *tokens = out;
}

/// A name with subscripts as one token.
fn joined(token: &TokenWithSpan, word: &Word, subscripts: &str) -> TokenWithSpan {
    let mut joined = token.clone();
    joined.token = Token::Word(Word {
        value: format!("{}{MARK}{subscripts}", name_of(word)),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    });
    joined
}

/// Before the equals signs of an UPDATE.
fn join_in_update(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: &Token, keyword| matches!(token, Token::Word(w) if w.keyword == keyword);
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let (mut depth, mut in_set, mut at_target) = (0i32, false, false);
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth -= 1,
            word if depth == 0 && !in_set && is(word, Keyword::SET) => {
                (in_set, at_target) = (true, true);
                out.push(token.clone());
                rest = after;
                continue;
            }
            Token::Comma if depth == 0 && in_set => {
                at_target = true;
                out.push(token.clone());
                rest = after;
                continue;
            }
            word if depth == 0
                && [Keyword::WHERE, Keyword::FROM, Keyword::RETURNING]
                    .iter()
                    .any(|keyword| is(word, *keyword)) =>
            {
                in_set = false;
            }
            Token::Word(word) if at_target && in_set && depth == 0 => {
                at_target = false;
                if let Some((subscripts, remaining)) = subscripts_after(after) {
                    out.push(joined(token, word, &subscripts));
                    rest = remaining;
                    continue;
                }
            }
            Token::Whitespace(_) => {}
            _ => at_target = false,
        }
        out.push(token.clone());
        rest = after;
    }
    *tokens = out;
}

fn name_of(word: &Word) -> String {
    match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_lowercase(),
    }
}

/// The text of the brackets that follow, if any, and what comes after them.
fn subscripts_after(tokens: &[TokenWithSpan]) -> Option<(String, &[TokenWithSpan])> {
    let mut text = String::new();
    let mut depth = 0i32;
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LBracket => depth += 1,
            Token::RBracket => depth -= 1,
            Token::Whitespace(_) => continue,
            _ if depth == 0 => {
                // Blanks alone are no subscripts.
                let any = text.contains('[');
                return any.then(|| (text, tokens.get(index..).unwrap_or_default()));
            }
            _ => {}
        }
        text.push_str(&token.token.to_string());
    }
    None
}

/// Makes assignments of elements assignments of their arrays.
///
/// # Errors
/// 42601 for subscripts that are none, 0A000 for DEFAULT.
pub(super) fn whole_arrays(statement: &mut Statement) -> Result<(), SqlError> {
    let Statement::Update(update) = statement else {
        return Ok(());
    };
    let marked = |assignment: &Assignment| matches!(&assignment.target, AssignmentTarget::ColumnName(name) if element(name).is_some());
    if !update.assignments.iter().any(marked) {
        return Ok(());
    }
    let table = table_of(update);
    let mut merged: Vec<Assignment> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for assignment in std::mem::take(&mut update.assignments) {
        let found = match &assignment.target {
            AssignmentTarget::ColumnName(name) => element(name),
            AssignmentTarget::Tuple(_) => None,
        };
        let Some((column, subscripts)) = found else {
            merged.push(assignment);
            continue;
        };
        refuse_default(&assignment.value)?;
        let own = Ident::with_quote('"', column.clone());
        let before = match places.get(&column).and_then(|at| merged.get(*at)) {
            Some(earlier) => earlier.value.clone(),
            None => Expr::CompoundIdentifier(table.iter().cloned().chain([own.clone()]).collect()),
        };
        let value = element_assignment(before, parsed(&subscripts)?, assignment.value)?;
        let target = ObjectName(vec![ObjectNamePart::Identifier(own)]);
        let whole = Assignment {
            target: AssignmentTarget::ColumnName(target),
            value,
        };
        match places.get(&column).and_then(|at| merged.get_mut(*at)) {
            Some(earlier) => *earlier = whole,
            None => {
                places.insert(column, merged.len());
                merged.push(whole);
            }
        }
    }
    update.assignments = merged;
    Ok(())
}

/// The column and the subscripts that a column of an INSERT names; `None` for a
/// whole column.
pub(crate) fn assigned_element(
    name: &ObjectName,
) -> Option<(String, Result<Vec<Subscript>, SqlError>)> {
    let (column, subscripts) = element(name)?;
    Some((column, parsed(&subscripts)))
}

/// What the columns of the changed table are qualified by.
fn table_of(update: &Update) -> Vec<Ident> {
    match &update.table.relation {
        TableFactor::Table {
            alias: Some(alias), ..
        } => vec![alias.name.clone()],
        TableFactor::Table { name, .. } => match name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => vec![ident.clone()],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The column and the subscripts of a marked name.
fn element(name: &ObjectName) -> Option<(String, String)> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return None;
    };
    let folded = fold_identifier(ident);
    let (column, subscripts) = folded.split_once(MARK)?;
    Some((column.to_owned(), subscripts.to_owned()))
}

fn parsed(subscripts: &str) -> Result<Vec<Subscript>, SqlError> {
    let wrong = || SqlError::new(state::SYNTAX_ERROR, "syntax error in array subscripts");
    let Expr::CompoundFieldAccess { access_chain, .. } =
        super::parse::parse_expression(&format!("x{subscripts}"))?
    else {
        return Err(wrong());
    };
    access_chain
        .into_iter()
        .map(|access| match access {
            AccessExpr::Subscript(subscript) => Ok(subscript),
            AccessExpr::Dot(_) => Err(wrong()),
        })
        .collect()
}

fn refuse_default(value: &Expr) -> Result<(), SqlError> {
    let is_default = match value {
        Expr::Identifier(ident) => {
            ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
        }
        _ => false,
    };
    if is_default {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "cannot set an array element to DEFAULT",
        ));
    }
    Ok(())
}
