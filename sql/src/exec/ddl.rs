//! From DDL to table descriptors. Nothing here touches storage.

use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle, Ident,
    IndexColumn, NullsDistinctOption, TableConstraint,
};

use crate::catalog::{Catalog, Column, IndexDescriptor, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::insert::refuse_any;
use crate::types::{PgType, key};

/// A key that a statement asks for: PRIMARY KEY, UNIQUE, or CREATE INDEX.
#[derive(Debug, Clone)]
pub(crate) struct KeyRequest {
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) kind: KeyKind,
}

/// Which sort of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    PrimaryKey,
    UniqueConstraint,
    UniqueIndex,
    Index,
}

/// Builds the descriptor of a new table.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn build_table(
    create: &CreateTable,
    name: String,
    schema: u32,
    owner: &str,
    catalog: &mut Catalog,
) -> Result<TableDescriptor, SqlError> {
    refuse_table_clauses(create)?;
    let mut table = TableDescriptor {
        oid: catalog.allocate_oid(),
        schema,
        name,
        owner: owner.to_owned(),
        stream: catalog.allocate_stream(),
        columns: Vec::new(),
        primary_key: Vec::new(),
        primary_key_name: None,
        indexes: Vec::new(),
    };
    let mut keys = Vec::new();
    for definition in &create.columns {
        keys.extend(add_column(&mut table, definition)?);
    }
    for constraint in &create.constraints {
        keys.push(key_request(constraint)?);
    }
    for request in &keys {
        add_key(&mut table, request, catalog)?;
    }
    Ok(table)
}

fn refuse_table_clauses(create: &CreateTable) -> Result<(), SqlError> {
    let storage_options = match &create.table_options {
        CreateTableOptions::None => true,
        // Storage parameters (fillfactor and the like) tune PostgreSQL's heap.
        CreateTableOptions::With(options) => options.iter().all(|o| {
            let text = o.to_string().to_ascii_lowercase();
            ["fillfactor", "autovacuum", "parallel_workers", "toast"]
                .iter()
                .any(|known| text.starts_with(known))
        }),
        _ => false,
    };
    refuse_any(&[
        (create.temporary, "CREATE TEMPORARY TABLE"),
        (create.or_replace, "CREATE OR REPLACE TABLE"),
        (create.query.is_some(), "CREATE TABLE AS"),
        (create.like.is_some(), "CREATE TABLE … LIKE"),
        (create.clone.is_some(), "CREATE TABLE … CLONE"),
        (create.inherits.is_some(), "CREATE TABLE … INHERITS"),
        (create.partition_of.is_some(), "CREATE TABLE … PARTITION OF"),
        (create.partition_by.is_some(), "CREATE TABLE … PARTITION BY"),
        (create.on_commit.is_some(), "CREATE TABLE … ON COMMIT"),
        (
            create.external || create.transient || create.volatile,
            "this kind of CREATE TABLE",
        ),
        (
            create.hive_distribution != HiveDistributionStyle::NONE,
            "PARTITIONED BY",
        ),
        (
            create.primary_key.is_some() || create.order_by.is_some(),
            "table clauses of other systems",
        ),
        (!storage_options, "these options of CREATE TABLE"),
    ])
}

/// Adds a column; gives the keys that its definition asks for.
///
/// # Errors
/// 42701 duplicate name, type errors, 0A000 for options that are not there.
pub(crate) fn add_column(
    table: &mut TableDescriptor,
    definition: &ColumnDef,
) -> Result<Vec<KeyRequest>, SqlError> {
    let name = fold_identifier(&definition.name);
    if table.column(&name).is_some() {
        return Err(SqlError::new(
            state::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ));
    }
    let ty = column_type(definition)?;
    let attnum = u16::try_from(table.columns.len() + 1).map_err(|_| {
        SqlError::new(
            state::TOO_MANY_COLUMNS,
            "tables can have at most 1600 columns",
        )
    })?;
    let mut column = Column {
        attnum,
        name: name.clone(),
        ty,
        not_null: false,
        default: None,
        missing: None,
        dropped: false,
    };
    let mut keys = Vec::new();
    for option in &definition.options {
        let constraint = option.name.as_ref().map(fold_identifier);
        let request = |kind| KeyRequest {
            name: constraint.clone(),
            columns: vec![name.clone()],
            kind,
        };
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => column.not_null = true,
            ColumnOption::Default(expr) => column.default = Some(expr.to_string()),
            ColumnOption::PrimaryKey(_) => keys.push(request(KeyKind::PrimaryKey)),
            ColumnOption::Unique(unique) => {
                refuse_any(&[(
                    unique.nulls_distinct == NullsDistinctOption::NotDistinct,
                    "UNIQUE NULLS NOT DISTINCT",
                )])?;
                keys.push(request(KeyKind::UniqueConstraint));
            }
            other => return Err(SqlError::unsupported(format!("column option {other}"))),
        }
    }
    table.columns.push(column);
    Ok(keys)
}

fn column_type(definition: &ColumnDef) -> Result<PgType, SqlError> {
    let ty = PgType::from_sql_ast(&definition.data_type)?;
    match ty {
        PgType::Numeric(None) => Err(SqlError::unsupported("a numeric column without precision")
            .hint("Declare it, for example numeric(38,10).")),
        PgType::Array(_) | PgType::Int2Vector | PgType::OidVector => Err(SqlError::unsupported(
            format!("columns of type {}", ty.sql_name()),
        )),
        PgType::Unknown | PgType::Void => Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!(
                "column \"{}\" has pseudo-type {}",
                definition.name,
                ty.sql_name()
            ),
        )),
        ty => Ok(ty),
    }
}

/// The key that a table constraint asks for.
///
/// # Errors
/// 0A000 for other constraints.
pub(crate) fn key_request(constraint: &TableConstraint) -> Result<KeyRequest, SqlError> {
    match constraint {
        TableConstraint::PrimaryKey(key) => {
            refuse_any(&[(key.characteristics.is_some(), "deferrable constraints")])?;
            Ok(KeyRequest {
                name: key.name.as_ref().map(fold_identifier),
                columns: key_columns(&key.columns)?,
                kind: KeyKind::PrimaryKey,
            })
        }
        TableConstraint::Unique(key) => {
            refuse_any(&[
                (key.characteristics.is_some(), "deferrable constraints"),
                (
                    key.nulls_distinct == NullsDistinctOption::NotDistinct,
                    "UNIQUE NULLS NOT DISTINCT",
                ),
            ])?;
            Ok(KeyRequest {
                name: key.name.as_ref().map(fold_identifier),
                columns: key_columns(&key.columns)?,
                kind: KeyKind::UniqueConstraint,
            })
        }
        TableConstraint::ForeignKey(_) => Err(SqlError::unsupported("FOREIGN KEY constraints")),
        TableConstraint::Check(_) => Err(SqlError::unsupported("CHECK constraints")),
        other => Err(SqlError::unsupported(format!("constraint {other}"))),
    }
}

/// The columns of a key or an index.
///
/// # Errors
/// 0A000 for expressions, operator classes and descending order.
pub(crate) fn key_columns(columns: &[IndexColumn]) -> Result<Vec<String>, SqlError> {
    columns
        .iter()
        .map(|column| {
            let options = &column.column.options;
            refuse_any(&[
                (column.operator_class.is_some(), "operator classes"),
                (options.asc == Some(false), "descending index columns"),
                (options.nulls_first == Some(true), "NULLS FIRST in an index"),
            ])?;
            match &column.column.expr {
                Expr::Identifier(ident) => Ok(fold_identifier(ident)),
                other => Err(SqlError::unsupported(format!("index expression {other}"))),
            }
        })
        .collect()
}

/// Adds a key to a table: sets the primary key, or adds an index.
///
/// # Errors
/// 42703 unknown column, 42P16 second primary key, 42P07 name taken, 0A000 for
/// column types that cannot be keys.
pub(crate) fn add_key(
    table: &mut TableDescriptor,
    request: &KeyRequest,
    catalog: &mut Catalog,
) -> Result<(), SqlError> {
    let attnums = key_attnums(table, request)?;
    if request.kind == KeyKind::PrimaryKey && !table.primary_key.is_empty() {
        return Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                table.name
            ),
        ));
    }
    let name = match &request.name {
        Some(name) => name.clone(),
        None => generated_name(table, request, catalog),
    };
    let taken = catalog.relation_exists(table.schema, &name)
        || table.name == name
        || table.indexes.iter().any(|i| i.name == name)
        || table
            .primary_key_name
            .as_ref()
            .is_some_and(|(n, _)| *n == name);
    if taken {
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
        table.primary_key = attnums;
        table.primary_key_name = Some((name, oid));
        return Ok(());
    }
    table.indexes.push(IndexDescriptor {
        oid,
        name,
        stream: catalog.allocate_stream(),
        columns: attnums,
        unique: request.kind != KeyKind::Index,
        constraint: request.kind == KeyKind::UniqueConstraint,
    });
    Ok(())
}

fn key_attnums(table: &TableDescriptor, request: &KeyRequest) -> Result<Vec<u16>, SqlError> {
    let mut attnums = Vec::with_capacity(request.columns.len());
    for name in &request.columns {
        let column = table.column(name).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!("column \"{name}\" named in key does not exist"),
            )
        })?;
        if !key::supports(column.ty) {
            return Err(SqlError::unsupported(format!(
                "a key on a column of type {}",
                column.ty.sql_name()
            )));
        }
        if attnums.contains(&column.attnum) {
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!("column \"{name}\" appears twice in key"),
            ));
        }
        attnums.push(column.attnum);
    }
    Ok(attnums)
}

/// PostgreSQL's names: `t_pkey`, `t_a_b_key`, `t_a_b_idx`, with a number when
/// taken.
fn generated_name(table: &TableDescriptor, request: &KeyRequest, catalog: &Catalog) -> String {
    let suffix = match request.kind {
        KeyKind::PrimaryKey => "pkey",
        KeyKind::UniqueConstraint => "key",
        KeyKind::UniqueIndex | KeyKind::Index => "idx",
    };
    let base = if request.kind == KeyKind::PrimaryKey {
        format!("{}_{suffix}", table.name)
    } else {
        format!("{}_{}_{suffix}", table.name, request.columns.join("_"))
    };
    let free = |name: &str| {
        !catalog.relation_exists(table.schema, name) && table.indexes.iter().all(|i| i.name != name)
    };
    if free(&base) {
        return base;
    }
    (1_u32..)
        .map(|n| format!("{base}{n}"))
        .find(|name| free(name))
        .unwrap_or(base)
}

/// Finds a live column by its written name, to change it.
///
/// # Errors
/// 42703.
pub(crate) fn column_mut<'t>(
    table: &'t mut TableDescriptor,
    name: &Ident,
) -> Result<&'t mut Column, SqlError> {
    let name = fold_identifier(name);
    let relation = table.name.clone();
    table
        .columns
        .iter_mut()
        .find(|c| !c.dropped && c.name == name)
        .ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{relation}\" does not exist"),
            )
        })
}
