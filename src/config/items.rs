//! One table of a list of tables, such as a replica of `[cluster]`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::problem::Problem;
use super::schema;

/// A table with known fields. What is wrong with it is a problem of the document.
pub(super) struct Item<'t> {
    /// The section and the key of the list.
    of: (&'static str, &'static str),
    /// Where the table begins.
    pub(super) line: usize,
    fields: BTreeMap<&'static str, (usize, DeValue<'t>)>,
}

impl<'t> Item<'t> {
    /// Takes the fields of `table`; one that is not among `known` is a problem.
    pub(super) fn new(
        doc: &mut Document<'t>,
        of: (&'static str, &'static str),
        line: usize,
        table: DeTable<'t>,
        known: &'static [&'static str],
    ) -> Self {
        let mut item = Self {
            of,
            line,
            fields: BTreeMap::new(),
        };
        for (name, value) in table {
            item.take(doc, &name, value.into_inner(), known);
        }
        item
    }

    fn take(
        &mut self,
        doc: &mut Document<'t>,
        name: &Spanned<Cow<'t, str>>,
        value: DeValue<'t>,
        known: &'static [&'static str],
    ) {
        let line = doc.line_at(name.span().start);
        let name = name.get_ref().as_ref();
        if let Some(field) = known.iter().find(|field| **field == name) {
            self.fields.insert(field, (line, value));
            return;
        }
        let (section, key) = self.of;
        let hint = schema::suggestion(name, known.iter().copied());
        let message = format!("unknown key `{name}` in [{section}] {key}; {hint}");
        doc.problems.push(Problem::at(line, message));
    }

    /// Records what is wrong with a field, or with its absence.
    pub(super) fn refuse(&self, doc: &mut Document<'_>, field: &'static str, why: &str) {
        let line = self.fields.get(field).map_or(self.line, |(line, _)| *line);
        let (section, key) = self.of;
        let message = format!("[{section}] {key}, {field}: {why}");
        doc.problems.push(Problem::at(line, message));
    }

    /// A field that must be there.
    fn required(&self, doc: &mut Document<'_>, field: &'static str) -> Option<&DeValue<'t>> {
        let value = self.fields.get(field).map(|(_, value)| value);
        if value.is_none() {
            self.refuse(doc, field, "is missing");
        }
        value
    }

    /// A string that must be there.
    pub(super) fn string(&self, doc: &mut Document<'_>, field: &'static str) -> Option<String> {
        match self.required(doc, field)? {
            DeValue::String(text) => Some(text.to_string()),
            _ => {
                self.refuse(doc, field, "must be a string in quotes");
                None
            }
        }
    }

    /// A whole number, zero or more, that must be there.
    pub(super) fn number(&self, doc: &mut Document<'_>, field: &'static str) -> Option<u64> {
        let parsed = match self.required(doc, field)? {
            DeValue::Integer(value) => u64::from_str_radix(value.as_str(), value.radix()).ok(),
            _ => None,
        };
        if parsed.is_none() {
            self.refuse(doc, field, "must be a whole number, without quotes");
        }
        parsed
    }

    /// Whether the table has the field.
    pub(super) fn has(&self, field: &'static str) -> bool {
        self.fields.contains_key(field)
    }
}
