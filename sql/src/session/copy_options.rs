//! `COPY … WITH (…)`: from the AST to a format.

use sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption, Ident};

use super::copy_tokens::{ALL_COLUMNS, HEADER_MATCH, check_encoding, redundant};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::types::copy::{CopyFormat, CopyKind, Header};

/// Which way a COPY goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into a table.
    From,
    /// Out of one.
    To,
}

/// Reads the options of a COPY of these columns.
///
/// # Errors
/// 42601 for options given twice or against each other, 22023 for bad values, 42703 for
/// columns that are not copied, 0A000 for options that are not there.
pub(super) fn copy_format(
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
    columns: &[String],
    direction: Direction,
) -> Result<CopyFormat, SqlError> {
    let given = given(options, legacy)?;
    let mut format = CopyFormat::new(kind(options, legacy)?);
    check_given(&given, format.kind, direction)?;
    let mut escape = None;
    for option in options {
        apply(option, &mut format, &mut escape, columns)?;
    }
    for option in legacy {
        apply_legacy(option, &mut format, &mut escape, columns)?;
    }
    if format.header == Header::Match && direction == Direction::To {
        return Err(refused("cannot use \"match\" with HEADER in COPY TO"));
    }
    // Without ESCAPE the quote character is its own escape.
    format.escape = escape.unwrap_or(format.quote);
    format.validate()?;
    Ok(format)
}

/// The names of the options, each of which may be given once.
fn given(
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
) -> Result<Vec<&'static str>, SqlError> {
    let mut names: Vec<&'static str> = Vec::new();
    let mut note = |name: &'static str| {
        if names.contains(&name) {
            return Err(redundant());
        }
        names.push(name);
        Ok(())
    };
    for option in options {
        note(match option {
            CopyOption::Format(_) => "format",
            CopyOption::Freeze(_) => "freeze",
            CopyOption::Delimiter(_) => "delimiter",
            CopyOption::Null(_) => "null",
            CopyOption::Header(_) => "header",
            CopyOption::Quote(_) => "quote",
            CopyOption::Escape(_) => "escape",
            CopyOption::ForceQuote(_) => "force quote",
            CopyOption::ForceNotNull(_) => "force not null",
            CopyOption::ForceNull(_) => "force null",
            CopyOption::Encoding(name) if name == HEADER_MATCH => "header",
            CopyOption::Encoding(_) => "encoding",
        })?;
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Binary => note("format")?,
            CopyLegacyOption::Delimiter(_) => note("delimiter")?,
            CopyLegacyOption::Null(_) => note("null")?,
            CopyLegacyOption::Header => note("header")?,
            CopyLegacyOption::Csv(options) => {
                note("format")?;
                for option in options {
                    note(match option {
                        CopyLegacyCsvOption::Header => "header",
                        CopyLegacyCsvOption::Quote(_) => "quote",
                        CopyLegacyCsvOption::Escape(_) => "escape",
                        CopyLegacyCsvOption::ForceQuote(_) => "force quote",
                        CopyLegacyCsvOption::ForceNotNull(_) => "force not null",
                    })?;
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn refused(message: impl Into<String>) -> SqlError {
    SqlError::new(state::FEATURE_NOT_SUPPORTED, message)
}

/// Which options go with a format and a direction.
fn check_given(names: &[&str], kind: CopyKind, direction: Direction) -> Result<(), SqlError> {
    let has = |name: &str| names.contains(&name);
    if kind == CopyKind::Binary {
        for (name, shown) in [("delimiter", "DELIMITER"), ("null", "NULL")] {
            if has(name) {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    format!("cannot specify {shown} in BINARY mode"),
                ));
            }
        }
        if has("header") {
            return Err(refused("cannot specify HEADER in BINARY mode"));
        }
    }
    for name in ["quote", "escape"] {
        if has(name) && kind != CopyKind::Csv {
            return Err(refused(format!("COPY {name} available only in CSV mode")));
        }
    }
    let directed = [
        ("force quote", Direction::To),
        ("force not null", Direction::From),
        ("force null", Direction::From),
    ];
    for (name, wanted) in directed {
        if has(name) && kind != CopyKind::Csv {
            return Err(refused(format!("COPY {name} available only in CSV mode")));
        }
        if has(name) && direction != wanted {
            let way = if wanted == Direction::To {
                "TO"
            } else {
                "FROM"
            };
            return Err(refused(format!(
                "COPY {name} only available using COPY {way}"
            )));
        }
    }
    Ok(())
}

/// The kind decides the other defaults, so it is looked for first.
fn kind(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<CopyKind, SqlError> {
    for option in legacy {
        match option {
            CopyLegacyOption::Binary => return Ok(CopyKind::Binary),
            CopyLegacyOption::Csv(_) => return Ok(CopyKind::Csv),
            _ => {}
        }
    }
    for option in options {
        if let CopyOption::Format(name) = option {
            return match fold_identifier(name).as_str() {
                "text" => Ok(CopyKind::Text),
                "csv" => Ok(CopyKind::Csv),
                "binary" => Ok(CopyKind::Binary),
                other => Err(SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("COPY format \"{other}\" not recognized"),
                )),
            };
        }
    }
    Ok(CopyKind::Text)
}

fn apply(
    option: &CopyOption,
    format: &mut CopyFormat,
    escape: &mut Option<u8>,
    columns: &[String],
) -> Result<(), SqlError> {
    match option {
        // Read before; freezing is about PostgreSQL's row headers.
        CopyOption::Format(_) | CopyOption::Freeze(_) => {}
        CopyOption::Delimiter(c) => format.delimiter = byte("delimiter", *c)?,
        CopyOption::Null(text) => format.null.clone_from(text),
        CopyOption::Header(on) => format.header = if *on { Header::On } else { Header::Off },
        CopyOption::Quote(c) => format.quote = byte("quote", *c)?,
        CopyOption::Escape(c) => *escape = Some(byte("escape", *c)?),
        CopyOption::ForceQuote(names) => match names.as_slice() {
            [all] if all.value == ALL_COLUMNS => format.force_quote_all = true,
            names => format.force_quote = flags(names, columns)?,
        },
        CopyOption::ForceNotNull(names) => format.force_not_null = flags(names, columns)?,
        CopyOption::ForceNull(names) => format.force_null = flags(names, columns)?,
        CopyOption::Encoding(name) if name == HEADER_MATCH => format.header = Header::Match,
        CopyOption::Encoding(name) => check_encoding(name)?,
    }
    Ok(())
}

fn apply_legacy(
    option: &CopyLegacyOption,
    format: &mut CopyFormat,
    escape: &mut Option<u8>,
    columns: &[String],
) -> Result<(), SqlError> {
    match option {
        CopyLegacyOption::Binary => {}
        CopyLegacyOption::Delimiter(c) => format.delimiter = byte("delimiter", *c)?,
        CopyLegacyOption::Null(text) => format.null.clone_from(text),
        CopyLegacyOption::Header => format.header = Header::On,
        CopyLegacyOption::Csv(options) => {
            for option in options {
                match option {
                    CopyLegacyCsvOption::Header => format.header = Header::On,
                    CopyLegacyCsvOption::Quote(c) => format.quote = byte("quote", *c)?,
                    CopyLegacyCsvOption::Escape(c) => *escape = Some(byte("escape", *c)?),
                    CopyLegacyCsvOption::ForceQuote(names) => {
                        format.force_quote = flags(names, columns)?;
                    }
                    CopyLegacyCsvOption::ForceNotNull(names) => {
                        format.force_not_null = flags(names, columns)?;
                    }
                }
            }
        }
        other => return Err(SqlError::unsupported(format!("COPY option {other}"))),
    }
    Ok(())
}

fn byte(option: &str, value: char) -> Result<u8, SqlError> {
    CopyFormat::single_byte(option, value.encode_utf8(&mut [0; 4]))
}

/// Which of the copied columns are named.
fn flags(names: &[Ident], columns: &[String]) -> Result<Vec<bool>, SqlError> {
    let mut flags = vec![false; columns.len()];
    for name in names {
        let name = fold_identifier(name);
        let position = columns.iter().position(|c| *c == name);
        match position.and_then(|p| flags.get_mut(p)) {
            Some(flag) => *flag = true,
            None => {
                return Err(SqlError::new(
                    state::UNDEFINED_COLUMN,
                    format!("column \"{name}\" is not copied"),
                ));
            }
        }
    }
    Ok(flags)
}
