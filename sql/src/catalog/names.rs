//! Identifiers: folding and qualification.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::SqlError;

/// Longest identifier in bytes, as PostgreSQL's `NAMEDATALEN - 1`.
const MAX_IDENTIFIER_BYTES: usize = 63;

/// How the catalog part begins that planning puts before the name of a table of which
/// it wants to see more, or less, than others do.
pub(crate) const MARKED_CATALOG: &str = "\u{1f}hidden";

/// Folds an identifier as PostgreSQL does: unquoted names to lower case, both
/// kinds cut to 63 bytes at a character boundary.
pub fn fold_identifier(ident: &Ident) -> String {
    let mut name = if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_ascii_lowercase()
    };
    if name.len() > MAX_IDENTIFIER_BYTES {
        let mut end = MAX_IDENTIFIER_BYTES;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}

/// A name with an optional schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Object name.
    pub name: String,
}

impl QualifiedName {
    /// Reads a parsed object name; a database part must name `database`.
    ///
    /// # Errors
    /// 0A000 for a cross-database reference or an unusual name part.
    pub fn from_ast(name: &ObjectName, database: &str) -> Result<Self, SqlError> {
        let mut parts = Vec::with_capacity(3);
        for part in &name.0 {
            if let ObjectNamePart::Identifier(ident) = part
                && ident.value.starts_with(MARKED_CATALOG)
            {
                parts.clear();
                continue;
            }
            match part {
                ObjectNamePart::Identifier(ident) => parts.push(fold_identifier(ident)),
                other => return Err(SqlError::unsupported(format!("object name {other}"))),
            }
        }
        let object = parts.pop().unwrap_or_default();
        let schema = parts.pop().filter(|schema| !schema.is_empty());
        match parts.pop() {
            None => {}
            Some(db) if db == database && parts.is_empty() => {}
            Some(_) => {
                return Err(SqlError::unsupported(format!(
                    "cross-database references: \"{name}\""
                )));
            }
        }
        Ok(Self {
            schema,
            name: object,
        })
    }
}

impl std::fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
