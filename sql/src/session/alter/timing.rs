//! ALTER TABLE … ALTER CONSTRAINT: when a foreign key is checked.

use std::collections::VecDeque;

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::TokenWithSpan;

use super::super::Session;
use super::super::parse::is_meaningful;
use super::constraint::no_constraint;
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, QualifiedName, TableDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

/// The command as it is written.
#[derive(Debug, Clone)]
pub(crate) struct ConstraintTiming {
    table: ObjectName,
    if_exists: bool,
    constraint: Ident,
    deferrable: bool,
    deferred: bool,
}

/// Reads the command; `None` for others.
///
/// # Errors
/// 42601 for a constraint that is deferred and not deferrable; 0A000 for NOT VALID and
/// NO INHERIT.
pub(in super::super) fn parse(
    tokens: &[TokenWithSpan],
) -> Result<Option<ConstraintTiming>, SqlError> {
    let words: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .cloned()
        .collect();
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(words);
    let Some((table, if_exists, constraint)) = target(&mut parser) else {
        return Ok(None);
    };
    let (mut deferrable, mut deferred) = (None, None);
    loop {
        if parser.parse_keywords(&[Keyword::NOT, Keyword::DEFERRABLE]) {
            deferrable = Some(false);
        } else if parser.parse_keyword(Keyword::DEFERRABLE) {
            deferrable = Some(true);
        } else if parser.parse_keywords(&[Keyword::INITIALLY, Keyword::DEFERRED]) {
            deferred = Some(true);
        } else if parser.parse_keywords(&[Keyword::INITIALLY, Keyword::IMMEDIATE]) {
            deferred = Some(false);
        } else if parser.parse_keywords(&[Keyword::NOT, Keyword::VALID]) {
            return Err(SqlError::unsupported("ALTER CONSTRAINT … NOT VALID"));
        } else if parser.parse_keywords(&[Keyword::NO, Keyword::INHERIT]) {
            return Err(SqlError::unsupported("ALTER CONSTRAINT … NO INHERIT"));
        } else {
            break;
        }
    }
    if parser.peek_token().token != sqlparser::tokenizer::Token::EOF {
        return Ok(None);
    }
    let deferred = deferred.unwrap_or(false);
    if deferred && deferrable == Some(false) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "constraint declared INITIALLY DEFERRED must be DEFERRABLE",
        ));
    }
    Ok(Some(ConstraintTiming {
        table,
        if_exists,
        constraint,
        deferrable: deferrable.unwrap_or(deferred),
        deferred,
    }))
}

fn target(parser: &mut Parser<'_>) -> Option<(ObjectName, bool, Ident)> {
    if !parser.parse_keywords(&[Keyword::ALTER, Keyword::TABLE]) {
        return None;
    }
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let table = parser.parse_object_name(false).ok()?;
    if !parser.parse_keywords(&[Keyword::ALTER, Keyword::CONSTRAINT]) {
        return None;
    }
    Some((table, if_exists, parser.parse_identifier().ok()?))
}

impl Session {
    /// Changes when a foreign key is checked, in the partitions too.
    ///
    /// # Errors
    /// 42P01, 42704; 42809 for other constraints; 42P16 for the key of a partition that
    /// comes from the whole table.
    pub(in super::super) async fn alter_constraint(
        &mut self,
        wanted: &ConstraintTiming,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER TABLE").await?;
        let name = QualifiedName::from_ast(&wanted.table, &self.database)?;
        let path = self.settings.search_path();
        let found = catalog.find_table(&name, path);
        if found.is_none() && wanted.if_exists {
            self.notice(format!(
                "relation \"{}\" does not exist, skipping",
                name.name
            ));
            return Ok("ALTER TABLE".to_owned());
        }
        let table = catalog.table(&name, path)?;
        let key = foreign_key_of(table, &wanted.constraint)?;
        let mut changes = Vec::new();
        for (oid, mut table) in with_heirs(&catalog, table.as_ref(), key) {
            self.lock_table(table.oid, LockMode::AccessExclusive)
                .await?;
            for key in table.foreign_keys.iter_mut().filter(|key| key.oid == oid) {
                key.deferrable = wanted.deferrable;
                key.deferred = wanted.deferred;
            }
            let entry = CatalogEntry::Table(Box::new(table));
            changes.push(CatalogChange::Put(entry));
        }
        self.change_catalog(catalog, changes, Layer::default())?;
        Ok("ALTER TABLE".to_owned())
    }
}

/// The foreign key of a name.
fn foreign_key_of(table: &TableDescriptor, name: &Ident) -> Result<u32, SqlError> {
    let name = fold_identifier(name);
    let Some(key) = table.foreign_keys.iter().find(|key| key.name == name) else {
        if !table.has_constraint(&name) {
            return Err(no_constraint(&name, &table.name));
        }
        return Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!(
                "constraint \"{name}\" of relation \"{}\" is not a foreign key constraint",
                table.name
            ),
        ));
    };
    if key.parent.is_some() {
        return Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!(
                "cannot alter constraint \"{name}\" on relation \"{}\"",
                table.name
            ),
        )
        .detail("It comes from the constraint of the whole table.")
        .hint("You may alter the constraint it derives from instead."));
    }
    Ok(key.oid)
}

/// A table and its partitions, each with its key that is the same constraint.
fn with_heirs(catalog: &Catalog, table: &TableDescriptor, key: u32) -> Vec<(u32, TableDescriptor)> {
    let mut found = vec![(key, table.clone())];
    let mut above = VecDeque::from([key]);
    while let Some(parent) = above.pop_front() {
        for heir in catalog.tables() {
            let own = heir.foreign_keys.iter().find(|k| k.parent == Some(parent));
            if let Some(own) = own {
                found.push((own.oid, heir.as_ref().clone()));
                above.push_back(own.oid);
            }
        }
    }
    found
}
