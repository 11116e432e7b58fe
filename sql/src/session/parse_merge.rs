//! What sqlparser's grammar of MERGE lacks: a join as the source, `THEN DO NOTHING` and
//! `THEN INSERT DEFAULT VALUES`. They are written in a way it reads, the actions with
//! names that no SQL text has.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Assigned, or inserted into, by an action that does nothing.
pub(crate) const MERGE_NOTHING: &str = "\u{1f}nothing";

/// The only value of an INSERT of nothing but defaults.
pub(crate) const MERGE_DEFAULTS: &str = "\u{1f}defaults";

/// Rewrites what sqlparser does not read of a MERGE.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    adapt_actions(tokens);
    enclose_join(tokens);
}

/// `USING a JOIN b ON … ON …` gets parentheses around the join.
fn enclose_join(tokens: &mut Vec<TokenWithSpan>) {
    let mut depth = 0_usize;
    let (mut using, mut join, mut last_on) = (None, false, None);
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.keyword {
                Keyword::USING if using.is_none() => using = Some(at),
                Keyword::JOIN if using.is_some() => join = true,
                Keyword::ON if using.is_some() => last_on = Some(at),
                Keyword::WHEN if last_on.is_some() => break,
                _ => {}
            },
            _ => {}
        }
    }
    let (Some(using), true, Some(last_on)) = (using, join, last_on) else {
        return;
    };
    let Some(span) = tokens.get(using).map(|t| t.span) else {
        return;
    };
    let around = |token| TokenWithSpan { token, span };
    tokens.insert(last_on, around(Token::RParen));
    tokens.insert(using + 1, around(Token::LParen));
}

fn adapt_actions(tokens: &mut Vec<TokenWithSpan>) {
    let places: Vec<usize> = (0..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(|t| !is_space(t)))
        .collect();
    let word = |at: usize| keyword_at(tokens, &places, at);
    let mut matched = true;
    let mut changes: Vec<(usize, usize, Vec<Token>)> = Vec::new();
    for at in 0..places.len() {
        match word(at) {
            Some(Keyword::MATCHED) => {
                matched = at == 0 || word(at - 1) != Some(Keyword::NOT);
            }
            Some(Keyword::THEN) => {
                let next = (word(at + 1), word(at + 2), word(at + 3));
                let (count, new) = match next {
                    (Some(Keyword::DO), Some(Keyword::NOTHING), _) => (2, nothing(matched)),
                    (Some(Keyword::INSERT), Some(Keyword::DEFAULT), Some(Keyword::VALUES)) => {
                        (3, defaults())
                    }
                    _ => continue,
                };
                let (Some(first), Some(last)) = (places.get(at + 1), places.get(at + count)) else {
                    continue;
                };
                changes.push((*first, *last, new));
            }
            _ => {}
        }
    }
    for (first, last, new) in changes.into_iter().rev() {
        let Some(span) = tokens.get(first).map(|t| t.span) else {
            continue;
        };
        let new = new.into_iter().map(|token| TokenWithSpan { token, span });
        tokens.splice(first..=last, new);
    }
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

fn keyword_at(tokens: &[TokenWithSpan], places: &[usize], at: usize) -> Option<Keyword> {
    match &tokens.get(*places.get(at)?)?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn private(name: &str) -> Token {
    Token::Word(Word {
        value: name.to_owned(),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

fn words(names: &[&str]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(names.len() * 2);
    for name in names {
        tokens.push(Token::make_keyword(name));
        tokens.push(Token::Whitespace(sqlparser::tokenizer::Whitespace::Space));
    }
    tokens
}

/// `UPDATE SET nothing = NULL`, or `INSERT (nothing) VALUES (NULL)`.
fn nothing(matched: bool) -> Vec<Token> {
    if matched {
        let mut tokens = words(&["UPDATE", "SET"]);
        tokens.extend([
            private(MERGE_NOTHING),
            Token::Eq,
            Token::make_keyword("NULL"),
        ]);
        return tokens;
    }
    let mut tokens = words(&["INSERT"]);
    tokens.extend([Token::LParen, private(MERGE_NOTHING), Token::RParen]);
    tokens.extend(words(&["VALUES"]));
    tokens.extend([Token::LParen, Token::make_keyword("NULL"), Token::RParen]);
    tokens
}

/// `INSERT VALUES (defaults)`.
fn defaults() -> Vec<Token> {
    let mut tokens = words(&["INSERT", "VALUES"]);
    tokens.extend([Token::LParen, private(MERGE_DEFAULTS), Token::RParen]);
    tokens
}
