//! `[NOT] DEFERRABLE` of transactions, which the parser does not know.

use sqlparser::ast::{Set, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Outcome, Session};
use crate::error::SqlError;
use crate::session::execute::Execution;

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(w) if w.keyword == keyword && w.quote_style.is_none())
}

/// Takes the mode out of a statement about transactions; the last one counts.
pub(super) fn take(tokens: &mut Vec<TokenWithSpan>) -> Option<bool> {
    let is_space = |t: &TokenWithSpan| matches!(t.token, Token::Whitespace(_));
    let words: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !is_space(t)).take(2).collect();
    let about = match words.as_slice() {
        [first, ..] if is(first, Keyword::BEGIN) || is(first, Keyword::START) => true,
        [first, second] if is(first, Keyword::SET) => {
            is(second, Keyword::TRANSACTION) || is(second, Keyword::SESSION)
        }
        _ => false,
    };
    if !about || !tokens.iter().any(|t| is(t, Keyword::DEFERRABLE)) {
        return None;
    }
    tokens.retain(|t| !is_space(t));
    let mut found = None;
    while let Some(at) = tokens.iter().position(|t| is(t, Keyword::DEFERRABLE)) {
        let not = at > 0 && tokens.get(at - 1).is_some_and(|t| is(t, Keyword::NOT));
        found = Some(!not);
        let mut start = if not { at - 1 } else { at };
        let mut end = at + 1;
        let comma = |at: usize| tokens.get(at).is_some_and(|t| t.token == Token::Comma);
        if start > 0 && comma(start - 1) {
            start -= 1;
        } else if comma(end) {
            end += 1;
        }
        tokens.drain(start..end);
    }
    found
}

impl Session {
    /// Carries out what [`take`] took the mode out of.
    pub(super) async fn with_deferrable(
        &mut self,
        statement: &Statement,
        deferrable: bool,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        match statement {
            Statement::Set(Set::SetTransaction { session: true, .. }) => {
                let value = if deferrable { "on" } else { "off" };
                self.remember_settings();
                self.settings_mut()
                    .set_session("default_transaction_deferrable", value)?;
                Box::pin(self.utility_sql(statement, execution)).await
            }
            _ => {
                let outcome = Box::pin(self.utility_sql(statement, execution)).await?;
                self.transaction()?.set_deferrable(deferrable)?;
                Ok(outcome)
            }
        }
    }
}
