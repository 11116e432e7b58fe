//! Which partition takes a row.

use std::collections::HashMap;
use std::sync::Arc;

use super::hash;
use super::member::Member;
use crate::catalog::{
    BoundKey, Catalog, EdgeKey, PartitionBy, Strategy, TableDescriptor, value_key,
};
use crate::error::{SqlError, state};
use crate::exec::table::{TableInfo, datum_at, display};
use crate::exec::target::Planning;
use crate::exec::write::StatementWriter;
use crate::pg_catalog::partition_key_columns;
use crate::query::{Place, RowEvaluator, RowRelation, SessionInfo};
use crate::session::parse_expression;
use crate::types::Datum;

/// The partitions of one table.
#[derive(Debug)]
pub(crate) struct Router {
    table: Arc<TableInfo>,
    by: PartitionBy,
    /// The expressions among the keys.
    expressions: Option<RowEvaluator>,
    places: Places,
    default: Option<u32>,
}

/// Where rows go.
#[derive(Debug)]
enum Places {
    List {
        values: HashMap<Vec<u8>, u32>,
        null: Option<u32>,
    },
    /// In the order of their beginnings.
    Range(Vec<(Vec<EdgeKey>, Vec<EdgeKey>, u32)>),
    /// Modulus, remainder.
    Hash(Vec<(u32, u32, u32)>),
}

impl Router {
    /// Works out the partitions of a table; nothing when it has no partitions by its
    /// definition.
    ///
    /// # Errors
    /// XX001 for damaged descriptors.
    pub(crate) fn new(
        table: &Arc<TableDescriptor>,
        planning: &Planning,
        session: &Arc<SessionInfo>,
    ) -> Result<Option<Self>, SqlError> {
        let Some(by) = table.family.partition_by.clone() else {
            return Ok(None);
        };
        let mut places = match by.strategy {
            Strategy::List => Places::List {
                values: HashMap::new(),
                null: None,
            },
            Strategy::Range => Places::Range(Vec::new()),
            Strategy::Hash => Places::Hash(Vec::new()),
        };
        let mut default = None;
        for child in planning.catalog.children(table.oid) {
            let Some(bound) = &child.family.bound else {
                continue;
            };
            match (&mut places, bound.compared(&by)?) {
                (_, BoundKey::Default) => default = Some(child.oid),
                (Places::List { values, null }, BoundKey::List(keys, takes_null)) => {
                    values.extend(keys.into_iter().map(|key| (key, child.oid)));
                    if takes_null {
                        *null = Some(child.oid);
                    }
                }
                (Places::Range(ranges), BoundKey::Range(from, to)) => {
                    ranges.push((from, to, child.oid));
                }
                (Places::Hash(parts), BoundKey::Hash(modulus, remainder)) => {
                    parts.push((modulus, remainder, child.oid));
                }
                _ => return Err(SqlError::corrupted("a partition of another kind")),
            }
        }
        Ok(Some(Self {
            expressions: expressions(&by, table, planning, session)?,
            table: Arc::new(TableInfo::new(Arc::clone(table))?),
            by,
            places,
            default,
        }))
    }

    /// The values of the partition key in a row.
    fn key(&self, row: &[Datum]) -> Result<Vec<Datum>, SqlError> {
        let width = self.table.desc.columns.len();
        let mut computed = match &self.expressions {
            None => Vec::new(),
            Some(evaluator) => evaluator
                .evaluate(&[&[row.get(..width).unwrap_or(row)]])?
                .pop()
                .unwrap_or_default(),
        }
        .into_iter();
        Ok(self
            .by
            .keys
            .iter()
            .map(|key| match key.column {
                Some(attnum) => datum_at(row, attnum).clone(),
                None => computed.next().unwrap_or(Datum::Null),
            })
            .collect())
    }

    fn find(&self, key: &[Datum]) -> Result<Option<u32>, SqlError> {
        let found = match &self.places {
            Places::List { values, null } => match key.first() {
                None | Some(Datum::Null) => *null,
                Some(value) => values.get(&value_key(value)?).copied(),
            },
            Places::Range(_) if key.iter().any(Datum::is_null) => None,
            Places::Range(ranges) => {
                let edge = key
                    .iter()
                    .map(|value| value_key(value).map(EdgeKey::Value))
                    .collect::<Result<Vec<_>, _>>()?;
                let after = ranges.partition_point(|(from, _, _)| *from <= edge);
                let last = after.checked_sub(1).and_then(|at| ranges.get(at));
                last.filter(|(_, to, _)| edge < *to).map(|(_, _, oid)| *oid)
            }
            Places::Hash(parts) => {
                let value = hash::hash_of(key)?;
                parts
                    .iter()
                    .find(|(modulus, remainder, _)| hash::satisfies(value, *modulus, *remainder))
                    .map(|(_, _, oid)| *oid)
            }
        };
        Ok(found.or(self.default))
    }

    /// The partition that takes a row.
    ///
    /// # Errors
    /// Whatever an expression of the key fails with.
    pub(crate) fn partition_of(&self, row: &[Datum]) -> Result<Option<u32>, SqlError> {
        self.find(&self.key(row)?)
    }

    /// The error for a row that no partition takes.
    fn nowhere(&self, row: &[Datum]) -> Result<SqlError, SqlError> {
        let values: Vec<String> = self
            .key(row)?
            .iter()
            .zip(&self.by.keys)
            .map(|(value, key)| display(value, key.ty))
            .collect();
        let names = partition_key_columns(&self.by, &self.table.desc, true);
        Ok(SqlError::new(
            state::CHECK_VIOLATION,
            format!(
                "no partition of relation \"{}\" found for row",
                self.table.desc.name
            ),
        )
        .detail(format!(
            "Partition key of the failing row contains ({names}) = ({}).",
            values.join(", ")
        )))
    }
}

fn expressions(
    by: &PartitionBy,
    table: &Arc<TableDescriptor>,
    planning: &Planning,
    session: &Arc<SessionInfo>,
) -> Result<Option<RowEvaluator>, SqlError> {
    let exprs = by
        .keys
        .iter()
        .filter(|key| key.column.is_none())
        .filter_map(|key| key.expression.as_deref())
        .map(parse_expression)
        .collect::<Result<Vec<_>, _>>()?;
    if exprs.is_empty() {
        return Ok(None);
    }
    let relation = RowRelation::table(table, &table.name);
    let place = Place::PartitionKey;
    let planned = planning.expressions(&exprs, &[relation], place, &mut Vec::new())?;
    planned.bind(session, &[]).map(Some)
}

impl StatementWriter<'_> {
    /// A member of a target.
    ///
    /// # Errors
    /// XX000 when it is not there.
    pub(crate) fn member(&mut self, target: &TableInfo, oid: u32) -> Result<Arc<Member>, SqlError> {
        let key = (target.desc.oid, oid);
        if let Some(member) = self.families.members.get(&key) {
            return Ok(Arc::clone(member));
        }
        let catalog = self.catalog()?;
        let desc = match oid == target.desc.oid {
            true => Arc::clone(&target.desc),
            false => Self::described(&catalog, oid)?,
        };
        let table = Arc::new(TableInfo::new(desc)?);
        let member = Arc::new(Member::new(&target.desc, table));
        self.families.members.insert(key, Arc::clone(&member));
        Ok(member)
    }

    fn described(catalog: &Catalog, oid: u32) -> Result<Arc<TableDescriptor>, SqlError> {
        let found = catalog.table_by_oid(oid).cloned();
        found.ok_or_else(|| SqlError::internal(format!("no table {oid}")))
    }

    fn router(&mut self, oid: u32) -> Result<Arc<Router>, SqlError> {
        if let Some(router) = self.families.routers.get(&oid) {
            return Ok(Arc::clone(router));
        }
        let (planning, info) = self.planning()?;
        let table = Self::described(&planning.catalog, oid)?;
        let router = Router::new(&table, &planning, &info)?
            .ok_or_else(|| SqlError::internal("a table without partitions"))?;
        let router = Arc::new(router);
        self.families.routers.insert(oid, Arc::clone(&router));
        Ok(router)
    }

    /// Where a new row of `target` goes: the member, and the row as it is there.
    ///
    /// # Errors
    /// 23514 when no partition takes it.
    pub(crate) fn place_of(
        &mut self,
        target: &TableInfo,
        row: &[Datum],
    ) -> Result<(Arc<Member>, Vec<Datum>), SqlError> {
        let mut table = target.desc.oid;
        let mut row = row.to_vec();
        if target.desc.is_partition() && !self.fits(&target.desc, &row)? {
            return Err(self.does_not_fit(target, &row));
        }
        let mut partitioned = target.desc.is_partitioned();
        while partitioned {
            let router = self.router(table)?;
            let Some(child) = router.partition_of(&row)? else {
                let error = router.nowhere(&row)?;
                return Err(self.concerning(&router.table, error));
            };
            let step = self.member(&router.table, child)?;
            row = step.as_own(&row);
            table = child;
            partitioned = step.table.desc.is_partitioned();
        }
        Ok((self.member(target, table)?, row))
    }

    /// Whether a row of a partition is one that it takes.
    ///
    /// # Errors
    /// Whatever an expression of a partition key fails with.
    pub(crate) fn fits(&mut self, desc: &TableDescriptor, row: &[Datum]) -> Result<bool, SqlError> {
        let mut child = desc.oid;
        let mut parent = desc.family.parents.first().copied();
        let mut is_partition = desc.is_partition();
        let mut row = row.to_vec();
        while let Some(oid) = parent.filter(|_| is_partition) {
            let router = self.router(oid)?;
            row = self.member(&router.table, child)?.as_target(&row);
            if router.partition_of(&row)? != Some(child) {
                return Ok(false);
            }
            child = oid;
            parent = router.table.desc.family.parents.first().copied();
            is_partition = router.table.desc.is_partition();
        }
        Ok(true)
    }

    /// The error for a row that a partition does not take.
    pub(crate) fn does_not_fit(&self, table: &TableInfo, row: &[Datum]) -> SqlError {
        let error = SqlError::new(
            state::CHECK_VIOLATION,
            format!(
                "new row for relation \"{}\" violates partition constraint",
                table.desc.name
            ),
        )
        .detail(format!("Failing row contains ({}).", table.row_text(row)));
        self.concerning(table, error)
    }
}
