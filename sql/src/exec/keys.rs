//! Keys of a table: PRIMARY KEY, UNIQUE and indexes, from a statement to the
//! table's descriptor.

use sqlparser::ast::{
    ConstraintCharacteristics, Expr, IndexColumn, NullsDistinctOption, TableConstraint,
};

use super::foreign_key::define::timing;
use super::index_expression::{expression, key_part, predicate};
use super::object_name::{free_name, joined};
use super::target::Planning;
use crate::catalog::{
    Catalog, IndexDescriptor, IndexExpression, KeyOrder, TableDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::insert::refuse_any;
use crate::session::carried_names;
use crate::types::key;

/// Most columns of an index, as in PostgreSQL.
const MAX_KEY_COLUMNS: usize = 32;

/// A key that a statement asks for: PRIMARY KEY, UNIQUE, or CREATE INDEX.
#[derive(Debug, Clone)]
pub(crate) struct KeyRequest {
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<KeyPart>,
    pub(crate) orders: Vec<KeyOrder>,
    pub(crate) include: Vec<String>,
    pub(crate) nulls_not_distinct: bool,
    /// `WHERE`.
    pub(crate) predicate: Option<Expr>,
    pub(crate) deferrable: bool,
    pub(crate) deferred: bool,
    pub(crate) kind: KeyKind,
}

/// A part of a key.
#[derive(Debug, Clone)]
pub(crate) enum KeyPart {
    /// A column, by name.
    Column(String),
    /// Something that is computed.
    Expression(Box<Expr>),
}

/// Which sort of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    PrimaryKey,
    UniqueConstraint,
    UniqueIndex,
    Index,
}

impl KeyKind {
    fn is_constraint(self) -> bool {
        matches!(self, Self::PrimaryKey | Self::UniqueConstraint)
    }

    /// What errors call the constraint.
    fn described(self) -> &'static str {
        match self {
            Self::PrimaryKey => "primary key",
            _ => "unique",
        }
    }
}

impl KeyRequest {
    /// A key without columns.
    pub(crate) fn new(kind: KeyKind) -> Self {
        Self {
            name: None,
            columns: Vec::new(),
            orders: Vec::new(),
            include: Vec::new(),
            nulls_not_distinct: false,
            predicate: None,
            deferrable: false,
            deferred: false,
            kind,
        }
    }

    /// Takes what a constraint says about when it is checked.
    ///
    /// # Errors
    /// 42601 when it contradicts itself.
    pub(crate) fn with_timing(
        mut self,
        said: Option<&ConstraintCharacteristics>,
    ) -> Result<Self, SqlError> {
        (self.deferrable, self.deferred) = timing(said)?;
        Ok(self)
    }

    /// Takes the columns of a key or an index.
    ///
    /// # Errors
    /// 0A000 for operator classes and collations that are not there.
    pub(crate) fn with_columns(mut self, columns: &[IndexColumn]) -> Result<Self, SqlError> {
        for column in columns {
            let options = &column.column.options;
            let descending = options.asc == Some(false);
            self.orders.push(KeyOrder {
                descending,
                nulls_first: options.nulls_first.unwrap_or(descending),
            });
            self.columns.push(key_part(column)?);
        }
        Ok(self)
    }
}

/// The key that a table constraint asks for.
///
/// # Errors
/// 0A000 for other constraints.
pub(crate) fn key_request(constraint: &TableConstraint) -> Result<KeyRequest, SqlError> {
    match constraint {
        TableConstraint::PrimaryKey(key) => KeyRequest {
            name: key.name.as_ref().map(fold_identifier),
            include: key.index_name.as_ref().map_or_else(Vec::new, carried_names),
            ..KeyRequest::new(KeyKind::PrimaryKey)
        }
        .with_timing(key.characteristics.as_ref())?
        .with_columns(&key.columns),
        TableConstraint::Unique(key) => KeyRequest {
            name: key.name.as_ref().map(fold_identifier),
            include: key.index_name.as_ref().map_or_else(Vec::new, carried_names),
            nulls_not_distinct: key.nulls_distinct == NullsDistinctOption::NotDistinct,
            ..KeyRequest::new(KeyKind::UniqueConstraint)
        }
        .with_timing(key.characteristics.as_ref())?
        .with_columns(&key.columns),
        other => Err(SqlError::unsupported(format!("constraint {other}"))),
    }
}

/// Adds a key to a table: sets the primary key, or adds an index. `planning` is how
/// expressions are planned; constraints have none.
///
/// # Errors
/// 42703 unknown column, 42P16 second primary key, 42P07 name taken, 0A000 for
/// column types that cannot be keys.
pub(crate) fn add_key(
    table: &mut TableDescriptor,
    request: &KeyRequest,
    catalog: &mut Catalog,
    planning: Option<&Planning>,
) -> Result<(), SqlError> {
    let has_primary = !table.primary_key.is_empty() || table.indexes.iter().any(|i| i.primary);
    if request.kind == KeyKind::PrimaryKey && has_primary {
        return Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                table.name
            ),
        ));
    }
    let computed = |part: &KeyPart| matches!(part, KeyPart::Expression(_));
    refuse_any(&[(
        table.is_partitioned()
            && (request.predicate.is_some() || request.columns.iter().any(computed)),
        "expression and partial indexes of partitioned tables",
    )])?;
    let (attnums, expressions) = key_columns(table, request, planning)?;
    let condition = match (&request.predicate, planning) {
        (None, _) => None,
        (Some(condition), Some(planning)) => Some(predicate(condition, table, planning)?),
        (Some(_), None) => return Err(SqlError::internal("an index predicate without planning")),
    };
    let include = included(table, request)?;
    let keys_rows = request.kind == KeyKind::PrimaryKey && !request.deferrable;
    if keys_rows {
        refuse_any(&[(!include.is_empty(), "PRIMARY KEY … INCLUDE")])?;
    }
    if attnums.len() + include.len() > MAX_KEY_COLUMNS {
        return Err(SqlError::new(
            state::TOO_MANY_COLUMNS,
            format!("cannot use more than {MAX_KEY_COLUMNS} columns in an index"),
        ));
    }
    let name = match &request.name {
        Some(name) => name.clone(),
        None => {
            let expressions: Vec<String> = expressions.iter().map(|e| e.name.clone()).collect();
            generated_name(table, request, &expressions, catalog)
        }
    };
    if !is_free(table, &name, catalog) {
        return Err(SqlError::new(
            state::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        ));
    }
    let oid = catalog.allocate_oid();
    if request.kind == KeyKind::PrimaryKey {
        for column in &mut table.columns {
            column.not_null |= attnums.contains(&column.attnum);
        }
    }
    if keys_rows {
        table.primary_key = attnums;
        table.primary_key_name = Some((name, oid));
        return Ok(());
    }
    let plain = request.orders.iter().all(|o| *o == KeyOrder::default());
    table.indexes.push(IndexDescriptor {
        oid,
        name,
        stream: catalog.allocate_stream(),
        columns: attnums,
        unique: request.kind != KeyKind::Index,
        constraint: request.kind.is_constraint(),
        orders: if plain {
            Vec::new()
        } else {
            request.orders.clone()
        },
        include,
        nulls_not_distinct: request.nulls_not_distinct,
        parent: None,
        expressions,
        predicate: condition,
        deferrable: request.deferrable,
        deferred: request.deferred,
        primary: request.kind == KeyKind::PrimaryKey,
    });
    Ok(())
}

fn no_column(name: &str, kind: KeyKind) -> SqlError {
    let message = if kind.is_constraint() {
        format!("column \"{name}\" named in key does not exist")
    } else {
        format!("column \"{name}\" does not exist")
    };
    SqlError::new(state::UNDEFINED_COLUMN, message)
}

/// The columns of a key, with 0 for each expression, and the expressions.
fn key_columns(
    table: &TableDescriptor,
    request: &KeyRequest,
    planning: Option<&Planning>,
) -> Result<(Vec<u16>, Vec<IndexExpression>), SqlError> {
    let mut attnums = Vec::with_capacity(request.columns.len());
    let mut expressions: Vec<IndexExpression> = Vec::new();
    for part in &request.columns {
        let (attnum, ty) = match (part, planning) {
            (KeyPart::Column(name), _) => {
                let column = table
                    .column(name)
                    .ok_or_else(|| no_column(name, request.kind))?;
                if request.kind.is_constraint() && attnums.contains(&column.attnum) {
                    return Err(SqlError::new(
                        state::DUPLICATE_COLUMN,
                        format!(
                            "column \"{name}\" appears twice in {} constraint",
                            request.kind.described()
                        ),
                    ));
                }
                (column.attnum, column.ty)
            }
            (KeyPart::Expression(expr), Some(planning)) => {
                let part = expression(expr, table, planning)?;
                let ty = part.ty;
                expressions.push(part);
                (0, ty)
            }
            (KeyPart::Expression(_), None) => {
                return Err(SqlError::internal("an index expression without planning"));
            }
        };
        if !key::supports(ty) {
            return Err(SqlError::unsupported(format!(
                "a key on a column of type {}",
                ty.sql_name()
            )));
        }
        attnums.push(attnum);
    }
    Ok((attnums, expressions))
}

fn included(table: &TableDescriptor, request: &KeyRequest) -> Result<Vec<u16>, SqlError> {
    request
        .include
        .iter()
        .map(|name| {
            table
                .column(name)
                .map(|column| column.attnum)
                .ok_or_else(|| no_column(name, request.kind))
        })
        .collect()
}

/// Whether no relation of the table's schema has the name yet.
fn is_free(table: &TableDescriptor, name: &str, catalog: &Catalog) -> bool {
    !catalog.relation_exists(table.schema, name)
        && table.name != name
        && table.indexes.iter().all(|i| i.name != name)
        && table
            .primary_key_name
            .as_ref()
            .is_none_or(|(key, _)| key != name)
}

/// PostgreSQL's names: `t_pkey`, `t_a_b_key`, `t_a_b_idx`, with a number when
/// taken.
fn generated_name(
    table: &TableDescriptor,
    request: &KeyRequest,
    expressions: &[String],
    catalog: &Catalog,
) -> String {
    let free = |name: &str| is_free(table, name, catalog);
    let mut expressions = expressions.iter();
    let mut columns: Vec<&String> = Vec::new();
    for part in &request.columns {
        match part {
            KeyPart::Column(name) => columns.push(name),
            KeyPart::Expression(_) => columns.extend(expressions.next()),
        }
    }
    columns.extend(&request.include);
    match request.kind {
        KeyKind::PrimaryKey => free_name(&table.name, "", "pkey", free),
        KeyKind::UniqueConstraint => free_name(&table.name, &joined(columns), "key", free),
        KeyKind::UniqueIndex | KeyKind::Index => {
            free_name(&table.name, &joined(columns), "idx", free)
        }
    }
}
