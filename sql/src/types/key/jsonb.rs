//! `jsonb` in keys: PostgreSQL's order of `jsonb` values.
//!
//! Objects come after arrays and scalars. A container with more members comes
//! after one with fewer; with as many, the members decide. A scalar by itself
//! counts as an array of one element, before the real ones. Scalars are ordered
//! by kind: null, strings, numbers, booleans; then by value.

use std::cmp::Ordering;

use super::bytes::{decode_bytes, encode_bytes};
use super::numeric::{decode_numeric, encode_numeric};
use super::{corrupt, take};
use crate::error::SqlResult;
use crate::types::json::{Json, MAX_DEPTH};

const NULL: u8 = 0;
const STRING: u8 = 1;
const NUMBER: u8 = 2;
const BOOL: u8 = 3;
const ARRAY: u8 = 0x10;
const OBJECT: u8 = 0x11;

/// The key of a value in normal form; its text when it is in none.
pub(crate) fn jsonb_key(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    if encode_jsonb(text, &mut out).is_err() {
        out.clear();
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// PostgreSQL's order of two values in normal form.
pub(crate) fn compare_jsonb(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    jsonb_key(a).cmp(&jsonb_key(b))
}

pub(super) fn encode_jsonb(text: &str, out: &mut Vec<u8>) -> SqlResult<()> {
    match Json::parse(text)? {
        object @ Json::Object(_) => encode(&object, out),
        Json::Array(items) => {
            out.push(ARRAY);
            count(items.len(), out);
            out.push(1);
            items.iter().for_each(|item| encode(item, out));
        }
        scalar => {
            out.push(ARRAY);
            count(1, out);
            out.push(0);
            encode(&scalar, out);
        }
    }
    Ok(())
}

fn count(members: usize, out: &mut Vec<u8>) {
    // A value has fewer bytes than this counts.
    out.extend_from_slice(&u32::try_from(members).unwrap_or(u32::MAX).to_be_bytes());
}

fn encode(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.push(NULL),
        Json::String(text) => {
            out.push(STRING);
            encode_bytes(text.as_bytes(), out);
        }
        Json::Number(number) => {
            out.push(NUMBER);
            encode_numeric(number, out);
        }
        Json::Bool(value) => out.extend_from_slice(&[BOOL, u8::from(*value)]),
        Json::Array(items) => {
            out.push(ARRAY);
            count(items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Json::Object(fields) => {
            out.push(OBJECT);
            count(fields.len(), out);
            for (key, value) in fields {
                encode_bytes(key.as_bytes(), out);
                encode(value, out);
            }
        }
    }
}

pub(super) fn decode_jsonb(bytes: &mut &[u8]) -> SqlResult<String> {
    let value = match bytes.first() {
        Some(&ARRAY) => {
            let [_] = take::<1>(bytes)?;
            let members = u32::from_be_bytes(take(bytes)?);
            match take::<1>(bytes)? {
                [0] if members == 1 => decode(bytes, 0)?,
                [1] => Json::Array(items(bytes, members, 0)?),
                _ => return Err(corrupt()),
            }
        }
        _ => decode(bytes, 0)?,
    };
    let mut out = String::new();
    value.write(&mut out);
    Ok(out)
}

fn items(bytes: &mut &[u8], members: u32, depth: usize) -> SqlResult<Vec<Json>> {
    let mut items = Vec::new();
    for _ in 0..members {
        items.push(decode(bytes, depth + 1)?);
    }
    Ok(items)
}

fn decode(bytes: &mut &[u8], depth: usize) -> SqlResult<Json> {
    if depth > MAX_DEPTH {
        return Err(corrupt());
    }
    let text = |bytes: &mut &[u8]| String::from_utf8(decode_bytes(bytes)?).map_err(|_| corrupt());
    let [tag] = take::<1>(bytes)?;
    Ok(match tag {
        NULL => Json::Null,
        STRING => Json::String(text(bytes)?),
        NUMBER => Json::Number(decode_numeric(bytes)?),
        BOOL => match take::<1>(bytes)? {
            [0] => Json::Bool(false),
            [1] => Json::Bool(true),
            _ => return Err(corrupt()),
        },
        ARRAY => {
            let members = u32::from_be_bytes(take(bytes)?);
            Json::Array(items(bytes, members, depth)?)
        }
        OBJECT => {
            let members = u32::from_be_bytes(take(bytes)?);
            let mut fields = Vec::new();
            for _ in 0..members {
                fields.push((text(bytes)?, decode(bytes, depth + 1)?));
            }
            Json::Object(fields)
        }
        _ => return Err(corrupt()),
    })
}
