//! Messages to the client, appended to the output buffer.

use bytes::{BufMut, BytesMut};
use kimberlite_sql::activity::Notification;
use kimberlite_sql::error::{Severity, SqlError};
use kimberlite_sql::session::{FieldDescription, TxStatus};
use pgwire::messages::response::{
    READY_STATUS_FAILED_TRANSACTION_BLOCK, READY_STATUS_IDLE, READY_STATUS_TRANSACTION_BLOCK,
};

/// Longest text of one error field, in bytes: the message stays one libpq
/// takes, whatever a statement put into it.
const MAX_FIELD: usize = 64 << 10;

/// Appends one message: its type, its length once known, its body.
fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let at = out.len();
    out.put_u32(0);
    body(out);
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends text and its zero. A zero inside the text would end the field for
/// the client, so it is left out.
fn put_text(out: &mut BytesMut, text: &str) {
    if text.bytes().any(|byte| byte == 0) {
        out.extend(text.bytes().filter(|byte| *byte != 0));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.put_u8(0);
}

/// AuthenticationOk.
pub(super) fn authentication_ok(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_u32(0));
}

/// AuthenticationSASL: the mechanisms to choose from.
pub(super) fn authentication_sasl(out: &mut BytesMut, mechanisms: &[String]) {
    message(out, b'R', |out| {
        out.put_u32(10);
        for name in mechanisms {
            put_text(out, name);
        }
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue.
pub(super) fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_u32(11);
        out.extend_from_slice(data);
    });
}

/// AuthenticationSASLFinal.
pub(super) fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_u32(12);
        out.extend_from_slice(data);
    });
}

/// BackendKeyData.
pub(super) fn backend_key_data(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.put_i32(pid);
        out.extend_from_slice(secret);
    });
}

/// NegotiateProtocolVersion: the version we go on with, the options we ignore.
pub(super) fn negotiate_protocol_version(out: &mut BytesMut, minor: u16, unknown: &[String]) {
    message(out, b'v', |out| {
        // The manual says "newest minor version"; PostgreSQL sends, and libpq
        // reads, the whole version number.
        out.put_u16(3);
        out.put_u16(minor);
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        for name in unknown {
            put_text(out, name);
        }
    });
}

/// ParameterStatus.
pub(super) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

/// NotificationResponse.
pub(super) fn notification(out: &mut BytesMut, notification: &Notification) {
    message(out, b'A', |out| {
        out.put_i32(notification.pid);
        put_text(out, &notification.channel);
        put_text(out, &notification.payload);
    });
}

/// ReadyForQuery.
pub(super) fn ready_for_query(out: &mut BytesMut, status: TxStatus) {
    let status = match status {
        TxStatus::Idle => READY_STATUS_IDLE,
        TxStatus::InTransaction => READY_STATUS_TRANSACTION_BLOCK,
        TxStatus::Failed => READY_STATUS_FAILED_TRANSACTION_BLOCK,
    };
    message(out, b'Z', |out| out.put_u8(status));
}

/// CommandComplete.
pub(super) fn command_complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| put_text(out, tag));
}

/// A message that is its type alone.
pub(super) fn bare(out: &mut BytesMut, kind: Bare) {
    out.extend_from_slice(&[kind as u8, 0, 0, 0, 4]);
}

/// The messages without a body.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Bare {
    /// BindComplete
    BindComplete = b'2',
    /// CloseComplete
    CloseComplete = b'3',
    /// CopyDone
    CopyDone = b'c',
    /// EmptyQueryResponse
    EmptyQuery = b'I',
    /// NoData
    NoData = b'n',
    /// ParseComplete
    ParseComplete = b'1',
    /// PortalSuspended
    PortalSuspended = b's',
}

/// ParameterDescription.
pub(super) fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    message(out, b't', |out| {
        out.put_u16(count(types.len()));
        for oid in types {
            out.put_u32(*oid);
        }
    });
}

/// RowDescription. `formats` as in Bind: none, one for all, or one each; the
/// field's own format stands when `formats` is `None`.
pub(super) fn row_description(
    out: &mut BytesMut,
    fields: &[FieldDescription],
    formats: Option<&[i16]>,
) {
    message(out, b'T', |out| {
        out.put_u16(count(fields.len()));
        for (index, field) in fields.iter().enumerate() {
            let format = match formats {
                None => field.format.code(),
                Some([]) => 0,
                Some([all]) => *all,
                Some(each) => each.get(index).copied().unwrap_or(0),
            };
            put_text(out, &field.name);
            out.put_u32(field.table_oid);
            out.put_i16(field.column);
            out.put_u32(field.type_oid());
            out.put_i16(field.type_len());
            out.put_i32(field.typmod());
            out.put_i16(format);
        }
    });
}

/// CopyInResponse (`G`) or CopyOutResponse (`H`).
pub(super) fn copy_response(out: &mut BytesMut, kind: u8, columns: usize, binary: bool) {
    let format = u8::from(binary);
    message(out, kind, |out| {
        out.put_u8(format);
        let columns = count(columns);
        out.put_u16(columns);
        for _ in 0..columns {
            out.put_u16(u16::from(format));
        }
    });
}

/// ErrorResponse, or NoticeResponse for a severity below ERROR.
pub(super) fn error_or_notice(out: &mut BytesMut, error: &SqlError) {
    let kind = if is_error(error) { b'E' } else { b'N' };
    let severity = error.get_severity().as_str();
    let position = error.get_position().map(|position| position.to_string());
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(error.sqlstate())),
        (b'M', Some(error.message())),
        (b'D', error.get_detail()),
        (b'H', error.get_hint()),
        (b'P', position.as_deref()),
        (b'W', error.get_context()),
        (b's', error.get_schema()),
        (b't', error.get_table()),
        (b'c', error.get_column()),
        (b'd', error.get_data_type()),
        (b'n', error.get_constraint()),
    ];
    message(out, kind, |out| {
        for (code, text) in fields {
            if let Some(text) = text {
                out.put_u8(code);
                put_text(out, clip(text));
            }
        }
        out.put_u8(0);
    });
}

fn is_error(error: &SqlError) -> bool {
    matches!(
        error.get_severity(),
        Severity::Error | Severity::Fatal | Severity::Panic
    )
}

fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_FIELD))
        .unwrap_or(text)
}

/// A count on the wire. A result has at most 1,664 columns and a statement at
/// most 65,535 parameters, which the session enforces.
fn count(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use kimberlite_sql::types::PgType;
    use pgwire::messages::{DecodeContext, PgWireBackendMessage};

    /// Reads one message back with an independent decoder.
    fn decode(out: &mut BytesMut) -> PgWireBackendMessage {
        let context = DecodeContext::default();
        let message = PgWireBackendMessage::decode(out, &context)
            .unwrap()
            .unwrap();
        assert!(out.is_empty());
        message
    }

    fn field(name: &str, format: i16) -> FieldDescription {
        let mut field = FieldDescription::new(name.to_owned(), PgType::Int4, 16384, 2);
        field.format = kimberlite_sql::types::Format::from_code(format).unwrap();
        field
    }

    #[test]
    fn an_error_carries_every_field() {
        let error = SqlError::new("23505", "m")
            .detail("d")
            .hint("h")
            .position(7)
            .context("w")
            .schema("s")
            .table("t")
            .column("c")
            .data_type("y")
            .constraint("n")
            .with_internal("not for clients");
        let mut out = BytesMut::new();
        error_or_notice(&mut out, &error);
        let PgWireBackendMessage::ErrorResponse(response) = decode(&mut out) else {
            panic!("not an ErrorResponse");
        };
        let seen: Vec<(char, &str)> = response
            .fields
            .iter()
            .map(|(code, text)| (char::from(*code), text.as_str()))
            .collect();
        let expected = [
            ('S', "ERROR"),
            ('V', "ERROR"),
            ('C', "23505"),
            ('M', "m"),
            ('D', "d"),
            ('H', "h"),
            ('P', "7"),
            ('W', "w"),
            ('s', "s"),
            ('t', "t"),
            ('c', "c"),
            ('d', "y"),
            ('n', "n"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_notice_is_not_an_error() {
        let mut out = BytesMut::new();
        error_or_notice(&mut out, &SqlError::notice("n"));
        assert!(matches!(
            decode(&mut out),
            PgWireBackendMessage::NoticeResponse(_)
        ));
    }

    #[test]
    fn a_zero_in_a_text_does_not_end_the_field() {
        let mut out = BytesMut::new();
        error_or_notice(&mut out, &SqlError::new("XX000", "a\0b"));
        let PgWireBackendMessage::ErrorResponse(response) = decode(&mut out) else {
            panic!("not an ErrorResponse");
        };
        assert!(response.fields.contains(&(b'M', "ab".to_owned())));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut out = BytesMut::new();
        let text = format!("a{}", "é".repeat(MAX_FIELD));
        error_or_notice(&mut out, &SqlError::new("XX000", text));
        assert!(out.len() < MAX_FIELD + 100);
        let PgWireBackendMessage::ErrorResponse(response) = decode(&mut out) else {
            panic!("not an ErrorResponse");
        };
        let message = &response.fields[3].1;
        assert!(message.ends_with('é') && !message.contains('\u{fffd}'));
    }

    #[test]
    fn formats_follow_binds_rule() {
        let fields = [field("a", 1), field("b", 0)];
        let formats = |formats: Option<&[i16]>| {
            let mut out = BytesMut::new();
            row_description(&mut out, &fields, formats);
            match decode(&mut out) {
                PgWireBackendMessage::RowDescription(rows) => {
                    assert_eq!(rows.fields[1].name, "b");
                    assert_eq!(rows.fields[1].type_size, 4);
                    rows.fields
                        .iter()
                        .map(|field| field.format_code)
                        .collect::<Vec<_>>()
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(formats(None), vec![1, 0]);
        assert_eq!(formats(Some(&[])), vec![0, 0]);
        assert_eq!(formats(Some(&[1])), vec![1, 1]);
        assert_eq!(formats(Some(&[0, 1])), vec![0, 1]);
    }

    #[test]
    fn the_other_messages_read_back() {
        let mut out = BytesMut::new();
        copy_response(&mut out, b'G', 2, true);
        let PgWireBackendMessage::CopyInResponse(copy) = decode(&mut out) else {
            panic!("not a CopyInResponse");
        };
        assert_eq!((copy.format, copy.column_formats), (1, vec![1, 1]));

        parameter_status(&mut out, "TimeZone", "UTC");
        let PgWireBackendMessage::ParameterStatus(status) = decode(&mut out) else {
            panic!("not a ParameterStatus");
        };
        assert_eq!(
            (status.name.as_str(), status.value.as_str()),
            ("TimeZone", "UTC")
        );

        ready_for_query(&mut out, TxStatus::Failed);
        assert_eq!(&out[..], b"Z\0\0\0\x05E");
        out.clear();

        bare(&mut out, Bare::PortalSuspended);
        assert!(matches!(
            decode(&mut out),
            PgWireBackendMessage::PortalSuspended(_)
        ));

        negotiate_protocol_version(&mut out, 2, &["_pq_.x".to_owned()]);
        let PgWireBackendMessage::NegotiateProtocolVersion(version) = decode(&mut out) else {
            panic!("not a NegotiateProtocolVersion");
        };
        assert_eq!(version.newest_minor_protocol, 3 << 16 | 2);
        assert_eq!(version.unsupported_options, vec!["_pq_.x"]);
    }
}
