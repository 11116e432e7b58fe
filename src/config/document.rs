//! A TOML document as sections of located values, with everything unknown or
//! unsupported already recorded as a problem.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::items::Item;
use super::problem::Problem;
use super::schema;

/// A parsed file.
pub(super) struct Document<'t> {
    text: &'t str,
    /// The lines of the sections that the file has.
    sections: BTreeMap<&'static str, usize>,
    values: BTreeMap<(&'static str, &'static str), Located<'t>>,
    /// Problems found so far.
    pub(super) problems: Vec<Problem>,
}

struct Located<'t> {
    line: usize,
    value: DeValue<'t>,
}

impl<'t> Document<'t> {
    /// Parses `text`. A syntax error is the only problem of such a file.
    pub(super) fn parse(text: &'t str) -> Result<Self, Problem> {
        let root = DeTable::parse(text).map_err(|e| {
            let message = format!("this is not TOML: {}", e.message());
            match e.span() {
                Some(span) => Problem::at(line_of(text, span.start), message),
                None => Problem::of_file(message),
            }
        })?;
        let mut document = Self {
            text,
            sections: BTreeMap::new(),
            values: BTreeMap::new(),
            problems: Vec::new(),
        };
        for (name, value) in root.into_inner() {
            document.take_section(&name, value);
        }
        Ok(document)
    }

    fn take_section(
        &mut self,
        name: &Spanned<std::borrow::Cow<'t, str>>,
        value: Spanned<DeValue<'t>>,
    ) {
        let line = line_of(self.text, name.span().start);
        let name = name.get_ref().as_ref();
        let Some(section) = schema::section(name) else {
            self.problems
                .push(Problem::at(line, unknown_section(name, value.get_ref())));
            return;
        };
        if let Some(why) = section.support.refusal() {
            let message = format!("[{name}]{why}");
            self.problems.push(Problem::at(line, message));
            return;
        }
        let DeValue::Table(table) = value.into_inner() else {
            let message = format!("`{name}` is a section: write [{name}] on a line of its own");
            self.problems.push(Problem::at(line, message));
            return;
        };
        self.sections.insert(section.name, line);
        for (key, value) in table {
            self.take_key(section, &key, value);
        }
    }

    fn take_key(
        &mut self,
        section: &'static schema::Section,
        key: &Spanned<std::borrow::Cow<'t, str>>,
        value: Spanned<DeValue<'t>>,
    ) {
        let line = line_of(self.text, key.span().start);
        let name = key.get_ref().as_ref();
        let Some(known) = section.key(name) else {
            let message = unknown_key(section, name);
            self.problems.push(Problem::at(line, message));
            return;
        };
        if let Some(why) = known.support.refusal() {
            let message = format!("[{}] {name}{why}", section.name);
            self.problems.push(Problem::at(line, message));
            return;
        }
        self.values.insert(
            (section.name, known.name),
            Located {
                line,
                value: value.into_inner(),
            },
        );
    }

    /// The line of what begins at a byte offset.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        line_of(self.text, offset)
    }

    /// The line of a section, if the file has it.
    pub(super) fn section(&self, name: &'static str) -> Option<usize> {
        self.sections.get(name).copied()
    }

    /// The line of a key, if the file has it.
    pub(super) fn line(&self, section: &'static str, key: &'static str) -> Option<usize> {
        self.values.get(&(section, key)).map(|v| v.line)
    }

    /// Records what is wrong with a key's value, or with its absence.
    pub(super) fn refuse(&mut self, section: &'static str, key: &'static str, why: &str) {
        self.problems.push(Problem {
            line: self.line(section, key),
            message: format!("[{section}] {key}: {why}"),
        });
    }

    /// A string value.
    pub(super) fn string(&mut self, section: &'static str, key: &'static str) -> Option<String> {
        match &self.values.get(&(section, key))?.value {
            DeValue::String(text) => Some(text.to_string()),
            _ => {
                self.refuse(section, key, "must be a string in quotes");
                None
            }
        }
    }

    /// A list of strings.
    pub(super) fn strings(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Option<Vec<String>> {
        let list = match &self.values.get(&(section, key))?.value {
            DeValue::Array(list) => list
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if list.is_none() {
            self.refuse(section, key, "must be a list of strings: [\"…\", \"…\"]");
        }
        list
    }

    /// A list of tables, each with no other keys than `fields`.
    pub(super) fn items(
        &mut self,
        section: &'static str,
        key: &'static str,
        fields: &'static [&'static str],
    ) -> Option<Vec<Item<'t>>> {
        let list = match &self.values.get(&(section, key))?.value {
            DeValue::Array(list) => list
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::Table(table) => {
                        Some((line_of(self.text, item.span().start), table.clone()))
                    }
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let Some(list) = list else {
            let example: Vec<String> = fields.iter().map(|field| format!("{field} = …")).collect();
            let why = format!(
                "must be a list of tables: [{{ {} }}, …]",
                example.join(", ")
            );
            self.refuse(section, key, &why);
            return None;
        };
        let items = list
            .into_iter()
            .map(|(line, table)| Item::new(self, (section, key), line, table, fields));
        Some(items.collect())
    }

    /// A boolean value.
    pub(super) fn boolean(&mut self, section: &'static str, key: &'static str) -> Option<bool> {
        match &self.values.get(&(section, key))?.value {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.refuse(section, key, "must be true or false, without quotes");
                None
            }
        }
    }

    /// A whole number, zero or more.
    pub(super) fn number(&mut self, section: &'static str, key: &'static str) -> Option<u64> {
        let parsed = match &self.values.get(&(section, key))?.value {
            DeValue::Integer(value) => u64::from_str_radix(value.as_str(), value.radix()).ok(),
            _ => None,
        };
        if parsed.is_none() {
            self.refuse(section, key, "must be a whole number, without quotes");
        }
        parsed
    }
}

fn unknown_section(name: &str, value: &DeValue<'_>) -> String {
    if !matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        let homes = schema::sections_with(name);
        return match homes.first() {
            Some(home) => format!("`{name}` belongs under [{home}]"),
            None => format!("unknown key `{name}` outside any section"),
        };
    }
    let names = schema::SECTIONS.iter().map(|s| s.name);
    format!(
        "unknown section [{name}]; {}",
        schema::suggestion(name, names)
    )
}

fn unknown_key(section: &'static schema::Section, name: &str) -> String {
    if let Some(home) = schema::sections_with(name).first() {
        return format!(
            "`{name}` does not belong in [{}] but in [{home}]",
            section.name
        );
    }
    let names = section.keys.iter().map(|k| k.name);
    format!(
        "unknown key `{name}` in [{}]; {}",
        section.name,
        schema::suggestion(name, names)
    )
}

/// The 1-based line of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
