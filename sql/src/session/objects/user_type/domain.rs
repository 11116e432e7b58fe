//! Domains: CREATE DOMAIN, and what ALTER DOMAIN does.

use std::sync::Arc;

use sqlparser::ast::{ColumnDef, ColumnOption, Expr, Ident, ObjectName};

use super::super::super::Session;
use super::super::super::rewrite::for_each_row;
use crate::catalog::{
    Catalog, DomainCheck, DomainDescriptor, TypeDescriptor, TypeKind, fold_identifier, is_of,
};
use crate::error::{SqlError, state};
use crate::exec::domain::check_domain;
use crate::exec::object_name::free_name;
use crate::exec::table::{TableInfo, datum_at};
use crate::txn::LockMode;
use crate::types::PgType;

impl Session {
    pub(super) async fn create_domain(
        &mut self,
        name: &ObjectName,
        definition: &ColumnDef,
    ) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("CREATE DOMAIN").await?;
        let base = catalog.type_of_ast(&definition.data_type, self.settings.search_path())?;
        if let PgType::Unknown | PgType::Void | PgType::Int2Vector | PgType::OidVector = base {
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "\"{}\" is not a valid base type for a domain",
                    base.sql_name()
                ),
            ));
        }
        if let PgType::Composite(_) = base.base() {
            return Err(SqlError::unsupported("domains over composite types"));
        }
        let domain = DomainDescriptor {
            base,
            not_null: false,
            default: None,
            checks: Vec::new(),
        };
        let mut entry = self.new_type(name, TypeKind::Domain(domain), &mut catalog)?;
        let (mut not_null, mut null) = (false, false);
        for option in &definition.options {
            let constraint = option.name.as_ref();
            match &option.option {
                ColumnOption::NotNull => not_null = true,
                ColumnOption::Null => null = true,
                ColumnOption::Default(expr) => {
                    if rules_of(&mut entry)?.default.is_some() {
                        return Err(SqlError::new(
                            state::SYNTAX_ERROR,
                            "multiple default expressions",
                        ));
                    }
                    set_default(&mut entry, Some(expr))?;
                }
                ColumnOption::Check(check) => {
                    let name = constraint.or(check.name.as_ref());
                    add_check(&mut entry, name, &check.expr, false, &mut catalog)?;
                }
                ColumnOption::Collation(name) if is_plain_collation(name) => {}
                ColumnOption::Unique(_) => return Err(not_possible("unique")),
                ColumnOption::PrimaryKey(_) => return Err(not_possible("primary key")),
                ColumnOption::ForeignKey(_) => return Err(not_possible("foreign key")),
                other => {
                    return Err(SqlError::unsupported(format!("{other} of a domain")));
                }
            }
        }
        if not_null && null {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "conflicting NULL/NOT NULL constraints",
            ));
        }
        rules_of(&mut entry)?.not_null = not_null;
        self.try_domain(&entry, &catalog)?;
        self.keep_type(catalog, entry)?;
        Ok("CREATE DOMAIN".to_owned())
    }

    /// Plans the conditions and the default of a domain.
    ///
    /// # Errors
    /// Whatever they are refused for.
    pub(super) fn try_domain(
        &mut self,
        entry: &TypeDescriptor,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let mut planning = self.planning()?;
        planning.catalog = Arc::new(catalog.clone());
        let TypeKind::Domain(domain) = &entry.kind else {
            return Ok(());
        };
        check_domain(domain, &planning)
    }

    /// Checks the values of all columns of a domain that was given a new rule.
    ///
    /// # Errors
    /// 23502, 23514.
    pub(super) async fn check_columns(
        &mut self,
        entry: &TypeDescriptor,
        check: Option<&str>,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let uses = |ty: PgType| {
            let mut ty = ty;
            loop {
                if is_of(ty, entry.oid) {
                    return true;
                }
                match ty {
                    PgType::Domain(user) => match user.rules() {
                        Some(rules) => ty = rules.base,
                        None => return false,
                    },
                    _ => return false,
                }
            }
        };
        let TypeKind::Domain(domain) = &entry.kind else {
            return Ok(());
        };
        let planning = self.planning()?;
        let session = self.session_info()?;
        let evaluator = match check.and_then(|name| domain.checks.iter().find(|c| c.name == name)) {
            Some(check) => {
                let planned = crate::exec::domain::plan_check(domain.base, check, &planning)?;
                Some(planned.bind(&session, &[])?)
            }
            None => None,
        };
        let tables: Vec<_> = catalog.tables().cloned().collect();
        for table in tables {
            let columns: Vec<u16> = table
                .live_columns()
                .filter(|c| uses(c.ty))
                .map(|c| c.attnum)
                .collect();
            if columns.is_empty() {
                continue;
            }
            self.lock_table(table.oid, LockMode::Share).await?;
            let info = TableInfo::new(Arc::clone(&table))?;
            let snapshot = self.engine.snapshot();
            let view = self.transaction()?.newest_view(snapshot);
            for_each_row(&info, &view, &self.cancel, |_, _, row| {
                for attnum in &columns {
                    let value = datum_at(&row, *attnum);
                    let column = table.attribute(*attnum).map_or("", |c| c.name.as_str());
                    let fails = match &evaluator {
                        None => value.is_null(),
                        Some(evaluator) => {
                            let values = evaluator.evaluate(&[&[std::slice::from_ref(value)]])?;
                            let first = values.first().and_then(|v| v.first());
                            first.is_some_and(|v| v.as_bool() == Some(false))
                        }
                    };
                    if fails {
                        return Err(violated(column, &table.name, check));
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn violated(column: &str, table: &str, check: Option<&str>) -> SqlError {
    match check {
        None => SqlError::new(
            state::NOT_NULL_VIOLATION,
            format!("column \"{column}\" of table \"{table}\" contains null values"),
        ),
        Some(_) => SqlError::new(
            state::CHECK_VIOLATION,
            format!(
                "column \"{column}\" of table \"{table}\" contains values that violate the new constraint"
            ),
        ),
    }
}

fn not_possible(what: &str) -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        format!("{what} constraints not possible for domains"),
    )
}

fn is_plain_collation(name: &ObjectName) -> bool {
    let last = name.0.last().map(ToString::to_string).unwrap_or_default();
    matches!(
        last.trim_matches('"'),
        "C" | "POSIX" | "default" | "ucs_basic"
    )
}

/// What a domain asks for.
///
/// # Errors
/// 42809 for another type.
pub(super) fn rules_of(entry: &mut TypeDescriptor) -> Result<&mut DomainDescriptor, SqlError> {
    match &mut entry.kind {
        TypeKind::Domain(domain) => Ok(domain),
        _ => Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("{} is not a domain", entry.name),
        )),
    }
}

/// SET DEFAULT, or DROP DEFAULT.
pub(super) fn set_default(entry: &mut TypeDescriptor, expr: Option<&Expr>) -> Result<(), SqlError> {
    rules_of(entry)?.default = expr.map(ToString::to_string);
    Ok(())
}

/// Adds a condition; its name.
pub(super) fn add_check(
    entry: &mut TypeDescriptor,
    name: Option<&Ident>,
    expr: &Expr,
    not_valid: bool,
    catalog: &mut Catalog,
) -> Result<String, SqlError> {
    let oid = catalog.allocate_oid();
    let domain = entry.name.clone();
    let rules = rules_of(entry)?;
    let exists = |name: &str| rules.checks.iter().any(|c| c.name == name);
    let name = match name {
        Some(name) => {
            let name = fold_identifier(name);
            if exists(&name) {
                return Err(SqlError::new(
                    state::DUPLICATE_OBJECT,
                    format!("constraint \"{name}\" for domain \"{domain}\" already exists"),
                ));
            }
            name
        }
        None => free_name(&domain, "", "check", |name| !exists(name)),
    };
    rules.checks.push(DomainCheck {
        oid,
        name: name.clone(),
        expression: expr.to_string(),
        validated: !not_valid,
    });
    Ok(name)
}
