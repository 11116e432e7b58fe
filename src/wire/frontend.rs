//! Messages of an authenticated client, decoded from exact frames.

use std::fmt;

use bytes::Bytes;
use kimberlite_sql::error::{SqlError, SqlResult, state};

use super::reader::{Reader, Text, protocol};

/// The type of a message, when it is one this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Give a statement its parameters.
    Bind = b'B',
    /// Forget a statement or a portal.
    Close = b'C',
    /// Data of a COPY.
    CopyData = b'd',
    /// The end of a COPY.
    CopyDone = b'c',
    /// The client gives its COPY up.
    CopyFail = b'f',
    /// Describe a statement or a portal.
    Describe = b'D',
    /// Run a portal.
    Execute = b'E',
    /// Send what is waiting.
    Flush = b'H',
    /// Call a function by number.
    FunctionCall = b'F',
    /// Prepare a statement.
    Parse = b'P',
    /// A password, or a SASL response.
    Password = b'p',
    /// Run a string of statements.
    Query = b'Q',
    /// End a series of extended messages.
    Sync = b'S',
    /// Goodbye.
    Terminate = b'X',
}

/// Longest body of a message that carries no data, as PostgreSQL bounds it.
const SMALL_MESSAGE: usize = 10_000;
/// Longest password or SASL message: a token may be long.
const PASSWORD_MESSAGE: usize = 64 << 10;

impl Kind {
    /// Reads a type byte.
    pub(super) fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            b'B' => Kind::Bind,
            b'C' => Kind::Close,
            b'd' => Kind::CopyData,
            b'c' => Kind::CopyDone,
            b'f' => Kind::CopyFail,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'H' => Kind::Flush,
            b'F' => Kind::FunctionCall,
            b'P' => Kind::Parse,
            b'p' => Kind::Password,
            b'Q' => Kind::Query,
            b'S' => Kind::Sync,
            b'X' => Kind::Terminate,
            _ => return None,
        })
    }

    /// The type byte.
    pub(super) fn byte(self) -> u8 {
        self as u8
    }

    /// The longest body allowed, given the bound on messages with data.
    pub(super) fn max_body(self, large: usize) -> usize {
        match self {
            Kind::Bind | Kind::CopyData | Kind::FunctionCall | Kind::Parse | Kind::Query => large,
            Kind::Password => large.min(PASSWORD_MESSAGE),
            _ => large.min(SMALL_MESSAGE),
        }
    }

    /// Whether an error in it makes the server skip to the next `Sync`.
    pub(super) fn is_extended(self) -> bool {
        matches!(
            self,
            Kind::Bind | Kind::Close | Kind::Describe | Kind::Execute | Kind::Flush | Kind::Parse
        )
    }
}

/// Whether a Describe or Close names a statement or a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// Parse: prepare a statement.
#[derive(Debug)]
pub(super) struct Parse {
    /// Name of the statement; empty is the unnamed one.
    pub(super) name: Text,
    /// Its text.
    pub(super) query: Text,
    /// Types the client fixes, by OID; 0 leaves one open.
    pub(super) types: Vec<u32>,
}

impl Parse {
    /// Decodes a body.
    pub(super) fn decode(body: Bytes) -> SqlResult<Parse> {
        let mut reader = Reader::new(body);
        let name = reader.text()?;
        let query = reader.text()?;
        let types = reader.u32_list()?;
        reader.end()?;
        Ok(Parse { name, query, types })
    }
}

/// Bind: give a statement its parameters.
#[derive(Debug)]
pub(super) struct Bind {
    /// Name of the portal; empty is the unnamed one.
    pub(super) portal: Text,
    /// Name of the statement.
    pub(super) statement: Text,
    /// Formats of the values: none (all text), one for all, or one each.
    pub(super) formats: Vec<i16>,
    /// Values; `None` is NULL.
    pub(super) values: Vec<Option<Bytes>>,
    /// Formats of the result columns: none (all text), one for all, one each.
    pub(super) result_formats: Vec<i16>,
}

impl Bind {
    /// Decodes a body.
    pub(super) fn decode(body: Bytes) -> SqlResult<Bind> {
        let mut reader = Reader::new(body);
        let portal = reader.text()?;
        let statement = reader.text()?;
        let formats = reader.i16_list()?;
        let count = reader.count()?;
        // Each value has four bytes of length: a count that cannot be true
        // must not size the list.
        if reader.remaining() < count * 4 {
            return Err(protocol("insufficient data left in message"));
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(match reader.i32()? {
                -1 => None,
                len => {
                    let len = usize::try_from(len)
                        .map_err(|_| protocol("invalid length of a bound value"))?;
                    Some(reader.bytes(len)?)
                }
            });
        }
        let result_formats = reader.i16_list()?;
        reader.end()?;
        Ok(Bind {
            portal,
            statement,
            formats,
            values,
            result_formats,
        })
    }
}

/// Execute: run a portal.
#[derive(Debug)]
pub(super) struct Execute {
    /// Name of the portal.
    pub(super) portal: Text,
    /// Rows to send before suspending; 0 sends all of them.
    pub(super) max_rows: usize,
}

impl Execute {
    /// Decodes a body. A limit of zero or below asks for every row.
    pub(super) fn decode(body: Bytes) -> SqlResult<Execute> {
        let mut reader = Reader::new(body);
        let portal = reader.text()?;
        let max_rows = usize::try_from(reader.i32()?).unwrap_or(0);
        reader.end()?;
        Ok(Execute { portal, max_rows })
    }
}

/// Decodes the body of a Describe or a Close; `verb` names it in errors.
pub(super) fn decode_target(body: Bytes, verb: &str) -> SqlResult<(Target, Text)> {
    let mut reader = Reader::new(body);
    let target = match reader.u8()? {
        b'S' => Target::Statement,
        b'P' => Target::Portal,
        other => {
            return Err(protocol(format!("invalid {verb} message subtype {other}")));
        }
    };
    let name = reader.text()?;
    reader.end()?;
    Ok((target, name))
}

/// Decodes a body that is one string: Query and CopyFail.
pub(super) fn decode_text(body: Bytes) -> SqlResult<Text> {
    let mut reader = Reader::new(body);
    let text = reader.text()?;
    reader.end()?;
    Ok(text)
}

/// Checks a body that must be empty: Sync, Flush, CopyDone.
pub(super) fn decode_empty(body: Bytes) -> SqlResult<()> {
    Reader::new(body).end()
}

/// Checks a list of format codes against the number of things it describes.
///
/// `what` and `of_what` fill PostgreSQL's sentence "bind message has 2
/// parameter formats but 3 parameters".
pub(super) fn check_formats(
    codes: &[i16],
    things: usize,
    what: &str,
    of_what: &fmt::Arguments<'_>,
) -> SqlResult<()> {
    if codes.len() > 1 && codes.len() != things {
        return Err(protocol(format!(
            "bind message has {} {what} formats but {of_what}",
            codes.len()
        )));
    }
    match codes.iter().find(|code| !matches!(code, 0 | 1)) {
        None => Ok(()),
        Some(code) => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {code}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    fn bind_body() -> Vec<u8> {
        let mut body = b"portal\0statement\0".to_vec();
        body.extend([0, 2, 0, 0, 0, 1]); // two formats
        body.extend([0, 2]); // two values
        body.extend([0, 0, 0, 1, b'7']);
        body.extend([0xff; 4]); // NULL
        body.extend([0, 1, 0, 1]); // one result format
        body
    }

    #[test]
    fn bind_is_read_field_by_field() {
        let bind = Bind::decode(bind_body().into()).unwrap();
        assert_eq!(bind.portal.as_str(), "portal");
        assert_eq!(bind.statement.as_str(), "statement");
        assert_eq!(bind.formats, vec![0, 1]);
        assert_eq!(bind.values, vec![Some(Bytes::from_static(b"7")), None]);
        assert_eq!(bind.result_formats, vec![1]);
    }

    #[test]
    fn every_shortened_bind_is_an_error() {
        let body = bind_body();
        for len in 0..body.len() {
            let error = Bind::decode(Bytes::copy_from_slice(&body[..len])).unwrap_err();
            assert_eq!(error.sqlstate(), "08P01", "cut at {len}");
        }
    }

    #[test]
    fn a_bind_with_a_byte_too_many_is_an_error() {
        let mut body = bind_body();
        body.push(0);
        assert_eq!(Bind::decode(body.into()).unwrap_err().sqlstate(), "08P01");
    }

    #[test]
    fn a_value_of_negative_length_is_refused() {
        let body = b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0".to_vec();
        assert_eq!(
            Bind::decode(body.into()).unwrap_err().message(),
            "invalid length of a bound value"
        );
    }

    #[test]
    fn row_limits_of_zero_and_below_mean_all_rows() {
        for (wire, rows) in [(-1_i32, 0), (i32::MIN, 0), (0, 0), (5, 5)] {
            let mut body = b"\0".to_vec();
            body.extend(wire.to_be_bytes());
            assert_eq!(Execute::decode(body.into()).unwrap().max_rows, rows);
        }
    }

    #[test]
    fn format_counts_are_zero_one_or_one_each() {
        let check =
            |codes: &[i16]| check_formats(codes, 3, "parameter", &format_args!("3 parameters"));
        check(&[]).unwrap();
        check(&[1]).unwrap();
        check(&[0, 1, 0]).unwrap();
        let error = check(&[0, 1]).unwrap_err();
        assert_eq!(error.sqlstate(), "08P01");
        assert_eq!(
            error.message(),
            "bind message has 2 parameter formats but 3 parameters"
        );
        assert_eq!(check(&[2]).unwrap_err().sqlstate(), "22023");
    }

    #[test]
    fn a_subtype_other_than_s_or_p_is_refused() {
        assert!(decode_target(Bytes::from_static(b"Xa\0"), "DESCRIBE").is_err());
        let (target, name) = decode_target(Bytes::from_static(b"Pa\0"), "CLOSE").unwrap();
        assert_eq!((target, name.as_str()), (Target::Portal, "a"));
    }

    #[test]
    fn every_type_byte_is_read_as_it_is_written() {
        let known: Vec<u8> = (0..=255)
            .filter_map(Kind::from_byte)
            .map(Kind::byte)
            .collect();
        assert_eq!(known, *b"BCDEFHPQSXcdfp");
        assert!(
            known
                .iter()
                .all(|byte| Kind::from_byte(*byte).map(Kind::byte) == Some(*byte))
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_a_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..96)) {
            let body = Bytes::from(body);
            let _ = Parse::decode(body.clone());
            let _ = Bind::decode(body.clone());
            let _ = Execute::decode(body.clone());
            let _ = decode_target(body.clone(), "DESCRIBE");
            let _ = decode_text(body);
        }

        #[test]
        fn parse_round_trips(name in "[a-z]{0,8}", query in "\\PC{0,40}", types in proptest::collection::vec(any::<u32>(), 0..5)) {
            let mut body = name.clone().into_bytes();
            body.push(0);
            body.extend(query.as_bytes());
            body.push(0);
            body.extend((types.len() as u16).to_be_bytes());
            for oid in &types {
                body.extend(oid.to_be_bytes());
            }
            let parse = Parse::decode(body.into()).unwrap();
            prop_assert_eq!(parse.name.as_str(), name);
            prop_assert_eq!(parse.query.as_str(), query);
            prop_assert_eq!(parse.types, types);
        }
    }
}
