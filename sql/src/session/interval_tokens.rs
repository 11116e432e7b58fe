//! `INTERVAL(2) '…'`, whose precision sqlparser reads and drops, as a cast.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{is_meaningful, is_word};

/// Rewrites the literals of a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    while let Some((start, end, literal)) = find(tokens, from) {
        from = start + literal.len();
        tokens.splice(start..=end, literal);
    }
}

/// The next such literal: its first and last token, and the cast that it is.
fn find(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, usize, Vec<TokenWithSpan>)> {
    let mut rest = tokens
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, token)| is_meaningful(token));
    while let Some((start, word)) = rest.next() {
        if !is_word(word, Keyword::INTERVAL) {
            continue;
        }
        let mut ahead = rest.clone();
        let mut next = || ahead.next().map(|(place, token)| (place, &token.token));
        let (Some((_, Token::LParen)), Some((_, digits @ Token::Number(..)))) = (next(), next())
        else {
            continue;
        };
        let (Some((_, Token::RParen)), Some((end, text))) = (next(), next()) else {
            continue;
        };
        if !matches!(
            text,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
        ) {
            continue;
        }
        let cast = [
            Token::make_keyword("CAST"),
            Token::LParen,
            text.clone(),
            Token::make_keyword("AS"),
            Token::make_keyword("INTERVAL"),
            Token::LParen,
            digits.clone(),
            Token::RParen,
            Token::RParen,
        ];
        let span = word.span;
        let spanned = cast.map(|token| TokenWithSpan { token, span });
        return Some((start, end, spanned.to_vec()));
    }
    None
}
