//! The grammar of CREATE, ALTER and DROP FUNCTION.

use sqlparser::ast::DataType;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Word};

use super::super::ObjectCommand;
use super::super::function::{
    CreateFunction, FunctionChange, FunctionCommand, FunctionName, FunctionOption, Returns,
    WrittenParameter,
};
use super::{Fault, Reader};
use crate::catalog::{FunctionBody, FunctionVolatility, ParameterMode};
use crate::error::SqlError;

/// The next token, if it is an unquoted word.
fn next_word(r: &Reader<'_>, n: usize) -> Option<Word> {
    match r.parser.peek_nth_token(n).token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// Whether these words come next; they are then read.
fn says(r: &mut Reader<'_>, words: &[&str]) -> bool {
    let all = words
        .iter()
        .enumerate()
        .all(|(n, text)| next_word(r, n).is_some_and(|word| word.value.eq_ignore_ascii_case(text)));
    if all {
        for _ in words {
            r.parser.next_token();
        }
    }
    all
}

/// Reads what follows CREATE [OR REPLACE] FUNCTION.
pub(super) fn create(r: &mut Reader<'_>, or_replace: bool) -> Result<ObjectCommand, Fault> {
    let name = r.name()?;
    let parameters = parameters(r)?;
    let mut create = CreateFunction {
        or_replace,
        name,
        parameters,
        returns: None,
        language: None,
        body: None,
        options: Vec::new(),
    };
    if says(r, &["returns"]) {
        create.returns = Some(returns(r)?);
    }
    loop {
        if says(r, &["language"]) {
            let language = match r.parser.peek_token().token {
                Token::SingleQuotedString(_) => r.parser.parse_literal_string()?,
                _ => crate::catalog::fold_identifier(&r.ident()?),
            };
            create.language = Some(language.to_lowercase());
        } else if says(r, &["as"]) {
            let text = string(r)?;
            if r.parser.consume_token(&Token::Comma) {
                string(r)?;
            }
            create.body = Some(FunctionBody::Text(text));
        } else if says(r, &["return"]) {
            let expr = r.parser.parse_expr()?;
            create.body = Some(FunctionBody::Return(expr.to_string()));
        } else if says(r, &["begin", "atomic"]) {
            create.body = Some(atomic(r)?);
        } else if let Some(option) = option(r)? {
            create.options.push(option);
        } else {
            break;
        }
    }
    let command = FunctionCommand::Create(Box::new(create));
    Ok(ObjectCommand::Function(command))
}

/// A string, with quotes or dollars around it.
fn string(r: &mut Reader<'_>) -> Result<String, Fault> {
    let next = r.parser.peek_token();
    let text = match next.token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text,
        Token::DollarQuotedString(text) => text.value,
        _ => return Err(r.unexpected()),
    };
    r.parser.next_token();
    Ok(text)
}

fn parameters(r: &mut Reader<'_>) -> Result<Vec<WrittenParameter>, Fault> {
    r.parser.expect_token(&Token::LParen)?;
    let mut all = Vec::new();
    if r.parser.consume_token(&Token::RParen) {
        return Ok(all);
    }
    loop {
        all.push(parameter(r)?);
        if !r.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    r.parser.expect_token(&Token::RParen)?;
    Ok(all)
}

fn mode(r: &mut Reader<'_>) -> Option<ParameterMode> {
    let modes = [
        ("in", ParameterMode::In),
        ("out", ParameterMode::Out),
        ("inout", ParameterMode::InOut),
        ("variadic", ParameterMode::Variadic),
    ];
    for (word, mode) in modes {
        if says(r, &[word]) {
            if mode == ParameterMode::In && says(r, &["out"]) {
                return Some(ParameterMode::InOut);
            }
            return Some(mode);
        }
    }
    None
}

fn parameter(r: &mut Reader<'_>) -> Result<WrittenParameter, Fault> {
    let before = mode(r);
    let name = match begins_with_name(r) {
        true => Some(r.ident()?),
        false => None,
    };
    // The mode may also follow the name.
    let mode = before.or_else(|| match name {
        Some(_) => mode(r),
        None => None,
    });
    let data_type = data_type(r)?;
    let default = if says(r, &["default"]) || r.parser.consume_token(&Token::Eq) {
        Some(r.parser.parse_expr()?)
    } else {
        None
    };
    Ok(WrittenParameter {
        name,
        mode: mode.unwrap_or(ParameterMode::In),
        data_type,
        default,
    })
}

/// Whether a name comes before the type.
fn begins_with_name(r: &Reader<'_>) -> bool {
    let Token::Word(first) = r.parser.peek_nth_token(0).token else {
        return false;
    };
    let Token::Word(second) = r.parser.peek_nth_token(1).token else {
        return false;
    };
    if second.keyword == Keyword::DEFAULT {
        return false;
    }
    let pair = (
        first.value.to_ascii_lowercase(),
        second.value.to_ascii_lowercase(),
    );
    first.quote_style.is_some()
        || !matches!(
            (pair.0.as_str(), pair.1.as_str()),
            ("double", "precision")
                | ("character" | "char" | "bit" | "nchar", "varying")
                | ("time" | "timestamp", "with" | "without")
                | ("national", "character" | "char")
        )
}

fn data_type(r: &mut Reader<'_>) -> Result<DataType, Fault> {
    let data_type = r.parser.parse_data_type()?;
    if r.parser.peek_token().token == Token::Mod {
        return Err(SqlError::unsupported("%TYPE").into());
    }
    Ok(data_type)
}

fn returns(r: &mut Reader<'_>) -> Result<Returns, Fault> {
    if says(r, &["table"]) {
        r.parser.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let name = r.ident()?;
            columns.push((name, data_type(r)?));
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.parser.expect_token(&Token::RParen)?;
        return Ok(Returns::Table(columns));
    }
    let set = says(r, &["setof"]);
    Ok(Returns::Type(data_type(r)?, set))
}

/// The statements up to END.
fn atomic(r: &mut Reader<'_>) -> Result<FunctionBody, Fault> {
    let mut statements = Vec::new();
    loop {
        if says(r, &["end"]) {
            return Ok(FunctionBody::Atomic(statements));
        }
        let start = r.offset();
        let mut depth = 0usize;
        loop {
            match r.parser.next_token().token {
                Token::EOF => return Err(r.unexpected()),
                Token::SemiColon if depth == 0 => break,
                Token::Word(word) if word.keyword == Keyword::CASE => depth += 1,
                Token::Word(word) if word.keyword == Keyword::END => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
        }
        let end = r.end();
        let text = r.sql.get(start..end).unwrap_or_default();
        statements.push(text.trim_end_matches(';').trim().to_owned());
    }
}

/// One of the words after a function, unless it is one about its body.
fn option(r: &mut Reader<'_>) -> Result<Option<FunctionOption>, Fault> {
    let volatility = [
        ("immutable", FunctionVolatility::Immutable),
        ("stable", FunctionVolatility::Stable),
        ("volatile", FunctionVolatility::Volatile),
    ];
    for (word, volatility) in volatility {
        if says(r, &[word]) {
            return Ok(Some(FunctionOption::Volatility(volatility)));
        }
    }
    Ok(Some(
        if says(r, &["strict"]) || says(r, &["returns", "null", "on", "null", "input"]) {
            FunctionOption::Strict(true)
        } else if says(r, &["called", "on", "null", "input"]) {
            FunctionOption::Strict(false)
        } else if says(r, &["leakproof"]) {
            FunctionOption::Leakproof(true)
        } else if says(r, &["not", "leakproof"]) {
            FunctionOption::Leakproof(false)
        } else if says(r, &["external", "security", "invoker"]) || says(r, &["security", "invoker"])
        {
            FunctionOption::Invoker
        } else if says(r, &["external", "security", "definer"]) || says(r, &["security", "definer"])
        {
            return Err(SqlError::unsupported("SECURITY DEFINER").into());
        } else if says(r, &["parallel"]) {
            let word = crate::catalog::fold_identifier(&r.ident()?);
            FunctionOption::Parallel(word)
        } else if says(r, &["cost"]) {
            FunctionOption::Cost(r.parser.parse_number_value()?.to_string())
        } else if says(r, &["rows"]) {
            FunctionOption::Rows(r.parser.parse_number_value()?.to_string())
        } else if says(r, &["window"]) {
            return Err(SqlError::unsupported("window functions of users").into());
        } else if says(r, &["support"]) {
            return Err(SqlError::unsupported("SUPPORT of a function").into());
        } else if says(r, &["transform"]) {
            return Err(SqlError::unsupported("TRANSFORM of a function").into());
        } else if says(r, &["set"]) || says(r, &["reset"]) {
            return Err(SqlError::unsupported("settings of a function").into());
        } else {
            return Ok(None);
        },
    ))
}

/// A function with or without the types of its arguments.
fn function_name(r: &mut Reader<'_>) -> Result<FunctionName, Fault> {
    let name = r.name()?;
    let arguments = match r.parser.peek_token().token {
        Token::LParen => Some(parameters(r)?),
        _ => None,
    };
    Ok(FunctionName { name, arguments })
}

/// Reads what follows ALTER FUNCTION.
pub(super) fn alter(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let name = function_name(r)?;
    let change = if r.words(&[Keyword::RENAME, Keyword::TO]) {
        FunctionChange::Rename(r.ident()?)
    } else if r.words(&[Keyword::SET, Keyword::SCHEMA]) {
        FunctionChange::SetSchema(r.ident()?)
    } else if r.words(&[Keyword::OWNER, Keyword::TO]) {
        FunctionChange::Owner(r.ident()?)
    } else {
        let mut options = Vec::new();
        while let Some(option) = option(r)? {
            options.push(option);
        }
        if options.is_empty() {
            return Err(r.unexpected());
        }
        r.words(&[Keyword::RESTRICT]);
        FunctionChange::Options(options)
    };
    let command = FunctionCommand::Alter(Box::new((name, change)));
    Ok(ObjectCommand::Function(command))
}

/// Reads what follows DROP FUNCTION.
pub(super) fn drop(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
    let mut names = Vec::new();
    loop {
        names.push(function_name(r)?);
        if !r.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    let cascade = r.words(&[Keyword::CASCADE]);
    if !cascade {
        r.words(&[Keyword::RESTRICT]);
    }
    Ok(ObjectCommand::Function(FunctionCommand::Drop {
        names,
        if_exists,
        cascade,
    }))
}
