//! Finding the matches that PostgreSQL finds: from the first place where there is
//! one, the longest (or the shortest, if the expression prefers that), where the
//! library takes the first alternative that leads anywhere.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex};

use lru::LruCache;
use regex::{Captures, Regex};

use super::translate::{Options, invalid, translate};
use crate::error::{SqlError, SqlResult};

/// Compiled expressions that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// Bytes a compiled expression may have.
const SIZE_LIMIT: usize = 4 << 20;
/// Ends of a match that are tried one by one.
const MOST_ENDS: usize = 4096;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Matcher {
    regex: Regex,
    /// Matches of the whole text, for finding other ends; `None` when there is only
    /// one end that a match from a place can have.
    whole: Option<Regex>,
    shortest: bool,
    /// Whether groups could be told apart in more than one way.
    ambiguous: bool,
    /// Whether an edge looks at what is beside it, which cutting a text changes.
    edges: bool,
}

/// A match: where it is, and where its groups are.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Vec<Option<(usize, usize)>>,
}

type Known = LruCache<(String, Options), Arc<Matcher>>;

impl Matcher {
    /// The compiled form of an expression.
    ///
    /// # Errors
    /// 2201B, 0A000.
    pub(super) fn new(pattern: &str, options: Options) -> SqlResult<Arc<Matcher>> {
        static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(LruCache::new(KEPT)));
        let options = Options {
            global: false,
            ..options
        };
        let lock = || {
            KNOWN
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let key = (pattern.to_owned(), options);
        if let Some(known) = lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let matcher = Arc::new(Self::compile(pattern, options)?);
        lock().put(key, Arc::clone(&matcher));
        Ok(matcher)
    }

    fn compile(pattern: &str, options: Options) -> SqlResult<Matcher> {
        let translated = translate(pattern, options)?;
        let compile = |pattern: &str| {
            regex::RegexBuilder::new(pattern)
                .size_limit(SIZE_LIMIT)
                .build()
                .map_err(|error| match error {
                    regex::Error::CompiledTooBig(_) => invalid("regular expression is too complex"),
                    other => invalid("nothing can match it").with_internal(other.to_string()),
                })
        };
        let text = &translated.pattern;
        // With neither a choice nor anything that may be longer or shorter, a match
        // has one end.
        let one_end = options.literal || !pattern.contains(['|', '*', '+', '?', '{']);
        let flags = text.find(')').filter(|_| text.starts_with("(?"));
        let whole = match (one_end, flags) {
            (true, _) => None,
            (false, Some(end)) if !text.starts_with("(?:") => {
                let (flags, body) = text.split_at(end + 1);
                Some(compile(&format!("{flags}\\A(?:{body})\\z"))?)
            }
            _ => Some(compile(&format!("\\A(?:{text})\\z"))?),
        };
        Ok(Matcher {
            regex: compile(text)?,
            whole,
            shortest: translated.shortest,
            ambiguous: !options.literal && has_alike_alternatives(pattern),
            edges: ["\\b", "\\B", "\\A", "\\z", "^", "$"]
                .iter()
                .any(|edge| text.contains(edge)),
        })
    }

    /// Refuses to say where groups are when alternatives inside of them may begin
    /// alike: PostgreSQL takes the longest, the library the first.
    ///
    /// # Errors
    /// 0A000.
    pub(super) fn check_groups(&self) -> SqlResult<()> {
        if self.ambiguous && self.regex.captures_len() > 1 {
            return Err(SqlError::unsupported(
                "groups of a regular expression with alternatives that may begin alike",
            ));
        }
        Ok(())
    }

    /// Whether a text has a match.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match at or after a place.
    ///
    /// # Errors
    /// 0A000 when the end of the match cannot be told.
    pub(super) fn find_at(&self, text: &str, at: usize) -> SqlResult<Option<Found>> {
        let Some(captures) = self.regex.captures_at(text, at) else {
            return Ok(None);
        };
        let found = found(&captures, 0);
        match &self.whole {
            Some(whole) => self.settled(whole, text, found).map(Some),
            None => Ok(Some(found)),
        }
    }

    /// The match from the same place with the end that it should have.
    fn settled(&self, whole: &Regex, text: &str, first: Found) -> SqlResult<Found> {
        let tail = text.get(first.start..).unwrap_or_default();
        let own = first.end - first.start;
        let boundaries = || tail.char_indices().map(|(i, _)| i).chain([tail.len()]);
        let better: Vec<usize> = if self.shortest {
            boundaries().take_while(|end| *end < own).collect()
        } else {
            boundaries().filter(|end| *end > own).collect()
        };
        if better.is_empty() {
            return Ok(first);
        }
        if self.edges {
            // Cutting the text would move the edges, so the ends cannot be tried.
            return if self.may_differ() {
                Err(SqlError::unsupported(
                    "a regular expression with edges whose match may have several ends",
                ))
            } else {
                Ok(first)
            };
        }
        let tried: Box<dyn Iterator<Item = &usize>> = if self.shortest {
            Box::new(better.iter())
        } else {
            Box::new(better.iter().rev())
        };
        let mut left = MOST_ENDS;
        for end in tried {
            let part = tail.get(..*end).unwrap_or_default();
            if let Some(captures) = whole.captures(part) {
                return Ok(found(&captures, first.start));
            }
            left -= 1;
            if left == 0 {
                return Err(SqlError::unsupported(
                    "a regular expression whose match may have very many ends",
                ));
            }
        }
        Ok(first)
    }

    /// Whether an expression with edges may match with another end: only where it
    /// offers a choice.
    fn may_differ(&self) -> bool {
        self.shortest || self.ambiguous
    }

    /// All matches, from a place on, that do not overlap.
    ///
    /// # Errors
    /// As [`Self::find_at`].
    pub(super) fn find_all(&self, text: &str, from: usize) -> SqlResult<Vec<Found>> {
        let mut all = Vec::new();
        let mut at = from;
        while at <= text.len() {
            let Some(found) = self.find_at(text, at)? else {
                break;
            };
            at = if found.end > found.start {
                found.end
            } else {
                // An empty match: the next begins behind the next character.
                let next = text.get(found.end..).and_then(|rest| rest.chars().next());
                found.end + next.map_or(1, char::len_utf8)
            };
            all.push(found);
        }
        Ok(all)
    }
}

/// Whether alternatives in parentheses are anything but texts of which none begins
/// another.
fn has_alike_alternatives(pattern: &str) -> bool {
    let mut depth = 0usize;
    let mut group = String::new();
    let mut choices: Vec<String> = Vec::new();
    for c in pattern.chars() {
        match c {
            '(' => {
                // Nested groups around a choice are looked at as a whole.
                if !choices.is_empty() {
                    return true;
                }
                depth += 1;
                group.clear();
            }
            ')' => {
                depth = depth.saturating_sub(1);
                if !choices.is_empty() {
                    choices.push(std::mem::take(&mut group));
                    if alike(&choices) {
                        return true;
                    }
                    choices.clear();
                }
                group = String::from("(");
            }
            '|' if depth > 0 => choices.push(std::mem::take(&mut group)),
            '|' => group.clear(),
            c => group.push(c),
        }
    }
    false
}

fn alike(choices: &[String]) -> bool {
    let texts: Vec<&str> = choices
        .iter()
        .map(|text| text.strip_prefix("?:").unwrap_or(text))
        .collect();
    let plain = |text: &&str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || c == ' ' || c == '_')
    };
    !texts.iter().all(plain)
        || texts.iter().enumerate().any(|(i, a)| {
            texts
                .iter()
                .enumerate()
                .any(|(j, b)| i != j && b.starts_with(a))
        })
}

fn found(captures: &Captures<'_>, offset: usize) -> Found {
    let place = |i| {
        captures
            .get(i)
            .map(|m| (m.start() + offset, m.end() + offset))
    };
    let (start, end) = place(0).unwrap_or((offset, offset));
    Found {
        start,
        end,
        groups: (1..captures.len()).map(place).collect(),
    }
}
