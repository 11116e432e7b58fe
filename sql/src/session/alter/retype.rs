//! ALTER COLUMN … TYPE: the table is written again with converted values.

use sqlparser::ast::{DataType, Expr, Ident};

use super::super::Session;
use super::Alteration;
use crate::catalog::{Catalog, ObjectKind, TableDescriptor, TypeNames, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::ddl::storable_type;
use crate::exec::foreign_key;
use crate::exec::generated_column::generated_from;
use crate::exec::index_expression;
use crate::exec::insert::{Defaults, set};
use crate::exec::table::datum_at;
use crate::exec::target::Planning;
use crate::query::{Place, RowRelation, quote_ident};
use crate::types::{PgType, key};

impl Session {
    pub(in super::super) async fn set_type(
        &mut self,
        name: &Ident,
        data_type: &DataType,
        using: Option<&Expr>,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let name = fold_identifier(name);
        let column = Catalog::column(&a.table, &name)?.clone();
        let attnum = column.attnum;
        let types = TypeNames {
            catalog: &a.catalog,
            search_path: self.settings.search_path(),
        };
        let to = storable_type(&name, data_type, types)?;
        self.refuse_used_by_view(attnum, a)?;
        refuse_used_by_generated(&name, attnum, a)?;
        self.retype_identity(attnum, to, a)?;
        let keyed = a.table.primary_key.contains(&attnum)
            || a.table.indexes.iter().any(|i| i.columns.contains(&attnum));
        if keyed && !key::supports(to) {
            return Err(SqlError::unsupported(format!(
                "a key on a column of type {}",
                to.sql_name()
            )));
        }
        if column.default.is_some() && column.identity.is_none() && !assignable(column.ty, to) {
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "default for column \"{name}\" cannot be cast automatically to type {}",
                    to.sql_name()
                ),
            ));
        }
        let planning = self.planning()?;
        let session = self.session_info()?;
        let relation = RowRelation::table(&a.table, &a.table.name);
        let using = match using {
            Some(expr) => {
                let exprs = std::slice::from_ref(expr);
                Some(planning.expressions(exprs, &[relation], Place::Using, &mut Vec::new())?)
            }
            None => None,
        };
        let from = match &using {
            Some(planned) => planned.columns().first().map_or(to, |c| c.pg_type),
            None => column.ty,
        };
        if !assignable(from, to) {
            return Err(not_automatic(&name, to, using.is_some()));
        }
        let using = using
            .map(|planned| planned.bind(&session, &[]))
            .transpose()?;
        let old = self.stored_table(a)?;
        for column in &mut a.table.columns {
            if column.attnum == attnum {
                column.ty = to;
                column.missing = None;
            }
        }
        if to.has_domain() {
            // Its conditions would have to be checked for the rows that are there.
            return Err(SqlError::unsupported("ALTER COLUMN … TYPE of a domain"));
        }
        refresh(&mut a.table, attnum, &planning)?;
        Defaults::check(&a.table, &planning)?;
        let new = self.stored_table(a)?;
        let format = self.format();
        self.rebuild(&old, a, &mut |row| {
            let value = match &using {
                None => datum_at(row, attnum).clone(),
                Some(using) => {
                    let values = using.evaluate(&[&[row.as_slice()]])?;
                    let value = values.into_iter().next().and_then(|v| v.into_iter().next());
                    value.unwrap_or(crate::types::Datum::Null)
                }
            };
            set(row, &new, attnum, value, &format)
        })?;
        self.keep(a)?;
        self.check_again(attnum, a)
    }

    /// A view shows the column with the type that it had.
    fn refuse_used_by_view(&self, attnum: u16, a: &Alteration) -> Result<(), SqlError> {
        let root = [ObjectKind::Column(a.table.oid, attnum)];
        let path = self.settings.search_path();
        let dependents = a.catalog.dependents_of(&root, path);
        let view = dependents.iter().find(|d| match d.object {
            // The sequence of the column goes on as it is.
            ObjectKind::Relation(oid) => a.catalog.sequence_by_oid(oid).is_none(),
            _ => false,
        });
        let Some(view) = view else {
            return Ok(());
        };
        let column = a.table.attribute(attnum).map_or("", |c| c.name.as_str());
        Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "cannot alter type of a column used by a view or rule",
        )
        .detail(format!(
            "rule _RETURN on {} depends on column \"{column}\"",
            view.name
        )))
    }

    /// Checks the constraints that a column of another type may not comply with.
    fn check_again(&mut self, attnum: u16, a: &Alteration) -> Result<(), SqlError> {
        let checks = a
            .table
            .checks
            .iter()
            .filter(|c| c.columns.contains(&attnum));
        for check in checks.filter(|c| c.validated) {
            self.check_rows(check.oid, a)?;
        }
        let view = self.current_rows()?;
        let own = a.table.foreign_keys.iter();
        let own = own.filter(|key| key.columns.contains(&attnum));
        let own = own.map(|key| (a.table.oid, key.clone()));
        let others = a.catalog.referencing(a.table.oid);
        let others = others.filter(|(_, key)| key.referenced_columns.contains(&attnum));
        let others = others.map(|(table, key)| (table.oid, key.clone()));
        for (table, key) in own.chain(others) {
            foreign_key::define::check_types(&key, table, &a.catalog)?;
            if key.validated {
                foreign_key::validate(&key, &a.catalog, table, &view, &self.cancel)?;
            }
        }
        Ok(())
    }
}

/// A generated column has the type that it had when its expression was written.
fn refuse_used_by_generated(name: &str, attnum: u16, a: &Alteration) -> Result<(), SqlError> {
    let generated = generated_from(&a.table, attnum);
    let Some(column) = generated.first().and_then(|n| a.table.attribute(*n)) else {
        return Ok(());
    };
    Err(SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        "cannot alter type of a column used by a generated column",
    )
    .detail(format!(
        "Column \"{name}\" is used by generated column \"{}\".",
        column.name
    )))
}

/// The expressions of indexes may have other types now.
fn refresh(table: &mut TableDescriptor, attnum: u16, planning: &Planning) -> Result<(), SqlError> {
    let current = table.clone();
    for index in table.indexes.iter_mut().filter(|i| i.needs(attnum)) {
        for part in &mut index.expressions {
            let expr = crate::session::parse_expression(&part.text)?;
            part.ty = index_expression::expression(&expr, &current, planning)?.ty;
        }
        if let Some(part) = &index.predicate {
            let expr = crate::session::parse_expression(&part.text)?;
            index_expression::predicate(&expr, &current, planning)?;
        }
    }
    Ok(())
}

fn not_automatic(name: &str, to: PgType, using: bool) -> SqlError {
    let ty = to.sql_name();
    if using {
        return SqlError::new(
            state::DATATYPE_MISMATCH,
            format!("result of USING clause for column \"{name}\" cannot be cast automatically to type {ty}"),
        )
        .hint("You might need to add an explicit cast.");
    }
    let column = quote_ident(name);
    SqlError::new(
        state::DATATYPE_MISMATCH,
        format!("column \"{name}\" cannot be cast automatically to type {ty}"),
    )
    .hint(format!(
        "You might need to specify \"USING {column}::{ty}\"."
    ))
}

/// Whether values of one type become another's by assignment.
fn assignable(from: PgType, to: PgType) -> bool {
    let number = |t| {
        matches!(
            t,
            PgType::Int2
                | PgType::Int4
                | PgType::Int8
                | PgType::Float4
                | PgType::Float8
                | PgType::Numeric(_)
        )
    };
    let text = |t| matches!(t, PgType::Text | PgType::Varchar(_) | PgType::Char(_));
    let day = |t| matches!(t, PgType::Date | PgType::Timestamp | PgType::Timestamptz);
    let clock = |t| {
        matches!(
            t,
            PgType::Timestamp | PgType::Timestamptz | PgType::Interval
        )
    };
    let (from, to) = (from.base(), to.base());
    from.oid() == to.oid()
        || from == PgType::Unknown
        || text(to)
        || (number(from) && number(to))
        || (day(from) && day(to))
        || (clock(from) && to == PgType::Time)
        || (from == PgType::Time && to == PgType::Interval)
        || (from == PgType::Json && to == PgType::Jsonb)
        || (from == PgType::Jsonb && to == PgType::Json)
}
