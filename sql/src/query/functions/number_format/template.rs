//! The template of a number, taken apart.

use crate::error::{SqlError, SqlResult, state};

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Piece {
    /// `9`
    Nine,
    /// `0`
    Zero,
    /// `.` or `D`
    Point,
    /// `,` or `G`
    Comma,
    /// `L`; the C locale has no symbol
    Currency,
    /// `RN`, `rn`
    Roman { upper: bool },
    /// `TH`, `th`
    Ordinal { upper: bool },
    /// `MI`
    Minus,
    /// `PL`
    Plus,
    /// `SG`
    Sign,
    /// What has no place of its own: `B`, `FM`, `PR`, `S`, `SP`, `V`, `EEEE`
    Mark,
    /// Anything else, and quoted text
    Text(char),
}

/// Where `S` puts the sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Before,
    After,
}

/// A template and what its parts say together.
#[derive(Debug, Default, Clone)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
    /// Places before the point.
    pub(super) before: usize,
    /// Places behind it.
    pub(super) after: usize,
    /// Places behind `V`.
    pub(super) shift: usize,
    /// The place of the first `0`, when it is before the point.
    pub(super) zero_start: Option<usize>,
    /// How far the last `0` reaches.
    pub(super) zero_end: usize,
    pub(super) has_point: bool,
    /// `FM`
    pub(super) trimmed: bool,
    /// `PR`
    pub(super) bracket: bool,
    /// `MI` or `SG`
    pub(super) minus: bool,
    /// `PL` or `SG`
    pub(super) plus: bool,
    pub(super) roman: bool,
    pub(super) scientific: bool,
    pub(super) shifted: bool,
    pub(super) anchor: Option<Anchor>,
    /// Places before the point that `S` stands behind.
    pub(super) places_before_sign: usize,
    blank: bool,
}

/// Keywords, longer ones before their beginnings. They are all in capitals or
/// all in small letters.
const KEYWORDS: [&str; 18] = [
    "EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", ",", ".", "0", "9", "B", "D", "G", "L",
    "S",
];

fn fault(message: &str) -> SqlError {
    SqlError::new(state::SYNTAX_ERROR, message)
}

/// A keyword at the beginning of a text, in capitals, and whether it is written so.
fn keyword(rest: &str) -> Option<(&'static str, bool)> {
    KEYWORDS.iter().chain(&["V"]).find_map(|word| {
        let start = rest.get(..word.len())?;
        if start == *word {
            return Some((*word, true));
        }
        (start == word.to_ascii_lowercase()).then_some((*word, false))
    })
}

impl Template {
    /// Takes a template apart.
    ///
    /// # Errors
    /// 42601 for parts that do not go together.
    pub(super) fn read(text: &str) -> SqlResult<Template> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((word, upper)) = keyword(rest) {
                template.keyword(word, upper)?;
                rest = rest.get(word.len()..).unwrap_or_default();
                continue;
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            match first {
                '"' => rest = template.quoted(rest),
                '\\' if rest.starts_with('"') => {
                    template.pieces.push(Piece::Text('"'));
                    rest = rest.get(1..).unwrap_or_default();
                }
                other => template.pieces.push(Piece::Text(other)),
            }
        }
        Ok(template)
    }

    /// A quoted text; what comes behind it.
    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return text.get(at + 1..).unwrap_or_default(),
                '\\' => match chars.next() {
                    Some((_, escaped)) => self.pieces.push(Piece::Text(escaped)),
                    None => self.pieces.push(Piece::Text('\\')),
                },
                other => self.pieces.push(Piece::Text(other)),
            }
        }
        ""
    }

    fn keyword(&mut self, word: &str, upper: bool) -> SqlResult<()> {
        if self.scientific && word != "EEEE" {
            return Err(fault("\"EEEE\" must be the last pattern used"));
        }
        let piece = match word {
            "9" => self.nine()?,
            "0" => self.zero()?,
            "." | "D" => self.point()?,
            "," | "G" => Piece::Comma,
            "L" => Piece::Currency,
            "RN" => {
                self.roman = true;
                Piece::Roman { upper }
            }
            "TH" => Piece::Ordinal { upper },
            "MI" | "PL" | "SG" => self.sign(word)?,
            other => {
                self.mark(other)?;
                Piece::Mark
            }
        };
        self.pieces.push(piece);
        Ok(())
    }

    fn nine(&mut self) -> SqlResult<Piece> {
        if self.bracket {
            return Err(fault("\"9\" must be ahead of \"PR\""));
        }
        if self.shifted {
            self.shift += 1;
        } else if self.has_point {
            self.after += 1;
        } else {
            self.before += 1;
        }
        Ok(Piece::Nine)
    }

    fn zero(&mut self) -> SqlResult<Piece> {
        if self.bracket {
            return Err(fault("\"0\" must be ahead of \"PR\""));
        }
        if self.has_point {
            self.after += 1;
        } else {
            self.zero_start.get_or_insert(self.before);
            self.before += 1;
        }
        self.zero_end = self.before + self.after;
        Ok(Piece::Zero)
    }

    fn point(&mut self) -> SqlResult<Piece> {
        if self.has_point {
            return Err(fault("multiple decimal points"));
        }
        if self.shifted {
            return Err(fault("cannot use \"V\" and decimal point together"));
        }
        self.has_point = true;
        Ok(Piece::Point)
    }

    fn sign(&mut self, word: &str) -> SqlResult<Piece> {
        if self.anchor.is_some() {
            return Err(fault(&format!("cannot use \"S\" and \"{word}\" together")));
        }
        self.minus |= word != "PL";
        self.plus |= word != "MI";
        Ok(match word {
            "MI" => Piece::Minus,
            "PL" => Piece::Plus,
            _ => Piece::Sign,
        })
    }

    fn mark(&mut self, word: &str) -> SqlResult<()> {
        match word {
            "FM" => self.trimmed = true,
            "B" => {
                self.blank |= self.before == 0 && self.after == 0 && self.zero_start.is_none();
            }
            "S" => self.anchored()?,
            "PR" => {
                if self.anchor.is_some() || self.plus || self.minus {
                    return Err(fault(
                        "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together",
                    ));
                }
                self.bracket = true;
            }
            "V" => {
                if self.has_point {
                    return Err(fault("cannot use \"V\" and decimal point together"));
                }
                self.shifted = true;
            }
            "EEEE" => self.exponent()?,
            _ => {}
        }
        Ok(())
    }

    fn anchored(&mut self) -> SqlResult<()> {
        if self.anchor.is_some() {
            return Err(fault("cannot use \"S\" twice"));
        }
        if self.plus || self.minus || self.bracket {
            return Err(fault(
                "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together",
            ));
        }
        if self.has_point {
            self.anchor = Some(Anchor::After);
        } else {
            self.anchor = Some(Anchor::Before);
            self.places_before_sign = self.before;
        }
        Ok(())
    }

    fn exponent(&mut self) -> SqlResult<()> {
        if self.scientific {
            return Err(fault("cannot use \"EEEE\" twice"));
        }
        let others = [
            self.blank,
            self.trimmed,
            self.anchor.is_some(),
            self.bracket,
            self.minus,
            self.plus,
            self.roman,
            self.shifted,
        ];
        if others.contains(&true) {
            return Err(fault("\"EEEE\" is incompatible with other formats").detail(
                "\"EEEE\" may only be used together with digit and decimal point patterns.",
            ));
        }
        self.scientific = true;
        Ok(())
    }
}
