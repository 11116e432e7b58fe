//! COPY against PostgreSQL 15's answers, in pieces of any size, and back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::error::SqlError;
use crate::types::arbitrary::typed_row;
use crate::types::format::SessionFormat;
use crate::types::row::RowLayout;
use crate::types::{Datum, PgType, binary_in, text_in};

type Rows = Vec<Vec<Option<Vec<u8>>>>;

/// Reads all data in pieces of these sizes (then the rest in one).
fn read(
    format: &CopyFormat,
    columns: usize,
    data: &[u8],
    pieces: &[usize],
) -> (Rows, Option<SqlError>) {
    let names = (0..columns)
        .map(|i| char::from(b'a' + i as u8).to_string())
        .collect();
    let mut reader = CopyReader::new(format.clone(), "t", names).unwrap();
    let mut rows = Vec::new();
    let mut rest = data;
    let mut pieces = pieces.iter();
    loop {
        let size = pieces
            .next()
            .map_or(rest.len(), |size| (*size).min(rest.len()));
        let (piece, after) = rest.split_at(size);
        rest = after;
        if let Err(error) = reader.push(piece) {
            return (rows, Some(error));
        }
        if rest.is_empty() {
            reader.finish();
        }
        loop {
            match reader.next_row() {
                Ok(Some(row)) => {
                    if format.kind == CopyKind::Text
                        && let Some(error) = (0..row.len()).find_map(|i| row.text(i).err())
                    {
                        return (rows, Some(error));
                    }
                    rows.push(
                        (0..row.len())
                            .map(|i| row.get(i).map(<[u8]>::to_vec))
                            .collect(),
                    );
                }
                Ok(None) => break,
                Err(error) => return (rows, Some(error)),
            }
        }
        if rest.is_empty() {
            return (rows, None);
        }
    }
}

fn show(format: &CopyFormat, columns: usize, data: &str) -> String {
    let (rows, error) = read(format, columns, data.as_bytes(), &[]);
    let mut out: Vec<String> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|field| match field {
                    None => "NULL".to_owned(),
                    Some(bytes) => format!("[{}]", String::from_utf8_lossy(bytes).escape_default()),
                })
                .collect()
        })
        .collect();
    if let Some(error) = error {
        // PostgreSQL loads nothing then.
        out = vec![format!(
            "{} | {}",
            error.message(),
            error.get_context().unwrap_or("")
        )];
    }
    out.join(" ")
}

fn csv() -> CopyFormat {
    CopyFormat::new(CopyKind::Csv)
}

fn text() -> CopyFormat {
    CopyFormat::new(CopyKind::Text)
}

fn check(format: &CopyFormat, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (data, expected) in cases {
        let answer = show(format, 2, data);
        if answer != *expected {
            wrong.push(format!("{data:?}\n  we  {answer}\n  PG  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn text_files_read_as_in_postgresql() {
    check(&text(), include!("../testdata/copy_text.txt"));
}

#[test]
fn csv_files_read_as_in_postgresql() {
    check(&csv(), include!("../testdata/copy_csv.txt"));
}

#[test]
fn csv_with_another_escape_reads_as_in_postgresql() {
    let format = CopyFormat {
        escape: b'\\',
        null: "nil".to_owned(),
        ..csv()
    };
    check(&format, include!("../testdata/copy_csv_escape.txt"));
}

#[test]
fn the_end_marker_ends_the_data_wherever_it_is() {
    // What PostgreSQL does with data from a client; from a file it reads on.
    assert_eq!(show(&text(), 2, "a\tb\\.\nc\td\n"), "[a][b]");
    assert_eq!(show(&text(), 2, "a\tb\n\\.\n!"), "[a][b]");
}

#[test]
fn the_header_is_skipped_or_matched() {
    let on = CopyFormat {
        header: Header::On,
        ..csv()
    };
    assert_eq!(show(&on, 2, "x,y\n1,2\n"), "[1][2]");
    let matched = CopyFormat {
        header: Header::Match,
        ..csv()
    };
    assert_eq!(show(&matched, 2, "a,b\n1,2\n"), "[1][2]");
    assert_eq!(
        show(&matched, 2, "a,c\n1,2\n"),
        "column name mismatch in header line field 2: got \"c\", expected \"b\" | COPY t, line 1: \"a,c\""
    );
    assert_eq!(
        show(&matched, 2, "a\n1,2\n"),
        "wrong number of fields in header line: got 1, expected 2 | COPY t, line 1: \"a\""
    );
}

#[test]
fn null_can_be_forced_either_way() {
    let format = CopyFormat {
        force_null: vec![true, false],
        force_not_null: vec![false, true],
        ..csv()
    };
    assert_eq!(show(&format, 2, "\"\",\n,\"\"\n"), "NULL[] NULL[]");
}

#[test]
fn a_row_may_not_grow_without_end() {
    let mut reader = CopyReader::new(csv(), "t", vec!["a".into()])
        .unwrap()
        .with_max_row_bytes(1000);
    let mut error = None;
    for _ in 0..1000 {
        if let Err(found) = reader.push(b"\"0123456789") {
            error = Some(found);
            break;
        }
        assert!(reader.next_row().unwrap().is_none());
    }
    assert_eq!(error.unwrap().sqlstate(), "54000");
}

#[test]
fn options_that_cannot_work_are_refused() {
    for format in [
        CopyFormat {
            delimiter: b'\n',
            ..text()
        },
        CopyFormat {
            delimiter: b'a',
            ..text()
        },
        CopyFormat {
            delimiter: b'"',
            ..csv()
        },
        CopyFormat {
            null: "a\n".into(),
            ..text()
        },
        CopyFormat {
            null: "a\tb".into(),
            ..text()
        },
        CopyFormat {
            null: "\"".into(),
            ..csv()
        },
    ] {
        assert!(
            CopyReader::new(format.clone(), "t", vec![]).is_err(),
            "{format:?}"
        );
    }
    assert!(
        CopyFormat::single_byte("delimiter", "é")
            .unwrap_err()
            .is("0A000")
    );
}

#[test]
fn binary_files_have_the_documented_bytes() {
    let columns = [
        ("a".to_owned(), PgType::Int4),
        ("b".to_owned(), PgType::Text),
    ];
    let format = CopyFormat::new(CopyKind::Binary);
    let mut writer = CopyWriter::new(format.clone(), &columns, SessionFormat::default()).unwrap();
    let mut out = BytesMut::new();
    writer.write_header(&mut out);
    writer
        .write_datums(&[Datum::Int4(1), Datum::Null], &mut out)
        .unwrap();
    writer.write_trailer(&mut out);
    // `copy (select 1, null::text) to stdout (format binary)` on PostgreSQL 15.
    let wanted =
        b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff\xff\xff";
    assert_eq!(out.as_ref(), wanted);

    let error = |data: &[u8]| read(&format, 2, data, &[]).1.unwrap();
    assert_eq!(
        error(b"PGCOPX").message(),
        "COPY file signature not recognized"
    );
    assert_eq!(
        error(&wanted[..30]).message(),
        "unexpected EOF in COPY data"
    );
    assert_eq!(
        error(&[wanted, &b"x"[..]].concat()).message(),
        "received copy data after EOF marker"
    );
    assert_eq!(
        read(&format, 3, wanted, &[]).1.unwrap().message(),
        "row field count is 2, expected 3"
    );
}

#[test]
fn copy_data_messages_are_framed() {
    let mut out = BytesMut::new();
    copy_data_message(&mut out, |out| {
        out.extend_from_slice(b"1\t2\n");
        Ok(())
    })
    .unwrap();
    assert_eq!(out.as_ref(), b"d\0\0\0\x081\t2\n");
    let failed = copy_data_message(&mut out, |out| {
        out.extend_from_slice(b"half");
        Err(SqlError::internal("x"))
    });
    assert!(failed.is_err());
    assert_eq!(out.len(), 9);
}

fn any_format() -> BoxedStrategy<CopyFormat> {
    prop_oneof![
        Just(text()),
        Just(csv()),
        Just(CopyFormat::new(CopyKind::Binary)),
        Just(CopyFormat {
            delimiter: b'|',
            null: "NULL".into(),
            header: Header::On,
            ..text()
        }),
        Just(CopyFormat {
            delimiter: b';',
            quote: b'\'',
            escape: b'\\',
            header: Header::Match,
            ..csv()
        }),
        Just(CopyFormat {
            force_quote_all: true,
            null: "nil".into(),
            ..csv()
        }),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_reads_back(
        format in any_format(),
        (types, values) in typed_row(4),
        repeat in 1usize..4,
        pieces in prop::collection::vec(0usize..20, 0..30),
    ) {
        let session = SessionFormat { now: 0, ..SessionFormat::default() };
        let columns: Vec<_> = types.iter().enumerate()
            .map(|(i, ty)| (char::from(b'a' + i as u8).to_string(), *ty)).collect();
        let mut writer = CopyWriter::new(format.clone(), &columns, session).unwrap();
        let layout = RowLayout::new(&types).unwrap();
        let stored = layout.encode(&values).unwrap();
        let all: Vec<usize> = (0..types.len()).collect();
        let (mut out, mut same) = (BytesMut::new(), BytesMut::new());
        writer.write_header(&mut out);
        writer.write_header(&mut same);
        for _ in 0..repeat {
            writer.write_datums(&values, &mut out).unwrap();
            writer.write_stored(&layout.view(&stored).unwrap(), &all, &mut same).unwrap();
        }
        writer.write_trailer(&mut out);
        writer.write_trailer(&mut same);
        prop_assert_eq!(&out, &same);
        let (rows, error) = read(&format, types.len(), &out, &pieces);
        prop_assert!(error.is_none(), "{:?} {:?}", error, out);
        prop_assert_eq!(rows.len(), repeat);
        for row in rows {
            for ((field, ty), value) in row.iter().zip(&types).zip(&values) {
                let back = match (field, format.kind) {
                    (None, _) => Datum::Null,
                    (Some(bytes), CopyKind::Binary) => binary_in(*ty, bytes).unwrap(),
                    (Some(bytes), _) => match text_in(*ty, std::str::from_utf8(bytes).unwrap(), &session) {
                        Ok(value) => value,
                        // Local times of the first and last day.
                        Err(error) => { prop_assume!(!error.is("22008")); return Err(TestCaseError::fail(format!("{error:?}"))); }
                    },
                };
                prop_assert_eq!(&back, value);
            }
        }
    }

    #[test]
    fn pieces_do_not_matter(
        format in any_format(),
        data in prop_oneof![
            "[ab,;|\"'\\\\\t\n\r.N1]{0,40}".prop_map(String::into_bytes),
            prop::collection::vec(prop_oneof![Just(0u8), Just(2u8), any::<u8>()], 0..30)
                .prop_map(|tail| { let mut all = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec(); all.extend(tail); all }),
        ],
        pieces in prop::collection::vec(0usize..5, 0..60),
    ) {
        let whole = read(&format, 2, &data, &[]);
        let parts = read(&format, 2, &data, &pieces);
        prop_assert_eq!(&whole.0, &parts.0);
        prop_assert_eq!(
            whole.1.as_ref().map(|e| (e.sqlstate(), e.message())),
            parts.1.as_ref().map(|e| (e.sqlstate(), e.message()))
        );
    }
}
