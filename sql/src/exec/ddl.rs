//! From DDL to table descriptors. Nothing here touches storage.

use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, DataType, HiveDistributionStyle,
    Ident, OnCommit as Written, TableConstraint,
};

use super::checks::CheckRequest;
use super::family::inherited::{Inherited, check_defaults, is_same_type, merge_column};
use super::foreign_key::define::ForeignKeyRequest;
use super::generated_column::check_sources;
use super::keys::{KeyKind, KeyPart, KeyRequest, add_key, key_request};
use crate::catalog::{
    Catalog, Column, Family, Heritage, OnCommit, TableDescriptor, TypeNames, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::insert::refuse_any;
use crate::types::{PgType, oid};

/// Constraints that a definition asks for, to be added when the columns are there.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) keys: Vec<KeyRequest>,
    pub(crate) foreign_keys: Vec<ForeignKeyRequest>,
    pub(crate) checks: Vec<CheckRequest>,
    /// Inherited columns that the table defines too.
    merged: Vec<String>,
    /// What is merged with parents.
    pub(crate) notices: Vec<String>,
}

impl Asked {
    /// Takes a constraint of the table.
    ///
    /// # Errors
    /// 0A000 for constraints that are not there.
    pub(crate) fn add(
        &mut self,
        constraint: &TableConstraint,
        not_valid: bool,
    ) -> Result<(), SqlError> {
        match constraint {
            TableConstraint::ForeignKey(key) => {
                let request = ForeignKeyRequest::new(key, None, not_valid)?;
                self.foreign_keys.push(request);
            }
            TableConstraint::Check(check) => {
                self.checks.push(CheckRequest::new(check, None, not_valid));
            }
            other => self.keys.push(key_request(other)?),
        }
        Ok(())
    }
}

/// Builds the descriptor of a new table, and gives the constraints that are still
/// to be added: all but its keys.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn build_table(
    create: &CreateTable,
    name: String,
    schema: u32,
    owner: &str,
    catalog: &mut Catalog,
    inherited: Inherited,
    search_path: &[String],
) -> Result<(TableDescriptor, Asked), SqlError> {
    refuse_table_clauses(create)?;
    let mut table = TableDescriptor {
        oid: catalog.allocate_oid(),
        schema,
        name,
        owner: owner.to_owned(),
        stream: catalog.allocate_stream(),
        columns: inherited.columns,
        primary_key: Vec::new(),
        primary_key_name: None,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        checks: inherited.checks,
        on_commit: on_commit(create)?,
        family: Family {
            parents: inherited.parents,
            bound: inherited.bound,
            ..Family::default()
        },
        unlogged: create.volatile,
        materialized: None,
    };
    let mut asked = Asked::default();
    for definition in &create.columns {
        let types = TypeNames {
            catalog,
            search_path,
        };
        add_column(&mut table, definition, &mut asked, types)?;
    }
    check_defaults(&table)?;
    for constraint in &create.constraints {
        asked.add(constraint, false)?;
    }
    for request in &asked.keys {
        add_key(&mut table, request, catalog, None)?;
    }
    Ok((table, asked))
}

fn on_commit(create: &CreateTable) -> Result<Option<OnCommit>, SqlError> {
    match create.on_commit {
        Some(_) if !create.temporary => Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            "ON COMMIT can only be used on temporary tables",
        )),
        Some(Written::DeleteRows) => Ok(Some(OnCommit::DeleteRows)),
        Some(Written::Drop) => Ok(Some(OnCommit::Drop)),
        Some(Written::PreserveRows) | None => Ok(None),
    }
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
        (create.or_replace, "CREATE OR REPLACE TABLE"),
        (create.query.is_some(), "CREATE TABLE AS"),
        (create.like.is_some(), "CREATE TABLE … LIKE"),
        (create.clone.is_some(), "CREATE TABLE … CLONE"),
        (
            create.external || create.transient,
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

/// Adds a column, and notes the constraints that its definition asks for.
///
/// # Errors
/// 42701 duplicate name, type errors, 0A000 for options that are not there.
pub(crate) fn add_column(
    table: &mut TableDescriptor,
    definition: &ColumnDef,
    asked: &mut Asked,
    types: TypeNames<'_>,
) -> Result<(), SqlError> {
    let name = fold_identifier(&definition.name);
    let inherited = table.column(&name).filter(|c| is_unmerged(c, &name, asked));
    let known = inherited.map(|c| (c.attnum, c.ty));
    if known.is_none() && is_same_type(&definition.data_type) && table.column(&name).is_none() {
        return Err(SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{name}\" does not exist"),
        ));
    }
    if known.is_none() && table.column(&name).is_some() {
        return Err(SqlError::new(
            state::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ));
    }
    check_sources(definition, &table.name)?;
    let ty = match known {
        Some((_, ty)) if is_same_type(&definition.data_type) => ty,
        _ => storable_type(&name, &definition.data_type, types)?,
    };
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
        identity: None,
        generated: None,
        dropped: false,
        heritage: Heritage::default(),
    };
    for option in &definition.options {
        let constraint = option.name.as_ref().map(fold_identifier);
        let request = |kind| KeyRequest {
            name: constraint.clone(),
            columns: vec![KeyPart::Column(name.clone())],
            ..KeyRequest::new(kind)
        };
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => column.not_null = true,
            ColumnOption::Default(expr) => column.default = Some(expr.to_string()),
            ColumnOption::Generated {
                generation_expr: Some(expr),
                ..
            } => column.generated = Some(expr.to_string()),
            ColumnOption::PrimaryKey(key) => {
                let asks = request(KeyKind::PrimaryKey);
                asked
                    .keys
                    .push(asks.with_timing(key.characteristics.as_ref())?);
            }
            ColumnOption::Unique(unique) => {
                let said = unique.characteristics.as_ref();
                let asks = KeyRequest {
                    nulls_not_distinct: said.is_some_and(|c| c.enforced == Some(true)),
                    ..request(KeyKind::UniqueConstraint)
                };
                asked.keys.push(asks.with_timing(said)?);
            }
            ColumnOption::Check(check) => {
                asked
                    .checks
                    .push(CheckRequest::new(check, constraint.clone(), false));
            }
            ColumnOption::ForeignKey(key) => {
                let of = Some((constraint.clone(), name.clone()));
                asked
                    .foreign_keys
                    .push(ForeignKeyRequest::new(key, of, false)?);
            }
            other => return Err(SqlError::unsupported(format!("column option {other}"))),
        }
    }
    let Some((attnum, _)) = known else {
        table.columns.push(column);
        return Ok(());
    };
    refuse_any(&[(
        column.generated.is_some(),
        "a generated column that is merged with an inherited one",
    )])?;
    let is_partition = table.is_partition();
    if !is_partition {
        asked.notices.push(format!(
            "merging column \"{name}\" with inherited definition"
        ));
    }
    asked.merged.push(name);
    match table.columns.iter_mut().find(|c| c.attnum == attnum) {
        Some(own) => merge_column(own, column, is_partition),
        None => Ok(()),
    }
}

/// Whether a column comes from a parent and was not defined yet.
fn is_unmerged(column: &Column, name: &String, asked: &Asked) -> bool {
    column.heritage.parents > 0 && !asked.merged.contains(name)
}

/// The type of a column, if one can be of it.
///
/// # Errors
/// Type errors; 0A000 for types that cannot be stored.
pub(crate) fn storable_type(
    name: &str,
    data_type: &DataType,
    types: TypeNames<'_>,
) -> Result<PgType, SqlError> {
    storable(name, types.find(data_type)?)
}

/// A type, if columns can have it.
///
/// # Errors
/// 0A000, 42P16 for a pseudo-type.
pub(crate) fn storable(column: &str, ty: PgType) -> Result<PgType, SqlError> {
    match ty {
        PgType::Int2Vector | PgType::OidVector => Err(SqlError::unsupported(format!(
            "columns of type {}",
            ty.sql_name()
        ))),
        PgType::Array(element) if element.has_domain() => {
            Err(SqlError::unsupported("arrays of domains"))
        }
        PgType::Composite(user) if user.oid() == oid::RECORD => Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!("column \"{column}\" has pseudo-type record"),
        )),
        PgType::Unknown | PgType::Void => Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!("column \"{column}\" has pseudo-type {}", ty.sql_name()),
        )),
        ty => Ok(ty),
    }
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
