//! What a kept query means: names resolved to places, constants with types, casts
//! that PostgreSQL adds where they are needed.

use crate::types::PgType;

/// A query or one side of a set operation.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// `WITH RECURSIVE`.
    pub(super) recursive: bool,
    pub(super) ctes: Vec<Cte>,
    /// The range table: whatever columns come from, joins among them.
    pub(super) relations: Vec<Relation>,
    pub(super) from: Vec<From>,
    pub(super) filter: Option<Node>,
    pub(super) targets: Vec<Target>,
    pub(super) distinct: Distinct,
    pub(super) group: Vec<Group>,
    pub(super) group_distinct: bool,
    pub(super) having: Option<Node>,
    /// Windows, those without a name too.
    pub(super) windows: Vec<Window>,
    /// The queries that set operations combine; there are no targets then.
    pub(super) set: Option<SetTree>,
    pub(super) order: Vec<Sort>,
    pub(super) offset: Option<Node>,
    pub(super) limit: Option<Node>,
    pub(super) ties: bool,
    /// Whether it only stands for the relation of an expression, whose columns are
    /// written without its name.
    pub(super) is_expression: bool,
}

/// An item of WITH.
#[derive(Debug)]
pub(super) struct Cte {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) materialized: Option<bool>,
    pub(super) query: Query,
}

/// An item of a SELECT list.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) node: Node,
    pub(super) name: String,
}

/// DISTINCT.
#[derive(Debug, Default)]
pub(super) enum Distinct {
    #[default]
    No,
    Rows,
    On(Vec<Node>),
}

/// An item of GROUP BY.
#[derive(Debug)]
pub(super) enum Group {
    /// One expression outside of grouping sets.
    Plain(Node),
    Empty,
    /// Columns that are grouped by together.
    Together(Vec<Node>),
    Rollup(Vec<Group>),
    Cube(Vec<Group>),
    Sets(Vec<Group>),
}

/// Queries combined by UNION and the like.
#[derive(Debug)]
pub(super) enum SetTree {
    Leaf(Box<Query>),
    Both {
        word: &'static str,
        all: bool,
        left: Box<SetTree>,
        right: Box<SetTree>,
    },
}

/// An item of ORDER BY.
#[derive(Debug, Clone)]
pub(super) struct Sort {
    pub(super) key: SortKey,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// What is sorted by.
#[derive(Debug, Clone)]
pub(super) enum SortKey {
    Node(Node),
    /// An output column of a set operation.
    Column(usize),
}

/// A window.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) name: Option<String>,
    /// The window that it continues.
    pub(super) base: Option<String>,
    pub(super) partition: Vec<Node>,
    pub(super) order: Vec<Sort>,
    pub(super) frame: Option<Frame>,
    /// How it is written, to find the same one again.
    pub(super) written: String,
}

/// The frame of a window.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) units: &'static str,
    pub(super) start: Bound,
    pub(super) end: Option<Bound>,
    pub(super) exclude: Option<&'static str>,
}

/// Where a frame begins or ends.
#[derive(Debug)]
pub(super) enum Bound {
    CurrentRow,
    Preceding(Option<Node>),
    Following(Option<Node>),
}

/// An entry of the range table.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) kind: RelationKind,
    /// The alias that was written.
    pub(super) alias: Option<String>,
    /// Column aliases that were written, by the place of the column.
    pub(super) alias_columns: Vec<String>,
    /// What it is called without alias; nothing for a join.
    pub(super) name: String,
    /// The columns it had when the query was kept, with their names then. A name is
    /// empty where a column was gone already.
    pub(super) columns: Vec<(String, PgType)>,
    pub(super) lateral: bool,
}

/// What an entry of the range table is.
#[derive(Debug)]
pub(super) enum RelationKind {
    /// A table or view.
    Stored {
        oid: u32,
        only: bool,
    },
    Subquery(Box<Query>),
    Function {
        call: Node,
        ordinality: bool,
    },
    Values(Vec<Vec<Node>>),
    Cte(String),
    Join(Join),
}

/// The columns of a join. Places count from 1; 0 stands for none.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) left: usize,
    pub(super) right: usize,
    /// How many columns USING merges; they come first.
    pub(super) merged: usize,
    pub(super) left_places: Vec<usize>,
    pub(super) right_places: Vec<usize>,
    /// What each column is made of.
    pub(super) nodes: Vec<Node>,
}

/// An item of FROM.
#[derive(Debug)]
pub(super) enum From {
    Relation(usize),
    Join {
        /// The entry of the join itself.
        relation: usize,
        kind: JoinKind,
        left: Box<From>,
        right: Box<From>,
        using: Vec<String>,
        on: Option<Node>,
    },
}

/// How rows are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// An expression and its type. A literal that nothing has typed is `unknown`.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) ty: PgType,
}

/// How a cast is carried out, which says whether it holds together like a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CastForm {
    Function,
    Relabel,
}

/// What an expression is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A column: how many queries further out, which relation, which column from 0.
    Column {
        up: usize,
        relation: usize,
        column: usize,
    },
    /// A constant as its type writes it; nothing for NULL.
    Constant(Option<String>),
    /// A prefix or an infix operator.
    Operator(String, Vec<Node>),
    /// `IS DISTINCT FROM`
    Distinct(Box<[Node; 2]>),
    /// `= ANY (array)`
    ArrayOperator {
        symbol: String,
        any: bool,
        sides: Box<[Node; 2]>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Call {
        name: String,
        args: Vec<Node>,
    },
    Cast {
        arg: Box<Node>,
        implicit: bool,
        form: CastForm,
    },
    /// A function with a syntax of its own.
    Syntax(Syntax, Vec<Node>),
    Aggregate(Box<Aggregate>),
    Windowed {
        call: Box<Aggregate>,
        window: usize,
    },
    Grouping(Vec<Node>),
    Case {
        operand: Option<Box<Node>>,
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
    },
    Array(Vec<Node>),
    Row(Vec<Node>),
    Coalesce(Vec<Node>),
    /// `GREATEST` or `LEAST`
    Extreme(&'static str, Vec<Node>),
    NullIf(Box<[Node; 2]>),
    /// `CURRENT_DATE` and the like.
    Value(String),
    /// `IS NULL`, `IS TRUE` and the like; the words.
    Test(Box<Node>, &'static str),
    Collate(Box<Node>, String),
    Subscript(Box<Node>, Vec<Node>),
    Sublink(Box<Sublink>),
}

/// A function with a syntax of its own.
#[derive(Debug, Clone)]
pub(super) enum Syntax {
    Extract(String),
    AtTimeZone,
    Position,
    Substring { from: bool, length: bool },
    Trim(&'static str),
    Overlay,
}

/// A call of an aggregate or a window function.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) name: String,
    pub(super) distinct: bool,
    pub(super) star: bool,
    pub(super) args: Vec<Node>,
    pub(super) order: Vec<Sort>,
    /// Whether the order is that of WITHIN GROUP.
    pub(super) within: bool,
    pub(super) filter: Option<Node>,
}

/// A query in an expression.
#[derive(Debug, Clone)]
pub(super) struct Sublink {
    pub(super) kind: SublinkKind,
    /// What is compared, and how.
    pub(super) test: Option<(Vec<Node>, String)>,
    pub(super) query: std::sync::Arc<Query>,
}

/// What a query in an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SublinkKind {
    Exists,
    Any,
    All,
    Value,
    Array,
}

impl Node {
    pub(super) fn new(kind: Kind, ty: PgType) -> Self {
        Self { kind, ty }
    }

    /// Whether it is a column and nothing else.
    pub(super) fn is_column(&self) -> bool {
        matches!(self.kind, Kind::Column { .. })
    }

    /// NULL of a type.
    pub(super) fn null(ty: PgType) -> Self {
        Self::new(Kind::Constant(None), ty)
    }
}
