//! SET and RESET.

use sqlparser::ast::{Expr, Ident, Set, TransactionAccessMode, TransactionMode};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::is_meaningful;
use super::{Block, Session};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::types::TimeZone;
use crate::types::interval_in::parse_interval;

/// SET or RESET of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetParameter {
    name: String,
    local: bool,
    /// None for DEFAULT and RESET.
    values: Option<Vec<String>>,
    /// The command tag.
    tag: &'static str,
}

/// Settings whose values are lists of names.
const NAMES: [&str; 3] = ["search_path", "temp_tablespaces", "local_preload_libraries"];

/// Reads `SET [SESSION | LOCAL] name { TO | = } …` and `RESET name`; `None` for
/// other forms.
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Option<SetParameter> {
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .map(|t| &t.token)
        .collect();
    let says = |at: usize, text: &str| {
        matches!(tokens.get(at), Some(Token::Word(w))
            if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
    };
    let (mut at, reset) = match () {
        () if says(0, "set") => (1, false),
        () if says(0, "reset") => (1, true),
        () => return None,
    };
    let local = !reset && says(at, "local");
    let assigned = |at: usize| says(at, "to") || tokens.get(at) == Some(&&Token::Eq);
    if !reset && (local || says(at, "session")) && !assigned(at + 1) {
        at += 1;
    }
    let mut name = String::new();
    loop {
        let Some(Token::Word(word)) = tokens.get(at) else {
            return None;
        };
        name.push_str(&folded(word));
        at += 1;
        if tokens.get(at) != Some(&&Token::Period) {
            break;
        }
        name.push('.');
        at += 1;
    }
    if reset {
        let whole = tokens.len() == at && name != "all";
        return whole.then_some(SetParameter {
            name,
            local,
            values: None,
            tag: "RESET",
        });
    }
    if !assigned(at) {
        return None;
    }
    at += 1;
    let values = match says(at, "default") && tokens.len() == at + 1 {
        true => None,
        false => Some(values(tokens.get(at..)?, NAMES.contains(&name.as_str()))?),
    };
    Some(SetParameter {
        name,
        local,
        values,
        tag: "SET",
    })
}

fn folded(word: &Word) -> String {
    fold_identifier(&Ident {
        value: word.value.clone(),
        quote_style: word.quote_style,
        span: sqlparser::tokenizer::Span::empty(),
    })
}

/// Words, strings and numbers, with commas between them. Names of a list of names
/// are quoted where they have to be.
fn values(tokens: &[&Token], names: bool) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for value in tokens.split(|token| **token == Token::Comma) {
        let text = match value {
            [Token::Word(word)] => folded(word),
            [Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)] => text.clone(),
            [Token::DollarQuotedString(text)] => text.value.clone(),
            [Token::Number(number, _)] | [Token::Plus, Token::Number(number, _)] => number.clone(),
            [Token::Minus, Token::Number(number, _)] => format!("-{number}"),
            _ => return None,
        };
        found.push(match names {
            true if text.is_empty() => "\"\"".to_owned(),
            true => crate::query::quote_ident(&text),
            false => text,
        });
    }
    Some(found)
}

impl Session {
    /// SET or RESET of one parameter; the command tag.
    pub(super) fn set_parameter(&mut self, set: &SetParameter) -> Result<String, SqlError> {
        self.remember_settings();
        let SetParameter {
            name,
            local,
            values,
            tag,
        } = set;
        let list = NAMES.contains(&name.as_str()) || name == "datestyle";
        match values.as_deref() {
            Some([_, _, ..]) if !list => {
                return Err(SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("SET {name} takes only one argument"),
                ));
            }
            Some(values) => self.set_one(name, Some(&values.join(", ")), *local)?,
            None => self.set_one(name, None, *local)?,
        }
        Ok((*tag).to_owned())
    }

    /// The forms of SET that have words of their own.
    pub(super) fn set(&mut self, set: &Set) -> Result<String, SqlError> {
        self.remember_settings();
        match set {
            Set::SetTimeZone { local, value } => {
                let value = zone_value(value)?;
                self.set_one("timezone", value.as_deref(), *local)?;
            }
            Set::SetNames { charset_name, .. } => {
                let default = charset_name.value.eq_ignore_ascii_case("default");
                let name = (!default).then_some(charset_name.value.as_str());
                self.set_one("client_encoding", name, false)?;
            }
            Set::SetNamesDefault {} => self.set_one("client_encoding", None, false)?,
            Set::SetTransaction {
                modes,
                snapshot: None,
                session,
            } => {
                if *session {
                    self.session_characteristics(modes)?;
                } else {
                    if self.block != Block::Explicit && !self.followed {
                        self.only_in_block("SET TRANSACTION");
                    }
                    self.set_modes(modes)?;
                }
            }
            other => return Err(SqlError::unsupported(other.to_string())),
        }
        Ok("SET".to_owned())
    }

    /// Warns of a command that has no effect without a transaction block.
    fn only_in_block(&mut self, what: &str) {
        self.notices.push(SqlError::warning(
            state::NO_ACTIVE_SQL_TRANSACTION,
            format!("{what} can only be used in transaction blocks"),
        ));
    }

    /// Sets a value; that of the session's start when there is none.
    fn set_one(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), SqlError> {
        if local && self.block != Block::Explicit {
            self.only_in_block("SET LOCAL");
        }
        let lower = name.to_ascii_lowercase();
        match (lower.as_str(), value) {
            ("transaction_isolation", Some(value)) => {
                let level = super::settings::parse_isolation(name, value)?;
                self.transaction()?.set_isolation(level)
            }
            ("transaction_read_only", Some(value)) => {
                let on = super::settings::boolean(name, value)?;
                self.transaction()?.set_read_only(on)
            }
            ("transaction_deferrable", Some(value)) => {
                let on = super::settings::boolean(name, value)?;
                self.transaction()?.set_deferrable(on)
            }
            (
                "transaction_isolation" | "transaction_read_only" | "transaction_deferrable",
                None,
            ) => {
                let defaults = self.settings.transaction();
                let txn = self.transaction()?;
                match lower.as_str() {
                    "transaction_isolation" => txn.set_isolation(defaults.isolation),
                    "transaction_read_only" => txn.set_read_only(defaults.read_only),
                    _ => txn.set_deferrable(defaults.deferrable),
                }
            }
            (_, Some(value)) if local => self.settings_mut().set_local(name, value),
            (_, None) if local => {
                let start = self.settings.start_of(name);
                let start = start.or_else(|| name.contains('.').then(String::new));
                match start {
                    Some(start) => self.settings_mut().set_local(name, &start),
                    None => self.settings_mut().reset(name),
                }
            }
            (_, Some(value)) => {
                self.settings_mut().set_session(name, value)?;
                self.note_application();
                Ok(())
            }
            (_, None) => {
                self.settings_mut().reset(name)?;
                self.note_application();
                Ok(())
            }
        }
    }

    fn session_characteristics(&mut self, modes: &[TransactionMode]) -> Result<(), SqlError> {
        for mode in modes {
            match mode {
                TransactionMode::AccessMode(access) => {
                    let on = *access == TransactionAccessMode::ReadOnly;
                    let value = if on { "on" } else { "off" };
                    self.settings_mut()
                        .set_session("default_transaction_read_only", value)?;
                }
                TransactionMode::IsolationLevel(level) => {
                    let level = level.to_string().to_ascii_lowercase();
                    self.settings_mut()
                        .set_session("default_transaction_isolation", &level)?;
                }
            }
        }
        Ok(())
    }
}

/// The value of SET TIME ZONE; none for DEFAULT and LOCAL.
fn zone_value(expr: &Expr) -> Result<Option<String>, SqlError> {
    use sqlparser::ast::{UnaryOperator, Value};
    let text = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                Some(text.clone())
            }
            Value::Number(number, _) => Some(number.clone()),
            _ => None,
        },
        _ => None,
    };
    let found = match expr {
        Expr::Identifier(word) if word.quote_style.is_none() => {
            let lower = word.value.to_ascii_lowercase();
            if lower == "default" || lower == "local" {
                return Ok(None);
            }
            Some(word.value.clone())
        }
        Expr::Identifier(word) => Some(word.value.clone()),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => text(expr).map(|number| format!("-{number}")),
        Expr::Interval(interval) => match text(&interval.value) {
            Some(value) => Some(zone_of_interval(&value)?),
            None => None,
        },
        other => text(other),
    };
    found
        .map(Some)
        .ok_or_else(|| SqlError::unsupported(format!("SET TIME ZONE {expr}")))
}

/// `INTERVAL '-08:00' HOUR TO MINUTE` as a zone.
fn zone_of_interval(text: &str) -> Result<String, SqlError> {
    let interval = parse_interval(text)?;
    let wrong = |what: &str| {
        Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"TimeZone\": \"INTERVAL '{text}'\""),
        )
        .detail(format!("Cannot specify {what} in time zone interval.")))
    };
    if interval.months != 0 {
        return wrong("months");
    }
    if interval.days != 0 {
        return wrong("days");
    }
    let seconds = i32::try_from(interval.micros / 1_000_000).unwrap_or(i32::MAX);
    Ok(TimeZone::Fixed(seconds).name())
}
