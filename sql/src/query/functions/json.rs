//! Operators and functions of `json` and `jsonb`.
//!
//! `json` keeps its text, so its members are cut out of it as they are written;
//! `jsonb` is in normal form, so that a piece of its text is in normal form too.

use super::args::{INT4, JSON, JSONB, TEXT, at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::{Json, write_string};
use crate::types::{Datum, PgType, text_out};

const PATH: Arg = Arg::Is(PgType::Array(&PgType::Text));

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("->", &[JSON, TEXT], PgType::Json, |_, a| {
        Ok(piece(member(a), json))
    }),
    Overload::new("->", &[JSON, INT4], PgType::Json, |_, a| {
        Ok(piece(element(a), json))
    }),
    Overload::new("->", &[JSONB, TEXT], PgType::Jsonb, |_, a| {
        Ok(piece(member(a), jsonb))
    }),
    Overload::new("->", &[JSONB, INT4], PgType::Jsonb, |_, a| {
        Ok(piece(element(a), jsonb))
    }),
    Overload::new("->>", &[JSON, TEXT], PgType::Text, |_, a| {
        as_text(member(a))
    }),
    Overload::new("->>", &[JSON, INT4], PgType::Text, |_, a| {
        as_text(element(a))
    }),
    Overload::new("->>", &[JSONB, TEXT], PgType::Text, |_, a| {
        as_text(member(a))
    }),
    Overload::new("->>", &[JSONB, INT4], PgType::Text, |_, a| {
        as_text(element(a))
    }),
    Overload::new("#>", &[JSON, PATH], PgType::Json, |_, a| {
        Ok(piece(at_path(a)?, json))
    }),
    Overload::new("#>", &[JSONB, PATH], PgType::Jsonb, |_, a| {
        Ok(piece(at_path(a)?, jsonb))
    }),
    Overload::new("#>>", &[JSON, PATH], PgType::Text, |_, a| {
        as_text(at_path(a)?)
    }),
    Overload::new("#>>", &[JSONB, PATH], PgType::Text, |_, a| {
        as_text(at_path(a)?)
    }),
    Overload::new("@>", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 0), at(a, 1))
    }),
    Overload::new("<@", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 1), at(a, 0))
    }),
    Overload::new("?", &[JSONB, TEXT], PgType::Bool, has_key),
    Overload::new("||", &[JSONB, JSONB], PgType::Jsonb, join),
    Overload::new(
        "||",
        &[Arg::Is(PgType::Bytea), Arg::Is(PgType::Bytea)],
        PgType::Bytea,
        join_bytes,
    ),
    Overload::new("-", &[JSONB, TEXT], PgType::Jsonb, remove_key),
    Overload::new("json_typeof", &[JSON], PgType::Text, |_, a| {
        Ok(Datum::text(kind(text(at(a, 0)))))
    }),
    Overload::new("jsonb_typeof", &[JSONB], PgType::Text, |_, a| {
        Ok(Datum::text(kind(text(at(a, 0)))))
    }),
    Overload::new("json_array_length", &[JSON], PgType::Int4, array_length),
    Overload::new("jsonb_array_length", &[JSONB], PgType::Int4, array_length),
    Overload::new("to_json", &[Arg::Any], PgType::Json, |c, a| {
        value_of(c, a, 0).map(Datum::Json)
    })
    .stable(),
    Overload::new("to_jsonb", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&value_of(c, a, 0)?)
    })
    .stable(),
    Overload::new("json_build_object", &[Arg::Any], PgType::Json, |c, a| {
        build_object(c, a, " : ").map(Datum::Json)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("jsonb_build_object", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&build_object(c, a, ":")?)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("json_build_array", &[Arg::Any], PgType::Json, |c, a| {
        build_array(c, a).map(Datum::Json)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("jsonb_build_array", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&build_array(c, a)?)
    })
    .variadic()
    .lenient()
    .stable(),
];

fn json(text: &str) -> Datum {
    Datum::Json(text.to_owned())
}

fn jsonb(text: &str) -> Datum {
    Datum::Jsonb(text.to_owned())
}

fn text(value: &Datum) -> &str {
    value.as_str().unwrap_or("null")
}

fn piece(found: Option<&str>, make: fn(&str) -> Datum) -> Datum {
    found.map_or(Datum::Null, make)
}

/// A JSON string as its text, anything else as it is written, null as NULL.
fn as_text(found: Option<&str>) -> SqlResult<Datum> {
    let Some(found) = found else {
        return Ok(Datum::Null);
    };
    if found == "null" {
        return Ok(Datum::Null);
    }
    if found.starts_with('"') {
        return match Json::parse(found)? {
            Json::String(text) => Ok(Datum::Text(text)),
            _ => Err(SqlError::internal("a JSON string is none")),
        };
    }
    Ok(Datum::text(found))
}

/// What a JSON text is.
pub(in crate::query) fn kind(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// Moves over the parts of valid JSON text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Steps over a byte if it is next, after blanks.
    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    /// The text of the next value.
    fn value(&mut self) -> &'a str {
        self.blanks();
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth == 0 => break,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default().trim_end()
    }

    /// Members of an object: written key and value.
    fn members(mut self) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        if !self.eat(b'{') || self.eat(b'}') {
            return found;
        }
        loop {
            let key = self.value();
            if !self.eat(b':') {
                return found;
            }
            found.push((key, self.value()));
            if !self.eat(b',') {
                return found;
            }
        }
    }

    /// Elements of an array.
    fn elements(mut self) -> Vec<&'a str> {
        let mut found = Vec::new();
        if !self.eat(b'[') || self.eat(b']') {
            return found;
        }
        loop {
            found.push(self.value());
            if !self.eat(b',') {
                return found;
            }
        }
    }
}

fn key_is(written: &str, key: &str) -> bool {
    let inner = written.trim_matches('"');
    if !inner.contains('\\') && !key.contains(['\\', '"']) {
        return inner == key;
    }
    matches!(Json::parse(written), Ok(Json::String(text)) if text == key)
}

/// The last member of that name: later ones win.
fn member_of<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    Cursor::new(object)
        .members()
        .into_iter()
        .rev()
        .find(|(written, _)| key_is(written, key))
        .map(|(_, value)| value)
}

fn element_of(array: &str, index: i32) -> Option<&str> {
    let elements = Cursor::new(array).elements();
    let index = if index < 0 {
        elements.len().checked_sub(index.unsigned_abs() as usize)?
    } else {
        index as usize
    };
    elements.get(index).copied()
}

fn member(args: &[Datum]) -> Option<&str> {
    member_of(text(at(args, 0)), at(args, 1).as_str()?)
}

fn element(args: &[Datum]) -> Option<&str> {
    match at(args, 1) {
        Datum::Int4(index) => element_of(text(at(args, 0)), *index),
        _ => None,
    }
}

fn at_path(args: &[Datum]) -> SqlResult<Option<&str>> {
    let Datum::Array(path) = at(args, 1) else {
        return Err(SqlError::internal("a JSON path is no array"));
    };
    let mut found = text(at(args, 0)).trim();
    for step in &path.values {
        let Some(step) = step.as_str() else {
            return Ok(None);
        };
        let next = match kind(found) {
            "object" => member_of(found, step),
            "array" => step.parse().ok().and_then(|index| element_of(found, index)),
            _ => None,
        };
        match next {
            Some(value) => found = value,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn contains(whole: &Datum, part: &Datum) -> SqlResult<Datum> {
    let (whole, part) = (Json::parse(text(whole))?, Json::parse(text(part))?);
    // An array contains a bare scalar that is one of its elements.
    let bare = match (&whole, &part) {
        (Json::Array(items), scalar) if !matches!(scalar, Json::Array(_) | Json::Object(_)) => {
            items.contains(scalar)
        }
        _ => false,
    };
    Ok(Datum::Bool(bare || holds(&whole, &part)))
}

fn holds(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(_), Json::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|own| holds(own, value))),
        (Json::Array(own), Json::Array(wanted)) => wanted
            .iter()
            .all(|value| own.iter().any(|item| holds(item, value))),
        (a, b) => a == b,
    }
}

fn has_key(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let key = at(args, 1).as_str().unwrap_or_default();
    Ok(Datum::Bool(match Json::parse(text(at(args, 0)))? {
        object @ Json::Object(_) => object.get(key).is_some(),
        Json::Array(items) => items
            .iter()
            .any(|item| matches!(item, Json::String(s) if s == key)),
        Json::String(own) => own == key,
        _ => false,
    }))
}

fn written(value: &Json) -> Datum {
    let mut out = String::new();
    value.write(&mut out);
    Datum::Jsonb(out)
}

/// Texts of JSON in `jsonb`'s normal form.
fn normal(text: &str) -> SqlResult<Datum> {
    crate::types::json::normalize(text).map(Datum::Jsonb)
}

fn join(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (left, right) = (text(at(args, 0)), text(at(args, 1)));
    match (Json::parse(left)?, Json::parse(right)?) {
        (Json::Object(_), Json::Object(_)) => {
            let inner = |object: &str| -> String {
                let trimmed = object.trim();
                trimmed
                    .get(1..trimmed.len().saturating_sub(1))
                    .unwrap_or_default()
                    .to_owned()
            };
            let (a, b) = (inner(left), inner(right));
            let comma = if a.trim().is_empty() || b.trim().is_empty() {
                ""
            } else {
                ","
            };
            // Of equal keys the later one stays.
            normal(&format!("{{{a}{comma}{b}}}"))
        }
        (a, b) => {
            let items = |value: Json| match value {
                Json::Array(items) => items,
                other => vec![other],
            };
            let mut all = items(a);
            all.extend(items(b));
            Ok(written(&Json::Array(all)))
        }
    }
}

fn join_bytes(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    match (at(args, 0), at(args, 1)) {
        (Datum::Bytea(a), Datum::Bytea(b)) => Ok(Datum::Bytea([a.as_slice(), b].concat())),
        _ => Err(SqlError::internal("bytea operands are none")),
    }
}

fn remove_key(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let key = at(args, 1).as_str().unwrap_or_default();
    match Json::parse(text(at(args, 0)))? {
        Json::Object(mut fields) => {
            fields.retain(|(own, _)| own != key);
            Ok(written(&Json::Object(fields)))
        }
        Json::Array(mut items) => {
            items.retain(|item| !matches!(item, Json::String(s) if s == key));
            Ok(written(&Json::Array(items)))
        }
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot delete from scalar",
        )),
    }
}

fn array_length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let array = text(at(args, 0));
    match kind(array) {
        "array" => Ok(Datum::Int4(
            i32::try_from(Cursor::new(array).elements().len()).unwrap_or(i32::MAX),
        )),
        "object" => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot get array length of a non-array",
        )),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot get array length of a scalar",
        )),
    }
}

/// An argument as JSON text.
fn value_of(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<String> {
    let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
    write_value(call, at(args, index), ty)
}

fn write_value(call: &Call<'_>, value: &Datum, ty: PgType) -> SqlResult<String> {
    let mut out = String::new();
    match value {
        Datum::Null => out.push_str("null"),
        Datum::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Datum::Json(text) | Datum::Jsonb(text) => out.push_str(text),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Numeric(_) => {
            out = text_out::text_out(ty, value, &call.format).unwrap_or_default();
        }
        Datum::Float4(_) | Datum::Float8(_) => {
            let number = text_out::text_out(ty, value, &call.format).unwrap_or_default();
            if number.bytes().any(|b| b.is_ascii_uppercase()) {
                write_string(&number, &mut out);
            } else {
                out = number;
            }
        }
        Datum::Array(array) => {
            let items = array
                .values
                .iter()
                .map(|item| write_value(call, item, array.element))
                .collect::<SqlResult<Vec<_>>>()?;
            out = format!("[{}]", items.join(","));
        }
        Datum::Timestamp(_) | Datum::Timestamptz(_) => {
            let text = text_out::text_out(ty, value, &call.format).unwrap_or_default();
            let iso = text.replacen(' ', "T", 1);
            write_string(&with_minutes(&iso, ty), &mut out);
        }
        _ => {
            let text = text_out::text_out(ty, value, &call.format).unwrap_or_default();
            write_string(&text, &mut out);
        }
    }
    Ok(out)
}

/// JSON wants minutes in the offset of a time zone.
fn with_minutes(text: &str, ty: PgType) -> String {
    let offset = text
        .rfind(['+', '-'])
        .map_or("", |at| text.get(at..).unwrap_or_default());
    if ty == PgType::Timestamptz && offset.len() == 3 {
        format!("{text}:00")
    } else {
        text.to_owned()
    }
}

fn build_object(call: &Call<'_>, args: &[Datum], colon: &str) -> SqlResult<String> {
    if !args.len().is_multiple_of(2) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "argument list must have even number of elements",
        ));
    }
    let mut members = Vec::with_capacity(args.len() / 2);
    for index in (0..args.len()).step_by(2) {
        if at(args, index).is_null() {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("argument {} must not be null", index + 1),
            ));
        }
        let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
        let key = text_out::text_out(ty, at(args, index), &call.format).unwrap_or_default();
        let mut member = String::new();
        write_string(&key, &mut member);
        member.push_str(colon);
        member.push_str(&value_of(call, args, index + 1)?);
        members.push(member);
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

fn build_array(call: &Call<'_>, args: &[Datum]) -> SqlResult<String> {
    let items = (0..args.len())
        .map(|index| value_of(call, args, index))
        .collect::<SqlResult<Vec<_>>>()?;
    Ok(format!("[{}]", items.join(", ")))
}
