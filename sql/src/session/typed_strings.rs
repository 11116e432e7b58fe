//! `mood 'happy'`: a string of a type that sqlparser does not know by its name, as a
//! cast.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{is_meaningful, is_word};

/// First words of the statements whose strings may have a type's name before them.
/// Others have clauses that are named by words of their own.
const FIRST: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::INSERT,
    Keyword::UPDATE,
    Keyword::DELETE,
    Keyword::MERGE,
    Keyword::VALUES,
    Keyword::WITH,
];

/// Rewrites the strings of a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let first = tokens.iter().find(|token| is_meaningful(token));
    if !first.is_some_and(|token| FIRST.iter().any(|word| is_word(token, *word))) {
        return;
    }
    let mut place = 0;
    while place < tokens.len() {
        if let Some((end, cast)) = typed_string(tokens, place) {
            let length = cast.len();
            tokens.splice(place..=end, cast);
            place += length;
        } else {
            place += 1;
        }
    }
}

/// The cast that a name and the string behind it are, and the place of the string.
fn typed_string(tokens: &[TokenWithSpan], place: usize) -> Option<(usize, Vec<TokenWithSpan>)> {
    let name = tokens.get(place)?;
    match &name.token {
        Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
        _ => return None,
    }
    // The last part of a longer name: types of other schemas are cast to.
    let before = tokens
        .get(..place)?
        .iter()
        .rfind(|token| is_meaningful(token))?;
    if matches!(before.token, Token::Period) || is_word(before, Keyword::AS) {
        return None;
    }
    let behind = tokens.iter().enumerate().skip(place + 1);
    let (end, string) = behind.into_iter().find(|(_, token)| is_meaningful(token))?;
    let literal = matches!(
        string.token,
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
    );
    if !literal {
        return None;
    }
    let cast = [
        Token::make_keyword("CAST"),
        Token::LParen,
        string.token.clone(),
        Token::make_keyword("AS"),
        name.token.clone(),
        Token::RParen,
    ];
    let span = name.span;
    let cast = cast.map(|token| TokenWithSpan { token, span });
    Some((end, cast.to_vec()))
}
