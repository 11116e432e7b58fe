//! BETWEEN SYMMETRIC, which sqlparser has no grammar for: the first bound carries a
//! mark, a prefix operator that PostgreSQL no longer has.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{is_meaningful, is_word};

/// Writes SYMMETRIC as the mark, and leaves ASYMMETRIC out.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let mut after_between = false;
    tokens.retain_mut(|token| {
        if !is_meaningful(token) {
            return true;
        }
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.as_str(),
            _ => "",
        };
        let kept = !(after_between && word.eq_ignore_ascii_case("asymmetric"));
        if after_between && word.eq_ignore_ascii_case("symmetric") {
            token.token = Token::DoubleExclamationMark;
        }
        after_between = is_word(token, Keyword::BETWEEN);
        kept
    });
}
