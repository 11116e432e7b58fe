//! SET ROLE and SET SESSION AUTHORIZATION. A session keeps the role that logged in;
//! what says so already is taken, as connection pools send it, and nothing else.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Session;
use super::parse::is_meaningful;
use crate::error::SqlError;

/// A command that names the role of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorization {
    /// The command as far as the role.
    what: &'static str,
    /// The role; none for the one that logged in.
    role: Option<String>,
    tag: &'static str,
}

/// Reads `SET [SESSION | LOCAL] {ROLE | SESSION AUTHORIZATION} …` and `RESET {ROLE |
/// SESSION AUTHORIZATION}`; `None` for other commands.
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Option<Authorization> {
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .map(|t| &t.token)
        .collect();
    let word = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    };
    let words: Vec<Option<String>> = tokens.iter().map(|t| word(t)).collect();
    let words: Vec<&str> = words.iter().map(|w| w.as_deref().unwrap_or("")).collect();
    let reset = |what| Authorization {
        what,
        role: None,
        tag: "RESET",
    };
    const ROLE: &str = "SET ROLE";
    const USER: &str = "SET SESSION AUTHORIZATION";
    let (what, value) = match words.as_slice() {
        ["reset", "role"] => return Some(reset(ROLE)),
        ["reset", "session", "authorization"] => return Some(reset(USER)),
        ["set", "role", _] | ["set", "session" | "local", "role", _] => (ROLE, tokens.last()?),
        ["set", "session", "authorization", _]
        | ["set", "session" | "local", "session", "authorization", _] => (USER, tokens.last()?),
        _ => return None,
    };
    let none = if what == ROLE { "none" } else { "default" };
    let role = match value {
        Token::Word(name) if name.quote_style.is_some() => Some(name.value.clone()),
        Token::Word(name) => Some(name.value.to_lowercase()).filter(|name| name != none),
        Token::SingleQuotedString(name) => Some(name.clone()),
        _ => return None,
    };
    Some(Authorization {
        what,
        role,
        tag: "SET",
    })
}

impl Session {
    /// Takes what changes nothing.
    ///
    /// # Errors
    /// 0A000 for another role.
    pub(super) fn authorize(&self, wanted: &Authorization) -> Result<String, SqlError> {
        match &wanted.role {
            Some(role) if *role != self.user => {
                Err(SqlError::unsupported(format!("{} {role}", wanted.what))
                    .hint("Connect as that role instead."))
            }
            _ => Ok(wanted.tag.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use crate::session::parse::{Command, parse};

    #[test]
    fn the_role_is_read() {
        for (sql, role) in [
            ("SET ROLE NONE", None),
            ("RESET ROLE", None),
            ("SET LOCAL ROLE Alice", Some("alice")),
            ("SET SESSION ROLE \"Alice\"", Some("Alice")),
            ("SET SESSION AUTHORIZATION DEFAULT", None),
            ("SET LOCAL SESSION AUTHORIZATION 'bob'", Some("bob")),
            ("RESET SESSION AUTHORIZATION", None),
        ] {
            match &parse(sql).unwrap()[0].command {
                Command::Authorization(found) => assert_eq!(found.role.as_deref(), role, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }
}
