//! A statement as a tree, so that it can be made smaller without losing its sense.

/// The types of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// integer
    Int,
    /// bigint
    Big,
    /// numeric
    Numeric,
    /// double precision
    Float,
    /// text
    Text,
    /// boolean
    Bool,
    /// date
    Date,
    /// timestamp
    Timestamp,
    /// interval
    Interval,
    /// bytea
    Bytes,
    /// uuid
    Uuid,
    /// smallint
    Small,
    /// real
    Real,
    /// timestamp with time zone
    Instant,
    /// time
    Time,
    /// integer[]
    Ints,
    /// text[]
    Texts,
    /// jsonb
    Json,
}

impl Type {
    /// Types that columns of a result may have.
    pub const ALL: [Self; 18] = [
        Self::Int,
        Self::Big,
        Self::Numeric,
        Self::Float,
        Self::Text,
        Self::Bool,
        Self::Date,
        Self::Timestamp,
        Self::Interval,
        Self::Bytes,
        Self::Uuid,
        Self::Small,
        Self::Real,
        Self::Instant,
        Self::Time,
        Self::Ints,
        Self::Texts,
        Self::Json,
    ];

    /// Those whose values have an order that everybody agrees on.
    pub fn ordered() -> &'static [Self] {
        Self::ALL.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// PostgreSQL's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Big => "bigint",
            Self::Numeric => "numeric(12,2)",
            Self::Float => "float8",
            Self::Text => "text",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Interval => "interval",
            Self::Bytes => "bytea",
            Self::Uuid => "uuid",
            Self::Small => "smallint",
            Self::Real => "real",
            Self::Instant => "timestamptz",
            Self::Time => "time",
            Self::Ints => "int[]",
            Self::Texts => "text[]",
            Self::Json => "jsonb",
        }
    }
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Words.
    Text(String),
    /// Pieces in a row.
    Row(Vec<Node>),
    /// An expression of a type: another one of the type may stand here.
    Typed(Type, Box<Node>),
    /// A piece that may be left out.
    Optional(Box<Node>),
}

impl Node {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Fills the places `{}` of a pattern.
    pub fn fill(pattern: &str, parts: Vec<Self>) -> Self {
        let mut row = Vec::new();
        let mut parts = parts.into_iter();
        for (i, piece) in pattern.split("{}").enumerate() {
            if i > 0 {
                row.extend(parts.next());
            }
            if !piece.is_empty() {
                row.push(Self::text(piece));
            }
        }
        Self::Row(row)
    }

    /// Pieces with something between them.
    pub fn join(parts: Vec<Self>, between: &str) -> Self {
        let mut row = Vec::new();
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                row.push(Self::text(between));
            }
            row.push(part);
        }
        Self::Row(row)
    }

    /// An expression.
    pub fn typed(self, kind: Type) -> Self {
        Self::Typed(kind, Box::new(self))
    }

    /// Something that may be left out.
    pub fn optional(self) -> Self {
        Self::Optional(Box::new(self))
    }

    /// As SQL.
    pub fn sql(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Row(parts) => parts.iter().for_each(|p| p.write(out)),
            Self::Typed(_, body) | Self::Optional(body) => body.write(out),
        }
    }

    /// Statements that are smaller by one step, the smallest first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        self.steps(&mut |node| found.push(node));
        let length = self.sql().len();
        found.retain(|node| node.sql().len() < length);
        found.sort_by_key(|node| node.sql().len());
        found
    }

    /// Gives every variant of this node with one change.
    fn steps(&self, give: &mut dyn FnMut(Self)) {
        match self {
            Self::Text(_) => {}
            Self::Row(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    part.steps(&mut |smaller| {
                        let mut row = parts.clone();
                        if let Some(place) = row.get_mut(i) {
                            *place = smaller;
                        }
                        give(Self::Row(row));
                    });
                }
            }
            Self::Optional(body) => {
                give(Self::Row(Vec::new()));
                body.steps(&mut |smaller| give(smaller.optional()));
            }
            Self::Typed(kind, body) => {
                give(Self::text(format!("NULL::{}", kind.name())).typed(*kind));
                body.inner(*kind, give);
                body.steps(&mut |smaller| give(smaller.typed(*kind)));
            }
        }
    }

    /// The expressions of a type inside this one that stand at no deeper level
    /// of a query (a column of a subquery means nothing outside it).
    fn inner(&self, kind: Type, give: &mut dyn FnMut(Self)) {
        match self {
            Self::Text(_) => {}
            Self::Row(parts) => parts.iter().for_each(|p| p.inner(kind, give)),
            Self::Optional(body) => body.inner(kind, give),
            Self::Typed(inner, _) if *inner == kind => give(self.clone()),
            Self::Typed(_, body) => body.inner(kind, give),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn steps_make_it_smaller_and_keep_its_shape() {
        let one = Node::text("1111").typed(Type::Int);
        let sum = Node::fill(
            "({} + {})",
            vec![one.clone(), Node::text("22222").typed(Type::Int)],
        );
        let all = Node::Row(vec![
            Node::text("SELECT "),
            sum.typed(Type::Int),
            Node::text(" WHERE true").optional(),
        ]);
        let found: Vec<String> = all.smaller().iter().map(Node::sql).collect();
        assert!(
            found.contains(&"SELECT 1111 WHERE true".to_owned()),
            "{found:?}"
        );
        assert!(found.contains(&"SELECT (1111 + 22222)".to_owned()));
        assert!(found.contains(&"SELECT NULL::int WHERE true".to_owned()));
        assert!(found.iter().all(|s| s.len() < all.sql().len()));
    }
}
