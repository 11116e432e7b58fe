//! Writes a number into a template, place by place.

use super::roman::{WIDTH, ordinal};
use super::template::{Anchor, Piece, Template};
use crate::error::SqlResult;

/// The text of `number`, which has `blank` places fewer before its point than the
/// template.
pub(super) fn write(
    template: &Template,
    sign: char,
    number: &str,
    blank: usize,
) -> SqlResult<String> {
    let mut writer = Writer::new(template, sign, number, blank);
    for piece in &template.pieces {
        writer.piece(*piece)?;
    }
    if let Some(cut) = writer.cut {
        writer.out.truncate(cut);
    }
    Ok(writer.out)
}

struct Writer<'a> {
    template: &'a Template,
    sign: char,
    number: &'a [u8],
    /// The next byte of the number.
    next: usize,
    /// Places before the first digit.
    blank: usize,
    /// The place that is being written, counting the point.
    place: usize,
    /// The place behind the last one.
    end: usize,
    /// With `FM`: the last byte of the number that is shown.
    last: Option<usize>,
    /// Whether the sign is written, or needs not be.
    signed: bool,
    bracket: bool,
    anchor: Option<Anchor>,
    /// Whether a digit was written.
    begun: bool,
    /// Where a number that is too short for its places ends everything.
    cut: Option<usize>,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(template: &'a Template, sign: char, number: &'a str, blank: usize) -> Self {
        let roman = template.roman;
        let separate = template.plus || template.minus;
        let trimmed = template.trimmed;
        let mut anchor = template.anchor.filter(|_| !roman);
        let mut bracket = template.bracket && !roman;
        let signed = if separate {
            template.minus
        } else {
            bracket &= sign == '-' || !trimmed;
            if anchor == Some(Anchor::Before) && template.before == template.places_before_sign {
                anchor = Some(Anchor::After);
            }
            sign == '+' && trimmed && anchor.is_none()
        };
        let mut writer = Self {
            template,
            sign,
            number: number.as_bytes(),
            next: 0,
            blank,
            place: 0,
            end: (template.before + template.after + usize::from(template.has_point))
                .saturating_sub(1)
                + usize::from(blank > 0),
            last: None,
            signed,
            bracket,
            anchor,
            begun: false,
            cut: None,
            out: String::new(),
        };
        if trimmed && template.has_point {
            writer.last = writer.last_shown();
        }
        if !signed && blank == 0 {
            writer.end += 1;
        }
        writer
    }

    /// The last byte that `FM` leaves: zeros at the end go, unless a `0` asks for
    /// them.
    fn last_shown(&self) -> Option<usize> {
        let point = self.number.iter().position(|b| *b == b'.')?;
        let last = self.number.iter().rposition(|b| *b != b'0')?.max(point);
        if self.template.zero_end <= self.blank {
            return Some(last);
        }
        let asked = self.template.zero_end - self.blank;
        Some(last.max(asked.min(self.number.len() - 1)))
    }

    fn byte(&self) -> Option<u8> {
        self.number.get(self.next).copied()
    }

    /// Whether nothing is shown behind the point.
    fn ends_at_point(&self) -> bool {
        self.last
            .is_some_and(|last| self.number.get(last) == Some(&b'.'))
    }

    /// Whether the next digit is the zero before the point, which is not shown.
    fn is_lone_zero(&self) -> bool {
        self.template.zero_start.is_none()
            && self.next == 0
            && self.number.first() == Some(&b'0')
            && self.template.after > 0
    }

    fn piece(&mut self, piece: Piece) -> SqlResult<()> {
        let trimmed = self.template.trimmed;
        match piece {
            Piece::Nine | Piece::Zero | Piece::Point => self.digit(piece == Piece::Zero),
            Piece::Comma if self.begun => self.out.push(','),
            Piece::Comma if !trimmed => self.out.push(' '),
            Piece::Currency => self.out.push(' '),
            Piece::Minus if self.sign == '-' => self.out.push('-'),
            Piece::Plus if self.sign == '+' => self.out.push('+'),
            Piece::Minus | Piece::Plus if !trimmed => self.out.push(' '),
            Piece::Comma | Piece::Minus | Piece::Plus | Piece::Mark => {}
            Piece::Sign => self.out.push(self.sign),
            Piece::Text(text) => self.out.push(text),
            Piece::Roman { upper } => self.roman(upper),
            Piece::Ordinal { upper } => {
                let none = self.template.roman
                    || self.template.has_point
                    || self.sign == '-'
                    || self.number.first() == Some(&b'#');
                if !none {
                    let number = String::from_utf8_lossy(self.number);
                    self.out.push_str(ordinal(&number, upper)?);
                }
            }
        }
        Ok(())
    }

    fn roman(&mut self, upper: bool) {
        let number = String::from_utf8_lossy(self.number);
        let number = if upper {
            number.into_owned()
        } else {
            number.to_ascii_lowercase()
        };
        if self.template.trimmed {
            self.out.push_str(&number);
        } else {
            self.out.push_str(&format!("{number:>WIDTH$}"));
        }
    }

    fn write_sign(&mut self) {
        let zeros_begin = self.template.zero_start == Some(self.place);
        let starts = self.place >= self.blank || zeros_begin;
        if self.signed || !starts || (self.is_lone_zero() && !self.ends_at_point()) {
            return;
        }
        match self.anchor {
            Some(Anchor::Before) => self.out.push(self.sign),
            Some(Anchor::After) => return,
            None if self.bracket => self.out.push(if self.sign == '-' { '<' } else { ' ' }),
            None if self.sign == '-' => self.out.push('-'),
            None if !self.template.trimmed => self.out.push(' '),
            None => {}
        }
        self.signed = true;
    }

    /// A place for a digit or the point.
    fn digit(&mut self, zero: bool) {
        if self.template.roman {
            return;
        }
        self.begun = false;
        self.write_sign();
        let zeros = self
            .template
            .zero_start
            .is_some_and(|start| start <= self.place);
        if self.place >= self.blank {
            self.shown(zero);
            self.next = (self.next + 1).min(self.number.len());
        } else if zeros {
            self.out.push('0');
            self.begun = true;
        } else if !self.template.trimmed {
            self.out.push(' ');
        }
        let end = match self.last {
            Some(last) if last == self.next => self.place,
            _ => self.end,
        };
        if self.place + 1 == end {
            self.close();
        }
        self.place += 1;
    }

    /// The next byte of the number.
    fn shown(&mut self, zero: bool) {
        let Some(byte) = self.byte() else {
            if self.last.is_none() || zero {
                self.cut.get_or_insert(self.out.len());
            }
            return;
        };
        if byte == b'.' {
            if !self.ends_at_point() || self.template.trimmed {
                self.out.push('.');
            }
        } else if self.last.is_some_and(|last| self.next > last) && !zero {
        } else if self.is_lone_zero() {
            if !self.template.trimmed {
                self.out.push(' ');
            } else if self.ends_at_point() {
                self.out.push('0');
            }
        } else {
            self.out.push(char::from(byte));
            self.begun = true;
        }
    }

    /// The sign that stands behind the number.
    fn close(&mut self) {
        if self.signed && self.bracket {
            self.out.push(if self.sign == '-' { '>' } else { ' ' });
        } else if self.anchor == Some(Anchor::After) {
            self.out.push(self.sign);
        }
    }
}
