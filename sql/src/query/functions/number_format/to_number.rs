//! `to_number`: the digits that a template finds in a text.

use super::super::args::str_at;
use super::super::overload::Call;
use super::template::{Anchor, Piece, Template};
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, Numeric};

pub(super) fn to_number(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, format) = (str_at(args, 0), str_at(args, 1));
    if format.is_empty() {
        return Ok(Datum::Null);
    }
    let template = Template::read(format)?;
    if template.scientific {
        return Err(SqlError::unsupported("\"EEEE\" for input"));
    }
    if template.roman {
        return Err(SqlError::unsupported("\"RN\" for input"));
    }
    let mut reader = Reader::new(&template, text);
    for piece in &template.pieces {
        if reader.at >= text.len() {
            break;
        }
        reader.piece(*piece);
    }
    let read = reader.number();
    let number = Numeric::parse(&read)?;
    let scale = u16::try_from(reader.after).unwrap_or(u16::MAX);
    let precision = template.before + template.shift + reader.after;
    let number = match u16::try_from(precision) {
        Ok(precision) if (1..=1000).contains(&precision) => {
            number.with_modifier(precision, i16::try_from(scale).unwrap_or(0))?
        }
        _ => number,
    };
    if !template.shifted {
        return Ok(Datum::Numeric(number));
    }
    let shift = i64::try_from(template.shift).unwrap_or(i64::MAX);
    let factor = Numeric::from(10).power(&Numeric::from(shift))?;
    number.divide(&factor).map(Datum::Numeric)
}

struct Reader<'a> {
    template: &'a Template,
    text: &'a str,
    /// The next byte.
    at: usize,
    sign: Option<u8>,
    digits: String,
    /// Digits read before and behind the point.
    before: usize,
    after: usize,
    point: bool,
}

impl<'a> Reader<'a> {
    fn new(template: &'a Template, text: &'a str) -> Self {
        Self {
            template,
            text,
            at: 0,
            sign: None,
            digits: String::new(),
            before: 0,
            after: 0,
            point: false,
        }
    }

    /// What was read, as a number.
    fn number(&self) -> String {
        let digits = self.digits.trim_end_matches('.');
        match self.sign {
            Some(b'-') => format!("-{digits}"),
            _ if digits.is_empty() => " ".to_owned(),
            _ => digits.to_owned(),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over a character.
    fn step(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.chars().next().map_or(1, char::len_utf8);
    }

    /// Steps over characters that cannot be part of a number.
    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            match self.byte() {
                Some(byte) if !b"0123456789.,+-".contains(&byte) => self.step(),
                _ => return,
            }
        }
    }

    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Nine | Piece::Zero | Piece::Point => {
                self.place(piece);
                if self.at < self.text.len() {
                    self.step();
                }
            }
            // Before any digit `FM` leaves it out.
            Piece::Comma if self.template.trimmed => {}
            Piece::Comma if self.byte() == Some(b',') => self.at += 1,
            Piece::Currency => self.skip(1),
            Piece::Ordinal { .. } if !self.template.has_point => self.skip(2),
            Piece::Minus => self.sign(b"-"),
            Piece::Plus => self.sign(b"+"),
            Piece::Sign => self.sign(b"+-"),
            Piece::Text(_) => self.step(),
            Piece::Comma | Piece::Ordinal { .. } | Piece::Roman { .. } | Piece::Mark => {}
        }
    }

    fn sign(&mut self, signs: &[u8]) {
        match self.byte() {
            Some(byte) if signs.contains(&byte) => {
                self.sign = Some(byte);
                self.at += 1;
            }
            _ => self.skip(1),
        }
    }

    /// A place for a digit or the point; the position is left on what was read.
    fn place(&mut self, piece: Piece) {
        if self.byte() == Some(b' ') {
            self.at += 1;
        }
        let first = self.before + self.after == 0;
        if self.sign.is_none() && piece != Piece::Point && first {
            self.leading_sign();
        }
        let Some(byte) = self.byte() else {
            return;
        };
        let mut read = false;
        if byte.is_ascii_digit() {
            if self.point && self.after == self.template.after {
                return;
            }
            self.digits.push(char::from(byte));
            if self.point {
                self.after += 1;
            } else {
                self.before += 1;
            }
            read = true;
        } else if self.template.has_point && !self.point && byte == b'.' {
            self.digits.push('.');
            self.point = true;
            read = true;
        }
        if self.sign.is_none() && self.before + self.after > 0 {
            self.trailing_sign(read);
        }
    }

    fn leading_sign(&mut self) {
        let anchored = self.template.anchor;
        let found = match (self.byte(), anchored) {
            (Some(byte @ (b'+' | b'-')), Some(Anchor::Before) | None) => Some(byte),
            (Some(byte @ (b'+' | b'-')), Some(Anchor::After)) => Some(byte),
            (Some(b'<'), None) if self.template.bracket => Some(b'-'),
            _ => None,
        };
        if found.is_some() {
            self.sign = found;
            self.at += 1;
        }
    }

    /// A sign behind the last digit, which no place says where to expect.
    fn trailing_sign(&mut self, read: bool) {
        let template = self.template;
        if template.anchor.is_some() {
            let next = self.text.as_bytes().get(self.at + 1);
            if let (true, Some(byte @ (b'+' | b'-'))) = (read, next) {
                self.sign = Some(*byte);
                self.at += 1;
            }
        } else if !read
            && (template.plus || template.minus)
            && let Some(byte @ (b'+' | b'-')) = self.byte()
        {
            self.sign = Some(byte);
        }
    }
}
