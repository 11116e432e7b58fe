//! The target of ON CONFLICT, of which sqlparser reads only names of columns.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::SqlError;

/// Refuses a target that is more than columns.
///
/// # Errors
/// 0A000 for expressions, collations, operator classes and conditions.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let meaningful: Vec<&Token> = tokens
        .iter()
        .map(|t| &t.token)
        .filter(|t| !matches!(t, Token::Whitespace(_)))
        .collect();
    let found = meaningful.windows(3).position(|three| {
        matches!(three, [on, conflict, Token::LParen]
            if is(on, Keyword::ON) && is(conflict, Keyword::CONFLICT))
    });
    let Some(at) = found else {
        return Ok(());
    };
    let rest = meaningful.get(at + 3..).unwrap_or_default();
    let mut name_expected = true;
    for (at, token) in rest.iter().enumerate() {
        match token {
            Token::Word(_) if name_expected => name_expected = false,
            Token::Comma if !name_expected => name_expected = true,
            Token::RParen if !name_expected => {
                return match rest.get(at + 1) {
                    Some(next) if is(next, Keyword::WHERE) => Err(SqlError::unsupported(
                        "ON CONFLICT with a WHERE in its target",
                    )),
                    _ => Ok(()),
                };
            }
            Token::Comma | Token::RParen | Token::EOF => return Ok(()),
            _ => {
                return Err(SqlError::unsupported(
                    "ON CONFLICT with more than columns as its target",
                ));
            }
        }
    }
    Ok(())
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}
