//! Window frames as sqlparser's grammar wants them.
//!
//! It has no EXCLUDE: what is excluded goes into the name of the window that the
//! specification continues, where planning looks for it. And it reads a string in a
//! frame as an interval, so that a string with a cast is put in parentheses.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::parse::is_meaningful;

/// Starts the part of a window's name that says what its frame excludes.
pub(crate) const EXCLUDES: &str = "\u{1f}exclude ";

/// Rewrites the frames in a statement.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    strings(tokens);
    while let Some(exclusion) = next_exclusion(tokens) {
        exclusion.put(tokens);
    }
}

fn word(token: Option<&TokenWithSpan>) -> Option<&Word> {
    match &token?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is(token: Option<&TokenWithSpan>, text: &str) -> bool {
    word(token).is_some_and(|word| word.value.eq_ignore_ascii_case(text))
}

/// The places of the tokens that mean something.
fn places(tokens: &[TokenWithSpan]) -> Vec<usize> {
    (0..tokens.len())
        .filter(|place| tokens.get(*place).is_some_and(is_meaningful))
        .collect()
}

/// `'1 day'::interval` behind BETWEEN and the like as `('1 day')::interval`.
fn strings(tokens: &mut Vec<TokenWithSpan>) {
    let places = places(tokens);
    let bounds = |token: Option<&TokenWithSpan>| {
        word(token).is_some_and(|w| {
            matches!(
                w.keyword,
                Keyword::BETWEEN | Keyword::AND | Keyword::ROWS | Keyword::RANGE | Keyword::GROUPS
            )
        })
    };
    let mut found = Vec::new();
    for three in places.windows(3) {
        let [before, text, after] = three else {
            continue;
        };
        let is_text = matches!(
            tokens.get(*text).map(|t| &t.token),
            Some(Token::SingleQuotedString(_))
        );
        let cast = matches!(
            tokens.get(*after).map(|t| &t.token),
            Some(Token::DoubleColon)
        );
        if is_text && cast && bounds(tokens.get(*before)) {
            found.push(*text);
        }
    }
    for place in found.into_iter().rev() {
        tokens.insert(place + 1, TokenWithSpan::wrap(Token::RParen));
        tokens.insert(place, TokenWithSpan::wrap(Token::LParen));
    }
}

/// An EXCLUDE clause at the end of a window.
struct Exclusion {
    what: &'static str,
    /// The places of its words.
    words: Vec<usize>,
    /// The parenthesis that the window begins with.
    opens: usize,
}

fn next_exclusion(tokens: &[TokenWithSpan]) -> Option<Exclusion> {
    let places = places(tokens);
    for (number, &place) in places.iter().enumerate() {
        if !is(tokens.get(place), "exclude") {
            continue;
        }
        let at = |ahead: usize| places.get(number + ahead).and_then(|p| tokens.get(*p));
        let (what, length) = if is(at(1), "current") && is(at(2), "row") {
            ("current row", 3)
        } else if is(at(1), "no") && is(at(2), "others") {
            ("no others", 3)
        } else if is(at(1), "group") {
            ("group", 2)
        } else if is(at(1), "ties") {
            ("ties", 2)
        } else {
            continue;
        };
        if at(length).is_none_or(|t| t.token != Token::RParen) {
            continue;
        }
        let Some(opens) = opening(tokens, place) else {
            continue;
        };
        let words = places.iter().skip(number).take(length).copied().collect();
        return Some(Exclusion { what, words, opens });
    }
    None
}

/// The parenthesis around a place.
fn opening(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for before in (0..place).rev() {
        match tokens.get(before)?.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return Some(before),
            Token::LParen => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Exclusion {
    fn put(self, tokens: &mut Vec<TokenWithSpan>) {
        for place in self.words {
            if let Some(token) = tokens.get_mut(place) {
                token.token = Token::Whitespace(Whitespace::Space);
            }
        }
        let first = (self.opens + 1..tokens.len())
            .find(|place| tokens.get(*place).is_some_and(is_meaningful));
        let base = first.and_then(|place| match &tokens.get(place)?.token {
            Token::Word(word) if word.quote_style.is_some() => Some((place, word.value.clone())),
            Token::Word(word) if !begins_window(word) => Some((place, word.value.to_lowercase())),
            _ => None,
        });
        let name = |value: String| {
            Token::Word(Word {
                value,
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            })
        };
        match base {
            Some((place, base)) => {
                let value = format!("{EXCLUDES}{}{EXCLUDES}{base}", self.what);
                if let Some(token) = tokens.get_mut(place) {
                    token.token = name(value);
                }
            }
            None => {
                let value = format!("{EXCLUDES}{}", self.what);
                tokens.insert(self.opens + 1, TokenWithSpan::wrap(name(value)));
            }
        }
    }
}

/// Whether a word begins a clause of a window, rather than being a window's name.
fn begins_window(word: &Word) -> bool {
    matches!(
        word.keyword,
        Keyword::PARTITION | Keyword::ORDER | Keyword::ROWS | Keyword::RANGE | Keyword::GROUPS
    )
}
