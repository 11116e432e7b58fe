//! What a script holds, in order.

use super::cursor::{Cursor, block_comment, dollar_quoted, quoted, word};
use super::variables::{Reference, Variables, reference};

/// A variable whose value names itself would never end.
const EXPANSIONS_MAX: usize = 10_000;

/// A statement (or several, joined with `\;`) as it goes to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Line of the script on which it begins, counted from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// The command that sends it when it is not a semicolon: `g`, `gset`, …,
    /// with its arguments.
    pub sent_by: Option<(String, String)>,
}

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Something for the server.
    Statement(Statement),
    /// A backslash command: line, name, arguments as written.
    Command(usize, String, String),
}

/// What psql knows of a statement that is not complete yet.
#[derive(Debug, Default)]
struct Pending {
    text: String,
    line: usize,
    parentheses: usize,
    /// Open BEGINs and CASEs of a function written with BEGIN ATOMIC.
    blocks: usize,
    /// The first words, to see CREATE FUNCTION.
    words: Vec<String>,
}

/// A script that is being read.
#[derive(Debug)]
pub struct Script {
    cursor: Cursor,
    pending: Pending,
    /// Whether '…' without E has backslash escapes.
    backslashes: bool,
    expansions: usize,
}

impl Script {
    /// Begins to read.
    pub fn new(text: &str) -> Self {
        Self {
            cursor: Cursor::new(text.to_owned()),
            pending: Pending::default(),
            backslashes: false,
            expansions: 0,
        }
    }

    /// Tells how the server reads '…' from now on.
    pub fn set_standard_strings(&mut self, standard: bool) {
        self.backslashes = !standard;
    }

    /// The next piece; `None` at the end.
    pub fn next(&mut self, variables: &Variables) -> Option<Item> {
        loop {
            let rest = self.cursor.rest();
            let Some(c) = rest.chars().next() else {
                let left = self.finish(None)?;
                let blank = without_comments(&left.text).is_empty();
                return (!blank).then_some(Item::Statement(left));
            };
            if self.pending.text.is_empty() {
                if c.is_whitespace() {
                    self.cursor.take(c.len_utf8());
                    continue;
                }
                if rest.starts_with("--") {
                    self.cursor.take_line();
                    continue;
                }
                self.pending.line = self.cursor.line();
            }
            match c {
                '\\' => {
                    if let Some(item) = self.backslash() {
                        return Some(item);
                    }
                }
                ';' if self.pending.parentheses == 0 && self.pending.blocks == 0 => {
                    self.copy(1);
                    return self.finish(None).map(Item::Statement);
                }
                ':' => self.colon(variables),
                _ => {
                    let length = self.token(c);
                    self.copy(length);
                }
            }
        }
    }

    /// The lines of COPY data that follow, up to `\.`; each with its line end.
    pub fn copy_data(&mut self) -> String {
        // What is left of the line on which the statement ended.
        if self
            .cursor
            .rest()
            .trim_start_matches([' ', '\t', '\r'])
            .starts_with('\n')
        {
            self.cursor.take_line();
        }
        let mut data = String::new();
        while !self.cursor.rest().is_empty() {
            let line = self.cursor.take_line();
            if line == "\\." {
                break;
            }
            data.push_str(&line);
            data.push('\n');
        }
        data
    }

    /// Length of what begins with `c`, with the bookkeeping it needs.
    fn token(&mut self, c: char) -> usize {
        let rest = self.cursor.rest();
        match c {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '\'' => quoted(rest, self.backslashes),
            '"' => quoted(rest, false),
            '$' => dollar_quoted(rest).unwrap_or(1),
            '(' => {
                self.pending.parentheses += 1;
                1
            }
            ')' => {
                self.pending.parentheses = self.pending.parentheses.saturating_sub(1);
                1
            }
            _ if c.is_alphabetic() || c == '_' => {
                let length = word(rest);
                let text = rest[..length].to_ascii_lowercase();
                if rest[length..].starts_with('\'')
                    && matches!(text.as_str(), "e" | "n" | "b" | "x")
                {
                    let escapes = text == "e" || self.backslashes;
                    return length + quoted(&rest[length..], escapes);
                }
                self.pending.word(text);
                length
            }
            _ if c.is_ascii_digit() => word(rest).max(1),
            _ => c.len_utf8(),
        }
    }

    fn colon(&mut self, variables: &Variables) {
        let rest = self.cursor.rest();
        if rest.starts_with("::") || rest.starts_with(":=") {
            self.copy(2);
            return;
        }
        let expansion = match reference(rest) {
            Some((Reference::IsSet(name), length)) => {
                let is = if variables.get(name).is_some() {
                    "TRUE"
                } else {
                    "FALSE"
                };
                Some((length, is.to_owned()))
            }
            Some((Reference::Value(name, quoting), length)) => {
                variables.expand(name, quoting).map(|value| (length, value))
            }
            None => None,
        };
        match expansion {
            Some((length, value)) if self.expansions < EXPANSIONS_MAX => {
                self.expansions += 1;
                self.cursor.replace(length, &value);
            }
            _ => self.copy(1),
        }
    }

    /// A backslash: a command, a separator, or nothing we know.
    fn backslash(&mut self) -> Option<Item> {
        let rest = self.cursor.rest();
        let line = self.cursor.line();
        if rest.starts_with("\\;") {
            self.cursor.take(1);
            self.copy(1);
            return None;
        }
        let name: String = rest[1..]
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != '\\')
            .collect();
        self.cursor.take(1 + name.len());
        let end = end_of_arguments(self.cursor.rest(), name == "copy");
        let written = self.cursor.take(end).trim().to_owned();
        if self.cursor.rest().starts_with("\\\\") {
            self.cursor.take(2);
        }
        match name.as_str() {
            "g" | "gx" | "gset" | "gexec" | "gdesc" | "crosstabview" | "watch" => self
                .finish(Some((name, written)))
                .filter(|s| !s.text.is_empty())
                .map(Item::Statement),
            "r" | "reset" => {
                self.pending = Pending::default();
                None
            }
            _ => Some(Item::Command(line, name, written)),
        }
    }

    fn copy(&mut self, length: usize) {
        let taken = self.cursor.take(length);
        self.pending.text.push_str(taken);
    }

    fn finish(&mut self, sent_by: Option<(String, String)>) -> Option<Statement> {
        let pending = std::mem::take(&mut self.pending);
        let text = pending.text.trim_end().to_owned();
        self.expansions = 0;
        (!text.is_empty()).then_some(Statement {
            line: pending.line,
            text,
            sent_by,
        })
    }
}

impl Pending {
    /// Counts the blocks of a function body that is not a string, as psql does.
    fn word(&mut self, text: String) {
        let open = matches!(text.as_str(), "begin" | "case");
        let close = text == "end";
        if self.words.len() < 4 {
            self.words.push(text.clone());
        }
        let mut words = self.words.iter().map(String::as_str);
        let is_routine = words.next() == Some("create")
            && match words.next() {
                Some("or") => {
                    words.next() == Some("replace")
                        && matches!(words.next(), Some("function" | "procedure"))
                }
                other => matches!(other, Some("function" | "procedure")),
            };
        if !is_routine || self.parentheses > 0 {
            return;
        }
        if open && (text == "begin" || self.blocks > 0) {
            self.blocks += 1;
        } else if close {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}

/// Where a command's arguments end: at the line's end or at `\\`, outside quotes.
fn end_of_arguments(text: &str, whole_line: bool) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            ('\n', _) => return at,
            ('\\', None) if !whole_line && text[at..].starts_with("\\\\") => return at,
            ('\\', Some('\'')) => {
                characters.next();
            }
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// The text from its first word on.
pub(crate) fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else {
            return rest;
        };
        rest = rest[skipped..].trim_start();
    }
}
