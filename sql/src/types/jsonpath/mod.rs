//! `jsonpath`: the language of paths into `jsonb`, read and written.
//!
//! A path is a head (`$`, `@`, a literal, an operator) and the steps that are
//! taken from it. Its text form is canonical: reading what was written gives the
//! same path.

mod lex;
mod parse;
mod print;
#[cfg(test)]
mod tests;

use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::Numeric;

/// A path with its mode.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    /// Whether structural errors are forgiven, and arrays are wrapped and unwrapped
    /// as needed.
    pub lax: bool,
    /// What is evaluated.
    pub root: Path,
}

/// Something to start from, and steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Where the path starts.
    pub head: Head,
    /// What is done from there, in order.
    pub steps: Vec<Step>,
}

/// Where a path starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A text
    String(String),
    /// A number
    Number(Numeric),
    /// `$`
    Root,
    /// `@`
    Current,
    /// `last`
    Last,
    /// `$name`
    Variable(String),
    /// Arithmetic of two operands
    Arithmetic(Arithmetic, Box<Path>, Box<Path>),
    /// `+x`
    Plus(Box<Path>),
    /// `-x`
    Minus(Box<Path>),
    /// What is true, false or unknown
    Predicate(Predicate),
}

/// What is true, false or unknown.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// `a && b`
    And(Box<Path>, Box<Path>),
    /// `a || b`
    Or(Box<Path>, Box<Path>),
    /// `!(a)`
    Not(Box<Path>),
    /// `(a) is unknown`
    IsUnknown(Box<Path>),
    /// `a == b` and the like
    Compare(Comparison, Box<Path>, Box<Path>),
    /// `exists (a)`
    Exists(Box<Path>),
    /// `a starts with b`
    StartsWith(Box<Path>, Box<Path>),
    /// `a like_regex "pattern" flag "flags"`
    LikeRegex {
        /// What is matched
        value: Box<Path>,
        /// The regular expression
        pattern: String,
        /// Its flags
        flags: RegexFlags,
    },
}

/// Flags of `like_regex`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RegexFlags {
    /// `i`: capitals do not matter
    pub ignore_case: bool,
    /// `s`: a dot matches newlines
    pub dot_all: bool,
    /// `m`: `^` and `$` match at newlines
    pub multi_line: bool,
    /// `q`: the pattern is plain text
    pub quote: bool,
}

/// An operator of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl Arithmetic {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `.key`
    Key(String),
    /// `.*`
    AnyKey,
    /// `[*]`
    AnyElement,
    /// `[1, 2 to last]`
    Elements(Vec<(Path, Option<Path>)>),
    /// `.**{first to last}`; [`LEAVES`] is `last`
    AnyLevel(u32, u32),
    /// `?(predicate)`
    Filter(Path),
    /// `.type()` and the like
    Method(Method),
    /// `.datetime("template")`
    Datetime(Option<String>),
}

/// The level `last` of `.**{…}`.
pub const LEAVES: u32 = u32::MAX;

/// A method without arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// `.abs()`
    Abs,
    /// `.size()`
    Size,
    /// `.type()`
    Type,
    /// `.floor()`
    Floor,
    /// `.double()`
    Double,
    /// `.ceiling()`
    Ceiling,
    /// `.keyvalue()`
    KeyValue,
}

impl Method {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abs => "abs",
            Self::Size => "size",
            Self::Type => "type",
            Self::Floor => "floor",
            Self::Double => "double",
            Self::Ceiling => "ceiling",
            Self::KeyValue => "keyvalue",
        }
    }
}

impl Path {
    /// A path that is its head.
    fn of(head: Head) -> Path {
        Path {
            head,
            steps: Vec::new(),
        }
    }
}

impl JsonPath {
    /// Reads a path (42601 when it is none).
    pub fn parse(text: &str) -> SqlResult<JsonPath> {
        parse::parse(text)
    }

    /// The canonical text.
    pub fn text(&self) -> String {
        print::text(self)
    }
}

/// "syntax error at or near …" (42601).
#[cold]
fn syntax(message: &str, near: &str) -> SqlError {
    let message = if near.is_empty() {
        format!("{message} at end of jsonpath input")
    } else {
        format!("{message} at or near \"{near}\" of jsonpath input")
    };
    SqlError::new(state::SYNTAX_ERROR, message)
}
