//! PostgreSQL's regular expressions in the syntax of the library that runs them.
//!
//! Classes are those of the C locale. What the library has no means for (back
//! references, looking ahead and behind, collating elements) is refused.

use crate::error::{SqlError, SqlResult, state};

/// Most repetitions that a bound may ask for.
const MOST_REPETITIONS: u32 = 255;

/// How an expression is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Options {
    /// Letters match in either case.
    pub(super) any_case: bool,
    /// `.` and `[^…]` do not match a line feed.
    pub(super) dot_stops: bool,
    /// `^` and `$` match at line feeds.
    pub(super) lines: bool,
    /// White space and comments in the expression mean nothing.
    pub(super) expanded: bool,
    /// The expression is a plain text.
    pub(super) literal: bool,
    /// All matches are meant.
    pub(super) global: bool,
}

/// An expression the library can run.
#[derive(Debug, Clone)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Whether matches are as short as can be.
    pub(super) shortest: bool,
}

/// 2201B.
pub(super) fn invalid(what: &str) -> SqlError {
    SqlError::new(
        state::INVALID_REGULAR_EXPRESSION,
        format!("invalid regular expression: {what}"),
    )
}

fn unsupported(what: &str) -> SqlError {
    SqlError::unsupported(format!("{what} in regular expressions"))
}

/// Reads the letters of a flags argument.
///
/// # Errors
/// 22023 for a letter that means nothing.
pub(super) fn options(flags: &str) -> SqlResult<Options> {
    let mut options = Options::default();
    for flag in flags.chars() {
        match flag {
            'g' => options.global = true,
            'i' => options.any_case = true,
            'c' => options.any_case = false,
            'm' | 'n' => (options.dot_stops, options.lines) = (true, true),
            'p' => (options.dot_stops, options.lines) = (true, false),
            'w' => (options.dot_stops, options.lines) = (false, true),
            's' => (options.dot_stops, options.lines) = (false, false),
            'x' => options.expanded = true,
            't' => options.expanded = false,
            'q' => options.literal = true,
            'e' => {}
            'b' => return Err(unsupported("basic syntax")),
            other => {
                return Err(SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
    }
    Ok(options)
}

/// Translates an expression.
///
/// # Errors
/// 2201B for one that is none, 0A000 for what cannot be matched.
pub(super) fn translate(pattern: &str, mut options: Options) -> SqlResult<Translated> {
    let mut rest = pattern;
    if let Some(after) = rest.strip_prefix("***=") {
        options.literal = true;
        rest = after;
    } else if let Some(after) = rest.strip_prefix("***:") {
        rest = after;
    } else if rest.starts_with("***") {
        return Err(invalid("invalid embedded option"));
    }
    if !options.literal
        && let Some(after) = rest.strip_prefix("(?")
        && let Some((letters, behind)) = after.split_once(')')
        && !letters.is_empty()
        && letters.chars().all(|c| c.is_ascii_alphabetic())
    {
        let global = options.global;
        for letter in letters.chars() {
            options = with_letter(options, letter)?;
        }
        options.global = global;
        rest = behind;
    }
    let mut translation = Translation {
        chars: rest.chars().collect(),
        at: 0,
        out: prefix(options),
        options,
        depth: 0,
        shortest: None,
        bar: false,
        after_atom: false,
    };
    if options.literal {
        for c in rest.chars() {
            push_literal(&mut translation.out, c);
        }
    } else {
        translation.run()?;
    }
    let shortest = translation.shortest == Some(true) && !translation.bar;
    Ok(Translated {
        pattern: translation.out,
        shortest,
    })
}

fn with_letter(before: Options, letter: char) -> SqlResult<Options> {
    let own = options(&letter.to_string()).map_err(|_| invalid("invalid embedded option"))?;
    Ok(match letter {
        'i' | 'c' => Options {
            any_case: own.any_case,
            ..before
        },
        'x' | 't' => Options {
            expanded: own.expanded,
            ..before
        },
        'q' => Options {
            literal: true,
            ..before
        },
        'm' | 'n' | 'p' | 'w' | 's' => Options {
            dot_stops: own.dot_stops,
            lines: own.lines,
            ..before
        },
        'e' => before,
        _ => return Err(invalid("invalid embedded option")),
    })
}

fn prefix(options: Options) -> String {
    let mut flags = String::from("(?");
    if options.any_case {
        flags.push('i');
    }
    if !options.dot_stops {
        flags.push('s');
    }
    if options.lines {
        flags.push('m');
    }
    if flags.len() == 2 {
        return String::new();
    }
    flags.push(')');
    flags
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

/// An expression that is being translated.
struct Translation {
    chars: Vec<char>,
    at: usize,
    out: String,
    options: Options,
    depth: usize,
    /// Whether the first quantifier that prefers a length prefers the shortest.
    shortest: Option<bool>,
    /// Whether there is an alternative outside of parentheses.
    bar: bool,
    /// Whether what was read last can be repeated.
    after_atom: bool,
}

impl Translation {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn run(&mut self) -> SqlResult<()> {
        while let Some(c) = self.next() {
            let mut atom = true;
            match c {
                '\\' => atom = self.escape()?,
                '[' => self.bracket()?,
                '(' => {
                    self.open()?;
                    atom = false;
                }
                ')' if self.depth == 0 => return Err(invalid("parentheses () not balanced")),
                ')' => {
                    self.depth -= 1;
                    self.out.push(')');
                }
                '|' => {
                    self.bar |= self.depth == 0;
                    self.out.push('|');
                    atom = false;
                }
                '*' | '+' | '?' => {
                    self.quantifier(c.to_string())?;
                    atom = false;
                }
                '{' if self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                    let bound = self.bound()?;
                    self.quantifier(bound)?;
                    atom = false;
                }
                '^' | '$' => {
                    self.out.push(c);
                    atom = false;
                }
                '.' => self.out.push('.'),
                c if self.options.expanded && c.is_whitespace() => atom = self.after_atom,
                '#' if self.options.expanded => {
                    while self.next().is_some_and(|c| c != '\n') {}
                    atom = self.after_atom;
                }
                c => push_literal(&mut self.out, c),
            }
            self.after_atom = atom;
        }
        if self.depth > 0 {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(())
    }

    fn open(&mut self) -> SqlResult<()> {
        self.depth += 1;
        if self.peek() != Some('?') {
            self.out.push('(');
            return Ok(());
        }
        self.at += 1;
        match self.next() {
            Some(':') => {
                self.out.push_str("(?:");
                Ok(())
            }
            Some('=' | '!' | '<') => Err(unsupported("looking ahead or behind")),
            _ => Err(invalid("quantifier operand invalid")),
        }
    }

    fn quantifier(&mut self, mut text: String) -> SqlResult<()> {
        if !self.after_atom {
            return Err(invalid("quantifier operand invalid"));
        }
        let short = self.peek() == Some('?');
        if short {
            self.at += 1;
            text.push('?');
        }
        // An exact number of repetitions prefers neither.
        if !text.starts_with('{') || text.contains(',') {
            self.shortest.get_or_insert(short);
        }
        self.out.push_str(&text);
        Ok(())
    }

    /// `{m}`, `{m,}` or `{m,n}`; the brace is read.
    fn bound(&mut self) -> SqlResult<String> {
        let mut text = String::from("{");
        loop {
            match self.next() {
                Some('}') => break,
                Some(c) if c.is_ascii_digit() || c == ',' => text.push(c),
                _ => return Err(invalid("invalid repetition count(s)")),
            }
        }
        let counts: Vec<Option<u32>> = text
            .trim_start_matches('{')
            .split(',')
            .map(|n| n.parse().ok())
            .collect();
        let fits = |n: u32| n <= MOST_REPETITIONS;
        let right = match counts.as_slice() {
            [Some(m)] | [Some(m), None] => fits(*m),
            [Some(m), Some(n)] => fits(*n) && m <= n,
            _ => false,
        };
        if !right {
            return Err(invalid("invalid repetition count(s)"));
        }
        text.push('}');
        Ok(text)
    }

    /// What a backslash begins; whether it can be repeated.
    fn escape(&mut self) -> SqlResult<bool> {
        let c = self
            .next()
            .ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        let constraint = match c {
            'm' => Some("\\b{start}"),
            'M' => Some("\\b{end}"),
            'y' => Some("\\b"),
            'Y' => Some("\\B"),
            'A' => Some("\\A"),
            'Z' => Some("\\z"),
            _ => None,
        };
        if let Some(constraint) = constraint {
            self.out.push_str(constraint);
            return Ok(false);
        }
        if let Some(class) = class(c) {
            let negated = c.is_ascii_uppercase();
            self.out
                .push_str(&format!("[{}{class}]", if negated { "^" } else { "" }));
            return Ok(true);
        }
        if let Some(character) = self.character(c)? {
            push_literal(&mut self.out, character);
            return Ok(true);
        }
        if c.is_ascii_digit() {
            return Err(unsupported("back references"));
        }
        Err(invalid("invalid escape \\ sequence"))
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char) -> SqlResult<Option<char>> {
        Ok(Some(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'B' => '\\',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0' => return Err(invalid("invalid escape \\ sequence")),
            'x' | 'u' | 'U' => {
                let most = match c {
                    'u' => 4,
                    'U' => 8,
                    _ => 255,
                };
                let mut digits = String::new();
                while digits.len() < most
                    && let Some(d) = self.peek().filter(char::is_ascii_hexdigit)
                {
                    digits.push(d);
                    self.at += 1;
                }
                return u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32)
                    .map(Some)
                    .ok_or_else(|| invalid("invalid escape \\ sequence"));
            }
            c if !c.is_ascii_alphanumeric() => c,
            _ => return Ok(None),
        }))
    }

    /// A bracket expression; the bracket is read.
    fn bracket(&mut self) -> SqlResult<()> {
        let unbalanced = || invalid("brackets [] not balanced");
        // `[[:<:]]` and `[[:>:]]` are the edges of a word.
        for (text, edge) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            let ahead: String = self.chars.iter().skip(self.at).take(6).collect();
            if ahead == text {
                self.at += 6;
                self.out.push_str(edge);
                return Ok(());
            }
        }
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut set = String::new();
        let mut first = true;
        loop {
            let c = self.next().ok_or_else(unbalanced)?;
            match c {
                ']' if !first => break,
                '[' if matches!(self.peek(), Some('.' | '=')) => {
                    return Err(unsupported("collating elements"));
                }
                '[' if self.peek() == Some(':') => {
                    self.at += 1;
                    set.push_str(&self.named_class()?);
                }
                '\\' => {
                    let c = self.next().ok_or_else(unbalanced)?;
                    match (class(c), c.is_ascii_lowercase()) {
                        (Some(class), true) => set.push_str(class),
                        (Some(_), false) => return Err(invalid("invalid escape \\ sequence")),
                        (None, _) => {
                            let c = self
                                .character(c)?
                                .ok_or_else(|| invalid("invalid escape \\ sequence"))?;
                            push_literal(&mut set, c);
                        }
                    }
                }
                '-' if !first && self.peek().is_some_and(|c| c != ']') => {
                    // A range, unless the end of one stands before it.
                    set.push('-');
                }
                c => push_literal(&mut set, c),
            }
            first = false;
        }
        if negated && self.options.dot_stops {
            set.push_str("\\n");
        }
        self.out
            .push_str(&format!("[{}{set}]", if negated { "^" } else { "" }));
        Ok(())
    }

    fn named_class(&mut self) -> SqlResult<String> {
        let mut name = String::new();
        while let Some(c) = self.next() {
            if c == ':' && self.peek() == Some(']') {
                self.at += 1;
                let known = [
                    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print",
                    "punct", "space", "upper", "xdigit", "word",
                ];
                if known.contains(&name.as_str()) {
                    return Ok(format!("[:{name}:]"));
                }
                return Err(invalid("invalid character class"));
            }
            name.push(c);
        }
        Err(invalid("brackets [] not balanced"))
    }
}

/// The members of a class that a letter names, in either case.
fn class(c: char) -> Option<&'static str> {
    Some(match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => " \\t\\n\\r\\f\\v",
        _ => return None,
    })
}
