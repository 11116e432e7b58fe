//! Expected and actual results, brought to the same form.
//!
//! SQLite's rules are in its `about.wiki`: integers for `I`, `%.3f` for `R`,
//! for `T` the text with `(empty)` for an empty string and `@` for what cannot
//! be printed, `NULL` for NULL; sorted by row or by value; and, above a
//! threshold, only the MD5 of all values, each followed by a newline.

use md5::{Digest, Md5};
use sqllogictest::{DefaultColumnType, ResultMode, SortMode};

use crate::dialect::Dialect;

/// What a query record expects, with the file's defaults filled in.
#[derive(Debug, Clone)]
pub struct Expectation<'a> {
    /// How the file is written.
    pub dialect: Dialect,
    /// Type letters; empty when the record has none.
    pub types: &'a [DefaultColumnType],
    /// Order to bring rows or values into.
    pub sort: SortMode,
    /// One row or one value a line.
    pub layout: ResultMode,
    /// The lines under `----`.
    pub lines: &'a [String],
}

/// The two sides of a comparison that failed, in the form compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the file wants.
    pub expected: String,
    /// What came.
    pub actual: String,
}

/// Any text may stand where an expected result has this mark.
const IGNORE: &str = "<slt:ignore>";

/// Compares rows with an expectation. On success gives the hash of the result,
/// with which queries of the same label are compared.
pub fn compare(
    expectation: &Expectation<'_>,
    columns: usize,
    rows: &[Vec<Option<String>>],
) -> Result<String, Difference> {
    let types = expectation.types;
    if !types.is_empty() && types.len() != columns {
        return Err(Difference {
            expected: format!("{} columns", types.len()),
            actual: format!("{columns} columns"),
        });
    }
    let mut cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .enumerate()
                .map(|(i, v)| show(expectation.dialect, types.get(i), v))
                .collect()
        })
        .collect();
    match expectation.sort {
        SortMode::NoSort => {}
        SortMode::RowSort => cells.sort_unstable(),
        SortMode::ValueSort => {
            let mut values: Vec<String> = cells.into_iter().flatten().collect();
            values.sort_unstable();
            cells = values.into_iter().map(|v| vec![v]).collect();
        }
    }
    let hash = hash(&cells);
    if let [line] = expectation.lines
        && line.contains(" values hashing to ")
    {
        let count: usize = cells.iter().map(Vec::len).sum();
        let actual = format!("{count} values hashing to {hash}");
        let expected = line.trim().to_owned();
        if expected == actual {
            return Ok(hash);
        }
        return Err(Difference {
            expected,
            actual: format!("{actual}\n{}", lines(cells, expectation).join("\n")),
        });
    }
    let actual = lines(cells, expectation);
    let expected = expected_lines(expectation);
    if same(&expected, &actual) {
        Ok(hash)
    } else {
        Err(Difference {
            expected: expected.join("\n"),
            actual: actual.join("\n"),
        })
    }
}

fn lines(cells: Vec<Vec<String>>, expectation: &Expectation<'_>) -> Vec<String> {
    let mut lines: Vec<String> = match expectation.layout {
        ResultMode::ValueWise => cells.into_iter().flatten().collect(),
        ResultMode::RowWise => cells.into_iter().map(|row| row.join(" ")).collect(),
    };
    for line in &mut lines {
        *line = one_space(line);
    }
    if sorted_by_line(expectation) {
        lines.sort_unstable();
    }
    lines
}

fn expected_lines(expectation: &Expectation<'_>) -> Vec<String> {
    let mut lines: Vec<String> = expectation.lines.iter().map(|l| one_space(l)).collect();
    if sorted_by_line(expectation) {
        lines.sort_unstable();
    }
    lines
}

/// A hand-written file need not have its rows in byte order.
fn sorted_by_line(expectation: &Expectation<'_>) -> bool {
    expectation.sort != SortMode::NoSort
        && (expectation.layout == ResultMode::RowWise || expectation.sort == SortMode::ValueSort)
}

/// Columns may be lined up with spaces or tabs: runs of white space count as one.
fn one_space(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn same(expected: &[String], actual: &[String]) -> bool {
    if !expected.iter().any(|line| line.contains(IGNORE)) {
        return expected == actual;
    }
    let (expected, actual) = (expected.join("\n"), actual.join("\n"));
    let mut rest = actual.as_str();
    expected
        .split(IGNORE)
        .all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
}

fn hash(cells: &[Vec<String>]) -> String {
    let mut md5 = Md5::new();
    for value in cells.iter().flatten() {
        md5.update(value.as_bytes());
        md5.update(b"\n");
    }
    md5.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn show(dialect: Dialect, kind: Option<&DefaultColumnType>, value: &Option<String>) -> String {
    let Some(value) = value else {
        return "NULL".to_owned();
    };
    if dialect == Dialect::Slt {
        return if value.is_empty() {
            "(empty)".to_owned()
        } else {
            value.clone()
        };
    }
    match kind {
        Some(DefaultColumnType::Integer) => integer(value),
        Some(DefaultColumnType::FloatingPoint) => match value.parse::<f64>() {
            Ok(number) => format!("{number:.3}"),
            Err(_) => value.clone(),
        },
        _ if value.is_empty() => "(empty)".to_owned(),
        _ => value
            .chars()
            .map(|c| if (' '..='~').contains(&c) { c } else { '@' })
            .collect(),
    }
}

/// An integer as SQLite converts any value: truth is 1, fractions are cut off,
/// of a text only a leading number counts.
fn integer(value: &str) -> String {
    match value {
        "t" => return "1".to_owned(),
        "f" => return "0".to_owned(),
        _ => {}
    }
    if value.contains(['e', 'E'])
        && let Ok(number) = value.parse::<f64>()
        && number.is_finite()
    {
        return format!("{:.0}", number.trunc());
    }
    // Cut the text, not a float: numeric has more digits than f64.
    let (sign, digits) = match value.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", value),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let number = digits
        .get(..end)
        .unwrap_or_default()
        .trim_start_matches('0');
    if number.is_empty() {
        "0".to_owned()
    } else {
        format!("{sign}{number}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use DefaultColumnType::{FloatingPoint as R, Integer as I, Text as T};

    use super::*;

    fn rows(rows: &[&[Option<&str>]]) -> Vec<Vec<Option<String>>> {
        rows.iter()
            .map(|r| r.iter().map(|v| v.map(str::to_owned)).collect())
            .collect()
    }

    fn check(
        dialect: Dialect,
        types: &[DefaultColumnType],
        sort: SortMode,
        lines: &[&str],
        data: &[&[Option<&str>]],
    ) -> Result<String, Difference> {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let layout = match dialect {
            Dialect::Sqlite => ResultMode::ValueWise,
            Dialect::Slt => ResultMode::RowWise,
        };
        let expectation = Expectation {
            dialect,
            types,
            sort,
            layout,
            lines: &lines,
        };
        compare(
            &expectation,
            data.first().map_or(types.len(), |r| r.len()),
            &rows(data),
        )
    }

    #[test]
    fn sqlite_formats_by_type_letter() {
        let data: &[&[Option<&str>]] = &[
            &[Some("12.70"), Some("2"), Some("")],
            &[Some("t"), Some("0.12345"), Some("a\tb")],
            &[None, None, None],
            &[Some("-0.5"), Some("-1e3"), Some("x y")],
        ];
        let lines = [
            "12",
            "2.000",
            "(empty)",
            "1",
            "0.123",
            "a@b",
            "NULL",
            "NULL",
            "NULL",
            "0",
            "-1000.000",
            "x y",
        ];
        check(Dialect::Sqlite, &[I, R, T], SortMode::NoSort, &lines, data).unwrap();
    }

    #[test]
    fn integers_are_cut_out_of_anything() {
        assert_eq!(integer("12345678901234567890.99"), "12345678901234567890");
        assert_eq!(integer("1.5e3"), "1500");
        assert_eq!(integer("-7"), "-7");
        assert_eq!(integer("-0"), "0");
        assert_eq!(integer("-0.99"), "0");
        assert_eq!(integer("007"), "7");
        assert_eq!(integer("abc"), "0");
        assert_eq!(integer("12 mice"), "12");
    }

    #[test]
    fn sorts_by_row_and_by_value() {
        let data: &[&[Option<&str>]] = &[&[Some("2"), Some("1")], &[Some("10"), Some("3")]];
        let row = ["10", "3", "2", "1"];
        check(Dialect::Sqlite, &[I, I], SortMode::RowSort, &row, data).unwrap();
        let value = ["1", "10", "2", "3"];
        check(Dialect::Sqlite, &[I, I], SortMode::ValueSort, &value, data).unwrap();
        check(Dialect::Sqlite, &[I, I], SortMode::NoSort, &value, data).unwrap_err();
        check(
            Dialect::Slt,
            &[I, I],
            SortMode::RowSort,
            &["2 1", "10 3"],
            data,
        )
        .unwrap();
    }

    #[test]
    fn hashes_as_the_corpus_does() {
        // printf '1\n2\n3\n' | md5sum
        let right = "3 values hashing to c0710d6b4f15dfa88f600b0e6b624077";
        let data: &[&[Option<&str>]] = &[&[Some("3")], &[Some("1")], &[Some("2")]];
        let hash = check(Dialect::Sqlite, &[I], SortMode::RowSort, &[right], data);
        assert_eq!(
            hash.as_deref().map_err(|d| d.actual.clone()),
            Ok(&right[20..])
        );
        check(Dialect::Sqlite, &[I], SortMode::NoSort, &[right], data).unwrap_err();
    }

    #[test]
    fn slt_shows_null_and_empty_and_forgives_spacing() {
        let data: &[&[Option<&str>]] = &[&[None, Some(""), Some("a  b")]];
        check(
            Dialect::Slt,
            &[T, T, T],
            SortMode::NoSort,
            &["NULL\t(empty)  a b"],
            data,
        )
        .unwrap();
        check(
            Dialect::Slt,
            &[T, T],
            SortMode::NoSort,
            &["NULL (empty) a b"],
            data,
        )
        .unwrap_err();
    }

    #[test]
    fn the_ignore_mark_stands_for_any_text() {
        let data: &[&[Option<&str>]] = &[&[Some("took 12 ms"), Some("x")]];
        check(
            Dialect::Slt,
            &[],
            SortMode::NoSort,
            &["took <slt:ignore> ms x"],
            data,
        )
        .unwrap();
        check(
            Dialect::Slt,
            &[],
            SortMode::NoSort,
            &["took <slt:ignore> s x"],
            data,
        )
        .unwrap_err();
    }
}
