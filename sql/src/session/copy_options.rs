//! `COPY … WITH (…)`: from the AST to a format.

use sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption, Ident};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::types::copy::{CopyFormat, CopyKind, Header};

/// Reads the options of a COPY of these columns.
///
/// # Errors
/// 22023 for bad values, 42703 for columns that are not copied, 0A000 for options
/// that are not there.
pub(super) fn copy_format(
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
    columns: &[String],
) -> Result<CopyFormat, SqlError> {
    let mut format = CopyFormat::new(kind(options, legacy)?);
    let mut escape = None;
    for option in options {
        apply(option, &mut format, &mut escape, columns)?;
    }
    for option in legacy {
        apply_legacy(option, &mut format, &mut escape, columns)?;
    }
    // Without ESCAPE the quote character is its own escape.
    format.escape = escape.unwrap_or(format.quote);
    format.validate()?;
    Ok(format)
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
        CopyOption::ForceQuote(names) => format.force_quote = flags(names, columns)?,
        CopyOption::ForceNotNull(names) => format.force_not_null = flags(names, columns)?,
        CopyOption::ForceNull(names) => format.force_null = flags(names, columns)?,
        CopyOption::Encoding(name) => {
            let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
            if plain != "utf8" {
                return Err(SqlError::unsupported(format!("COPY with encoding {name}")));
            }
        }
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
