//! Texts as bytes of an encoding, and back.

use super::args::{TEXT, at, mismatch, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

const BYTEA: Arg = Arg::Is(PgType::Bytea);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("convert_from", &[BYTEA, TEXT], PgType::Text, |_, a| {
        decoded(bytes(a)?, encoding(str_at(a, 1), "source")?).map(Datum::Text)
    }),
    Overload::new("convert_to", &[TEXT, TEXT], PgType::Bytea, |_, a| {
        encoded(str_at(a, 0), encoding(str_at(a, 1), "destination")?).map(Datum::Bytea)
    }),
    Overload::new("convert", &[BYTEA, TEXT, TEXT], PgType::Bytea, convert),
    Overload::new("length", &[BYTEA, TEXT], PgType::Int4, |_, a| {
        let text = decoded(bytes(a)?, encoding(str_at(a, 1), "source")?)?;
        let count = i32::try_from(text.chars().count());
        Ok(Datum::Int4(count.unwrap_or(i32::MAX)))
    }),
];

/// An encoding that texts are converted to and from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    /// Bytes without meaning beyond ASCII: taken as they are.
    SqlAscii,
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF8",
            Self::Latin1 => "LATIN1",
            Self::SqlAscii => "SQL_ASCII",
        }
    }
}

fn bytes(args: &[Datum]) -> SqlResult<&[u8]> {
    match at(args, 0) {
        Datum::Bytea(bytes) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

/// The encoding of that name, in which only letters and digits count.
fn encoding(name: &str, role: &str) -> SqlResult<Encoding> {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "utf8" | "unicode" => Ok(Encoding::Utf8),
        "latin1" | "iso88591" => Ok(Encoding::Latin1),
        "sqlascii" => Ok(Encoding::SqlAscii),
        other if is_known(other) => Err(SqlError::unsupported(format!("the encoding \"{name}\""))),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid {role} encoding name \"{name}\""),
        )),
    }
}

/// Whether PostgreSQL has an encoding whose name begins like that.
fn is_known(plain: &str) -> bool {
    const FAMILIES: &[&str] = &[
        "abc", "alt", "big5", "euc", "gb18030", "gbk", "iso8859", "johab", "koi8", "latin",
        "mskanji", "mule", "shiftjis", "sjis", "tcvn", "uhc", "vscii", "win",
    ];
    FAMILIES.iter().any(|family| plain.starts_with(family))
}

fn decoded(bytes: &[u8], from: Encoding) -> SqlResult<String> {
    let invalid = |at: usize, length: usize| {
        let end = (at + length.max(1)).min(bytes.len());
        let shown: Vec<String> = bytes
            .get(at..end)
            .unwrap_or_default()
            .iter()
            .map(|byte| format!("0x{byte:02x}"))
            .collect();
        SqlError::new(
            state::CHARACTER_NOT_IN_REPERTOIRE,
            format!(
                "invalid byte sequence for encoding \"{}\": {}",
                from.name(),
                shown.join(" ")
            ),
        )
    };
    if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
        return Err(invalid(zero, 1));
    }
    if from == Encoding::Latin1 {
        return Ok(bytes.iter().copied().map(char::from).collect());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            Err(invalid(at, error.error_len().unwrap_or(bytes.len() - at)))
        }
    }
}

fn encoded(text: &str, to: Encoding) -> SqlResult<Vec<u8>> {
    match to {
        Encoding::Utf8 | Encoding::SqlAscii => Ok(text.as_bytes().to_vec()),
        Encoding::Latin1 => text
            .chars()
            .map(|c| {
                u8::try_from(u32::from(c)).map_err(|_| {
                    let mut room = [0; 4];
                    let shown: Vec<String> = c
                        .encode_utf8(&mut room)
                        .bytes()
                        .map(|byte| format!("0x{byte:02x}"))
                        .collect();
                    SqlError::new(
                        state::UNTRANSLATABLE_CHARACTER,
                        format!(
                            "character with byte sequence {} in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
                            shown.join(" ")
                        ),
                    )
                })
            })
            .collect(),
    }
}

fn convert(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let from = encoding(str_at(args, 1), "source")?;
    let to = encoding(str_at(args, 2), "destination")?;
    if from == Encoding::SqlAscii {
        return Ok(Datum::Bytea(bytes(args)?.to_vec()));
    }
    encoded(&decoded(bytes(args)?, from)?, to).map(Datum::Bytea)
}
