//! CREATE TABLE … (LIKE …): what is copied, written as a definition says it.

use sqlparser::ast::{ColumnDef, CreateTable, Statement, TableConstraint};

use super::Session;
use super::parse_like::{Copies, Like, carried_like};
use crate::catalog::{
    Catalog, CatalogChange, Identity, PG_CLASS, PG_CONSTRAINT, QualifiedName, RelationEntry,
    SequenceOptions, TableDescriptor,
};
use crate::error::{SqlError, state};
use crate::exec::keys::{KeyKind, KeyPart, KeyRequest};
use crate::query::quote_ident;

/// What is left to copy when the columns of the new table are there.
#[derive(Debug, Default)]
pub(super) struct ToCopy(Vec<(TableDescriptor, Copies)>);

impl Session {
    /// Puts the columns and constraints of the tables that a CREATE TABLE is to be
    /// like into it.
    ///
    /// # Errors
    /// 42P01, 42809, 42601.
    pub(super) fn expand_likes(
        &self,
        create: &mut CreateTable,
        catalog: &Catalog,
    ) -> Result<ToCopy, SqlError> {
        let mut to_copy = ToCopy::default();
        let mut columns = Vec::with_capacity(create.columns.len());
        for column in std::mem::take(&mut create.columns) {
            let Some(like) = carried_like(&column)? else {
                columns.push(column);
                continue;
            };
            let texts = self.texts_of(&like, catalog, &mut to_copy)?;
            let (copied, constraints) = parsed(&texts)?;
            columns.extend(copied);
            create.constraints.extend(constraints);
        }
        create.columns = columns;
        Ok(to_copy)
    }

    /// The elements of a definition that stand for a LIKE.
    fn texts_of(
        &self,
        like: &Like,
        catalog: &Catalog,
        to_copy: &mut ToCopy,
    ) -> Result<Vec<String>, SqlError> {
        let name = QualifiedName::from_ast(&like.source, &self.database)?;
        let found = catalog.find_relation(&name, self.settings.search_path());
        match found {
            Some(RelationEntry::Table(table)) => {
                to_copy.0.push((table.as_ref().clone(), like.copies));
                Ok(table_texts(table, like.copies, catalog))
            }
            Some(RelationEntry::View(view)) => Ok(view
                .columns
                .iter()
                .map(|c| format!("{} {}", quote_ident(&c.name), c.ty.sql_name()))
                .collect()),
            Some(_) => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("relation \"{}\" is invalid in LIKE clause", name.name),
            )),
            None => Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )),
        }
    }
}

fn table_texts(table: &TableDescriptor, copies: Copies, catalog: &Catalog) -> Vec<String> {
    let mut texts = Vec::new();
    for column in table.live_columns() {
        let mut text = format!("{} {}", quote_ident(&column.name), column.ty.sql_name());
        if column.not_null && !(column.identity.is_some() && copies.identity) {
            text.push_str(" NOT NULL");
        }
        match (&column.default, &column.generated, column.identity) {
            (_, Some(expression), _) if copies.generated => {
                text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) STORED"));
            }
            (_, _, Some(identity)) if copies.identity => {
                let owner = Some((table.oid, column.attnum));
                let sequence = catalog.sequences().find(|s| s.owned_by == owner);
                let kind = match identity {
                    Identity::Always => "ALWAYS",
                    Identity::ByDefault => "BY DEFAULT",
                };
                let options = sequence.map_or_else(String::new, |s| options_text(&s.options));
                text.push_str(&format!(" GENERATED {kind} AS IDENTITY ({options})"));
            }
            (Some(default), None, None) if copies.defaults => {
                text.push_str(&format!(" DEFAULT {default}"));
            }
            _ => {}
        }
        texts.push(text);
    }
    if copies.constraints {
        for check in &table.checks {
            let name = quote_ident(&check.name);
            let inherit = if check.no_inherit { " NO INHERIT" } else { "" };
            let expression = &check.expression;
            texts.push(format!("CONSTRAINT {name} CHECK ({expression}){inherit}"));
        }
    }
    texts
}

/// The options of a sequence, in the order in which definitions have them.
fn options_text(options: &SequenceOptions) -> String {
    format!(
        "INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} CACHE {}{}",
        options.increment,
        options.min,
        options.max,
        options.start,
        options.cache,
        if options.cycle { " CYCLE" } else { " NO CYCLE" },
    )
}

fn parsed(texts: &[String]) -> Result<(Vec<ColumnDef>, Vec<TableConstraint>), SqlError> {
    if texts.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let text = format!("CREATE TABLE t ({})", texts.join(", "));
    match super::parse_statement(&text)? {
        Statement::CreateTable(create) => Ok((create.columns, create.constraints)),
        _ => Err(SqlError::internal("a CREATE TABLE that is none")),
    }
}

impl ToCopy {
    /// The keys and indexes that INCLUDING INDEXES asks for.
    ///
    /// # Errors
    /// XX001 when a stored expression cannot be read.
    pub(super) fn keys(&self) -> Result<Vec<KeyRequest>, SqlError> {
        let mut requests = Vec::new();
        for (table, copies) in &self.0 {
            if !copies.indexes {
                continue;
            }
            let column = |attnum: u16| {
                let column = table.attribute(attnum);
                column.map_or_else(String::new, |c| c.name.clone())
            };
            if !table.primary_key.is_empty() {
                let columns = table.primary_key.iter();
                requests.push(KeyRequest {
                    columns: columns.map(|a| KeyPart::Column(column(*a))).collect(),
                    ..KeyRequest::new(KeyKind::PrimaryKey)
                });
            }
            for index in &table.indexes {
                let kind = match (index.primary, index.constraint, index.unique) {
                    (true, ..) => KeyKind::PrimaryKey,
                    (_, true, _) => KeyKind::UniqueConstraint,
                    (_, _, true) => KeyKind::UniqueIndex,
                    _ => KeyKind::Index,
                };
                let mut expressions = index.expressions.iter();
                let mut columns = Vec::with_capacity(index.columns.len());
                for attnum in &index.columns {
                    let part = match attnum {
                        0 => expressions.next(),
                        _ => None,
                    };
                    columns.push(match part {
                        Some(part) => {
                            KeyPart::Expression(Box::new(super::parse_expression(&part.text)?))
                        }
                        None => KeyPart::Column(column(*attnum)),
                    });
                }
                let predicate = match &index.predicate {
                    Some(part) => Some(super::parse_expression(&part.text)?),
                    None => None,
                };
                requests.push(KeyRequest {
                    columns,
                    orders: index.orders.clone(),
                    include: index.include.iter().map(|a| column(*a)).collect(),
                    nulls_not_distinct: index.nulls_not_distinct,
                    predicate,
                    deferrable: index.deferrable,
                    deferred: index.deferred,
                    ..KeyRequest::new(kind)
                });
            }
        }
        Ok(requests)
    }

    /// The comments that INCLUDING COMMENTS asks for.
    pub(super) fn comments(
        &self,
        table: &TableDescriptor,
        catalog: &mut Catalog,
    ) -> Vec<CatalogChange> {
        let mut changes = Vec::new();
        for (source, copies) in self.0.iter().filter(|(_, copies)| copies.comments) {
            let text = |about, catalog: &Catalog| catalog.comment(about).map(|c| c.text.clone());
            for column in source.live_columns() {
                let said = text((PG_CLASS, source.oid, column.attnum), catalog);
                if let (Some(said), Some(own)) = (said, table.column(&column.name)) {
                    let about = (PG_CLASS, table.oid, own.attnum);
                    changes.extend(catalog.commented(about, Some(&said)));
                }
            }
            if !copies.constraints {
                continue;
            }
            for check in &source.checks {
                let said = text((PG_CONSTRAINT, check.oid, 0), catalog);
                if let (Some(said), Some(own)) = (said, table.constraint_oid(&check.name)) {
                    let about = (PG_CONSTRAINT, own, 0);
                    changes.extend(catalog.commented(about, Some(&said)));
                }
            }
        }
        changes
    }
}
