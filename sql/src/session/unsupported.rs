//! Commands of PostgreSQL's that are not there, known by their first words: whoever
//! sends one reads which it is, whatever comes after.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::is_meaningful;
use crate::error::{SqlError, state};

/// Kinds of objects that CREATE, ALTER and DROP do not know, longest names first.
const KINDS: [&[&str]; 26] = [
    &["access", "method"],
    &["aggregate"],
    &["cast"],
    &["collation"],
    &["constraint", "trigger"],
    &["conversion"],
    &["event", "trigger"],
    &["extension"],
    &["foreign", "data", "wrapper"],
    &["foreign", "table"],
    &["language"],
    &["operator", "class"],
    &["operator", "family"],
    &["operator"],
    &["procedural", "language"],
    &["procedure"],
    &["publication"],
    &["routine"],
    &["rule"],
    &["server"],
    &["statistics"],
    &["subscription"],
    &["tablespace"],
    &["text", "search"],
    &["transform"],
    &["user", "mapping"],
];

/// Whole commands.
const COMMANDS: [&[&str]; 16] = [
    &["alter", "database"],
    &["alter", "default", "privileges"],
    &["alter", "large", "object"],
    &["alter", "system"],
    &["alter", "trigger"],
    &["call"],
    &["checkpoint"],
    &["cluster"],
    &["commit", "prepared"],
    &["create", "trigger"],
    &["do"],
    &["drop", "owned"],
    &["import"],
    &["prepare", "transaction"],
    &["reassign"],
    &["rollback", "prepared"],
];

/// What DROP of an object says of which there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absent {
    kind: &'static str,
    name: String,
    if_exists: bool,
}

impl Absent {
    /// The command tag, and a notice for IF EXISTS.
    ///
    /// # Errors
    /// 42704 without IF EXISTS.
    pub(super) fn answer(&self) -> Result<(String, String), SqlError> {
        let missing = format!("{} \"{}\" does not exist", self.kind, self.name);
        if !self.if_exists {
            return Err(SqlError::new(state::UNDEFINED_OBJECT, missing));
        }
        let tag = format!("DROP {}", self.kind.to_uppercase());
        Ok((tag, format!("{missing}, skipping")))
    }
}

/// DROP RULE, AGGREGATE and OPERATOR of a name; nothing for other commands.
pub(super) fn absent(tokens: &[TokenWithSpan]) -> Option<Absent> {
    let mut words = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .map(|t| match &t.token {
            Token::Word(word) => word.value.as_str(),
            _ => "",
        });
    let mut next = words.next()?;
    if !next.eq_ignore_ascii_case("drop") {
        return None;
    }
    next = words.next()?;
    let kinds = ["rule", "aggregate", "operator"];
    let kind = kinds
        .into_iter()
        .find(|kind| next.eq_ignore_ascii_case(kind))?;
    next = words.next()?;
    let mut if_exists = false;
    if next.eq_ignore_ascii_case("if") {
        if !words.next()?.eq_ignore_ascii_case("exists") {
            return None;
        }
        if_exists = true;
        next = words.next()?;
    }
    let known = ["class", "family"];
    if next.is_empty() || known.iter().any(|word| next.eq_ignore_ascii_case(word)) {
        return None;
    }
    Some(Absent {
        kind,
        name: next.to_lowercase(),
        if_exists,
    })
}

/// The name of the command that the tokens begin, when it is one of these.
pub(super) fn unsupported(tokens: &[TokenWithSpan]) -> Option<String> {
    let words: Vec<String> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .map_while(|t| match &t.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
            _ => None,
        })
        .take(6)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.first() == Some(&"security") && words.get(1) == Some(&"label") {
        return Some("SECURITY LABEL".to_owned());
    }
    if let Some(command) = COMMANDS.iter().find(|command| words.starts_with(command)) {
        return Some(command.join(" ").to_uppercase());
    }
    let (verb, rest) = words.split_first()?;
    if !["create", "alter", "drop"].contains(verb) {
        return None;
    }
    let rest = rest.strip_prefix(&["or", "replace"]).unwrap_or(rest);
    let rest = rest.strip_prefix(&["trusted"]).unwrap_or(rest);
    let droppable = [&["aggregate"][..], &["operator"], &["rule"]];
    if *verb == "drop" && droppable.iter().any(|kind| rest.starts_with(kind)) {
        // There are none, as the error says.
        return None;
    }
    // CREATE OR REPLACE TRIGGER is no other command than CREATE TRIGGER.
    let trigger: &[&str] = &["trigger"];
    let kinds = KINDS.iter().copied().chain([trigger]);
    let kind = kinds.into_iter().find(|kind| rest.starts_with(kind))?;
    Some(format!("{verb} {}", kind.join(" ")).to_uppercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use crate::session::parse::{Command, parse};

    #[test]
    fn commands_are_named_by_their_first_words() {
        for (sql, name) in [
            (
                "CREATE OR REPLACE RULE r AS ON INSERT TO t DO NOTHING",
                "CREATE RULE",
            ),
            (
                "create trigger g before truncate on t execute procedure f('a b')",
                "CREATE TRIGGER",
            ),
            (
                "CREATE OPERATOR CLASS c FOR TYPE x USING btree AS STORAGE y",
                "CREATE OPERATOR CLASS",
            ),
            ("DO $$ BEGIN END $$", "DO"),
            ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
            ("ALTER SYSTEM SET a = 1", "ALTER SYSTEM"),
        ] {
            match &parse(sql).unwrap()[0].command {
                Command::Unsupported(found) => assert_eq!(found, name),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_there_is_none_of_is_not_dropped() {
        let answer = |sql: &str| match &parse(sql).unwrap()[0].command {
            Command::Absent(absent) => absent.answer(),
            other => panic!("{sql}: {other:?}"),
        };
        let error = answer("DROP RULE r ON t").unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.message()),
            ("42704", "rule \"r\" does not exist")
        );
        let (tag, notice) = answer("drop aggregate if exists a(int)").unwrap();
        assert_eq!(tag, "DROP AGGREGATE");
        assert_eq!(notice, "aggregate \"a\" does not exist, skipping");
        assert!(parse("DROP RULE").is_err());
    }

    #[test]
    fn what_there_is_does_not_look_like_it() {
        for sql in [
            "CREATE TABLE rule (a int)",
            "PREPARE transaction1 AS SELECT 1",
            "DROP TABLE trigger",
            "ROLLBACK",
        ] {
            let parsed = parse(sql).unwrap();
            assert!(
                !matches!(parsed[0].command, Command::Unsupported(_)),
                "{sql}"
            );
        }
    }
}
