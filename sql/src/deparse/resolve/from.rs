//! FROM: what columns come from.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, TableAlias, TableFactor, TableWithJoins,
};

use super::super::tree::{From, Node, Relation, RelationKind};
use super::super::{Sure, Unsure};
use super::{Columns, Item, Resolver};
use crate::catalog::{QualifiedName, fold_identifier};
use crate::pg_catalog::{self, Object};
use crate::query::SEQUENCE_COLUMNS;
use crate::session::ONLY;
use crate::types::PgType;

/// A part of FROM while its names are found.
pub(super) struct Source {
    pub(super) from: From,
    /// The entry of its columns.
    pub(super) relation: usize,
    /// What names can mean after it.
    pub(super) items: Vec<Item>,
}

impl Source {
    /// The item of its own columns.
    pub(super) fn item(&self) -> Sure<&Item> {
        let own = self.items.iter().find(|i| i.relation == self.relation);
        own.ok_or(Unsure("a relation of FROM"))
    }
}

impl Resolver<'_> {
    pub(super) fn from(&mut self, tables: &[TableWithJoins]) -> Sure<Vec<From>> {
        let mut from = Vec::with_capacity(tables.len());
        for table in tables {
            let source = self.joined(table)?;
            from.push(source.from);
            self.level()?.items.extend(source.items);
        }
        Ok(from)
    }

    /// One relation of FROM.
    pub(super) fn source(&mut self, factor: &TableFactor) -> Sure<Source> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if partitions.is_empty() && index_hints.is_empty() => {
                let only = match with_hints.as_slice() {
                    [] => false,
                    [Expr::Identifier(mark)] if mark.value == ONLY => true,
                    _ => return Err(Unsure("a hint")),
                };
                self.table(name, alias.as_ref(), only)
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_hints,
                version: None,
                with_ordinality,
                sample: None,
                ..
            } if with_hints.is_empty() && args.settings.is_none() => {
                self.function(name, &args.args, (*with_ordinality, false), alias.as_ref())
            }
            TableFactor::Function {
                lateral,
                name,
                args,
                with_ordinality,
                alias,
            } => self.function(name, args, (*with_ordinality, *lateral), alias.as_ref()),
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality,
            } => {
                let name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new("unnest"))]);
                let args: Vec<FunctionArg> = array_exprs
                    .iter()
                    .map(|e| FunctionArg::Unnamed(e.clone().into()))
                    .collect();
                self.function(&name, &args, (*with_ordinality, false), alias.as_ref())
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias: Some(alias),
                sample: None,
            } => {
                // Only after LATERAL does it see what stands before it.
                let before = match lateral {
                    true => None,
                    false => Some(std::mem::take(&mut self.level()?.items)),
                };
                let result = self.query(subquery);
                if let Some(before) = before {
                    self.level()?.items = before;
                }
                let (query, columns) = result?;
                let kind = RelationKind::Subquery(Box::new(query));
                self.add_named(
                    (kind, *lateral),
                    (None, String::new()),
                    Some(alias),
                    columns,
                )
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => match alias {
                None => self.joined(table_with_joins),
                Some(alias) => {
                    let source = self.joined(table_with_joins)?;
                    self.named_join(source, alias)
                }
            },
            _ => Err(Unsure("an item of FROM")),
        }
    }

    /// Adds a relation whose columns have these names without alias.
    fn add_named(
        &mut self,
        (kind, lateral): (RelationKind, bool),
        (written_schema, name): (Option<String>, String),
        alias: Option<&TableAlias>,
        columns: Columns,
    ) -> Sure<Source> {
        let (alias, given) = written(alias)?;
        // Aliases go to the columns that there are.
        let mut given = given.into_iter();
        let mut alias_columns = Vec::new();
        let mut seen = Vec::with_capacity(columns.len());
        for (at, (own, _)) in columns.iter().enumerate() {
            if own.is_empty() {
                alias_columns.push(String::new());
                continue;
            }
            let alias = given.next();
            seen.push((alias.clone().unwrap_or_else(|| own.clone()), at));
            alias_columns.push(alias.unwrap_or_default());
        }
        while alias_columns.last().is_some_and(String::is_empty) {
            alias_columns.pop();
        }
        // What is not stored has the names that it was given.
        let mut columns = columns;
        if !matches!(kind, RelationKind::Stored { .. }) {
            for (name, at) in &seen {
                if let Some((own, _)) = columns.get_mut(*at) {
                    own.clone_from(name);
                }
            }
        }
        let schema = match (&kind, &alias) {
            (RelationKind::Stored { oid, .. }, None) => {
                let object = self.facts.object(*oid);
                object.map(|o| self.facts.schema_name(o.schema()).to_owned())
            }
            _ => None,
        };
        let schema = written_schema.or(schema);
        let item_name = alias.clone().unwrap_or_else(|| name.clone());
        let relation = self.add(Relation {
            kind,
            alias,
            alias_columns,
            name,
            columns,
            lateral,
        })?;
        Ok(Source {
            from: From::Relation(relation),
            relation,
            items: vec![Item {
                relation,
                name: Some(item_name),
                schema,
                bare: true,
                columns: seen,
            }],
        })
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>, only: bool) -> Sure<Source> {
        let written = QualifiedName::from_ast(name, &self.facts.session.database)
            .map_err(|_| Unsure("a name"))?;
        if written.schema.is_none() {
            let known = self.levels.iter().rev().find_map(|level| {
                let found = level.ctes.iter().find(|(own, _)| *own == written.name);
                found.map(|(_, columns)| columns.clone())
            });
            if let Some(columns) = known {
                let kind = RelationKind::Cte(written.name.clone());
                return self.add_named((kind, false), (None, written.name), alias, columns);
            }
        }
        let (oid, columns) = self.stored(&written)?;
        let kind = RelationKind::Stored { oid, only };
        self.add_named(
            (kind, false),
            (written.schema, written.name),
            alias,
            columns,
        )
    }

    /// A stored relation, and the columns it had when the query was kept.
    fn stored(&self, name: &QualifiedName) -> Sure<(u32, Columns)> {
        let Some(bound) = self.bound.relation(name.schema.as_deref(), &name.name) else {
            let path = &self.facts.session.search_path;
            let system = pg_catalog::find(name.schema.as_deref(), &name.name, path);
            let system = system.ok_or(Unsure("a relation"))?;
            let columns = system.columns.iter();
            let columns = columns
                .map(|(name, ty)| ((*name).to_owned(), *ty))
                .collect();
            return Ok((system.oid, columns));
        };
        let object = self.facts.object(bound.oid).ok_or(Unsure("a relation"))?;
        let type_of = |attnum: u16| match object {
            Object::Table(table) => table.attribute(attnum).map(|c| c.ty),
            Object::View(view) => {
                let at = usize::from(attnum).checked_sub(1)?;
                view.columns.get(at).map(|c| c.ty)
            }
            Object::Sequence(_) => {
                let at = usize::from(attnum).checked_sub(1)?;
                SEQUENCE_COLUMNS.get(at).map(|(_, ty)| *ty)
            }
            _ => None,
        };
        let last = bound.columns.iter().map(|c| c.attnum).max().unwrap_or(0);
        let columns = (1..=last)
            .map(|attnum| {
                let own = bound.columns.iter().find(|c| c.attnum == attnum);
                match own.and_then(|own| Some((own.name.clone(), type_of(attnum)?))) {
                    Some(column) => column,
                    None => (String::new(), PgType::Unknown),
                }
            })
            .collect();
        Ok((bound.oid, columns))
    }

    fn function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        (ordinality, lateral): (bool, bool),
        alias: Option<&TableAlias>,
    ) -> Sure<Source> {
        let function = Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: args.to_vec(),
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        let before = self.level()?.uses;
        let call: Node = self.expr(&Expr::Function(function))?;
        let lateral = lateral || self.level()?.uses != before;
        let own = name.0.last().and_then(ObjectNamePart::as_ident);
        let own = own.map(fold_identifier).ok_or(Unsure("a function"))?;
        let column = alias.map_or_else(|| own.clone(), |alias| fold_identifier(&alias.name));
        let mut columns = vec![(column, call.ty)];
        if ordinality {
            columns.push(("ordinality".to_owned(), PgType::Int8));
        }
        let kind = RelationKind::Function { call, ordinality };
        self.add_named((kind, lateral), (None, own), alias, columns)
    }

    /// Gives a join a name, which hides those of what is joined.
    fn named_join(&mut self, mut source: Source, alias: &TableAlias) -> Sure<Source> {
        if matches!(source.from, From::Relation(_)) {
            return Err(Unsure("a relation in parentheses"));
        }
        let (alias, given) = written(Some(alias))?;
        let mut item = source.item()?.clone();
        item.name.clone_from(&alias);
        item.bare = true;
        for ((name, _), alias) in item.columns.iter_mut().zip(&given) {
            name.clone_from(alias);
        }
        let relation = self.level()?.relations.get_mut(source.relation);
        let relation = relation.ok_or(Unsure("a join"))?;
        if relation.alias.is_some() {
            return Err(Unsure("a join with two names"));
        }
        relation.alias = alias;
        relation.alias_columns = given;
        source.items = vec![item];
        Ok(source)
    }
}

/// A written alias: its name and those for columns.
fn written(alias: Option<&TableAlias>) -> Sure<(Option<String>, Vec<String>)> {
    let Some(alias) = alias else {
        return Ok((None, Vec::new()));
    };
    if alias.at.is_some() || alias.columns.iter().any(|c| c.data_type.is_some()) {
        return Err(Unsure("an alias"));
    }
    let columns = alias.columns.iter().map(|c| fold_identifier(&c.name));
    Ok((Some(fold_identifier(&alias.name)), columns.collect()))
}
