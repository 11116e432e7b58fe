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

/// First words of the statements that have one of those inside.
const OUTER: &[Keyword] = &[
    Keyword::EXPLAIN,
    Keyword::PREPARE,
    Keyword::DECLARE,
    Keyword::CREATE,
];

/// Rewrites the strings of a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let Some(mut place) = start(tokens) else {
        return;
    };
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

/// Where the statement begins whose strings are rewritten.
fn start(tokens: &[TokenWithSpan]) -> Option<usize> {
    let one_of = |token: &TokenWithSpan, words: &[Keyword]| {
        let mut words = words.iter();
        words.any(|word| is_word(token, *word))
    };
    let first = tokens.iter().position(is_meaningful)?;
    let token = tokens.get(first)?;
    if one_of(token, FIRST) {
        return Some(first);
    }
    if !one_of(token, OUTER) {
        return None;
    }
    // WITH is also before the options of what is created.
    let inner = match is_word(token, Keyword::CREATE) {
        true => &[Keyword::SELECT, Keyword::VALUES],
        false => FIRST,
    };
    tokens.iter().position(|token| one_of(token, inner))
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
    // The text of a view is cut out of the statement by these.
    let span = name.span.union(&string.span);
    let cast = cast.map(|token| TokenWithSpan { token, span });
    Some((end, cast.to_vec()))
}
