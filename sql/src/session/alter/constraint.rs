//! What ALTER TABLE does to constraints.

use std::sync::Arc;

use sqlparser::ast::{ConstraintUsingIndex, Ident, TableConstraint};

use super::super::{Session, rewrite};
use super::Alteration;
use crate::catalog::{Catalog, ObjectKind, TableDescriptor, fold_identifier, still_needed};
use crate::error::{SqlError, state};
use crate::exec::checks::{Broken, CheckRequest, TableChecks};
use crate::exec::ddl::Asked;
use crate::exec::foreign_key::{self, define::taken};
use crate::exec::insert::refuse_any;
use crate::exec::keys::{KeyKind, KeyPart, KeyRequest, add_key};
use crate::txn::{Layer, LockMode};
use crate::types::Datum;

impl Session {
    pub(super) async fn add_constraint(
        &mut self,
        constraint: &TableConstraint,
        not_valid: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        match constraint {
            TableConstraint::UniqueUsingIndex(said) => {
                return self.use_index(said, KeyKind::UniqueConstraint, a);
            }
            TableConstraint::PrimaryKeyUsingIndex(said) => {
                return self.use_index(said, KeyKind::PrimaryKey, a);
            }
            _ => {}
        }
        let mut asked = Asked::default();
        asked.add(constraint, not_valid)?;
        self.add_asked(&asked, a).await
    }

    /// Adds constraints, and checks that the rows comply.
    pub(super) async fn add_asked(
        &mut self,
        asked: &Asked,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        for key in &asked.keys {
            self.add_key(key, a)?;
        }
        self.keep(a)?;
        for request in &asked.checks {
            self.add_check(request, a)?;
        }
        self.keep(a)?;
        for request in &asked.foreign_keys {
            let requests = std::slice::from_ref(request);
            self.add_foreign_keys(&mut a.table, requests, &mut a.catalog)
                .await?;
            self.keep(a)?;
            if let Some(key) = a.table.foreign_keys.last().filter(|key| key.validated) {
                let view = self.current_rows()?;
                let child = a.table.oid;
                foreign_key::validate(key, &a.catalog, child, &view, &self.cancel)?;
            }
        }
        Ok(())
    }

    pub(in super::super) fn add_key(
        &mut self,
        request: &KeyRequest,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if !a.layer.is_empty() {
            self.keep(a)?;
        }
        let old = self.stored_table(a)?;
        add_key(&mut a.table, request, &mut a.catalog, None)?;
        if request.kind == KeyKind::PrimaryKey && !request.deferrable {
            return self.rebuild(&old, a, &mut |_| Ok(()));
        }
        let view = self.current_rows()?;
        let info = self.stored_table(a)?;
        let derived = self.derived(&info.desc)?;
        match info.desc.indexes.last() {
            Some(index) => rewrite::build_index(
                (&info, &derived),
                index,
                &a.catalog,
                &view,
                &mut a.layer,
                &self.cancel,
            ),
            None => Ok(()),
        }
    }

    fn add_check(&mut self, request: &CheckRequest, a: &mut Alteration) -> Result<(), SqlError> {
        let planning = self.planning()?;
        request.define(&mut a.table, &mut a.catalog, &planning)?;
        match a.table.checks.last().filter(|check| check.validated) {
            Some(check) => self.check_rows(check.oid, a),
            None => Ok(()),
        }
    }

    /// Checks that every row of the table complies with a CHECK constraint.
    pub(in super::super) fn check_rows(
        &mut self,
        check: u32,
        a: &Alteration,
    ) -> Result<(), SqlError> {
        let planning = self.planning()?;
        let session = self.session_info()?;
        let checks = Arc::new(TableChecks::plan(&a.table, Some(check), &planning)?);
        let checks = checks.bind(&session)?;
        let info = self.stored_table(a)?;
        let view = self.current_rows()?;
        let mut waiting: Vec<Vec<Datum>> = Vec::new();
        let violated = |rows: &mut Vec<Vec<Datum>>| {
            let slices: Vec<&[Datum]> = rows.iter().map(Vec::as_slice).collect();
            let found = checks.violated(&slices)?.map(|broken| match broken {
                Broken::Check(check) => check.name.clone(),
                Broken::Domain(rule) => rule.domain.to_owned(),
            });
            rows.clear();
            match found {
                None => Ok(()),
                Some(name) => Err(violated_by_some(&a.table, &name, &a.catalog)),
            }
        };
        rewrite::for_each_row(&info, &view, &self.cancel, |_, _, row| {
            waiting.push(row);
            if waiting.len() < ROWS_TOGETHER {
                return Ok(());
            }
            violated(&mut waiting)
        })?;
        violated(&mut waiting)
    }

    pub(super) async fn drop_constraint(
        &mut self,
        name: &Ident,
        if_exists: bool,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if let Some(key) = Self::foreign_key_named(&a.table, name) {
            let (oid, referenced) = (key.oid, key.referenced);
            if let Some(parent) = a.catalog.table_by_oid(referenced).cloned() {
                self.no_pending_checks("ALTER TABLE", &parent)?;
            }
            self.lock_table(referenced, LockMode::AccessExclusive)
                .await?;
            a.table.foreign_keys.retain(|key| key.oid != oid);
            return Ok(());
        }
        let name = fold_identifier(name);
        let primary = a.table.primary_key_name.as_ref();
        if primary.is_some_and(|(n, _)| *n == name) {
            return self.drop_primary_key(cascade, a).await;
        }
        let mut constraints = a.table.indexes.iter().filter(|i| i.constraint);
        if let Some(index) = constraints.find(|i| i.name == name).map(|i| i.oid) {
            let table = ObjectKind::Relation(a.table.oid);
            let table = a.catalog.describe(table, self.settings.search_path());
            let what = format!("constraint {name} on {table}");
            let root = [ObjectKind::Index(a.table.oid, index)];
            self.drop_dependents(&root, Some(&what), cascade, a).await?;
            a.table.indexes.retain(|i| i.oid != index);
            return Ok(());
        }
        let before = a.table.checks.len();
        a.table.checks.retain(|check| check.name != name);
        if a.table.checks.len() < before {
            return Ok(());
        }
        let message = format!(
            "constraint \"{name}\" of relation \"{}\" does not exist",
            a.table.name
        );
        if if_exists {
            self.notice(format!("{message}, skipping"));
            return Ok(());
        }
        Err(SqlError::new(state::UNDEFINED_OBJECT, message))
    }

    /// Drops the primary key: rows are keyed by a number from now on. Its columns
    /// stay NOT NULL.
    pub(in super::super) async fn drop_primary_key(
        &mut self,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let Some((name, oid)) = a.table.primary_key_name.clone() else {
            return Ok(());
        };
        let table = ObjectKind::Relation(a.table.oid);
        let table = a.catalog.describe(table, self.settings.search_path());
        let what = format!("constraint {name} on {table}");
        let root = [ObjectKind::Index(a.table.oid, oid)];
        self.drop_dependents(&root, Some(&what), cascade, a).await?;
        a.table.foreign_keys.retain(|key| key.index != oid);
        let old = self.stored_table(a)?;
        a.table.primary_key = Vec::new();
        a.table.primary_key_name = None;
        self.rebuild(&old, a, &mut |_| Ok(()))
    }

    /// Makes a unique index the one of a constraint.
    fn use_index(
        &mut self,
        said: &ConstraintUsingIndex,
        kind: KeyKind,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        refuse_any(&[(said.characteristics.is_some(), "deferrable constraints")])?;
        let index = fold_identifier(&said.index_name);
        let Some(at) = a.table.indexes.iter().position(|i| i.name == index) else {
            return Err(SqlError::new(
                state::UNDEFINED_OBJECT,
                format!("index \"{index}\" does not exist"),
            ));
        };
        let name = said.name.as_ref().map_or(index.clone(), fold_identifier);
        let Some(found) = a.table.indexes.get_mut(at) else {
            return Ok(());
        };
        if found.constraint {
            return Err(SqlError::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("index \"{index}\" is already associated with a constraint"),
            ));
        }
        if !found.unique {
            return Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{index}\" is not a unique index"),
            )
            .detail("Cannot create a primary key or unique constraint using such an index."));
        }
        if !found.is_plain() {
            let what = match found.predicate {
                Some(_) => format!("\"{index}\" is a partial index"),
                None => format!("index \"{index}\" contains expressions"),
            };
            return Err(SqlError::new(state::WRONG_OBJECT_TYPE, what)
                .detail("Cannot create a primary key or unique constraint using such an index."));
        }
        if name != index {
            self.notice(format!(
                "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index}\" to \"{name}\""
            ));
        }
        if kind == KeyKind::UniqueConstraint {
            if name != index && a.catalog.relation_exists(a.table.schema, &name) {
                return Err(SqlError::new(
                    state::DUPLICATE_TABLE,
                    format!("relation \"{name}\" already exists"),
                ));
            }
            found.constraint = true;
            found.name = name;
            return Ok(());
        }
        let columns = found.columns.clone();
        let mut request = KeyRequest {
            name: Some(name),
            ..KeyRequest::new(kind)
        };
        for attnum in columns {
            let column = a.table.attribute(attnum);
            request.columns.push(KeyPart::Column(
                column.map_or_else(String::new, |c| c.name.clone()),
            ));
        }
        if !a.table.primary_key.is_empty() {
            return self.add_key(&request, a);
        }
        a.table.indexes.remove(at);
        self.keep(a)?;
        self.add_key(&request, a)
    }

    /// Drops what depends on a part of the table that is to go, or refuses to;
    /// `what` is what errors call that part, where it is not its own name.
    pub(super) async fn drop_dependents(
        &mut self,
        roots: &[ObjectKind],
        what: Option<&str>,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let dependents = a.catalog.dependents_of(roots, self.settings.search_path());
        if dependents.is_empty() {
            return Ok(());
        }
        match what {
            Some(what) if !cascade => return Err(still_needed(what, &dependents)),
            _ => self.allow_cascade(&a.catalog, roots, &dependents, cascade)?,
        }
        self.keep(a)?;
        let gone: Vec<ObjectKind> = dependents.iter().map(|d| d.object).collect();
        let mut catalog = a.catalog.clone();
        let changes = self.remove_objects(&mut catalog, &gone).await?;
        self.change_catalog(catalog, changes, Layer::default())?;
        a.catalog = self.catalog()?.as_ref().clone();
        if let Some(table) = a.catalog.table_by_oid(a.table.oid) {
            a.table = table.as_ref().clone();
        }
        Ok(())
    }

    pub(super) async fn validate_constraint(
        &mut self,
        name: &Ident,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let Some(key) = Self::foreign_key_named(&a.table, name).cloned() else {
            let name = fold_identifier(name);
            let mut checks = a.table.checks.iter();
            if let Some(check) = checks.find(|check| check.name == name).cloned() {
                if !check.validated {
                    self.check_rows(check.oid, a)?;
                    for stored in &mut a.table.checks {
                        stored.validated |= stored.oid == check.oid;
                    }
                }
                return Ok(());
            }
            if a.table.has_constraint(&name) {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!(
                        "constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint",
                        a.table.name
                    ),
                ));
            }
            return Err(no_constraint(&name, &a.table.name));
        };
        if key.validated {
            return Ok(());
        }
        self.lock_table(key.referenced, LockMode::RowShare).await?;
        let view = self.current_rows()?;
        foreign_key::validate(&key, &a.catalog, a.table.oid, &view, &self.cancel)?;
        for stored in &mut a.table.foreign_keys {
            stored.validated |= stored.oid == key.oid;
        }
        Ok(())
    }
}

/// Rows that are checked together.
const ROWS_TOGETHER: usize = 1_024;

fn violated_by_some(table: &TableDescriptor, check: &str, catalog: &Catalog) -> SqlError {
    let error = SqlError::new(
        state::CHECK_VIOLATION,
        format!(
            "check constraint \"{check}\" of relation \"{}\" is violated by some row",
            table.name
        ),
    );
    catalog.concerning(table, error).constraint(check)
}

pub(super) fn no_constraint(name: &str, table: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("constraint \"{name}\" of relation \"{table}\" does not exist"),
    )
}

/// Gives a constraint another name, and the index behind it.
pub(super) fn rename(old: &Ident, new: &Ident, a: &mut Alteration) -> Result<(), SqlError> {
    let (old, new) = (fold_identifier(old), fold_identifier(new));
    if !a.table.has_constraint(&old) {
        return Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!(
                "constraint \"{old}\" for table \"{}\" does not exist",
                a.table.name
            ),
        ));
    }
    let new = taken(&a.table, &new)?;
    if let Some(key) = a.table.foreign_keys.iter_mut().find(|k| k.name == old) {
        key.name = new;
        return Ok(());
    }
    if let Some(check) = a.table.checks.iter_mut().find(|c| c.name == old) {
        check.name = new;
        return Ok(());
    }
    if a.catalog.relation_exists(a.table.schema, &new) {
        return Err(SqlError::new(
            state::DUPLICATE_TABLE,
            format!("relation \"{new}\" already exists"),
        ));
    }
    match &mut a.table.primary_key_name {
        Some((name, _)) if *name == old => *name = new,
        _ => {
            let mut indexes = a.table.indexes.iter_mut();
            if let Some(index) = indexes.find(|i| i.constraint && i.name == old) {
                index.name = new;
            }
        }
    }
    Ok(())
}
