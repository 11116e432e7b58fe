//! Where a script is being read, and the lengths of what is read whole.

/// Text with a position; lines are counted as they go by.
#[derive(Debug)]
pub(crate) struct Cursor {
    text: String,
    at: usize,
    line: usize,
    /// Bytes ahead that a variable put there: their line ends do not count.
    pushed: usize,
}

impl Cursor {
    pub(crate) fn new(text: String) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            pushed: 0,
        }
    }

    pub(crate) fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Goes on by `length` bytes and gives them.
    pub(crate) fn take(&mut self, length: usize) -> &str {
        let end = self.at + length;
        let own_from = (self.at + self.pushed).min(end);
        self.pushed -= own_from - self.at;
        let lines = self.text.as_bytes()[own_from..end]
            .iter()
            .filter(|b| **b == b'\n');
        self.line += lines.count();
        let taken = &self.text[self.at..end];
        self.at = end;
        taken
    }

    /// Puts `text` in the place of the next `length` bytes.
    pub(crate) fn replace(&mut self, length: usize, text: &str) {
        self.text.replace_range(self.at..self.at + length, text);
        self.pushed = text.len() + self.pushed.saturating_sub(length);
    }

    /// The rest of the line without its end, and goes past it.
    pub(crate) fn take_line(&mut self) -> String {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        let line = self.take(length).trim_end_matches('\r').to_owned();
        if self.rest().starts_with('\n') {
            self.take(1);
        }
        line
    }
}

/// Length of a block comment with the comments in it; all the rest when it is
/// not closed.
pub(crate) fn block_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of something in quotes, both quotes included.
pub(crate) fn quoted(text: &str, backslashes: bool) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes.first().copied().unwrap_or_default();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslashes => at += 2,
            b if b == quote => {
                if bytes.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of a dollar-quoted string, `None` when the dollar begins none.
pub(crate) fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text.get(1..)?.find('$')? + 1;
    let tag = &text[1..end];
    let first = tag.chars().next();
    let is_tag = first.is_none_or(|c| !c.is_ascii_digit())
        && tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    if !is_tag {
        return None;
    }
    let mark = &text[..=end];
    Some(
        text[end + 1..]
            .find(mark)
            .map_or(text.len(), |i| end + 1 + i + mark.len()),
    )
}

/// Length of a word: letters, digits, underscores and (not first) dollars.
pub(crate) fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()))
        .unwrap_or(text.len())
}
