//! Grouping sets, which sqlparser's grammar does not let nest: their constructs
//! become function calls and names that no SQL text can spell.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::parse::is_meaningful;

/// What GROUPING SETS becomes.
pub(crate) const SETS: &str = "\u{1f}grouping sets";
/// What ROLLUP becomes.
pub(crate) const ROLLUP: &str = "\u{1f}rollup";
/// What CUBE becomes.
pub(crate) const CUBE: &str = "\u{1f}cube";
/// What `()` becomes.
pub(crate) const NO_COLUMNS: &str = "\u{1f}no columns";
/// What the DISTINCT of GROUP BY becomes.
pub(crate) const DISTINCT_SETS: &str = "\u{1f}distinct sets";

/// Rewrites every GROUP BY of a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let places: Vec<usize> = (0..tokens.len())
        .filter(|place| tokens.get(*place).is_some_and(is_meaningful))
        .collect();
    let mut lists = Vec::new();
    for (number, &place) in places.iter().enumerate() {
        let at = |number: usize| places.get(number).and_then(|p| tokens.get(*p));
        let within = number > 0 && keyword(at(number - 1)) == Some(Keyword::WITHIN);
        if keyword(tokens.get(place)) == Some(Keyword::GROUP)
            && keyword(at(number + 1)) == Some(Keyword::BY)
            && !within
        {
            lists.push(number + 2);
        }
    }
    let mut changes = Vec::new();
    for first in lists {
        list(tokens, &places, first, &mut changes);
    }
    // From the last to the first, so that places stay what they are.
    changes.sort_by_key(|(place, _)| *place);
    for (place, new) in changes.into_iter().rev() {
        let new: Vec<TokenWithSpan> = new.into_iter().map(TokenWithSpan::wrap).collect();
        tokens.splice(place..=place, new);
    }
}

fn keyword(token: Option<&TokenWithSpan>) -> Option<Keyword> {
    match &token?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn name(value: &str) -> Token {
    Token::Word(Word {
        value: value.to_owned(),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

/// Tokens to put in the place of one.
type Change = (usize, Vec<Token>);

/// Whether the list of a GROUP BY ends before this word.
fn ends(word: Option<Keyword>) -> bool {
    matches!(
        word,
        Some(
            Keyword::HAVING
                | Keyword::WINDOW
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::OFFSET
                | Keyword::FETCH
                | Keyword::FOR
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
        )
    )
}

/// The list that begins with token number `first`.
fn list(tokens: &[TokenWithSpan], places: &[usize], first: usize, changes: &mut Vec<Change>) {
    let at = |number: usize| places.get(number).and_then(|p| tokens.get(*p));
    let mut put = |number: usize, new: Vec<Token>| {
        if let Some(place) = places.get(number)
            && !changes.iter().any(|(known, _)| known == place)
        {
            changes.push((*place, new));
        }
    };
    let nothing = || vec![Token::Whitespace(Whitespace::Space)];
    // Parentheses that are open, and which of them is that of a subquery.
    let mut depth = 0_usize;
    let mut subquery: Option<usize> = None;
    let mut number = first;
    while let Some(token) = at(number) {
        let word = keyword(Some(token));
        let next = at(number + 1).map(|t| &t.token);
        let begins = number == first
            || at(number - 1).is_some_and(|t| matches!(t.token, Token::LParen | Token::Comma))
            || matches!(
                keyword(at(number - 1)),
                Some(Keyword::DISTINCT | Keyword::ALL)
            );
        match &token.token {
            Token::LParen => {
                let inner = keyword(at(number + 1));
                if subquery.is_none()
                    && matches!(
                        inner,
                        Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES)
                    )
                {
                    subquery = Some(depth);
                }
                if begins && next == Some(&Token::RParen) && subquery.is_none() {
                    put(number, vec![name(NO_COLUMNS)]);
                    put(number + 1, nothing());
                    number += 2;
                    continue;
                }
                depth += 1;
            }
            Token::RParen => {
                if depth == 0 {
                    return;
                }
                depth -= 1;
                if subquery == Some(depth) {
                    subquery = None;
                }
            }
            _ if depth == 0 && ends(word) => return,
            _ if subquery.is_some() => {}
            _ => match word {
                Some(Keyword::GROUPING) if keyword(at(number + 1)) == Some(Keyword::SETS) => {
                    put(number, vec![name(SETS)]);
                    put(number + 1, nothing());
                }
                Some(Keyword::ROLLUP) if begins && next == Some(&Token::LParen) => {
                    put(number, vec![name(ROLLUP)]);
                }
                Some(Keyword::CUBE) if begins && next == Some(&Token::LParen) => {
                    put(number, vec![name(CUBE)]);
                }
                Some(Keyword::DISTINCT) if number == first => {
                    put(number, vec![name(DISTINCT_SETS), Token::Comma]);
                }
                Some(Keyword::ALL) if number == first => put(number, nothing()),
                _ => {}
            },
        }
        number += 1;
    }
}
