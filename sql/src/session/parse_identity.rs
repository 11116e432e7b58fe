//! The options of identity columns, which may stand in any order; sqlparser reads
//! them in one.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::is_meaningful;

/// The first words of the options, in the order in which sqlparser reads them.
const ORDER: [&str; 6] = [
    "INCREMENT",
    "MINVALUE",
    "MAXVALUE",
    "START",
    "CACHE",
    "CYCLE",
];

/// Puts the options of identity columns of a CREATE or ALTER TABLE in order.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    while let Some((start, end)) = next_options(tokens, from) {
        from = end;
        let inside = tokens.get(start..end).unwrap_or_default();
        if let Some(ordered) = in_order(inside) {
            tokens.splice(start..end, ordered);
        }
    }
}

fn word(token: Option<&TokenWithSpan>) -> Option<String> {
    match token.map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => {
            Some(word.value.to_ascii_uppercase())
        }
        _ => None,
    }
}

/// Where the options of the next `AS IDENTITY ( … )` begin and end.
fn next_options(tokens: &[TokenWithSpan], from: usize) -> Option<(usize, usize)> {
    let places: Vec<usize> = (from..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(is_meaningful))
        .collect();
    let start = places.windows(3).find_map(|three| match three {
        [a, identity, open]
            if word(tokens.get(*a)).as_deref() == Some("AS")
                && word(tokens.get(*identity)).as_deref() == Some("IDENTITY")
                && tokens.get(*open).is_some_and(|t| t.token == Token::LParen) =>
        {
            Some(open + 1)
        }
        _ => None,
    })?;
    let closes = |t: &TokenWithSpan| t.token == Token::RParen;
    let length = tokens.get(start..)?.iter().position(closes)?;
    Some((start, start + length))
}

/// The options in the order that sqlparser reads; nothing when there is something
/// else among them.
fn in_order(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let mut options: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut no = None;
    for token in tokens.iter().filter(|t| is_meaningful(t)) {
        let text = word(Some(token));
        let first = text
            .as_deref()
            .and_then(|t| ORDER.iter().position(|o| *o == t));
        match (first, text.as_deref()) {
            (_, Some("NO")) => no = Some(token.clone()),
            (Some(place), _) => {
                let mut option: Vec<TokenWithSpan> = no.take().into_iter().collect();
                option.push(token.clone());
                options.push((place, option));
            }
            (None, _) => options.last_mut()?.1.push(token.clone()),
        }
    }
    options.sort_by_key(|(place, _)| *place);
    Some(options.into_iter().flat_map(|(_, option)| option).collect())
}
