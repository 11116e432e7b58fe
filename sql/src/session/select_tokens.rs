//! Spellings of SELECT that sqlparser's grammar lacks, as ones that it has.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Rewrites the tokens of a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    super::between_tokens::adapt(tokens);
    super::frame_tokens::adapt(tokens);
    super::grouping_tokens::adapt(tokens);
    super::interval_tokens::adapt(tokens);
    super::typed_strings::adapt(tokens);
    let places: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)))
        .map(|(place, _)| place)
        .collect();
    let mut gone = Vec::new();
    for (number, &place) in places.iter().enumerate() {
        let at = |ahead: usize| places.get(number + ahead).copied();
        order_using(tokens, place, at(1));
        named_call(tokens, [Some(place), at(1), at(2)]);
        rows_from(tokens, [Some(place), at(1), at(2)]);
        gone.extend(cast_collation(tokens, [Some(place), at(1), at(2), at(3)]));
    }
    for place in gone {
        if let Some(token) = tokens.get_mut(place) {
            token.token = Token::Whitespace(sqlparser::tokenizer::Whitespace::Space);
        }
    }
}

/// A call by its schema of a function whose name is a keyword, as in
/// `pg_catalog.current_user()`: there the name is quoted, so that it is one.
fn named_call(tokens: &mut [TokenWithSpan], places: [Option<usize>; 3]) {
    let token = |place: Option<usize>| tokens.get(place?).map(|t| &t.token);
    let is_call =
        token(places[0]) == Some(&Token::Period) && token(places[2]) == Some(&Token::LParen);
    if let (true, Some(Token::Word(word))) = (is_call, token(places[1]))
        && word.quote_style.is_none()
        && word.keyword != Keyword::NoKeyword
        && let Some(name) = places[1].and_then(|place| tokens.get_mut(place))
        && let Token::Word(word) = &mut name.token
    {
        word.value = word.value.to_lowercase();
        word.quote_style = Some('"');
        word.keyword = Keyword::NoKeyword;
    }
}

/// The collation after `::text`, which sqlparser does not take there, where it is the
/// one that all text has.
fn cast_collation(tokens: &[TokenWithSpan], places: [Option<usize>; 4]) -> Vec<usize> {
    let [colons, ty, collate, name] = places;
    let cast = matches!(token(tokens, colons), Some(Token::DoubleColon))
        && matches!(token(tokens, ty), Some(Token::Word(_)));
    let usual = matches!(token(tokens, name), Some(Token::Word(word))
        if matches!(word.value.as_str(), "C" | "POSIX" | "default"));
    if cast && usual && is_word(token(tokens, collate), "collate") {
        return [collate, name].into_iter().flatten().collect();
    }
    Vec::new()
}

fn token(tokens: &[TokenWithSpan], place: Option<usize>) -> Option<&Token> {
    place
        .and_then(|place| tokens.get(place))
        .map(|token| &token.token)
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn put(tokens: &mut [TokenWithSpan], place: Option<usize>, new: Token) {
    if let Some(token) = place.and_then(|place| tokens.get_mut(place)) {
        token.token = new;
    }
}

/// What `ROWS FROM` becomes: the name of a function.
pub(crate) const ROWS_FROM: &str = "\u{1f}rows from";

/// `ROWS FROM (f(x), …)` as a call.
fn rows_from(tokens: &mut [TokenWithSpan], places: [Option<usize>; 3]) {
    let [rows, from, open] = places;
    if !is_word(token(tokens, rows), "rows")
        || !is_word(token(tokens, from), "from")
        || token(tokens, open) != Some(&Token::LParen)
    {
        return;
    }
    put(
        tokens,
        rows,
        Token::Word(Word {
            value: ROWS_FROM.to_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        }),
    );
    let space = Token::Whitespace(sqlparser::tokenizer::Whitespace::Space);
    put(tokens, from, space);
}

/// `ORDER BY x USING >` sorts downwards.
fn order_using(tokens: &mut [TokenWithSpan], place: usize, next: Option<usize>) {
    if !is_word(token(tokens, Some(place)), "using") {
        return;
    }
    let order = match token(tokens, next) {
        Some(Token::Lt) => "ASC",
        Some(Token::Gt) => "DESC",
        _ => return,
    };
    put(tokens, Some(place), Token::make_keyword(order));
    let space = Token::Whitespace(sqlparser::tokenizer::Whitespace::Space);
    put(tokens, next, space);
}
