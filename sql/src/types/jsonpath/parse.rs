//! Reads a path from its tokens.

use super::lex::{Token, tokens};
use super::{
    Arithmetic, Comparison, Head, JsonPath, LEAVES, Method, Path, Predicate, RegexFlags, Step,
    syntax,
};
use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::Numeric;

/// Parentheses, filters and subscripts inside each other at most this deep.
const MAX_DEPTH: usize = 100;

/// Reads a path.
pub(super) fn parse(text: &str) -> SqlResult<JsonPath> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        filters: 0,
        subscripts: 0,
    };
    if parser.tokens.is_empty() {
        return Err(SqlError::new(
            state::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type jsonpath: \"{text}\""),
        ));
    }
    let lax = !parser.eat_word("strict");
    if lax {
        parser.eat_word("lax");
    }
    let root = parser.any()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.unexpected());
    }
    Ok(JsonPath { lax, root })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Filters around the position.
    filters: usize,
    /// Subscripts around the position.
    subscripts: usize,
}

fn is_predicate(path: &Path) -> bool {
    matches!(path.head, Head::Predicate(_)) && path.steps.is_empty()
}

fn predicate(predicate: Predicate) -> Path {
    Path::of(Head::Predicate(predicate))
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn unexpected(&self) -> SqlError {
        let near = self.peek().map_or("", Token::shown);
        syntax("syntax error", near)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(own)) if *own == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> SqlResult<()> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// Goes one level deeper for `inner`.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> SqlResult<T>) -> SqlResult<T> {
        if self.depth >= MAX_DEPTH {
            return Err(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                "stack depth limit exceeded",
            ));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// A value or a predicate.
    fn any(&mut self) -> SqlResult<Path> {
        self.nested(Self::or)
    }

    /// Something that is no predicate.
    fn value(&mut self) -> SqlResult<Path> {
        let path = self.nested(Self::additive)?;
        self.no_predicate(path)
    }

    /// A predicate.
    fn condition(&mut self) -> SqlResult<Path> {
        let path = self.any()?;
        if is_predicate(&path) {
            Ok(path)
        } else {
            Err(self.unexpected())
        }
    }

    fn no_predicate(&self, path: Path) -> SqlResult<Path> {
        if is_predicate(&path) {
            return Err(self.unexpected());
        }
        Ok(path)
    }

    fn or(&mut self) -> SqlResult<Path> {
        let mut left = self.and()?;
        while is_predicate(&left) && self.eat("||") {
            let right = self.and()?;
            if !is_predicate(&right) {
                return Err(self.unexpected());
            }
            left = predicate(Predicate::Or(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn and(&mut self) -> SqlResult<Path> {
        let mut left = self.negation()?;
        while is_predicate(&left) && self.eat("&&") {
            let right = self.negation()?;
            if !is_predicate(&right) {
                return Err(self.unexpected());
            }
            left = predicate(Predicate::And(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn negation(&mut self) -> SqlResult<Path> {
        if !self.eat("!") {
            return self.comparison();
        }
        let inner = if self.eat_word("exists") {
            self.exists()?
        } else {
            self.expect("(")?;
            let inner = self.condition()?;
            self.expect(")")?;
            inner
        };
        Ok(predicate(Predicate::Not(Box::new(inner))))
    }

    fn exists(&mut self) -> SqlResult<Path> {
        self.expect("(")?;
        let inner = self.value()?;
        self.expect(")")?;
        Ok(predicate(Predicate::Exists(Box::new(inner))))
    }

    fn comparison(&mut self) -> SqlResult<Path> {
        let left = self.additive()?;
        if is_predicate(&left) {
            return Ok(left);
        }
        let comparison = match self.peek() {
            Some(Token::Sign("==")) => Comparison::Equal,
            Some(Token::Sign("!=" | "<>")) => Comparison::NotEqual,
            Some(Token::Sign("<")) => Comparison::Less,
            Some(Token::Sign("<=")) => Comparison::LessOrEqual,
            Some(Token::Sign(">")) => Comparison::Greater,
            Some(Token::Sign(">=")) => Comparison::GreaterOrEqual,
            Some(Token::Word(_)) => return self.text_predicate(left),
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.value()?;
        Ok(predicate(Predicate::Compare(
            comparison,
            Box::new(left),
            Box::new(right),
        )))
    }

    /// `starts with` or `like_regex` behind a value, if one is there.
    fn text_predicate(&mut self, left: Path) -> SqlResult<Path> {
        if self.eat_word("starts") {
            if !self.eat_word("with") {
                return Err(self.unexpected());
            }
            let start = match self.peek() {
                Some(Token::String(text)) => Head::String(text.clone()),
                Some(Token::Variable(name)) => Head::Variable(name.clone()),
                _ => return Err(self.unexpected()),
            };
            self.at += 1;
            return Ok(predicate(Predicate::StartsWith(
                Box::new(left),
                Box::new(Path::of(start)),
            )));
        }
        if !self.eat_word("like_regex") {
            return Ok(left);
        }
        let pattern = self.string()?;
        let mut flags = RegexFlags::default();
        if self.eat_word("flag") {
            flags = regex_flags(&self.string()?)?;
        }
        Ok(predicate(Predicate::LikeRegex {
            value: Box::new(left),
            pattern,
            flags,
        }))
    }

    fn string(&mut self) -> SqlResult<String> {
        match self.peek() {
            Some(Token::String(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn additive(&mut self) -> SqlResult<Path> {
        let mut left = self.multiplicative()?;
        loop {
            let op = match self.peek() {
                Some(Token::Sign("+")) => Arithmetic::Add,
                Some(Token::Sign("-")) => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            left = self.operand(left, op, Self::multiplicative)?;
        }
    }

    fn multiplicative(&mut self) -> SqlResult<Path> {
        let mut left = self.unary()?;
        loop {
            let op = match self.peek() {
                Some(Token::Sign("*")) => Arithmetic::Multiply,
                Some(Token::Sign("/")) => Arithmetic::Divide,
                Some(Token::Sign("%")) => Arithmetic::Modulo,
                _ => return Ok(left),
            };
            left = self.operand(left, op, Self::unary)?;
        }
    }

    fn operand(
        &mut self,
        left: Path,
        op: Arithmetic,
        right: fn(&mut Self) -> SqlResult<Path>,
    ) -> SqlResult<Path> {
        let left = self.no_predicate(left)?;
        self.at += 1;
        let right = right(self)?;
        let right = self.no_predicate(right)?;
        Ok(Path::of(Head::Arithmetic(
            op,
            Box::new(left),
            Box::new(right),
        )))
    }

    fn unary(&mut self) -> SqlResult<Path> {
        let negative = self.is_sign("-");
        if !negative && !self.is_sign("+") {
            return self.accessors();
        }
        self.at += 1;
        let inner = self.nested(Self::unary)?;
        let inner = self.no_predicate(inner)?;
        Ok(match inner {
            Path {
                head: Head::Number(number),
                steps,
            } if steps.is_empty() => Path::of(Head::Number(if negative {
                number.negate()
            } else {
                number
            })),
            other if negative => Path::of(Head::Minus(Box::new(other))),
            other => Path::of(Head::Plus(Box::new(other))),
        })
    }

    /// Something to start from and the steps behind it.
    fn accessors(&mut self) -> SqlResult<Path> {
        let (mut path, plain) = self.primary()?;
        if !plain {
            return Ok(path);
        }
        loop {
            if self.eat(".") {
                let step = self.member()?;
                path.steps.push(step);
            } else if self.eat("[") {
                let step = self.elements()?;
                path.steps.push(step);
            } else if self.eat("?") {
                self.expect("(")?;
                self.filters += 1;
                let condition = self.condition();
                self.filters -= 1;
                path.steps.push(Step::Filter(condition?));
                self.expect(")")?;
            } else {
                return Ok(path);
            }
        }
    }

    /// What a path starts with, and whether steps may follow.
    fn primary(&mut self) -> SqlResult<(Path, bool)> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected());
        };
        let head = match &token {
            Token::String(text) => Head::String(text.clone()),
            Token::Variable(name) => Head::Variable(name.clone()),
            Token::Integer(text) | Token::Number(text) => Head::Number(Numeric::parse(text)?),
            Token::Sign("$") => Head::Root,
            Token::Sign("@") => {
                if self.filters == 0 {
                    return Err(SqlError::new(
                        state::SYNTAX_ERROR,
                        "@ is not allowed in root expressions",
                    ));
                }
                Head::Current
            }
            Token::Sign("(") => {
                self.at += 1;
                return self.parenthesised();
            }
            Token::Word(word) => match word.as_str() {
                "null" => Head::Null,
                "true" => Head::Bool(true),
                "false" => Head::Bool(false),
                word if word.eq_ignore_ascii_case("last") => {
                    if self.subscripts == 0 {
                        return Err(SqlError::new(
                            state::SYNTAX_ERROR,
                            "LAST is allowed only in array subscripts",
                        ));
                    }
                    Head::Last
                }
                word if word.eq_ignore_ascii_case("exists") => {
                    self.at += 1;
                    return self.exists().map(|path| (path, false));
                }
                _ => return Err(self.unexpected()),
            },
            Token::Sign(_) => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok((Path::of(head), true))
    }

    /// The rest after an opening parenthesis.
    fn parenthesised(&mut self) -> SqlResult<(Path, bool)> {
        let inner = self.any()?;
        self.expect(")")?;
        if is_predicate(&inner) && self.eat_word("is") {
            if !self.eat_word("unknown") {
                return Err(self.unexpected());
            }
            return Ok((predicate(Predicate::IsUnknown(Box::new(inner))), false));
        }
        Ok((inner, true))
    }

    /// What follows a point.
    fn member(&mut self) -> SqlResult<Step> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected());
        };
        self.at += 1;
        match token {
            Token::Sign("*") => Ok(Step::AnyKey),
            Token::Sign("**") => self.levels(),
            Token::String(key) => Ok(Step::Key(key)),
            Token::Word(word) if self.is_sign("(") => self.method(&word),
            Token::Word(word) => Ok(Step::Key(word)),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }

    fn method(&mut self, word: &str) -> SqlResult<Step> {
        let method = match word.to_ascii_lowercase().as_str() {
            "abs" => Method::Abs,
            "size" => Method::Size,
            "type" => Method::Type,
            "floor" => Method::Floor,
            "double" => Method::Double,
            "ceiling" => Method::Ceiling,
            "keyvalue" => Method::KeyValue,
            "datetime" => {
                self.expect("(")?;
                let template = match self.peek() {
                    Some(Token::String(_)) => Some(self.string()?),
                    _ => None,
                };
                self.expect(")")?;
                return Ok(Step::Datetime(template));
            }
            _ => return Err(self.unexpected()),
        };
        self.expect("(")?;
        self.expect(")")?;
        Ok(Step::Method(method))
    }

    /// The levels behind `**`.
    fn levels(&mut self) -> SqlResult<Step> {
        if !self.eat("{") {
            return Ok(Step::AnyLevel(0, LEAVES));
        }
        let first = self.level()?;
        let last = if self.eat_word("to") {
            self.level()?
        } else {
            first
        };
        self.expect("}")?;
        Ok(Step::AnyLevel(first, last))
    }

    fn level(&mut self) -> SqlResult<u32> {
        if self.eat_word("last") {
            return Ok(LEAVES);
        }
        match self.peek() {
            Some(Token::Integer(text)) => {
                let level = text.parse().map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(level)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// What follows an opening bracket.
    fn elements(&mut self) -> SqlResult<Step> {
        if self.eat("*") {
            self.expect("]")?;
            return Ok(Step::AnyElement);
        }
        self.subscripts += 1;
        let elements = self.subscripts();
        self.subscripts -= 1;
        self.expect("]")?;
        elements.map(Step::Elements)
    }

    fn subscripts(&mut self) -> SqlResult<Vec<(Path, Option<Path>)>> {
        let mut elements = Vec::new();
        loop {
            let first = self.value()?;
            let last = if self.eat_word("to") {
                Some(self.value()?)
            } else {
                None
            };
            elements.push((first, last));
            if !self.eat(",") {
                return Ok(elements);
            }
        }
    }
}

fn regex_flags(text: &str) -> SqlResult<RegexFlags> {
    let mut flags = RegexFlags::default();
    let mut expanded = false;
    for flag in text.chars() {
        match flag {
            'i' => flags.ignore_case = true,
            's' => flags.dot_all = true,
            'm' => flags.multi_line = true,
            'x' => expanded = true,
            'q' => flags.quote = true,
            other => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "invalid input syntax for type jsonpath",
                )
                .detail(format!(
                    "Unrecognized flag character \"{other}\" in LIKE_REGEX predicate."
                )));
            }
        }
    }
    if expanded && !flags.quote {
        return Err(SqlError::unsupported(
            "XQuery \"x\" flag (expanded regular expressions)",
        ));
    }
    Ok(flags)
}
